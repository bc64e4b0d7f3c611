//! Files, classes and ports: what the command line and the REST API say.

use std::net::TcpListener;
use std::process::Command;

use rowtide_testkit::rest::call;
use rowtide_testkit::worker::{Worker, binary};
use serde_json::json;

use crate::place::says;

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).expect("a file can be written");
        path.display().to_string()
    }

    /// A worker's properties on free ports, with these lines on top.
    fn worker(&self, more: &str) -> String {
        let state = self.0.path().join("state");
        let text = format!(
            "bootstrap.servers=127.0.0.1:1\nkey.converter=JsonConverter\nvalue.converter=JsonConverter\n\
             offset.storage.file.filename={}\nlisteners=http://127.0.0.1:0\nrowtide.registry.listeners=\n{more}\n",
            state.display()
        );
        self.write("worker.properties", &text)
    }
}

/// The exit code and what was said, of a process that ends by itself.
fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(binary())
        .args(arguments)
        .output()
        .expect("the binary starts");
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    (output.status.code(), said)
}

/// CN-009, CN-023.
#[test]
fn a_spec_that_is_no_json_is_told_with_its_line() {
    let files = Files::new();
    let spec = files.write(
        "broken.json",
        "{\n  \"name\": \"c\",\n  \"config\": {\"a\": \"b\",}\n}",
    );
    let (code, said) = run(&["standalone", &files.worker(""), &spec]);
    assert_eq!(code, Some(3), "{said}");
    says(&said, &["broken.json", "no valid JSON", "line 3"]);
    let (code, said) = run(&["validate", &spec]);
    assert_eq!(code, Some(3), "{said}");
    says(&said, &["broken.json", "line 3"]);

    let mut worker = Worker::new("127.0.0.1:1", "");
    worker.start();
    let answer = call(
        &worker.address,
        "POST",
        "/connectors",
        Some("{\"name\": \"c\", }"),
    )
    .expect("an answer");
    assert_eq!(
        (answer.status, answer.json()["error_code"].clone()),
        (400, json!(400))
    );
    says(&answer.body, &["no valid JSON", "line 1"]);
    assert_eq!(worker.ask("GET", "/connectors", None).json(), json!([]));
}

/// CN-004, EC-023.
#[test]
fn an_unknown_class_is_told_with_what_there_is() {
    let saying = [
        "Failed to find any class that implements Connector and which name matches com.example.Nope",
        "io.debezium.connector.postgresql.PostgresConnector",
        "dev.rowtide.HttpSourceConnector",
    ];
    let files = Files::new();
    let spec = files.write("c.json", r#"{"name":"c","connector.class":"com.example.Nope"}"#);
    let (code, said) = run(&["standalone", &files.worker(""), &spec]);
    assert_eq!(code, Some(3), "{said}");
    says(&said, &saying);

    let mut worker = Worker::new("127.0.0.1:1", "");
    worker.start();
    let body = json!({ "name": "c", "config": { "connector.class": "com.example.Nope" } });
    let answer = worker.ask("POST", "/connectors", Some(&body));
    assert_eq!(answer.status, 400, "{}", answer.body);
    says(&answer.body, &saying);
    let transform =
        json!({ "connector.class": "RandomUserSource", "transforms": "a,b", "transforms.a.type": "x.Y" });
    let path = "/connector-plugins/RandomUserSource/config/validate";
    let body = worker.ask("PUT", path, Some(&transform)).body;
    says(
        &body,
        &[
            "Invalid value x.Y for configuration transforms.a.type: Class x.Y could not be found.",
            "RegexRouter",
            "Missing required configuration \\\"transforms.b.type\\\" which has no default value.",
        ],
    );
}

/// CN-009.
#[test]
fn a_port_that_is_taken_is_told_with_its_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("a bound address").to_string();
    let files = Files::new();
    let (code, said) = run(&[
        "standalone",
        &files.worker(&format!("listeners=http://{address}")),
    ]);
    assert_eq!(code, Some(2), "{said}");
    says(&said, &[&address, "REST API", "set listeners"]);
    let registry = files.worker(&format!("rowtide.registry.listeners=http://{address}"));
    let (code, said) = run(&["standalone", &registry]);
    assert_eq!(code, Some(2), "{said}");
    says(&said, &[&address, "registry", "rowtide.registry.listeners"]);
}

/// RS-201.
#[test]
fn an_open_address_is_refused_with_its_switch() {
    let files = Files::new();
    let (code, said) = run(&["standalone", &files.worker("listeners=http://0.0.0.0:0")]);
    assert_eq!(code, Some(2), "{said}");
    says(
        &said,
        &["0.0.0.0", "--i-accept-insecure-remote", "ROWTIDE_INSECURE_REMOTE"],
    );
}
