//! The promise of this crate as a property: whatever is replayed, delayed, reordered or written by two tasks at once, the
//! cells of the table end as the last image of each source row (CS-191, CS-104, CS-105, CS-110).
//!
//! A small database with row locks and interleaved transactions produces a history in the form the Postgres source sends;
//! the planner and the lanes turn it into mutations; a model of Cassandra's cells applies them in any order.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::*;
use rowtide_api::sink::{Note, RecordId, SinkRecord};
use rowtide_api::{Kind, Record, Schema, Value};

use crate::clock::PartitionClock;
use crate::lanes::{GroupLimits, Job, LaneClock, Lanes};
use crate::mutation::{CellValue, Deed, Mutation};
use crate::plan::Planner;
use crate::shape::Target;
use crate::test_records::{Source, with_header};
use crate::test_tables::{settings, shape};
use crate::types::Scalar;

const PARTITIONS: usize = 2;
const SLOTS: usize = 3;
const UNAVAILABLE: &str = "__debezium_unavailable_value";

/// `a` and `b` are small, `c` is large: a change that leaves its value alone does not send it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Row {
    a: Option<u8>,
    b: Option<u8>,
    c: Option<u8>,
}

/// A change as the log holds it. The flag: `c` has a value that the change did not touch.
#[derive(Debug, Clone)]
enum Change {
    Create(i64, Row),
    Update(i64, Row, bool),
    Delete(i64),
    Move(i64, i64, Row, bool),
}

/// What a statement does to a column.
#[derive(Debug, Clone, Copy)]
enum Set {
    Nothing,
    Null,
    Value(u8),
}

impl Set {
    fn of(self, before: Option<u8>) -> Option<u8> {
        match self {
            Self::Nothing => before,
            Self::Null => None,
            Self::Value(value) => Some(value),
        }
    }
}

/// What a session does next: any kind of statement about any columns.
#[derive(Debug, Clone, Copy)]
struct Step {
    slot: usize,
    deed: u8,
    key: i64,
    other: i64,
    sets: [Set; 3],
}

#[derive(Debug, Default)]
struct Transaction {
    changes: BTreeMap<i64, Option<Row>>,
    log: Vec<(i64, Change)>,
}

type Rows = BTreeMap<i64, Row>;

/// A database with row locks: changes of one row are serialised, those of different rows interleave.
#[derive(Debug)]
struct Database {
    rows: Rows,
    position: i64,
    open: [Transaction; SLOTS],
    locks: HashMap<i64, usize>,
    /// Committed transactions since the snapshot, in commit order, each with the rows behind it.
    committed: Vec<(Vec<(i64, Change)>, Rows)>,
    /// The snapshot's rows and its floor.
    snapshot: (Rows, i64),
}

/// What the source does about a large value that a row under a new key lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// It reads the row again, some time after the change: when, the number decides.
    Again(u64),
    /// It sends the placeholder.
    Never,
}

impl Database {
    fn new() -> Self {
        Self {
            rows: BTreeMap::new(),
            position: 1000,
            open: Default::default(),
            locks: HashMap::new(),
            committed: Vec::new(),
            snapshot: (BTreeMap::new(), 1000),
        }
    }

    fn seen_by(&self, slot: usize, key: i64) -> Option<Row> {
        match self.open[slot].changes.get(&key) {
            Some(change) => change.clone(),
            None => self.rows.get(&key).cloned(),
        }
    }

    fn lock(&mut self, slot: usize, key: i64) -> bool {
        *self.locks.entry(key).or_insert(slot) == slot
    }

    fn log(&mut self, slot: usize, key: i64, row: Option<Row>, change: Change) {
        // Log records are at least one alignment apart; here exactly one, which is the hardest case.
        self.position += 8;
        self.open[slot].changes.insert(key, row);
        self.open[slot].log.push((self.position, change));
    }

