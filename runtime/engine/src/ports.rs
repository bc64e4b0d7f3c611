//! The engine's ports: what it needs of the world, as traits.
//!
//! `rowtide-kafka` implements the Kafka ones over librdkafka, the testkit in memory; both run one contract suite. A
//! [`Log`] is a topic, a file or memory.

mod clock;
mod consumer;
mod log;
mod pattern;
mod producer;

pub use clock::{Clock, SystemClock};
pub use consumer::{
    CommitError, Committed, Consumer, ConsumerEvent, ConsumerSettings, Fetched, RawHeader, RawRecord,
    Revocation, Subscription, TOPICS_AGE_MS,
};
pub use log::{Log, LogRecord};
pub use pattern::TopicPattern;
pub use producer::{BatchEnd, ClientSettings, Delivery, Outgoing, Producer, SendError};

use std::sync::Arc;

use rowtide_api::Error;
use rowtide_api::erased::BoxFuture;

/// Opens the clients of one Kafka cluster.
pub trait Kafka: Send + Sync {
    /// A producer: `acks=all`, idempotent, Java's murmur2 partitioner, unless the settings say otherwise.
    ///
    /// # Errors
    /// Fatal for a setting the client refuses.
    fn producer(&self, settings: &ClientSettings) -> Result<Arc<dyn Producer>, Error>;

    /// A consumer in a group; auto-commit off, `read_committed`, from the earliest offset unless the settings say otherwise.
    ///
    /// # Errors
    /// Fatal for a setting the client refuses.
    fn consumer(&self, settings: &ConsumerSettings) -> Result<Box<dyn Consumer>, Error>;

    /// The cluster's id, for `GET /`.
    fn cluster_id(&self) -> BoxFuture<'_, Result<String, Error>>;
}
