//! Sans-I/O: values as Java's client reads them. What reaches librdkafka is written anew: it reads `010` as octal, `5x` as 5 and
//! `t` as true, and has ranges of its own.

use std::ops::RangeInclusive;

/// A number of Java's client.
pub(super) struct Number {
    /// Java's key.
    pub(super) key: &'static str,
    /// librdkafka's; without one the engine reads it.
    pub(super) target: Option<&'static str>,
    java: Java,
    /// What librdkafka takes. Java's range is wider where a time or a size is without any limit in practice; it is cut to this.
    range: RangeInclusive<i64>,
}

/// Java's type, and the least it takes.
enum Java {
    Int(i32),
    Long(i64),
}

const fn int(key: &'static str, target: &'static str, least: i32, range: RangeInclusive<i64>) -> Number {
    Number {
        key,
        target: Some(target),
        java: Java::Int(least),
        range,
    }
}

const fn long(key: &'static str, target: &'static str, least: i64, range: RangeInclusive<i64>) -> Number {
    Number {
        key,
        target: Some(target),
        java: Java::Long(least),
        range,
    }
}

const INT_MAX: i64 = i32::MAX as i64;

/// More often than this the brokers would do little else than name their topics.
const METADATA_AGE_MS_MIN: i64 = 100;

/// The numbers there are, with the ranges of librdkafka's CONFIGURATION.md.
pub(super) const NUMBERS: [Number; 17] = [
    int("batch.size", "batch.size", 0, 1..=INT_MAX),
    // No time at all is less than Java's producer opens with; to librdkafka it is for ever.
    int("delivery.timeout.ms", "delivery.timeout.ms", 1, 1..=INT_MAX),
    int("fetch.max.bytes", "fetch.max.bytes", 0, 0..=2_147_483_135),
    int("fetch.max.wait.ms", "fetch.wait.max.ms", 0, 0..=300_000),
    int("fetch.min.bytes", "fetch.min.bytes", 0, 1..=100_000_000),
    int(
        "heartbeat.interval.ms",
        "heartbeat.interval.ms",
        i32::MIN,
        1..=3_600_000,
    ),
    long("linger.ms", "linger.ms", 0, 0..=900_000),
    int(
        "max.in.flight.requests.per.connection",
        "max.in.flight.requests.per.connection",
        1,
        1..=1_000_000,
    ),
    int(
        "max.partition.fetch.bytes",
        "max.partition.fetch.bytes",
        0,
        1..=1_000_000_000,
    ),
    int("max.poll.interval.ms", "max.poll.interval.ms", 1, 1..=86_400_000),
    // The engine reads it before the client is opened.
    Number {
        key: "max.poll.records",
        target: None,
        java: Java::Int(1),
        range: 1..=INT_MAX,
    },
    int("max.request.size", "message.max.bytes", 0, 1000..=1_000_000_000),
    // How often librdkafka asks about named topics; of a pattern, how often the consumer looks which topics there are.
    long(
        "metadata.max.age.ms",
        "topic.metadata.refresh.interval.ms",
        METADATA_AGE_MS_MIN,
        METADATA_AGE_MS_MIN..=3_600_000,
    ),
    // No longer than its longest wait, `reconnect.backoff.max.ms`, which is not set.
    long("reconnect.backoff.ms", "reconnect.backoff.ms", 0, 0..=10_000),
    int("request.timeout.ms", "socket.timeout.ms", 0, 10..=300_000),
    int("retries", "retries", 0, 0..=INT_MAX),
    int(
        "session.timeout.ms",
        "session.timeout.ms",
        i32::MIN,
        1..=3_600_000,
    ),
];

impl Number {
    /// The value in librdkafka's range.
    ///
    /// # Errors
    /// Connect's reason.
    pub(super) fn read(&self, text: &str) -> Result<String, String> {
        let (parsed, least, name) = match self.java {
            Java::Int(least) => (text.parse::<i32>().map(i64::from), i64::from(least), "INT"),
            Java::Long(least) => (text.parse::<i64>(), least, "LONG"),
        };
        let value = parsed.map_err(|_| format!("Not a number of type {name}"))?;
        if value < least {
            return Err(format!("Value must be at least {least}"));
        }
        Ok(value.clamp(*self.range.start(), *self.range.end()).to_string())
    }
}

/// Values out of a closed set, as Java spells them.
pub(super) const CHOICES: [(&str, &[&str]); 3] = [
    ("acks", &["all", "-1", "0", "1"]),
    ("compression.type", &["none", "gzip", "snappy", "lz4", "zstd"]),
    ("isolation.level", &["read_committed", "read_uncommitted"]),
];

/// One of them.
///
/// # Errors
/// Connect's reason.
pub(super) fn choice(choices: &[&str], text: &str) -> Result<String, String> {
    if choices.contains(&text) {
        Ok(text.to_owned())
    } else {
        Err(format!("String must be one of: {}", choices.join(", ")))
    }
}

const PROTOCOLS: [&str; 4] = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];

/// `security.protocol`, in any case.
///
/// # Errors
/// Connect's reason.
pub(super) fn protocol(text: &str) -> Result<String, String> {
    if PROTOCOLS.contains(&text.to_uppercase().as_str()) {
        Ok(text.to_lowercase())
    } else {
        let known = PROTOCOLS.join(", ");
        Err(format!("String must be one of (case insensitive): {known}"))
    }
}

/// `true` or `false`, in any case.
///
/// # Errors
/// Connect's reason.
pub(super) fn boolean(text: &str) -> Result<String, String> {
    match text.to_ascii_lowercase() {
        known if matches!(known.as_str(), "true" | "false") => Ok(known),
        _ => Err("Expected value to be either true or false".into()),
    }
}

/// `auto.offset.reset`, one answer of which has another name there.
///
/// # Errors
/// The values there are.
pub(super) fn offset_reset(text: &str) -> Result<String, String> {
    match text {
        "earliest" | "latest" => Ok(text.to_owned()),
        "none" => Ok("error".to_owned()),
        _ if text.starts_with("by_duration:") => {
            Err("by_duration is not supported: use earliest, latest or none".into())
        }
        _ => Err("The value must be either 'earliest', 'latest' or 'none'".into()),
    }
}

/// A list with commas: blanks around its items go, which librdkafka would keep behind one.
pub(super) fn list(text: &str) -> String {
    let items: Vec<_> = text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .collect();
    items.join(",")
}
