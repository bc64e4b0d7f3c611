//! Records as Rowtide's Postgres source sends them, a cluster of `compose/stack`, and a task driven by hand.

#![allow(clippy::unwrap_used)] // A test that cannot go on panics.
#![allow(dead_code, unreachable_pub)] // Each test binary uses a part of it.

mod records;

pub use records::*;

use std::sync::OnceLock;

use rowtide_api::Error;
use rowtide_api::config::Properties;
use rowtide_cassandra::{CassandraSink, CassandraSinkTask};
use rowtide_testkit::conformance::sink::Driven;
use rowtide_testkit::stack::Stack;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::value::{CqlValue, Row};

/// The cluster of all tests.
pub fn cluster() -> &'static Stack {
    static STACK: OnceLock<Stack> = OnceLock::new();
    STACK.get_or_init(|| Stack::with(&["cassandra"]))
}

pub async fn session(stack: &Stack) -> Session {
    let node = format!("{}:{}", stack.get("CASSANDRA_HOST"), stack.get("CASSANDRA_PORT"));
    SessionBuilder::new().known_node(node).build().await.unwrap()
}

/// A name that no other test of any run has.
pub fn unique(name: &str) -> String {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    format!("{name}_{}_{number}", std::process::id())
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
    // A stack may outlive a run of the tests.
    cql(session, &format!("DROP TABLE IF EXISTS {keyspace}.t")).await;
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
        ("contactPoints", stack.get("CASSANDRA_HOST")),
        ("port", stack.get("CASSANDRA_PORT")),
        ("loadBalancing.localDc", stack.get("CASSANDRA_DC")),
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

/// A task driven by hand.
pub type Sink = Driven<CassandraSinkTask>;

pub async fn start(properties: &Properties) -> Result<Sink, Error> {
    Driven::start::<CassandraSink>(properties, TOPIC).await
}

pub fn bigint(value: i64) -> Option<CqlValue> {
    Some(CqlValue::BigInt(value))
}

pub fn text(value: &str) -> Option<CqlValue> {
    Some(CqlValue::Text(value.to_owned()))
}
