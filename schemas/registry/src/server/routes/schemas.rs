//! Schemas by their ids.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::answer::{answer, raw};
use super::request::Call;
use crate::server::Server;
use crate::server::error::ApiError;

type Registry = State<Arc<Server>>;
type OfId = Call<String>;

/// `GET /schemas/types`
pub(super) async fn types(State(server): Registry, call: Call<()>) -> Response {
    answer(
        call.format,
        server.read(|_| Ok(json!(["JSON", "PROTOBUF", "AVRO"]))),
    )
}

/// `GET /schemas/ids/{id}`
pub(super) async fn by_id(State(server): Registry, call: OfId) -> Response {
    let body = call.query.refuse_unsupported().and_then(|()| {
        let id = read_id(&call.path)?;
        server.read(|store| {
            let mut body = Map::new();
            store.by_id(id)?.describe(&mut body);
            if call.query.flag("fetchMaxId") {
                body.insert("maxId".to_owned(), json!(store.highest_id()));
            }
            Ok(Value::Object(body))
        })
    });
    answer(call.format, body)
}

/// `GET /schemas/ids/{id}/schema`
pub(super) async fn text(State(server): Registry, call: OfId) -> Response {
    let text = call.query.refuse_unsupported().and_then(|()| {
        let id = read_id(&call.path)?;
        server.read(|store| Ok(store.by_id(id)?.text.to_string()))
    });
    raw(call.format, text)
}

/// `GET /schemas/ids/{id}/subjects`
pub(super) async fn subjects(State(server): Registry, call: OfId) -> Response {
    let names = uses(&server, &call).map(|uses| {
        let mut names: Vec<String> = uses.into_iter().map(|(subject, _)| subject).collect();
        names.dedup();
        json!(call.query.page(names))
    });
    answer(call.format, names)
}

/// `GET /schemas/ids/{id}/versions`
pub(super) async fn versions(State(server): Registry, call: OfId) -> Response {
    let versions = uses(&server, &call).map(|uses| {
        let all = uses
            .into_iter()
            .map(|(subject, version)| json!({"subject": subject, "version": version}));
        json!(call.query.page(all.collect()))
    });
    answer(call.format, versions)
}

/// Subjects and versions with that content, by subject.
fn uses(server: &Server, call: &OfId) -> Result<Vec<(String, i32)>, ApiError> {
    let id = read_id(&call.path)?;
    let only = call.query.text("subject");
    server.read(|store| {
        let uses = store.uses(id, call.query.shown())?;
        let wanted = uses
            .into_iter()
            .filter(|(subject, _)| only.is_empty() || *subject == only);
        Ok(wanted
            .map(|(subject, version)| (subject.to_owned(), version))
            .collect())
    })
}

fn read_id(text: &str) -> Result<i32, ApiError> {
    text.parse().map_err(|_| ApiError::new(404, "HTTP 404 Not Found"))
}
