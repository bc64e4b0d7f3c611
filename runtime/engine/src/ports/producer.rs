//! Sending records.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rowtide_api::erased::BoxFuture;
use rowtide_api::{Error, Properties, RecordError};
use tokio::sync::mpsc::UnboundedSender;

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

/// The end of a batch's sending.
#[derive(Debug)]
pub struct BatchEnd {
    /// The number the engine gave the batch.
    pub batch: u64,
    /// How many records are durable, all of them; or the first failure.
    pub outcome: Result<u32, Error>,
}

/// Counts the acknowledgements of one batch: one atomic step per record, one message per batch.
#[derive(Debug)]
pub struct Delivery {
    batch: u64,
    acknowledged: AtomicU32,
    sent: AtomicU32,
    told: AtomicBool,
    // Unbounded in type only: it holds at most one message per open batch, and the engine bounds those.
    ends: UnboundedSender<BatchEnd>,
}

/// Marks `sent` while the batch is still being sent: no count reaches it.
const SENDING: u32 = u32::MAX;

impl Delivery {
    /// A batch that is about to be sent; its end goes to `ends`.
    pub fn new(batch: u64, ends: UnboundedSender<BatchEnd>) -> Arc<Self> {
        Arc::new(Self {
            batch,
            acknowledged: AtomicU32::new(0),
            sent: AtomicU32::new(SENDING),
            told: AtomicBool::new(false),
            ends,
        })
    }

    /// For the producer: one record is durable.
    pub fn acknowledged(&self) {
        let acknowledged = self.acknowledged.fetch_add(1, Ordering::SeqCst) + 1;
        if acknowledged == self.sent.load(Ordering::SeqCst) {
            self.tell(Ok(acknowledged));
        }
    }

    /// For the producer: one record was not stored, and will not be.
    pub fn failed(&self, error: Error) {
        self.tell(Err(error));
    }

    /// For the engine: sending is over, `sent` records were taken.
    pub fn sending_over(&self, sent: u32) {
        self.sent.store(sent, Ordering::SeqCst);
        // Either this load sees the last acknowledgement, or that one saw the store above; `told` lets one of them speak.
        if self.acknowledged.load(Ordering::SeqCst) == sent {
            self.tell(Ok(sent));
        }
    }

    fn tell(&self, outcome: Result<u32, Error>) {
        if !self.told.swap(true, Ordering::AcqRel) {
            // Nobody listens any more when the task is gone.
            let _ = self.ends.send(BatchEnd {
                batch: self.batch,
                outcome,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc::unbounded_channel;

    #[test]
    fn a_batch_ends_once_whichever_comes_last() {
        let (send, mut receive) = unbounded_channel();
        let early = Delivery::new(1, send.clone());
        early.acknowledged();
        early.sending_over(1);
        let late = Delivery::new(2, send.clone());
        late.sending_over(2);
        late.acknowledged();
        assert_eq!(receive.try_recv().unwrap().batch, 1);
        assert!(receive.try_recv().is_err());
        late.acknowledged();
        assert!(matches!(
            receive.try_recv(),
            Ok(BatchEnd {
                batch: 2,
                outcome: Ok(2)
            })
        ));
        let broken = Delivery::new(3, send);
        broken.failed(Error::fatal("x"));
        broken.failed(Error::fatal("y"));
        assert!(receive.try_recv().unwrap().outcome.is_err());
        assert!(receive.try_recv().is_err());
    }
}
