//! Sans-I/O: rows that may lack a value which the source did not send (CS-070, CS-099, RS-131), and what is told of them.
//!
//! An unavailable value leaves its cell as it is, which is right for a row that is there. Whether it was there only Cassandra
//! knows: a compacted topic holds the last change of a row and not its first, retention cuts first changes off, and what is
//! read again after a crash may belong to a row that a later change has removed. So the cells of such a row are looked at
//! once they are written, and a value like that is never null: a row that is there without it lacks it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use crate::mutation::{CellValue, Mutation};

/// Rows known to be whole that are remembered, 16 bytes each. Beyond it all are forgotten, which costs a read per row.
const WHOLE_MAX: usize = 1 << 16;
/// Rows that are watched, some hundred bytes each. Of those beyond nothing is known, and that is told.
const WATCHED_MAX: usize = 20_000;

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
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// How many rows lack a value at the moment, by table and column.
pub(crate) type Numbers = BTreeMap<(usize, usize), u64>;

/// Two independent hashes of a row: what they agree on is one row.
type Print = (u64, u64);

/// A row whose values are in question: none of these columns was written since.
#[derive(Debug)]
struct Watched {
    row: RowKey,
    columns: Vec<usize>,
    /// It was seen to lack them, and counts.
    lacking: bool,
}

/// What an answer comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Nothing is missing, or somebody else has settled it.
    Settled,
    /// It lacks these, and counts from now on.
    Lacks(Vec<usize>),
    /// It still does.
    Known,
}

/// What is known of rows.
#[derive(Debug, Default)]
pub(crate) struct Register {
    whole: HashSet<Print>,
    states: (RandomState, RandomState),
    watched: HashMap<Print, Watched>,
    numbers: Numbers,
    /// Grows with every removal: what was seen before one may not hold after it.
    removals: u64,
}

impl Register {
    /// Whether a row was seen with all its values, or will be removed, and was not since.
    pub(crate) fn is_whole(&self, row: &Mutation) -> bool {
        !self.whole.is_empty() && self.whole.contains(&self.print(row.table, row.key()))
    }

    /// Watches a row from now on; `false` where there is no room.
    pub(crate) fn watch(&mut self, row: &RowKey, columns: &[usize]) -> bool {
        let print = self.print(row.table, &row.key);
        let mut all = match self.drop_watched(print) {
            Some(known) => known.columns,
            None if self.watched.len() >= WATCHED_MAX => return false,
            None => Vec::new(),
        };
        all.extend_from_slice(columns);
        all.sort_unstable();
        all.dedup();
        let watched = Watched {
            row: row.clone(),
            columns: all,
            lacking: false,
        };
        self.watched.insert(print, watched);
        true
    }

    /// A row that nobody will look at.
    pub(crate) fn give_up(&mut self, row: &RowKey) {
        let print = self.print(row.table, &row.key);
        self.drop_watched(print);
    }

    /// How many rows are watched.
    pub(crate) fn watching(&self) -> usize {
        self.watched.len()
    }

    /// A row was written: a column that has a value or a null of its own now is in question no longer.
    pub(crate) fn written(&mut self, mutation: &Mutation) {
        let print = self.print(mutation.table, mutation.key());
        if !self.watched.contains_key(&print) {
            return;
        }
        let Some(mut watched) = self.drop_watched(print) else {
            return;
        };
        for (column, value) in mutation.values().enumerate() {
            if value != CellValue::Unset {
                watched.columns.retain(|of| *of != column);
            }
        }
        if !watched.columns.is_empty() {
            if watched.lacking {
                self.count(watched.row.table, &watched.columns, 1);
            }
            self.watched.insert(print, watched);
        }
    }

    /// The removals so far, for [`Register::answer`].
    pub(crate) fn removals(&self) -> u64 {
        self.removals
    }