    fn step(&mut self, step: Step) {
        let Step { slot, key, sets, .. } = step;
        match step.deed {
            0..=3 if self.lock(slot, key) => self.upsert(slot, key, sets),
            4 if self.lock(slot, key) && self.seen_by(slot, key).is_some() => {
                self.log(slot, key, None, Change::Delete(key));
            }
            5 if self.lock(slot, key) && self.seen_by(slot, key).is_some() => {
                self.log(slot, key, None, Change::Delete(key));
                self.upsert(slot, key, sets);
            }
            6 | 7 if key != step.other && self.lock(slot, key) && self.lock(slot, step.other) => {
                self.rename(slot, key, step.other, sets);
            }
            8..=10 => self.commit(slot),
            11 => self.end(slot, false),
            12 => {
                let oldest = self.open.iter().filter_map(|tx| Some(tx.log.first()?.0)).min();
                self.snapshot = (self.rows.clone(), oldest.unwrap_or(self.position + 8));
                self.committed.clear();
            }
            _ => {}
        }
    }

    fn upsert(&mut self, slot: usize, key: i64, sets: [Set; 3]) {
        match self.seen_by(slot, key) {
            None => {
                let (row, _) = changed(&Row::default(), sets);
                self.log(slot, key, Some(row.clone()), Change::Create(key, row));
            }
            Some(old) => {
                let (row, unsent) = changed(&old, sets);
                self.log(slot, key, Some(row.clone()), Change::Update(key, row, unsent));
            }
        }
    }

    fn rename(&mut self, slot: usize, key: i64, other: i64, sets: [Set; 3]) {
        if let (Some(old), None) = (self.seen_by(slot, key), self.seen_by(slot, other)) {
            let (row, unsent) = changed(&old, sets);
            self.log(
                slot,
                other,
                Some(row.clone()),
                Change::Move(key, other, row, unsent),
            );
            self.open[slot].changes.insert(key, None);
        }
    }

    fn commit(&mut self, slot: usize) {
        self.end(slot, true);
    }

    fn end(&mut self, slot: usize, commit: bool) {
        let transaction = std::mem::take(&mut self.open[slot]);
        self.locks.retain(|_, owner| *owner != slot);
        if !commit {
            return;
        }
        for (key, row) in transaction.changes {
            match row {
                Some(row) => self.rows.insert(key, row),
                None => self.rows.remove(&key),
            };
        }
        self.committed.push((transaction.log, self.rows.clone()));
    }

    /// The topic: per partition its records in order.
    fn topic(&self, reading: Reading) -> Vec<Vec<Record>> {
        let mut partitions = vec![Vec::new(); PARTITIONS];
        for (key, row) in &self.snapshot.0 {
            let image = image(*key, row, Sent::Whole);
            let row = event("r", *key, image, self.position);
            let row = with_header(row, "rowtide.floor", &self.snapshot.1.to_string());
            partitions[of(*key)].push(row);
        }
        self.stream(0, reading, &mut partitions);
        partitions
    }

    /// The transactions from the one of that number on, as the source sends them: once more after it died.
    fn stream(&self, from: usize, reading: Reading, partitions: &mut [Vec<Record>]) {
        let mut send = |key: i64, record: Record| partitions[of(key)].push(record);
        for (number, (log, _)) in self.committed.iter().enumerate().skip(from) {
            for (lsn, change) in log {
                match change {
                    Change::Create(key, row) => {
                        send(*key, event("c", *key, image(*key, row, Sent::Whole), *lsn))
                    }
                    Change::Update(key, row, unsent) => {
                        let sent = if *unsent { Sent::Placeholder } else { Sent::Whole };
                        send(*key, event("u", *key, image(*key, row, sent), *lsn));
                    }
                    Change::Delete(key) => {
                        send(*key, removed(*key, *lsn));
                        send(*key, source().tombstone(*key));
                    }
                    Change::Move(old, new, row, unsent) => {
                        send(*old, with_header(removed(*old, *lsn), "__debezium.newkey", "x"));
                        send(*old, source().tombstone(*old));
                        send(*new, self.begins(number, *new, row, *unsent, *lsn, reading));
                    }
                }
            }
        }
    }

