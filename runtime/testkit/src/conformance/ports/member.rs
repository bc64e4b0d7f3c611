//! What the cases of the suite do with the clients: each wait has a deadline.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rowtide_api::sink::{Note, Partition};
use rowtide_api::{Error, Properties};
use rowtide_engine::ports::{
    BatchEnd, ClientSettings, CommitError, Committed, Consumer, ConsumerEvent, ConsumerSettings, Delivery,
    Fetched, Outgoing, Producer, SendError, Subscription, TopicPattern,
};
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::timeout;

use super::Cluster;

/// No step of a group or a producer takes longer, also on a slow machine.
pub(super) const WAIT: Duration = Duration::from_secs(60);

/// Long enough for something that should not come to have come.
pub(super) const QUIET: Duration = Duration::from_millis(1500);

/// A name nobody else uses.
pub(super) fn fresh(what: &str) -> String {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let since_epoch = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    format!(
        "{what}-{:x}-{}",
        since_epoch.as_micros(),
        TAKEN.fetch_add(1, Ordering::Relaxed)
    )
}

pub(super) fn partition(topic: &str, index: i32) -> Partition {
    Partition {
        topic: topic.into(),
        index,
    }
}

pub(super) fn producer(cluster: &impl Cluster, properties: &[(&str, &str)]) -> Arc<dyn Producer> {
    let settings = ClientSettings {
        client_id: fresh("producer"),
        properties: Properties::from_iter(properties.iter().copied()),
    };
    cluster
        .kafka()
        .producer(&settings)
        .expect("a producer can be opened")
}

pub(super) fn outgoing<'a>(topic: &'a str, partition: i32, value: &'a str) -> Outgoing<'a> {
    Outgoing {
        topic,
        partition: Some(partition),
        timestamp_ms: None,
        key: None,
        value: Some(value.as_bytes()),
        headers: &[],
    }
}

/// Sends a batch, waiting where the queue is full; how it ended, and how often the queue was full.
pub(super) async fn send(producer: &dyn Producer, records: &[Outgoing<'_>]) -> (BatchEnd, u32) {
    let (ends, mut ended) = unbounded_channel();
    let delivery = Delivery::new(1, ends);
    let (mut sent, mut full) = (0, 0);
    for record in records {
        loop {
            match producer.send(*record, &delivery) {
                Ok(()) => break sent += 1,
                Err(SendError::Full) => full += 1,
                Err(error) => panic!("a record was refused: {error:?}"),
            }
            within("room in the queue", producer.ready()).await;
        }
    }
    delivery.sending_over(sent);
    (
        within("the end of a batch", ended.recv())
            .await
            .expect("the batch ends"),
        full,
    )
}

/// Writes values to one partition, durably.
pub(super) async fn write(cluster: &impl Cluster, topic: &str, partition: i32, values: &[&str]) {
    let records: Vec<_> = values
        .iter()
        .map(|value| outgoing(topic, partition, value))
        .collect();
    let (end, _) = send(&*producer(cluster, &[]), &records).await;
    assert_eq!(end.outcome.ok(), u32::try_from(values.len()).ok());
}

pub(super) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(WAIT, future)
        .await
        .unwrap_or_else(|_| panic!("{what} did not come within {WAIT:?}"))
}

/// A consumer with what it was told and given so far.
pub(super) struct Member {
    pub(super) consumer: Box<dyn Consumer>,
    pub(super) client_id: String,
    /// What it owns, as it was told.
    pub(super) owned: BTreeMap<Partition, Committed>,
    /// Values by partition, with their offsets.
    pub(super) read: BTreeMap<Partition, Vec<(i64, String)>>,
    /// What its pattern means, as it was told last.
    pub(super) matched: Option<Vec<String>>,
}

/// What a member looks for.
pub(super) struct Group {
    pub(super) id: String,
    pub(super) subscription: Subscription,
    pub(super) properties: Vec<(&'static str, String)>,
    pub(super) records_max: usize,
}

impl Group {
    pub(super) fn of(topic: &str) -> Self {
        Self {
            id: fresh("group"),
            subscription: Subscription::Topics(vec![topic.to_owned()]),
            properties: Vec::new(),
            records_max: 100,
        }
    }

    /// The topics a pattern means; looked for often.
    pub(super) fn matching(pattern: &str) -> Self {
        let pattern = TopicPattern::compile(pattern).expect("a pattern of Java's");
        let group = Self {
            subscription: Subscription::Pattern(Arc::new(pattern)),
            ..Self::of("")
        };
        group.with("metadata.max.age.ms", "300")
    }

    pub(super) fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.properties.push((key, value.into()));
        self
    }

