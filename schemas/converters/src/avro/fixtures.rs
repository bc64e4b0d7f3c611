//! What the tests of this folder share: a Debezium envelope, and settings as a configuration without keys gives them.

use std::sync::Arc;

use rowtide_api::data::{Kind, Schema};
use rowtide_api::{Struct, Value};

use super::{reader, writer};

pub(crate) fn writer_options() -> writer::Options {
    writer::Options {
        connect_meta_data: true,
        scrub_names: false,
        optional_map_keys: false,
        absent_is_null: false,
        depth_max: 64,
    }
}

pub(crate) fn reader_options() -> reader::Options {
    reader::Options {
        connect_meta_data: true,
        extended_logical_types: false,
    }
}

fn optional(kind: Kind) -> Arc<Schema> {
    Schema::of(kind).optional().build()
}

fn required(kind: Kind) -> Arc<Schema> {
    Schema::of(kind).build()
}

/// The row of `public.t`: a serial, text, a decimal, a date, a timestamp with zone, a small integer with a default.
pub(crate) fn row() -> Arc<Schema> {
    let decimal = Schema::of(Kind::Bytes)
        .name("org.apache.kafka.connect.data.Decimal")
        .version(1)
        .parameter("scale", "2")
        .parameter("connect.decimal.precision", "5")
        .optional();
    Schema::structure([
        ("id", Schema::of(Kind::Int32).default(Value::Int32(0)).build()),
        ("name", Schema::optional_text()),
        ("amt", decimal.build()),
        (
            "born",
            Schema::of(Kind::Int32)
                .name("io.debezium.time.Date")
                .version(1)
                .optional()
                .build(),
        ),
        (
            "at",
            Schema::of(Kind::Text)
                .name("io.debezium.time.ZonedTimestamp")
                .version(1)
                .build(),
        ),
        (
            "level",
            Schema::of(Kind::Int16)
                .optional()
                .default(Value::Int16(3))
                .build(),
        ),
    ])
    .name("p.public.t.Value")
    .optional()
    .build()
}

pub(crate) fn key() -> Arc<Schema> {
    Schema::structure([("id", Schema::of(Kind::Int32).default(Value::Int32(0)).build())])
        .name("p.public.t.Key")
        .build()
}

pub(crate) fn source() -> Arc<Schema> {
    let snapshot = Schema::of(Kind::Text)
        .name("io.debezium.data.Enum")
        .version(1)
        .parameter(
            "allowed",
            "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental",
        )
        .default(Value::from("false"))
        .optional();
    Schema::structure([
        ("version", Schema::text()),
        ("connector", Schema::text()),
        ("name", Schema::text()),
        ("ts_ms", required(Kind::Int64)),
        ("snapshot", snapshot.build()),
        ("db", Schema::text()),
        ("sequence", Schema::optional_text()),
        ("ts_us", optional(Kind::Int64)),
        ("ts_ns", optional(Kind::Int64)),
        ("schema", Schema::text()),
        ("table", Schema::text()),
        ("txId", optional(Kind::Int64)),
        ("lsn", optional(Kind::Int64)),
        ("xmin", optional(Kind::Int64)),
        ("origin", Schema::optional_text()),
        ("origin_lsn", optional(Kind::Int64)),
    ])
    .name("io.debezium.connector.postgresql.Source")
    .version(1)
    .build()
}

/// PG-065.
pub(crate) fn envelope(row: &Arc<Schema>) -> Arc<Schema> {
    let transaction = Schema::structure([
        ("id", Schema::text()),
        ("total_order", required(Kind::Int64)),
        ("data_collection_order", required(Kind::Int64)),
    ])
    .name("event.block")
    .version(1)
    .optional();
    Schema::structure([
        ("before", row.clone()),
        ("after", row.clone()),
        ("source", source()),
        ("transaction", transaction.build()),
        ("op", Schema::text()),
        ("ts_ms", optional(Kind::Int64)),
        ("ts_us", optional(Kind::Int64)),
        ("ts_ns", optional(Kind::Int64)),
    ])
    .name("p.public.t.Envelope")
    .version(2)
    .build()
}

/// A change of a row, in streaming: `snapshot` is never set.
pub(crate) fn change(envelope: &Arc<Schema>, after: Struct) -> Struct {
    let source = Struct::new(
        envelope.fields()[2].schema.clone(),
        [
            Value::from("3.6.1.Final"),
            Value::from("postgresql"),
            Value::from("p"),
            Value::Int64(1_700_000_000_123),
            Value::Absent,
            Value::from("app"),
            Value::from("[\"24023000\",\"24023128\"]"),
            Value::Int64(1_700_000_000_123_456),
            Value::Int64(1_700_000_000_123_456_000),
            Value::from("public"),
            Value::from("t"),
            Value::Int64(555),
            Value::Int64(24_023_128),
            Value::Null,
            Value::Null,
            Value::Null,
        ],
    );
    Struct::new(
        envelope.clone(),
        [
            Value::Null,
            Value::Struct(after),
            Value::Struct(source),
            Value::Null,
            Value::from("c"),
            Value::Int64(1_700_000_000_400),
            Value::Int64(1_700_000_000_400_111),
            Value::Int64(1_700_000_000_400_111_222),
        ],
    )
}
