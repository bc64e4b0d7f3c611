//! Sans-I/O: the statements, from a table's shape and a record's.
//!
//! Every parameter is one array of texts per column: the statement is the same for any number of rows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use rowtide_api::data::Logical;
use rowtide_api::{Error, Kind, Schema};

use super::config::Target;
use super::plan::Shape;
use crate::identifier::quoted;

/// A table of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub target: Target,
    /// By column the type that texts are cast to: quoted, without length or precision, so that assignment applies those and
    /// refuses what does not fit (an explicit cast would cut it).
    pub columns: BTreeMap<String, String>,
    /// The column sets of its unique keys.
    pub unique: Vec<BTreeSet<String>>,
}

impl Table {
    /// Whether records of this shape can be upserted.
    ///
    /// # Errors
    /// Fatal: a column is missing, or the key is not unique.
    pub fn expect(&self, shape: &Shape) -> Result<(), Error> {
        let missing: Vec<_> = shape
            .columns
            .iter()
            .map(|(name, _)| &**name)
            .filter(|name| !self.columns.contains_key(*name))
            .collect();
        if !missing.is_empty() {
            return Err(Error::fatal(format!(
                "the table {} has no column {}",
                self.target,
                missing.join(", ")
            ))
            .hint(
                "add it to the table and restart the task, or drop the field with a transform; schema.evolution=basic \
                 creates missing tables, not columns",
            ));
        }
        let key: BTreeSet<String> = shape.key().map(|name| name.to_string()).collect();
        if self.unique.contains(&key) {
            return Ok(());
        }
        let named: Vec<_> = key.iter().map(String::as_str).collect();
        Err(Error::fatal(format!(
            "the table {} has no primary key or unique index on ({})",
            self.target,
            named.join(", ")
        ))
        .hint("create one, or set primary.key.fields to the fields of its primary key"))
    }

    fn cast(&self, column: &str) -> &str {
        // Invariant: `expect` has found every column of the shape.
        self.columns
            .get(column)
            .map_or("\"pg_catalog\".\"text\"", String::as_str)
    }
}

/// `INSERT … ON CONFLICT … DO UPDATE` for any number of rows of this shape.
pub fn upsert(table: &Table, shape: &Shape) -> String {
    let mut names = Vec::new();
    let mut casts = Vec::new();
    for (index, (name, _)) in shape.columns.iter().enumerate() {
        names.push(quoted(name));
        casts.push(format!("u.c{index}::{}", table.cast(name)));
    }
    let key: Vec<_> = shape.key().map(|name| quoted(name)).collect();
    let updates: Vec<_> = shape
        .columns
        .iter()
        .skip(shape.key_len)
        .map(|(name, _)| format!("{0} = EXCLUDED.{0}", quoted(name)))
        .collect();
    let action = if updates.is_empty() {
        "NOTHING".to_owned()
    } else {
        format!("UPDATE SET {}", updates.join(", "))
    };
    format!(
        "INSERT INTO {} ({}) SELECT {} FROM {} ON CONFLICT ({}) DO {action}",
        table.target.quoted(),
        names.join(", "),
        casts.join(", "),
        rows(shape.columns.len()),
        key.join(", ")
    )
}

/// `DELETE` of any number of keys of this shape.
pub fn delete(table: &Table, shape: &Shape) -> String {
    format!(
        "DELETE FROM {} AS t USING {} WHERE {}",
        table.target.quoted(),
        rows(shape.key_len),
        by_key(table, shape)
    )
}

/// How many of any number of keys of this shape are there.
pub fn present(table: &Table, shape: &Shape) -> String {
    format!(
        "SELECT count(*) FROM {} AS t, {} WHERE {}",
        table.target.quoted(),
        rows(shape.key_len),
        by_key(table, shape)
    )
}

fn by_key(table: &Table, shape: &Shape) -> String {
    let conditions: Vec<_> = shape
        .key()
        .enumerate()
        .map(|(index, name)| format!("t.{} = u.c{index}::{}", quoted(name), table.cast(name)))
        .collect();
    conditions.join(" AND ")
}

/// `unnest($1::text[], …) AS u(c0, …)`.
fn rows(columns: usize) -> String {
    let (mut arrays, mut names) = (String::new(), String::new());
    for index in 0..columns {
        let comma = if index == 0 { "" } else { ", " };
        // Writing to a String does not fail.
        let _ = write!(arrays, "{comma}${}::text[]", index + 1);
        let _ = write!(names, "{comma}c{index}");
    }
    format!("unnest({arrays}) AS u({names})")
}

/// `CREATE TABLE` for records of this shape.
pub fn create(target: &Target, shape: &Shape) -> String {
    let mut parts: Vec<_> = shape
        .columns
        .iter()
        .enumerate()
        .map(|(index, (name, schema))| {
            let required = if index < shape.key_len || !schema.optional {
                " NOT NULL"
            } else {
                ""
            };
            format!("{} {}{required}", quoted(name), column_type(schema))
        })
        .collect();
    // What this record does not have another one will.
    let lacking = shape.lacks.iter();
    parts.extend(lacking.map(|(name, schema)| format!("{} {}", quoted(name), column_type(schema))));
    let key: Vec<_> = shape.key().map(|name: &Arc<str>| quoted(name)).collect();
    parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
    format!(
        "CREATE TABLE IF NOT EXISTS {} ({})",
        target.quoted(),
        parts.join(", ")
    )
}

