//! The worker's keys.

use std::path::PathBuf;
use std::time::Duration;

use rowtide_api::config::{Definition, Key, Properties, Reader, missing, nearest};
use rowtide_engine::connector::chain::{Role, WorkerConverters};
use rowtide_kafka::settings::{Policy, Translation, translate};

use super::{Advertised, Listener, Settings, registry_default};

const BOOTSTRAP: Key<String> = Key::new("bootstrap.servers", "Kafka's brokers.").default("localhost:9092");
const STATE_FILE: Key<String> = Key::required(
    "offset.storage.file.filename",
    "File that holds connectors, target states, statuses, runs and source offsets.",
);
// Fewer records repeat after a kill than with Connect's minute.
const FLUSH_INTERVAL: Key<u32> = Key::new(
    "offset.flush.interval.ms",
    "Time between two stores of offsets or positions.",
)
.default("1000");
const FLUSH_TIMEOUT: Key<u32> = Key::new(
    "offset.flush.timeout.ms",
    "How long stopping waits for records in flight.",
)
.default("5000");
const SHUTDOWN_TIMEOUT: Key<u32> = Key::new(
    "task.shutdown.graceful.timeout.ms",
    "How long tasks may take to stop, all together.",
)
.default("5000");
const LISTENERS: Key<Listener> =
    Key::new("listeners", "Address of the REST API.").default("http://127.0.0.1:8083");
const ADVERTISED_HOST: Key<String> = Key::new(
    "rest.advertised.host.name",
    "Host of the REST API as others see it.",
);
const ADVERTISED_PORT: Key<u16> = Key::new("rest.advertised.port", "Port of the REST API as others see it.");
const ADVERTISED_LISTENER: Key<String> =
    Key::new("rest.advertised.listener", "Which listener others should use.")
        .default("http")
        .default_only("there is only an http listener so far");
const REGISTRY: Key<String> = Key::new(
    "rowtide.registry.listeners",
    "Address of the embedded Schema Registry; empty: off.",
)
.default("http://127.0.0.1:8081");
const POLICY: Key<String> = Key::new(
    "connector.client.config.override.policy",
    "Which client settings connectors may override.",
);
const PROVIDERS: Key<String> = Key::new("config.providers", "Config providers.")
    .default("")
    .default_only("config providers are not built yet; give values themselves");
const EXTENSIONS: Key<String> = Key::new("rest.extension.classes", "Extensions of the REST API.")
    .default("")
    .default_only(
        "ignoring one could open a door its owner believes shut; remove the key and listen on loopback",
    );
const ADMIN_LISTENERS: Key<String> = Key::new("admin.listeners", "Listeners of the admin endpoints.")
    .default_only("admin endpoints are not built yet");
const CORS: Key<String> = Key::new(
    "access.control.allow.origin",
    "Origins that browsers may call from.",
)
.default("")
.default_only("cross-origin calls are not built yet");
const CORS_METHODS: Key<String> = Key::new("access.control.allow.methods", "Methods that browsers may call.")
    .default("")
    .default_only("cross-origin calls are not built yet");
const HEADERS: Key<String> = Key::new("response.http.headers.config", "Extra response headers.")
    .default("")
    .default_only("extra response headers are not built yet");
const TOPIC_CREATION: Key<bool> = Key::new("topic.creation.enable", "Whether sources may create topics.")
    .default("true")
    .no_effect("topics are created by the broker, or beforehand");
const TOPIC_TRACKING: Key<bool> = Key::new("topic.tracking.enable", "Whether topics in use are listed.")
    .default("true")
    .default_only("they always are");
const EXACTLY_ONCE: Key<String> = Key::new("exactly.once.source.support", "Exactly-once sources.")
    .default("disabled")
    .default_only("exactly-once delivery is not built yet");

/// Keys that only a JVM could honour.
const JVM_ONLY: [&str; 15] = [
    "plugin.path",
    "plugin.discovery",
    "metric.reporters",
    "auto.include.jmx.reporter",
    "metrics.sample.window.ms",
    "metrics.num.samples",
    "metrics.recording.level",
    "ssl.provider",
    "ssl.trustmanager.algorithm",
    "ssl.keymanager.algorithm",
    "ssl.secure.random.implementation",
    "ssl.engine.factory.class",
    "security.providers",
    "interceptor.classes",
    "client.dns.lookup",
];

/// Keys of distributed mode, which a file may carry without effect here.
const DISTRIBUTED: [&str; 7] = [
    "group.id",
    "config.storage.",
    "offset.storage.",
    "status.storage.",
    "inter.worker.",
    "scheduled.rebalance.",
    "connect.protocol",
];

