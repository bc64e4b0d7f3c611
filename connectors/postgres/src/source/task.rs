//! The task: attach, snapshot, stream; reconnects at the position of the last batch handed out.
//!
//! Everything that takes long runs in tasks of its own (attaching, the session, the snapshot's reader); `poll` waits on
//! their channels and keeps what it has begun in `self`, so that dropping it loses nothing.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rowtide_api::context::{Counter, Gauge};
use rowtide_api::source::{SourceBatch, SourceContext, SourceTask};
use rowtide_api::{Error, SourceOffset, SourcePartition, failpoint};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tracing::Instrument as _;

use super::attach::{self, Attached, Next};
use super::config::{SnapshotMode, SourceConfig};
use super::offset::{self, Position};
use super::record::missing::Found;
use super::record::{Builder, Identity};
use super::replication::relations::{Compiler, Schemas};
use super::replication::session::{self, Handle, Received};
use super::replication::transaction::{BatchLimits, Outcome, Transactions};
use super::reselect::Reselect;
use super::slot::System;
use super::snapshot::{Snapshot, Surroundings};
use crate::connection::Connection;
use crate::connection::copy_both::Stream;

/// Inside a transaction, records wait this long for more of it: its commit usually follows at once, and a batch less is a
/// write of the offset less.
const LINGER: Duration = Duration::from_millis(1);
/// PG-193: an idle advance at most this often …
const IDLE_PAUSE: Duration = Duration::from_secs(1);
/// … or when this much WAL could go.
const IDLE_BYTES: u64 = 16 << 20;

/// A task of the Postgres source.
pub struct PostgresTask {
    config: Arc<SourceConfig>,
    context: SourceContext,
    partition: SourcePartition,
    compiler: Compiler,
    limits: BatchLimits,
    run_id: String,
    /// Where to go on after the connection is lost: the last batch handed out, before that the stored offset.
    position: Option<Position>,
    /// Up to where stored offsets let WAL go; every session watches it.
    confirmed: watch::Sender<u64>,
    state: State,
    /// What the captured tables should make known was told.
    told: bool,
    /// An error to report once everything before it is handed out.
    failure: Option<Error>,
    confirmed_gauge: Gauge,
    idle_advances: Counter,
}

enum State {
    /// Nothing is open.
    Detached,
    /// Attaching runs.
    Attaching(Owned<Attached>),
    /// Existing rows.
    Snapshot(Box<Snapshot>),
    /// The stream is being opened.
    Opening {
        system: System,
        stream: Owned<(Connection, Stream, Position)>,
    },
    /// Changes.
    Streaming(Box<Streaming>),
    /// `initial_only` is complete.
    Idle,
}

struct Streaming {
    config: Arc<SourceConfig>,
    query: Connection,
    session: Handle,
    transactions: Transactions,
    /// Reads values again; absent while it does, and after a failure.
    reselect: Option<Reselect>,
    filling: Option<Owned<(Reselect, Vec<Found>)>>,
    received: Option<Received>,
    /// Records of an open transaction are handed on at this instant.
    linger_until: Option<Instant>,
    /// The earliest next idle advance.
    idle_from: Instant,
}

/// A task's result; dropping it ends the task.
struct Owned<T>(JoinHandle<Result<T, Error>>);

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T: Send + 'static> Owned<T> {
    fn spawn(future: impl Future<Output = Result<T, Error>> + Send + 'static) -> Self {
        Self(tokio::spawn(future.in_current_span()))
    }

    /// Cancel-safe.
    async fn wait(&mut self) -> Result<T, Error> {
        (&mut self.0).await.unwrap_or_else(|cause| {
            Err(Error::fatal("background work of the source ended unexpectedly").because(cause))
        })
    }
}

/// What one step of the stream gave.
enum Step {
    /// A batch to hand on.
    Batch(SourceBatch),
    /// PG-187: read the transaction again.
    Again,
}

