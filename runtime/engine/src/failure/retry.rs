//! Waiting out a retriable failure inside a task: visible, counted, without limit.

use std::future::pending;
use std::time::Duration;

use rowtide_api::Error;
use rowtide_api::context::{Counter, Progress};
use tokio::time::{Instant, sleep_until};

use super::Backoff;

/// Logs a failure that passes by itself; answers how long to wait before the next attempt.
pub fn wait_after(backoff: &mut Backoff, doing: &str, error: &Error) -> Duration {
    let wait = backoff.next_wait();
    let (attempt, wait_ms) = (backoff.attempts(), wait.as_millis() as u64);
    tracing::warn!(%error, causes = ?error.chain(), attempt, wait_ms, "{doing} failed and is tried again");
    wait
}

/// What a worker knows of the failure it waits out.
#[derive(Debug)]
pub struct Retry {
    backoff: Backoff,
    /// Nothing is tried before: the last attempt failed.
    wait_until: Option<Instant>,
    progress: Progress,
    retries: Counter,
}

impl Retry {
    /// Nothing has failed; `seed` spreads tasks that fail together.
    pub fn new(seed: u64, progress: Progress, retries: Counter) -> Self {
        Self {
            backoff: Backoff::new(seed),
            wait_until: None,
            progress,
            retries,
        }
    }

    /// Whether an attempt has to wait.
    pub fn is_waiting(&self) -> bool {
        self.wait_until.is_some()
    }

    /// An attempt failed: it is tried again after a wait.
    ///
    /// # Errors
    /// The failure itself, when it does not pass by itself.
    pub fn failed(&mut self, error: Error) -> Result<(), Error> {
        if !error.is_retriable() {
            return Err(error);
        }
        let wait = wait_after(&mut self.backoff, "the task's work", &error);
        self.retries.add(1);
        self.progress.degraded(error.to_string());
        self.wait_until = Some(Instant::now() + wait);
        Ok(())
    }

    /// An attempt succeeded.
    pub fn succeeded(&mut self) {
        if self.backoff.attempts() > 0 {
            tracing::info!(attempts = self.backoff.attempts(), "recovered");
            self.backoff.reset();
            self.progress.recovered();
        }
    }

    /// Resolves when the wait is over; never while there is none. Cancel-safe.
    pub async fn wait(&self) {
        match self.wait_until {
            Some(instant) => sleep_until(instant).await,
            None => pending().await,
        }
    }

    /// The wait is over: the next attempt may begin.
    pub fn waited(&mut self) {
        self.wait_until = None;
    }
}
