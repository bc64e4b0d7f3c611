//! Connect's JSON, field by field in its order.

use std::collections::BTreeMap;

use rowtide_api::Properties;
use rowtide_engine::status::{ConnectorView, TaskView};
use rowtide_engine::store::status::Status;
use serde::Serialize;

/// A flat configuration.
pub(crate) type Config = BTreeMap<String, String>;

#[derive(Serialize)]
pub(crate) struct ServerInfo {
    pub(crate) version: &'static str,
    pub(crate) commit: &'static str,
    pub(crate) kafka_cluster_id: String,
}

#[derive(Serialize)]
pub(crate) struct ConnectorInfo {
    pub(crate) name: String,
    pub(crate) config: Config,
    pub(crate) tasks: Vec<TaskId>,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
}

#[derive(Serialize)]
pub(crate) struct TaskId {
    pub(crate) connector: String,
    pub(crate) task: u32,
}

#[derive(Serialize)]
pub(crate) struct TaskInfo {
    pub(crate) id: TaskId,
    pub(crate) config: Config,
}

#[derive(Serialize)]
pub(crate) struct StateInfo {
    pub(crate) name: String,
    pub(crate) connector: InstanceState,
    pub(crate) tasks: Vec<TaskState>,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
}

#[derive(Serialize)]
pub(crate) struct InstanceState {
    pub(crate) state: &'static str,
    pub(crate) worker_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trace: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct TaskState {
    pub(crate) id: u32,
    #[serde(flatten)]
    pub(crate) instance: InstanceState,
    /// Ours; there only while there is something to say, so that Connect's form stays what clients know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<String>,
}

#[derive(Serialize)]
pub(crate) struct Expanded {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<StateInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) info: Option<ConnectorInfo>,
}

#[derive(Serialize)]
pub(crate) struct Topics {
    pub(crate) topics: Vec<String>,
}

#[derive(Serialize)]
pub(crate) struct PluginInfo {
    pub(crate) class: &'static str,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) version: &'static str,
}

#[derive(Serialize)]
pub(crate) struct ConfigInfos {
    pub(crate) name: String,
    pub(crate) error_count: usize,
    pub(crate) groups: Vec<String>,
    pub(crate) configs: Vec<ConfigInfo>,
}

#[derive(Serialize)]
pub(crate) struct ConfigInfo {
    pub(crate) definition: Option<ConfigKeyInfo>,
    pub(crate) value: ConfigValueInfo,
}

#[derive(Serialize)]
pub(crate) struct ConfigKeyInfo {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) required: bool,
    pub(crate) default_value: Option<&'static str>,
    pub(crate) importance: &'static str,
    pub(crate) documentation: &'static str,
    pub(crate) group: String,
    pub(crate) order: usize,
    pub(crate) width: &'static str,
    pub(crate) display_name: String,
    pub(crate) dependents: [&'static str; 0],
}

#[derive(Serialize)]
pub(crate) struct ConfigValueInfo {
    pub(crate) name: String,
    pub(crate) value: Option<String>,
    pub(crate) recommended_values: Vec<&'static str>,
    pub(crate) errors: Vec<String>,
    pub(crate) visible: bool,
}

pub(crate) fn config(properties: &Properties) -> Config {
    properties
        .iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

pub(crate) fn connector_info(name: &str, view: &ConnectorView) -> ConnectorInfo {
    ConnectorInfo {
        name: name.to_owned(),
        config: config(&view.config),
        tasks: view
            .tasks
            .keys()
            .map(|task| TaskId {
                connector: name.to_owned(),
                task: *task,
            })
            .collect(),
        kind: view.kind,
    }
}

pub(crate) fn state_info(name: &str, view: &ConnectorView, worker_id: &str) -> StateInfo {
    StateInfo {
        name: name.to_owned(),
        connector: instance(&view.status, worker_id),
        tasks: view
            .tasks
            .iter()
            .map(|(id, task)| task_state(*id, task, worker_id))
            .collect(),
        kind: view.kind,
    }
}

pub(crate) fn task_state(id: u32, view: &TaskView, worker_id: &str) -> TaskState {
    let warnings = view.progress.state().warnings;
    TaskState {
        id,
        instance: instance(&view.status, worker_id),
        warnings: warnings.into_values().map(|words| words.to_string()).collect(),
    }
}

fn instance(status: &Status, worker_id: &str) -> InstanceState {
    InstanceState {
        state: status.state.name(),
        worker_id: worker_id.to_owned(),
        trace: status.trace.clone(),
    }
}
