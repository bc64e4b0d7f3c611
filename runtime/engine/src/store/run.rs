//! Runs of scheduled connectors, as durable records of our own: key `rowtide-run-<connector>-<slot ms>`.

use std::collections::BTreeMap;
use std::sync::Arc;

use rowtide_api::Error;
use serde::{Deserialize, Serialize};

use crate::ports::{Log, LogRecord};

/// This many records are kept per connector; older ones are removed.
pub const RUNS_KEPT_MAX: usize = 100;

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RunState {
    /// Started, not ended: after a crash it is taken up again.
    Running,
    /// Its last offset was committed.
    Succeeded,
    /// It ended with an error.
    Failed,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The slot's instant, milliseconds since the epoch.
    pub slot_ms: i64,
    /// How it stands.
    pub state: RunState,
    /// How often it was started.
    pub attempt: u32,
    /// When this attempt started, milliseconds since the epoch.
    pub started_ms: i64,
    /// When it ended.
    pub ended_ms: Option<i64>,
    /// Records it wrote, over all attempts of this process.
    pub records: u64,
    /// Why it failed.
    pub error: Option<String>,
}

/// The runs of all connectors.
pub struct RunStore {
    log: Arc<dyn Log>,
    runs: BTreeMap<String, BTreeMap<i64, RunRecord>>,
}

impl RunStore {
    /// Reads the log.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn open(log: Arc<dyn Log>) -> Result<Self, Error> {
        let mut runs: BTreeMap<String, BTreeMap<i64, RunRecord>> = BTreeMap::new();
        for record in log.read_all().await? {
            let Some((connector, slot_ms)) = parse_key(&record.key) else {
                continue;
            };
            let known = runs.entry(connector).or_default();
            match record.value.as_deref().map(serde_json::from_slice) {
                Some(Ok(run)) => {
                    known.insert(slot_ms, run);
                }
                Some(Err(_)) => tracing::warn!("skipping a run record that is no JSON of a run"),
                None => {
                    known.remove(&slot_ms);
                }
            }
        }
        Ok(Self { log, runs })
    }

    /// The runs of a connector, oldest first.
    pub fn of(&self, connector: &str) -> impl DoubleEndedIterator<Item = &RunRecord> {
        self.runs.get(connector).into_iter().flat_map(BTreeMap::values)
    }

    /// Stores a run and removes what is beyond [`RUNS_KEPT_MAX`], oldest first.
    ///
    /// # Errors
    /// When the log cannot be written; nothing has changed then.
    pub async fn put(&mut self, connector: &str, run: RunRecord) -> Result<(), Error> {
        let known = self.runs.entry(connector.to_owned()).or_default();
        let is_new = !known.contains_key(&run.slot_ms);
        let surplus = (known.len() + usize::from(is_new)).saturating_sub(RUNS_KEPT_MAX);
        let old: Vec<i64> = known.keys().copied().take(surplus).collect();
        let mut records = vec![LogRecord {
            key: key(connector, run.slot_ms),
            value: serde_json::to_vec(&run).ok(),
        }];
        records.extend(
            old.iter()
                .map(|slot_ms| LogRecord::tombstone(key(connector, *slot_ms))),
        );
        self.log.append(records).await?;
        known.insert(run.slot_ms, run);
        old.iter().for_each(|slot_ms| {
            known.remove(slot_ms);
        });
        Ok(())
    }
}

fn key(connector: &str, slot_ms: i64) -> Vec<u8> {
    format!("rowtide-run-{connector}-{slot_ms}").into_bytes()
}

fn parse_key(key: &[u8]) -> Option<(String, i64)> {
    let (connector, slot_ms) = std::str::from_utf8(key)
        .ok()?
        .strip_prefix("rowtide-run-")?
        .rsplit_once('-')?;
    Some((connector.to_owned(), slot_ms.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_connector_and_slot_whatever_the_dashes() {
        assert_eq!(parse_key(&key("a-b", 1_700)), Some(("a-b".into(), 1_700)));
        assert_eq!(parse_key(b"connector-a"), None);
    }
}
