//! Sans-I/O. The ISO-8601 texts of `java.time`: years above 9999 with `+`, years BC astronomical (PG-124).

use super::civil::{civil_from_days, days_from_civil};
use super::cursor::{Clock, Cursor};
use super::{MICROS_PER_DAY, TemporalError};

/// The longest text: `-292275055-05-16T16:47:04.192000Z`.
const MAX_TEXT_BYTES: usize = 40;

const MILLIS_PER_DAY: i64 = 86_400_000;

/// How many digits follow the seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fraction {
    /// No trailing zeros, and no point without digits.
    Shortest,
    /// Exactly so many, 0 to 6 (more count as 6), further digits cut; 0: no point. A ZonedTimestamp prints the
    /// precision of its column (PG-123).
    Digits(u8),
}

/// Room for one text. Reused from row to row, it spares an allocation each.
#[derive(Debug, Clone)]
pub struct IsoBuffer {
    bytes: [u8; MAX_TEXT_BYTES],
    len: usize,
}

impl Default for IsoBuffer {
    fn default() -> Self {
        IsoBuffer::new()
    }
}

impl IsoBuffer {
    /// An empty one.
    pub const fn new() -> Self {
        IsoBuffer {
            bytes: [0; MAX_TEXT_BYTES],
            len: 0,
        }
    }

    /// `2017-09-15`, from days since 1970-01-01.
    pub fn date(&mut self, days: i32) -> &str {
        self.len = 0;
        self.push_date(i64::from(days));
        self.text()
    }

    /// `2017-09-15T11:51:02.123Z`, from microseconds since the epoch.
    pub fn instant_micros(&mut self, micros: i64, fraction: Fraction) -> &str {
        self.len = 0;
        self.push_date(micros.div_euclid(MICROS_PER_DAY));
        self.push(b'T');
        self.push_clock(micros.rem_euclid(MICROS_PER_DAY), fraction);
        self.push(b'Z');
        self.text()
    }

    /// `2017-09-15T11:51:02.120Z` in ASCII, from what Postgres prints in UTC: `2017-09-15 11:51:02.12+00`. So many digits follow the
    /// seconds, at most 6, as with [`Fraction::Digits`]. `None` for everything that is not plainly a day and a time of a
    /// year of four digits: parse it, then [`IsoBuffer::instant_micros`].
    #[inline]
    pub fn postgres_utc(&mut self, text: &[u8], digits: u8) -> Option<&[u8]> {
        let (stamp, rest) = text.split_first_chunk::<19>()?;
        let fraction = match rest.strip_suffix(b"+00")? {
            [] => &[],
            [b'.', fraction @ ..] if (1..=6).contains(&fraction.len()) => fraction,
            _ => return None,
        };
        if !plain(stamp) || !fraction.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.len = 19;
        self.bytes[..19].copy_from_slice(stamp);
        self.bytes[10] = b'T';
        let digits = usize::from(digits.min(6));
        if digits > 0 {
            self.push(b'.');
            let printed = fraction.len().min(digits);
            let room = &mut self.bytes[20..26];
            room.fill(b'0');
            room[..printed].copy_from_slice(&fraction[..printed]);
            self.len += digits;
        }
        self.push(b'Z');
        Some(&self.bytes[..self.len])
    }

    /// `2017-09-15T11:51:02.123Z`, from milliseconds since the epoch.
    pub fn instant_millis(&mut self, millis: i64, fraction: Fraction) -> &str {
        self.len = 0;
        self.push_date(millis.div_euclid(MILLIS_PER_DAY));
        self.push(b'T');
        self.push_clock(millis.rem_euclid(MILLIS_PER_DAY) * 1_000, fraction);
        self.push(b'Z');
        self.text()
    }

