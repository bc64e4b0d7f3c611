//! Sans-I/O: rows that may lack a value which the source did not send (CS-070, CS-099, RS-131), and what is told of them.
//!
//! An unavailable value leaves its cell as it is, which is right for a row that is there. Whether it was there only Cassandra
//! knows: a compacted topic holds the last change of a row and not its first, retention cuts first changes off, and what is
//! read again after a crash may belong to a row that a later change has removed. So the cells of such a row are looked at
//! once they are written, and a value like that is never null: a row that is there without it lacks it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use crate::mutation::Mutation;

/// Rows known to be whole that are remembered, 16 bytes each. Beyond it all are forgotten, which costs a read per row.
const WHOLE_MAX: usize = 1 << 16;
/// Rows without a value that are remembered, to be looked at again. Beyond it they are only counted.
const LACKING_MAX: usize = 10_000;

/// What a write leaves out because the source did not send it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lacks {
    /// The columns, by their places in the target.
    pub(crate) columns: Vec<usize>,
    /// The record says that its row begins.
    pub(crate) begins: bool,
    /// The source says that the row was gone by then: what removed it follows.
    pub(crate) gone: bool,
}

/// A row of a table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct RowKey {
    /// Index of the target.
    pub(crate) table: usize,
    /// The primary key, as a mutation holds it.
    pub(crate) key: Arc<[u8]>,
    /// Bytes of the partition key at its start.
    pub(crate) partition_bytes: usize,
}

impl RowKey {
    pub(crate) fn of(mutation: &Mutation) -> Self {
        Self {
            table: mutation.table,
            key: mutation.key().into(),
            partition_bytes: mutation.partition_bytes,
        }
    }
}

/// What Cassandra has of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// No such row.
    Absent,
    /// The columns of those asked for that are null.
    Nulls(Vec<usize>),
}

/// Rows by table and column that lack a value at the moment, as far as is known.
pub(crate) type Numbers = BTreeMap<(usize, usize), u64>;

/// What is known of rows.
#[derive(Debug, Default)]
pub(crate) struct Register {
    whole: HashSet<(u64, u64)>,
    /// Two independent hashes: what they agree on is one row.
    states: (RandomState, RandomState),
    lacking: HashMap<RowKey, Vec<usize>>,
    /// With those that found no room.
    numbers: Numbers,
    /// Grows with every removal: what was seen before one may not hold after it.
    removals: u64,
}

impl Register {
    /// Whether a row was seen with all its values, and was not removed since.
    pub(crate) fn is_whole(&self, row: &RowKey) -> bool {
        !self.whole.is_empty() && self.whole.contains(&self.print(row))
    }

    /// The removals so far, for [`Register::answer`].
    pub(crate) fn removals(&self) -> u64 {
        self.removals
    }

    /// Takes an answer to what was asked after so many removals; the columns that were found to be missing for the first time.
    pub(crate) fn answer(&mut self, row: RowKey, seen: &Seen, removals: u64) -> Vec<usize> {
        let nulls = match seen {
            Seen::Absent => &[][..],
            Seen::Nulls(nulls) => nulls,
        };
        let (table, is_there) = (row.table, *seen != Seen::Absent);
        let known = self.lacking.remove(&row).unwrap_or_default();
        for column in &known {
            self.count(table, *column, -1);
        }
        for column in nulls {
            self.count(table, *column, 1);
        }
        if nulls.is_empty() {
            if is_there && removals == self.removals {
                self.remember(&row);
            }
        } else if self.lacking.len() < LACKING_MAX {
            self.lacking.insert(row, nulls.to_vec());
        }
        nulls
            .iter()
            .filter(|column| !known.contains(column))
            .copied()
            .collect()
    }

    /// A row was removed: what begins under its key is another one.
    pub(crate) fn removed(&mut self, row: &RowKey) {
        self.removals += 1;
        self.whole.remove(&self.print(row));
    }

