//! Sans-I/O: which entries of a replayed stream were delivered before (PG-182, PG-183, PG-187).
//!
//! The server begins at a commit boundary, so at most one transaction was delivered in part, and which one is known by its
//! commit LSN. Change LSNs are never used to drop anything: they repeat within a statement and are not monotonic across
//! transactions.

use crate::source::offset::{Entry, Position};

/// What is to be dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Nothing any more.
    Everything,
    /// Transactions below `tx_lsn`, and the first `seq` entries of the one at it.
    Ordinal {
        tx_lsn: u64,
        seq: u64,
        lsn: Option<u64>,
        /// Inside a transaction to drop: wholly or in part.
        inside: Inside,
    },
    /// An offset Debezium wrote: entries below `lsn` inside the transaction `xid`, and `events` of those at it.
    Debezium {
        xid: i64,
        lsn: u64,
        events: u64,
        inside: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Nothing,
    Delivered,
    Partly,
}

/// What to do with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was not delivered.
    Emit,
    /// It was.
    Skip,
    /// PG-187: the transaction is not the one the offset describes; read it again and emit all of it.
    Differs,
}

impl Resume {
    /// Drops nothing.
    pub fn everything() -> Self {
        Self {
            state: State::Everything,
        }
    }

    /// What the stored position says.
    pub fn after(position: &Position) -> Self {
        let state = match (position.tx_lsn, position.tx_id, position.lsn) {
            (Some(tx_lsn), _, lsn) => State::Ordinal {
                tx_lsn,
                seq: position.tx_seq.unwrap_or(0),
                // At a commit or an idle position `lsn` is not that of the last entry.
                lsn: lsn.filter(|_| position.entry != Some(Entry::Commit)),
                inside: Inside::Nothing,
            },
            (None, Some(xid), Some(lsn))
                if position.entry != Some(Entry::Commit) && position.snapshot.is_none() =>
            {
                State::Debezium {
                    xid,
                    lsn,
                    events: position.events_at_lsn.unwrap_or(0),
                    inside: false,
                }
            }
            _ => State::Everything,
        };
        Self { state }
    }

    /// A transaction begins.
    pub fn begin(&mut self, final_lsn: u64, xid: u32) {
        match &mut self.state {
            State::Everything => {}
            State::Ordinal { tx_lsn, inside, .. } => {
                *inside = match final_lsn.cmp(tx_lsn) {
                    std::cmp::Ordering::Less => Inside::Delivered,
                    std::cmp::Ordering::Equal => Inside::Partly,
                    std::cmp::Ordering::Greater => {
                        self.state = State::Everything;
                        return;
                    }
                };
            }
            // Stored ids are 32 bits wide while streaming, whatever width wrote them.
            State::Debezium {
                xid: stored, inside, ..
            } => *inside = *stored == i64::from(xid),
        }
    }

    /// The entry with this ordinal (from 1) and LSN; `captured`: it belongs to a captured table.
    pub fn entry(&mut self, ordinal: u64, lsn: u64, captured: bool) -> Verdict {
        match &mut self.state {
            State::Everything => Verdict::Emit,
            State::Ordinal {
                inside: Inside::Delivered,
                ..
            } => Verdict::Skip,
            State::Ordinal {
                inside: Inside::Nothing,
                ..
            } => Verdict::Emit,
            State::Ordinal { seq, lsn: stored, .. } => match ordinal.cmp(seq) {
                std::cmp::Ordering::Less => Verdict::Skip,
                std::cmp::Ordering::Equal if stored.is_none_or(|stored| stored == lsn) => Verdict::Skip,
                std::cmp::Ordering::Equal => Verdict::Differs,
                std::cmp::Ordering::Greater => Verdict::Emit,
            },
            State::Debezium {
                lsn: stored,
                events,
                inside: true,
                ..
            } => {
                if lsn < *stored {
                    Verdict::Skip
                } else if lsn == *stored && *events > 0 {
                    *events -= 1;
                    Verdict::Skip
                } else {
                    self.state = State::Everything;
                    Verdict::Emit
                }
            }
            State::Debezium { inside: false, .. } => {
                // PG-183: only the first transaction with captured changes can be the one.
                if captured {
                    self.state = State::Everything;
                }
                Verdict::Emit
            }
        }
    }

