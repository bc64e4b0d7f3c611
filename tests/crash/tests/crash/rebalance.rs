//! Two workers with sinks of the same names, that is in the same groups; one is killed while partitions move between them.
//!
//! What Cassandra holds in the end does not tell whether records were written in order, for its cells have clocks. So a
//! second pair of sinks writes rows one by one into Postgres, where the last one wins and a trigger notes each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rowtide_crash::applied::applied;
use rowtide_crash::cells::Compared;
use rowtide_crash::ledgers::LEDGERS;
use rowtide_crash::points::REBALANCE;
use rowtide_testkit::worker::{Worker, eventually};
use serde_json::{Value, json};

use crate::kills::Victim;
use crate::rig::Rig;
use crate::topic::Reader;
use crate::{SHORT_SESSION, alone, say};

const PARTITIONS: i32 = 6;
/// Rows whose every image counts: 120 of them a second, each a transaction of the copy.
const STEPS: u64 = 12;
const STEP_EVERY: Duration = Duration::from_millis(100);
/// How long members may take to share out the partitions: a member that was killed is missed after two seconds.
const SHARED_WITHIN: Duration = Duration::from_secs(60);
/// Each noted change is a row of its own here: one that is missing is not hidden by a later one.
const HISTORY: [&str; 7] = ["seq", "xid", "ledger", "op", "id", "version", "fates"];

/// The source's table whose images are numbered from 1 for each row, and the table that its copy is, with its trigger.
const NUMBERED: &str = "create table steps (id bigint primary key, version bigint not null);";
const APPLIED: &str = "
create table applied (seq bigserial primary key, id bigint not null, version bigint not null);
create function applied() returns trigger language plpgsql as $$
begin insert into applied (id, version) values (new.id, new.version); return null; end $$;
create trigger applied after insert or update on steps for each row execute function applied();";

/// The ledger, the worker with its source, and the two with the sinks.
struct Group {
    rig: Rig,
    copy: String,
    source: Worker,
    members: [Victim; 2],
}

impl Group {
    fn new() -> Self {
        let rig = Rig::new();
        let (name, copy) = (&rig.name, format!("{}_copy", rig.name));
        rig.sql("postgres", &format!("create database {copy}"));
        rig.sql(
            name,
            &format!("{NUMBERED} insert into steps select g, 1 from generate_series(1, {STEPS}) g;"),
        );
        rig.sql(&copy, &format!("{NUMBERED} {APPLIED}"));
        rig.stack.cql(&format!(
            "create table {name}.history (seq bigint primary key, xid bigint, ledger text, op text, id bigint, version bigint, fates text);"
        ));
        let mut source = Worker::new(rig.stack.get("KAFKA_BOOTSTRAP"), "");
        source.start();
        let ledgers = LEDGERS.iter().map(|ledger| ledger.name);
        for table in ledgers.chain(["history", "steps"]) {
            Reader::create(
                rig.stack.get("KAFKA_BOOTSTRAP"),
                &source.registry,
                &rig.topic(table),
                PARTITIONS,
            );
        }
        let tables = rig.source(&["history", "steps"]);
        assert!(Rig::create(&source, "source", &tables), "{}", source.log());
        // The snapshot holds the first image of each row of `steps`: raised before it is read, that image would be missing.
        let streams = format!(
            "select count(*) from pg_stat_replication r join pg_replication_slots s on s.active_pid = r.pid \
             where s.database = '{name}' and r.state in ('catchup', 'streaming')"
        );
        eventually("a stream behind the snapshot", SHARED_WITHIN, || {
            (rig.sql(name, &streams).trim().to_owned(), "1".to_owned())
        });
        let registry = &source.registry;
        let shared = format!(
            "key.converter.schema.registry.url=http://{registry}\nvalue.converter.schema.registry.url=http://{registry}"
        );
        let members = ["a", "b"].map(|name| {
            let worker = Worker::new(rig.stack.get("KAFKA_BOOTSTRAP"), &shared);
            Victim::new(worker).named(name)
        });
        Self {
            rig,
            copy,
            source,
            members,
        }
    }

    /// Every record of `steps` a transaction of its own, and nothing that a later one replaces left out.
    fn steps(&self) -> Value {
        let database = format!(
            "jdbc:postgresql://{}:{}/{}",
            self.rig.address("HOST"),
            self.rig.address("PORT"),
            self.copy
        );
        let mut config = json!({
            "connector.class": "PostgresSink",
            "topics": self.rig.topic("steps"),
            "connection.url": database,
            "connection.username": self.rig.address("USER"),
            "connection.password": "x",
            "primary.key.fields": "id",
            "collection.name.format": "steps",
            "transforms": "unwrap",
            "transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState",
            "consumer.override.max.poll.records": "1",
        });
        for (key, value) in SHORT_SESSION {
            config[key] = value.into();
        }
        config
    }

    /// Starts both members and gives each the sinks.
    fn begin(&mut self) {
        let cells = self.rig.sink(&[("history", &HISTORY)]);
        let steps = self.steps();
        for Victim { worker, .. } in &mut self.members {
            worker.start();
            for (name, config) in [("cells", &cells), ("steps", &steps)] {
                assert!(Rig::create(worker, name, config), "{}", worker.log());
            }
        }
    }

    /// How often partitions came to, or went from, a member of either group, as the logs tell.
    fn moves(&self, words: &str) -> usize {
        let lines = |victim: &Victim| victim.worker.log_lines(words).len();
        self.members.iter().map(lines).sum()
    }

