//! The source side of the contract.
//!
//! | The engine promises | The task promises |
//! |---|---|
//! | one call at a time, none after `stop`; a pending `poll` is dropped to call `committed` | a dropped `poll` loses nothing |
//! | `committed` only after the offset store confirmed, also while paused; a task starts when its predecessor's last write is settled or fenced | nothing upstream is released except through `committed` |
//! | after a retriable error, with back-off: `poll` again | it reconnects there; replaying is harmless |
//! | `stop` gets a deadline and is then dropped | sockets, slots, threads are freed in `stop` or on drop |
//! | pause = no `poll`, from the next [`Unit::Whole`] on | keep-alives survive an arbitrary pause |
//! | configuration parsed, secrets resolved | no environment, no globals |

use std::future::{Future, pending};
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::config::Properties;
use crate::context::TaskContext;
use crate::error::{Error, RecordError};
use crate::offset::{SourceOffset, SourcePartition};
use crate::plugin::Plugin;
use crate::record::Record;

/// A source connector: what its tasks share, and how the work is divided.
pub trait SourceConnector: Plugin + Sized {
    /// The class under which Connect knows the tasks: the Java name where one exists.
    const TASK_CLASS: &'static str = "dev.rowtide.Task";

    /// True: the engine owns `schedule.*` and starts one task per run.
    const SCHEDULED: bool = false;

    /// The task.
    type Task: SourceTask;

    /// Whether exactly-once delivery is possible with this configuration.
    fn exactly_once(_config: &Self::Config) -> ExactlyOnce {
        ExactlyOnce::Unstated
    }

    /// Opens what the tasks share: a pool, a rate limit. No I/O that can take long.
    ///
    /// # Errors
    /// Fatal: the connector becomes FAILED. Retriable: opened again with back-off.
    fn open(config: Self::Config) -> Result<Self, Error>;

    /// Divides the work into at most `max_tasks` tasks.
    ///
    /// # Errors
    /// Retried with back-off when retriable.
    fn plan(&self, max_tasks: NonZeroU32) -> impl Future<Output = Result<Vec<TaskSpec>, Error>> + Send;

    /// Resolves when the plan is stale.
    ///
    /// # Errors
    /// Fails the connector.
    fn watch(&self) -> impl Future<Output = Result<(), Error>> + Send {
        pending()
    }

    /// Is asked before a user's change of offsets.
    ///
    /// # Errors
    /// Refuses the change.
    fn alter_offsets(
        &self,
        _changes: &[(SourcePartition, Option<SourceOffset>)],
    ) -> impl Future<Output = Result<Altered, Error>> + Send {
        async { Ok(Altered::Unchecked) }
    }

    /// Starts a task.
    ///
    /// # Errors
    /// Fatal: the task becomes FAILED. Retriable: started again with back-off.
    fn start(
        &self,
        context: SourceContext,
        spec: TaskSpec,
    ) -> impl Future<Output = Result<Self::Task, Error>> + Send;
}

/// A source task. See the module for both sides' promises.
pub trait SourceTask: Send + 'static {
    /// The next batch; waits until there is one. `None`: the task is finished.
    ///
    /// # Errors
    /// Retriable: polled again with back-off. Fatal: the task becomes FAILED.
    fn poll(&mut self) -> impl Future<Output = Result<Option<SourceBatch>, Error>> + Send;

    /// `offset` of `partition` is durable, exactly this one: everything up to it may be released upstream.
    ///
    /// Tells, and does not wait: what blocks here blocks a thread of the worker, and nothing can take that back.
    fn committed(&mut self, partition: &SourcePartition, offset: &SourceOffset);

    /// Frees sockets, slots, threads.
    ///
    /// # Errors
    /// Logged; the task is gone all the same.
    fn stop(self) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Records of one source partition, and where to go on once they are durable.
///
/// Empty with a `resume_at`, it moves the offset without a record.
#[derive(Debug, Clone)]
pub struct SourceBatch {
    /// The source partition.
    pub partition: SourcePartition,
    /// The records, in order.
    pub records: Vec<Record>,
    /// Records that could not be built.
    pub rejected: Vec<Reject>,
    /// The offset after this batch. `None` joins it to the next one: nothing ends between them.
    pub resume_at: Option<SourceOffset>,
    /// Whether a source transaction ends here.
    pub unit: Unit,
}

/// Where a batch lies in the source's transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// The transaction goes on in the next batch.
    Open,
    /// The transaction ends with this batch, or there is none.
    Whole,
    /// Exactly-once only: the unit's records go, its offset stays.
    Abort,
}

/// A record that could not be built; it meets the connector's error tolerance.
#[derive(Debug, Clone)]
pub struct Reject {
    /// The topic it would have gone to.
    pub topic: Arc<str>,
    /// What was received, for a dead-letter topic.
    pub raw: Vec<u8>,
    /// Why.
    pub error: RecordError,
}

/// What a source says of exactly-once delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExactlyOnce {
    /// It does not say.
    Unstated,
    /// It cannot.
    Unsupported,
    /// It can.
    Supported {
        /// Whether it defines transaction boundaries itself.
        boundaries: bool,
    },
}

/// A source's answer to a change of offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Altered {
    /// The change was checked and makes sense.
    Validated,
    /// The source cannot tell.
    Unchecked,
}

/// A task's share of the work, in plain strings: a [`crate::Secret`] cannot enter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskSpec(pub Properties);

/// What a source task may know.
#[derive(Clone)]
pub struct SourceContext {
    /// Names, limits, metrics.
    pub task: TaskContext,
    /// The stored offsets.
    pub offsets: Arc<dyn OffsetReader>,
    /// The run, when the engine schedules this source.
    pub run: Option<Run>,
}

/// Reads stored offsets of this connector.
pub trait OffsetReader: Send + Sync {
    /// The stored offset of a partition.
    fn get(&self, partition: &SourcePartition) -> Option<SourceOffset>;
}

/// One run of a scheduled source: a task with a source partition of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The slot's instant, milliseconds since the epoch: the logical date.
    pub slot_ms: i64,
    /// Why it runs.
    pub trigger: Trigger,
    /// From 1.
    pub attempt: u32,
    /// Overrides given with a manual trigger.
    pub parameters: Properties,
    /// The run's own source partition.
    pub partition: SourcePartition,
    /// Where an interrupted attempt goes on.
    pub resume: Option<SourceOffset>,
    /// The last offset of the previous succeeded run.
    pub previous: Option<SourceOffset>,
}

/// Why a run runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// Its slot came.
    Schedule,
    /// Someone asked.
    Manual,
    /// It belongs to a backfill.
    Backfill,
}