/// The type of a new column. Types without a length: the source's own limits are not ours to guess.
fn column_type(schema: &Schema) -> &'static str {
    if let Some(logical) = schema.logical() {
        return match logical {
            Logical::Decimal { .. } | Logical::VariableScaleDecimal => "numeric",
            Logical::Date => "date",
            Logical::TimeMillis | Logical::TimeMicros | Logical::TimeNanos => "time",
            Logical::TimestampMillis | Logical::TimestampMicros | Logical::TimestampNanos => "timestamp",
            Logical::ZonedTimestamp => "timestamptz",
            Logical::ZonedTime => "timetz",
            Logical::DurationMicros => "interval",
            Logical::Uuid => "uuid",
            Logical::Json => "json",
        };
    }
    match schema.kind {
        Kind::Bool => "boolean",
        Kind::Int8 | Kind::Int16 => "smallint",
        Kind::Int32 => "integer",
        Kind::Int64 => "bigint",
        Kind::Float32 => "real",
        Kind::Float64 => "double precision",
        Kind::Bytes => "bytea",
        // A shape holds flat columns only.
        Kind::Text | Kind::Array(_) | Kind::Map(..) | Kind::Struct(_) | Kind::Enclosing(_) => "text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::config::SinkConfig;
    use crate::sink::plan::Planner;
    use rowtide_api::sink::{RecordId, SinkRecord};
    use rowtide_api::{ConfigReport, Datum, Headers, Properties, Record, Struct, Value};

    fn target() -> Target {
        let properties = Properties::from_iter([
            ("connection.url", "postgresql://h/d"),
            ("connection.username", "u"),
            ("collection.name.format", "app.${topic}"),
        ]);
        let config: SinkConfig = ConfigReport::read(&properties).0.unwrap();
        config.collection.of("us\"ers").unwrap()
    }

    fn table(columns: &[(&str, &str)], unique: &[&str]) -> Table {
        Table {
            target: target(),
            columns: columns
                .iter()
                .map(|(name, cast)| ((*name).to_owned(), (*cast).to_owned()))
                .collect(),
            unique: vec![unique.iter().map(|name| (*name).to_owned()).collect()],
        }
    }

    fn shape(value: &[(&'static str, Arc<Schema>)]) -> Arc<Shape> {
        let key = Schema::structure([("id", Schema::text())]).build();
        let value_schema = Schema::structure(value.iter().cloned()).build();
        let nulls: Vec<_> = value.iter().map(|_| Value::Null).collect();
        let records = [SinkRecord {
            record: Record {
                topic: "t".into(),
                partition: None,
                timestamp_ms: None,
                key: Datum::of(Struct::new(key, [Value::from("k")])),
                value: Datum::of(Struct::new(value_schema, nulls)),
                headers: Headers::default(),
            },
            id: RecordId::new(0),
        }];
        Planner::new(Vec::new(), true).plan(&records).ops[0].shape.clone()
    }

    #[test]
    fn one_statement_serves_any_number_of_rows() {
        let table = table(&[("id", "\"pg_catalog\".\"uuid\""), ("na\"me", "T")], &["id"]);
        let shape = shape(&[("id", Schema::text()), ("na\"me", Schema::optional_text())]);
        assert!(table.expect(&shape).is_ok());
        assert_eq!(
            upsert(&table, &shape),
            "INSERT INTO \"app\".\"us\"\"ers\" (\"id\", \"na\"\"me\") SELECT u.c0::\"pg_catalog\".\"uuid\", u.c1::T \
             FROM unnest($1::text[], $2::text[]) AS u(c0, c1) ON CONFLICT (\"id\") DO UPDATE SET \"na\"\"me\" = \
             EXCLUDED.\"na\"\"me\""
        );
        assert_eq!(
            delete(&table, &shape),
            "DELETE FROM \"app\".\"us\"\"ers\" AS t USING unnest($1::text[]) AS u(c0) WHERE t.\"id\" = \
             u.c0::\"pg_catalog\".\"uuid\""
        );
        assert_eq!(
            present(&table, &shape),
            "SELECT count(*) FROM \"app\".\"us\"\"ers\" AS t, unnest($1::text[]) AS u(c0) WHERE t.\"id\" = \
             u.c0::\"pg_catalog\".\"uuid\""
        );
    }

    #[test]
    fn a_row_of_nothing_but_its_key_leaves_an_existing_one_alone() {
        let table = table(&[("id", "T")], &["id"]);
        assert!(upsert(&table, &shape(&[])).ends_with("ON CONFLICT (\"id\") DO NOTHING"));
    }

    #[test]
    fn a_missing_column_and_a_key_that_is_not_unique_are_named() {
        let shape = shape(&[("name", Schema::text())]);
        let error = table(&[("id", "T")], &["id"]).expect(&shape).unwrap_err();
        assert!(error.to_string().contains("no column name"), "{error}");
        let error = table(&[("id", "T"), ("name", "T")], &["name"])
            .expect(&shape)
            .unwrap_err();
        assert!(error.to_string().contains("primary.key.fields"), "{error}");
    }

    #[test]
    fn a_created_table_has_types_by_schema() {
        let named = |kind: Kind, name: &str| {
            Schema::of(kind)
                .name(name)
                .parameter("scale", "2")
                .optional()
                .build()
        };
        let shape = shape(&[
            ("a", Schema::of(Kind::Int16).build()),
            ("b", named(Kind::Bytes, "org.apache.kafka.connect.data.Decimal")),
            ("c", named(Kind::Int64, "io.debezium.time.MicroTimestamp")),
            ("d", named(Kind::Text, "io.debezium.time.ZonedTimestamp")),
            ("e", Schema::of(Kind::Float64).optional().build()),
        ]);
        assert_eq!(
            create(&target(), &shape),
            "CREATE TABLE IF NOT EXISTS \"app\".\"us\"\"ers\" (\"id\" text NOT NULL, \"a\" smallint NOT NULL, \"b\" \
             numeric, \"c\" timestamp, \"d\" timestamptz, \"e\" double precision, PRIMARY KEY (\"id\"))"
        );
    }
}
