//! The engine's Kafka ports over librdkafka. Nothing else in Rowtide knows librdkafka.
//!
//! [`Cluster`] opens clients; [`settings`] translates Java's client keys and says which of them a connector may set.

mod cluster;
mod consumer;
mod errors;
mod producer;
pub mod settings;

pub use cluster::Cluster;
