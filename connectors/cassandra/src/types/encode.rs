//! Sans-I/O: the byte forms of CQL values, one function per family of types.

use std::net::IpAddr;

use rowtide_api::Value;
use rowtide_api::data::Logical;
use uuid::Uuid;

use super::scalar::{Fact, Scalar, fact};
use super::{Codec, Cql, Encoded, Mismatch, number, temporal};
use crate::config::TimeUnit;

impl Codec {
    /// Appends the bytes of `value`, which is not null.
    ///
    /// # Errors
    /// When the value does not fit; what was appended by then is to be discarded.
    pub(crate) fn encode(&self, value: &Value, out: &mut Vec<u8>) -> Result<Encoded, Mismatch> {
        match &self.cql {
            Cql::Scalar(scalar) => scalar_bytes(*scalar, value, self.logical, self.unit, out),
            Cql::List(element) | Cql::Set(element) => {
                let Value::Array(items) = value else {
                    return Err(Mismatch(
                        format!("a {} needs an array, not a {}", self.cql, value.type_name()).into(),
                    ));
                };
                let count = i32::try_from(items.len())
                    .map_err(|_| Mismatch::fixed("the array has too many elements"))?;
                out.extend_from_slice(&count.to_be_bytes());
                for item in items {
                    let start = out.len();
                    out.extend_from_slice(&[0; 4]);
                    let ended = match item {
                        Value::Null | Value::Absent => Encoded::Null,
                        item => scalar_bytes(*element, item, self.element, self.unit, out)?,
                    };
                    if ended == Encoded::Null {
                        return Err(Mismatch::fixed("a collection cannot hold a null element"));
                    }
                    close(out, start)?;
                }
                Ok(Encoded::Value)
            }
        }
    }
}

/// Writes the length of what stands behind the four bytes at `start`.
pub(crate) fn close(out: &mut [u8], start: usize) -> Result<(), Mismatch> {
    let len = i32::try_from(out.len() - start - 4).map_err(|_| Mismatch::fixed("the value exceeds 2 GiB"))?;
    out[start..start + 4].copy_from_slice(&len.to_be_bytes());
    Ok(())
}

fn scalar_bytes(
    scalar: Scalar,
    value: &Value,
    logical: Option<Logical>,
    unit: TimeUnit,
    out: &mut Vec<u8>,
) -> Result<Encoded, Mismatch> {
    let fact = fact(value, logical)?;
    // Of bytes the empty text is what no bytes are in Base64: a value, as in the DataStax codec.
    if let Fact::Text("") = fact
        && !scalar.is_text()
        && scalar != Scalar::Blob
    {
        return Ok(Encoded::Null);
    }
    match scalar {
        Scalar::Text | Scalar::Ascii => text(scalar, fact, out)?,
        Scalar::Boolean => out.push(u8::from(boolean(fact)?)),
        Scalar::TinyInt => out.extend_from_slice(&ranged::<i8>(scalar, fact)?.to_be_bytes()),
        Scalar::SmallInt => out.extend_from_slice(&ranged::<i16>(scalar, fact)?.to_be_bytes()),
        Scalar::Int => out.extend_from_slice(&ranged::<i32>(scalar, fact)?.to_be_bytes()),
        Scalar::BigInt => out.extend_from_slice(&ranged::<i64>(scalar, fact)?.to_be_bytes()),
        Scalar::Float => out.extend_from_slice(&float(fact)?.to_be_bytes()),
        Scalar::Double => out.extend_from_slice(&double(fact)?.to_be_bytes()),
        Scalar::Blob => blob(fact, out)?,
        Scalar::Decimal => {
            let (unscaled, scale) = decimal(scalar, fact)?;
            out.extend_from_slice(&scale.to_be_bytes());
            out.extend_from_slice(&unscaled);
        }
        Scalar::VarInt => out.extend_from_slice(&whole(scalar, fact)?),
        Scalar::Date => out.extend_from_slice(&date(fact)?.to_be_bytes()),
        Scalar::Time => out.extend_from_slice(&time(fact)?.to_be_bytes()),
        Scalar::Timestamp => out.extend_from_slice(&timestamp(fact, unit)?.to_be_bytes()),
        Scalar::Uuid | Scalar::TimeUuid => out.extend_from_slice(&uuid(scalar, fact)?),
        Scalar::Inet => match address(fact)? {
            IpAddr::V4(v4) => out.extend_from_slice(&v4.octets()),
            IpAddr::V6(v6) => out.extend_from_slice(&v6.octets()),
        },
        Scalar::Duration => duration(fact, out)?,
    }
    Ok(Encoded::Value)
}

