//! Sans-I/O: the configuration, in the DataStax dialect and with Rowtide's own keys; every error at once (CS-002).

mod connection;
mod grammar;
mod keys;
mod table;
mod unit;

pub(crate) use connection::{Compression, Connection};
pub(crate) use table::{Consistency, InputFormat, InsertNulls, OnUnavailable, TableSettings, TruncateMode};
pub(crate) use unit::TimeUnit;

use std::collections::BTreeMap;
use std::time::Duration;

use rowtide_api::config::{Config, Definition, Reader};
use rowtide_api::setting_enum;

use grammar::{TopicKey, topic_key};
use table::{Given, refuse_unsupported};

setting_enum! {
    /// Clock of a table's writes (CS-100).
    pub enum TimestampMode {
        /// Resolved while reading; no table has it.
        Unstated = "",
        Lsn = "lsn",
        SourceSeq = "source+seq",
        Source = "source",
        Record = "record",
        Field = "field",
        Server = "server",
    }
}

impl TimestampMode {
    /// Whether changes of one row never share a timestamp.
    pub(crate) fn is_exact(self) -> bool {
        self == Self::Lsn
    }
}

/// How writing goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writing {
    /// Requests in flight of all tasks of a connector.
    pub(crate) max_requests: usize,
    /// Rows of one batch.
    pub(crate) batch_rows_max: usize,
    /// Bytes of one batch, after which it is cut.
    pub(crate) batch_bytes_max: usize,
    pub(crate) backoff: Duration,
    pub(crate) backoff_max: Duration,
    /// `None`: a retriable write is repeated for ever.
    pub(crate) delivery_timeout: Option<Duration>,
}

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(crate) connection: Connection,
    pub(crate) writing: Writing,
    pub(crate) tables: Vec<TableSettings>,
}

impl Config for Settings {
    fn definitions() -> Vec<&'static Definition> {
        keys::definitions()
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let connection = Connection::read(reader);
        let writing = writing(reader);
        let _ = (
            reader.get(&keys::IGNORE_ERRORS),
            reader.text("topics"),
            reader.text("topics.regex"),
        );
        for definition in keys::definitions() {
            // Read or not, a known key is not an unknown one.
            reader.text(definition.name);
        }
        keys::read_defaults(reader);
        let tables = tables(reader);
        Some(Self {
            connection: connection?,
            writing: writing?,
            tables: tables?,
        })
    }
}

fn writing(reader: &mut Reader<'_>) -> Option<Writing> {
    let max_requests = reader.get(&keys::MAX_CONCURRENT_REQUESTS);
    let rows = reader.get(&keys::MAX_RECORDS_IN_BATCH);
    let bytes = reader.get(&keys::MAX_BATCH_BYTES);
    let backoff = reader.get(&keys::RETRY_BACKOFF);
    let backoff_max = reader.get(&keys::RETRY_BACKOFF_MAX);
    let delivery = reader.get(&keys::DELIVERY_TIMEOUT);
    let (backoff, backoff_max) = (millis(backoff?), millis(backoff_max?));
    if backoff > backoff_max {
        reader.error(
            "retryBackoffMaxMs",
            "retryBackoffMaxMs must not be below retryBackoffMs",
        );
    }
    let size = |value: i32| usize::try_from(value).unwrap_or(1);
    Some(Writing {
        max_requests: size(max_requests?),
        batch_rows_max: size(rows?),
        batch_bytes_max: size(bytes?),
        backoff,
        backoff_max,
        delivery_timeout: Some(millis(delivery?)).filter(|timeout| !timeout.is_zero()),
    })
}

fn millis(value: i64) -> Duration {
    Duration::from_millis(u64::try_from(value).unwrap_or(0))
}

/// Groups the keys that begin with `topic.` by table and reads each.
fn tables(reader: &mut Reader<'_>) -> Option<Vec<TableSettings>> {
    let mut given: BTreeMap<(&str, String, String), Given<'_>> = BTreeMap::new();
    let mut codecs: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    let mut sound = true;
    for (key, text) in reader.prefixed("topic.") {
        match topic_key(key) {
            Err(reason) => {
                reader.error(key, reason);
                sound = false;
            }
            Ok(TopicKey::Codec { topic, setting }) => {
                codecs.entry(topic).or_default().insert(setting, text.trim());
            }
            Ok(TopicKey::Table {
                topic,
                keyspace,
                table,
                prefix,
                setting,
            }) => {
                let entry = given
                    .entry((topic, keyspace.clone(), table.clone()))
                    .or_insert_with(|| Given {
                        prefix,
                        topic,
                        keyspace,
                        table,
                        settings: BTreeMap::new(),
                        unit: TimeUnit::Milliseconds,
                    });
                entry.settings.insert(setting, text.trim());
            }
        }
    }
    let mut tables = Vec::new();
    for mut given in given.into_values() {
        if let Some(unit) = codecs.get(given.topic).and_then(|settings| settings.get("unit")) {
            let name = format!("topic.{}.codec.unit", given.topic);
            given.unit = reader.parse_as(&keys::UNIT, &name, unit).unwrap_or(given.unit);
        }
        match given.read(reader) {
            Some(table) => tables.push(table),
            None => sound = false,
        }
    }
    for (topic, settings) in &codecs {
        refuse_unsupported(
            &format!("topic.{topic}.codec"),
            settings,
            &keys::codec_instances(),
            reader,
        );
    }
    if sound {
        require_tables(reader, &tables);
    }
    sound.then_some(tables)
}

/// CS-009: with `topics`, each topic owns a table.
fn require_tables(reader: &mut Reader<'_>, tables: &[TableSettings]) {
    let topics = reader.properties().get("topics").unwrap_or_default();
    for topic in topics.split(',').map(str::trim).filter(|topic| !topic.is_empty()) {
        if !tables.iter().any(|table| &*table.topic == topic) {
            reader.error(
                "topics",
                format!("topic {topic} has no table; add topic.{topic}.<keyspace>.<table>.mapping"),
            );
        }
    }
    if tables.is_empty() && topics.is_empty() {
        reader.error(
            "topics",
            "topics is not set and no table is configured; add topic.<topic>.<keyspace>.<table>.mapping",
        );
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
