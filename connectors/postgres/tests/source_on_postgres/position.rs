//! Where a stream goes on: crashes, lost connections, dropped polls, idle databases, slots that disagree.

use std::time::Duration;

use rowtide_api::source::{OffsetReader as _, SourceBatch, SourceTask, Unit};
use rowtide_api::{Class, SourceOffset};
use rowtide_testkit::conformance::PATIENCE;
use tokio::time::{Instant, timeout};

use crate::harness::{Database, Driver, header, partition};

const STREAM: &[(&str, &str)] = &[("snapshot.mode", "no_data")];

/// A slot, so that everything from here on is streamed.
async fn slot(database: &Database) {
    database
        .run("CREATE PUBLICATION dbz_publication FOR ALL TABLES")
        .await;
    let sql = format!(
        "SELECT pg_create_logical_replication_slot('{}', 'pgoutput')",
        database.slot()
    );
    database.run(&sql).await;
}

async fn wal_end(database: &Database) -> u64 {
    database
        .value("SELECT (pg_current_wal_lsn() - '0/0')::text")
        .await
        .parse()
        .unwrap()
}

fn ids(batches: &[SourceBatch]) -> Vec<String> {
    batches
        .iter()
        .flat_map(|batch| &batch.records)
        .map(|record| header(record, "rowtide.id").unwrap())
        .collect()
}

/// PG-182, PG-184, PG-186: killed after every batch, also inside transactions, the rest follows without gap or repeat.
#[tokio::test]
async fn every_stored_offset_resumes_exactly() {
    let database =
        Database::new("CREATE TABLE t (id int PRIMARY KEY, a text); CREATE TABLE other (id int)").await;
    slot(&database).await;
    // One statement of several rows shares LSNs; a key change gives three records; other tables count as entries.
    database
        .run("INSERT INTO t SELECT g, 'x' FROM generate_series(1, 4) g")
        .await;
    database.run("BEGIN; INSERT INTO other VALUES (1); UPDATE t SET a = 'y'; UPDATE t SET id = 9 WHERE id = 1; COMMIT").await;
    database.run("INSERT INTO other VALUES (2)").await;
    database.run("BEGIN; DELETE FROM t WHERE id = 2; SAVEPOINT s; INSERT INTO t VALUES (5, 'no'); ROLLBACK TO s; COMMIT").await;
    database.run("INSERT INTO t VALUES (6, 'z')").await;
    let end = wal_end(&database).await;
    let more = [
        STREAM,
        &[("max.batch.size", "1"), ("table.include.list", "public.t")],
    ]
    .concat();
    let mut driver = database.start(&more).await;
    let batches = driver.batches_until(end).await;
    drop(driver);
    let all = ids(&batches);
    assert_eq!(all.len(), 4 + 4 + 3 + 2 + 1, "{all:#?}");
    let mut done = 0;
    for batch in &batches {
        done += batch.records.len();
        let mut again = database.start_at(batch.resume_at.clone(), &more).await;
        let rest = if done == all.len() && batch.unit == Unit::Whole {
            Vec::new()
        } else {
            again.batches_until(end).await
        };
        drop(again);
        assert_eq!(ids(&rest), all[done..], "after {:?}", batch.resume_at);
    }
    assert!(
        batches.iter().any(|batch| batch.unit == Unit::Open),
        "offsets move inside transactions"
    );
}

