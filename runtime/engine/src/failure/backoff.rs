//! Sans-I/O: how long to wait before the next attempt.

use std::time::Duration;

/// Exponential back-off with jitter, without limit on attempts, with a cap on each wait.
#[derive(Debug, Clone)]
pub struct Backoff {
    attempts: u32,
    random: u64,
}

impl Backoff {
    /// The first wait.
    pub const FIRST_MS: u64 = 100;
    /// No wait is longer: an outage that ends is noticed within half a minute.
    pub const WAIT_MS_MAX: u64 = 30_000;

    /// No attempts yet; `seed` spreads tasks that fail together.
    pub fn new(seed: u64) -> Self {
        Self {
            attempts: 0,
            random: seed | 1,
        }
    }

    /// The wait before the next attempt: a doubling ceiling, of which at least half is waited.
    pub fn next_wait(&mut self) -> Duration {
        let ceiling = Self::FIRST_MS
            .saturating_mul(1 << self.attempts.min(16))
            .min(Self::WAIT_MS_MAX);
        self.attempts = self.attempts.saturating_add(1);
        // xorshift64: jitter needs no better randomness.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        Duration::from_millis(ceiling / 2 + self.random % (ceiling / 2 + 1))
    }

    /// How many waits there were since the last success.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// An attempt succeeded.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_keep_half_of_it() {
        let mut backoff = Backoff::new(7);
        for attempt in 0..40u32 {
            let ceiling = (Backoff::FIRST_MS << attempt.min(16)).min(Backoff::WAIT_MS_MAX);
            let wait = backoff.next_wait().as_millis() as u64;
            assert!(wait >= ceiling / 2 && wait <= ceiling, "{wait} of {ceiling}");
        }
        backoff.reset();
        assert!(backoff.next_wait().as_millis() as u64 <= Backoff::FIRST_MS);
    }
}
