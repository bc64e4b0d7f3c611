//! Source offsets: key `["<connector>",{<partition>}]`, value `{<offset>}`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rowtide_api::source::OffsetReader;
use rowtide_api::{Error, SourceOffset, SourcePartition};
use serde_json::Value;

use super::{from_json, to_json};
use crate::ports::{Log, LogRecord};

/// A change of one source partition's offset; `None` removes it.
pub type OffsetChange = (SourcePartition, Option<SourceOffset>);

/// The stored offsets of all connectors.
pub struct OffsetStore {
    log: Arc<dyn Log>,
    entries: Mutex<HashMap<(String, SourcePartition), Entry>>,
}

#[derive(Debug, Clone, Default)]
struct Entry {
    /// Every key form met for this partition, the last written one last. A Java worker looks up by exact bytes, so each
    /// further write goes to all of them.
    keys: Vec<Vec<u8>>,
    offset: Option<SourceOffset>,
}

impl OffsetStore {
    /// Reads the log.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn open(log: Arc<dyn Log>) -> Result<Self, Error> {
        let mut entries: HashMap<_, Entry> = HashMap::new();
        for record in log.read_all().await? {
            let Some((connector, partition)) = parse_key(&record.key) else {
                tracing::warn!("skipping an offset record whose key is no [connector, partition]");
                continue;
            };
            let offset = record.value.as_deref().map(parse_value);
            if offset == Some(None) {
                tracing::warn!(
                    connector,
                    "skipping an offset record whose value is no flat JSON object"
                );
                continue;
            }
            let entry = entries.entry((connector, partition)).or_default();
            entry.keys.retain(|key| *key != record.key);
            entry.keys.push(record.key);
            entry.offset = offset.flatten();
        }
        Ok(Self {
            log,
            entries: Mutex::new(entries),
        })
    }

    /// The stored offset.
    pub fn get(&self, connector: &str, partition: &SourcePartition) -> Option<SourceOffset> {
        self.lock()
            .get(&(connector.to_owned(), partition.clone()))?
            .offset
            .clone()
    }

    /// All stored offsets of a connector.
    pub fn of(&self, connector: &str) -> Vec<(SourcePartition, SourceOffset)> {
        let entries = self.lock();
        let own = entries.iter().filter(|((owner, _), _)| owner == connector);
        own.filter_map(|((_, partition), entry)| Some((partition.clone(), entry.offset.clone()?)))
            .collect()
    }

    /// Stores offsets; they are durable when this answers `Ok`.
    ///
    /// # Errors
    /// When the log cannot be written; nothing has changed then, or a prefix.
    pub async fn write(&self, connector: &str, changes: &[OffsetChange]) -> Result<(), Error> {
        let mut records = Vec::with_capacity(changes.len());
        for (partition, offset) in changes {
            let value = offset
                .as_ref()
                .map(|offset| to_json(offset.iter()).to_string().into_bytes());
            for key in self.keys_of(connector, partition) {
                records.push(LogRecord {
                    key,
                    value: value.clone(),
                });
            }
        }
        self.log.append(records).await?;
        let mut entries = self.lock();
        for (partition, offset) in changes {
            let entry = entries
                .entry((connector.to_owned(), partition.clone()))
                .or_default();
            if entry.keys.is_empty() {
                entry.keys.push(key_bytes(connector, partition));
            }
            entry.offset = offset.clone();
        }
        Ok(())
    }

    /// A reader for one connector's tasks.
    pub fn reader(self: &Arc<Self>, connector: impl Into<String>) -> Arc<dyn OffsetReader> {
        Arc::new(Reader {
            store: self.clone(),
            connector: connector.into(),
        })
    }

    fn keys_of(&self, connector: &str, partition: &SourcePartition) -> Vec<Vec<u8>> {
        match self.lock().get(&(connector.to_owned(), partition.clone())) {
            Some(entry) if !entry.keys.is_empty() => entry.keys.clone(),
            _ => vec![key_bytes(connector, partition)],
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, SourcePartition), Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Reader {
    store: Arc<OffsetStore>,
    connector: String,
}

impl OffsetReader for Reader {
    fn get(&self, partition: &SourcePartition) -> Option<SourceOffset> {
        self.store.get(&self.connector, partition)
    }
}

fn key_bytes(connector: &str, partition: &SourcePartition) -> Vec<u8> {
    Value::Array(vec![Value::from(connector), to_json(partition.iter())])
        .to_string()
        .into_bytes()
}

fn parse_key(bytes: &[u8]) -> Option<(String, SourcePartition)> {
    match serde_json::from_slice::<Vec<Value>>(bytes).ok()?.as_slice() {
        [Value::String(connector), partition] => Some((connector.clone(), from_json(partition)?)),
        _ => None,
    }
}

fn parse_value(bytes: &[u8]) -> Option<SourceOffset> {
    from_json(&serde_json::from_slice(bytes).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CN-175, CN-153.
    #[test]
    fn keys_and_values_are_jacksons_bytes() {
        let partition = SourcePartition::new().with("server", "grüße/p");
        assert_eq!(
            key_bytes("pg", &partition),
            "[\"pg\",{\"server\":\"grüße/p\"}]".as_bytes()
        );
        let offset = SourceOffset::new()
            .with("lsn_proc", 24_023_128)
            .with("snapshot", true)
            .with("s", "x\"\n");
        let text = to_json(offset.iter()).to_string();
        assert_eq!(text, r#"{"lsn_proc":24023128,"snapshot":true,"s":"x\"\n"}"#);
        assert_eq!(parse_value(text.as_bytes()), Some(offset));
    }

    /// CN-152, CN-186: unknown shapes are skipped, ints come back as longs.
    #[test]
    fn odd_records_are_no_keys() {
        assert_eq!(parse_key(br#"{"a":1}"#), None);
        assert_eq!(parse_key(br#"["c"]"#), None);
        assert_eq!(parse_key(br#"["c",{"a":{"b":1}}]"#), None);
        assert!(parse_key(br#"["c",{"a":1}]"#).is_some());
    }
}
