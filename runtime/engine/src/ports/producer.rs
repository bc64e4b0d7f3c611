//! Sending records.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rowtide_api::erased::BoxFuture;
use rowtide_api::{Error, Properties, RecordError};
use tokio::sync::Notify;

/// Names and settings of one client, after the engine merged worker and connector keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientSettings {
    /// `client.id`.
    pub client_id: String,
    /// Kafka's own keys, on top of the port's defaults.
    pub properties: Properties,
}

/// A record as bytes. Borrowed: the producer copies what it keeps.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition, or the partitioner's choice.
    pub partition: Option<i32>,
    /// Milliseconds since the epoch, or the time of sending.
    pub timestamp_ms: Option<i64>,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value.
    pub value: Option<&'a [u8]>,
    /// Headers in order.
    pub headers: &'a [(Arc<str>, Option<Vec<u8>>)],
}

/// Why a record was not taken.
#[derive(Debug, Clone)]
pub enum SendError {
    /// The queue is full: wait for [`Producer::ready`], then send again.
    Full,
    /// This record can never be sent, for instance because it is too large.
    Record(RecordError),
    /// The producer is of no more use; the task starts again from its stored offset when the error is retriable.
    Producer(Error),
}

/// A producer. Records of one partition keep their order.
pub trait Producer: Send + Sync {
    /// Queues a record. `delivery` hears of its end exactly once, from any thread, if and only if this answers `Ok`.
    ///
    /// # Errors
    /// See [`SendError`].
    fn send(&self, record: Outgoing<'_>, delivery: &Arc<Delivery>) -> Result<(), SendError>;

    /// Waits until the queue has room again.
    fn ready(&self) -> BoxFuture<'_, ()>;
}

/// Counts the acknowledgements of one batch: one atomic step per record, one wake-up per batch.
#[derive(Debug)]
pub struct Delivery {
    /// The number the engine gave the batch.
    pub batch: u64,
    acknowledged: AtomicU32,
    sent: AtomicU32,
    failure: Mutex<Option<Error>>,
    wake: Arc<Notify>,
}

/// Marks `sent` while the batch is still being sent: no count reaches it.
const SENDING: u32 = u32::MAX;

impl Delivery {
    /// A batch that is about to be sent; `wake` is notified when it is complete or failed.
    pub fn new(batch: u64, wake: Arc<Notify>) -> Arc<Self> {
        Arc::new(Self {
            batch,
            acknowledged: AtomicU32::new(0),
            sent: AtomicU32::new(SENDING),
            failure: Mutex::new(None),
            wake,
        })
    }

    /// For the producer: one record is durable.
    pub fn acknowledged(&self) {
        let now = self.acknowledged.fetch_add(1, Ordering::AcqRel) + 1;
        if now == self.sent.load(Ordering::Acquire) {
            self.wake.notify_one();
        }
    }

    /// For the producer: one record was not stored, and will not be.
    pub fn failed(&self, error: Error) {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(error);
        self.wake.notify_one();
    }

    /// For the engine: sending is over, `sent` records were taken.
    pub fn sending_over(&self, sent: u32) {
        self.sent.store(sent, Ordering::Release);
        if self.is_complete() {
            self.wake.notify_one();
        }
    }

    /// How many records are durable.
    pub fn count(&self) -> u32 {
        self.acknowledged.load(Ordering::Acquire)
    }

    /// Whether sending is over and every record is durable.
    pub fn is_complete(&self) -> bool {
        self.acknowledged.load(Ordering::Acquire) == self.sent.load(Ordering::Acquire)
    }

    /// The first failure.
    pub fn failure(&self) -> Option<Error> {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
