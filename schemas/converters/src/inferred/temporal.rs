//! Sans-I/O: `2016-11-04`, `13:51:30.123Z` and `2016-11-04T13:51:30.123Z`, in UTC.

use rowtide_java::temporal::days_from_civil;

/// Connect's three types of dates and times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Temporal {
    /// Days since the epoch.
    Date,
    /// Milliseconds of the day.
    Time,
    /// Milliseconds since the epoch.
    Timestamp,
}

/// Reads one of the three forms. The colons may be escaped, as Connect allows.
pub(super) fn parse(text: &str) -> Option<(Temporal, i64)> {
    // The longest form with escapes.
    if text.len() > 26 {
        return None;
    }
    let text = text.replace("\\:", ":");
    match text.len() {
        10 => Some((Temporal::Date, date(&text)?)),
        13 => Some((Temporal::Time, time(&text)?)),
        24 => {
            let (day, clock) = text.split_once('T')?;
            Some((Temporal::Timestamp, date(day)? * 86_400_000 + time(clock)?))
        }
        _ => None,
    }
}

fn date(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, '-');
    let mut part = |length| number(parts.next()?, length);
    let (year, month, day) = (part(4)?, part(2)?, part(2)?);
    // Invariant: at most four digits and two.
    days_from_civil(year as i32, month as u8, day as u8)
}

fn time(text: &str) -> Option<i64> {
    let (clock, millis) = text.strip_suffix('Z')?.split_once('.')?;
    let mut parts = clock.splitn(3, ':');
    let mut part = || number(parts.next()?, 2);
    let (hour, minute, second) = (part()?, part()?, part()?);
    let millis = number(millis, 3)?;
    (hour < 24 && minute < 60 && second < 60).then_some(((hour * 60 + minute) * 60 + second) * 1000 + millis)
}

/// A run of exactly so many digits.
fn number(text: &str, length: usize) -> Option<i64> {
    let digits = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}
