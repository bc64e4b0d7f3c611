//! The server dies and comes back: nothing is lost, and nothing is reported that is not there.

use std::time::Duration;

use rowtide_api::sink::{Settlement, SinkTask as _};
use rowtide_testkit::conformance::sink::{batch, done, ended};
use rowtide_testkit::conformance::{in_time, whole};
use rowtide_testkit::stack::Stack;

use crate::harness::{Database, row, session, text};

/// The batches of a put that failed come again, in order, until they are written: as the engine does it.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_is_waited_out_and_nothing_is_lost() {
    let stack: &'static Stack = Box::leak(Box::new(Stack::bare(&["postgres"])));
    let database = Database::on(stack, "CREATE TABLE t (id int PRIMARY KEY, a text)").await;
    let name = database.name.clone();
    let mut sink = database.sink(&[]).await;
    let server = std::thread::spawn(move || {
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(700));
            stack.kill("postgres");
            std::thread::sleep(Duration::from_millis(500));
            stack.up("postgres");
        }
    });
    let (mut number, mut failures) = (0, 0);
    // Some rounds more once the server is back for good.
    let mut after = 0;
    while after < 5 {
        if server.is_finished() {
            after += 1;
        }
        number += 1;
        let rows = (0..40).map(|id| row((number * 7 + id) % 100, vec![text("a", &number.to_string())]));
        let records = sink.numbered(rows.collect());
        loop {
            let (taken, end) = batch(&sink.partition, &records);
            in_time("a put", sink.task.put(taken)).await.unwrap();
            match ended(end).await {
                Settlement::Done(report) => {
                    assert_eq!(report.written, 40);
                    break;
                }
                Settlement::Failed(error) => {
                    assert!(error.is_retriable(), "{}", whole(&error));
                    failures += 1;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Settlement::Lost => panic!("lost"),
            }
        }
    }
    server.join().unwrap();
    assert!(
        failures > 0,
        "the server died between the puts: nothing was tested"
    );
    // The last writer of each row, by the same arithmetic.
    let mut expected = vec![0; 100];
    for round in 1..=number {
        for id in 0..40 {
            expected[usize::try_from((round * 7 + id) % 100).unwrap()] = round;
        }
    }
    let sql = session(stack, &name).await;
    let rows = sql
        .rows("SELECT id, a FROM t ORDER BY id", "reading")
        .await
        .unwrap();
    let found: Vec<_> = rows
        .iter()
        .map(|row| (row[0].clone().unwrap(), row[1].clone().unwrap()))
        .collect();
    let expected: Vec<_> = (0..100)
        .zip(expected)
        .filter(|(_, round)| *round > 0)
        .map(|(id, round)| (id.to_string(), round.to_string()))
        .collect();
    assert_eq!(found, expected);
    sink.task.stop().await.unwrap();
}

/// A session that an operator ends is opened again.
#[tokio::test]
async fn an_ended_session_is_replaced() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY, a text)").await;
    let mut sink = database.sink(&[]).await;
    sink.written(vec![row(1, vec![text("a", "1")])]).await;
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                  WHERE datname = current_database() AND pid <> pg_backend_pid()";
    database.run(others).await;
    let records = sink.numbered(vec![row(1, vec![text("a", "2")])]);
    let mut attempts = 0;
    loop {
        let (taken, end) = batch(&sink.partition, &records);
        sink.task.put(taken).await.unwrap();
        attempts += 1;
        match ended(end).await {
            Settlement::Failed(error) => assert!(error.is_retriable() && attempts < 3, "{}", whole(&error)),
            Settlement::Done(_) => break,
            Settlement::Lost => panic!("lost"),
        }
    }
    assert_eq!(attempts, 2);
    assert_eq!(database.rows("TABLE t").await, ["1|2"]);
}

/// Replays of any suffix of the history end in the same rows.
#[tokio::test]
async fn replays_after_a_restart_are_harmless() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY, a text)").await;
    let mut history = Vec::new();
    for round in 0..5 {
        let rows = (0..10).map(|id| match (id + round) % 4 {
            0 => crate::harness::gone(id),
            _ => row(id, vec![text("a", &round.to_string())]),
        });
        history.push(rows.collect::<Vec<_>>());
    }
    let mut rows: Option<Vec<String>> = None;
    for from in [0, 3, 1, 4, 0] {
        // A new task each time, as behind a crash.
        let mut sink = database.sink(&[]).await;
        for records in &history[from..] {
            let count = records.len();
            let end = sink.put(records.clone()).await.unwrap();
            done(end, count).await;
        }
        let now = database.rows("TABLE t ORDER BY id").await;
        assert_eq!(rows.get_or_insert_with(|| now.clone()), &now);
    }
}