    /// The create of a row under a new key.
    fn begins(&self, number: usize, key: i64, row: &Row, unsent: bool, lsn: i64, reading: Reading) -> Record {
        let created = |image| with_header(event("c", key, image, lsn), "__debezium.oldkey", "x");
        match reading {
            _ if !unsent => created(image(key, row, Sent::Whole)),
            Reading::Never => with_header(
                created(image(key, row, Sent::Placeholder)),
                "rowtide.unavailable",
                "c",
            ),
            Reading::Again(when) => {
                // Any state from this transaction's end on: what is read is committed, and may be newer than the change.
                let later = self.committed.len() - number;
                let at = number + (when.wrapping_mul(lsn as u64 | 1) >> 17) as usize % later;
                match self.committed[at].1.get(&key) {
                    Some(now) => created(image(key, row, Sent::Read(now.c))),
                    None => {
                        let lacking = created(image(key, row, Sent::Placeholder));
                        with_header(
                            with_header(lacking, "rowtide.unavailable", "c"),
                            "rowtide.gone",
                            "true",
                        )
                    }
                }
            }
        }
    }
}

/// The row behind a statement, and whether a value of `c` is in it that was not sent.
fn changed(old: &Row, [a, b, c]: [Set; 3]) -> (Row, bool) {
    let row = Row {
        a: a.of(old.a),
        b: b.of(old.b),
        c: c.of(old.c),
    };
    let unsent = matches!(c, Set::Nothing) && old.c.is_some();
    (row, unsent)
}

/// What a record holds in `c`.
#[derive(Debug, Clone, Copy)]
enum Sent {
    Whole,
    Placeholder,
    Read(Option<u8>),
}

fn of(key: i64) -> usize {
    key as usize % PARTITIONS
}

fn image(key: i64, row: &Row, sent: Sent) -> Value {
    let text = |value: Option<u8>| value.map_or(Value::Null, |value| value.to_string().into());
    let c = match sent {
        Sent::Whole => text(row.c),
        Sent::Read(c) => text(c),
        Sent::Placeholder => UNAVAILABLE.into(),
    };
    source().image(vec![Value::Int64(key), text(row.a), text(row.b), c])
}

fn removed(key: i64, lsn: i64) -> Record {
    let source = source();
    let before = source.image(vec![Value::Int64(key), Value::Null, Value::Null, Value::Null]);
    source.change("d", source.key(key), before, Value::Null, lsn)
}

fn event(op: &str, key: i64, image: Value, lsn: i64) -> Record {
    let source = source();
    source.change(op, source.key(key), Value::Null, image, lsn)
}

fn source() -> Source {
    let text = Schema::optional_text;
    Source::new(
        &[("id", Kind::Int64)],
        vec![("a", text()), ("b", text()), ("c", text())],
    )
}

fn target(mode: &str) -> Target {
    let columns = [
        ("id", Scalar::BigInt),
        ("a", Scalar::Text),
        ("b", Scalar::Text),
        ("c", Scalar::Text),
    ];
    Target::new(
        settings(&[("inputFormat", "debezium"), ("timestampMode", mode)]),
        &shape(1, 1, &columns),
    )
    .unwrap()
}

/// Cassandra's cells: the newest wins; of equal ones a tombstone, then the larger value.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Cells {
    rows: BTreeMap<Vec<u8>, StoredRow>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct StoredRow {
    deleted: Option<i64>,
    alive: Option<i64>,
    cells: Vec<Option<(i64, Option<Vec<u8>>)>>,
}

impl Cells {
    fn apply(&mut self, mutation: &Mutation) {
        let row = self.rows.entry(mutation.key().to_vec()).or_default();
        let at = mutation.timestamp.unwrap();
        if mutation.deed == Deed::Delete {
            row.deleted = row.deleted.max(Some(at));
            return;
        }
        row.alive = row.alive.max(Some(at));
        for (index, value) in mutation.values().enumerate() {
            if row.cells.len() <= index {
                row.cells.push(None);
            }
            let written = match value {
                CellValue::Unset => continue,
                CellValue::Null => (at, None),
                CellValue::Bytes(bytes) => (at, Some(bytes.to_vec())),
            };
            // (time, is a tombstone, value): the order in which Cassandra prefers cells.
            let rank = |cell: &(i64, Option<Vec<u8>>)| (cell.0, cell.1.is_none(), cell.1.clone());
            let stored = &mut row.cells[index];
            if stored.as_ref().is_none_or(|stored| rank(&written) > rank(stored)) {
                *stored = Some(written);
            }
        }
    }