    /// Takes an answer to what was asked after so many removals.
    pub(crate) fn answer(&mut self, row: &RowKey, seen: &Seen, removals: u64) -> Answer {
        let print = self.print(row.table, &row.key);
        let Some(watched) = self.drop_watched(print) else {
            return Answer::Settled;
        };
        let nulls = match seen {
            Seen::Absent => return Answer::Settled,
            Seen::Nulls(nulls) => nulls,
        };
        let missing: Vec<_> = nulls
            .iter()
            .filter(|of| watched.columns.contains(of))
            .copied()
            .collect();
        if missing.is_empty() {
            if removals == self.removals && nulls.is_empty() {
                self.remember(print);
            }
            return Answer::Settled;
        }
        self.count(row.table, &missing, 1);
        let lacking = Watched {
            row: watched.row,
            columns: missing.clone(),
            lacking: true,
        };
        self.watched.insert(print, lacking);
        match watched.lacking {
            true => Answer::Known,
            false => Answer::Lacks(missing),
        }
    }

    /// Whether a row is watched and not yet seen to lack anything, and what of these columns is still in question.
    pub(crate) fn in_doubt(&self, row: &RowKey, columns: &[usize]) -> Vec<usize> {
        let watched = self.watched.get(&self.print(row.table, &row.key));
        let watched = watched.filter(|watched| !watched.lacking);
        let columns = columns.iter().copied();
        columns
            .filter(|column| watched.is_some_and(|watched| watched.columns.contains(column)))
            .collect()
    }

    /// What removes this row follows: until then there is nothing to look at.
    pub(crate) fn expect_removal(&mut self, row: &RowKey) {
        let print = self.print(row.table, &row.key);
        self.drop_watched(print);
        self.remember(print);
    }

    /// A row was removed: what begins under its key is another one.
    pub(crate) fn removed(&mut self, row: &Mutation) {
        self.removals += 1;
        let print = self.print(row.table, row.key());
        self.whole.remove(&print);
        self.drop_watched(print);
    }

    /// Others may write from now on.
    pub(crate) fn forget(&mut self) {
        self.removals += 1;
        self.whole.clear();
    }

    /// The rows that lack a value, to be looked at again, at most so many.
    pub(crate) fn to_recheck(&self, rows_max: usize) -> Vec<(RowKey, Vec<usize>)> {
        let lacking = self.watched.values().filter(|watched| watched.lacking);
        let rows = lacking.take(rows_max);
        rows.map(|watched| (watched.row.clone(), watched.columns.clone()))
            .collect()
    }

    /// How many rows lack what.
    pub(crate) fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    fn remember(&mut self, print: Print) {
        if self.whole.len() >= WHOLE_MAX {
            self.whole.clear();
        }
        self.whole.insert(print);
    }

    /// The row is neither watched nor counted any more.
    fn drop_watched(&mut self, print: Print) -> Option<Watched> {
        let watched = self.watched.remove(&print)?;
        if watched.lacking {
            self.count(watched.row.table, &watched.columns, -1);
        }
        Some(watched)
    }

    fn count(&mut self, table: usize, columns: &[usize], by: i64) {
        for column in columns {
            let rows = self.numbers.entry((table, *column)).or_default();
            *rows = rows.saturating_add_signed(by);
            if *rows == 0 {
                self.numbers.remove(&(table, *column));
            }
        }
    }

