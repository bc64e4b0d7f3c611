//! Postgres: the logical-replication source and the upsert sink.
//!
//! Both halves share how a server is reached ([`connection`]), how its failures are judged ([`errors`]) and how names are
//! quoted ([`identifier`]). The source reads the write-ahead log through its own replication client; everything that
//! decides what a byte means is sans-I/O and tested without a server.

pub mod connection;
pub mod errors;
pub mod identifier;
pub mod sink;
pub mod source;
pub mod types;
