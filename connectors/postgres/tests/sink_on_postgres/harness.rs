//! The server of these tests, records, and a task driven by hand.

use std::sync::{Arc, OnceLock};

use rowtide_api::config::ConfigReport;
use rowtide_api::sink::Settlement;
use rowtide_api::{Datum, Error, Headers, Kind, Plugin, Properties, Record, Schema, Struct, Value};
use rowtide_postgres::sink::{PostgresSink, PostgresSinkTask};
use rowtide_testkit::conformance::settings;
use rowtide_testkit::conformance::sink::{Driven, ended};
use rowtide_testkit::conformance::whole;
use rowtide_testkit::stack::Stack;

pub use crate::database::{Database, session};

/// The topic of most tests.
pub const TOPIC: &str = "t";

/// The server that all tests share.
pub fn server() -> &'static Stack {
    static STACK: OnceLock<Stack> = OnceLock::new();
    STACK.get_or_init(|| Stack::with(&["postgres"]))
}

/// A task driven by hand.
pub type Sink = Driven<PostgresSinkTask>;

impl Database {
    pub async fn new(tables: &str) -> Self {
        Self::on(server(), tables).await
    }

    pub fn properties(&self, more: &[(&str, &str)]) -> Properties {
        let url = format!(
            "jdbc:postgresql://{}:{}/{}",
            self.stack.get("PG_HOST"),
            self.stack.get("PG_PORT"),
            self.name
        );
        let mut properties = Properties::from_iter([
            ("topics", TOPIC),
            ("connection.url", &url),
            ("connection.username", self.stack.get("PG_USER")),
            ("delete.enabled", "true"),
        ]);
        for (key, value) in more {
            properties.set(*key, *value);
        }
        properties
    }

    pub async fn start(&self, more: &[(&str, &str)]) -> Result<Sink, Error> {
        Driven::start::<PostgresSink>(&self.properties(more), TOPIC).await
    }

    pub async fn sink(&self, more: &[(&str, &str)]) -> Sink {
        let started = self.start(more).await;
        started.unwrap_or_else(|error| panic!("{}", whole(&error)))
    }

    /// Everything validate says, one finding a line.
    pub async fn check(&self, more: &[(&str, &str)]) -> String {
        let config: <PostgresSink as Plugin>::Config = settings(&self.properties(more));
        let mut report = ConfigReport::new();
        PostgresSink::check(&config, &mut report).await;
        let findings = report.errors().iter();
        findings
            .map(|finding| format!("{}: {}\n", finding.key, finding.message))
            .collect()
    }

    /// The rows of a query, their cells joined by `|`; a null is `~`.
    pub async fn rows(&self, sql: &str) -> Vec<String> {
        let rows = self.sql.rows(sql, sql).await.unwrap();
        let shown = |row: &Vec<Option<String>>| {
            let cells: Vec<_> = row.iter().map(|cell| cell.as_deref().unwrap_or("~")).collect();
            cells.join("|")
        };
        rows.iter().map(shown).collect()
    }
}

/// Puts a batch that fails as a whole; answers whether that passes by itself, and everything it says.
pub async fn failed(sink: &mut Sink, records: Vec<Record>) -> (bool, String) {
    let end = match sink.put(records).await {
        Ok(end) => end,
        Err(error) => return (error.is_retriable(), whole(&error)),
    };
    match ended(end).await {
        Settlement::Failed(error) => (error.is_retriable(), whole(&error)),
        other => panic!("{other:?}"),
    }
}

/// A field: name, schema, value.
pub type Field<'a> = (&'a str, Arc<Schema>, Value);

pub fn text<'a>(name: &'a str, value: &str) -> Field<'a> {
    (name, Schema::optional_text(), value.into())
}

pub fn null(name: &str) -> Field<'_> {
    (name, Schema::optional_text(), Value::Null)
}

pub fn int(name: &str, value: i32) -> Field<'_> {
    (name, Schema::of(Kind::Int32).build(), Value::Int32(value))
}

pub fn long(name: &str, value: i64) -> Field<'_> {
    (name, Schema::of(Kind::Int64).build(), Value::Int64(value))
}

/// A struct of these fields.
pub fn structure(fields: Vec<Field<'_>>) -> Datum {
    let schema = Schema::structure(fields.iter().map(|(name, schema, _)| (*name, schema.clone()))).build();
    let values: Vec<_> = fields.into_iter().map(|(.., value)| value).collect();
    Datum::of(Struct::new(schema, values))
}

/// A record of the topic.
pub fn record(key: Datum, value: Datum) -> Record {
    Record {
        topic: TOPIC.into(),
        partition: Some(0),
        timestamp_ms: Some(1_700_000_000_000),
        key,
        value,
        headers: Headers::default(),
    }
}

/// The row `id`, with these fields beside it.
pub fn row(id: i32, others: Vec<Field<'_>>) -> Record {
    let key = structure(vec![int("id", id)]);
    let fields = std::iter::once(int("id", id)).chain(others).collect();
    record(key, structure(fields))
}

/// The row `id` goes.
pub fn gone(id: i32) -> Record {
    record(structure(vec![int("id", id)]), Datum::NULL)
}

/// Indexes of rejected records.
pub fn indexes(report: &rowtide_api::sink::PutReport) -> Vec<u32> {
    report.rejected.iter().map(|(index, _)| *index).collect()
}