    pub(super) fn join(&self, cluster: &impl Cluster) -> Member {
        let properties = self.properties.iter().map(|(key, value)| (*key, value.as_str()));
        let client_id = fresh("consumer");
        let settings = ConsumerSettings {
            client: ClientSettings {
                client_id: client_id.clone(),
                properties: Properties::from_iter(properties),
            },
            group_id: self.id.clone(),
            subscription: self.subscription.clone(),
            batch_records_max: self.records_max,
        };
        Member {
            consumer: cluster
                .kafka()
                .consumer(&settings)
                .expect("a consumer can be opened"),
            client_id,
            owned: BTreeMap::new(),
            read: BTreeMap::new(),
            matched: None,
        }
    }
}

impl Member {
    /// The next event; what it says is noted. Revocations are handed to the caller, who decides when to let go.
    pub(super) async fn next(&mut self) -> Result<ConsumerEvent, Error> {
        let event = within("an event", self.consumer.next()).await?;
        self.note(&event);
        Ok(event)
    }

    pub(super) fn note(&mut self, event: &ConsumerEvent) {
        match event {
            ConsumerEvent::Assigned(committed) => {
                for entry in committed {
                    let before = self.owned.insert(entry.partition.clone(), entry.clone());
                    // It comes back at its committed position: what lies behind may be read again.
                    let start = entry.position.unwrap_or_default();
                    self.read
                        .entry(entry.partition.clone())
                        .or_default()
                        .retain(|(offset, _)| *offset < start);
                    assert!(before.is_none(), "{:?} was ours already", entry.partition);
                }
            }
            ConsumerEvent::Revoked(revocation) => self.gone(&revocation.partitions),
            ConsumerEvent::Lost(partitions) => self.gone(partitions),
            ConsumerEvent::Records(fetched) => self.fetched(fetched),
            ConsumerEvent::Matched { topics, .. } => self.matched = Some(topics.clone()),
        }
    }

    fn gone(&mut self, partitions: &[Partition]) {
        for partition in partitions {
            assert!(
                self.owned.remove(partition).is_some(),
                "{partition:?} was not ours"
            );
        }
    }

    fn fetched(&mut self, fetched: &Fetched) {
        assert!(
            self.owned.contains_key(&fetched.partition),
            "a record of {:?}, which is not ours",
            fetched.partition
        );
        assert!(
            !fetched.records.is_empty(),
            "a delivery holds at least one record"
        );
        let read = self.read.entry(fetched.partition.clone()).or_default();
        for record in &fetched.records {
            let value = record
                .value
                .as_ref()
                .map_or_else(String::new, |value| String::from_utf8_lossy(value).into_owned());
            assert!(
                read.last().is_none_or(|(offset, _)| *offset < record.offset),
                "offsets grow"
            );
            read.push((record.offset, value));
        }
    }

    /// Goes on until it owns so many partitions; others' revocations are let go at once.
    pub(super) async fn own(&mut self, partitions: usize) {
        while self.owned.len() != partitions {
            self.next().await.expect("an event");
        }
    }

    /// Goes on until its pattern means these topics.
    pub(super) async fn matches(&mut self, topics: &[&str]) {
        while self.matched.as_deref().is_none_or(|matched| matched != topics) {
            self.next().await.expect("an event");
        }
    }

    /// Goes on until it has read so many values of a partition; these.
    pub(super) async fn values(&mut self, partition: &Partition, count: usize) -> Vec<String> {
        while self.read.get(partition).map_or(0, Vec::len) < count {
            self.next().await.expect("an event");
        }
        self.read_of(partition)
            .into_iter()
            .map(|(_, value)| value)
            .collect()
    }

    pub(super) fn read_of(&self, partition: &Partition) -> Vec<(i64, String)> {
        self.read.get(partition).cloned().unwrap_or_default()
    }

    /// Every partition and offset it was given.
    pub(super) fn seen(&self) -> BTreeSet<(i32, i64)> {
        let each = self
            .read
            .iter()
            .flat_map(|(partition, read)| read.iter().map(|(offset, _)| (partition.index, *offset)));
        each.collect()
    }

    /// Nothing comes for a while.
    pub(super) async fn quiet(&mut self) {
        if let Ok(event) = timeout(QUIET, self.consumer.next()).await {
            panic!("nothing should come, but: {event:?}");
        }
    }

    pub(super) async fn commit(
        &self,
        partition: &Partition,
        position: i64,
        note: Option<&str>,
    ) -> Result<(), CommitError> {
        let note = note.map(|note| Note(note.into()));
        within(
            "the end of a commit",
            self.consumer.commit(vec![(partition.clone(), position, note)]),
        )
        .await
    }

    pub(super) async fn close(self) {
        within("the end of a consumer", self.consumer.close()).await;
    }
}
