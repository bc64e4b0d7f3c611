//! How a running task is told to stop or to pause.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// The receiving end, held by a worker.
#[derive(Debug, Clone)]
pub struct Control {
    /// Cancelled when the task has to stop.
    pub stop: CancellationToken,
    paused: watch::Receiver<bool>,
}

impl Control {
    /// A control and the switch for pausing.
    pub fn new(stop: CancellationToken, paused: bool) -> (Self, watch::Sender<bool>) {
        let (switch, paused) = watch::channel(paused);
        (Self { stop, paused }, switch)
    }

    /// Whether the task should wait.
    pub fn is_paused(&self) -> bool {
        *self.paused.borrow()
    }

    /// Resolves when that changed; never again once the switch is gone.
    pub async fn pause_changed(&mut self) {
        if self.paused.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits for a call of the task that nothing interrupts, at most `limit`; once told to stop, at most `grace` more.
    /// `None`: the call hangs. It was dropped, and the task is of no more use.
    pub async fn patiently<T>(
        &self,
        limit: Duration,
        grace: Duration,
        call: impl Future<Output = T>,
    ) -> Option<T> {
        let patience = async {
            if timeout(limit, self.stop.cancelled()).await.is_ok() {
                sleep(grace).await;
            }
        };
        tokio::select! {
            biased;
            // 1. Most calls end.
            done = call => Some(done),
            // 2. This one does not.
            () = patience => None,
        }
    }
}

/// How a worker spends the time between its end and the moment it is dropped where it stands: each step has its share, so
/// that one that hangs leaves time for those behind it.
#[derive(Debug, Clone, Copy)]
pub struct Leaving {
    /// Until then, records in flight are waited for.
    pub in_flight: Instant,
    /// Until then, the last offsets or positions are stored.
    pub stored: Instant,
    /// Until then, the task may stop by itself. The rest is for closing the clients.
    pub stopped: Instant,
}

impl Leaving {
    /// Begins now; `whole` is `task.shutdown.graceful.timeout.ms`.
    pub fn begin(whole: Duration) -> Self {
        let (now, share) = (Instant::now(), whole / 5);
        Self {
            in_flight: now + 2 * share,
            stored: now + 3 * share,
            stopped: now + 4 * share,
        }
    }
}