impl PostgresTask {
    pub(super) fn new(config: Arc<SourceConfig>, context: SourceContext) -> Self {
        let partition = offset::partition(&config.records.prefix);
        let position = context
            .offsets
            .get(&partition)
            .map(|stored| Position::from_offset(&stored));
        let metrics = &context.task.metrics;
        Self {
            compiler: Compiler {
                filter: config.filter.clone(),
                records: config.records.clone(),
                schemas: Schemas::default(),
            },
            limits: BatchLimits {
                records_max: config.stream.batch_records_max,
                bytes_max: context.task.limits.batch_bytes_max,
            },
            run_id: run_id(&context),
            confirmed: watch::Sender::new(0),
            state: State::Detached,
            told: false,
            failure: None,
            confirmed_gauge: metrics.gauge("rowtide_postgres_confirmed_lsn", &[]),
            idle_advances: metrics.counter("rowtide_postgres_idle_advances_total", &[]),
            partition,
            position,
            config,
            context,
        }
    }

    fn builder(&self, system: &System) -> Builder {
        let identity = Identity {
            server: format!("{}/{}", system.id, system.timeline),
            run_id: self.run_id.clone(),
            task: self.context.task.task,
        };
        Builder::new(self.config.records.clone(), &identity, &self.context.task.metrics)
    }

    fn attach(&self) -> State {
        let (config, stored) = (self.config.clone(), self.position.clone());
        State::Attaching(Owned::spawn(async move {
            attach::attach(&config, stored.as_ref()).await
        }))
    }

    /// What follows a successful attach.
    fn attached(&mut self, attached: Attached) -> Result<State, Error> {
        let Attached {
            query,
            system,
            next,
            findings,
        } = attached;
        if !std::mem::replace(&mut self.told, true) {
            for (key, finding) in findings {
                tracing::warn!(key, "{finding}");
            }
        }
        match next {
            Next::Stream(position) => {
                // A gap is known to whoever found it: the next attempt would not find it again.
                if let Some(from) = &mut self.position {
                    from.gap |= position.gap;
                }
                Ok(self.opening(query, system, position))
            }
            Next::Snapshot(plan) => {
                let around = Surroundings {
                    settings: &self.config.connection,
                    compiler: &self.compiler,
                    prefix: &self.config.records.prefix,
                    limits: self.limits,
                    progress: self.context.task.progress.clone(),
                    now_ns: now_ns(),
                };
                let snapshot = Snapshot::start(*plan, self.builder(&system), around)?;
                Ok(State::Snapshot(Box::new(snapshot)))
            }
        }
    }

    fn opening(&self, query: Connection, system: System, position: Position) -> State {
        let config = self.config.clone();
        let stream = Owned::spawn(async move {
            let stream = attach::open_stream(&config, &query, &position).await?;
            Ok((query, stream, position))
        });
        State::Opening { system, stream }
    }

    fn streaming(&self, query: Connection, system: &System, stream: Stream, position: Position) -> State {
        self.context.task.progress.phase("streaming");
        self.context.task.progress.recovered();
        State::Streaming(Box::new(Streaming {
            config: self.config.clone(),
            session: session::start(
                stream,
                self.config.stream.clone(),
                self.confirmed.subscribe(),
                query.sent_away(),
            ),
            query,
            transactions: Transactions::new(
                self.compiler.clone(),
                self.builder(system),
                position,
                self.limits,
                self.partition.clone(),
            ),
            reselect: Some(Reselect::new(self.config.clone())),
            filling: None,
            received: None,
            linger_until: None,
            idle_from: Instant::now() + IDLE_PAUSE,
        }))
    }

