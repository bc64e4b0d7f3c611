//! The sink side of the contract.
//!
//! | The engine promises | The task promises |
//! |---|---|
//! | one call at a time, none after `stop`; a pending `put` is dropped to call `revoked` | a dropped `put` may have written, never settled |
//! | after a retriable error: tickets awaited, then the same batches in order | it reconnects there; replaying is harmless; per-key order is kept across puts |
//! | tickets of a revoked partition or a dropped `put` no longer count; any other lost one fails the task | nothing is written for a partition after `revoked` returns |
//! | `stop` gets a deadline and is then dropped | sockets and threads are freed in `stop` or on drop |
//!
//! Accepting and being durable are two things: `put` answers "did you take the work?", the batch's ticket "how did it end?".

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use crate::context::TaskContext;
use crate::error::{Error, RecordError};
use crate::plugin::Plugin;
use crate::record::Record;

/// A sink connector: what its tasks share.
pub trait SinkConnector: Plugin + Sized {
    /// The class under which Connect knows the tasks: the Java name where one exists.
    const TASK_CLASS: &'static str = "dev.rowtide.Task";

    /// The task.
    type Task: SinkTask;

    /// Opens what the tasks share. No I/O that can take long.
    ///
    /// # Errors
    /// Fatal: the connector becomes FAILED. Retriable: opened again with back-off.
    fn open(config: Self::Config) -> Result<Self, Error>;

    /// Starts a task.
    ///
    /// # Errors
    /// Fatal: the task becomes FAILED. Retriable: started again with back-off.
    fn start(&self, context: TaskContext) -> impl Future<Output = Result<Self::Task, Error>> + Send;
}

/// A sink task. See the module for both sides' promises.
pub trait SinkTask: Send + 'static {
    /// Partitions this task now owns, each with the note stored at its committed position.
    ///
    /// # Errors
    /// As [`SinkTask::put`].
    fn assigned(
        &mut self,
        _partitions: &[(Partition, Option<Note>)],
    ) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }

    /// Takes the work; waits only when full. The batch is settled now or later, exactly once.
    ///
    /// # Errors
    /// Retriable: the same batches come again, in order. Fatal: the task becomes FAILED.
    fn put(&mut self, batch: SinkBatch) -> impl Future<Output = Result<(), Error>> + Send;

    /// Settles or drops what belongs to these partitions; nothing is written for them after it returns.
    ///
    /// # Errors
    /// Fatal: the task becomes FAILED.
    fn revoked(&mut self, partitions: &[Partition]) -> impl Future<Output = Result<(), Error>> + Send;

    /// Frees sockets and threads.
    ///
    /// # Errors
    /// Logged; the task is gone all the same.
    fn stop(self) -> impl Future<Output = Result<(), Error>> + Send;
}

/// A Kafka partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// The topic.
    pub topic: Arc<str>,
    /// The number, from 0.
    pub index: i32,
}

/// A small text stored with a committed position. At most [`Note::BYTES_MAX`]; a longer one is a bug of the sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note(pub Arc<str>);

impl Note {
    /// Kafka's default `offset.metadata.max.bytes`.
    pub const BYTES_MAX: usize = 4096;
}

/// A record's identity: ordered within its partition, the same on redelivery. Nothing else is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(i64);

impl RecordId {
    /// For the engine, which knows the position.
    pub const fn new(position: i64) -> Self {
        Self(position)
    }

    /// A number that grows within the partition; for deriving stable values from a record's identity.
    pub const fn ordinal(self) -> i64 {
        self.0
    }
}

/// A record with its identity.
#[derive(Debug, Clone)]
pub struct SinkRecord {
    /// The record, after converters and transforms.
    pub record: Record,
    /// Its identity.
    pub id: RecordId,
}

/// Records of one partition in order, and the ticket that settles them.
#[derive(Debug)]
pub struct SinkBatch {
    /// The partition.
    pub partition: Partition,
    /// The records.
    pub records: Arc<[SinkRecord]>,
    /// Settles the batch.
    pub ticket: Ticket,
}

impl SinkBatch {
    /// Settles the batch.
    pub fn settle(self, outcome: Result<PutReport, Error>) {
        self.ticket.settle(outcome);
    }
}

/// How a batch ended.
#[derive(Debug)]
pub enum Settlement {
    /// Every record is accounted for.
    Done(PutReport),
    /// The batch as a whole failed.
    Failed(Error),
    /// The ticket was dropped unsettled.
    Lost,
}

/// Settles a batch exactly once. Dropped unsettled it reports [`Settlement::Lost`]: omission is never success.
pub struct Ticket {
    settle: Option<Box<dyn FnOnce(Settlement) + Send>>,
}

impl Ticket {
    /// For the engine: `settle` is called once, from any thread.
    pub fn new(settle: impl FnOnce(Settlement) + Send + 'static) -> Self {
        Self {
            settle: Some(Box::new(settle)),
        }
    }

    /// Says how the batch ended.
    pub fn settle(mut self, outcome: Result<PutReport, Error>) {
        if let Some(settle) = self.settle.take() {
            settle(match outcome {
                Ok(report) => Settlement::Done(report),
                Err(error) => Settlement::Failed(error),
            });
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(settle) = self.settle.take() {
            settle(Settlement::Lost);
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket")
    }
}

/// The account of a batch: `written + skipped + rejected == records`, or the engine refuses it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PutReport {
    /// Durable downstream.
    pub written: u32,
    /// Skipped for a named reason, which the sink counts.
    pub skipped: u32,
    /// Rejected: index into the batch and why, by ascending index.
    pub rejected: Vec<(u32, RecordError)>,
    /// To store with the position after this batch.
    pub note: Option<Note>,
}

impl PutReport {
    /// Everything written.
    pub fn written(records: u32) -> Self {
        Self {
            written: records,
            ..Self::default()
        }
    }

    /// Whether the account of `records` records adds up: counts, and each rejected index once and inside the batch.
    pub fn adds_up(&self, records: usize) -> bool {
        let counted = self.written as usize + self.skipped as usize + self.rejected.len();
        let ascending = self.rejected.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let inside = self
            .rejected
            .last()
            .is_none_or(|(index, _)| (*index as usize) < records);
        counted == records && ascending && inside
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_dropped_ticket_is_lost_and_a_settled_one_settles_once() {
        let (send, receive) = channel();
        let ticket =
            |send: std::sync::mpsc::Sender<Settlement>| Ticket::new(move |end| send.send(end).unwrap());
        drop(ticket(send.clone()));
        ticket(send).settle(Ok(PutReport::written(1)));
        assert!(matches!(receive.recv().unwrap(), Settlement::Lost));
        assert!(matches!(receive.recv().unwrap(), Settlement::Done(_)));
        assert!(receive.recv().is_err());
    }

    /// CS-157.
    #[test]
    fn a_report_adds_up_or_not() {
        let rejected = |indexes: &[u32]| {
            indexes
                .iter()
                .map(|index| (*index, RecordError::new("x")))
                .collect::<Vec<_>>()
        };
        let report = |written, skipped, indexes: &[u32]| PutReport {
            written,
            skipped,
            rejected: rejected(indexes),
            note: None,
        };
        assert!(report(1, 1, &[0]).adds_up(3));
        assert!(!report(1, 1, &[0]).adds_up(4));
        assert!(!report(1, 0, &[1, 1]).adds_up(3));
        assert!(!report(2, 0, &[3]).adds_up(3));
    }
}