fn wrong(scalar: Scalar, fact: Fact<'_>) -> Mismatch {
    Mismatch(format!("{} is no {}", fact.name(), scalar.name()).into())
}

fn unparsable(scalar: Scalar) -> Mismatch {
    Mismatch(format!("the text is no {}", scalar.name()).into())
}

fn inexact(scalar: Scalar) -> Mismatch {
    Mismatch(format!("the number does not fit {} exactly", scalar.name()).into())
}

fn text(scalar: Scalar, fact: Fact<'_>, out: &mut Vec<u8>) -> Result<(), Mismatch> {
    match fact {
        Fact::Text(text) if scalar == Scalar::Ascii && !text.is_ascii() => {
            return Err(Mismatch::fixed("the text has characters outside ASCII"));
        }
        Fact::Text(text) => out.extend_from_slice(text.as_bytes()),
        Fact::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Fact::Int(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Fact::Float32(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Fact::Float64(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Fact::Decimal { unscaled, scale } => {
            out.extend_from_slice(number::text(nonempty(unscaled), scale).as_bytes());
        }
        Fact::Days(days) => out.extend_from_slice(temporal::date_text(days).as_bytes()),
        Fact::TimeNanos(nanos) => out.extend_from_slice(temporal::time_text(nanos).as_bytes()),
        Fact::Instant(value, units) => {
            out.extend_from_slice(temporal::instant_text(value, units).as_bytes());
        }
        Fact::Bytes(_) | Fact::Duration(_) => return Err(wrong(scalar, fact)),
    }
    Ok(())
}

/// A decimal without bytes is zero in some writers.
fn nonempty(unscaled: &[u8]) -> &[u8] {
    if unscaled.is_empty() { &[0] } else { unscaled }
}

fn boolean(fact: Fact<'_>) -> Result<bool, Mismatch> {
    match fact {
        Fact::Bool(value) => Ok(value),
        Fact::Int(0) => Ok(false),
        Fact::Int(1) => Ok(true),
        Fact::Int(_) => Err(Mismatch::fixed("only 0 and 1 are booleans")),
        Fact::Text(text) => match text.to_ascii_uppercase().as_str() {
            "1" | "Y" | "T" | "YES" | "TRUE" => Ok(true),
            "0" | "N" | "F" | "NO" | "FALSE" => Ok(false),
            _ => Err(unparsable(Scalar::Boolean)),
        },
        other => Err(wrong(Scalar::Boolean, other)),
    }
}

fn ranged<T: TryFrom<i64>>(scalar: Scalar, fact: Fact<'_>) -> Result<T, Mismatch> {
    let value = match fact {
        Fact::Int(value) => Some(value),
        Fact::Bool(value) => Some(value.into()),
        // Dates, times and instants go into number columns as the record carries them.
        Fact::Days(value) | Fact::TimeNanos(value) | Fact::Instant(value, _) | Fact::Duration(value) => {
            Some(value)
        }
        Fact::Bytes(_) => return Err(wrong(scalar, fact)),
        other => number::to_i128(&whole(scalar, other)?).and_then(|value| i64::try_from(value).ok()),
    };
    value
        .and_then(|value| T::try_from(value).ok())
        .ok_or_else(|| Mismatch(format!("the number is outside the range of {}", scalar.name()).into()))
}

/// The number as unscaled bytes and scale.
fn decimal(scalar: Scalar, fact: Fact<'_>) -> Result<(Vec<u8>, i32), Mismatch> {
    let parsed = |text: &str| number::parse(text).map(|decimal| (decimal.unscaled, decimal.scale));
    match fact {
        Fact::Decimal { unscaled, scale } => Ok((nonempty(unscaled).to_vec(), scale)),
        Fact::Int(value) => Ok((number::minimal(&value.to_be_bytes()).to_vec(), 0)),
        Fact::Bool(value) => Ok((vec![u8::from(value)], 0)),
        Fact::Float32(value) => parsed(&value.to_string()).ok_or_else(|| inexact(scalar)),
        Fact::Float64(value) => parsed(&value.to_string()).ok_or_else(|| inexact(scalar)),
        Fact::Text(text) => parsed(text.trim()).ok_or_else(|| unparsable(scalar)),
        other => Err(wrong(scalar, other)),
    }
}

fn whole(scalar: Scalar, fact: Fact<'_>) -> Result<Vec<u8>, Mismatch> {
    let (unscaled, scale) = decimal(scalar, fact)?;
    number::whole(&unscaled, scale).ok_or_else(|| inexact(scalar))
}

fn double(fact: Fact<'_>) -> Result<f64, Mismatch> {
    match fact {
        Fact::Float64(value) => Ok(value),
        Fact::Float32(value) => Ok(value.into()),
        Fact::Text(text) => float_text(text).ok_or_else(|| unparsable(Scalar::Double)),
        other => {
            let (unscaled, scale) = decimal(Scalar::Double, other)?;
            let text = number::text(&unscaled, scale);
            let value: f64 = text.parse().map_err(|_| inexact(Scalar::Double))?;
            same_number(&value.to_string(), &text)
                .then_some(value)
                .ok_or_else(|| inexact(Scalar::Double))
        }
    }
}

fn float(fact: Fact<'_>) -> Result<f32, Mismatch> {
    match fact {
        Fact::Float32(value) => Ok(value),
        Fact::Text(text) => {
            let wide = float_text(text).ok_or_else(|| unparsable(Scalar::Float))?;
            if !wide.is_finite() {
                return Ok(wide as f32);
            }
            let value: f32 = text
                .trim()
                .replace(',', "")
                .parse()
                .map_err(|_| unparsable(Scalar::Float))?;
            value
                .is_finite()
                .then_some(value)
                .ok_or_else(|| inexact(Scalar::Float))
        }
        other => {
            let wide = double(other)?;
            let value = wide as f32;
            (wide.is_nan() || f64::from(value) == wide)
                .then_some(value)
                .ok_or_else(|| inexact(Scalar::Float))
        }
    }
}

/// Numbers, and the words Debezium and Java use for what is none (CS-046).
fn float_text(text: &str) -> Option<f64> {
    match text.trim() {
        "NaN" | "NAN" => Some(f64::NAN),
        "Infinity" | "POSITIVE_INFINITY" => Some(f64::INFINITY),
        "-Infinity" | "NEGATIVE_INFINITY" => Some(f64::NEG_INFINITY),
        text => {
            number::parse(text)?;
            text.replace(',', "")
                .parse()
                .ok()
                .filter(|value: &f64| value.is_finite())
        }
    }
}

fn same_number(one: &str, two: &str) -> bool {
    let normal = |text: &str| {
        number::parse(text).map(|decimal| {
            let plain = number::text(&decimal.unscaled, decimal.scale);
            match plain.contains('.') {
                true => plain.trim_end_matches('0').trim_end_matches('.').to_owned(),
                false => plain,
            }
        })
    };
    normal(one) == normal(two)
}

fn blob(fact: Fact<'_>, out: &mut Vec<u8>) -> Result<(), Mismatch> {
    match fact {
        Fact::Bytes(bytes) => out.extend_from_slice(bytes),
        Fact::Text(text) => {
            let decoded = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
                Some(hex) => unhex(hex),
                None => unbase64(text),
            };
            out.extend_from_slice(&decoded.ok_or(Mismatch::fixed(
                "the text is neither Base64 nor 0x and hex digits",
            ))?);
        }
        other => return Err(wrong(Scalar::Blob, other)),
    }
    Ok(())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}

/// Standard alphabet with padding.
fn unbase64(text: &str) -> Option<Vec<u8>> {
    let body = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - body.len() > 2 {
        return None;
    }
    let mut out = Vec::with_capacity(body.len() * 3 / 4);
    let (mut bits, mut held) = (0_u32, 0);
    for byte in body.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    Some(out)
}

/// Days with 2^31 for 1970-01-01.
fn date(fact: Fact<'_>) -> Result<u32, Mismatch> {
    let days = match fact {
        Fact::Days(days) => days,
        Fact::Text(text) => temporal::parse_date(text).ok_or_else(|| unparsable(Scalar::Date))?,
        other => return Err(wrong(Scalar::Date, other)),
    };
    u32::try_from(days + (1_i64 << 31)).map_err(|_| Mismatch::fixed("the date is outside the range of date"))
}

fn time(fact: Fact<'_>) -> Result<i64, Mismatch> {
    match fact {
        Fact::TimeNanos(nanos) => Ok(nanos),
        Fact::Text(text) => temporal::parse_zoned_time(text).ok_or_else(|| unparsable(Scalar::Time)),
        other => Err(wrong(Scalar::Time, other)),
    }
}

fn timestamp(fact: Fact<'_>, unit: TimeUnit) -> Result<i64, Mismatch> {
    let range = || Mismatch::fixed("the instant is outside the range of timestamp");
    match fact {
        Fact::Instant(value, 1000) => Ok(value),
        Fact::Instant(value, units) => Ok(value.div_euclid(units / 1000)),
        Fact::Days(days) => days.checked_mul(86_400_000).ok_or_else(range),
        Fact::Int(value) => unit
            .to_micros(value)
            .map(|micros| micros.div_euclid(1000))
            .ok_or_else(range),
        Fact::Text(text) => temporal::parse_instant(text).ok_or_else(|| unparsable(Scalar::Timestamp)),
        other => Err(wrong(Scalar::Timestamp, other)),
    }
}

fn uuid(scalar: Scalar, fact: Fact<'_>) -> Result<[u8; 16], Mismatch> {
    let uuid = match fact {
        Fact::Text(text) if text.len() == 36 => Uuid::parse_str(text).map_err(|_| unparsable(scalar))?,
        Fact::Text(_) => return Err(unparsable(scalar)),
        Fact::Bytes(bytes) => Uuid::from_slice(bytes).map_err(|_| Mismatch::fixed("a uuid has 16 bytes"))?,
        other => return Err(wrong(scalar, other)),
    };
    if scalar == Scalar::TimeUuid && uuid.get_version_num() != 1 {
        return Err(Mismatch::fixed("a timeuuid is a uuid of version 1"));
    }
    Ok(uuid.into_bytes())
}

fn address(fact: Fact<'_>) -> Result<IpAddr, Mismatch> {
    match fact {
        Fact::Text(text) => text.parse().map_err(|_| unparsable(Scalar::Inet)),
        other => Err(wrong(Scalar::Inet, other)),
    }
}

fn duration(fact: Fact<'_>, out: &mut Vec<u8>) -> Result<(), Mismatch> {
    let (months, days, nanos) = match fact {
        Fact::Duration(micros) => (
            0,
            0,
            micros
                .checked_mul(1000)
                .ok_or(Mismatch::fixed("the duration exceeds 292 years"))?,
        ),
        Fact::Text(text) => temporal::parse_duration(text).ok_or_else(|| unparsable(Scalar::Duration))?,
        other => return Err(wrong(Scalar::Duration, other)),
    };
    for part in [i64::from(months), i64::from(days), nanos] {
        vint(part, out);
    }
    Ok(())
}

/// Zigzag, then as many leading ones as there are further bytes.
fn vint(value: i64, out: &mut Vec<u8>) {
    let zigzag = ((value << 1) ^ (value >> 63)) as u64;
    let bits = 64 - zigzag.leading_zeros();
    let extra = (bits.max(1).saturating_sub(1) / 7).min(8) as usize;
    let bytes = zigzag.to_be_bytes();
    if extra == 8 {
        out.push(0xff);
        out.extend_from_slice(&bytes);
        return;
    }
    let mark = !(0xff_u16 >> extra) as u8;
    let start = out.len();
    out.extend_from_slice(&bytes[7 - extra..]);
    out[start] |= mark;
}

#[cfg(test)]
#[path = "golden.rs"]
mod golden;
