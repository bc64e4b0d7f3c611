//! Compatibility levels, modes and contexts.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use super::answer::answer;
use super::request::{Body, Call};
use crate::server::Server;
use crate::server::subject::subject_name;

type Registry = State<Arc<Server>>;

/// `GET /config`
pub(super) async fn global(State(server): Registry, call: Call<()>) -> Response {
    answer(
        call.format,
        server.read(|store| Ok(json!({"compatibilityLevel": store.global_level()}))),
    )
}

/// `PUT /config`
pub(super) async fn set_global(State(server): Registry, call: Call<()>, body: Body) -> Response {
    let level = server.set_global_level(&body.0).await;
    answer(
        call.format,
        level.map(|level| json!({"compatibility": level.word()})),
    )
}

/// `GET /config/{subject}`
pub(super) async fn of_subject(State(server): Registry, call: Call<String>) -> Response {
    let level = subject_name(&call.path).and_then(|subject| {
        server.read(|store| {
            let level = store.subject_level(subject, call.query.flag("defaultToGlobal"))?;
            Ok(json!({"compatibilityLevel": level}))
        })
    });
    answer(call.format, level)
}

/// `GET /mode`
pub(super) async fn mode(State(server): Registry, call: Call<()>) -> Response {
    answer(
        call.format,
        server.read(|store| Ok(json!({"mode": store.mode(None)}))),
    )
}

/// `GET /contexts`
pub(super) async fn contexts(State(server): Registry, call: Call<()>) -> Response {
    answer(
        call.format,
        server.read(|_| Ok(json!(call.query.page(vec!["."])))),
    )
}
