//! What each kind of record becomes.

use std::sync::Arc;

use rowtide_api::sink::RecordId;
use rowtide_api::{Datum, Kind, Record, Struct};

use super::*;
use crate::lacking::Lacks;
use crate::mutation::CellValue;
use crate::shape::TableShape;
use crate::test_records::{Source, record, with_header};
use crate::test_tables::{settings, shape};
use crate::types::Scalar;

pub(super) fn plain_shape() -> TableShape {
    shape(
        1,
        1,
        &[("id", Scalar::BigInt), ("a", Scalar::Text), ("b", Scalar::Text)],
    )
}

pub(super) struct Bench {
    planner: Planner,
    clock: PartitionClock,
}

impl Bench {
    pub(super) fn new(pairs: &[(&str, &str)]) -> Self {
        Self::on(&plain_shape(), pairs)
    }

    pub(super) fn debezium(pairs: &[(&str, &str)]) -> Self {
        let mut all = vec![("inputFormat", "debezium")];
        all.extend_from_slice(pairs);
        Self::new(&all)
    }

    pub(super) fn on(shape: &TableShape, pairs: &[(&str, &str)]) -> Self {
        let target = Target::new(settings(pairs), shape).unwrap();
        Self {
            planner: Planner::new([target].into()),
            clock: PartitionClock::new(0),
        }
    }

    fn plan(&mut self, records: Vec<Record>) -> Result<BatchPlan, Error> {
        let records: Vec<_> = records
            .into_iter()
            .enumerate()
            .map(|(index, record)| SinkRecord {
                record,
                id: RecordId::new(index as i64),
            })
            .collect();
        self.planner
            .plan(&records, &mut self.clock, 1_700_000_000_000_000)
    }

    /// One record; its mutations as text.
    pub(super) fn one(&mut self, record: Record) -> Vec<String> {
        let batch = self.plan(vec![record]).unwrap();
        match &batch.verdicts[0] {
            Verdict::Write => batch
                .mutations
                .iter()
                .map(|(_, mutation)| shown(mutation))
                .collect(),
            Verdict::Skip(reason) => vec![format!("skip {reason}")],
            Verdict::Reject(error) => vec![format!("reject {error}")],
        }
    }
}

/// `insert@7 1 'x' null unset`.
fn shown(mutation: &Mutation) -> String {
    let mut text = match mutation.deed {
        Deed::Insert => "insert".to_owned(),
        Deed::Delete => "delete".to_owned(),
    };
    if let Some(timestamp) = mutation.timestamp {
        text.push_str(&format!("@{timestamp}"));
    }
    for value in mutation.values() {
        text.push(' ');
        match value {
            CellValue::Null => text.push_str("null"),
            CellValue::Unset => text.push_str("unset"),
            CellValue::Bytes(bytes) => match <[u8; 8]>::try_from(bytes) {
                Ok(number) if number[0] == 0 => text.push_str(&i64::from_be_bytes(number).to_string()),
                _ => text.push_str(&format!("'{}'", String::from_utf8_lossy(bytes))),
            },
        }
    }
    text
}