    /// Others may write from now on.
    pub(crate) fn forget(&mut self) {
        self.removals += 1;
        self.whole.clear();
    }

    /// The rows to look at again, at most so many.
    pub(crate) fn to_recheck(&self, rows_max: usize) -> Vec<(RowKey, Vec<usize>)> {
        let lacking = self.lacking.iter().take(rows_max);
        lacking
            .map(|(row, columns)| (row.clone(), columns.clone()))
            .collect()
    }

    /// How many rows lack what.
    pub(crate) fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    fn count(&mut self, table: usize, column: usize, by: i64) {
        let rows = self.numbers.entry((table, column)).or_default();
        *rows = rows.saturating_add_signed(by);
        if *rows == 0 {
            self.numbers.remove(&(table, column));
        }
    }

    fn remember(&mut self, row: &RowKey) {
        if self.whole.len() >= WHOLE_MAX {
            self.whole.clear();
        }
        let print = self.print(row);
        self.whole.insert(print);
    }

    fn print(&self, row: &RowKey) -> (u64, u64) {
        (self.states.0.hash_one(row), self.states.1.hash_one(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: u32) -> RowKey {
        RowKey {
            table: 1,
            key: key.to_be_bytes().as_slice().into(),
            partition_bytes: 4,
        }
    }

    /// CS-099.
    #[test]
    fn a_row_that_lacks_a_value_counts_until_it_has_it_or_is_gone() {
        let mut register = Register::default();
        assert_eq!(register.answer(row(1), &Seen::Nulls(vec![2, 3]), 0), [2, 3]);
        assert_eq!(register.answer(row(2), &Seen::Nulls(vec![2]), 0), [2]);
        assert_eq!(register.answer(row(3), &Seen::Absent, 0), [0; 0]);
        assert_eq!(*register.numbers(), Numbers::from([((1, 2), 2), ((1, 3), 1)]));
        assert_eq!(
            register.answer(row(1), &Seen::Nulls(vec![3]), 0),
            [0; 0],
            "known already"
        );
        assert_eq!(*register.numbers(), Numbers::from([((1, 2), 1), ((1, 3), 1)]));
        assert_eq!(register.to_recheck(10).len(), 2);
        register.answer(row(1), &Seen::Nulls(Vec::new()), 0);
        register.answer(row(2), &Seen::Absent, 0);
        assert_eq!(
            (register.numbers(), register.to_recheck(10).len()),
            (&Numbers::new(), 0)
        );
    }

    #[test]
    fn a_whole_row_is_remembered_until_it_is_removed() {
        let mut register = Register::default();
        assert!(!register.is_whole(&row(1)));
        register.answer(row(1), &Seen::Nulls(Vec::new()), 0);
        assert!(register.is_whole(&row(1)) && !register.is_whole(&row(2)));
        register.removed(&row(1));
        assert!(!register.is_whole(&row(1)));
        // Asked before the removal, answered behind it.
        register.answer(row(1), &Seen::Nulls(Vec::new()), 0);
        assert!(!register.is_whole(&row(1)));
        register.answer(row(1), &Seen::Nulls(Vec::new()), 1);
        register.forget();
        assert!(!register.is_whole(&row(1)));
        for key in 0..=WHOLE_MAX as u32 {
            register.answer(row(key), &Seen::Nulls(Vec::new()), 2);
        }
        assert_eq!(register.whole.len(), 1, "it starts anew");
    }

    #[test]
    fn beyond_its_room_rows_are_only_counted() {
        let mut register = Register::default();
        for key in 0..LACKING_MAX as u32 + 5 {
            assert_eq!(register.answer(row(key), &Seen::Nulls(vec![7]), 0), [7]);
        }
        assert_eq!(
            *register.numbers(),
            Numbers::from([((1, 7), LACKING_MAX as u64 + 5)])
        );
        assert_eq!(register.to_recheck(3).len(), 3);
    }
}
