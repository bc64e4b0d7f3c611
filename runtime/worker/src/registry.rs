//! The embedded Schema Registry, on a listener of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rowtide_api::{Error, ResultExt};
use rowtide_engine::ports::LogRecord;
use rowtide_registry::server::{Record, RegistryLog, Server, ServerSettings, serve};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::file_log::{FileLog, Kind};

/// The registry's records in a local file (AV-108).
struct SchemasFile(FileLog);

impl RegistryLog for SchemasFile {
    async fn read_all(&self) -> Result<Vec<Record>, Error> {
        let record = |LogRecord { key, value }| Record { key, value };
        Ok(self.0.read_all().await?.into_iter().map(record).collect())
    }

    async fn append(&self, records: Vec<Record>) -> Result<(), Error> {
        let record = |Record { key, value }| LogRecord { key, value };
        self.0.append(records.into_iter().map(record).collect()).await
    }
}

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
    let log = SchemasFile(FileLog::open(Kind::Schemas, &file)?);
    let server = Server::new(log, ServerSettings::default());
    server.load().await?;
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
