//! Sans-I/O: Java's client keys in librdkafka's words, and who may set them.
//!
//! Client configuration is code execution (librdkafka can load libraries and run commands), so only what this table names
//! reaches a client, whoever asks.

use rowtide_api::Properties;
use rowtide_api::config::Finding;

/// What becomes of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Translation {
    /// These of librdkafka's keys.
    Set(Vec<(&'static str, String)>),
    /// The key has no counterpart and no effect; why.
    NoEffect(&'static str),
    /// The value or the key is refused; why.
    Refused(String),
    /// No client knows the key.
    Unknown,
}

/// `connector.client.config.override.policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Absent: the allow-list of harmless tuning keys.
    AllowList,
    /// Nothing may be overridden.
    None,
    /// Only credentials.
    Principal,
    /// Everything that can be translated.
    All,
}

impl Policy {
    /// Parses the worker's key; Java class names are accepted.
    ///
    /// # Errors
    /// The names there are.
    pub fn parse(text: &str) -> Result<Self, String> {
        let short = text.rsplit('.').next().unwrap_or(text);
        match short
            .strip_suffix("ConnectorClientConfigOverridePolicy")
            .unwrap_or(short)
        {
            "All" => Ok(Self::All),
            "None" => Ok(Self::None),
            "Principal" => Ok(Self::Principal),
            _ => Err("Expected None, Principal or All".into()),
        }
    }

    fn allows(self, key: &str) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Principal => matches!(key, "sasl.jaas.config" | "sasl.mechanism" | "security.protocol"),
            Self::AllowList => ALLOWED.contains(&key),
        }
    }
}

/// Tuning that can harm nobody but the connector that sets it.
const ALLOWED: [&str; 24] = [
    "acks",
    "auto.offset.reset",
    "batch.size",
    "buffer.memory",
    "client.id",
    "compression.type",
    "delivery.timeout.ms",
    "enable.idempotence",
    "fetch.max.bytes",
    "fetch.max.wait.ms",
    "fetch.min.bytes",
    "group.id",
    "heartbeat.interval.ms",
    "isolation.level",
    "linger.ms",
    "max.in.flight.requests.per.connection",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "max.poll.records",
    "max.request.size",
    "metadata.max.age.ms",
    "partition.assignment.strategy",
    "request.timeout.ms",
    "session.timeout.ms",
];

/// Checks a connector's overrides of one client kind; keys without prefix.
pub fn check_overrides(policy: Policy, overrides: &Properties) -> Vec<Finding> {
    let findings = overrides.iter().filter_map(|(key, value)| {
        let message = match translate(key, value) {
            Translation::Refused(why) => why,
            Translation::Unknown => format!("{key} is no client setting that Rowtide knows"),
            _ if !policy.allows(key) => format!(
                "{key} may not be overridden under this worker's policy; set it with the worker's prefix, or set connector.client.config.override.policy=All"
            ),
            _ => return None,
        };
        Some(Finding { key: key.to_owned(), message })
    });
    findings.collect()
}

/// Translates one of Java's client keys.
pub fn translate(key: &str, value: &str) -> Translation {
    let value = value.trim();
    if let Some(name) = SAME.iter().find(|name| **name == key) {
        return set(name, value);
    }
    match key {
        // The same three answers, one of them under another name.
        "auto.offset.reset" => set("auto.offset.reset", if value == "none" { "error" } else { value }),
        "max.request.size" => set("message.max.bytes", value),
        "buffer.memory" => kilobytes("queue.buffering.max.kbytes", key, value),
        "fetch.max.wait.ms" => set("fetch.wait.max.ms", value),
        "request.timeout.ms" => set("socket.timeout.ms", value),
        "delivery.timeout.ms" => set("delivery.timeout.ms", capped(value)),
        "max.poll.interval.ms" => set("max.poll.interval.ms", capped(value)),
        "metadata.max.age.ms" => metadata_age(key, value),
        "retries" => set("retries", capped(value)),
        "partition.assignment.strategy" => assignors(value),
        "sasl.jaas.config" => jaas(value),
        "ssl.truststore.location"
        | "ssl.keystore.location"
        | "ssl.truststore.password"
        | "ssl.keystore.password" => Translation::Refused(format!(
            "{key} is not supported yet: give PEM text in ssl.truststore.certificates, ssl.keystore.certificate.chain and ssl.keystore.key"
        )),
        "ssl.truststore.certificates" => set("ssl.ca.pem", value),
        "ssl.keystore.certificate.chain" => set("ssl.certificate.pem", value),
        "ssl.keystore.key" => set("ssl.key.pem", value),
        "ssl.endpoint.identification.algorithm" => set(
            "ssl.endpoint.identification.algorithm",
            if value.is_empty() { "none" } else { value },
        ),
        "key.serializer" | "value.serializer" | "key.deserializer" | "value.deserializer" => {
            Translation::Refused(format!(
                "{key} cannot be set: converters write and read the bytes"
            ))
        }
        "transactional.id" => Translation::Refused(
            "transactional.id belongs to exactly-once delivery, which is not built yet".into(),
        ),
        "enable.auto.commit" => Translation::Refused(
            "enable.auto.commit cannot be set: positions are committed once records are durable".into(),
        ),
        // The engine reads these before the client is opened.
        "max.poll.records" => Translation::Set(Vec::new()),
        "max.block.ms"
        | "send.buffer.bytes"
        | "receive.buffer.bytes"
        | "client.dns.lookup"
        | "partitioner.class"
        | "interceptor.classes"
        | "metric.reporters"
        | "metrics.num.samples"
        | "metrics.recording.level"
        | "metrics.sample.window.ms"
        | "connections.max.idle.ms"
        | "default.api.timeout.ms"
        | "retry.backoff.ms"
        | "retry.backoff.max.ms"
        | "reconnect.backoff.max.ms"
        | "socket.connection.setup.timeout.ms"
        | "socket.connection.setup.timeout.max.ms"
        | "metadata.recovery.strategy"
        | "check.crcs" => Translation::NoEffect("librdkafka has no such setting, or Rowtide sets it itself"),
        _ => Translation::Unknown,
    }
}