    /// `11:51:02.123`, from microseconds of the day. `24:00:00` is a time of Postgres and printed as such; values
    /// outside a day are taken modulo it.
    pub fn time(&mut self, micros: i64, fraction: Fraction) -> &str {
        self.len = 0;
        let of_day = if micros == MICROS_PER_DAY {
            micros
        } else {
            micros.rem_euclid(MICROS_PER_DAY)
        };
        self.push_clock(of_day, fraction);
        self.text()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).expect("invariant: only ASCII is pushed")
    }

    fn push_date(&mut self, days: i64) {
        let civil =
            civil_from_days(days).expect("invariant: 64-bit milliseconds and 32-bit days are in range");
        let year = civil.year.unsigned_abs();
        if civil.year < 0 {
            self.push(b'-');
        } else if year > 9_999 {
            self.push(b'+');
        }
        if year > 9_999 {
            self.push_number(year / 10_000);
        }
        self.push_two(year / 100 % 100);
        self.push_two(year % 100);
        self.push(b'-');
        self.push_two(u32::from(civil.month));
        self.push(b'-');
        self.push_two(u32::from(civil.day));
    }

    fn push_clock(&mut self, micros: i64, fraction: Fraction) {
        // At most 24 hours, so the seconds fit.
        let seconds = (micros / 1_000_000) as u32;
        self.push_two(seconds / 3_600);
        self.push(b':');
        self.push_two(seconds / 60 % 60);
        self.push(b':');
        self.push_two(seconds % 60);
        self.push_fraction((micros % 1_000_000) as u32, fraction);
    }

    fn push_fraction(&mut self, micros: u32, fraction: Fraction) {
        if matches!(fraction, Fraction::Digits(0)) || (micros == 0 && fraction == Fraction::Shortest) {
            return;
        }
        self.push(b'.');
        self.push_two(micros / 10_000);
        self.push_two(micros / 100 % 100);
        self.push_two(micros % 100);
        match fraction {
            Fraction::Digits(digits) => self.len -= usize::from(6 - digits.min(6)),
            // Ends at a digit: not all of them are zero.
            Fraction::Shortest => {
                while self.bytes[self.len - 1] == b'0' {
                    self.len -= 1;
                }
            }
        }
    }

    fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    fn push_two(&mut self, number: u32) {
        self.push(b'0' + (number / 10 % 10) as u8);
        self.push(b'0' + (number % 10) as u8);
    }

    fn push_number(&mut self, number: u32) {
        if number >= 10 {
            self.push_number(number / 10);
        }
        self.push(b'0' + (number % 10) as u8);
    }
}

/// Microseconds since the epoch of an ISO instant: `2026-01-05T10:00:00Z`, `+21016-11-04T06:51:30.123456+02:00`. A
/// fraction may have up to nine digits, those below a microsecond are cut; an offset stands for `Z`.
///
/// # Errors
/// Other text, days that do not exist, instants beyond 64 bits.
pub fn instant_to_micros(text: &[u8]) -> Result<i64, TemporalError> {
    let instant = parse_instant(text)?;
    let micros = i64::from(instant.nanos / 1_000);
    instant
        .seconds
        .checked_mul(1_000_000)
        .and_then(|seconds| seconds.checked_add(micros))
        .or_else(|| edge(instant.seconds, micros, 1_000_000))
        .ok_or(TemporalError::OutOfRange(INSTANT))
}

/// Milliseconds since the epoch of an ISO instant, see [`instant_to_micros`]; digits below a millisecond are cut.
///
/// # Errors
/// Other text, days that do not exist, instants beyond 64 bits.
pub fn instant_to_millis(text: &[u8]) -> Result<i64, TemporalError> {
    let instant = parse_instant(text)?;
    let millis = i64::from(instant.nanos / 1_000_000);
    instant
        .seconds
        .checked_mul(1_000)
        .and_then(|seconds| seconds.checked_add(millis))
        .or_else(|| edge(instant.seconds, millis, 1_000))
        .ok_or(TemporalError::OutOfRange(INSTANT))
}

const INSTANT: &str = "timestamp";

/// The earliest second of 64 bits begins before what 64 bits hold, its fraction lies inside.
fn edge(seconds: i64, fraction: i64, per_second: i64) -> Option<i64> {
    i64::try_from(i128::from(seconds) * i128::from(per_second) + i128::from(fraction)).ok()
}

struct Instant {
    seconds: i64,
    nanos: u32,
}

fn parse_instant(text: &[u8]) -> Result<Instant, TemporalError> {
    let mut cursor = Cursor { rest: text };
    let instant = read_instant(&mut cursor).filter(|_| cursor.rest.is_empty());
    let (date, clock, offset) = instant.ok_or(TemporalError::Malformed(INSTANT))?;
    let out_of_range = TemporalError::OutOfRange(INSTANT);
    let days = days_from_civil(date.0, date.1, date.2).ok_or(out_of_range)?;
    if clock.hour > 23 || clock.minute > 59 || clock.second > 59 {
        return Err(out_of_range);
    }
    Ok(Instant {
        seconds: days * 86_400 + clock.seconds() - offset,
        nanos: clock.nanos,
    })
}

type Date = (i32, u8, u8);

fn read_instant(cursor: &mut Cursor<'_>) -> Option<(Date, Clock, i64)> {
    let date = (
        cursor.year()?,
        cursor.after(b'-')?.two()?,
        cursor.after(b'-')?.two()?,
    );
    let clock = cursor.after(b'T')?.clock()?;
    let offset = if cursor.take(b'Z') { 0 } else { cursor.offset()? };
    Some((date, clock, offset))
}

