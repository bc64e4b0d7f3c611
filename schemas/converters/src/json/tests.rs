//! Tests: golden texts of Connect's converter.

use std::sync::Arc;

use rowtide_api::config::{ConfigReport, Properties};
use rowtide_api::convert::{Converter, ConverterPlugin, Failure, Payload};
use rowtide_api::data::{Kind, Schema};
use rowtide_api::{Blob, Datum, Headers, Struct, Value};

use super::{JsonConverter, JsonSettings};
use crate::avro::fixtures;

fn converter(pairs: &[(&str, &str)]) -> JsonConverter {
    let properties: Properties = pairs.iter().map(|(key, value)| (*key, *value)).collect();
    JsonConverter::open(ConfigReport::read::<JsonSettings>(&properties).0.unwrap()).unwrap()
}

fn plain() -> JsonConverter {
    converter(&[("schemas.enable", "false")])
}

fn encode(converter: &JsonConverter, datum: &Datum) -> Result<String, String> {
    let mut out = b"kept".to_vec();
    match converter.encode("t", datum, &mut Headers::default(), &mut out) {
        Ok(Payload::Bytes) => Ok(String::from_utf8(out[4..].to_vec()).unwrap()),
        Ok(Payload::Null) => Ok("no payload".into()),
        Err(Failure::Record(error)) => {
            assert_eq!(out, b"kept", "a failed call leaves the buffer as it was");
            Err(error.to_string())
        }
        Err(other) => panic!("{other:?}"),
    }
}

fn decode(converter: &JsonConverter, text: &str) -> Result<Datum, Failure> {
    converter.decode("t", Some(Blob::copy(text.as_bytes())), &Headers::default())
}

fn change() -> Datum {
    let row = Schema::structure([
        ("id", Schema::of(Kind::Int32).build()),
        ("name", Schema::optional_text()),
        (
            "amt",
            Schema::of(Kind::Bytes)
                .name("org.apache.kafka.connect.data.Decimal")
                .version(1)
                .parameter("scale", "2")
                .optional()
                .build(),
        ),
    ])
    .name("p.public.t.Value")
    .optional()
    .build();
    let after = Struct::new(
        row.clone(),
        [
            Value::Int32(7),
            Value::from("x"),
            Value::Bytes(Blob::copy(&[1, 0xf4])),
        ],
    );
    Datum::of(fixtures::change(&fixtures::envelope(&row), after))
}

