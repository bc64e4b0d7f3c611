//! Sans-I/O: the stream as a property: changes by free combination, sent as the server sends them, cut anywhere and read again
//! from every position that was handed out, become the records that a model of the tables says.
//!
//! The model knows rows, not records or positions of the decoder: what a record has to hold is worked out when the change is made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use rowtide_api::data::Buffer;
use rowtide_api::record::Record;
use rowtide_api::source::SourceBatch;
use rowtide_api::{Datum, Value};

use super::pgoutput::encode::{self, Col};
use super::pgoutput::{Relation, RelationColumn};
use super::relations::{Compiler, Schemas};
use super::transaction::tests::{builder, data, keepalive, settings};
use super::transaction::{BatchLimits, Chunk, Outcome, Transactions};
use crate::identifier::TableName;
use crate::source::catalogue::{Structures, structures};
use crate::source::filter::{Filter, FilterLists};
use crate::source::offset::{Position, partition};
use crate::source::record::missing::{Found, Missing};

/// A table: its name, its replica identity, whether its key is two columns, and whether it is captured.
struct Table {
    name: &'static str,
    identity: u8,
    pair: bool,
    captured: bool,
}

const fn table(name: &'static str, identity: u8, pair: bool, captured: bool) -> Table {
    Table {
        name,
        identity,
        pair,
        captured,
    }
}

const TABLES: [Table; 4] = [
    table("plain", b'd', false, true),
    table("whole", b'f', true, true),
    table("indexed", b'i', true, true),
    table("elsewhere", b'd', false, false),
];

/// What a column is: its type, whether null is refused.
struct Column {
    name: &'static str,
    oid: u32,
    not_null: bool,
    captured: bool,
}

const fn column(name: &'static str, oid: u32, not_null: bool, captured: bool) -> Column {
    Column {
        name,
        oid,
        not_null,
        captured,
    }
}

/// The key in front, on which every row has both columns; `b` is part of it where the key is two columns.
const COLUMNS: [Column; 8] = [
    column("a", 23, true, true),
    column("b", 23, true, true),
    column("hidden", 25, false, false),
    column("note", 25, false, true),
    column("needed", 25, true, true),
    column("bytes", 17, false, true),
    column("amount", 1700, false, true),
    column("document", 3802, false, true),
];
const KEY: usize = 2;
/// The default of `needed`: what stands for it where its value is not sent.
const NEEDED: &str = "default";

/// A value that is not null: a number tells it from others, and whether Postgres keeps it out of line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    number: u16,
    large: bool,
}

type Row = Vec<Option<Held>>;

/// The key's columns, in order.
type Key = (i64, i64);

#[derive(Debug, Clone, Copy)]
enum Deed {
    Insert,
    Update,
    Move,
    Delete,
    Replace,
}

/// What is asked for; it happens if the rows are such that it can.
#[derive(Debug, Clone)]
struct Step {
    table: usize,
    deed: Deed,
    key: Key,
    to: Key,
    /// Per column behind the key: left alone, or set.
    sets: Vec<Option<Option<Held>>>,
    announced: bool,
}

/// A committed transaction as the server holds it.
#[derive(Debug, Default, Clone)]
struct Committed {
    entries: Vec<Entry>,
    idle_behind: bool,
}

/// One entry of a transaction and the records that it has to become.
#[derive(Debug, Clone)]
struct Entry {
    table: usize,
    announced: bool,
    message: Vec<u8>,
    records: Vec<Wanted>,
}

/// What a record has to be.
#[derive(Debug, Clone)]
enum Wanted {
    /// In this test's words.
    Record(String),
    /// The first of a row under its new key: its values that were not sent are those that the row has when it is read again.
    Begins { key: Key, row: Row, unsent: Vec<usize> },
}

/// The rows of each table by their keys.
type Rows = Vec<BTreeMap<Key, Row>>;

/// What committed, and the rows behind all of it.
#[derive(Debug, Clone)]
struct History {
    log: Vec<Committed>,
    now: Rows,
}

