//! Tests of unwrapping, every operation in every mode.

use std::sync::Arc;

use rowtide_api::config::{ConfigReport, Properties};
use rowtide_api::convert::Failure;
use rowtide_api::data::{Kind, Schema};
use rowtide_api::transform::{Transform, TransformPlugin};
use rowtide_api::{Datum, Headers, Record, Struct, Value};

use super::{ExtractNewRecordState, ExtractSettings};

mod absence;

fn transform(pairs: &[(&str, &str)]) -> ExtractNewRecordState {
    let properties: Properties = pairs.iter().map(|(key, value)| (*key, *value)).collect();
    let (settings, report) = ConfigReport::read::<ExtractSettings>(&properties);
    ExtractNewRecordState::open(settings.unwrap_or_else(|| panic!("{report:?}"))).unwrap()
}

fn mode(mode: &str) -> ExtractNewRecordState {
    transform(&[("delete.tombstone.handling.mode", mode)])
}

fn row_schema() -> Arc<Schema> {
    Schema::structure([
        ("id", Schema::of(Kind::Int32).build()),
        ("name", Schema::optional_text()),
        (
            "level",
            Schema::of(Kind::Int32)
                .optional()
                .default(Value::Int32(3))
                .build(),
        ),
    ])
    .name("p.public.t.Value")
    .optional()
    .build()
}

fn row(name: &str) -> Value {
    Value::Struct(Struct::new(
        row_schema(),
        [Value::Int32(7), Value::from(name), Value::Null],
    ))
}

fn envelope(op: &str, before: Value, after: Value) -> Datum {
    let source = Schema::structure([
        (
            "snapshot",
            Schema::of(Kind::Text)
                .optional()
                .default(Value::from("false"))
                .build(),
        ),
        ("table", Schema::text()),
        ("lsn", Schema::of(Kind::Int64).optional().build()),
    ])
    .build();
    let transaction = Schema::structure([("id", Schema::text())]).optional().build();
    let schema = Schema::structure([
        ("before", row_schema()),
        ("after", row_schema()),
        ("source", source.clone()),
        ("transaction", transaction),
        ("op", Schema::text()),
        ("ts_ms", Schema::of(Kind::Int64).optional().build()),
    ])
    .name("p.public.t.Envelope")
    .version(2)
    .build();
    let source = Struct::new(source, [Value::Absent, Value::from("t"), Value::Int64(99)]);
    Datum::of(Struct::new(
        schema,
        [
            before,
            after,
            Value::Struct(source),
            Value::Null,
            Value::from(op),
            Value::Int64(5),
        ],
    ))
}

fn record(value: Datum) -> Record {
    let key = Schema::structure([("id", Schema::of(Kind::Int32).build())])
        .name("p.public.t.Key")
        .build();
    Record {
        topic: "p.public.t".into(),
        partition: None,
        timestamp_ms: Some(1),
        key: Datum::of(Struct::new(key, [Value::Int32(7)])),
        value,
        headers: Headers::default(),
    }
}

fn insert() -> Datum {
    envelope("c", Value::Null, row("new"))
}

fn update() -> Datum {
    envelope("u", row("old"), row("new"))
}

fn delete() -> Datum {
    envelope("d", row("old"), Value::Null)
}

fn apply(transform: &mut ExtractNewRecordState, value: Datum) -> Option<Record> {
    transform.apply(record(value), None).unwrap()
}

/// The fields of a value by name, `level` left out.
fn shown(datum: &Datum) -> String {
    let Value::Struct(value) = &datum.value else {
        return datum.value.type_name().to_owned();
    };
    let fields = value.schema.fields().iter().zip(&value.fields);
    let texts: Vec<String> = fields
        .filter(|(field, _)| &*field.name != "level")
        .map(|(field, value)| match value {
            Value::Text(text) => format!("{}={}", field.name, text.as_str()),
            value => format!(
                "{}={}",
                field.name,
                value
                    .as_int()
                    .map_or("null".to_owned(), |number| number.to_string())
            ),
        })
        .collect();
    texts.join(" ")
}

/// PG-212 to PG-215: every mode over every operation.
#[test]
fn each_mode_turns_each_operation_into_its_record() {
    let rows = "id=7 name=new";
    let rewritten = "id=7 name=new __deleted=false";
    let gone = "id=7 name=old __deleted=true";
    // Mode; insert, read and update; delete; whether that keeps a schema; tombstone.
    for (name, change, deleted, schema, tombstone) in [
        ("drop", rows, None, false, false),
        ("tombstone", rows, Some("null"), true, false),
        ("rewrite", rewritten, Some(gone), true, false),
        ("rewrite-with-tombstone", rewritten, Some(gone), true, true),
        ("delete-to-tombstone", rows, Some("null"), false, false),
    ] {
        let mut transform = mode(name);
        for value in [insert(), update(), envelope("r", Value::Null, row("new"))] {
            let out = apply(&mut transform, value).unwrap();
            assert_eq!(shown(&out.value), change, "{name}");
            let schema = out.value.schema.unwrap();
            assert_eq!(schema.name.as_deref(), Some("p.public.t.Value"), "PG-216");
        }
        let out = apply(&mut transform, delete());
        assert_eq!(
            out.as_ref().map(|out| shown(&out.value)).as_deref(),
            deleted,
            "{name}"
        );
        if let Some(out) = out {
            assert_eq!(out.value.schema.is_some(), schema, "{name}");
            assert_eq!((&*out.topic, out.timestamp_ms), ("p.public.t", Some(1)));
        }
        assert_eq!(apply(&mut transform, Datum::NULL).is_some(), tombstone, "{name}");
        assert_eq!(
            apply(&mut transform, envelope("t", Value::Null, Value::Null)),
            None,
            "{name}"
        );
    }
}