/// CS-060, CS-104, CS-105 and the null rules of §6.3.
#[test]
fn every_operation_has_its_write() {
    let source = Source::plain();
    let mut bench = Bench::debezium(&[]);
    assert_eq!(
        bench.one(source.row("r", 1, Some("x"), None, 900)),
        ["insert@1 1 'x' unset"]
    );
    let floored = with_header(source.row("r", 1, Some("x"), None, 900), "rowtide.floor", "0/320");
    assert_eq!(bench.one(floored), ["insert@799 1 'x' unset"]);
    assert_eq!(
        bench.one(source.row("c", 1, Some("x"), None, 1000)),
        ["insert@1000 1 'x' unset"]
    );
    assert_eq!(
        bench.one(source.row("u", 1, None, Some("y"), 1008)),
        ["insert@1008 1 null 'y'"]
    );
    assert_eq!(bench.one(source.delete(1, 1016)), ["delete@1016 1"]);
    assert_eq!(bench.one(source.tombstone(1)), ["skip tombstone_pair"]);
    let moved = with_header(
        source.row("c", 2, Some("x"), None, 1016),
        "__debezium.oldkey",
        "1",
    );
    assert_eq!(bench.one(moved), ["insert@1017 2 'x' unset"]);
    let message = source.change("m", Datum::NULL, Value::Null, Value::Null, 1024);
    assert_eq!(bench.one(message), ["skip message"]);
    let truncate = source.change("t", Datum::NULL, Value::Null, Value::Null, 1024);
    assert_eq!(bench.one(truncate.clone()), ["skip truncate_ignored"]);
    assert!(
        Bench::debezium(&[("truncateMode", "fail")])
            .plan(vec![truncate])
            .is_err()
    );
    let mut nulls = Bench::debezium(&[("insertNulls", "null"), ("timestampOffset", "5")]);
    assert_eq!(
        nulls.one(source.row("c", 1, Some("x"), None, 1000)),
        ["insert@1005 1 'x' null"]
    );
    let mut ruled = Bench::debezium(&[("mapping", "id=key.id, a=value.a!unset, b=value.b!null")]);
    assert_eq!(
        ruled.one(source.row("u", 1, None, None, 8)),
        ["insert@8 1 unset null"]
    );
}

/// CS-071.
#[test]
fn a_lone_tombstone_deletes_at_the_partitions_clock() {
    let source = Source::plain();
    let mut bench = Bench::debezium(&[]);
    assert_eq!(bench.one(source.tombstone(1)), ["skip tombstone_no_clock"]);
    bench.one(source.row("c", 2, None, None, 2000));
    assert_eq!(bench.one(source.tombstone(1)), ["delete@2000 1"]);
    let batch = bench
        .plan(vec![
            source.tombstone(1),
            source.row("c", 1, Some("x"), None, 1500),
        ])
        .unwrap();
    let all: Vec<_> = batch
        .mutations
        .iter()
        .map(|(_, mutation)| shown(mutation))
        .collect();
    assert_eq!(all, ["delete@1499 1", "insert@1500 1 'x' unset"]);
    // A pair that a restart divides is known by the note.
    bench.one(source.delete(3, 2008));
    bench.clock = PartitionClock::restored(Some(&bench.clock.note()), 0);
    assert_eq!(bench.one(source.tombstone(3)), ["skip tombstone_pair"]);
}

/// CS-071, RS-006: compaction took the delete that a replay repeats; the row that is created behind it stays.
#[test]
fn a_lone_tombstone_of_a_replay_stays_behind_its_own_commit() {
    let source = Source::plain();
    let mut bench = Bench::debezium(&[]);
    bench.one(source.row("u", 2, None, None, 5000));
    let replayed = with_header(source.tombstone(1), "rowtide.id", "71/1/408/1.1");
    assert_eq!(bench.one(replayed), ["delete@408 1"]);
    assert_eq!(
        bench.one(source.row("c", 1, Some("x"), None, 450)),
        ["insert@450 1 'x' unset"]
    );
}

/// CS-068.
#[test]
fn a_mapping_that_drops_part_of_the_source_key_is_refused() {
    let wide = Source::new(
        &[("id", Kind::Int64), ("tenant", Kind::Text)],
        vec![("a", Schema::optional_text()), ("b", Schema::optional_text())],
    );
    let key = || {
        let schema = Schema::structure([
            ("id", Schema::of(Kind::Int64).build()),
            ("tenant", Schema::text()),
        ])
        .build();
        Datum::of(Struct::new(schema, vec![Value::Int64(1), "t".into()]))
    };
    let row = || {
        let image = wide.image(vec![Value::Int64(1), "t".into(), Value::Null, Value::Null]);
        wide.change("c", key(), Value::Null, image, 8)
    };
    let error = Bench::debezium(&[]).plan(vec![row()]).unwrap_err().to_string();
    assert!(
        error.contains("does not take tenant of the source key"),
        "{error}"
    );
    assert!(
        error.contains("topic.pg.public.t.ks.t.allowKeyCollapse=true"),
        "{error}"
    );
    let mut allowed = Bench::debezium(&[("allowKeyCollapse", "true")]);
    assert_eq!(allowed.one(row()), ["insert@8 1 unset unset"]);
    let keyless = wide.change("c", Datum::NULL, Value::Null, Value::Null, 8);
    assert!(
        Bench::debezium(&[])
            .plan(vec![keyless])
            .unwrap_err()
            .to_string()
            .contains("has no key")
    );
    // Mapped from the image under another name, it still counts.
    let renamed = shape(
        1,
        2,
        &[("n", Scalar::BigInt), ("t", Scalar::Text), ("a", Scalar::Text)],
    );
    let pairs = [
        ("inputFormat", "debezium"),
        ("mapping", "n=value.id, t=key.tenant, a=value.a"),
    ];
    assert_eq!(Bench::on(&renamed, &pairs).one(row()), ["insert@8 1 't' unset"]);
}

