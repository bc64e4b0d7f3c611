//! Sans-I/O: values of columns, from Postgres' text to what a record holds.
//!
//! A column's type is compiled once into an [`Op`]; a value is then one match, without a look-up and without an allocation:
//! text is a slice of the receive buffer, and text that has to be rewritten (a timestamp, the bytes of a bytea) goes to an
//! [`Arena`] shared by a whole batch.

mod array;
pub mod default;
pub mod mapping;
mod number;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use rowtide_api::data::{Buffer, TextBuffer};
use rowtide_api::{Blob, Schema, Struct, Text, Value};
use rowtide_java::decimal::{self, Decimal, UNSCALED_ROOM};
use rowtide_java::temporal::{self, Fraction, IsoBuffer, Moment};

/// How the text of one column becomes a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// `t` or `f`.
    Bool,
    /// smallint.
    Int16,
    /// integer.
    Int32,
    /// bigint.
    Int64,
    /// real.
    Float32,
    /// double precision.
    Float64,
    /// Text as it stands.
    Text,
    /// bytea in hex form.
    Bytes,
    /// numeric with a scale: the unscaled bytes.
    Decimal {
        /// Digits behind the point.
        scale: i32,
    },
    /// numeric without a scale: a struct of scale and value.
    VariableDecimal(Arc<Schema>),
    /// date: days.
    Date,
    /// time(0–3): milliseconds of the day.
    TimeMillis,
    /// time: microseconds of the day.
    TimeMicros,
    /// timestamp(0–3): milliseconds.
    TimestampMillis,
    /// timestamp: microseconds.
    TimestampMicros,
    /// timestamp with time zone: ISO text in UTC.
    ZonedTimestamp {
        /// Digits of the fraction, always printed (PG-123).
        digits: u8,
    },
    /// One-dimensional array.
    Array(Box<Op>),
}

/// PG-126, PG-127: what the infinities of timestamps and dates become.
pub(crate) const TIMESTAMP_INFINITY_US: (i64, i64) = (-9_223_372_036_832_400_000, 9_223_372_036_825_200_000);
pub(crate) const DATE_INFINITY: (i32, i32) = (-2_147_472_691, -2_147_472_692);

/// A value that does not fit its column's schema. Says what kind of value, never the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfit(pub &'static str);

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Unfit {}

/// A decoded value, or where in the arena its bytes lie: the arena becomes a shared buffer only when its batch is complete.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A value.
    Value(Value),
    /// Text in the arena.
    Text(Range<usize>),
    /// Bytes in the arena.
    Bytes(Range<usize>),
}

/// Text and bytes made while decoding a batch.
#[derive(Debug, Default)]
pub struct Arena {
    /// UTF-8, as it comes from `text` only; checked once, as a whole.
    text: Vec<u8>,
    bytes: Vec<u8>,
}

/// An arena's content, when its batch is complete.
#[derive(Debug)]
pub struct Sealed {
    text: TextBuffer,
    bytes: Buffer,
}

/// Of everything that `Arena::text` is called with.
const WRITTEN: &str = "invariant: only numbers, ASCII and checked text are written into the arena";

