//! How a running task is told to stop or to pause.

use tokio::sync::watch;
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
}
