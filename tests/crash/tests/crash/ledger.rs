//! Postgres → Kafka → Cassandra with a ledger under load, while everything is killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rowtide_crash::changes::Asked;
use rowtide_crash::check::{Outcome, check};
use rowtide_crash::ledgers::{LEDGERS, Ledger};
use rowtide_crash::model::Sample;
use rowtide_crash::points::{BEFORE_STREAMING, COMPACTION, STREAMING};
use rowtide_testkit::rest::call;
use rowtide_testkit::worker::{Worker, eventually};
use serde_json::{Map, Value, json};

use crate::kills::Victim;
use crate::rig::{Rig, WRITERS};
use crate::topic::Reader;
use crate::{alone, history, say};

const PARTITIONS: i32 = 3;

/// At most this many records of all ledgers may repeat after a kill. The stored offset covers all that was acknowledged at the
/// last flush, so what repeats was sent after it: what the source sends in one `offset.flush.interval.ms` (0.2 s here) and one
/// write of the state file, which is what the writers commit meanwhile and, after an outage, what piled up in it. About 300
/// records a second come of what is written here; 25 seconds of backlog, which a server needs to come back on a busy machine,
/// stay below this, while a lost offset would repeat the whole log, which is far longer (asserted).
const REPEATED_MAX: usize = 8000;

/// How long a table may take to hold the same as its ledger once nothing changes any more.
const EQUAL_WITHIN: Duration = Duration::from_secs(180);

/// Of the random kills of a long run, one in so many is a server's.
const SERVER_IN: u64 = 12;

/// The ledgers, what is killed, and what was seen at each kill.
struct Run {
    rig: Rig,
    victim: Victim,
    followed: [Followed; LEDGERS.len()],
}

/// A ledger with its topic, and what was seen of it at each kill.
struct Followed {
    ledger: Ledger,
    reader: Reader,
    samples: Vec<Sample>,
}