/// Keys with the same name and meaning on both sides.
const SAME: [&str; 22] = [
    "acks",
    "batch.size",
    "bootstrap.servers",
    "client.id",
    "client.rack",
    "compression.type",
    "enable.idempotence",
    "fetch.max.bytes",
    "fetch.min.bytes",
    "group.id",
    "group.instance.id",
    "heartbeat.interval.ms",
    "isolation.level",
    "linger.ms",
    "max.in.flight.requests.per.connection",
    "max.partition.fetch.bytes",
    "reconnect.backoff.ms",
    "sasl.mechanism",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "session.timeout.ms",
];

fn set(key: &'static str, value: impl Into<String>) -> Translation {
    Translation::Set(vec![(key, value.into())])
}

fn kilobytes(target: &'static str, key: &str, value: &str) -> Translation {
    match value.parse::<u64>() {
        Ok(bytes) => set(target, (bytes / 1024).clamp(1, 2_097_151).to_string()),
        Err(_) => Translation::Refused(format!(
            "Invalid value {value} for configuration {key}: Not a number of type LONG"
        )),
    }
}

/// More often than this the brokers would do little else than name their topics.
const METADATA_AGE_MS_MIN: u64 = 100;
/// librdkafka's longest interval; looking more often than was asked for is harmless.
const METADATA_AGE_MS_MAX: u64 = 3_600_000;

/// How often librdkafka asks about named topics; of a pattern, how often the consumer looks which topics there are.
fn metadata_age(key: &str, value: &str) -> Translation {
    let invalid =
        |why: &str| Translation::Refused(format!("Invalid value {value} for configuration {key}: {why}"));
    match value.parse::<i64>().map(u64::try_from) {
        Err(_) => invalid("Not a number of type LONG"),
        Ok(Ok(ms)) if ms >= METADATA_AGE_MS_MIN => set(
            "topic.metadata.refresh.interval.ms",
            ms.min(METADATA_AGE_MS_MAX).to_string(),
        ),
        Ok(_) => invalid(&format!("Value must be at least {METADATA_AGE_MS_MIN}")),
    }
}

/// Java allows any int; librdkafka a little less.
fn capped(value: &str) -> String {
    value.parse::<i64>().map_or_else(
        |_| value.to_owned(),
        |number| number.min(2_147_483_647).to_string(),
    )
}

fn assignors(value: &str) -> Translation {
    let translated: Result<Vec<_>, _> = value
        .split(',')
        .map(|name| match name.trim().rsplit('.').next().unwrap_or_default() {
            "RangeAssignor" | "range" => Ok("range"),
            "RoundRobinAssignor" | "roundrobin" => Ok("roundrobin"),
            "CooperativeStickyAssignor" | "cooperative-sticky" => Ok("cooperative-sticky"),
            other => Err(format!("partition.assignment.strategy {other} is not supported: use the range, round-robin or cooperative sticky assignor")),
        })
        .collect();
    match translated {
        // librdkafka refuses eager and cooperative assignors together; the first decides.
        Ok(names) => set(
            "partition.assignment.strategy",
            names.into_iter().next().unwrap_or("range"),
        ),
        Err(why) => Translation::Refused(why),
    }
}

