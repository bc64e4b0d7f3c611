//! Sans-I/O: which Kafka positions may be committed.
//!
//! Per partition a queue of deliveries in order. A delivery is settled when each of its records is accounted for: written
//! or skipped by the sink's report, dropped by the chain, or rejected with its dead letter acknowledged. The committable
//! position is "after the last record delivered" at the end of the settled prefix: offsets have gaps, and a note belongs
//! to one position.

use std::collections::{HashMap, VecDeque};

use rowtide_api::sink::{Note, Partition, PutReport};

/// The number of a delivery, growing in order of arrival; a partition that was revoked and comes back gets new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub u64);

/// An account that does not add up. The task must fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProgressError {
    /// `written + skipped + rejected` is not the number of records put.
    DoesNotAddUp {
        /// The records put.
        records: u32,
        /// The sink's account.
        report: PutReport,
    },
    /// More records or dead letters ended than there are.
    TooMany(DeliveryId),
}

/// A position to commit: the next offset to read, and the sink's note for it.
pub type Position = (Partition, i64, Option<Note>);

/// The progress of one sink task.
#[derive(Debug, Default)]
pub struct Progress {
    next: u64,
    lanes: HashMap<Partition, Lane>,
    partition_of: HashMap<DeliveryId, Partition>,
}

#[derive(Debug, Default)]
struct Lane {
    deliveries: VecDeque<Delivery>,
    committable: Option<(i64, Option<Note>)>,
    /// The newest note of the settled prefix: it stays true for a later position that brings none.
    note: Option<Note>,
}

#[derive(Debug)]
struct Delivery {
    id: DeliveryId,
    position_after: i64,
    records: u32,
    ended: u32,
    dead_letters_open: u32,
    note: Option<Note>,
}

impl Delivery {
    fn is_settled(&self) -> bool {
        self.ended == self.records && self.dead_letters_open == 0
    }
}

impl Progress {
    /// No partitions.
    pub fn new() -> Self {
        Self::default()
    }

    /// A partition is ours; `note` is the one stored at its committed position.
    pub fn assign(&mut self, partition: Partition, note: Option<Note>) {
        self.lanes.insert(
            partition,
            Lane {
                note,
                ..Lane::default()
            },
        );
    }

    /// Partitions are no longer ours: their deliveries and tickets no longer count.
    pub fn revoke(&mut self, partitions: &[Partition]) {
        for partition in partitions {
            if let Some(lane) = self.lanes.remove(partition) {
                for delivery in lane.deliveries {
                    self.partition_of.remove(&delivery.id);
                }
            }
        }
    }

    /// Enters a delivery of `records` records; `position_after` is the offset after its last one.
    pub fn deliver(&mut self, partition: &Partition, position_after: i64, records: u32) -> DeliveryId {
        let id = DeliveryId(self.next);
        self.next += 1;
        self.partition_of.insert(id, partition.clone());
        let delivery = Delivery {
            id,
            position_after,
            records,
            ended: 0,
            dead_letters_open: 0,
            note: None,
        };
        self.lanes
            .entry(partition.clone())
            .or_default()
            .deliveries
            .push_back(delivery);
        id
    }

    /// Whether the delivery still counts: not settled, its partition not revoked.
    pub fn is_open(&self, id: DeliveryId) -> bool {
        self.partition_of.contains_key(&id)
    }

    /// The chain dropped `count` records.
    ///
    /// # Errors
    /// When the delivery has fewer left.
    pub fn dropped(&mut self, id: DeliveryId, count: u32) -> Result<(), ProgressError> {
        self.change(id, |delivery| delivery.ended += count)
    }

    /// The chain could not handle `count` records, which wait for their dead letters.
    ///
    /// # Errors
    /// When the delivery has fewer left.
    pub fn tolerated(&mut self, id: DeliveryId, count: u32) -> Result<(), ProgressError> {
        self.change(id, |delivery| {
            delivery.ended += count;
            delivery.dead_letters_open += count;
        })
    }

