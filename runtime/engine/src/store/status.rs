//! Statuses and topics, as the status topic holds them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rowtide_api::Error;
use serde_json::{Value, json};

use crate::ports::{Log, LogRecord};

/// The states of a connector and of a task; a task is never `Stopped`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody runs it.
    Unassigned,
    /// It runs.
    Running,
    /// It waits.
    Paused,
    /// It has no tasks.
    Stopped,
    /// It ended with an error.
    Failed,
    /// It is being restarted.
    Restarting,
}

impl State {
    /// The upper-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unassigned => "UNASSIGNED",
            Self::Running => "RUNNING",
            Self::Paused => "PAUSED",
            Self::Stopped => "STOPPED",
            Self::Failed => "FAILED",
            Self::Restarting => "RESTARTING",
        }
    }
}

/// A state and, when it failed, why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The state.
    pub state: State,
    /// Java-shaped text of the failure.
    pub trace: Option<String>,
}

impl Status {
    /// A state without a trace.
    pub fn of(state: State) -> Self {
        Self { state, trace: None }
    }

    /// FAILED with its trace.
    pub fn failed(trace: String) -> Self {
        Self {
            state: State::Failed,
            trace: Some(trace),
        }
    }
}

/// Writes statuses and topics. Reading is done once, for the topics: states are made anew by whoever runs.
pub struct StatusStore {
    log: Arc<dyn Log>,
    worker_id: String,
}

impl StatusStore {
    /// Over this log, on behalf of `host:port`.
    pub fn new(log: Arc<dyn Log>, worker_id: impl Into<String>) -> Self {
        Self {
            log,
            worker_id: worker_id.into(),
        }
    }

    /// The topics each connector was seen using.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn topics(&self) -> Result<BTreeMap<String, BTreeSet<String>>, Error> {
        let mut topics: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for record in self.log.read_all().await? {
            let Some((topic, connector)) = std::str::from_utf8(&record.key).ok().and_then(parse_topic_key)
            else {
                continue;
            };
            let known = topics.entry(connector.to_owned()).or_default();
            if record.value.is_some() {
                known.insert(topic.to_owned());
            } else {
                known.remove(topic);
            }
        }
        Ok(topics)
    }

    /// Stores a connector's status, or removes it.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub async fn connector(&self, name: &str, status: Option<&Status>) -> Result<(), Error> {
        self.log
            .append(vec![self.record(format!("status-connector-{name}"), status)])
            .await
    }

    /// Stores a task's status, or removes it.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub async fn task(&self, name: &str, task: u32, status: Option<&Status>) -> Result<(), Error> {
        self.log
            .append(vec![self.record(format!("status-task-{name}-{task}"), status)])
            .await
    }

    /// Stores that a connector uses a topic.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub async fn topic(&self, name: &str, task: u32, topic: &str, now_ms: i64) -> Result<(), Error> {
        let value = json!({ "topic": { "name": topic, "connector": name, "task": task, "discoverTimestamp": now_ms } });
        self.log
            .append(vec![LogRecord::set(topic_key(topic, name), value.to_string())])
            .await
    }

    /// Forgets the topics of a connector.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub async fn forget_topics(&self, name: &str, topics: &BTreeSet<String>) -> Result<(), Error> {
        self.log
            .append(
                topics
                    .iter()
                    .map(|topic| LogRecord::tombstone(topic_key(topic, name)))
                    .collect(),
            )
            .await
    }

    fn record(&self, key: String, status: Option<&Status>) -> LogRecord {
        // Standalone has no group: its generation is 0, which never outranks a Java worker's.
        let value = status.map(|status| {
            json!({ "state": status.state.name(), "trace": status.trace, "worker_id": self.worker_id, "generation": 0 })
        });
        LogRecord {
            key: key.into_bytes(),
            value: value.map(|value: Value| value.to_string().into_bytes()),
        }
    }
}

fn topic_key(topic: &str, connector: &str) -> String {
    format!("status-topic-{topic}:connector-{connector}")
}

fn parse_topic_key(key: &str) -> Option<(&str, &str)> {
    key.strip_prefix("status-topic-")?.split_once(":connector-")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CN-169.
    #[test]
    fn keys_name_topic_and_connector() {
        assert_eq!(topic_key("t.x", "c-1"), "status-topic-t.x:connector-c-1");
        assert_eq!(
            parse_topic_key("status-topic-t.x:connector-c-1"),
            Some(("t.x", "c-1"))
        );
        assert_eq!(parse_topic_key("status-task-c-1"), None);
    }
}
