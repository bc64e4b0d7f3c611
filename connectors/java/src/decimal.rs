//! Sans-I/O. Decimals as Java's `BigDecimal` holds them: an unscaled integer and a scale, value = unscaled × 10⁻ˢᶜᵃˡᵉ.
//!
//! The unscaled integer travels as Kafka Connect's Decimal does: big-endian two's complement, as few bytes as hold it
//! (at least one). Text up to [`FAST_DIGITS`] digits is read without allocation, see [`parse_scaled`]; longer numbers,
//! up to [`MAX_DIGITS`], take the slower road of [`Decimal`].

use std::fmt;

mod fast;
mod magnitude;
mod print;
mod scan;

pub use fast::{FAST_DIGITS, UNSCALED_ROOM, parse_scaled, parse_stripped};
pub use print::{java_text, plain_text};

/// The longest number handled, in decimal digits: Postgres' numeric has at most 131,072 before the point and 16,383
/// after it. Conversion is quadratic, and this many digits take some tenths of a second.
pub const MAX_DIGITS: usize = 150_000;

/// What makes a decimal unusable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecimalError {
    /// The text is no decimal number.
    Malformed,
    /// `NaN`, which a Decimal cannot hold.
    NotANumber,
    /// `Infinity` or `-Infinity`, which a Decimal cannot hold.
    Infinite {
        /// The sign.
        negative: bool,
    },
    /// Rescaling would cut digits that are not zero.
    LosesDigits {
        /// The scale asked for.
        scale: i32,
    },
    /// The scale or the exponent does not fit in 32 bits.
    ScaleOverflow,
    /// More than [`MAX_DIGITS`] digits, or a plain text much longer than that.
    TooLong,
    /// An unscaled value of no bytes.
    Empty,
}

impl fmt::Display for DecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecimalError::Malformed => f.write_str("not a decimal number"),
            DecimalError::NotANumber => f.write_str("NaN has no decimal form"),
            DecimalError::Infinite { negative: false } => f.write_str("Infinity has no decimal form"),
            DecimalError::Infinite { negative: true } => f.write_str("-Infinity has no decimal form"),
            DecimalError::LosesDigits { scale } => {
                write!(
                    f,
                    "the number has more digits after the point than the scale {scale} holds"
                )
            }
            DecimalError::ScaleOverflow => f.write_str("the scale does not fit in 32 bits"),
            DecimalError::TooLong => write!(f, "the number is longer than {MAX_DIGITS} digits"),
            DecimalError::Empty => f.write_str("a decimal of zero bytes"),
        }
    }
}

impl std::error::Error for DecimalError {}

/// A decimal of any size.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decimal {
    /// Big-endian two's complement, minimal, at least one byte.
    pub unscaled: Vec<u8>,
    /// Digits after the point; negative: zeros before it.
    pub scale: i32,
}

impl Decimal {
    /// Reads what `new BigDecimal(String)` reads: `-12.340`, `.5`, `5.`, `1e5`. The scale is the text's own.
    ///
    /// # Errors
    /// Other text, `NaN` and the infinities, more than [`MAX_DIGITS`] digits, a scale beyond 32 bits.
    pub fn parse(text: &[u8]) -> Result<Self, DecimalError> {
        let parts = scan::scan(text)?;
        let scale = parts.scale()?;
        let unscaled = match parts.small() {
            Some(value) => fast::minimal(value),
            None => {
                let digits = [parts.whole, parts.fraction].concat();
                if digits.len() > MAX_DIGITS {
                    return Err(DecimalError::TooLong);
                }
                magnitude::bytes_from_digits(parts.negative, &digits)
            }
        };
        Ok(Decimal { unscaled, scale })
    }

    /// The same number at another scale, exactly.
    ///
    /// # Errors
    /// [`DecimalError::LosesDigits`] when a digit other than zero would be cut; [`DecimalError::TooLong`].
    pub fn rescale(&self, scale: i32) -> Result<Self, DecimalError> {
        if let Some(small) = fast::from_bytes(&self.unscaled)
            && let Some(value) = fast::rescale(small, self.scale, scale)?
        {
            return Ok(Decimal {
                unscaled: fast::minimal(value),
                scale,
            });
        }
        let (negative, mut digits) = print::digits(&self.unscaled)?;
        let more = i64::from(scale) - i64::from(self.scale);
        if more >= 0 {
            let zeros = usize::try_from(more).map_err(|_| DecimalError::TooLong)?;
            if digits.len().saturating_add(zeros) > MAX_DIGITS {
                return Err(DecimalError::TooLong);
            }
            digits.resize(digits.len() + zeros, b'0');
        } else {
            let zeros = trailing_zeros(&digits) as i64;
            if zeros < -more {
                return Err(DecimalError::LosesDigits { scale });
            }
            // In range: not more than the trailing zeros there are.
            digits.truncate(digits.len() - more.unsigned_abs() as usize);
        }
        Ok(Decimal {
            unscaled: magnitude::bytes_from_digits(negative, &digits),
            scale,
        })
    }

