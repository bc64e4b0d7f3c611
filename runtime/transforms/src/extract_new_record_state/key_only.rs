//! Sans-I/O: deletes whose old row is known by its key alone, as under the default replica identity.
//!
//! Such a row has null in its other fields, or a stand-in where null is not allowed: the column's default, or a zero, or an
//! empty text. Rewritten it looks like a row. As in Debezium the values stay; the headers of
//! [`rowtide_api::unavailable`] say which of them are none, so that a sink to which the mark of the deletion is a field like
//! others does not write them.

use rowtide_api::unavailable::{self, GONE, UNAVAILABLE};
use rowtide_api::{Datum, Headers, Schema, Value};

/// Names the fields whose values stand for unknown ones. Without a key that is a struct nobody can tell, and a source that
/// has named some knows better.
pub(super) fn mark(headers: &mut Headers, key: &Datum, before: &Value, null_is_default: bool) {
    let (Value::Struct(key), Value::Struct(before)) = (&key.value, before) else {
        return;
    };
    if headers.last(UNAVAILABLE).is_some() {
        return;
    }
    let mut names = Vec::new();
    for (field, value) in before.schema.fields().iter().zip(&before.fields) {
        if key.schema.field_index(&field.name).is_some() {
            continue;
        }
        if value.is_null() {
            // A null is no value to write unless it becomes the default.
            if null_is_default
                && field
                    .schema
                    .default
                    .as_ref()
                    .is_some_and(|default| !default.is_null())
            {
                names.push(&*field.name);
            }
        } else if stands_in(value, &field.schema) {
            names.push(&*field.name);
        } else {
            return;
        }
    }
    if !names.is_empty() {
        headers.push(UNAVAILABLE, Datum::text(unavailable::list(names)));
        headers.push(GONE, Datum::text("true"));
    }
}

/// Whether a value is one of those that a source puts where it knows none and null is not allowed (PG-143). A row that
/// really holds nothing else had these values before, and to leave them is right too.
fn stands_in(value: &Value, schema: &Schema) -> bool {
    schema.default.as_ref() == Some(value)
        || match value {
            Value::Bool(flag) => !flag,
            Value::Float32(number) => *number == 0.0,
            Value::Float64(number) => *number == 0.0,
            Value::Text(text) => matches!(text.as_str(), "" | "{}" | "1970-01-01T00:00:00Z"),
            // A decimal's zero has one byte.
            Value::Bytes(bytes) => bytes.is_empty() || **bytes == [0],
            Value::Array(items) => items.is_empty(),
            Value::Map(pairs) => pairs.is_empty(),
            Value::Struct(inner) => inner
                .schema
                .fields()
                .iter()
                .zip(&inner.fields)
                .all(|(field, value)| value.is_null() || stands_in(value, &field.schema)),
            value => value.as_int() == Some(0),
        }
}
