//! Where one test runs: a database, a keyspace, and names of its own on the servers all tests share.

use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use rowtide_testkit::stack::Stack;
use rowtide_testkit::worker::{Worker, eventually};
use serde_json::{Map, Value, json};

use crate::cassandra;

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) const COLUMNS: [&str; 12] = [
    "id",
    "first_name",
    "last_name",
    "gender",
    "address",
    "post_code",
    "email",
    "username",
    "dob",
    "registered_date",
    "phone",
    "picture",
];

/// A configuration that tests change before they hand it in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Config(Vec<(String, String)>);

impl Config {
    /// Sets a key, in the place of what it was.
    #[must_use]
    pub(crate) fn set(mut self, key: &str, value: impl Into<String>) -> Self {
        self.0.retain(|(known, _)| known != key);
        self.0.push((key.to_owned(), value.into()));
        self
    }

    /// Sets several keys.
    #[must_use]
    pub(crate) fn all(self, pairs: &[(&str, &str)]) -> Self {
        pairs
            .iter()
            .fold(self, |config, (key, value)| config.set(key, *value))
    }

    #[must_use]
    pub(crate) fn without(mut self, key: &str) -> Self {
        self.0.retain(|(known, _)| known != key);
        self
    }

    pub(crate) fn json(&self) -> Value {
        let pairs = self.0.iter().map(|(key, value)| (key.clone(), json!(value)));
        Value::Object(pairs.collect::<Map<_, _>>())
    }

    /// As a properties file has it; none of the tests' values needs an escape but the backslash.
    pub(crate) fn properties(&self) -> String {
        let lines = self.0.iter();
        lines
            .map(|(key, value)| format!("{key}={}\n", value.replace('\\', "\\\\")))
            .collect()
    }

    /// Creates the connector and waits until it runs.
    pub(crate) fn run(&self, worker: &Worker, name: &str) {
        self.create(worker, name);
        worker.await_running(name);
    }

    /// Creates the connector.
    pub(crate) fn create(&self, worker: &Worker, name: &str) {
        let pairs: Vec<_> = self
            .0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        worker.create(name, &pairs);
    }
}

/// The place of one test.
pub(crate) struct Place {
    pub(crate) stack: &'static Stack,
    /// Also the prefix of topics, the slot, the database and the keyspace.
    pub(crate) name: String,
    server: &'static str,
}

impl Place {
    /// On Postgres 15, with the table `created_users` on both sides.
    pub(crate) fn new(name: &str) -> Self {
        Self::on("PG", name)
    }

    /// On the server whose addresses begin with `server`.
    pub(crate) fn on(server: &'static str, name: &str) -> Self {
        static STACK: OnceLock<Stack> = OnceLock::new();
        let stack =
            STACK.get_or_init(|| Stack::with(&["postgres", "kafka", "cassandra", "registry", "postgres18"]));
        let name = format!("{name}{}", std::process::id());
        stack.sql_on(server, "postgres", &format!("create database {name}"));
        let place = Self { stack, name, server };
        let texts: Vec<_> = COLUMNS[1..]
            .iter()
            .map(|column| format!("{column} text"))
            .collect();
        let columns = format!("(id uuid primary key, {})", texts.join(", "));
        place.sql(&format!("create table created_users {columns}"));
        place.cql(&format!(
            "create keyspace {} with replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}",
            place.name
        ));
        place.make_users("created_users");
        place
    }

    /// A table of users in Cassandra.
    pub(crate) fn make_users(&self, table: &str) {
        self.cql(&format!("create table {}.{table} {}", self.name, users_columns()));
    }

    pub(crate) fn sql(&self, statements: &str) -> String {
        self.stack.sql_on(self.server, &self.name, statements)
    }

    pub(crate) fn cql(&self, statement: &str) -> Vec<Value> {
        cassandra::query(self.stack, statement)
    }

    /// The rows of a table of this place, as Cassandra prints them in JSON.
    pub(crate) fn in_cassandra(&self, table: &str) -> Vec<Value> {
        self.cql(&format!("select json * from {}.{table}", self.name))
    }

    pub(crate) fn get(&self, what: &str) -> &str {
        self.stack.get(&format!("{}_{what}", self.server))
    }

    pub(crate) fn topic(&self, table: &str) -> String {
        format!("{}.public.{table}", self.name)
    }

