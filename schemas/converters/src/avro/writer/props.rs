//! Sans-I/O: the properties of a type and the defaults of fields, in the order and form of the Java converter.

use rowtide_api::data::{Kind, Logical};
use rowtide_api::{Schema, Value};

use super::super::names::UNION;
use super::Options;
use crate::jackson;

/// A default that came from Avro goes back to the field alone.
const DEFAULT_FLAG: &str = "io.confluent.connect.avro.field.default";
/// Decimals without a precision of their own.
pub(super) const PRECISION_DEFAULT: u32 = 64;

/// Appends `,"name":value` for every property of a type (AV §4, order of insertion).
pub(super) fn write(out: &mut Vec<u8>, schema: &Schema, options: &Options) {
    let decimal = match (&schema.kind, schema.logical()) {
        (Kind::Bytes, Some(Logical::Decimal { scale })) => Some((scale, precision(schema))),
        _ => None,
    };
    if let Some((scale, precision)) = decimal {
        out.extend_from_slice(format!(",\"scale\":{scale},\"precision\":{precision}").as_bytes());
    }
    if options.connect_meta_data {
        write_connect(out, schema);
    }
    let logical = match (&schema.kind, schema.name.as_deref()) {
        (Kind::Bytes, _) if decimal.is_some() => Some("decimal"),
        (Kind::Int32, Some("org.apache.kafka.connect.data.Date")) => Some("date"),
        (Kind::Int32, Some("org.apache.kafka.connect.data.Time")) => Some("time-millis"),
        (Kind::Int64, Some("org.apache.kafka.connect.data.Timestamp")) => Some("timestamp-millis"),
        _ => None,
    };
    if let Some(logical) = logical {
        named(out, "logicalType", logical);
    }
    for (name, value) in &schema.parameters {
        if name.starts_with("avro") {
            named(out, name, value);
        }
    }
}

/// The precision of a decimal: its parameter, else 64.
pub(super) fn precision(schema: &Schema) -> u32 {
    schema
        .parameter("connect.decimal.precision")
        .and_then(|text| text.parse().ok())
        .unwrap_or(PRECISION_DEFAULT)
}

fn write_connect(out: &mut Vec<u8>, schema: &Schema) {
    if let Some(doc) = &schema.doc {
        named(out, "connect.doc", doc);
    }
    if let Some(version) = schema.version {
        out.extend_from_slice(format!(",\"connect.version\":{version}").as_bytes());
    }
    write_parameters(out, schema);
    if let Some(default) = default_of(schema)
        && schema.parameter(DEFAULT_FLAG).is_none()
    {
        out.extend_from_slice(b",\"connect.default\":");
        write_default(out, schema, default, Place::Type);
    }
    if let Some(name) = &schema.name {
        named(out, "connect.name", name);
    }
    match schema.kind {
        Kind::Int8 => named(out, "connect.type", "int8"),
        Kind::Int16 => named(out, "connect.type", "int16"),
        _ => {}
    }
}

/// Appends `,"connect.parameters":{…}` unless there is none.
pub(super) fn write_parameters(out: &mut Vec<u8>, schema: &Schema) {
    let mut opening = &b",\"connect.parameters\":{"[..];
    for (name, value) in &schema.parameters {
        if &**name == DEFAULT_FLAG {
            continue;
        }
        out.extend_from_slice(opening);
        opening = b",";
        jackson::write_text(out, name);
        out.push(b':');
        jackson::write_text(out, value);
    }
    if opening == b"," {
        out.push(b'}');
    }
}

/// Appends `,"name":"value"`.
pub(super) fn named(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(b',');
    jackson::write_text(out, name);
    out.push(b':');
    jackson::write_text(out, value);
}

/// The default, if there is one: null is none, as in Java.
pub(super) fn default_of(schema: &Schema) -> Option<&Value> {
    schema.default.as_ref().filter(|default| !default.is_null())
}

/// Where a default is printed: floats look different there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// `connect.default` of a type.
    Type,
    /// `default` of a field: a float passes through a double.
    Field,
}

/// Appends a default as JSON; whether Avro takes it as a field's default of that schema.
pub(super) fn write_default(out: &mut Vec<u8>, schema: &Schema, value: &Value, place: Place) -> bool {
    if value.is_null() {
        out.extend_from_slice(b"null");
        return schema.optional;
    }
    match (&schema.kind, value) {
        (Kind::Bool, Value::Bool(value)) => jackson::write_bool(out, *value),
        (Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64, value) => {
            let Some(number) = value.as_int() else {
                return mismatch(out);
            };
            jackson::write_int(out, number);
        }
        (Kind::Float32, Value::Float32(number)) => {
            match place {
                Place::Type => jackson::write_f32(out, *number),
                Place::Field => jackson::write_f64(out, (*number).into()),
            }
            return number.is_finite();
        }
        (Kind::Float64, Value::Float64(number)) => {
            jackson::write_f64(out, *number);
            return number.is_finite();
        }
        (Kind::Text, Value::Text(text)) => jackson::write_text(out, text),
        (Kind::Bytes, Value::Bytes(bytes)) => {
            // Each byte is the character of that number: ISO-8859-1.
            let text: String = bytes.iter().copied().map(char::from).collect();
            jackson::write_text(out, &text);
        }
        (Kind::Array(element), Value::Array(items)) => {
            return list(out, items, |out, item| write_default(out, element, item, place));
        }
        (Kind::Map(key, element), Value::Map(pairs)) => return map(out, key, element, pairs, place),
        (Kind::Struct(fields), Value::Struct(value)) if fields.len() == value.fields.len() => {
            let mut valid = schema.name.as_deref() != Some(UNION);
            out.push(b'{');
            for (index, (field, value)) in fields.iter().zip(&value.fields).enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                jackson::write_text(out, &field.name);
                out.push(b':');
                valid &= write_default(out, &field.schema, value, place);
            }
            out.push(b'}');
            return valid;
        }
        _ => return mismatch(out),
    }
    true
}

fn map(out: &mut Vec<u8>, key: &Schema, element: &Schema, pairs: &[(Value, Value)], place: Place) -> bool {
    if key.kind != Kind::Text || key.optional {
        // Avro wants records here, the Java converter prints pairs: such a default is never valid unless empty.
        return list(out, pairs, |out, (name, value)| {
            out.push(b'[');
            write_default(out, key, name, place);
            out.push(b',');
            write_default(out, element, value, place);
            out.push(b']');
            false
        });
    }
    let mut valid = true;
    out.push(b'{');
    for (index, (name, value)) in pairs.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        jackson::write_text(out, name.as_str().unwrap_or_default());
        out.push(b':');
        valid &= write_default(out, element, value, place);
    }
    out.push(b'}');
    valid
}

fn list<T>(out: &mut Vec<u8>, items: &[T], mut write: impl FnMut(&mut Vec<u8>, &T) -> bool) -> bool {
    let mut valid = true;
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        valid &= write(out, item);
    }
    out.push(b']');
    valid
}

/// A default that is not of its schema's type.
fn mismatch(out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(b"null");
    false
}
