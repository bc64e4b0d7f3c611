//! The flat form: rows without envelope, as users of the DataStax connector have them.

use rowtide_testkit::worker::eventually;
use serde_json::json;

use crate::kafka;
use crate::place::{PATIENCE, Place, change_users, seed_users, users_mapping};

const UNWRAP: &str = "io.debezium.transforms.ExtractNewRecordState";

/// CS-064, CS-080, PG-210: the source unwraps, a delete is a null value, and the log position in a header is the clock.
#[test]
fn unwrapped_changes_arrive_with_their_clock_in_a_header() {
    let place = Place::new("flathead");
    seed_users(&place);
    let worker = place.worker();
    place
        .source("created_users")
        .all(&[
            ("transforms", "unwrap"),
            ("transforms.unwrap.type", UNWRAP),
            ("transforms.unwrap.add.headers", "op,source.lsn"),
        ])
        .run(&worker, "source");
    let topic = place.topic("created_users");
    // A deleted row is known by its key alone.
    let mapping = users_mapping().replace("id=value.id", "id=key.id");
    place
        .sink(
            "created_users",
            &format!("{mapping}, __timestamp=header.__source_lsn"),
        )
        .set(&place.table_key(&topic, "created_users", "nullToUnset"), "false")
        .run(&worker, "sink");
    place.await_equal_users("the snapshot");
    change_users(&place);
    place.await_equal_users("the changes");
}

/// CS-064, CS-080, PG-210: sinks unwrap what lies in the topic as envelopes; deletes are rewritten, with and without the
/// tombstones behind them, the clock is an added field, and a row that holds nothing but its key is no delete.
#[test]
fn sinks_unwrap_and_take_deletes_from_a_field() {
    let place = Place::new("flatfield");
    seed_users(&place);
    let worker = place.worker();
    place.source("created_users").run(&worker, "source");
    let topic = place.topic("created_users");
    let mapping = format!(
        "{}, __timestamp=value.__source_lsn, __deleted=value.__deleted",
        users_mapping()
    );
    let tables = [
        ("created_users", "rewrite"),
        ("with_tombstones", "rewrite-with-tombstone"),
    ];
    place.make_users("with_tombstones");
    for (table, mode) in tables {
        place
            .sink_of(&topic, table, &mapping)
            .set(&place.table_key(&topic, table, "nullToUnset"), "false")
            .all(&[
                ("transforms", "unwrap"),
                ("transforms.unwrap.type", UNWRAP),
                ("transforms.unwrap.delete.tombstone.handling.mode", mode),
                ("transforms.unwrap.add.fields", "op,source.lsn"),
            ])
            .run(&worker, table);
    }
    for (table, mode) in tables {
        place.await_equal(table, &format!("the snapshot, {mode}"));
    }
    change_users(&place);
    // Rows of nothing but a key: from the start, and by an update.
    place.sql(
        "insert into created_users (id) select gen_random_uuid() from generate_series(1, 5); \
         update created_users set first_name = null, address = null where first_name like 's19%'",
    );
    for (table, mode) in tables {
        place.await_equal(table, &format!("the changes, {mode}"));
    }
}

/// CS-034, CS-112, CS-114: the write time and the time to live that records bring are those of the cells.
#[test]
fn write_time_and_time_to_live_come_from_the_record() {
    let place = Place::new("flatclock");
    place.sql("create table visits (id int primary key, page text, keep int)");
    place.cql(&format!(
        "create table {}.visits (id int primary key, page text, keep int)",
        place.name
    ));
    let worker = place.worker();
    place
        .source("visits")
        .all(&[
            ("transforms", "unwrap"),
            ("transforms.unwrap.type", UNWRAP),
            ("transforms.unwrap.add.headers", "source.lsn"),
        ])
        .run(&worker, "source");
    let topic = place.topic("visits");
    let mapping =
        "id=key.id, page=value.page, keep=value.keep, __ttl=value.keep, __timestamp=header.__source_lsn";
    place
        .sink("visits", mapping)
        .set(&place.table_key(&topic, "visits", "ttlTimeUnit"), "HOURS")
        .run(&worker, "sink");
    place.sql("insert into visits values (1, 'home', 10); update visits set page = 'shop' where id = 1");
    let records = kafka::read(place.stack, &topic, "both changes", |found| found.len() == 2);
    let lsn: i64 = records[1]
        .header("__source_lsn")
        .and_then(|lsn| lsn.parse().ok())
        .expect("the last change's position");
    let query = format!(
        "select json page, writetime(page) as written, ttl(page) as left from {}.visits",
        place.name
    );
    eventually("the visit", PATIENCE, || {
        let rows = place.cql(&query);
        let seen = rows.first().map(|row| {
            let left = row["left"].as_i64().unwrap_or_default();
            (
                row["page"].clone(),
                row["written"].clone(),
                (35_000..=36_000).contains(&left),
            )
        });
        (seen, Some((json!("shop"), json!(lsn), true)))
    });
}
