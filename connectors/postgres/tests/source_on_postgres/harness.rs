//! The server of these tests, and a task driven by hand.

use std::fmt::Write;
use std::path::Path;
use std::sync::OnceLock;

use rowtide_api::config::{ConfigReport, Properties};
use rowtide_api::source::{OffsetReader as _, SourceBatch, SourceTask as _, Unit};
use rowtide_api::{Datum, Error, Plugin, Record, SourceOffset, SourcePartition, Value};
use rowtide_postgres::source::PostgresSource;
use rowtide_postgres::source::task::PostgresTask;
use rowtide_testkit::conformance::source::{Driven, Stored};
use rowtide_testkit::conformance::whole;
use rowtide_testkit::stack::Stack;

pub use crate::database::{Database, session};

/// The server that all tests share: one of their own, since they leave their slots behind, as crashed connectors do.
fn server() -> &'static Stack {
    static STACK: OnceLock<Stack> = OnceLock::new();
    STACK.get_or_init(|| {
        let stack = Stack::bare(&["postgres"]);
        let path = Path::new(stack.get("PG_DATA")).join("postgresql.conf");
        let old = std::fs::read_to_string(&path).unwrap();
        std::fs::write(
            &path,
            format!(
                "{old}\nmax_replication_slots = 200\nmax_wal_senders = 50\nmax_prepared_transactions = 5\n"
            ),
        )
        .unwrap();
        stack.restart("postgres");
        stack
    })
}

/// Puts rules before all others of `pg_hba.conf`, once.
pub async fn rules(stack: &Stack, marker: &str, rules: &str) {
    let path = Path::new(stack.get("PG_DATA")).join("pg_hba.conf");
    let old = std::fs::read_to_string(&path).unwrap();
    if !old.contains(marker) {
        std::fs::write(&path, format!("# {marker}\n{rules}\n{old}")).unwrap();
    }
    let admin = session(stack, "postgres").await;
    admin.rows("SELECT pg_reload_conf()", "reloading").await.unwrap();
    // The server reads the file a moment later, and says so nowhere but in its log.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
}

/// The partition of every source here: the topic prefix is `p`.
pub fn partition() -> SourcePartition {
    SourcePartition::new().with("server", "p")
}

impl Database {
    pub async fn new(tables: &str) -> Self {
        Self::on(server(), tables).await
    }

    /// Slots are the server's, so each database has its own name.
    pub fn slot(&self) -> String {
        format!("slot_{}", self.name)
    }

    pub fn properties(&self, more: &[(&str, &str)]) -> Properties {
        let mut properties = Properties::from_iter([
            ("topic.prefix", "p"),
            ("database.hostname", self.stack.get("PG_HOST")),
            ("database.port", self.stack.get("PG_PORT")),
            ("database.user", self.stack.get("PG_USER")),
            ("database.dbname", &self.name),
            ("plugin.name", "pgoutput"),
            ("slot.name", &self.slot()),
            ("slot.retry.delay.ms", "100"),
        ]);
        for (key, value) in more {
            properties.set(*key, *value);
        }
        properties
    }

    pub async fn start(&self, more: &[(&str, &str)]) -> Driver {
        self.start_at(None, more).await
    }

    pub async fn start_at(&self, stored: Option<SourceOffset>, more: &[(&str, &str)]) -> Driver {
        let stored = stored
            .map(|offset| Stored::at(partition(), offset))
            .unwrap_or_default();
        let driven = Driven::start::<PostgresSource>(&self.properties(more), stored, None).await;
        Driver(driven.unwrap_or_else(|error| panic!("{}", whole(&error))))
    }

    /// Everything validate says.
    pub async fn check(&self, more: &[(&str, &str)]) -> ConfigReport {
        let (config, mut report) =
            ConfigReport::read::<<PostgresSource as Plugin>::Config>(&self.properties(more));
        if let Some(config) = config {
            PostgresSource::check(&config, &mut report).await;
        }
        report
    }

    pub async fn confirmed(&self) -> u64 {
        let sql = format!(
            "SELECT (confirmed_flush_lsn - '0/0')::text FROM pg_replication_slots WHERE slot_name = '{}'",
            self.slot()
        );
        self.value(&sql).await.parse().unwrap_or(0)
    }
}

/// A task and its stored offset.
pub struct Driver(pub Driven<PostgresTask>);

