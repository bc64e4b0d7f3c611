//! AV-142, AV-161: an independent Avro implementation reads what the plans write, and the plans read what it writes.

use std::sync::Arc;

use apache_avro::types::Value as Avro;
use proptest::prelude::*;
use rowtide_api::data::{Blob, Kind, Schema, Struct};
use rowtide_api::{Field, Value};

use super::fixtures::{reader_options, writer_options};
use super::{reader, writer};

const BOUNDS: reader::Bounds = reader::Bounds {
    depth_max: 64,
    trailing_bytes: false,
};
const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";

fn primitive() -> impl Strategy<Value = Arc<Schema>> {
    let decimal = Schema::of(Kind::Bytes)
        .name(DECIMAL)
        .version(1)
        .parameter("scale", "2");
    let of = |kind| Schema::of(kind).build();
    prop_oneof![
        Just(of(Kind::Bool)),
        Just(of(Kind::Int8)),
        Just(of(Kind::Int16)),
        Just(of(Kind::Int32)),
        Just(of(Kind::Int64)),
        Just(of(Kind::Float32)),
        Just(of(Kind::Float64)),
        Just(Schema::text()),
        Just(of(Kind::Bytes)),
        Just(decimal.build()),
        Just(
            Schema::of(Kind::Int32)
                .name("org.apache.kafka.connect.data.Date")
                .version(1)
                .build()
        ),
        Just(
            Schema::of(Kind::Int64)
                .name("io.debezium.time.MicroTimestamp")
                .version(1)
                .parameter("p", "q")
                .build()
        ),
    ]
}

/// Random schemas. Structs get their names from a counter in [`renamed`], so that no two share one.
fn schema() -> impl Strategy<Value = Arc<Schema>> {
    let optional = |inner: BoxedStrategy<Arc<Schema>>| {
        (inner, any::<bool>()).prop_map(|(schema, optional)| schema.rebuild().nullable(optional).build())
    };
    optional(primitive().boxed())
        .prop_recursive(4, 24, 4, move |inner| {
            optional(
                prop_oneof![
                    inner
                        .clone()
                        .prop_map(|item| Schema::of(Kind::Array(item)).build()),
                    inner
                        .clone()
                        .prop_map(|value| Schema::of(Kind::Map(Schema::text(), value)).build()),
                    proptest::collection::vec(inner, 0..4).prop_map(|fields| {
                        let named = fields
                            .into_iter()
                            .enumerate()
                            .map(|(index, field)| (format!("f{index}"), field));
                        Schema::structure(named).build()
                    }),
                ]
                .boxed(),
            )
        })
        .prop_map(|schema| renamed(&schema, &mut 0))
}

fn renamed(schema: &Arc<Schema>, count: &mut u32) -> Arc<Schema> {
    match &schema.kind {
        Kind::Array(item) => Schema::of(Kind::Array(renamed(item, count)))
            .nullable(schema.optional)
            .build(),
        Kind::Map(key, value) => Schema::of(Kind::Map(key.clone(), renamed(value, count)))
            .nullable(schema.optional)
            .build(),
        Kind::Struct(fields) => {
            *count += 1;
            // Names with and without a space, some inside another's.
            let name = match *count % 3 {
                0 => format!("R{count}"),
                1 => format!("a.b.R{count}"),
                _ => format!("a.R{count}"),
            };
            let fields = fields.iter().map(|field| Field {
                name: field.name.clone(),
                schema: renamed(&field.schema, count),
            });
            Schema::of(Kind::Struct(fields.collect()))
                .name(name)
                .version(1)
                .nullable(schema.optional)
                .build()
        }
        _ => schema.clone(),
    }
}

fn value(schema: &Arc<Schema>) -> BoxedStrategy<Value> {
    let present = match &schema.kind {
        Kind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Kind::Int8 => any::<i8>().prop_map(Value::Int8).boxed(),
        Kind::Int16 => any::<i16>().prop_map(Value::Int16).boxed(),
        Kind::Int32 => any::<i32>().prop_map(Value::Int32).boxed(),
        Kind::Int64 => any::<i64>().prop_map(Value::Int64).boxed(),
        Kind::Float32 => any::<f32>().prop_map(Value::Float32).boxed(),
        Kind::Float64 => any::<f64>().prop_map(Value::Float64).boxed(),
        Kind::Text => any::<String>().prop_map(Value::from).boxed(),
        Kind::Bytes => proptest::collection::vec(any::<u8>(), 1..26)
            .prop_map(|bytes| Value::Bytes(Blob::from(bytes)))
            .boxed(),
        Kind::Array(item) => proptest::collection::vec(value(item), 0..3)
            .prop_map(|items| Value::Array(items.into()))
            .boxed(),
        Kind::Map(_, item) => proptest::collection::btree_map("[a-z]{0,30}", value(item), 0..3)
            .prop_map(|pairs| {
                Value::Map(
                    pairs
                        .into_iter()
                        .map(|(key, value)| (Value::from(key), value))
                        .collect(),
                )
            })
            .boxed(),
        Kind::Struct(fields) => {
            let schema = schema.clone();
            let fields: Vec<_> = fields.iter().map(|field| value(&field.schema)).collect();
            fields
                .prop_map(move |values| Value::Struct(Struct::new(schema.clone(), values)))
                .boxed()
        }
        Kind::Enclosing(_) => Just(Value::Null).boxed(),
    };
    if schema.optional {
        prop_oneof![1 => Just(Value::Null), 4 => present].boxed()
    } else {
        present
    }
}

