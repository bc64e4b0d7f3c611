//! The embedded Schema Registry, on a listener of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rowtide_api::{Error, ResultExt};
use rowtide_registry::server::{FileLog, Server, ServerSettings, serve};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A running registry.
pub(crate) struct EmbeddedRegistry {
    /// Where clients reach it.
    pub(crate) url: String,
    task: tokio::task::JoinHandle<()>,
}

/// The registry's file beside the worker's own.
pub(crate) fn path_beside(state: &Path) -> PathBuf {
    let mut name = state.as_os_str().to_owned();
    name.push(".schemas");
    name.into()
}

/// Starts it; it is loaded before this answers.
pub(crate) async fn start(
    address: SocketAddr,
    file: PathBuf,
    stop: CancellationToken,
) -> Result<EmbeddedRegistry, Error> {
    let shown = file.display().to_string();
    let log = FileLog::open(file).fatal(format!("opening the registry's file {shown}"))?;
    let server = Server::new(log, ServerSettings::default());
    server
        .load()
        .await
        .fatal(format!("reading the registry's file {shown}"))?;
    let listener = TcpListener::bind(address).await.map_err(|cause| {
        Error::fatal(format!("listening on {address} for the embedded registry"))
            .hint("free the port, set rowtide.registry.listeners to another one, or leave it empty to switch the registry off")
            .because(cause)
    })?;
    let bound = listener.local_addr().fatal("asking for the registry's address")?;
    let task = tokio::spawn(async move {
        let served = serve(listener, server, async move { stop.cancelled().await });
        if let Err(error) = served.await {
            tracing::error!(%error, "the embedded registry ended");
        }
    });
    tracing::info!(address = %bound, file = shown, "embedded registry");
    Ok(EmbeddedRegistry {
        url: format!("http://{bound}"),
        task,
    })
}

impl EmbeddedRegistry {
    /// Waits until it has ended, after its token was cancelled.
    pub(crate) async fn ended(self) {
        if self.task.await.is_err() {
            tracing::error!("the embedded registry panicked");
        }
    }
}