impl Arena {
    /// UTF-8 that `write` appends: inline when short, else in the arena.
    #[inline]
    pub fn text(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Cell {
        let start = self.text.len();
        write(&mut self.text);
        let written = &self.text[start..];
        if written.len() > rowtide_api::data::INLINE_BYTES_MAX {
            return Cell::Text(start..self.text.len());
        }
        let short = Text::checked(Blob::copy(written))
            .map(Value::Text)
            .expect(WRITTEN);
        self.text.truncate(start);
        Cell::Value(short)
    }

    /// The bytes of a cell that lies here; none for a value.
    pub fn bytes(&self, cell: &Cell) -> &[u8] {
        match cell {
            Cell::Value(_) => None,
            Cell::Text(range) => self.text.get(range.clone()),
            Cell::Bytes(range) => self.bytes.get(range.clone()),
        }
        .unwrap_or_default()
    }

    /// The content, to be shared; the arena is empty afterwards.
    pub fn take(&mut self) -> Sealed {
        Sealed {
            text: TextBuffer::checked(std::mem::take(&mut self.text)).expect(WRITTEN),
            bytes: Buffer::new(std::mem::take(&mut self.bytes).into()),
        }
    }

    /// Decodes hex digits.
    fn hex(&mut self, digits: &[u8]) -> Result<Cell, Unfit> {
        const BROKEN: Unfit = Unfit("a bytea that is not in hex form");
        if !digits.len().is_multiple_of(2) {
            return Err(BROKEN);
        }
        let start = self.bytes.len();
        self.bytes.reserve(digits.len() / 2);
        for pair in digits.chunks_exact(2) {
            match (nibble(pair[0]), nibble(pair[1])) {
                (Some(high), Some(low)) => self.bytes.push(high << 4 | low),
                _ => {
                    self.bytes.truncate(start);
                    return Err(BROKEN);
                }
            }
        }
        if self.bytes.len() - start <= rowtide_api::data::INLINE_BYTES_MAX {
            let short = Value::Bytes(Blob::copy(&self.bytes[start..]));
            self.bytes.truncate(start);
            return Ok(Cell::Value(short));
        }
        Ok(Cell::Bytes(start..self.bytes.len()))
    }
}

impl Sealed {
    /// The value of a cell of the arena that this was.
    #[inline]
    pub fn resolve(&self, cell: Cell) -> Value {
        match cell {
            Cell::Value(value) => value,
            Cell::Text(range) => Value::Text(self.text.slice(range)),
            Cell::Bytes(range) => Value::Bytes(self.bytes.slice(range)),
        }
    }
}

#[inline]
fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Where decoded columns of a row go. Values are built in their place: moving one through the result of a call costs more
/// than most decoders.
#[derive(Debug)]
pub struct Out<'a> {
    /// Gets exactly one value per call.
    pub values: &'a mut Vec<Value>,
    /// Gets what is in the arena; its value is null until the batch is complete.
    pub cells: &'a mut Vec<(usize, Cell)>,
    /// The slot of the column.
    pub slot: usize,
}

impl Out<'_> {
    /// Takes a cell.
    #[inline]
    pub fn push(&mut self, cell: Cell) {
        match cell {
            Cell::Value(value) => self.values.push(value),
            cell => {
                self.cells.push((self.slot, cell));
                self.values.push(Value::Null);
            }
        }
    }
}

impl Op {
    /// Decodes the text in `range` of `buffer`.
    ///
    /// # Errors
    /// Text the type does not have, and values its schema cannot hold (NaN in a Decimal): PG-116 decides what follows.
    /// Nothing was pushed then.
    #[inline]
    pub fn decode(
        &self,
        buffer: &Buffer,
        range: Range<usize>,
        arena: &mut Arena,
        out: &mut Out<'_>,
    ) -> Result<(), Unfit> {
        let text = &buffer[range.clone()];
        match self {
            Self::Text => match buffer.text(range) {
                Ok(text) => out.values.push(Value::Text(text)),
                Err(_) => return Err(Unfit("text that is not UTF-8")),
            },
            Self::Int32 => out.values.push(Value::Int32(number::int(text)?)),
            Self::Int64 => out.values.push(Value::Int64(number::int(text)?)),
            Self::Int16 => out.values.push(Value::Int16(number::int(text)?)),
            Self::Bool => out.values.push(Value::Bool(boolean(text)?)),
            Self::Float64 => out.values.push(Value::Float64(number::float(text)?)),
            Self::Float32 => out.values.push(Value::Float32(number::float(text)?)),
            Self::TimestampMicros => out.values.push(Value::Int64(timestamp_micros(text)?)),
            Self::TimestampMillis => out
                .values
                .push(Value::Int64(timestamp_micros(text)?.div_euclid(1000))),
            Self::TimeMicros => out.values.push(Value::Int64(time_micros(text)?)),
            // PG-125: 24:00:00 is 86,400,000 ms, so 32 bits hold every time.
            Self::TimeMillis => out.values.push(Value::Int32((time_micros(text)? / 1000) as i32)),
            Self::Date => out.values.push(date(text)?),
            Self::Decimal { scale } => out.values.push(decimal(text, *scale)?),
            Self::VariableDecimal(schema) => out.values.push(variable_decimal(text, schema)?),
            Self::Array(element) => out.values.push(array::decode(element, buffer, range)?),
            Self::ZonedTimestamp { digits } => out.push(zoned_timestamp(text, *digits, arena)?),
            Self::Bytes => out.push(arena.hex(text.strip_prefix(b"\\x").unwrap_or(text))?),
        }
        Ok(())
    }

