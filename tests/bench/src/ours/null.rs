//! A producer without a broker: it counts what it gets, and acknowledges it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rowtide_api::erased::BoxFuture;
use rowtide_engine::ports::{Delivery, Outgoing, Producer, SendError};

/// Everything is durable as soon as it is sent.
#[derive(Debug, Default)]
pub struct NullProducer {
    records: AtomicU64,
    bytes: AtomicU64,
}

impl NullProducer {
    /// Records sent so far.
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// Bytes of their keys and values.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Producer for NullProducer {
    fn send(&self, record: Outgoing<'_>, delivery: &Arc<Delivery>) -> Result<(), SendError> {
        let bytes = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.records.fetch_add(1, Ordering::Relaxed);
        delivery.acknowledged();
        Ok(())
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}
