//! Large values, which the log leaves out where they do not change.

use rowtide_testkit::worker::eventually;
use serde_json::{Value, json};

use crate::place::{PATIENCE, Place};

fn rows(place: &Place) -> (Vec<Value>, Vec<Value>) {
    let of = |mut rows: Vec<Value>| {
        rows.sort_by_key(|row| row["id"].as_i64());
        rows
    };
    let postgres = place.sql("select row_to_json(n) from notes n");
    let postgres = postgres
        .lines()
        .map(|line| serde_json::from_str(line).expect("Postgres prints JSON"));
    (of(place.in_cassandra("notes")), of(postgres.collect()))
}

/// RS-131: a row under a new key has its large value in Cassandra, whatever happens to the row right behind it.
#[test]
fn a_row_under_a_new_key_is_whole_in_cassandra() {
    let place = Place::new("large");
    place.sql(
        "create table notes (id int primary key, v int, big text); alter table notes alter big set storage external; \
         insert into notes select g, 0, repeat('0123456789abcdef', 400) from generate_series(1, 20) g",
    );
    place.cql(&format!(
        "create table {}.notes (id int primary key, v int, big text)",
        place.name
    ));
    let worker = place.worker();
    place.source("notes").run(&worker, "source");
    let topic = place.topic("notes");
    place
        .sink("notes", "id=value.id, v=value.v, big=value.big")
        .set(&place.table_key(&topic, "notes", "inputFormat"), "debezium")
        .run(&worker, "sink");
    eventually("the snapshot", PATIENCE, || rows(&place));
    place.sql(
        "update notes set id = 10001 where id = 1; \
         update notes set id = id + 1000, v = 1 where id between 2 and 10; \
         begin; update notes set id = 500 where id = 11; update notes set id = 501 where id = 500; commit; \
         update notes set id = 502 where id = 12; update notes set big = 'short' where id = 502; \
         update notes set id = 503 where id = 13; delete from notes where id = 503; \
         begin; update notes set id = 504 where id = 14; rollback",
    );
    // Behind all of it in the log.
    place.sql("insert into notes values (999999, 9, null)");
    eventually("the changes", PATIENCE, || rows(&place));
    assert_eq!(rows(&place).0.len(), 20, "19 of 20 and the last one");
    for connector in ["source", "sink"] {
        let status = worker
            .ask("GET", &format!("/connectors/{connector}/status"), None)
            .json();
        assert_eq!(status["tasks"][0].get("warnings"), None, "{status}");
        assert_eq!(status["tasks"][0]["state"], json!("RUNNING"), "{status}");
    }
}