/// The default mode: the row as it is, under a schema that is required, as Debezium's copy is; a deletion keeps the
/// optional one.
#[test]
fn without_settings_the_row_passes_as_it_is() {
    let out = apply(&mut transform(&[]), insert()).unwrap();
    let required = row_schema().rebuild().nullable(false).build();
    assert_eq!(out.value.schema, Some(required.clone()));
    let Value::Struct(row) = row("new") else {
        unreachable!("row makes a struct")
    };
    assert_eq!(out.value.value, Value::Struct(Struct::new(required, row.fields)));
    let tombstone = apply(&mut transform(&[]), delete()).unwrap();
    assert_eq!(tombstone.value, Datum::new(row_schema(), Value::Null));
}

/// PG-211, PG-214, PG-215.
#[test]
fn fields_and_headers_are_added_under_their_names() {
    let mut transform = transform(&[
        ("delete.tombstone.handling.mode", "rewrite-with-tombstone"),
        ("add.fields", "op,lsn,source.table,snapshot:snap,id,nowhere"),
        ("add.headers", "op, source.lsn"),
        ("add.headers.prefix", "cdc_"),
    ]);
    let out = apply(&mut transform, update()).unwrap();
    assert_eq!(
        shown(&out.value),
        "id=7 name=new __deleted=false __op=u __lsn=99 __source_table=t __snap=null __id=null"
    );
    let schema = out.value.schema.clone().unwrap();
    assert!(!schema.optional);
    for field in &schema.fields()[3..] {
        assert!(
            field.schema.optional && field.schema.default.is_none(),
            "{}",
            field.name
        );
    }
    let header = |out: &Record, name: &str| out.headers.last(name).map(|datum| datum.value.clone());
    assert_eq!(header(&out, "cdc_op"), Some(Value::from("u")));
    assert_eq!(header(&out, "cdc_source_lsn"), Some(Value::Int64(99)));
    let tombstone = apply(&mut transform, Datum::NULL).unwrap();
    assert_eq!(header(&tombstone, "cdc_op"), Some(Value::from("d")));
    // A delete whose old row nobody knows stays a tombstone.
    let blind = apply(&mut transform, envelope("d", Value::Null, Value::Null)).unwrap();
    assert!(blind.value.is_null());
}

/// `route.by.field`.
#[test]
fn a_field_of_the_row_can_name_the_topic() {
    let mut by_name = transform(&[("route.by.field", "name")]);
    assert_eq!(&*apply(&mut by_name, update()).unwrap().topic, "new");
    assert_eq!(&*apply(&mut by_name, delete()).unwrap().topic, "old");
    for field in ["id", "nowhere"] {
        let failed = transform(&[("route.by.field", field)]).apply(record(insert()), None);
        let Err(Failure::Record(error)) = failed else {
            panic!("{field}")
        };
        assert!(
            error.reason.contains("route.by.field") && error.field.as_deref() == Some(field),
            "{error}"
        );
    }
}

/// PG-209.
#[test]
fn records_that_are_no_envelopes_pass_unchanged() {
    let mut transform = mode("rewrite");
    for value in [
        Datum::text("x"),
        Datum::schemaless(Value::Int64(1)),
        Datum::of(Struct::new(
            Schema::structure([("a", Schema::text())]).name("a.Value").build(),
            [Value::from("b")],
        )),
    ] {
        assert_eq!(apply(&mut transform, value.clone()).unwrap(), record(value));
    }
}

/// `drop.fields.*`.
#[test]
fn a_header_can_list_fields_to_leave_out() {
    let out = |pairs: &[(&str, &str)]| {
        let mut all = vec![("drop.fields.header.name", "drop")];
        all.extend_from_slice(pairs);
        let mut record = record(insert());
        let list = Value::Array(Box::new([Value::from("name"), Value::from("id")]));
        record.headers.push("drop", Datum::schemaless(list));
        transform(&all).apply(record, None).unwrap().unwrap()
    };
    let compatible = out(&[]);
    assert_eq!(shown(&compatible.value), "id=7");
    assert_eq!(
        compatible.value.schema.unwrap().name.as_deref(),
        Some("p.public.t.Value")
    );
    let all = out(&[
        ("drop.fields.keep.schema.compatible", "false"),
        ("drop.fields.from.key", "true"),
    ]);
    assert_eq!(
        (shown(&all.value), shown(&all.key)),
        (String::new(), String::new())
    );
    let mut wrong = record(insert());
    wrong.headers.push("drop", Datum::text("name"));
    assert!(
        transform(&[("drop.fields.header.name", "drop")])
            .apply(wrong, None)
            .is_err()
    );
}

/// PG-210: names that no longer exist, and lists that are none.
#[test]
fn old_and_broken_settings_are_refused_by_name() {
    for (key, value) in [
        ("drop.tombstones", "true"),
        ("delete.handling.mode", "rewrite"),
        ("delete.tombstone.handling.mode", "keep"),
        ("add.fields", "a,,b"),
        ("add.headers", "a:"),
    ] {
        let (settings, report) =
            ConfigReport::read::<ExtractSettings>(&Properties::from_iter([(key, value)]));
        assert!(
            settings.is_none() && report.errors_on(key).next().is_some(),
            "{key}: {report:?}"
        );
    }
    let mut clash = transform(&[("add.fields", "op:name"), ("add.fields.prefix", "")]);
    assert!(clash.apply(record(insert()), None).is_err());
}
