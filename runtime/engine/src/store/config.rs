//! Connector configurations and target states, as the config topic holds them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rowtide_api::{Error, Properties};
use serde_json::{Map, Value, json};

use crate::ports::{Log, LogRecord};

/// What a connector should be doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TargetState {
    /// Running.
    #[default]
    Started,
    /// Its tasks exist and wait.
    Paused,
    /// It has no tasks.
    Stopped,
}

impl TargetState {
    fn name(self) -> &'static str {
        match self {
            Self::Started => "STARTED",
            Self::Paused => "PAUSED",
            Self::Stopped => "STOPPED",
        }
    }

    /// The state that `initial_state` of a create request names, in any case.
    pub fn of_initial_state(text: &str) -> Option<Self> {
        let names = [
            ("RUNNING", Self::Started),
            ("PAUSED", Self::Paused),
            ("STOPPED", Self::Stopped),
        ];
        names
            .into_iter()
            .find(|(name, _)| text.eq_ignore_ascii_case(name))
            .map(|(_, state)| state)
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Started, Self::Paused, Self::Stopped]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// A stored connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredConnector {
    /// Its configuration, before references are resolved.
    pub config: Properties,
    /// Its target state.
    pub target: TargetState,
}

/// The stored connectors.
pub struct ConfigStore {
    log: Arc<dyn Log>,
    connectors: BTreeMap<String, StoredConnector>,
}

impl ConfigStore {
    /// Reads the log.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn open(log: Arc<dyn Log>) -> Result<Self, Error> {
        let mut replay = Replay::default();
        for record in log.read_all().await? {
            replay.apply(&record);
        }
        Ok(Self {
            log,
            connectors: replay.connectors,
        })
    }

    /// The stored connectors by name.
    pub fn connectors(&self) -> &BTreeMap<String, StoredConnector> {
        &self.connectors
    }

    /// Stores a configuration; a new connector gets the target state first, as readers expect.
    ///
    /// # Errors
    /// When the log cannot be written; nothing has changed then.
    pub async fn put(
        &mut self,
        name: &str,
        config: Properties,
        target: Option<TargetState>,
    ) -> Result<(), Error> {
        let mut records = Vec::new();
        if let Some(target) = target {
            records.push(target_record(name, target));
        }
        records.push(config_record(name, &config));
        self.log.append(records).await?;
        let kept = self
            .connectors
            .get(name)
            .map(|stored| stored.target)
            .unwrap_or_default();
        self.connectors.insert(
            name.to_owned(),
            StoredConnector {
                config,
                target: target.unwrap_or(kept),
            },
        );
        Ok(())
    }

    /// Stores a target state.
    ///
    /// # Errors
    /// When the log cannot be written; nothing has changed then.
    pub async fn set_target(&mut self, name: &str, target: TargetState) -> Result<(), Error> {
        self.log.append(vec![target_record(name, target)]).await?;
        if let Some(stored) = self.connectors.get_mut(name) {
            stored.target = target;
        }
        Ok(())
    }

    /// Removes a connector. Offsets and topics stay.
    ///
    /// # Errors
    /// When the log cannot be written; nothing has changed then.
    pub async fn remove(&mut self, name: &str) -> Result<(), Error> {
        let tombstones = [format!("connector-{name}"), format!("target-state-{name}")]
            .map(LogRecord::tombstone)
            .to_vec();
        self.log.append(tombstones).await?;
        self.connectors.remove(name);
        Ok(())
    }
}

/// Replays config records; other record types of a Connect cluster are left alone.
#[derive(Debug, Default)]
struct Replay {
    connectors: BTreeMap<String, StoredConnector>,
    targets: BTreeMap<String, TargetState>,
}

