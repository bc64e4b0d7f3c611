//! Rows of a COPY.

use bytes::Bytes;
use rowtide_api::data::Buffer;

use super::*;
use crate::identifier::TableName;
use crate::source::catalogue::Structures;
use crate::source::filter::{Filter, FilterLists};
use crate::source::replication::pgoutput::{Relation, RelationColumn};
use crate::source::replication::relations::{Compiler, Schemas};
use crate::source::replication::transaction::tests::{builder, settings};

fn plan(table: &str) -> Arc<TablePlan> {
    let compiler = Compiler {
        filter: Arc::new(Filter::new(&FilterLists::default()).unwrap()),
        records: settings(|_| {}),
        schemas: Schemas::default(),
    };
    let column = |name: &str, type_oid, identity| RelationColumn {
        identity,
        name: name.into(),
        type_oid,
        modifier: -1,
    };
    let relation = Relation {
        id: 1,
        name: TableName::new("public", table),
        identity: b'd',
        columns: vec![
            column("id", 23, true),
            column("a", 25, false),
            column("b", 17, false),
        ],
    };
    Arc::new(compiler.compile(&relation, &Structures::default()).unwrap())
}

fn copy(table: usize, lines: &[&str]) -> Part {
    let mut bytes = Vec::new();
    for line in lines {
        bytes.push(b'd');
        bytes.extend((line.len() as u32 + 5).to_be_bytes());
        bytes.extend(line.bytes());
        bytes.push(b'\n');
    }
    Part::Rows {
        table,
        buffer: Buffer::new(Bytes::from(bytes)),
        at: 0,
    }
}

const LIMITS: BatchLimits = BatchLimits {
    records_max: 2,
    bytes_max: 1 << 20,
};

/// The markers of all rows, however they are cut into batches.
fn markers(tables: &[&[&str]]) -> Vec<String> {
    let settings = settings(|_| {});
    let mut snapshot = builder(&settings);
    snapshot.begin_snapshot(Some(5), 1, 90);
    let plans = (0..tables.len())
        .map(|table| plan(&format!("t{table}")))
        .collect();
    let mut rows = Rows::new(plans, snapshot, 100);
    let mut records = Vec::new();
    for (table, lines) in tables.iter().enumerate() {
        let mut part = copy(table, lines);
        while rows.read(&mut part, 1, LIMITS).unwrap() {
            records.extend(rows.take().0);
        }
        rows.read(&mut Part::End(table), 1, LIMITS).unwrap();
    }
    rows.finish();
    records.extend(rows.take().0);
    let marker = |record: &Record| {
        let source = record
            .value
            .value
            .as_struct()
            .and_then(|envelope| envelope.get("source")?.as_struct());
        source
            .and_then(|source| source.get("snapshot")?.as_str().map(str::to_owned))
            .unwrap_or_default()
    };
    records.iter().map(marker).collect()
}

/// PG-070: every case of the contract.
#[test]
fn markers_follow_the_contract() {
    let row = "1\tx\t\\N";
    assert_eq!(markers(&[&[row]]), ["last"]);
    assert_eq!(markers(&[&[row, row]]), ["first", "last"]);
    assert_eq!(
        markers(&[&[row], &[row], &[row]]),
        ["first", "last_in_data_collection", "last"]
    );
    assert_eq!(
        markers(&[&[row, row, row], &[], &[row, row, row], &[]]),
        [
            "first",
            "true",
            "last_in_data_collection",
            "first_in_data_collection",
            "true",
            "last"
        ]
    );
    assert!(markers(&[&[], &[]]).is_empty());
}

/// PG-010: escapes of COPY are undone; what is null stays null.
#[test]
fn copy_text_gives_the_values_of_the_stream() {
    let settings = settings(|_| {});
    let mut snapshot = builder(&settings);
    snapshot.begin_snapshot(None, 1, 90);
    let mut rows = Rows::new(vec![plan("t")], snapshot, 100);
    let mut part = copy(0, &["7\ta\\tb\\\\c\t\\\\x00ff", "8\t\\N\t\\N"]);
    rows.read(&mut part, 1, LIMITS).unwrap();
    rows.finish();
    let (records, _) = rows.take();
    let after = |index: usize, name: &str| {
        let envelope = records[index].value.value.as_struct().unwrap();
        envelope
            .get("after")
            .unwrap()
            .as_struct()
            .unwrap()
            .get(name)
            .cloned()
            .unwrap()
    };
    assert_eq!(after(0, "a"), rowtide_api::Value::from("a\tb\\c"));
    assert_eq!(
        after(0, "b"),
        rowtide_api::Value::Bytes(rowtide_api::Blob::copy(&[0, 255]))
    );
    assert_eq!(
        (after(1, "a"), after(1, "b")),
        (rowtide_api::Value::Null, rowtide_api::Value::Null)
    );
    assert_eq!(
        records[0].headers.last("rowtide.floor").unwrap().value,
        rowtide_api::Value::from("90")
    );
}

/// PG-045.
#[test]
fn a_line_of_another_width_is_refused() {
    for line in ["1\tx", "1\tx\ty\tz", ""] {
        let settings = settings(|_| {});
        let mut rows = Rows::new(vec![plan("t")], builder(&settings), 100);
        assert!(rows.read(&mut copy(0, &[line]), 1, LIMITS).is_err(), "{line}");
    }
}
