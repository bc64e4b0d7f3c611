//! Sans-I/O: a record's values as the cells of a statement, by a compiled plan.

use std::hash::{Hash, Hasher};

use rowtide_api::data::Logical;
use rowtide_api::sink::SinkRecord;
use rowtide_api::unavailable::names;
use rowtide_api::{Datum, RecordError, Value};
use uuid::Uuid;

use super::access::{Access, Found, Images, Root};
use super::compile::{Cell, Extra, Plan};
use super::marker::{Marker, stands_in};
use crate::config::TimeUnit;
use crate::fnv::Fnv;
use crate::lacking::Lacks;
use crate::mapping::NullRule;
use crate::mutation::{NULL, UNSET};
use crate::shape::Target;
use crate::types::{Codec, Cql, Encoded, Mismatch, close};

/// Writes the cells of one record.
pub(super) struct RowWriter<'a, 'r> {
    pub(super) plan: &'a Plan,
    pub(super) target: &'a Target,
    pub(super) marker: &'a Marker,
    pub(super) images: Images<'r>,
    /// Header `rowtide.unavailable`.
    pub(super) unavailable: Option<&'r str>,
}

/// What was written for the primary key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyCells {
    pub(super) partition_bytes: usize,
    pub(super) key_bytes: usize,
    /// Whether a column came from the image rather than from the record's key.
    pub(super) from_image: bool,
}

/// What was written behind the primary key.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// A column is not null.
    pub(super) any: bool,
    /// Columns whose value the source did not send, by their places in the target.
    pub(super) unavailable: Vec<usize>,
}

impl Rest {
    /// What the write leaves out, for a record of this kind.
    pub(super) fn lacks(self, begins: bool, gone: bool) -> Option<Box<Lacks>> {
        (!self.unavailable.is_empty()).then(|| {
            Box::new(Lacks {
                columns: self.unavailable,
                begins,
                gone,
            })
        })
    }
}

enum Place<'r> {
    Value(&'r Value),
    Made(Value),
    Null,
    Unavailable,
    Absent,
}

