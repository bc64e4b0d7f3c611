//! Cassandra as its users ask it.

use std::sync::OnceLock;

use rowtide_testkit::stack::Stack;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use serde_json::Value;
use tokio::runtime::Runtime;

/// Runs a statement; the rows are those of a `select json`, nothing for others.
pub(crate) fn query(stack: &Stack, statement: &str) -> Vec<Value> {
    let (runtime, session) = session(stack);
    runtime.block_on(async {
        let answer = session
            .query_unpaged(statement, ())
            .await
            .unwrap_or_else(|error| panic!("{statement}: {error}"));
        let Ok(rows) = answer.into_rows_result() else {
            return Vec::new();
        };
        rows.rows::<(String,)>()
            .unwrap_or_else(|error| panic!("{statement}: write it as select json: {error}"))
            .map(|row| {
                let (text,) = row.expect("a row of one text");
                serde_json::from_str(&text).expect("Cassandra prints JSON")
            })
            .collect()
    })
}

fn session(stack: &Stack) -> &'static (Runtime, Session) {
    static SESSION: OnceLock<(Runtime, Session)> = OnceLock::new();
    SESSION.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let node = format!("{}:{}", stack.get("CASSANDRA_HOST"), stack.get("CASSANDRA_PORT"));
        let session = runtime.block_on(SessionBuilder::new().known_node(node).build());
        (runtime, session.expect("Cassandra answers"))
    })
}
