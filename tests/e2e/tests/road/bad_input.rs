//! What cannot work is said, and harms nobody else.

use rowtide_testkit::worker::Worker;

use crate::place::{Config, Place};

fn assert_fails(worker: &Worker, name: &str, config: &Config, expected: &[&str]) {
    config.create(worker, name);
    let status = worker.await_state(name, "FAILED").to_string();
    for words in expected {
        assert!(status.contains(words), "{words} is missing: {status}");
    }
    assert!(!status.contains("s3cret"), "{status}");
}

/// CN-048: a task that cannot start says why; the worker and its other connectors live on.
#[test]
fn bad_input_is_named_and_the_worker_lives_on() {
    let place = Place::new("bad");
    let worker = place.worker();
    let source = place.source("created_users").set("database.password", "s3cret");
    assert_fails(
        &worker,
        "no-database",
        &source.clone().set("database.dbname", "nobody_made_this"),
        &["nobody_made_this"],
    );
    assert_fails(
        &worker,
        "no-table",
        &source.clone().set("table.include.list", "public.nothing"),
        &["table.include.list"],
    );
    source.run(&worker, "good");
    let sink = place.sink_of(&place.topic("created_users"), "nowhere", "id=value.id");
    assert_fails(&worker, "no-table-in-cassandra", &sink, &["nowhere"]);
    let status = worker.ask("GET", "/connectors/good/status", None).json();
    assert_eq!(status["tasks"][0]["state"], "RUNNING");
}
