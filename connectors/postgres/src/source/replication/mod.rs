//! Streaming: the session that owns the socket, the decoder, tables and transactions.

#[cfg(test)]
mod free_changes;
pub mod pgoutput;
pub mod relations;
pub mod resume;
pub mod session;
pub mod transaction;
