//! Sans-I/O. Dates and times: the proleptic Gregorian calendar, the ISO texts of `java.time` and the text of Postgres.
//!
//! ```text
//! Postgres text  ──parse──▶  days or microseconds since 1970-01-01  ──IsoBuffer──▶  ISO text
//! 0044-03-15 12:00:00+00 BC        -63517780800000000                         -0043-03-15T12:00:00.000000Z
//! ```
//!
//! Both ways run on every row, so neither allocates.

use std::fmt;

mod civil;
mod cursor;
mod iso;
mod postgres;

pub use civil::{Civil, civil_from_days, days_from_civil};
pub use iso::{Fraction, IsoBuffer, instant_to_micros, instant_to_millis};
pub use postgres::{parse_date, parse_time, parse_timestamp, parse_timestamptz};

/// Microseconds of a day.
pub const MICROS_PER_DAY: i64 = 86_400_000_000;

/// A date or timestamp of Postgres, which also has the two infinities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment<T> {
    /// `-infinity`
    NegativeInfinity,
    /// An ordinary one.
    Finite(T),
    /// `infinity`
    Infinity,
}

/// Text that is no date or time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemporalError {
    /// The text does not have the form of the named type.
    Malformed(&'static str),
    /// The named type has the form but the value exists in no calendar, or does not fit in 64 bits of microseconds
    /// since 1970 (timestamps from 294247-01-10 on).
    OutOfRange(&'static str),
}

impl fmt::Display for TemporalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TemporalError::Malformed(kind) => write!(f, "not a {kind} in ISO form (is DateStyle ISO?)"),
            TemporalError::OutOfRange(kind) => {
                write!(f, "a {kind} outside the calendar or beyond 64-bit microseconds")
            }
        }
    }
}

impl std::error::Error for TemporalError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What we print as ISO we read back, and Postgres' form of the same instant reads the same.
        #[test]
        fn an_instant_survives_both_texts(micros in any::<i64>()) {
            let mut buffer = IsoBuffer::new();
            let text = buffer.instant_micros(micros, Fraction::Digits(6)).to_owned();
            prop_assert_eq!(instant_to_micros(text.as_bytes()), Ok(micros));
            let civil = civil_from_days(micros.div_euclid(MICROS_PER_DAY)).unwrap();
            let clock = &text[text.find('T').unwrap() + 1..text.len() - 1];
            let (year, era) = if civil.year > 0 { (civil.year, "") } else { (1 - civil.year, " BC") };
            let plain = format!("{year:04}-{:02}-{:02} {clock}{era}", civil.month, civil.day);
            prop_assert_eq!(parse_timestamp(plain.as_bytes()), Ok(Moment::Finite(micros)));
            let zoned = format!("{year:04}-{:02}-{:02} {clock}+00{era}", civil.month, civil.day);
            prop_assert_eq!(parse_timestamptz(zoned.as_bytes()), Ok(Moment::Finite(micros)));
        }

        #[test]
        fn no_text_panics(text in "[-+:. 0-9TZBCinfty]{0,45}") {
            let text = text.as_bytes();
            let _ = (parse_date(text), parse_time(text), parse_timestamp(text), parse_timestamptz(text));
            let _ = (instant_to_micros(text), instant_to_millis(text));
        }

        #[test]
        fn no_bytes_panic(text in proptest::collection::vec(any::<u8>(), 0..50)) {
            let _ = (parse_date(&text), parse_time(&text), parse_timestamp(&text), parse_timestamptz(&text));
            let _ = (instant_to_micros(&text), instant_to_millis(&text));
        }
    }
}
