//! Transactions: what is emitted, and where a replay goes on.

use std::ops::Range;

use bytes::Bytes;
use proptest::prelude::*;
use rowtide_api::Value;
use rowtide_api::context::Metrics;
use rowtide_api::record::Record;

use super::super::relations::Schemas;
use super::pgoutput::RelationColumn;
use super::pgoutput::encode::{self, Col};
use super::*;
use crate::identifier::TableName;
use crate::source::catalogue::structures;
use crate::source::config::{Adjustment, FailureMode, OnCreate, RecordSettings, Skipped};
use crate::source::filter::{Filter, FilterLists};
use crate::source::offset::partition;
use crate::source::record::Identity;

const USERS: u32 = 16_385;
const OTHER: u32 = 16_390;

pub(crate) fn settings(change: impl FnOnce(&mut RecordSettings)) -> Arc<RecordSettings> {
    let mut settings = RecordSettings {
        prefix: "p".into(),
        database: "app".into(),
        delimiter: ".".into(),
        schema_names: Adjustment::None,
        field_names: Adjustment::None,
        tombstones: true,
        placeholder: b"ph".to_vec(),
        skipped: Skipped {
            truncates: true,
            ..Skipped::default()
        },
        failure: FailureMode::Warn,
        extended_headers: true,
        rowtide_headers: true,
        on_create: OnCreate::Reselect,
    };
    change(&mut settings);
    Arc::new(settings)
}

pub(crate) fn builder(settings: &Arc<RecordSettings>) -> Builder {
    let identity = Identity {
        server: "7/1".into(),
        run_id: "run".into(),
        task: 0,
    };
    Builder::new(settings.clone(), &identity, &Metrics::default())
}

fn column(name: &str, type_oid: u32, identity: bool) -> RelationColumn {
    RelationColumn {
        identity,
        name: name.into(),
        type_oid,
        modifier: -1,
    }
}

/// users(id int key, name text not null, at timestamptz), and a table that is not captured.
fn users(identity: u8) -> Relation {
    let full = identity == b'f';
    Relation {
        id: USERS,
        name: TableName::new("public", "users"),
        identity,
        columns: vec![
            column("id", 23, true),
            column("name", 25, full),
            column("at", 1184, full),
        ],
    }
}

fn catalogue() -> Structures {
    let text = |cells: &[&str]| {
        cells
            .iter()
            .map(|cell| (*cell != "-").then(|| (*cell).to_owned()))
            .collect()
    };
    let id = USERS.to_string();
    structures(&[
        text(&[
            "c",
            &id,
            "id",
            "t",
            "nextval('s'::regclass)",
            "",
            "f",
            "23",
            "-1",
            "f",
        ]),
        text(&["c", &id, "name", "t", "-", "", "f", "25", "-1", "t"]),
        text(&["c", &id, "at", "f", "-", "", "f", "1184", "-1", "f"]),
        text(&["n", &id, "public", "users", "r", "d"]),
        text(&["k", &id, "1", "id", "f"]),
    ])
    .unwrap()
}

pub(crate) fn data(lsn: u64, message: &[u8]) -> Vec<u8> {
    let mut out = vec![b'd'];
    out.extend(((4 + 25 + message.len()) as u32).to_be_bytes());
    out.push(b'w');
    out.extend(lsn.to_be_bytes());
    out.extend(lsn.to_be_bytes());
    out.extend(0u64.to_be_bytes());
    out.extend(message);
    out
}

pub(crate) fn keepalive(wal_end: u64) -> Vec<u8> {
    let mut out = vec![b'd', 0, 0, 0, 22, b'k'];
    out.extend(wal_end.to_be_bytes());
    out.extend(0u64.to_be_bytes());
    out.push(0);
    out
}

fn stream(settings: &Arc<RecordSettings>, position: Position, records_max: usize) -> Transactions {
    let lists = FilterLists {
        table_include: "public.users".into(),
        ..FilterLists::default()
    };
    let compiler = Compiler {
        filter: Arc::new(Filter::new(&lists).unwrap()),
        records: settings.clone(),
        schemas: Schemas::default(),
    };
    let limits = BatchLimits {
        records_max,
        bytes_max: 1 << 20,
    };
    Transactions::new(compiler, builder(settings), position, limits, partition("p"))
}

