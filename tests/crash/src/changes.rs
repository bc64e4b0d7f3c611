//! Sans-I/O: changes by free combination, thrown by dice: any subset of columns, each to any size, with or without a change
//! of the key, in any number of steps, savepoints and rollbacks. The same seed and the same keys give the same changes.
//!
//! What is asked for need not happen: a key that another writer took meanwhile, or a server that dies, undoes a transaction.
//! What did happen, Postgres notes.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::dice::Dice;
use crate::ledgers::{Column, Kind, LEDGERS, Ledger};

/// Functions that the changes call: text of some size that compresses, or does not.
pub const FUNCTIONS: &str = "
create function dense(size int, seed text) returns text language sql immutable as
  $$ select left(string_agg(md5(seed || g), ''), size) from generate_series(0, size / 32) g $$;
create function thin(size int, seed text) returns text language sql immutable as
  $$ select left(repeat(md5(seed), size / 32 + 1), size) $$;
";

/// Steps of a transaction, at most.
const STEPS_MAX: u64 = 6;
/// Rows of a statement, at most.
const ROWS_MAX: u64 = 5;
/// Of each hundred keys of a writer, how many are to be alive.
const ALIVE_PERCENT: u64 = 70;

/// What one statement, or one step of several, does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Rows that were not there; of each, some of the columns.
    Insert(Vec<(i64, Vec<Set>)>),
    /// One statement for all of these rows.
    Update(Vec<i64>, Vec<Set>),
    /// The rows get other keys, each that much above its old one, and what else the statement sets.
    Move(Vec<i64>, i64, Vec<Set>),
    /// One statement for all of these rows.
    Delete(Vec<i64>),
}

/// A column and the expression it is set to.
pub type Set = (&'static str, String);

/// A statement, or what stands between statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Changes the ledger of this number.
    Change(usize, Deed),
    /// Holds what was changed so far for a while.
    Sleep,
    /// `savepoint s`.
    Savepoint,
    /// `rollback to s`.
    RollbackTo,
    /// `release s`.
    Release,
}

/// A transaction: its steps, and whether it is to commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// In order.
    pub steps: Vec<Step>,
    /// Or it is rolled back.
    pub commits: bool,
}

/// What was asked for that leaves no trace where it happens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// Transactions.
    pub transactions: u64,
    /// Those that were rolled back.
    pub rollbacks: u64,
    /// Savepoints that were rolled back to.
    pub savepoints: u64,
    /// Statements for several rows.
    pub several_rows: u64,
    /// Rows that took each other's keys, or went to another key and came back.
    pub rounds: u64,
}

impl Asked {
    /// Adds another writer's.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            transactions: self.transactions + other.transactions,
            rollbacks: self.rollbacks + other.rollbacks,
            savepoints: self.savepoints + other.savepoints,
            several_rows: self.several_rows + other.several_rows,
            rounds: self.rounds + other.rounds,
        }
    }
}

/// Makes the changes of one writer.
#[derive(Debug)]
pub struct Changes {
    dice: Dice,
    /// Keys that nobody else changes, and those that everybody does.
    own: Range<i64>,
    shared: Range<i64>,
    /// The keys of each ledger that are taken, as far as one knows.
    alive: Vec<BTreeSet<i64>>,
    /// How many values were made: no two are the same.
    made: u64,
    /// What was asked for so far.
    pub asked: Asked,
}

impl Changes {
    /// Begins with no row. Each range has a few keys at least.
    pub fn new(seed: u64, own: Range<i64>, shared: Range<i64>) -> Self {
        Self {
            dice: Dice(seed),
            own,
            shared,
            alive: vec![BTreeSet::new(); LEDGERS.len()],
            made: 0,
            asked: Asked::default(),
        }
    }

    /// So many transactions as SQL for psql, and at the end a query of what [`Changes::learn`] reads.
    pub fn script(&mut self, transactions: usize) -> String {
        // A statement that fails ends its transaction, and none behind it.
        let mut sql = "\\set ON_ERROR_STOP off\nset deadlock_timeout = '50ms';\n".to_owned();
        for _ in 0..transactions {
            self.transaction().write(&mut sql);
        }
        for (index, ledger) in LEDGERS.iter().enumerate() {
            let number = ledger.number("");
            let within = |keys: &Range<i64>| format!("{number} between {} and {}", keys.start, keys.end - 1);
            sql.push_str(&format!(
                "select {index}, {number} from {} where {} or {};\n",
                ledger.name,
                within(&self.own),
                within(&self.shared)
            ));
        }
        sql
    }

