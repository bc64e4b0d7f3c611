//! Sans-I/O: the compiled plan that appends a value's Avro bytes, straight from [`Value`] to the output.

use std::sync::{Arc, OnceLock};

use rowtide_api::{RecordError, Schema, Struct, Value};

use super::super::binary::{write_blob, write_bytes, write_long};
use super::decimal::Precision;

/// Boxed: the road without errors then carries one pointer.
type Outcome = Result<(), Box<RecordError>>;

/// How to write values of one schema.
pub(crate) struct Plan {
    pub(super) root: Slot,
    /// All structs of the schema; a slot refers to them by position, so that recursion needs no cycle.
    pub(super) records: Box<[RecordPlan]>,
    /// Values nested deeper than this are refused.
    pub(super) depth_max: u32,
    /// An absent optional value is null, whatever the default (`ignore.default.for.nullables`).
    pub(super) absent_is_null: bool,
}

/// One struct's fields.
pub(super) struct RecordPlan {
    /// The schema it was compiled from.
    pub(super) schema: Arc<Schema>,
    /// Another schema of the same fields that came with values: an optional variant, mostly.
    pub(super) variant: OnceLock<Arc<Schema>>,
    pub(super) slots: Box<[Slot]>,
}

/// A place for a value: whether null may stand there, what an absent value means, and the type.
pub(super) struct Slot {
    pub(super) null: NullBranch,
    pub(super) default: Option<Box<Value>>,
    pub(super) op: Op,
}

/// Where null stands in the union around the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NullBranch {
    /// No union.
    None,
    /// `[null, T]`.
    First,
    /// `[T, null]`, because of a default.
    Last,
}

/// What to write of a value that is there.
pub(super) enum Op {
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Text,
    Bytes,
    Decimal(Box<Precision>),
    Fixed {
        size: usize,
        decimal: Option<Box<Precision>>,
    },
    Array(Box<Slot>),
    /// Keys are text.
    Map(Box<Slot>),
    /// A map of other keys: an array of records of two.
    Entries(Box<(Slot, Slot)>),
    Record(u32),
    /// A struct that holds one member at most; null comes first when the struct is optional.
    Union {
        nullable: bool,
        members: Box<[Op]>,
    },
}

impl Plan {
    /// Appends the value. A top-level `bytes` has no length in front (AV-003).
    ///
    /// # Errors
    /// The value does not fit the schema; `out` then ends with a part of it.
    pub(crate) fn encode(&self, value: &Value, out: &mut Vec<u8>) -> Result<(), RecordError> {
        match (&self.root, value) {
            (
                Slot {
                    null: NullBranch::None,
                    op: op @ (Op::Bytes | Op::Decimal(_)),
                    ..
                },
                Value::Bytes(bytes),
            ) => {
                if let Op::Decimal(precision) = op {
                    precision.check(bytes).map_err(|error| *error)?;
                }
                out.extend_from_slice(bytes);
                Ok(())
            }
            (root, value) => self.slot(root, value, out, 0).map_err(|error| *error),
        }
    }

    /// Inlined into the loop over a struct's fields: a call for each would cost as much as most of them.
    #[inline(always)]
    fn slot(&self, slot: &Slot, value: &Value, out: &mut Vec<u8>, depth: u32) -> Outcome {
        if value.is_null() {
            return self.nothing(slot, value, out, depth);
        }
        slot.present(out);
        self.op(&slot.op, value, out, depth)
    }

    fn nothing(&self, slot: &Slot, value: &Value, out: &mut Vec<u8>, depth: u32) -> Outcome {
        let optional = slot.null != NullBranch::None;
        let defaulted = match value {
            Value::Absent => !(optional && self.absent_is_null),
            // A null that the source knows stays a null where one is possible (AV-033).
            _ => !optional,
        };
        match (&slot.default, slot.null, &slot.op) {
            (Some(default), ..) if defaulted => return self.stand_in(slot, default, out, depth),
            (_, NullBranch::First, _) | (_, _, Op::Union { nullable: true, .. }) => out.push(0),
            (_, NullBranch::Last, _) => out.push(2),
            (_, NullBranch::None, _) => {
                return Err(fault("null where the schema requires a value and has no default"));
            }
        }
        Ok(())
    }

