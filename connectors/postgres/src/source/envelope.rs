//! Sans-I/O: the fixed parts of Debezium's envelope (PG-061, PG-065, PG-068).

use std::sync::{Arc, LazyLock};

use rowtide_api::{Kind, Schema, Value};

/// PG-068: the compatibility pin; consumers parse it.
pub const VERSION: &str = "3.6.1.Final";
/// `source.connector`, and the name of the connector in headers.
pub const CONNECTOR: &str = "postgresql";

/// Places of the envelope's fields.
pub const BEFORE: usize = 0;
/// See [`BEFORE`].
pub const AFTER: usize = 1;
/// See [`BEFORE`].
pub const SOURCE: usize = 2;

/// Places of the source block's fields that are set late.
pub const SOURCE_SNAPSHOT: usize = 4;
/// See [`SOURCE_SNAPSHOT`].
pub const SOURCE_SEQUENCE: usize = 6;

fn required(kind: Kind) -> Arc<Schema> {
    Schema::of(kind).build()
}

fn optional(kind: Kind) -> Arc<Schema> {
    Schema::of(kind).optional().build()
}

/// The source block's schema, one instance for all.
pub fn source_schema() -> Arc<Schema> {
    static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| {
        let snapshot = Schema::of(Kind::Text)
            .optional()
            .name("io.debezium.data.Enum")
            .version(1)
            .parameter(
                "allowed",
                "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental",
            )
            .default(Value::from("false"))
            .build();
        Schema::structure([
            ("version", Schema::text()),
            ("connector", Schema::text()),
            ("name", Schema::text()),
            ("ts_ms", required(Kind::Int64)),
            ("snapshot", snapshot),
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
    });
    SCHEMA.clone()
}

fn block_schema() -> Arc<Schema> {
    static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| {
        Schema::structure([
            ("id", Schema::text()),
            ("total_order", required(Kind::Int64)),
            ("data_collection_order", required(Kind::Int64)),
        ])
        .optional()
        .name("event.block")
        .version(1)
        .build()
    });
    SCHEMA.clone()
}

/// The envelope of rows with this schema, which is optional and shared by `before` and `after` (PG-066).
pub fn schema(name: &str, row: &Arc<Schema>) -> Arc<Schema> {
    Schema::structure([
        ("before", row.clone()),
        ("after", row.clone()),
        ("source", source_schema()),
        ("transaction", block_schema()),
        ("op", Schema::text()),
        ("ts_ms", optional(Kind::Int64)),
        ("ts_us", optional(Kind::Int64)),
        ("ts_ns", optional(Kind::Int64)),
    ])
    .name(name)
    .version(2)
    .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PG-065, PG-068: order and optionality are exact.
    #[test]
    fn fields_have_their_places() {
        let row = Schema::structure([("id", required(Kind::Int32))])
            .optional()
            .name("p.s.t.Value")
            .build();
        let envelope = schema("p.s.t.Envelope", &row);
        let names: Vec<_> = envelope.fields().iter().map(|field| &*field.name).collect();
        assert_eq!(
            names,
            [
                "before",
                "after",
                "source",
                "transaction",
                "op",
                "ts_ms",
                "ts_us",
                "ts_ns"
            ]
        );
        assert_eq!((envelope.version, envelope.optional), (Some(2), false));
        let source = source_schema();
        let shown: Vec<_> = source
            .fields()
            .iter()
            .map(|field| format!("{}{}", field.name, if field.schema.optional { "?" } else { "" }))
            .collect();
        assert_eq!(
            shown.join(" "),
            "version connector name ts_ms snapshot? db sequence? ts_us? ts_ns? schema table txId? lsn? xmin? origin? \
             origin_lsn?"
        );
        assert_eq!(source.field_index("snapshot"), Some(SOURCE_SNAPSHOT));
        assert_eq!(source.field_index("sequence"), Some(SOURCE_SEQUENCE));
        assert_eq!(envelope.field_index("source"), Some(SOURCE));
    }
}