    /// One transition or one batch. Cancel-safe: the state changes only after an await has ended.
    async fn step(&mut self) -> Result<Option<SourceBatch>, Error> {
        match &mut self.state {
            State::Detached => self.state = self.attach(),
            State::Attaching(attaching) => {
                let attached = attaching.wait().await?;
                self.state = self.attached(attached)?;
            }
            State::Snapshot(snapshot) => match snapshot.next(now_ns()).await? {
                Some(batch) => {
                    self.position = Some(snapshot.position().clone());
                    failpoint::hit("postgres.snapshot_batch");
                    return Ok(Some(batch));
                }
                None if self.config.snapshot_mode == SnapshotMode::InitialOnly => self.state = State::Idle,
                None => {
                    failpoint::hit("postgres.snapshot_complete");
                    // Attaching again checks the slot once more, which is cheap after a snapshot.
                    self.state = self.attach();
                }
            },
            State::Opening { system, stream } => {
                let (query, stream, position) = stream.wait().await?;
                failpoint::hit("postgres.stream_opened");
                let system = system.clone();
                self.state = self.streaming(query, &system, stream, position);
            }
            State::Streaming(streaming) => match streaming.next().await {
                Ok(Step::Batch(batch)) => {
                    if batch.records.is_empty() {
                        self.idle_advances.add(1);
                    }
                    self.position = Some(streaming.transactions.handed().clone());
                    return Ok(Some(batch));
                }
                Ok(Step::Again) => {
                    tracing::warn!(
                        "the transaction at the stored offset differs from what is replayed; it is sent again as a whole"
                    );
                    self.position = Some(streaming.transactions.handed_without_ordinal());
                    self.state = State::Detached;
                }
                Err(error) if streaming.transactions.has_records() => {
                    // What was complete before the failure is handed out first; what cannot be completed is read again.
                    if streaming.complete().await.is_err() {
                        return Err(error);
                    }
                    self.failure = Some(error);
                    let batch = streaming.transactions.take_batch();
                    self.position = Some(streaming.transactions.handed().clone());
                    return Ok(Some(batch));
                }
                Err(error) => return Err(error),
            },
            State::Idle => std::future::pending().await,
        }
        Ok(None)
    }

    fn failed(&mut self, error: Error) -> Error {
        self.state = State::Detached;
        if error.is_retriable() {
            self.context.task.progress.degraded(error.to_string());
        }
        error
    }
}

impl Streaming {
    /// The next batch, as soon as there is one and the socket has nothing more (PG-203). Cancel-safe.
    async fn next(&mut self) -> Result<Step, Error> {
        if self.filling.is_some() {
            // Nothing joins a batch that waits for values.
            return self.hand_on().await;
        }
        loop {
            if let Some(step) = self.decode().await? {
                return Ok(step);
            }
            match self.session.chunks.try_recv() {
                Ok(received) => {
                    self.received = Some(received?);
                    continue;
                }
                Err(mpsc::error::TryRecvError::Disconnected) => return Err(session_gone()),
                Err(mpsc::error::TryRecvError::Empty) => {}
            }
            let Some(due) = self.due() else {
                return self.hand_on().await;
            };
            let received = tokio::select! {
                biased;
                // 1. More to decode.
                received = self.session.chunks.recv() => received,
                // 2. It is time to hand on what there is, or to move an idle position.
                () = sleep_until(due.unwrap_or_else(far_future)), if due.is_some() => {
                    return self.hand_on().await;
                }
            };
            self.received = Some(received.unwrap_or_else(|| Err(session_gone()))?);
        }
    }

    /// Decodes what was received. `None`: there is nothing more of it.
    async fn decode(&mut self) -> Result<Option<Step>, Error> {
        while let Some(received) = &mut self.received {
            match self.transactions.feed(&mut received.chunk, now_ns())? {
                Outcome::Consumed => self.received = None,
                Outcome::Full => return self.hand_on().await.map(Some),
                Outcome::Differs => return Ok(Some(Step::Again)),
                Outcome::Announced(relation) => {
                    let types: Vec<_> = relation.columns.iter().map(|column| column.type_oid).collect();
                    let structures = attach::structures_of(&self.query, &[relation.id], &types).await?;
                    self.transactions.learn(&relation, &structures)?;
                    Transactions::skip(&mut received.chunk);
                }
            }
        }
        Ok(None)
    }