    /// The transaction is complete and had so many entries. `false`: it is not the one the offset describes (PG-187).
    pub fn commit(&mut self, entries: u64) -> bool {
        match &mut self.state {
            State::Ordinal { seq, inside, .. } => {
                let fits = *inside != Inside::Partly || entries >= *seq;
                if *inside == Inside::Partly {
                    self.state = State::Everything;
                } else {
                    *inside = Inside::Nothing;
                }
                fits
            }
            State::Debezium { inside: true, .. } => {
                self.state = State::Everything;
                true
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A transaction on the wire: commit LSN, xid, and the LSNs of its entries.
    type Tx = (u64, u32, Vec<u64>);

    /// Replays `stream` after `position`; `None`: it asked to be read again without dropping.
    fn replay(stream: &[Tx], position: &Position) -> Option<Vec<(u64, u64)>> {
        let mut resume = Resume::after(position);
        let mut emitted = Vec::new();
        for (final_lsn, xid, entries) in stream {
            if final_lsn + 8 <= position.start().unwrap_or(0) {
                continue;
            }
            resume.begin(*final_lsn, *xid);
            for (index, lsn) in entries.iter().enumerate() {
                match resume.entry(index as u64 + 1, *lsn, true) {
                    Verdict::Emit => emitted.push((*final_lsn, index as u64 + 1)),
                    Verdict::Skip => {}
                    Verdict::Differs => return None,
                }
            }
            if !resume.commit(entries.len() as u64) {
                return None;
            }
        }
        Some(emitted)
    }

    /// The position after entry `ordinal` of transaction `index`, as it would have been stored.
    fn position_after(stream: &[Tx], index: usize, ordinal: usize) -> Position {
        let (final_lsn, xid, entries) = &stream[index];
        Position {
            lsn: Some(entries[ordinal - 1]),
            lsn_proc: Some(entries[ordinal - 1]),
            lsn_commit: Some(if index == 0 { 0 } else { stream[index - 1].0 + 8 }),
            entry: Some(Entry::Insert),
            tx_id: Some(i64::from(*xid)),
            tx_lsn: Some(*final_lsn),
            tx_seq: Some(ordinal as u64),
            ..Position::default()
        }
    }

    fn all(stream: &[Tx]) -> Vec<(u64, u64)> {
        stream
            .iter()
            .flat_map(|(final_lsn, _, entries)| {
                (1..=entries.len() as u64).map(|ordinal| (*final_lsn, ordinal))
            })
            .collect()
    }

    fn streams() -> impl Strategy<Value = Vec<Tx>> {
        // Change LSNs repeat and run across transactions on purpose; commit LSNs grow.
        proptest::collection::vec(proptest::collection::vec(1u64..50, 1..6), 1..6).prop_map(|transactions| {
            transactions
                .into_iter()
                .enumerate()
                .map(|(index, mut entries)| {
                    entries.sort_unstable();
                    ((index as u64 + 1) * 1000, 500 + index as u32, entries)
                })
                .collect()
        })
    }

    proptest! {
        /// PG-182, PG-186: killed after every entry, the replay emits exactly the rest.
        #[test]
        fn a_kill_at_every_entry_leaves_neither_gap_nor_repeat(stream in streams()) {
            let expected = all(&stream);
            let mut done = 0;
            for (index, (_, _, entries)) in stream.iter().enumerate() {
                for ordinal in 1..=entries.len() {
                    done += 1;
                    let position = position_after(&stream, index, ordinal);
                    prop_assert_eq!(replay(&stream, &position), Some(expected[done..].to_vec()));
                }
            }
        }

        /// PG-183: an offset of Debezium may repeat entries and never loses one.
        #[test]
        fn an_offset_of_debezium_leaves_no_gap(stream in streams(), with_count: bool) {
            let expected = all(&stream);
            let mut done = 0;
            for (index, (_, _, entries)) in stream.iter().enumerate() {
                for ordinal in 1..=entries.len() {
                    done += 1;
                    let mut position = position_after(&stream, index, ordinal);
                    let at_lsn = entries[..ordinal].iter().filter(|lsn| **lsn == entries[ordinal - 1]).count();
                    (position.tx_lsn, position.tx_seq) = (None, None);
                    position.events_at_lsn = with_count.then_some(at_lsn as u64);
                    let emitted = replay(&stream, &position).unwrap();
                    prop_assert!(emitted.ends_with(&expected[done..]));
                    if with_count {
                        prop_assert_eq!(emitted.len(), expected.len() - done);
                    }
                }
            }
        }
    }

    fn stream() -> Vec<Tx> {
        vec![(1000, 500, vec![10, 20, 20]), (2000, 501, vec![5, 30])]
    }

    /// PG-187.
    #[test]
    fn a_transaction_that_differs_is_read_again() {
        let mut position = position_after(&stream(), 0, 2);
        position.lsn = Some(11);
        assert_eq!(replay(&stream(), &position), None);
        let mut position = position_after(&stream(), 0, 3);
        position.tx_seq = Some(4);
        assert_eq!(replay(&stream(), &position), None);
    }

    /// PG-181: after a commit nothing of the next transactions is dropped, whatever their change LSNs.
    #[test]
    fn after_a_commit_everything_later_is_emitted() {
        let position = Position {
            lsn: Some(1008),
            lsn_commit: Some(1008),
            entry: Some(Entry::Commit),
            tx_lsn: Some(1000),
            tx_seq: Some(3),
            ..Position::default()
        };
        assert_eq!(replay(&stream(), &position), Some(vec![(2000, 1), (2000, 2)]));
    }

    /// PG-183: changes of tables that are not captured do not end the search.
    #[test]
    fn an_uncaptured_transaction_in_front_is_not_the_one() {
        let mut position = position_after(&stream(), 1, 1);
        (position.tx_lsn, position.tx_seq, position.events_at_lsn) = (None, None, Some(1));
        let mut resume = Resume::after(&position);
        resume.begin(1500, 7);
        assert_eq!(resume.entry(1, 9, false), Verdict::Emit);
        assert!(resume.commit(1));
        resume.begin(2000, 501);
        assert_eq!(resume.entry(1, 5, true), Verdict::Skip);
        assert_eq!(resume.entry(2, 30, true), Verdict::Emit);
    }
}
