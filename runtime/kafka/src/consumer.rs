//! The consumer port: a thread of its own polls librdkafka, so that membership never depends on the engine's pace.

mod context;
mod poll;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use rowtide_api::Error;
use rowtide_api::erased::BoxFuture;
use rowtide_api::sink::{Note, Partition};
use rowtide_engine::ports::{CommitError, Consumer, ConsumerEvent, ConsumerSettings, Fetched, Subscription};
use tokio::sync::mpsc::{Receiver, channel};

use crate::errors::error;
use context::{Change, Group, Shared};

/// Committed data only, from the start, and small prefetch queues: the engine holds what is unsettled, librdkafka little.
pub(crate) const DEFAULTS: [(&str, &str); 9] = [
    ("isolation.level", "read_committed"),
    ("auto.offset.reset", "earliest"),
    // Unmoved partitions keep flowing through a rebalance.
    ("partition.assignment.strategy", "cooperative-sticky"),
    ("queued.min.messages", "2000"),
    ("queued.max.messages.kbytes", "16384"),
    ("fetch.message.max.bytes", "1048576"),
    ("allow.auto.create.topics", "false"),
    ("topic.metadata.refresh.interval.ms", "5000"),
    ("enable.partition.eof", "false"),
];

/// Fetches that wait for the engine: one in hand, one to follow at once.
const FETCHES_WAITING_MAX: usize = 2;
/// Group changes that wait; each blocks the polling thread, so there is rarely more than one.
const CHANGES_WAITING_MAX: usize = 8;

type Client = BaseConsumer<Group>;

pub(crate) struct KafkaConsumer {
    client: Arc<Client>,
    shared: Arc<Shared>,
    changes: Receiver<Change>,
    fetches: Receiver<Result<Fetched, Error>>,
    /// Fetched before a change of the group and still ours.
    kept: VecDeque<Fetched>,
    thread: Option<JoinHandle<()>>,
}

pub(crate) fn open(config: &ClientConfig, settings: &ConsumerSettings) -> Result<KafkaConsumer, Error> {
    let (changes_in, changes) = channel(CHANGES_WAITING_MAX);
    let (fetches_in, fetches) = channel(FETCHES_WAITING_MAX);
    let shared = Arc::new(Shared::default());
    let group = Group::new(settings.client.client_id.clone(), shared.clone(), changes_in);
    let doing = format!("opening the consumer {}", settings.client.client_id);
    let client: Arc<Client> =
        Arc::new(BaseConsumer::from_config_and_context(config, group).map_err(|cause| error(&doing, cause))?);
    let topics: Vec<String> = match &settings.subscription {
        Subscription::Topics(topics) => topics.clone(),
        // librdkafka takes a pattern that begins with ^; the whole name has to match.
        Subscription::Regex(regex) => vec![format!("^({regex})$")],
    };
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    client
        .subscribe(&topics)
        .map_err(|cause| error(&format!("subscribing to {}", topics.join(", ")), cause))?;
    let thread = poll::spawn(
        client.clone(),
        shared.clone(),
        fetches_in,
        settings.batch_records_max,
    )?;
    Ok(KafkaConsumer {
        client,
        shared,
        changes,
        fetches,
        kept: VecDeque::new(),
        thread: Some(thread),
    })
}

impl KafkaConsumer {
    /// Partitions go: what was fetched of them is forgotten. The polling thread waits meanwhile, so nothing new comes.
    fn forget(&mut self, partitions: &[Partition]) {
        while let Ok(fetched) = self.fetches.try_recv() {
            self.kept.extend(fetched.ok());
        }
        self.kept
            .retain(|fetched| !partitions.contains(&fetched.partition));
    }

    /// Records that were just received. Both queues may have filled since the changes were looked at: a change that comes
    /// before these records is in its queue by now, for the polling thread put it there first.
    fn fetched(&mut self, fetched: Result<Fetched, Error>) -> Result<ConsumerEvent, Error> {
        let fetched = fetched?;
        match self.changes.try_recv() {
            Ok(change) => {
                self.kept.push_front(fetched);
                Ok(self.changed(change))
            }
            Err(_) => Ok(ConsumerEvent::Records(fetched)),
        }
    }

    fn changed(&mut self, change: Change) -> ConsumerEvent {
        match &change.event {
            ConsumerEvent::Revoked(revocation) => self.forget(&revocation.partitions),
            ConsumerEvent::Lost(partitions) => self.forget(partitions),
            ConsumerEvent::Assigned(_) | ConsumerEvent::Records(_) => {}
        }
        drop(change.taken);
        change.event
    }
}

impl Consumer for KafkaConsumer {
    fn next(&mut self) -> BoxFuture<'_, Result<ConsumerEvent, Error>> {
        Box::pin(async move {
            if let Ok(change) = self.changes.try_recv() {
                return Ok(self.changed(change));
            }
            if let Some(fetched) = self.kept.pop_front() {
                return Ok(ConsumerEvent::Records(fetched));
            }
            tokio::select! {
                biased;
                // 1. Group changes first: the thread waits for them.
                change = self.changes.recv() => match change {
                    Some(change) => Ok(self.changed(change)),
                    None => Err(gone()),
                },
                // 2. Records.
                fetched = self.fetches.recv() => match fetched {
                    Some(fetched) => self.fetched(fetched),
                    None => Err(gone()),
                },
            }
        })
    }

    fn next_change(&mut self) -> BoxFuture<'_, Result<ConsumerEvent, Error>> {
        Box::pin(async move {
            match self.changes.recv().await {
                Some(change) => Ok(self.changed(change)),
                None => Err(gone()),
            }
        })
    }

    fn set_paused(&mut self, paused: bool) -> Result<(), Error> {
        self.shared.paused.store(paused, Ordering::Release);
        Ok(())
    }

    fn commit(
        &self,
        positions: Vec<(Partition, i64, Option<Note>)>,
    ) -> BoxFuture<'static, Result<(), CommitError>> {
        let client = self.client.clone();
        Box::pin(async move {
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
        let thread = self.thread.take();
        Box::pin(async move {
            // The last reference leaves the group when it is dropped, which blocks.
            let closed = tokio::task::spawn_blocking(move || {
                drop(self);
                thread.map(JoinHandle::join)
            });
            if !matches!(closed.await, Ok(None | Some(Ok(())))) {
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

fn gone() -> Error {
    Error::retriable("the consumer's thread has ended")
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