/// CS-063, CS-066, CS-067.
#[test]
fn a_wider_primary_key_needs_full_before_images() {
    let source = Source::plain();
    let wide = shape(
        1,
        2,
        &[("id", Scalar::BigInt), ("a", Scalar::Text), ("b", Scalar::Text)],
    );
    let mut bench = Bench::on(&wide, &[("inputFormat", "debezium")]);
    let image = |a: Value, b: Value| source.image(vec![Value::Int64(1), a, b]);
    let update =
        |before: Value, a: &str| source.change("u", source.key(1), before, image(a.into(), "y".into()), 16);
    assert_eq!(
        bench.one(update(image("p".into(), "x".into()), "q")),
        ["delete@16 1 'p'", "insert@17 1 'q' 'y'"]
    );
    assert_eq!(
        bench.one(update(image("q".into(), "x".into()), "q")),
        ["insert@16 1 'q' 'y'"]
    );
    assert!(bench.one(update(Value::Null, "q"))[0].contains("REPLICA IDENTITY FULL"));
    let delete = |before: Value| source.change("d", source.key(1), before, Value::Null, 24);
    assert_eq!(
        bench.one(delete(image("q".into(), "y".into()))),
        ["delete@24 1 'q'"]
    );
    // Key-only images hold nulls, or stand-ins for columns that are not nullable.
    assert!(bench.one(delete(image("".into(), Value::Null)))[0].contains("REPLICA IDENTITY FULL"));
    assert!(bench.one(delete(image(Value::Null, Value::Null)))[0].contains("null in the primary key"));
}

/// CS-070.
#[test]
fn unavailable_values_are_unset_or_taken_from_the_before_image() {
    let source = Source::plain();
    let mut bench = Bench::debezium(&[]);
    let marker = "__debezium_unavailable_value";
    assert_eq!(
        bench.one(source.row("u", 1, Some(marker), None, 8)),
        ["insert@8 1 unset null"]
    );
    let named = with_header(
        source.row("u", 1, None, Some("placeholder"), 8),
        "rowtide.unavailable",
        "a,b",
    );
    assert_eq!(bench.one(named), ["insert@8 1 unset unset"]);
    let image = |a: &str| source.image(vec![Value::Int64(1), a.into(), Value::Null]);
    let update = |before: &str| source.change("u", source.key(1), image(before), image(marker), 8);
    assert_eq!(bench.one(update("old")), ["insert@8 1 'old' null"]);
    // A key-only image: what stands there for a column that is not nullable is no value.
    assert_eq!(bench.one(update("")), ["insert@8 1 unset null"]);
    // Where the source names it, it has looked into the old row itself.
    let named = with_header(update("stand-in by default"), "rowtide.unavailable", "a");
    assert_eq!(bench.one(named), ["insert@8 1 unset null"]);
}

/// CS-070: a default of the column stands in a key-only image too.
#[test]
fn a_default_in_a_key_only_image_is_no_value() {
    let with_default = Schema::text().rebuild().default("a long default".into()).build();
    let source = Source::new(
        &[("id", Kind::Int64)],
        vec![("a", with_default), ("b", Schema::optional_text())],
    );
    let image = |a: &str| source.image(vec![Value::Int64(1), a.into(), Value::Null]);
    let update = |before: &str| {
        let marker = image("__debezium_unavailable_value");
        source.change("u", source.key(1), image(before), marker, 8)
    };
    let mut bench = Bench::debezium(&[]);
    assert_eq!(bench.one(update("a long default")), ["insert@8 1 unset null"]);
    assert_eq!(bench.one(update("old")), ["insert@8 1 'old' null"]);
}