impl Driver {
    pub async fn poll(&mut self) -> Result<SourceBatch, Error> {
        Ok(self.0.poll().await?.expect("the task goes on"))
    }

    pub async fn batch(&mut self) -> SourceBatch {
        self.0.batch().await.expect("the task goes on")
    }

    pub fn commit(&mut self, batch: &SourceBatch) {
        self.0.commit(batch);
    }

    pub fn stored(&self) -> Option<SourceOffset> {
        self.0.stored.get(&partition())
    }

    /// The next `count` records.
    pub async fn records(&mut self, count: usize) -> Vec<Record> {
        let mut records = Vec::new();
        while records.len() < count {
            let batch = self.batch().await;
            self.commit(&batch);
            records.extend(batch.records);
        }
        assert_eq!(
            records.len(),
            count,
            "{:#?}",
            records.iter().map(show).collect::<Vec<_>>()
        );
        records
    }

    /// Shown records, until the transaction that holds `count` of them is complete.
    pub async fn shown(&mut self, count: usize) -> Vec<String> {
        self.records(count).await.iter().map(show).collect()
    }

    /// Batches until the stream stands at a commit at or behind `lsn`.
    pub async fn batches_until(&mut self, lsn: u64) -> Vec<SourceBatch> {
        let mut batches = Vec::new();
        loop {
            let batch = self.batch().await;
            let at = batch
                .resume_at
                .as_ref()
                .and_then(|offset| offset.int("lsn_commit"))
                .unwrap_or(0);
            let done = batch.unit == Unit::Whole && at.cast_unsigned() >= lsn;
            batches.push(batch);
            if done {
                return batches;
            }
        }
    }

    pub async fn failure(&mut self) -> String {
        loop {
            match self.poll().await {
                Ok(_) => {}
                Err(error) if error.is_retriable() => {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
                Err(error) => return whole(&error),
            }
        }
    }

    pub async fn stop(self) {
        self.0.task.stop().await.unwrap();
    }
}

/// A field of the record's value.
pub fn field<'a>(record: &'a Record, path: &[&str]) -> &'a Value {
    let mut value = &record.value.value;
    for name in path {
        value = value
            .as_struct()
            .and_then(|content| content.get(name))
            .unwrap_or(&Value::Null);
    }
    value
}

pub fn header(record: &Record, name: &str) -> Option<String> {
    record.headers.last(name).map(|datum| value(&datum.value))
}

/// `u p.public.t {id=1} {id=1 a=x} -> {id=1 a=y}`; a tombstone is `~`.
pub fn show(record: &Record) -> String {
    let key = value(&record.key.value);
    if record.value.is_null() {
        return format!("~ {} {key}", record.topic);
    }
    let part = |name| value(field(record, &[name]));
    let mut text = format!(
        "{} {} {key} {} -> {}",
        part("op"),
        record.topic,
        part("before"),
        part("after")
    );
    for name in ["__debezium.newkey", "__debezium.oldkey", "rowtide.unavailable"] {
        if let Some(shown) = header(record, name) {
            write!(text, " {name}={shown}").unwrap();
        }
    }
    text
}

pub fn value(value: &Value) -> String {
    match value {
        Value::Absent => "absent".into(),
        Value::Null => "null".into(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int8(number) => number.to_string(),
        Value::Int16(number) => number.to_string(),
        Value::Int32(number) => number.to_string(),
        Value::Int64(number) => number.to_string(),
        Value::Float32(number) => number.to_string(),
        Value::Float64(number) => number.to_string(),
        Value::Text(text) => text.as_str().to_owned(),
        Value::Bytes(bytes) => bytes
            .iter()
            .fold("0x".into(), |text, byte| format!("{text}{byte:02x}")),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(self::value).collect();
            format!("[{}]", items.join(","))
        }
        Value::Map(_) => unreachable!("no type maps to a map"),
        Value::Struct(content) => {
            let fields = content.schema.fields().iter().zip(&content.fields);
            let fields: Vec<_> = fields
                .map(|(field, of)| format!("{}={}", field.name, self::value(of)))
                .collect();
            format!("{{{}}}", fields.join(" "))
        }
    }
}

/// The schema of a field of `after`.
pub fn schema_of<'a>(record: &'a Record, column: &str) -> &'a rowtide_api::Schema {
    let datum: &Datum = &record.value;
    let envelope = datum.schema.as_ref().unwrap();
    let row = &envelope.fields()[1].schema;
    &row.fields()[row.field_index(column).unwrap()].schema
}