    /// Takes what the query at the end of a script answered: number of a ledger, key.
    pub fn learn(&mut self, answer: &str) {
        let mut alive = vec![BTreeSet::new(); LEDGERS.len()];
        for line in answer.lines() {
            let numbers: Option<(usize, i64)> = line
                .split_once('\t')
                .and_then(|(ledger, key)| Some((ledger.parse().ok()?, key.parse().ok()?)));
            if let Some((ledger, key)) = numbers {
                alive[ledger].insert(key);
            }
        }
        self.alive = alive;
    }

    /// The next transaction.
    pub fn transaction(&mut self) -> Transaction {
        let before = self.alive.clone();
        let mut steps = Vec::new();
        for _ in 0..=self.dice.below(STEPS_MAX) {
            match self.dice.below(12) {
                0 => self.savepoint(&mut steps),
                1 => steps.push(Step::Sleep),
                _ => self.change(&mut steps),
            }
        }
        let commits = !self.dice.once_in(9);
        self.asked.transactions += 1;
        if !commits {
            self.asked.rollbacks += 1;
            self.alive = before;
        }
        Transaction { steps, commits }
    }

    fn savepoint(&mut self, steps: &mut Vec<Step>) {
        let before = self.alive.clone();
        steps.push(Step::Savepoint);
        for _ in 0..=self.dice.below(2) {
            self.change(steps);
        }
        if self.dice.once_in(3) {
            steps.push(Step::Release);
        } else {
            steps.push(Step::RollbackTo);
            self.asked.savepoints += 1;
            self.alive = before;
        }
    }

    fn change(&mut self, steps: &mut Vec<Step>) {
        let ledger = self.dice.below(LEDGERS.len() as u64) as usize;
        let own = self.alive[ledger].range(self.own.clone()).count() as u64;
        let keys = (self.own.end - self.own.start).unsigned_abs();
        let crowded = own * 100 >= keys * ALIVE_PERCENT;
        match self.dice.below(20) {
            0..=2 if crowded => self.delete(ledger, steps),
            0..=3 => self.insert(ledger, steps),
            4 => self.delete(ledger, steps),
            5 | 6 => self.replace(ledger, steps),
            7..=11 => self.moved(ledger, steps),
            12 => self.there_and_back(ledger, steps),
            13 => self.swapped(ledger, steps),
            _ => self.update(ledger, steps),
        }
    }

    fn insert(&mut self, ledger: usize, steps: &mut Vec<Step>) {
        let keys: BTreeSet<i64> = (0..self.rows()).map(|_| self.free(ledger)).collect();
        self.put(ledger, keys, steps);
    }

    fn put(&mut self, ledger: usize, keys: BTreeSet<i64>, steps: &mut Vec<Step>) {
        self.counted(keys.len());
        self.alive[ledger].extend(&keys);
        let rows = keys
            .into_iter()
            .map(|key| (key, self.sets(&LEDGERS[ledger], 2, false)));
        let rows = rows.collect();
        steps.push(Step::Change(ledger, Deed::Insert(rows)));
    }

    fn update(&mut self, ledger: usize, steps: &mut Vec<Step>) {
        let keys = self.taken(ledger);
        let sets = self.sets(&LEDGERS[ledger], 4, true);
        steps.push(Step::Change(ledger, Deed::Update(keys, sets)));
    }

    fn delete(&mut self, ledger: usize, steps: &mut Vec<Step>) {
        let keys = self.taken(ledger);
        self.alive[ledger].retain(|key| !keys.contains(key));
        steps.push(Step::Change(ledger, Deed::Delete(keys)));
    }

    /// Deleted, and inserted again with what chance gives.
    fn replace(&mut self, ledger: usize, steps: &mut Vec<Step>) {
        let keys = self.taken(ledger);
        let again = keys.iter().copied().collect();
        steps.push(Step::Change(ledger, Deed::Delete(keys)));
        if self.dice.once_in(3) {
            self.update(ledger, steps);
        }
        self.put(ledger, again, steps);
    }

    /// Several rows by the same distance, where each finds a free key; or one.
    fn moved(&mut self, ledger: usize, steps: &mut Vec<Step>) {
        let mut keys = self.taken(ledger);
        let to = self.free(ledger);
        let by = to - keys[0];
        let free = |key: &i64| {
            let to = key + by;
            (self.own.contains(&to) || self.shared.contains(&to)) && !self.alive[ledger].contains(&to)
        };
        let first = keys[0];
        keys.retain(|key| *key == first || free(key));
        self.shift(ledger, keys, by, steps);
    }

