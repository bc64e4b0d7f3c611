//! A ledger under load while the worker is killed, at random and at named points, and each server once: nothing is missing,
//! and the final cells in Cassandra equal Postgres.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rowtide_testkit::stack::Stack;
use rowtide_testkit::worker::{Worker, eventually};

/// Kills of the worker; the issue asks for at least twenty.
const KILLS: u32 = 24;

/// Named points, between the durable steps of both directions.
const POINTS: [&str; 8] = [
    "source.sent",
    "source.acknowledged",
    "source.before_offset",
    "source.offset_stored",
    "source.committed",
    "sink.put",
    "sink.before_commit",
    "sink.committed",
];

struct Ledger {
    stack: Arc<Stack>,
    name: String,
}

impl Ledger {
    fn new() -> Self {
        let stack = Arc::new(Stack::own(&["postgres", "kafka", "cassandra"]));
        let name = format!("ledger{}", std::process::id());
        stack.sql("postgres", &format!("create database {name}"));
        stack.sql(
            &name,
            "create table ledger (id bigint primary key, version int not null, body text, note text); \
             alter table ledger alter column body set storage external; \
             insert into ledger select g, 1, repeat(md5(g::text), 100), 'snapshot' from generate_series(1, 2000) g;",
        );
        stack.cql(&format!(
            "create keyspace {name} with replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}; \
             create table {name}.ledger (id bigint primary key, version int, body text, note text);"
        ));
        Self { stack, name }
    }

    fn create_connectors(&self, worker: &Worker) {
        let get = |key: &str| self.stack.get(key);
        worker.create(
            "source",
            &[
                (
                    "connector.class",
                    "io.debezium.connector.postgresql.PostgresConnector",
                ),
                ("database.hostname", get("PG_HOST")),
                ("database.port", get("PG_PORT")),
                ("database.user", get("PG_USER")),
                ("database.password", "x"),
                ("database.dbname", &self.name),
                ("topic.prefix", &self.name),
                ("plugin.name", "pgoutput"),
                ("slot.name", &self.name),
                ("publication.name", &self.name),
                ("table.include.list", "public.ledger"),
            ],
        );
        let topic = format!("{}.public.ledger", self.name);
        let table = format!("topic.{topic}.{}.ledger", self.name);
        worker.create(
            "sink",
            &[
                (
                    "connector.class",
                    "com.datastax.oss.kafka.sink.CassandraSinkConnector",
                ),
                ("topics", &topic),
                ("contactPoints", get("CASSANDRA_HOST")),
                ("port", get("CASSANDRA_PORT")),
                ("loadBalancing.localDc", get("CASSANDRA_DC")),
                (
                    &format!("{table}.mapping"),
                    "id=value.id, version=value.version, body=value.body, note=value.note",
                ),
                (&format!("{table}.inputFormat"), "debezium"),
                // A killed member has to leave the group soon, or the sink waits out every kill.
                ("consumer.override.session.timeout.ms", "2000"),
                ("consumer.override.heartbeat.interval.ms", "500"),
            ],
        );
    }

    /// One round of transactions: plain changes that leave a TOASTed column alone, a change of it, a key change (which
    /// touches it: under the default replica identity nobody else could know its value), a deletion, a deletion with
    /// reinsertion, a rollback.
    fn round(round: u64) -> String {
        let id = 10_000 + round * 10;
        format!(
            "insert into ledger select g, 1, repeat(md5(g::text), 100), 'r{round}' from generate_series({id}, {id} + 4) g; \
             update ledger set version = version + 1, note = 'u{round}' where id % 97 = {} and id < 10000; \
             update ledger set version = version + 1, body = repeat(md5('b{round}'), 90) where id = {id}; \
             begin; update ledger set version = version + 1 where id = {id} + 1; \
               update ledger set id = -{id}, body = body || 'k' where id = {id} + 1; update ledger set note = null where id = -{id}; commit; \
             delete from ledger where id = {id} + 2; \
             begin; delete from ledger where id = {id} + 3; \
               insert into ledger values ({id} + 3, 7, 'again', 'r{round}'); commit; \
             begin; update ledger set version = -1; rollback; \
             delete from ledger where id = 10000 + {} * 10;\n",
            round % 97,
            round / 2
        )
    }