/// CS-070, CS-099, RS-131: what a write leaves out is known, and whether its row begins.
#[test]
fn a_write_says_what_it_leaves_out() {
    let source = Source::plain();
    let lacks = |bench: &mut Bench, record: Record| {
        let batch = bench.plan(vec![record]).unwrap();
        batch.mutations[0].1.lacks.as_deref().cloned()
    };
    let unavailable =
        |op: &str| with_header(source.row(op, 1, None, Some("x"), 8), "rowtide.unavailable", "a");
    let mut bench = Bench::debezium(&[]);
    let expected = |begins, gone| {
        Some(Lacks {
            columns: vec![1],
            begins,
            gone,
        })
    };
    assert_eq!(lacks(&mut bench, unavailable("c")), expected(true, false));
    assert_eq!(lacks(&mut bench, unavailable("r")), expected(true, false));
    assert_eq!(lacks(&mut bench, unavailable("u")), expected(false, false));
    let gone = with_header(unavailable("c"), "rowtide.gone", "true");
    assert_eq!(lacks(&mut bench, gone), expected(true, true));
    assert_eq!(lacks(&mut bench, source.row("c", 1, None, Some("x"), 8)), None);
    assert_eq!(lacks(&mut bench, source.delete(1, 8)), None);
    let mut flat_bench = Bench::new(&[("mapping", "id=key, a=value.a, b=value.b")]);
    let row = flat(
        1,
        &[("a", "__debezium_unavailable_value".into()), ("b", Value::Null)],
    );
    assert_eq!(lacks(&mut flat_bench, row), expected(false, false));
    // A name with a comma is one name.
    let other = with_header(
        source.row("u", 1, Some("x"), None, 8),
        "rowtide.unavailable",
        "\"a,b\"",
    );
    assert_eq!(lacks(&mut bench, other), None);
}

#[test]
fn a_row_that_begins_without_a_value_is_rejected_where_that_is_wanted() {
    let source = Source::plain();
    let unavailable =
        |op: &str| with_header(source.row(op, 1, None, Some("x"), 8), "rowtide.unavailable", "a");
    for setting in ["unavailable.on.create", "^unavailable.on.create"] {
        let mut bench = Bench::debezium(&[(setting, "fail")]);
        for op in ["c", "r"] {
            let refused = bench.one(unavailable(op));
            assert!(
                refused[0].starts_with("reject a: a row of ks.t begins without a")
                    && refused[0].contains("REPLICA IDENTITY FULL")
                    && refused[0].contains("topic.pg.public.t.ks.t.unavailable.on.create=warn"),
                "{refused:?}"
            );
        }
        assert_eq!(bench.one(unavailable("u")), ["insert@8 1 unset 'x'"]);
        let gone = with_header(unavailable("c"), "rowtide.gone", "true");
        assert_eq!(bench.one(gone), ["insert@8 1 unset 'x'"]);
    }
}

/// CS-066: the old row cannot be told from a key-only image.
#[test]
fn a_key_only_image_does_not_name_the_old_row_of_an_update() {
    let source = Source::new(
        &[("id", Kind::Int64)],
        vec![("part", Schema::text()), ("a", Schema::optional_text())],
    );
    let table = shape(
        1,
        2,
        &[
            ("id", Scalar::BigInt),
            ("part", Scalar::Text),
            ("a", Scalar::Text),
        ],
    );
    let mut bench = Bench::on(&table, &[("inputFormat", "debezium")]);
    let image = |part: &str, a: Value| source.image(vec![Value::Int64(1), part.into(), a]);
    let update = |before| source.change("u", source.key(1), before, image("q", "x".into()), 8);
    assert_eq!(
        bench.one(update(image("p", Value::Null))),
        ["delete@8 1 'p'", "insert@9 1 'q' 'x'"]
    );
    // Its part was not sent: "" stands for it.
    assert!(bench.one(update(image("", Value::Null)))[0].contains("REPLICA IDENTITY FULL"));
}

