//! Sans-I/O. Long integers between decimal digits and two's complement. Quadratic, which the bound on digits allows.

/// Decimal digits of a chunk of [`bytes_from_digits`]: 10¹⁸ fits in 64 bits.
const CHUNK_DIGITS: usize = 18;

/// Base of the limbs of [`digits_from_bytes`].
const LIMB_BASE: u64 = 1_000_000_000;
const LIMB_DIGITS: usize = 9;

/// The minimal big-endian two's complement of a run of ASCII digits (none counts as zero) and a sign.
pub(super) fn bytes_from_digits(negative: bool, digits: &[u8]) -> Vec<u8> {
    // Little-endian words of the magnitude.
    let mut words: Vec<u64> = Vec::with_capacity(digits.len() / CHUNK_DIGITS + 1);
    let (head, chunks) = digits.split_at(digits.len() % CHUNK_DIGITS);
    for chunk in std::iter::once(head).chain(chunks.chunks(CHUNK_DIGITS)) {
        let base = 10u64.pow(chunk.len() as u32);
        let mut carry = chunk
            .iter()
            .fold(0u64, |number, digit| number * 10 + u64::from(digit - b'0'));
        for word in &mut words {
            let product = u128::from(*word) * u128::from(base) + u128::from(carry);
            *word = product as u64;
            carry = (product >> 64) as u64;
        }
        if carry > 0 {
            words.push(carry);
        }
    }
    let mut bytes = vec![0];
    bytes.extend(words.iter().rev().flat_map(|word| word.to_be_bytes()));
    if negative {
        negate(&mut bytes);
    }
    trim_sign(&bytes).to_vec()
}

/// The sign and the ASCII digits of a two's complement integer, without leading zeros; `0` for zero and for no bytes.
pub(super) fn digits_from_bytes(unscaled: &[u8]) -> (bool, Vec<u8>) {
    let negative = unscaled.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut magnitude = vec![0];
    if negative {
        magnitude[0] = 0xff;
    }
    magnitude.extend_from_slice(unscaled);
    if negative {
        negate(&mut magnitude);
    }
    // Little-endian limbs of nine digits.
    let mut limbs: Vec<u32> = Vec::with_capacity(magnitude.len() * 5 / 18 + 1);
    for word in magnitude.rchunks(4).rev() {
        let mut carry = word
            .iter()
            .fold(0u64, |number, byte| (number << 8) | u64::from(*byte));
        for limb in &mut limbs {
            let value = (u64::from(*limb) << (8 * word.len())) + carry;
            *limb = (value % LIMB_BASE) as u32;
            carry = value / LIMB_BASE;
        }
        while carry > 0 {
            limbs.push((carry % LIMB_BASE) as u32);
            carry /= LIMB_BASE;
        }
    }
    let mut digits = Vec::with_capacity(limbs.len() * LIMB_DIGITS + 1);
    for limb in limbs.iter().rev() {
        push_limb(*limb, &mut digits);
    }
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    digits.drain(..zeros);
    if digits.is_empty() {
        digits.push(b'0');
    }
    (negative, digits)
}

/// Cuts leading bytes that only repeat the sign.
pub(super) fn trim_sign(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let [sign @ (0x00 | 0xff), next, ..] = rest {
        if (sign ^ next) & 0x80 != 0 {
            break;
        }
        rest = &rest[1..];
    }
    rest
}

fn push_limb(mut limb: u32, digits: &mut Vec<u8>) {
    let mut text = [b'0'; LIMB_DIGITS];
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (limb % 10) as u8;
        limb /= 10;
    }
    digits.extend_from_slice(&text);
}

fn negate(bytes: &mut [u8]) {
    let mut carry = true;
    for byte in bytes.iter_mut().rev() {
        let (negated, overflow) = (!*byte).overflowing_add(u8::from(carry));
        *byte = negated;
        carry = overflow;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sign_bytes_are_cut_to_one() {
        assert_eq!(trim_sign(&[0, 0, 0x7f]), [0x7f]);
        assert_eq!(trim_sign(&[0, 0, 0x80]), [0, 0x80]);
        assert_eq!(trim_sign(&[0xff, 0xff, 0x80]), [0x80]);
        assert_eq!(trim_sign(&[0xff, 0x7f]), [0xff, 0x7f]);
        assert_eq!(trim_sign(&[0]), [0]);
        assert_eq!(trim_sign(&[0xff, 0xff]), [0xff]);
    }

    proptest! {
        #[test]
        fn small_numbers_equal_those_of_the_language(value in any::<i128>()) {
            let (negative, digits) = digits_from_bytes(&value.to_be_bytes());
            prop_assert_eq!(String::from_utf8(digits.clone()).unwrap(), value.unsigned_abs().to_string());
            prop_assert_eq!(negative, value < 0);
            let bytes = bytes_from_digits(negative, &digits);
            let expected = trim_sign(&value.to_be_bytes()).to_vec();
            prop_assert_eq!(bytes, expected);
        }
    }
}