    /// Decodes one value by itself.
    ///
    /// # Errors
    /// As [`Op::decode`].
    pub fn decode_value(&self, buffer: &Buffer, range: Range<usize>) -> Result<Value, Unfit> {
        let (mut arena, mut values, mut cells) = (Arena::default(), Vec::with_capacity(1), Vec::new());
        let mut out = Out {
            values: &mut values,
            cells: &mut cells,
            slot: 0,
        };
        self.decode(buffer, range, &mut arena, &mut out)?;
        match cells.pop() {
            Some((_, cell)) => Ok(arena.take().resolve(cell)),
            None => Ok(values.pop().unwrap_or(Value::Null)),
        }
    }

    /// Decodes a text that lies in no buffer: defaults, elements that had to be unescaped.
    ///
    /// # Errors
    /// As [`Op::decode`].
    pub fn decode_str(&self, text: &str) -> Result<Value, Unfit> {
        let buffer = Buffer::new(bytes::Bytes::copy_from_slice(text.as_bytes()));
        self.decode_value(&buffer, 0..text.len())
    }
}

#[inline]
fn boolean(text: &[u8]) -> Result<bool, Unfit> {
    match text {
        b"t" | b"true" => Ok(true),
        b"f" | b"false" => Ok(false),
        _ => Err(Unfit("a boolean that is neither t nor f")),
    }
}

const NO_DECIMAL: Unfit =
    Unfit("a numeric that its schema cannot hold (NaN, an infinity, or digits beyond the scale)");

#[inline]
fn decimal(text: &[u8], scale: i32) -> Result<Value, Unfit> {
    let mut room = [0; UNSCALED_ROOM];
    match decimal::parse_scaled(text, scale, &mut room).map_err(|_| NO_DECIMAL)? {
        Some(length) => Ok(Value::Bytes(Blob::copy(&room[..length]))),
        None => {
            let wide = Decimal::parse(text)
                .and_then(|decimal| decimal.rescale(scale))
                .map_err(|_| NO_DECIMAL)?;
            Ok(Value::Bytes(Blob::copy(&wide.unscaled)))
        }
    }
}

fn variable_decimal(text: &[u8], schema: &Arc<Schema>) -> Result<Value, Unfit> {
    let mut room = [0; UNSCALED_ROOM];
    let (unscaled, scale) = match decimal::parse_stripped(text, &mut room).map_err(|_| NO_DECIMAL)? {
        Some((length, scale)) => (Blob::copy(&room[..length]), scale),
        None => {
            let wide = Decimal::parse(text)
                .and_then(|decimal| decimal.strip_trailing_zeros())
                .and_then(|decimal| {
                    if decimal.scale < 0 {
                        decimal.rescale(0)
                    } else {
                        Ok(decimal)
                    }
                })
                .map_err(|_| NO_DECIMAL)?;
            (Blob::copy(&wide.unscaled), wide.scale)
        }
    };
    Ok(variable_decimal_of(schema, scale, unscaled))
}

fn variable_decimal_of(schema: &Arc<Schema>, scale: i32, unscaled: Blob) -> Value {
    Value::Struct(Struct::new(
        schema.clone(),
        [Value::Int32(scale), Value::Bytes(unscaled)],
    ))
}

fn date(text: &[u8]) -> Result<Value, Unfit> {
    Ok(Value::Int32(match temporal::parse_date(text) {
        Ok(Moment::Finite(days)) => days,
        Ok(Moment::NegativeInfinity) => DATE_INFINITY.0,
        Ok(Moment::Infinity) => DATE_INFINITY.1,
        Err(_) => return Err(Unfit("a date outside the calendar")),
    }))
}

#[inline]
fn time_micros(text: &[u8]) -> Result<i64, Unfit> {
    temporal::parse_time(text).map_err(|_| Unfit("a time outside the day"))
}