    /// Writes rounds until told to stop; Postgres may go away and come back.
    fn load(&self, stop: Arc<AtomicBool>) -> JoinHandle<u64> {
        let (stack, name) = (self.stack.clone(), self.name.clone());
        thread::spawn(move || {
            let mut round = 0;
            while !stop.load(Ordering::Relaxed) {
                let statements = Self::round(round);
                let written =
                    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| stack.sql(&name, &statements)));
                // A round that was cut off repeats under new ids.
                round += 1;
                thread::sleep(Duration::from_millis(if written.is_ok() { 20 } else { 300 }));
            }
            round
        })
    }

    /// How many rows Postgres has, and the rows that differ, by id and version.
    fn compare(&self) -> (usize, Vec<String>) {
        let rows = |text: String| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
        let columns = "select id, version, note, body from";
        let cassandra = rows(self.stack.cql(&format!("{columns} {}.ledger;", self.name)));
        let postgres = rows(self.stack.sql(&self.name, &format!("{columns} ledger")));
        let differing = cassandra.symmetric_difference(&postgres);
        let named = differing.map(|row| {
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

/// A fixed sequence that looks random: the same run every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// RS-101, RS-103, RS-115, CS-193: kills during the snapshot, at random, at every named point; each server killed once.
#[test]
fn nothing_is_lost_whatever_is_killed() {
    let ledger = Ledger::new();
    let mut worker = Worker::new(ledger.stack.get("KAFKA_BOOTSTRAP"), "");
    worker.start();
    ledger.create_connectors(&worker);
    let stop = Arc::new(AtomicBool::new(false));
    let load = ledger.load(stop.clone());
    let mut dice = Dice(42);
    let begun = Instant::now();
    for kill in 0..KILLS {
        match kill {
            // During the snapshot, early and late.
            0..=2 => thread::sleep(Duration::from_millis(30 + dice.below(200))),
            _ => thread::sleep(Duration::from_millis(300 + dice.below(1500))),
        }
        worker.kill();
        match kill {
            8 => restart(&ledger, "postgres"),
            14 => restart(&ledger, "kafka"),
            20 => restart(&ledger, "cassandra"),
            _ => {}
        }
        if kill % 2 == 1 {
            let point = POINTS[(kill / 2) as usize % POINTS.len()];
            worker.start_to_die_at(&format!("{point}:{}", dice.below(4)));
            let deadline = Instant::now() + Duration::from_secs(8);
            while worker.is_running() && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(20));
            }
            let died = !worker.is_running();
            say(&format!(
                "kill {kill}: {point} {}",
                if died {
                    "reached"
                } else {
                    "not reached in 8 s, killed"
                }
            ));
            worker.kill();
        }
        worker.start();
    }
    stop.store(true, Ordering::Relaxed);
    let rounds = load.join().expect("the load ends");
    say(&format!(
        "{KILLS} kills, {rounds} rounds in {:?}; waiting for the end",
        begun.elapsed()
    ));
    eventually(
        "rows that differ between Cassandra and Postgres",
        Duration::from_secs(180),
        || (ledger.compare().1, Vec::new()),
    );
    let (rows, _) = ledger.compare();
    say(&format!(
        "{rows} rows equal, cell by cell, after {:?}",
        begun.elapsed()
    ));
    assert!(rows > 2000);
    let confirmed = ledger.stack.sql(
        "postgres",
        "select count(*) from pg_replication_slots where confirmed_flush_lsn is not null",
    );
    assert_eq!(confirmed.trim(), "1", "one slot, and no copy left behind");
}

/// Progress of a test of minutes, shown with `--nocapture` or when it fails.
#[allow(
    clippy::print_stderr,
    reason = "the figures of a kill test belong into its log"
)]
fn say(text: &str) {
    eprintln!("{text}");
}

fn restart(ledger: &Ledger, service: &str) {
    say(&format!("killing {service}"));
    ledger.stack.kill(service);
    thread::sleep(Duration::from_millis(300));
    ledger.stack.up(service);
}
