//! Postgres → Kafka → Cassandra with a ledger under load, while everything is killed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rowtide_crash::check::{Outcome, check};
use rowtide_crash::model::Sample;
use rowtide_crash::points::{BEFORE_STREAMING, COMPACTION, STREAMING};
use rowtide_testkit::rest::call;
use rowtide_testkit::stack::Stack;
use rowtide_testkit::worker::{Worker, eventually};
use serde_json::{Map, Value, json};

use crate::kills::Victim;
use crate::topic::Reader;
use crate::{alone, history, say};

/// Rows before the connector exists: two batches of a snapshot.
const ROWS: u64 = 4000;
const PARTITIONS: i32 = 3;
/// Sessions that write at the same time.
const WRITERS: u64 = 2;

/// At most this many records may repeat after a kill. The stored offset covers all that was acknowledged at the last flush,
/// so what repeats was sent after it: what the source sends in one `offset.flush.interval.ms` (0.2 s here) and one write of
/// the state file, which is what the writers commit meanwhile and, after an outage, what piled up in it. At most 1000
/// changes a second are written here; a quarter of a second of them and five seconds of backlog stay below this, while a
/// lost offset would repeat the whole log, which is far longer (asserted).
const REPEATED_MAX: usize = 5000;

struct Ledger {
    stack: Arc<Stack>,
    name: String,
}

impl Ledger {
    fn new() -> Self {
        let stack = Arc::new(Stack::own(&["postgres", "kafka", "cassandra"]));
        let name = format!("ledger{}", std::process::id());
        stack.sql("postgres", &format!("create database {name}"));
        // As little WAL as the server can keep: what the slot does not hold is gone soon.
        stack.sql(
            "postgres",
            "alter system set max_wal_size = '64MB'; alter system set min_wal_size = '32MB'; select pg_reload_conf();",
        );
        stack.sql(&name, history::TABLES);
        stack.sql(
            &name,
            &format!(
                "insert into ledger (id, body, note) \
                 select g, repeat(md5(g::text), 100), 'snapshot' from generate_series(1, {ROWS}) g;"
            ),
        );
        stack.cql(&format!(
            "create keyspace {name} with replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}; \
             create table {name}.ledger (id bigint primary key, version bigint, body text, note text);"
        ));
        Self { stack, name }
    }

    fn topic(&self) -> String {
        format!("{}.public.ledger", self.name)
    }

    fn source(&self) -> Value {
        let get = |key: &str| self.stack.get(key);
        json!({
            "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
            "database.hostname": get("PG_HOST"),
            "database.port": get("PG_PORT"),
            "database.user": get("PG_USER"),
            "database.password": "x",
            "database.dbname": self.name,
            "topic.prefix": self.name,
            "plugin.name": "pgoutput",
            "slot.name": self.name,
            "publication.name": self.name,
            "table.include.list": "public.ledger",
        })
    }

    fn sink(&self) -> Value {
        let get = |key: &str| self.stack.get(key);
        let topic = self.topic();
        let table = format!("topic.{topic}.{}.ledger", self.name);
        let mut config = json!({
            "connector.class": "com.datastax.oss.kafka.sink.CassandraSinkConnector",
            "topics": topic,
            "contactPoints": get("CASSANDRA_HOST"),
            "port": get("CASSANDRA_PORT"),
            "loadBalancing.localDc": get("CASSANDRA_DC"),
            // A killed member has to leave the group soon, or the sink waits out every kill.
            "consumer.override.session.timeout.ms": "2000",
            "consumer.override.heartbeat.interval.ms": "500",
        });
        let mapping = "id=value.id, version=value.version, body=value.body, note=value.note";
        config[format!("{table}.mapping")] = mapping.into();
        config[format!("{table}.inputFormat")] = "debezium".into();
        config
    }

