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

/// A folder with a worker's properties, which listen on a free port and leave the registry off.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).expect("the file is written");
        path
    }

    fn worker(&self) -> String {
        let text = format!(
            "key.converter=JsonConverter\nvalue.converter=JsonConverter\noffset.storage.file.filename={}\n\
             listeners=http://127.0.0.1:0\nrowtide.registry.listeners=\n",
            self.path("state")
        );
        self.file("worker", &text)
    }

    fn has_started_nothing(&self) -> bool {
        !self.0.path().join("state").exists()
    }
}

/// CN-009.
#[test]
fn exit_codes_tell_usage_worker_and_connector_apart() {
    let folder = Folder::new();
    let (worker, broken) = (folder.worker(), folder.file("broken.json", "{"));
    assert_eq!(rowtide(&[]).status.code(), Some(1));
    assert_eq!(rowtide(&["standalone"]).status.code(), Some(1));
    assert_eq!(rowtide(&["nonsense"]).status.code(), Some(1));
    let missing = rowtide(&["standalone", &folder.path("nothing")]);
    assert_eq!(missing.status.code(), Some(2));
    for words in ["nothing", "check the path"] {
        assert!(said(&missing).contains(words), "{}", said(&missing));
    }
    let broken = rowtide(&["standalone", &worker, &broken]);
    assert_eq!(broken.status.code(), Some(3));
    assert!(said(&broken).contains("broken.json"), "{}", said(&broken));
    assert_eq!(rowtide(&["--version"]).status.code(), Some(0));
}

/// CN-009: every wrong file by its name and with the next step, before anything starts.
#[test]
fn all_wrong_connector_files_are_told_at_once() {
    let folder = Folder::new();
    let worker = folder.worker();
    let properties = folder.file("text.json", "\nname=c\n");
    let invalid = folder.file(
        "invalid.json",
        r#"{"name":"source","connector.class":"PostgresConnector","tasks.max":"none"}"#,
    );
    // The registry is off, so nothing stands in for its address.
    let avro = folder.file(
        "avro.properties",
        "name=a\nconnector.class=RandomUserSource\nvalue.converter=AvroConverter\n",
    );
    let absent = folder.path("absent.json");
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
    assert!(folder.has_started_nothing(), "nothing may have started");
}

/// CN-009: else the second would silently take the place of the first.
#[test]
fn two_connector_files_of_one_name_are_refused() {
    let folder = Folder::new();
    let worker = folder.worker();
    let one = folder.file(
        "one.json",
        r#"{"name":"users","connector.class":"RandomUserSource"}"#,
    );
    let two = folder.file("two.properties", "name=users\nconnector.class=RandomUserSource\n");
    let output = rowtide(&["standalone", &worker, &one, &two]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    for words in [
        "two.properties: it names the connector users",
        "one.json does",
        "another name",
    ] {
        assert!(said(&output).contains(words), "{words}: {}", said(&output));
    }
    assert!(folder.has_started_nothing(), "nothing may have started");
}

/// EC-082: who sets a key by a variable looks for the mistake there and not in the file.
#[test]
fn a_wrong_variable_is_named() {
    let folder = Folder::new();
    let file = folder.file(
        "worker",
        "key.converter=JsonConverter\nvalue.converter=JsonConverter\n",
    );
    let output = Command::new(env!("CARGO_BIN_EXE_rowtide"))
        .args(["standalone", &file])
        .env("CONNECT_OFFSET_FLUSH_INTERVAL_MS", "soon")
        .output()
        .expect("the binary starts");
    let text = said(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    let line = |word: &str| text.lines().find(|line| line.contains(word)).unwrap_or_default();
    let variable = "CONNECT_OFFSET_FLUSH_INTERVAL_MS";
    assert!(line("offset.flush.interval.ms").contains(variable), "{text}");
    assert!(
        !line("offset.storage.file.filename").contains("variable"),
        "{text}"
    );
}

#[test]
fn all_errors_of_a_worker_file_are_told_at_once() {
    let folder = Folder::new();
    let file = folder.file(
        "worker",
        "value.converter=JsonConverter\nlisteners=https://:8083\n",
    );
    let output = said(&rowtide(&["standalone", &file]));
    for key in ["key.converter", "offset.storage.file.filename", "listeners"] {
        assert!(output.contains(key), "{output}");
    }
}

/// CN-004, CN-065: unknown classes and missing keys by name, without a worker.
#[test]
fn validate_names_every_error() {
    let folder = Folder::new();
    let file = folder.file(
        "c.json",
        r#"{"name":"c","connector.class":"PostgresConnector","errors.tolerance":"all"}"#,
    );
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
    let file = folder.file("c.json", r#"{"name":"c","connector.class":"com.example.Sink"}"#);
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