/// CS-070: in JSON without schemas a placeholder of bytes is base64; an envelope can also be read field by field.
#[test]
fn placeholders_are_known_in_json_and_in_envelopes_read_as_records() {
    let map = |pairs: Vec<(&str, Value)>| {
        let pairs = pairs.into_iter().map(|(name, value)| (name.into(), value));
        Value::Map(pairs.collect())
    };
    let mut bench = Bench::new(&[
        ("mapping", "id=key, a=value.after.a, b=value.after.b"),
        ("nullToUnset", "false"),
    ]);
    let after = |a: Value| map(vec![("a", a), ("b", Value::Null)]);
    let json = |a: Value| {
        record(
            Datum::schemaless(Value::Int64(1)),
            Datum::schemaless(map(vec![("after", after(a))])),
        )
    };
    let at = 1_700_000_000_000_000_i64;
    let base64 = "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==";
    assert_eq!(
        bench.one(json(base64.into())),
        [format!("insert@{at} 1 unset null")]
    );
    assert_eq!(bench.one(json("x".into())), [format!("insert@{at} 1 'x' null")]);
    let named = with_header(json(Value::Null), "rowtide.unavailable", "a");
    assert_eq!(bench.one(named), [format!("insert@{at} 1 unset null")]);
}

/// CS-060: schemaless envelopes give the same rows.
#[test]
fn a_schemaless_envelope_gives_the_same_rows() {
    let map = |pairs: Vec<(&str, Value)>| {
        Value::Map(
            pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value))
                .collect(),
        )
    };
    let envelope = |op: &str, after: Value, before: Value| {
        let block = map(vec![
            ("name", "pg".into()),
            ("lsn", Value::Int64(8)),
            ("ts_ms", Value::Int64(1)),
        ]);
        record(
            Datum::schemaless(map(vec![("id", Value::Int64(1))])),
            Datum::schemaless(map(vec![
                ("before", before),
                ("after", after),
                ("source", block),
                ("op", op.into()),
            ])),
        )
    };
    let image = |pairs: Vec<(&str, Value)>| {
        let mut all = vec![("id", Value::Int64(1))];
        all.extend(pairs);
        map(all)
    };
    let mut bench = Bench::debezium(&[]);
    let created = image(vec![("a", "x".into()), ("b", Value::Null)]);
    assert_eq!(
        bench.one(envelope("c", created, Value::Null)),
        ["insert@8 1 'x' unset"]
    );
    assert_eq!(
        bench.one(envelope("u", image(vec![("b", Value::Null)]), Value::Null)),
        ["insert@8 1 unset null"]
    );
    assert_eq!(
        bench.one(envelope("d", Value::Null, image(vec![]))),
        ["delete@8 1"]
    );
}

/// CS-061, CS-108, CS-141.
#[test]
fn what_cannot_be_written_is_refused_with_its_reason() {
    let source = Source::plain();
    let mut bench = Bench::debezium(&[]);
    let heartbeat = record(source.key(1), Datum::text("beat"));
    assert!(bench.one(heartbeat)[0].contains("no change envelope"));
    bench.one(source.row("c", 1, None, None, 8));
    let mut other = source.row("c", 2, None, None, 16);
    if let Value::Struct(envelope) = &mut other.value.value
        && let Value::Struct(block) = &mut envelope.fields[2]
    {
        block.fields[0] = "elsewhere".into();
    }
    assert!(bench.one(other)[0].contains("follows the positions of source pg"));
    let numbers = shape(1, 1, &[("id", Scalar::BigInt), ("a", Scalar::Int)]);
    let refused =
        Bench::on(&numbers, &[("inputFormat", "debezium")]).one(source.row("c", 1, Some("x"), None, 8));
    assert_eq!(
        refused,
        ["reject a: the text is no int (column a of ks.t, CQL type int)"]
    );
    let mut flat = Bench::new(&[("mapping", "id=key.id, a=value.a")]);
    assert!(flat.one(source.row("c", 1, Some("x"), None, 8))[0].contains("set inputFormat=debezium"));
    let mut strange = source.row("c", 1, None, None, 8);
    strange.topic = "other".into();
    assert!(bench.one(strange)[0].contains("topic other has no table"));
}

