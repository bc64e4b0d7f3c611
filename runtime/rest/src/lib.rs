//! Connect's REST API over the engine's herder, and `/metrics`.
//!
//! Bodies, codes and texts are Connect's: clients compare what they wrote with what they read, and parse error texts.
//! Readers never wait: they copy from the board. An endpoint of Connect that is not built yet answers 501 and names itself.
//!
//! ```no_run
//! # async fn example(herder: rowtide_engine::herder::HerderHandle) -> std::io::Result<()> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8083").await?;
//! let server = rowtide_rest::Server { herder, worker_id: "127.0.0.1:8083".into(), version: "0.1.0" };
//! rowtide_rest::serve(listener, server, std::future::pending()).await
//! # }
//! ```

mod body;
mod connectors;
mod entities;
mod errors;
mod metrics;
mod plugins;
mod root;
mod routes;
pub mod submitted;

pub use plugins::validate_answer;
pub use routes::{Server, serve};
