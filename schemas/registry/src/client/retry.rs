//! Sans-I/O: how long to wait between rounds over the registry's addresses (AV-127).

use std::time::Duration;

/// A server that asks for more patience than this is asked again anyway: a wrong header must not stop a task for hours.
pub(super) const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// The wait before the round after `round` (from 0): doubling, bounded, of which `jitter` (0..=1) takes up to a half.
pub(super) fn wait(round: u32, first: Duration, max: Duration, jitter: f64) -> Duration {
    let full = first.saturating_mul(2_u32.saturating_pow(round)).min(max);
    full.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0)
}

/// The seconds of a `Retry-After` header, bounded. Its other form, a date, is left to the ordinary wait: registries
/// send seconds.
pub(super) fn retry_after(header: &str) -> Option<Duration> {
    header
        .trim()
        .parse()
        .ok()
        .map(|seconds| Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// A number from 0 to 1 that differs between processes and calls, so that clients do not return all at once.
pub(super) fn jitter() -> f64 {
    f64::from(random()) / f64::from(u32::MAX)
}

/// An index below `count`, which is not 0.
pub(super) fn one_of(count: usize) -> usize {
    usize::try_from(random()).unwrap_or_default() % count
}

fn random() -> u32 {
    use std::hash::{BuildHasher as _, RandomState};
    // The standard library's hasher is keyed at random: enough to spread clients, and no more is asked of it.
    let [a, b, c, d, ..] = RandomState::new().hash_one(0_u8).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_bound_and_jitter_takes_at_most_half() {
        let (first, max) = (Duration::from_secs(1), Duration::from_secs(20));
        let full: Vec<u64> = (0..7)
            .map(|round| wait(round, first, max, 0.0).as_secs())
            .collect();
        assert_eq!(full, [1, 2, 4, 8, 16, 20, 20]);
        assert_eq!(wait(3, first, max, 1.0), Duration::from_secs(4));
        assert_eq!(wait(u32::MAX, first, max, 0.0), max);
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_bounded() {
        assert_eq!(retry_after(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("86400"), Some(RETRY_AFTER_MAX));
        assert_eq!(retry_after("Wed, 21 Oct 2026 07:28:00 GMT"), None);
        assert_eq!(retry_after("-1"), None);
    }

    #[test]
    fn jitter_stays_between_nought_and_one_and_varies() {
        let values: Vec<f64> = (0..100).map(|_| jitter()).collect();
        assert!(values.iter().all(|value| (0.0..=1.0).contains(value)));
        assert!(values.iter().any(|value| (value - values[0]).abs() > 1e-6));
        assert!((0..100).map(|_| one_of(3)).all(|index| index < 3));
    }
}
