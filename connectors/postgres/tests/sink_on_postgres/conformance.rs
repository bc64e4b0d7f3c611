//! The promises of a sink, kept by this one; and what only this server makes hard.

use rowtide_api::sink::SinkTask as _;
use rowtide_api::{Datum, Properties, Record};
use rowtide_postgres::sink::PostgresSink;
use rowtide_testkit::conformance::sink::{Downstream, Rows, batch};
use rowtide_testkit::conformance::{dropped_after, in_time};

use crate::harness::{Database, TOPIC, long, record, row, structure, text};

/// A table with a row that the server refuses.
struct Table(Database);

impl Downstream for Table {
    type Connector = PostgresSink;
    const TOPIC: &'static str = TOPIC;

    async fn prepare() -> Self {
        Self(Database::new("CREATE TABLE t (id bigint PRIMARY KEY, a text CHECK (a <> 'bad'))").await)
    }

    fn properties(&self) -> Properties {
        self.0.properties(&[("batch.size", "64")])
    }

    fn upsert(&self, key: i64, value: &str, _version: i64) -> Record {
        record(
            structure(vec![long("id", key)]),
            structure(vec![text("a", value)]),
        )
    }

    fn delete(&self, key: i64, _version: i64) -> Record {
        self.tombstone(key)
    }

    fn tombstone(&self, key: i64) -> Record {
        record(structure(vec![long("id", key)]), Datum::NULL)
    }

    /// Some are refused by the server, some before they reach it.
    fn bad(&self, key: i64, version: i64) -> Record {
        match key % 2 {
            0 => self.upsert(key, "bad", version),
            _ => record(Datum::NULL, structure(vec![text("a", "x")])),
        }
    }

    async fn rows(&self) -> Rows {
        let rows = self.0.sql.rows("SELECT id, a FROM t", "reading").await.unwrap();
        let mut cells = rows.into_iter().map(|row| row.into_iter().map(Option::unwrap));
        cells
            .by_ref()
            .map(|mut row| (row.next().unwrap().parse().unwrap(), row.next().unwrap()))
            .collect()
    }
}

rowtide_testkit::conformance::sink!(Table);

/// A put that is dropped while the server is at its COMMIT: the revocation waits for the server's end of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_waits_for_a_commit_that_is_under_way() {
    let database = Database::new(
        "CREATE TABLE t (id int PRIMARY KEY, a text);
         CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1); RETURN NULL; END';
         CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW EXECUTE FUNCTION slow()",
    )
    .await;
    let mut sink = database.sink(&[]).await;
    let records = sink.numbered(vec![row(1, vec![text("a", "late")])]);
    let (taken, _end) = batch(&sink.partition, &records);
    {
        let put = sink.task.put(taken);
        let mut put = std::pin::pin!(put);
        // A poll at a time, until the server says that it is at the COMMIT.
        while database.value("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query = 'COMMIT' AND state = 'active'").await == "0" {
            assert!(in_time("the put", dropped_after(1, put.as_mut())).await.is_none());
        }
    }
    let partition = sink.partition.clone();
    sink.task.revoked(&[partition]).await.unwrap();
    let rows = database.rows("SELECT id FROM t").await;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert_eq!(database.rows("SELECT id FROM t").await, rows);
    // The session is as good as before.
    assert_eq!(sink.written(vec![row(2, vec![text("a", "x")])]).await.written, 1);
}
