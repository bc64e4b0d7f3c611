//! A worker, and names of one's own on the servers.

use std::time::Duration;

use rowtide_testkit::stack::Stack;
use rowtide_testkit::worker::{Worker, eventually};
use serde_json::{Map, Value, json};

/// Longer than the back-off after a handful of failures.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A connector's configuration.
pub(crate) type Config = Vec<(String, String)>;

/// A database with a table `t(id, v)` and a role of its own, a worker, and a prefix for everything else.
pub(crate) struct Place {
    pub(crate) stack: Stack,
    pub(crate) name: String,
    pub(crate) worker: Worker,
}

impl Place {
    /// On the shared servers.
    pub(crate) fn new(name: &str) -> Self {
        Self::on(Stack::with(&["postgres", "kafka", "cassandra"]), name, "")
    }

    /// On these servers; `more` is appended to the worker's properties.
    pub(crate) fn on(stack: Stack, name: &str, more: &str) -> Self {
        let name = format!("{name}{}", std::process::id());
        let create = format!(
            "create role {name} login replication superuser password 'right'; create database {name}"
        );
        create.split("; ").for_each(|statement| {
            stack.sql("postgres", statement);
        });
        stack.sql(&name, "create table t (id int primary key, v text)");
        let mut worker = Worker::new(stack.get("KAFKA_BOOTSTRAP"), more);
        worker.start();
        Self { stack, name, worker }
    }

    pub(crate) fn sql(&self, statements: &str) -> String {
        self.stack.sql(&self.name, statements)
    }

    /// A source of `public.t`, with these keys on top.
    pub(crate) fn source(&self, own: &[(&str, &str)]) -> Config {
        let base = [
            (
                "connector.class",
                "io.debezium.connector.postgresql.PostgresConnector",
            ),
            ("database.hostname", self.stack.get("PG_HOST")),
            ("database.port", self.stack.get("PG_PORT")),
            ("database.user", &self.name),
            ("database.password", "right"),
            ("database.dbname", &self.name),
            ("topic.prefix", &self.name),
            ("plugin.name", "pgoutput"),
            ("slot.name", &self.name),
            ("publication.name", &self.name),
            ("table.include.list", "public.t"),
        ];
        with(&base, own)
    }

    /// A sink of that source's topic into `keyspace.table`.
    pub(crate) fn sink(&self, keyspace: &str, table: &str, mapping: &str) -> Config {
        let topic = format!("{}.public.t", self.name);
        let prefix = format!("topic.{topic}.{keyspace}.{table}");
        let own = [
            (format!("{prefix}.mapping"), mapping.to_owned()),
            (format!("{prefix}.inputFormat"), "debezium".to_owned()),
        ];
        let base = [
            (
                "connector.class",
                "com.datastax.oss.kafka.sink.CassandraSinkConnector",
            ),
            ("topics", &topic),
            ("contactPoints", self.stack.get("CASSANDRA_HOST")),
            ("port", self.stack.get("CASSANDRA_PORT")),
            ("loadBalancing.localDc", self.stack.get("CASSANDRA_DC")),
            ("consumer.override.session.timeout.ms", "6000"),
        ];
        let mut config = with(&base, &[]);
        config.extend(own);
        config
    }

    pub(crate) fn create(&self, name: &str, config: &Config) {
        let config: Vec<_> = config
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        self.worker.create(name, &config);
    }

    /// Replaces a configuration.
    pub(crate) fn put(&self, name: &str, config: &Config) {
        let answer = self.worker.ask(
            "PUT",
            &format!("/connectors/{name}/config"),
            Some(&Value::Object(object(config))),
        );
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    pub(crate) fn restart(&self, name: &str) {
        let path = format!("/connectors/{name}/restart?includeTasks=true");
        let answer = self.worker.ask("POST", &path, None);
        assert_eq!(answer.status, 202, "{}", answer.body);
    }

    /// Waits until the task is FAILED; its trace has to say all of this, and no password.
    pub(crate) fn await_failed(&self, name: &str, saying: &[&str]) {
        let status = self.worker.await_state(name, "FAILED");
        let trace = status["tasks"][0]["trace"].as_str().unwrap_or_default();
        says(trace, saying);
        assert!(!trace.contains("wr0ng"), "a password is shown: {trace}");
        let others = self.worker.ask("GET", "/connectors", None);
        assert_eq!(others.status, 200, "the worker answers on");
    }

    /// What validate says under a key.
    pub(crate) fn validate(&self, config: &Config, key: &str, saying: &[&str]) {
        let mut body = object(config);
        body.insert("name".into(), json!("validated"));
        let class = body["connector.class"].as_str().unwrap_or_default();
        let path = format!("/connector-plugins/{class}/config/validate");
        let answer = self.worker.ask("PUT", &path, Some(&Value::Object(body.clone())));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let json = answer.json();
        let infos = json["configs"].as_array().cloned().unwrap_or_default();
        let found = infos.iter().find(|info| info["value"]["name"] == key);
        let errors = found.map(|info| info["value"]["errors"].to_string());
        let all: Vec<_> = infos
            .iter()
            .filter(|info| info["value"]["errors"] != json!([]))
            .map(|info| info["value"].to_string())
            .collect();
        let errors = errors.unwrap_or_else(|| panic!("nothing under {key}: {all:?}"));
        assert_ne!(errors, "[]", "no error under {key}: {all:?}");
        says(&errors, saying);
    }

    /// How far Postgres may forget.
    pub(crate) fn confirmed(&self) -> String {
        let sql = format!(
            "select confirmed_flush_lsn from pg_replication_slots where slot_name = '{}'",
            self.name
        );
        self.sql(&sql)
    }

    pub(crate) fn written(&self, name: &str) -> i64 {
        let label = format!("connector=\"{name}\"");
        self.worker
            .metric("kafka_connect_source_task_source_record_write_total", &label)
    }

    /// Waits until a source has written this many records in all.
    pub(crate) fn await_written(&self, name: &str, records: i64) {
        eventually("the records written", PATIENCE, || (self.written(name), records));
    }
}

pub(crate) fn says(text: &str, all: &[&str]) {
    for part in all {
        assert!(text.contains(part), "{part:?} is not said: {text}");
    }
}

fn with(base: &[(&str, &str)], own: &[(&str, &str)]) -> Config {
    let kept = base
        .iter()
        .filter(|(key, _)| !own.iter().any(|(known, _)| known == key));
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    kept.chain(own).map(owned).collect()
}

fn object(config: &Config) -> Map<String, Value> {
    let pairs = config.iter();
    pairs.map(|(key, value)| (key.clone(), json!(value))).collect()
}
