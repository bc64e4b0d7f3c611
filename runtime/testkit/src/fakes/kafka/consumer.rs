//! The consumer port: a member of a group that reads its partitions in turn.

use std::future::pending;
use std::sync::Arc;

use rowtide_api::Error;
use rowtide_api::erased::BoxFuture;
use rowtide_api::sink::{Note, Partition};
use rowtide_engine::ports::{
    CommitError, Consumer, ConsumerEvent, ConsumerSettings, Fetched, RawRecord, Revocation, Subscription,
};
use tokio::sync::watch;
use tokio::time::sleep;

use super::broker::Shared;
use super::group::{Change, Member, MemberId, Wanted};
use super::partition::PartitionLog;
use crate::faults::{CommitFault, ConsumeFault};

struct MemoryConsumer {
    shared: Arc<Shared>,
    group: Arc<str>,
    id: MemberId,
    records_max: usize,
    committed_only: bool,
    paused: bool,
    /// The partition read last: the one behind it is next.
    last: Option<Partition>,
    changes: watch::Receiver<u64>,
}

pub(super) fn open(shared: Arc<Shared>, settings: &ConsumerSettings) -> Result<impl Consumer + use<>, Error> {
    let wanted = match &settings.subscription {
        Subscription::Topics(topics) => Wanted::Names(topics.clone()),
        Subscription::Pattern(pattern) => Wanted::matching(pattern.clone()),
    };
    let property = |key: &str| settings.client.properties.get(key);
    let from_end = property("auto.offset.reset") == Some("latest");
    let instance = property("group.instance.id").map(str::to_owned);
    let member = Member::new(settings.client.client_id.clone(), instance, wanted, from_end);
    let changes = shared.changes();
    let id = shared.change(|broker| {
        let (id, ends) = (broker.next_id(), broker.ends());
        broker
            .groups
            .entry(settings.group_id.clone())
            .or_default()
            .join(id, member, &ends);
        id
    });
    Ok(MemoryConsumer {
        committed_only: property("isolation.level") != Some("read_uncommitted"),
        shared,
        group: settings.group_id.as_str().into(),
        id,
        records_max: settings.batch_records_max,
        paused: false,
        last: None,
        changes,
    })
}

impl MemoryConsumer {
    async fn event(&mut self, records: bool) -> Result<ConsumerEvent, Error> {
        loop {
            self.changes.borrow_and_update();
            if let Some(change) = self.change() {
                return change;
            }
            if records
                && !self.paused
                && let Some(fetched) = self.fetch()
            {
                return fetched.map(ConsumerEvent::Records);
            }
            if self.changes.changed().await.is_err() {
                return Err(Error::fatal("the cluster is gone"));
            }
        }
    }

    fn change(&self) -> Option<Result<ConsumerEvent, Error>> {
        let change = self.shared.quietly(|broker| {
            let ends = broker.ends();
            broker.groups.get_mut(&*self.group)?.take_change(self.id, &ends)
        })?;
        // One that was lost joins again by taking the change: others may have to hear of that.
        self.shared.change(|_| {});
        Some(change.map(|change| match change {
            Change::Assigned(committed) => ConsumerEvent::Assigned(committed),
            Change::Lost(partitions) => ConsumerEvent::Lost(partitions),
            Change::Matched(pattern, topics) => ConsumerEvent::Matched { pattern, topics },
            Change::Revoked(partitions) => {
                let (shared, group, id) = (self.shared.clone(), self.group.clone(), self.id);
                let released = partitions.clone();
                ConsumerEvent::Revoked(Revocation::new(partitions, move || {
                    shared.change(|broker| {
                        let ends = broker.ends();
                        if let Some(group) = broker.groups.get_mut(&*group) {
                            group.release(id, &released, &ends);
                        }
                    });
                }))
            }
        }))
    }

    /// Records of one partition; the partitions take turns.
    fn fetch(&mut self) -> Option<Result<Fetched, Error>> {
        let readable = self.shared.read(|broker| {
            broker
                .groups
                .get(&*self.group)
                .map(|group| group.readable(self.id))
        })?;
        let behind =
            |(partition, _): &&(Partition, i64)| self.last.as_ref().is_some_and(|last| partition > last);
        let turns = readable
            .iter()
            .filter(behind)
            .chain(readable.iter().filter(|entry| !behind(entry)));
        for (partition, position) in turns {
            let (records, after) = self.read(partition, *position, self.records_max);
            if records.is_empty() {
                self.advance(partition, after);
                continue;
            }
            let (records, after) = match self.shared.faults.consume.step() {
                Some(ConsumeFault::Failed(error)) => return Some(Err(error)),
                Some(ConsumeFault::Short(count)) => {
                    self.read(partition, *position, count.clamp(1, self.records_max))
                }
                None => (records, after),
            };
            self.advance(partition, after);
            let partition = partition.clone();
            self.last = Some(partition.clone());
            return Some(Ok(Fetched { partition, records }));
        }
        None
    }

    fn read(&self, partition: &Partition, position: i64, count: usize) -> (Vec<RawRecord>, i64) {
        let read = |log: &PartitionLog| log.read(position, count, self.committed_only);
        let read = self
            .shared
            .read(|broker| broker.log(&partition.topic, partition.index).map(read));
        read.unwrap_or((Vec::new(), position))
    }

    fn advance(&self, partition: &Partition, position: i64) {
        self.shared.quietly(|broker| {
            if let Some(group) = broker.groups.get_mut(&*self.group) {
                group.advance(self.id, partition, position);
            }
        });
    }
}

impl Consumer for MemoryConsumer {
    fn next(&mut self) -> BoxFuture<'_, Result<ConsumerEvent, Error>> {
        Box::pin(self.event(true))
    }

    fn next_change(&mut self) -> BoxFuture<'_, Result<ConsumerEvent, Error>> {
        Box::pin(self.event(false))
    }

    fn set_paused(&mut self, paused: bool) -> Result<(), Error> {
        self.paused = paused;
        Ok(())
    }

    fn commit(
        &self,
        positions: Vec<(Partition, i64, Option<Note>)>,
    ) -> BoxFuture<'static, Result<(), CommitError>> {
        let (shared, group, id) = (self.shared.clone(), self.group.clone(), self.id);
        Box::pin(async move {
            let fault = shared.faults.commit.step();
            match &fault {
                Some(CommitFault::Rebalanced) => return Err(CommitError::Rebalanced),
                Some(CommitFault::Failed(error)) => return Err(CommitError::Failed(error.clone())),
                _ => {}
            }
            let stored = shared.change(|broker| match broker.groups.get_mut(&*group) {
                Some(group) => group.commit(id, &positions),
                None => Err(CommitError::Rebalanced),
            });
            match fault {
                Some(CommitFault::AnsweredLate(wait)) => sleep(wait).await,
                Some(CommitFault::AnswerLost) => {
                    return Err(CommitError::Failed(Error::retriable(
                        "committing positions: the answer was lost",
                    )));
                }
                Some(CommitFault::Hangs) => pending().await,
                _ => {}
            }
            stored
        })
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move { drop(self) })
    }
}

impl Drop for MemoryConsumer {
    fn drop(&mut self) {
        self.shared.change(|broker| {
            let ends = broker.ends();
            if let Some(group) = broker.groups.get_mut(&*self.group) {
                group.leave(self.id, &ends);
            }
        });
    }
}
