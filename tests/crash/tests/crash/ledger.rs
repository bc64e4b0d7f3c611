//! Postgres → Kafka → Cassandra with a ledger under load, while everything is killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rowtide_crash::check::{Outcome, check};
use rowtide_crash::model::Sample;
use rowtide_crash::points::{BEFORE_STREAMING, COMPACTION, STREAMING};
use rowtide_testkit::rest::call;
use rowtide_testkit::worker::{Worker, eventually};
use serde_json::{Map, Value, json};

use crate::kills::Victim;
use crate::rig::{LEDGER, Rig, WRITERS};
use crate::topic::Reader;
use crate::{alone, history, say};

const PARTITIONS: i32 = 3;

/// At most this many records may repeat after a kill. The stored offset covers all that was acknowledged at the last flush,
/// so what repeats was sent after it: what the source sends in one `offset.flush.interval.ms` (0.2 s here) and one write of
/// the state file, which is what the writers commit meanwhile and, after an outage, what piled up in it. At most 1000
/// changes a second are written here; a quarter of a second of them and five seconds of backlog stay below this, while a
/// lost offset would repeat the whole log, which is far longer (asserted).
const REPEATED_MAX: usize = 5000;

/// The ledger, what is killed, and what was seen at each kill.
struct Run {
    rig: Rig,
    victim: Victim,
    reader: Reader,
    samples: Vec<Sample>,
}

impl Run {
    /// After each kill: what the slot has confirmed, then where the topic ends. And the server recycles what WAL it may.
    fn sample(&mut self) {
        let confirmed = self.rig.sql(
            "postgres",
            "select coalesce(max(confirmed_flush_lsn - '0/0'), 0) from pg_replication_slots",
        );
        self.samples.push(Sample {
            confirmed: confirmed.trim().parse().expect("a position"),
            ends: self.reader.ends(),
        });
        self.rig.sql("postgres", "select pg_switch_wal(); checkpoint;");
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
        let mut missing = vec![
            ("source", self.rig.source(&["ledger"])),
            ("sink", self.rig.sink(&[("ledger", &LEDGER)])),
        ];
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
                    && Rig::create(worker, name, config)
                {
                    missing.pop();
                }
            });
            if point == "postgres.slot_created" {
                slot_seq = Some(history::newest(&self.rig));
            }
        }
        slot_seq.expect("the slot was created")
    }

    fn streaming(&mut self) {
        for (index, point) in STREAMING.into_iter().enumerate() {
            let passes = self.victim.dice.below(4);
            self.die_at(point, passes, |_| {});
            match index {
                2 => self.restart(self.rig.postgres.0),
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
        self.rig.stack.kill(service);
        thread::sleep(Duration::from_millis(300));
        self.rig.stack.up(service);
        self.victim.kill_within(500..1500);
        self.sample();
    }

    /// A connector that never runs, whose configuration is large: it makes the state file grow.
    fn padding(&self) -> Map<String, Value> {
        let config = json!({
            "connector.class": "PostgresSink",
            "topics": "padding",
            "connection.url": format!("jdbc:postgresql://{}:{}/postgres", self.rig.address("HOST"), self.rig.address("PORT")),
            "connection.username": self.rig.address("USER"),
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
    let rig = Rig::new();
    let worker = Worker::new(rig.stack.get("KAFKA_BOOTSTRAP"), "");
    let reader = Reader::create(
        rig.stack.get("KAFKA_BOOTSTRAP"),
        &worker.registry,
        &rig.topic("ledger"),
        PARTITIONS,
    );
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| rig.load(writer, stop.clone()))
        .collect();
    let mut run = Run {
        rig,
        victim: Victim::new(worker),
        reader,
        samples: Vec::new(),
    };
    let slot_seq = run.before_streaming();
    let first_file = run.rig.sql(
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
        || (run.rig.compare("ledger", &LEDGER).1, Vec::new()),
    );
    let (rows, _) = run.rig.compare("ledger", &LEDGER);
    say(&format!(
        "{rows} rows equal, cell by cell, after {:?}",
        begun.elapsed()
    ));
    assert!(run.victim.kills >= 20 && rows > 1000);
    let noted = history::read(&run.rig);
    let outcome = check(&noted, &run.reader.read(), slot_seq, &run.samples);
    report(&outcome, begun);
    assert_eq!(outcome.breaches.first(), None, "{:#?}", outcome.breaches);
    let most = outcome.repeated.iter().max().copied().unwrap_or_default();
    assert!(most <= REPEATED_MAX, "a kill repeats {most} records");
    assert!(
        outcome.streamed > 2 * REPEATED_MAX,
        "the log is too short to tell a bounded repeat from a full one"
    );
    let left = run.rig.sql(
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
