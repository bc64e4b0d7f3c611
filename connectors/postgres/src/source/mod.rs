//! The source: logical replication of a Postgres database as Debezium's change events.
//!
//! ```text
//! replication::session ──chunks──▶ replication::transaction ──▶ record ──batches──▶ task (poll)
//!      ▲                              │ pgoutput, relations, resume                    │
//!      └──────── standby status ◀── watch channel ◀──────────── committed ◀────────────┘
//! ```

pub mod attach;
pub mod catalogue;
pub mod check;
pub mod config;
mod connector;
pub mod envelope;
pub mod filter;
pub mod naming;
pub mod offset;
pub mod publication;
pub mod record;
pub mod replication;
mod reselect;
pub mod slot;
pub mod snapshot;
pub mod task;
mod toast;

pub use connector::PostgresSource;
