//! Sans-I/O. Takes a decimal text apart: sign, digits before and after the point, exponent.

use super::DecimalError;
use super::fast::FAST_DIGITS;

/// The pieces of a text that is a decimal number. Both digit runs are ASCII digits; one of them may be empty.
pub(super) struct Parts<'t> {
    pub(super) negative: bool,
    /// Without leading zeros.
    pub(super) whole: &'t [u8],
    pub(super) fraction: &'t [u8],
    pub(super) exponent: i32,
}

/// Reads `[sign] digits [. digits] [e [sign] digits]`, with a digit before or after the point.
pub(super) fn scan(text: &[u8]) -> Result<Parts<'_>, DecimalError> {
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let (whole, rest) = digits(unsigned);
    let (fraction, rest) = match rest {
        [b'.', rest @ ..] => digits(rest),
        _ => (&rest[..0], rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(special(negative, unsigned));
    }
    let exponent = match rest {
        [] => 0,
        [b'e' | b'E', rest @ ..] => exponent(rest)?,
        _ => return Err(DecimalError::Malformed),
    };
    let zeros = whole.iter().take_while(|digit| **digit == b'0').count();
    Ok(Parts {
        negative,
        whole: &whole[zeros..],
        fraction,
        exponent,
    })
}

impl Parts<'_> {
    pub(super) fn scale(&self) -> Result<i32, DecimalError> {
        let scale = self.fraction.len() as i64 - i64::from(self.exponent);
        i32::try_from(scale).map_err(|_| DecimalError::ScaleOverflow)
    }

    /// The digits as one integer, when they are few enough for the fast path.
    pub(super) fn small(&self) -> Option<i128> {
        self.small_of(self.fraction)
    }

    /// As [`Parts::small`], with another run of digits (a shorter one) after the point.
    pub(super) fn small_of(&self, fraction: &[u8]) -> Option<i128> {
        let zeros = match self.whole {
            [] => fraction.iter().take_while(|digit| **digit == b'0').count(),
            _ => 0,
        };
        let fraction = &fraction[zeros..];
        if self.whole.len() + fraction.len() > FAST_DIGITS {
            return None;
        }
        let value = append(append(0, self.whole), fraction) as i128;
        Some(if self.negative { -value } else { value })
    }
}

/// `value` with `digits` written behind it. The caller has bounded the digits to those an `i128` holds.
fn append(mut value: u128, digits: &[u8]) -> u128 {
    // 19 digits fit in 64 bits, whose arithmetic is several times faster.
    for chunk in digits.chunks(19) {
        let number = chunk
            .iter()
            .fold(0u64, |number, digit| number * 10 + u64::from(digit - b'0'));
        value = match value {
            0 => u128::from(number),
            _ => value * u128::from(10u64.pow(chunk.len() as u32)) + u128::from(number),
        };
    }
    value
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

fn exponent(text: &[u8]) -> Result<i32, DecimalError> {
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let (run, rest) = digits(unsigned);
    if run.is_empty() || !rest.is_empty() {
        return Err(DecimalError::Malformed);
    }
    let value = run.iter().try_fold(0i32, |value, digit| {
        value.checked_mul(10)?.checked_add(i32::from(digit - b'0'))
    });
    value
        .map(|value| if negative { -value } else { value })
        .ok_or(DecimalError::ScaleOverflow)
}

fn special(negative: bool, unsigned: &[u8]) -> DecimalError {
    match unsigned {
        b"NaN" => DecimalError::NotANumber,
        b"Infinity" => DecimalError::Infinite { negative },
        _ => DecimalError::Malformed,
    }
}
