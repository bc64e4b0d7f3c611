//! The engine: ledger, progress, workers, herder and schedules, over its own ports.
//!
//! It knows the contract with connectors (`rowtide-api`) and what it needs of the world ([`ports`]), nothing else: no
//! socket, no file, no Kafka client, no REST, no connector by name.
//!
//! # The road of a source record
//! 1. [`source::worker`] polls the task and enters the batch in the [`source::ledger`].
//! 2. The chain transforms and converts each record; the producer port takes the bytes and counts acknowledgements per batch.
//! 3. The offset of the longest settled prefix goes to the offset store; once that confirmed, the task hears `committed`.
//!
//! # The road of a sink record
//! 1. The consumer port delivers raw records of assigned partitions.
//! 2. [`sink::worker`] decodes, transforms and puts them; the batch's ticket settles them in [`sink::progress`].
//! 3. The position after the settled prefix is committed to the group.
//!
//! # Guarantee
//! Progress moves only after durability, in both directions.

pub mod chain;
pub mod connector;
pub mod control;
pub mod failure;
pub mod herder;
pub mod metrics;
pub mod observer;
pub mod plugins;
pub mod ports;
pub mod schedule;
pub mod sink;
pub mod source;
pub mod status;
pub mod store;