    #[inline(never)]
    fn stand_in(&self, slot: &Slot, default: &Value, out: &mut Vec<u8>, depth: u32) -> Outcome {
        self.slot(slot, default, out, depth)
    }

    #[inline(always)]
    fn op(&self, op: &Op, value: &Value, out: &mut Vec<u8>, depth: u32) -> Outcome {
        if leaf(op, value, out) {
            return Ok(());
        }
        self.branch(op, value, out, depth)
    }

    /// What is not a leaf, or does not fit.
    fn branch(&self, op: &Op, value: &Value, out: &mut Vec<u8>, depth: u32) -> Outcome {
        match (op, value) {
            (Op::Record(index), Value::Struct(value)) => {
                self.record(&self.records[*index as usize], value, out, depth)
            }
            (Op::Decimal(precision), Value::Bytes(bytes)) => {
                precision.check(bytes)?;
                write_blob(out, bytes);
                Ok(())
            }
            (op, value) => self.rare(op, value, out, depth),
        }
    }

    fn record(&self, plan: &RecordPlan, value: &Struct, out: &mut Vec<u8>, depth: u32) -> Outcome {
        if depth >= self.depth_max {
            return Err(fault(format!(
                "the value is nested deeper than max.depth={}",
                self.depth_max
            )));
        }
        if !Arc::ptr_eq(&plan.schema, &value.schema) {
            plan.admit(&value.schema)?;
        }
        if plan.slots.len() != value.fields.len() {
            return Err(fault("a struct without one value per field"));
        }
        for (index, (slot, field)) in plan.slots.iter().zip(&value.fields).enumerate() {
            if let Err(error) = self.slot(slot, field, out, depth + 1) {
                return Err(plan.located(index, *error));
            }
        }
        Ok(())
    }

    #[inline(never)]
    fn rare(&self, op: &Op, value: &Value, out: &mut Vec<u8>, depth: u32) -> Outcome {
        if depth >= self.depth_max {
            return Err(fault(format!(
                "the value is nested deeper than max.depth={}",
                self.depth_max
            )));
        }
        match (op, value) {
            (Op::Fixed { size, decimal }, Value::Bytes(bytes)) => {
                fixed(*size, decimal.as_deref(), bytes, out)
            }
            (Op::Array(item), Value::Array(items)) => {
                start_block(items.len(), out);
                for value in items {
                    self.slot(item, value, out, depth + 1)?;
                }
                out.push(0);
                Ok(())
            }
            (Op::Map(slot), Value::Map(pairs)) => {
                start_block(pairs.len(), out);
                for (key, value) in pairs {
                    let Value::Text(key) = key else {
                        return Err(fault("a map's key is not a text"));
                    };
                    write_bytes(out, key.as_bytes());
                    self.slot(slot, value, out, depth + 1)?;
                }
                out.push(0);
                Ok(())
            }
            (Op::Entries(slots), Value::Map(pairs)) => {
                start_block(pairs.len(), out);
                for (key, value) in pairs {
                    self.slot(&slots.0, key, out, depth + 1)?;
                    self.slot(&slots.1, value, out, depth + 1)?;
                }
                out.push(0);
                Ok(())
            }
            (Op::Union { nullable, members }, Value::Struct(value)) => {
                self.union(*nullable, members, value, out, depth)
            }
            (op, value) => Err(fault(format!(
                "expected {}, found {}",
                op.expects(),
                value.type_name()
            ))),
        }
    }

