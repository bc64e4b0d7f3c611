//! Sans-I/O: numbers from the text Postgres prints.

use std::str::FromStr;

use super::Unfit;

/// A whole number: digits with an optional minus, as Postgres prints it.
#[inline]
pub(super) fn int<T: TryFrom<i64>>(text: &[u8]) -> Result<T, Unfit> {
    const BROKEN: Unfit = Unfit("a whole number outside its type");
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    // Nineteen digits hold every bigint, and nineteen times nine fits below 2^64.
    if digits.is_empty() || digits.len() > 19 {
        return Err(BROKEN);
    }
    let mut value = 0_u64;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return Err(BROKEN);
        }
        value = value * 10 + u64::from(digit);
    }
    let signed = if negative {
        0_i64.checked_sub_unsigned(value)
    } else {
        i64::try_from(value).ok()
    };
    signed.and_then(|value| T::try_from(value).ok()).ok_or(BROKEN)
}

/// A floating-point number: decimal or exponent form, `NaN`, `Infinity`, `-Infinity`.
#[inline]
pub(super) fn float<T: FromStr>(text: &[u8]) -> Result<T, Unfit> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(Unfit("a floating-point number in no known form"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn borders_are_kept_and_crossed_ones_refused() {
        assert_eq!(int::<i64>(b"9223372036854775807"), Ok(i64::MAX));
        assert_eq!(int::<i64>(b"-9223372036854775808"), Ok(i64::MIN));
        for text in [
            "",
            "-",
            "9223372036854775808",
            "1 ",
            "+1",
            "1.0",
            "99999999999999999999",
        ] {
            assert!(int::<i64>(text.as_bytes()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_number_reads_back(value: i64, small: i16, float_bits: u64) {
            prop_assert_eq!(int::<i64>(value.to_string().as_bytes()), Ok(value));
            prop_assert_eq!(int::<i16>(small.to_string().as_bytes()), Ok(small));
            let number = f64::from_bits(float_bits);
            let read: f64 = float(format!("{number:e}").as_bytes()).unwrap();
            prop_assert!(read.to_bits() == float_bits || number.is_nan());
        }
    }
}
