//! Tests: golden schema texts of the Java converter, and what values may be written.

use std::sync::Arc;

use rowtide_api::data::{Kind, Schema};
use rowtide_api::{Blob, Struct, Value};

use super::super::fixtures::{envelope, key, row, writer_options};
use super::{Compiled, Options, compile};

fn compiled(schema: &Arc<Schema>) -> Compiled {
    let compiled = compile(schema, &writer_options()).unwrap();
    let canonical = rowtide_registry::avro::canonical_text(&compiled.text).unwrap();
    assert_eq!(compiled.text, canonical, "Avro's own printer would write it so");
    compiled
}

fn text(schema: &Arc<Schema>) -> String {
    compiled(schema).text
}

fn text_with(schema: &Arc<Schema>, change: impl FnOnce(&mut Options)) -> String {
    let mut options = writer_options();
    change(&mut options);
    compile(schema, &options).unwrap().text
}

fn of(kind: Kind) -> Arc<Schema> {
    Schema::of(kind).build()
}

fn logical(kind: Kind, name: &str) -> Arc<Schema> {
    Schema::of(kind).name(name).version(1).build()
}

/// AV-030, AV-036, AV-160: what the Java converter registers for a table.
#[test]
fn a_debezium_envelope_and_key_print_as_java_prints_them() {
    assert_eq!(
        text(&key()),
        r#"{"type":"record","name":"Key","namespace":"p.public.t","fields":[{"name":"id","type":{"type":"int","connect.default":0},"default":0}],"connect.name":"p.public.t.Key"}"#
    );
    let expected = [
        r#"{"type":"record","name":"Envelope","namespace":"p.public.t","fields":["#,
        r#"{"name":"before","type":["null",{"type":"record","name":"Value","fields":["#,
        r#"{"name":"id","type":{"type":"int","connect.default":0},"default":0},"#,
        r#"{"name":"name","type":["null","string"],"default":null},"#,
        r#"{"name":"amt","type":["null",{"type":"bytes","scale":2,"precision":5,"connect.version":1,"#,
        r#""connect.parameters":{"scale":"2","connect.decimal.precision":"5"},"#,
        r#""connect.name":"org.apache.kafka.connect.data.Decimal","logicalType":"decimal"}],"default":null},"#,
        r#"{"name":"born","type":["null",{"type":"int","connect.version":1,"connect.name":"io.debezium.time.Date"}],"default":null},"#,
        r#"{"name":"at","type":{"type":"string","connect.version":1,"connect.name":"io.debezium.time.ZonedTimestamp"}},"#,
        r#"{"name":"level","type":[{"type":"int","connect.default":3,"connect.type":"int16"},"null"],"default":3}"#,
        r#"],"connect.name":"p.public.t.Value"}],"default":null},"#,
        r#"{"name":"after","type":["null","Value"],"default":null},"#,
        r#"{"name":"source","type":{"type":"record","name":"Source","namespace":"io.debezium.connector.postgresql","fields":["#,
        r#"{"name":"version","type":"string"},{"name":"connector","type":"string"},{"name":"name","type":"string"},"#,
        r#"{"name":"ts_ms","type":"long"},"#,
        r#"{"name":"snapshot","type":[{"type":"string","connect.version":1,"#,
        r#""connect.parameters":{"allowed":"true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"},"#,
        r#""connect.default":"false","connect.name":"io.debezium.data.Enum"},"null"],"default":"false"},"#,
        r#"{"name":"db","type":"string"},{"name":"sequence","type":["null","string"],"default":null},"#,
        r#"{"name":"ts_us","type":["null","long"],"default":null},{"name":"ts_ns","type":["null","long"],"default":null},"#,
        r#"{"name":"schema","type":"string"},{"name":"table","type":"string"},"#,
        r#"{"name":"txId","type":["null","long"],"default":null},{"name":"lsn","type":["null","long"],"default":null},"#,
        r#"{"name":"xmin","type":["null","long"],"default":null},{"name":"origin","type":["null","string"],"default":null},"#,
        r#"{"name":"origin_lsn","type":["null","long"],"default":null}],"#,
        r#""connect.version":1,"connect.name":"io.debezium.connector.postgresql.Source"}},"#,
        r#"{"name":"transaction","type":["null",{"type":"record","name":"block","namespace":"event","fields":["#,
        r#"{"name":"id","type":"string"},{"name":"total_order","type":"long"},{"name":"data_collection_order","type":"long"}],"#,
        r#""connect.version":1,"connect.name":"event.block"}],"default":null},"#,
        r#"{"name":"op","type":"string"},{"name":"ts_ms","type":["null","long"],"default":null},"#,
        r#"{"name":"ts_us","type":["null","long"],"default":null},{"name":"ts_ns","type":["null","long"],"default":null}],"#,
        r#""connect.version":2,"connect.name":"p.public.t.Envelope"}"#,
    ];
    let compiled = compiled(&envelope(&row()));
    assert_eq!(compiled.text, expected.concat());
    assert_eq!(compiled.record_name.as_deref(), Some("p.public.t.Envelope"));
}

