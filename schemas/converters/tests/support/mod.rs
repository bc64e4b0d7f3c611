//! A real registry for the tests of this folder: the one that the worker embeds, over HTTP.

use rowtide_api::Error;
use rowtide_registry::server::{Record, RegistryLog, Server, ServerSettings, router};

/// A registry on a free port; it ends with the test's runtime.
pub(crate) struct Registry {
    pub(crate) url: String,
}

/// What the registry keeps, for as long as it lives.
#[derive(Default)]
struct MemoryLog(tokio::sync::Mutex<Vec<Record>>);

impl RegistryLog for MemoryLog {
    async fn read_all(&self) -> Result<Vec<Record>, Error> {
        Ok(self.0.lock().await.clone())
    }

    async fn append(&self, records: Vec<Record>) -> Result<(), Error> {
        self.0.lock().await.extend(records);
        Ok(())
    }
}

pub(crate) async fn registry() -> Registry {
    let server = Server::new(MemoryLog::default(), ServerSettings::default());
    server.load().await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router(server)).await });
    Registry { url }
}
