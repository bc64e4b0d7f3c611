//! The producer port: a queue with a bound, emptied in order by a task of its own.

use std::future::pending;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use rowtide_api::data::Blob;
use rowtide_api::erased::BoxFuture;
use rowtide_api::{Error, RecordError};
use rowtide_engine::ports::{
    ClientSettings, Clock as _, Delivery, Outgoing, Producer, RawRecord, SendError, SystemClock,
};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::sleep;

use super::broker::Shared;
use crate::faults::ProduceFault;

/// Java's defaults: 32 MiB of queue, here counted as records of 1 KiB, and records below 1 MiB.
const BUFFER_BYTES: usize = 32 << 20;
const QUEUED_RECORD_BYTES: usize = 1 << 10;
const REQUEST_BYTES_MAX: usize = 1 << 20;

struct MemoryProducer {
    shared: Arc<Shared>,
    queue: Sender<Queued>,
    request_bytes_max: usize,
    fenced: Arc<OnceLock<Error>>,
    /// Records without a key take the partitions in turn.
    turn: AtomicUsize,
}

struct Queued {
    topic: Arc<str>,
    partition: i32,
    record: RawRecord,
    delivery: Arc<Delivery>,
    fault: Option<ProduceFault>,
}

pub(super) fn open(shared: Arc<Shared>, settings: &ClientSettings) -> Result<impl Producer + use<>, Error> {
    let number = |key: &str, default: usize| match settings.properties.get(key) {
        Some(text) => text
            .trim()
            .parse()
            .map_err(|_| Error::fatal(format!("{key}: {text} is no number"))),
        None => Ok(default),
    };
    let queued_max = number("buffer.memory", BUFFER_BYTES)? / QUEUED_RECORD_BYTES;
    let (queue, waiting) = channel(queued_max.max(1));
    let fenced = Arc::new(OnceLock::new());
    tokio::spawn(write(shared.clone(), waiting, fenced.clone()));
    Ok(MemoryProducer {
        shared,
        queue,
        request_bytes_max: number("max.request.size", REQUEST_BYTES_MAX)?,
        fenced,
        turn: AtomicUsize::new(0),
    })
}

impl Producer for MemoryProducer {
    fn send(&self, record: Outgoing<'_>, delivery: &Arc<Delivery>) -> Result<(), SendError> {
        if let Some(error) = self.fenced.get() {
            return Err(SendError::Producer(error.clone()));
        }
        let fault = self.shared.faults.produce.step();
        let size = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let bytes = size(record.key) + size(record.value);
        match fault {
            Some(ProduceFault::Full) => return Err(SendError::Full),
            Some(ProduceFault::TooLarge) => return Err(too_large()),
            _ if bytes > self.request_bytes_max => return Err(too_large()),
            _ => {}
        }
        let queued = Queued {
            topic: record.topic.into(),
            partition: self.partition(&record)?,
            record: stored(&record),
            delivery: delivery.clone(),
            fault,
        };
        match self.queue.try_send(queued) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => Err(SendError::Full),
            Err(TrySendError::Closed(_)) => Err(SendError::Producer(fenced())),
        }
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // A queue that is closed refuses the next record by its own words.
            let _ = self.queue.reserve().await;
        })
    }
}

impl MemoryProducer {
    fn partition(&self, record: &Outgoing<'_>) -> Result<i32, SendError> {
        let count = self.shared.change(|broker| broker.partitions(record.topic));
        let index = match (record.partition, record.key) {
            (Some(index), _) => usize::try_from(index).ok().filter(|index| *index < count),
            (None, Some(key)) => {
                let mut hasher = DefaultHasher::new();
                key.hash(&mut hasher);
                usize::try_from(hasher.finish() % count.max(1) as u64).ok()
            }
            (None, None) => Some(self.turn.fetch_add(1, Ordering::Relaxed) % count.max(1)),
        };
        let index = index.and_then(|index| i32::try_from(index).ok());
        index.ok_or_else(|| {
            SendError::Producer(Error::retriable(format!(
                "topic {} has no such partition",
                record.topic
            )))
        })
    }
}

/// Writes what is queued, in order. A producer that is dropped takes what is still queued with it.
async fn write(shared: Arc<Shared>, mut queue: Receiver<Queued>, is_fenced: Arc<OnceLock<Error>>) {
    while let Some(queued) = queue.recv().await {
        if let Some(ProduceFault::StoredLate(wait)) = queued.fault {
            sleep(wait).await;
        }
        if queue.is_closed() {
            queued.delivery.failed(Error::retriable("the producer is closed"));
            continue;
        }
        if let Some(error) = is_fenced.get() {
            queued.delivery.failed(error.clone());
            continue;
        }
        let Queued {
            topic,
            partition,
            record,
            delivery,
            fault,
        } = queued;
        let store = || shared.change(|broker| broker.append(&topic, partition, record, None));
        match fault {
            Some(ProduceFault::Failed(error)) => delivery.failed(error),
            Some(ProduceFault::Fenced) => delivery.failed(is_fenced.get_or_init(fenced).clone()),
            Some(ProduceFault::Hangs) => pending().await,
            Some(ProduceFault::AcknowledgementLost) => {
                store();
                delivery.failed(Error::retriable(
                    "delivering a record to Kafka: the acknowledgement was lost",
                ));
            }
            Some(ProduceFault::AcknowledgedLate(wait)) => {
                store();
                tokio::spawn(async move {
                    sleep(wait).await;
                    delivery.acknowledged();
                });
            }
            None | Some(ProduceFault::StoredLate(_) | ProduceFault::Full | ProduceFault::TooLarge) => {
                store();
                delivery.acknowledged();
            }
        }
    }
}

fn stored(record: &Outgoing<'_>) -> RawRecord {
    RawRecord {
        offset: 0,
        timestamp_ms: Some(record.timestamp_ms.unwrap_or_else(|| SystemClock.now_ms())),
        key: record.key.map(Blob::copy),
        value: record.value.map(Blob::copy),
        headers: record
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.as_deref().map(Blob::copy)))
            .collect(),
    }
}

fn fenced() -> Error {
    Error::retriable("another producer took over")
}

fn too_large() -> SendError {
    SendError::Record(RecordError::new("the record is larger than max.request.size"))
}
