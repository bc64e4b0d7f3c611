//! Sans-I/O: numbers, each in the smallest type that holds it exactly.

use rowtide_api::Value;
use rowtide_java::decimal::Decimal;
use rowtide_java::number::{f32_text, f64_text};

/// Longer runs of digits are a text: reading a number takes time by the square of its length, and anyone may write headers.
const LENGTH_MAX: usize = 1000;
/// More zeros than this are not written out to give two decimals one scale.
const ZEROS_MAX: i64 = 1000;

/// Types of numbers, from the smallest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Width {
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    /// With its scale.
    Decimal(i32),
}

/// A number as it was written.
#[derive(Debug)]
pub(super) struct Number<'t> {
    text: &'t str,
    decimal: Decimal,
    /// Without trailing zeros, for comparing.
    stripped: Decimal,
    width: Width,
}

impl<'t> Number<'t> {
    /// Reads what begins with a digit or a sign and is a number as Java's `BigDecimal` reads it.
    pub(super) fn parse(text: &'t str) -> Option<Self> {
        let begins = matches!(text.as_bytes().first()?, b'0'..=b'9' | b'+' | b'-');
        if !begins || text.len() > LENGTH_MAX {
            return None;
        }
        let decimal = Decimal::parse(text.as_bytes()).ok()?;
        let stripped = decimal.strip_trailing_zeros().ok()?;
        let mut number = Self {
            text,
            decimal,
            stripped,
            width: Width::Int8,
        };
        number.width = number.narrowest();
        Some(number)
    }

    fn narrowest(&self) -> Width {
        let scale = self.decimal.scale;
        match self.whole() {
            Some(whole) if i8::try_from(whole).is_ok() => Width::Int8,
            Some(whole) if i16::try_from(whole).is_ok() => Width::Int16,
            Some(whole) if i32::try_from(whole).is_ok() => Width::Int32,
            Some(_) => Width::Int64,
            // A whole number written out stays whole.
            None if scale == 0 => Width::Decimal(scale),
            None if self.float32().is_some() => Width::Float32,
            None if self.float64().is_some() => Width::Float64,
            None => Width::Decimal(scale),
        }
    }

    /// A whole number of at most 64 bits.
    fn whole(&self) -> Option<i64> {
        // More zeros than this are more than 64 bits, and need not be written out.
        if !(-19..=0).contains(&self.stripped.scale) {
            return None;
        }
        let unscaled = self.stripped.rescale(0).ok()?.unscaled;
        let mut bytes = [if unscaled.first()? & 0x80 == 0 { 0 } else { 0xff }; 8];
        let start = bytes.len().checked_sub(unscaled.len())?;
        bytes[start..].copy_from_slice(&unscaled);
        Some(i64::from_be_bytes(bytes))
    }

    /// The float that prints as this number.
    fn float32(&self) -> Option<f32> {
        let float: f32 = self.text.parse().ok()?;
        (float.is_finite() && self.prints_as(&f32_text(float))).then_some(float)
    }

    fn float64(&self) -> Option<f64> {
        let float: f64 = self.text.parse().ok()?;
        (float.is_finite() && self.prints_as(&f64_text(float))).then_some(float)
    }

    fn prints_as(&self, text: &str) -> bool {
        Decimal::parse(text.as_bytes())
            .and_then(|decimal| decimal.strip_trailing_zeros())
            .is_ok_and(|stripped| stripped == self.stripped)
    }

    /// Whether both are the same number.
    pub(super) fn equals(&self, other: &Self) -> bool {
        self.stripped == other.stripped
    }

    /// In its own type; none for a decimal, whose scale no value carries.
    pub(super) fn natural(&self) -> Option<Value> {
        match self.width {
            Width::Decimal(_) => None,
            width => self.value(width),
        }
    }

    /// In a type that [`common`] chose.
    pub(super) fn value(&self, width: Width) -> Option<Value> {
        Some(match width {
            Width::Int8 => Value::Int8(self.whole()?.try_into().ok()?),
            Width::Int16 => Value::Int16(self.whole()?.try_into().ok()?),
            Width::Int32 => Value::Int32(self.whole()?.try_into().ok()?),
            Width::Int64 => Value::Int64(self.whole()?),
            Width::Float32 => Value::Float32(self.float32()?),
            Width::Float64 => Value::Float64(self.float64()?),
            Width::Decimal(scale) if i64::from(scale) - i64::from(self.decimal.scale) > ZEROS_MAX => {
                return None;
            }
            Width::Decimal(scale) => {
                Value::Bytes(self.decimal.rescale(scale).ok()?.unscaled.as_slice().into())
            }
        })
    }
}

/// The smallest type that holds every one of these numbers; at least one.
pub(super) fn common(numbers: &[&Number<'_>]) -> Width {
    let widest = numbers
        .iter()
        .map(|number| number.width)
        .max()
        .unwrap_or(Width::Int8);
    let all = |fits: fn(&Number<'_>) -> bool| numbers.iter().all(|number| fits(number));
    match widest {
        Width::Int8 | Width::Int16 | Width::Int32 | Width::Int64 => widest,
        Width::Float32 if all(|number| number.float32().is_some()) => Width::Float32,
        Width::Float32 | Width::Float64 if all(|number| number.float64().is_some()) => Width::Float64,
        _ => Width::Decimal(
            numbers
                .iter()
                .map(|number| number.decimal.scale)
                .max()
                .unwrap_or(0),
        ),
    }
}