    /// What a client reads: key, then columns.
    fn read(&self) -> BTreeMap<Vec<u8>, Vec<Option<Vec<u8>>>> {
        let mut rows = BTreeMap::new();
        for (key, row) in &self.rows {
            if row.alive <= row.deleted {
                continue;
            }
            let visible = |cell: &Option<(i64, Option<Vec<u8>>)>| match cell {
                Some((at, value)) if Some(*at) > row.deleted => value.clone(),
                _ => None,
            };
            rows.insert(key.clone(), row.cells[1..].iter().map(visible).collect());
        }
        rows
    }
}

fn expected(rows: &Rows) -> BTreeMap<Vec<u8>, Vec<Option<Vec<u8>>>> {
    let text = |value: u8| value.to_string().into_bytes();
    rows.iter()
        .map(|(key, row)| {
            let mut id = 8_i32.to_be_bytes().to_vec();
            id.extend_from_slice(&key.to_be_bytes());
            (id, vec![row.a.map(text), row.b.map(text), row.c.map(text)])
        })
        .collect()
}

/// Delivers a partition from a position on, in batches, and returns what is sent: with the note after each batch.
fn deliver(
    mode: &str,
    records: &[Record],
    from: usize,
    note: Option<&Note>,
    batch: usize,
) -> (Vec<Mutation>, Vec<(usize, Note)>) {
    let mut planner = Planner::new([target(mode)].into());
    let mut clock = PartitionClock::restored(note, 0);
    let limits = GroupLimits {
        rows_max: batch,
        bytes_max: 1 << 20,
    };
    let clocks = vec![if mode == "lsn" {
        LaneClock::Exact
    } else {
        LaneClock::Ties
    }];
    let mut lanes: Lanes<()> = Lanes::new(clocks, limits);
    let (mut sent, mut notes, mut at) = (Vec::new(), Vec::new(), from);
    for chunk in records[from..].chunks(batch) {
        let chunk: Vec<_> = chunk
            .iter()
            .enumerate()
            .map(|(index, record)| SinkRecord {
                record: record.clone(),
                id: RecordId::new((at + index) as i64),
            })
            .collect();
        let plan = planner.plan(&chunk, &mut clock, i64::MAX / 2).unwrap();
        for (_, mutation) in plan.mutations {
            lanes.push(Job { mutation, tag: () });
        }
        at += chunk.len();
        notes.push((at, clock.note()));
        while let Some(group) = lanes.next() {
            sent.extend(group.sent.iter().map(|index| group.jobs[*index].mutation.clone()));
            lanes.done(&group.lane);
        }
    }
    (sent, notes)
}

/// Every partition whole, then again from chosen committed positions: by the same task restarted, or by a second one.
fn everything_sent(
    mode: &str,
    topic: &[Vec<Record>],
    batch: usize,
    replays: &[prop::sample::Index],
) -> Vec<Mutation> {
    let mut all = Vec::new();
    for records in topic {
        let (sent, mut notes) = deliver(mode, records, 0, None, batch);
        all.extend(sent);
        notes.push((0, Note("".into())));
        for replay in replays {
            let (from, note) = replay.get(&notes);
            // Another batch size: flushes collapse differently.
            all.extend(deliver(mode, records, *from, Some(note), batch % 3 + 1).0);
            // From the same place without its note, as after a lost group.
            all.extend(deliver(mode, records, *from, None, batch).0);
        }
    }
    all
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let set = prop_oneof![
        Just(Set::Nothing),
        Just(Set::Null),
        (0_u8..8).prop_map(Set::Value)
    ];
    let sets = [set.clone(), set.clone(), set];
    let step =
        (0..SLOTS, 0_u8..13, 0_i64..4, 0_i64..4, sets).prop_map(|(slot, deed, key, other, sets)| Step {
            slot,
            deed,
            key,
            other,
            sets,
        });
    prop::collection::vec(step, 1..80)
}

