//! The registry the converters ask: the one that the worker embeds, in this process.

use rowtide_api::{Error, ResultExt};
use rowtide_registry::server::{MemoryLog, Server, ServerSettings, serve};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A registry on a free port; it ends when this is dropped.
pub struct Registry {
    /// Its address.
    pub url: String,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Registry {
    /// Starts it, empty.
    ///
    /// # Errors
    /// No free port.
    pub async fn start() -> Result<Self, Error> {
        let doing = "starting a registry";
        let server = Server::new(MemoryLog::default(), ServerSettings::default());
        server.load().await?;
        let listener = TcpListener::bind("127.0.0.1:0").await.fatal(doing)?;
        let url = format!("http://{}", listener.local_addr().fatal(doing)?);
        let serving = tokio::spawn(serve(listener, server, std::future::pending()));
        Ok(Self { url, serving })
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
