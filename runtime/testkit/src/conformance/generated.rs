//! Random schemas, and random data that fits them.

use std::sync::Arc;

use proptest::prelude::*;
use rowtide_api::data::{Blob, Field, Kind, Schema, Struct};
use rowtide_api::{Datum, Value};

const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";

fn plain(kind: Kind) -> Arc<Schema> {
    Schema::of(kind).build()
}

fn named(kind: Kind, name: &str) -> Arc<Schema> {
    Schema::of(kind).name(name).version(1).build()
}

/// Every scalar type, Connect's logical types, and Debezium's of each physical kind.
fn scalar() -> impl Strategy<Value = Arc<Schema>> {
    let decimal = Schema::of(Kind::Bytes)
        .name(DECIMAL)
        .version(1)
        .parameter("scale", "2")
        .build();
    let parameters = Schema::of(Kind::Int64)
        .name("io.debezium.time.MicroTimestamp")
        .version(1)
        .parameter("p", "q")
        .build();
    proptest::sample::select(vec![
        plain(Kind::Bool),
        plain(Kind::Int8),
        plain(Kind::Int16),
        plain(Kind::Int32),
        plain(Kind::Int64),
        plain(Kind::Float32),
        plain(Kind::Float64),
        Schema::text(),
        plain(Kind::Bytes),
        decimal,
        parameters,
        named(Kind::Int32, "org.apache.kafka.connect.data.Date"),
        named(Kind::Int32, "org.apache.kafka.connect.data.Time"),
        named(Kind::Int64, "org.apache.kafka.connect.data.Timestamp"),
        named(Kind::Int32, "io.debezium.time.Date"),
        named(Kind::Text, "io.debezium.data.Uuid"),
        named(Kind::Text, "io.debezium.data.Json"),
    ])
}

/// Schemas up to four deep. No two structs share a name.
pub fn schema() -> impl Strategy<Value = Arc<Schema>> {
    let nullable = |inner: BoxedStrategy<Arc<Schema>>| {
        (inner, any::<bool>()).prop_map(|(schema, optional)| schema.rebuild().nullable(optional).build())
    };
    nullable(scalar().boxed())
        .prop_recursive(4, 24, 4, move |inner| {
            let fields = proptest::collection::vec(inner.clone(), 0..4).prop_map(|fields| {
                let fields = fields.into_iter().enumerate();
                Schema::structure(fields.map(|(index, field)| (format!("f{index}"), field))).build()
            });
            let array = inner.clone().prop_map(|item| plain(Kind::Array(item)));
            let map = inner.prop_map(|value| plain(Kind::Map(Schema::text(), value)));
            nullable(prop_oneof![array, map, fields].boxed())
        })
        .prop_map(|schema| renamed(&schema, &mut 0))
}

/// The same schema with a name of its own for every struct, with and without a name space, some inside another's.
fn renamed(schema: &Arc<Schema>, count: &mut u32) -> Arc<Schema> {
    let kind = match &schema.kind {
        Kind::Array(item) => Kind::Array(renamed(item, count)),
        Kind::Map(key, value) => Kind::Map(key.clone(), renamed(value, count)),
        Kind::Struct(fields) => {
            *count += 1;
            let name = match *count % 3 {
                0 => format!("R{count}"),
                1 => format!("a.b.R{count}"),
                _ => format!("a.R{count}"),
            };
            let fields = fields.iter().map(|field| Field {
                name: field.name.clone(),
                schema: renamed(&field.schema, count),
            });
            let builder = Schema::of(Kind::Struct(fields.collect()));
            return builder.name(name).version(1).nullable(schema.optional).build();
        }
        _ => return schema.clone(),
    };
    Schema::of(kind).nullable(schema.optional).build()
}

/// Values of a schema; nulls where it allows them. Numbers are finite, and decimals have a digit.
pub fn value(schema: &Arc<Schema>) -> BoxedStrategy<Value> {
    let present = match &schema.kind {
        Kind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Kind::Int8 => any::<i8>().prop_map(Value::Int8).boxed(),
        Kind::Int16 => any::<i16>().prop_map(Value::Int16).boxed(),
        Kind::Int32 => any::<i32>().prop_map(Value::Int32).boxed(),
        Kind::Int64 => any::<i64>().prop_map(Value::Int64).boxed(),
        Kind::Float32 => any::<f32>().prop_map(Value::Float32).boxed(),
        Kind::Float64 => any::<f64>().prop_map(Value::Float64).boxed(),
        Kind::Text => any::<String>().prop_map(Value::from).boxed(),
        Kind::Bytes => {
            let bytes = proptest::collection::vec(any::<u8>(), 1..26);
            bytes.prop_map(|bytes| Value::Bytes(Blob::from(bytes))).boxed()
        }
        Kind::Array(item) => {
            let items = proptest::collection::vec(value(item), 0..3);
            items.prop_map(|items| Value::Array(items.into())).boxed()
        }
        Kind::Map(_, item) => {
            let pairs = proptest::collection::btree_map("[a-z]{0,30}", value(item), 0..3);
            pairs.prop_map(map_of).boxed()
        }
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

fn map_of(pairs: std::collections::BTreeMap<String, Value>) -> Value {
    Value::Map(
        pairs
            .into_iter()
            .map(|(key, value)| (Value::from(key), value))
            .collect(),
    )
}

/// Data under random schemas.
pub fn data() -> BoxedStrategy<Datum> {
    let pairs = schema().prop_flat_map(|schema| (Just(schema.clone()), value(&schema)));
    pairs
        .prop_map(|(schema, value)| Datum::new(schema, value))
        .boxed()
}

/// Values without schema, as JSON has them: whole numbers of 64 bits, fractions, texts, lists and maps of these.
pub fn schemaless() -> BoxedStrategy<Datum> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int64),
        any::<f64>().prop_map(Value::Float64),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let items = proptest::collection::vec(inner.clone(), 0..4);
        let pairs = proptest::collection::btree_map("[a-z]{0,30}", inner, 0..4);
        prop_oneof![
            items.prop_map(|items| Value::Array(items.into())),
            pairs.prop_map(map_of)
        ]
    })
    .prop_map(Datum::schemaless)
    .boxed()
}
