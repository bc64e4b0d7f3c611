//! What the kill tests of the road to Cassandra share: the servers, the ledger, its load, its connectors, the comparison.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rowtide_testkit::rest::call;
use rowtide_testkit::stack::Stack;
use rowtide_testkit::worker::Worker;
use serde_json::{Value, json};

use crate::{SHORT_SESSION, history, say};

/// Rows before the connector exists: two batches of a snapshot.
const ROWS: u64 = 4000;
/// Sessions that write at the same time.
pub(crate) const WRITERS: u64 = 2;

/// The columns of the ledger.
pub(crate) const LEDGER: [&str; 4] = ["id", "version", "note", "body"];

/// Servers of one's own, the ledger in their Postgres and its table in their Cassandra.
pub(crate) struct Rig {
    pub(crate) stack: Arc<Stack>,
    /// The source's Postgres: the service, and what its addresses begin with.
    pub(crate) postgres: (&'static str, &'static str),
    /// The database, the keyspace, the slot and the prefix of the topics.
    pub(crate) name: String,
}

impl Rig {
    /// `ROWTIDE_CRASH_POSTGRES`, 15 without, says which Postgres the ledger is in.
    pub(crate) fn new() -> Self {
        let postgres = match std::env::var("ROWTIDE_CRASH_POSTGRES").as_deref() {
            Err(_) | Ok("15") => ("postgres", "PG"),
            Ok("18") => ("postgres18", "PG18"),
            Ok(other) => panic!("ROWTIDE_CRASH_POSTGRES={other}: the stack has 15 and 18"),
        };
        let rig = Self {
            stack: Arc::new(Stack::own(&[postgres.0, "kafka", "cassandra"])),
            postgres,
            name: format!("ledger{}", std::process::id()),
        };
        let name = &rig.name;
        say(rig.sql("postgres", "select version()").trim());
        rig.sql("postgres", &format!("create database {name}"));
        // As little WAL as the server can keep: what the slot does not hold is gone soon.
        rig.sql(
            "postgres",
            "alter system set max_wal_size = '64MB'; alter system set min_wal_size = '32MB'; select pg_reload_conf();",
        );
        rig.sql(name, history::TABLES);
        rig.sql(
            name,
            &format!(
                "insert into ledger (id, body, note) \
                 select g, repeat(md5(g::text), 100), 'snapshot' from generate_series(1, {ROWS}) g;"
            ),
        );
        rig.stack.cql(&format!(
            "create keyspace {name} with replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}; \
             create table {name}.ledger (id bigint primary key, version bigint, body text, note text);"
        ));
        rig
    }

    /// Runs SQL on the source's server.
    pub(crate) fn sql(&self, database: &str, statements: &str) -> String {
        self.stack.sql_on(self.postgres.1, database, statements)
    }

    /// An address of the source's server: its `HOST`, `PORT` or `USER`.
    pub(crate) fn address(&self, what: &str) -> &str {
        self.stack.get(&format!("{}_{what}", self.postgres.1))
    }

    pub(crate) fn topic(&self, table: &str) -> String {
        format!("{}.public.{table}", self.name)
    }

    /// The source of these tables.
    pub(crate) fn source(&self, tables: &[&str]) -> Value {
        let tables: Vec<_> = tables.iter().map(|table| format!("public.{table}")).collect();
        json!({
            "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
            "database.hostname": self.address("HOST"),
            "database.port": self.address("PORT"),
            "database.user": self.address("USER"),
            "database.password": "x",
            "database.dbname": self.name,
            "topic.prefix": self.name,
            "plugin.name": "pgoutput",
            "slot.name": self.name,
            "publication.name": self.name,
            "table.include.list": tables.join(","),
        })
    }