impl<'r> RowWriter<'_, 'r> {
    /// The primary key.
    ///
    /// # Errors
    /// CS-041: a null, an empty value of a type other than text, a missing field, a placeholder, a misfit.
    pub(super) fn key(&self, out: &mut Vec<u8>) -> Result<KeyCells, RecordError> {
        let start = out.len();
        let mut cells = KeyCells {
            partition_bytes: 0,
            key_bytes: 0,
            from_image: false,
        };
        for (index, cell) in self.plan.cells[..self.target.key].iter().enumerate() {
            let before = out.len();
            let (place, from_image) = self.place(cell)?;
            cells.from_image |= from_image;
            match place {
                Place::Value(value) => self.encode(cell, value, out)?,
                Place::Made(value) => self.encode(cell, &value, out)?,
                Place::Null | Place::Absent => push_length(out, NULL),
                Place::Unavailable => {
                    return Err(self.error(cell, "the source did not send this value of the primary key"));
                }
            }
            let text = matches!(cell.codec.cql(), Cql::Scalar(scalar) if scalar.is_text());
            match i32::from_be_bytes([out[before], out[before + 1], out[before + 2], out[before + 3]]) {
                0 if !text => return Err(self.error(cell, "an empty value in the primary key")),
                length if length < 0 => return Err(self.error(cell, "a null in the primary key")),
                _ => {}
            }
            if index + 1 == self.target.partition {
                cells.partition_bytes = out.len() - start;
            }
        }
        cells.key_bytes = out.len() - start;
        Ok(cells)
    }

    /// The columns behind the key.
    ///
    /// # Errors
    /// A missing field or a misfit.
    pub(super) fn rest(&self, nulls: NullRule, out: &mut Vec<u8>) -> Result<Rest, RecordError> {
        let mut rest = Rest::default();
        for (index, cell) in self.plan.cells.iter().enumerate().skip(self.target.key) {
            let null = match cell.nulls.unwrap_or(nulls) {
                NullRule::Null => NULL,
                NullRule::Unset => UNSET,
            };
            let start = out.len();
            match self.place(cell)?.0 {
                Place::Value(value) => self.encode(cell, value, out)?,
                Place::Made(value) => self.encode(cell, &value, out)?,
                Place::Null => push_length(out, null),
                Place::Unavailable => {
                    rest.any = true;
                    rest.unavailable.push(index);
                    push_length(out, UNSET);
                }
                Place::Absent => push_length(out, UNSET),
            }
            let length = i32::from_be_bytes([out[start], out[start + 1], out[start + 2], out[start + 3]]);
            if length == NULL && null == UNSET {
                // Empty text that reads as null in its column follows the rule for nulls.
                out[start..start + 4].copy_from_slice(&UNSET.to_be_bytes());
            }
            rest.any |= length >= 0;
        }
        Ok(rest)
    }

    /// Where a cell's value is; the flag says whether it came from the image.
    fn place(&self, cell: &Cell) -> Result<(Place<'r>, bool), RecordError> {
        let record = self.images.record;
        match &cell.access {
            Access::Now => return Ok((Place::Made(Value::from(now(record).to_string())), false)),
            Access::Header(name) => {
                return match self.header(name) {
                    None => Err(self.error(cell, &format!("the record has no header {name}"))),
                    Some(datum) if datum.is_null() => Ok((Place::Null, false)),
                    Some(datum) => Ok((Place::Value(&datum.value), false)),
                };
            }
            _ => {}
        }
        let (found, access) = match (cell.access.find(&self.images), &cell.fallback) {
            (Found::Missing | Found::Null, Some(fallback)) => (fallback.find(&self.images), fallback),
            (found, _) => (found, &cell.access),
        };
        let from_image = matches!(access.root(), Some(Root::Value | Root::Before));
        let unavailable = from_image && self.is_named_unavailable(cell);
        let place = match found {
            // The source has looked into the before image itself.
            _ if unavailable => Place::Unavailable,
            Found::Value(value) if !self.marker.is(value) => Place::Value(value),
            Found::Value(_) => self.known_before(access, cell),
            Found::Null => Place::Null,
            Found::Missing if self.is_plain_text(access) => return Err(self.plain_text(cell, access)),
            Found::Missing if cell.star => Place::Absent,
            Found::Missing => return Err(self.missing(cell)),
        };
        Ok((place, from_image))
    }

    fn is_named_unavailable(&self, cell: &Cell) -> bool {
        match (self.unavailable, cell.field.as_deref()) {
            (Some(listed), Some(field)) => names(listed, field),
            _ => false,
        }
    }

    /// An unavailable value is taken from the before image when that holds it (CS-070). In a key-only image the other fields
    /// are null or stand-ins, which no large value is.
    fn known_before(&self, access: &Access, cell: &Cell) -> Place<'r> {
        match access.in_before().map(|access| access.find(&self.images)) {
            Some(Found::Value(value))
                if !self.marker.is(value) && !stands_in(value, cell.default.as_ref()) =>
            {
                Place::Value(value)
            }
            _ => Place::Unavailable,
        }
    }

    fn encode(&self, cell: &Cell, value: &Value, out: &mut Vec<u8>) -> Result<(), RecordError> {
        let start = out.len();
        push_length(out, 0);
        let header_codec;
        let codec = match &cell.access {
            Access::Header(name) => {
                let schema = self.header(name).and_then(|datum| datum.schema.as_deref());
                header_codec = Codec::new(cell.codec.cql(), schema, cell.unit);
                &header_codec
            }
            _ => &cell.codec,
        };
        let ended = codec
            .encode(value, out)
            .and_then(|ended| close(out, start).map(|()| ended))
            .map_err(|Mismatch(reason)| self.error(cell, &reason))?;
        if ended == Encoded::Null {
            out.truncate(start);
            push_length(out, NULL);
        }
        Ok(())
    }

    /// Text where fields are wanted: what holds a JSON object was read before.
    fn is_plain_text(&self, access: &Access) -> bool {
        let root = access.root().map(|root| self.images.root(root));
        matches!(root, Some(Value::Text(_)))
    }

    fn plain_text(&self, cell: &Cell, access: &Access) -> RecordError {
        let part = match access.root() {
            Some(Root::Key) => "key",
            _ => "value",
        };
        self.error(
            cell,
            &format!("the {part} is text that is no JSON object, so it has no fields"),
        )
    }

    fn missing(&self, cell: &Cell) -> RecordError {
        let hint = match self.plan.resembles_envelope {
            true => "; the value is a change envelope: set inputFormat=debezium",
            false => "",
        };
        self.error(cell, &format!("the record has no such field{hint}"))
    }

    fn error(&self, cell: &Cell, reason: &str) -> RecordError {
        RecordError::new(format!(
            "{reason} (column {} of {}, CQL type {})",
            cell.name,
            self.target.settings.name(),
            cell.codec.cql()
        ))
        .at(cell.name.clone())
    }

    /// `__ttl` in seconds; 0 is none.
    ///
    /// # Errors
    /// CS-034, CS-112, CS-114.
    pub(super) fn ttl(&self) -> Result<i32, RecordError> {
        let Some(extra) = &self.plan.ttl else {
            return Ok(0);
        };
        let (value, unit) = self.number(extra, "__ttl")?;
        unit.unwrap_or(self.target.settings.ttl_unit)
            .to_seconds(value)
            .and_then(|seconds| i32::try_from(seconds.max(0)).ok())
            .ok_or_else(|| RecordError::new("__ttl exceeds what CQL can hold in seconds").at("__ttl"))
    }

    /// `__timestamp` in microseconds.
    ///
    /// # Errors
    /// CS-034, CS-114.
    pub(super) fn timestamp(&self) -> Result<Option<i64>, RecordError> {
        let Some(extra) = &self.plan.timestamp else {
            return Ok(None);
        };
        let (value, unit) = self.number(extra, "__timestamp")?;
        unit.unwrap_or(self.target.settings.timestamp_unit)
            .to_micros(value)
            .map(Some)
            .ok_or_else(|| RecordError::new("__timestamp exceeds 64 bits in microseconds").at("__timestamp"))
    }

    /// Whether `__deleted` says so.
    pub(super) fn is_deleted(&self) -> bool {
        let Some(extra) = &self.plan.deleted else {
            return false;
        };
        match self.extra(extra) {
            Some(Value::Bool(value)) => *value,
            Some(Value::Text(text)) => text.eq_ignore_ascii_case("true"),
            _ => false,
        }
    }

    fn extra(&self, extra: &Extra) -> Option<&'r Value> {
        match &extra.access {
            Access::Header(name) => self.header(name).map(|datum| &datum.value),
            access => match access.find(&self.images) {
                Found::Value(value) => Some(value),
                Found::Null | Found::Missing => None,
            },
        }
    }

    fn header(&self, name: &str) -> Option<&'r Datum> {
        self.images.record.record.headers.last(name)
    }

    /// What a value means: a field's schema is known from the plan on, a header brings its own.
    fn logical(&self, extra: &Extra) -> Option<Logical> {
        match &extra.access {
            Access::Header(name) => self.header(name)?.schema.as_deref()?.logical(),
            _ => extra.logical,
        }
    }

    /// A number, with its unit where its schema states one.
    fn number(&self, extra: &Extra, name: &'static str) -> Result<(i64, Option<TimeUnit>), RecordError> {
        let refused = || RecordError::new(format!("{name} is not a number")).at(name);
        if let Access::Header(header) = &extra.access
            && self.header(header).is_none()
        {
            return Err(RecordError::new(format!("the record has no header {header}")).at(name));
        }
        let value = self.extra(extra).ok_or_else(refused)?;
        let number = match value {
            Value::Float64(value) if value.fract() == 0.0 && value.abs() < 9e15 => *value as i64,
            value => value.as_int().ok_or_else(refused)?,
        };
        let unit = match self.logical(extra) {
            Some(Logical::TimestampMillis | Logical::TimeMillis) => Some(TimeUnit::Milliseconds),
            Some(Logical::TimestampMicros | Logical::TimeMicros | Logical::DurationMicros) => {
                Some(TimeUnit::Microseconds)
            }
            Some(Logical::TimestampNanos | Logical::TimeNanos) => Some(TimeUnit::Nanoseconds),
            Some(Logical::Date) => Some(TimeUnit::Days),
            _ => None,
        };
        Ok((number, unit))
    }
}

