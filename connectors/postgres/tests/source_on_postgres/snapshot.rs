//! The initial snapshot: its rows, its markers, its seam to the stream, and what interrupts it.

use std::collections::BTreeMap;

use rowtide_api::Record;

use crate::harness::{Database, field, header, session, show, value};

fn markers(records: &[Record]) -> Vec<String> {
    records
        .iter()
        .map(|record| {
            format!(
                "{}:{}",
                value(&record.key.value),
                value(field(record, &["source", "snapshot"]))
            )
        })
        .collect()
}

/// PG-070, PG-147, PG-150.
#[tokio::test]
async fn rows_are_marked_and_tables_come_in_order() {
    let database = Database::new(
        "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY);
         CREATE TABLE d (id int PRIMARY KEY); INSERT INTO a VALUES (1), (2), (3); INSERT INTO b VALUES (10);
         INSERT INTO c VALUES (20), (21)",
    )
    .await;
    let mut driver = database
        .start(&[("table.include.list", "public.c,public.b,public.a,public.d")])
        .await;
    let records = driver.records(6).await;
    assert_eq!(
        markers(&records),
        [
            "{id=20}:first",
            "{id=21}:last_in_data_collection",
            "{id=10}:last_in_data_collection",
            "{id=1}:first_in_data_collection",
            "{id=2}:true",
            "{id=3}:last",
        ]
    );
    let source = |name| value(field(&records[0], &["source", name]));
    assert_eq!(source("sequence"), format!("[null,\"{}\"]", source("lsn")));
    let stored = driver.stored().unwrap();
    assert_eq!(
        (stored.bool("snapshot_completed"), stored.text("snapshot")),
        (Some(true), Some("INITIAL"))
    );
    driver.stop().await;
}

/// CS-105: the floor lies below everything that is streamed.
#[tokio::test]
async fn every_row_carries_a_floor_below_the_stream() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)").await;
    let mut driver = database.start(&[]).await;
    let read = driver.records(1).await;
    database.run("UPDATE t SET id = id").await;
    let changed = driver.records(1).await;
    let floor: u64 = header(&read[0], "rowtide.floor").unwrap().parse().unwrap();
    let lsn: u64 = value(field(&changed[0], &["source", "lsn"])).parse().unwrap();
    let read_lsn: u64 = value(field(&read[0], &["source", "lsn"])).parse().unwrap();
    assert!(floor > 0 && floor < lsn && floor <= read_lsn, "{floor} {lsn}");
    assert_eq!(header(&read[0], "rowtide.id"), None);
    assert_eq!(header(&changed[0], "rowtide.floor"), None);
    driver.stop().await;
}

#[tokio::test]
async fn an_empty_snapshot_is_complete_at_once() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY)").await;
    let mut driver = database.start(&[("rowtide.headers.enable", "false")]).await;
    let batch = driver.batch().await;
    assert_eq!(
        batch.resume_at.as_ref().unwrap().bool("snapshot_completed"),
        Some(true)
    );
    driver.commit(&batch);
    database.run("INSERT INTO t VALUES (1)").await;
    let records = driver.records(1).await;
    assert_eq!(
        (header(&records[0], "rowtide.id"), show(&records[0]).as_str()),
        (None, "c p.public.t {id=1} null -> {id=1}")
    );
    driver.stop().await;
}

/// A consumer's table, rebuilt from events.
#[derive(Default, Debug, PartialEq)]
struct Replica(BTreeMap<String, String>);

impl Replica {
    fn apply(&mut self, record: &Record) {
        let key = value(&record.key.value);
        match value(field(record, &["op"])).as_str() {
            "d" => drop(self.0.remove(&key)),
            "null" => {}
            _ => drop(self.0.insert(key, value(field(record, &["after"])))),
        }
    }
}

async fn table(database: &Database) -> Replica {
    let rows = database.sql.rows("SELECT id, a FROM t", "reading").await.unwrap();
    let cell = |cell: &Option<String>| cell.clone().unwrap_or_default();
    Replica(
        rows.iter()
            .map(|row| {
                (
                    format!("{{id={}}}", cell(&row[0])),
                    format!("{{id={} a={}}}", cell(&row[0]), cell(&row[1])),
                )
            })
            .collect(),
    )
}