/// PG-183: an offset without our keys is taken over; what repeats was at most the events of one LSN.
#[tokio::test]
async fn an_offset_of_debezium_is_taken_over_without_a_gap() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY)").await;
    slot(&database).await;
    database.run("INSERT INTO t SELECT generate_series(1, 3)").await;
    database.run("INSERT INTO t SELECT generate_series(4, 6)").await;
    let end = wal_end(&database).await;
    let more = [STREAM, &[("max.batch.size", "1")]].concat();
    let mut driver = database.start(&more).await;
    let batches = driver.batches_until(end).await;
    drop(driver);
    let all = ids(&batches);
    let mut done = 0;
    for batch in &batches {
        done += batch.records.len();
        let offset = batch.resume_at.as_ref().unwrap();
        let theirs: SourceOffset = offset
            .iter()
            .filter(|(key, _)| !key.starts_with("rowtide") && *key != "lsn_events_processed")
            .map(|(key, value)| (key.to_owned(), value.clone()))
            .collect();
        if done == all.len() {
            break;
        }
        let mut again = database.start_at(Some(theirs), &more).await;
        let rest = ids(&again.batches_until(end).await);
        drop(again);
        assert!(rest.ends_with(&all[done..]), "a gap after {offset:?}: {rest:?}");
        assert!(rest.len() <= all.len() - done + 3);
    }
}

/// PG-187: a transaction that is not the stored one is sent again as a whole.
#[tokio::test]
async fn a_differing_transaction_is_sent_again() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY)").await;
    slot(&database).await;
    database.run("INSERT INTO t SELECT generate_series(1, 3)").await;
    let end = wal_end(&database).await;
    let more = [STREAM, &[("max.batch.size", "1")]].concat();
    let mut driver = database.start(&more).await;
    let batches = driver.batches_until(end).await;
    drop(driver);
    for (key, wrong) in [("rowtide_tx_seq", 7), ("lsn", 1)] {
        let offset = batches[1].resume_at.clone().unwrap().with(key, wrong);
        let mut again = database.start_at(Some(offset), &more).await;
        assert_eq!(ids(&again.batches_until(end).await), ids(&batches), "{key}");
    }
}

/// The same events whatever breaks the connection, and whenever `poll` is dropped.
#[tokio::test]
async fn lost_connections_and_dropped_polls_lose_nothing() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY, a text)").await;
    slot(&database).await;
    let mut driver = database
        .start(&[STREAM, &[("max.batch.size", "50")]].concat())
        .await;
    let (mut seen, mut kills) = (Vec::new(), 0);
    let writer = async {
        for round in 0..40 {
            let from = round * 25;
            let sql = format!(
                "INSERT INTO t SELECT g, repeat('x', 200) FROM generate_series({from}, {}) g",
                from + 24
            );
            database.run(&sql).await;
            if round % 10 == 5 {
                let kill = format!(
                    "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '{}' AND active",
                    database.slot()
                );
                database.run(&kill).await;
                kills += 1;
            }
            tokio::time::sleep(Duration::from_millis(7)).await;
        }
    };
    let reader = async {
        let (mut patience, mut in_vain) = (0_u64, 0);
        while seen.len() < 1000 {
            // Dropped at ever other places: after 0, 1, 2 … milliseconds; later on a machine that does nothing in 9.
            patience = (patience + 1) % (9 + in_vain / 10);
            in_vain += 1;
            match timeout(Duration::from_millis(patience), driver.0.task.poll()).await {
                Ok(Ok(batch)) => {
                    in_vain = 0;
                    let batch = batch.unwrap();
                    driver.commit(&batch);
                    seen.extend(
                        batch
                            .records
                            .iter()
                            .map(|record| header(record, "rowtide.id").unwrap()),
                    );
                }
                Ok(Err(error)) => assert_eq!(error.class(), Class::Retriable, "{error}: {:?}", error.chain()),
                Err(_) => {}
            }
        }
    };
    timeout(PATIENCE, async { tokio::join!(writer, reader) })
        .await
        .expect("all events in time");
    let total = seen.len();
    seen.dedup();
    assert_eq!((seen.len(), total, kills), (1000, 1000, 4));
    let unique: std::collections::HashSet<_> = seen.iter().collect();
    assert_eq!(unique.len(), 1000);
}

async fn poll_for(driver: &mut Driver, span: Duration) -> Vec<SourceBatch> {
    let (until, mut batches) = (Instant::now() + span, Vec::new());
    while let Ok(batch) = tokio::time::timeout_at(until, driver.batch()).await {
        driver.commit(&batch);
        batches.push(batch);
    }
    batches
}

