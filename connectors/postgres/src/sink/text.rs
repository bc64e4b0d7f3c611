//! Sans-I/O: values as the text that Postgres casts to a column's type.

use std::borrow::Cow;
use std::fmt::Write as _;

use rowtide_api::data::Logical;
use rowtide_api::{Kind, RecordError, Schema, Value};
use rowtide_java::decimal::plain_text;
use rowtide_java::temporal::{MICROS_PER_DAY, civil_from_days};

use crate::types::{DATE_INFINITY, TIMESTAMP_INFINITY_US};

/// A value's text; `None` for a null. An absent value is its schema's default.
///
/// # Errors
/// A nested value, or one that is not of its schema's type.
pub fn text<'a>(value: &'a Value, schema: &'a Schema) -> Result<Option<Cow<'a, str>>, RecordError> {
    let value = match (value, &schema.default) {
        (Value::Absent, Some(default)) => default,
        (value, _) => value,
    };
    if value.is_null() {
        return Ok(None);
    }
    if let Some(logical) = schema.logical()
        && let Some(text) = of_logical(value, logical)?
    {
        return Ok(Some(text));
    }
    Ok(Some(match value {
        Value::Bool(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
        Value::Int8(value) => Cow::Owned(value.to_string()),
        Value::Int16(value) => Cow::Owned(value.to_string()),
        Value::Int32(value) => Cow::Owned(value.to_string()),
        Value::Int64(value) => Cow::Owned(value.to_string()),
        Value::Float32(value) => Cow::Owned(value.to_string()),
        Value::Float64(value) => Cow::Owned(value.to_string()),
        Value::Text(text) => Cow::Borrowed(text.as_str()),
        Value::Bytes(bytes) => Cow::Owned(hex(bytes)),
        Value::Array(_) | Value::Map(_) | Value::Struct(_) => return Err(nested(value)),
        Value::Absent | Value::Null => return Ok(None),
    }))
}

/// Whether a field of this schema can be a column.
pub fn is_flat(schema: &Schema) -> bool {
    match schema.kind {
        Kind::Struct(_) => schema.logical() == Some(Logical::VariableScaleDecimal),
        Kind::Array(_) | Kind::Map(..) | Kind::Enclosing(_) => false,
        _ => true,
    }
}

/// The text of a logical type; `None` where the physical form will do.
fn of_logical(value: &Value, logical: Logical) -> Result<Option<Cow<'_, str>>, RecordError> {
    let number = || {
        value
            .as_int()
            .ok_or_else(|| RecordError::new(format!("{} where a number is due", value.type_name())))
    };
    let text = match logical {
        Logical::Decimal { scale } => match value {
            Value::Bytes(unscaled) => decimal(unscaled, scale)?,
            _ => return Ok(None),
        },
        Logical::VariableScaleDecimal => variable_decimal(value)?,
        Logical::Date => date(number()?)?,
        Logical::TimeMillis => time(number()?.saturating_mul(1000)),
        Logical::TimeMicros => time(number()?),
        Logical::TimeNanos => time(number()? / 1000),
        Logical::TimestampMillis => timestamp_millis(number()?)?,
        Logical::TimestampMicros => timestamp(number()?)?,
        Logical::TimestampNanos => timestamp(number()?.div_euclid(1000))?,
        Logical::DurationMicros => format!("{} microseconds", number()?),
        Logical::ZonedTimestamp | Logical::ZonedTime | Logical::Uuid | Logical::Json => return Ok(None),
    };
    Ok(Some(Cow::Owned(text)))
}

fn decimal(unscaled: &[u8], scale: i32) -> Result<String, RecordError> {
    plain_text(unscaled, scale).map_err(|error| RecordError::new(format!("a decimal that is none: {error}")))
}

fn variable_decimal(value: &Value) -> Result<String, RecordError> {
    let parts = value
        .as_struct()
        .and_then(|parts| Some((parts.get("scale")?, parts.get("value")?)));
    match parts {
        Some((Value::Int32(scale), Value::Bytes(unscaled))) => decimal(unscaled, *scale),
        _ => Err(RecordError::new("a decimal without scale or value")),
    }
}

/// `2017-09-15`, `0044-03-15 BC`, `infinity` (PG-127).
fn date(days: i64) -> Result<String, RecordError> {
    if days == i64::from(DATE_INFINITY.0) {
        return Ok("-infinity".into());
    }
    if days == i64::from(DATE_INFINITY.1) {
        return Ok("infinity".into());
    }
    let (mut out, era) = day(days)?;
    out.push_str(era);
    Ok(out)
}

fn timestamp_millis(millis: i64) -> Result<String, RecordError> {
    // The infinities keep their meaning at the coarser unit, and would overflow on the way to the finer one.
    if millis == TIMESTAMP_INFINITY_US.0 / 1000 {
        return Ok("-infinity".into());
    }
    if millis == TIMESTAMP_INFINITY_US.1 / 1000 {
        return Ok("infinity".into());
    }
    let micros = millis
        .checked_mul(1000)
        .ok_or_else(|| RecordError::new("an instant beyond what Postgres keeps"))?;
    timestamp(micros)
}

