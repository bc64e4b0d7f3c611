//! Subjects and their versions.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::answer::{answer, raw};
use super::request::{Body, Call};
use crate::server::Server;
use crate::server::error::ApiError;
use crate::server::store::Found;
use crate::server::subject::{Pick, subject_name};

type Registry = State<Arc<Server>>;
type OfSubject = Call<String>;
type OfVersion = Call<(String, String)>;

/// `GET /subjects`
pub(super) async fn list(State(server): Registry, call: Call<()>) -> Response {
    // `:*:` means all contexts and `:.:` the default one: here they are the same.
    let prefix = call.query.text("subjectPrefix");
    let prefix = prefix
        .strip_prefix(":*:")
        .or_else(|| prefix.strip_prefix(":.:"))
        .unwrap_or(prefix);
    let names = server.read(|store| {
        let names = store.subjects(prefix, call.query.shown());
        Ok(json!(call.query.page(names)))
    });
    answer(call.format, names)
}

/// `POST /subjects/{subject}`
pub(super) async fn lookup(State(server): Registry, call: OfSubject, body: Body) -> Response {
    let found = call
        .query
        .refuse_unsupported()
        .and_then(|()| body.submission())
        .and_then(|submission| {
            server.read(|store| store.lookup(&call.path, &submission, call.query.shown()))
        });
    answer(call.format, found.map(|found| described(&found)))
}

/// `GET /subjects/{subject}/versions`
pub(super) async fn versions(State(server): Registry, call: OfSubject) -> Response {
    let numbers = call.query.refuse_unsupported().and_then(|()| {
        let subject = subject_name(&call.path)?;
        server.read(|store| store.versions(subject, call.query.shown()))
    });
    answer(
        call.format,
        numbers.map(|numbers| json!(call.query.page(numbers))),
    )
}

/// `POST /subjects/{subject}/versions`
pub(super) async fn register(State(server): Registry, call: OfSubject, body: Body) -> Response {
    let submission = call.query.refuse_unsupported().and_then(|()| body.submission());
    let id = match submission {
        Ok(submission) => server.register(&call.path, &submission).await,
        Err(error) => Err(error),
    };
    answer(call.format, id.map(|id| json!({"id": id})))
}

/// `GET /subjects/{subject}/versions/{version}`
pub(super) async fn version(State(server): Registry, call: OfVersion) -> Response {
    let found = found(&server, &call);
    answer(call.format, found.map(|found| described(&found)))
}

/// `GET /subjects/{subject}/versions/{version}/schema`
pub(super) async fn version_schema(State(server): Registry, call: OfVersion) -> Response {
    let found = found(&server, &call);
    raw(call.format, found.map(|found| found.content.text.to_string()))
}

/// `POST /compatibility/subjects/{subject}/versions/{version}`
pub(super) async fn test(State(server): Registry, call: OfVersion, body: Body) -> Response {
    let verdict = call
        .query
        .refuse_unsupported()
        .and_then(|()| body.submission())
        .and_then(|submission| {
            let pick = Pick::read(&call.path.1)?;
            server.read(|store| store.test(&call.path.0, pick, &submission))
        });
    let verbose = call.query.flag("verbose");
    answer(
        call.format,
        verdict.map(|verdict| {
            let mut body = json!({"is_compatible": verdict.compatible});
            if verbose {
                body["messages"] = json!(verdict.messages);
            }
            body
        }),
    )
}

fn found(server: &Server, call: &OfVersion) -> Result<Found, ApiError> {
    call.query.refuse_unsupported()?;
    let subject = subject_name(&call.path.0)?;
    let pick = Pick::read(&call.path.1)?;
    server.read(|store| store.version(subject, pick, call.query.shown()))
}

fn described(found: &Found) -> Value {
    let mut body = Map::new();
    body.insert("subject".to_owned(), json!(found.subject));
    body.insert("version".to_owned(), json!(found.version));
    body.insert("id".to_owned(), json!(found.id));
    found.content.describe(&mut body);
    if found.deleted {
        body.insert("deleted".to_owned(), json!(true));
    }
    Value::Object(body)
}