    /// The sink settled the `records` records it was given of this delivery. Rejected ones wait for their dead letters.
    ///
    /// # Errors
    /// When the report does not add up.
    pub fn settle(&mut self, id: DeliveryId, records: u32, report: &PutReport) -> Result<(), ProgressError> {
        if !report.adds_up(records as usize) {
            return Err(ProgressError::DoesNotAddUp {
                records,
                report: report.clone(),
            });
        }
        self.change(id, |delivery| {
            delivery.ended += records;
            // Invariant: `adds_up` bounds the number of rejected records by `records`, a u32.
            delivery.dead_letters_open += report.rejected.len() as u32;
            delivery.note = report.note.clone();
        })
    }

    /// `count` dead letters are acknowledged.
    ///
    /// # Errors
    /// When fewer are open.
    pub fn dead_letter_acknowledged(&mut self, id: DeliveryId, count: u32) -> Result<(), ProgressError> {
        let open = self.delivery(id).map_or(0, |delivery| delivery.dead_letters_open);
        if self.is_open(id) && open < count {
            return Err(ProgressError::TooMany(id));
        }
        self.change(id, |delivery| delivery.dead_letters_open -= count)
    }

    /// Takes the positions that became committable since the last call.
    pub fn take_committable(&mut self) -> Vec<Position> {
        self.lanes
            .iter_mut()
            .filter_map(|(partition, lane)| {
                let (position, note) = lane.committable.take()?;
                Some((partition.clone(), position, note))
            })
            .collect()
    }

    /// Puts positions back whose commit failed; newer ones and revoked partitions stay as they are.
    pub fn give_back(&mut self, positions: Vec<Position>) {
        for (partition, position, note) in positions {
            if let Some(lane) = self.lanes.get_mut(&partition) {
                lane.committable.get_or_insert((position, note));
            }
        }
    }

    /// Whether [`Progress::take_committable`] has something.
    pub fn has_committable(&self) -> bool {
        self.lanes.values().any(|lane| lane.committable.is_some())
    }

    /// Deliveries that are not settled.
    pub fn open(&self) -> usize {
        self.partition_of.len()
    }

    /// The partitions that are ours.
    pub fn partitions(&self) -> impl Iterator<Item = &Partition> {
        self.lanes.keys()
    }

    fn delivery(&self, id: DeliveryId) -> Option<&Delivery> {
        let lane = self.lanes.get(self.partition_of.get(&id)?)?;
        let index = lane
            .deliveries
            .binary_search_by_key(&id, |delivery| delivery.id)
            .ok()?;
        lane.deliveries.get(index)
    }

