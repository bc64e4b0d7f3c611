//! Receiving records in a group.

use std::fmt;
use std::sync::Arc;

use rowtide_api::Error;
use rowtide_api::data::Blob;
use rowtide_api::erased::BoxFuture;
use rowtide_api::sink::{Note, Partition};

use super::{ClientSettings, TopicPattern};

/// What to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subscription {
    /// These topics.
    Topics(Vec<String>),
    /// The topics a pattern means, whichever they are at the time: those that come and go are followed within
    /// `metadata.max.age.ms`, [`TOPICS_AGE_MS`] unless it is set.
    Pattern(Arc<TopicPattern>),
}

/// How old the list of the cluster's topics may be that a pattern is matched with. Java's client waits five minutes; a topic
/// that was just created is being waited for.
pub const TOPICS_AGE_MS: u64 = 30_000;

/// Settings of one consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerSettings {
    /// Names and Kafka's own keys.
    pub client: ClientSettings,
    /// The group.
    pub group_id: String,
    /// The topics.
    pub subscription: Subscription,
    /// A delivery holds at most this many records.
    pub batch_records_max: usize,
}

/// A record as it was stored.
#[derive(Debug, Clone)]
pub struct RawRecord {
    /// Its offset.
    pub offset: i64,
    /// Milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    /// The key.
    pub key: Option<Blob>,
    /// The value.
    pub value: Option<Blob>,
    /// Headers in order.
    pub headers: Vec<RawHeader>,
}

/// A header: name and value.
pub type RawHeader = (Arc<str>, Option<Blob>);

/// Records of one partition, in offset order; offsets may have gaps.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The partition.
    pub partition: Partition,
    /// At least one record.
    pub records: Vec<RawRecord>,
}

/// A partition with its committed position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The partition.
    pub partition: Partition,
    /// The next offset to read; `None` when nothing was ever committed.
    pub position: Option<i64>,
    /// The note stored with it.
    pub note: Option<Note>,
}

/// What a consumer tells.
#[derive(Debug)]
pub enum ConsumerEvent {
    /// Records of an assigned partition.
    Records(Fetched),
    /// Partitions that are ours from now on, without those that were already.
    Assigned(Vec<Committed>),
    /// Partitions that go once the revocation is dropped: until then commits for them still count.
    Revoked(Revocation),
    /// Partitions that are gone already: nothing can be committed for them.
    Lost(Vec<Partition>),
    /// What the subscription's pattern means among the cluster's topics, sorted: told once the cluster was asked, and whenever
    /// it changes, before partitions of new topics are assigned.
    Matched {
        /// The pattern.
        pattern: Arc<TopicPattern>,
        /// The topics; none at all needs somebody's look.
        topics: Vec<String>,
    },
}

/// Partitions on their way out. Dropping it lets them go.
pub struct Revocation {
    /// The partitions.
    pub partitions: Vec<Partition>,
    release: Option<Box<dyn FnOnce() + Send>>,
}

impl Revocation {
    /// For the consumer: `release` runs when the engine is done.
    pub fn new(partitions: Vec<Partition>, release: impl FnOnce() + Send + 'static) -> Self {
        Self {
            partitions,
            release: Some(Box::new(release)),
        }
    }
}

impl Drop for Revocation {
    fn drop(&mut self) {
        if let Some(release) = self.release.take() {
            release();
        }
    }
}

impl fmt::Debug for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocation")
            .field("partitions", &self.partitions)
            .finish_non_exhaustive()
    }
}

/// Why a commit did not count.
#[derive(Debug, Clone)]
pub enum CommitError {
    /// The group has moved on: these partitions are someone else's, or about to be. Not an error of the task.
    Rebalanced,
    /// It may work later.
    Failed(Error),
}

/// A consumer in a group.
///
/// It stays in its group whatever the engine does: a slow engine never costs membership. After `Revoked` or `Lost` no
/// record of those partitions is delivered, also none that was fetched before.
pub trait Consumer: Send {
    /// The next event; group changes come before records. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Retriable: call again. Fatal: the task becomes FAILED.
    fn next(&mut self) -> BoxFuture<'_, Result<ConsumerEvent, Error>>;

    /// The next group change; records stay queued. For an engine that can take no records now.
    ///
    /// # Errors
    /// As [`Consumer::next`].
    fn next_change(&mut self) -> BoxFuture<'_, Result<ConsumerEvent, Error>>;

    /// Stops or resumes delivery of all partitions, also of those assigned later. Membership stays.
    ///
    /// # Errors
    /// Retriable.
    fn set_paused(&mut self, paused: bool) -> Result<(), Error>;

    /// Stores the next offset to read per partition, each with its note, and answers when the broker has.
    fn commit(
        &self,
        positions: Vec<(Partition, i64, Option<Note>)>,
    ) -> BoxFuture<'static, Result<(), CommitError>>;

    /// Leaves the group.
    fn close(self: Box<Self>) -> BoxFuture<'static, ()>;
}