/// A table announced again keeps the very schemas it had, also on another connection; an altered one gets its own.
#[test]
fn an_equal_schema_is_the_same_schema() {
    let settings = settings(|_| {});
    let lists = FilterLists {
        table_include: "public.users".into(),
        ..FilterLists::default()
    };
    let compiler = Compiler {
        filter: Arc::new(Filter::new(&lists).unwrap()),
        records: settings,
        schemas: Schemas::default(),
    };
    let first = compiler.compile(&users(b'd'), &catalogue()).unwrap();
    let again = compiler.clone().compile(&users(b'd'), &catalogue()).unwrap();
    let key = |plan: &TablePlan| plan.key.as_ref().unwrap().schema.clone();
    assert!(Arc::ptr_eq(&first.envelope_schema, &again.envelope_schema));
    assert!(Arc::ptr_eq(&first.value_schema, &again.value_schema));
    assert!(Arc::ptr_eq(&key(&first), &key(&again)));
    let mut altered = users(b'd');
    altered.columns.pop();
    let altered = compiler.compile(&altered, &catalogue()).unwrap();
    assert!(!Arc::ptr_eq(&first.envelope_schema, &altered.envelope_schema));
    assert_eq!(altered.fields, 2);
}

fn start() -> Position {
    Position {
        lsn_commit: Some(100),
        ..Position::default()
    }
}

/// Feeds frames in the given pieces and returns the batches, cut where they are full and at the end.
fn run(transactions: &mut Transactions, pieces: &[Vec<u8>]) -> Result<Vec<SourceBatch>, Error> {
    let mut batches = Vec::new();
    for piece in pieces {
        let mut chunk = Chunk::new(Buffer::new(Bytes::from(piece.clone())));
        loop {
            match transactions.feed(&mut chunk, 1_700_000_000_123_456_789)? {
                Outcome::Consumed => break,
                Outcome::Full => batches.push(transactions.take_batch()),
                Outcome::Announced(relation) => {
                    transactions.learn(&relation, &catalogue())?;
                    Transactions::skip(&mut chunk);
                }
                Outcome::Differs => return Err(Error::fatal("differs")),
            }
        }
    }
    if transactions.has_records() || transactions.has_unit_to_close() || transactions.idle_bytes() > 0 {
        batches.push(transactions.take_batch());
    }
    Ok(batches)
}

fn frames(parts: &[(u64, Vec<u8>)]) -> Vec<u8> {
    parts
        .iter()
        .flat_map(|(lsn, message)| data(*lsn, message))
        .collect()
}

const ADA: [Col<'static>; 3] = [
    Col::Text("1"),
    Col::Text("Ada"),
    Col::Text("2016-11-04 11:51:30.5+00"),
];

fn shown(value: &Value) -> String {
    match value {
        Value::Struct(content) => content.fields.iter().map(shown).collect::<Vec<_>>().join(","),
        Value::Text(text) => text.to_string(),
        Value::Null => "null".into(),
        Value::Absent => "absent".into(),
        other => other
            .as_int()
            .map_or_else(|| format!("{other:?}"), |number| number.to_string()),
    }
}

fn part(record: &Record, name: &str) -> String {
    record
        .value
        .value
        .as_struct()
        .and_then(|envelope| envelope.get(name))
        .map(shown)
        .unwrap_or_default()
}

fn id(record: &Record) -> &str {
    record
        .headers
        .last("rowtide.id")
        .and_then(|datum| datum.value.as_str())
        .unwrap_or_default()
}

fn describe(batches: &[SourceBatch]) -> Vec<String> {
    let records = |batch: &SourceBatch| {
        let ids: Vec<_> = batch
            .records
            .iter()
            .map(|record| id(record).trim_start_matches("7/1/").to_owned())
            .collect();
        ids.join(" ")
    };
    let position = |batch: &SourceBatch| {
        let offset = batch.resume_at.clone().unwrap();
        let number = |key| offset.int(key).map_or("-".into(), |number| number.to_string());
        format!(
            "{}/{} commit {}",
            number("rowtide_tx_lsn"),
            number("rowtide_tx_seq"),
            number("lsn_commit")
        )
    };
    batches
        .iter()
        .map(|batch| format!("[{}] {:?} {}", records(batch), batch.unit, position(batch)))
        .collect()
}

