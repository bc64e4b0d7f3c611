//! Topics that no longer hold the first change of a row, read from their start into an empty table.

use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use rowtide_testkit::worker::{Worker, eventually};
use serde_json::{Value, json};

use crate::avro::Reader;
use crate::kafka;
use crate::place::{PATIENCE, Place};

const SMALL_SEGMENTS: [(&str, &str); 5] = [
    ("cleanup.policy", "compact"),
    ("segment.ms", "300"),
    ("min.cleanable.dirty.ratio", "0.0001"),
    ("max.compaction.lag.ms", "500"),
    ("delete.retention.ms", "100"),
];

/// Runs something against the cluster's administration.
fn administer<T>(place: &Place, work: impl AsyncFnOnce(&AdminClient<DefaultClientContext>) -> T) -> T {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", place.stack.get("KAFKA_BOOTSTRAP"))
        .create()
        .expect("an admin client");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(work(&admin))
}

fn make(place: &Place, table: &str, identity: &str) {
    place.sql(&format!(
        "create table {table} (id int primary key, v int, big text); alter table {table} alter big set storage external; \
         alter table {table} replica identity {identity}; insert into {table} values (500, 0, 'snapshot')"
    ));
    place.cql(&format!(
        "create table {}.{table} (id int primary key, v int, big text)",
        place.name
    ));
}

/// A row with a large value, and a change of it that leaves that alone, behind the snapshot.
fn change(place: &Place, table: &str) {
    kafka::read(place.stack, &place.topic(table), "the snapshot", |found| {
        !found.is_empty()
    });
    place.sql(&format!(
        "insert into {table} values (1, 0, repeat('0123456789abcdef', 400)); update {table} set v = 1"
    ));
}

fn sink(place: &Place, worker: &Worker, table: &str) {
    let topic = place.topic(table);
    place
        .sink(table, "id=value.id, v=value.v, big=value.big")
        .set(&place.table_key(&topic, table, "inputFormat"), "debezium")
        .run(worker, table);
}

fn warnings(worker: &Worker, connector: &str) -> Value {
    let status = worker
        .ask("GET", &format!("/connectors/{connector}/status"), None)
        .json();
    status["tasks"][0].get("warnings").cloned().unwrap_or_default()
}

/// The status shows the row, with table, column and number; until it is mended.
fn is_shown_and_mended(place: &Place, worker: &Worker, table: &str) {
    eventually("the warning", PATIENCE, || {
        let words = warnings(worker, table)[0].as_str().unwrap_or_default().to_owned();
        let expected = format!(
            "{}.{table}.big: 1 row lacks a value that the source did not send",
            place.name
        );
        (words.contains(&expected), true)
    });
    let metric = worker.metric(
        "rowtide_cassandra_values_unavailable_total",
        &format!("connector=\"{table}\""),
    );
    assert_eq!(metric, 1);
    place.sql(&format!(
        "alter table {table} replica identity full; update {table} set v = 2 where id = 1"
    ));
    eventually("the row is mended", PATIENCE, || {
        let rows = place.in_cassandra(table);
        let row = rows
            .iter()
            .find(|row| row["id"] == 1)
            .cloned()
            .unwrap_or_default();
        (row["big"].as_str().map(str::len), Some(6400))
    });
    eventually("the warning goes", PATIENCE, || {
        (warnings(worker, table), Value::Null)
    });
}

/// CS-099, RS-131: compaction keeps the last change of a row.
#[test]
fn a_compacted_topic_is_replayed_and_what_it_lost_is_shown() {
    let place = Place::new("compacted");
    for (table, identity) in [("plain", "default"), ("whole", "full")] {
        make(&place, table, identity);
        let topic = place.topic(table);
        let new = SMALL_SEGMENTS.iter().fold(
            NewTopic::new(&topic, 1, TopicReplication::Fixed(1)),
            |new, (key, value)| new.set(key, value),
        );
        let made = administer(&place, async |admin| {
            admin.create_topics(&[new], &AdminOptions::new()).await
        });
        assert!(made.expect("the broker answers").iter().all(Result::is_ok));
    }
    let worker = place.worker();
    place.source("(plain|whole)").run(&worker, "source");
    change(&place, "plain");
    change(&place, "whole");
    let reader = Reader::new(&worker.registry);
    let ops = |table: &str, marker: i32| -> Vec<String> {
        let last = json!({ "id": marker });
        let found = kafka::read(place.stack, &place.topic(table), "the newest change", |found| {
            found
                .last()
                .is_some_and(|last_found| reader.json(last_found.key.as_deref()) == last)
        });
        let of_row = found
            .iter()
            .filter(|found| reader.json(found.key.as_deref()) == json!({ "id": 1 }));
        of_row
            .map(|found| {
                reader.json(found.value.as_deref())["op"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect()
    };
    // Segments roll when something is written to them, and the cleaner comes every 15 seconds.
    let deadline = Instant::now() + PATIENCE;
    for marker in 1000.. {
        for table in ["plain", "whole"] {
            place.sql(&format!("insert into {table} values ({marker}, 0, 'x')"));
        }
        if ops("plain", marker) == ["u"] && ops("whole", marker) == ["u"] {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "the topic was not compacted: {:?}",
            ops("plain", marker)
        );
        std::thread::sleep(Duration::from_millis(500));
    }
    sink(&place, &worker, "plain");
    sink(&place, &worker, "whole");
    eventually("the whole row", PATIENCE, || {
        let rows = place.in_cassandra("whole");
        let row = rows
            .iter()
            .find(|row| row["id"] == 1)
            .cloned()
            .unwrap_or_default();
        (row["big"].as_str().map(str::len), Some(6400))
    });
    is_shown_and_mended(&place, &worker, "plain");
    assert_eq!(warnings(&worker, "whole"), Value::Null);
}

/// CS-099, RS-131: retention takes the first changes away.
#[test]
fn a_topic_cut_by_retention_is_replayed_and_what_it_lost_is_shown() {
    let place = Place::new("retention");
    make(&place, "plain", "default");
    let worker = place.worker();
    place.source("plain").run(&worker, "source");
    change(&place, "plain");
    let topic = place.topic("plain");
    kafka::read(place.stack, &topic, "both changes", |found| found.len() == 3);
    let mut cut = TopicPartitionList::new();
    cut.add_partition_offset(&topic, 0, Offset::Offset(2))
        .expect("a partition");
    let done = administer(&place, async |admin| {
        admin.delete_records(&cut, &AdminOptions::new()).await
    });
    let low = done.expect("the broker answers").elements()[0].offset();
    assert_eq!(low, Offset::Offset(2));
    sink(&place, &worker, "plain");
    is_shown_and_mended(&place, &worker, "plain");
}
