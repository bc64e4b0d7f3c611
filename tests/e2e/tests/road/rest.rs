//! CN-045: every endpoint of Connect's REST API over real HTTP, one test per row of its table.

use rowtide_testkit::rest::Answer;
use rowtide_testkit::worker::{Worker, eventually};
use serde_json::{Value, json};

use crate::place::{Config, PATIENCE, Place};

/// A worker with the connector `c`, which never meets its server: its schedule is too far apart.
struct Api {
    place: Place,
    worker: Worker,
}

const CLASS: &str = "dev.rowtide.HttpSourceConnector";

fn config() -> Config {
    Config::default().all(&[
        ("connector.class", CLASS),
        ("preset", "randomuser"),
        ("http.url", "http://127.0.0.1:9/"),
        ("topic", "unused"),
        ("schedule.interval", "1000h"),
    ])
}

/// As a connector's configuration comes back: with its name, sorted.
fn stored(name: &str) -> Value {
    let mut value = config().set("name", name).json();
    value.sort_all_objects();
    value
}

impl Api {
    fn empty(name: &str) -> Self {
        let place = Place::new(name);
        let worker = place.worker();
        Self { place, worker }
    }

    fn new(name: &str) -> Self {
        let api = Self::empty(name);
        config().run(&api.worker, "c");
        api
    }

    fn get(&self, path: &str) -> Answer {
        self.worker.ask("GET", path, None)
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.worker.ask(method, path, Some(body))
    }

    fn bare(&self, method: &str, path: &str) -> Answer {
        self.worker.ask(method, path, None)
    }

    fn id(&self) -> &str {
        &self.worker.address
    }
}

/// The exact bytes: fields in Connect's order, no blanks.
fn assert_body(answer: &Answer, status: u16, body: &str) {
    assert_eq!((answer.status, answer.body.as_str()), (status, body));
    assert!(
        answer
            .head
            .to_ascii_lowercase()
            .contains("content-type: application/json"),
        "{}",
        answer.head
    );
}

fn assert_empty(answer: &Answer, status: u16) {
    assert_eq!((answer.status, answer.body.as_str()), (status, ""));
}

/// CN-021: every error has this body.
fn assert_error(answer: &Answer, status: u16, message: &str) {
    assert_body(
        answer,
        status,
        &json!({ "error_code": status, "message": message }).to_string(),
    );
}

fn assert_error_begins(answer: &Answer, status: u16, message: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.json()["error_code"], json!(status));
    let text = answer.json()["message"].as_str().unwrap_or_default().to_owned();
    assert!(text.starts_with(message), "{text}");
}

#[test]
fn get_root_is_the_servers_info() {
    let api = Api::empty("restroot");
    let answer = api.get("/");
    let info = answer.json();
    let cluster = info["kafka_cluster_id"].as_str().unwrap_or_default();
    assert_eq!(cluster.len(), 22, "{}", answer.body);
    assert_body(
        &answer,
        200,
        &format!(
            r#"{{"version":"4.1.0","commit":{},"kafka_cluster_id":"{cluster}"}}"#,
            info["commit"]
        ),
    );
}