pub(super) fn definitions() -> Vec<&'static Definition> {
    vec![
        BOOTSTRAP.definition(),
        STATE_FILE.definition(),
        FLUSH_INTERVAL.definition(),
        FLUSH_TIMEOUT.definition(),
        SHUTDOWN_TIMEOUT.definition(),
        LISTENERS.definition(),
        ADVERTISED_HOST.definition(),
        ADVERTISED_PORT.definition(),
        ADVERTISED_LISTENER.definition(),
        REGISTRY.definition(),
        POLICY.definition(),
        PROVIDERS.definition(),
        EXTENSIONS.definition(),
        ADMIN_LISTENERS.definition(),
        CORS.definition(),
        CORS_METHODS.definition(),
        HEADERS.definition(),
        TOPIC_CREATION.definition(),
        TOPIC_TRACKING.definition(),
        EXACTLY_ONCE.definition(),
    ]
}

pub(super) fn read(reader: &mut Reader<'_>) -> Option<Settings> {
    let (bootstrap, state_file) = (reader.get(&BOOTSTRAP), reader.get(&STATE_FILE));
    let (flush_interval, flush_timeout) = (reader.get(&FLUSH_INTERVAL), reader.get(&FLUSH_TIMEOUT));
    let (shutdown_timeout, rest) = (reader.get(&SHUTDOWN_TIMEOUT), reader.get(&LISTENERS));
    let (host, port) = (reader.find(&ADVERTISED_HOST), reader.find(&ADVERTISED_PORT));
    let (registry, policy) = (read_registry(reader), read_policy(reader));
    let (producer, consumer) = (clients(reader, "producer."), clients(reader, "consumer."));
    let mut converters = read_converters(reader);
    if matches!(registry, Some(None)) {
        converters.defaults = Properties::new();
    }
    let ms = |ms: u32| Duration::from_millis(ms.into());
    Some(Settings {
        kafka: Properties::from_iter([("bootstrap.servers", bootstrap?)]),
        producer,
        consumer,
        converters,
        state_file: PathBuf::from(state_file?),
        // An interval of zero would never rest.
        flush_interval: ms(flush_interval?.max(1)),
        flush_timeout: ms(flush_timeout?),
        shutdown_timeout: ms(shutdown_timeout?),
        rest: rest?,
        advertised: Advertised {
            host: host?,
            port: port?,
        },
        registry: registry?,
        policy: policy?,
    })
}

fn read_registry(reader: &mut Reader<'_>) -> Option<Option<Listener>> {
    let text = reader.get(&REGISTRY)?;
    if text.is_empty() {
        return Some(None);
    }
    const PARSED: Key<Listener> = Key::new(REGISTRY.name(), "As a listener.");
    reader.parse_as(&PARSED, REGISTRY.name(), &text).map(Some)
}

fn read_policy(reader: &mut Reader<'_>) -> Option<Policy> {
    let Some(text) = reader.find(&POLICY)? else {
        return Some(Policy::AllowList);
    };
    match Policy::parse(&text) {
        Ok(policy) => Some(policy),
        Err(why) => {
            reader.error(
                POLICY.name(),
                format!("Invalid value {text} for configuration {}: {why}", POLICY.name()),
            );
            None
        }
    }
}

/// The keys of one client kind, without prefix; those no client may have are errors.
fn clients(reader: &mut Reader<'_>, prefix: &str) -> Properties {
    let mut own = Properties::new();
    for (key, value) in reader.prefixed(prefix) {
        let name = key.strip_prefix(prefix).unwrap_or(key);
        match translate(name, value) {
            Translation::Refused(why) => reader.error(key, why),
            Translation::Unknown => {
                reader.warn(key, format!("{key} is no client setting that Rowtide knows"))
            }
            Translation::NoEffect(why) => {
                reader.warn(key, format!("{key} is accepted without effect: {why}"))
            }
            Translation::Set(_) => own.set(name, value),
        }
    }
    own
}

fn read_converters(reader: &mut Reader<'_>) -> WorkerConverters {
    let mut properties = Properties::new();
    for role in Role::ALL {
        match reader.text(role.key()) {
            Some(class) => properties.set(role.key(), class),
            None if role == Role::Header => {}
            None => {
                reader.error(role.key(), missing(role.key()));
            }
        }
        for (key, value) in reader.prefixed(&format!("{}.", role.key())) {
            properties.set(key, value);
        }
    }
    // The embedded registry's address takes its place once it listens.
    WorkerConverters {
        properties,
        defaults: registry_default("http://127.0.0.1:8081"),
    }
}

/// Every key by its whole name, for "did you mean".
fn names() -> impl Iterator<Item = &'static str> {
    let own = definitions().into_iter().map(|definition| definition.name);
    own.chain(Role::ALL.map(Role::key)).chain(JVM_ONLY)
}

