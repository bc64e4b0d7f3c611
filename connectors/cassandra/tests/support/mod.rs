//! Records as Rowtide's Postgres source sends them, a cluster of `compose/stack`, and a task driven by hand.

#![allow(clippy::unwrap_used)] // A test that cannot go on panics.
#![allow(dead_code, unreachable_pub)] // Each test binary uses a part of it.

mod records;

pub use records::*;

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, OnceLock};

use rowtide_api::config::{ConfigReport, Properties};
use rowtide_api::sink::{
    Note, Partition, PutReport, RecordId, Settlement, SinkBatch, SinkConnector, SinkRecord, SinkTask, Ticket,
};
use rowtide_api::{Error, Record, TaskContext};
use rowtide_cassandra::{CassandraSink, CassandraSinkTask, Settings};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::value::{CqlValue, Row};
use tokio::sync::oneshot;

/// The cluster of this test binary: started once, ended with the process.
pub struct Stack {
    name: String,
    pub host: String,
    pub port: u16,
}

impl Stack {
    /// Starts it.
    pub fn shared() -> &'static Self {
        static STACK: OnceLock<Stack> = OnceLock::new();
        STACK.get_or_init(|| Stack::up(&format!("cas-{}", std::process::id())))
    }

    /// A cluster of one's own, to be killed.
    pub fn up(name: &str) -> Self {
        run(&[
            "up",
            "--name",
            name,
            "--lifetime-of",
            &std::process::id().to_string(),
            "cassandra",
        ]);
        let text = std::fs::read_to_string(root().join(format!("target/stack/{name}/env"))).unwrap();
        let env: HashMap<_, _> = text.lines().filter_map(|line| line.split_once('=')).collect();
        Self {
            name: name.to_owned(),
            host: env["CASSANDRA_HOST"].to_owned(),
            port: env["CASSANDRA_PORT"].parse().unwrap(),
        }
    }

    /// SIGKILL.
    pub fn kill(&self) {
        run(&["kill", "--name", &self.name, "cassandra"]);
    }

    /// Starts it again on its data.
    pub fn restart(&self) {
        run(&["up", "--name", &self.name, "cassandra"]);
    }

    /// Removes it.
    pub fn down(&self) {
        run(&["down", "--name", &self.name]);
    }

    pub async fn session(&self) -> Session {
        SessionBuilder::new()
            .known_node(format!("{}:{}", self.host, self.port))
            .build()
            .await
            .unwrap()
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn run(arguments: &[&str]) {
    let status = Command::new(root().join("compose/stack"))
        .args(arguments)
        .status()
        .unwrap();
    assert!(status.success(), "compose/stack {arguments:?}");
}

/// A keyspace and table for one test.
pub async fn table(session: &Session, keyspace: &str, columns: &str) {
    cql(
        session,
        &format!(
            "CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = \
             {{'class': 'SimpleStrategy', 'replication_factor': 1}}"
        ),
    )
    .await;
    cql(session, &format!("CREATE TABLE {keyspace}.t ({columns})")).await;
}

pub async fn cql(session: &Session, text: &str) -> Vec<Vec<Option<CqlValue>>> {
    let result = session
        .query_unpaged(text, ())
        .await
        .unwrap_or_else(|error| panic!("{text}: {error}"));
    match result.into_rows_result() {
        Err(_) => Vec::new(),
        Ok(rows) => rows
            .rows::<Row>()
            .unwrap()
            .map(|row| row.unwrap().columns)
            .collect(),
    }
}

/// The one value a query answers with.
pub async fn value(session: &Session, text: &str) -> Option<CqlValue> {
    let rows = cql(session, text).await;
    assert_eq!(rows.len(), 1, "{text}: {rows:?}");
    rows[0][0].clone()
}

/// The properties of a sink of [`TOPIC`] into `keyspace.t`.
pub fn properties(stack: &Stack, keyspace: &str, settings: &[(&str, &str)]) -> Properties {
    let mut properties = Properties::from_iter([
        ("topics", TOPIC),
        ("contactPoints", &stack.host),
        ("port", &stack.port.to_string()),
        ("loadBalancing.localDc", "datacenter1"),
    ]);
    for (setting, text) in settings {
        let key = match setting.strip_prefix('^') {
            Some(connector) => connector.to_owned(),
            None => format!("topic.{TOPIC}.{keyspace}.t.{setting}"),
        };
        properties.set(key, *text);
    }
    properties
}

/// Parses settings.
pub fn settings(properties: &Properties) -> Settings {
    let (settings, report) = ConfigReport::read::<Settings>(properties);
    settings.unwrap_or_else(|| panic!("{:?}", report.errors()))
}

/// A task and the partition it is fed.
pub struct Driven {
    pub task: CassandraSinkTask,
    pub context: TaskContext,
    pub partition: Partition,
    next: i64,
}

impl Driven {
    pub async fn start(properties: &Properties) -> Result<Self, Error> {
        let context = TaskContext::new("c", 0);
        let task = CassandraSink::open(settings(properties))?
            .start(context.clone())
            .await?;
        Ok(Self {
            task,
            context,
            partition: Partition {
                topic: TOPIC.into(),
                index: 0,
            },
            next: 0,
        })
    }

    /// Puts a batch; what it came to arrives on the receiver.
    pub async fn put(&mut self, records: Vec<Record>) -> Result<oneshot::Receiver<Settlement>, Error> {
        let (send, receive) = oneshot::channel();
        let records: Arc<[SinkRecord]> = records
            .into_iter()
            .map(|record| {
                self.next += 1;
                SinkRecord {
                    record,
                    id: RecordId::new(self.next),
                }
            })
            .collect();
        self.task
            .put(SinkBatch {
                partition: self.partition.clone(),
                records,
                ticket: Ticket::new(move |end| drop(send.send(end))),
            })
            .await?;
        Ok(receive)
    }

    /// Puts a batch and waits for its report.
    pub async fn written(&mut self, records: Vec<Record>) -> PutReport {
        let count = records.len();
        let end = self.put(records).await.unwrap().await.unwrap();
        let Settlement::Done(report) = end else {
            panic!("{end:?}")
        };
        assert!(report.adds_up(count), "{report:?}");
        report
    }

    pub async fn restore(&mut self, note: Option<Note>) {
        self.task
            .assigned(&[(self.partition.clone(), note)])
            .await
            .unwrap();
    }
}

pub fn bigint(value: i64) -> Option<CqlValue> {
    Some(CqlValue::BigInt(value))
}

pub fn text(value: &str) -> Option<CqlValue> {
    Some(CqlValue::Text(value.to_owned()))
}
