//! Sans-I/O: dates, times and instants as ISO-8601 text and as the integers of CQL.

/// Nanoseconds of a day.
pub(crate) const DAY_NANOS: i64 = 86_400_000_000_000;

/// Days since 1970-01-01 of a proleptic Gregorian date.
pub(crate) fn days_of(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = i64::from((month + 9) % 12);
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of days since 1970-01-01.
pub(crate) fn date_of(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    // Invariant: a day of the month is 1 to 31 and a month 1 to 12.
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = ((month_from_march + 2) % 12 + 1) as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// `2016-11-04`, with a sign for years beyond four digits; days since the epoch.
pub(crate) fn parse_date(text: &str) -> Option<i64> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let mut parts = rest.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() < 4 || year.len() > 9 {
        return None;
    }
    let (month, day) = (two_digits(month)?, two_digits(day)?);
    let year = sign * digits(year)?;
    let days = days_of(year, month, day);
    ((1..=12).contains(&month) && date_of(days) == (year, month, day)).then_some(days)
}

fn digits(text: &str) -> Option<i64> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())?
}

fn two_digits(text: &str) -> Option<u32> {
    if text.len() != 2 {
        return None;
    }
    digits(text).and_then(|value| u32::try_from(value).ok())
}

/// `13:51`, `13:51:30`, `13:51:30.123456`; nanoseconds of the day.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, ':');
    let hour = two_digits(parts.next()?)?;
    let minute = two_digits(parts.next()?)?;
    let (second, nanos) = match parts.next() {
        None => (0, 0),
        Some(rest) => {
            let (second, fraction) = rest.split_once('.').unwrap_or((rest, "0"));
            if fraction.is_empty() || fraction.len() > 9 {
                return None;
            }
            let nanos = digits(fraction)? * 10_i64.pow(9 - u32::try_from(fraction.len()).ok()?);
            (two_digits(second)?, nanos)
        }
    };
    (hour < 24 && minute < 60 && second < 60)
        .then(|| i64::from(hour * 3600 + minute * 60 + second) * 1_000_000_000 + nanos)
}

/// An instant in milliseconds; text without a zone is UTC. `T` or a blank stands between date and time; the time may be
/// missing; the zone is `Z`, `+02`, `+0200` or `+02:00`.
pub(crate) fn parse_instant(text: &str) -> Option<i64> {
    let Some(at) = text.find(['T', 't', ' ']) else {
        return parse_date(text)?.checked_mul(DAY_NANOS / 1_000_000);
    };
    let days = parse_date(&text[..at])?;
    let (clock, offset_seconds) = split_zone(text[at + 1..].trim())?;
    let nanos = parse_time(clock)?;
    days.checked_mul(86_400_000)?
        .checked_add(nanos.div_euclid(1_000_000))?
        .checked_sub(offset_seconds * 1000)
}

/// A time of day; a zone is allowed where it is UTC, as in Debezium's ZonedTime.
pub(crate) fn parse_zoned_time(text: &str) -> Option<i64> {
    match split_zone(text)? {
        (clock, 0) => parse_time(clock),
        _ => None,
    }
}

fn split_zone(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock.trim_end(), 0));
    }
    let Some(at) = text.rfind(['+', '-']) else {
        return Some((text, 0));
    };
    let zone = text[at + 1..].replace(':', "");
    let seconds = match zone.len() {
        2 => i64::from(two_digits(&zone)?) * 3600,
        4 => i64::from(two_digits(zone.get(..2)?)?) * 3600 + i64::from(two_digits(zone.get(2..)?)?) * 60,
        _ => return None,
    };
    let sign = if text.as_bytes()[at] == b'-' { -1 } else { 1 };
    (seconds <= 18 * 3600).then_some((text[..at].trim_end(), sign * seconds))
}

/// `2016-11-04`.
pub(crate) fn date_text(days: i64) -> String {
    let (year, month, day) = date_of(days);
    match year {
        0..=9999 => format!("{year:04}-{month:02}-{day:02}"),
        10_000.. => format!("+{year}-{month:02}-{day:02}"),
        _ => format!("-{:04}-{month:02}-{day:02}", -year),
    }
}

/// `13:51:30` or `13:51:30.123456789` without trailing zeros.
pub(crate) fn time_text(nanos_of_day: i64) -> String {
    let seconds = nanos_of_day / 1_000_000_000;
    let base = format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    match nanos_of_day % 1_000_000_000 {
        0 => base,
        nanos => format!("{base}.{}", format!("{nanos:09}").trim_end_matches('0')),
    }
}