fn history(steps: &[Step]) -> Database {
    let mut database = Database::new();
    steps.iter().for_each(|step| database.step(*step));
    (0..SLOTS).for_each(|slot| database.commit(slot));
    database
}

fn read_after(mutations: &[&Mutation]) -> BTreeMap<Vec<u8>, Vec<Option<Vec<u8>>>> {
    let mut cells = Cells::default();
    mutations.iter().for_each(|mutation| cells.apply(mutation));
    cells.read()
}

/// Every topic, and what the source sent of it once more after it died, some of it read again at another time.
fn sent_again(
    database: &Database,
    reading: Reading,
    from: prop::sample::Index,
    other: Reading,
) -> Vec<Vec<Record>> {
    let mut topic = database.topic(reading);
    if !database.committed.is_empty() {
        database.stream(from.index(database.committed.len()), other, &mut topic);
    }
    topic
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// CS-191, RS-131.
    #[test]
    fn the_table_ends_as_the_last_image_of_every_row(
        steps in steps(),
        batch in 1_usize..7,
        replays in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        order in any::<u64>(),
        read in any::<(u64, u64)>(),
        from in any::<prop::sample::Index>(),
    ) {
        let database = history(&steps);
        let topic = sent_again(&database, Reading::Again(read.0), from, Reading::Again(read.1));
        let mutations = everything_sent("lsn", &topic, batch, &replays);
        let mut shuffled: Vec<&Mutation> = mutations.iter().collect();
        shuffle(&mut shuffled, order);
        prop_assert_eq!(read_after(&shuffled), expected(&database.rows));
        // Zombies land later still.
        let tail: Vec<&Mutation> = shuffled.iter().rev().chain(&shuffled).copied().collect();
        prop_assert_eq!(read_after(&tail), expected(&database.rows));
    }

    /// CS-099: where the source sends placeholders, every row that ends without its value is one that is looked at; all else
    /// is as it has to be.
    #[test]
    fn no_row_lacks_a_value_unnoticed(
        steps in steps(),
        batch in 1_usize..7,
        replays in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let database = history(&steps);
        let mutations = everything_sent("lsn", &database.topic(Reading::Never), batch, &replays);
        let ended = read_after(&mutations.iter().collect::<Vec<_>>());
        let mut wanted = expected(&database.rows);
        let looked_at: BTreeSet<&[u8]> = mutations
            .iter()
            .filter(|mutation| mutation.lacks.as_ref().is_some_and(|lacks| !lacks.gone))
            .map(Mutation::key)
            .collect();
        for (key, columns) in &mut wanted {
            if looked_at.contains(&key[..]) && ended.get(key).is_some_and(|row| row[2].is_none()) {
                columns[2] = None;
            }
        }
        prop_assert_eq!(ended, wanted);
    }

    /// CS-195: timestamps depend on the record alone, so that a replay writes what is there.
    #[test]
    fn a_replay_repeats_timestamps(steps in steps(), batch in 1_usize..7) {
        for records in history(&steps).topic(Reading::Again(7)) {
            let stamps = |batch| -> BTreeSet<(Vec<u8>, Option<i64>)> {
                let (sent, _) = deliver("lsn", &records, 0, None, batch);
                sent.into_iter().map(|mutation| (mutation.cells, mutation.timestamp)).collect()
            };
            let (all, some) = (stamps(1), stamps(batch));
            prop_assert!(some.is_subset(&all));
        }
    }
}

fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed | 1;
    for index in (1..items.len()).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        items.swap(index, (state >> 33) as usize % (index + 1));
    }
}

const NOTHING: Set = Set::Nothing;

fn does(deed: u8, key: i64, other: i64, sets: [Set; 3]) -> Step {
    Step {
        slot: 0,
        deed,
        key,
        other,
        sets,
    }
}

fn commits() -> Step {
    does(8, 0, 0, [NOTHING; 3])
}

