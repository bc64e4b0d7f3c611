//! Sans-I/O: Connect schemas as the JSON that JsonConverter puts in front of each payload (CN-328).

use std::sync::Arc;

use rowtide_api::data::Kind;
use rowtide_api::{RecordError, Schema};
use serde_json::Value as Json;

use super::plan::{DEPTH_MAX, Plan};
use super::read;
use crate::jackson;

/// Appends a schema's text.
///
/// # Errors
/// The schema is recursive, which this form cannot say, or a default does not fit its type.
pub(super) fn write(schema: &Arc<Schema>, out: &mut Vec<u8>) -> Result<(), RecordError> {
    write_node(schema, None, out)
}

fn write_node(schema: &Arc<Schema>, field: Option<&str>, out: &mut Vec<u8>) -> Result<(), RecordError> {
    if let Kind::Enclosing(name) = &schema.kind {
        return Err(RecordError::new(format!(
            "the struct {name} contains itself, which the JSON form of schemas cannot say: set schemas.enable=false or \
             use the Avro converter"
        )));
    }
    push(out, &format!("{{\"type\":\"{}\"", schema.kind.name()));
    match &schema.kind {
        Kind::Array(element) => {
            push(out, ",\"items\":");
            write_node(element, None, out)?;
        }
        Kind::Map(key, value) => {
            push(out, ",\"keys\":");
            write_node(key, None, out)?;
            push(out, ",\"values\":");
            write_node(value, None, out)?;
        }
        Kind::Struct(fields) => {
            push(out, ",\"fields\":[");
            for (index, field) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_node(&field.schema, Some(&field.name), out)?;
            }
            out.push(b']');
        }
        _ => {}
    }
    push(
        out,
        if schema.optional {
            ",\"optional\":true"
        } else {
            ",\"optional\":false"
        },
    );
    write_attributes(schema, out)?;
    if let Some(field) = field {
        push(out, ",\"field\":");
        jackson::write_text(out, field);
    }
    out.push(b'}');
    Ok(())
}

fn write_attributes(schema: &Arc<Schema>, out: &mut Vec<u8>) -> Result<(), RecordError> {
    if let Some(name) = &schema.name {
        push(out, ",\"name\":");
        jackson::write_text(out, name);
    }
    if let Some(version) = schema.version {
        push(out, &format!(",\"version\":{version}"));
    }
    if let Some(doc) = &schema.doc {
        push(out, ",\"doc\":");
        jackson::write_text(out, doc);
    }
    for (index, (name, value)) in schema.parameters.iter().enumerate() {
        push(out, if index == 0 { ",\"parameters\":{" } else { "," });
        jackson::write_text(out, name);
        out.push(b':');
        jackson::write_text(out, value);
    }
    if !schema.parameters.is_empty() {
        out.push(b'}');
    }
    if let Some(default) = schema.default.as_ref().filter(|default| !default.is_null()) {
        push(out, ",\"default\":");
        Plan::new(schema, true)?.write(default, out)?;
    }
    Ok(())
}

fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// Reads a schema.
///
/// # Errors
/// The JSON is not such a schema.
pub(super) fn parse(json: &Json, depth: u32) -> Result<Arc<Schema>, RecordError> {
    if depth >= DEPTH_MAX {
        return Err(RecordError::new(format!(
            "the schema is nested deeper than {DEPTH_MAX}"
        )));
    }
    let of = |name: &str| json.get(name).filter(|value| !value.is_null());
    let part = |name: &str| match of(name) {
        Some(part) => parse(part, depth + 1),
        None => Err(RecordError::new(format!("a schema lacks its {name}"))),
    };
    let Some(word) = of("type").and_then(Json::as_str) else {
        return Err(RecordError::new("Schema must contain 'type' field"));
    };
    let kind = match word {
        "boolean" => Kind::Bool,
        "int8" => Kind::Int8,
        "int16" => Kind::Int16,
        "int32" => Kind::Int32,
        "int64" => Kind::Int64,
        "float" => Kind::Float32,
        "double" => Kind::Float64,
        "bytes" => Kind::Bytes,
        "string" => Kind::Text,
        "array" => Kind::Array(part("items")?),
        "map" => Kind::Map(part("keys")?, part("values")?),
        "struct" => Kind::Struct(fields(of("fields"), depth)?),
        other => return Err(RecordError::new(format!("Unknown schema type: {other}"))),
    };
    let mut builder = Schema::of(kind).nullable(of("optional").and_then(Json::as_bool).unwrap_or(false));
    if let Some(name) = of("name") {
        builder = builder.name(text(name, "name")?);
    }
    if let Some(version) = of("version") {
        let number = version.as_i64().and_then(|version| i32::try_from(version).ok());
        builder = builder
            .version(number.ok_or_else(|| RecordError::new("Invalid schema version: must be an integer"))?);
    }
    if let Some(doc) = of("doc") {
        builder = builder.doc(text(doc, "doc")?);
    }
    for (name, value) in of("parameters").and_then(Json::as_object).into_iter().flatten() {
        builder = builder.parameter(name.as_str(), text(value, "parameter")?);
    }
    match of("default") {
        None => Ok(builder.build()),
        Some(default) => {
            let schema = builder.build();
            let value = read::value(&schema, default, true)?;
            Ok(schema.rebuild().default(value).build())
        }
    }
}

fn fields(json: Option<&Json>, depth: u32) -> Result<Box<[rowtide_api::Field]>, RecordError> {
    let list = json
        .and_then(Json::as_array)
        .ok_or_else(|| RecordError::new("Struct schema's \"fields\" argument is not an array"))?;
    list.iter()
        .map(|field| {
            let name = field.get("field").and_then(Json::as_str);
            let name =
                name.ok_or_else(|| RecordError::new("Struct schema's field name not specified properly"))?;
            Ok(rowtide_api::Field {
                name: name.into(),
                schema: parse(field, depth + 1)?,
            })
        })
        .collect()
}

fn text<'j>(json: &'j Json, what: &str) -> Result<&'j str, RecordError> {
    json.as_str()
        .ok_or_else(|| RecordError::new(format!("a schema's {what} is not a text")))
}