fn one_transaction() -> Vec<(u64, Vec<u8>)> {
    vec![
        (0, encode::begin(200, 0, 555)),
        (0, encode::relation(&users(b'd'))),
        (150, encode::insert(USERS, &ADA)),
        (
            160,
            encode::update(
                USERS,
                Some((b'K', &[Col::Text("1"), Col::Null, Col::Null])),
                &[Col::Text("2"), Col::Text("Ada"), Col::Null],
            ),
        ),
        (
            170,
            encode::delete(USERS, b'K', &[Col::Text("2"), Col::Null, Col::Null]),
        ),
        (230, encode::commit(200, 230)),
    ]
}

#[test]
fn a_transaction_becomes_one_batch_behind_its_commit() {
    let mut transactions = stream(&settings(|_| {}), start(), 100);
    let batches = run(&mut transactions, &[frames(&one_transaction())]).unwrap();
    assert_eq!(
        describe(&batches),
        ["[200/1 200/2 200/2.1 200/2.2 200/3 200/3.1] Whole 200/3 commit 230"]
    );
    let record = &batches[0].records[0];
    assert_eq!(&*record.topic, "p.public.users");
    assert_eq!(part(record, "after"), "1,Ada,2016-11-04T11:51:30.500000Z");
    assert_eq!(
        part(record, "source"),
        "3.6.1.Final,postgresql,p,946684800000,absent,app,[\"100\",\"150\"],946684800000000,946684800000000000,\
         public,users,555,150,null,null,null"
    );
    assert_eq!(
        ["op", "ts_ms", "ts_us", "ts_ns"].map(|name| part(record, name)),
        ["c", "1700000000123", "1700000000123456", "1700000000123456789"]
    );
    // PG-071, PG-143: the delete of the key change and the real one hold what was sent, and fallbacks.
    let befores: Vec<_> = batches[0]
        .records
        .iter()
        .map(|record| part(record, "before"))
        .collect();
    assert_eq!(befores, ["null", "1,,null", "", "null", "2,,null", ""]);
    assert!(batches[0].records[2].value.is_null() && batches[0].records[2].value.schema.is_none());
}

/// PG-184: a batch ends after whole entries, also when it is one record long.
#[test]
fn batches_end_after_whole_entries() {
    let mut transactions = stream(&settings(|_| {}), start(), 1);
    let batches = run(&mut transactions, &[frames(&one_transaction())]).unwrap();
    assert_eq!(
        describe(&batches),
        [
            "[200/1] Open 200/1 commit 100",
            "[200/2 200/2.1 200/2.2] Open 200/2 commit 100",
            "[200/3 200/3.1] Open 200/3 commit 100",
            "[] Whole 200/3 commit 230",
        ]
    );
}

/// PG-191, PG-192: a keep-alive moves the position between transactions, never inside one.
#[test]
fn keep_alives_move_an_idle_position_only() {
    let mut transactions = stream(&settings(|_| {}), start(), 100);
    assert_eq!(
        describe(&run(&mut transactions, &[keepalive(150)]).unwrap()),
        ["[] Whole -/- commit 150"]
    );
    let open = [frames(&one_transaction()[..3]), keepalive(900)].concat();
    assert_eq!(
        describe(&run(&mut transactions, &[open]).unwrap()),
        ["[200/1] Open 200/1 commit 150"]
    );
    let rest = [frames(&one_transaction()[3..]), keepalive(900)].concat();
    let batches = run(&mut transactions, &[rest]).unwrap();
    assert_eq!(
        batches
            .last()
            .unwrap()
            .resume_at
            .as_ref()
            .unwrap()
            .int("lsn_commit"),
        Some(900)
    );
    assert!(run(&mut transactions, &[keepalive(800)]).unwrap().is_empty());
}

