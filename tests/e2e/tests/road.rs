//! The whole road on real servers, with the binary as users run it.

use std::time::Duration;

use rowtide_testkit::randomuser::RandomUser;
use rowtide_testkit::stack::Stack;
use rowtide_testkit::worker::{Worker, eventually};
use serde_json::{Value, json};

const COLUMNS: &str = "id, first_name, last_name, gender, address, post_code, email, username, dob, registered_date, phone, picture";

fn mapping() -> String {
    COLUMNS
        .split(", ")
        .map(|column| format!("{column}=value.{column}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// A database, a keyspace and names of their own, so that nothing of another run is in the way.
struct Place {
    stack: Stack,
    /// Also the prefix of topics, the slot and the keyspace.
    name: String,
}

impl Place {
    fn new(name: &str) -> Self {
        let stack = Stack::with(&["postgres", "kafka", "cassandra"]);
        let name = format!("{name}{}", std::process::id());
        stack.sql("postgres", &format!("create database {name}"));
        stack.sql(
            &name,
            &format!("create table created_users (id uuid primary key, {})", texts()),
        );
        stack.cql(&format!(
            "create keyspace {name} with replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}; \
             create table {name}.created_users (id uuid primary key, {});",
            texts()
        ));
        Self { stack, name }
    }

    fn source(&self) -> Vec<(String, String)> {
        let pairs = [
            (
                "connector.class",
                "io.debezium.connector.postgresql.PostgresConnector",
            ),
            ("database.hostname", self.stack.get("PG_HOST")),
            ("database.port", self.stack.get("PG_PORT")),
            ("database.user", self.stack.get("PG_USER")),
            ("database.password", "x"),
            ("database.dbname", &self.name),
            ("topic.prefix", &self.name),
            ("plugin.name", "pgoutput"),
            ("slot.name", &self.name),
            ("publication.name", &self.name),
            ("table.include.list", "public.created_users"),
        ];
        pairs
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .to_vec()
    }

    fn sink(&self, input_format: &str) -> Vec<(String, String)> {
        let topic = format!("{}.public.created_users", self.name);
        let table = format!("topic.{topic}.{}.created_users", self.name);
        vec![
            (
                "connector.class".into(),
                "com.datastax.oss.kafka.sink.CassandraSinkConnector".into(),
            ),
            ("topics".into(), topic),
            ("contactPoints".into(), self.stack.get("CASSANDRA_HOST").into()),
            ("port".into(), self.stack.get("CASSANDRA_PORT").into()),
            (
                "loadBalancing.localDc".into(),
                self.stack.get("CASSANDRA_DC").into(),
            ),
            (format!("{table}.mapping"), mapping()),
            (format!("{table}.inputFormat"), input_format.into()),
            ("consumer.override.session.timeout.ms".into(), "6000".into()),
        ]
    }

    /// Every cell on both sides, sorted by id.
    fn both(&self) -> (Vec<String>, Vec<String>) {
        let query = format!("select {COLUMNS} from");
        let sorted = |text: String| {
            let mut rows: Vec<_> = text.lines().map(str::to_owned).collect();
            rows.sort();
            rows
        };
        let cassandra = self.stack.cql(&format!("{query} {}.created_users;", self.name));
        let postgres = self.stack.sql(&self.name, &format!("{query} created_users"));
        (sorted(cassandra), sorted(postgres))
    }

    fn worker(&self) -> Worker {
        let mut worker = Worker::new(self.stack.get("KAFKA_BOOTSTRAP"), "");
        worker.start();
        worker
    }
}

fn texts() -> String {
    COLUMNS
        .split(", ")
        .skip(1)
        .map(|column| format!("{column} text"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn create(worker: &Worker, name: &str, config: &[(String, String)]) {
    let config: Vec<_> = config
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    worker.create(name, &config);
    worker.await_running(name);
}

fn changes(place: &Place) {
    place.stack.sql(
        &place.name,
        "insert into created_users (id, first_name, phone) \
           select ('00000000-0000-4000-8000-' || lpad(g::text, 12, '0'))::uuid, 'f' || g, null from generate_series(1, 300) g; \
         update created_users set gender = 'x', phone = 'p' where first_name like 'f1%'; \
         update created_users set phone = null where first_name like 'f12%'; \
         delete from created_users where first_name like 'f2%'; \
         begin; \
         update created_users set id = '00000000-0000-4000-8000-999999999999' where first_name = 'f3'; \
         insert into created_users (id, first_name) values ('00000000-0000-4000-8000-000000000003', 'again'); \
         commit; \
         begin; insert into created_users (id, first_name) values (gen_random_uuid(), 'never'); rollback;",
    );
}

/// Snapshot rows, inserts, updates, updates to null, deletes, a key change with reinsertion, a rollback: envelopes into
/// Cassandra; then the worker is stopped in order and goes on.
#[test]
fn changes_of_postgres_arrive_in_cassandra() {
    let place = Place::new("cdc");
    place.stack.sql(
        &place.name,
        "insert into created_users (id, first_name, address) select gen_random_uuid(), 's' || g, repeat('a', g) from generate_series(1, 200) g",
    );
    let mut worker = place.worker();
    create(&worker, "source", &place.source());
    create(&worker, "sink", &place.sink("debezium"));
    eventually("the snapshot", Duration::from_secs(60), || place.both());
    changes(&place);
    eventually("the changes", Duration::from_secs(60), || place.both());

    let (code, took) = worker.stop();
    assert_eq!(code, Some(0), "{}", worker.log());
    assert!(took < Duration::from_secs(20), "stopping took {took:?}");
    place.stack.sql(
        &place.name,
        "update created_users set last_name = 'while stopped' where first_name like 's1%'",
    );
    worker.start();
    eventually(
        "what happened while it was stopped",
        Duration::from_secs(60),
        || place.both(),
    );
}

/// Schedule → Kafka → Postgres → Kafka → Cassandra.
#[tokio::test(flavor = "multi_thread")]
async fn users_travel_the_whole_road() {
    let server = RandomUser::start().await.expect("the test server starts");
    let url = server.url();
    tokio::task::spawn_blocking(move || {
        let place = Place::new("road");
        let worker = place.worker();
        let topic = format!("{}_users", place.name);
        let url_of = |database: &str| {
            format!(
                "jdbc:postgresql://{}:{}/{database}",
                place.stack.get("PG_HOST"),
                place.stack.get("PG_PORT")
            )
        };
        worker.create(
            "users",
            &[
                ("connector.class", "RandomUserSource"),
                ("preset", "randomuser"),
                ("http.url", &url),
                ("results", "50"),
                ("topic", &topic),
                ("schedule.interval", "2s"),
            ],
        );
        worker.await_running("users");
        worker.create(
            "rows",
            &[
                ("connector.class", "PostgresSink"),
                ("topics", &topic),
                ("connection.url", &url_of(&place.name)),
                ("connection.username", place.stack.get("PG_USER")),
                ("connection.password", "x"),
                ("insert.mode", "upsert"),
                ("primary.key.mode", "record_key"),
                ("primary.key.fields", "id"),
                ("collection.name.format", "created_users"),
            ],
        );
        worker.await_running("rows");
        create(&worker, "source", &place.source());
        create(&worker, "sink", &place.sink("debezium"));
        eventually("three runs", Duration::from_secs(60), || {
            (
                worker.metric("rowtide_schedule_runs_total", "succeeded") >= 3,
                true,
            )
        });
        let paused = worker.ask("PUT", "/connectors/users/pause", None);
        assert_eq!(paused.status, 202, "{}", paused.body);
        let users = || worker.metric("kafka_connect_source_task_source_record_write_total", "users");
        eventually("rows in Postgres", Duration::from_secs(60), || {
            let rows = place.stack.sql(&place.name, "select count(*) from created_users");
            (rows.trim().to_owned(), users().to_string())
        });
        assert!(users() >= 150 && users() % 50 == 0, "{} users", users());
        eventually("the road", Duration::from_secs(60), || place.both());
    })
    .await
    .expect("the road ends");
}

/// CN-045: every endpoint, with codes and bodies.
#[test]
fn the_rest_api_answers_as_connect_does() {
    let place = Place::new("rest");
    let worker = place.worker();
    let get = |path: &str| worker.ask("GET", path, None);
    assert_eq!(get("/").json()["version"], "4.1.0");
    assert_eq!(get("/connectors/").json(), json!([]));
    let bad = worker.ask(
        "POST",
        "/connectors",
        Some(&json!({ "name": "c", "config": { "connector.class": "Nope" } })),
    );
    assert_eq!(bad.status, 400);
    let text = bad.json()["message"].as_str().unwrap_or_default().to_owned();
    assert!(
        text.starts_with("Failed to find any class that implements Connector"),
        "{text}"
    );

    create(&worker, "c", &place.source());
    let twice = worker.ask(
        "POST",
        "/connectors",
        Some(&json!({ "name": "c", "config": config(&place) })),
    );
    assert_eq!(
        (twice.status, twice.json()["message"].clone()),
        (409, json!("Connector c already exists"))
    );
    let mut expected = config(&place);
    expected["name"] = json!("c");
    assert_eq!(get("/connectors/c/config").json(), expected);
    assert_eq!(get("/connectors/c").json()["type"], "source");
    let expanded = get("/connectors?expand=status&expand=info").json();
    assert_eq!(expanded["c"]["status"]["tasks"][0]["state"], "RUNNING");
    assert_eq!(
        expanded["c"]["info"]["tasks"],
        json!([{ "connector": "c", "task": 0 }])
    );
    assert_eq!(
        get("/connectors/c/tasks").json()[0]["id"],
        json!({ "connector": "c", "task": 0 })
    );
    assert_eq!(get("/connectors/c/tasks/0/status").json()["state"], "RUNNING");
    assert_eq!(
        get("/connectors/c/topics").json(),
        json!({ "c": { "topics": [] } })
    );
    let classes = get("/connector-plugins").json().to_string();
    assert!(classes.contains("io.debezium.connector.postgresql.PostgresConnector"));

    let code = |method: &str, path: &str| worker.ask(method, path, None).status;
    assert_eq!(code("PUT", "/connectors/c/pause"), 202);
    worker.await_state("c", "PAUSED");
    assert_eq!(code("PUT", "/connectors/c/resume"), 202);
    worker.await_running("c");
    assert_eq!(code("POST", "/connectors/c/tasks/0/restart"), 204);
    worker.await_running("c");
    assert_eq!(code("POST", "/connectors/c/restart"), 204);
    worker.await_running("c");
    assert_eq!(code("POST", "/connectors/c/restart?includeTasks=true"), 202);
    worker.await_running("c");
    assert_eq!(code("PUT", "/connectors/c/config"), 400);
    let updated = worker.ask("PUT", "/connectors/c/config", Some(&config(&place)));
    assert_eq!(updated.status, 200, "{}", updated.body);
    worker.await_running("c");
    assert_eq!(code("PUT", "/connectors/c/stop"), 204);
    eventually("stopped", Duration::from_secs(20), || {
        let status = get("/connectors/c/status").json();
        (
            (status["connector"]["state"].clone(), status["tasks"].clone()),
            (json!("STOPPED"), json!([])),
        )
    });
    let validated = worker.ask(
        "PUT",
        "/connector-plugins/PostgresConnector/config/validate",
        Some(&json!({ "connector.class": "PostgresConnector" })),
    );
    assert_eq!(validated.status, 200);
    assert!(
        validated.json()["error_count"].as_i64() > Some(3),
        "{}",
        validated.body
    );

    for (method, path, expected) in [
        ("GET", "/nowhere", 404),
        ("DELETE", "/connectors", 405),
        ("GET", "/connectors/nobody/status", 404),
        ("PUT", "/connectors/nobody/pause", 404),
        ("GET", "/connectors/c/offsets", 501),
        ("PATCH", "/connectors/c/config", 501),
        ("PUT", "/connectors/c/topics/reset", 501),
        ("GET", "/admin/loggers", 501),
        ("GET", "/health", 501),
    ] {
        let answer = worker.ask(method, path, None);
        assert_eq!(answer.status, expected, "{method} {path}");
        assert_eq!(answer.json()["error_code"], expected, "{method} {path}");
    }
    assert_eq!(code("DELETE", "/connectors/c"), 204);
    assert_eq!(code("GET", "/connectors/c/status"), 404);
}

fn config(place: &Place) -> Value {
    Value::Object(
        place
            .source()
            .into_iter()
            .map(|(key, value)| (key, json!(value)))
            .collect(),
    )
}

/// A task that cannot start says why and harms nobody.
#[test]
fn bad_input_is_named_and_the_worker_lives_on() {
    let place = Place::new("bad");
    let worker = place.worker();
    let failed = |name: &str, key: &str, value: &str, expected: &str| {
        let mut source = place.source();
        source
            .iter_mut()
            .filter(|(known, _)| known == key)
            .for_each(|(_, old)| value.clone_into(old));
        let config: Vec<_> = source
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        worker.create(name, &config);
        let status = worker.await_state(name, "FAILED").to_string();
        assert!(status.contains(expected), "{status}");
        assert!(!status.contains("s3cret"), "{status}");
    };
    failed(
        "no-database",
        "database.dbname",
        "nobody_made_this",
        "nobody_made_this",
    );
    failed(
        "no-table",
        "table.include.list",
        "public.nothing",
        "table.include.list",
    );
    place
        .stack
        .sql(&place.name, "create table odd (id int primary key, p point)");
    failed(
        "odd-type",
        "table.include.list",
        "public.odd",
        "column.exclude.list",
    );
    create(&worker, "good", &place.source());
    let sink = place.sink("debezium");
    let missing: Vec<_> = sink
        .iter()
        .map(|(key, value)| {
            (
                key.replace(
                    &format!(".{}.created_users.", place.name),
                    ".nowhere.created_users.",
                ),
                value.as_str(),
            )
        })
        .collect();
    let missing: Vec<_> = missing
        .iter()
        .map(|(key, value)| (key.as_str(), *value))
        .collect();
    worker.create("no-keyspace", &missing);
    assert!(
        worker
            .await_state("no-keyspace", "FAILED")
            .to_string()
            .contains("nowhere")
    );
    assert_eq!(
        worker.ask("GET", "/connectors/good/status", None).json()["tasks"][0]["state"],
        "RUNNING"
    );
}