impl Replay {
    fn apply(&mut self, record: &LogRecord) {
        let Ok(key) = std::str::from_utf8(&record.key) else {
            return;
        };
        let value = record
            .value
            .as_deref()
            .and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok());
        if let Some(name) = key.strip_prefix("target-state-") {
            self.target(name, record.value.is_none(), value.as_ref());
        } else if let Some(name) = key.strip_prefix("connector-") {
            self.connector(name, record.value.is_none(), value.as_ref());
        }
    }

    fn target(&mut self, name: &str, tombstone: bool, value: Option<&Value>) {
        let text = |field: &str| value.and_then(|value| value.get(field)).and_then(Value::as_str);
        let state = if tombstone {
            self.targets.remove(name);
            TargetState::Started
        } else {
            match text("state.v2")
                .or_else(|| text("state"))
                .and_then(TargetState::parse)
            {
                Some(state) => state,
                None => return tracing::warn!(connector = name, "skipping an unknown target state"),
            }
        };
        if !tombstone {
            self.targets.insert(name.to_owned(), state);
        }
        if let Some(stored) = self.connectors.get_mut(name) {
            stored.target = state;
        }
    }

    fn connector(&mut self, name: &str, tombstone: bool, value: Option<&Value>) {
        if tombstone {
            self.connectors.remove(name);
            return;
        }
        let Some(properties) = value
            .and_then(|value| value.get("properties"))
            .and_then(Value::as_object)
        else {
            return tracing::warn!(connector = name, "skipping a connector record without properties");
        };
        let config = properties
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?)))
            .collect();
        let target = self.targets.get(name).copied().unwrap_or_default();
        self.connectors
            .insert(name.to_owned(), StoredConnector { config, target });
    }
}

fn config_record(name: &str, config: &Properties) -> LogRecord {
    let properties: Map<_, _> = config
        .iter()
        .map(|(key, value)| (key.to_owned(), Value::from(value)))
        .collect();
    LogRecord::set(
        format!("connector-{name}"),
        json!({ "properties": properties }).to_string(),
    )
}

/// STOPPED is written as PAUSED in the old field, so that workers that do not know it pause.
fn target_record(name: &str, target: TargetState) -> LogRecord {
    let old = if target == TargetState::Stopped {
        TargetState::Paused
    } else {
        target
    };
    let value = json!({ "state": old.name(), "state.v2": target.name() });
    LogRecord::set(format!("target-state-{name}"), value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay(records: &[LogRecord]) -> BTreeMap<String, StoredConnector> {
        let mut replay = Replay::default();
        records.iter().for_each(|record| replay.apply(record));
        replay.connectors
    }

    /// CN-154, CN-165.
    #[test]
    fn records_are_connects_bytes() {
        let config = Properties::from_iter([("name", "a-b"), ("tasks.max", "1")]);
        assert_eq!(
            config_record("a-b", &config),
            LogRecord::set(
                "connector-a-b",
                r#"{"properties":{"name":"a-b","tasks.max":"1"}}"#
            )
        );
        assert_eq!(
            target_record("a-b", TargetState::Stopped),
            LogRecord::set("target-state-a-b", r#"{"state":"PAUSED","state.v2":"STOPPED"}"#)
        );
    }

    /// CN-155, CN-156, CN-157, CN-186.
    #[test]
    fn replay_copes_with_the_states_of_every_version() {
        let config = LogRecord::set("connector-a", r#"{"properties":{"name":"a","k":null},"more":1}"#);
        let state = |json: &str| LogRecord::set("target-state-a", json);
        let target = |records: &[LogRecord]| replay(records)["a"].target;
        assert_eq!(target(std::slice::from_ref(&config)), TargetState::Started);
        assert_eq!(
            target(&[state(r#"{"state":"PAUSED"}"#), config.clone()]),
            TargetState::Paused
        );
        let both = state(r#"{"state":"PAUSED","state.v2":"STOPPED"}"#);
        assert_eq!(target(&[config.clone(), both.clone()]), TargetState::Stopped);
        assert_eq!(
            target(&[config.clone(), both.clone(), state(r#"{"state":"X"}"#)]),
            TargetState::Stopped
        );
        let gone = LogRecord::tombstone("target-state-a");
        assert_eq!(
            target(&[both.clone(), gone, config.clone()]),
            TargetState::Started
        );
        assert_eq!(
            replay(std::slice::from_ref(&config))["a"].config,
            Properties::from_iter([("name", "a")])
        );
        assert!(replay(&[config, both, LogRecord::tombstone("connector-a")]).is_empty());
    }
}
