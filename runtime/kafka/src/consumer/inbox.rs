//! What the polling thread hands over: changes of the group, and fetches, in an order that the engine can rely on.

use std::collections::VecDeque;

use rowtide_api::Error;
use rowtide_api::sink::Partition;
use rowtide_engine::ports::{ConsumerEvent, Fetched};
use tokio::sync::mpsc::Receiver;

use super::context::Change;

/// The engine's end of both queues. A change comes before every record that was fetched after it.
pub(super) struct Inbox {
    changes: Receiver<Change>,
    fetches: Receiver<Result<Fetched, Error>>,
    /// Fetched before a change of the group and still ours, and failures between.
    kept: VecDeque<Result<Fetched, Error>>,
}

impl Inbox {
    pub(super) fn new(changes: Receiver<Change>, fetches: Receiver<Result<Fetched, Error>>) -> Self {
        Self {
            changes,
            fetches,
            kept: VecDeque::new(),
        }
    }

    /// The next change, else the next records. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<ConsumerEvent, Error> {
        if let Ok(change) = self.changes.try_recv() {
            return self.changed(change);
        }
        if let Some(fetched) = self.kept.pop_front() {
            return fetched.map(ConsumerEvent::Records);
        }
        tokio::select! {
            biased;
            // 1. Group changes first: the thread waits for them.
            change = self.changes.recv() => match change {
                Some(change) => self.changed(change),
                None => Err(gone()),
            },
            // 2. Records.
            fetched = self.fetches.recv() => match fetched {
                Some(fetched) => self.fetched(fetched),
                None => Err(gone()),
            },
        }
    }

    /// The next change; records stay. Cancel-safe.
    pub(super) async fn next_change(&mut self) -> Result<ConsumerEvent, Error> {
        match self.changes.recv().await {
            Some(change) => self.changed(change),
            None => Err(gone()),
        }
    }

    /// Partitions go: what was fetched of them is forgotten. The polling thread waits meanwhile, so nothing new comes.
    fn forget(&mut self, partitions: &[Partition]) {
        while let Ok(fetched) = self.fetches.try_recv() {
            self.kept.push_back(fetched);
        }
        let gone = |fetched: &Fetched| partitions.contains(&fetched.partition);
        self.kept.retain(|kept| !kept.as_ref().is_ok_and(gone));
    }

    /// Records that were just received. Both queues may have filled since the changes were looked at: a change that comes
    /// before these records is in its queue by now, for the polling thread put it there first.
    fn fetched(&mut self, fetched: Result<Fetched, Error>) -> Result<ConsumerEvent, Error> {
        let fetched = fetched?;
        match self.changes.try_recv() {
            Ok(change) => {
                self.kept.push_front(Ok(fetched));
                self.changed(change)
            }
            Err(_) => Ok(ConsumerEvent::Records(fetched)),
        }
    }

    fn changed(&mut self, change: Change) -> Result<ConsumerEvent, Error> {
        match &change.event {
            Ok(ConsumerEvent::Revoked(revocation)) => self.forget(&revocation.partitions),
            Ok(ConsumerEvent::Lost(partitions)) => self.forget(partitions),
            Ok(ConsumerEvent::Assigned(_) | ConsumerEvent::Records(_) | ConsumerEvent::Matched { .. })
            | Err(_) => {}
        }
        drop(change.taken);
        change.event
    }
}

fn gone() -> Error {
    Error::retriable("the consumer's thread has ended")
}

#[cfg(test)]
mod tests {
    use rowtide_engine::ports::{Committed, RawRecord};
    use tokio::sync::mpsc::channel;

    use super::*;

    fn partition(index: i32) -> Partition {
        Partition {
            topic: "t".into(),
            index,
        }
    }

    fn fetched(index: i32, offset: i64) -> Fetched {
        let record = RawRecord {
            offset,
            timestamp_ms: None,
            key: None,
            value: None,
            headers: Vec::new(),
        };
        Fetched {
            partition: partition(index),
            records: vec![record],
        }
    }

    fn change(event: ConsumerEvent) -> Change {
        Change::of(event)
    }

    fn assigned(index: i32) -> Change {
        change(ConsumerEvent::Assigned(vec![Committed {
            partition: partition(index),
            position: None,
            note: None,
        }]))
    }

    /// Both queues fill between two looks at them: the records are in hand, the assignment that came before is not.
    #[tokio::test]
    async fn an_assignment_comes_before_its_first_records() {
        let ((changes_in, changes), (fetches_in, fetches)) = (channel(8), channel(8));
        let mut inbox = Inbox::new(changes, fetches);
        fetches_in.try_send(Ok(fetched(0, 7))).ok();
        let in_hand = inbox.fetches.try_recv().unwrap();
        changes_in.try_send(assigned(0)).ok();
        assert!(matches!(
            inbox.fetched(in_hand).unwrap(),
            ConsumerEvent::Assigned(_)
        ));
        let next = inbox.next().await.unwrap();
        assert!(matches!(next, ConsumerEvent::Records(records) if records.records[0].offset == 7));
    }

    #[tokio::test]
    async fn what_was_fetched_of_lost_partitions_is_forgotten_and_the_rest_keeps_its_order() {
        let ((changes_in, changes), (fetches_in, fetches)) = (channel(8), channel(8));
        let mut inbox = Inbox::new(changes, fetches);
        for (index, offset) in [(0, 1), (1, 2), (0, 3)] {
            fetches_in.try_send(Ok(fetched(index, offset))).ok();
        }
        let in_hand = inbox.fetches.try_recv().unwrap();
        changes_in
            .try_send(change(ConsumerEvent::Lost(vec![partition(1)])))
            .ok();
        assert!(matches!(inbox.fetched(in_hand).unwrap(), ConsumerEvent::Lost(_)));
        let mut offsets = Vec::new();
        for _ in 0..2 {
            if let ConsumerEvent::Records(records) = inbox.next().await.unwrap() {
                offsets.push(records.records[0].offset);
            }
        }
        assert_eq!(offsets, [1, 3]);
    }
}
