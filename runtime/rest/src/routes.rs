//! The routes, and serving them.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, Method, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use axum::{Router, ServiceExt};
use rowtide_engine::herder::HerderHandle;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tower_http::normalize_path::NormalizePathLayer;
use tower_layer::Layer;

use crate::errors::ApiError;
use crate::{connectors, metrics, plugins, root};

/// The largest request body: a connector's configuration is a few kilobytes.
const BODY_BYTES_MAX: usize = 1 << 20;

/// What is kept of a refusal by the framework: they are a line long.
const REFUSAL_BYTES_MAX: usize = 1 << 10;

/// Connect's own deadline for an answer.
const ANSWER_WAIT: Duration = Duration::from_secs(90);

/// What the handlers need.
pub struct Server {
    /// The herder.
    pub herder: HerderHandle,
    /// `host:port` of the advertised address.
    pub worker_id: String,
    /// Rowtide's own version, for the `Server` header.
    pub version: &'static str,
}

/// Shared by all handlers.
pub(crate) type Shared = Arc<Server>;

/// Serves until `stop` resolves, then finishes the requests under way.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    server: Server,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    // Around the router, not inside it: routing has to see the path without its slash.
    let service = NormalizePathLayer::trim_trailing_slash().layer(router(server));
    axum::serve(listener, ServiceExt::<Request>::into_make_service(service))
        .with_graceful_shutdown(stop)
        .await
}

fn router(server: Server) -> Router {
    let name = HeaderValue::from_str(&format!("rowtide/{}", server.version));
    let name = name.unwrap_or_else(|_| HeaderValue::from_static("rowtide"));
    Router::new()
        .route("/", get(root::info))
        .route("/metrics", get(metrics::text))
        .merge(connector_routes())
        .merge(unbuilt_routes())
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(move |request, next| {
            named(name.clone(), request, next)
        }))
        .with_state(Arc::new(server))
}

fn connector_routes() -> Router<Shared> {
    Router::new()
        .route("/connectors", get(connectors::list).post(connectors::create))
        .route(
            "/connectors/{name}",
            get(connectors::info).delete(connectors::delete),
        )
        .route(
            "/connectors/{name}/config",
            get(connectors::config).put(connectors::put_config).patch(unbuilt),
        )
        .route("/connectors/{name}/status", get(connectors::status))
        // Posting tasks is between workers: not on this listener.
        .route("/connectors/{name}/tasks", get(connectors::tasks).post(not_found))
        .route(
            "/connectors/{name}/tasks/{task}/status",
            get(connectors::task_status),
        )
        .route(
            "/connectors/{name}/tasks/{task}/restart",
            post(connectors::restart_task),
        )
        .route("/connectors/{name}/restart", post(connectors::restart))
        .route("/connectors/{name}/pause", put(connectors::pause))
        .route("/connectors/{name}/resume", put(connectors::resume))
        .route("/connectors/{name}/stop", put(connectors::stop))
        .route("/connectors/{name}/topics", get(connectors::topics))
        .route("/connector-plugins", get(plugins::list))
        .route(
            "/connector-plugins/{plugin}/config/validate",
            put(plugins::validate),
        )
}

/// Connect's endpoints that are still to come: each answers 501 and names itself.
fn unbuilt_routes() -> Router<Shared> {
    Router::new()
        .route("/health", get(unbuilt))
        .route("/connectors/{name}/tasks-config", get(unbuilt))
        .route("/connectors/{name}/topics/reset", put(unbuilt))
        .route(
            "/connectors/{name}/offsets",
            get(unbuilt).patch(unbuilt).delete(unbuilt),
        )
        .route("/connector-plugins/{plugin}/config", get(unbuilt))
        .route("/admin/loggers", get(unbuilt))
        .route("/admin/loggers/{logger}", get(unbuilt).put(unbuilt))
}

async fn unbuilt(method: Method, uri: Uri) -> ApiError {
    ApiError::new(501, format!("{method} {} is not built yet", uri.path()))
}

async fn not_found(method: Method, uri: Uri) -> ApiError {
    ApiError::new(404, format!("HTTP 404 Not Found: {method} {}", uri.path()))
}

async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    ApiError::new(
        405,
        format!("HTTP 405 Method Not Allowed: {method} {}", uri.path()),
    )
}

/// What the framework refuses by itself (a body that is too large, a path that is no UTF-8) has Connect's form too.
async fn in_connects_form(response: Response) -> Response {
    let status = response.status();
    let kind = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let is_json = kind.is_some_and(|kind| kind.starts_with("application/json"));
    if is_json || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let text = to_bytes(response.into_body(), REFUSAL_BYTES_MAX)
        .await
        .unwrap_or_default();
    let text = format!("HTTP {status}: {}", String::from_utf8_lossy(&text));
    ApiError::new(status.as_u16(), text).into_response()
}

/// Bounds the answer in time, adds the `Server` header and writes the access log line.
async fn named(name: HeaderValue, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = match timeout(ANSWER_WAIT, next.run(request)).await {
        Ok(response) => in_connects_form(response).await,
        Err(_) => ApiError::new(500, "Request timed out").into_response(),
    };
    response
        .headers_mut()
        .insert(HeaderName::from_static("server"), name);
    tracing::info!(target: "rowtide::access", %method, path, status = response.status().as_u16(), "request");
    response
}