/// PG-068: what a keep-alive says about the log's end is no commit.
#[test]
fn the_sequence_names_the_last_commit_whatever_keep_alives_said() {
    let mut transactions = stream(&settings(|_| {}), start(), 100);
    let batches = run(&mut transactions, &[keepalive(150), frames(&one_transaction())]).unwrap();
    let value = batches[0].records[0].value.value.as_struct().unwrap();
    let source = value.get("source").and_then(Value::as_struct).unwrap();
    let sequence = source.get("sequence").and_then(Value::as_str).unwrap();
    assert!(sequence.starts_with("[\"100\","), "{sequence}");
}

/// PG-187: entries of tables that are not captured count.
#[test]
fn ordinals_count_what_the_server_sent() {
    let other = Relation {
        id: OTHER,
        name: TableName::new("public", "other"),
        identity: b'd',
        columns: vec![column("a", 600, false)],
    };
    let parts = vec![
        (0, encode::begin(200, 0, 555)),
        (0, encode::relation(&other)),
        (140, encode::insert(OTHER, &[Col::Text("(1,2)")])),
        (145, encode::truncate(&[OTHER])),
        (0, encode::relation(&users(b'd'))),
        (150, encode::insert(USERS, &ADA)),
        (230, encode::commit(200, 230)),
    ];
    let mut transactions = stream(&settings(|_| {}), start(), 100);
    let batches = run(&mut transactions, &[frames(&parts)]).unwrap();
    assert_eq!(describe(&batches), ["[200/3] Whole 200/3 commit 230"]);
}

/// PG-182, PG-184: resumed after each batch, exactly the rest is emitted.
#[test]
fn every_position_of_a_batch_resumes_behind_it() {
    let bytes = frames(&one_transaction());
    let settings = settings(|_| {});
    let batches = run(&mut stream(&settings, start(), 1), std::slice::from_ref(&bytes)).unwrap();
    for (index, batch) in batches.iter().enumerate().take(3) {
        let position = Position::from_offset(batch.resume_at.as_ref().unwrap());
        let rest = run(&mut stream(&settings, position, 1), std::slice::from_ref(&bytes)).unwrap();
        assert_eq!(describe(&rest), describe(&batches[index + 1..]));
    }
}

/// PG-071: FULL sends the row as it was; PG-075: what was not sent again is copied from it.
#[test]
fn full_identity_fills_before_and_unchanged_values() {
    let parts = vec![
        (0, encode::begin(200, 0, 555)),
        (0, encode::relation(&users(b'f'))),
        (
            150,
            encode::update(
                USERS,
                Some((b'O', &ADA)),
                &[Col::Text("1"), Col::Text("Bob"), Col::Unchanged],
            ),
        ),
        (230, encode::commit(200, 230)),
    ];
    let batches = run(&mut stream(&settings(|_| {}), start(), 100), &[frames(&parts)]).unwrap();
    let record = &batches[0].records[0];
    assert_eq!(part(record, "before"), "1,Ada,2016-11-04T11:51:30.500000Z");
    assert_eq!(part(record, "after"), "1,Bob,2016-11-04T11:51:30.500000Z");
    assert!(record.headers.last("rowtide.unavailable").is_none());
}

/// PG-076, PG-077, PG-116: placeholders where they fit, null or the fallback where not, named in a header.
#[test]
fn unchanged_values_without_an_old_row_are_named() {
    let parts = vec![
        (0, encode::begin(200, 0, 555)),
        (0, encode::relation(&users(b'd'))),
        (
            150,
            encode::update(USERS, None, &[Col::Text("1"), Col::Unchanged, Col::Unchanged]),
        ),
        (230, encode::commit(200, 230)),
    ];
    let batches = run(&mut stream(&settings(|_| {}), start(), 100), &[frames(&parts)]).unwrap();
    let record = &batches[0].records[0];
    assert_eq!(part(record, "after"), "1,ph,null");
    assert_eq!(
        record.headers.last("rowtide.unavailable").unwrap().value,
        Value::from("name,at")
    );

    let failing = settings(|settings| settings.failure = FailureMode::Fail);
    let error = run(&mut stream(&failing, start(), 100), &[frames(&parts)]).unwrap_err();
    assert!(error.context().contains("public.users.at"), "{error}");
}

