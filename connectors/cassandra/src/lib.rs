//! The Cassandra sink: records from Kafka become rows of Apache Cassandra or ScyllaDB, by the configuration of the DataStax
//! connector, and with a change-data-capture mode in which the table converges to the source whatever is replayed, delayed
//! or reordered on the way.
//!
//! | Step | Module |
//! |---|---|
//! | keys to settings, mapping text to entries | `config`, `mapping`, `identifier` |
//! | settings held against the live table | `check`, `shape` |
//! | records to mutations, by one flat plan per schema | `plan`, `types`, `mutation` |
//! | their timestamps, and what a partition remembers | `clock` |
//! | rows that may lack a value the source did not send | `lacking` |
//! | order per key, batches, collapse | `lanes` |
//! | requests, retries, the account of each batch | `writer`, `retry`, `errors`, `session` |
//!
//! Everything above the last line is free of I/O and tested without a server. The invariant all of it serves: a write
//! timestamp is a pure function of the source event, the same on every delivery, and grows along the changes of one row.
#![deny(unsafe_code)]

mod check;
mod clock;
mod config;
#[cfg(test)]
mod convergence;
mod errors;
mod fnv;
mod identifier;
mod lacking;
mod lanes;
mod mapping;
mod mutation;
mod plan;
mod retry;
mod session;
mod shape;
mod task;
#[cfg(test)]
#[path = "../tests/support/records.rs"]
#[allow(dead_code, unreachable_pub)]
mod test_records;
#[cfg(test)]
mod test_tables;
mod types;
mod writer;

pub use config::Settings;
pub use task::{CassandraSink, CassandraSinkTask};
