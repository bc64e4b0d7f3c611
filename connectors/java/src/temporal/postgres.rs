//! Sans-I/O. The text of Postgres' date and time types under `DateStyle` ISO: `0044-03-15 12:00:00.5+05:30 BC`.

use super::civil::days_from_civil;
use super::cursor::{Clock, Cursor};
use super::{MICROS_PER_DAY, Moment, TemporalError};

const DATE: &str = "date";
const TIME: &str = "time";
const TIMESTAMP: &str = "timestamp";

/// Days since 1970-01-01 of a date: `2017-09-15`, `0044-03-15 BC`, `infinity`.
///
/// # Errors
/// Other text, days that do not exist or lie beyond 32 bits.
pub fn parse_date(text: &[u8]) -> Result<Moment<i32>, TemporalError> {
    if let Some(infinite) = infinity(text) {
        return Ok(infinite);
    }
    let mut cursor = Cursor { rest: text };
    let parsed = date(&mut cursor).and_then(|date| end(&mut cursor).map(|bc| (date, bc)));
    let (date, bc) = parsed.ok_or(TemporalError::Malformed(DATE))?;
    let days = date.days(bc).and_then(|days| i32::try_from(days).ok());
    days.map(Moment::Finite).ok_or(TemporalError::OutOfRange(DATE))
}

/// Microseconds of the day of a time: `04:05:06.789`; `24:00:00` is the whole day (PG-125).
///
/// # Errors
/// Other text, times after the end of the day.
pub fn parse_time(text: &[u8]) -> Result<i64, TemporalError> {
    let mut cursor = Cursor { rest: text };
    let clock = cursor.clock().filter(|_| cursor.rest.is_empty());
    let clock = clock.ok_or(TemporalError::Malformed(TIME))?;
    micros(&clock).ok_or(TemporalError::OutOfRange(TIME))
}

/// Microseconds from 1970-01-01 00:00 to a timestamp, both on the same wall clock (PG-122: read as UTC).
///
/// # Errors
/// Other text, days that do not exist, timestamps from 294247-01-10 04:00:54.775808 on.
pub fn parse_timestamp(text: &[u8]) -> Result<Moment<i64>, TemporalError> {
    parse_stamp(text, |_| Some(0))
}

/// Microseconds since the epoch of a timestamp with time zone: `2016-11-04 13:51:30.123456+02`.
///
/// # Errors
/// Other text, days that do not exist, instants from 294247-01-10T04:00:54.775808Z on.
pub fn parse_timestamptz(text: &[u8]) -> Result<Moment<i64>, TemporalError> {
    parse_stamp(text, |cursor| cursor.offset())
}

