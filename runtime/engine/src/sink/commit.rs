//! One commit of positions in flight.

use std::future::pending;

use rowtide_api::erased::BoxFuture;
use rowtide_api::failpoint;

use super::progress::{Position, Progress};
use crate::metrics::SinkCounters;
use crate::ports::{CommitError, Consumer};

/// A commit in flight.
pub(super) struct Commit {
    running: BoxFuture<'static, Result<(), CommitError>>,
    /// What it stores; partitions that went meanwhile are taken out, so that a late failure gives nothing back for them.
    pub(super) positions: Vec<Position>,
}

/// Starts committing what is committable.
pub(super) fn start(progress: &mut Progress, consumer: &dyn Consumer) -> Commit {
    let positions = progress.take_committable();
    failpoint::hit("sink.before_commit");
    Commit {
        running: consumer.commit(positions.clone()),
        positions,
    }
}

/// Takes the end of a commit: what was not stored stays committable.
pub(super) fn ended(
    result: Result<(), CommitError>,
    positions: Vec<Position>,
    progress: &mut Progress,
    counters: &SinkCounters,
) {
    failpoint::hit("sink.committed");
    match result {
        Ok(()) => counters.committed(),
        // The group moved on; what is still ours is committed with its next position, or here again.
        Err(CommitError::Rebalanced) => progress.give_back(positions),
        Err(CommitError::Failed(error)) => {
            tracing::warn!(%error, causes = ?error.chain(), "committing positions failed; trying again");
            progress.give_back(positions);
        }
    }
}

/// The end of the commit in flight; never while there is none. Cancel-safe.
pub(super) async fn end(commit: &mut Option<Commit>) -> (Result<(), CommitError>, Vec<Position>) {
    match commit {
        Some(running) => {
            let result = (&mut running.running).await;
            let positions = std::mem::take(&mut running.positions);
            *commit = None;
            (result, positions)
        }
        None => pending().await,
    }
}
