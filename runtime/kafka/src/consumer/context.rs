//! What librdkafka calls back: the group's changes, handed to the engine while the group waits.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::Offset;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionList;
use rowtide_api::Error;
use rowtide_api::sink::{Note, Partition};
use rowtide_engine::ports::{Committed, ConsumerEvent, Revocation};
use tokio::sync::mpsc::Sender;

/// How long the group may wait for the engine to let partitions go: well inside `max.poll.interval.ms` (5 minutes), and
/// longer than any commit or put that is bounded.
const RELEASE_WAIT: Duration = Duration::from_secs(60);
/// How often a wait looks whether the consumer is being closed.
const CLOSING_RECHECK: Duration = Duration::from_millis(100);
/// How long asking for committed positions may take at a time.
const COMMITTED_WAIT: Duration = Duration::from_secs(10);

/// What the engine's side and the polling thread share.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) paused: AtomicBool,
    pub(super) closing: AtomicBool,
    /// Partitions came, which are not paused whatever the others are.
    came: AtomicBool,
    /// Partitions that went since the polling thread last looked.
    gone: Mutex<Vec<Partition>>,
    /// Partitions whose positions we may commit. The broker takes a commit from any member of the group, whoever has the
    /// partition: a late one would turn back what its next owner committed.
    owned: Mutex<HashSet<Partition>>,
}

impl Shared {
    /// Whether partitions came since the last call.
    pub(super) fn take_came(&self) -> bool {
        self.came.swap(false, Ordering::AcqRel)
    }

