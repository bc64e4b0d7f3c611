//! The suite of sources, and the engine's side of a source task: stored offsets, and calls one at a time.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rowtide_api::source::{OffsetReader, Run, SourceBatch, SourceConnector, SourceContext, SourceTask};
use rowtide_api::{Error, Properties, Record, SourceOffset, SourcePartition, TaskContext};

use super::{LOOKING_ON, PATIENCE, dropped_after, in_time, settings, whole};

/// The pause after a failure that passes by itself; the engine's is longer.
const BACK_OFF: Duration = Duration::from_millis(50);

/// Steps after which polls are dropped, one poll after the other; the next ones are left alone. A task that starts over
/// with each poll gets as many steps at last as a request takes.
const DROPPED_AFTER: [usize; 12] = [1, 1, 2, 3, 4, 5, 6, 8, 10, 15, 22, 40];

/// Stored offsets, as the engine keeps them.
#[derive(Debug, Default)]
pub struct Stored(Mutex<HashMap<SourcePartition, SourceOffset>>);

impl Stored {
    /// One stored offset.
    pub fn at(partition: SourcePartition, offset: SourceOffset) -> Arc<Self> {
        let stored = Arc::<Self>::default();
        stored.set(&partition, &offset);
        stored
    }

    /// Stores an offset.
    pub fn set(&self, partition: &SourcePartition, offset: &SourceOffset) {
        let mut offsets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        offsets.insert(partition.clone(), offset.clone());
    }
}

impl OffsetReader for Stored {
    fn get(&self, partition: &SourcePartition) -> Option<SourceOffset> {
        let offsets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        offsets.get(partition).cloned()
    }
}

/// A task, and the offsets stored for it.
pub struct Driven<T> {
    /// The task.
    pub task: T,
    /// The offsets.
    pub stored: Arc<Stored>,
    /// What the task was told of its surroundings.
    pub context: TaskContext,
}

impl<T: SourceTask> Driven<T> {
    /// Opens the connector and starts its first task on what is stored. A run resumes at its stored offset.
    ///
    /// # Errors
    /// Those of the connector.
    ///
    /// # Panics
    /// When the configuration is wrong, or nothing happens in time.
    pub async fn start<C: SourceConnector<Task = T>>(
        properties: &Properties,
        stored: Arc<Stored>,
        run: Option<Run>,
    ) -> Result<Self, Error> {
        let connector = C::open(settings(properties))?;
        let specs = in_time("planning", connector.plan(NonZeroU32::MIN)).await?;
        let spec = specs.into_iter().next().expect("a plan has a task");
        let context = TaskContext::new("c", 0);
        let source = SourceContext {
            task: context.clone(),
            offsets: stored.clone(),
            run: run.map(|run| Run {
                resume: stored.get(&run.partition),
                ..run
            }),
        };
        let task = in_time("starting", connector.start(source, spec)).await?;
        Ok(Self {
            task,
            stored,
            context,
        })
    }

    /// One poll. `None`: the task is finished.
    ///
    /// # Errors
    /// Those of the task.
    ///
    /// # Panics
    /// When there is no batch in time.
    pub async fn poll(&mut self) -> Result<Option<SourceBatch>, Error> {
        in_time("a batch", self.task.poll()).await
    }

    /// The next batch; failures that pass are polled through, as the engine does.
    ///
    /// # Panics
    /// When the task fails, or rejects a record.
    pub async fn batch(&mut self) -> Option<SourceBatch> {
        loop {
            match self.poll().await {
                Ok(batch) => {
                    let rejected = batch.iter().flat_map(|batch| &batch.rejected).count();
                    assert_eq!(rejected, 0, "{batch:?}");
                    return batch;
                }
                Err(error) if error.is_retriable() => tokio::time::sleep(BACK_OFF).await,
                Err(error) => panic!("{}", whole(&error)),
            }
        }
    }

    /// Stores a batch's offset, and says so.
    pub fn commit(&mut self, batch: &SourceBatch) {
        let Some(offset) = &batch.resume_at else { return };
        self.stored.set(&batch.partition, offset);
        self.task.committed(&batch.partition, offset);
    }
}

/// What a source reads from, as its suite needs it.
pub trait Upstream: Sized + Send {
    /// The connector.
    type Connector: SourceConnector;