/// PG-006, PG-193, PG-195, PG-198: another table is busy, the captured one idle: WAL goes all the same, and never ahead of
/// the stored offset.
#[tokio::test]
async fn an_idle_table_beside_a_busy_one_releases_wal() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE busy (a text)").await;
    let mut driver = database.start(&[("table.include.list", "public.t")]).await;
    let first = driver.batch().await;
    driver.commit(&first);
    let before = database.confirmed().await;
    let Driver(driven) = driver;
    let (stored, mut task) = (driven.stored, driven.task);
    let load = async {
        for _ in 0..15 {
            database
                .run("INSERT INTO busy SELECT repeat('x', 1000) FROM generate_series(1, 2000)")
                .await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            let offset = stored.get(&partition());
            let stored = offset.and_then(|offset| offset.int("lsn_commit")).unwrap_or(0);
            assert!(
                database.confirmed().await <= stored.cast_unsigned(),
                "confirmed beyond the stored offset"
            );
        }
    };
    let reader = async {
        let mut batches = 0;
        loop {
            let batch = task.poll().await.unwrap().unwrap();
            assert!(batch.records.is_empty());
            let offset = batch.resume_at.as_ref().unwrap();
            stored.set(&batch.partition, offset);
            task.committed(&batch.partition, offset);
            batches += 1;
            if batches > 200 {
                return;
            }
        }
    };
    let began = Instant::now();
    tokio::select! {
        () = load => {}
        () = reader => panic!("more than 200 idle advances in {:?}", began.elapsed()),
    }
    let (after, end) = (database.confirmed().await, wal_end(&database).await);
    assert!(after > before, "{before} {after}");
    assert!(end - after < 64 << 20, "{} bytes are retained", end - after);
}

/// PG-005: an offset inside a transaction lets nothing of it go; only what is stored counts.
#[tokio::test]
async fn wal_is_confirmed_only_up_to_the_stored_commit() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY, a text)").await;
    slot(&database).await;
    let mut driver = database
        .start(&[STREAM, &[("max.batch.size", "1")]].concat())
        .await;
    database.run("INSERT INTO t VALUES (1, 'a')").await;
    database
        .run("INSERT INTO t SELECT g, 'x' FROM generate_series(2, 5) g")
        .await;
    let end = wal_end(&database).await;
    let before = database.confirmed().await;
    let batches = driver.batches_until(end).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(database.confirmed().await, before, "nothing is stored yet");
    for batch in &batches {
        driver.commit(batch);
        tokio::time::sleep(Duration::from_millis(20)).await;
        let stored = batch
            .resume_at
            .as_ref()
            .unwrap()
            .int("lsn_commit")
            .unwrap_or(0)
            .cast_unsigned();
        assert!(database.confirmed().await <= stored);
    }
    let stored = driver
        .stored()
        .unwrap()
        .int("lsn_commit")
        .unwrap()
        .cast_unsigned();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let confirmed = database.confirmed().await;
    assert!(
        confirmed > before && confirmed <= stored,
        "{before} {confirmed} {stored}"
    );
    driver.stop().await;
}

/// PG-196.
#[tokio::test]
async fn manual_flush_never_confirms() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY)").await;
    slot(&database).await;
    let before = database.confirmed().await;
    let mut driver = database
        .start(&[STREAM, &[("lsn.flush.mode", "manual")]].concat())
        .await;
    database.run("INSERT INTO t VALUES (1)").await;
    driver.records(1).await;
    let _ = poll_for(&mut driver, Duration::from_millis(1500)).await;
    assert_eq!(database.confirmed().await, before);
}