/// PG-085's sample of postgres-source §3.11, CN-332.
#[test]
fn a_change_without_schemas_prints_as_connect_prints_it() {
    assert_eq!(
        encode(&plain(), &change()).unwrap(),
        concat!(
            r#"{"before":null,"after":{"id":7,"name":"x","amt":"AfQ="},"#,
            r#""source":{"version":"3.6.1.Final","connector":"postgresql","name":"p","ts_ms":1700000000123,"#,
            r#""snapshot":"false","db":"app","sequence":"[\"24023000\",\"24023128\"]","ts_us":1700000000123456,"#,
            r#""ts_ns":1700000000123456000,"schema":"public","table":"t","txId":555,"lsn":24023128,"xmin":null,"#,
            r#""origin":null,"origin_lsn":null},"transaction":null,"op":"c","ts_ms":1700000000400,"#,
            r#""ts_us":1700000000400111,"ts_ns":1700000000400111222}"#
        )
    );
    let key = Schema::structure([("id", Schema::of(Kind::Int32).build())])
        .name("p.public.t.Key")
        .build();
    let key = Datum::of(Struct::new(key, [Value::Int32(7)]));
    assert_eq!(encode(&plain(), &key).unwrap(), r#"{"id":7}"#);
    assert_eq!(
        encode(&converter(&[]), &key).unwrap(),
        r#"{"schema":{"type":"struct","fields":[{"type":"int32","optional":false,"field":"id"}],"optional":false,"name":"p.public.t.Key"},"payload":{"id":7}}"#
    );
}

/// CN-328: order of a schema's attributes.
#[test]
fn a_schema_prints_its_attributes_in_order() {
    let level = Schema::of(Kind::Int16)
        .optional()
        .name("n")
        .version(2)
        .doc("d")
        .parameter("p", "q")
        .default(Value::Int16(3))
        .build();
    let list = Schema::of(Kind::Array(Schema::text())).build();
    let map = Schema::of(Kind::Map(Schema::text(), Schema::of(Kind::Float32).build())).build();
    let schema = Schema::structure([("level", level), ("list", list), ("map", map)]).build();
    let value = Struct::new(
        schema,
        [
            Value::Null,
            Value::Array(Box::new([Value::from("a\"b")])),
            Value::Map(Box::new([(Value::from("k"), Value::Float32(0.1))])),
        ],
    );
    let datum = Datum::of(value);
    let text = encode(&converter(&[]), &datum).unwrap();
    assert_eq!(
        text,
        concat!(
            r#"{"schema":{"type":"struct","fields":["#,
            r#"{"type":"int16","optional":true,"name":"n","version":2,"doc":"d","parameters":{"p":"q"},"default":3,"field":"level"},"#,
            r#"{"type":"array","items":{"type":"string","optional":false},"optional":false,"field":"list"},"#,
            r#"{"type":"map","keys":{"type":"string","optional":false},"values":{"type":"float","optional":false},"optional":false,"field":"map"}],"#,
            r#""optional":false},"payload":{"level":3,"list":["a\"b"],"map":{"k":0.1}}}"#
        )
    );
    let read = decode(&converter(&[]), &text).unwrap();
    assert_eq!(read.schema, datum.schema);
    assert_eq!(encode(&converter(&[]), &read).unwrap(), text);
}

/// What a field holds that may have no value.
fn bare() -> Arc<Schema> {
    Schema::structure([
        (
            "a",
            Schema::of(Kind::Int32)
                .optional()
                .default(Value::Int32(5))
                .build(),
        ),
        ("b", Schema::optional_text()),
        ("c", Schema::of(Kind::Int32).default(Value::Int32(7)).build()),
        ("d", Schema::of(Kind::Bytes).optional().build()),
        ("e", Schema::of(Kind::Array(Schema::text())).optional().build()),
    ])
    .build()
}

/// CN-331: each of null, absent and default, written and read again. Without schemas what is read is what is written, and a
/// field that is not there is not null.
#[test]
fn null_absent_default_and_empty_are_told_apart_as_far_as_json_can() {
    let empty = || {
        [
            Value::Int32(5),
            Value::from(""),
            Value::Int32(7),
            Value::Bytes(Blob::EMPTY),
            Value::Array([].into()),
        ]
    };
    let null = |last: Value| [Value::Null, Value::Null, last, Value::Null, Value::Null];
    let absent = || {
        [
            Value::Absent,
            Value::Absent,
            Value::Absent,
            Value::Absent,
            Value::Absent,
        ]
    };
    for (keep, values, text, read) in [
        (
            "true",
            null(Value::Int32(1)),
            r#"{"a":5,"b":null,"c":1,"d":null,"e":null}"#,
            "5 null 1 null null",
        ),
        (
            "false",
            null(Value::Int32(1)),
            r#"{"a":null,"b":null,"c":1,"d":null,"e":null}"#,
            "null null 1 null null",
        ),
        (
            "true",
            absent(),
            r#"{"a":5,"b":null,"c":7,"d":null,"e":null}"#,
            "5 null 7 null null",
        ),
        (
            "false",
            absent(),
            r#"{"a":null,"b":null,"c":7,"d":null,"e":null}"#,
            "null null 7 null null",
        ),
        (
            "true",
            empty(),
            r#"{"a":5,"b":"","c":7,"d":"","e":[]}"#,
            "5  7 bytes array",
        ),
        (
            "false",
            empty(),
            r#"{"a":5,"b":"","c":7,"d":"","e":[]}"#,
            "5  7 bytes array",
        ),
    ] {
        let datum = Datum::of(Struct::new(bare(), values));
        let with = |schemas| converter(&[("schemas.enable", schemas), ("replace.null.with.default", keep)]);
        let shown = |value: &Value| match value {
            Value::Text(text) => text.as_str().to_owned(),
            value => value
                .as_int()
                .map_or(value.type_name().to_owned(), |number| number.to_string()),
        };
        assert_eq!(encode(&with("false"), &datum).unwrap(), text, "{keep}");
        let Value::Map(pairs) = decode(&with("false"), text).unwrap().value else {
            panic!("an object is a map");
        };
        // No bytes are an empty text there.
        let bare_read: Vec<_> = pairs.iter().map(|(_, value)| shown(value)).collect();
        assert_eq!(bare_read.join(" "), read.replace("bytes", ""), "{keep}");
        let full = encode(&with("true"), &datum).unwrap();
        assert!(full.ends_with(&format!("\"payload\":{text}}}")), "{full}");
        let back = decode(&with("true"), &full).unwrap();
        let fields: Vec<_> = back.value.as_struct().unwrap().fields.iter().map(shown).collect();
        assert_eq!(fields.join(" "), read, "{keep}");
        // A field that is not there reads as null with a schema, and as nothing at all without.
        let missing = decode(
            &with("true"),
            &full.replace(r#""a":5,"#, "").replace(r#""a":null,"#, ""),
        )
        .unwrap();
        let a = &missing.value.as_struct().unwrap().fields[0];
        assert_eq!(shown(a), if keep == "true" { "5" } else { "null" });
        let Value::Map(pairs) = decode(&with("false"), r#"{"b":null}"#).unwrap().value else {
            panic!("an object is a map");
        };
        assert_eq!(*pairs, [(Value::from("b"), Value::Null)]);
    }
}

/// A struct among values without a schema follows the same setting.
#[test]
fn a_null_among_values_without_a_schema_stays_one_too() {
    let values = [
        Value::Null,
        Value::Null,
        Value::Int32(1),
        Value::Null,
        Value::Null,
    ];
    let list = Value::Array([Value::Struct(Struct::new(bare(), values))].into());
    let keeping = converter(&[
        ("schemas.enable", "false"),
        ("replace.null.with.default", "false"),
    ]);
    for (converter, a) in [(plain(), "5"), (keeping, "null")] {
        let text = encode(&converter, &Datum::schemaless(list.clone())).unwrap();
        assert_eq!(text, format!(r#"[{{"a":{a},"b":null,"c":1,"d":null,"e":null}}]"#));
    }
}

/// CN-327: a deletion is a null whichever way it is written; only no payload at all is a tombstone to the broker.
#[test]
fn a_deletion_without_a_row_is_read_as_one() {
    let row = bare().rebuild().optional().build();
    let deletion = Datum::new(row, Value::Null);
    assert_eq!(encode(&plain(), &deletion).unwrap(), "null");
    assert_eq!(encode(&plain(), &Datum::NULL).unwrap(), "no payload");
    let full = encode(&converter(&[]), &deletion).unwrap();
    assert!(full.ends_with(r#","payload":null}"#), "{full}");
    for (converter, text) in [(plain(), "null"), (converter(&[]), &*full)] {
        assert!(decode(&converter, text).unwrap().is_null(), "{text}");
    }
}

/// PG-076, CS-070: how the placeholders of unchanged values look without schemas, where bytes are base64 and numbers have one
/// width; with schemas they are read as they were.
#[test]
fn placeholders_keep_a_form_that_a_sink_knows() {
    let marker = "__debezium_unavailable_value";
    let base64 = "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==";
    let bytes = || Value::Bytes(Blob::copy(marker.as_bytes()));
    let spelt = |number: fn(u8) -> Value| Value::Array(marker.bytes().map(number).collect());
    let list = |of| Schema::of(Kind::Array(Schema::of(of).build())).build();
    let one = |value| Value::Array([value].into());
    for (schema, value, bare) in [
        (Schema::text(), Value::from(marker), Value::from(marker)),
        (Schema::of(Kind::Bytes).build(), bytes(), Value::from(base64)),
        (
            list(Kind::Text),
            one(Value::from(marker)),
            one(Value::from(marker)),
        ),
        (list(Kind::Bytes), one(bytes()), one(Value::from(base64))),
        (
            list(Kind::Int32),
            spelt(|byte| Value::Int32(byte.into())),
            spelt(|byte| Value::Int64(byte.into())),
        ),
        (
            Schema::of(Kind::Map(Schema::text(), Schema::text())).build(),
            Value::Map([(Value::from(marker), Value::from(marker))].into()),
            Value::Map([(Value::from(marker), Value::from(marker))].into()),
        ),
    ] {
        let datum = Datum::new(schema, value);
        let text = encode(&plain(), &datum).unwrap();
        assert_eq!(
            decode(&plain(), &text).unwrap(),
            Datum::schemaless(bare),
            "{text}"
        );
        let full = encode(&converter(&[]), &datum).unwrap();
        assert_eq!(decode(&converter(&[]), &full).unwrap(), datum, "{full}");
    }
}

/// CN-331.
#[test]
fn a_null_with_a_default_is_the_default_unless_told_otherwise() {
    let schema = Schema::structure([(
        "a",
        Schema::of(Kind::Int32)
            .optional()
            .default(Value::Int32(5))
            .build(),
    )])
    .build();
    let datum = |value| Datum::of(Struct::new(schema.clone(), [value]));
    let keeping = converter(&[
        ("schemas.enable", "false"),
        ("replace.null.with.default", "false"),
    ]);
    assert_eq!(encode(&plain(), &datum(Value::Null)).unwrap(), r#"{"a":5}"#);
    assert_eq!(encode(&keeping, &datum(Value::Null)).unwrap(), r#"{"a":null}"#);
    let required = Schema::structure([("a", Schema::text())]).build();
    let error = encode(&plain(), &Datum::of(Struct::new(required, [Value::Null]))).unwrap_err();
    assert!(error.contains("required and has no default"), "{error}");
}

/// CN-327, CN-330.
#[test]
fn nulls_and_schemaless_values_keep_connects_forms() {
    assert_eq!(encode(&plain(), &Datum::NULL).unwrap(), "no payload");
    assert_eq!(encode(&converter(&[]), &Datum::NULL).unwrap(), "no payload");
    assert_eq!(
        encode(&plain(), &Datum::new(Schema::optional_text(), Value::Null)).unwrap(),
        "null"
    );
    let map = Value::Map(Box::new([
        (Value::from("a"), Value::Int64(1)),
        (Value::from("b"), Value::Float64(1e10)),
    ]));
    assert_eq!(
        encode(&converter(&[]), &Datum::schemaless(map.clone())).unwrap(),
        r#"{"schema":null,"payload":{"a":1,"b":1.0E10}}"#
    );
    assert_eq!(
        decode(&plain(), r#"{"a":1,"b":1.0E10}"#).unwrap(),
        Datum::schemaless(map)
    );
    assert_eq!(
        plain().decode("t", None, &Headers::default()).unwrap(),
        Datum::NULL
    );
}

/// AV-061.
#[test]
fn nan_and_infinity_are_refused() {
    for value in [f64::NAN, f64::INFINITY] {
        let datum = Datum::new(Schema::of(Kind::Float64).build(), Value::Float64(value));
        assert!(encode(&plain(), &datum).unwrap_err().contains("no JSON form"));
    }
}

/// CN-326, and an error that does not repeat the value.
#[test]
fn what_is_no_envelope_is_a_data_error_with_the_remedy() {
    for text in [r#"{"a":1}"#, r#"{"schema":null,"payload":1,"x":2}"#, "1"] {
        let Failure::Record(error) = decode(&converter(&[]), text).unwrap_err() else {
            panic!("{text}")
        };
        assert!(error.reason.contains("set schemas.enable=false"), "{error}");
    }
    let Failure::Record(error) = decode(&plain(), r#"{"secret":hush}"#).unwrap_err() else {
        panic!()
    };
    assert!(
        !error.to_string().contains("hush") && error.reason.contains("line 1"),
        "{error}"
    );
    let deep = "[".repeat(100_000);
    assert!(decode(&plain(), &deep).is_err());
}

/// CN-325: what is not built is refused by name.
#[test]
fn numeric_decimals_are_refused_by_name() {
    let report =
        ConfigReport::read::<JsonSettings>(&Properties::from_iter([("decimal.format", "NUMERIC")])).1;
    assert!(
        report
            .errors_on("decimal.format")
            .next()
            .is_some_and(|message| message.contains("NUMERIC is not built"))
    );
    let fine = Properties::from_iter([
        ("decimal.format", "base64"),
        ("schemas.cache.size", "5"),
        ("converter.type", "key"),
    ]);
    let (settings, report) = ConfigReport::read::<JsonSettings>(&fine);
    assert!(settings.is_some() && report.warnings().len() == 1, "{report:?}");
}

#[test]
fn recursion_prints_without_schemas_only() {
    let node = Schema::structure([("next", Schema::of(Kind::Enclosing("N".into())).optional().build())])
        .name("N")
        .build();
    let inner = Struct::new(node.clone(), [Value::Null]);
    let datum = Datum::of(Struct::new(Arc::clone(&node), [Value::Struct(inner)]));
    assert_eq!(encode(&plain(), &datum).unwrap(), r#"{"next":{"next":null}}"#);
    assert!(
        encode(&converter(&[]), &datum)
            .unwrap_err()
            .contains("contains itself")
    );
}
