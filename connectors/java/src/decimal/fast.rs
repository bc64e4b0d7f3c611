//! Sans-I/O. The road of ordinary decimals: up to 38 digits, in an `i128`, without allocation. Every numeric column of
//! the Postgres source passes here.

use super::DecimalError;
use super::scan::scan;

/// Digits an `i128` always holds.
pub const FAST_DIGITS: usize = 38;

/// Bytes of the caller's buffer; the fast path fills at most 16 of them.
pub const UNSCALED_ROOM: usize = 32;

const POWERS: [i128; FAST_DIGITS + 1] = {
    let mut powers = [1; FAST_DIGITS + 1];
    let mut index = 1;
    while index <= FAST_DIGITS {
        powers[index] = powers[index - 1] * 10;
        index += 1;
    }
    powers
};

/// Reads a decimal text at the scale of its column, and writes the unscaled value into the front of `out`: big-endian
/// two's complement, minimal. `Ok(Some(n))`: in `out[..n]`. `Ok(None)`: too many digits for this road, take
/// `Decimal::parse(text)?.rescale(scale)?`.
///
/// # Errors
/// Text that is no decimal, `NaN` and the infinities, digits that the scale cannot hold.
pub fn parse_scaled(
    text: &[u8],
    scale: i32,
    out: &mut [u8; UNSCALED_ROOM],
) -> Result<Option<usize>, DecimalError> {
    let parts = scan(text)?;
    let Some(value) = parts.small() else {
        return Ok(None);
    };
    let Some(value) = rescale(value, parts.scale()?, scale)? else {
        return Ok(None);
    };
    Ok(Some(write_minimal(value, out)))
}

/// Reads a decimal text of a column without a scale, trailing zeros after the point stripped and no negative scale
/// (PG-117): `10.50` is 105 at scale 1, `1e2` is 100 at scale 0. `Ok(Some((n, scale)))`: the unscaled value is in
/// `out[..n]`. `Ok(None)`: too many digits, take [`Decimal::parse`](super::Decimal::parse) and
/// [`strip_trailing_zeros`](super::Decimal::strip_trailing_zeros), and rescale a negative scale to 0.
///
/// # Errors
/// Text that is no decimal, `NaN` and the infinities.
pub fn parse_stripped(
    text: &[u8],
    out: &mut [u8; UNSCALED_ROOM],
) -> Result<Option<(usize, i32)>, DecimalError> {
    let parts = scan(text)?;
    let zeros = parts
        .fraction
        .iter()
        .rev()
        .take_while(|digit| **digit == b'0')
        .count();
    let fraction = match parts.exponent {
        0 => &parts.fraction[..parts.fraction.len() - zeros],
        _ => parts.fraction,
    };
    let Some(mut value) = parts.small_of(fraction) else {
        return Ok(None);
    };
    let mut scale = i32::try_from(fraction.len() as i64 - i64::from(parts.exponent))
        .map_err(|_| DecimalError::ScaleOverflow)?;
    if value == 0 {
        scale = 0;
    } else if scale < 0 {
        let Some(whole) = rescale(value, scale, 0)? else {
            return Ok(None);
        };
        (value, scale) = (whole, 0);
    } else if parts.exponent != 0 {
        while scale > 0 && value % 10 == 0 {
            value /= 10;
            scale -= 1;
        }
    }
    Ok(Some((write_minimal(value, out), scale)))
}

/// The unscaled value at another scale. `Ok(None)`: it no longer fits.
pub(super) fn rescale(value: i128, from: i32, to: i32) -> Result<Option<i128>, DecimalError> {
    if value == 0 {
        return Ok(Some(0));
    }
    let more = i64::from(to) - i64::from(from);
    let power = usize::try_from(more.unsigned_abs())
        .ok()
        .and_then(|places| POWERS.get(places));
    match (more, power) {
        (0, _) => Ok(Some(value)),
        (1.., Some(power)) => Ok(value.checked_mul(*power)),
        (1.., None) => Ok(None),
        (_, Some(power)) if value % power == 0 => Ok(Some(value / power)),
        // An i128 has at most 39 digits, the first not zero: cutting 39 of them always loses one.
        _ => Err(DecimalError::LosesDigits { scale: to }),
    }
}

