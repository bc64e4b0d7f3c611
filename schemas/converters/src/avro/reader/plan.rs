//! Sans-I/O: the compiled plan that reads Avro bytes into values. Text and bytes become slices of the payload.
//!
//! Input is hostile until proven otherwise (AV-050): each length is checked against what remains, nesting is bounded,
//! and items that take no bytes are counted.

use std::sync::Arc;

use rowtide_api::{Blob, RecordError, Schema, Struct, Text, Value};

use super::super::binary::read_long;

/// Items of no bytes (empty records) a payload may have: their number costs the writer nothing, and us 32 bytes each.
const EMPTY_ITEMS_MAX: u32 = 65_536;
/// Room to reserve for a block whose count says more: the count is only a claim.
const RESERVED_ITEMS_MAX: usize = 1024;

/// How to read values of one schema.
pub(crate) struct Plan {
    pub(super) root: Slot,
    /// The fields of every struct; slots refer to them by position.
    pub(super) records: Box<[RecordPlan]>,
    /// A top-level `bytes` has no length in front (AV-003).
    pub(super) raw_bytes: bool,
}

pub(super) struct RecordPlan {
    /// The schema for uses that have none of their own.
    pub(super) schema: Arc<Schema>,
    pub(super) slots: Box<[Slot]>,
}

/// A place of a value.
pub(super) struct Slot {
    /// The union branch of null, where the type is a union of null and one other.
    pub(super) null: Option<u8>,
    pub(super) read: Read,
}

/// What to read.
pub(super) enum Read {
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Text,
    Bytes,
    Fixed(usize),
    Enum(Box<[Text]>),
    Array(Box<Slot>),
    Map(Box<Slot>),
    /// An array of records of key and value.
    Entries(Box<Entries>),
    /// A struct; with the schema of this use, else with the record's own.
    Record {
        index: u32,
        schema: Option<Arc<Schema>>,
    },
    Union(Box<Union>),
}

pub(super) struct Entries {
    pub(super) key: Slot,
    pub(super) value: Slot,
    /// The record has its value before its key.
    pub(super) value_first: bool,
}

pub(super) struct Union {
    pub(super) schema: Arc<Schema>,
    /// Per branch the field it fills; none for null.
    pub(super) branches: Box<[Option<(usize, Read)>]>,
}

/// Bounds of a payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Deepest nesting of values.
    pub(crate) depth_max: u32,
    /// Whether bytes may follow the body.
    pub(crate) trailing_bytes: bool,
}

impl Plan {
    /// Reads the value that begins at `start` of the payload.
    ///
    /// # Errors
    /// The bytes are not a value of the schema, or one beyond the bounds.
    pub(crate) fn decode(&self, payload: &Blob, start: usize, bounds: Bounds) -> Result<Value, RecordError> {
        let mut cursor = Cursor {
            payload,
            bytes: payload,
            at: start,
            depth: 0,
            depth_max: bounds.depth_max,
            empty_items: 0,
            records: &self.records,
        };
        if self.raw_bytes {
            return Ok(Value::Bytes(payload.slice(start..payload.len())));
        }
        let value = cursor.slot(&self.root).map_err(|error| *error)?;
        let left = payload.len() - cursor.at;
        if left > 0 && !bounds.trailing_bytes {
            return Err(RecordError::new(format!(
                "{left} bytes follow the Avro body; set allow.trailing.bytes=true to ignore them"
            )));
        }
        Ok(value)
    }
}

type Fault = Box<RecordError>;

struct Cursor<'a> {
    payload: &'a Blob,
    bytes: &'a [u8],
    at: usize,
    depth: u32,
    depth_max: u32,
    empty_items: u32,
    records: &'a [RecordPlan],
}

