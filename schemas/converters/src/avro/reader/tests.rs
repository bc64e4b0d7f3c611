//! Tests: Connect schemas of Avro schemas, values of bodies, hostile bodies.

use std::sync::Arc;

use rowtide_api::data::{Blob, Kind, Schema};
use rowtide_api::{RecordError, Struct, Value};

use super::super::fixtures::{change, envelope, key, reader_options, row, writer_options};
use super::super::writer;
use super::{Bounds, Compiled, compile};

const BOUNDS: Bounds = Bounds {
    depth_max: 64,
    trailing_bytes: false,
};

fn parsed(text: &str) -> rowtide_registry::avro::Schema {
    rowtide_registry::avro::Schema::parse(text, &[]).unwrap()
}

fn read(text: &str) -> Compiled {
    compile(&parsed(text), &reader_options()).unwrap()
}

fn decode(text: &str, bytes: &[u8]) -> Result<Value, RecordError> {
    read(text).plan.decode(&Blob::copy(bytes), 0, BOUNDS)
}

fn round_trip(schema: &Arc<Schema>, value: &Value) {
    let written = writer::compile(schema, &writer_options()).unwrap();
    let mut bytes = Vec::new();
    written.plan.encode(value, &mut bytes).unwrap();
    let compiled = read(&written.text);
    assert_eq!(compiled.schema, *schema);
    let read = compiled.plan.decode(&Blob::from(bytes), 0, BOUNDS).unwrap();
    assert_eq!(read, *value);
}

/// AV-045, AV-036: a table's schemas come back as they were.
#[test]
fn a_debezium_envelope_round_trips_to_the_same_connect_schema() {
    for schema in [key(), row(), envelope(&row())] {
        let text = writer::compile(&schema, &writer_options()).unwrap().text;
        let read = read(&text);
        assert_eq!(read.schema, schema, "{text}");
        assert!(read.dropped_defaults.is_empty());
    }
}

#[test]
fn a_change_round_trips_and_absent_values_come_back_as_defaults() {
    let envelope = envelope(&row());
    let after = Struct::new(
        row(),
        [
            Value::Int32(7),
            Value::from("a name that is longer than what a value holds inside"),
            Value::Bytes(Blob::copy(&[1, 0xf4])),
            Value::Int32(17_109),
            Value::from("2016-11-04T11:51:30.123456Z"),
            Value::Null,
        ],
    );
    let mut value = change(&envelope, after);
    let encode = |value: &Struct| {
        let plan = writer::compile(&envelope, &writer_options()).unwrap().plan;
        let mut out = Vec::new();
        plan.encode(&Value::Struct(value.clone()), &mut out).unwrap();
        out
    };
    let bytes = encode(&value);
    if let Value::Struct(source) = &mut value.fields[2] {
        source.fields[4] = Value::from("false");
    }
    assert_eq!(encode(&value), bytes);
    round_trip(&envelope, &Value::Struct(value));
}

