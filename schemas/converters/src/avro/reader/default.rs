//! Sans-I/O: defaults from a schema's JSON to values.

use std::sync::Arc;

use rowtide_api::data::Kind;
use rowtide_api::{Blob, Schema, Struct, Value};
use serde_json::Value as Json;

use super::super::names::UNION;

/// The value of a default for that schema; `None` when it is not of its type.
pub(super) fn value(schema: &Arc<Schema>, json: &Json) -> Option<Value> {
    if json.is_null() {
        return schema.optional.then_some(Value::Null);
    }
    Some(match &schema.kind {
        Kind::Bool => Value::Bool(json.as_bool()?),
        Kind::Int8 => Value::Int8(i8::try_from(json.as_i64()?).ok()?),
        Kind::Int16 => Value::Int16(i16::try_from(json.as_i64()?).ok()?),
        Kind::Int32 => Value::Int32(i32::try_from(json.as_i64()?).ok()?),
        Kind::Int64 => Value::Int64(json.as_i64()?),
        // The nearest float is what Java's cast gives.
        Kind::Float32 => Value::Float32(float(json)? as f32),
        Kind::Float64 => Value::Float64(float(json)?),
        Kind::Text => Value::from(json.as_str()?),
        Kind::Bytes => {
            // Each character is a byte: ISO-8859-1.
            let bytes: Option<Vec<u8>> = json
                .as_str()?
                .chars()
                .map(|letter| u8::try_from(u32::from(letter)).ok())
                .collect();
            Value::Bytes(Blob::from(bytes?))
        }
        Kind::Array(element) => {
            let items: Option<Box<[Value]>> =
                json.as_array()?.iter().map(|item| value(element, item)).collect();
            Value::Array(items?)
        }
        Kind::Map(key, element) => return map(key, element, json),
        Kind::Struct(_) if schema.name.as_deref() == Some(UNION) => return None,
        Kind::Struct(fields) => {
            let object = json.as_object()?;
            let values: Option<Box<[Value]>> = fields
                .iter()
                .map(|field| match object.get(&*field.name) {
                    Some(json) => value(&field.schema, json),
                    None => field
                        .schema
                        .default
                        .clone()
                        .or(field.schema.optional.then_some(Value::Null)),
                })
                .collect();
            Value::Struct(Struct {
                schema: schema.clone(),
                fields: values?,
            })
        }
        Kind::Enclosing(_) => return None,
    })
}

/// A number, or one of the words that JSON has no number for.
fn float(json: &Json) -> Option<f64> {
    match json.as_str() {
        Some("NaN") => Some(f64::NAN),
        Some("Infinity") => Some(f64::INFINITY),
        Some("-Infinity") => Some(f64::NEG_INFINITY),
        Some(_) => None,
        None => json.as_f64(),
    }
}

fn map(key: &Arc<Schema>, element: &Arc<Schema>, json: &Json) -> Option<Value> {
    let pairs: Option<Box<[(Value, Value)]>> = match json {
        Json::Object(entries) => entries
            .iter()
            .map(|(name, json)| Some((Value::from(name.as_str()), value(element, json)?)))
            .collect(),
        Json::Array(entries) => entries
            .iter()
            .map(|entry| match entry.as_array()?.as_slice() {
                [name, json] => Some((value(key, name)?, value(element, json)?)),
                _ => None,
            })
            .collect(),
        _ => None,
    };
    pairs.map(Value::Map)
}