fn parse_stamp(
    text: &[u8],
    zone: impl Fn(&mut Cursor<'_>) -> Option<i64>,
) -> Result<Moment<i64>, TemporalError> {
    if let Some(infinite) = infinity(text) {
        return Ok(infinite);
    }
    let mut cursor = Cursor { rest: text };
    let mut stamp = || {
        let date = date(&mut cursor)?;
        if !cursor.take(b' ') && !cursor.take(b'T') {
            return None;
        }
        let clock = cursor.clock()?;
        let offset = zone(&mut cursor)?;
        Some((date, clock, offset, end(&mut cursor)?))
    };
    let (date, clock, offset, bc) = stamp().ok_or(TemporalError::Malformed(TIMESTAMP))?;
    let of_day = |clock: &Clock| Some(micros(clock)? - offset * 1_000_000);
    // In 128 bits only at the two ends of time, where one of the terms does not fit although the sum does.
    let total = date.days(bc).zip(of_day(&clock)).and_then(|(days, of_day)| {
        match days
            .checked_mul(MICROS_PER_DAY)
            .and_then(|micros| micros.checked_add(of_day))
        {
            Some(micros) => Some(micros),
            None => i64::try_from(i128::from(days) * i128::from(MICROS_PER_DAY) + i128::from(of_day)).ok(),
        }
    });
    total
        .map(Moment::Finite)
        .ok_or(TemporalError::OutOfRange(TIMESTAMP))
}

fn infinity<T>(text: &[u8]) -> Option<Moment<T>> {
    match text {
        b"infinity" => Some(Moment::Infinity),
        b"-infinity" => Some(Moment::NegativeInfinity),
        _ => None,
    }
}

/// A day as it was written: years are counted from 1, also those BC.
struct Day {
    year: u32,
    month: u8,
    day: u8,
}

impl Day {
    fn days(&self, bc: bool) -> Option<i64> {
        // At most nine digits.
        let year = self.year as i32;
        match (year, bc) {
            (0, _) => None,
            (_, true) => days_from_civil(1 - year, self.month, self.day),
            (_, false) => days_from_civil(year, self.month, self.day),
        }
    }
}

fn date(cursor: &mut Cursor<'_>) -> Option<Day> {
    let year = cursor.digits(4)?;
    let month = cursor.after(b'-')?.two()?;
    let day = cursor.after(b'-')?.two()?;
    Some(Day { year, month, day })
}

/// The end of the text: nothing, or ` BC` (true).
fn end(cursor: &mut Cursor<'_>) -> Option<bool> {
    match cursor.rest {
        b"" => Some(false),
        b" BC" => Some(true),
        _ => None,
    }
}

/// Microseconds of the day, up to and including 24:00:00. Nanoseconds are cut, which Postgres never prints.
fn micros(clock: &Clock) -> Option<i64> {
    let micros = clock.seconds() * 1_000_000 + i64::from(clock.nanos / 1_000);
    (clock.minute < 60 && clock.second < 60 && micros <= MICROS_PER_DAY).then_some(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PG-144, vectors V10 to V16, and PG-124.
    #[test]
    fn timestamps_become_microseconds() {
        let golden: [(&str, i64); 6] = [
            ("2016-11-04T13:51:30.123456", 1_478_267_490_123_456),
            ("1970-01-01 00:00:00", 0),
            ("294247-01-01 23:59:59.999999", 9_223_371_331_199_999_999),
            ("294247-01-10 04:00:54.775807", i64::MAX),
            ("0001-01-01 00:00:00 BC", -62_167_219_200_000_000),
            ("4713-01-01 00:00:00 BC", -210_863_520_000_000_000),
        ];
        for (text, micros) in golden {
            assert_eq!(
                parse_timestamp(text.as_bytes()),
                Ok(Moment::Finite(micros)),
                "{text}"
            );
        }
        let zoned: [(&str, i64); 6] = [
            ("2016-11-04 13:51:30.123456+02", 1_478_260_290_123_456),
            ("21016-11-04 13:51:30+07", 601_060_287_090_000_000),
            ("2016-11-04 13:51:30-05:30", 1_478_287_290_000_000),
            ("2016-11-04 13:51:30+05:30:15", 1_478_247_675_000_000),
            ("0044-03-15 12:00:00+00 BC", -63_517_780_800_000_000),
            ("294247-01-10 06:00:54.775807+02", i64::MAX),
        ];
        for (text, micros) in zoned {
            assert_eq!(
                parse_timestamptz(text.as_bytes()),
                Ok(Moment::Finite(micros)),
                "{text}"
            );
        }
    }

    #[test]
    fn dates_become_days() {
        let golden: [(&str, i32); 5] = [
            ("2016-11-04", 17_109),
            ("2017-09-15", 17_424),
            ("0001-12-31 BC", -719_163),
            ("5874897-12-31", 2_145_042_905),
            ("4714-11-24 BC", -2_440_588),
        ];
        for (text, days) in golden {
            assert_eq!(parse_date(text.as_bytes()), Ok(Moment::Finite(days)), "{text}");
        }
    }

    /// PG-125
    #[test]
    fn times_become_microseconds_of_the_day() {
        assert_eq!(parse_time(b"04:05:06.789"), Ok(14_706_789_000));
        assert_eq!(parse_time(b"00:00:00"), Ok(0));
        assert_eq!(parse_time(b"24:00:00"), Ok(MICROS_PER_DAY));
        assert_eq!(parse_time(b"24:00:01"), Err(TemporalError::OutOfRange(TIME)));
        assert_eq!(parse_time(b"23:60:00"), Err(TemporalError::OutOfRange(TIME)));
        assert_eq!(parse_time(b"23:59"), Err(TemporalError::Malformed(TIME)));
    }

    /// PG-126, PG-127: what they become is the caller's choice.
    #[test]
    fn infinities_are_told_apart() {
        assert_eq!(parse_date(b"infinity"), Ok(Moment::Infinity));
        assert_eq!(parse_timestamp(b"-infinity"), Ok(Moment::NegativeInfinity));
        assert_eq!(parse_timestamptz(b"infinity"), Ok(Moment::Infinity));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "2016-11-04",
            "2016-11-04 13:51",
            "04/11/2016 13:51:30",
            "2016-11-04 13:51:30 AD",
            "2016-11-04 13:51:30+02",
        ] {
            assert_eq!(
                parse_timestamp(text.as_bytes()),
                Err(TemporalError::Malformed(TIMESTAMP)),
                "{text}"
            );
        }
        assert_eq!(
            parse_timestamptz(b"2016-11-04 13:51:30"),
            Err(TemporalError::Malformed(TIMESTAMP))
        );
        assert_eq!(
            parse_timestamptz(b"2016-11-04 13:51:30+02:60"),
            Err(TemporalError::Malformed(TIMESTAMP))
        );
        assert_eq!(
            parse_timestamp(b"2016-02-30 00:00:00"),
            Err(TemporalError::OutOfRange(TIMESTAMP))
        );
        assert_eq!(
            parse_timestamp(b"0000-01-01 00:00:00"),
            Err(TemporalError::OutOfRange(TIMESTAMP))
        );
        assert_eq!(
            parse_timestamp(b"294276-12-31 23:59:59"),
            Err(TemporalError::OutOfRange(TIMESTAMP))
        );
        assert_eq!(parse_date(b"16-11-04"), Err(TemporalError::Malformed(DATE)));
        assert_eq!(parse_date(b"5881580-07-12"), Err(TemporalError::OutOfRange(DATE)));
    }
}