/// PG-007, PG-152: writes during the read are in the rows or in the stream, never in neither.
#[tokio::test]
async fn snapshot_and_stream_meet_without_a_gap() {
    let database = Database::new(
        "CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t SELECT g, 'old' FROM generate_series(1, 20000) g",
    )
    .await;
    let writer = session(database.stack, &database.name).await;
    let mut driver = database.start(&[("max.batch.size", "500")]).await;
    let mut replica = Replica::default();
    let writing = async {
        for round in 0..40 {
            let sql = format!(
                "INSERT INTO t VALUES ({}, 'new'); UPDATE t SET a = 'r{round}' WHERE id % 40 = {round};
                 DELETE FROM t WHERE id % 97 = {round}; UPDATE t SET id = -id WHERE id % 101 = {round} AND id > 0",
                30_000 + round
            );
            writer.rows(&sql, "writing").await.unwrap();
        }
        writer
            .rows("INSERT INTO t VALUES (99999, 'end')", "writing")
            .await
            .unwrap();
    };
    let reading = async {
        while !replica.0.contains_key("{id=99999}") {
            let batch = driver.batch().await;
            driver.commit(&batch);
            batch.records.iter().for_each(|record| replica.apply(record));
        }
    };
    tokio::join!(writing, reading);
    assert_eq!(replica, table(&database).await);
    driver.stop().await;
}

/// PG-162, PG-163: an interrupted snapshot starts over, and deletes between the attempts are not lost: neither when its
/// offset was stored nor when nothing was.
#[tokio::test]
async fn an_interrupted_snapshot_starts_over_without_losing_deletes() {
    for stored in [true, false] {
        let database = Database::new(
            "CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t SELECT g, 'old' FROM generate_series(1, 5000) g",
        )
        .await;
        let more = [("max.batch.size", "1000")];
        let mut replica = Replica::default();
        let mut offset = None;
        for attempt in 0..2 {
            let mut driver = database.start_at(offset.clone(), &more).await;
            for _ in 0..2 {
                let batch = driver.batch().await;
                assert_eq!(
                    batch.resume_at.as_ref().unwrap().bool("snapshot_completed"),
                    Some(false)
                );
                batch.records.iter().for_each(|record| replica.apply(record));
                if stored {
                    offset = batch.resume_at;
                }
            }
            drop(driver);
            let sql = format!(
                "DELETE FROM t WHERE id = {attempt} + 1; UPDATE t SET a = 'x' WHERE id = {attempt} + 10"
            );
            database.run(&sql).await;
        }
        let mut driver = database.start_at(offset, &more).await;
        database.run("INSERT INTO t VALUES (99999, 'end')").await;
        while !replica.0.contains_key("{id=99999}") {
            let batch = driver.batch().await;
            driver.commit(&batch);
            batch.records.iter().for_each(|record| replica.apply(record));
        }
        let end: u64 = database
            .value("SELECT (pg_current_wal_lsn() - '0/0')::text")
            .await
            .parse()
            .unwrap();
        for batch in driver.batches_until(end).await {
            batch.records.iter().for_each(|record| replica.apply(record));
        }
        assert_eq!(replica, table(&database).await, "stored: {stored}");
        driver.stop().await;
    }
}

/// PG-146.
#[tokio::test]
async fn initial_only_reads_and_then_rests() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)").await;
    let mut driver = database.start(&[("snapshot.mode", "initial_only")]).await;
    assert_eq!(driver.shown(1).await, ["r p.public.t {id=1} null -> {id=1}"]);
    database.run("INSERT INTO t VALUES (2)").await;
    let more = tokio::time::timeout(std::time::Duration::from_millis(500), driver.batch()).await;
    assert!(more.is_err());
    assert_eq!(
        database
            .value("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()")
            .await,
        "0"
    );
}

/// PG-157.
#[tokio::test]
async fn partitioned_tables_are_read_under_their_own_name() {
    let database = Database::new(
        "CREATE TABLE t (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10);
         CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (10) TO (20); INSERT INTO t VALUES (1), (11)",
    )
    .await;
    let more = [
        ("table.include.list", "public.t"),
        ("publish.via.partition.root", "true"),
    ];
    let mut driver = database.start(&more).await;
    let mut shown = driver.shown(2).await;
    shown.sort();
    assert_eq!(
        shown,
        [
            "r p.public.t {id=11} null -> {id=11}",
            "r p.public.t {id=1} null -> {id=1}"
        ]
    );
    database.run("INSERT INTO t VALUES (12)").await;
    assert_eq!(driver.shown(1).await, ["c p.public.t {id=12} null -> {id=12}"]);
    driver.stop().await;
}

/// PG-150, PG-156: a child has its own rows and its own topic; they are not its parent's too, in snapshot or stream.
#[tokio::test]
async fn a_table_with_children_gives_its_own_rows_only() {
    let database = Database::new(
        "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE t_child (PRIMARY KEY (id)) INHERITS (t);
         INSERT INTO t VALUES (1); INSERT INTO t_child VALUES (2)",
    )
    .await;
    let mut driver = database.start(&[]).await;
    assert_eq!(
        driver.shown(2).await,
        [
            "r p.public.t {id=1} null -> {id=1}",
            "r p.public.t_child {id=2} null -> {id=2}"
        ]
    );
    database.run("INSERT INTO t_child VALUES (3)").await;
    assert_eq!(
        driver.shown(1).await,
        ["c p.public.t_child {id=3} null -> {id=3}"]
    );
    driver.stop().await;
}