impl Table {
    fn id(&self) -> u32 {
        16_384 + u32::from(self.name.as_bytes()[0])
    }

    fn in_key(&self, column: usize) -> bool {
        column == 0 || column == 1 && self.pair
    }

    fn full(&self) -> bool {
        self.identity == b'f'
    }

    fn relation(&self) -> Relation {
        let columns = COLUMNS.iter().enumerate().map(|(index, column)| RelationColumn {
            identity: self.full() || self.in_key(index),
            name: column.name.into(),
            type_oid: column.oid,
            modifier: -1,
        });
        Relation {
            id: self.id(),
            name: TableName::new("public", self.name),
            identity: self.identity,
            columns: columns.collect(),
        }
    }
}

fn catalogue() -> Structures {
    let mut rows = Vec::new();
    for table in &TABLES {
        let id = table.id().to_string();
        let text = |cells: &[&str]| {
            cells
                .iter()
                .map(|cell| Some((*cell).to_owned()))
                .collect::<Vec<_>>()
        };
        for column in &COLUMNS {
            let not_null = if column.not_null { "t" } else { "f" };
            let oid = column.oid.to_string();
            let mut row = text(&["c", &id, column.name, not_null, "", "", "f", &oid, "-1", "t"]);
            row[4] = (column.name == "needed").then(|| format!("'{NEEDED}'::text"));
            rows.push(row);
        }
        for (index, column) in COLUMNS.iter().enumerate() {
            if table.in_key(index) {
                let identity = if table.identity == b'i' { "t" } else { "f" };
                rows.push(text(&["k", &id, "1", column.name, identity]));
            }
        }
        let identity = char::from(table.identity).to_string();
        rows.push(text(&["n", &id, "public", table.name, "r", &identity]));
    }
    structures(&rows).unwrap()
}

/// A value as Postgres sends it.
fn sent(column: usize, held: Held) -> String {
    let Held { number, large } = held;
    let size = if large { 40 } else { 1 };
    match COLUMNS[column].oid {
        23 => number.to_string(),
        17 => format!("\\x{}", format!("{number:04x}").repeat(size)),
        1700 if large => format!("{number}{}", "7".repeat(30)),
        1700 => format!("{number}.5"),
        3802 => format!("{{\"n\": \"{}\"}}", number.to_string().repeat(size)),
        _ if number == 0 => String::new(),
        _ => number.to_string().repeat(size),
    }
}

/// The same value as a record shows it.
fn shown(column: usize, held: Held) -> String {
    let text = sent(column, held);
    match COLUMNS[column].oid {
        17 => text.replace("\\x", "0x"),
        1700 => format!(
            "{}e-{}",
            text.replace('.', "").trim_start_matches('0'),
            text.split('.').nth(1).map_or(0, str::len)
        ),
        _ => text,
    }
}

/// What a row shows where nothing is known of a column.
fn nothing(column: usize) -> String {
    match &COLUMNS[column] {
        Column { name: "needed", .. } => NEEDED.into(),
        Column { not_null: true, .. } => "0".into(),
        _ => "null".into(),
    }
}

/// A captured row as a record shows it, with what `unknown` says in place of some columns.
fn image(row: &Row, unknown: impl Fn(usize) -> Option<String>) -> String {
    let cells = row
        .iter()
        .enumerate()
        .filter(|(column, _)| COLUMNS[*column].captured);
    let cells = cells.map(|(column, held)| {
        unknown(column).unwrap_or_else(|| held.map_or("null".into(), |held| shown(column, held)))
    });
    cells.collect::<Vec<_>>().join(",")
}

/// A database that sends its changes.
#[derive(Default)]
struct Database {
    rows: Rows,
    open: Vec<Entry>,
}

impl Database {
    fn new() -> Self {
        Self {
            rows: TABLES.iter().map(|_| BTreeMap::new()).collect(),
            open: Vec::new(),
        }
    }

