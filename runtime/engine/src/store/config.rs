//! Connector configurations, target states and task configurations, as the config topic holds them.

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
    /// The configurations of its tasks by number, as they were planned last.
    pub tasks: Vec<Properties>,
    /// Whether they were planned from this configuration.
    planned: bool,
}

impl StoredConnector {
    fn new(config: Properties, target: TargetState) -> Self {
        Self {
            config,
            target,
            tasks: Vec::new(),
            planned: false,
        }
    }
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
        let stored = self
            .connectors
            .entry(name.to_owned())
            .or_insert_with(|| StoredConnector::new(Properties::new(), TargetState::default()));
        (stored.config, stored.planned) = (config, false);
        stored.target = target.unwrap_or(stored.target);
        Ok(())
    }

    /// Stores a new task set: its records, then the one that applies them together. One that is stored already is not
    /// written again, nor is that of a connector that is gone.
    ///
    /// # Errors
    /// When the log cannot be written; the old set counts then.
    pub async fn set_tasks(&mut self, name: &str, tasks: Vec<Properties>) -> Result<(), Error> {
        let Some(stored) = self.connectors.get_mut(name) else {
            return Ok(());
        };
        if stored.planned && stored.tasks == tasks {
            return Ok(());
        }
        let mut records: Vec<_> = tasks
            .iter()
            .enumerate()
            .map(|(number, task)| properties_record(format!("task-{name}-{number}"), task))
            .collect();
        records.push(commit_record(name, tasks.len()));
        self.log.append(records).await?;
        (stored.tasks, stored.planned) = (tasks, true);
        Ok(())
    }

    /// Stores a target state.
    ///
    /// # Errors
    /// When the log cannot be written; nothing has changed then.
    pub async fn set_target(&mut self, name: &str, target: TargetState) -> Result<(), Error> {
        let mut records = Vec::new();
        if target == TargetState::Stopped {
            // No tasks first: a reader that stops between the two has none running.
            records.push(commit_record(name, 0));
        }
        records.push(target_record(name, target));
        self.log.append(records).await?;
        if let Some(stored) = self.connectors.get_mut(name) {
            stored.target = target;
            if target == TargetState::Stopped {
                (stored.tasks, stored.planned) = (Vec::new(), true);
            }
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
    /// Task configurations that wait for the record that applies them.
    staged: BTreeMap<String, BTreeMap<usize, Properties>>,
    /// Those applied before, also beyond the newest number of tasks: a later commit may count on them.
    applied: BTreeMap<String, BTreeMap<usize, Properties>>,
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
        } else if let Some(task) = key.strip_prefix("task-") {
            self.stage(task, value.as_ref());
        } else if let Some(name) = key.strip_prefix("commit-") {
            self.commit(name, value.as_ref());
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
            self.staged.remove(name);
            self.applied.remove(name);
            return;
        }
        let Some(config) = properties(value) else {
            return tracing::warn!(connector = name, "skipping a connector record without properties");
        };
        let target = self.targets.get(name).copied().unwrap_or_default();
        let stored = self
            .connectors
            .entry(name.to_owned())
            .or_insert_with(|| StoredConnector::new(Properties::new(), target));
        (stored.config, stored.planned) = (config, false);
    }

    fn stage(&mut self, task: &str, value: Option<&Value>) {
        // The number is what follows the last dash: names may hold dashes.
        let parsed = task
            .rsplit_once('-')
            .and_then(|(name, number)| Some((name, number.parse().ok()?)));
        if let (Some((name, number)), Some(config)) = (parsed, properties(value)) {
            let staged = self.staged.entry(name.to_owned()).or_default();
            staged.insert(number, config);
        }
    }

    fn commit(&mut self, name: &str, value: Option<&Value>) {
        let staged = self.staged.remove(name).unwrap_or_default();
        let count = value
            .and_then(|value| value.get("tasks"))
            .and_then(Value::as_u64)
            .and_then(|count| usize::try_from(count).ok());
        let (Some(stored), Some(count)) = (self.connectors.get_mut(name), count) else {
            return;
        };
        let applied = self.applied.entry(name.to_owned()).or_default();
        let is_known = |number| staged.contains_key(&number) || applied.contains_key(&number);
        if !(0..count).all(is_known) {
            // Compaction took a part of it: no tasks until they are planned again.
            (stored.tasks, stored.planned) = (Vec::new(), false);
            return tracing::warn!(connector = name, "skipping an incomplete set of tasks");
        }
        applied.extend(staged);
        let tasks = applied.range(..count).map(|(_, task)| task.clone()).collect();
        (stored.tasks, stored.planned) = (tasks, true);
    }
}

fn properties(value: Option<&Value>) -> Option<Properties> {
    let properties = value?.get("properties")?.as_object()?;
    let pairs = properties
        .iter()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?)));
    Some(pairs.collect())
}

fn config_record(name: &str, config: &Properties) -> LogRecord {
    properties_record(format!("connector-{name}"), config)
}

fn properties_record(key: String, config: &Properties) -> LogRecord {
    let properties: Map<_, _> = config
        .iter()
        .map(|(key, value)| (key.to_owned(), Value::from(value)))
        .collect();
    LogRecord::set(key, json!({ "properties": properties }).to_string())
}

fn commit_record(name: &str, tasks: usize) -> LogRecord {
    LogRecord::set(format!("commit-{name}"), json!({ "tasks": tasks }).to_string())
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

    fn task(number: usize, value: &str) -> LogRecord {
        properties_record(
            format!("task-a-b-{number}"),
            &Properties::from_iter([("k", value)]),
        )
    }

    fn tasks(records: &[LogRecord]) -> Vec<String> {
        let connectors = replay(records);
        let stored = connectors.get("a-b").map(|stored| stored.tasks.clone());
        let values = stored.into_iter().flatten();
        values
            .map(|task| task.get("k").unwrap_or_default().to_owned())
            .collect()
    }

    /// CN-154, CN-155, CN-158.
    #[test]
    fn task_records_count_once_their_commit_is_read() {
        let config = LogRecord::set("connector-a-b", r#"{"properties":{"name":"a-b"}}"#);
        assert_eq!(
            commit_record("a-b", 2),
            LogRecord::set("commit-a-b", r#"{"tasks":2}"#)
        );
        let staged = [config.clone(), task(0, "x"), task(1, "y")];
        assert!(tasks(&staged).is_empty());
        let mut applied = staged.to_vec();
        applied.push(commit_record("a-b", 2));
        assert_eq!(tasks(&applied), ["x", "y"]);
        // Of a smaller set, and of a larger one again, which counts on what was applied before.
        applied.extend([task(0, "z"), commit_record("a-b", 1)]);
        assert_eq!(tasks(&applied), ["z"]);
        applied.push(commit_record("a-b", 2));
        assert_eq!(tasks(&applied), ["z", "y"]);
        applied.push(commit_record("a-b", 3));
        assert!(tasks(&applied).is_empty(), "the third was never seen");
    }

    /// CN-158, CN-164: what a deleted connector left behind is no task of its successor.
    #[test]
    fn leftovers_of_a_deleted_connector_are_ignored() {
        let config = LogRecord::set("connector-a-b", r#"{"properties":{"name":"a-b"}}"#);
        let leftovers = [task(0, "x"), commit_record("a-b", 1)];
        let mut records = leftovers.to_vec();
        records.push(config.clone());
        assert!(tasks(&records).is_empty());
        let mut deleted = vec![config.clone()];
        deleted.extend(leftovers);
        deleted.extend([LogRecord::tombstone("connector-a-b"), config]);
        assert!(tasks(&deleted).is_empty());
    }
}
