//! What the clients of one cluster share: topics and groups behind one lock, and a number that grows with each change.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use rowtide_api::sink::Partition;
use rowtide_engine::ports::RawRecord;
use tokio::sync::watch;

use super::Faults;
use super::group::Group;
use super::partition::{PartitionLog, TransactionId};

pub(super) struct Shared {
    broker: Mutex<Broker>,
    /// Wakes whoever waits for a record or a change of a group.
    version: watch::Sender<u64>,
    pub(super) faults: Faults,
}

#[derive(Default)]
pub(super) struct Broker {
    topics: BTreeMap<String, Vec<PartitionLog>>,
    pub(super) groups: BTreeMap<String, Group>,
    last_id: u64,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            broker: Mutex::default(),
            version: watch::channel(0).0,
            faults: Faults::default(),
        }
    }
}

impl Shared {
    pub(super) fn read<T>(&self, read: impl FnOnce(&Broker) -> T) -> T {
        read(&self.broker.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Broker) -> T) -> T {
        let changed = self.quietly(change);
        self.version.send_modify(|version| *version += 1);
        changed
    }

    /// A change that nobody waits for.
    pub(super) fn quietly<T>(&self, change: impl FnOnce(&mut Broker) -> T) -> T {
        change(&mut self.broker.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }
}

impl Broker {
    /// A number that nobody else has: of a transaction or a member.
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn create_topic(&mut self, topic: &str, partitions: i32) {
        let logs = self.topics.entry(topic.to_owned()).or_default();
        while i32::try_from(logs.len()).is_ok_and(|count| count < partitions) {
            logs.push(PartitionLog::default());
        }
        let ends = self.ends();
        self.groups.values_mut().for_each(|group| group.rebalance(&ends));
    }

    pub(super) fn delete_topic(&mut self, topic: &str) {
        self.topics.remove(topic);
        let ends = self.ends();
        self.groups.values_mut().for_each(|group| group.rebalance(&ends));
    }

    /// How many partitions a topic has; it is created when it is not there.
    pub(super) fn partitions(&mut self, topic: &str) -> usize {
        if !self.topics.contains_key(topic) {
            self.create_topic(topic, 1);
        }
        self.topics.get(topic).map_or(0, Vec::len)
    }

    pub(super) fn log(&self, topic: &str, partition: i32) -> Option<&PartitionLog> {
        self.topics.get(topic)?.get(usize::try_from(partition).ok()?)
    }

    /// The offset of the new record.
    ///
    /// # Panics
    /// When the topic has no such partition: the client has to have looked.
    pub(super) fn append(
        &mut self,
        topic: &str,
        partition: i32,
        record: RawRecord,
        transaction: Option<TransactionId>,
    ) -> i64 {
        self.partitions(topic);
        let index = usize::try_from(partition).ok();
        let logs = self.topics.get_mut(topic);
        let log = logs
            .and_then(|logs| logs.get_mut(index?))
            .expect("the topic has this partition");
        log.append(record, transaction)
    }

    pub(super) fn end(&mut self, transaction: TransactionId, commit: bool) {
        self.topics
            .values_mut()
            .flatten()
            .for_each(|log| log.end(transaction, commit));
    }

    pub(super) fn compact(&mut self, topic: &str) {
        self.topics
            .get_mut(topic)
            .into_iter()
            .flatten()
            .for_each(PartitionLog::compact);
    }

    /// Every partition with its end offset.
    pub(super) fn ends(&self) -> BTreeMap<Partition, i64> {
        let topics = self.topics.iter().flat_map(|(topic, logs)| {
            let topic: std::sync::Arc<str> = topic.as_str().into();
            logs.iter().zip(0..).map(move |(log, index)| {
                let topic = topic.clone();
                (Partition { topic, index }, log.end_offset())
            })
        });
        topics.collect()
    }
}