    /// A key that names a row; of one column the other is no part.
    fn key(step: &Step, key: Key) -> Key {
        (key.0, if TABLES[step.table].pair { key.1 } else { 0 })
    }

    fn step(&mut self, step: &Step) {
        let (from, to) = (Self::key(step, step.key), Self::key(step, step.to));
        let there = |key| self.rows[step.table].contains_key(key);
        match step.deed {
            Deed::Insert if !there(&from) => self.insert(step, from),
            Deed::Update if there(&from) => self.update(step, from, from),
            Deed::Move if there(&from) && from != to && !there(&to) => self.update(step, from, to),
            Deed::Delete if there(&from) => self.delete(step, from),
            Deed::Replace if there(&from) => {
                self.delete(step, from);
                self.insert(step, from);
            }
            _ => {}
        }
    }

    fn key_cells(key: Key) -> [Option<Held>; KEY] {
        [key.0, key.1].map(|part| {
            let number = u16::try_from(part).unwrap();
            Some(Held { number, large: false })
        })
    }

    fn insert(&mut self, step: &Step, key: Key) {
        let mut row: Row = Self::key_cells(key).to_vec();
        let sets = step.sets.iter().zip(&COLUMNS[KEY..]);
        row.extend(sets.map(|(set, column)| set.flatten().or_else(|| default(column))));
        let message = encode::insert(TABLES[step.table].id(), &cols(&texts(&row), |_| false));
        let record = event(step.table, "c", key, None, Some(image(&row, |_| None)), &[], "");
        self.rows[step.table].insert(key, row);
        self.entry(step, message, vec![Wanted::Record(record)]);
    }

    fn update(&mut self, step: &Step, from: Key, to: Key) {
        let table = &TABLES[step.table];
        let before = self.rows[step.table].remove(&from).unwrap();
        let mut after = before.clone();
        after.splice(..KEY, Self::key_cells(to));
        for (index, set) in step.sets.iter().enumerate() {
            if let Some(held) = set {
                after[KEY + index] = held.or_else(|| default(&COLUMNS[KEY + index]));
            }
        }
        // Out of line and the same: the server sends a mark in the new row, and what it is only in a full old row.
        let unchanged =
            |column: usize| after[column] == before[column] && after[column].is_some_and(|held| held.large);
        let old = texts(&old_row(table, &before));
        let old_cols = cols(&old, |_| false);
        let kind = if table.full() { b'O' } else { b'K' };
        let old = (table.full() || from != to).then_some((kind, &old_cols[..]));
        let message = encode::update(table.id(), old, &cols(&texts(&after), unchanged));
        let unknown = |column: usize| !table.full() && unchanged(column);
        // PG-077: these, and no others, are named.
        let names: Vec<_> = (0..COLUMNS.len())
            .filter(|column| unknown(*column) && COLUMNS[*column].captured)
            .collect();
        let now = image(&after, |column| unknown(column).then(|| "?".to_owned()));
        let was = image(&before, |column| {
            (!table.full() && !table.in_key(column)).then(|| nothing(column))
        });
        let records = if from == to {
            let before = table.full().then_some(was);
            let update = event(step.table, "u", to, before, Some(now), &names, "");
            vec![Wanted::Record(update)]
        } else {
            let delete = event(step.table, "d", from, Some(was), None, &[], "newkey");
            let tombstone = event(step.table, "", from, None, None, &[], "newkey");
            let create = Wanted::Begins {
                key: to,
                row: after.clone(),
                unsent: names,
            };
            vec![Wanted::Record(delete), Wanted::Record(tombstone), create]
        };
        self.rows[step.table].insert(to, after);
        self.entry(step, message, records);
    }

    fn delete(&mut self, step: &Step, key: Key) {
        let table = &TABLES[step.table];
        let before = self.rows[step.table].remove(&key).unwrap();
        let kind = if table.full() { b'O' } else { b'K' };
        let old = texts(&old_row(table, &before));
        let message = encode::delete(table.id(), kind, &cols(&old, |_| false));
        let was = image(&before, |column| {
            (!table.full() && !table.in_key(column)).then(|| nothing(column))
        });
        let records = vec![
            Wanted::Record(event(step.table, "d", key, Some(was), None, &[], "")),
            Wanted::Record(event(step.table, "", key, None, None, &[], "")),
        ];
        self.entry(step, message, records);
    }