/// An instant as `2016-11-04T13:51:30.123Z`; `units` per second say what the integer counts.
pub(crate) fn instant_text(value: i64, units: i64) -> String {
    let seconds = value.div_euclid(units);
    let nanos = value.rem_euclid(units) * (1_000_000_000 / units);
    let days = seconds.div_euclid(86_400);
    let of_day = seconds.rem_euclid(86_400) * 1_000_000_000 + nanos;
    format!("{}T{}Z", date_text(days), time_text(of_day))
}

/// Months, days and nanoseconds of `P1Y2M3DT4H5M6.78S`; every number may carry a sign.
pub(crate) fn parse_duration(text: &str) -> Option<(i32, i32, i64)> {
    let rest = text.strip_prefix('P')?;
    let (date, time) = rest.split_once('T').unwrap_or((rest, ""));
    let (mut months, mut days, mut nanos) = (0_i64, 0_i64, 0_i64);
    for (number, unit) in amounts(date)? {
        let value = number.parse::<i64>().ok()?;
        match unit {
            'Y' => months = months.checked_add(value.checked_mul(12)?)?,
            'M' => months = months.checked_add(value)?,
            'W' => days = days.checked_add(value.checked_mul(7)?)?,
            'D' => days = days.checked_add(value)?,
            _ => return None,
        }
    }
    for (number, unit) in amounts(time)? {
        let factor = match unit {
            'H' => 3_600_000_000_000,
            'M' => 60_000_000_000,
            'S' => 1_000_000_000,
            _ => return None,
        };
        nanos = nanos.checked_add(seconds_nanos(number, factor)?)?;
    }
    let (months, days) = (i32::try_from(months).ok()?, i32::try_from(days).ok()?);
    let one_sign = [i64::from(months), i64::from(days), nanos];
    // CQL's duration has one sign for all three parts.
    let mixed = one_sign.iter().any(|part| *part < 0) && one_sign.iter().any(|part| *part > 0);
    (!rest.is_empty() && !mixed).then_some((months, days, nanos))
}

fn amounts(text: &str) -> Option<Vec<(&str, char)>> {
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let at = rest.find(|c: char| c.is_ascii_alphabetic())?;
        found.push((&rest[..at], char::from(rest.as_bytes()[at])));
        rest = &rest[at + 1..];
    }
    Some(found)
}

fn seconds_nanos(number: &str, factor: i64) -> Option<i64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let base = whole.parse::<i64>().ok()?.checked_mul(factor)?;
    if fraction.is_empty() {
        return Some(base);
    }
    if factor != 1_000_000_000 || fraction.len() > 9 {
        return None;
    }
    let nanos = digits(fraction)? * 10_i64.pow(9 - u32::try_from(fraction.len()).ok()?);
    base.checked_add(if whole.starts_with('-') { -nanos } else { nanos })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_agree_over_the_whole_calendar() {
        for days in (-200_000_000..200_000_000).step_by(99_991) {
            let (year, month, day) = date_of(days);
            assert_eq!(days_of(year, month, day), days);
            assert_eq!(parse_date(&date_text(days)), Some(days), "{}", date_text(days));
        }
        assert_eq!(parse_date("2016-11-04"), Some(17109));
        assert_eq!(parse_date("2015-02-29"), None);
        assert_eq!(parse_date("2015-2-1"), None);
    }

    #[test]
    fn instants_know_their_zone() {
        let expected = Some(1_478_267_490_123);
        for text in [
            "2016-11-04T13:51:30.123456Z",
            "2016-11-04 13:51:30.123",
            "2016-11-04T15:51:30.123+02",
            "2016-11-04T15:51:30.123+02:00",
            "2016-11-04T08:21:30.123-0530",
        ] {
            assert_eq!(parse_instant(text), expected, "{text}");
        }
        assert_eq!(parse_instant("1970-01-02"), Some(86_400_000));
        assert_eq!(
            parse_instant("+21016-11-04T06:51:30.000000Z").map(|ms| instant_text(ms, 1000)),
            Some("+21016-11-04T06:51:30Z".to_owned())
        );
        for bad in ["infinity", "-infinity", "2016-11-04T25:00", "yesterday", ""] {
            assert_eq!(parse_instant(bad), None, "{bad}");
        }
        assert_eq!(instant_text(-1, 1_000_000), "1969-12-31T23:59:59.999999Z");
    }

    #[test]
    fn durations_have_one_sign() {
        assert_eq!(
            parse_duration("P1Y2M3DT4H5M6.78S"),
            Some((14, 3, 14_706_780_000_000))
        );
        assert_eq!(parse_duration("P-1DT-0.5S"), Some((0, -1, -500_000_000)));
        assert_eq!(parse_duration("P1DT-1S"), None);
        assert_eq!(parse_duration("P"), None);
        assert_eq!(parse_duration("1d"), None);
    }
}