    /// Creates a connector; whether it exists now. The worker may die meanwhile, and is asked again later.
    fn create(worker: &Worker, name: &str, config: &Value) -> bool {
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
    fn load(&self, writer: u64, stop: Arc<AtomicBool>) -> JoinHandle<u64> {
        let (stack, name) = (self.stack.clone(), self.name.clone());
        thread::spawn(move || {
            let mut round = 0;
            while !stop.load(Ordering::Relaxed) {
                // A round that was cut off is not repeated: what of it committed, Postgres has noted.
                let written = stack.try_sql(&name, &Self::round(writer, round));
                round += 1;
                thread::sleep(Duration::from_millis(if written.is_ok() { 60 } else { 300 }));
            }
            round
        })
    }

    /// How many rows Postgres has, and the rows that differ.
    fn compare(&self) -> (usize, Vec<String>) {
        let rows = |text: String| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
        let columns = "select id, version, note, body from";
        let cassandra = rows(self.stack.cql(&format!("{columns} {}.ledger;", self.name)));
        let postgres = rows(self.stack.sql(&self.name, &format!("{columns} ledger")));
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

/// The ledger, what is killed, and what was seen at each kill.
struct Run {
    ledger: Ledger,
    victim: Victim,
    reader: Reader,
    samples: Vec<Sample>,
}

impl Run {
    /// After each kill: what the slot has confirmed, then where the topic ends. And the server recycles what WAL it may.
    fn sample(&mut self) {
        let stack = &self.ledger.stack;
        let confirmed = stack.sql(
            "postgres",
            "select coalesce(max(confirmed_flush_lsn - '0/0'), 0) from pg_replication_slots",
        );
        self.samples.push(Sample {
            confirmed: confirmed.trim().parse().expect("a position"),
            ends: self.reader.ends(),
        });
        stack.sql("postgres", "select pg_switch_wal(); checkpoint;");
    }

    fn die_at(&mut self, point: &str, passes: u64, meanwhile: impl FnMut(&Worker)) {
        self.victim.die_at(point, passes, meanwhile);
        self.sample();
    }

    fn kill_within(&mut self, millis: std::ops::Range<u64>) {
        self.victim.worker.start();
        self.victim.kill_within(millis);
        self.sample();
    }

    /// From nothing to the first streamed change. Answers the newest change noted when the slot existed.
    fn before_streaming(&mut self) -> u64 {
        let mut missing = vec![("source", self.ledger.source()), ("sink", self.ledger.sink())];
        let mut slot_seq = None;
        for point in BEFORE_STREAMING {
            if point == "postgres.snapshot_complete" {
                for _ in 0..3 {
                    self.kill_within(20..300);
                }
            }
            let passes = u64::from(point == "postgres.snapshot_batch");
            self.die_at(point, passes, |worker| {
                if let Some((name, config)) = missing.last()
                    && Ledger::create(worker, name, config)
                {
                    missing.pop();
                }
            });
            if point == "postgres.slot_created" {
                slot_seq = Some(history::newest(&self.ledger.stack, &self.ledger.name));
            }
        }
        slot_seq.expect("the slot was created")
    }

    fn streaming(&mut self) {
        for (index, point) in STREAMING.into_iter().enumerate() {
            let passes = self.victim.dice.below(4);
            self.die_at(point, passes, |_| {});
            match index {
                2 => self.restart("postgres"),
                6 => self.restart("kafka"),
                10 => self.restart("cassandra"),
                _ if index % 2 == 1 => self.kill_within(300..1800),
                _ => {}
            }
        }
        for point in COMPACTION {
            let (mut number, mut exists, sink) = (0, false, self.padding());
            self.die_at(point, 0, |worker| {
                number += 1;
                exists |= pad(worker, &sink, number, exists);
            });
        }
        self.kill_within(300..1800);
    }

    /// SIGKILL for a server while the worker runs, then for the worker.
    fn restart(&mut self, service: &str) {
        self.victim.worker.start();
        thread::sleep(Duration::from_millis(500));
        say(&format!("killing {service}"));
        self.ledger.stack.kill(service);
        thread::sleep(Duration::from_millis(300));
        self.ledger.stack.up(service);
        self.victim.kill_within(500..1500);
        self.sample();
    }

    /// A connector that never runs, whose configuration is large: it makes the state file grow.
    fn padding(&self) -> Map<String, Value> {
        let get = |key: &str| self.ledger.stack.get(key);
        let config = json!({
            "connector.class": "PostgresSink",
            "topics": "padding",
            "connection.url": format!("jdbc:postgresql://{}:{}/postgres", get("PG_HOST"), get("PG_PORT")),
            "connection.username": get("PG_USER"),
        });
        config.as_object().expect("an object").clone()
    }
}

/// Whether the connector exists now; the worker dies in the middle of one of these calls.
fn pad(worker: &Worker, config: &Map<String, Value>, number: u64, exists: bool) -> bool {
    let mut config = config.clone();
    let padding = format!("{number}{}", "x".repeat(300_000));
    config.insert("connection.password".into(), padding.into());
    let (method, path, body) = if exists {
        ("PUT", "/connectors/padding/config", Value::from(config))
    } else {
        let body = json!({ "name": "padding", "config": config, "initial_state": "STOPPED" });
        ("POST", "/connectors", body)
    };
    call(&worker.address, method, path, Some(&body.to_string()))
        .is_ok_and(|answer| matches!(answer.status, 200 | 201 | 409))
}

/// RS-001 to RS-004, RS-006, RS-101, RS-103, RS-115, RS-124, RS-125, PG-198, CS-193: kills during the snapshot, at random,
/// at every named point; each server killed once; WAL recycled as soon as the server may.
#[test]
fn nothing_is_lost_whatever_is_killed() {
    let _turn = alone();
    let begun = Instant::now();
    let ledger = Ledger::new();
    let worker = Worker::new(ledger.stack.get("KAFKA_BOOTSTRAP"), "");
    let reader = Reader::create(
        ledger.stack.get("KAFKA_BOOTSTRAP"),
        &worker.registry,
        &ledger.topic(),
        PARTITIONS,
    );
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| ledger.load(writer, stop.clone()))
        .collect();
    let mut run = Run {
        ledger,
        victim: Victim::new(worker),
        reader,
        samples: Vec::new(),
    };
    let slot_seq = run.before_streaming();
    let first_file = run.ledger.stack.sql(
        "postgres",
        "select pg_walfile_name(restart_lsn) from pg_replication_slots",
    );
    run.streaming();
    stop.store(true, Ordering::Relaxed);
    let rounds: u64 = writers
        .into_iter()
        .map(|writer| writer.join().expect("the load ends"))
        .sum();
    say(&format!(
        "{} kills of the worker, {rounds} rounds, {:?}",
        run.victim.kills,
        begun.elapsed()
    ));
    run.victim.worker.start();
    eventually(
        "rows that differ between Cassandra and Postgres",
        Duration::from_secs(180),
        || (run.ledger.compare().1, Vec::new()),
    );
    let (rows, _) = run.ledger.compare();
    say(&format!(
        "{rows} rows equal, cell by cell, after {:?}",
        begun.elapsed()
    ));
    assert!(run.victim.kills >= 20 && rows > 1000);
    let noted = history::read(&run.ledger.stack, &run.ledger.name);
    let outcome = check(&noted, &run.reader.read(), slot_seq, &run.samples);
    report(&outcome, begun);
    assert_eq!(outcome.breaches.first(), None, "{:#?}", outcome.breaches);
    let most = outcome.repeated.iter().max().copied().unwrap_or_default();
    assert!(most <= REPEATED_MAX, "a kill repeats {most} records");
    assert!(
        outcome.streamed > 2 * REPEATED_MAX,
        "the log is too short to tell a bounded repeat from a full one"
    );
    let left = run.ledger.stack.sql(
        "postgres",
        &format!(
            "select count(*) from pg_ls_waldir() where name = '{}'; \
             select count(*) from pg_replication_slots;",
            first_file.trim()
        ),
    );
    assert_eq!(
        left, "0\n1\n",
        "WAL was recycled; one slot, and no copy left behind"
    );
}

fn report(outcome: &Outcome, begun: Instant) {
    let lives = outcome.repeated.len().max(1);
    say(&format!(
        "{} distinct changes streamed, {} repeated in {lives} lives of the worker: {} per kill on average, at most {}; \
         {} rows of snapshots; {} breaches; {:?}",
        outcome.streamed,
        outcome.repeated.iter().sum::<usize>(),
        outcome.repeated.iter().sum::<usize>() / lives,
        outcome.repeated.iter().max().unwrap_or(&0),
        outcome.rows,
        outcome.breaches.len(),
        begun.elapsed()
    ));
    say(&format!("repeated by life: {:?}", outcome.repeated));
}