/// RS-131: the known-bad source fails the same property, so that the property means something.
#[test]
fn a_placeholder_where_a_row_begins_loses_its_value() {
    let value = Set::Value(1);
    let database = history(&[
        does(0, 0, 0, [value; 3]),
        commits(),
        does(6, 0, 1, [NOTHING; 3]),
        commits(),
    ]);
    let read = |reading| {
        let mutations = everything_sent("lsn", &database.topic(reading), 1, &[]);
        read_after(&mutations.iter().collect::<Vec<_>>())
    };
    assert_eq!(read(Reading::Again(1)), expected(&database.rows));
    assert_ne!(read(Reading::Never), expected(&database.rows));
}

/// CS-101, CS-191: the known-bad clock fails the same property, so that the property means something.
#[test]
fn a_millisecond_clock_mixes_rows() {
    let sets = |value: u8| [Set::Value(value), Set::Value(10 - value), NOTHING];
    let database = history(&[
        does(0, 0, 0, sets(7)),
        commits(),
        does(0, 0, 0, sets(5)),
        commits(),
        does(0, 0, 0, sets(6)),
        commits(),
    ]);
    let topic = database.topic(Reading::Again(1));
    let read = |mode| {
        let mutations = everything_sent(mode, &topic, 1, &[]);
        read_after(&mutations.iter().collect::<Vec<_>>())
    };
    assert_eq!(read("lsn"), expected(&database.rows));
    assert_ne!(read("record"), expected(&database.rows));
}

/// CS-192: 50 updates of each key with descending values.
#[test]
fn descending_values_in_a_tight_loop_leave_no_mixed_row() {
    let steps: Vec<Step> = (0..50_u8)
        .rev()
        .flat_map(|value| {
            let sets = [Set::Value(value), Set::Value(value / 2), Set::Value(value)];
            (0..20).flat_map(move |key| [does(0, key, 0, sets), commits()])
        })
        .collect();
    let database = history(&steps);
    let mutations = everything_sent("lsn", &database.topic(Reading::Again(1)), 7, &[]);
    let mut shuffled: Vec<&Mutation> = mutations.iter().collect();
    shuffle(&mut shuffled, 42);
    assert_eq!(read_after(&shuffled), expected(&database.rows));
}

/// CS-104: a key change whose old and new key share one row here: the create wins, in whatever order they land.
#[test]
fn a_key_change_within_one_row_leaves_the_new_image() {
    let keys = [("id", Kind::Int64), ("part", Kind::Text)];
    let source = Source::new(&keys, vec![("a", Schema::optional_text())]);
    let schema =
        Schema::structure([("id", Schema::of(Kind::Int64).build()), ("part", Schema::text())]).build();
    let key = |part: &str| {
        let fields = vec![Value::Int64(1), part.into()];
        rowtide_api::Datum::of(rowtide_api::Struct::new(schema.clone(), fields))
    };
    let image = |part: &str, a: Value| source.image(vec![Value::Int64(1), part.into(), a]);
    let old = source.change("d", key("p"), image("p", Value::Null), Value::Null, 800);
    let new = source.change("c", key("q"), Value::Null, image("q", "new".into()), 800);
    let new = with_header(new, "__debezium.oldkey", "p");
    let table = shape(1, 1, &[("id", Scalar::BigInt), ("a", Scalar::Text)]);
    let settings = settings(&[("inputFormat", "debezium"), ("allowKeyCollapse", "true")]);
    let mut planner = Planner::new([Target::new(settings, &table).unwrap()].into());
    let mut planned = |record: Record| {
        let record = SinkRecord {
            record,
            id: RecordId::new(0),
        };
        let batch = planner.plan(&[record], &mut PartitionClock::new(0), 0).unwrap();
        batch.mutations[0].1.clone()
    };
    let (delete, insert) = (planned(old), planned(new));
    for order in [[&delete, &insert], [&insert, &delete]] {
        let rows = read_after(&order);
        assert_eq!(rows.into_values().collect::<Vec<_>>(), [[Some(b"new".to_vec())]]);
    }
}