impl Run {
    /// After each kill: what the slot has confirmed, then where the topics end. And the server recycles what WAL it may.
    fn sample(&mut self) {
        let confirmed = self.rig.sql(
            "postgres",
            "select coalesce(max(confirmed_flush_lsn - '0/0'), 0) from pg_replication_slots",
        );
        let confirmed = confirmed.trim().parse().expect("a position");
        for Followed { reader, samples, .. } in &mut self.followed {
            let ends = reader.ends();
            samples.push(Sample { confirmed, ends });
        }
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
        let mut missing = vec![("source", self.rig.source(&[])), ("sink", self.rig.sink(&[]))];
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

    /// Kills at random until that long after the beginning, a server now and then.
    fn at_random(&mut self, begun: Instant, until: Duration) {
        let servers = [self.rig.postgres.0, "kafka", "cassandra"];
        while begun.elapsed() < until {
            if self.victim.dice.once_in(SERVER_IN) {
                let service = *self.victim.dice.one(&servers);
                self.restart(service);
            } else {
                self.kill_within(300..9000);
            }
        }
    }

    /// Ends the load and waits until each table in Cassandra is its ledger.
    fn compare(&mut self, begun: Instant) {
        self.victim.worker.start();
        for ledger in LEDGERS {
            let what = format!(
                "cells of {} that differ between Cassandra and Postgres",
                ledger.name
            );
            let mut last = None;
            eventually(&what, EQUAL_WITHIN, || {
                let compared = self.rig.compare(&ledger);
                let different = compared.different.clone();
                last = Some(compared);
                (different, Vec::new())
            });
            let compared = last.expect("compared once at least");
            say(&format!(
                "{} rows of {} equal, cell by cell, {} of the values large, after {:?}",
                compared.rows,
                ledger.name,
                compared.large,
                begun.elapsed()
            ));
            assert!(compared.rows > 1000 && compared.large > 500);
        }
    }

    /// Compares history and topic of each ledger.
    fn check(&mut self, slot_seq: u64, begun: Instant) {
        let histories = history::read(&self.rig);
        let mut all = Outcome::default();
        for Followed {
            ledger,
            reader,
            samples,
        } in &mut self.followed
        {
            let outcome = check(&histories[ledger.name], &reader.read(), slot_seq, samples);
            say(&format!("{}: {}", ledger.name, report(&outcome, begun)));
            assert_eq!(outcome.breaches.first(), None, "{:#?}", outcome.breaches);
            all.streamed += outcome.streamed;
            all.repeated.resize(outcome.repeated.len(), 0);
            for (sum, repeated) in all.repeated.iter_mut().zip(outcome.repeated) {
                *sum += repeated;
            }
        }
        let most = all.repeated.iter().max().copied().unwrap_or_default();
        assert!(most <= REPEATED_MAX, "a kill repeats {most} records");
        assert!(
            all.streamed > 2 * REPEATED_MAX,
            "the log of {} is too short to tell a bounded repeat from a full one",
            all.streamed
        );
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

/// How long the load of the ledgers goes on at least: `ROWTIDE_CRASH_MINUTES`, as long as the named points need without.
fn load_for() -> Duration {
    let minutes = std::env::var("ROWTIDE_CRASH_MINUTES").map_or(0, |minutes| {
        minutes
            .parse()
            .expect("ROWTIDE_CRASH_MINUTES is a number of minutes")
    });
    Duration::from_secs(minutes * 60)
}

/// RS-001 to RS-004, RS-006, RS-101, RS-103, RS-115, RS-124, RS-125, PG-198, CS-193: kills during the snapshot, at random,
/// at every named point; each server killed once; WAL recycled as soon as the server may. Changes are combined freely.
#[test]
fn nothing_is_lost_whatever_is_killed() {
    let _turn = alone();
    let begun = Instant::now();
    let rig = Rig::new();
    let worker = Worker::new(rig.stack.get("KAFKA_BOOTSTRAP"), "");
    let followed = LEDGERS.map(|ledger| Followed {
        ledger,
        reader: Reader::create(
            rig.stack.get("KAFKA_BOOTSTRAP"),
            &worker.registry,
            &rig.topic(ledger.name),
            PARTITIONS,
        ),
        samples: Vec::new(),
    });
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| rig.load(writer, stop.clone()))
        .collect();
    let mut run = Run {
        rig,
        victim: Victim::new(worker),
        followed,
    };
    let slot_seq = run.before_streaming();
    let first_file = run.rig.sql(
        "postgres",
        "select pg_walfile_name(restart_lsn) from pg_replication_slots",
    );
    run.streaming();
    run.at_random(begun, load_for());
    stop.store(true, Ordering::Relaxed);
    let asked = writers
        .into_iter()
        .map(|writer| writer.join().expect("the load ends"))
        .fold(Asked::default(), Asked::and);
    say(&format!(
        "{} kills of the worker, {asked:?}, {:?}",
        run.victim.kills,
        begun.elapsed()
    ));
    account(&run.rig);
    run.compare(begun);
    assert!(run.victim.kills >= 20);
    run.check(slot_seq, begun);
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

/// The changes that committed, by kind: a kind that did not happen was not tested.
fn account(rig: &Rig) {
    let kinds = history::kinds(rig);
    for ledger in LEDGERS {
        for kind in history::KINDS {
            let count = kinds
                .get(&(ledger.name.to_owned(), kind.to_owned()))
                .unwrap_or(&0);
            say(&format!("{count:7} {}: {kind}", ledger.name));
            assert!(*count > 0, "no {kind} in {}: {kinds:#?}", ledger.name);
        }
    }
}

fn report(outcome: &Outcome, begun: Instant) -> String {
    let lives = outcome.repeated.len().max(1);
    format!(
        "{} distinct changes streamed, {} repeated in {lives} lives of the worker: {} per kill on average, at most {}; \
         {} rows of snapshots; {} breaches; {:?}; repeated by life: {:?}",
        outcome.streamed,
        outcome.repeated.iter().sum::<usize>(),
        outcome.repeated.iter().sum::<usize>() / lives,
        outcome.repeated.iter().max().unwrap_or(&0),
        outcome.rows,
        outcome.breaches.len(),
        begun.elapsed(),
        outcome.repeated
    )
}
