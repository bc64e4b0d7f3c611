//! The contract between Rowtide's engine and its connectors.
//!
//! A connector author opens this crate and nothing else of ours: the data model a record travels in ([`data`], [`record`]),
//! the traits to implement ([`source`], [`sink`], [`transform`], [`convert`]), the definitions of configuration ([`config`])
//! and the errors ([`error`]). The crate depends on `bytes` alone; it opens no socket, reads no clock, and spawns nothing.
//!
//! # How a record travels
//!
//! 1. A source's `poll` hands the engine a [`source::SourceBatch`]: records of one source partition and the offset from
//!    which to go on once they are durable.
//! 2. The engine enters the batch in its ledger, transforms and converts the records, and sends them to Kafka.
//! 3. When the longest settled prefix of a partition is stored durably, the engine calls
//!    [`source::SourceTask::committed`] with exactly that offset. Nothing upstream may be released on any other signal.
//! 4. On the other side the engine delivers [`sink::SinkBatch`]es, each the records of one Kafka partition.
//! 5. The sink settles a batch once, by a [`sink::PutReport`] that accounts for every record.
//! 6. The engine commits the position after the settled prefix.
//!
//! # Guarantee
//!
//! At least once, in order per source partition and per Kafka partition. Progress moves only after durability: a batch that
//! is dropped unsettled fails the task, it never counts as done.
#![deny(unsafe_code)]

pub mod config;
pub mod context;
pub mod convert;
pub mod data;
pub mod erased;
pub mod error;
pub mod failpoint;
pub mod offset;
pub mod plugin;
pub mod record;
pub mod sink;
pub mod source;
pub mod transform;
pub mod unavailable;

pub use config::{Config, ConfigReport, Key, Properties, Secret};
pub use context::TaskContext;
pub use data::{Blob, Datum, Field, Kind, Schema, Struct, Text, Value};
pub use error::{Class, Error, RecordError, ResultExt};
pub use offset::{SourceOffset, SourcePartition};
pub use plugin::Plugin;
pub use record::{Headers, Record};