    /// Whether more can be produced while a task runs; otherwise [`Upstream::produce`] is called once, before the start.
    const ENDLESS: bool;

    /// A fresh upstream.
    fn prepare() -> impl Future<Output = Self> + Send;

    /// A configuration that reads it, in batches much smaller than what is produced.
    fn properties(&self) -> Properties;

    /// The run, for a scheduled source.
    fn run(&self) -> Option<Run> {
        None
    }

    /// Produces a few dozen records more and answers what identifies them, in order.
    fn produce(&mut self) -> impl Future<Output = Vec<String>> + Send;

    /// What identifies a record; `None` for one that the account leaves out, such as a tombstone.
    fn identity(record: &Record) -> Option<String>;
}

/// An upstream that keeps data for the source until the source lets it go.
pub trait Releasing: Upstream {
    /// How far it was let go, as a number that grows.
    fn released(&self) -> impl Future<Output = u64> + Send;
}

/// An upstream that can be made to fail for a moment.
pub trait Breakable: Upstream {
    /// Breaks what the source is at: its next call that needs the upstream fails retriably.
    fn break_off(&mut self) -> impl Future<Output = ()> + Send;
}

/// The task type of an upstream's connector.
type TaskOf<U> = <<U as Upstream>::Connector as SourceConnector>::Task;

/// The account of one upstream: what must come, and what came.
struct Account {
    expected: Vec<String>,
    /// Each expected one, in order of its first appearance.
    seen: Vec<String>,
    missing: HashSet<String>,
}

impl Account {
    fn new(expected: Vec<String>) -> Self {
        assert!(expected.len() > 1, "the upstream produces several records");
        Self {
            missing: expected.iter().cloned().collect(),
            seen: Vec::new(),
            expected,
        }
    }

    fn expect(&mut self, more: Vec<String>) {
        self.missing.extend(more.iter().cloned());
        self.expected.extend(more);
    }

    fn take<U: Upstream>(&mut self, batch: &SourceBatch) {
        for identity in batch.records.iter().filter_map(U::identity) {
            if self.missing.remove(&identity) {
                self.seen.push(identity);
            }
        }
    }

    fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// Everything came, each for the first time in its order.
    fn prove(&self, what: &str) {
        assert!(self.missing.is_empty(), "{what}: lost {:?}", self.missing);
        assert!(
            self.seen == self.expected,
            "{what}: out of order: {:?}",
            self.seen
        );
    }
}

async fn start<U: Upstream>(upstream: &U, stored: &Arc<Stored>) -> Result<Driven<TaskOf<U>>, Error> {
    Driven::start::<U::Connector>(&upstream.properties(), stored.clone(), upstream.run()).await
}

/// Starts as the engine does: again while the failure passes by itself.
async fn started<U: Upstream>(upstream: &U, stored: &Arc<Stored>) -> Driven<TaskOf<U>> {
    let starting = async {
        loop {
            match start(upstream, stored).await {
                Ok(driven) => return driven,
                Err(error) if error.is_retriable() => tokio::time::sleep(BACK_OFF).await,
                Err(error) => panic!("{}", whole(&error)),
            }
        }
    };
    in_time("starting again", starting).await
}

/// Reads until everything expected has come, or the task is finished.
async fn read<U: Upstream>(driven: &mut Driven<TaskOf<U>>, account: &mut Account) -> Vec<SourceBatch> {
    let mut batches = Vec::new();
    while !account.is_complete() {
        let Some(batch) = driven.batch().await else { break };
        account.take::<U>(&batch);
        batches.push(batch);
    }
    batches
}

