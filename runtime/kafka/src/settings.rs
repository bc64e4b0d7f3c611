//! Sans-I/O: Java's client keys in librdkafka's words, and who may set them.
//!
//! Client configuration is code execution (librdkafka can load libraries and run commands), so only what this table names
//! reaches a client, whoever asks.

mod jaas;
mod values;

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
    if let Some(number) = values::NUMBERS.iter().find(|number| number.key == key) {
        return match number.read(value) {
            Ok(value) => Translation::Set(number.target.map(|target| (target, value)).into_iter().collect()),
            Err(why) => invalid(key, value, &why),
        };
    }
    if let Some((name, choices)) = values::CHOICES.iter().find(|(name, _)| *name == key) {
        return checked(name, key, value, values::choice(choices, value));
    }
    match key {
        "auto.offset.reset" => checked("auto.offset.reset", key, value, values::offset_reset(value)),
        "bootstrap.servers" => set("bootstrap.servers", values::list(value)),
        "buffer.memory" => kilobytes("queue.buffering.max.kbytes", key, value),
        "exclude.internal.topics" => internal_topics(key, value),
        "enable.idempotence" => checked("enable.idempotence", key, value, values::boolean(value)),
        "security.protocol" => checked("security.protocol", key, value, values::protocol(value)),
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

/// Keys with the same name and meaning on both sides, whose values are names.
const SAME: [&str; 7] = [
    "client.id",
    "client.rack",
    "group.id",
    "group.instance.id",
    "sasl.mechanism",
    "sasl.password",
    "sasl.username",
];

fn set(key: &'static str, value: impl Into<String>) -> Translation {
    Translation::Set(vec![(key, value.into())])
}

fn checked(target: &'static str, key: &str, value: &str, read: Result<String, String>) -> Translation {
    match read {
        Ok(read) => set(target, read),
        Err(why) => invalid(key, value, &why),
    }
}

fn invalid(key: &str, value: &str, why: &str) -> Translation {
    Translation::Refused(format!("Invalid value {value} for configuration {key}: {why}"))
}

fn kilobytes(target: &'static str, key: &str, value: &str) -> Translation {
    match value.parse::<u64>() {
        Ok(bytes) => set(target, (bytes / 1024).clamp(1, 2_097_151).to_string()),
        Err(_) if value.parse::<i64>().is_ok() => invalid(key, value, "Value must be at least 0"),
        Err(_) => invalid(key, value, "Not a number of type LONG"),
    }
}

/// A pattern never means Kafka's own topics; nothing else can be asked for.
fn internal_topics(key: &str, value: &str) -> Translation {
    match values::boolean(value).as_deref() {
        Ok("false") => Translation::Refused(
            "exclude.internal.topics=false is not supported: topics.regex never means Kafka's own topics; name them in topics".into(),
        ),
        Ok(_) => Translation::NoEffect("topics.regex never means Kafka's own topics"),
        Err(why) => invalid(key, value, why),
    }
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
    let mut module = match jaas::parse(value) {
        Ok(module) => module,
        Err(why) => return Translation::Refused(format!("sasl.jaas.config is no JAAS configuration: {why}")),
    };
    let class = module.class.rsplit('.').next();
    if !matches!(class, Some("PlainLoginModule" | "ScramLoginModule")) {
        return Translation::Refused(format!(
            "sasl.jaas.config with {} is not supported: use PlainLoginModule or ScramLoginModule",
            module.class
        ));
    }
    let token = module.options.get("tokenauth");
    if token.is_some_and(|token| token.eq_ignore_ascii_case("true")) {
        return Translation::Refused(
            "sasl.jaas.config with tokenauth is not supported: use a user's password instead of a delegation token".into(),
        );
    }
    match (
        module.options.remove("username"),
        module.options.remove("password"),
    ) {
        (Some(user), Some(password)) => {
            Translation::Set(vec![("sasl.username", user), ("sasl.password", password)])
        }
        _ => Translation::Refused("sasl.jaas.config needs the options username and password".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CN-104.
    #[test]
    fn java_keys_become_librdkafkas() {
        assert_eq!(
            translate("max.request.size", "5000"),
            set("message.max.bytes", "5000")
        );
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

    /// CN-104: a number is Java's, whatever librdkafka would take it for, and in librdkafka's range.
    #[test]
    fn numbers_are_javas_and_in_range() {
        for (key, java, target, librdkafka) in [
            // librdkafka reads an octal number.
            ("linger.ms", "010", "linger.ms", "10"),
            ("session.timeout.ms", " +6000 ", "session.timeout.ms", "6000"),
            ("batch.size", "0", "batch.size", "1"),
            (
                "max.poll.interval.ms",
                "2147483647",
                "max.poll.interval.ms",
                "86400000",
            ),
            (
                "metadata.max.age.ms",
                "100",
                "topic.metadata.refresh.interval.ms",
                "100",
            ),
            (
                "metadata.max.age.ms",
                "9223372036854775807",
                "topic.metadata.refresh.interval.ms",
                "3600000",
            ),
        ] {
            assert_eq!(translate(key, java), set(target, librdkafka), "{key}={java}");
        }
        assert_eq!(translate("max.poll.records", "7"), Translation::Set(Vec::new()));
        for (key, value, why) in [
            ("session.timeout.ms", "6000ms", "Not a number of type INT"),
            ("session.timeout.ms", "0x10", "Not a number of type INT"),
            ("batch.size", "2147483648", "Not a number of type INT"),
            ("metadata.max.age.ms", "1e3", "Not a number of type LONG"),
            ("metadata.max.age.ms", "99", "Value must be at least 100"),
            ("buffer.memory", "-1", "Value must be at least 0"),
            ("max.poll.records", "0", "Value must be at least 1"),
            ("retries", "-1", "Value must be at least 0"),
            // Java's producer does not open with it; librdkafka's 0 is for ever.
            ("delivery.timeout.ms", "0", "Value must be at least 1"),
        ] {
            let text = format!("Invalid value {value} for configuration {key}: {why}");
            assert_eq!(translate(key, value), Translation::Refused(text));
        }
    }

    /// CN-104: what librdkafka takes besides is not taken, and what is spelt in two ways there is spelt in its own.
    #[test]
    fn words_are_javas() {
        for (key, java, librdkafka) in [
            ("enable.idempotence", "TRUE", "true"),
            ("security.protocol", "SASL_SSL", "sasl_ssl"),
            ("bootstrap.servers", "a:1 , b:2,", "a:1,b:2"),
            ("acks", "all", "all"),
        ] {
            assert!(
                matches!(translate(key, java), Translation::Set(pairs) if pairs == [(key, librdkafka.to_owned())]),
                "{key}={java}"
            );
        }
        for (key, value, why) in [
            (
                "enable.idempotence",
                "t",
                "Expected value to be either true or false",
            ),
            ("acks", "2", "String must be one of: all, -1, 0, 1"),
            ("isolation.level", "READ_COMMITTED", "String must be one of"),
            ("compression.type", "brotli", "String must be one of"),
            ("security.protocol", "TLS", "SASL_PLAINTEXT, SASL_SSL"),
            ("auto.offset.reset", "smallest", "'earliest', 'latest' or 'none'"),
            (
                "auto.offset.reset",
                "by_duration:P1D",
                "by_duration is not supported",
            ),
        ] {
            let answer = translate(key, value);
            assert!(
                matches!(&answer, Translation::Refused(said) if said.contains(why)),
                "{key}={value}: {answer:?}"
            );
        }
    }

    /// CN-113: a pattern never means Kafka's own topics, as in Java's client unless that is switched off.
    #[test]
    fn kafkas_own_topics_cannot_be_let_in() {
        let excluded = |value| translate("exclude.internal.topics", value);
        assert!(matches!(excluded("True"), Translation::NoEffect(_)));
        for (value, why) in [("false", "name them in topics"), ("no", "either true or false")] {
            assert!(
                matches!(excluded(value), Translation::Refused(said) if said.contains(why)),
                "{value}"
            );
        }
    }

    /// CN-104: the options are those of the tokenizer, and what is refused is named without what is secret.
    #[test]
    fn a_jaas_configuration_is_javas() {
        let plain = "org.apache.kafka.common.security.plain.PlainLoginModule required";
        let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required";
        assert_eq!(
            translate(
                "sasl.jaas.config",
                &format!(r#"{plain} username='u' password="a\"b;c";"#)
            ),
            Translation::Set(vec![
                ("sasl.username", "u".into()),
                ("sasl.password", "a\"b;c".into())
            ])
        );
        for (text, why) in [
            (
                format!("{plain} username=u password=\"hush\""),
                "does not end with ';'",
            ),
            (
                format!("{plain} username=u;"),
                "needs the options username and password",
            ),
            (
                format!("{scram} username=u password=\"hush\" tokenauth=\"true\";"),
                "tokenauth",
            ),
        ] {
            let answer = translate("sasl.jaas.config", &text);
            assert!(
                matches!(&answer, Translation::Refused(said) if said.contains(why) && !said.contains("hush")),
                "{text}: {answer:?}"
            );
        }
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
        let check = |policy, key| {
            let value = match key {
                "security.protocol" => "SSL",
                "metadata.max.age.ms" => "1000",
                _ => "1",
            };
            check_overrides(policy, &Properties::from_iter([(key, value)])).is_empty()
        };
        assert!(check(Policy::AllowList, "metadata.max.age.ms"));
        assert!(check(Policy::AllowList, "linger.ms") && !check(Policy::None, "linger.ms"));
        assert!(!check(Policy::AllowList, "bootstrap.servers") && check(Policy::All, "bootstrap.servers"));
        assert!(check(Policy::Principal, "security.protocol") && !check(Policy::Principal, "linger.ms"));
        assert_eq!(
            Policy::parse("org.x.AllConnectorClientConfigOverridePolicy"),
            Ok(Policy::All)
        );
    }
}