fn flat(id: i64, fields: &[(&str, Value)]) -> Record {
    let schema = Schema::structure(fields.iter().map(|(name, value)| {
        let kind = match value {
            Value::Int64(_) => Kind::Int64,
            _ => Kind::Text,
        };
        (*name, Schema::of(kind).optional().build())
    }))
    .build();
    let values: Vec<_> = fields.iter().map(|(_, value)| value.clone()).collect();
    record(
        Datum::new(Schema::of(Kind::Int64).build(), Value::Int64(id)),
        Datum::of(Struct::new(schema, values)),
    )
}

/// CS-041, CS-080, CS-082, CS-083.
#[test]
fn flat_records_insert_and_delete_as_the_dialect_says() {
    let mapping = ("mapping", "id=key, a=value.a, b=value.b");
    let gone = || {
        record(
            Datum::new(Schema::of(Kind::Int64).build(), Value::Int64(1)),
            Datum::NULL,
        )
    };
    let row = |a: Value, b: Value| flat(1, &[("a", a), ("b", b)]);
    let mut bench = Bench::new(&[mapping]);
    let at = 1_700_000_000_000_000_i64;
    assert_eq!(
        bench.one(row("x".into(), Value::Null)),
        [format!("insert@{at} 1 'x' unset")]
    );
    assert_eq!(
        bench.one(row(Value::Null, Value::Null)),
        [format!("delete@{at} 1")]
    );
    assert_eq!(bench.one(gone()), [format!("delete@{at} 1")]);
    let mut keyless = gone();
    keyless.key = Datum::NULL;
    assert!(bench.one(keyless)[0].contains("null in the primary key (column id"));
    let mut nulls = Bench::new(&[mapping, ("nullToUnset", "false")]);
    assert_eq!(
        nulls.one(row("x".into(), Value::Null)),
        [format!("insert@{at} 1 'x' null")]
    );
    let mut kept = Bench::new(&[mapping, ("deletesEnabled", "false")]);
    assert_eq!(kept.one(gone()), ["skip null_value"]);
    assert_eq!(
        kept.one(row(Value::Null, Value::Null)),
        [format!("insert@{at} 1 unset unset")]
    );
    let mut partial = Bench::new(&[("mapping", "id=key, a=value.a")]);
    assert_eq!(partial.one(gone()), ["skip null_value"]);
    assert!(bench.one(flat(1, &[("a", "x".into())]))[0].contains("no such field (column b"));
}

/// CS-034, CS-064, CS-080, CS-112, CS-114.
#[test]
fn pseudo_columns_feed_the_statement_and_never_count() {
    let mut bench = Bench::new(&[
        (
            "mapping",
            "id=key, a=value.a, b=value.b, __ttl=value.ttl, __timestamp=value.lsn, __deleted=value.gone",
        ),
        ("ttlTimeUnit", "MINUTES"),
    ]);
    let row = |a: Value, ttl: Value, lsn: Value, gone: &str| {
        flat(
            1,
            &[
                ("a", a),
                ("b", Value::Null),
                ("ttl", ttl),
                ("lsn", lsn),
                ("gone", gone.into()),
            ],
        )
    };
    let batch = bench
        .plan(vec![row("x".into(), Value::Int64(2), Value::Int64(77), "false")])
        .unwrap();
    let mutation = &batch.mutations[0].1;
    assert_eq!((mutation.ttl, mutation.timestamp), (120, Some(77)));
    // The record says that the row is there, although it holds nothing but its key.
    assert_eq!(
        bench.one(row(Value::Null, Value::Int64(2), Value::Int64(77), "false")),
        ["insert@77 1 unset unset"]
    );
    assert_eq!(
        bench.one(row(Value::Null, Value::Int64(2), Value::Int64(77), "true")),
        ["delete@77 1"]
    );
    assert_eq!(
        bench.one(row("x".into(), Value::Int64(2), Value::Int64(77), "true")),
        ["delete@77 1"]
    );
    let mut nulls = Bench::new(&[
        (
            "mapping",
            "id=key, a=value.a, b=value.b, __timestamp=value.lsn, __deleted=value.gone",
        ),
        ("nullToUnset", "false"),
    ]);
    assert_eq!(
        nulls.one(row(Value::Null, Value::Null, Value::Int64(77), "false")),
        ["insert@77 1 null null"]
    );
    let refused = bench.one(row("x".into(), "soon".into(), Value::Int64(77), "false"));
    assert_eq!(refused, ["reject __ttl: __ttl is not a number"]);
    assert!(
        bench.one(row("x".into(), Value::Int64(2), Value::Null, "false"))[0]
            .contains("__timestamp is not a number")
    );
    assert!(
        bench.one(row("x".into(), Value::Int64(i64::MAX), Value::Int64(7), "false"))[0]
            .contains("__ttl exceeds")
    );
}

