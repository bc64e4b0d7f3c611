//! Streaming: the session that owns the socket, the decoder, tables and transactions.

pub mod pgoutput;
pub mod relations;
pub mod resume;
pub mod session;
pub mod transaction;
