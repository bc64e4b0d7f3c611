//! A server, a database per test, and a task driven by hand.

use std::collections::HashMap;
use std::fmt::Write;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use rowtide_api::config::{ConfigReport, Properties};
use rowtide_api::source::{OffsetReader, SourceBatch, SourceConnector, SourceContext, SourceTask, Unit};
use rowtide_api::{Datum, Error, Plugin, Record, Secret, SourceOffset, SourcePartition, TaskContext, Value};
use rowtide_postgres::connection::{Connection, Host, KeyNames, Purpose, Settings, SslMode, Tls, connect};
use rowtide_postgres::source::PostgresSource;
use rowtide_postgres::source::task::PostgresTask;
use tokio::time::timeout;

/// Longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A server started by `compose/stack`; it ends with the test process.
pub struct Stack {
    name: String,
    env: HashMap<String, String>,
}

impl Stack {
    /// The one all tests share.
    pub fn shared() -> &'static Self {
        static STACK: OnceLock<Stack> = OnceLock::new();
        STACK.get_or_init(|| {
            let stack = Self::up(&format!("pg-{}", std::process::id()));
            // Tests leave their slots behind, as crashed connectors do.
            let path = std::path::Path::new(stack.get("PG_DATA")).join("postgresql.conf");
            let old = std::fs::read_to_string(&path).unwrap();
            std::fs::write(
                &path,
                format!("{old}\nmax_replication_slots = 200\nmax_wal_senders = 50\n"),
            )
            .unwrap();
            stack.restart();
            stack
        })
    }

    /// One of its own, for tests that change or stop the server.
    pub fn up(name: &str) -> Self {
        let pid = std::process::id().to_string();
        run(&["up", "--name", name, "--lifetime-of", &pid, "postgres"]);
        let text = std::fs::read_to_string(root().join(format!("target/stack/{name}/env"))).unwrap();
        let env = text.lines().filter_map(|line| line.split_once('='));
        Self {
            name: name.to_owned(),
            env: env
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    pub fn restart(&self) {
        run(&["restart", "--name", &self.name, "postgres"]);
    }

    pub fn down(&self) {
        run(&["down", "--name", &self.name]);
    }

    pub fn get(&self, key: &str) -> &str {
        &self.env[key]
    }

    pub fn settings(&self, database: &str) -> Settings {
        Settings {
            hosts: vec![Host {
                name: self.get("PG_HOST").to_owned(),
                port: self.get("PG_PORT").parse().unwrap(),
            }],
            user: self.get("PG_USER").to_owned(),
            password: Some(Secret::new("any")),
            database: database.to_owned(),
            tls: Tls::of(SslMode::Disable),
            tcp_keepalive: true,
            connect_timeout: Settings::CONNECT_TIMEOUT,
            keys: KeyNames {
                user: "database.user",
                password: "database.password",
                database: "database.dbname",
            },
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn run(arguments: &[&str]) {
    let status = Command::new(root().join("compose/stack"))
        .args(arguments)
        .status();
    let started = status.is_ok_and(|status| status.success());
    assert!(
        started,
        "`compose/stack {}` failed: these tests need a real Postgres",
        arguments.join(" ")
    );
}

/// A database of one test.
pub struct Database {
    pub stack: &'static Stack,
    pub name: String,
    pub sql: Connection,
}

impl Database {
    pub async fn new(tables: &str) -> Self {
        Self::on(Stack::shared(), tables).await
    }

    pub async fn on(stack: &'static Stack, tables: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let admin = connect(&stack.settings("postgres"), Purpose::Validation)
            .await
            .unwrap();
        admin
            .rows(&format!("CREATE DATABASE {name}"), "creating")
            .await
            .unwrap();
        let sql = connect(&stack.settings(&name), Purpose::Validation)
            .await
            .unwrap();
        let database = Self { stack, name, sql };
        database.run(tables).await;
        database
    }

    pub async fn run(&self, sql: &str) {
        if let Err(error) = self.sql.rows(sql, sql).await {
            panic!("{error}: {:?}", error.chain());
        }
    }

    pub async fn value(&self, sql: &str) -> String {
        let rows = self.sql.rows(sql, sql).await.unwrap();
        rows.first()
            .and_then(|row| row.first())
            .cloned()
            .flatten()
            .unwrap_or_default()
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
        let (config, report) =
            ConfigReport::read::<<PostgresSource as Plugin>::Config>(&self.properties(more));
        let config = config.unwrap_or_else(|| panic!("{report:?}"));
        let connector = PostgresSource::open(config).unwrap();
        let specs = connector.plan(NonZeroU32::MIN).await.unwrap();
        let store = Arc::new(Store(Mutex::new(stored)));
        let context = SourceContext {
            task: TaskContext::new("c", 0),
            offsets: store.clone(),
            run: None,
        };
        let task = connector.start(context, specs[0].clone()).await.unwrap();
        Driver { task, store }
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

/// The stored offset.
pub struct Store(pub Mutex<Option<SourceOffset>>);

impl OffsetReader for Store {
    fn get(&self, _partition: &SourcePartition) -> Option<SourceOffset> {
        self.0.lock().unwrap().clone()
    }
}

/// A task and its stored offset.
pub struct Driver {
    pub task: PostgresTask,
    pub store: Arc<Store>,
}

impl Driver {
    pub async fn poll(&mut self) -> Result<SourceBatch, Error> {
        let batch = timeout(PATIENCE, self.task.poll())
            .await
            .expect("no batch in time")?;
        Ok(batch.expect("the task goes on"))
    }

    /// The next batch; failures that pass are polled through, as the engine does.
    pub async fn batch(&mut self) -> SourceBatch {
        loop {
            match self.poll().await {
                Ok(batch) => {
                    assert!(batch.rejected.is_empty(), "{:?}", batch.rejected);
                    return batch;
                }
                Err(error) if error.is_retriable() => tokio::time::sleep(Duration::from_millis(50)).await,
                Err(error) => panic!("{error}: {:?}", error.chain()),
            }
        }
    }

    /// Stores a batch's offset and says so.
    pub fn commit(&mut self, batch: &SourceBatch) {
        let Some(offset) = &batch.resume_at else { return };
        *self.store.0.lock().unwrap() = Some(offset.clone());
        self.task.committed(&batch.partition, offset);
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
                Err(error) if error.is_retriable() => tokio::time::sleep(Duration::from_millis(50)).await,
                Err(error) => {
                    let mut text = error.to_string();
                    for cause in error.chain() {
                        write!(text, ": {cause}").unwrap();
                    }
                    return text;
                }
            }
        }
    }

    pub async fn stop(self) {
        self.task.stop().await.unwrap();
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