    fn entry(&mut self, step: &Step, message: Vec<u8>, records: Vec<Wanted>) {
        self.open.push(Entry {
            table: step.table,
            announced: step.announced,
            message,
            records: if TABLES[step.table].captured {
                records
            } else {
                Vec::new()
            },
        });
    }
}

/// A column that refuses null takes its default.
fn default(column: &Column) -> Option<Held> {
    column.not_null.then_some(Held {
        number: 1,
        large: true,
    })
}

/// What the server sends of a row as it was.
fn old_row(table: &Table, row: &Row) -> Row {
    let sent = |column: usize| table.full() || table.in_key(column);
    row.iter()
        .enumerate()
        .map(|(column, held)| held.filter(|_| sent(column)))
        .collect()
}

fn texts(row: &Row) -> Vec<Option<String>> {
    row.iter()
        .enumerate()
        .map(|(column, held)| held.map(|held| sent(column, held)))
        .collect()
}

fn cols(texts: &[Option<String>], unchanged: impl Fn(usize) -> bool) -> Vec<Col<'_>> {
    let col = |(column, text): (usize, &'_ Option<String>)| {
        unchanged(column)
            .then_some(Col::Unchanged)
            .or(text.is_none().then_some(Col::Null))
    };
    let marks: Vec<_> = texts.iter().enumerate().map(col).collect();
    marks
        .into_iter()
        .zip(texts)
        .map(|(mark, text)| mark.unwrap_or_else(|| Col::Text(text.as_deref().unwrap_or_default())))
        .collect()
}

/// A record as this test writes it down.
fn event(
    table: usize,
    op: &str,
    key: Key,
    before: Option<String>,
    after: Option<String>,
    unavailable: &[usize],
    other_key: &str,
) -> String {
    let table = &TABLES[table];
    let key = if table.pair {
        format!("{},{}", key.0, key.1)
    } else {
        key.0.to_string()
    };
    let names: Vec<_> = unavailable.iter().map(|column| COLUMNS[*column].name).collect();
    format!(
        "{} {op} key {key} before {} after {} unavailable {} {other_key}",
        table.name,
        before.unwrap_or("null".into()),
        after.unwrap_or("null".into()),
        names.join(",")
    )
}

/// A record in the same words.
fn written(record: &Record) -> String {
    let header = |name: &str| record.headers.last(name);
    let unavailable = header("rowtide.unavailable")
        .and_then(|datum| datum.value.as_str())
        .unwrap_or_default();
    let names: BTreeSet<&str> = unavailable.split(',').filter(|name| !name.is_empty()).collect();
    let envelope = record.value.value.as_struct();
    let part = |name: &str| {
        envelope
            .and_then(|envelope| envelope.get(name))
            .unwrap_or(&Value::Null)
    };
    let other_key = ["newkey", "oldkey"]
        .into_iter()
        .find(|name| header(&format!("__debezium.{name}")).is_some());
    format!(
        "{} {} key {} before {} after {} unavailable {unavailable} {}",
        record.topic.rsplit('.').next().unwrap_or_default(),
        part("op").as_str().unwrap_or_default(),
        key_of(&record.key),
        fields(part("before"), &BTreeSet::new()),
        fields(part("after"), &names),
        other_key.unwrap_or_default()
    ) + header("rowtide.gone").map_or("", |_| " gone")
}

fn key_of(key: &Datum) -> String {
    let content = key.value.as_struct().unwrap();
    content.fields.iter().map(cell).collect::<Vec<_>>().join(",")
}