/// A poll that is dropped, after however many steps, has lost nothing.
///
/// # Panics
/// When it has.
pub async fn a_dropped_poll_loses_nothing<U: Upstream>() {
    let mut upstream = U::prepare().await;
    let mut account = Account::new(upstream.produce().await);
    let mut driven = started(&upstream, &Arc::default()).await;
    for phase in 0..=u8::from(U::ENDLESS) {
        if phase > 0 {
            account.expect(upstream.produce().await);
        }
        let mut steps = DROPPED_AFTER.into_iter();
        while !account.is_complete() {
            let result = match steps.next() {
                Some(polls) => in_time("a batch", dropped_after(polls, driven.task.poll())).await,
                None => Some(driven.poll().await),
            };
            match result {
                Some(Ok(Some(batch))) => account.take::<U>(&batch),
                Some(Ok(None)) => break,
                Some(Err(error)) if error.is_retriable() => tokio::time::sleep(BACK_OFF).await,
                Some(Err(error)) => panic!("{}", whole(&error)),
                // What it waited for may come now.
                None => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
        account.prove("polls were dropped");
    }
    driven.task.stop().await.expect("the task stops");
}

/// Each batch names its partition; an offset comes at the latest with the last record.
///
/// # Panics
/// When one does not.
pub async fn batches_carry_a_partition_and_eventually_an_offset<U: Upstream>() {
    let mut upstream = U::prepare().await;
    let mut account = Account::new(upstream.produce().await);
    let mut driven = started(&upstream, &Arc::default()).await;
    let mut batches = read::<U>(&mut driven, &mut account).await;
    account.prove("read undisturbed");
    while batches.last().is_some_and(|last| last.resume_at.is_none()) {
        let next = driven.batch().await;
        batches.push(next.expect("a task does not finish between a record and its offset"));
    }
    assert!(
        batches.len() > 1,
        "the upstream's configuration makes small batches"
    );
    for batch in &batches {
        assert!(!batch.partition.is_empty(), "{batch:?}");
        let moves = batch.resume_at.as_ref().is_some_and(|offset| !offset.is_empty());
        assert!(moves || batch.resume_at.is_none(), "an empty offset: {batch:?}");
        assert!(
            moves || !batch.records.is_empty(),
            "a batch of nothing: {batch:?}"
        );
    }
    driven.task.stop().await.expect("the task stops");
}

/// Killed after any committed offset, with a batch in flight or stopped in order: the next task repeats or goes on behind
/// the offset, and skips nothing.
///
/// # Panics
/// When it skips.
pub async fn a_restart_from_any_committed_offset_never_skips<U: Upstream>() {
    let mut upstream = U::prepare().await;
    let mut expected = upstream.produce().await;
    let first = expected.len();
    let stored = Arc::<Stored>::default();
    // Everything before this one lies behind the stored offset.
    let mut durable = 0;
    let mut attempt = 0;
    while durable < expected.len() {
        attempt += 1;
        let places: HashMap<_, _> = expected.iter().cloned().zip(0..).collect();
        let mut driven = started(&upstream, &stored).await;
        let mut reached = 0;
        let mut committed = false;
        while let Some(batch) = driven.batch().await {
            for identity in batch.records.iter().filter_map(U::identity) {
                let Some(&index) = places.get(&identity) else {
                    continue;
                };
                let next = if reached == 0 { durable } else { reached };
                assert!(
                    index <= next,
                    "task {attempt} went on at {identity}, behind {}: skipped {:?}",
                    if reached == 0 {
                        "the stored offset"
                    } else {
                        "its last record"
                    },
                    &expected[next..index]
                );
                reached = reached.max(index + 1);
            }
            if committed {
                break; // This one is lost with the task.
            }
            if reached > durable && batch.resume_at.is_some() {
                driven.commit(&batch);
                (durable, committed) = (reached, true);
                if durable == expected.len() {
                    break;
                }
            }
        }
        assert!(
            committed,
            "task {attempt} finished at {durable} of {}",
            expected.len()
        );
        if attempt % 2 == 0 {
            driven.task.stop().await.expect("the task stops");
        }
        if U::ENDLESS && durable == first && expected.len() == first {
            expected.extend(upstream.produce().await);
        }
    }
    assert!(attempt > 2, "the upstream's configuration makes small batches");
}

/// The upstream keeps everything until an offset is durable, and lets go then.
///
/// # Panics
/// When it lets go before, or never.
pub async fn nothing_is_released_before_committed<U: Releasing>() {
    let mut upstream = U::prepare().await;
    let mut account = Account::new(upstream.produce().await);
    let mut driven = started(&upstream, &Arc::default()).await;
    let first = driven.batch().await.expect("there is a batch");
    account.take::<U>(&first);
    let held = upstream.released().await;
    account.expect(upstream.produce().await);
    let batches = read::<U>(&mut driven, &mut account).await;
    account.prove("read without a commit");
    // The task is at work meanwhile: it may answer keep-alives, and must not let go with them.
    let mut later = Vec::new();
    let until = tokio::time::Instant::now() + LOOKING_ON * 10;
    while let Ok(Ok(Some(batch))) = tokio::time::timeout_at(until, driven.task.poll()).await {
        later.push(batch);
    }
    assert_eq!(
        upstream.released().await,
        held,
        "released before anything was committed"
    );
    let mut all = std::iter::once(&first).chain(&batches).chain(&later);
    let last = all.rfind(|batch| batch.resume_at.is_some());
    driven.commit(last.expect("an offset came"));
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while upstream.released().await <= held {
        assert!(
            tokio::time::Instant::now() < deadline,
            "nothing was released although everything is durable"
        );
        // No batch is due; the task sends what it has to say while it is polled.
        let _ = tokio::time::timeout(LOOKING_ON, driven.task.poll()).await;
    }
    driven.task.stop().await.expect("the task stops");
}

/// What a stopped task held is free: another starts at once and reads everything.
///
/// # Panics
/// When the second start is refused.
pub async fn stop_frees_what_the_task_held<U: Upstream>() {
    let mut upstream = U::prepare().await;
    let expected = upstream.produce().await;
    let stored = Arc::<Stored>::default();
    for _ in 0..3 {
        let mut driven = match start(&upstream, &stored).await {
            Ok(driven) => driven,
            Err(error) => panic!("a start behind a stop: {}", whole(&error)),
        };
        let mut account = Account::new(expected.clone());
        while !account.is_complete() {
            match driven.poll().await {
                Ok(Some(batch)) => account.take::<U>(&batch),
                Ok(None) => break,
                Err(error) => panic!("a poll behind a stop: {}", whole(&error)),
            }
        }
        account.prove("started behind a stop");
        in_time("stopping", driven.task.stop())
            .await
            .expect("the task stops");
    }
}

/// After a failure that passes by itself, the next poll connects again and nothing is lost.
///
/// # Panics
/// When something is, or no poll failed.
pub async fn a_poll_after_a_retriable_error_reconnects<U: Breakable>() {
    let mut upstream = U::prepare().await;
    let mut account = Account::new(upstream.produce().await);
    let mut driven = started(&upstream, &Arc::default()).await;
    let mut failures = 0;
    for phase in 0..=u8::from(U::ENDLESS) {
        if phase > 0 {
            // The task has to be at the upstream, or there is nothing to break; and what comes next has to come behind the
            // break, or the task may hold it already.
            account.expect(upstream.produce().await);
            read::<U>(&mut driven, &mut account).await;
        }
        upstream.break_off().await;
        if phase > 0 {
            account.expect(upstream.produce().await);
        }
        while !account.is_complete() {
            match driven.poll().await {
                Ok(Some(batch)) => account.take::<U>(&batch),
                Ok(None) => break,
                Err(error) => {
                    assert!(error.is_retriable(), "{}", whole(&error));
                    failures += 1;
                    tokio::time::sleep(BACK_OFF).await;
                }
            }
        }
        account.prove("the upstream broke off");
    }
    assert!(failures > 0, "nothing broke: the test proves nothing");
    driven.task.stop().await.expect("the task stops");
}

/// Makes one test per promise of a source. `releases` and `breaks` add those of [`Releasing`] and [`Breakable`].
///
/// ```ignore
/// rowtide_testkit::conformance::source!(PostgresUpstream, releases, breaks);
/// ```
#[macro_export]
macro_rules! conformance_source {
    ($upstream:ty $(, $more:ident)*) => {
        $crate::conformance_source!(@tests $upstream:
            a_dropped_poll_loses_nothing
            batches_carry_a_partition_and_eventually_an_offset
            a_restart_from_any_committed_offset_never_skips
            stop_frees_what_the_task_held
        );
        $($crate::conformance_source!(@$more $upstream);)*
    };
    (@releases $upstream:ty) => {
        $crate::conformance_source!(@tests $upstream: nothing_is_released_before_committed);
    };
    (@breaks $upstream:ty) => {
        $crate::conformance_source!(@tests $upstream: a_poll_after_a_retriable_error_reconnects);
    };
    (@tests $upstream:ty: $($test:ident)+) => {$(
        #[test]
        fn $test() {
            $crate::conformance::run($crate::conformance::source::$test::<$upstream>());
        }
    )+};
}
