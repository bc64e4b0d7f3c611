//! Sans-I/O: Java's TimeUnit names and their exact conversions.

use rowtide_api::setting_enum;

setting_enum! {
    /// A unit of time by Java's name.
    pub enum TimeUnit {
        Nanoseconds = "NANOSECONDS",
        Microseconds = "MICROSECONDS",
        Milliseconds = "MILLISECONDS",
        Seconds = "SECONDS",
        Minutes = "MINUTES",
        Hours = "HOURS",
        Days = "DAYS",
    }
}

impl TimeUnit {
    /// Nanoseconds of one unit.
    const fn nanos(self) -> i128 {
        match self {
            Self::Nanoseconds => 1,
            Self::Microseconds => 1_000,
            Self::Milliseconds => 1_000_000,
            Self::Seconds => 1_000_000_000,
            Self::Minutes => 60_000_000_000,
            Self::Hours => 3_600_000_000_000,
            Self::Days => 86_400_000_000_000,
        }
    }

    fn convert(self, value: i64, to: Self) -> Option<i64> {
        let nanos = i128::from(value) * self.nanos();
        i64::try_from(nanos.div_euclid(to.nanos())).ok()
    }

    /// The value in microseconds; `None` when it overflows (CS-114).
    pub(crate) fn to_micros(self, value: i64) -> Option<i64> {
        self.convert(value, Self::Microseconds)
    }

    /// The value in seconds; `None` when it overflows.
    pub(crate) fn to_seconds(self, value: i64) -> Option<i64> {
        self.convert(value, Self::Seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CS-114.
    #[test]
    fn a_conversion_that_overflows_is_none() {
        assert_eq!(TimeUnit::Seconds.to_micros(2), Some(2_000_000));
        assert_eq!(TimeUnit::Nanoseconds.to_micros(-1), Some(-1));
        assert_eq!(TimeUnit::Days.to_micros(i64::MAX), None);
        assert_eq!(TimeUnit::Milliseconds.to_seconds(1999), Some(1));
    }
}