/// AV-045: int, long, decimal, enum, unions, docs, defaults of the field.
#[test]
fn avro_schemas_become_the_connect_schemas_of_the_java_converter() {
    let logical = |kind, name: &str| Schema::of(kind).name(name).version(1);
    let cases: Vec<(&str, Arc<Schema>)> = vec![
        (
            r#"{"type":"int","connect.type":"int8"}"#,
            Schema::of(Kind::Int8).build(),
        ),
        (
            r#"{"type":"int","logicalType":"date"}"#,
            logical(Kind::Int32, "org.apache.kafka.connect.data.Date").build(),
        ),
        (
            r#"{"type":"int","logicalType":"time-millis"}"#,
            logical(Kind::Int32, "org.apache.kafka.connect.data.Time").build(),
        ),
        (
            r#"{"type":"long","logicalType":"timestamp-millis"}"#,
            logical(Kind::Int64, "org.apache.kafka.connect.data.Timestamp").build(),
        ),
        (
            r#"{"type":"long","logicalType":"timestamp-micros"}"#,
            Schema::of(Kind::Int64).build(),
        ),
        (r#"{"type":"string","logicalType":"uuid"}"#, Schema::text()),
        (
            r#"{"type":"bytes","logicalType":"decimal","precision":64,"scale":3}"#,
            logical(Kind::Bytes, "org.apache.kafka.connect.data.Decimal")
                .parameter("scale", "3")
                .build(),
        ),
        (
            r#"{"type":"fixed","name":"F","size":8,"logicalType":"decimal","precision":9}"#,
            logical(Kind::Bytes, "org.apache.kafka.connect.data.Decimal")
                .parameter("scale", "0")
                .parameter("connect.decimal.precision", "9")
                .parameter("connect.fixed.size", "8")
                .build(),
        ),
        (
            r#"{"type":"enum","name":"a.E","doc":"d","symbols":["X","Y"],"default":"Y"}"#,
            Schema::of(Kind::Text)
                .name("a.E")
                .parameter("io.confluent.connect.avro.enum.doc.E", "d")
                .parameter("io.confluent.connect.avro.enum.default.E", "Y")
                .parameter("io.confluent.connect.avro.Enum", "a.E")
                .parameter("io.confluent.connect.avro.Enum.X", "X")
                .parameter("io.confluent.connect.avro.Enum.Y", "Y")
                .build(),
        ),
        (r#"["string"]"#, Schema::text()),
        (r#"["string","null"]"#, Schema::optional_text()),
        (
            r#"["null","int",{"type":"record","name":"a.R","fields":[]}]"#,
            Schema::structure([
                ("int", Schema::of(Kind::Int32).optional().build()),
                ("R", Schema::structure::<&str>([]).name("a.R").optional().build()),
            ])
            .name("io.confluent.connect.avro.Union")
            .optional()
            .build(),
        ),
        (
            r#"{"type":"record","name":"R","doc":"d","fields":[{"name":"f","type":"int","doc":"e","default":5},{"name":"g","type":["null","int"],"default":null}]}"#,
            Schema::structure([
                (
                    "f",
                    Schema::of(Kind::Int32)
                        .parameter("io.confluent.connect.avro.field.default", "true")
                        .default(Value::Int32(5))
                        .build(),
                ),
                ("g", Schema::of(Kind::Int32).optional().build()),
            ])
            .name("R")
            .parameter("io.confluent.connect.avro.record.doc", "d")
            .parameter("io.confluent.connect.avro.field.doc.f", "e")
            .build(),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text).schema, expected, "{text}");
    }
}

/// AV-046.
#[test]
fn extended_logical_types_keep_microseconds_and_uuids() {
    let options = super::Options {
        extended_logical_types: true,
        ..reader_options()
    };
    for (text, name) in [
        (
            r#"{"type":"long","logicalType":"timestamp-micros"}"#,
            "io.debezium.time.MicroTimestamp",
        ),
        (
            r#"{"type":"long","logicalType":"local-timestamp-nanos"}"#,
            "io.debezium.time.NanoTimestamp",
        ),
        (
            r#"{"type":"long","logicalType":"time-micros"}"#,
            "io.debezium.time.MicroTime",
        ),
        (
            r#"{"type":"string","logicalType":"uuid"}"#,
            "io.debezium.data.Uuid",
        ),
    ] {
        let compiled = compile(&parsed(text), &options).unwrap();
        assert_eq!(compiled.schema.name.as_deref(), Some(name));
    }
}

/// AV-045, AV-049: what has no Connect form says so; what is only odd is read.
#[test]
fn schemas_without_a_connect_form_are_refused_and_bad_defaults_ignored() {
    for text in [
        r#""null""#,
        r#"{"type":"int","connect.type":"int7"}"#,
        r#"{"type":"string","connect.parameters":{"a":1}}"#,
        r#"{"type":"int","logicalType":"date","connect.name":"other"}"#,
        r#"["int",{"type":"record","name":"a.R","fields":[]},{"type":"record","name":"b.R","fields":[]}]"#,
    ] {
        assert!(compile(&parsed(text), &reader_options()).is_err(), "{text}");
    }
    let odd = r#"{"type":"record","name":"a-b.1R","fields":[{"name":"f g","type":"int","default":"x"}]}"#;
    let compiled = read(odd);
    assert_eq!(compiled.dropped_defaults.len(), 1);
    assert_eq!(compiled.schema.fields()[0].schema.default, None);
}

#[test]
fn maps_of_any_key_unions_recursion_and_defaults_round_trip() {
    let pair = |key, value| Schema::of(Kind::Map(key, value)).build();
    let text = pair(Schema::text(), Schema::optional_text());
    round_trip(
        &text,
        &Value::Map(Box::new([
            (Value::from("a"), Value::Null),
            (Value::from("b"), Value::from("c")),
        ])),
    );
    let numbers = pair(Schema::of(Kind::Int16).build(), Schema::of(Kind::Float64).build());
    round_trip(
        &numbers,
        &Value::Map(Box::new([(Value::Int16(-3), Value::Float64(0.5))])),
    );
    let union = Schema::structure([
        ("int", Schema::of(Kind::Int32).optional().build()),
        ("string", Schema::optional_text()),
    ])
    .name("io.confluent.connect.avro.Union")
    .optional()
    .build();
    round_trip(&union, &Value::Null);
    let chosen = Struct::new(union.clone(), [Value::Null, Value::from("x")]);
    round_trip(&union, &Value::Struct(chosen));
    let node = Schema::structure([
        ("v", Schema::of(Kind::Int32).build()),
        (
            "next",
            Schema::of(Kind::Enclosing("a.Node".into())).optional().build(),
        ),
    ])
    .name("a.Node")
    .build();
    let last = Struct::new(node.clone(), [Value::Int32(2), Value::Null]);
    round_trip(
        &node,
        &Value::Struct(Struct::new(node.clone(), [Value::Int32(1), Value::Struct(last)])),
    );
}

/// AV-050: bodies that lie about lengths, counts, branches and nesting.
#[test]
fn hostile_bodies_are_data_errors() {
    let array = r#"{"type":"array","items":"int"}"#;
    let empty = r#"{"type":"array","items":{"type":"record","name":"R","fields":[]}}"#;
    let node = r#"{"type":"record","name":"N","fields":[{"name":"n","type":["null","N"]}]}"#;
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    for (text, bytes) in [
        (r#""string""#, &[10, b'a'][..]),
        (r#""string""#, &[1]),
        (r#""string""#, &[2, 0xff]),
        (r#""string""#, &huge),
        (r#""int""#, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        (r#""boolean""#, &[2]),
        (r#""double""#, &[0; 7]),
        (r#"["null","int"]"#, &[4, 0]),
        (r#"["int","string","null"]"#, &[6, 0]),
        (r#"{"type":"enum","name":"E","symbols":["A"]}"#, &[2]),
        (array, &huge),
        (array, &[1, 0]),
        (empty, &[0xfe, 0xff, 0xff, 0x0f]),
        (node, &[2; 100]),
        (r#""int""#, &[0, 0]),
        (r#""int""#, &[]),
    ] {
        assert!(decode(text, bytes).is_err(), "{text} {bytes:?}");
    }
    // AV-004.
    assert!(
        decode(r#""int""#, &[0, 0])
            .unwrap_err()
            .reason
            .contains("allow.trailing.bytes")
    );
    let lenient = Bounds {
        trailing_bytes: true,
        ..BOUNDS
    };
    assert_eq!(
        read(r#""int""#).plan.decode(&Blob::copy(&[2, 0]), 0, lenient),
        Ok(Value::Int32(1))
    );
}

#[test]
fn blocks_with_a_size_and_several_blocks_are_read() {
    let array = r#"{"type":"array","items":"int"}"#;
    let expected = Value::Array(Box::new([Value::Int32(1), Value::Int32(2)]));
    assert_eq!(decode(array, &[4, 2, 4, 0]).unwrap(), expected);
    assert_eq!(decode(array, &[3, 4, 2, 4, 0]).unwrap(), expected);
    assert_eq!(decode(array, &[2, 2, 1, 2, 4, 0]).unwrap(), expected);
    assert_eq!(
        decode(r#"{"type":"enum","name":"E","symbols":["A","B"]}"#, &[2]).unwrap(),
        Value::from("B")
    );
    assert_eq!(
        decode(r#""bytes""#, b"raw").unwrap(),
        Value::Bytes(Blob::copy(b"raw"))
    );
}

/// A long text is a slice of the payload, not a copy.
#[test]
fn long_texts_share_the_payload() {
    let text = "x".repeat(40);
    let mut bytes = vec![80];
    bytes.extend_from_slice(text.as_bytes());
    let payload = Blob::from(bytes);
    let value = read(r#""string""#).plan.decode(&payload, 0, BOUNDS).unwrap();
    assert_eq!(value.as_str().map(str::as_ptr), Some(payload[1..].as_ptr()));
}
