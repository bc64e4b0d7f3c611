//! `/connectors` and everything below it.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use rowtide_engine::status::ConnectorView;
use rowtide_engine::store::config::TargetState;

use crate::body::{flag, object, values};
use crate::entities::{
    Config, ConnectorInfo, Expanded, StateInfo, TaskId, TaskInfo, TaskState, Topics, config as flat_config,
    connector_info, state_info, task_state,
};
use crate::errors::ApiError;
use crate::routes::Shared;
use crate::submitted::{create_request, flat, named};

type Answer<T> = Result<Json<T>, ApiError>;

pub(crate) async fn list(State(server): State<Shared>, RawQuery(query): RawQuery) -> Response {
    let expand: Vec<_> = values(query.as_deref(), "expand").collect();
    if expand.is_empty() {
        return Json(server.herder.board().names()).into_response();
    }
    let expanded = |(name, view): (String, ConnectorView)| {
        let status = expand
            .contains(&"status")
            .then(|| state_info(&name, &view, &server.worker_id));
        let info = expand.contains(&"info").then(|| connector_info(&name, &view));
        (name, Expanded { status, info })
    };
    let all: BTreeMap<_, _> = server.herder.board().all().into_iter().map(expanded).collect();
    Json(all).into_response()
}

pub(crate) async fn create(
    State(server): State<Shared>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let request = create_request(object(&headers, &body)?).map_err(ApiError::bad_request)?;
    server
        .herder
        .create(&request.name, request.config, request.target)
        .await?;
    created(&server, &request.name)
}

pub(crate) async fn info(State(server): State<Shared>, Path(name): Path<String>) -> Answer<ConnectorInfo> {
    Ok(Json(connector_info(&name, &view(&server, &name)?)))
}

pub(crate) async fn delete(
    State(server): State<Shared>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    server.herder.delete(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn config(State(server): State<Shared>, Path(name): Path<String>) -> Answer<Config> {
    Ok(Json(flat_config(&view(&server, &name)?.config)))
}

pub(crate) async fn put_config(
    State(server): State<Shared>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let config = flat(object(&headers, &body)?).and_then(|config| named(&name, config));
    let config = config.map_err(ApiError::bad_request)?;
    if server.herder.put(&name, config).await? {
        return created(&server, &name);
    }
    Ok(Json(connector_info(&name, &view(&server, &name)?)).into_response())
}

pub(crate) async fn status(State(server): State<Shared>, Path(name): Path<String>) -> Answer<StateInfo> {
    let view = server.herder.board().get(&name);
    let view = view.ok_or_else(|| ApiError::new(404, format!("No status found for connector {name}")))?;
    Ok(Json(state_info(&name, &view, &server.worker_id)))
}

pub(crate) async fn tasks(State(server): State<Shared>, Path(name): Path<String>) -> Answer<Vec<TaskInfo>> {
    let info = |(task, view): (&u32, &rowtide_engine::status::TaskView)| TaskInfo {
        id: TaskId {
            connector: name.clone(),
            task: *task,
        },
        config: flat_config(&view.config),
    };
    Ok(Json(view(&server, &name)?.tasks.iter().map(info).collect()))
}

pub(crate) async fn task_status(
    State(server): State<Shared>,
    Path((name, task)): Path<(String, String)>,
) -> Answer<TaskState> {
    let id = task_id(&task)?;
    let view = server.herder.board().get(&name);
    let task = view.as_ref().and_then(|view| view.tasks.get(&id));
    let task = task.ok_or_else(|| ApiError::new(404, format!("No status found for task {name}-{id}")))?;
    Ok(Json(task_state(id, task, &server.worker_id)))
}

pub(crate) async fn restart_task(
    State(server): State<Shared>,
    Path((name, task)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    server.herder.restart_task(&name, task_id(&task)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn restart(
    State(server): State<Shared>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let (tasks, failed) = (
        flag(query.as_deref(), "includeTasks"),
        flag(query.as_deref(), "onlyFailed"),
    );
    let plan = server.herder.restart(&name, tasks, failed).await?;
    if !tasks && !failed {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let mut info = state_info(&name, &view(&server, &name)?, &server.worker_id);
    if plan.connector {
        info.connector.state = "RESTARTING";
        info.connector.trace = None;
    }
    for task in info.tasks.iter_mut().filter(|task| plan.tasks.contains(&task.id)) {
        task.instance.state = "RESTARTING";
        task.instance.trace = None;
    }
    Ok((StatusCode::ACCEPTED, Json(info)).into_response())
}

pub(crate) async fn pause(
    State(server): State<Shared>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    server.herder.target(&name, TargetState::Paused).await?;
    Ok(StatusCode::ACCEPTED)
}

pub(crate) async fn resume(
    State(server): State<Shared>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    server.herder.target(&name, TargetState::Started).await?;
    Ok(StatusCode::ACCEPTED)
}

pub(crate) async fn stop(
    State(server): State<Shared>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    server.herder.target(&name, TargetState::Stopped).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An unknown connector has an empty list, as in Connect.
pub(crate) async fn topics(
    State(server): State<Shared>,
    Path(name): Path<String>,
) -> Json<BTreeMap<String, Topics>> {
    let topics = server
        .herder
        .board()
        .get(&name)
        .map(|view| view.topics)
        .unwrap_or_default();
    Json(BTreeMap::from([(
        name,
        Topics {
            topics: topics.into_iter().collect(),
        },
    )]))
}

fn view(server: &Shared, name: &str) -> Result<ConnectorView, ApiError> {
    server
        .herder
        .board()
        .get(name)
        .ok_or_else(|| ApiError::no_connector(name))
}

fn task_id(text: &str) -> Result<u32, ApiError> {
    text.parse()
        .map_err(|_| ApiError::new(404, format!("HTTP 404 Not Found: {text} is no task id")))
}

fn created(server: &Shared, name: &str) -> Result<Response, ApiError> {
    let location = format!("/connectors/{}", encode(name));
    let info = connector_info(name, &view(server, name)?);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(info)).into_response())
}

/// Percent-encodes a path segment.
fn encode(segment: &str) -> String {
    let mut encoded = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CN-040.
    #[test]
    fn names_are_percent_encoded_in_locations() {
        assert_eq!(encode("a->b/ü"), "a-%3Eb%2F%C3%BC");
    }
}
