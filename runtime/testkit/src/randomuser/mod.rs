//! A server that answers as randomuser.me does (EC-151 to EC-157), for tests and the offline demo.
//!
//! The same (version, seed, page, results, inc/exc, nat) always yields the same users; only `age` depends on the clock.
//! Not reproduced: the formats besides JSON (answered with 501), `password` charsets, `callback`, `lego`, `dl`.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use rowtide_testkit::randomuser::{Fault, RandomUser};
//! let server = RandomUser::start().await?;
//! server.fault(Fault::Status(500), 2); // the next two requests
//! let url = server.url(); // http://127.0.0.1:PORT/api/1.4/
//! # Ok(()) }
//! ```

mod pools;
mod query;
mod user;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode, Uri};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use query::Query;

/// The version that `/api/` answers with.
pub const LATEST: &str = "1.4";

const VERSIONS: [&str; 5] = ["1.0", "1.1", "1.2", "1.3", LATEST];

/// How a server behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// The port on loopback; 0 picks a free one.
    pub port: u16,
    /// After this many users served in a window every request is answered with 429.
    pub users_per_window_max: u64,
    /// The window; when it ends the count restarts.
    pub window: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            // The published settings of randomuser.me (EC-157).
            users_per_window_max: 20_000,
            window: Duration::from_secs(300),
        }
    }
}

/// What a request is answered with instead of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// This status with a plain text.
    Status(u16),
    /// This status with a `Retry-After` header of this text.
    RetryAfter(u16, String),
    /// Status 200 with `{"error":…}`.
    ErrorBody,
    /// Status 200 with a proxy's HTML page.
    Html,
    /// Status 200 with the first half of the users' JSON, at its full announced length.
    Truncated,
    /// Nothing for this long, then the users.
    Delay(Duration),
    /// Status 200 with this body.
    Body(String),
    /// A redirect to this location.
    Redirect(String),
}

#[derive(Debug)]
struct Window {
    since: Instant,
    served: u64,
}

#[derive(Debug)]
struct Shared {
    options: Options,
    window: Mutex<Window>,
    faults: Mutex<VecDeque<Fault>>,
    requests: Mutex<Vec<String>>,
}

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct RandomUser {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

impl RandomUser {
    /// Starts a server on a free port of loopback.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start() -> std::io::Result<Self> {
        Self::start_with(Options::default()).await
    }

    /// Starts a server.
    ///
    /// # Errors
    /// When the port cannot be bound.
    pub async fn start_with(options: Options) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            window: Mutex::new(Window {
                since: Instant::now(),
                served: 0,
            }),
            options,
            faults: Mutex::default(),
            requests: Mutex::default(),
        });
        let router = Router::new().fallback(answer).with_state(shared.clone());
        // Owned by the handle in `serving`, aborted on drop.
        let serving = tokio::spawn(async move {
            // `serve` ends only with the task.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            address,
            shared,
            serving,
        })
    }

    /// The URL of the pinned version, as a connector is configured with it.
    pub fn url(&self) -> String {
        format!("http://{}/api/{LATEST}/", self.address)
    }

    /// Answers the next `times` requests with `fault`, behind those already scripted.
    pub fn fault(&self, fault: Fault, times: usize) {
        lock(&self.shared.faults).extend(std::iter::repeat_n(fault, times));
    }

    /// The paths and queries of all requests so far, in order.
    pub fn requests(&self) -> Vec<String> {
        lock(&self.shared.requests).clone()
    }

    /// How many users were served in the current window.
    pub fn served(&self) -> u64 {
        lock(&self.shared.window).served
    }

    /// Waits until the server ends, which it does not by itself.
    pub async fn run(mut self) {
        let _ = (&mut self.serving).await;
    }
}

impl Drop for RandomUser {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(State(shared): State<Arc<Shared>>, uri: Uri) -> Response<Body> {
    lock(&shared.requests).push(uri.to_string());
    let fault = lock(&shared.faults).pop_front();
    match fault {
        None => users(&shared, &uri),
        Some(Fault::Delay(time)) => {
            tokio::time::sleep(time).await;
            users(&shared, &uri)
        }
        Some(Fault::Status(status)) => response(status, "text/plain", "scripted fault".into(), &[]),
        Some(Fault::RetryAfter(status, when)) => error(status, "scripted fault", &[("retry-after", &when)]),
        Some(Fault::ErrorBody) => error(200, "scripted fault", &[]),
        Some(Fault::Html) => response(200, "text/html", "<html><body>a proxy</body></html>".into(), &[]),
        Some(Fault::Body(body)) => response(200, "application/json", body, &[]),
        Some(Fault::Redirect(location)) => {
            response(302, "text/plain", String::new(), &[("location", &location)])
        }
        Some(Fault::Truncated) => {
            let body = body_of(&uri).unwrap_or_default();
            let half = body.get(..body.len() / 2).unwrap_or_default().to_owned();
            let announced = body.len().to_string();
            response(200, "application/json", half, &[("content-length", &announced)])
        }
    }
}

/// The regular answer: 404 for an unknown path, 429 above the limit, else users.
fn users(shared: &Shared, uri: &Uri) -> Response<Body> {
    let Some(version) = version(uri.path()) else {
        return response(404, "text/plain", "Not Found".into(), &[]);
    };
    let query = Query::parse(uri.query().unwrap_or_default());
    if !matches!(query.format.as_str(), "json" | "pretty" | "prettyjson") {
        return error(501, "this server answers in JSON only", &[]);
    }
    {
        let mut window = lock(&shared.window);
        if window.since.elapsed() >= shared.options.window {
            *window = Window {
                since: Instant::now(),
                served: 0,
            };
        }
        if window.served >= shared.options.users_per_window_max {
            return error(
                429,
                "too many users were requested, wait for the next window",
                &[],
            );
        }
        window.served += u64::from(query.results);
    }
    response(200, "application/json", body(version, &query).to_string(), &[])
}

fn body_of(uri: &Uri) -> Option<String> {
    let query = Query::parse(uri.query().unwrap_or_default());
    Some(body(version(uri.path())?, &query).to_string())
}

fn body(version: &str, query: &Query) -> Value {
    let now_ms = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(i64::MAX));
    let mut body = json!({ "results": user::generate(version, query, now_ms) });
    if !query.noinfo {
        body["info"] = json!({
            "seed": query.seed,
            "results": query.results,
            "page": query.page,
            "version": version,
        });
    }
    body
}

fn version(path: &str) -> Option<&'static str> {
    let rest = path.strip_prefix("/api")?.trim_matches('/');
    if rest.is_empty() {
        return Some(LATEST);
    }
    VERSIONS.into_iter().find(|known| *known == rest)
}

fn error(status: u16, message: &str, headers: &[(&str, &str)]) -> Response<Body> {
    response(
        status,
        "application/json",
        json!({ "error": message }).to_string(),
        headers,
    )
}

fn response(status: u16, content_type: &str, body: String, headers: &[(&str, &str)]) -> Response<Body> {
    let mut response = Response::builder()
        .status(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        .header("content-type", content_type)
        .header("cache-control", "no-cache")
        .header("access-control-allow-origin", "*");
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response
        .body(Body::from(body))
        .unwrap_or_else(|_| Response::new(Body::empty()))
}
