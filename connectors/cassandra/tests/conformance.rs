//! The promises of a sink, kept on a real Cassandra. Needs the feature `server-tests`.

#![cfg(feature = "server-tests")]

mod support;

use rowtide_api::{Datum, Properties, Record};
use rowtide_cassandra::CassandraSink;
use rowtide_testkit::conformance::sink::{Downstream, Rows};
use scylla::client::session::Session;
use scylla::value::CqlValue;
use support::{Source, TOPIC, cluster, cql, properties, record, session, table, unique};

/// A table of change events.
struct Table {
    session: Session,
    keyspace: String,
    source: Source,
}

/// Where the change of this version lies in the source's log.
const fn lsn(version: i64) -> i64 {
    1_000_000 + version * 8
}

impl Downstream for Table {
    type Connector = CassandraSink;
    const TOPIC: &'static str = TOPIC;

    async fn prepare() -> Self {
        let session = session(cluster()).await;
        let keyspace = unique("suite");
        table(&session, &keyspace, "id bigint PRIMARY KEY, a text, b text").await;
        Self {
            session,
            keyspace,
            source: Source::plain(),
        }
    }

    fn properties(&self) -> Properties {
        properties(cluster(), &self.keyspace, &[("inputFormat", "debezium")])
    }

    fn upsert(&self, key: i64, text: &str, version: i64) -> Record {
        self.source.row("u", key, Some(text), None, lsn(version))
    }

    fn delete(&self, key: i64, version: i64) -> Record {
        self.source.delete(key, lsn(version))
    }

    fn tombstone(&self, key: i64) -> Record {
        self.source.tombstone(key)
    }

    /// No envelope.
    fn bad(&self, key: i64, _version: i64) -> Record {
        record(self.source.key(key), Datum::text("x"))
    }

    async fn rows(&self) -> Rows {
        let rows = cql(&self.session, &format!("SELECT id, a FROM {}.t", self.keyspace)).await;
        let rows = rows.into_iter().map(|row| match &row[..] {
            [Some(CqlValue::BigInt(id)), Some(CqlValue::Text(text))] => (*id, text.clone()),
            other => panic!("{other:?}"),
        });
        rows.collect()
    }
}

rowtide_testkit::conformance::sink!(Table);