/// What nobody read: refused, noted or warned about, by name.
pub(super) fn check_others(reader: &mut Reader<'_>) {
    for definition in definitions() {
        reader.text(definition.name);
    }
    let mut jvm = Vec::new();
    for key in reader.unread() {
        if JVM_ONLY.contains(&key)
            || key.starts_with("metrics.context.")
            || key.starts_with("sasl.") && key.ends_with(".class")
        {
            jvm.push(key);
        } else if key.starts_with("admin.") {
            reader.warn(
                key,
                format!("{key} has no effect: the worker has no admin client"),
            );
        } else if key.starts_with("listeners.https.") || key.starts_with("ssl.") {
            reader.error(key, format!("{key} is not supported yet: TLS of the REST API is not built; for Kafka's clients write producer.{key} and consumer.{key}"));
        } else if matches!(key, "rest.host.name" | "rest.port") {
            reader.warn(
                key,
                format!(
                    "{key} has no effect since Connect 3.0: write {}=http://host:port",
                    LISTENERS.name()
                ),
            );
        } else if DISTRIBUTED.iter().any(|prefix| key.starts_with(prefix)) {
            reader.warn(key, format!("{key} has no effect in standalone mode"));
        } else if translate(key, "x") != Translation::Unknown {
            reader.warn(
                key,
                format!("{key} has no effect by itself: write producer.{key} and consumer.{key}"),
            );
        } else {
            let near = nearest(key, names());
            let suggestion = near.map_or_else(String::new, |name| format!("; did you mean {name}?"));
            reader.warn(key, format!("{key} is unknown and has no effect{suggestion}"));
        }
    }
    if !jvm.is_empty() {
        reader.warn(
            jvm[0],
            format!("ignored, because there is no JVM: {}", jvm.join(", ")),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: [(&str, &str); 3] = [
        ("key.converter", "org.apache.kafka.connect.json.JsonConverter"),
        ("value.converter", "org.apache.kafka.connect.json.JsonConverter"),
        ("offset.storage.file.filename", "/tmp/connect.offsets"),
    ];

    fn with(more: &[(&str, &str)]) -> (Option<Settings>, rowtide_api::ConfigReport) {
        Settings::read(&MINIMAL.iter().chain(more).copied().collect())
    }

    /// CN-001, CN-003: the file Kafka ships starts as it is.
    #[test]
    fn the_file_kafka_ships_is_accepted() {
        let (settings, report) = with(&[
            ("bootstrap.servers", "localhost:9092"),
            ("key.converter.schemas.enable", "true"),
            ("offset.flush.interval.ms", "10000"),
            ("plugin.path", "/usr/share/java"),
        ]);
        let settings = settings.unwrap();
        assert_eq!(settings.flush_interval, Duration::from_secs(10));
        assert_eq!(
            settings.converters.properties.get("key.converter.schemas.enable"),
            Some("true")
        );
        assert_eq!(report.warnings().len(), 1);
    }

    /// CN-002, CN-128, RS-026: nothing is silently ignored.
    #[test]
    fn refusals_and_warnings_name_their_key() {
        let (settings, report) = with(&[
            ("rest.extension.classes", "a.b.C"),
            ("producer.plugin.library.paths", "/x"),
            ("producer.ssl.truststore.location", "/x.jks"),
            ("config.providers", "file"),
            ("ofset.flush.interval.ms", "1"),
        ]);
        assert!(settings.is_none());
        let mut errors: Vec<_> = report
            .errors()
            .iter()
            .map(|finding| finding.key.as_str())
            .collect();
        errors.sort_unstable();
        assert_eq!(
            errors,
            [
                "config.providers",
                "producer.ssl.truststore.location",
                "rest.extension.classes"
            ]
        );
        let warned: Vec<_> = report
            .warnings()
            .iter()
            .map(|finding| finding.key.as_str())
            .collect();
        assert_eq!(
            warned,
            ["producer.plugin.library.paths", "ofset.flush.interval.ms"]
        );
        let typed = &report.warnings()[1].message;
        assert!(
            typed.contains("did you mean offset.flush.interval.ms?"),
            "{typed}"
        );
    }

    /// CN-104: a value that no client takes is an error at its key; a client's key without its prefix is told what to write,
    /// whatever its value has to be.
    #[test]
    fn client_keys_are_checked_and_told_their_prefix() {
        let (settings, report) = with(&[
            ("consumer.session.timeout.ms", "6s"),
            ("acks", "all"),
            ("sasl.jaas.config", "x"),
        ]);
        assert!(settings.is_none());
        let [error] = report.errors() else {
            panic!("one error: {:?}", report.errors())
        };
        assert_eq!(
            (error.key.as_str(), error.message.as_str()),
            (
                "consumer.session.timeout.ms",
                "Invalid value 6s for configuration session.timeout.ms: Not a number of type INT"
            )
        );
        for (finding, key) in report.warnings().iter().zip(["acks", "sasl.jaas.config"]) {
            assert!(
                finding.message.contains(&format!("write producer.{key}")),
                "{}",
                finding.message
            );
        }
        assert_eq!(report.warnings().len(), 2);
    }
}
