//! Sans-I/O. Numbers as Java prints them, and as Kafka's `ConfigDef` reads them.
//!
//! Printing is that of JDK 19 and later: the shortest decimal that reads back as the same number, between 10⁻³ and 10⁷
//! in plain form, outside in the form `1.0E10`. Jackson, and so JSON from Connect, prints the same.

use std::fmt::{self, Write};

/// Appends what `Double.toString` prints: `1.0`, `-0.0`, `1.0E10`, `NaN`, `-Infinity`.
pub fn write_f64(value: f64, out: &mut String) {
    if !write_special(value.is_nan(), value.is_infinite(), value.is_sign_negative(), out) {
        let mut digits = Digits::of(format_args!("{value:e}"));
        if digits.len == 1 {
            // Java compares candidates of at least two digits: the smallest double prints as 4.9E-324, not 5E-324.
            digits = Digits::of(format_args!("{value:.1e}"));
        } else if digits.may_tie(value) {
            let even = Digits::of(format_args!("{value:.0$e}", digits.len - 1));
            if even.text().parse() == Ok(value) {
                digits = even;
            }
        }
        digits.write(out);
    }
}

/// Appends what `Float.toString` prints, which is shorter than the same number as a double: `0.1`.
pub fn write_f32(value: f32, out: &mut String) {
    if !write_special(value.is_nan(), value.is_infinite(), value.is_sign_negative(), out) {
        let mut digits = Digits::of(format_args!("{value:e}"));
        if digits.len == 1 {
            digits = Digits::of(format_args!("{value:.1e}"));
        } else if digits.may_tie(f64::from(value)) {
            let even = Digits::of(format_args!("{value:.0$e}", digits.len - 1));
            if even.text().parse() == Ok(value) {
                digits = even;
            }
        }
        digits.write(out);
    }
}

/// What `Double.toString` prints, see [`write_f64`].
pub fn f64_text(value: f64) -> String {
    let mut out = String::new();
    write_f64(value, &mut out);
    out
}

/// What `Float.toString` prints, see [`write_f32`].
pub fn f32_text(value: f32) -> String {
    let mut out = String::new();
    write_f32(value, &mut out);
    out
}

fn write_special(nan: bool, infinite: bool, negative: bool, out: &mut String) -> bool {
    match (nan, infinite, negative) {
        (true, _, _) => out.push_str("NaN"),
        (_, true, false) => out.push_str("Infinity"),
        (_, true, true) => out.push_str("-Infinity"),
        _ => return false,
    }
    true
}

/// Room for the text of Rust's `{:e}`: sign, 17 digits, point, `e-324`.
const SCIENTIFIC_BYTES: usize = 32;

/// A finite number as `±d.ddd × 10^exponent`.
struct Digits {
    negative: bool,
    digits: [u8; SCIENTIFIC_BYTES],
    len: usize,
    exponent: i32,
}

impl Digits {
    /// Takes apart a text of the form `-1.234e-5`.
    fn of(scientific: fmt::Arguments<'_>) -> Self {
        let mut digits = Digits {
            negative: false,
            digits: [b'0'; SCIENTIFIC_BYTES],
            len: 0,
            exponent: 0,
        };
        let mut reader = Reader {
            digits: &mut digits,
            in_exponent: false,
            exponent_negative: false,
        };
        reader
            .write_fmt(scientific)
            .expect("invariant: the reader accepts every text");
        if reader.exponent_negative {
            digits.exponent = -digits.exponent;
        }
        // `{:.1e}` prints 1.0 where the shortest form is 1.
        while digits.len > 1 && digits.digits[digits.len - 1] == b'0' {
            digits.len -= 1;
        }
        digits
    }

    /// Whether `value` may lie exactly between two texts of this length, the other one ending in an even digit: of
    /// 3622444.25 as a float Java prints 3622444.2, Rust 3622444.3. Such a value is an odd multiple of half the last
    /// digit's place, and so a whole number once its binary fraction is shifted out; hardly another value is.
    fn may_tie(&self, value: f64) -> bool {
        let places = self.len as i32 - 1 - self.exponent;
        let odd = (self.digits[self.len - 1] - b'0') % 2 == 1;
        odd && places > 0 && (value * 2f64.powi(places + 1)).fract() == 0.0
    }

    fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) {
        if self.negative {
            out.push('-');
        }
        let digits = &self.digits[..self.len];
        if digits == b"0" {
            out.push_str("0.0");
            return;
        }
        match self.exponent {
            0..=6 => {
                let whole = (self.exponent as usize) + 1;
                push(out, &digits[..whole.min(self.len)]);
                out.extend(std::iter::repeat_n('0', whole.saturating_sub(self.len)));
                push_fraction(out, digits.get(whole..).unwrap_or_default());
            }
            -3..=-1 => {
                out.push_str("0.");
                out.extend(std::iter::repeat_n('0', (-self.exponent - 1) as usize));
                push(out, digits);
            }
            _ => {
                push(out, &digits[..1]);
                push_fraction(out, &digits[1..]);
                write!(out, "E{}", self.exponent).expect("invariant: a String accepts every text");
            }
        }
    }
}

fn push(out: &mut String, digits: &[u8]) {
    out.extend(digits.iter().map(|digit| char::from(*digit)));
}

fn push_fraction(out: &mut String, digits: &[u8]) {
    out.push('.');
    push(out, if digits.is_empty() { b"0" } else { digits });
}

/// Receives the pieces of a `{:e}` text without a buffer of its own.
struct Reader<'d> {
    digits: &'d mut Digits,
    in_exponent: bool,
    exponent_negative: bool,
}

impl fmt::Write for Reader<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        for byte in piece.bytes() {
            match byte {
                b'e' => self.in_exponent = true,
                b'-' if self.in_exponent => self.exponent_negative = true,
                b'-' => self.digits.negative = true,
                b'0'..=b'9' if self.in_exponent => {
                    self.digits.exponent = self.digits.exponent * 10 + i32::from(byte - b'0');
                }
                b'0'..=b'9' if self.digits.len < SCIENTIFIC_BYTES => {
                    self.digits.digits[self.digits.len] = byte;
                    self.digits.len += 1;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A configuration value that is not of its type. The texts are those of Connect's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberError {
    /// Neither `true` nor `false`.
    NotABoolean,
    /// Not a number of the named type (`SHORT`, `INT`, `LONG`, `DOUBLE`), or out of its range.
    NotANumber(&'static str),
}

impl fmt::Display for NumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NumberError::NotABoolean => f.write_str("Expected value to be either true or false"),
            NumberError::NotANumber(kind) => write!(f, "Not a number of type {kind}"),
        }
    }
}

impl std::error::Error for NumberError {}

/// `true` or `false` in any case, blanks around it ignored.
///
/// # Errors
/// Anything else.
pub fn parse_bool(text: &str) -> Result<bool, NumberError> {
    let text = trim(text);
    if text.eq_ignore_ascii_case("true") {
        Ok(true)
    } else if text.eq_ignore_ascii_case("false") {
        Ok(false)
    } else {
        Err(NumberError::NotABoolean)
    }
}

/// A SHORT: decimal digits with an optional sign, blanks around it ignored.
///
/// # Errors
/// Other text, and values outside −32,768 … 32,767.
pub fn parse_i16(text: &str) -> Result<i16, NumberError> {
    trim(text).parse().map_err(|_| NumberError::NotANumber("SHORT"))
}

/// An INT: decimal digits with an optional sign, blanks around it ignored.
///
/// # Errors
/// Other text, and values outside −2³¹ … 2³¹ − 1.
pub fn parse_i32(text: &str) -> Result<i32, NumberError> {
    trim(text).parse().map_err(|_| NumberError::NotANumber("INT"))
}

/// A LONG: decimal digits with an optional sign, blanks around it ignored.
///
/// # Errors
/// Other text, and values outside −2⁶³ … 2⁶³ − 1.
pub fn parse_i64(text: &str) -> Result<i64, NumberError> {
    trim(text).parse().map_err(|_| NumberError::NotANumber("LONG"))
}

/// A DOUBLE as `Double.parseDouble` reads it: `1`, `.5`, `1e3`, `1.5f`, `NaN`, `-Infinity`. Numbers too large become
/// infinite and numbers too small zero, as there. Java's hexadecimal form (`0x1p3`) is not read.
///
/// # Errors
/// Other text.
pub fn parse_f64(text: &str) -> Result<f64, NumberError> {
    let error = NumberError::NotANumber("DOUBLE");
    let text = trim(text);
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let value = match unsigned {
        "NaN" => f64::NAN,
        "Infinity" => f64::INFINITY,
        _ => {
            let digits = unsigned.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(unsigned);
            // Rust also reads words (`inf`, `nan`) and a second sign, Java does not.
            if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
                return Err(error);
            }
            digits.parse().map_err(|_| error)?
        }
    };
    Ok(if text.starts_with('-') { -value } else { value })
}

