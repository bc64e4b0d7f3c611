//! The command line, as users type it.

use std::process::{Command, Output};

fn rowtide(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rowtide"))
        .args(arguments)
        .output()
        .expect("the binary starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

/// CN-009.
#[test]
fn exit_codes_tell_usage_worker_and_connector_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(
        path("worker"),
        format!(
            "key.converter=JsonConverter\nvalue.converter=JsonConverter\noffset.storage.file.filename={}\n",
            path("state")
        ),
    )
    .unwrap();
    std::fs::write(path("broken.json"), "{").unwrap();
    assert_eq!(rowtide(&[]).status.code(), Some(1));
    assert_eq!(rowtide(&["standalone"]).status.code(), Some(1));
    assert_eq!(rowtide(&["nonsense"]).status.code(), Some(1));
    let missing = rowtide(&["standalone", &path("nothing")]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(said(&missing).contains("nothing"), "{}", said(&missing));
    let broken = rowtide(&["standalone", &path("worker"), &path("broken.json")]);
    assert_eq!(broken.status.code(), Some(3));
    assert!(said(&broken).contains("broken.json"), "{}", said(&broken));
    assert_eq!(rowtide(&["--version"]).status.code(), Some(0));
}

#[test]
fn all_errors_of_a_worker_file_are_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("worker").display().to_string();
    std::fs::write(&file, "value.converter=JsonConverter\nlisteners=https://:8083\n").unwrap();
    let output = said(&rowtide(&["standalone", &file]));
    for key in ["key.converter", "offset.storage.file.filename", "listeners"] {
        assert!(output.contains(key), "{output}");
    }
}

/// CN-004, CN-065: unknown classes and missing keys by name, without a worker.
#[test]
fn validate_names_every_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.json").display().to_string();
    std::fs::write(
        &file,
        r#"{"name":"c","connector.class":"PostgresConnector","errors.tolerance":"all"}"#,
    )
    .unwrap();
    let output = rowtide(&["validate", &file]);
    assert_eq!(output.status.code(), Some(3));
    let text = said(&output);
    for key in [
        "topic.prefix",
        "database.hostname",
        "plugin.name",
        "errors.tolerance",
    ] {
        assert!(text.contains(key), "{text}");
    }
    std::fs::write(&file, r#"{"name":"c","connector.class":"com.example.Sink"}"#).unwrap();
    let text = said(&rowtide(&["validate", &file]));
    assert!(
        text.contains("com.example.Sink") && text.contains("available connectors are"),
        "{text}"
    );
}

#[test]
fn plugins_are_listed_by_class() {
    let text = said(&rowtide(&["plugins"]));
    for class in [
        "io.debezium.connector.postgresql.PostgresConnector",
        "com.datastax.oss.kafka.sink.CassandraSinkConnector",
        "dev.rowtide.HttpSourceConnector",
        "dev.rowtide.PostgresSinkConnector",
        "io.confluent.connect.avro.AvroConverter",
        "io.debezium.transforms.ExtractNewRecordState",
    ] {
        assert!(text.contains(class), "{text}");
    }
}