/// The login modules that are a user name and a password; everything else is refused by its name.
fn jaas(value: &str) -> Translation {
    let module = value.split_whitespace().next().unwrap_or_default();
    if !matches!(
        module.rsplit('.').next(),
        Some("PlainLoginModule" | "ScramLoginModule")
    ) {
        return Translation::Refused(format!(
            "sasl.jaas.config with {module} is not supported: use PlainLoginModule or ScramLoginModule"
        ));
    }
    match (option(value, "username"), option(value, "password")) {
        (Some(user), Some(password)) => {
            Translation::Set(vec![("sasl.username", user), ("sasl.password", password)])
        }
        _ => Translation::Refused("sasl.jaas.config needs the options username and password".into()),
    }
}

fn option(jaas: &str, name: &str) -> Option<String> {
    let after = jaas.split(&format!("{name}=")).nth(1)?;
    match after.strip_prefix('"') {
        Some(quoted) => Some(quoted.split('"').next()?.to_owned()),
        None => Some(after.split([' ', ';']).next()?.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CN-104.
    #[test]
    fn java_keys_become_librdkafkas() {
        assert_eq!(translate("max.request.size", "5"), set("message.max.bytes", "5"));
        for (java, librdkafka) in [("earliest", "earliest"), ("latest", "latest"), ("none", "error")] {
            assert_eq!(
                translate("auto.offset.reset", java),
                set("auto.offset.reset", librdkafka)
            );
        }
        assert_eq!(
            translate("buffer.memory", "33554432"),
            set("queue.buffering.max.kbytes", "32768")
        );
        assert_eq!(
            translate(
                "partition.assignment.strategy",
                "org.apache.kafka.clients.consumer.RangeAssignor"
            ),
            set("partition.assignment.strategy", "range")
        );
        let line = "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"u\" password=\"p w\";";
        assert_eq!(
            translate("sasl.jaas.config", line),
            Translation::Set(vec![
                ("sasl.username", "u".into()),
                ("sasl.password", "p w".into())
            ])
        );
        assert!(matches!(
            translate(
                "sasl.jaas.config",
                "com.sun.security.auth.module.JndiLoginModule required;"
            ),
            Translation::Refused(_)
        ));
    }

    /// CN-104: under Java's name, in librdkafka's range.
    #[test]
    fn the_age_of_metadata_is_how_often_it_is_asked_for() {
        let age = |value| translate("metadata.max.age.ms", value);
        for (java, librdkafka) in [
            ("100", "100"),
            (" 300000 ", "300000"),
            ("9223372036854775807", "3600000"),
        ] {
            assert_eq!(age(java), set("topic.metadata.refresh.interval.ms", librdkafka));
        }
        for (value, why) in [
            ("99", "at least 100"),
            ("-1", "at least 100"),
            ("1e3", "Not a number of type LONG"),
        ] {
            assert!(
                matches!(age(value), Translation::Refused(said) if said.contains(why)),
                "{value}"
            );
        }
        let one = Properties::from_iter([("metadata.max.age.ms", "1000")]);
        assert_eq!(check_overrides(Policy::AllowList, &one), []);
    }

    /// RS-026, RS-210: what loads code or files never reaches a client, under any policy.
    #[test]
    fn dangerous_keys_are_unknown_or_refused_under_every_policy() {
        for key in [
            "plugin.library.paths",
            "ssl.engine.location",
            "ssl.providers",
            "sasl.kerberos.kinit.cmd",
            "sasl.oauthbearer.token.endpoint.url",
            "ssl.ca.location",
            "ssl.key.location",
            "debug",
            "ssl.truststore.location",
            "enable.auto.commit",
        ] {
            for policy in [Policy::AllowList, Policy::None, Policy::Principal, Policy::All] {
                let findings = check_overrides(policy, &Properties::from_iter([(key, "x")]));
                assert_eq!(findings.len(), 1, "{key} under {policy:?}");
            }
        }
    }

    /// CN-106.
    #[test]
    fn policies_decide_about_the_rest() {
        let check = |policy, key| check_overrides(policy, &Properties::from_iter([(key, "1")])).is_empty();
        assert!(check(Policy::AllowList, "linger.ms") && !check(Policy::None, "linger.ms"));
        assert!(!check(Policy::AllowList, "bootstrap.servers") && check(Policy::All, "bootstrap.servers"));
        assert!(check(Policy::Principal, "security.protocol") && !check(Policy::Principal, "linger.ms"));
        assert_eq!(
            Policy::parse("org.x.AllConnectorClientConfigOverridePolicy"),
            Ok(Policy::All)
        );
    }
}
