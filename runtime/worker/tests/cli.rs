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
    for words in ["nothing", "check the path"] {
        assert!(said(&missing).contains(words), "{}", said(&missing));
    }
    let broken = rowtide(&["standalone", &path("worker"), &path("broken.json")]);
    assert_eq!(broken.status.code(), Some(3));
    assert!(said(&broken).contains("broken.json"), "{}", said(&broken));
    assert_eq!(rowtide(&["--version"]).status.code(), Some(0));
}

/// CN-009: every wrong file by its name and with the next step, before anything starts.
#[test]
fn all_wrong_connector_files_are_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let state = folder.path().join("state");
    let worker = file(
        "worker",
        &format!(
            "key.converter=JsonConverter\nvalue.converter=JsonConverter\noffset.storage.file.filename={}\n\
             listeners=http://127.0.0.1:0\nrowtide.registry.listeners=\n",
            state.display()
        ),
    );
    let properties = file("text.json", "\nname=c\n");
    let invalid = file(
        "invalid.json",
        r#"{"name":"source","connector.class":"PostgresConnector","tasks.max":"none"}"#,
    );
    // The registry is off, so nothing stands in for its address.
    let avro = file(
        "avro.properties",
        "name=a\nconnector.class=RandomUserSource\nvalue.converter=AvroConverter\n",
    );
    let absent = folder.path().join("absent.json").display().to_string();
    let output = rowtide(&["standalone", &worker, &properties, &invalid, &avro, &absent]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let text = said(&output);
    for words in [
        "4 connector files",
        "text.json: it is no valid JSON: expected ident at line 2 column 2",
        ".properties",
        "invalid.json: the connector source is invalid",
        "topic.prefix",
        "tasks.max",
        "rowtide validate",
        "avro.properties: the connector a",
        "schema.registry.url",
        "absent.json",
        "No such file",
        "check the path",
    ] {
        assert!(text.contains(words), "{words} is missing: {text}");
    }
    assert!(!state.exists(), "nothing may have started");
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
