//! Supervises one task: attempts, back-off between them, the status readers see, and a boundary for panics.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rowtide_api::Error;
use rowtide_api::source::Run;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::scheduled;
use super::start::TaskJob;
use crate::control::Control;
use crate::failure::{Backoff, trace, wait_after};
use crate::source::worker::SourceEnd;
use crate::store::status::{State, Status};

/// After its deadline a task gets this long to be dropped: its futures end at their next await, which is at once unless
/// code of the connector blocks its thread.
const DROP_WAIT: Duration = Duration::from_secs(2);

/// A running task.
pub(super) struct TaskHandle {
    stop: CancellationToken,
    /// Cancelled past the deadline: what runs is dropped where it stands.
    abandon: CancellationToken,
    paused: watch::Sender<bool>,
    join: JoinHandle<()>,
}

impl TaskHandle {
    /// Starts supervising a task.
    pub(super) fn spawn(job: Arc<TaskJob>, paused: bool) -> Self {
        let (stop, abandon) = (CancellationToken::new(), CancellationToken::new());
        let (control, switch) = Control::new(stop.clone(), paused);
        let span = tracing::info_span!("task", connector = %job.name, task = job.number);
        let supervised = supervise(job, control, abandon.clone()).instrument(span);
        Self {
            stop,
            abandon,
            paused: switch,
            join: tokio::spawn(supervised),
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

    /// Waits until it has stopped; past the deadline it is dropped where it stands, and that is waited for too: its
    /// successor starts when it can write nothing more.
    pub(super) async fn stopped(mut self, deadline: tokio::time::Instant) {
        if timeout_at(deadline, &mut self.join).await.is_ok() {
            return;
        }
        tracing::warn!("a task did not stop in time and is dropped");
        self.abandon.cancel();
        if timeout(DROP_WAIT, &mut self.join).await.is_err() {
            tracing::error!(
                "a task blocks its thread and cannot be dropped; this is a defect of its connector"
            );
        }
    }
}

impl Drop for TaskHandle {
    fn drop(&mut self) {
        self.stop.cancel();
        self.abandon.cancel();
    }
}

async fn supervise(job: Arc<TaskJob>, control: Control, abandon: CancellationToken) {
    let supervisor = Supervisor {
        job,
        control,
        abandon,
    };
    let end = if supervisor.job.common.interval.is_some() {
        scheduled::run(&supervisor).await
    } else {
        supervisor.attempts(None).await
    };
    let Supervisor { job, control, .. } = supervisor;
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

/// A task, and how it is told to stop.
pub(super) struct Supervisor {
    pub(super) job: Arc<TaskJob>,
    pub(super) control: Control,
    abandon: CancellationToken,
}

impl Supervisor {
    /// Attempts until one ends without a retriable error.
    pub(super) async fn attempts(&self, run: Option<&Run>) -> Result<SourceEnd, Error> {
        let end = self.until_done("the task", || self.attempt(run)).await?;
        Ok(end.unwrap_or(SourceEnd::Stopped))
    }

    /// Does it again until it succeeds or fails for good; `None` when the task is stopped meanwhile.
    pub(super) async fn until_done<T, F: Future<Output = Result<T, Error>>>(
        &self,
        doing: &str,
        mut attempt: impl FnMut() -> F,
    ) -> Result<Option<T>, Error> {
        let job = &self.job;
        let mut backoff = Backoff::new(u64::from(job.number) + job.name.len() as u64);
        loop {
            let error = match attempt().await {
                Err(error) if error.is_retriable() => error,
                end => return end.map(Some),
            };
            let wait = wait_after(&mut backoff, doing, &error);
            self.show_waiting(&error);
            tokio::select! {
                biased;
                // 1. Stop wins.
                () = self.control.stop.cancelled() => return Ok(None),
                // 2. The wait.
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// A task that has run stays RUNNING, degraded; one that has not started yet says in its status why.
    fn show_waiting(&self, error: &Error) {
        let job = &self.job;
        job.progress.degraded(error.to_string());
        let view = job.parts.board.get(&job.name);
        let task = view.as_ref().and_then(|view| view.tasks.get(&job.number));
        if task.is_some_and(|task| matches!(task.status.state, State::Unassigned | State::Restarting)) {
            let waiting = Status {
                state: State::Unassigned,
                trace: Some(trace(error)),
            };
            job.parts.board.task(&job.name, job.number, waiting);
        }
    }

    /// One attempt in a task of its own: a panic ends the attempt, never the worker.
    async fn attempt(&self, run: Option<&Run>) -> Result<SourceEnd, Error> {
        let (own, inner, run) = (self.job.clone(), self.control.clone(), run.cloned());
        let control = self.control.clone();
        let startups = self.job.parts.board.task_startups();
        startups.attempt();
        let has_started = Arc::new(AtomicBool::new(false));
        let tell = has_started.clone();
        let mut boundary = JoinSet::new();
        boundary.spawn(
            async move {
                let running = own.clone();
                let started = move || {
                    tell.store(true, Ordering::Relaxed);
                    running.parts.board.task_startups().succeeded();
                    show_running(&running, &control);
                };
                own.attempt(inner, run, started).await
            }
            .in_current_span(),
        );
        let end = tokio::select! {
            biased;
            // 1. Past the deadline nothing is waited for but the drop itself.
            () = self.abandon.cancelled() => {
                boundary.shutdown().await;
                return Ok(SourceEnd::Stopped);
            }
            // 2. The attempt.
            end = boundary.join_next() => end,
        };
        let end = match end {
            Some(Ok(end)) => end,
            Some(Err(panic)) if panic.is_panic() => {
                let payload = panic.into_panic();
                let text = panic_text(&*payload);
                Err(Error::fatal(format!("the task panicked: {text}"))
                    .hint("this is a defect of Rowtide; the offset stays"))
            }
            Some(Err(_)) | None => Ok(SourceEnd::Stopped),
        };
        if end.is_err() && !has_started.load(Ordering::Relaxed) {
            startups.failed();
        }
        end
    }
}

fn show_running(job: &TaskJob, control: &Control) {
    let state = if control.is_paused() {
        State::Paused
    } else {
        State::Running
    };
    job.progress.recovered();
    job.parts.board.task(&job.name, job.number, Status::of(state));
}

fn panic_text(payload: &(dyn std::any::Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