/// `2017-09-15 11:51:02.123456`; sessions run in UTC, so that it means the same in both kinds of column.
fn timestamp(micros: i64) -> Result<String, RecordError> {
    if micros == TIMESTAMP_INFINITY_US.0 {
        return Ok("-infinity".into());
    }
    if micros == TIMESTAMP_INFINITY_US.1 {
        return Ok("infinity".into());
    }
    let (mut out, era) = day(micros.div_euclid(MICROS_PER_DAY))?;
    out.push(' ');
    out.push_str(&time(micros.rem_euclid(MICROS_PER_DAY)));
    out.push_str(era);
    Ok(out)
}

/// The day, and what follows it and its time of day.
fn day(days: i64) -> Result<(String, &'static str), RecordError> {
    let civil = civil_from_days(days).ok_or_else(|| RecordError::new("a date beyond what Postgres keeps"))?;
    let (year, era) = if civil.year > 0 {
        (civil.year, "")
    } else {
        (1 - civil.year, " BC")
    };
    Ok((format!("{year:04}-{:02}-{:02}", civil.month, civil.day), era))
}

/// `11:51:02.123456`. Postgres itself refuses what is no time of a day.
fn time(micros: i64) -> String {
    let (seconds, fraction) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let mut out = format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    if fraction != 0 {
        // Writing to a String does not fail.
        let _ = write!(out, ".{fraction:06}");
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(2 + bytes.len() * 2);
    out.push_str("\\x");
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out
}

fn nested(value: &Value) -> RecordError {
    RecordError::new(format!(
        "{} where a scalar is due: flatten the record with a transform, an envelope with ExtractNewRecordState",
        value.type_name()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rowtide_api::Blob;
    use std::sync::Arc;

    fn named(kind: Kind, name: &str) -> Arc<Schema> {
        Schema::of(kind).name(name).parameter("scale", "2").build()
    }

    #[test]
    fn scalars_become_text_that_postgres_reads() {
        for (value, expected) in [
            (Value::Bool(true), "true"),
            (Value::Int8(-1), "-1"),
            (Value::Int64(i64::MIN), "-9223372036854775808"),
            (Value::Float64(1.0), "1"),
            (Value::Float64(0.1), "0.1"),
            (Value::Float32(f32::NAN), "NaN"),
            (Value::Float64(f64::NEG_INFINITY), "-inf"),
            (Value::from("grüße"), "grüße"),
            (Value::Bytes(Blob::copy(&[0, 255, 16])), "\\x00ff10"),
        ] {
            let schema = Schema::of(Kind::Text).build();
            assert_eq!(text(&value, &schema).unwrap().unwrap(), expected);
        }
        let schema = Schema::of(Kind::Int32).default(Value::Int32(7)).build();
        assert_eq!(text(&Value::Absent, &schema).unwrap().unwrap(), "7");
        assert_eq!(text(&Value::Null, &schema).unwrap(), None);
    }

    #[test]
    fn logical_types_become_dates_times_and_decimals() {
        let int = |name: &str, value: Value, expected: &str| {
            let schema = named(Kind::Int64, name);
            assert_eq!(text(&value, &schema).unwrap().unwrap(), expected, "{name}");
        };
        int("io.debezium.time.Date", Value::Int32(17_424), "2017-09-15");
        int("io.debezium.time.Date", Value::Int32(-735_160), "0044-03-15 BC");
        int("io.debezium.time.Date", Value::Int32(DATE_INFINITY.1), "infinity");
        int(
            "org.apache.kafka.connect.data.Time",
            Value::Int32(1),
            "00:00:00.001000",
        );
        int(
            "io.debezium.time.MicroTime",
            Value::Int64(MICROS_PER_DAY),
            "24:00:00",
        );
        int(
            "io.debezium.time.NanoTime",
            Value::Int64(1_000_001_000),
            "00:00:01.000001",
        );
        int(
            "io.debezium.time.Timestamp",
            Value::Int64(1_478_267_490_123),
            "2016-11-04 13:51:30.123000",
        );
        int(
            "io.debezium.time.MicroTimestamp",
            Value::Int64(-1),
            "1969-12-31 23:59:59.999999",
        );
        int(
            "io.debezium.time.NanoTimestamp",
            Value::Int64(-1),
            "1969-12-31 23:59:59.999999",
        );
        for (name, divisor) in [
            ("io.debezium.time.MicroTimestamp", 1),
            ("io.debezium.time.Timestamp", 1000),
        ] {
            int(name, Value::Int64(TIMESTAMP_INFINITY_US.0 / divisor), "-infinity");
            int(name, Value::Int64(TIMESTAMP_INFINITY_US.1 / divisor), "infinity");
        }
        int(
            "io.debezium.time.MicroDuration",
            Value::Int64(5),
            "5 microseconds",
        );
        int(
            "org.apache.kafka.connect.data.Decimal",
            Value::Bytes(Blob::copy(&[0x04, 0xd2])),
            "12.34",
        );
        int("io.debezium.data.Uuid", Value::from("u"), "u");
    }

    #[test]
    fn nested_values_are_refused_and_say_what_to_do() {
        let schema = Schema::of(Kind::Array(Schema::text())).build();
        let error = text(&Value::Array(Box::default()), &schema).unwrap_err();
        assert!(error.reason.contains("ExtractNewRecordState"));
        assert!(!is_flat(&schema));
    }
}