    /// One statement that gives these rows other keys.
    fn shift(&mut self, ledger: usize, keys: Vec<i64>, by: i64, steps: &mut Vec<Step>) {
        self.alive[ledger].retain(|key| !keys.contains(key));
        self.alive[ledger].extend(keys.iter().map(|key| key + by));
        let sets = self.sets(&LEDGERS[ledger], 6, true);
        steps.push(Step::Change(ledger, Deed::Move(keys, by, sets)));
    }

    /// A row goes through several keys, and perhaps comes back to its first.
    fn there_and_back(&mut self, ledger: usize, steps: &mut Vec<Step>) {
        let first = self.taken(ledger)[0];
        let mut at = first;
        for _ in 0..=self.dice.below(3) {
            let to = self.free(ledger);
            self.shift(ledger, vec![at], to - at, steps);
            at = to;
        }
        if self.dice.below(3) > 0 && at != first {
            self.shift(ledger, vec![at], first - at, steps);
        }
        self.asked.rounds += 1;
    }

    /// Two rows take each other's keys, by way of a free one.
    fn swapped(&mut self, ledger: usize, steps: &mut Vec<Step>) {
        let (a, b) = (self.taken(ledger)[0], self.taken(ledger)[0]);
        let aside = self.free(ledger);
        self.shift(ledger, vec![a], aside - a, steps);
        if a != b {
            self.shift(ledger, vec![b], a - b, steps);
        }
        self.shift(ledger, vec![aside], b - aside, steps);
        self.asked.rounds += 1;
    }

    /// How many rows a statement is for: mostly one.
    fn rows(&mut self) -> u64 {
        if self.dice.once_in(4) {
            2 + self.dice.below(ROWS_MAX - 1)
        } else {
            1
        }
    }

    fn counted(&mut self, rows: usize) {
        self.asked.several_rows += u64::from(rows > 1);
    }

    fn any(&mut self) -> i64 {
        let of = if self.dice.once_in(12) {
            &self.shared
        } else {
            &self.own
        };
        of.start + self.dice.below((of.end - of.start).unsigned_abs()).cast_signed()
    }

    /// Keys of one ledger that are taken as far as one knows; at least one key.
    fn taken(&mut self, ledger: usize) -> Vec<i64> {
        let mut keys = BTreeSet::new();
        for _ in 0..self.rows() {
            let from = self.any();
            let mine = |key: &&i64| self.own.contains(*key) || self.shared.contains(*key);
            keys.insert(
                self.alive[ledger]
                    .range(from..)
                    .find(mine)
                    .copied()
                    .unwrap_or(from),
            );
        }
        self.counted(keys.len());
        keys.into_iter().collect()
    }

    /// A key that is free as far as one knows, most of the time.
    fn free(&mut self, ledger: usize) -> i64 {
        let tries = if self.dice.once_in(40) { 0 } else { 30 };
        let mut key = self.any();
        for _ in 0..tries {
            if !self.alive[ledger].contains(&key) {
                break;
            }
            key = self.any();
        }
        key
    }

    /// Any subset of the columns, in which each is with one chance in `times`, each set to anything; of a row that is there,
    /// to itself too.
    fn sets(&mut self, ledger: &Ledger, times: u64, there: bool) -> Vec<Set> {
        let mut sets = Vec::new();
        for column in ledger.columns() {
            if !self.dice.once_in(times) {
                continue;
            }
            let same = there && self.dice.once_in(8);
            let value = if same {
                column.name.to_owned()
            } else {
                self.value(&column)
            };
            sets.push((column.name, value));
        }
        sets
    }

    fn value(&mut self, column: &Column) -> String {
        if !column.needed && self.dice.once_in(5) {
            return "null".into();
        }
        self.made += 1;
        let (number, size) = (self.made, self.size());
        let text = *self.dice.one(&["dense", "dense", "thin"]);
        // Names the writer by its first key, so that two do not make the same.
        let seed = format!("'{}.{number}'", self.own.start);
        match column.kind {
            Kind::Number => (number % 100_000).to_string(),
            Kind::Text if self.dice.once_in(4) => format!("'ä€' || {text}({size}, {seed})"),
            Kind::Text => format!("{text}({size}, {seed})"),
            Kind::Bytes => format!("decode({text}({}, {seed}), 'hex')", size * 2),
            Kind::Document if size == 0 => "'{}'".into(),
            Kind::Document => format!("jsonb_build_object('is', {text}({size}, {seed}))"),
            // Neither ends in a zero: as in Debezium the source takes those off.
            Kind::Amount if self.dice.once_in(2) => format!("{number}.05"),
            Kind::Amount => {
                format!("(translate({text}({size}, {seed}), 'abcdef', '123456') || '7')::numeric")
            }
        }
    }

