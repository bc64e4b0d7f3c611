//! Sans-I/O: decimal text and big-endian two's-complement integers of any length.

/// More digits than any column is meant to hold; longer text is refused, because conversion is quadratic.
const DIGITS_MAX: usize = 4096;
/// Zeros written out before or behind the digits; beyond it the text uses an exponent.
const ZEROS_MAX: i32 = 1000;

/// A decimal number: `unscaled · 10^-scale`, the unscaled value as minimal big-endian two's complement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decimal {
    pub(crate) unscaled: Vec<u8>,
    pub(crate) scale: i32,
}

/// Reads `-1,234.50e-3`: sign, digits, grouping commas before the point, a point, an exponent.
pub(crate) fn parse(text: &str) -> Option<Decimal> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.as_bytes().first()? {
        b'-' => (true, &mantissa[1..]),
        b'+' => (false, &mantissa[1..]),
        _ => (false, mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain: String = whole
        .chars()
        .filter(|c| *c != ',')
        .chain(fraction.chars())
        .collect();
    let grouped = !whole.contains(',') || well_grouped(whole);
    if plain.is_empty() || plain.len() > DIGITS_MAX || !grouped || !plain.bytes().all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    Some(Decimal {
        unscaled: from_digits(&plain, negative),
        scale,
    })
}

fn well_grouped(whole: &str) -> bool {
    let mut groups = whole.split(',');
    groups.next().is_some_and(|first| (1..=3).contains(&first.len())) && groups.all(|group| group.len() == 3)
}

/// Minimal two's complement of a digit string.
fn from_digits(digits: &str, negative: bool) -> Vec<u8> {
    let mut words: Vec<u32> = Vec::new();
    for digit in digits.bytes() {
        let mut carry = u64::from(digit - b'0');
        for word in &mut words {
            let next = u64::from(*word) * 10 + carry;
            *word = next as u32;
            carry = next >> 32;
        }
        if carry > 0 {
            words.push(carry as u32);
        }
    }
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.push(0);
    if negative {
        negate(&mut bytes);
    }
    bytes.reverse();
    minimal(&bytes).to_vec()
}

/// Two's complement of little-endian bytes.
fn negate(bytes: &mut [u8]) {
    let mut carry = true;
    for byte in bytes {
        let (next, overflow) = (!*byte).overflowing_add(u8::from(carry));
        *byte = next;
        carry = overflow;
    }
}

/// Without the leading bytes that only repeat the sign.
pub(crate) fn minimal(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let [first, second, ..] = rest {
        let repeats = (*first == 0 && second & 0x80 == 0) || (*first == 0xff && second & 0x80 != 0);
        if !repeats {
            break;
        }
        rest = &rest[1..];
    }
    if rest.is_empty() { &[0] } else { rest }
}

/// The value, when it fits 128 bits.
pub(crate) fn to_i128(unscaled: &[u8]) -> Option<i128> {
    let bytes = minimal(unscaled);
    if bytes.len() > 16 {
        return None;
    }
    let fill = if bytes[0] & 0x80 == 0 { 0 } else { 0xff };
    let mut wide = [fill; 16];
    wide[16 - bytes.len()..].copy_from_slice(bytes);
    Some(i128::from_be_bytes(wide))
}

/// The digits of an unscaled value with its sign.
fn digits(unscaled: &[u8]) -> (bool, String) {
    if let Some(value) = to_i128(unscaled) {
        return (value < 0, value.unsigned_abs().to_string());
    }
    let negative = unscaled[0] & 0x80 != 0;
    let mut little: Vec<u8> = unscaled.iter().rev().copied().collect();
    if negative {
        negate(&mut little);
    }
    let mut words: Vec<u32> = little
        .chunks(4)
        .map(|chunk| {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            u32::from_le_bytes(word)
        })
        .collect();
    let mut groups = Vec::new();
    while words.iter().any(|word| *word != 0) {
        let mut rest = 0_u64;
        for word in words.iter_mut().rev() {
            let value = (rest << 32) | u64::from(*word);
            *word = (value / 1_000_000_000) as u32;
            rest = value % 1_000_000_000;
        }
        groups.push(rest);
    }
    let mut text = groups.pop().unwrap_or(0).to_string();
    for group in groups.iter().rev() {
        text.push_str(&format!("{group:09}"));
    }
    (negative, text)
}

/// Plain text: `-12.50`; with an exponent only where plain text would be mostly zeros.
pub(crate) fn text(unscaled: &[u8], scale: i32) -> String {
    let (negative, digits) = digits(unscaled);
    let sign = if negative { "-" } else { "" };
    if !(-ZEROS_MAX..=ZEROS_MAX).contains(&scale) {
        return format!("{sign}{digits}E{}", -i64::from(scale));
    }
    if scale <= 0 {
        let zeros = if digits == "0" {
            0
        } else {
            scale.unsigned_abs() as usize
        };
        return format!("{sign}{digits}{}", "0".repeat(zeros));
    }
    let scale = scale.unsigned_abs() as usize;
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

/// The whole number `unscaled · 10^-scale` as minimal bytes; `None` when it has a fraction or is unreasonably long.
pub(crate) fn whole(unscaled: &[u8], scale: i32) -> Option<Vec<u8>> {
    if scale == 0 {
        return Some(minimal(unscaled).to_vec());
    }
    if !(-ZEROS_MAX..=ZEROS_MAX).contains(&scale) {
        return None;
    }
    let plain = text(unscaled, scale);
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    fraction.bytes().all(|b| b == b'0').then(|| {
        let negative = whole.starts_with('-');
        from_digits(whole.trim_start_matches('-'), negative)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_becomes_a_decimal_with_its_scale() {
        let decimal = |unscaled: &[u8], scale| {
            Some(Decimal {
                unscaled: unscaled.to_vec(),
                scale,
            })
        };
        assert_eq!(parse("1.10"), decimal(&[110], 2));
        assert_eq!(parse("-128"), decimal(&[0x80], 0));
        assert_eq!(parse("128"), decimal(&[0, 0x80], 0));
        assert_eq!(parse("1,234.5"), decimal(&[0x30, 0x39], 1));
        assert_eq!(parse("12e3"), decimal(&[12], -3));
        for bad in ["", "-", "1,23", "NaN", "1.2.3", "0x1", "1e99999999999", "٣"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn whole_numbers_lose_only_zeros() {
        assert_eq!(whole(&[110], 1), Some(vec![11]));
        assert_eq!(whole(&[110], 2), None);
        assert_eq!(whole(&[12], -1), Some(vec![120]));
        assert_eq!(text(&[0], -3), "0");
        assert_eq!(text(&[1], 2000), "1E-2000");
    }

    proptest! {
        #[test]
        fn text_and_bytes_agree(digits in "-?[1-9][0-9]{0,60}", scale in -5_i32..20) {
            let parsed = parse(&digits).unwrap();
            prop_assert_eq!(text(&parsed.unscaled, 0), digits.clone());
            let again = parse(&text(&parsed.unscaled, scale)).unwrap();
            prop_assert_eq!(text(&again.unscaled, again.scale), text(&parsed.unscaled, scale));
            if let Ok(value) = digits.parse::<i128>() {
                prop_assert_eq!(to_i128(&parsed.unscaled), Some(value));
            }
        }
    }
}
