//! Tests: null, default, not sent and absent on the way through the transform. What a test calls Debezium's was printed by
//! `ExtractNewRecordState` of Debezium 3.6.1.Final for the same envelopes.

use rowtide_api::Blob;
use rowtide_api::unavailable::{GONE, UNAVAILABLE};

use super::*;

/// A row with what key-only images can hold: `name`, `count` and `doc` are NOT NULL, `level` has a default.
fn wide() -> Arc<Schema> {
    Schema::structure([
        ("id", Schema::of(Kind::Int32).build()),
        ("name", Schema::text()),
        ("count", Schema::of(Kind::Int64).build()),
        ("doc", Schema::of(Kind::Text).default(Value::from("{1}")).build()),
        ("note", Schema::optional_text()),
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

fn wide_row(name: &str, count: i64, doc: &str, note: Value, level: Value) -> Value {
    let fields = [
        Value::Int32(7),
        Value::from(name),
        Value::Int64(count),
        Value::from(doc),
        note,
        level,
    ];
    Value::Struct(Struct::new(wide(), fields))
}

/// What the source sends of a row of which it knows the key alone.
fn key_only() -> Value {
    wide_row("", 0, "{1}", Value::Null, Value::Null)
}

fn whole() -> Value {
    wide_row("x", 1, "{}", Value::Null, Value::Null)
}

fn change(op: &str, before: Value, after: Value) -> Datum {
    let schema = Schema::structure([
        ("before", wide()),
        ("after", wide()),
        (
            "source",
            Schema::structure([("lsn", Schema::of(Kind::Int64).build())]).build(),
        ),
        ("op", Schema::text()),
    ])
    .name("p.public.t.Envelope")
    .build();
    let source = Struct::new(schema.fields()[2].schema.clone(), [Value::Int64(99)]);
    Datum::of(Struct::new(
        schema,
        [before, after, Value::Struct(source), Value::from(op)],
    ))
}

/// A delete under the default replica identity.
fn blind() -> Datum {
    change("d", key_only(), Value::Null)
}

fn header<'r>(record: &'r Record, name: &str) -> Option<&'r str> {
    record.headers.last(name).and_then(|datum| datum.value.as_str())
}

fn field(record: &Record, name: &str) -> Option<Value> {
    record
        .value
        .value
        .as_struct()
        .and_then(|row| row.get(name))
        .cloned()
}

/// The row as it comes out, `level` too.
fn all(record: &Record) -> String {
    let level = match field(record, "level") {
        Some(Value::Int32(level)) => level.to_string(),
        other => format!("{other:?}"),
    };
    format!("{} level={level}", shown(&record.value))
}

const REWRITE: (&str, &str) = ("delete.tombstone.handling.mode", "rewrite");
const KEEP: (&str, &str) = ("replace.null.with.default", "false");
const ADD: (&str, &str) = ("add.fields", "op");

/// Debezium's: a null becomes the default where the mode rewrites deletes, and nowhere else.
#[test]
fn a_null_stays_a_null_unless_the_mode_rewrites() {
    for (pairs, expected) in [
        (&[][..], Value::Null),
        (&[ADD], Value::Null),
        (&[REWRITE], Value::Int32(3)),
        (&[REWRITE, ADD], Value::Int32(3)),
        (&[REWRITE, KEEP], Value::Null),
        (&[REWRITE, ADD, KEEP], Value::Null),
    ] {
        let out = apply(&mut transform(pairs), change("u", Value::Null, whole())).unwrap();
        assert_eq!(field(&out, "note"), Some(Value::Null), "{pairs:?}");
        assert_eq!(field(&out, "level"), Some(expected), "{pairs:?}");
    }
    let absent = wide_row("x", 1, "{}", Value::Null, Value::Absent);
    let out = apply(&mut transform(&[REWRITE]), change("u", Value::Null, absent)).unwrap();
    assert_eq!(field(&out, "level"), Some(Value::Int32(3)));
}

/// Debezium's, but for `replace.null.with.default=false`, which it does not heed here.
#[test]
fn a_null_stays_a_null_beside_fields_that_are_left_out() {
    for (listed, pairs, expected) in [
        ("note", &[][..], (None, Some(Value::Int32(3)))),
        ("note", &[KEEP], (None, Some(Value::Null))),
        // A required field stays, and then nothing is left out.
        ("name", &[], (Some(Value::Null), Some(Value::Null))),
    ] {
        let mut settings = vec![("drop.fields.header.name", "drop")];
        settings.extend_from_slice(pairs);
        let mut record = record(change("u", Value::Null, whole()));
        let list = Value::Array(Box::new([Value::from(listed)]));
        record.headers.push("drop", Datum::schemaless(list));
        let out = transform(&settings).apply(record, None).unwrap().unwrap();
        assert_eq!(
            (field(&out, "note"), field(&out, "level")),
            expected,
            "{listed} {pairs:?}"
        );
    }
}

/// Debezium's values; the headers say which of them the source does not know.
#[test]
fn a_rewritten_delete_names_the_stand_ins_of_a_key_only_row() {
    let stands = "id=7 name= count=0 doc={1} note=null __deleted=true";
    for (pairs, row, named) in [
        (
            &[REWRITE][..],
            format!("{stands} level=3"),
            "name,count,doc,level",
        ),
        (
            &[REWRITE, KEEP],
            format!("{stands} level=Some(Null)"),
            "name,count,doc",
        ),
        (
            &[REWRITE, ADD],
            format!("{stands} __op=d level=3"),
            "name,count,doc,level",
        ),
    ] {
        let out = apply(&mut transform(pairs), blind()).unwrap();
        assert_eq!(all(&out), row, "{pairs:?}");
        assert_eq!(header(&out, UNAVAILABLE), Some(named), "{pairs:?}");
        assert_eq!(header(&out, GONE), Some("true"));
    }
}

/// What is known is not called unknown: a whole row, a change, a delete that stays one.
#[test]
fn values_that_are_known_are_not_named() {
    let almost = wide_row("", 1, "{1}", Value::Null, Value::Null);
    for (name, datum) in [
        ("rewrite", change("d", almost, Value::Null)),
        ("rewrite", change("u", Value::Null, key_only())),
        ("rewrite", change("c", Value::Null, key_only())),
        ("tombstone", blind()),
        ("delete-to-tombstone", blind()),
    ] {
        let out = apply(&mut mode(name), datum).unwrap();
        assert_eq!(header(&out, UNAVAILABLE), None, "{name} {:?}", out.value);
        assert_eq!(header(&out, GONE), None);
    }
    // Empty text where null is possible is a value. It was written before, and to leave it is right too.
    let empty = wide_row("", 0, "{}", Value::from(""), Value::Null);
    let out = apply(&mut mode("rewrite"), change("d", empty, Value::Null)).unwrap();
    assert_eq!(header(&out, UNAVAILABLE), Some("name,count,doc,note,level"));
    // Without a key that names its fields nobody can tell.
    let mut keyless = record(blind());
    keyless.key = Datum::NULL;
    let out = mode("rewrite").apply(keyless, None).unwrap().unwrap();
    assert_eq!(header(&out, UNAVAILABLE), None);
}

/// PG-143: the fallback of every kind.
#[test]
fn each_kind_of_stand_in_is_known() {
    let list = Schema::of(Kind::Array(Schema::optional_text())).build();
    let decimal = Schema::structure([
        ("scale", Schema::of(Kind::Int32).build()),
        ("value", Schema::of(Kind::Bytes).build()),
    ])
    .build();
    let bytes = |bytes: &[u8]| Value::Bytes(Blob::copy(bytes));
    let number = |byte| Value::Struct(Struct::new(decimal.clone(), [Value::Int32(0), bytes(&[byte])]));
    let of = |kind| Schema::of(kind).build();
    let text = || of(Kind::Text);
    let epoch = "1970-01-01T00:00:00Z";
    for (schema, stand_in, value) in [
        (of(Kind::Bool), Value::Bool(false), Value::Bool(true)),
        (of(Kind::Int16), Value::Int16(0), Value::Int16(1)),
        (of(Kind::Float32), Value::Float32(0.0), Value::Float32(0.5)),
        (of(Kind::Float64), Value::Float64(0.0), Value::Float64(f64::NAN)),
        (text(), Value::from(""), Value::from(" ")),
        (text(), Value::from("{}"), Value::from("{1}")),
        (text(), Value::from(epoch), Value::from("1970-01-01T00:00:01Z")),
        (of(Kind::Bytes), Value::Bytes(Blob::EMPTY), bytes(&[1])),
        (of(Kind::Bytes), bytes(&[0]), bytes(&[0, 0])),
        (list, Value::Array([].into()), Value::Array([Value::Null].into())),
        (decimal.clone(), number(0), number(2)),
        (
            Schema::of(Kind::Int32).default(Value::Int32(5)).build(),
            Value::Int32(5),
            Value::Int32(6),
        ),
    ] {
        let row = Schema::structure([("id", of(Kind::Int32)), ("v", schema)])
            .optional()
            .build();
        let envelope = Schema::structure([("before", row.clone()), ("after", row.clone()), ("op", text())])
            .name("p.public.t.Envelope")
            .build();
        for (value, named) in [(stand_in, Some("v")), (value, None)] {
            let before = Value::Struct(Struct::new(row.clone(), [Value::Int32(7), value.clone()]));
            let datum = Struct::new(envelope.clone(), [before, Value::Null, Value::from("d")]);
            let out = apply(&mut mode("rewrite"), Datum::of(datum)).unwrap();
            assert_eq!(header(&out, UNAVAILABLE), named, "{value:?}");
        }
    }
}

/// Headers of the source come through every mode, whatever is added or left out, and name the same fields.
#[test]
fn what_the_source_says_about_a_record_stays_with_it() {
    let own = [
        (UNAVAILABLE, "doc,\"a,b\""),
        (GONE, "true"),
        ("rowtide.id", "1/2.3"),
    ];
    for name in [
        "tombstone",
        "rewrite",
        "rewrite-with-tombstone",
        "delete-to-tombstone",
    ] {
        for datum in [change("u", Value::Null, whole()), blind()] {
            let mut record = record(datum);
            for (name, text) in own {
                record.headers.push(name, Datum::text(text));
            }
            let list = Value::Array(Box::new([Value::from("note"), Value::from("doc")]));
            record.headers.push("drop", Datum::schemaless(list));
            let settings = [
                ("delete.tombstone.handling.mode", name),
                ("add.fields", "op,lsn:doc2"),
                ("add.headers", "op,lsn"),
                ("drop.fields.header.name", "drop"),
                ("drop.fields.keep.schema.compatible", "false"),
            ];
            let out = transform(&settings).apply(record, None).unwrap().unwrap();
            let named: Vec<_> = out.headers.iter().map(|(name, _)| name).collect();
            let expected = [UNAVAILABLE, GONE, "rowtide.id", "drop", "__op", "__lsn"];
            assert_eq!(named, expected, "{name}");
            for (header_name, text) in own {
                assert_eq!(header(&out, header_name), Some(text), "{name}");
            }
        }
    }
    // An added field cannot take the name of one that a header may speak of.
    let mut clash = transform(&[("add.fields", "lsn:doc"), ("add.fields.prefix", "")]);
    assert!(
        clash
            .apply(record(change("u", Value::Null, whole())), None)
            .is_err()
    );
}

/// Debezium's: a change of the key is a delete of the old row, a tombstone and the new row, each with its header.
#[test]
fn a_change_of_the_key_comes_out_as_it_went_in() {
    let gone = "id=7 name= count=0 doc={1} note=null __deleted=true level=3";
    let new = "id=7 name=x count=1 doc={} note=null __deleted=false level=3";
    let plain = "id=7 name=x count=1 doc={} note=null level=Some(Null)";
    for (name, expected) in [
        ("drop", ["-", "-", plain]),
        ("tombstone", ["null", "-", plain]),
        ("delete-to-tombstone", ["null", "-", plain]),
        ("rewrite", [gone, "-", new]),
        ("rewrite-with-tombstone", [gone, "null", new]),
    ] {
        let mut transform = mode(name);
        let steps = [
            (blind(), "__debezium.newkey"),
            (Datum::NULL, "__debezium.newkey"),
            (change("c", Value::Null, whole()), "__debezium.oldkey"),
        ];
        for ((datum, key), expected) in steps.into_iter().zip(expected) {
            let mut record = record(datum);
            record.headers.push(key, Datum::text("7"));
            let out = transform.apply(record, None).unwrap();
            let text = match &out {
                None => "-".to_owned(),
                Some(out) if out.value.is_null() => "null".to_owned(),
                Some(out) => all(out),
            };
            assert_eq!(text, expected, "{name}");
            if let Some(out) = out {
                assert_eq!(header(&out, key), Some("7"), "{name}");
            }
        }
    }
}

/// Debezium's: a record without a value for its topic stays in its own; a delete that is dropped is not asked for one.
#[test]
fn a_row_that_names_no_topic_keeps_its_own() {
    let by = |field: &str, datum: Datum| {
        let out = apply(&mut transform(&[("route.by.field", field), REWRITE]), datum);
        out.unwrap().topic.to_string()
    };
    let noted = |note: Value| change("u", Value::Null, wide_row("x", 1, "{}", note, Value::Null));
    assert_eq!(by("note", noted(Value::from("other"))), "other");
    for note in [Value::Null, Value::Absent, Value::from(""), Value::from("  ")] {
        assert_eq!(by("note", noted(note)), "p.public.t");
    }
    for field in ["name", "note"] {
        assert_eq!(by(field, blind()), "p.public.t");
    }
    let mut dropping = transform(&[
        ("route.by.field", "nowhere"),
        ("delete.tombstone.handling.mode", "drop"),
    ]);
    assert_eq!(apply(&mut dropping, blind()), None);
}

/// A record of no row is none, and never a deletion. A delete of which nobody knows the row is one; Debezium loses it.
#[test]
fn an_envelope_without_a_row_is_a_deletion_only_if_it_says_so() {
    for name in [
        "tombstone",
        "rewrite",
        "rewrite-with-tombstone",
        "delete-to-tombstone",
    ] {
        let mut transform = mode(name);
        for op in ["t", "m", "u", ""] {
            let out = apply(&mut transform, change(op, Value::Null, Value::Null));
            assert_eq!(out, None, "{name} {op}");
        }
        let out = apply(&mut transform, change("d", Value::Null, Value::Null)).unwrap();
        assert!(out.value.is_null(), "{name}");
    }
}