    /// The source of a table.
    pub(crate) fn source(&self, table: &str) -> Config {
        Config::default().all(&[
            (
                "connector.class",
                "io.debezium.connector.postgresql.PostgresConnector",
            ),
            ("database.hostname", self.get("HOST")),
            ("database.port", self.get("PORT")),
            ("database.user", self.get("USER")),
            ("database.password", "x"),
            ("database.dbname", &self.name),
            ("topic.prefix", &self.name),
            ("plugin.name", "pgoutput"),
            ("slot.name", &self.name),
            ("publication.name", &self.name),
            ("table.include.list", &format!("public.{table}")),
        ])
    }

    /// The sink of a table's topic into the table of that name.
    pub(crate) fn sink(&self, table: &str, mapping: &str) -> Config {
        self.sink_of(&self.topic(table), table, mapping)
    }

    /// The sink of a topic.
    pub(crate) fn sink_of(&self, topic: &str, table: &str, mapping: &str) -> Config {
        Config::default()
            .all(&[
                (
                    "connector.class",
                    "com.datastax.oss.kafka.sink.CassandraSinkConnector",
                ),
                ("topics", topic),
                ("contactPoints", self.stack.get("CASSANDRA_HOST")),
                ("port", self.stack.get("CASSANDRA_PORT")),
                ("loadBalancing.localDc", self.stack.get("CASSANDRA_DC")),
                ("consumer.override.session.timeout.ms", "6000"),
            ])
            .set(&self.table_key(topic, table, "mapping"), mapping)
    }

    /// The sink of envelopes of `created_users`.
    pub(crate) fn users_sink(&self) -> Config {
        let topic = self.topic("created_users");
        self.sink("created_users", &users_mapping()).set(
            &self.table_key(&topic, "created_users", "inputFormat"),
            "debezium",
        )
    }

    /// `topic.<topic>.<keyspace>.<table>.<setting>`.
    pub(crate) fn table_key(&self, topic: &str, table: &str, setting: &str) -> String {
        format!("topic.{topic}.{}.{table}.{setting}", self.name)
    }

    /// A worker whose converters are Avro with its own registry; `more` is appended to its properties.
    pub(crate) fn worker_with(&self, more: &str) -> Worker {
        let mut worker = self.stopped_worker(more);
        worker.start();
        worker
    }

    pub(crate) fn stopped_worker(&self, more: &str) -> Worker {
        Worker::new(self.stack.get("KAFKA_BOOTSTRAP"), more)
    }

    pub(crate) fn worker(&self) -> Worker {
        self.worker_with("")
    }

    /// Waits until both databases hold the same users, cell by cell.
    pub(crate) fn await_equal_users(&self, when: &str) {
        self.await_equal("created_users", when);
    }

    /// Waits until this table of Cassandra holds the users of Postgres.
    pub(crate) fn await_equal(&self, table: &str, when: &str) {
        eventually(when, PATIENCE, || {
            let rows = self.sql("select row_to_json(u) from created_users u");
            let postgres = rows
                .lines()
                .map(|line| serde_json::from_str(line).expect("Postgres prints JSON"));
            (by_id(self.in_cassandra(table)), by_id(postgres.collect()))
        });
    }
}

impl Drop for Place {
    /// Slots are few, and one that is left keeps the log of the server.
    fn drop(&mut self) {
        let drop_slot = format!(
            "select pg_terminate_backend(active_pid) from pg_replication_slots where starts_with(slot_name, '{0}') and active; \
             select pg_sleep(0.2); \
             select pg_drop_replication_slot(slot_name) from pg_replication_slots where starts_with(slot_name, '{0}')",
            self.name
        );
        // A test that failed has said why; this only tidies up.
        let _ = Command::new("psql")
            .args([
                "-h",
                self.get("HOST"),
                "-p",
                self.get("PORT"),
                "-U",
                self.get("USER"),
            ])
            .args(["-d", "postgres", "-qAtX", "-c", &drop_slot])
            .output();
    }
}

fn by_id(mut rows: Vec<Value>) -> Vec<Value> {
    rows.sort_by_key(|row| row["id"].to_string());
    rows
}

fn users_columns() -> String {
    let texts = COLUMNS[1..].iter().map(|column| format!("{column} text"));
    format!("(id uuid primary key, {})", texts.collect::<Vec<_>>().join(", "))
}

/// Every column from the field of its name.
pub(crate) fn users_mapping() -> String {
    COLUMNS
        .map(|column| format!("{column}=value.{column}"))
        .join(", ")
}

/// Inserts, updates, updates to null, deletes, a key change with reinsertion, a rollback.
pub(crate) fn change_users(place: &Place) {
    place.sql(
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

/// Rows that are there before a source starts.
pub(crate) fn seed_users(place: &Place) {
    place.sql(
        "insert into created_users (id, first_name, address) \
         select gen_random_uuid(), 's' || g, repeat('a', g) from generate_series(1, 200) g",
    );
}
