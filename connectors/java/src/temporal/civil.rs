//! Sans-I/O. Days since 1970-01-01 and years, months, days of the proleptic Gregorian calendar.
//!
//! The calendar repeats every 400 years of 146,097 days. Years are counted from March here, so that the leap day is
//! the last of its year and the months before it have fixed lengths.

/// Days of 400 years.
const ERA_DAYS: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: i64 = 719_468;
/// Beyond every instant of 64-bit milliseconds (about 1.07 × 10¹¹ days), and still a year of 32 bits.
const MAX_DAYS: i64 = 200_000_000_000;

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Civil {
    /// Astronomical: 0 is 1 BC, −1 is 2 BC.
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

/// The day that lies `days` after 1970-01-01. `None` beyond ±2 × 10¹¹ days, which no 32-bit day and no 64-bit
/// millisecond reaches.
pub fn civil_from_days(days: i64) -> Option<Civil> {
    if !(-MAX_DAYS..=MAX_DAYS).contains(&days) {
        return None;
    }
    let shifted = days + EPOCH_DAYS;
    let era = shifted.div_euclid(ERA_DAYS);
    let day_of_era = shifted.rem_euclid(ERA_DAYS);
    // Take out the leap days of the era: every 4 years, not every 100, but the 400th.
    let leap_days = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // From March on the months are 31, 30, 31, 30, 31 days long, again and again: 153 days for five.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    Some(Civil {
        year: year as i32,
        month: month as u8,
        day: day as u8,
    })
}

/// Days from 1970-01-01 to that day. `None` when the calendar has no such day.
pub fn days_from_civil(year: i32, month: u8, day: u8) -> Option<i64> {
    if day == 0 || day > days_of_month(year, month)? {
        return None;
    }
    let (month, day) = (i64::from(month), i64::from(day));
    let year = i64::from(year) - i64::from(month <= 2);
    let month_from_march = (month + 9) % 12;
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(year.div_euclid(400) * ERA_DAYS + day_of_era - EPOCH_DAYS)
}

fn days_of_month(year: i32, month: u8) -> Option<u8> {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => Some(29),
        2 => Some(28),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        let golden = [
            ((1970, 1, 1), 0),
            ((2016, 11, 4), 17_109),
            ((2017, 9, 15), 17_424),
            ((2000, 2, 29), 11_016),
            ((1969, 12, 31), -1),
            ((0, 3, 1), -719_468),
            ((-4712, 1, 1), -2_440_550),
            ((5_881_580, 7, 11), i64::from(i32::MAX)),
            ((-5_877_641, 6, 23), i64::from(i32::MIN)),
            ((-5_877_611, 6, 21), -2_147_472_692),
        ];
        for ((year, month, day), days) in golden {
            assert_eq!(
                days_from_civil(year, month, day),
                Some(days),
                "{year}-{month}-{day}"
            );
            assert_eq!(civil_from_days(days), Some(Civil { year, month, day }), "{days}");
        }
    }

    #[test]
    fn days_that_do_not_exist_are_none() {
        for (year, month, day) in [
            (2023, 2, 29),
            (1900, 2, 29),
            (2024, 0, 1),
            (2024, 13, 1),
            (2024, 4, 31),
            (2024, 1, 0),
        ] {
            assert_eq!(days_from_civil(year, month, day), None, "{year}-{month}-{day}");
        }
        assert_eq!(civil_from_days(i64::MAX), None);
        assert_eq!(civil_from_days(i64::MIN), None);
    }

    /// The whole span from −10000 to 10000 against counting one day after the other.
    #[test]
    fn every_day_of_twenty_thousand_years_equals_the_count() {
        let leap =
            |year: i32| year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
        let mut days = days_from_civil(-10_000, 1, 1).unwrap();
        // 25 eras of 400 years lie between the years −10000 and 0, and 719,528 days between 0000-01-01 and 1970.
        assert_eq!(days, -25 * 146_097 - 719_528);
        for year in -10_000..=10_000 {
            let february = if leap(year) { 29 } else { 28 };
            for (month, length) in (1..).zip([31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
                for day in 1..=length {
                    assert_eq!(civil_from_days(days), Some(Civil { year, month, day }));
                    assert_eq!(days_from_civil(year, month, day), Some(days));
                    days += 1;
                }
                assert_eq!(days_from_civil(year, month, length + 1), None);
            }
        }
    }
}