    /// Waits until a member has one in `of` of the partitions of both sinks; the first has a topic for each ledger and the history.
    fn await_share(&self, member: usize, of: i64) {
        let worker = &self.members[member].worker;
        let held = |sink: &str| {
            let labels = format!("connector=\"{sink}\"");
            worker.metric("kafka_connect_sink_task_partition_count", &labels)
        };
        let (all, topics) = (i64::from(PARTITIONS), LEDGERS.len() as i64 + 1);
        eventually("partitions of a member, by sink", SHARED_WITHIN, || {
            ((held("cells"), held("steps")), (topics * all / of, all / of))
        });
    }

    /// From both dead to both dead: `member` gets all partitions, and dies at `point` when it has to share them with the other.
    /// Then it comes back while the other takes them over, and both die somewhere on the way.
    fn round(&mut self, member: usize, point: &str, passes: u64) {
        let (a, b) = self.members.split_at_mut(1);
        let (dying, other) = match member {
            0 => (&mut a[0], &mut b[0]),
            _ => (&mut b[0], &mut a[0]),
        };
        let assignments = |worker: &Worker| worker.log_lines("partitions come").len();
        let (before, mut other_runs) = (assignments(&dying.worker), false);
        dying.die_at(point, passes, |worker| {
            // Both sinks have theirs before somebody comes to share.
            if !other_runs && assignments(worker) >= before + 2 {
                other.worker.start();
                other_runs = true;
            }
        });
        dying.worker.start();
        let (first, second) = match dying.dice.below(2) {
            0 => (dying, other),
            _ => (other, dying),
        };
        first.kill_within(100..3500);
        second.kill_within(100..3000);
    }

    /// A member dies with partitions that it just got and has fetched nothing of.
    fn gain(&mut self, member: usize, passes: u64) {
        self.members[1 - member].worker.start();
        self.await_share(1 - member, 1);
        self.members[member].die_at("sink.assigned", passes, |_| {});
        self.members[1 - member].kill_within(0..2500);
    }

    /// Raises every row of `steps` again and again.
    fn step(&self, stop: Arc<AtomicBool>) -> JoinHandle<()> {
        let (stack, server, name) = (self.rig.stack.clone(), self.rig.postgres.1, self.rig.name.clone());
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                stack.sql_on(server, &name, "update steps set version = version + 1");
                thread::sleep(STEP_EVERY);
            }
        })
    }

    /// Waits until everything is where it belongs, and compares.
    fn compare(&self) {
        let history = || {
            let columns = HISTORY.join(", ");
            self.rig.compare_columns("history", 1, &HISTORY, &columns)
        };
        for ledger in LEDGERS {
            equal(ledger.name, || self.rig.compare(&ledger));
        }
        equal("history", history);
        let query = "select id, version from steps order by id";
        eventually("the copy", SHARED_WITHIN, || {
            (
                self.rig.sql(&self.copy, query),
                self.rig.sql(&self.rig.name, query),
            )
        });
        let noted = self
            .rig
            .sql(&self.copy, "select id, version from applied order by seq");
        let outcome = applied(noted.lines().map(|line| {
            let (id, version) = line.split_once('\t').expect("two columns");
            (id.parse().expect("a key"), version.parse().expect("an image"))
        }));
        let kills = self.members.iter().map(|member| member.kills).sum::<usize>();
        say(&format!(
            "{kills} kills; partitions came {} times and went {} times; {} images applied one by one, {} repeated, \
             {} per kill",
            self.moves("partitions come"),
            self.moves("partitions go"),
            outcome.distinct,
            outcome.repeated,
            outcome.repeated / kills.max(1)
        ));
        assert_eq!(outcome.breaches, [""; 0]);
        assert!(outcome.distinct > 500 && kills >= 15);
        assert!(self.moves("partitions go") >= LOSING.len());
    }
}

/// Waits until a table is the same in both databases.
fn equal(table: &str, compare: impl Fn() -> Compared) {
    let mut rows = 0;
    eventually(
        &format!("cells of {table} that differ between Cassandra and Postgres"),
        SHARED_WITHIN,
        || {
            let compared = compare();
            rows = compared.rows;
            (compared.different, Vec::new())
        },
    );
    say(&format!("{rows} rows of {table} equal, cell by cell"));
    assert!(rows > 1000, "the load was too small");
}

/// The points of the one who loses partitions: all but the last.
const LOSING: &[&str] = REBALANCE.split_at(REBALANCE.len() - 1).0;

/// RS-101, CS-129: nothing is lost and no order is broken while partitions move between two workers of which one is
/// killed, before, between and after the steps of letting go and of taking over, and at random.
#[test]
fn nothing_is_lost_when_a_worker_is_killed_in_a_rebalance() {
    let _turn = alone();
    let begun = Instant::now();
    let mut group = Group::new();
    let stop = Arc::new(AtomicBool::new(false));
    let (writer, stepper) = (group.rig.load(0, stop.clone()), group.step(stop.clone()));
    group.begin();
    for member in 0..2 {
        group.await_share(member, 2);
    }
    say(&format!("both have their share after {:?}", begun.elapsed()));
    group.members[0].kill("with its share");
    group.members[1].kill("with its share");
    // In turns; each of both sinks passes the point.
    for (index, point) in LOSING.iter().enumerate() {
        group.round(index % 2, point, index as u64 / 2);
    }
    for member in 0..2 {
        group.gain(member, member as u64);
    }
    for member in &mut group.members {
        member.worker.start();
    }
    for member in 0..2 {
        group.await_share(member, 2);
    }
    stop.store(true, Ordering::Relaxed);
    writer.join().expect("the load ends");
    stepper.join().expect("the load ends");
    say(&format!("the load ends after {:?}", begun.elapsed()));
    group.compare();
    assert_eq!(group.source.log_lines("ERROR"), [""; 0]);
    say(&format!("{:?}", begun.elapsed()));
}
