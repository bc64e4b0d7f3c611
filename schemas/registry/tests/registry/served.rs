//! A registry (or any router) on a free loopback port, for the length of a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rowtide_api::Error;
use rowtide_registry::client::{ClientSettings, RegistryClient, RegistryUrl};
use rowtide_registry::server::{Level, Record, RegistryLog, Server, ServerSettings, router};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// Something that listens. Stops when dropped.
pub(crate) struct Served {
    pub(crate) url: String,
    task: JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves a router.
pub(crate) async fn serve(router: axum::Router) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Served { url, task }
}

/// Serves a loaded registry over this log.
pub(crate) async fn serve_registry(log: impl RegistryLog, level: Level) -> Served {
    let server = Server::new(
        log,
        ServerSettings {
            level,
            ..ServerSettings::default()
        },
    );
    server.load().await.unwrap();
    serve(router(server)).await
}

/// A registry over a log of its own.
pub(crate) async fn fresh(level: Level) -> (Served, MemoryLog) {
    let log = MemoryLog::default();
    (serve_registry(log.clone(), level).await, log)
}

/// Settings with short waits for these comma-separated addresses.
pub(crate) fn settings(urls: &str) -> ClientSettings {
    let mut settings = ClientSettings::new(RegistryUrl::parse_list(urls).unwrap());
    settings.retry_wait = Duration::from_millis(20);
    settings.retry_wait_max = Duration::from_millis(100);
    settings
}

/// A client with those settings.
pub(crate) fn client(urls: &str) -> RegistryClient {
    RegistryClient::new(&settings(urls)).unwrap()
}

/// A plain HTTP client, which knows nothing of registries.
pub(crate) fn plain() -> reqwest::Client {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder()
        .no_proxy()
        .tls_backend_preconfigured(tls)
        .build()
        .unwrap()
}

/// One request: status, media type, body (null if it is no JSON).
pub(crate) async fn request(method: &str, url: String, body: Option<&str>) -> (u16, String, Value) {
    let mut request = plain().request(method.parse().unwrap(), url);
    if let Some(body) = body {
        request = request
            .header("content-type", "application/octet-stream")
            .body(body.to_owned());
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let media_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    let body = response.text().await.unwrap();
    (
        status,
        media_type,
        serde_json::from_str(&body).unwrap_or(Value::Null),
    )
}

/// A log in memory that can be told to fail or to hang.
#[derive(Clone, Default)]
pub(crate) struct MemoryLog {
    pub(crate) records: Arc<Mutex<Vec<Record>>>,
    /// The next append is stored, then answered as a failure.
    pub(crate) fail_after_write: Arc<AtomicBool>,
    /// Appends wait until this is false.
    pub(crate) hold: Arc<AtomicBool>,
}

impl RegistryLog for MemoryLog {
    async fn read_all(&self) -> Result<Vec<Record>, Error> {
        Ok(self.records.lock().await.clone())
    }

    async fn append(&self, records: Vec<Record>) -> Result<(), Error> {
        self.records.lock().await.extend(records);
        while self.hold.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if self.fail_after_write.swap(false, Ordering::SeqCst) {
            return Err(Error::retriable("the acknowledgement was lost"));
        }
        Ok(())
    }
}