/// PG-072: without the old key's columns an update stays an update, and a delete is rejected by name.
#[test]
fn an_identity_beside_the_key_makes_no_wrong_key() {
    let mut relation = users(b'i');
    relation.columns[0].identity = false;
    relation.columns[1].identity = true;
    let parts = vec![
        (0, encode::begin(200, 0, 555)),
        (0, encode::relation(&relation)),
        (
            150,
            encode::update(
                USERS,
                Some((b'K', &[Col::Null, Col::Text("Ada"), Col::Null])),
                &ADA,
            ),
        ),
        (
            160,
            encode::delete(USERS, b'K', &[Col::Null, Col::Text("Ada"), Col::Null]),
        ),
        (230, encode::commit(200, 230)),
    ];
    let batches = run(&mut stream(&settings(|_| {}), start(), 100), &[frames(&parts)]).unwrap();
    assert_eq!(batches[0].records.len(), 1);
    assert_eq!(part(&batches[0].records[0], "op"), "u");
    assert!(
        batches[0].rejected[0]
            .error
            .to_string()
            .contains("REPLICA IDENTITY")
    );
}

/// PG-045: what breaks the order of messages is an error, not an event.
#[test]
fn messages_out_of_place_are_malformed() {
    let [begin, relation, insert, .., commit] = &one_transaction()[..] else {
        panic!("a transaction")
    };
    for parts in [
        vec![insert.clone()],
        vec![commit.clone()],
        vec![begin.clone(), begin.clone()],
        vec![begin.clone(), insert.clone()],
        vec![relation.clone(), insert.clone()],
        vec![
            begin.clone(),
            relation.clone(),
            (150, encode::insert(USERS, &ADA[..2])),
        ],
    ] {
        let error = run(&mut stream(&settings(|_| {}), start(), 100), &[frames(&parts)]).unwrap_err();
        assert!(!error.is_retriable(), "{parts:?}");
    }
}

fn pieces(bytes: &[u8], cuts: &[Range<usize>]) -> Vec<Vec<u8>> {
    cuts.iter().map(|cut| bytes[cut.clone()].to_vec()).collect()
}

proptest! {
    /// Chunks end between frames wherever the socket made them: the records are the same.
    #[test]
    fn chunk_borders_change_nothing(at in 0usize..6, records_max in 1usize..8) {
        let parts = one_transaction();
        let bytes = frames(&parts);
        let cut = frames(&parts[..at]).len();
        let settings = settings(|_| {});
        let ids = |batches: &[SourceBatch]| {
            batches.iter().flat_map(|batch| &batch.records).map(|record| id(record).to_owned()).collect::<Vec<_>>()
        };
        let whole = run(&mut stream(&settings, start(), records_max), std::slice::from_ref(&bytes)).unwrap();
        let split = run(&mut stream(&settings, start(), records_max), &pieces(&bytes, &[0..cut, cut..bytes.len()])).unwrap();
        prop_assert_eq!(ids(&whole), ids(&split));
    }

    /// PG-045.
    #[test]
    fn flipped_bytes_never_panic(at in 0usize..400, flip: u8) {
        let mut bytes = frames(&one_transaction());
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= flip;
        }
        let _ = run(&mut stream(&settings(|_| {}), start(), 3), &[bytes]);
    }
}

/// RS-001: what is handed out before a failure ends before the entry that failed, so that a restart reads it again.
#[test]
fn an_entry_that_fails_is_not_passed() {
    let settings = settings(|settings| settings.failure = FailureMode::Fail);
    let mut transactions = stream(&settings, start(), 100);
    let unfit = [Col::Text("2"), Col::Text("Bob"), Col::Text("no instant")];
    let entries = [
        &one_transaction()[..3],
        &[(160, encode::insert(USERS, &unfit))][..],
    ]
    .concat();
    assert!(run(&mut transactions, &[frames(&entries)]).is_err());
    assert!(transactions.has_records());
    assert_eq!(
        describe(&[transactions.take_batch()]),
        ["[200/1] Open 200/1 commit 100"]
    );
}
