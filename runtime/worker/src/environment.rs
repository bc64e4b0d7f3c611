//! Everything this program takes from its environment.

use std::collections::BTreeMap;

/// Variables of Debezium's image and the keys they mean.
const DEBEZIUM: [(&str, &str); 14] = [
    ("BOOTSTRAP_SERVERS", "bootstrap.servers"),
    ("GROUP_ID", "group.id"),
    ("CONFIG_STORAGE_TOPIC", "config.storage.topic"),
    ("OFFSET_STORAGE_TOPIC", "offset.storage.topic"),
    ("STATUS_STORAGE_TOPIC", "status.storage.topic"),
    ("KEY_CONVERTER", "key.converter"),
    ("VALUE_CONVERTER", "value.converter"),
    ("OFFSET_FLUSH_INTERVAL_MS", "offset.flush.interval.ms"),
    ("OFFSET_FLUSH_TIMEOUT_MS", "offset.flush.timeout.ms"),
    ("SHUTDOWN_TIMEOUT", "task.shutdown.graceful.timeout.ms"),
    ("ADVERTISED_HOST_NAME", "rest.advertised.host.name"),
    ("ADVERTISED_PORT", "rest.advertised.port"),
    ("REST_HOST_NAME", "rest.host.name"),
    ("REST_PORT", "rest.port"),
];

/// A worker key that a variable sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FromVariable {
    /// The variable.
    pub(crate) variable: String,
    /// What the key becomes.
    pub(crate) value: String,
}

/// Worker keys from the environment, as the usual Connect images name them; they win over the file.
pub(crate) fn worker_keys() -> BTreeMap<String, FromVariable> {
    keys(
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
    )
}

/// As [`worker_keys`], of these variables. Connect's own names win over Debezium's.
pub(crate) fn keys(variables: impl Iterator<Item = (String, String)>) -> BTreeMap<String, FromVariable> {
    let (mut named, mut keys) = (BTreeMap::new(), BTreeMap::new());
    for (variable, value) in variables {
        if let Some(rest) = variable.strip_prefix("CONNECT_") {
            named.insert(dotted(rest), FromVariable { variable, value });
        } else if let Some((_, key)) = DEBEZIUM.iter().find(|(known, _)| *known == variable) {
            keys.insert((*key).to_owned(), FromVariable { variable, value });
        }
    }
    keys.extend(named);
    keys
}

/// `KEY_CONVERTER_SCHEMAS_ENABLE` → `key.converter.schemas.enable`; two underscores mean one, three a dash.
fn dotted(name: &str) -> String {
    name.to_ascii_lowercase()
        .replace("___", "-")
        .replace("__", "\u{0}")
        .replace('_', ".")
        .replace('\u{0}', "_")
}

/// Whether listening beyond this machine was accepted by variable.
pub(crate) fn accepts_insecure_remote() -> bool {
    std::env::var_os("ROWTIDE_INSECURE_REMOTE").is_some_and(|value| value == "accept")
}

/// Arms the failpoint a crash test asked for: `ROWTIDE_FAILPOINT=name` or `name:passes`.
#[cfg(feature = "failpoints")]
pub(crate) fn arm_failpoint() {
    let Ok(text) = std::env::var("ROWTIDE_FAILPOINT") else {
        return;
    };
    let (point, passes) = text.split_once(':').unwrap_or((&text, "0"));
    tracing::warn!(point, passes, "failpoint armed");
    rowtide_api::failpoint::arm(point, passes.parse().unwrap_or(0), || std::process::abort());
}

/// This build has no failpoints.
#[cfg(not(feature = "failpoints"))]
pub(crate) fn arm_failpoint() {}

#[cfg(test)]
mod tests {
    use super::*;

    /// EC-082.
    #[test]
    fn variables_of_the_usual_images_are_worker_keys() {
        let pairs = [
            ("CONNECT_KEY_CONVERTER_SCHEMAS_ENABLE", "false"),
            ("CONNECT_A__B___C", "x"),
            ("BOOTSTRAP_SERVERS", "kafka:9092"),
            ("SHUTDOWN_TIMEOUT", "7000"),
            ("GROUP_ID", "1"),
            ("CONNECT_GROUP_ID", "2"),
            ("PATH", "/bin"),
        ];
        let keys = keys(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let found: Vec<_> = keys
            .iter()
            .map(|(key, from)| (key.as_str(), from.value.as_str(), from.variable.as_str()))
            .collect();
        let expected = [
            ("a_b-c", "x", "CONNECT_A__B___C"),
            ("bootstrap.servers", "kafka:9092", "BOOTSTRAP_SERVERS"),
            ("group.id", "2", "CONNECT_GROUP_ID"),
            (
                "key.converter.schemas.enable",
                "false",
                "CONNECT_KEY_CONVERTER_SCHEMAS_ENABLE",
            ),
            ("task.shutdown.graceful.timeout.ms", "7000", "SHUTDOWN_TIMEOUT"),
        ];
        assert_eq!(found, expected);
    }
}
