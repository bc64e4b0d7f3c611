//! What the container image and `compose/compose.yaml` set is what this worker knows.

use rowtide_api::config::{ConfigReport, Properties};
use yaml_rust2::{Yaml, YamlLoader};

use super::Settings;
use crate::environment;

const COMPOSE_FILE: &str = include_str!("../../../../compose/compose.yaml");
const IMAGE_PROPERTIES: &[u8] = include_bytes!("../../../../compose/image/worker.properties");

/// The variables compose.yaml gives the worker, with what `${NAME:-DEFAULT}` is where NAME is not set.
fn compose_environment() -> Vec<(String, String)> {
    let documents = YamlLoader::load_from_str(COMPOSE_FILE).unwrap();
    let pairs = documents[0]["services"]["rowtide"]["environment"]
        .as_hash()
        .unwrap();
    let text = |value: &Yaml| value.as_str().unwrap().to_owned();
    pairs
        .iter()
        .map(|(name, value)| (text(name), default_of(&text(value))))
        .collect()
}

fn default_of(value: &str) -> String {
    let variable = value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    let default = variable.and_then(|variable| variable.split_once(":-"));
    default.map_or(value, |(_, default)| default).to_owned()
}

/// The image's file with this environment on top.
fn read(variables: Vec<(String, String)>) -> (Option<Settings>, ConfigReport) {
    let mut properties: Properties = rowtide_java::properties::parse(IMAGE_PROPERTIES)
        .unwrap()
        .into_iter()
        .collect();
    for (key, from) in environment::keys(variables.into_iter()) {
        properties.set(key, from.value);
    }
    Settings::read(&properties)
}

fn messages(findings: &[rowtide_api::config::Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.message.as_str()).collect()
}

/// EC-082.
#[test]
fn the_image_and_the_compose_file_set_nothing_the_worker_does_not_honour() {
    let variables = compose_environment();
    for (name, _) in &variables {
        let known = name.starts_with("CONNECT_") || name == "ROWTIDE_INSECURE_REMOTE";
        assert!(known, "{name} is no variable of the worker");
    }
    let (settings, report) = read(variables);
    assert_eq!(messages(report.errors()), [""; 0]);
    assert_eq!(messages(report.warnings()), [""; 0]);
    let settings = settings.unwrap();
    assert_eq!(settings.kafka.get("bootstrap.servers"), Some("kafka:9092"));
    let inside = ([0, 0, 0, 0], 8083).into();
    assert_eq!(settings.advertised.of(inside), "rowtide:8083");
}

/// RS-201: the image alone does not open its REST API to others.
#[tokio::test]
async fn the_image_starts_for_others_only_with_the_named_switch() {
    let (settings, report) = read(Vec::new());
    assert_eq!(messages(report.errors()), [""; 0]);
    let rest = settings.unwrap().rest;
    let refusal = rest.address(false).await.unwrap_err().to_string();
    assert!(refusal.contains("ROWTIDE_INSECURE_REMOTE=accept"), "{refusal}");
    assert!(rest.address(true).await.is_ok());
}

/// EC-082: an existing compose file for one of the usual images starts this one; what has no meaning here is named.
#[test]
fn variables_of_existing_compose_files_are_honoured_or_named() {
    let pairs = [
        ("BOOTSTRAP_SERVERS", "kafka:9092"),
        ("GROUP_ID", "1"),
        ("CONFIG_STORAGE_TOPIC", "connect_configs"),
        ("OFFSET_STORAGE_TOPIC", "connect_offsets"),
        ("STATUS_STORAGE_TOPIC", "connect_statuses"),
        ("ADVERTISED_HOST_NAME", "connect"),
        ("ADVERTISED_PORT", "9000"),
        ("REST_PORT", "9000"),
        ("CONNECT_PLUGIN_PATH", "/usr/share/java"),
        ("CONNECT_CONFIG_STORAGE_REPLICATION_FACTOR", "1"),
        (
            "CONNECT_VALUE_CONVERTER",
            "org.apache.kafka.connect.storage.StringConverter",
        ),
        ("CONNECT_LOG4J_ROOT_LOGLEVEL", "INFO"),
    ];
    let (settings, report) = read(
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    );
    assert_eq!(messages(report.errors()), [""; 0]);
    let inside = ([0, 0, 0, 0], 8083).into();
    assert_eq!(settings.unwrap().advertised.of(inside), "connect:9000");
    let mut named: Vec<_> = report
        .warnings()
        .iter()
        .map(|warning| warning.key.as_str())
        .collect();
    named.sort_unstable();
    let expected = [
        "config.storage.replication.factor",
        "config.storage.topic",
        "group.id",
        "log4j.root.loglevel",
        "offset.storage.topic",
        "plugin.path",
        "rest.port",
        "status.storage.topic",
    ];
    assert_eq!(named, expected);
}