/// A row; `?` where a column is named as unavailable and holds what stands for that.
fn fields(row: &Value, unavailable: &BTreeSet<&str>) -> String {
    let Value::Struct(content) = row else {
        return "null".into();
    };
    let captured = COLUMNS.iter().filter(|column| column.captured);
    let cells = captured.zip(&content.fields).map(|(column, value)| {
        if unavailable.contains(column.name) && cell(value) == stand_in(column) {
            "?".to_owned()
        } else {
            cell(value)
        }
    });
    cells.collect::<Vec<_>>().join(",")
}

/// PG-076, PG-116: what a column holds whose value is not known.
fn stand_in(column: &Column) -> String {
    match column.oid {
        17 => format!("0x{}", hex(b"ph")),
        1700 => "null".into(),
        _ => "ph".into(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn cell(value: &Value) -> String {
    match value {
        Value::Text(text) => text.to_string(),
        Value::Bytes(bytes) => format!("0x{}", hex(bytes)),
        Value::Null => "null".into(),
        Value::Struct(decimal) => {
            let scale = decimal.get("scale").and_then(Value::as_int).unwrap();
            let Some(Value::Bytes(unscaled)) = decimal.get("value") else {
                panic!("a decimal without its value");
            };
            // None of this test is negative.
            let number = unscaled
                .iter()
                .fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
            format!("{number}e-{scale}")
        }
        other => other.as_int().unwrap().to_string(),
    }
}

/// The stream from a transaction on, as a server sends it on a new connection, frame by frame.
fn frames(log: &[Committed], from: usize) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut known = BTreeSet::new();
    for (index, transaction) in log.iter().enumerate().skip(from) {
        let commit = commit_lsn(index);
        let xid = 500 + u32::try_from(index).unwrap();
        frames.push(data(0, &encode::begin(commit, 0, xid)));
        for (number, entry) in transaction.entries.iter().enumerate() {
            if known.insert(entry.table) || entry.announced {
                frames.push(data(0, &encode::relation(&TABLES[entry.table].relation())));
            }
            // Below the commit, with those of other transactions, and the same for two of one statement.
            frames.push(data(commit - 90 + number as u64 / 2, &entry.message));
        }
        frames.push(data(commit + 8, &encode::commit(commit, commit + 8)));
        if transaction.idle_behind {
            frames.push(keepalive(commit + 20));
        }
    }
    frames
}

fn commit_lsn(index: usize) -> u64 {
    1000 + index as u64 * 40
}

impl Wanted {
    fn text(&self, table: usize, now: &Rows) -> String {
        let (key, row, unsent) = match self {
            Self::Record(text) => return text.clone(),
            Self::Begins { key, row, unsent } => (*key, row, unsent),
        };
        match now[table].get(&key) {
            _ if unsent.is_empty() => event(table, "c", key, None, Some(image(row, |_| None)), &[], "oldkey"),
            Some(read) => {
                let mut whole = row.clone();
                for column in unsent {
                    whole[*column] = read[*column];
                }
                event(
                    table,
                    "c",
                    key,
                    None,
                    Some(image(&whole, |_| None)),
                    &[],
                    "oldkey",
                )
            }
            // Gone: what removed it follows.
            None => {
                let image = image(row, |column| unsent.contains(&column).then(|| "?".to_owned()));
                event(table, "c", key, None, Some(image), unsent, "oldkey") + " gone"
            }
        }
    }
}

/// What a database answers that has these rows.
fn read_again(missing: &Missing, now: &Rows) -> Found {
    let number = |place: usize| -> Option<i64> { missing.key.get(place)?.as_deref()?.parse().ok() };
    let table = TABLES
        .iter()
        .position(|table| table.name == &*missing.plan.name.table)
        .unwrap();
    let key = (number(0).unwrap(), number(1).unwrap_or(0));
    match now[table].get(&key) {
        None => Found::Gone,
        Some(row) => Found::Row(
            missing
                .columns
                .iter()
                .map(|column| Some(texts(row)[*column].clone()))
                .collect(),
        ),
    }
}

/// The records that a log has to become.
fn expected(history: &History) -> Vec<String> {
    let mut all = Vec::new();
    for (index, transaction) in history.log.iter().enumerate() {
        for (ordinal, entry) in (1..).zip(&transaction.entries) {
            for (part, record) in entry.records.iter().enumerate() {
                let part = if part > 0 {
                    format!(".{part}")
                } else {
                    String::new()
                };
                let record = record.text(entry.table, &history.now);
                all.push(format!("7/1/{}/{ordinal}{part} {record}", commit_lsn(index)));
            }
        }
    }
    all
}

fn stream(position: Position, limits: BatchLimits) -> Transactions {
    let lists = FilterLists {
        table_include: "public.plain,public.whole,public.indexed".into(),
        column_exclude: "public\\..*\\.hidden".into(),
        ..FilterLists::default()
    };
    let settings = settings(|_| {});
    let compiler = Compiler {
        filter: Arc::new(Filter::new(&lists).unwrap()),
        records: settings.clone(),
        schemas: Schemas::default(),
    };
    Transactions::new(compiler, builder(&settings), position, limits, partition("p"))
}

/// What comes of frames that arrive in chunks of so many each: the batches, the last one what waits at the end.
fn batches(
    transactions: &mut Transactions,
    frames: &[Vec<u8>],
    chunks: &[usize],
    now: &Rows,
) -> Vec<SourceBatch> {
    let mut batches = Vec::new();
    let complete = |transactions: &mut Transactions| {
        let answers: Vec<_> = transactions
            .missing()
            .iter()
            .map(|of| read_again(of, now))
            .collect();
        transactions.fill(&answers).unwrap();
        transactions.take_batch()
    };
    let (mut rest, mut sizes) = (frames, chunks.iter().cycle());
    while !rest.is_empty() {
        let size = sizes.next().map_or(1, |size| (*size).min(rest.len()));
        let (now, later) = rest.split_at(size);
        rest = later;
        let mut chunk = Chunk::new(Buffer::new(Bytes::from(now.concat())));
        loop {
            match transactions.feed(&mut chunk, 0).unwrap() {
                Outcome::Consumed => break,
                Outcome::Full => batches.push(complete(transactions)),
                Outcome::Announced(relation) => {
                    transactions.learn(&relation, &catalogue()).unwrap();
                    Transactions::skip(&mut chunk);
                }
                Outcome::Differs => panic!("the replay is the same, and was taken for another"),
            }
        }
    }
    batches.push(complete(transactions));
    batches
}

fn records(batches: &[SourceBatch]) -> Vec<String> {
    assert!(batches.iter().all(|batch| batch.rejected.is_empty()));
    let id = |record: &Record| {
        record
            .headers
            .last("rowtide.id")
            .and_then(|datum| datum.value.as_str().map(str::to_owned))
            .unwrap_or_default()
    };
    batches
        .iter()
        .flat_map(|batch| &batch.records)
        .map(|record| format!("{} {}", id(record), written(record)))
        .collect()
}

/// Where the server begins for a position: behind what committed up to it.
fn server_begins(log: &[Committed], position: &Position) -> usize {
    let confirmed = position.lsn_commit.unwrap();
    (0..log.len())
        .find(|index| commit_lsn(*index) + 8 > confirmed)
        .unwrap_or(log.len())
}

fn start() -> Position {
    Position {
        lsn_commit: Some(100),
        ..Position::default()
    }
}

fn a_step() -> impl Strategy<Value = Step> {
    let held = (0_u16..200, any::<bool>()).prop_map(|(number, large)| Held { number, large });
    let set =
        prop_oneof![2 => Just(None), 1 => Just(Some(None)), 3 => held.prop_map(|held| Some(Some(held)))];
    let key = || (0_i64..3, 0_i64..2);
    let deeds = prop_oneof![
        3 => Just(Deed::Insert), 3 => Just(Deed::Update), 4 => Just(Deed::Move), 1 => Just(Deed::Delete), 1 => Just(Deed::Replace)
    ];
    let sets = prop::collection::vec(set, COLUMNS.len() - KEY);
    (
        0..TABLES.len(),
        deeds,
        key(),
        key(),
        sets,
        prop::bool::weighted(0.1),
    )
        .prop_map(|(table, deed, key, to, sets, announced)| Step {
            table,
            deed,
            key,
            to,
            sets,
            announced,
        })
}

/// Transactions one after the other; what is between two of them is idle or not.
fn a_history() -> impl Strategy<Value = History> {
    let transaction = (prop::collection::vec(a_step(), 0..12), any::<bool>());
    prop::collection::vec(transaction, 1..8).prop_map(|transactions| {
        let mut database = Database::new();
        let committed = transactions.into_iter().map(|(steps, idle_behind)| {
            steps.iter().for_each(|step| database.step(step));
            let entries = std::mem::take(&mut database.open);
            Committed { entries, idle_behind }
        });
        let log = committed.collect();
        History {
            log,
            now: database.rows,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// PG-071 to PG-077, PG-182, PG-184, PG-187, RS-131: each record says what its row was and is, but for what was not sent and no
    /// old row holds: an update names it, and a row that begins has what it holds when it is read again. The rest behind each batch, read again from its position, is the rest, wherever a server begins.
    #[test]
    fn every_record_is_the_row_that_the_tables_had(
        history in a_history(),
        chunks in prop::collection::vec(1_usize..9, 1..6),
        records_max in 1_usize..9,
        bytes_max in 100_usize..3000,
        earlier in 0_usize..4,
    ) {
        let limits = BatchLimits { records_max, bytes_max };
        let (log, now) = (&history.log, &history.now);
        let all = batches(&mut stream(start(), limits), &frames(log, 0), &chunks, now);
        let wanted = expected(&history);
        prop_assert_eq!(records(&all), wanted.clone());
        let mut handed = 0;
        for batch in &all {
            handed += batch.records.len();
            let position = Position::from_offset(batch.resume_at.as_ref().unwrap());
            // What a server has not been told yet it sends once more.
            let from = server_begins(log, &position).saturating_sub(earlier);
            let rest = batches(&mut stream(position, limits), &frames(log, from), &chunks, now);
            prop_assert_eq!(records(&rest), wanted[handed..].to_vec(), "behind {} records, from transaction {}", handed, from);
        }
    }
}

/// Records that begin a row, and had values of it read again.
fn begun_without(histories: &[History], table: &str) -> usize {
    let entries = histories
        .iter()
        .flat_map(|history| &history.log)
        .flat_map(|of| &of.entries);
    let records = entries
        .filter(|entry| TABLES[entry.table].name == table)
        .flat_map(|entry| &entry.records);
    records
        .filter(|record| matches!(record, Wanted::Begins { unsent, .. } if !unsent.is_empty()))
        .count()
}

/// What chance gives has to hold what the property is about.
#[test]
fn keys_change_while_large_values_are_left_alone() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let histories: Vec<_> = (0..200)
        .map(|_| a_history().new_tree(&mut runner).unwrap().current())
        .collect();
    let all: Vec<_> = histories.iter().flat_map(expected).collect();
    let count = |words: &[&str]| {
        all.iter()
            .filter(|record| words.iter().all(|word| record.contains(word)))
            .count()
    };
    for table in TABLES.iter().filter(|table| table.captured) {
        let enough = if table.full() { 0..1 } else { 10..usize::MAX };
        let updates = count(&[table.name, " u ", ",?"]);
        assert!(
            enough.contains(&updates),
            "{}: {updates} updates without values",
            table.name
        );
        let begun = begun_without(&histories, table.name);
        assert!(
            enough.contains(&begun),
            "{}: {begun} rows begin without values",
            table.name
        );
        assert!(count(&[table.name, " c ", "oldkey"]) > 10 && count(&[table.name, " d ", "newkey"]) > 10);
        assert!(count(&[table.name, " d key"]) > count(&[table.name, " d ", "newkey"]));
    }
    assert_eq!(count(&["elsewhere"]), 0);
}