    /// The sink of these tables, each with its columns, into Cassandra.
    pub(crate) fn sink(&self, tables: &[(&str, &[&str])]) -> Value {
        let get = |key: &str| self.stack.get(key);
        let topics: Vec<_> = tables.iter().map(|(table, _)| self.topic(table)).collect();
        let mut config = json!({
            "connector.class": "com.datastax.oss.kafka.sink.CassandraSinkConnector",
            "topics": topics.join(","),
            "contactPoints": get("CASSANDRA_HOST"),
            "port": get("CASSANDRA_PORT"),
            "loadBalancing.localDc": get("CASSANDRA_DC"),
        });
        for (key, value) in SHORT_SESSION {
            config[key] = value.into();
        }
        for (table, columns) in tables {
            let key = format!("topic.{}.{}.{table}", self.topic(table), self.name);
            let mapping: Vec<_> = columns
                .iter()
                .map(|name| format!("{name}=value.{name}"))
                .collect();
            config[format!("{key}.mapping")] = mapping.join(", ").into();
            config[format!("{key}.inputFormat")] = "debezium".into();
        }
        config
    }

    /// Creates a connector; whether it exists now. The worker may die meanwhile, and is asked again later.
    pub(crate) fn create(worker: &Worker, name: &str, config: &Value) -> bool {
        let body = json!({ "name": name, "config": config }).to_string();
        call(&worker.address, "POST", "/connectors", Some(&body))
            .is_ok_and(|answer| matches!(answer.status, 201 | 409))
    }

    /// One round of a writer: plain changes that leave a TOASTed column alone, a change of it, a key change (which touches
    /// it: under the default replica identity nobody else could know its value), a deletion, a deletion with reinsertion, a
    /// rollback and one to a savepoint, a long transaction whose early changes commit late, and rows of the snapshot that go.
    fn round(writer: u64, round: u64) -> String {
        let first = 1_000_000 * (writer + 1);
        let id = first + round * 10;
        format!(
            "insert into ledger (id, body, note) select g, repeat(md5(g::text), 100), 'r{round}' from generate_series({id}, {id} + 4) g; \
             update ledger set note = 'u{round}' where id % 97 = {} and id % {WRITERS} = {writer} and id < 10000; \
             update ledger set body = repeat(md5('b{writer}{round}'), 90) where id = {id}; \
             begin; update ledger set note = 'before' where id = {id} + 1; \
               update ledger set id = -{id}, body = body || 'k' where id = {id} + 1; update ledger set note = null where id = -{id}; commit; \
             delete from ledger where id = {id} + 2; \
             begin; delete from ledger where id = {id} + 3; \
               insert into ledger (id, body, note) values ({id} + 3, 'again', 'r{round}'); commit; \
             begin; update ledger set note = 'never' where id < 50; rollback; \
             begin; update ledger set note = 'early' where id = {id} + 4; select pg_sleep(0.02); \
               update ledger set note = 'hot{writer}{round}' where id = 1 + {round} % 5; \
               savepoint s; delete from ledger where id = {id} + 4; rollback to s; \
               update ledger set note = 'late' where id = {id} + 4; commit; \
             delete from ledger where id = {first} + {} * 10; \
             delete from ledger where id = 1000 + {writer} * 1500 + {round};\n",
            round % 97,
            round / 2
        )
    }

    /// Writes rounds until told to stop; Postgres may go away and come back.
    pub(crate) fn load(&self, writer: u64, stop: Arc<AtomicBool>) -> JoinHandle<u64> {
        let (stack, server, name) = (self.stack.clone(), self.postgres.1, self.name.clone());
        thread::spawn(move || {
            let mut round = 0;
            while !stop.load(Ordering::Relaxed) {
                // A round that was cut off is not repeated: what of it committed, Postgres has noted.
                let written = stack.try_sql_on(server, &name, &Self::round(writer, round));
                round += 1;
                thread::sleep(Duration::from_millis(if written.is_ok() { 60 } else { 300 }));
            }
            round
        })
    }

    /// How many rows of a table Postgres has, and the rows that differ.
    pub(crate) fn compare(&self, table: &str, columns: &[&str]) -> (usize, Vec<String>) {
        let rows = |text: String| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
        let columns = columns.join(", ");
        let cassandra = format!("select {columns} from {}.{table};", self.name);
        let cassandra = rows(self.stack.cql(&cassandra));
        let postgres = rows(self.sql(&self.name, &format!("select {columns} from {table}")));
        let named = cassandra.symmetric_difference(&postgres).map(|row| {
            let side = if postgres.contains(row) {
                "Postgres"
            } else {
                "Cassandra"
            };
            format!("only in {side}: {}", row.chars().take(60).collect::<String>())
        });
        (postgres.len(), named.take(20).collect())
    }
}
