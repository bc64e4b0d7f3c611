//! Runs a scheduled source: one run at a time, on the slots of its interval, each with a durable record.

use std::sync::Arc;

use rowtide_api::source::{Run, Trigger};
use rowtide_api::{Error, Properties, SourcePartition};

use super::start::TaskJob;
use super::task::attempts;
use crate::control::Control;
use crate::metrics::SourceCounters;
use crate::schedule::slots::{Interval, slot_text};
use crate::source::worker::SourceEnd;
use crate::store::run::{RunRecord, RunState};
use crate::store::status::{State, Status};

/// Runs slot after slot until stopped.
///
/// # Errors
/// Fatal: a run failed for good, or its record could not be written.
pub(super) async fn run(job: &Arc<TaskJob>, control: &Control) -> Result<SourceEnd, Error> {
    let Some(interval) = job.common.interval else {
        return Err(Error::fatal("a scheduled source has no schedule.interval"));
    };
    let (mut control, stop) = (control.clone(), control.stop.clone());
    loop {
        if !control.is_paused() {
            job.parts
                .board
                .task(&job.name, job.number, Status::of(State::Running));
            if let Some(record) = next_run(job, interval).await
                && one_run(job, &control, record).await? == SourceEnd::Stopped
            {
                return Ok(SourceEnd::Stopped);
            }
        }
        job.progress.phase("waiting for the next slot");
        tokio::select! {
            biased;
            // 1. Stop wins.
            () = stop.cancelled() => return Ok(SourceEnd::Stopped),
            // 2. Resuming looks for a due slot at once.
            () = control.pause_changed() => {}
            // 3. The next slot.
            () = tokio::time::sleep(interval.until_next(job.parts.clock.now_ms())) => {}
        }
    }
}

/// The run to do now: an interrupted one first, else the newest slot that did not run.
async fn next_run(job: &TaskJob, interval: Interval) -> Option<RunRecord> {
    let now_ms = job.parts.clock.now_ms();
    let runs = job.parts.runs.lock().await;
    let last = runs.of(&job.name).next_back();
    let (slot_ms, attempt) = match last {
        Some(last) if last.state == RunState::Running => (last.slot_ms, last.attempt + 1),
        last => (interval.due(now_ms, last.map(|last| last.slot_ms))?, 1),
    };
    Some(RunRecord {
        slot_ms,
        state: RunState::Running,
        attempt,
        started_ms: now_ms,
        ended_ms: None,
        records: 0,
        error: None,
    })
}

/// Order of the durable steps: the record says RUNNING, the run's offsets move, the record says how it ended, the run's
/// offset goes. A crash between any two repeats at most the end of the run.
async fn one_run(job: &Arc<TaskJob>, control: &Control, mut record: RunRecord) -> Result<SourceEnd, Error> {
    let slot = slot_text(record.slot_ms);
    let partition = SourcePartition::new().with("run", slot.as_str());
    put(job, &record).await?;
    tracing::info!(slot, attempt = record.attempt, "run started");
    job.progress.phase(format!("run {slot}"));
    let run = Run {
        slot_ms: record.slot_ms,
        trigger: Trigger::Schedule,
        attempt: record.attempt,
        parameters: Properties::new(),
        partition: partition.clone(),
        resume: job.parts.offsets.get(&job.name, &partition),
        previous: None,
    };
    let counters = SourceCounters::new(&job.metrics);
    let written_before = counters.written_total();
    let end = attempts(job, control, Some(&run)).await;
    record.records = counters.written_total() - written_before;
    record.ended_ms = Some(job.parts.clock.now_ms());
    match &end {
        Ok(SourceEnd::Finished) => record.state = RunState::Succeeded,
        // Interrupted, not ended: the next start takes it up where its offset stands.
        Ok(SourceEnd::Stopped) => return Ok(SourceEnd::Stopped),
        Err(error) => {
            record.state = RunState::Failed;
            record.error = Some(error.to_string());
        }
    }
    put(job, &record).await?;
    job.metrics
        .counter(
            "rowtide_schedule_runs_total",
            &[("result", if end.is_ok() { "succeeded" } else { "failed" })],
        )
        .add(1);
    job.metrics
        .gauge("rowtide_schedule_last_slot_timestamp_seconds", &[])
        .set(record.slot_ms / 1000);
    tracing::info!(slot, records = record.records, state = ?record.state, "run ended");
    if end.is_ok() {
        job.parts.offsets.write(&job.name, &[(partition, None)]).await?;
    }
    end
}

async fn put(job: &TaskJob, record: &RunRecord) -> Result<(), Error> {
    job.parts.runs.lock().await.put(&job.name, record.clone()).await
}