/// Java's `String.trim`: everything up to U+0020 counts as blank, and nothing above it.
fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c <= ' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn doubles_print_as_in_java() {
        let golden: [(f64, &str); 29] = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (100.0, "100.0"),
            (123456.789, "123456.789"),
            (9999999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (12345678.0, "1.2345678E7"),
            (1e10, "1.0E10"),
            (0.001, "0.001"),
            (0.00123, "0.00123"),
            (0.000999, "9.99E-4"),
            (1e-5, "1.0E-5"),
            (2e23, "2.0E23"),
            (2.2250738585072014e-308, "2.2250738585072014E-308"),
            (4.9e-324, "4.9E-324"),
            (-9.9e-324, "-9.9E-324"),
            (2e-323, "2.0E-323"),
            (f64::MAX, "1.7976931348623157E308"),
            (1.0 / 3.0, "0.3333333333333333"),
            (2251799813685248.25, "2.251799813685248E15"),
            (2251799813685248.75, "2.251799813685249E15"),
            (9007199254740993.0, "9.007199254740992E15"),
            (1e23, "1.0E23"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, text) in golden {
            assert_eq!(f64_text(value), text);
        }
    }

    #[test]
    fn floats_print_as_in_java() {
        let golden: [(f32, &str); 14] = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (3.4028235e38, "3.4028235E38"),
            (1.4e-45, "1.4E-45"),
            (f32::MIN_POSITIVE, "1.1754944E-38"),
            (16777216.0, "1.6777216E7"),
            (0.001, "0.001"),
            (9.999e-4, "9.999E-4"),
            (3622444.25_f64 as f32, "3622444.2"),
            (-3622444.75_f64 as f32, "-3622444.8"),
            (33554432.0, "3.3554432E7"),
            (f32::NAN, "NaN"),
            (f32::NEG_INFINITY, "-Infinity"),
        ];
        for (value, text) in golden {
            assert_eq!(f32_text(value), text);
        }
    }

    #[test]
    fn booleans_are_two_words_in_any_case() {
        assert_eq!(parse_bool(" TRUE\t"), Ok(true));
        assert_eq!(parse_bool("False"), Ok(false));
        for text in ["", "yes", "1", "truefalse", "\u{a0}true"] {
            assert_eq!(parse_bool(text), Err(NumberError::NotABoolean), "{text}");
        }
    }

    #[test]
    fn integers_are_bounded_by_their_type() {
        assert_eq!(parse_i16("-32768"), Ok(i16::MIN));
        assert_eq!(parse_i16("32768"), Err(NumberError::NotANumber("SHORT")));
        assert_eq!(parse_i32(" +2147483647 "), Ok(i32::MAX));
        assert_eq!(parse_i32("2147483648"), Err(NumberError::NotANumber("INT")));
        assert_eq!(parse_i64("-9223372036854775808"), Ok(i64::MIN));
        for text in ["", " ", "+", "1.0", "1e3", "0x10", "1 000", "1_000", "--1"] {
            assert_eq!(parse_i64(text), Err(NumberError::NotANumber("LONG")), "{text}");
        }
    }

    #[test]
    fn doubles_are_read_as_by_java() {
        let golden = [
            ("1", 1.0),
            (" .5 ", 0.5),
            ("5.", 5.0),
            ("-1e3", -1000.0),
            ("1.5f", 1.5),
            ("2D", 2.0),
        ];
        for (text, value) in golden {
            assert_eq!(parse_f64(text), Ok(value), "{text}");
        }
        assert_eq!(parse_f64("-Infinity"), Ok(f64::NEG_INFINITY));
        assert_eq!(parse_f64("1e999"), Ok(f64::INFINITY));
        assert!(parse_f64("NaN").unwrap().is_nan());
        for text in [
            "",
            ".",
            "+",
            "inf",
            "nan",
            "infinity",
            "Infinityf",
            "1e",
            "--1",
            "+-1",
            "0x1p3",
            "1ff",
            "e5",
        ] {
            assert!(parse_f64(text).is_err(), "{text}");
        }
    }

    #[test]
    fn errors_have_the_words_of_connect() {
        assert_eq!(
            NumberError::NotANumber("INT").to_string(),
            "Not a number of type INT"
        );
        assert_eq!(
            NumberError::NotABoolean.to_string(),
            "Expected value to be either true or false"
        );
    }

    proptest! {
        #[test]
        fn a_double_reads_back_as_itself(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            let read = parse_f64(&f64_text(value)).unwrap();
            prop_assert!(read.to_bits() == bits || (value.is_nan() && read.is_nan()));
        }

        #[test]
        fn a_float_reads_back_as_itself(bits in any::<u32>()) {
            let value = f32::from_bits(bits);
            let read: f32 = f32_text(value).to_lowercase().parse().unwrap();
            prop_assert!(read.to_bits() == bits || (value.is_nan() && read.is_nan()));
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = (parse_bool(&text), parse_i16(&text), parse_i32(&text), parse_i64(&text), parse_f64(&text));
        }
    }
}