#[test]
fn get_connectors_lists_names_and_expands() {
    let api = Api::new("restlist");
    assert_body(&api.get("/connectors"), 200, r#"["c"]"#);
    // CN-024.
    assert_body(&api.get("/connectors/"), 200, r#"["c"]"#);
    let status = api.get("/connectors/c/status").body;
    let info = api.get("/connectors/c").body;
    assert_body(
        &api.get("/connectors?expand=status&expand=info"),
        200,
        &format!(r#"{{"c":{{"status":{status},"info":{info}}}}}"#),
    );
    assert_body(
        &api.get("/connectors?expand=status"),
        200,
        &format!(r#"{{"c":{{"status":{status}}}}}"#),
    );
    // CN-054.
    assert_body(&api.get("/connectors?expand=nothing"), 200, r#"{"c":{}}"#);
}

#[test]
fn post_connectors_creates() {
    let api = Api::empty("restpost");
    let request = json!({ "name": " a->b/ü ", "config": config().json() });
    let created = api.send("POST", "/connectors", &request);
    assert_eq!(created.status, 201, "{}", created.body);
    assert!(
        created
            .head
            .to_ascii_lowercase()
            .contains("location: /connectors/a-%3eb%2f%c3%bc"),
        "{}",
        created.head
    );
    assert_eq!(created.json()["name"], "a->b/ü");
    assert_eq!(created.json()["config"], stored("a->b/ü"));
    assert_eq!(created.json()["type"], "source");
    api.worker.await_running("a-%3Eb%2F%C3%BC");
    assert_error(
        &api.send("POST", "/connectors", &request),
        409,
        "Connector a->b/ü already exists",
    );

    let post = |body: Value| api.send("POST", "/connectors", &body);
    let unknown = post(json!({ "name": "n", "config": { "connector.class": "Nope" } }));
    assert_error_begins(
        &unknown,
        400,
        "Failed to find any class that implements Connector and which name matches Nope, available connectors are: ",
    );
    let invalid = post(json!({ "name": "n", "config": config().set("results", "0").json() }));
    assert_error_begins(
        &invalid,
        400,
        "Connector configuration is invalid and contains the following 1 error(s):\n",
    );
    assert!(
        invalid.json()["message"]
            .as_str()
            .is_some_and(|text| text.ends_with(
                "\nYou can also find the above list of errors at the endpoint \
             `/connector-plugins/{connectorType}/config/validate`"
            )),
        "{}",
        invalid.body
    );
    // CN-023, CN-041.
    for body in [
        json!({ "name": "n" }),
        json!({ "name": "n", "config": config().json(), "more": 1 }),
        json!({ "name": "n", "config": config().json(), "initial_state": "LATER" }),
        json!({ "name": "n", "config": config().set("name", "m").json() }),
        json!({ "name": "n", "config": { "connector.class": CLASS, "results": {} } }),
        json!([]),
    ] {
        assert_error_begins(&post(body), 400, "");
    }
    // CN-042.
    let typed = post(
        json!({ "name": "t", "config": config().set("results", "").json(), "initial_state": "stopped" }),
    );
    assert_error_begins(&typed, 400, "");
    let mut numbers = config().json();
    numbers["results"] = json!(5);
    let typed = post(json!({ "name": "t", "config": numbers, "initial_state": "stopped" }));
    assert_eq!(typed.status, 201, "{}", typed.body);
    assert_eq!(typed.json()["config"]["results"], "5");
    await_connector(&api, "t", "STOPPED");
}

#[test]
fn get_connector_is_its_info() {
    let api = Api::new("restinfo");
    let config = stored("c");
    assert_body(
        &api.get("/connectors/c"),
        200,
        &format!(
            r#"{{"name":"c","config":{config},"tasks":[{{"connector":"c","task":0}}],"type":"source"}}"#
        ),
    );
    assert_error(&api.get("/connectors/x"), 404, "Connector x not found");
}

#[test]
fn get_config_is_what_was_submitted() {
    let api = Api::new("restconfig");
    assert_body(&api.get("/connectors/c/config"), 200, &stored("c").to_string());
    assert_error(&api.get("/connectors/x/config"), 404, "Connector x not found");
}

#[test]
fn put_config_creates_or_replaces() {
    let api = Api::empty("restput");
    let put = |path: &str, body: &Value| api.send("PUT", path, body);
    let created = put("/connectors/c/config", &config().json());
    assert_eq!(created.status, 201, "{}", created.body);
    assert!(
        created
            .head
            .to_ascii_lowercase()
            .contains("location: /connectors/c")
    );
    api.worker.await_running("c");
    let changed = config().set("results", "7");
    let updated = put("/connectors/c/config", &changed.json());
    assert_eq!(updated.status, 200, "{}", updated.body);
    assert_eq!(updated.json()["config"], changed.set("name", "c").json());
    api.worker.await_running("c");
    assert_error(
        &put("/connectors/c/config", &config().set("name", "d").json()),
        400,
        "Connector name configuration (d) doesn't match connector name in the URL (c)",
    );
    let mut null = config().json();
    null["results"] = Value::Null;
    let refused = put("/connectors/c/config", &null);
    assert_error_begins(&refused, 400, "");
    assert!(
        refused
            .body
            .contains("Null value can not be supplied as the configuration value."),
        "{}",
        refused.body
    );
    assert_error_begins(&api.bare("PUT", "/connectors/c/config"), 400, "");
}

#[test]
fn delete_connector_removes_it() {
    let api = Api::new("restdelete");
    assert_empty(&api.bare("DELETE", "/connectors/c"), 204);
    assert_error(&api.get("/connectors/c"), 404, "Connector c not found");
    assert_error(&api.bare("DELETE", "/connectors/c"), 404, "Connector c not found");
    assert_body(&api.get("/connectors"), 200, "[]");
}

#[test]
fn get_status_tells_connector_and_tasks() {
    let api = Api::new("reststatus");
    let id = api.id();
    assert_body(
        &api.get("/connectors/c/status"),
        200,
        &format!(
            r#"{{"name":"c","connector":{{"state":"RUNNING","worker_id":"{id}"}},"tasks":[{{"id":0,"state":"RUNNING","worker_id":"{id}"}}],"type":"source"}}"#
        ),
    );
    assert_error(
        &api.get("/connectors/x/status"),
        404,
        "No status found for connector x",
    );
    // CN-048: a task that failed says why.
    api.place
        .source("created_users")
        .set("database.dbname", "nobody_made_this")
        .create(&api.worker, "failing");
    let status = api.worker.await_state("failing", "FAILED");
    let trace = status["tasks"][0]["trace"].as_str().unwrap_or_default();
    assert!(
        trace.contains("nobody_made_this") && trace.contains(": "),
        "{status}"
    );
}

#[test]
fn get_tasks_lists_their_configurations() {
    let api = Api::new("resttasks");
    let tasks = api.get("/connectors/c/tasks");
    let config = &tasks.json()[0]["config"];
    assert!(config.is_object(), "{}", tasks.body);
    assert_body(
        &tasks,
        200,
        &format!(r#"[{{"id":{{"connector":"c","task":0}},"config":{config}}}]"#),
    );
    assert_error(&api.get("/connectors/x/tasks"), 404, "Connector x not found");
}

#[test]
fn get_task_status_is_that_of_one_task() {
    let api = Api::new("resttask");
    let body = format!(r#"{{"id":0,"state":"RUNNING","worker_id":"{}"}}"#, api.id());
    assert_body(&api.get("/connectors/c/tasks/0/status"), 200, &body);
    assert_error(
        &api.get("/connectors/c/tasks/7/status"),
        404,
        "No status found for task c-7",
    );
    // CN-044.
    assert_error_begins(&api.get("/connectors/c/tasks/one/status"), 404, "");
}

#[test]
fn post_task_restart_restarts_one_task() {
    let api = Api::new("resttaskagain");
    assert_empty(&api.bare("POST", "/connectors/c/tasks/0/restart"), 204);
    api.worker.await_running("c");
    assert_error_begins(&api.bare("POST", "/connectors/c/tasks/7/restart"), 404, "");
    assert_error_begins(&api.bare("POST", "/connectors/x/tasks/0/restart"), 404, "");
}

#[test]
fn post_restart_restarts_what_it_is_asked_to() {
    let api = Api::new("restagain");
    // CN-350, CN-060: the answer comes when it has opened.
    let starts = |end: &str| {
        let metric = format!("kafka_connect_worker_connector_startup_{end}_total");
        api.worker.metric(&metric, "")
    };
    assert_eq!(starts("success"), 1);
    assert_empty(&api.bare("POST", "/connectors/c/restart"), 204);
    assert_eq!(
        (starts("attempts"), starts("success"), starts("failure")),
        (2, 2, 0)
    );
    api.worker.await_running("c");
    let all = api.bare("POST", "/connectors/c/restart?includeTasks=true");
    let id = api.id();
    assert_body(
        &all,
        202,
        &format!(
            r#"{{"name":"c","connector":{{"state":"RESTARTING","worker_id":"{id}"}},"tasks":[{{"id":0,"state":"RESTARTING","worker_id":"{id}"}}],"type":"source"}}"#
        ),
    );
    api.worker.await_running("c");
    // CN-060: nothing failed, so nothing is restarted.
    let failed = api.bare("POST", "/connectors/c/restart?includeTasks=true&onlyFailed=TRUE");
    assert_eq!(failed.status, 202, "{}", failed.body);
    assert_eq!(failed.json()["connector"]["state"], "RUNNING");
    assert_eq!(failed.json()["tasks"][0]["state"], "RUNNING");
    assert_error_begins(
        &api.bare("POST", "/connectors/x/restart"),
        404,
        "Unknown connector",
    );
}

#[test]
fn put_pause_and_resume_change_the_target() {
    let api = Api::new("restpause");
    assert_empty(&api.bare("PUT", "/connectors/c/pause"), 202);
    api.worker.await_state("c", "PAUSED");
    await_connector(&api, "c", "PAUSED");
    assert_empty(&api.bare("PUT", "/connectors/c/resume"), 202);
    api.worker.await_running("c");
    await_connector(&api, "c", "RUNNING");
    assert_error_begins(&api.bare("PUT", "/connectors/x/pause"), 404, "");
    assert_error_begins(&api.bare("PUT", "/connectors/x/resume"), 404, "");
}

fn await_connector(api: &Api, name: &str, state: &str) {
    eventually(state, PATIENCE, || {
        let status = api.get(&format!("/connectors/{name}/status")).json();
        (status["connector"]["state"].clone(), json!(state))
    });
}

#[test]
fn put_stop_ends_the_tasks() {
    let api = Api::new("reststop");
    assert_empty(&api.bare("PUT", "/connectors/c/stop"), 204);
    await_connector(&api, "c", "STOPPED");
    // CN-047.
    assert_body(
        &api.get("/connectors/c/status"),
        200,
        &format!(
            r#"{{"name":"c","connector":{{"state":"STOPPED","worker_id":"{}"}},"tasks":[],"type":"source"}}"#,
            api.id()
        ),
    );
    // CN-059: resume leaves the state.
    assert_empty(&api.bare("PUT", "/connectors/c/resume"), 202);
    api.worker.await_running("c");
    assert_error_begins(&api.bare("PUT", "/connectors/x/stop"), 404, "Unknown connector x");
}

#[test]
fn get_topics_lists_those_in_use() {
    let api = Api::new("resttopics");
    assert_body(&api.get("/connectors/c/topics"), 200, r#"{"c":{"topics":[]}}"#);
    // An unknown connector has none either.
    assert_body(&api.get("/connectors/x/topics"), 200, r#"{"x":{"topics":[]}}"#);
    api.place
        .sql("insert into created_users (id) values (gen_random_uuid())");
    api.place.source("created_users").run(&api.worker, "source");
    let expected = format!(
        r#"{{"source":{{"topics":["{}"]}}}}"#,
        api.place.topic("created_users")
    );
    eventually("the topic", PATIENCE, || {
        (api.get("/connectors/source/topics").body, expected.clone())
    });
}

#[test]
fn get_connector_plugins_lists_what_there_is() {
    let api = Api::empty("restplugins");
    let classes = |path: &str| -> Vec<(String, String)> {
        let answer = api.get(path);
        assert_eq!(answer.status, 200);
        let list = answer.json();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let plugins = list.as_array().expect("a list");
        plugins
            .iter()
            .map(|plugin| (text(&plugin["class"]), text(&plugin["type"])))
            .collect()
    };
    let connectors = classes("/connector-plugins");
    for (class, kind) in [
        ("com.datastax.oss.kafka.sink.CassandraSinkConnector", "sink"),
        ("dev.rowtide.PostgresSinkConnector", "sink"),
        ("io.debezium.connector.postgresql.PostgresConnector", "source"),
        (CLASS, "source"),
    ] {
        assert!(
            connectors.contains(&(class.into(), kind.into())),
            "{class}: {connectors:?}"
        );
    }
    assert!(
        connectors
            .iter()
            .all(|(_, kind)| kind == "sink" || kind == "source"),
        "{connectors:?}"
    );
    // CN-050: the order of kinds.
    let all = classes("/connector-plugins?connectorsOnly=false");
    let mut kinds: Vec<&str> = all.iter().map(|(_, kind)| kind.as_str()).collect();
    kinds.dedup();
    assert_eq!(
        kinds
            .iter()
            .filter(|kind| **kind != "predicate")
            .collect::<Vec<_>>(),
        [
            &"sink",
            &"source",
            &"transformation",
            &"converter",
            &"header_converter"
        ]
    );
    let body = api.get("/connector-plugins").body;
    assert!(
        body.starts_with(r#"[{"class":""#) && body.contains(r#"","type":"sink","version":""#),
        "{body}"
    );
}

#[test]
fn put_validate_answers_every_error_by_key() {
    let api = Api::empty("restvalidate");
    let path = "/connector-plugins/PostgresConnector/config/validate";
    let class = "io.debezium.connector.postgresql.PostgresConnector";
    let answer = api.send(
        "PUT",
        path,
        &json!({ "connector.class": class, "database.password": "s3cret" }),
    );
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(!answer.body.contains("s3cret"), "{}", answer.body);
    let infos = answer.json();
    assert!(
        answer.body.starts_with(&format!(
            r#"{{"name":"{class}","error_count":{},"groups":["Common""#,
            infos["error_count"]
        )),
        "{}",
        &answer.body[..200]
    );
    let key = |name: &str| {
        let configs = infos["configs"].as_array().expect("a list");
        let found = configs.iter().find(|config| config["value"]["name"] == name);
        found.unwrap_or_else(|| panic!("no {name}")).clone()
    };
    let topic = key("topic.prefix");
    assert_eq!(
        topic["value"]["errors"][0],
        "Missing required configuration \"topic.prefix\" which has no default value."
    );
    assert_eq!(topic["definition"]["required"], true);
    assert_eq!(topic["definition"]["default_value"], Value::Null);
    assert_eq!(key("database.password")["value"]["value"], "[hidden]");
    assert_eq!(key("tasks.max")["definition"]["type"], "INT");
    assert_eq!(key("tasks.max")["value"]["value"], "1");
    // CN-051: the order of fields.
    for part in [
        r#"{"definition":{"name":"name","type":"STRING","required":true,"default_value":null,"importance":"HIGH","documentation":""#,
        r#""group":"Common","order":1,"width":"MEDIUM","display_name":"#,
        r#","dependents":[]},"value":{"name":"name","value":null,"recommended_values":[],"errors":["#,
    ] {
        assert!(
            answer.body.contains(part),
            "{part} is not in {}",
            &answer.body[..900]
        );
    }
    assert_error(
        &api.send("PUT", path, &json!({ "connector.class": CLASS })),
        400,
        &format!("Included connector type {CLASS} does not match request type PostgresConnector"),
    );
    assert_error_begins(&api.send("PUT", path, &json!({})), 400, "");
}

/// CN-020 to CN-025: what holds for every endpoint.
#[test]
fn every_error_has_a_body() {
    let api = Api::new("resterrors");
    for (method, path, status) in [
        ("GET", "/nowhere", 404),
        ("GET", "/connectors/c/nowhere", 404),
        ("DELETE", "/connectors", 405),
        ("POST", "/connectors/c", 405),
        ("GET", "/connectors/c/restart", 405),
    ] {
        let answer = api.bare(method, path);
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.json()["error_code"], json!(status), "{method} {path}");
        assert!(
            answer.json()["message"].is_string(),
            "{method} {path}: {}",
            answer.body
        );
    }
    // What is refused before any handler sees it.
    assert_error_begins(&api.get("/connectors/%ff"), 400, "HTTP 400 Bad Request");
    let large = json!({ "name": "large", "config": { "x": "y".repeat(2 << 20) } });
    assert_error_begins(
        &api.send("POST", "/connectors", &large),
        413,
        "HTTP 413 Payload Too Large",
    );
    // A body where none is needed is ignored.
    for body in [json!({}), json!(""), Value::Null, json!({ "more": [1] })] {
        assert_empty(&api.send("PUT", "/connectors/c/resume", &body), 202);
    }
}

/// What Connect has and is not built yet says so by its name: never 404, never ignored.
#[test]
fn endpoints_that_are_not_built_name_themselves() {
    let api = Api::new("restunbuilt");
    for (method, path) in [
        ("GET", "/health"),
        ("PATCH", "/connectors/c/config"),
        ("GET", "/connectors/c/tasks-config"),
        ("PUT", "/connectors/c/topics/reset"),
        ("GET", "/connectors/c/offsets"),
        ("PATCH", "/connectors/c/offsets"),
        ("DELETE", "/connectors/c/offsets"),
        ("GET", "/connector-plugins/PostgresConnector/config"),
        ("GET", "/admin/loggers"),
        ("GET", "/admin/loggers/root"),
        ("PUT", "/admin/loggers/root"),
    ] {
        assert_error_begins(&api.bare(method, path), 501, &format!("{method} {path} "));
    }
}
