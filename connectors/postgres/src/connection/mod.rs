//! How a server is reached: settings, TLS, start-up and authentication, and the streaming part of the protocol.
//!
//! Two clients share it. [`connect`] opens a `tokio_postgres` client for statements; [`Wire`] is our own connection for
//! what that client lacks: replication, and COPY in large reads.

pub mod config;
pub mod copy_both;
pub mod frame;
mod message;
mod query;
mod socket;
mod startup;
mod tls;
mod transport;

pub use config::{Host, KeyNames, Purpose, Settings, SslMode, Tls};
pub use query::{Connection, connect};
pub use startup::{Mode, Row, Wire};