    /// Applies a change and lets the settled prefix leave. What no longer counts is ignored.
    fn change(&mut self, id: DeliveryId, change: impl FnOnce(&mut Delivery)) -> Result<(), ProgressError> {
        let Some(partition) = self.partition_of.get(&id) else {
            return Ok(());
        };
        let Some(lane) = self.lanes.get_mut(partition) else {
            return Ok(());
        };
        let Ok(index) = lane.deliveries.binary_search_by_key(&id, |delivery| delivery.id) else {
            return Ok(());
        };
        change(&mut lane.deliveries[index]);
        if lane.deliveries[index].ended > lane.deliveries[index].records {
            return Err(ProgressError::TooMany(id));
        }
        while lane.deliveries.front().is_some_and(Delivery::is_settled) {
            let Some(delivery) = lane.deliveries.pop_front() else {
                break;
            };
            self.partition_of.remove(&delivery.id);
            if delivery.note.is_some() {
                lane.note = delivery.note;
            }
            lane.committable = Some((delivery.position_after, lane.note.clone()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rowtide_api::RecordError;

    fn partition(index: i32) -> Partition {
        Partition {
            topic: "t".into(),
            index,
        }
    }

    fn note(text: &str) -> Option<Note> {
        Some(Note(text.into()))
    }

    #[test]
    fn the_position_is_after_the_last_record_of_the_settled_prefix() {
        let mut progress = Progress::new();
        progress.assign(partition(0), None);
        let one = progress.deliver(&partition(0), 5, 2);
        let two = progress.deliver(&partition(0), 9, 1);
        progress.settle(two, 1, &PutReport::written(1)).unwrap();
        assert_eq!(progress.take_committable(), []);
        progress.dropped(one, 1).unwrap();
        progress.settle(one, 1, &PutReport::written(1)).unwrap();
        assert_eq!(progress.take_committable(), [(partition(0), 9, None)]);
        assert_eq!(progress.open(), 0);
    }

    /// CS-157.
    #[test]
    fn a_report_that_does_not_add_up_is_refused() {
        let mut progress = Progress::new();
        progress.assign(partition(0), None);
        let one = progress.deliver(&partition(0), 5, 2);
        let refused = progress.settle(one, 2, &PutReport::written(1));
        assert!(matches!(
            refused,
            Err(ProgressError::DoesNotAddUp { records: 2, .. })
        ));
    }

    /// CN-294: positions wait for the dead letters of all failed records.
    #[test]
    fn a_rejected_record_waits_for_its_dead_letter() {
        let mut progress = Progress::new();
        progress.assign(partition(0), None);
        let one = progress.deliver(&partition(0), 5, 2);
        let report = PutReport {
            written: 1,
            skipped: 0,
            rejected: vec![(1, RecordError::new("x"))],
            note: note("n"),
        };
        progress.settle(one, 2, &report).unwrap();
        assert!(!progress.has_committable());
        progress.dead_letter_acknowledged(one, 1).unwrap();
        assert_eq!(progress.take_committable(), [(partition(0), 5, note("n"))]);
        let two = progress.deliver(&partition(0), 6, 1);
        assert_eq!(
            progress.dead_letter_acknowledged(two, 1),
            Err(ProgressError::TooMany(two))
        );
    }

    #[test]
    fn a_note_stays_true_until_a_newer_one() {
        let mut progress = Progress::new();
        progress.assign(partition(0), note("stored"));
        let one = progress.deliver(&partition(0), 1, 1);
        progress.settle(one, 1, &PutReport::written(1)).unwrap();
        assert_eq!(progress.take_committable(), [(partition(0), 1, note("stored"))]);
    }

    #[test]
    fn tickets_of_a_revoked_partition_no_longer_count() {
        let mut progress = Progress::new();
        progress.assign(partition(0), None);
        let one = progress.deliver(&partition(0), 5, 1);
        progress.revoke(&[partition(0)]);
        progress.assign(partition(0), None);
        let again = progress.deliver(&partition(0), 5, 1);
        progress.settle(one, 1, &PutReport::written(1)).unwrap();
        assert_eq!(progress.take_committable(), []);
        assert!(!progress.is_open(one) && progress.is_open(again));
    }

    proptest! {
        /// Whatever the order of settling, a position is committable exactly when everything before it is settled.
        #[test]
        fn no_position_passes_an_unsettled_record(
            sizes in prop::collection::vec((0u32..4, 1i64..5, 0i32..2), 1..20),
            order in prop::collection::vec(prop::num::usize::ANY, 0..60),
        ) {
            let mut progress = Progress::new();
            let mut model: Vec<(DeliveryId, i32, u32, i64, bool)> = Vec::new();
            let mut positions = [0i64; 2];
            for (records, gap, lane) in &sizes {
                positions[*lane as usize] += gap + i64::from(*records);
                let id = progress.deliver(&partition(*lane), positions[*lane as usize], *records);
                model.push((id, *lane, *records, positions[*lane as usize], false));
            }
            let mut newest = [None, None];
            for pick in order {
                let open: Vec<usize> = (0..model.len()).filter(|i| !model[*i].4).collect();
                if open.is_empty() { break; }
                let chosen = open[pick % open.len()];
                model[chosen].4 = true;
                progress.settle(model[chosen].0, model[chosen].2, &PutReport::written(model[chosen].2)).unwrap();
                for (lane, position, _) in progress.take_committable() {
                    newest[lane.index as usize] = Some(position);
                }
                for lane in 0..2 {
                    // A delivery without records is settled from the start, but leaves only in its turn.
                    let settled: Vec<_> = model.iter().filter(|entry| entry.1 == lane)
                        .take_while(|entry| entry.4 || entry.2 == 0).collect();
                    let expected = settled.last().map(|entry| entry.3);
                    if settled.iter().all(|entry| entry.4) {
                        prop_assert_eq!(newest[lane as usize], expected);
                    } else {
                        prop_assert!(newest[lane as usize] <= expected);
                    }
                }
            }
        }
    }
}