/// CS-034, CS-064, CS-114: a header's own schema says its unit, as a field's does.
#[test]
fn a_header_can_be_the_clock() {
    let mut bench = Bench::new(&[
        ("mapping", "id=key, a=value.a, b=value.b, __timestamp=header.at"),
        ("timestampTimeUnit", "MICROSECONDS"),
    ]);
    let gone = |header: Option<Datum>| {
        let mut record = flat(1, &[]);
        record.value = Datum::NULL;
        if let Some(datum) = header {
            record.headers.push("at", datum);
        }
        record
    };
    let number = |kind, value| Datum::new(Schema::of(kind).build(), value);
    assert_eq!(
        bench.one(gone(Some(number(Kind::Int32, Value::Int32(77))))),
        ["delete@77 1"]
    );
    let timestamp = Schema::of(Kind::Int64)
        .name("org.apache.kafka.connect.data.Timestamp")
        .version(1)
        .build();
    assert_eq!(
        bench.one(gone(Some(Datum::new(timestamp, Value::Int64(77))))),
        ["delete@77000 1"]
    );
    assert_eq!(
        bench.one(gone(Some(Datum::text("77")))),
        ["reject __timestamp: __timestamp is not a number"]
    );
    assert_eq!(
        bench.one(gone(None)),
        ["reject __timestamp: the record has no header at"]
    );
}

/// CS-032, CS-033, CS-035.
#[test]
fn fields_headers_and_functions_are_found() {
    let inner = Schema::structure([("y", Schema::text())]).build();
    let outer = Schema::structure([("x.y", Schema::text()), ("x", inner.clone())]).build();
    let nested = Value::Struct(Struct::new(inner, vec!["path".into()]));
    let value = Datum::of(Struct::new(outer.clone(), vec!["joined".into(), nested]));
    let make = || {
        record(
            Datum::new(Schema::of(Kind::Int64).build(), Value::Int64(1)),
            value.clone(),
        )
    };
    let mut bench = Bench::new(&[("mapping", "id=key, a=value.x.y, b=header.h")]);
    assert!(bench.one(make())[0].contains("the record has no header h"));
    let at = 1_700_000_000_000_000_i64;
    assert_eq!(
        bench.one(with_header(make(), "h", "v")),
        [format!("insert@{at} 1 'joined' 'v'")]
    );
    let mut quoted = Bench::new(&[("mapping", "id=key, a=\"value.x.y\", b=now()")]);
    let first = quoted.one(make());
    assert_eq!(first, quoted.one(make()));
}

/// CS-013: one topic feeds several tables; a record is refused as a whole.
#[test]
fn a_record_is_written_to_every_table_or_to_none() {
    let good = Target::new(settings(&[("inputFormat", "debezium")]), &plain_shape()).unwrap();
    let strict = shape(1, 1, &[("id", Scalar::BigInt), ("a", Scalar::Int)]);
    let strict = Target::new(settings(&[("inputFormat", "debezium")]), &strict).unwrap();
    let targets: Arc<[Target]> = [good, strict].into();
    let mut bench = Bench {
        planner: Planner::new(targets),
        clock: PartitionClock::new(0),
    };
    let source = Source::plain();
    let batch = bench
        .plan(vec![
            source.row("c", 1, Some("x"), None, 8),
            source.row("c", 1, Some("7"), None, 16),
        ])
        .unwrap();
    assert!(matches!(batch.verdicts[..], [Verdict::Reject(_), Verdict::Write]));
    assert_eq!(
        batch
            .mutations
            .iter()
            .map(|(index, _)| *index)
            .collect::<Vec<_>>(),
        [1, 1]
    );
}
