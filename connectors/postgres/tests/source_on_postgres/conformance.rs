//! The promises of a source, kept by this one: its snapshot first, then its stream.

use rowtide_api::{Properties, Record};
use rowtide_postgres::source::PostgresSource;
use rowtide_testkit::conformance::source::{Breakable, Releasing, Upstream};

use crate::harness::{Database, value};

/// A table that grows.
struct Table {
    database: Database,
    rows: u32,
}

impl Upstream for Table {
    type Connector = PostgresSource;
    const ENDLESS: bool = true;

    async fn prepare() -> Self {
        Self {
            database: Database::new("CREATE TABLE t (id int PRIMARY KEY, a text)").await,
            rows: 0,
        }
    }

    fn properties(&self) -> Properties {
        self.database
            .properties(&[("max.batch.size", "8"), ("status.update.interval.ms", "100")])
    }

    /// One large transaction, which is cut into batches, and small ones.
    async fn produce(&mut self) -> Vec<String> {
        let first = self.rows;
        self.rows += 26;
        let insert =
            |from: u32, to: u32| format!("INSERT INTO t SELECT g, 'x' FROM generate_series({from}, {to}) g");
        self.database.run(&insert(first, first + 19)).await;
        for id in first + 20..self.rows {
            self.database.run(&insert(id, id)).await;
        }
        (first..self.rows).map(|id| id.to_string()).collect()
    }

    fn identity(record: &Record) -> Option<String> {
        let key = record.key.value.as_struct()?;
        (!record.value.is_null()).then(|| value(&key.fields[0]))
    }
}

impl Releasing for Table {
    async fn released(&self) -> u64 {
        self.database.confirmed().await
    }
}

impl Breakable for Table {
    async fn break_off(&mut self) {
        let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                      WHERE datname = current_database() AND pid <> pg_backend_pid()";
        self.database.run(others).await;
    }
}

rowtide_testkit::conformance::source!(Table, releases, breaks);
