//! The server's orderly end: a stream never holds it up, whoever reads it.

use rowtide_testkit::stack::Stack;

use crate::changes::streaming;
use crate::harness::{Database, Driver, session};

/// Stops the server in order and starts it again, as `compose/stack restart` does: what has not stopped in time is killed,
/// and the log of the next start says so.
async fn restart(stack: &'static Stack) {
    tokio::task::spawn_blocking(|| stack.restart("postgres"))
        .await
        .unwrap();
    let log = std::fs::read_to_string(stack.get("PG_LOG")).unwrap();
    assert!(
        !log.contains("database system was interrupted"),
        "the server had to be killed:\n{log}"
    );
    assert!(log.contains("database system is shut down"), "{log}");
}

/// A server of its own, and a source that streams: row 1 has come out.
async fn streams() -> (Database, Driver) {
    let stack: &'static Stack = Box::leak(Box::new(Stack::bare(&["postgres"])));
    let database = Database::on(stack, "CREATE TABLE t (id int PRIMARY KEY, a text)").await;
    let mut driver = streaming(&database, &[]).await;
    database.run("INSERT INTO t VALUES (1, 'x')").await;
    driver.records(1).await;
    (database, driver)
}

/// What follows a restart is streamed.
async fn goes_on(database: &Database, driver: &mut Driver, id: u32) {
    let sql = session(database.stack, &database.name).await;
    let insert = format!("INSERT INTO t VALUES ({id}, 'x')");
    sql.rows(&insert, "writing").await.unwrap();
    loop {
        match driver.poll().await {
            Ok(batch) => {
                driver.commit(&batch);
                let last = batch.records.last().map(crate::harness::show);
                if last.is_some_and(|shown| shown.starts_with(&format!("c p.public.t {{id={id}}}"))) {
                    return;
                }
            }
            Err(error) if error.is_retriable() => {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await
            }
            Err(error) => panic!("{error}: {:?}", error.chain()),
        }
    }
}

/// PG-194, PG-199: stored and confirmed as in a running worker.
#[tokio::test]
async fn a_stream_that_confirms_lets_the_server_stop() {
    let (database, mut driver) = streams().await;
    tokio::select! {
        () = restart(database.stack) => {}
        () = async {
            loop {
                match driver.poll().await {
                    Ok(batch) => driver.commit(&batch),
                    Err(error) => assert!(error.is_retriable(), "{error}"),
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        } => {}
    }
    goes_on(&database, &mut driver, 2).await;
    driver.stop().await;
}

/// PG-056, PG-199: the rows are not durable downstream, so nothing may be confirmed; the server stops all the same.
#[tokio::test]
async fn a_stream_that_may_not_confirm_lets_the_server_stop() {
    let (database, mut driver) = streams().await;
    database.run("INSERT INTO t VALUES (2, 'x')").await;
    let unstored = driver.batch().await;
    assert_eq!(unstored.records.len(), 1);
    restart(database.stack).await;
    driver.commit(&unstored);
    goes_on(&database, &mut driver, 3).await;
    driver.stop().await;
}

/// PG-056, PG-202: nobody takes what was read, and the session has stopped reading.
#[tokio::test]
async fn a_stream_that_is_full_lets_the_server_stop() {
    let (database, mut driver) = streams().await;
    // More than all buffers between here and there hold.
    database
        .run("INSERT INTO t SELECT g, repeat('x', 4000) FROM generate_series(2, 20000) g")
        .await;
    restart(database.stack).await;
    goes_on(&database, &mut driver, 20_001).await;
    driver.stop().await;
}
