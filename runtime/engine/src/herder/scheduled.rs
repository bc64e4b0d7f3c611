//! Runs a scheduled source: one run at a time, on the slots of its interval, each with a durable record.

use rowtide_api::source::{Run, Trigger};
use rowtide_api::{Error, Properties, SourcePartition, failpoint};

use super::start::TaskJob;
use super::task::Supervisor;
use crate::metrics::SourceCounters;
use crate::schedule::slots::{Interval, slot_text};
use crate::source::worker::SourceEnd;
use crate::store::run::{RunRecord, RunState};
use crate::store::status::{State, Status};

/// Runs slot after slot until stopped.
///
/// # Errors
/// Fatal: a run failed for good.
pub(super) async fn run(supervisor: &Supervisor) -> Result<SourceEnd, Error> {
    let job = &supervisor.job;
    let Some(interval) = job.common.interval else {
        return Err(Error::fatal("a scheduled source has no schedule.interval"));
    };
    let (mut control, stop) = (supervisor.control.clone(), supervisor.control.stop.clone());
    loop {
        let paused = control.is_paused();
        let state = if paused { State::Paused } else { State::Running };
        let board = &job.parts.board;
        board.task(&job.name, job.number, Status::of(state));
        if !paused
            && let Some(record) = next_run(job, interval).await
            && one_run(supervisor, record).await? == SourceEnd::Stopped
        {
            return Ok(SourceEnd::Stopped);
        }
        job.progress.phase("waiting for the next slot");
        let now_ms = job.parts.clock.now_ms();
        tokio::select! {
            biased;
            // 1. Stop wins.
            () = stop.cancelled() => return Ok(SourceEnd::Stopped),
            // 2. Resuming looks for a due slot at once.
            () = control.pause_changed() => {}
            // 3. The next slot.
            () = tokio::time::sleep(interval.until_next(now_ms)) => {}
        }
    }
}

/// The run to do now: an interrupted one first, else the newest slot unless it ran. One that failed is taken up again
/// where its offset stands while its slot is the newest: whoever mended the cause restarted the task.
async fn next_run(job: &TaskJob, interval: Interval) -> Option<RunRecord> {
    let now_ms = job.parts.clock.now_ms();
    let runs = job.parts.runs.lock().await;
    let last = runs.of(&job.name).next_back();
    let again = last.filter(|last| match last.state {
        RunState::Running => true,
        RunState::Failed => last.slot_ms == interval.slot_at(now_ms),
        RunState::Succeeded => false,
    });
    let (slot_ms, attempt) = match again {
        Some(last) => (last.slot_ms, last.attempt + 1),
        None => (interval.due(now_ms, last.map(|last| last.slot_ms))?, 1),
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
async fn one_run(supervisor: &Supervisor, mut record: RunRecord) -> Result<SourceEnd, Error> {
    let job = &supervisor.job;
    let slot = slot_text(record.slot_ms);
    let partition = partition(record.slot_ms);
    if record.attempt == 1 && !forget_offset_before(supervisor).await? || !put(supervisor, &record).await? {
        return Ok(SourceEnd::Stopped);
    }
    tracing::info!(slot, attempt = record.attempt, "run started");
    failpoint::hit("run.started");
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
    let end = supervisor.attempts(Some(&run)).await;
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
    failpoint::hit("run.ended");
    let stored = put(supervisor, &record).await?;
    failpoint::hit("run.recorded");
    count(job, &record);
    tracing::info!(slot, records = record.records, state = ?record.state, "run ended");
    if !stored || end.is_ok() && !forget_offset(supervisor, &partition).await? {
        return Ok(SourceEnd::Stopped);
    }
    failpoint::hit("run.offset_removed");
    end
}

fn count(job: &TaskJob, record: &RunRecord) {
    let result = if record.state == RunState::Succeeded {
        "succeeded"
    } else {
        "failed"
    };
    job.metrics
        .counter("rowtide_schedule_runs_total", &[("result", result)])
        .add(1);
    job.metrics
        .gauge("rowtide_schedule_last_slot_timestamp_seconds", &[])
        .set(record.slot_ms / 1000);
}

fn partition(slot_ms: i64) -> SourcePartition {
    SourcePartition::new().with("run", slot_text(slot_ms).as_str())
}

/// The offset of the run before: of a failed one nobody took up again, or left by a crash right after its end.
async fn forget_offset_before(supervisor: &Supervisor) -> Result<bool, Error> {
    let job = &supervisor.job;
    let last = job
        .parts
        .runs
        .lock()
        .await
        .of(&job.name)
        .next_back()
        .map(|last| last.slot_ms);
    match last.map(partition) {
        Some(partition) if job.parts.offsets.get(&job.name, &partition).is_some() => {
            forget_offset(supervisor, &partition).await
        }
        _ => Ok(true),
    }
}

/// Removes a run's offset; `false` when the task is stopped before the store took it.
async fn forget_offset(supervisor: &Supervisor, partition: &SourcePartition) -> Result<bool, Error> {
    let job = &supervisor.job;
    let changes = [(partition.clone(), None)];
    let removed = supervisor.until_done("removing a run's offset", || {
        job.parts.offsets.write(&job.name, &changes)
    });
    Ok(removed.await?.is_some())
}

/// Stores a run's record; `false` when the task is stopped before the store took it.
async fn put(supervisor: &Supervisor, record: &RunRecord) -> Result<bool, Error> {
    let job = &supervisor.job;
    let stored = supervisor.until_done("storing a run", || async {
        let put = job.parts.runs.lock().await.put(&job.name, record.clone()).await;
        if put.is_ok() {
            job.progress.recovered();
        }
        put
    });
    Ok(stored.await?.is_some())
}
