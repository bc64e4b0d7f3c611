//! The consumer port: a thread of its own polls librdkafka, so that membership never depends on the engine's pace.

mod context;
mod inbox;
mod poll;
mod topics;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use rowtide_api::Error;
use rowtide_api::erased::BoxFuture;
use rowtide_api::sink::{Note, Partition};
use rowtide_engine::ports::{
    CommitError, Consumer, ConsumerEvent, ConsumerSettings, Subscription, TOPICS_AGE_MS,
};
use tokio::sync::mpsc::channel;

use crate::errors::error;
use context::{Group, Shared};
use inbox::Inbox;

/// Committed data only, from the start, and small prefetch queues: the engine holds what is unsettled, librdkafka little.
pub(crate) const DEFAULTS: [(&str, &str); 9] = [
    ("isolation.level", "read_committed"),
    ("auto.offset.reset", "earliest"),
    // Unmoved partitions keep flowing through a rebalance.
    ("partition.assignment.strategy", "cooperative-sticky"),
    ("queued.min.messages", "2000"),
    ("queued.max.messages.kbytes", "16384"),
    // A full queue is looked at again this soon. The client's own second would bound a partition by one small queue a second.
    ("fetch.queue.backoff.ms", "5"),
    ("fetch.message.max.bytes", "1048576"),
    ("allow.auto.create.topics", "false"),
    ("enable.partition.eof", "false"),
];

/// What `metadata.max.age.ms` becomes: how often named topics are asked about.
const REFRESH_MS: &str = "topic.metadata.refresh.interval.ms";
/// Its value unless it is set: a named topic that is created late is read soon.
const REFRESH_DEFAULT_MS: &str = "5000";

/// Fetches that wait for the engine: one in hand, one to follow at once.
const FETCHES_WAITING_MAX: usize = 2;
/// Group changes that wait; each blocks the polling thread, so there is rarely more than one.
const CHANGES_WAITING_MAX: usize = 8;

type Client = BaseConsumer<Group>;

pub(crate) struct KafkaConsumer {
    client: Arc<Client>,
    shared: Arc<Shared>,
    inbox: Inbox,
    threads: Vec<JoinHandle<()>>,
    /// Dropped with the consumer, which ends the thread that looks for topics.
    _open: SyncSender<()>,
}

pub(crate) fn open(mut config: ClientConfig, settings: &ConsumerSettings) -> Result<KafkaConsumer, Error> {
    let age_ms = config.get(REFRESH_MS).and_then(|text| text.parse().ok());
    if age_ms.is_none() {
        config.set(REFRESH_MS, REFRESH_DEFAULT_MS);
    }
    let (changes_in, changes) = channel(CHANGES_WAITING_MAX);
    let (fetches_in, fetches) = channel(FETCHES_WAITING_MAX);
    let shared = Arc::new(Shared::default());
    let group = Group::new(
        settings.client.client_id.clone(),
        shared.clone(),
        changes_in.clone(),
    );
    let doing = format!("opening the consumer {}", settings.client.client_id);
    let client: Arc<Client> = Arc::new(
        BaseConsumer::from_config_and_context(&config, group).map_err(|cause| error(&doing, cause))?,
    );
    let (open, closed) = sync_channel(0);
    // From here on dropping the consumer ends what was started.
    let mut consumer = KafkaConsumer {
        client: client.clone(),
        shared: shared.clone(),
        inbox: Inbox::new(changes, fetches),
        threads: Vec::new(),
        _open: open,
    };
    match &settings.subscription {
        Subscription::Topics(topics) => {
            let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
            client
                .subscribe(&topics)
                .map_err(|cause| error(&format!("subscribing to {}", topics.join(", ")), cause))?;
        }
        Subscription::Pattern(pattern) => consumer.threads.push(topics::spawn(topics::Watch {
            client: client.clone(),
            shared: shared.clone(),
            changes: changes_in,
            pattern: pattern.clone(),
            age: Duration::from_millis(age_ms.unwrap_or(TOPICS_AGE_MS)),
            open: closed,
        })?),
    }
    consumer.threads.push(poll::spawn(
        client,
        shared,
        fetches_in,
        settings.batch_records_max,
    )?);
    Ok(consumer)
}

impl Consumer for KafkaConsumer {
    fn next(&mut self) -> BoxFuture<'_, Result<ConsumerEvent, Error>> {
        Box::pin(async move {
            if self.shared.paused.load(Ordering::Acquire) {
                // What was fetched before the pause stays queued, like what the polling thread still holds.
                return self.inbox.next_change().await;
            }
            self.inbox.next().await
        })
    }

    fn next_change(&mut self) -> BoxFuture<'_, Result<ConsumerEvent, Error>> {
        Box::pin(self.inbox.next_change())
    }

    fn set_paused(&mut self, paused: bool) -> Result<(), Error> {
        self.shared.paused.store(paused, Ordering::Release);
        Ok(())
    }

    fn commit(
        &self,
        positions: Vec<(Partition, i64, Option<Note>)>,
    ) -> BoxFuture<'static, Result<(), CommitError>> {
        let (client, shared) = (self.client.clone(), self.shared.clone());
        Box::pin(async move {
            if !shared.owns(positions.iter().map(|(partition, ..)| partition)) {
                return Err(CommitError::Rebalanced);
            }
            let committed = tokio::task::spawn_blocking(move || commit(&client, &positions));
            let interrupted = |_| {
                Err(CommitError::Failed(Error::retriable(
                    "committing positions was interrupted",
                )))
            };
            committed.await.unwrap_or_else(interrupted)
        })
    }

    fn close(mut self: Box<Self>) -> BoxFuture<'static, ()> {
        self.shared.closing.store(true, Ordering::Release);
        let threads = std::mem::take(&mut self.threads);
        Box::pin(async move {
            // The last reference leaves the group when it is dropped, which blocks.
            let closed = tokio::task::spawn_blocking(move || {
                drop(self);
                threads.into_iter().try_for_each(JoinHandle::join)
            });
            if !matches!(closed.await, Ok(Ok(()))) {
                tracing::warn!("closing a consumer was interrupted");
            }
        })
    }
}

impl Drop for KafkaConsumer {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Release);
    }
}

fn commit(client: &Client, positions: &[(Partition, i64, Option<Note>)]) -> Result<(), CommitError> {
    let mut list = TopicPartitionList::with_capacity(positions.len());
    for (partition, position, note) in positions {
        let added = list.add_partition_offset(&partition.topic, partition.index, Offset::Offset(*position));
        added.map_err(|cause| CommitError::Failed(error("building a commit", cause)))?;
        if let Some(note) = note
            && let Some(mut entry) = list.find_partition(&partition.topic, partition.index)
        {
            entry.set_metadata(&*note.0);
        }
    }
    match client.commit(&list, CommitMode::Sync) {
        Ok(()) => Ok(()),
        Err(cause) if has_moved_on(&cause) => Err(CommitError::Rebalanced),
        Err(cause) => Err(CommitError::Failed(error("committing positions", cause))),
    }
}

fn has_moved_on(cause: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        cause.rdkafka_error_code(),
        Some(
            Code::IllegalGeneration
                | Code::UnknownMemberId
                | Code::RebalanceInProgress
                | Code::FencedInstanceId
                | Code::AssignmentLost
                | Code::NoOffset
        )
    )
}
