//! Scheduled source → Kafka → Postgres sink: no run is lost, and a repeated one yields the same users.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rowtide_crash::points::INGESTION;
use rowtide_testkit::randomuser::RandomUser;
use rowtide_testkit::rest::call;
use rowtide_testkit::stack::Stack;
use rowtide_testkit::worker::{Worker, eventually};

use crate::kills::Victim;
use crate::{SHORT_SESSION, alone, say};

/// Users in each run.
const USERS: usize = 40;

/// The points of the engine that this road passes too.
const SHARED: [&str; 5] = [
    "source.sent",
    "source.before_offset",
    "source.offset_stored",
    "sink.put",
    "sink.before_commit",
];

/// Every slot that a run was started for, as the worker's log tells.
fn started(worker: &Worker) -> BTreeSet<String> {
    let lines = worker.log_lines("run started");
    let slots = lines.iter().filter_map(|line| line.split("slot=").nth(1));
    slots
        .filter_map(|rest| Some(rest.split_whitespace().next()?.trim_matches('"').to_owned()))
        .collect()
}

/// The ids that the server yields for a slot, whoever asks and whenever.
fn users(address: &str, slot: &str) -> Vec<String> {
    let path = format!("/api/1.4/?results={USERS}&seed={slot}");
    let answer = call(address, "GET", &path, None)
        .expect("the test server answers")
        .json();
    let users = answer["results"].as_array().expect("users");
    assert_eq!(users.len(), USERS);
    let ids = users
        .iter()
        .map(|user| user["login"]["uuid"].as_str().expect("an id"));
    ids.map(str::to_owned).collect()
}

fn create(worker: &Worker, stack: &Stack, name: &str, url: &str) {
    let database = format!(
        "jdbc:postgresql://{}:{}/{name}",
        stack.get("PG_HOST"),
        stack.get("PG_PORT")
    );
    worker.create(
        "users",
        &[
            ("connector.class", "RandomUserSource"),
            ("preset", "randomuser"),
            ("http.url", url),
            ("results", &USERS.to_string()),
            ("topic", name),
            ("schedule.interval", "1s"),
        ],
    );
    worker.create(
        "rows",
        &[
            ("connector.class", "PostgresSink"),
            ("topics", name),
            ("connection.url", &database),
            ("connection.username", stack.get("PG_USER")),
            ("connection.password", "x"),
            ("primary.key.fields", "id"),
            ("schema.evolution", "basic"),
            ("collection.name.format", "created_users"),
            SHORT_SESSION[0],
            SHORT_SESSION[1],
        ],
    );
}

/// RS-101, RS-115, RS-181: killed at every point of a run and of the sink, at random, and with Postgres killed.
#[tokio::test(flavor = "multi_thread")]
async fn no_run_is_lost_whatever_is_killed() {
    let server = RandomUser::start().await.expect("the test server starts");
    let url = server.url();
    tokio::task::spawn_blocking(move || killed(&url))
        .await
        .expect("the test ends");
}

fn killed(url: &str) {
    let _turn = alone();
    let begun = Instant::now();
    let stack = Stack::own(&["postgres", "kafka"]);
    let name = format!("ingestion{}", std::process::id());
    stack.sql("postgres", &format!("create database {name}"));
    let mut victim = Victim::new(Worker::new(stack.get("KAFKA_BOOTSTRAP"), ""));
    victim.worker.start();
    create(&victim.worker, &stack, &name, url);
    victim.kill_within(500..2500);
    for (index, point) in INGESTION.into_iter().chain(SHARED).enumerate() {
        let passes = victim.dice.below(2);
        victim.die_at(point, passes, |_| {});
        if index % 3 == 2 {
            victim.worker.start();
            victim.kill_within(200..2500);
        }
        if index == 6 {
            victim.worker.start();
            say("killing postgres");
            stack.kill("postgres");
            stack.up("postgres");
            victim.kill_within(200..1500);
        }
    }
    victim.worker.start();
    let slots = started(&victim.worker);
    let address = url.split('/').nth(2).expect("an address").to_owned();
    let expected: BTreeSet<String> = slots.iter().flat_map(|slot| users(&address, slot)).collect();
    assert_eq!(expected.len(), slots.len() * USERS);
    let rows = || -> BTreeSet<String> {
        let text = stack.sql(&name, "select id from created_users");
        text.lines().map(str::to_owned).collect()
    };
    eventually(
        "users of started runs that are not in Postgres",
        Duration::from_secs(90),
        || {
            let rows = rows();
            (expected.difference(&rows).count(), 0)
        },
    );
    // In the end: nothing but users of runs, each run as a whole, whatever was started meanwhile.
    victim.worker.stop();
    let rows = rows();
    let slots = started(&victim.worker);
    let all: BTreeSet<String> = slots.iter().flat_map(|slot| users(&address, slot)).collect();
    assert_eq!(rows.difference(&all).next(), None, "a user of no run");
    let columns = stack.sql(
        &name,
        "select count(*) filter (where email is null or username is null) from created_users",
    );
    assert_eq!(columns.trim(), "0");
    say(&format!(
        "{} kills of the worker, {} runs, {} users in Postgres, {:?}",
        victim.kills,
        slots.len(),
        rows.len(),
        begun.elapsed()
    ));
    assert!(victim.kills >= 15);
}
