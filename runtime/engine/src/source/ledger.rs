//! Sans-I/O: which source offsets are durable.
//!
//! Per source partition a queue of batches in polling order. A batch is settled when its sending is over and each of its
//! records is acknowledged, dropped, or tolerated with its dead letter acknowledged. Only the settled prefix counts:
//! the newest offset inside it is committable, and nothing behind the first unsettled batch ever is.

use std::collections::{HashMap, VecDeque};

use rowtide_api::{SourceOffset, SourcePartition};

/// The number of a batch, growing in polling order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(pub u64);

/// How a record ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// The broker has it.
    Acknowledged,
    /// A transform dropped it, or the tolerance skipped it without a dead letter.
    Dropped,
    /// It was tolerated: it counts once its dead letter is acknowledged, see [`Ledger::dead_letter_acknowledged`].
    Tolerated,
}

/// A count that does not add up: a bug of the engine or of a producer. The task must fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerError {
    /// The batch is unknown or already settled.
    UnknownBatch(BatchId),
    /// More records ended than the batch has.
    TooMany(BatchId),
}

/// The ledger of one source task.
#[derive(Debug, Default)]
pub struct Ledger {
    next: u64,
    partitions: Vec<Lane>,
    lanes: HashMap<SourcePartition, usize>,
    lane_of: HashMap<BatchId, usize>,
}

#[derive(Debug)]
struct Lane {
    partition: SourcePartition,
    batches: VecDeque<Batch>,
    /// The newest offset of the settled prefix that was not taken yet.
    committable: Option<SourceOffset>,
}

#[derive(Debug)]
struct Batch {
    id: BatchId,
    records: u32,
    ended: u32,
    dead_letters_open: u32,
    sending_over: bool,
    resume_at: Option<SourceOffset>,
}

impl Batch {
    fn is_settled(&self) -> bool {
        self.sending_over && self.ended == self.records && self.dead_letters_open == 0
    }
}

impl Ledger {
    /// An empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// Enters a polled batch. `resume_at: None` joins it to the next one: no offset ends between them.
    pub fn enter(
        &mut self,
        partition: &SourcePartition,
        records: u32,
        resume_at: Option<SourceOffset>,
    ) -> BatchId {
        let id = BatchId(self.next);
        self.next += 1;
        let lane = match self.lanes.get(partition) {
            Some(lane) => *lane,
            None => {
                self.partitions.push(Lane {
                    partition: partition.clone(),
                    batches: VecDeque::new(),
                    committable: None,
                });
                self.lanes.insert(partition.clone(), self.partitions.len() - 1);
                self.partitions.len() - 1
            }
        };
        self.partitions[lane].batches.push_back(Batch {
            id,
            records,
            ended: 0,
            dead_letters_open: 0,
            sending_over: false,
            resume_at,
        });
        self.lane_of.insert(id, lane);
        id
    }

    /// `count` records of a batch ended.
    ///
    /// # Errors
    /// When the batch is not open or has fewer records left.
    pub fn resolve(&mut self, id: BatchId, resolution: Resolution, count: u32) -> Result<(), LedgerError> {
        self.change(id, |batch| {
            batch.ended = batch.ended.checked_add(count).ok_or(LedgerError::TooMany(id))?;
            if resolution == Resolution::Tolerated {
                batch.dead_letters_open += count;
            }
            if batch.ended > batch.records {
                Err(LedgerError::TooMany(id))
            } else {
                Ok(())
            }
        })
    }

    /// `count` dead letters of a batch are acknowledged.
    ///
    /// # Errors
    /// When fewer are open.
    pub fn dead_letter_acknowledged(&mut self, id: BatchId, count: u32) -> Result<(), LedgerError> {
        self.change(id, |batch| {
            batch.dead_letters_open = batch
                .dead_letters_open
                .checked_sub(count)
                .ok_or(LedgerError::TooMany(id))?;
            Ok(())
        })
    }

    /// Every record of the batch was handed to the producer, or has ended.
    ///
    /// # Errors
    /// When the batch is not open.
    pub fn sending_over(&mut self, id: BatchId) -> Result<(), LedgerError> {
        self.change(id, |batch| {
            batch.sending_over = true;
            Ok(())
        })
    }