impl Cursor<'_> {
    #[inline]
    fn slot(&mut self, slot: &Slot) -> Result<Value, Fault> {
        if let Some(null) = slot.null {
            match self.bytes.get(self.at) {
                // A branch of two is the byte 0 or 2.
                Some(branch @ (0 | 2)) => {
                    self.at += 1;
                    if branch >> 1 == null {
                        return Ok(Value::Null);
                    }
                }
                Some(_) => return Err(self.fault("a union branch out of range")),
                None => return Err(self.ended()),
            }
        }
        self.read(&slot.read)
    }

    #[inline]
    fn read(&mut self, read: &Read) -> Result<Value, Fault> {
        Ok(match read {
            Read::Text => Value::Text(self.text()?),
            Read::Int64 => Value::Int64(self.long()?),
            Read::Int32 => Value::Int32(self.int()?),
            Read::Int16 => Value::Int16(self.int()?),
            Read::Int8 => Value::Int8(self.int()?),
            Read::Bool => match self.take(1)? {
                [0] => Value::Bool(false),
                [1] => Value::Bool(true),
                _ => return Err(self.fault("a boolean that is neither 0 nor 1")),
            },
            Read::Float32 => Value::Float32(f32::from_le_bytes(self.array()?)),
            Read::Float64 => Value::Float64(f64::from_le_bytes(self.array()?)),
            Read::Bytes => {
                let len = self.len()?;
                Value::Bytes(self.blob(len)?)
            }
            Read::Fixed(size) => Value::Bytes(self.blob(*size)?),
            Read::Record { index, schema } => return self.record(*index, schema.as_ref()),
            rare => return self.rare(rare),
        })
    }

    fn record(&mut self, index: u32, schema: Option<&Arc<Schema>>) -> Result<Value, Fault> {
        self.enter()?;
        let records = self.records;
        let plan = &records[index as usize];
        let mut fields = Vec::with_capacity(plan.slots.len());
        for (position, slot) in plan.slots.iter().enumerate() {
            match self.slot(slot) {
                Ok(value) => fields.push(value),
                Err(error) => return Err(located(&plan.schema, position, error)),
            }
        }
        self.depth -= 1;
        Ok(Value::Struct(Struct {
            schema: schema.unwrap_or(&plan.schema).clone(),
            fields: fields.into(),
        }))
    }

    #[inline(never)]
    fn rare(&mut self, read: &Read) -> Result<Value, Fault> {
        self.enter()?;
        let value = match read {
            Read::Enum(symbols) => {
                let index = self.long()?;
                let symbol = usize::try_from(index).ok().and_then(|index| symbols.get(index));
                Value::Text(
                    symbol
                        .ok_or_else(|| self.fault("an enum index out of range"))?
                        .clone(),
                )
            }
            Read::Array(item) => Value::Array(self.blocks(|cursor| cursor.slot(item))?),
            Read::Map(slot) => {
                Value::Map(self.blocks(|cursor| Ok((Value::Text(cursor.text()?), cursor.slot(slot)?)))?)
            }
            Read::Entries(entries) => Value::Map(self.blocks(|cursor| {
                if entries.value_first {
                    let value = cursor.slot(&entries.value)?;
                    return Ok((cursor.slot(&entries.key)?, value));
                }
                Ok((cursor.slot(&entries.key)?, cursor.slot(&entries.value)?))
            })?),
            Read::Union(union) => self.union(union)?,
            plain => self.read(plain)?,
        };
        self.depth -= 1;
        Ok(value)
    }

    fn union(&mut self, union: &Union) -> Result<Value, Fault> {
        let branch = usize::try_from(self.long()?)
            .ok()
            .and_then(|branch| union.branches.get(branch));
        let Some((field, read)) = branch.ok_or_else(|| self.fault("a union branch out of range"))? else {
            return Ok(Value::Null);
        };
        let mut fields = vec![Value::Null; union.schema.fields().len()];
        fields[*field] = self.read(read)?;
        Ok(Value::Struct(Struct {
            schema: union.schema.clone(),
            fields: fields.into(),
        }))
    }

    /// The blocks of an array or map. A negative count is followed by the block's size in bytes.
    fn blocks<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T, Fault>) -> Result<Box<[T]>, Fault> {
        let mut items = Vec::new();
        loop {
            let mut count = self.long()?;
            if count == 0 {
                return Ok(items.into());
            }
            if count < 0 {
                count = count
                    .checked_neg()
                    .ok_or_else(|| self.fault("a block count out of range"))?;
                self.len()?;
            }
            let claimed = usize::try_from(count).unwrap_or(usize::MAX);
            items.reserve(claimed.min(self.bytes.len() - self.at).min(RESERVED_ITEMS_MAX));
            for _ in 0..count {
                let before = self.at;
                items.push(item(self)?);
                if self.at == before {
                    self.empty_items += 1;
                    if self.empty_items > EMPTY_ITEMS_MAX {
                        return Err(self.fault("too many items of no bytes"));
                    }
                }
            }
        }
    }

    fn enter(&mut self) -> Result<(), Fault> {
        if self.depth >= self.depth_max {
            return Err(self.fault(format!(
                "the value is nested deeper than max.depth={}",
                self.depth_max
            )));
        }
        self.depth += 1;
        Ok(())
    }

    #[inline]
    fn long(&mut self) -> Result<i64, Fault> {
        match read_long(&self.bytes[self.at..]) {
            Some((value, len)) => {
                self.at += len;
                Ok(value)
            }
            None => Err(self.fault("a number that does not end, or has more than 64 bits")),
        }
    }

    #[inline]
    fn int<T: TryFrom<i64>>(&mut self) -> Result<T, Fault> {
        T::try_from(self.long()?).map_err(|_| self.fault("an int out of range"))
    }

    /// A length, checked against what remains.
    #[inline]
    fn len(&mut self) -> Result<usize, Fault> {
        let len = self.long()?;
        match usize::try_from(len) {
            Ok(len) if len <= self.bytes.len() - self.at => Ok(len),
            _ => Err(self.fault("a length beyond the end of the payload")),
        }
    }

    #[inline]
    fn take(&mut self, len: usize) -> Result<&[u8], Fault> {
        let from = self.at;
        if len > self.bytes.len() - from {
            return Err(self.ended());
        }
        self.at += len;
        Ok(&self.bytes[from..self.at])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        match self.take(N)?.try_into() {
            Ok(bytes) => Ok(bytes),
            Err(_) => Err(self.ended()),
        }
    }

    #[inline]
    fn blob(&mut self, len: usize) -> Result<Blob, Fault> {
        let from = self.at;
        self.take(len)?;
        Ok(self.payload.slice(from..from + len))
    }

    #[inline]
    fn text(&mut self) -> Result<Text, Fault> {
        let len = self.len()?;
        Text::checked(self.blob(len)?).map_err(|_| self.fault("a string that is not UTF-8"))
    }

    #[cold]
    fn ended(&self) -> Fault {
        self.fault("the payload ends inside a value")
    }

    #[cold]
    fn fault(&self, reason: impl std::fmt::Display) -> Fault {
        Box::new(RecordError::new(format!(
            "invalid Avro body at byte {}: {reason}",
            self.at
        )))
    }
}

#[cold]
fn located(schema: &Schema, position: usize, error: Fault) -> Fault {
    let Some(field) = schema.fields().get(position) else {
        return error;
    };
    let path = match &error.field {
        Some(inner) => format!("{}.{inner}", field.name).into(),
        None => field.name.clone(),
    };
    Box::new(error.at(path))
}