/// What the other implementation should hold for a value.
fn expected(schema: &Schema, value: &Value) -> Avro {
    let present = match (value, &schema.kind) {
        (Value::Null | Value::Absent, _) => return Avro::Union(0, Box::new(Avro::Null)),
        (Value::Bool(value), _) => Avro::Boolean(*value),
        (Value::Int8(_) | Value::Int16(_) | Value::Int32(_), _) => {
            let number = value.as_int().unwrap() as i32;
            if schema.name.as_deref() == Some("org.apache.kafka.connect.data.Date") {
                Avro::Date(number)
            } else {
                Avro::Int(number)
            }
        }
        (Value::Int64(number), _) => Avro::Long(*number),
        (Value::Float32(number), _) => Avro::Float(*number),
        (Value::Float64(number), _) => Avro::Double(*number),
        (Value::Text(text), _) => Avro::String(text.as_str().to_owned()),
        (Value::Bytes(bytes), _) if schema.name.as_deref() == Some(DECIMAL) => {
            Avro::Decimal(bytes.to_vec().into())
        }
        (Value::Bytes(bytes), _) => Avro::Bytes(bytes.to_vec()),
        (Value::Array(items), Kind::Array(item)) => {
            Avro::Array(items.iter().map(|value| expected(item, value)).collect())
        }
        (Value::Map(pairs), Kind::Map(_, item)) => Avro::Map(
            pairs
                .iter()
                .map(|(key, value)| (key.as_str().unwrap().to_owned(), expected(item, value)))
                .collect(),
        ),
        (Value::Struct(value), _) => Avro::Record(
            value
                .schema
                .fields()
                .iter()
                .zip(&value.fields)
                .map(|(field, value)| (field.name.to_string(), expected(&field.schema, value)))
                .collect(),
        ),
        other => panic!("{other:?}"),
    };
    if schema.optional {
        Avro::Union(1, Box::new(present))
    } else {
        present
    }
}

/// Top-level bytes have no length in our format, so they have no common form.
fn is_raw(schema: &Schema) -> bool {
    schema.kind == Kind::Bytes && !schema.optional
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_the_plans_write_both_readers_read(
        (schema, value) in schema().prop_flat_map(|schema| (Just(schema.clone()), value(&schema)))
    ) {
        let written = writer::compile(&schema, &writer_options()).unwrap();
        let mut bytes = Vec::new();
        written.plan.encode(&value, &mut bytes).unwrap();
        prop_assert_eq!(&rowtide_registry::avro::canonical_text(&written.text).unwrap(), &written.text);

        let parsed = rowtide_registry::avro::Schema::parse(&written.text, &[]).unwrap();
        let read = reader::compile(&parsed, &reader_options()).unwrap();
        prop_assert_eq!(&read.schema, &schema);
        prop_assert_eq!(&read.plan.decode(&Blob::copy(&bytes), 0, BOUNDS).unwrap(), &value);

        if !is_raw(&schema) {
            let other = apache_avro::Schema::parse_str(&written.text).unwrap();
            #[allow(deprecated, reason = "one value is all this reads")]
            let theirs = apache_avro::from_avro_datum(&other, &mut bytes.as_slice(), None).unwrap();
            prop_assert_eq!(&theirs, &expected(&schema, &value));
            #[allow(deprecated, reason = "one value is all this writes")]
            let theirs = apache_avro::to_avro_datum(&other, theirs).unwrap();
            prop_assert_eq!(read.plan.decode(&Blob::from(theirs), 0, BOUNDS).map(sorted), Ok(sorted(value)));
        }
    }

    /// AV-050, AV-165: any bytes give a value or an error, never a panic.
    #[test]
    fn random_bytes_never_panic(schema in schema(), bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let text = writer::compile(&schema, &writer_options()).unwrap().text;
        let parsed = rowtide_registry::avro::Schema::parse(&text, &[]).unwrap();
        let plan = reader::compile(&parsed, &reader_options()).unwrap().plan;
        let _ = plan.decode(&Blob::from(bytes), 0, BOUNDS);
    }

    /// AV-165: one changed byte of a good body.
    #[test]
    fn damaged_bodies_never_panic(
        (schema, value) in schema().prop_flat_map(|schema| (Just(schema.clone()), value(&schema))),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let written = writer::compile(&schema, &writer_options()).unwrap();
        let mut bytes = Vec::new();
        written.plan.encode(&value, &mut bytes).unwrap();
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let parsed = rowtide_registry::avro::Schema::parse(&written.text, &[]).unwrap();
        let plan = reader::compile(&parsed, &reader_options()).unwrap().plan;
        let _ = plan.decode(&Blob::from(bytes), 0, BOUNDS);
    }
}

/// Maps of the other implementation have no order.
fn sorted(value: Value) -> Value {
    match value {
        Value::Map(pairs) => {
            let mut pairs: Vec<_> = pairs
                .into_iter()
                .map(|(key, value)| (key, sorted(value)))
                .collect();
            pairs.sort_by(|one, two| one.0.as_str().cmp(&two.0.as_str()));
            Value::Map(pairs.into())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Struct(inner) => {
            let fields: Vec<_> = inner.fields.into_iter().map(sorted).collect();
            Value::Struct(Struct::new(inner.schema, fields))
        }
        plain => plain,
    }
}