/// PG-009, PG-032, PG-188: a slot that moved on or vanished is a gap, named with both positions.
#[tokio::test]
async fn a_gap_between_offset_and_slot_fails_the_task() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY)").await;
    slot(&database).await;
    let mut driver = database.start(STREAM).await;
    database.run("INSERT INTO t VALUES (1)").await;
    driver.records(1).await;
    let offset = driver.stored();
    driver.stop().await;
    database.run("INSERT INTO t VALUES (2)").await;
    let advance = format!(
        "SELECT pg_replication_slot_advance('{}', pg_current_wal_lsn())",
        database.slot()
    );
    database.run(&advance).await;
    let failure = database.start_at(offset.clone(), STREAM).await.failure().await;
    assert!(
        failure.contains("the stored offset is at") && failure.contains("confirmed up to"),
        "{failure}"
    );

    let trusting = [STREAM, &[("offset.mismatch.strategy", "trust_slot")]].concat();
    let mut driver = database.start_at(offset.clone(), &trusting).await;
    let write = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        database.run("INSERT INTO t VALUES (3)").await;
    };
    let (shown, ()) = tokio::join!(driver.shown(1), write);
    assert_eq!(shown, ["c p.public.t {id=3} null -> {id=3}"]);
    driver.stop().await;

    database
        .run(&format!("SELECT pg_drop_replication_slot('{}')", database.slot()))
        .await;
    let failure = database.start_at(offset.clone(), STREAM).await.failure().await;
    assert!(
        failure.contains("does not exist") && failure.contains("changes since then are gone"),
        "{failure}"
    );
    let other = offset.unwrap().with("rowtide_sysid", "1");
    let failure = database.start_at(Some(other), STREAM).await.failure().await;
    assert!(failure.contains("system identifier"), "{failure}");
}

/// PG-033: the holder is named.
#[tokio::test]
async fn a_slot_held_elsewhere_is_waited_for_and_then_named() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY)").await;
    slot(&database).await;
    let mut holder = database.start(STREAM).await;
    database.run("INSERT INTO t VALUES (1)").await;
    holder.records(1).await;
    let more = [STREAM, &[("slot.max.retries", "2")]].concat();
    let failure = database.start(&more).await.failure().await;
    assert!(
        failure.contains("held by another session") && failure.contains("Rowtide Streaming"),
        "{failure}"
    );
    // Released in time, it is taken over.
    let mut next = database
        .start(&[STREAM, &[("slot.max.retries", "50")]].concat())
        .await;
    let release = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        holder.stop().await;
        database.run("INSERT INTO t VALUES (2)").await;
    };
    let (shown, ()) = tokio::join!(next.batch(), release);
    assert!(!shown.records.is_empty());
}

/// PG-056, PG-202: a task that is not polled keeps its connection, and nothing is lost.
#[tokio::test]
async fn status_goes_on_while_nobody_polls() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY, a text)").await;
    slot(&database).await;
    database
        .run(&format!(
            "ALTER DATABASE {} SET wal_sender_timeout = '2s'",
            database.name
        ))
        .await;
    let mut driver = database
        .start(&[STREAM, &[("status.update.interval.ms", "500")]].concat())
        .await;
    database.run("INSERT INTO t VALUES (0, 'x')").await;
    driver.records(1).await;
    let pid = format!(
        "SELECT active_pid FROM pg_replication_slots WHERE slot_name = '{}'",
        database.slot()
    );
    let before = database.value(&pid).await;
    // More than all buffers between here and there hold.
    database
        .run("INSERT INTO t SELECT g, repeat('x', 4000) FROM generate_series(1, 10000) g")
        .await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(
        database.value(&pid).await,
        before,
        "the server gave the session up"
    );
    assert_eq!(driver.records(10_000).await.len(), 10_000);
    assert_eq!(database.value(&pid).await, before);
}

#[tokio::test]
async fn an_unknown_relation_of_another_database_is_no_business_of_ours() {
    // Two databases, one server: what one writes moves the other's position only.
    let ours = Database::new("CREATE TABLE t (id int PRIMARY KEY)").await;
    let other = Database::new("CREATE TABLE t (id int PRIMARY KEY)").await;
    slot(&ours).await;
    let mut driver = ours.start(STREAM).await;
    other.run("INSERT INTO t SELECT generate_series(1, 1000)").await;
    ours.run("INSERT INTO t VALUES (1)").await;
    assert_eq!(driver.shown(1).await, ["c p.public.t {id=1} null -> {id=1}"]);
}