    /// The same number with the smallest scale that holds it, which may be negative: 1200 is 12 at scale −2. Zero gets
    /// the scale 0. Where the scale would leave 32 bits it stays larger.
    ///
    /// # Errors
    /// An unscaled value of no bytes or beyond [`MAX_DIGITS`].
    pub fn strip_trailing_zeros(&self) -> Result<Self, DecimalError> {
        let (negative, mut digits) = print::digits(&self.unscaled)?;
        if digits == b"0" {
            return Ok(Decimal {
                unscaled: vec![0],
                scale: 0,
            });
        }
        let room = i64::from(self.scale) - i64::from(i32::MIN);
        let zeros = (trailing_zeros(&digits) as i64).min(room);
        digits.truncate(digits.len() - zeros as usize);
        let scale = i32::try_from(i64::from(self.scale) - zeros).map_err(|_| DecimalError::ScaleOverflow)?;
        Ok(Decimal {
            unscaled: magnitude::bytes_from_digits(negative, &digits),
            scale,
        })
    }

    /// Plain notation without an exponent, see [`plain_text`].
    ///
    /// # Errors
    /// Those of [`plain_text`].
    pub fn to_plain_text(&self) -> Result<String, DecimalError> {
        plain_text(&self.unscaled, self.scale)
    }
}