const NO_TIMESTAMP: Unfit = Unfit("a timestamp beyond 64-bit microseconds");

#[inline]
fn timestamp_micros(text: &[u8]) -> Result<i64, Unfit> {
    match temporal::parse_timestamp(text) {
        Ok(Moment::Finite(micros)) => Ok(micros),
        Ok(Moment::NegativeInfinity) => Ok(TIMESTAMP_INFINITY_US.0),
        Ok(Moment::Infinity) => Ok(TIMESTAMP_INFINITY_US.1),
        Err(_) => Err(NO_TIMESTAMP),
    }
}

#[inline]
fn zoned_timestamp(text: &[u8], digits: u8, arena: &mut Arena) -> Result<Cell, Unfit> {
    let mut iso = IsoBuffer::new();
    // The session's time zone is UTC, so this is nearly every value.
    if let Some(text) = iso.postgres_utc(text, digits) {
        return Ok(arena.text(|out| out.extend_from_slice(text)));
    }
    match temporal::parse_timestamptz(text) {
        Ok(Moment::Finite(micros)) => {
            let text = iso.instant_micros(micros, Fraction::Digits(digits)).as_bytes();
            Ok(arena.text(|out| out.extend_from_slice(text)))
        }
        Ok(Moment::NegativeInfinity) => Ok(Cell::Value("-infinity".into())),
        Ok(Moment::Infinity) => Ok(Cell::Value("infinity".into())),
        Err(_) => Err(NO_TIMESTAMP),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mapping::{TypeRef, column_type};

    fn decode(oid: u32, modifier: i32, text: &str) -> Result<Value, Unfit> {
        column_type(&TypeRef::builtin(oid, modifier))
            .expect("a supported type")
            .op
            .decode_str(text)
    }

    fn decimal_value(oid: u32, modifier: i32, text: &str) -> Vec<u8> {
        match decode(oid, modifier, text).unwrap() {
            Value::Bytes(blob) => blob.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    const fn numeric(precision: i32, scale: i32) -> i32 {
        (precision << 16 | scale) + 4
    }

    /// PG-144 V1 to V4, PG-117.
    #[test]
    fn numerics_are_unscaled_bytes_at_the_scale_of_the_column() {
        assert_eq!(decimal_value(1700, numeric(3, 2), "1.1"), [110]);
        assert_eq!(
            decimal_value(1700, numeric(6, 4), "22.2"),
            222_000_i32.to_be_bytes()[1..]
        );
        assert_eq!(decimal_value(1700, numeric(12, 2), "-0.01"), [0xff]);
        for (text, unscaled) in [("10", 10_u8), ("22", 22)] {
            let Value::Struct(value) = decode(1700, -1, text).unwrap() else {
                panic!("a struct")
            };
            assert_eq!(value.get("scale"), Some(&Value::Int32(0)));
            assert_eq!(value.get("value"), Some(&Value::Bytes(Blob::copy(&[unscaled]))));
        }
    }

    /// PG-118.
    #[test]
    fn nan_is_a_conversion_failure() {
        for text in ["NaN", "Infinity", "-Infinity"] {
            assert_eq!(decode(1700, -1, text), Err(NO_DECIMAL));
            assert_eq!(decode(1700, numeric(3, 2), text), Err(NO_DECIMAL));
        }
        assert_eq!(decode(701, -1, "NaN"), Ok(Value::Float64(f64::NAN)));
        assert_eq!(
            decode(700, -1, "-Infinity"),
            Ok(Value::Float32(f32::NEG_INFINITY))
        );
    }

    #[test]
    fn a_numeric_longer_than_a_machine_word_stays_exact() {
        let text = format!("1{}", "0".repeat(50));
        let bytes = decimal_value(1700, numeric(60, 0), &text);
        assert_eq!(bytes.len(), 21);
        assert!(matches!(decode(1700, -1, &text), Ok(Value::Struct(_))));
    }

    /// PG-144 V10, V13, V15, V16; PG-121.
    #[test]
    fn dates_and_timestamps_count_from_1970() {
        assert_eq!(
            decode(1114, -1, "2016-11-04 13:51:30.123456"),
            Ok(Value::Int64(1_478_267_490_123_456))
        );
        assert_eq!(
            decode(1114, 3, "2016-11-04 13:51:30.123"),
            Ok(Value::Int64(1_478_267_490_123))
        );
        assert_eq!(
            decode(1114, -1, "294247-01-01 23:59:59.999999"),
            Ok(Value::Int64(9_223_371_331_199_999_999))
        );
        assert_eq!(decode(1082, -1, "2016-11-04"), Ok(Value::Int32(17109)));
        assert_eq!(decode(1082, -1, "2017-09-15"), Ok(Value::Int32(17424)));
    }

    /// PG-125, PG-126, PG-127.
    #[test]
    fn the_ends_of_time_have_fixed_values() {
        assert_eq!(decode(1083, -1, "24:00:00"), Ok(Value::Int64(86_400_000_000)));
        assert_eq!(decode(1083, 3, "24:00:00"), Ok(Value::Int32(86_400_000)));
        assert_eq!(
            decode(1114, -1, "infinity"),
            Ok(Value::Int64(9_223_372_036_825_200_000))
        );
        assert_eq!(
            decode(1114, -1, "-infinity"),
            Ok(Value::Int64(-9_223_372_036_832_400_000))
        );
        assert_eq!(
            decode(1114, 3, "infinity"),
            Ok(Value::Int64(9_223_372_036_825_200))
        );
        assert_eq!(decode(1082, -1, "infinity"), Ok(Value::Int32(-2_147_472_692)));
        assert_eq!(decode(1082, -1, "-infinity"), Ok(Value::Int32(-2_147_472_691)));
        assert_eq!(decode(1184, -1, "infinity"), Ok(Value::from("infinity")));
    }

    /// PG-144 V11, V12; PG-123, PG-124.
    #[test]
    fn timestamps_with_zone_are_text_in_utc_with_the_columns_precision() {
        for (modifier, text, expected) in [
            (-1, "2016-11-04 13:51:30.123456+02", "2016-11-04T11:51:30.123456Z"),
            (-1, "21016-11-04 13:51:30+07", "+21016-11-04T06:51:30.000000Z"),
            (0, "2016-11-04 13:51:30+00", "2016-11-04T13:51:30Z"),
            (3, "2016-11-04 13:51:30.1+00", "2016-11-04T13:51:30.100Z"),
            (-1, "0002-01-01 00:00:00+00 BC", "-0001-01-01T00:00:00.000000Z"),
        ] {
            assert_eq!(decode(1184, modifier, text), Ok(Value::from(expected)), "{text}");
        }
    }

    /// PG-130.
    #[test]
    fn bytea_is_decoded_from_hex() {
        assert_eq!(
            decode(17, -1, "\\x010203"),
            Ok(Value::Bytes(Blob::copy(&[1, 2, 3])))
        );
        assert_eq!(decode(17, -1, "\\x"), Ok(Value::Bytes(Blob::EMPTY)));
        let long = format!("\\x{}", "ab".repeat(100));
        assert_eq!(decode(17, -1, &long), Ok(Value::Bytes(Blob::copy(&[0xab; 100]))));
        assert!(decode(17, -1, "\\x0g").is_err());
        assert!(decode(17, -1, "\\x0").is_err());
    }

    /// PG-087 to PG-098.
    #[test]
    fn plain_types_keep_their_text_or_number() {
        assert_eq!(decode(16, -1, "t"), Ok(Value::Bool(true)));
        assert_eq!(decode(21, -1, "-32768"), Ok(Value::Int16(i16::MIN)));
        assert_eq!(decode(23, -1, "2147483647"), Ok(Value::Int32(i32::MAX)));
        assert_eq!(decode(20, -1, "-9223372036854775808"), Ok(Value::Int64(i64::MIN)));
        assert_eq!(decode(1042, 14, "cone      "), Ok(Value::from("cone      ")));
        assert_eq!(decode(3802, -1, "{\"a\": 1}"), Ok(Value::from("{\"a\": 1}")));
        assert!(decode(23, -1, "2147483648").is_err());
        assert!(decode(16, -1, "x").is_err());
    }
}
