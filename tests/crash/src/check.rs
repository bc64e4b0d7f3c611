//! Sans-I/O: compares the two accounts of a run.
//!
//! | | Property |
//! |---|---|
//! | nothing missing | the changes of a key in the topic are the end of its history, from the slot's first position on; what lies before is in a snapshot |
//! | nothing invented | there is nothing else in the topic, and a transaction is there as a whole or not at all |
//! | order | with the distinct records of a partition numbered in the order of the log, each record's number is at most one above that of the record before it: the partition is the log, begun again from an earlier record now and then, and never with a record left out |
//! | identity | records with the same identity are the same record |
//! | confirmed | what a slot had confirmed was in the topic already |

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::model::{At, Entry, History, Noted, Sample, Topic, What};

/// What a run came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Distinct streamed records.
    pub streamed: usize,
    /// Rows of snapshots, repeated ones included.
    pub rows: usize,
    /// Streamed records that had been in the topic before, by the life of the worker that repeated them.
    pub repeated: Vec<usize>,
    /// Everything that is not as it has to be.
    pub breaches: Vec<String>,
}

/// Compares. `slot_seq`: noted changes above it are later than the slot's first position. `samples`: one at the end of each
/// life of the worker.
pub fn check(history: &History, topic: &Topic, slot_seq: u64, samples: &[Sample]) -> Outcome {
    let mut outcome = Outcome {
        repeated: vec![0; samples.len() + 1],
        ..Outcome::default()
    };
    let mut found = Found::default();
    for (partition, entries) in topic.iter().enumerate() {
        found.partition(partition, entries, samples, &mut outcome);
    }
    outcome.streamed = found.log.len();
    found.confirmed(samples, &mut outcome.breaches);
    found.tombstones(&mut outcome.breaches);
    found.history(history, slot_seq, &mut outcome.breaches);
    outcome
}

/// What is in the topic.
#[derive(Default)]
struct Found {
    /// The distinct records, in the order of the log.
    log: BTreeMap<At, (i64, What)>,
    /// Where each was first.
    first: HashMap<At, (usize, i64)>,
    /// Images that snapshots read, by key.
    rows: HashMap<i64, BTreeSet<u64>>,
}

impl Found {
    fn partition(
        &mut self,
        partition: usize,
        entries: &[(i64, Entry)],
        samples: &[Sample],
        outcome: &mut Outcome,
    ) {
        let distinct: BTreeSet<At> = entries.iter().filter_map(|(_, entry)| at(entry)).collect();
        let numbers: HashMap<At, usize> = distinct.into_iter().zip(0..).collect();
        // The highest number that may come next. Behind rows the stream begins at its first record.
        let mut next_max = 0;
        for (offset, entry) in entries {
            let Entry::Streamed { at, id, what } = entry else {
                self.row(entry, outcome);
                next_max = 0;
                continue;
            };
            let number = numbers[at];
            if number > next_max {
                outcome.breaches.push(format!(
                    "order: partition {partition}, offset {offset}: {at:?} of key {id} comes {} records early",
                    number - next_max
                ));
            }
            next_max = number + 1;
            if self.first.contains_key(at) {
                let life = samples
                    .iter()
                    .filter(|sample| sample.ends.get(partition).is_some_and(|end| end <= offset));
                outcome.repeated[life.count()] += 1;
            } else {
                self.first.insert(*at, (partition, *offset));
            }
            let known = self.log.entry(*at).or_insert_with(|| (*id, what.clone()));
            if (known.0, &known.1) != (*id, what) {
                outcome
                    .breaches
                    .push(format!("identity: {at:?} is {known:?} and {:?}", (id, what)));
            }
        }
    }

    fn row(&mut self, entry: &Entry, outcome: &mut Outcome) {
        if let Entry::Row { id, version } = entry {
            outcome.rows += 1;
            self.rows.entry(*id).or_default().insert(*version);
        }
    }

    fn confirmed(&self, samples: &[Sample], breaches: &mut Vec<String>) {
        for (index, sample) in samples.iter().enumerate() {
            for (at, (id, _)) in &self.log {
                // A confirmed position never lies inside a commit: above its start the commit is confirmed.
                if at.commit_lsn >= sample.confirmed {
                    break;
                }
                let (partition, offset) = self.first[at];
                if sample.ends[partition] <= offset {
                    breaches.push(format!(
                        "confirmed: at kill {} the slot had confirmed {}, and {at:?} of key {id} came later",
                        index + 1,
                        sample.confirmed
                    ));
                }
            }
        }
    }

    fn tombstones(&self, breaches: &mut Vec<String>) {
        for (at, (id, what)) in &self.log {
            let behind = At {
                part: at.part + 1,
                ..*at
            };
            if matches!(what, What::Change { op: 'd', .. })
                && self.log.get(&behind) != Some(&(*id, What::Tombstone))
            {
                breaches.push(format!(
                    "missing: no tombstone behind the deletion {at:?} of key {id}"
                ));
            }
        }
    }

    fn history(&self, history: &History, slot_seq: u64, breaches: &mut Vec<String>) {
        let mut streamed: BTreeMap<i64, Vec<(char, Option<u64>, u64)>> = BTreeMap::new();
        let mut xids = BTreeSet::new();
        for (id, what) in self.log.values() {
            if let What::Change { op, version, xid } = what {
                streamed.entry(*id).or_default().push((*op, *version, *xid));
                xids.insert(*xid);
            }
        }
        for id in streamed.keys().chain(self.rows.keys()) {
            if !history.contains_key(id) {
                breaches.push(format!("invented: key {id} never was"));
            }
        }
        for (id, noted) in history {
            let all: Vec<_> = noted
                .iter()
                .map(|noted| (noted.op, noted.version, noted.xid))
                .collect();
            let of_key = streamed.remove(id).unwrap_or_default();
            if !all.ends_with(&of_key) {
                breaches.push(format!(
                    "missing or invented: key {id} was {all:?}, streamed {of_key:?}"
                ));
                continue;
            }
            let (before, after) = noted.split_at(all.len() - of_key.len());
            if let Some(late) = before
                .iter()
                .find(|noted| noted.seq > slot_seq || xids.contains(&noted.xid))
            {
                breaches.push(format!("missing: key {id}: {late:?} was not streamed"));
            }
            self.snapshot(*id, before, after, breaches);
        }
    }

    /// What is before the stream is in a snapshot, unless the key was gone when the last snapshot was taken.
    fn snapshot(&self, id: i64, before: &[Noted], after: &[Noted], breaches: &mut Vec<String>) {
        let empty = BTreeSet::new();
        let rows = self.rows.get(&id).unwrap_or(&empty);
        let images = |noted: &[Noted]| -> BTreeSet<u64> { noted.iter().filter_map(|n| n.version).collect() };
        let (old, new) = (images(before), images(after));
        if let Some(odd) = rows.iter().find(|row| !old.contains(*row) && !new.contains(*row)) {
            breaches.push(format!("invented: a snapshot read image {odd} of key {id}"));
        }
        let Some(last) = before.last().filter(|last| last.op != 'd') else {
            return;
        };
        let read = rows
            .iter()
            .any(|row| Some(*row) == last.version || new.contains(row));
        if !read && after.iter().all(|noted| noted.op != 'd') {
            breaches.push(format!(
                "missing: no snapshot read key {id}, whose {last:?} is before the stream"
            ));
        }
    }
}

fn at(entry: &Entry) -> Option<At> {
    match entry {
        Entry::Streamed { at, .. } => Some(*at),
        Entry::Row { .. } => None,
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
