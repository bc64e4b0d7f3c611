//! What the kill tests of the road to Cassandra share: the servers, the ledgers, their load, their connectors, the comparison.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rowtide_crash::cells::{self, Compared};
use rowtide_crash::changes::{Asked, Changes, FUNCTIONS};
use rowtide_crash::ledgers::{LEDGERS, Ledger};
use rowtide_testkit::rest::call;
use rowtide_testkit::stack::Stack;
use rowtide_testkit::worker::Worker;
use serde_json::{Value, json};

use crate::{SHORT_SESSION, history, say, seed};

/// Sessions that write at the same time.
pub(crate) const WRITERS: i64 = 3;
/// Keys of a writer's own in each ledger.
const OWN: i64 = 800;
/// Keys of each ledger that all writers change.
const SHARED: i64 = 40;
/// Transactions in one session of a writer, and the pause behind it: about a hundred changes a second of each.
const TRANSACTIONS: usize = 12;
const PAUSE: Duration = Duration::from_millis(250);

/// Servers of one's own, the ledgers in their Postgres and their tables in their Cassandra.
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
        rig.sql(name, &format!("{FUNCTIONS}\n{}", history::tables()));
        rig.sql(name, &LEDGERS.iter().map(first_rows).collect::<String>());
        let tables: String = LEDGERS.iter().map(|ledger| ledger.in_cassandra(name)).collect();
        rig.stack.cql(&format!(
            "create keyspace {name} with replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}; {tables}"
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

    /// The source of the ledgers, and of these tables.
    pub(crate) fn source(&self, tables: &[&str]) -> Value {
        let ledgers = LEDGERS.iter().map(|ledger| ledger.name);
        let tables = ledgers.chain(tables.iter().copied());
        let tables: Vec<_> = tables.map(|table| format!("public.{table}")).collect();
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

    /// The sink of the ledgers, and of these tables, each with its columns, into Cassandra.
    pub(crate) fn sink(&self, tables: &[(&str, &[&str])]) -> Value {
        let get = |key: &str| self.stack.get(key);
        let ledgers = LEDGERS.iter().map(|ledger| (ledger.name, ledger.compared()));
        let others = tables.iter().map(|(table, columns)| (*table, columns.to_vec()));
        let tables: Vec<_> = ledgers.chain(others).collect();
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

    /// Changes the ledgers until told to stop; Postgres may go away and come back.
    pub(crate) fn load(&self, writer: i64, stop: Arc<AtomicBool>) -> JoinHandle<Asked> {
        let (stack, server, name) = (self.stack.clone(), self.postgres.1, self.name.clone());
        let own = writer * OWN..(writer + 1) * OWN;
        let mut changes = Changes::new(seed() + own.start.unsigned_abs(), own, shared());
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let script = changes.script(TRANSACTIONS);
                // A script that was cut off is not repeated: what of it committed, Postgres has noted.
                if let Ok(answer) = stack.try_sql_on(server, &name, &script) {
                    changes.learn(&answer);
                }
                thread::sleep(PAUSE);
            }
            changes.asked
        })
    }

    /// Compares a ledger in both databases.
    pub(crate) fn compare(&self, ledger: &Ledger) -> Compared {
        self.compare_columns(
            ledger.name,
            ledger.key().len(),
            &ledger.compared(),
            &ledger.shown().join(", "),
        )
    }

    /// Compares a table of the same name in both; `shown`: its columns as Postgres has to show them.
    pub(crate) fn compare_columns(&self, table: &str, key: usize, columns: &[&str], shown: &str) -> Compared {
        let cassandra = format!("select {} from {}.{table};", columns.join(", "), self.name);
        let cassandra = self.stack.cql(&cassandra);
        let postgres = self.sql(&self.name, &format!("select {shown} from {table}"));
        cells::compare(columns, key, &postgres, &cassandra)
    }
}

/// Keys that all writers change.
fn shared() -> std::ops::Range<i64> {
    WRITERS * OWN..WRITERS * OWN + SHARED
}

/// Every key is there before the connector exists: more than one batch of a snapshot in each ledger.
fn first_rows(ledger: &Ledger) -> String {
    let key = ledger.key().join(", ");
    format!(
        "insert into {} ({key}, small, note, plain, outside, bytes, document) \
         select {}, g, dense(g % 50, 'n' || g), thin(g * 2, 'p' || g), case when g % 3 = 0 then dense(6400, 'o' || g) end, \
           decode(dense(g % 5 * 2000, 'b' || g), 'hex'), case when g % 2 = 0 then jsonb_build_object('is', dense(g, 'd' || g)) end \
         from generate_series(0, {}) g;\n",
        ledger.name,
        ledger.parts("g").join(", "),
        shared().end - 1
    )
}