    fn print(&self, table: usize, key: &[u8]) -> Print {
        (
            self.states.0.hash_one((table, key)),
            self.states.1.hash_one((table, key)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::{Deed, UNSET};

    /// Of table 1, whose key is one column; then the lengths of the others: −1 is null, −2 unset.
    fn write(deed: Deed, key: u32, others: &[i32]) -> Mutation {
        let mut cells = 4_i32.to_be_bytes().to_vec();
        cells.extend(key.to_be_bytes());
        for length in others {
            cells.extend(length.to_be_bytes());
            cells.extend(vec![7; usize::try_from(*length).unwrap_or(0)]);
        }
        Mutation {
            table: 1,
            deed,
            cells,
            partition_bytes: 8,
            key_bytes: 8,
            timestamp: Some(1),
            ttl: 0,
            lacks: None,
        }
    }

    fn row(key: u32) -> RowKey {
        RowKey::of(&write(Deed::Delete, key, &[]))
    }

    fn nulls(columns: &[usize]) -> Seen {
        Seen::Nulls(columns.to_vec())
    }

    /// CS-099.
    #[test]
    fn a_row_that_lacks_a_value_counts_until_it_has_it_or_is_gone() {
        let mut register = Register::default();
        for key in 1..=5 {
            assert!(register.watch(&row(key), &[2, 3]));
        }
        assert_eq!(
            register.answer(&row(1), &nulls(&[2, 3]), 0),
            Answer::Lacks(vec![2, 3])
        );
        assert_eq!(register.answer(&row(2), &nulls(&[2]), 0), Answer::Lacks(vec![2]));
        assert_eq!(register.answer(&row(3), &Seen::Absent, 0), Answer::Settled);
        assert_eq!(register.answer(&row(4), &nulls(&[2]), 0), Answer::Lacks(vec![2]));
        assert_eq!(
            register.answer(&row(9), &nulls(&[2]), 0),
            Answer::Settled,
            "nobody asked"
        );
        assert_eq!(*register.numbers(), Numbers::from([((1, 2), 3), ((1, 3), 1)]));
        assert_eq!(register.answer(&row(1), &nulls(&[3]), 0), Answer::Known);
        assert_eq!(*register.numbers(), Numbers::from([((1, 2), 2), ((1, 3), 1)]));
        assert_eq!((register.to_recheck(10).len(), register.watching()), (3, 4));
        register.answer(&row(1), &nulls(&[]), 0);
        register.answer(&row(2), &Seen::Absent, 0);
        register.removed(&write(Deed::Delete, 4, &[]));
        register.removed(&write(Deed::Delete, 5, &[]));
        assert_eq!((register.numbers(), register.watching()), (&Numbers::new(), 0));
    }

    /// A null that was written is no missing value, whenever the row is looked at.
    #[test]
    fn a_column_that_was_written_since_is_in_question_no_longer() {
        let mut register = Register::default();
        register.watch(&row(1), &[1, 2]);
        register.written(&write(Deed::Insert, 1, &[UNSET, -1]));
        assert_eq!(register.in_doubt(&row(1), &[1, 2]), [1]);
        assert_eq!(
            register.answer(&row(1), &nulls(&[1, 2]), 0),
            Answer::Lacks(vec![1])
        );
        register.written(&write(Deed::Insert, 2, &[3, 3]));
        assert_eq!(register.numbers().len(), 1, "another row");
        register.written(&write(Deed::Insert, 1, &[-1, UNSET]));
        assert_eq!((register.numbers(), register.watching()), (&Numbers::new(), 0));
        assert_eq!(register.answer(&row(1), &nulls(&[1, 2]), 0), Answer::Settled);
        // Not sent once more, behind the null: it was not null then, so it was written in between by nobody we know.
        register.watch(&row(1), &[1]);
        assert_eq!(register.in_doubt(&row(1), &[1]), [1]);
    }

    #[test]
    fn a_whole_row_is_remembered_until_it_is_removed() {
        let mut register = Register::default();
        let of = |key| write(Deed::Insert, key, &[]);
        let seen_whole = |register: &mut Register, key, removals| {
            register.watch(&row(key), &[1]);
            register.answer(&row(key), &nulls(&[]), removals)
        };
        assert!(!register.is_whole(&of(1)));
        seen_whole(&mut register, 1, 0);
        assert!(register.is_whole(&of(1)) && !register.is_whole(&of(2)));
        register.removed(&of(1));
        assert!(!register.is_whole(&of(1)));
        // Asked before the removal, answered behind it.
        seen_whole(&mut register, 1, 0);
        assert!(!register.is_whole(&of(1)));
        register.expect_removal(&row(1));
        assert!(register.is_whole(&of(1)));
        register.forget();
        assert!(!register.is_whole(&of(1)));
        for key in 0..=WHOLE_MAX as u32 {
            seen_whole(&mut register, key, 2);
        }
        assert_eq!(register.whole.len(), 1, "it starts anew");
    }

    #[test]
    fn what_is_watched_is_bounded() {
        let mut register = Register::default();
        assert!((0..WATCHED_MAX as u32).all(|key| register.watch(&row(key), &[7])));
        assert!(!register.watch(&row(u32::MAX), &[7]));
        assert!(register.watch(&row(3), &[8]), "it is there already");
        register.give_up(&row(3));
        assert_eq!(register.watching(), WATCHED_MAX - 1);
    }
}