    /// Takes the offsets that became durable since the last call, at most one per source partition.
    pub fn take_committable(&mut self) -> Vec<(SourcePartition, SourceOffset)> {
        self.partitions
            .iter_mut()
            .filter_map(|lane| Some((lane.partition.clone(), lane.committable.take()?)))
            .collect()
    }

    /// Whether [`Ledger::take_committable`] has something.
    pub fn has_committable(&self) -> bool {
        self.partitions.iter().any(|lane| lane.committable.is_some())
    }

    /// Puts offsets back whose store failed; newer ones stay.
    pub fn give_back(&mut self, offsets: Vec<(SourcePartition, SourceOffset)>) {
        for (partition, offset) in offsets {
            if let Some(lane) = self.lanes.get(&partition) {
                self.partitions[*lane].committable.get_or_insert(offset);
            }
        }
    }

    /// Whether every batch is settled.
    pub fn is_settled(&self) -> bool {
        self.lane_of.is_empty()
    }

    /// Batches that have not left the ledger.
    pub fn batches(&self) -> usize {
        self.lane_of.len()
    }

    fn change(
        &mut self,
        id: BatchId,
        change: impl FnOnce(&mut Batch) -> Result<(), LedgerError>,
    ) -> Result<(), LedgerError> {
        let lane_index = *self.lane_of.get(&id).ok_or(LedgerError::UnknownBatch(id))?;
        let lane = &mut self.partitions[lane_index];
        let index = lane
            .batches
            .binary_search_by_key(&id, |batch| batch.id)
            .map_err(|_| LedgerError::UnknownBatch(id))?;
        change(&mut lane.batches[index])?;
        // The prefix rule: batches leave from the front only.
        while lane.batches.front().is_some_and(Batch::is_settled) {
            let Some(batch) = lane.batches.pop_front() else {
                break;
            };
            self.lane_of.remove(&batch.id);
            if batch.resume_at.is_some() {
                lane.committable = batch.resume_at;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn partition(name: &str) -> SourcePartition {
        SourcePartition::new().with("server", name)
    }

    fn offset(n: i64) -> SourceOffset {
        SourceOffset::new().with("n", n)
    }

    fn settle(ledger: &mut Ledger, id: BatchId, records: u32) {
        ledger.resolve(id, Resolution::Acknowledged, records).unwrap();
        ledger.sending_over(id).unwrap();
    }

    /// CN-239: only the longest acknowledged prefix is committable.
    #[test]
    fn a_later_batch_waits_for_an_earlier_one() {
        let mut ledger = Ledger::new();
        let one = ledger.enter(&partition("a"), 2, Some(offset(1)));
        let two = ledger.enter(&partition("a"), 1, Some(offset(2)));
        settle(&mut ledger, two, 1);
        assert_eq!(ledger.take_committable(), []);
        settle(&mut ledger, one, 2);
        assert_eq!(ledger.take_committable(), [(partition("a"), offset(2))]);
        assert!(ledger.is_settled());
    }

    /// CN-239: one slow record holds back only its own partition.
    #[test]
    fn a_slow_partition_does_not_hold_back_another() {
        let mut ledger = Ledger::new();
        ledger.enter(&partition("a"), 1, Some(offset(1)));
        let other = ledger.enter(&partition("b"), 1, Some(offset(7)));
        settle(&mut ledger, other, 1);
        assert_eq!(ledger.take_committable(), [(partition("b"), offset(7))]);
    }

    /// CN-242: progress without records moves the offset, in its turn.
    #[test]
    fn an_empty_batch_settles_in_its_turn() {
        let mut ledger = Ledger::new();
        let one = ledger.enter(&partition("a"), 1, Some(offset(1)));
        let empty = ledger.enter(&partition("a"), 0, Some(offset(2)));
        ledger.sending_over(empty).unwrap();
        assert!(!ledger.has_committable());
        settle(&mut ledger, one, 1);
        assert_eq!(ledger.take_committable(), [(partition("a"), offset(2))]);
    }

    #[test]
    fn a_batch_without_an_offset_joins_the_next() {
        let mut ledger = Ledger::new();
        let open = ledger.enter(&partition("a"), 1, None);
        let end = ledger.enter(&partition("a"), 1, Some(offset(2)));
        settle(&mut ledger, open, 1);
        assert_eq!(ledger.take_committable(), []);
        settle(&mut ledger, end, 1);
        assert_eq!(ledger.take_committable(), [(partition("a"), offset(2))]);
    }

    /// CN-293: a tolerated record counts once its dead letter is acknowledged.
    #[test]
    fn a_tolerated_record_waits_for_its_dead_letter() {
        let mut ledger = Ledger::new();
        let one = ledger.enter(&partition("a"), 2, Some(offset(1)));
        ledger.resolve(one, Resolution::Tolerated, 1).unwrap();
        ledger.resolve(one, Resolution::Dropped, 1).unwrap();
        ledger.sending_over(one).unwrap();
        assert!(!ledger.has_committable());
        ledger.dead_letter_acknowledged(one, 1).unwrap();
        assert!(ledger.has_committable());
    }

    #[test]
    fn counts_that_do_not_add_up_are_errors() {
        let mut ledger = Ledger::new();
        let one = ledger.enter(&partition("a"), 1, None);
        assert_eq!(
            ledger.resolve(one, Resolution::Acknowledged, 2),
            Err(LedgerError::TooMany(one))
        );
        let two = ledger.enter(&partition("a"), 1, None);
        assert_eq!(
            ledger.dead_letter_acknowledged(two, 1),
            Err(LedgerError::TooMany(two))
        );
        assert_eq!(
            ledger.sending_over(BatchId(9)),
            Err(LedgerError::UnknownBatch(BatchId(9)))
        );
    }

    #[test]
    fn offsets_given_back_do_not_replace_newer_ones() {
        let mut ledger = Ledger::new();
        let one = ledger.enter(&partition("a"), 0, Some(offset(1)));
        ledger.sending_over(one).unwrap();
        let old = ledger.take_committable();
        let two = ledger.enter(&partition("a"), 0, Some(offset(2)));
        ledger.sending_over(two).unwrap();
        ledger.give_back(old.clone());
        assert_eq!(ledger.take_committable(), [(partition("a"), offset(2))]);
        ledger.give_back(old);
        assert_eq!(ledger.take_committable(), [(partition("a"), offset(1))]);
    }

    proptest! {
        /// CN-239: whatever the order in which records end, an offset is committable exactly when every record of every
        /// batch up to it has ended.
        #[test]
        fn no_offset_passes_an_unsettled_record(
            sizes in prop::collection::vec((0u32..4, prop::bool::ANY, 0u8..2), 1..20),
            order in prop::collection::vec(prop::num::usize::ANY, 0..100),
        ) {
            let mut ledger = Ledger::new();
            let mut model: Vec<(BatchId, u8, u32, u32, bool)> = Vec::new();
            for (n, (records, has_offset, lane)) in sizes.iter().enumerate() {
                let resume_at = has_offset.then(|| offset(n as i64));
                let id = ledger.enter(&partition(&lane.to_string()), *records, resume_at);
                ledger.sending_over(id).unwrap();
                model.push((id, *lane, *records, 0, *has_offset));
            }
            let mut newest = [None, None];
            for (lane, offset) in ledger.take_committable() {
                newest[lane.text("server").unwrap().parse::<usize>().unwrap()] = offset.int("n");
            }
            for pick in order {
                let open: Vec<usize> = (0..model.len()).filter(|i| model[*i].3 < model[*i].2).collect();
                if open.is_empty() { break; }
                let chosen = open[pick % open.len()];
                model[chosen].3 += 1;
                ledger.resolve(model[chosen].0, Resolution::Acknowledged, 1).unwrap();
                for (lane, offset) in ledger.take_committable() {
                    newest[lane.text("server").unwrap().parse::<usize>().unwrap()] = offset.int("n");
                }
                for lane in 0..2u8 {
                    let settled = model.iter().enumerate().filter(|(_, batch)| batch.1 == lane)
                        .take_while(|(_, batch)| batch.3 == batch.2);
                    let expected = settled.filter(|(_, batch)| batch.4).map(|(n, _)| n as i64).last();
                    prop_assert_eq!(newest[usize::from(lane)], expected);
                }
            }
        }
    }
}
