//! The REST contract over HTTP (AV §7): paths to calls of the server.
//!
//! Every path of Confluent's registry is routed. What is not built yet answers 501 and names itself; a client then
//! knows what it met, which a 404 would not tell. The router trusts its callers: it belongs on a loopback listener.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Method, Uri};
use axum::response::Response;
use axum::routing::{MethodRouter, any, get, post};
use serde_json::json;

use super::Server;
use super::error::ApiError;

mod answer;
mod config;
mod request;
mod schemas;
mod subjects;

use answer::{Format, answer, refuse};

/// Requests with a longer body are refused (AV-080). A schema travels as a JSON text, so it is somewhat shorter.
const BODY_BYTES_MAX: usize = 1024 * 1024;

type Routes = Router<Arc<Server>>;

/// Serves until `stop` resolves, then finishes the requests under way.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: tokio::net::TcpListener,
    server: Arc<Server>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router(server))
        .with_graceful_shutdown(stop)
        .await
}

/// The registry's endpoints.
pub fn router(server: Arc<Server>) -> Router {
    let routes = Router::new()
        .route("/", ours(get(root).post(root)))
        .merge(subjects())
        .merge(schemas())
        .merge(config())
        .merge(elsewhere());
    routes
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(server)
}

fn subjects() -> Routes {
    Router::new()
        .route("/subjects", ours(get(subjects::list)))
        .route(
            "/subjects/{subject}",
            ours(post(subjects::lookup)).delete(unsupported),
        )
        .route("/subjects/{subject}/metadata", ours(get(unsupported)))
        .route(
            "/subjects/{subject}/versions",
            ours(get(subjects::versions).post(subjects::register)),
        )
        .route(
            "/subjects/{subject}/versions/{version}",
            ours(get(subjects::version)).delete(unsupported),
        )
        .route(
            "/subjects/{subject}/versions/{version}/schema",
            ours(get(subjects::version_schema)),
        )
        .route(
            "/subjects/{subject}/versions/{version}/referencedby",
            ours(get(unsupported)),
        )
        .route(
            "/subjects/{subject}/versions/{version}/tags",
            ours(post(unsupported)),
        )
        .route(
            "/compatibility/subjects/{subject}/versions",
            ours(post(unsupported)),
        )
        .route(
            "/compatibility/subjects/{subject}/versions/{version}",
            ours(post(subjects::test)),
        )
}

fn schemas() -> Routes {
    Router::new()
        .route("/schemas", ours(get(unsupported)))
        .route("/schemas/types", ours(get(schemas::types)))
        .route("/schemas/ids/{id}", ours(get(schemas::by_id)))
        .route("/schemas/ids/{id}/schema", ours(get(schemas::text)))
        .route("/schemas/ids/{id}/subjects", ours(get(schemas::subjects)))
        .route("/schemas/ids/{id}/versions", ours(get(schemas::versions)))
        .route("/schemas/guids/{guid}", ours(get(unsupported)))
        .route("/schemas/guids/{guid}/ids", ours(get(unsupported)))
}

fn config() -> Routes {
    Router::new()
        .route(
            "/config",
            ours(get(config::global).put(config::set_global)).delete(unsupported),
        )
        .route(
            "/config/{subject}",
            ours(get(config::of_subject)).put(unsupported).delete(unsupported),
        )
        .route(
            "/mode",
            ours(get(config::mode)).put(unsupported).delete(unsupported),
        )
        .route(
            "/mode/{subject}",
            ours(get(unsupported)).put(unsupported).delete(unsupported),
        )
        .route("/contexts", ours(get(config::contexts)))
        .route("/contexts/{context}", ours(axum::routing::delete(unsupported)))
}

/// Parts of Confluent's registry that clients ask for and take a refusal from.
fn elsewhere() -> Routes {
    Router::new()
        .route("/associations", any(no_associations))
        .route("/associations/{*rest}", any(no_associations))
        .route("/v1/metadata/{part}", ours(get(unsupported)))
        .route("/dek-registry/{*rest}", any(unsupported))
}

/// Adds the answer to methods that the path does not have.
fn ours(methods: MethodRouter<Arc<Server>>) -> MethodRouter<Arc<Server>> {
    methods.fallback(wrong_method)
}

async fn root(State(server): State<Arc<Server>>, format: Format) -> Response {
    answer(format, server.read(|_| Ok(json!({}))))
}

async fn unsupported(format: Format, method: Method, uri: Uri) -> Response {
    refuse(format, &ApiError::unsupported(format!("{method} {}", uri.path())))
}

async fn no_associations(format: Format) -> Response {
    refuse(format, &ApiError::no_associations())
}

async fn wrong_method(format: Format) -> Response {
    refuse(format, &ApiError::new(405, "HTTP 405 Method Not Allowed"))
}

async fn unknown(format: Format) -> Response {
    refuse(format, &ApiError::new(404, "HTTP 404 Not Found"))
}
