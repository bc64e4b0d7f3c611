//! Sans-I/O: the compiled plan that appends a value's JSON as Connect's JsonConverter prints it (CN-329, AV-060).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rowtide_api::data::Kind;
use rowtide_api::{RecordError, Schema, Value};

use crate::jackson;

/// Values nested deeper than this are refused, so that none can exhaust the stack.
pub(super) const DEPTH_MAX: u32 = 64;

type Outcome = Result<(), Box<RecordError>>;

/// How to write values of one schema.
pub(super) struct Plan {
    root: Slot,
    /// All structs; a slot refers to them by position, so that recursion needs no cycle.
    records: Box<[Record]>,
    /// A null with a default is written as the default (`replace.null.with.default`).
    null_is_default: bool,
}

struct Record {
    schema: Arc<Schema>,
    fields: Box<[Field]>,
}

struct Field {
    /// `{"name":` or `,"name":`.
    opening: Box<[u8]>,
    slot: Slot,
}

struct Slot {
    optional: bool,
    default: Option<Box<Value>>,
    op: Op,
}

enum Op {
    Bool,
    Int,
    Float32,
    Float64,
    Text,
    Bytes,
    Array(Box<Slot>),
    /// Keys are text: an object.
    Map(Box<Slot>),
    /// Other keys: a list of pairs.
    Pairs(Box<(Slot, Slot)>),
    Record(u32),
}

impl Plan {
    /// Compiles a schema.
    ///
    /// # Errors
    /// The schema refers to an enclosing struct that there is not, or is nested too deep.
    pub(super) fn new(schema: &Arc<Schema>, null_is_default: bool) -> Result<Self, RecordError> {
        let mut walk = Walk {
            records: Vec::new(),
            around: Vec::new(),
        };
        let root = walk.slot(schema)?;
        let records: Option<Box<[Record]>> = walk.records.into_iter().collect();
        Ok(Self {
            root,
            records: records.expect("invariant: every struct that was begun was finished"),
            null_is_default,
        })
    }

    /// Appends the value.
    ///
    /// # Errors
    /// The value does not fit the schema; `out` then ends with a part of it.
    pub(super) fn write(&self, value: &Value, out: &mut Vec<u8>) -> Result<(), RecordError> {
        self.slot(&self.root, value, out, 0).map_err(|error| *error)
    }

    fn slot(&self, slot: &Slot, value: &Value, out: &mut Vec<u8>, depth: u32) -> Outcome {
        if !value.is_null() {
            return self.op(&slot.op, value, out, depth);
        }
        match &slot.default {
            Some(default) if self.null_is_default || !slot.optional => self.op(&slot.op, default, out, depth),
            _ if slot.optional => {
                out.extend_from_slice(b"null");
                Ok(())
            }
            _ => Err(fault(
                "Conversion error: null value for field that is required and has no default value",
            )),
        }
    }

    fn op(&self, op: &Op, value: &Value, out: &mut Vec<u8>, depth: u32) -> Outcome {
        if depth >= DEPTH_MAX {
            return Err(fault(format!("the value is nested deeper than {DEPTH_MAX}")));
        }
        match (op, value) {
            (Op::Bool, Value::Bool(value)) => jackson::write_bool(out, *value),
            (Op::Int, Value::Int64(number)) => jackson::write_int(out, *number),
            (Op::Int, Value::Int32(number)) => jackson::write_int(out, (*number).into()),
            (Op::Int, Value::Int16(number)) => jackson::write_int(out, (*number).into()),
            (Op::Int, Value::Int8(number)) => jackson::write_int(out, (*number).into()),
            (Op::Float32, Value::Float32(_)) | (Op::Float64, Value::Float64(_)) => {
                return write_float(value, out);
            }
            (Op::Text, Value::Text(text)) => jackson::write_text(out, text),
            (Op::Bytes, Value::Bytes(bytes)) => write_base64(bytes, out),
            (Op::Record(index), Value::Struct(value)) => {
                let record = &self.records[*index as usize];
                if !Arc::ptr_eq(&record.schema, &value.schema) && record.schema.kind != value.schema.kind {
                    return Err(fault("the struct's schema is not the one of its field"));
                }
                for (field, value) in record.fields.iter().zip(&value.fields) {
                    out.extend_from_slice(&field.opening);
                    self.slot(&field.slot, value, out, depth + 1)?;
                }
                out.extend_from_slice(if record.fields.is_empty() { b"{}" } else { b"}" });
            }
            (Op::Array(item), Value::Array(items)) => {
                return list(items, *b"[]", out, |item_value, out| {
                    self.slot(item, item_value, out, depth + 1)
                });
            }
            (Op::Map(slot), Value::Map(pairs)) => {
                return list(pairs, *b"{}", out, |(key, value), out| {
                    let Value::Text(key) = key else {
                        return Err(fault("a map's key is not a text"));
                    };
                    jackson::write_text(out, key);
                    out.push(b':');
                    self.slot(slot, value, out, depth + 1)
                });
            }
            (Op::Pairs(slots), Value::Map(pairs)) => {
                return list(pairs, *b"[]", out, |(key, value), out| {
                    out.push(b'[');
                    self.slot(&slots.0, key, out, depth + 1)?;
                    out.push(b',');
                    self.slot(&slots.1, value, out, depth + 1)?;
                    out.push(b']');
                    Ok(())
                });
            }
            (op, value) => {
                return Err(fault(format!(
                    "expected {}, found {}",
                    op.expects(),
                    value.type_name()
                )));
            }
        }
        Ok(())
    }
}