    /// Bytes of a value: none, few, in line, about where rows are cut down, about a page, more.
    fn size(&mut self) -> u64 {
        let (from, to) = match self.dice.below(20) {
            0 | 1 => (0, 1),
            2..=9 => (1, 60),
            10..=12 => (60, 1500),
            13 | 14 => (1500, 2600),
            15..=17 => (2600, 7900),
            18 => (7900, 9000),
            _ => (9000, 20_000),
        };
        from + self.dice.below(to - from)
    }
}

impl Transaction {
    /// Appends it as SQL.
    pub fn write(&self, sql: &mut String) {
        sql.push_str("begin;\n");
        for step in &self.steps {
            match step {
                Step::Change(ledger, deed) => deed.write(&LEDGERS[*ledger], sql),
                Step::Sleep => sql.push_str("select pg_sleep(0.02);\n"),
                Step::Savepoint => sql.push_str("savepoint s;\n"),
                Step::RollbackTo => sql.push_str("rollback to s;\n"),
                Step::Release => sql.push_str("release s;\n"),
            }
        }
        sql.push_str(if self.commits { "commit;\n" } else { "rollback;\n" });
    }
}

impl Deed {
    fn write(&self, ledger: &Ledger, sql: &mut String) {
        let Ledger { name, .. } = ledger;
        let listed = |sets: &[Set]| -> Vec<String> {
            sets.iter()
                .map(|(column, value)| format!("{column} = {value}"))
                .collect()
        };
        match self {
            Self::Insert(rows) => sql.push_str(&insert(ledger, rows)),
            Self::Update(keys, sets) => {
                let mut all = listed(sets);
                if all.is_empty() {
                    all.push("outside = outside".into());
                }
                sql.push_str(&format!(
                    "update {name} set {} {}",
                    all.join(", "),
                    within(ledger, keys)
                ));
            }
            Self::Move(keys, by, sets) => {
                let to = ledger.parts(&format!("{} + {by}", ledger.number("")));
                let key = ledger
                    .key()
                    .iter()
                    .zip(to)
                    .map(|(column, part)| format!("{column} = {part}"));
                let all: Vec<_> = key.chain(listed(sets)).collect();
                sql.push_str(&format!(
                    "update {name} set {} {}",
                    all.join(", "),
                    within(ledger, keys)
                ));
            }
            Self::Delete(keys) => sql.push_str(&format!("delete from {name} {}", within(ledger, keys))),
        }
        sql.push_str(";\n");
    }
}

/// One statement. A column that a row leaves out has its default, as if the statement did not name it.
fn insert(ledger: &Ledger, rows: &[(i64, Vec<Set>)]) -> String {
    let named: BTreeSet<&str> = rows
        .iter()
        .flat_map(|(_, sets)| sets)
        .map(|(column, _)| *column)
        .collect();
    let row = |(key, sets): &(i64, Vec<Set>)| {
        let given = |column: &&str| {
            let found = sets.iter().find(|(name, _)| name == column);
            found.map_or("default", |(_, value)| value.as_str()).to_owned()
        };
        let key = ledger.parts(&key.to_string());
        let cells: Vec<_> = key.into_iter().chain(named.iter().map(given)).collect();
        format!("({})", cells.join(", "))
    };
    let columns: Vec<_> = ledger.key().iter().chain(&named).copied().collect();
    let rows: Vec<_> = rows.iter().map(row).collect();
    format!(
        "insert into {} ({}) values {}",
        ledger.name,
        columns.join(", "),
        rows.join(", ")
    )
}

fn within(ledger: &Ledger, keys: &[i64]) -> String {
    let keys: Vec<_> = keys
        .iter()
        .map(|key| format!("({})", ledger.parts(&key.to_string()).join(", ")))
        .collect();
    format!("where ({}) in ({})", ledger.key().join(", "), keys.join(", "))
}

#[cfg(test)]
#[path = "changes_tests.rs"]
mod tests;
