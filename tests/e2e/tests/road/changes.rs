//! From Postgres' log into Kafka and Cassandra.

use std::collections::HashSet;
use std::time::Duration;

use rowtide_testkit::worker::Worker;
use serde_json::{Value, json};

use crate::avro::Reader;
use crate::kafka::{self, Message};
use crate::place::{Place, change_users, seed_users};

/// Snapshot rows, inserts, updates, updates to null, deletes, a key change with reinsertion, a rollback: envelopes into
/// Cassandra; then the worker is stopped in order and goes on.
#[test]
fn changes_of_postgres_arrive_in_cassandra() {
    changes_arrive(&Place::new("cdc"), |worker| {
        let (code, took) = worker.stop();
        assert_eq!(code, Some(0), "{}", worker.log());
        assert!(took < Duration::from_secs(20), "stopping took {took:?}");
    });
}

/// Snapshot and changes, and what happens while the worker is away after `leave`.
pub(crate) fn changes_arrive(place: &Place, leave: impl FnOnce(&mut Worker)) {
    seed_users(place);
    let mut worker = place.worker();
    place.source("created_users").run(&worker, "source");
    place.users_sink().run(&worker, "sink");
    place.await_equal_users("the snapshot");
    change_users(place);
    place.await_equal_users("the changes");
    leave(&mut worker);
    place.sql("update created_users set last_name = 'while away' where first_name like 's1%'");
    worker.start();
    place.await_equal_users("what happened while it was away");
}

const PLACEHOLDER: &str = "__debezium_unavailable_value";

/// One of each kind of change to a table with a large column, in an order that one partition keeps.
fn change_notes(place: &Place) {
    place.sql(
        "insert into notes values (3, 'three', repeat('x', 10000)); \
         update notes set body = 'drei' where id = 3; \
         delete from notes where id = 1; \
         update notes set id = 4, body = 'moved' where id = 2; \
         truncate notes",
    );
}

pub(crate) fn make_notes(place: &Place) {
    place.sql(
        "create table notes (id int primary key, body text not null, big text); \
         alter table notes alter big set storage external; \
         insert into notes values (1, 'one', null), (2, 'two', 'b')",
    );
}

/// Starts the source, truncates included, and changes the table once its rows are told.
pub(crate) fn tell_notes(place: &Place, worker: &Worker) {
    let source = place.source("notes").set("skipped.operations", "none");
    source.run(worker, "source");
    kafka::read(place.stack, &place.topic("notes"), "the snapshot", |found| {
        found.len() == 2
    });
    change_notes(place);
}

/// What [`make_notes`], a snapshot, and then [`change_notes`] amount to: operation, key, `before`, `after`.
fn expected_notes() -> Vec<(&'static str, Value, Value, Value)> {
    let row = |id: i32, body: &str, big: Value| json!({ "id": id, "body": body, "big": big });
    let large = "x".repeat(10_000);
    let key = |id: i32| json!({ "id": id });
    // Under the default replica identity the log holds the key alone; a required column gets its type's fallback.
    let gone = |id: i32| row(id, "", Value::Null);
    let null = Value::Null;
    vec![
        ("r", key(1), null.clone(), row(1, "one", Value::Null)),
        ("r", key(2), null.clone(), row(2, "two", json!("b"))),
        ("c", key(3), null.clone(), row(3, "three", json!(large))),
        ("u", key(3), null.clone(), row(3, "drei", json!(PLACEHOLDER))),
        ("d", key(1), gone(1), null.clone()),
        ("tombstone", key(1), null.clone(), null.clone()),
        ("d", key(2), gone(2), null.clone()),
        ("tombstone", key(2), null.clone(), null.clone()),
        ("c", key(4), null.clone(), row(4, "moved", json!("b"))),
        ("t", null.clone(), null.clone(), null),
    ]
}

/// Reads the records of [`expected_notes`] and compares them; answers them with their values.
pub(crate) fn assert_notes(place: &Place, reader: &Reader) -> Vec<(Message, Value)> {
    let expected = expected_notes();
    let messages = kafka::read(place.stack, &place.topic("notes"), "every change", |found| {
        found.len() >= expected.len()
    });
    let decoded: Vec<_> = messages
        .into_iter()
        .map(|message| {
            let value = reader.json(message.value.as_deref());
            (message, value)
        })
        .collect();
    for ((message, value), (op, key, before, after)) in decoded.iter().zip(&expected) {
        let found = value["op"].as_str().unwrap_or("tombstone");
        assert_eq!(found, *op, "{value}");
        assert_eq!(reader.json(message.key.as_deref()), *key, "{op}: {value}");
        assert_eq!(value["before"], *before, "{op}: {value}");
        assert_eq!(value["after"], *after, "{op}: {value}");
    }
    assert_eq!(decoded.len(), expected.len());
    decoded
}

