//! A wall clock that goes with tokio's: a test that pauses tokio's time moves both together.

use rowtide_engine::ports::Clock;
use tokio::time::Instant;

/// Starts at a given time of day and goes on with tokio's time.
#[derive(Debug, Clone, Copy)]
pub struct FakeClock {
    start_ms: i64,
    start: Instant,
}

impl FakeClock {
    /// It is now `start_ms`, milliseconds since the epoch.
    pub fn at(start_ms: i64) -> Self {
        Self {
            start_ms,
            start: Instant::now(),
        }
    }
}

impl Clock for FakeClock {
    fn now_ms(&self) -> i64 {
        let passed = i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.start_ms.saturating_add(passed)
    }
}