/// AV-030: primitives, and the logical types of Connect.
#[test]
fn primitives_are_their_names_and_logical_types_carry_properties() {
    for (kind, expected) in [
        (Kind::Bool, r#""boolean""#),
        (Kind::Int8, r#"{"type":"int","connect.type":"int8"}"#),
        (Kind::Int16, r#"{"type":"int","connect.type":"int16"}"#),
        (Kind::Int32, r#""int""#),
        (Kind::Int64, r#""long""#),
        (Kind::Float32, r#""float""#),
        (Kind::Float64, r#""double""#),
        (Kind::Text, r#""string""#),
        (Kind::Bytes, r#""bytes""#),
    ] {
        assert_eq!(text(&of(kind)), expected);
    }
    for (kind, name, base, logical_type) in [
        (Kind::Int32, "org.apache.kafka.connect.data.Date", "int", "date"),
        (
            Kind::Int32,
            "org.apache.kafka.connect.data.Time",
            "int",
            "time-millis",
        ),
        (
            Kind::Int64,
            "org.apache.kafka.connect.data.Timestamp",
            "long",
            "timestamp-millis",
        ),
    ] {
        assert_eq!(
            text(&logical(kind, name)),
            format!(
                r#"{{"type":"{base}","connect.version":1,"connect.name":"{name}","logicalType":"{logical_type}"}}"#
            )
        );
    }
    // Money: no precision of its own (PG-117), so 64 (AV-034).
    let money = logical(Kind::Bytes, "org.apache.kafka.connect.data.Decimal")
        .rebuild()
        .parameter("scale", "2")
        .build();
    assert_eq!(
        text(&money),
        r#"{"type":"bytes","scale":2,"precision":64,"connect.version":1,"connect.parameters":{"scale":"2"},"connect.name":"org.apache.kafka.connect.data.Decimal","logicalType":"decimal"}"#
    );
}

/// AV-030: order of insertion of all properties.
#[test]
fn properties_stand_in_the_order_of_the_java_converter() {
    let schema = Schema::of(Kind::Int8)
        .name("n.N")
        .version(7)
        .doc("a \"doc\"")
        .parameter("p", "q")
        .parameter("avro.java.string", "String")
        .default(Value::Int8(-1))
        .build();
    assert_eq!(
        text(&schema),
        r#"{"type":"int","connect.doc":"a \"doc\"","connect.version":7,"connect.parameters":{"p":"q","avro.java.string":"String"},"connect.default":-1,"connect.name":"n.N","connect.type":"int8","avro.java.string":"String"}"#
    );
    assert_eq!(
        text_with(&schema, |options| options.connect_meta_data = false),
        r#"{"type":"int","avro.java.string":"String"}"#
    );
}

/// AV-030: containers.
#[test]
fn arrays_maps_and_entries_print_as_java_prints_them() {
    let array = Schema::of(Kind::Array(Schema::optional_text()))
        .optional()
        .build();
    assert_eq!(
        text(&array),
        r#"["null",{"type":"array","items":["null","string"]}]"#
    );
    let map = of(Kind::Map(Schema::text(), of(Kind::Int64)));
    assert_eq!(text(&map), r#"{"type":"map","values":"long"}"#);
    let entries = Kind::Map(of(Kind::Int16), of(Kind::Float64));
    assert_eq!(
        text(&of(entries)),
        r#"{"type":"array","items":{"type":"record","name":"MapEntry","namespace":"io.confluent.connect.avro","fields":[{"name":"key","type":{"type":"int","connect.type":"int16"}},{"name":"value","type":"double"}]}}"#
    );
    let named = Schema::of(Kind::Map(Schema::optional_text(), of(Kind::Int64)))
        .name("a.M")
        .build();
    assert_eq!(
        text(&named),
        r#"{"type":"array","items":{"type":"record","name":"M","namespace":"a","fields":[{"name":"key","type":["null","string"],"default":null},{"name":"value","type":"long"}],"connect.internal.type":"MapEntry"},"connect.name":"a.M"}"#
    );
    assert_eq!(
        text_with(&named, |options| options.optional_map_keys = true),
        r#"{"type":"map","values":"long","connect.name":"a.M"}"#
    );
}

/// AV-031.
#[test]
fn unnamed_structs_are_numbered_in_order_of_visit_and_equal_ones_share_a_name() {
    let point = |kind| Schema::structure([("x", of(kind))]);
    let schema = Schema::structure([
        ("a", point(Kind::Int32).build()),
        ("b", point(Kind::Int64).optional().build()),
        ("c", point(Kind::Int32).optional().build()),
    ])
    .build();
    assert_eq!(
        text(&schema),
        r#"{"type":"record","name":"ConnectDefault","namespace":"io.confluent.connect.avro","fields":[{"name":"a","type":{"type":"record","name":"ConnectDefault2","fields":[{"name":"x","type":"int"}]}},{"name":"b","type":["null",{"type":"record","name":"ConnectDefault3","fields":[{"name":"x","type":"long"}]}],"default":null},{"name":"c","type":["null","ConnectDefault2"],"default":null}]}"#
    );
}

/// AV-030: names without dots, the same type with other parameters, recursion, a union, a fixed.
#[test]
fn named_types_print_once_and_by_name_afterwards() {
    let node = Schema::structure([
        ("v", of(Kind::Int32)),
        (
            "next",
            Schema::of(Kind::Enclosing("Node".into())).optional().build(),
        ),
    ])
    .name("Node");
    assert_eq!(
        text(&node.build()),
        r#"{"type":"record","name":"Node","fields":[{"name":"v","type":"int"},{"name":"next","type":["null","Node"],"default":null}],"connect.name":"Node"}"#
    );
    let leaf = || Schema::structure([("v", of(Kind::Int32))]).name("a.Leaf");
    let pair = Schema::structure([
        ("one", leaf().build()),
        ("two", leaf().parameter("p", "q").build()),
    ])
    .name("b.Pair");
    assert_eq!(
        text(&pair.build()),
        r#"{"type":"record","name":"Pair","namespace":"b","fields":[{"name":"one","type":{"type":"record","name":"Leaf","namespace":"a","fields":[{"name":"v","type":"int"}],"connect.name":"a.Leaf"}},{"name":"two","type":"a.Leaf","connect.parameters":{"p":"q"}}],"connect.name":"b.Pair"}"#
    );
    let union = Schema::structure([
        ("int", Schema::of(Kind::Int32).optional().build()),
        ("string", Schema::optional_text()),
    ])
    .name("io.confluent.connect.avro.Union")
    .optional()
    .build();
    assert_eq!(text(&union), r#"["null","int","string"]"#);
    let fixed = Schema::of(Kind::Bytes)
        .name("a.F")
        .parameter("connect.fixed.size", "4")
        .build();
    assert_eq!(
        text(&fixed),
        r#"{"type":"fixed","name":"F","namespace":"a","size":4,"connect.parameters":{"connect.fixed.size":"4"},"connect.name":"a.F"}"#
    );
    let twice = Schema::structure([
        ("one", leaf().build()),
        (
            "two",
            Schema::structure([("w", of(Kind::Int32))]).name("a.Leaf").build(),
        ),
    ]);
    let error = compile(&twice.build(), &writer_options()).err().unwrap();
    assert!(
        error.reason.contains("a.Leaf") && error.field.as_deref() == Some("two"),
        "{error}"
    );
}

/// AV-030, AV-032: forms of defaults.
#[test]
fn defaults_print_in_avro_json_and_those_that_avro_refuses_are_dropped() {
    let field = |schema: Arc<Schema>| compiled(&Schema::structure([("f", schema)]).name("R").build());
    let decimal = logical(Kind::Bytes, "org.apache.kafka.connect.data.Decimal")
        .rebuild()
        .parameter("scale", "2")
        .default(Value::Bytes(Blob::copy(&[1, 0xf4])));
    assert!(
        field(decimal.build())
            .text
            .contains(r#""connect.default":"\u0001ô","connect.name""#)
    );
    let float = Schema::of(Kind::Float32).default(Value::Float32(0.1)).build();
    assert!(field(float).text.contains(
        r#"{"name":"f","type":{"type":"float","connect.default":0.1},"default":0.10000000149011612}"#
    ));
    let nan = field(
        Schema::of(Kind::Float64)
            .optional()
            .default(Value::Float64(f64::NAN))
            .build(),
    );
    assert_eq!(nan.dropped_defaults, ["f"]);
    assert!(
        nan.text
            .contains(r#"{"name":"f","type":[{"type":"double","connect.default":"NaN"},"null"]}"#),
        "{}",
        nan.text
    );
    let from_avro = Schema::of(Kind::Int32)
        .default(Value::Int32(5))
        .parameter("io.confluent.connect.avro.field.default", "true")
        .build();
    assert!(
        field(from_avro)
            .text
            .contains(r#"{"name":"f","type":"int","default":5}"#)
    );
}

#[test]
fn docs_that_came_from_avro_go_back_to_their_place() {
    let schema = Schema::structure([("f", Schema::text())])
        .name("R")
        .parameter("io.confluent.connect.avro.record.doc", "d")
        .parameter("io.confluent.connect.avro.field.doc.f", "e")
        .build();
    assert_eq!(
        text(&schema),
        r#"{"type":"record","name":"R","doc":"d","fields":[{"name":"f","type":"string","doc":"e"}],"connect.parameters":{"io.confluent.connect.avro.record.doc":"d","io.confluent.connect.avro.field.doc.f":"e"},"connect.name":"R"}"#
    );
}

#[test]
fn a_name_that_avro_refuses_is_an_error_or_scrubbed() {
    let schema = Schema::structure([("a-b", Schema::text())])
        .name("my-app.t")
        .build();
    let error = compile(&schema, &writer_options()).err().unwrap();
    assert!(
        error.reason.contains("a-b") && error.reason.contains("field.name.adjustment.mode"),
        "{error}"
    );
    assert_eq!(
        text_with(&schema, |options| options.scrub_names = true),
        r#"{"type":"record","name":"t","namespace":"my_app","fields":[{"name":"a_b","type":"string"}],"connect.name":"my-app.t"}"#
    );
}

/// AV-033: a null that the source knows stays null; a value that is absent reads as the default.
#[test]
fn null_absent_and_default_are_three_things() {
    let schema = Schema::structure([
        (
            "a",
            Schema::of(Kind::Int32)
                .optional()
                .default(Value::Int32(5))
                .build(),
        ),
        ("b", Schema::optional_text()),
        ("c", Schema::of(Kind::Int32).default(Value::Int32(7)).build()),
    ])
    .name("R")
    .build();
    let encode = |absent_is_null, a: Value, b: Value, c: Value| {
        let options = Options {
            absent_is_null,
            ..writer_options()
        };
        let plan = compile(&schema, &options).unwrap().plan;
        let mut out = Vec::new();
        plan.encode(&Value::Struct(Struct::new(schema.clone(), [a, b, c])), &mut out)
            .map(|()| out)
    };
    let (null, absent) = (|| Value::Null, || Value::Absent);
    assert_eq!(encode(false, null(), null(), Value::Int32(1)).unwrap(), [2, 0, 2]);
    assert_eq!(
        encode(false, absent(), absent(), absent()).unwrap(),
        [0, 10, 0, 14]
    );
    assert_eq!(encode(true, absent(), absent(), absent()).unwrap(), [2, 0, 14]);
    assert_eq!(
        encode(false, Value::Int32(1), Value::from("x"), null()).unwrap(),
        [0, 2, 2, 2, b'x', 14]
    );
    let error = encode(false, Value::from("x"), null(), null()).unwrap_err();
    assert_eq!(error.to_string(), "a: expected int32, found string");
}

/// AV-034, and the sign-extended fixed.
#[test]
fn a_decimal_keeps_to_its_precision_and_a_fixed_to_its_size() {
    let decimal = |fixed: Option<&str>| {
        let builder = Schema::of(Kind::Bytes)
            .name("org.apache.kafka.connect.data.Decimal")
            .version(1)
            .parameter("scale", "2")
            .parameter("connect.decimal.precision", "3");
        match fixed {
            Some(size) => builder.parameter("connect.fixed.size", size).build(),
            None => builder.build(),
        }
    };
    let encode = |schema: &Arc<Schema>, bytes: &[u8]| {
        let mut out = Vec::new();
        let value = Value::Bytes(Blob::copy(bytes));
        compiled(schema).plan.encode(&value, &mut out).map(|()| out)
    };
    // AV-003: no length in front at the top.
    assert_eq!(encode(&decimal(None), &[3, 0xe7]).unwrap(), [3, 0xe7]);
    assert!(encode(&decimal(None), &[3, 0xe8]).is_err());
    assert_eq!(
        encode(&decimal(Some("4")), &[0xfe]).unwrap(),
        [0xff, 0xff, 0xff, 0xfe]
    );
    assert!(encode(&decimal(Some("1")), &[3, 0xe7]).is_err());
    assert_eq!(encode(&of(Kind::Bytes), b"raw").unwrap(), b"raw");
}

#[test]
fn a_struct_of_another_schema_and_endless_nesting_are_record_errors() {
    let node = Schema::structure([(
        "next",
        Schema::of(Kind::Enclosing("Node".into())).optional().build(),
    )])
    .name("Node")
    .build();
    let mut value = Value::Null;
    for _ in 0..100 {
        value = Value::Struct(Struct::new(node.clone(), [value]));
    }
    let plan = compiled(&node).plan;
    assert!(
        plan.encode(&value, &mut Vec::new())
            .unwrap_err()
            .reason
            .contains("max.depth")
    );
    let other = Struct::new(
        Schema::structure([("x", Schema::text())]).build(),
        [Value::from("x")],
    );
    assert!(plan.encode(&Value::Struct(other), &mut Vec::new()).is_err());
    // The optional variant of the same struct is the same struct.
    let variant = Struct::new(node.rebuild().optional().build(), [Value::Null]);
    assert!(plan.encode(&Value::Struct(variant), &mut Vec::new()).is_ok());
}