/// Appends a value that has no schema.
///
/// # Errors
/// NaN, an infinity, or a nesting too deep.
pub(super) fn write_schemaless(
    value: &Value,
    null_is_default: bool,
    out: &mut Vec<u8>,
    depth: u32,
) -> Outcome {
    if depth >= DEPTH_MAX {
        return Err(fault(format!("the value is nested deeper than {DEPTH_MAX}")));
    }
    match value {
        Value::Absent | Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(value) => jackson::write_bool(out, *value),
        Value::Int8(_) | Value::Int16(_) | Value::Int32(_) | Value::Int64(_) => {
            jackson::write_int(out, value.as_int().unwrap_or_default());
        }
        Value::Float32(_) | Value::Float64(_) => return write_float(value, out),
        Value::Text(text) => jackson::write_text(out, text),
        Value::Bytes(bytes) => write_base64(bytes, out),
        Value::Array(items) => {
            return list(items, *b"[]", out, |item, out| {
                write_schemaless(item, null_is_default, out, depth + 1)
            });
        }
        Value::Map(pairs) if pairs.iter().all(|(key, _)| key.as_str().is_some()) => {
            return list(pairs, *b"{}", out, |(key, value), out| {
                jackson::write_text(out, key.as_str().unwrap_or_default());
                out.push(b':');
                write_schemaless(value, null_is_default, out, depth + 1)
            });
        }
        Value::Map(pairs) => {
            return list(pairs, *b"[]", out, |(key, value), out| {
                out.push(b'[');
                write_schemaless(key, null_is_default, out, depth + 1)?;
                out.push(b',');
                write_schemaless(value, null_is_default, out, depth + 1)?;
                out.push(b']');
                Ok(())
            });
        }
        Value::Struct(value) => {
            return Plan::new(&value.schema, null_is_default)
                .and_then(|plan| plan.write(&Value::Struct(value.clone()), out))
                .map_err(Box::new);
        }
    }
    Ok(())
}

struct Walk {
    records: Vec<Option<Record>>,
    /// The structs around the place, by name.
    around: Vec<(Option<Arc<str>>, u32)>,
}

impl Walk {
    fn slot(&mut self, schema: &Arc<Schema>) -> Result<Slot, RecordError> {
        Ok(Slot {
            optional: schema.optional,
            default: schema
                .default
                .clone()
                .filter(|default| !default.is_null())
                .map(Box::new),
            op: self.op(schema)?,
        })
    }

    fn op(&mut self, schema: &Arc<Schema>) -> Result<Op, RecordError> {
        Ok(match &schema.kind {
            Kind::Bool => Op::Bool,
            Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => Op::Int,
            Kind::Float32 => Op::Float32,
            Kind::Float64 => Op::Float64,
            Kind::Text => Op::Text,
            Kind::Bytes => Op::Bytes,
            Kind::Array(element) => Op::Array(Box::new(self.slot(element)?)),
            Kind::Map(key, value) if key.kind == Kind::Text => Op::Map(Box::new(self.slot(value)?)),
            Kind::Map(key, value) => Op::Pairs(Box::new((self.slot(key)?, self.slot(value)?))),
            Kind::Struct(fields) => {
                let index = self.records.len();
                if self.around.len() >= DEPTH_MAX as usize {
                    return Err(RecordError::new(format!(
                        "the schema is nested deeper than {DEPTH_MAX}"
                    )));
                }
                // Invariant: a schema has far fewer structs than 2^32.
                let record = index as u32;
                self.records.push(None);
                self.around.push((schema.name.clone(), record));
                let mut plans = Vec::with_capacity(fields.len());
                for (position, field) in fields.iter().enumerate() {
                    let mut opening = vec![if position == 0 { b'{' } else { b',' }];
                    jackson::write_text(&mut opening, &field.name);
                    opening.push(b':');
                    plans.push(Field {
                        opening: opening.into(),
                        slot: self.slot(&field.schema)?,
                    });
                }
                self.around.pop();
                self.records[index] = Some(Record {
                    schema: schema.clone(),
                    fields: plans.into(),
                });
                Op::Record(record)
            }
            Kind::Enclosing(name) => {
                let found = self
                    .around
                    .iter()
                    .rev()
                    .find(|(known, _)| known.as_ref() == Some(name));
                let Some((_, record)) = found else {
                    return Err(RecordError::new(format!(
                        "no struct named {name} encloses the place that refers to it"
                    )));
                };
                Op::Record(*record)
            }
        })
    }
}

impl Op {
    fn expects(&self) -> &'static str {
        match self {
            Self::Bool => "boolean",
            Self::Int => "a whole number",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Text => "string",
            Self::Bytes => "bytes",
            Self::Array(_) => "array",
            Self::Map(_) | Self::Pairs(_) => "map",
            Self::Record(_) => "struct",
        }
    }
}

fn list<T>(
    items: &[T],
    brackets: [u8; 2],
    out: &mut Vec<u8>,
    mut write: impl FnMut(&T, &mut Vec<u8>) -> Outcome,
) -> Outcome {
    out.push(brackets[0]);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(item, out)?;
    }
    out.push(brackets[1]);
    Ok(())
}

/// AV-061: JSON has no NaN and no infinities.
fn write_float(value: &Value, out: &mut Vec<u8>) -> Outcome {
    match value {
        Value::Float32(number) if number.is_finite() => jackson::write_f32(out, *number),
        Value::Float64(number) if number.is_finite() => jackson::write_f64(out, *number),
        _ => return Err(fault("NaN and the infinities have no JSON form")),
    }
    Ok(())
}

fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let start = out.len();
    // Four characters for each three bytes begun.
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    STANDARD
        .encode_slice(bytes, &mut out[start..])
        .expect("invariant: the room is what base64 takes");
    out.push(b'"');
}

#[cold]
fn fault(reason: impl Into<Arc<str>>) -> Box<RecordError> {
    Box::new(RecordError::new(reason))
}
