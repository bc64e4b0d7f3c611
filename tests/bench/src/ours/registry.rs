//! The registry the converters ask: the one that the worker embeds, in this process.

use rowtide_api::{Error, ResultExt};
use rowtide_registry::server::{FileLog, Server, ServerSettings, serve};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A registry on a free port; it ends when this is dropped.
pub struct Registry {
    /// Its address.
    pub url: String,
    serving: JoinHandle<std::io::Result<()>>,
    _folder: tempfile::TempDir,
}

impl Registry {
    /// Starts it, empty.
    ///
    /// # Errors
    /// No temporary folder, or no free port.
    pub async fn start() -> Result<Self, Error> {
        let doing = "starting a registry";
        let folder = tempfile::tempdir().fatal(doing)?;
        let log = FileLog::open(folder.path().join("schemas.log")).fatal(doing)?;
        let server = Server::new(log, ServerSettings::default());
        server.load().await.fatal(doing)?;
        let listener = TcpListener::bind("127.0.0.1:0").await.fatal(doing)?;
        let url = format!("http://{}", listener.local_addr().fatal(doing)?);
        let serving = tokio::spawn(serve(listener, server, std::future::pending()));
        Ok(Self {
            url,
            serving,
            _folder: folder,
        })
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
