//! Sans-I/O. Decimals as text: `BigDecimal.toPlainString` and `BigDecimal.toString`.

use super::{DecimalError, MAX_DIGITS, fast, magnitude};

/// Bytes that hold [`MAX_DIGITS`] digits and a sign: log₂₅₆ 10 = 0.4153 of a byte for each.
const MAX_UNSCALED_BYTES: usize = MAX_DIGITS * 4153 / 10_000;

/// Plain notation, never with an exponent: 5 at scale 3 is `0.005`, at scale −2 it is `500`.
///
/// # Errors
/// No bytes; more than [`MAX_DIGITS`] digits; a scale that would pad them to more than twice that.
pub fn plain_text(unscaled: &[u8], scale: i32) -> Result<String, DecimalError> {
    let (negative, digits) = digits(unscaled)?;
    if digits.len() + scale.unsigned_abs() as usize > 2 * MAX_DIGITS {
        return Err(DecimalError::TooLong);
    }
    let mut out = String::with_capacity(digits.len() + scale.unsigned_abs() as usize + 3);
    write_plain(negative, &digits, scale, &mut out);
    Ok(out)
}

/// What `BigDecimal.toString` prints: plain for a scale ≥ 0 and values from 10⁻⁶, otherwise `1.23E+5`, `1E-7`.
///
/// # Errors
/// No bytes; more than [`MAX_DIGITS`] digits.
pub fn java_text(unscaled: &[u8], scale: i32) -> Result<String, DecimalError> {
    let (negative, digits) = digits(unscaled)?;
    let exponent = digits.len() as i64 - 1 - i64::from(scale);
    let mut out = String::with_capacity(digits.len() + 16);
    if scale >= 0 && exponent >= -6 {
        write_plain(negative, &digits, scale, &mut out);
        return Ok(out);
    }
    if negative {
        out.push('-');
    }
    push(&mut out, &digits[..1]);
    if digits.len() > 1 {
        out.push('.');
        push(&mut out, &digits[1..]);
    }
    if exponent != 0 {
        out.push_str(if exponent > 0 { "E+" } else { "E" });
        out.push_str(&exponent.to_string());
    }
    Ok(out)
}

/// The sign and the digits of an unscaled value, `0` for zero.
pub(super) fn digits(unscaled: &[u8]) -> Result<(bool, Vec<u8>), DecimalError> {
    if let Some(small) = fast::from_bytes(unscaled) {
        return Ok((small < 0, small.unsigned_abs().to_string().into_bytes()));
    }
    match magnitude::trim_sign(unscaled).len() {
        0 => Err(DecimalError::Empty),
        len if len > MAX_UNSCALED_BYTES => Err(DecimalError::TooLong),
        _ => Ok(magnitude::digits_from_bytes(magnitude::trim_sign(unscaled))),
    }
}

fn write_plain(negative: bool, digits: &[u8], scale: i32, out: &mut String) {
    if negative {
        out.push('-');
    }
    let places = scale.unsigned_abs() as usize;
    if scale <= 0 {
        push(out, digits);
        if digits != b"0" {
            out.extend(std::iter::repeat_n('0', places));
        }
    } else if let Some(whole) = digits.len().checked_sub(places).filter(|whole| *whole > 0) {
        push(out, &digits[..whole]);
        out.push('.');
        push(out, &digits[whole..]);
    } else {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', places - digits.len()));
        push(out, digits);
    }
}

fn push(out: &mut String, digits: &[u8]) {
    out.extend(digits.iter().map(|digit| char::from(*digit)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_and_scientific_text_are_javas() {
        // (unscaled, scale, toPlainString, toString)
        let golden: [(i128, i32, &str, &str); 17] = [
            (0, 0, "0", "0"),
            (0, 3, "0.000", "0.000"),
            (0, 7, "0.0000000", "0E-7"),
            (0, -3, "0", "0E+3"),
            (5, 3, "0.005", "0.005"),
            (-5, 3, "-0.005", "-0.005"),
            (1, 6, "0.000001", "0.000001"),
            (1, 7, "0.0000001", "1E-7"),
            (12, 8, "0.00000012", "1.2E-7"),
            (123, 2, "1.23", "1.23"),
            (123, 3, "0.123", "0.123"),
            (-123, 0, "-123", "-123"),
            (123, -2, "12300", "1.23E+4"),
            (1, -1, "10", "1E+1"),
            (1000, 3, "1.000", "1.000"),
            (
                i128::MAX,
                10,
                "17014118346046923173168730371.5884105727",
                "17014118346046923173168730371.5884105727",
            ),
            (
                i128::MIN,
                -1,
                "-1701411834604692317316873037158841057280",
                "-1.70141183460469231731687303715884105728E+39",
            ),
        ];
        for (unscaled, scale, plain, java) in golden {
            let bytes = unscaled.to_be_bytes();
            assert_eq!(plain_text(&bytes, scale).unwrap(), plain);
            assert_eq!(java_text(&bytes, scale).unwrap(), java);
        }
    }

    #[test]
    fn no_bytes_and_too_many_are_refused() {
        assert_eq!(plain_text(&[], 0), Err(DecimalError::Empty));
        assert_eq!(
            java_text(&vec![0x7f; MAX_UNSCALED_BYTES + 1], 0),
            Err(DecimalError::TooLong)
        );
        assert_eq!(plain_text(&[1], i32::MIN), Err(DecimalError::TooLong));
        assert_eq!(java_text(&[1], i32::MIN).unwrap(), "1E+2147483648");
    }
}