    /// When the next batch is due although nothing more comes: `None` at once, `Some(None)` never.
    #[allow(
        clippy::option_option,
        reason = "At once, at an instant, never: three answers, all used above"
    )]
    fn due(&mut self) -> Option<Option<Instant>> {
        let transactions = &self.transactions;
        if transactions.has_records() {
            if !transactions.in_transaction() {
                return None;
            }
            let until = *self.linger_until.get_or_insert_with(|| Instant::now() + LINGER);
            return (Instant::now() < until).then_some(Some(until));
        }
        if transactions.has_unit_to_close() {
            return None;
        }
        match transactions.idle_bytes() {
            0 => Some(None),
            IDLE_BYTES.. => None,
            _ => (Instant::now() < self.idle_from).then_some(Some(self.idle_from)),
        }
    }

    /// Cancel-safe: what waits stays until it is complete.
    async fn hand_on(&mut self) -> Result<Step, Error> {
        self.complete().await?;
        self.linger_until = None;
        self.idle_from = Instant::now() + IDLE_PAUSE;
        Ok(Step::Batch(self.transactions.take_batch()))
    }

    /// Records that begin a row get the values that the server did not send. Cancel-safe: reading goes on meanwhile.
    async fn complete(&mut self) -> Result<(), Error> {
        let filling = match (&mut self.filling, self.reselect.take()) {
            (Some(filling), _) => filling,
            (None, reselect) if self.transactions.missing().is_empty() => {
                self.reselect = reselect;
                return Ok(());
            }
            (None, reselect) => {
                let missing = self.transactions.missing().to_vec();
                let mut reselect = reselect.unwrap_or_else(|| Reselect::new(self.config.clone()));
                self.filling.insert(Owned::spawn(async move {
                    let found = reselect.read(&missing).await?;
                    Ok((reselect, found))
                }))
            }
        };
        let done = filling.wait().await;
        self.filling = None;
        let (reselect, found) = done?;
        self.reselect = Some(reselect);
        self.transactions.fill(&found)
    }
}

impl SourceTask for PostgresTask {
    async fn poll(&mut self) -> Result<Option<SourceBatch>, Error> {
        if let Some(error) = self.failure.take() {
            return Err(self.failed(error));
        }
        loop {
            match self.step().await {
                Ok(Some(batch)) => return Ok(Some(batch)),
                Ok(None) => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
    }

    fn committed(&mut self, partition: &SourcePartition, offset: &SourceOffset) {
        if *partition != self.partition || !self.config.stream.confirms {
            return;
        }
        // PG-005: the offset is durable, and with it every record up to it. Only `lsn_commit` counts: an offset inside a
        // transaction, or inside a snapshot, lets nothing go of that.
        if let Some(lsn) = Position::from_offset(offset).lsn_commit {
            self.confirmed_gauge.set(lsn.cast_signed());
            self.confirmed.send_if_modified(|confirmed| {
                let later = lsn > *confirmed;
                *confirmed = lsn.max(*confirmed);
                later
            });
        }
    }

    async fn stop(self) -> Result<(), Error> {
        if let State::Streaming(streaming) = self.state {
            streaming.session.stop(self.config.shutdown_timeout).await;
        }
        Ok(())
    }
}

fn session_gone() -> Error {
    Error::retriable("the replication session ended")
}

fn far_future() -> Instant {
    // Never awaited: the arm that takes it is switched off then.
    Instant::now() + Duration::from_secs(3600)
}

/// Nanoseconds since the epoch, until the year 2262.
fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// A name-based UUID of what tells this run apart: nothing secret, only different from every other run's.
fn run_id(context: &SourceContext) -> String {
    let seed = format!(
        "{}/{}/{}/{}",
        context.task.connector,
        context.task.task,
        std::process::id(),
        now_ns()
    );
    let text = rowtide_java::uuid::to_text(&rowtide_java::uuid::from_name(seed.as_bytes()));
    String::from_utf8_lossy(&text).into_owned()
}
