//! A real registry for the tests of this folder: the one that the worker embeds, over HTTP.

use rowtide_registry::server::{MemoryLog, Server, ServerSettings, router};

/// A registry on a free port; it ends with the test's runtime.
pub(crate) struct Registry {
    pub(crate) url: String,
}

pub(crate) async fn registry() -> Registry {
    let server = Server::new(MemoryLog::default(), ServerSettings::default());
    server.load().await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router(server)).await });
    Registry { url }
}