/// PG-062, PG-065, PG-067, PG-068, PG-070, PG-071, PG-074, PG-076, PG-077, PG-078, PG-079: what any consumer finds in
/// Kafka, decoded by another implementation of Avro under the registry's schema.
#[test]
fn every_kind_of_change_is_told_as_debezium_tells_it() {
    let place = Place::new("told");
    make_notes(&place);
    let worker = place.worker();
    tell_notes(&place, &worker);
    let reader = Reader::new(&worker.registry);
    let records = assert_notes(&place, &reader);

    let mut ids = HashSet::new();
    let mut position = 0;
    for (index, (message, value)) in records.iter().enumerate() {
        assert_eq!(
            message.header("__debezium.context.connectorLogicalName"),
            Some(&*place.name)
        );
        assert_eq!(message.header("__debezium.context.taskId"), Some("0"));
        let source = &value["source"];
        if value["op"] == "r" {
            let floor: i64 = message
                .header("rowtide.floor")
                .and_then(|lsn| lsn.parse().ok())
                .expect("a floor");
            assert!(Some(floor) <= source["lsn"].as_i64(), "{floor}: {source}");
            assert_eq!(source["snapshot"], ["first", "last"][index]);
            continue;
        }
        let id = message.header("rowtide.id").expect("an identity");
        assert_eq!(id.split('/').count(), 4, "{id}");
        assert!(ids.insert(id.to_owned()), "{id} twice");
        assert_eq!(message.header("rowtide.floor"), None);
        if value.is_null() {
            continue;
        }
        for (field, expected) in [
            ("version", json!("3.6.1.Final")),
            ("connector", json!("postgresql")),
            ("name", json!(place.name)),
            ("db", json!(place.name)),
            ("schema", json!("public")),
            ("table", json!("notes")),
            ("snapshot", json!("false")),
        ] {
            assert_eq!(source[field], expected, "{field}");
        }
        let lsn = source["lsn"].as_i64().expect("a position");
        assert!(lsn >= position, "{lsn} after {position}");
        position = lsn;
        assert!(source["txId"].as_i64() > Some(0));
        assert_eq!(
            source["ts_us"].as_i64().map(|us| us / 1000),
            source["ts_ms"].as_i64()
        );
        let sequence: Value =
            serde_json::from_str(source["sequence"].as_str().expect("a sequence")).expect("JSON");
        assert_eq!(sequence[1], json!(lsn.to_string()));
    }
    let header = |index: usize, name: &str| records[index].0.header(name).map(str::to_owned);
    assert_eq!(header(3, "rowtide.unavailable").as_deref(), Some("big"));
    assert_eq!(header(2, "rowtide.unavailable"), None);
    for (index, name, key) in [
        (6, "__debezium.newkey", r#"{"id":4}"#),
        (7, "__debezium.newkey", r#"{"id":4}"#),
        (8, "__debezium.oldkey", r#"{"id":2}"#),
    ] {
        assert_eq!(header(index, name).as_deref(), Some(key), "record {index}");
    }
    assert_order_of_fields(&place, &reader);
}

/// PG-058, PG-065, PG-068: names and order, which JSON above does not keep.
fn assert_order_of_fields(place: &Place, reader: &Reader) {
    let subject = reader.get(&format!(
        "/subjects/{}-value/versions/latest",
        place.topic("notes")
    ));
    let text = subject["schema"].as_str().expect("a schema");
    let schema: Value = serde_json::from_str(text).expect("a schema is JSON");
    assert_eq!(schema["name"], "Envelope");
    assert_eq!(schema["namespace"], json!(place.topic("notes")));
    let names = |of: &Value| -> Vec<String> {
        let fields = of["fields"].as_array().expect("fields");
        fields
            .iter()
            .map(|field| field["name"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    assert_eq!(
        names(&schema),
        [
            "before",
            "after",
            "source",
            "transaction",
            "op",
            "ts_ms",
            "ts_us",
            "ts_ns"
        ]
    );
    let fields = schema["fields"].as_array().expect("fields");
    assert_eq!(names(&fields[0]["type"][1]), ["id", "body", "big"]);
    assert_eq!(
        names(&fields[2]["type"]),
        [
            "version",
            "connector",
            "name",
            "ts_ms",
            "snapshot",
            "db",
            "sequence",
            "ts_us",
            "ts_ns",
            "schema",
            "table",
            "txId",
            "lsn",
            "xmin",
            "origin",
            "origin_lsn"
        ]
    );
}
