//! Looks at cells whose value the source did not send, once they are written, and tells what is missing.
//!
//! It never holds up writing: what finds no room in its queue is not looked at, and that is told too.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use rowtide_api::context::TaskContext;
use scylla::client::session::Session;
use scylla::statement::Consistency;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::Row;
use tokio::sync::{OnceCell, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::Instrument as _;

use super::statement::Bound;
use crate::errors;
use crate::lacking::{Answer, Lacks, Numbers, Register, RowKey, Seen};
use crate::mutation::{Deed, Mutation};
use crate::retry::Failure;
use crate::shape::Target;

/// Rows that wait to be looked at: some seconds of a fast sink, a few hundred bytes each.
const WAITING_MAX: usize = 10_000;
/// Reads in flight: a fraction of what writes may use.
const READS_MAX: usize = 32;
/// Pauses between attempts while Cassandra does not answer.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// A row that lacks a value is looked at once more after this, before anybody is told: most of them go or change with one of
/// the next records.
const SURE_AFTER: Duration = Duration::from_secs(1);
/// Rows that wait for that. What finds no room is told at once.
const DOUBTFUL_MAX: usize = 10_000;
/// How often rows that lack a value are looked at again, and how many of them: somebody may have mended them.
const RECHECK_EVERY: Duration = Duration::from_secs(15);
const RECHECK_ROWS_MAX: usize = 500;

enum Question {
    Look(RowKey, Vec<usize>),
    Flush(oneshot::Sender<()>),
}

/// The questions' end; dropping it ends the reader.
#[derive(Debug)]
pub(crate) struct Checker {
    questions: mpsc::Sender<Question>,
    known: Arc<Known>,
    reader: JoinHandle<()>,
}

impl Drop for Checker {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// What the writer's side and the reader share.
#[derive(Debug)]
struct Known {
    session: Arc<Session>,
    targets: Arc<[Target]>,
    statements: Vec<OnceCell<PreparedStatement>>,
    permits: Arc<Semaphore>,
    context: TaskContext,
    register: Mutex<Register>,
    /// A value was not sent at least once: until then nothing is remembered of any row.
    fed: AtomicBool,
    /// Rows that the register watches: without any, what is written is not looked up there.
    watching: AtomicUsize,
    unchecked: AtomicU64,
}

impl Checker {
    pub(super) fn start(
        session: Arc<Session>,
        targets: Arc<[Target]>,
        permits: Arc<Semaphore>,
        context: TaskContext,
    ) -> Self {
        let (questions, waiting) = mpsc::channel(WAITING_MAX);
        let known = Arc::new(Known {
            session,
            statements: targets.iter().map(|_| OnceCell::new()).collect(),
            targets,
            permits,
            context,
            register: Mutex::default(),
            fed: AtomicBool::new(false),
            watching: AtomicUsize::new(0),
            unchecked: AtomicU64::new(0),
        });
        let reader = tokio::spawn(Reader::new(known.clone()).run(waiting).in_current_span());
        Self {
            questions,
            known,
            reader,
        }
    }

    /// A mutation is durable. Those of a row come in the order in which they were written.
    pub(super) fn written(&self, mutation: &Mutation) {
        match mutation.deed {
            Deed::Insert => {
                if self.known.watching.load(Ordering::Relaxed) > 0 {
                    self.known.change(|register| register.written(mutation));
                }
                if let Some(lacks) = &mutation.lacks {
                    self.ask(mutation, lacks);
                }
            }
            Deed::Delete if self.known.fed.load(Ordering::Relaxed) => {
                self.known.change(|register| register.removed(mutation));
            }
            Deed::Delete => {}
        }
    }

    fn ask(&self, mutation: &Mutation, lacks: &Lacks) {
        self.known.fed.store(true, Ordering::Relaxed);
        let row = RowKey::of(mutation);
        if lacks.gone {
            let table = self.known.name(mutation.table);
            let metrics = &self.known.context.metrics;
            metrics
                .counter("rowtide_cassandra_rows_gone_total", &[("table", &table)])
                .add(1);
            return self.known.change(|register| register.expect_removal(&row));
        }
        if !lacks.begins && self.known.register().is_whole(mutation) {
            return;
        }
        let watched = self.known.change(|register| register.watch(&row, &lacks.columns));
        let question = Question::Look(row.clone(), lacks.columns.clone());
        if !watched || self.questions.try_send(question).is_err() {
            self.known.not_looked_at(&row);
        }
    }

    /// Partitions go: others write their rows from now on.
    pub(crate) fn forget(&self) {
        self.known.register().forget();
    }

    /// Waits until what was written before has been looked at, at most `limit`.
    pub(crate) async fn flush(&self, limit: Duration) {
        let (done, seen) = oneshot::channel();
        let asked = async {
            if self.questions.send(Question::Flush(done)).await.is_ok() {
                // The reader ends with this handle alone.
                let _ = seen.await;
            }
        };
        if self.known.fed.load(Ordering::Relaxed) && tokio::time::timeout(limit, asked).await.is_err() {
            tracing::warn!("rows that may lack a value were not all looked at before the task ended");
        }
    }
}

impl Known {
    fn register(&self) -> MutexGuard<'_, Register> {
        self.register.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn name(&self, table: usize) -> String {
        self.targets
            .get(table)
            .map_or_else(String::new, |target| target.settings.name())
    }

    fn not_looked_at(&self, row: &RowKey) {
        self.change(|register| register.give_up(row));
        let rows = self.unchecked.fetch_add(1, Ordering::Relaxed) + 1;
        let name = self.name(row.table);
        if rows == 1 {
            tracing::warn!(table = name, "more rows may lack a value than can be looked at");
        }
        self.context.progress.warn(
            "unavailable.on.create",
            format!("{rows} rows may lack a value that the source did not send, and were not looked at ({name} among them)"),
        );
    }

    /// Changes the register, and tells what that changes.
    fn change<T>(&self, change: impl FnOnce(&mut Register) -> T) -> T {
        let (changed, before, after) = {
            let mut register = self.register();
            let before = register.numbers().clone();
            let changed = change(&mut register);
            self.watching.store(register.watching(), Ordering::Relaxed);
            (changed, before, register.numbers().clone())
        };
        self.tell(&before, &after);
        changed
    }

    /// Takes an answer.
    fn answer(&self, row: &RowKey, (seen, removals): &(Seen, u64)) {
        let Answer::Lacks(columns) = self.change(|register| register.answer(row, seen, *removals)) else {
            return;
        };
        let name = self.name(row.table);
        for column in columns {
            let column = self.column(row.table, column);
            let labels = [("table", name.as_str()), ("column", column)];
            let counter = self
                .context
                .metrics
                .counter("rowtide_cassandra_values_unavailable_total", &labels);
            if counter.get() == 0 {
                tracing::warn!(
                    table = name,
                    column,
                    "a row lacks a value that the source did not send; told once, counted always"
                );
            }
            counter.add(1);
        }
    }

    fn column(&self, table: usize, column: usize) -> &str {
        let target = self.targets.get(table);
        target
            .and_then(|target| target.columns.get(column))
            .map_or("", |column| &column.name)
    }

    fn tell(&self, before: &Numbers, after: &Numbers) {
        for of in before.keys().filter(|of| !after.contains_key(of)) {
            self.context.progress.settled(&self.about(*of));
        }
        let changed = after.iter().filter(|(of, rows)| before.get(of) != Some(rows));
        for (of, rows) in changed {
            let about = self.about(*of);
            let rows = match rows {
                1 => "1 row lacks".to_owned(),
                rows => format!("{rows} rows lack"),
            };
            let words = format!(
                "{about}: {rows} a value that the source did not send; run ALTER TABLE … REPLICA IDENTITY FULL on the source \
                 table, then change the column of these rows"
            );
            self.context.progress.warn(about, words);
        }
    }

    fn about(&self, (table, column): (usize, usize)) -> String {
        format!("{}.{}", self.name(table), self.column(table, column))
    }

    /// Looks at a row until Cassandra answers: what it has, and after how many removals that was asked. `None` when it cannot
    /// be looked at.
    async fn look(&self, row: &RowKey, columns: &[usize]) -> Option<(Seen, u64)> {
        let mut pause = PAUSE;
        loop {
            let removals = self.register().removals();
            match self.attempt(row, columns).await {
                Ok(seen) => return Some((seen, removals)),
                Err((Failure::Table | Failure::Content | Failure::Authentication, words)) => {
                    tracing::debug!(words, "a row that may lack a value cannot be looked at");
                    return None;
                }
                Err(_) => sleep(pause).await,
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn attempt(&self, row: &RowKey, columns: &[usize]) -> Result<Seen, (Failure, String)> {
        let target = &self.targets[row.table];
        let statement = self.statements[row.table]
            .get_or_try_init(|| async {
                let mut statement = self.session.prepare(target.presence_cql()).await?;
                statement.set_is_idempotent(true);
                // What another member of the group wrote a moment ago has to be seen.
                statement.set_consistency(Consistency::LocalQuorum);
                Ok(statement)
            })
            .await
            .map_err(|error: scylla::errors::PrepareError| errors::prepare(&error))?;
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await;
        let key = Mutation {
            table: row.table,
            deed: Deed::Delete,
            cells: row.key.to_vec(),
            partition_bytes: row.partition_bytes,
            key_bytes: row.key.len(),
            timestamp: None,
            ttl: 0,
            lacks: None,
        };
        let answer = self
            .session
            .execute_unpaged(statement, Bound::new(&key, target))
            .await
            .map_err(|error| errors::execution(&error))?;
        let odd = |_| (Failure::Content, "the answer has an unexpected form".to_owned());
        let rows = answer
            .into_rows_result()
            .map_err(|error| (Failure::Content, error.to_string()))?;
        let Some(found) = rows
            .maybe_first_row::<Row>()
            .map_err(|error| odd(error.to_string()))?
        else {
            return Ok(Seen::Absent);
        };
        let is_null = |column: &&usize| {
            let place = column.checked_sub(target.key);
            place
                .and_then(|place| found.columns.get(place))
                .is_none_or(Option::is_none)
        };
        Ok(Seen::Nulls(columns.iter().filter(is_null).copied().collect()))
    }
}

/// A read that ended.
struct Read {
    number: u64,
    row: RowKey,
    seen: Option<(Seen, u64)>,
    /// Nothing is in doubt after it.
    sure: bool,
}

/// Answers questions, several at a time, and looks again at what is missing.
struct Reader {
    known: Arc<Known>,
    reads: FuturesUnordered<BoxFuture<'static, Read>>,
    /// Numbers of the reads in flight.
    open: BTreeSet<u64>,
    /// Rows that lacked a value at a first look, and when to look again.
    doubtful: VecDeque<(Instant, RowKey, Vec<usize>)>,
    /// The number of the newest read.
    asked: u64,
    /// Who waits for all reads below a number.
    flushes: BTreeMap<u64, oneshot::Sender<()>>,
    again_at: Instant,
}

impl Reader {
    fn new(known: Arc<Known>) -> Self {
        Self {
            known,
            reads: FuturesUnordered::new(),
            open: BTreeSet::new(),
            doubtful: VecDeque::new(),
            asked: 0,
            flushes: BTreeMap::new(),
            again_at: Instant::now() + RECHECK_EVERY,
        }
    }

    async fn run(mut self, mut questions: mpsc::Receiver<Question>) {
        loop {
            self.flushed();
            let doubt = self.doubtful.front().map(|(at, ..)| *at);
            tokio::select! {
                biased;
                // 1. Answers make room.
                Some(read) = self.reads.next(), if !self.reads.is_empty() => self.ended(read),
                // 2. Second looks.
                () = sleep_until(doubt.unwrap_or_else(Instant::now)), if doubt.is_some() && self.reads.len() < READS_MAX => {
                    if let Some((_, row, columns)) = self.doubtful.pop_front() {
                        self.look(row, columns, true);
                    }
                }
                // 3. Questions, while there is room.
                question = questions.recv(), if self.reads.len() < READS_MAX => match question {
                    Some(Question::Look(row, columns)) => self.look(row, columns, false),
                    // Everything asked before has a lower number.
                    Some(Question::Flush(done)) => {
                        self.look_at_once();
                        self.flushes.insert(self.asked + 1, done);
                    }
                    None => return,
                },
                // 4. What was missing may be there by now.
                () = sleep_until(self.again_at), if self.reads.is_empty() => {
                    self.again_at = Instant::now() + RECHECK_EVERY;
                    let rows = self.known.register().to_recheck(RECHECK_ROWS_MAX);
                    for (row, columns) in rows {
                        self.look(row, columns, true);
                    }
                }
            }
        }
    }

    fn look(&mut self, row: RowKey, columns: Vec<usize>, sure: bool) {
        self.asked += 1;
        self.open.insert(self.asked);
        let (known, number) = (self.known.clone(), self.asked);
        self.reads.push(Box::pin(async move {
            let seen = known.look(&row, &columns).await;
            Read {
                number,
                row,
                seen,
                sure,
            }
        }));
    }

    /// No doubt is left to time: the task ends.
    fn look_at_once(&mut self) {
        for (_, row, columns) in std::mem::take(&mut self.doubtful) {
            self.look(row, columns, true);
        }
    }

    fn ended(&mut self, read: Read) {
        self.open.remove(&read.number);
        let Some(seen) = read.seen else {
            return self.known.not_looked_at(&read.row);
        };
        if let (Seen::Nulls(nulls), false) = (&seen.0, read.sure) {
            let doubt = self.known.register().in_doubt(&read.row, nulls);
            let waits = self.flushes.is_empty() && self.doubtful.len() < DOUBTFUL_MAX;
            if !doubt.is_empty() && waits {
                let again_at = Instant::now() + SURE_AFTER;
                return self.doubtful.push_back((again_at, read.row, doubt));
            }
        }
        self.known.answer(&read.row, &seen);
    }

    fn flushed(&mut self) {
        let first = self.open.first().copied().unwrap_or(u64::MAX);
        while self.flushes.first_key_value().is_some_and(|(at, _)| *at <= first) {
            if let Some((_, done)) = self.flushes.pop_first() {
                // Whoever asked may have stopped waiting.
                let _ = done.send(());
            }
        }
    }
}
