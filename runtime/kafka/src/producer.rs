//! The producer port: librdkafka's queue, its delivery reports counted per batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::ClientContext;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, NoCustomPartitioner, ProducerContext, ThreadedProducer};
use rowtide_api::erased::BoxFuture;
use rowtide_api::{Error, RecordError};
use rowtide_engine::ports::{Delivery, Outgoing, Producer, SendError};
use tokio::sync::Notify;

use crate::errors::error;

/// Java's partitioner, durable writes without duplicates, no waiting, and no giving up: the engine waits visibly instead.
pub(crate) const DEFAULTS: [(&str, &str); 9] = [
    ("acks", "all"),
    ("enable.idempotence", "true"),
    ("linger.ms", "0"),
    ("partitioner", "murmur2_random"),
    ("delivery.timeout.ms", "2147483647"),
    ("batch.size", "1000000"),
    // 32 MiB as in Java: a queue of about a third of a second at full speed.
    ("queue.buffering.max.kbytes", "32768"),
    ("queue.buffering.max.messages", "200000"),
    ("message.max.bytes", "1048576"),
];

/// The longest nap before looking at a full queue again, should a wake-up be missed.
const READY_RECHECK: Duration = Duration::from_millis(50);

pub(crate) struct KafkaProducer {
    inner: ThreadedProducer<Reports>,
    room: Arc<Room>,
}

#[derive(Default)]
struct Room {
    wanted: AtomicBool,
    notify: Notify,
}

struct Reports {
    room: Arc<Room>,
    client_id: String,
}

impl ClientContext for Reports {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(client = self.client_id, %error, reason, "Kafka client");
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Arc<Delivery>;

    fn delivery(&self, result: &DeliveryResult<'_>, delivery: Arc<Delivery>) {
        match result {
            Ok(_) => delivery.acknowledged(),
            Err((cause, _)) => delivery.failed(error("delivering a record to Kafka", cause.clone())),
        }
        if self.room.wanted.swap(false, Ordering::AcqRel) {
            self.room.notify.notify_waiters();
        }
    }
}

pub(crate) fn open(config: &ClientConfig, client_id: &str) -> Result<KafkaProducer, Error> {
    let room = Arc::new(Room::default());
    let context = Reports {
        room: room.clone(),
        client_id: client_id.to_owned(),
    };
    let inner: ThreadedProducer<Reports, NoCustomPartitioner> =
        ThreadedProducer::from_config_and_context(config, context)
            .map_err(|cause| error(&format!("opening the producer {client_id}"), cause))?;
    Ok(KafkaProducer { inner, room })
}

impl Producer for KafkaProducer {
    fn send(&self, record: Outgoing<'_>, delivery: &Arc<Delivery>) -> Result<(), SendError> {
        let mut message: BaseRecord<'_, [u8], [u8], Arc<Delivery>> =
            BaseRecord::with_opaque_to(record.topic, delivery.clone());
        message.partition = record.partition;
        message.timestamp = record.timestamp_ms;
        message.key = record.key;
        message.payload = record.value;
        if !record.headers.is_empty() {
            message.headers = Some(headers(&record));
        }
        let Err((cause, refused)) = self.inner.send(message) else {
            return Ok(());
        };
        drop(refused);
        Err(refusal(record.topic, cause))
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let notified = self.room.notify.notified();
            self.room.wanted.store(true, Ordering::Release);
            // Whichever comes first; the engine tries again either way.
            let _ = tokio::time::timeout(READY_RECHECK, notified).await;
        })
    }
}

fn headers(record: &Outgoing<'_>) -> OwnedHeaders {
    let empty = OwnedHeaders::new_with_capacity(record.headers.len());
    record.headers.iter().fold(empty, |headers, (key, value)| {
        headers.insert(Header {
            key,
            value: value.as_deref(),
        })
    })
}

fn refusal(topic: &str, cause: KafkaError) -> SendError {
    match cause.rdkafka_error_code() {
        Some(RDKafkaErrorCode::QueueFull) => SendError::Full,
        Some(RDKafkaErrorCode::MessageSizeTooLarge) => SendError::Record(RecordError::new(
            "the record is larger than max.request.size; raise it, and max.message.bytes of the topic",
        )),
        _ => SendError::Producer(error(&format!("sending to topic {topic}"), cause)),
    }
}