fn trailing_zeros(digits: &[u8]) -> usize {
    digits.iter().rev().take_while(|digit| **digit == b'0').count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> (Vec<u8>, i32) {
        let decimal = Decimal::parse(text.as_bytes()).unwrap();
        (decimal.unscaled, decimal.scale)
    }

    #[test]
    fn text_becomes_minimal_twos_complement() {
        assert_eq!(parsed("0"), (vec![0], 0));
        assert_eq!(parsed("-12.340"), (vec![0xcf, 0xcc], 3));
        assert_eq!(parsed("127"), (vec![0x7f], 0));
        assert_eq!(parsed("128"), (vec![0, 0x80], 0));
        assert_eq!(parsed("-128"), (vec![0x80], 0));
        assert_eq!(parsed("-129"), (vec![0xff, 0x7f], 0));
        assert_eq!(parsed("1e5"), (vec![1], -5));
        assert_eq!(parsed("1.50E-3"), (vec![0, 150], 5));
        assert_eq!(parsed("+.5"), (vec![5], 1));
        assert_eq!(parsed("5."), (vec![5], 0));
    }

    #[test]
    fn numbers_beyond_the_fast_path_are_exact() {
        let text = "123456789012345678901234567890123456789012345678901234567890.123";
        let decimal = Decimal::parse(text.as_bytes()).unwrap();
        assert_eq!(decimal.to_plain_text().unwrap(), text);
        let power = Decimal::parse(b"-340282366920938463463374607431768211456").unwrap();
        assert_eq!(
            power.unscaled,
            [vec![0xff], vec![0; 16]].concat(),
            "minus two to the 128"
        );
        let edge = Decimal::parse(b"-170141183460469231731687303715884105728").unwrap();
        assert_eq!(
            edge.unscaled,
            [vec![0x80], vec![0; 15]].concat(),
            "minus two to the 127"
        );
    }

    #[test]
    fn what_is_no_decimal_is_told_apart() {
        for text in [
            "",
            "-",
            "+",
            ".",
            "e5",
            "1e",
            "1e+",
            "1.2.3",
            "1 ",
            " 1",
            "0x1",
            "1,5",
            "--1",
            "1e99999999999",
        ] {
            let error = Decimal::parse(text.as_bytes()).unwrap_err();
            let expected = if text.len() > 10 {
                DecimalError::ScaleOverflow
            } else {
                DecimalError::Malformed
            };
            assert_eq!(error, expected, "{text}");
        }
        assert_eq!(Decimal::parse(b"NaN"), Err(DecimalError::NotANumber));
        assert_eq!(
            Decimal::parse(b"Infinity"),
            Err(DecimalError::Infinite { negative: false })
        );
        assert_eq!(
            Decimal::parse(b"-Infinity"),
            Err(DecimalError::Infinite { negative: true })
        );
        assert_eq!(
            Decimal::parse(&vec![b'9'; MAX_DIGITS + 1]),
            Err(DecimalError::TooLong)
        );
        assert_eq!(Decimal::parse(b"1e-2147483648"), Err(DecimalError::ScaleOverflow));
    }

    /// PG-119: values are raised to the column's scale, never cut.
    #[test]
    fn rescaling_is_exact_or_refused() {
        let decimal = Decimal::parse(b"22.2").unwrap();
        assert_eq!(
            decimal.rescale(4).unwrap(),
            Decimal {
                unscaled: vec![0x03, 0x63, 0x30],
                scale: 4
            }
        );
        assert_eq!(decimal.rescale(0), Err(DecimalError::LosesDigits { scale: 0 }));
        assert_eq!(decimal.rescale(i32::MAX), Err(DecimalError::TooLong));
        let long = Decimal::parse(b"1000000000000000000000000000000000000000000000.00").unwrap();
        assert_eq!(long.rescale(0).unwrap().to_plain_text().unwrap().len(), 46);
        assert_eq!(
            long.rescale(-45).unwrap(),
            Decimal {
                unscaled: vec![1],
                scale: -45
            }
        );
        assert_eq!(long.rescale(-46), Err(DecimalError::LosesDigits { scale: -46 }));
    }

    #[test]
    fn trailing_zeros_fall_away() {
        let strip = |text: &str| {
            let stripped = Decimal::parse(text.as_bytes())
                .unwrap()
                .strip_trailing_zeros()
                .unwrap();
            (stripped.unscaled, stripped.scale)
        };
        assert_eq!(strip("1200"), (vec![12], -2));
        assert_eq!(strip("-1.500"), (vec![0xf1], 1));
        assert_eq!(strip("0.000"), (vec![0], 0));
        // The smallest scale of 32 bits stops it.
        assert_eq!(strip("100e2147483647"), (vec![10], i32::MIN));
    }

    /// The longest number Postgres holds takes part, with a bound on the time it takes (some tenths of a second).
    #[test]
    fn the_longest_numeric_of_postgres_survives() {
        let text = format!("{}.{}", "9".repeat(131_072), "7".repeat(16_383));
        let decimal = Decimal::parse(text.as_bytes()).unwrap();
        assert_eq!(decimal.scale, 16_383);
        assert_eq!(decimal.to_plain_text().unwrap(), text);
    }

    proptest! {
        #[test]
        fn text_survives_the_round_trip(text in "-?[1-9][0-9]{0,90}(\\.[0-9]{1,40})?") {
            let decimal = Decimal::parse(text.as_bytes()).unwrap();
            prop_assert_eq!(decimal.to_plain_text().unwrap(), text);
        }

        #[test]
        fn bytes_survive_the_round_trip(bytes in proptest::collection::vec(any::<u8>(), 1..60), scale in -50..50i32) {
            let text = java_text(&bytes, scale).unwrap();
            let decimal = Decimal::parse(text.as_bytes()).unwrap();
            prop_assert_eq!(decimal.scale, scale);
            prop_assert_eq!(decimal.unscaled.as_slice(), magnitude::trim_sign(&bytes));
        }

        #[test]
        fn both_roads_read_the_same(text in "-?[0-9]{1,20}(\\.[0-9]{0,19})?(e-?[0-9]{1,2})?", scale in -5..45i32) {
            let mut room = [0; UNSCALED_ROOM];
            let slow = Decimal::parse(text.as_bytes()).and_then(|decimal| decimal.rescale(scale));
            match parse_scaled(text.as_bytes(), scale, &mut room) {
                Ok(Some(len)) => prop_assert_eq!(&slow.unwrap().unscaled, &room[..len]),
                // Too long for the fast road, as it stands or at the new scale; the slow one may still refuse it.
                Ok(None) => {
                    let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).count();
                    let mantissa = digits(text.split('e').next().unwrap());
                    let rescaled = slow.map_or(0, |slow| digits(&slow.to_plain_text().unwrap()));
                    prop_assert!(mantissa.max(rescaled) > FAST_DIGITS);
                }
                Err(error) => prop_assert_eq!(slow, Err(error)),
            }
        }

        #[test]
        fn stripping_keeps_the_number(text in "-?[0-9]{1,20}(\\.[0-9]{0,17}0{0,5})?") {
            let mut room = [0; UNSCALED_ROOM];
            let stripped = Decimal::parse(text.as_bytes()).unwrap().strip_trailing_zeros().unwrap();
            let stripped = if stripped.scale < 0 { stripped.rescale(0).unwrap() } else { stripped };
            if let Some((len, scale)) = parse_stripped(text.as_bytes(), &mut room).unwrap() {
                prop_assert_eq!((&stripped.unscaled[..], stripped.scale), (&room[..len], scale));
            }
        }

        #[test]
        fn no_text_panics(text in "[-+0-9.eE NaInfty]{0,40}", scale in any::<i32>()) {
            let mut room = [0; UNSCALED_ROOM];
            let _ = parse_scaled(text.as_bytes(), scale, &mut room);
            let _ = parse_stripped(text.as_bytes(), &mut room);
            if let Ok(decimal) = Decimal::parse(text.as_bytes()) {
                let _ = (decimal.rescale(scale), decimal.strip_trailing_zeros(), decimal.to_plain_text());
                let _ = java_text(&decimal.unscaled, scale);
            }
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40), scale in any::<i32>()) {
            let decimal = Decimal { unscaled: bytes, scale };
            let _ = (decimal.to_plain_text(), decimal.strip_trailing_zeros(), decimal.rescale(3));
            let _ = (java_text(&decimal.unscaled, scale), Decimal::parse(&decimal.unscaled));
        }
    }
}
