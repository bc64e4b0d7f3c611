//! Sans-I/O: whether an unscaled value has more digits than a decimal's precision.

use rowtide_api::RecordError;

/// More digits than any column has; a schema that asks for more is not checked digit by digit.
const DIGITS_MAX: u32 = 10_000;

/// The largest magnitude that a precision allows.
pub(super) struct Precision {
    digits: u32,
    /// Values of so many bytes are below the bound, whatever they are.
    safe_bytes: usize,
    /// 10 to the power of the digits, big-endian without leading zeros.
    bound: Box<[u8]>,
}

impl Precision {
    pub(super) fn new(digits: u32) -> Self {
        let digits = digits.min(DIGITS_MAX);
        // Little-endian while it grows.
        let mut bound = vec![1_u8];
        for _ in 0..digits {
            let mut carry = 0_u16;
            for byte in &mut bound {
                let product = u16::from(*byte) * 10 + carry;
                *byte = product as u8;
                carry = product >> 8;
            }
            if carry > 0 {
                bound.push(carry as u8);
            }
        }
        bound.reverse();
        let bits = bound.len() * 8 - bound[0].leading_zeros() as usize;
        Self {
            digits,
            // n bytes reach at most 2^(8n-1), and the bound is at least 2^(bits-1).
            safe_bytes: bits / 8,
            bound: bound.into(),
        }
    }

    /// # Errors
    /// The value has too many digits (AV-034), or no bytes at all.
    #[inline]
    pub(super) fn check(&self, unscaled: &[u8]) -> Result<(), Box<RecordError>> {
        if !unscaled.is_empty() && unscaled.len() <= self.safe_bytes {
            return Ok(());
        }
        self.check_digits(unscaled)
    }

    fn check_digits(&self, unscaled: &[u8]) -> Result<(), Box<RecordError>> {
        let Some(first) = unscaled.first() else {
            return Err(Box::new(RecordError::new("a decimal of no bytes")));
        };
        let mut magnitude = unscaled.to_vec();
        if first & 0x80 != 0 {
            let mut carry = true;
            for byte in magnitude.iter_mut().rev() {
                (*byte, carry) = (!*byte).overflowing_add(carry.into());
            }
            if carry {
                magnitude.insert(0, 1);
            }
        }
        let start = magnitude
            .iter()
            .position(|byte| *byte != 0)
            .unwrap_or(magnitude.len());
        let magnitude = &magnitude[start..];
        let fits = (magnitude.len(), magnitude) < (self.bound.len(), &*self.bound);
        if fits {
            return Ok(());
        }
        Err(Box::new(RecordError::new(format!(
            "a decimal of more digits than the schema's precision {}",
            self.digits
        ))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(digits: u32, value: i128) -> bool {
        Precision::new(digits).check(&value.to_be_bytes()).is_ok()
            && Precision::new(digits).check(&value.to_be_bytes()[10..]).is_ok()
    }

    /// AV-034.
    #[test]
    fn a_precision_admits_so_many_digits_and_not_one_more() {
        for digits in 1..=13 {
            let bound = 10_i128.pow(digits);
            assert!(fits(digits, bound - 1), "{digits}");
            assert!(fits(digits, 1 - bound), "{digits}");
            assert!(!fits(digits, bound), "{digits}");
            assert!(!fits(digits, -bound), "{digits}");
        }
        assert!(Precision::new(64).check(&[0x7f; 26]).is_ok());
        assert!(Precision::new(64).check(&[0x7f; 27]).is_err());
        assert!(Precision::new(3).check(&[]).is_err());
        assert!(Precision::new(0).check(&[0]).is_ok());
    }
}