    fn union(
        &self,
        nullable: bool,
        members: &[Op],
        value: &Struct,
        out: &mut Vec<u8>,
        depth: u32,
    ) -> Outcome {
        let chosen = members
            .iter()
            .zip(&value.fields)
            .enumerate()
            .find(|(_, (_, field))| !field.is_null());
        match chosen {
            Some((index, (op, field))) => {
                // Invariant: unions have few members.
                write_long(out, index as i64 + i64::from(nullable));
                self.op(op, field, out, depth + 1)
            }
            None if nullable => {
                out.push(0);
                Ok(())
            }
            None => Err(fault("a union without a value")),
        }
    }
}

impl Slot {
    /// Says that a value is there.
    #[inline]
    fn present(&self, out: &mut Vec<u8>) {
        match self.null {
            NullBranch::None => {}
            NullBranch::First => out.push(2),
            NullBranch::Last => out.push(0),
        }
    }
}

/// Writes a value that holds no others; false when it is none, or not of this type.
#[inline(always)]
fn leaf(op: &Op, value: &Value, out: &mut Vec<u8>) -> bool {
    match (op, value) {
        (Op::Text, Value::Text(text)) => write_blob(out, text.as_blob()),
        (Op::Int64, Value::Int64(number)) => write_long(out, *number),
        (Op::Int32, Value::Int32(number)) => write_long(out, (*number).into()),
        (Op::Int16, Value::Int16(number)) => write_long(out, (*number).into()),
        (Op::Int8, Value::Int8(number)) => write_long(out, (*number).into()),
        (Op::Bool, Value::Bool(value)) => out.push((*value).into()),
        (Op::Float64, Value::Float64(number)) => out.extend_from_slice(&number.to_le_bytes()),
        (Op::Float32, Value::Float32(number)) => out.extend_from_slice(&number.to_le_bytes()),
        (Op::Bytes, Value::Bytes(bytes)) => write_blob(out, bytes),
        _ => return false,
    }
    true
}

impl RecordPlan {
    /// Accepts structs of an equal schema, or of one that differs in what is around the fields (optional or not).
    #[cold]
    fn admit(&self, schema: &Arc<Schema>) -> Outcome {
        if self
            .variant
            .get()
            .is_some_and(|variant| Arc::ptr_eq(variant, schema))
        {
            return Ok(());
        }
        if self.schema.kind != schema.kind {
            return Err(fault("the struct's schema is not the one of its field"));
        }
        let _ = self.variant.set(schema.clone());
        Ok(())
    }

    #[cold]
    fn located(&self, index: usize, error: RecordError) -> Box<RecordError> {
        let name = &self.schema.fields()[index].name;
        let path = match &error.field {
            Some(inner) => format!("{name}.{inner}").into(),
            None => name.clone(),
        };
        Box::new(error.at(path))
    }
}

impl Op {
    fn expects(&self) -> &'static str {
        match self {
            Self::Bool => "boolean",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Text => "string",
            Self::Bytes | Self::Decimal(_) | Self::Fixed { .. } => "bytes",
            Self::Array(_) => "array",
            Self::Map(_) | Self::Entries(_) => "map",
            Self::Record(_) | Self::Union { .. } => "struct",
        }
    }
}

fn start_block(len: usize, out: &mut Vec<u8>) {
    if len > 0 {
        // Invariant: no slice is longer than isize::MAX.
        write_long(out, len as i64);
    }
}

fn fixed(size: usize, decimal: Option<&Precision>, bytes: &[u8], out: &mut Vec<u8>) -> Outcome {
    let missing = size.checked_sub(bytes.len());
    match (decimal, missing) {
        (Some(precision), Some(missing)) => {
            precision.check(bytes)?;
            let sign = if bytes.first().is_some_and(|first| first & 0x80 != 0) {
                0xff
            } else {
                0
            };
            out.extend(std::iter::repeat_n(sign, missing));
        }
        (None, Some(0)) => {}
        _ => {
            return Err(fault(format!(
                "{} bytes where the schema has exactly {size}",
                bytes.len()
            )));
        }
    }
    out.extend_from_slice(bytes);
    Ok(())
}

#[cold]
fn fault(reason: impl Into<Arc<str>>) -> Box<RecordError> {
    Box::new(RecordError::new(reason))
}