/// The value of an unscaled integer, if it is short enough. `None` also for no bytes at all.
pub(super) fn from_bytes(unscaled: &[u8]) -> Option<i128> {
    if unscaled.is_empty() || unscaled.len() > 16 {
        return None;
    }
    let sign = if unscaled[0] & 0x80 == 0 { 0 } else { 0xff };
    let mut bytes = [sign; 16];
    bytes[16 - unscaled.len()..].copy_from_slice(unscaled);
    Some(i128::from_be_bytes(bytes))
}

/// The minimal two's complement of `value`.
pub(super) fn minimal(value: i128) -> Vec<u8> {
    value.to_be_bytes()[16 - minimal_len(value)..].to_vec()
}

fn write_minimal(value: i128, out: &mut [u8; UNSCALED_ROOM]) -> usize {
    let len = minimal_len(value);
    out[..len].copy_from_slice(&value.to_be_bytes()[16 - len..]);
    len
}

/// Bytes that hold the value and its sign bit.
fn minimal_len(value: i128) -> usize {
    let magnitude_bits = 128 - (value ^ (value >> 127)).leading_zeros() as usize;
    magnitude_bits / 8 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaled(text: &str, scale: i32) -> Result<Option<Vec<u8>>, DecimalError> {
        let mut room = [0; UNSCALED_ROOM];
        Ok(parse_scaled(text.as_bytes(), scale, &mut room)?.map(|len| room[..len].to_vec()))
    }

    /// PG-144, vectors V1 and V2.
    #[test]
    fn numeric_columns_have_their_scale() {
        assert_eq!(scaled("1.1", 2), Ok(Some(vec![110])));
        assert_eq!(scaled("22.2", 4), Ok(Some(vec![0x03, 0x63, 0x30])));
        assert_eq!(scaled("-1234.11", 2), Ok(Some(vec![0xfe, 0x1d, 0xed])));
        assert_eq!(scaled("1200", -2), Ok(Some(vec![12])));
        assert_eq!(scaled("0.000", 2), Ok(Some(vec![0])));
        assert_eq!(scaled("1.001", 2), Err(DecimalError::LosesDigits { scale: 2 }));
        assert_eq!(
            scaled("1", i32::MIN),
            Err(DecimalError::LosesDigits { scale: i32::MIN })
        );
        assert_eq!(scaled("NaN", 2), Err(DecimalError::NotANumber));
    }

    #[test]
    fn thirty_eight_digits_are_the_end_of_the_road() {
        let nines = "9".repeat(38);
        assert_eq!(scaled(&nines, 0).unwrap().unwrap().len(), 16);
        assert_eq!(scaled(&format!("-000{nines}"), 0).unwrap().unwrap().len(), 16);
        assert_eq!(
            scaled(&format!("0.{}{nines}", "0".repeat(60)), 98)
                .unwrap()
                .unwrap()
                .len(),
            16
        );
        assert_eq!(scaled(&format!("{nines}9"), 0), Ok(None));
        assert_eq!(scaled(&nines, 1), Ok(None));
        assert_eq!(scaled("1", 40), Ok(None));
    }

    /// PG-117, PG-144 vectors V3 and V4.
    #[test]
    fn columns_without_a_scale_get_the_smallest() {
        let stripped = |text: &str| {
            let mut room = [0; UNSCALED_ROOM];
            let (len, scale) = parse_stripped(text.as_bytes(), &mut room).unwrap().unwrap();
            (room[..len].to_vec(), scale)
        };
        assert_eq!(stripped("10"), (vec![10], 0));
        assert_eq!(stripped("22"), (vec![22], 0));
        assert_eq!(stripped("10.50"), (vec![105], 1));
        assert_eq!(stripped("-0.00"), (vec![0], 0));
        assert_eq!(stripped("1e2"), (vec![100], 0));
        assert_eq!(stripped("150e-4"), (vec![15], 3));
        assert_eq!(stripped("1.500e1"), (vec![15], 0));
    }
}
