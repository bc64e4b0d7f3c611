//! Supervises one task: attempts, back-off between them, the status readers see, and a boundary for panics.

use std::sync::Arc;

use rowtide_api::Error;
use rowtide_api::source::Run;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::scheduled;
use super::start::TaskJob;
use crate::control::Control;
use crate::failure::{Backoff, trace};
use crate::source::worker::SourceEnd;
use crate::store::status::{State, Status};

/// A running task.
pub(super) struct TaskHandle {
    stop: CancellationToken,
    paused: watch::Sender<bool>,
    join: JoinHandle<()>,
}

impl TaskHandle {
    /// Starts supervising a task.
    pub(super) fn spawn(job: Arc<TaskJob>, paused: bool) -> Self {
        let stop = CancellationToken::new();
        let (control, switch) = Control::new(stop.clone(), paused);
        let span = tracing::info_span!("task", connector = %job.name, task = job.number);
        let join = tokio::spawn(supervise(job, control).instrument(span));
        Self {
            stop,
            paused: switch,
            join,
        }
    }

    /// Pauses or resumes it.
    pub(super) fn set_paused(&self, paused: bool) {
        self.paused.send_replace(paused);
    }

    /// Asks it to stop; [`TaskHandle::stopped`] waits.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until it has stopped; past the deadline it is dropped where it stands.
    pub(super) async fn stopped(mut self, deadline: tokio::time::Instant) {
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        if timeout(left, &mut self.join).await.is_err() {
            tracing::warn!("a task did not stop in time and is dropped");
            self.join.abort();
            // An aborted task ends at its next await; sockets are freed by its drop.
            let _ = (&mut self.join).await;
        }
    }
}

impl Drop for TaskHandle {
    fn drop(&mut self) {
        self.stop.cancel();
        self.join.abort();
    }
}

async fn supervise(job: Arc<TaskJob>, control: Control) {
    let end = if job.common.interval.is_some() {
        scheduled::run(&job, &control).await
    } else {
        attempts(&job, &control, None).await
    };
    let (board, name) = (&job.parts.board, &*job.name);
    match end {
        Ok(SourceEnd::Stopped) => board.task(name, job.number, Status::of(State::Unassigned)),
        Ok(SourceEnd::Finished) => {
            tracing::info!("the task has nothing more to do");
            control.stop.cancelled().await;
            board.task(name, job.number, Status::of(State::Unassigned));
        }
        Err(error) => {
            tracing::error!(%error, causes = ?error.chain(), "the task failed");
            board.task(name, job.number, Status::failed(trace(&error)));
        }
    }
}

/// Attempts until one ends without a retriable error.
pub(super) async fn attempts(
    job: &Arc<TaskJob>,
    control: &Control,
    run: Option<&Run>,
) -> Result<SourceEnd, Error> {
    let mut backoff = Backoff::new(u64::from(job.number) + job.name.len() as u64);
    loop {
        let error = match attempt(job, control, run).await {
            Err(error) if error.is_retriable() => error,
            end => return end,
        };
        let wait = backoff.next_wait();
        tracing::warn!(%error, causes = ?error.chain(), attempt = backoff.attempts(), wait_ms = wait.as_millis() as u64, "starting the task again");
        job.progress.degraded(error.to_string());
        tokio::select! {
            biased;
            // 1. Stop wins.
            () = control.stop.cancelled() => return Ok(SourceEnd::Stopped),
            // 2. The wait.
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// One attempt in a task of its own: a panic ends the attempt, never the worker.
async fn attempt(job: &Arc<TaskJob>, control: &Control, run: Option<&Run>) -> Result<SourceEnd, Error> {
    let (own, inner, run) = (job.clone(), control.clone(), run.cloned());
    let mut boundary = JoinSet::new();
    boundary.spawn(
        async move {
            let running = own.clone();
            let started = move || {
                let state = if inner_paused(&running) {
                    State::Paused
                } else {
                    State::Running
                };
                running.progress.recovered();
                running
                    .parts
                    .board
                    .task(&running.name, running.number, Status::of(state));
            };
            own.attempt(inner, run, started).await
        }
        .in_current_span(),
    );
    match boundary.join_next().await {
        Some(Ok(end)) => end,
        Some(Err(panic)) if panic.is_panic() => {
            let payload = panic.into_panic();
            let text = panic_text(&*payload);
            Err(Error::fatal(format!("the task panicked: {text}"))
                .hint("this is a defect of Rowtide; the offset stays"))
        }
        Some(Err(_)) | None => Ok(SourceEnd::Stopped),
    }
}

fn inner_paused(job: &TaskJob) -> bool {
    job.parts
        .board
        .get(&job.name)
        .is_some_and(|view| view.status.state == State::Paused)
}

fn panic_text(payload: &(dyn std::any::Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
