//! One partition's log: offsets with gaps, transactions, and the last stable offset.

use std::collections::{BTreeMap, BTreeSet};

use rowtide_engine::ports::RawRecord;

/// The number of a transaction.
pub(super) type TransactionId = u64;

#[derive(Debug, Default)]
pub(super) struct PartitionLog {
    entries: Vec<Entry>,
    next_offset: i64,
    /// Transactions that have not ended, each with its first offset.
    open: BTreeMap<TransactionId, i64>,
    aborted: BTreeSet<TransactionId>,
}

#[derive(Debug)]
struct Entry {
    offset: i64,
    /// `None`: a control record, which nobody is given.
    record: Option<RawRecord>,
    transaction: Option<TransactionId>,
}

impl PartitionLog {
    pub(super) fn append(&mut self, mut record: RawRecord, transaction: Option<TransactionId>) -> i64 {
        let offset = self.take_offset();
        record.offset = offset;
        if let Some(id) = transaction {
            self.open.entry(id).or_insert(offset);
        }
        self.entries.push(Entry {
            offset,
            record: Some(record),
            transaction,
        });
        offset
    }

    /// Ends a transaction with a control record, where it wrote anything.
    pub(super) fn end(&mut self, transaction: TransactionId, commit: bool) {
        if self.open.remove(&transaction).is_none() {
            return;
        }
        if !commit {
            self.aborted.insert(transaction);
        }
        let offset = self.take_offset();
        self.entries.push(Entry {
            offset,
            record: None,
            transaction: Some(transaction),
        });
    }

    /// Keeps the newest record of each key; offsets stay, so gaps appear.
    pub(super) fn compact(&mut self) {
        let mut seen = BTreeSet::new();
        let mut kept: Vec<Entry> = Vec::new();
        for entry in self.entries.drain(..).rev() {
            let key = entry.record.as_ref().and_then(|record| record.key.clone());
            if key.is_none_or(|key| seen.insert(key.to_vec())) {
                kept.push(entry);
            }
        }
        kept.reverse();
        self.entries = kept;
    }

    pub(super) fn end_offset(&self) -> i64 {
        self.next_offset
    }

    /// What a client is given from `position` on, and the position after what it has looked at.
    pub(super) fn read(&self, position: i64, records_max: usize, committed: bool) -> (Vec<RawRecord>, i64) {
        let stable = self.open.values().min().copied().unwrap_or(self.next_offset);
        let end = if committed { stable } else { self.next_offset };
        let (mut records, mut after) = (Vec::new(), position);
        let first = self.entries.partition_point(|entry| entry.offset < position);
        for entry in self.entries[first..]
            .iter()
            .take_while(|entry| entry.offset < end)
        {
            if records.len() == records_max {
                return (records, after);
            }
            after = entry.offset + 1;
            let hidden = committed && entry.transaction.is_some_and(|id| self.aborted.contains(&id));
            if !hidden {
                records.extend(entry.record.clone());
            }
        }
        (records, after)
    }

    fn take_offset(&mut self) -> i64 {
        let offset = self.next_offset;
        self.next_offset += 1;
        offset
    }
}
