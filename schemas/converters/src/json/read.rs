//! Sans-I/O: JSON to values, with a schema and without one (CN-329 to CN-331).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rowtide_api::data::Kind;
use rowtide_api::{Blob, RecordError, Schema, Struct, Value};
use serde_json::Value as Json;

/// The value of a JSON for a schema; a null with a default reads as the default if `null_is_default`.
///
/// # Errors
/// The JSON does not fit the schema.
pub(super) fn value(schema: &Arc<Schema>, json: &Json, null_is_default: bool) -> Result<Value, RecordError> {
    if json.is_null() {
        return match &schema.default {
            Some(default) if null_is_default || !schema.optional => Ok(default.clone()),
            _ if schema.optional => Ok(Value::Null),
            _ => Err(RecordError::new(format!(
                "Invalid null value for required {} field",
                schema.kind.name()
            ))),
        };
    }
    let misfit = || RecordError::new(format!("expected {}, found {}", schema.kind.name(), word(json)));
    let read = match &schema.kind {
        Kind::Bool => json.as_bool().map(Value::Bool),
        Kind::Int8 => int(json).map(Value::Int8),
        Kind::Int16 => int(json).map(Value::Int16),
        Kind::Int32 => int(json).map(Value::Int32),
        Kind::Int64 => int(json).map(Value::Int64),
        // The nearest float is what Java's cast gives.
        Kind::Float32 => json.as_f64().map(|number| Value::Float32(number as f32)),
        Kind::Float64 => json.as_f64().map(Value::Float64),
        Kind::Text => json.as_str().map(Value::from),
        Kind::Bytes => match json {
            Json::Number(_) => {
                return Err(RecordError::new(
                    "a decimal written as a number (decimal.format=NUMERIC) cannot be read yet: write it with \
                     decimal.format=BASE64",
                ));
            }
            json => json
                .as_str()
                .and_then(|text| STANDARD.decode(text).ok())
                .map(|bytes| Value::Bytes(Blob::from(bytes))),
        },
        Kind::Array(element) => match json.as_array() {
            Some(items) => {
                let items: Result<Box<[Value]>, _> = items
                    .iter()
                    .map(|item| value(element, item, null_is_default))
                    .collect();
                Some(Value::Array(items?))
            }
            None => None,
        },
        Kind::Map(key, element) => Some(map(key, element, json, null_is_default)?.ok_or_else(misfit)?),
        Kind::Struct(fields) => match json.as_object() {
            Some(object) => {
                let values: Result<Box<[Value]>, _> = fields
                    .iter()
                    .map(|field| {
                        let json = object.get(&*field.name).unwrap_or(&Json::Null);
                        value(&field.schema, json, null_is_default)
                            .map_err(|error| inside(error, &field.name))
                    })
                    .collect();
                Some(Value::Struct(Struct {
                    schema: schema.clone(),
                    fields: values?,
                }))
            }
            None => None,
        },
        Kind::Enclosing(_) => None,
    };
    read.ok_or_else(misfit)
}

fn map(
    key: &Arc<Schema>,
    element: &Arc<Schema>,
    json: &Json,
    null_is_default: bool,
) -> Result<Option<Value>, RecordError> {
    let pairs: Result<Box<[(Value, Value)]>, RecordError> = match json {
        Json::Object(entries) if key.kind == Kind::Text => entries
            .iter()
            .map(|(name, json)| Ok((Value::from(name.as_str()), value(element, json, null_is_default)?)))
            .collect(),
        Json::Array(entries) if key.kind != Kind::Text => entries
            .iter()
            .map(|entry| match entry.as_array().map(Vec::as_slice) {
                Some([name, json]) => Ok((
                    value(key, name, null_is_default)?,
                    value(element, json, null_is_default)?,
                )),
                _ => Err(RecordError::new("an entry of a map is not a pair")),
            })
            .collect(),
        _ => return Ok(None),
    };
    pairs.map(|pairs| Some(Value::Map(pairs)))
}

/// The value of a JSON without a schema: whole numbers are 64 bits wide, the others doubles, objects maps.
///
/// # Errors
/// A whole number beyond 64 bits.
pub(super) fn schemaless(json: &Json) -> Result<Value, RecordError> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) if number.is_f64() => Value::Float64(number.as_f64().unwrap_or(f64::NAN)),
        Json::Number(_) => {
            Value::Int64(int(json).ok_or_else(|| RecordError::new("a whole number of more than 64 bits"))?)
        }
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => {
            let items: Result<Box<[Value]>, _> = items.iter().map(schemaless).collect();
            Value::Array(items?)
        }
        Json::Object(entries) => {
            let pairs: Result<Box<[(Value, Value)]>, RecordError> = entries
                .iter()
                .map(|(name, json)| Ok((Value::from(name.as_str()), schemaless(json)?)))
                .collect();
            Value::Map(pairs?)
        }
    })
}

fn int<T: TryFrom<i64>>(json: &Json) -> Option<T> {
    json.as_i64().and_then(|number| T::try_from(number).ok())
}

fn word(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number of another kind or range",
        Json::String(_) => "a text",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    }
}

fn inside(error: RecordError, field: &Arc<str>) -> RecordError {
    let path = match &error.field {
        Some(inner) => format!("{field}.{inner}").into(),
        None => field.clone(),
    };
    error.at(path)
}