    /// The partitions that went since the last call. Written and taken by the polling thread alone.
    pub(super) fn take_gone(&self) -> Vec<Partition> {
        std::mem::take(&mut self.gone.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether all of them are ours.
    pub(super) fn owns<'a>(&self, mut partitions: impl Iterator<Item = &'a Partition>) -> bool {
        let owned = self.owned();
        partitions.all(|partition| owned.contains(partition))
    }

    /// Nothing is ours any more: the client is of no more use.
    pub(super) fn disown_all(&self) {
        self.owned().clear();
    }

    fn disown(&self, partitions: &[Partition]) {
        self.owned().retain(|partition| !partitions.contains(partition));
    }

    fn owned(&self) -> MutexGuard<'_, HashSet<Partition>> {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A change on its way to the engine; dropping `taken` releases the polling thread.
pub(super) struct Change {
    pub(super) event: Result<ConsumerEvent, Error>,
    pub(super) taken: Option<Revocation>,
}

impl Change {
    /// One that nobody waits for.
    pub(super) fn of(event: ConsumerEvent) -> Self {
        Self {
            event: Ok(event),
            taken: None,
        }
    }

    /// There will be no more of them.
    pub(super) fn failed(error: Error) -> Self {
        Self {
            event: Err(error),
            taken: None,
        }
    }
}

/// Queues a change for the engine; `false` when it is not to hear of it, for the consumer closes.
pub(super) fn tell(changes: &Sender<Change>, shared: &Shared, mut change: Change) -> bool {
    use tokio::sync::mpsc::error::TrySendError;
    loop {
        match changes.try_send(change) {
            Ok(()) => return true,
            Err(TrySendError::Closed(_)) => return false,
            Err(TrySendError::Full(back)) if !shared.closing.load(Ordering::Acquire) => {
                change = back;
                std::thread::sleep(CLOSING_RECHECK);
            }
            Err(TrySendError::Full(_)) => return false,
        }
    }
}

/// The callbacks.
pub(super) struct Group {
    client_id: String,
    shared: Arc<Shared>,
    changes: Sender<Change>,
}

impl Group {
    pub(super) fn new(client_id: String, shared: Arc<Shared>, changes: Sender<Change>) -> Self {
        Self {
            client_id,
            shared,
            changes,
        }
    }

    /// Tells the engine and waits until it has let go, the consumer closes, or the wait is over.
    fn tell_and_wait(&self, partitions: Vec<Partition>, lost: bool) {
        self.shared
            .gone
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(partitions.iter().cloned());
        let (release, released) = sync_channel(1);
        let revocation = Revocation::new(partitions, move || {
            // Nobody waits any more after the deadline.
            let _ = release.try_send(());
        });
        let change = if lost {
            // Nothing can be committed any more; released as soon as the engine's side has forgotten what it fetched.
            Change {
                event: Ok(ConsumerEvent::Lost(revocation.partitions.clone())),
                taken: Some(revocation),
            }
        } else {
            Change::of(ConsumerEvent::Revoked(revocation))
        };
        if !self.tell(change) {
            return;
        }
        let deadline = Instant::now() + RELEASE_WAIT;
        while !self.shared.closing.load(Ordering::Acquire) {
            match released.recv_timeout(CLOSING_RECHECK) {
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => {}
                Err(RecvTimeoutError::Timeout) => {
                    return tracing::warn!(client = self.client_id, "partitions were not let go in time");
                }
            }
        }
    }

    fn tell(&self, change: Change) -> bool {
        tell(&self.changes, &self.shared, change)
    }

    /// Where the group stands in these partitions. Asked until answered: starting without the note would lose a clock.
    fn committed(&self, client: &BaseConsumer<Self>, list: &TopicPartitionList) -> Option<Vec<Committed>> {
        while !self.shared.closing.load(Ordering::Acquire) {
            // A partition that could not be answered for is no partition without a position.
            let asked = client
                .committed_offsets(list.clone(), COMMITTED_WAIT)
                .and_then(|answers| {
                    let failed = answers.elements().iter().find_map(|entry| entry.error().err());
                    failed.map_or(Ok(answers), Err)
                });
            match asked {
                Ok(committed) => {
                    return Some(
                        committed
                            .elements()
                            .iter()
                            .map(|entry| Committed {
                                partition: Partition {
                                    topic: entry.topic().into(),
                                    index: entry.partition(),
                                },
                                position: match entry.offset() {
                                    Offset::Offset(position) => Some(position),
                                    _ => None,
                                },
                                note: Some(entry.metadata())
                                    .filter(|note| !note.is_empty())
                                    .map(|note| Note(note.into())),
                            })
                            .collect(),
                    );
                }
                Err(error) => {
                    tracing::warn!(client = self.client_id, %error, "asking for committed positions")
                }
            }
        }
        None
    }
}

impl ClientContext for Group {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(client = self.client_id, %error, reason, "Kafka client");
    }
}

impl ConsumerContext for Group {
    fn pre_rebalance(&self, client: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Revoke(list) => {
                let partitions = partitions(list);
                tracing::info!(
                    client = self.client_id,
                    partitions = partitions.len(),
                    lost = client.assignment_lost(),
                    "partitions go"
                );
                if !partitions.is_empty() {
                    let lost = client.assignment_lost();
                    if lost {
                        self.shared.disown(&partitions);
                    }
                    self.tell_and_wait(partitions.clone(), lost);
                    // Until here commits counted, that is what the wait was for.
                    self.shared.disown(&partitions);
                }
            }
            Rebalance::Error(error) => tracing::warn!(client = self.client_id, %error, "rebalancing"),
            Rebalance::Assign(_) => {}
        }
    }

    fn post_rebalance(&self, client: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let Rebalance::Assign(list) = rebalance else {
            return;
        };
        if list.count() == 0 {
            return;
        }
        self.shared.came.store(true, Ordering::Release);
        if self.shared.paused.load(Ordering::Acquire)
            && let Err(error) = client.pause(list)
        {
            tracing::warn!(client = self.client_id, %error, "pausing new partitions");
        }
        tracing::info!(
            client = self.client_id,
            partitions = list.count(),
            "partitions come"
        );
        if let Some(committed) = self.committed(client, list) {
            let partitions = committed.iter().map(|entry| entry.partition.clone());
            self.shared.owned().extend(partitions);
            self.tell(Change::of(ConsumerEvent::Assigned(committed)));
        }
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<Partition> {
    list.elements()
        .iter()
        .map(|entry| Partition {
            topic: entry.topic().into(),
            index: entry.partition(),
        })
        .collect()
}
