//! Sans-I/O: the scalar types of CQL, and what a record's value states in terms they share.

use rowtide_api::Value;
use rowtide_api::data::Logical;

use super::Mismatch;

/// A scalar type of CQL (CS-045).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar {
    Ascii,
    BigInt,
    Blob,
    Boolean,
    Date,
    Decimal,
    Double,
    Duration,
    Float,
    Inet,
    Int,
    SmallInt,
    Text,
    Time,
    Timestamp,
    TimeUuid,
    TinyInt,
    Uuid,
    VarInt,
}

impl Scalar {
    /// The name in CQL.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ascii => "ascii",
            Self::BigInt => "bigint",
            Self::Blob => "blob",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Decimal => "decimal",
            Self::Double => "double",
            Self::Duration => "duration",
            Self::Float => "float",
            Self::Inet => "inet",
            Self::Int => "int",
            Self::SmallInt => "smallint",
            Self::Text => "text",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::TimeUuid => "timeuuid",
            Self::TinyInt => "tinyint",
            Self::Uuid => "uuid",
            Self::VarInt => "varint",
        }
    }

    /// Text and ascii: the only types in which an empty value is a value.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Ascii)
    }
}

/// What a value states, once its schema's meaning is applied. Borrows; nothing is built per field.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fact<'a> {
    Bool(bool),
    Int(i64),
    Float32(f32),
    Float64(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Decimal {
        unscaled: &'a [u8],
        scale: i32,
    },
    /// Days since 1970-01-01.
    Days(i64),
    /// Nanoseconds of the day.
    TimeNanos(i64),
    /// An instant and how many of its units make a second.
    Instant(i64, i64),
    /// Microseconds.
    Duration(i64),
}

impl Fact<'_> {
    /// For messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "a whole number",
            Self::Float32(_) | Self::Float64(_) => "a floating-point number",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::Decimal { .. } => "a decimal",
            Self::Days(_) => "a date",
            Self::TimeNanos(_) => "a time of day",
            Self::Instant(..) => "an instant",
            Self::Duration(_) => "a duration",
        }
    }
}

/// The integers that stand for ±infinity of a Postgres date (CS-046).
const INFINITE_DAYS: [i64; 2] = [-2_147_472_692, -2_147_472_691];
/// The same of a timestamp, in milliseconds.
const INFINITE_MILLIS: [i64; 2] = [9_223_372_036_825_200, -9_223_372_036_832_400];

/// Applies the meaning of the field's schema.
///
/// # Errors
/// For structs, maps and nested arrays, and for a date or an instant that stands for infinity.
pub(crate) fn fact<'a>(value: &'a Value, logical: Option<Logical>) -> Result<Fact<'a>, Mismatch> {
    let plain = match value {
        Value::Bool(value) => Fact::Bool(*value),
        Value::Int8(_) | Value::Int16(_) | Value::Int32(_) | Value::Int64(_) => {
            return integer(value.as_int().unwrap_or_default(), logical);
        }
        Value::Float32(value) => Fact::Float32(*value),
        Value::Float64(value) => Fact::Float64(*value),
        Value::Text(text) => Fact::Text(text),
        Value::Bytes(bytes) => match logical {
            Some(Logical::Decimal { scale }) => Fact::Decimal {
                unscaled: bytes,
                scale,
            },
            _ => Fact::Bytes(bytes),
        },
        Value::Struct(fields) if logical == Some(Logical::VariableScaleDecimal) => {
            match (fields.get("scale").and_then(Value::as_int), fields.get("value")) {
                (Some(scale), Some(Value::Bytes(unscaled))) => Fact::Decimal {
                    unscaled,
                    scale: i32::try_from(scale)
                        .map_err(|_| Mismatch::fixed("the decimal's scale is no int"))?,
                },
                _ => return Err(Mismatch::fixed("the decimal lacks its scale or value")),
            }
        }
        other => {
            return Err(Mismatch(
                format!("a column cannot take a {}", other.type_name()).into(),
            ));
        }
    };
    Ok(plain)
}

fn integer<'a>(value: i64, logical: Option<Logical>) -> Result<Fact<'a>, Mismatch> {
    let instant = |units_per_ms: i64, units: i64| {
        if INFINITE_MILLIS.contains(&(value / units_per_ms)) || (units_per_ms > 1000 && value == i64::MAX) {
            return Err(Mismatch::fixed("infinity is no instant a column can hold"));
        }
        Ok(Fact::Instant(value, units))
    };
    let within_day = |nanos: Option<i64>| {
        nanos
            .filter(|nanos| (0..super::temporal::DAY_NANOS).contains(nanos))
            .map(Fact::TimeNanos)
            .ok_or(Mismatch::fixed(
                "the time of day is outside 00:00 to 23:59:59.999999999",
            ))
    };
    match logical {
        Some(Logical::Date) if INFINITE_DAYS.contains(&value) => {
            Err(Mismatch::fixed("infinity is no date a column can hold"))
        }
        Some(Logical::Date) => Ok(Fact::Days(value)),
        Some(Logical::TimeMillis) => within_day(value.checked_mul(1_000_000)),
        Some(Logical::TimeMicros) => within_day(value.checked_mul(1000)),
        Some(Logical::TimeNanos) => within_day(Some(value)),
        Some(Logical::TimestampMillis) => instant(1, 1000),
        Some(Logical::TimestampMicros) => instant(1000, 1_000_000),
        Some(Logical::TimestampNanos) => instant(1_000_000, 1_000_000_000),
        Some(Logical::DurationMicros) => Ok(Fact::Duration(value)),
        _ => Ok(Fact::Int(value)),
    }
}
