//! Sans-I/O: slots of a schedule, on the epoch's grid.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo, Timestamp};
use rowtide_api::config::{ConfigType, Setting};

/// The time between two slots, at least a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    ms: i64,
}

impl Interval {
    /// Milliseconds.
    pub fn as_ms(self) -> i64 {
        self.ms
    }

    /// The newest slot at or before `now_ms`.
    pub fn slot_at(self, now_ms: i64) -> i64 {
        now_ms - now_ms.rem_euclid(self.ms)
    }

    /// The slot to run now: the newest one, unless it ran. Older missed slots are not made up for.
    pub fn due(self, now_ms: i64, last_slot_ms: Option<i64>) -> Option<i64> {
        let newest = self.slot_at(now_ms);
        last_slot_ms.is_none_or(|last| last < newest).then_some(newest)
    }

    /// How long until the next slot.
    pub fn until_next(self, now_ms: i64) -> Duration {
        Duration::from_millis((self.slot_at(now_ms) + self.ms - now_ms).unsigned_abs())
    }
}

impl Setting for Interval {
    const TYPE: ConfigType = ConfigType::String;

    fn parse(text: &str) -> Result<Self, String> {
        let ms = simple(text)
            .or_else(|| iso(text))
            .ok_or("Expected ISO-8601 (PT5M) or a number with s, m, h or d")?;
        if ms < 1000 {
            return Err("Value must be at least 1s".into());
        }
        Ok(Self { ms })
    }
}

fn simple(text: &str) -> Option<i64> {
    let split = text.len().checked_sub(1)?;
    let (number, unit) = (text.get(..split)?, text.get(split..)?);
    let unit_ms = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(unit_ms)
}

fn iso(text: &str) -> Option<i64> {
    let span: Span = text.parse().ok().filter(|_| text.starts_with('P'))?;
    // Months and years have no fixed length and are refused; a day is 24 hours, as slots are on UTC's grid.
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    i64::try_from(duration.as_millis()).ok()
}

/// A slot as users see it, such as `2026-01-05T10:00:00Z`.
pub fn slot_text(slot_ms: i64) -> String {
    Timestamp::from_millisecond(slot_ms).map_or_else(|_| slot_ms.to_string(), |instant| instant.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn intervals_are_iso_or_a_number_with_a_unit() {
        let ms = |text| Interval::parse(text).map(Interval::as_ms).ok();
        assert_eq!(ms("10s"), Some(10_000));
        assert_eq!(ms("5m"), Some(300_000));
        assert_eq!(ms("1h"), Some(3_600_000));
        assert_eq!(ms("PT5M"), Some(300_000));
        assert_eq!(ms("P1D"), Some(86_400_000));
        for bad in [
            "",
            "5",
            "m",
            "0s",
            "-5m",
            "500ms",
            "P1M",
            "5 m",
            "PT0.5S",
            "99999999999999999d",
        ] {
            assert_eq!(ms(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_the_newest_missed_slot_runs() {
        let interval = Interval { ms: 10 };
        assert_eq!(interval.due(57, Some(20)), Some(50));
        assert_eq!(interval.due(57, Some(50)), None);
        assert_eq!(interval.due(57, None), Some(50));
        assert_eq!(interval.until_next(57), Duration::from_millis(3));
        assert_eq!(slot_text(1_767_607_200_000), "2026-01-05T10:00:00Z");
    }

    proptest! {
        #[test]
        fn a_slot_is_on_the_grid_and_never_in_the_future(now in -1_000_000i64..1_000_000, ms in 1i64..1000) {
            let slot = Interval { ms }.slot_at(now);
            prop_assert!(slot <= now && now - slot < ms && slot.rem_euclid(ms) == 0);
        }
    }
}