fn push_length(out: &mut Vec<u8>, length: i32) {
    out.extend_from_slice(&length.to_be_bytes());
}

/// 100 ns steps from 1582-10-15 to 1970-01-01.
const GREGORIAN_OFFSET: u64 = 0x01B2_1DD2_1381_4000;

/// A version 1 UUID that is the same on every delivery of a record (CS-035).
fn now(record: &SinkRecord) -> Uuid {
    let ordinal = record.id.ordinal();
    let millis = record.record.timestamp_ms.unwrap_or(0).max(0).unsigned_abs();
    // Records of one millisecond keep their order in the steps below it.
    let ticks = (millis * 10_000 + ordinal.unsigned_abs() % 10_000).wrapping_add(GREGORIAN_OFFSET);
    let mut hasher = Fnv::default();
    (&*record.record.topic, record.record.partition, ordinal).hash(&mut hasher);
    let node = hasher.finish();
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&(ticks as u32).to_be_bytes());
    bytes[4..6].copy_from_slice(&((ticks >> 32) as u16).to_be_bytes());
    bytes[6..8].copy_from_slice(&(((ticks >> 48) as u16 & 0x0fff) | 0x1000).to_be_bytes());
    bytes[8..].copy_from_slice(&node.to_be_bytes());
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    // A node that is no network card's address carries the multicast bit.
    bytes[10] |= 0x01;
    Uuid::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rowtide_api::sink::RecordId;
    use rowtide_api::{Datum, Record};

    /// CS-035.
    #[test]
    fn now_is_the_same_on_every_delivery_and_differs_between_records() {
        let record = |ordinal| SinkRecord {
            record: Record {
                topic: "t".into(),
                partition: Some(1),
                timestamp_ms: Some(1_700_000_000_000),
                key: Datum::NULL,
                value: Datum::NULL,
                headers: Default::default(),
            },
            id: RecordId::new(ordinal),
        };
        let uuid = now(&record(5));
        assert_eq!(uuid, now(&record(5)));
        assert_ne!(uuid, now(&record(6)));
        assert_eq!(uuid.get_version_num(), 1);
        let (seconds, _) = uuid.get_timestamp().unwrap().to_unix();
        assert_eq!(seconds, 1_700_000_000);
    }
}
