//! The worker as its command line starts it: connector files, its properties, its state.

use serde_json::json;

use crate::kafka;
use crate::place::{Place, change_users, seed_users};

/// CN-008, CN-053, CN-118, CN-136: connectors from files of all three forms, client settings from the worker's file, an
/// orderly end on SIGTERM, and a start that goes on where the last one ended.
#[test]
fn connectors_come_from_files_and_go_on_after_a_restart() {
    let place = Place::new("files");
    seed_users(&place);
    let mut worker =
        place.stopped_worker("producer.compression.type=zstd\nconsumer.max.poll.interval.ms=60000");
    let flat = place.source("created_users").set("name", "source").json();
    worker.connector_file("source.json", &flat.to_string());
    let request = json!({ "name": "sink", "config": place.users_sink().json() });
    worker.connector_file("sink.json", &request.to_string());
    let idle = place
        .users_sink()
        .set("name", "idle")
        .set("consumer.override.auto.offset.reset", "latest");
    worker.connector_file("idle.properties", &idle.properties());
    worker.start();
    for name in ["source", "sink", "idle"] {
        worker.await_running(name);
    }
    place.await_equal_users("the snapshot");

    let (code, _) = worker.stop();
    assert_eq!(code, Some(0), "{}", worker.log());
    change_users(&place);
    worker.start();
    for name in ["source", "sink", "idle"] {
        worker.await_running(name);
    }
    place.await_equal_users("the changes while it was stopped");
    let records = kafka::read(
        place.stack,
        &place.topic("created_users"),
        "the changes",
        |found| found.iter().any(|message| message.header("rowtide.id").is_some()),
    );
    let snapshots = records
        .iter()
        .filter(|message| message.header("rowtide.floor").is_some())
        .count();
    assert_eq!(snapshots, 200, "the snapshot was taken once");
}

/// CN-007, CN-137: offsets that a Java worker left are refused by name, and stay as they are.
#[test]
fn a_java_offset_file_is_refused_and_left_alone() {
    let place = Place::new("javafile");
    let mut worker = place.stopped_worker("");
    // How `ObjectOutputStream` begins a `HashMap`.
    let java = b"\xac\xed\x00\x05sr\x00\x11java.util.HashMap\x05\x07\xda\xc1\xc3\x16`\xd1";
    std::fs::write(worker.state_file(), java).expect("the file is written");
    let code = worker.start_in_vain();
    assert!(code.is_some_and(|code| code != 0), "{code:?}: {}", worker.log());
    for words in ["offset.storage.file.filename", "Java"] {
        assert!(
            worker.log().contains(words),
            "{words} is missing: {}",
            worker.log()
        );
    }
    assert_eq!(
        std::fs::read(worker.state_file()).expect("the file is there"),
        java
    );
}

/// CN-009, CN-101: every error of a connector file is told before anything starts.
#[test]
fn a_bad_connector_file_ends_the_start_with_all_its_errors() {
    let place = Place::new("badfile");
    let mut worker = place.stopped_worker("");
    let config = place
        .source("created_users")
        .without("topic.prefix")
        .set("tasks.max", "none");
    worker.connector_file("source.json", &config.set("name", "source").json().to_string());
    let code = worker.start_in_vain();
    assert_eq!(code, Some(3), "{}", worker.log());
    for words in ["the connector source", "topic.prefix", "tasks.max"] {
        assert!(
            worker.log().contains(words),
            "{words} is missing: {}",
            worker.log()
        );
    }
}
