//! Kafka in memory, with what makes Kafka hard: offset gaps, transactions and the last stable offset, acknowledgements
//! that come late or never, fenced producers, and partitions that are revoked, or lost without a word.
//!
//! The ports are what the engine sees. Everything else on [`MemoryKafka`] is what other clients and the broker itself do.

mod broker;
mod consumer;
mod group;
mod partition;
mod producer;

use std::sync::Arc;

use rowtide_api::Error;
use rowtide_api::data::Blob;
use rowtide_api::erased::BoxFuture;
use rowtide_api::sink::{Note, Partition};
use rowtide_engine::ports::{
    ClientSettings, Clock as _, Consumer, ConsumerSettings, Kafka, Producer, RawRecord, SystemClock,
};

use crate::faults::{CommitFault, ConsumeFault, ProduceFault, Script};
use broker::Shared;
use partition::TransactionId;

/// A cluster in memory. Clones are the same cluster. A topic that is written to and not there is created with one
/// partition, as brokers do.
#[derive(Clone, Default)]
pub struct MemoryKafka {
    shared: Arc<Shared>,
}

/// What goes wrong, of whichever client.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Sending.
    pub produce: Script<ProduceFault>,
    /// Delivering.
    pub consume: Script<ConsumeFault>,
    /// Committing positions.
    pub commit: Script<CommitFault>,
}

/// A transaction of another client. Dropped, it stays open, and nothing behind its first record is stable.
pub struct Transaction {
    shared: Arc<Shared>,
    id: TransactionId,
}

impl MemoryKafka {
    /// An empty cluster.
    pub fn new() -> Self {
        Self::default()
    }

    /// What goes wrong from now on.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Creates a topic.
    pub fn create_topic(&self, topic: &str, partitions: i32) {
        self.shared
            .change(|broker| broker.create_topic(topic, partitions));
    }

    /// Deletes a topic with its records.
    pub fn delete_topic(&self, topic: &str) {
        self.shared.change(|broker| broker.delete_topic(topic));
    }

    /// Another client writes a record; its offset.
    pub fn append(&self, topic: &str, partition: i32, key: Option<&[u8]>, value: Option<&[u8]>) -> i64 {
        let record = record(key, value);
        self.shared
            .change(|broker| broker.append(topic, partition, record, None))
    }

    /// Another client begins a transaction.
    pub fn begin(&self) -> Transaction {
        let id = self.shared.change(broker::Broker::next_id);
        Transaction {
            shared: self.shared.clone(),
            id,
        }
    }

    /// The committed records of one partition, in order.
    pub fn records(&self, topic: &str, partition: i32) -> Vec<RawRecord> {
        self.shared.read(|broker| {
            broker
                .log(topic, partition)
                .map_or_else(Vec::new, |log| log.read(0, usize::MAX, true).0)
        })
    }

    /// The broker compacts a topic: the newest record of each key stays, at its offset.
    pub fn compact(&self, topic: &str) {
        self.shared.change(|broker| broker.compact(topic));
    }

    /// Where a group stands in a partition.
    pub fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<(i64, Option<Note>)> {
        let partition = Partition {
            topic: topic.into(),
            index: partition,
        };
        self.shared
            .read(|broker| broker.groups.get(group)?.committed(&partition))
    }

    /// The partitions that the group has given this client.
    pub fn owned_by(&self, group: &str, client_id: &str) -> Vec<Partition> {
        self.shared.read(|broker| {
            broker
                .groups
                .get(group)
                .map_or_else(Vec::new, |group| group.owned_by(client_id))
        })
    }

    /// The group takes this client for dead: its partitions go to others before it hears of it.
    pub fn lose(&self, group: &str, client_id: &str) {
        self.shared.change(|broker| {
            let ends = broker.ends();
            if let Some(group) = broker.groups.get_mut(group)
                && let Some(member) = group.member_of(client_id)
            {
                group.lose(member, &ends);
            }
        });
    }
}

impl Transaction {
    /// Writes a record inside the transaction; its offset.
    pub fn append(&self, topic: &str, partition: i32, key: Option<&[u8]>, value: Option<&[u8]>) -> i64 {
        let record = record(key, value);
        self.shared
            .change(|broker| broker.append(topic, partition, record, Some(self.id)))
    }

    /// Ends it: its records count.
    pub fn commit(self) {
        self.shared.change(|broker| broker.end(self.id, true));
    }

    /// Ends it: its records are as if they had never been, but for their offsets.
    pub fn abort(self) {
        self.shared.change(|broker| broker.end(self.id, false));
    }
}

impl Kafka for MemoryKafka {
    fn producer(&self, settings: &ClientSettings) -> Result<Arc<dyn Producer>, Error> {
        Ok(Arc::new(producer::open(self.shared.clone(), settings)?))
    }

    fn consumer(&self, settings: &ConsumerSettings) -> Result<Box<dyn Consumer>, Error> {
        Ok(Box::new(consumer::open(self.shared.clone(), settings)?))
    }

    fn cluster_id(&self) -> BoxFuture<'_, Result<String, Error>> {
        Box::pin(async { Ok("memory".to_owned()) })
    }
}

fn record(key: Option<&[u8]>, value: Option<&[u8]>) -> RawRecord {
    RawRecord {
        offset: 0,
        timestamp_ms: Some(SystemClock.now_ms()),
        key: key.map(Blob::copy),
        value: value.map(Blob::copy),
        headers: Vec::new(),
    }
}