/// Whether it is `yyyy-MM-dd HH:mm:ss` of a day and a time that exist. The last day of long months, and the year 0, are
/// left to who knows the calendar.
#[inline]
fn plain(stamp: &[u8; 19]) -> bool {
    const FORM: &[u8; 19] = b"0000-00-00 00:00:00";
    let fits = stamp.iter().zip(FORM).fold(true, |fits, (byte, form)| {
        let width = if *form == b'0' { 10 } else { 1 };
        fits & (byte.wrapping_sub(*form) < width)
    });
    let two = |at: usize| 10 * (stamp[at] - b'0') + (stamp[at + 1] - b'0');
    fits && {
        let (month, day) = (two(5), two(8));
        let days = if month == 2 { 28 } else { 30 };
        (1..=12).contains(&month)
            && (1..=days).contains(&day)
            && two(11) < 24
            && two(14) < 60
            && two(17) < 60
            && stamp[..4] != *b"0000"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn instants_print_as_in_java() {
        let golden: [(i64, &str); 9] = [
            (0, "1970-01-01T00:00:00Z"),
            (1_478_267_490_123_456, "2016-11-04T13:51:30.123456Z"),
            (1_562_639_337_100_000, "2019-07-09T02:28:57.1Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (-62_167_219_200_000_000, "0000-01-01T00:00:00Z"),
            (-62_167_219_200_000_001, "-0001-12-31T23:59:59.999999Z"),
            (253_402_300_800_000_000, "+10000-01-01T00:00:00Z"),
            (9_223_372_036_825_200_000, "+294247-01-10T04:00:25.2Z"),
            (-9_223_372_036_832_400_000, "-290308-12-21T19:59:27.6Z"),
        ];
        let mut buffer = IsoBuffer::new();
        for (micros, text) in golden {
            assert_eq!(buffer.instant_micros(micros, Fraction::Shortest), text);
        }
        assert_eq!(
            buffer.instant_millis(-1, Fraction::Shortest),
            "1969-12-31T23:59:59.999Z"
        );
        assert_eq!(
            buffer.instant_millis(i64::MAX, Fraction::Digits(6)),
            "+292278994-08-17T07:12:55.807000Z"
        );
        assert_eq!(
            buffer.instant_millis(i64::MIN, Fraction::Digits(6)),
            "-292275055-05-16T16:47:04.192000Z"
        );
    }

    /// PG-123: exactly the column's precision.
    #[test]
    fn a_zoned_timestamp_has_its_columns_precision() {
        let mut buffer = IsoBuffer::new();
        let micros = 1_478_267_490_120_000;
        assert_eq!(
            buffer.instant_micros(micros, Fraction::Digits(6)),
            "2016-11-04T13:51:30.120000Z"
        );
        assert_eq!(
            buffer.instant_micros(micros, Fraction::Digits(3)),
            "2016-11-04T13:51:30.120Z"
        );
        assert_eq!(
            buffer.instant_micros(micros, Fraction::Digits(1)),
            "2016-11-04T13:51:30.1Z"
        );
        assert_eq!(
            buffer.instant_micros(micros, Fraction::Digits(0)),
            "2016-11-04T13:51:30Z"
        );
        assert_eq!(
            buffer.instant_micros(0, Fraction::Digits(9)),
            "1970-01-01T00:00:00.000000Z"
        );
    }

    /// PG-124
    #[test]
    fn dates_of_far_years_have_signs() {
        let mut buffer = IsoBuffer::new();
        assert_eq!(buffer.date(17_424), "2017-09-15");
        assert_eq!(buffer.date(2_932_897), "+10000-01-01");
        assert_eq!(buffer.date(-719_529), "-0001-12-31");
        assert_eq!(buffer.date(i32::MAX), "+5881580-07-11");
        assert_eq!(buffer.date(i32::MIN), "-5877641-06-23");
    }

    #[test]
    fn times_print_the_day_and_its_end() {
        let mut buffer = IsoBuffer::new();
        assert_eq!(buffer.time(42_662_000_000, Fraction::Shortest), "11:51:02");
        assert_eq!(buffer.time(42_690_123_000, Fraction::Shortest), "11:51:30.123");
        assert_eq!(
            buffer.time(MICROS_PER_DAY, Fraction::Digits(6)),
            "24:00:00.000000"
        );
        assert_eq!(buffer.time(-1, Fraction::Shortest), "23:59:59.999999");
    }

    #[test]
    fn instants_are_read_with_any_offset() {
        let golden: [(&str, i64); 8] = [
            ("2026-01-05T10:00:00Z", 1_767_607_200_000_000),
            ("2026-01-05T12:00:00+02:00", 1_767_607_200_000_000),
            ("2026-01-05T04:29:45-05:30:15", 1_767_607_200_000_000),
            ("2026-01-05T10:00:00.123456789Z", 1_767_607_200_123_456),
            ("1969-12-31T23:59:59.9999999Z", -1),
            ("0000-01-01T00:00:00Z", -62_167_219_200_000_000),
            ("-290308-12-21T19:59:05.224192Z", i64::MIN),
            ("+294247-01-10T04:00:54.775807Z", i64::MAX),
        ];
        for (text, micros) in golden {
            assert_eq!(instant_to_micros(text.as_bytes()), Ok(micros), "{text}");
        }
        assert_eq!(instant_to_millis(b"+292278994-08-17T07:12:55.807Z"), Ok(i64::MAX));
        assert_eq!(instant_to_millis(b"-292275055-05-16T16:47:04.192Z"), Ok(i64::MIN));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "2026-01-05",
            "2026-01-05T10:00:00",
            "2026-01-05 10:00:00Z",
            "2026-1-05T10:00:00Z",
            "2026-01-05T10:00Z",
            "12026-01-05T10:00:00Z",
            "2026-01-05T10:00:00.Z",
            "2026-01-05T10:00:00.1234567890Z",
            "2026-01-05T10:00:00Zx",
            "2026-01-05T10:00:00+24",
            "+-2026-01-05T10:00:00Z",
            "2026-01-05T10:00:00+2",
        ] {
            assert_eq!(
                instant_to_micros(text.as_bytes()),
                Err(TemporalError::Malformed("timestamp")),
                "{text}"
            );
        }
        for text in [
            "2026-02-29T10:00:00Z",
            "2026-13-01T10:00:00Z",
            "2026-01-05T24:00:00Z",
            "2026-01-05T10:60:00Z",
            "2026-01-05T10:00:60Z",
            "+294247-01-10T04:00:54.775808Z",
            "-290308-12-21T19:59:05.224191Z",
        ] {
            assert_eq!(
                instant_to_micros(text.as_bytes()),
                Err(TemporalError::OutOfRange("timestamp")),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn every_millisecond_prints_and_reads_back(millis in any::<i64>()) {
            let mut buffer = IsoBuffer::new();
            let text = buffer.instant_millis(millis, Fraction::Shortest);
            prop_assert_eq!(instant_to_millis(text.as_bytes()), Ok(millis));
        }

        #[test]
        fn every_date_and_time_prints(days in any::<i32>(), micros in any::<i64>(), digits in any::<u8>()) {
            let mut buffer = IsoBuffer::new();
            prop_assert!(buffer.date(days).len() >= 10);
            prop_assert!(buffer.time(micros, Fraction::Digits(digits)).len() >= 8);
        }
    }

    fn by_the_calendar(text: &[u8], digits: u8) -> Option<Vec<u8>> {
        match super::super::parse_timestamptz(text) {
            Ok(super::super::Moment::Finite(micros)) => {
                let mut buffer = IsoBuffer::new();
                Some(
                    buffer
                        .instant_micros(micros, Fraction::Digits(digits))
                        .as_bytes()
                        .to_vec(),
                )
            }
            _ => None,
        }
    }

    proptest! {
        /// PG-123. Whatever is rewritten in place is what parsing and printing makes of it.
        #[test]
        fn text_in_utc_is_rewritten_as_the_calendar_would(
            text in "[0-3][0-9]{3}-[01][0-9]-[0-3][0-9][ T][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,7})?[+-]0[01]",
            digits in 0_u8..9,
        ) {
            let mut buffer = IsoBuffer::new();
            if let Some(rewritten) = buffer.postgres_utc(text.as_bytes(), digits) {
                prop_assert_eq!(Some(rewritten.to_vec()), by_the_calendar(text.as_bytes(), digits), "{}", text);
            }
        }

        #[test]
        fn every_plain_instant_is_rewritten(
            year in 1_u32..10_000, month in 1_u32..13, day in 1_u32..29, second in 0_u32..86_400, micros in 0_u32..1_000_000, digits in 0_u8..7,
        ) {
            let fraction = format!(".{micros:06}");
            let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
            let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
            let text = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{fraction}+00");
            let mut buffer = IsoBuffer::new();
            let rewritten = buffer.postgres_utc(text.as_bytes(), digits).map(<[u8]>::to_vec);
            prop_assert_eq!(rewritten, by_the_calendar(text.as_bytes(), digits), "{}", text);
        }
    }
}
