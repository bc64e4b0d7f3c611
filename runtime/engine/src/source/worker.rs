//! Runs one source task: polls, enters the ledger, sends, stores offsets, and tells the task what is durable.

use std::collections::HashSet;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use rowtide_api::context::Progress;
use rowtide_api::erased::{AnySourceTask, BoxFuture};
use rowtide_api::source::{SourceBatch, Unit};
use rowtide_api::{Error, SourceOffset, SourcePartition, failpoint};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until, timeout_at};

use super::ledger::{BatchId, Ledger, LedgerError, Resolution};
use super::send::{Cursor, Sent};
use crate::chain::Chain;
use crate::control::{Control, Leaving};
use crate::failure::{Backoff, Place, Retry, Stage, bytes_text, tolerance_exceeded, wait_after};
use crate::metrics::SourceCounters;
use crate::observer::Observer;
use crate::ports::{BatchEnd, Delivery, Producer};
use crate::store::offset::OffsetStore;

/// Batches that may be unsettled at once. One-row transactions make one-record batches: this is a few hundred
/// milliseconds of a fast source, and about 1 MB of ledger. The records themselves are bounded by the producer's queue.
const BATCHES_OPEN_MAX: usize = 8192;

/// What a source worker needs.
pub struct SourceParts {
    /// The connector's name, the owner of the offsets.
    pub connector: Arc<str>,
    /// The task.
    pub task: Box<dyn AnySourceTask>,
    /// Its transforms and converters.
    pub chain: Chain,
    /// Its producer.
    pub producer: Arc<dyn Producer>,
    /// Where offsets are stored.
    pub offsets: Arc<OffsetStore>,
    /// Who hears of topics.
    pub observer: Arc<dyn Observer>,
    /// Where degradation shows.
    pub progress: Progress,
    /// What is counted.
    pub counters: SourceCounters,
    /// `offset.flush.interval.ms`.
    pub flush_interval: Duration,
    /// `offset.flush.timeout.ms`: how long stopping waits for records in flight, inside the time for stopping.
    pub flush_timeout: Duration,
    /// `task.shutdown.graceful.timeout.ms`: the time for stopping.
    pub shutdown_timeout: Duration,
    /// Stop and pause.
    pub control: Control,
}

/// How a task ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceEnd {
    /// It was told to stop.
    Stopped,
    /// It has nothing more, and all of it is durable, offsets included.
    Finished,
}

type Offsets = Vec<(SourcePartition, SourceOffset)>;
type Flush = BoxFuture<'static, (Result<(), Error>, Offsets)>;

/// Runs a task until it is stopped, finished or failed. The task's `stop` has been called in each case.
///
/// # Errors
/// Retriable: start a new task from the stored offsets. Fatal: the task becomes FAILED.
pub async fn run(parts: SourceParts) -> Result<SourceEnd, Error> {
    let mut worker = Worker::new(parts);
    let end = worker.work().await;
    let leaving = Leaving::begin(worker.parts.shutdown_timeout);
    let drained = worker.drain(leaving).await;
    match timeout_at(leaving.stopped, worker.parts.task.stop()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "stopping the task"),
        Err(_) => tracing::warn!("the task did not stop in time and is dropped"),
    }
    match (end, drained) {
        (Ok(end), Ok(())) => Ok(end),
        // Stopped while the store failed: nothing is lost, the next start repeats.
        (Ok(SourceEnd::Stopped), Err(error)) => {
            tracing::warn!(%error, "the last offsets were not stored; the next start repeats records");
            Ok(SourceEnd::Stopped)
        }
        (Err(error), _) | (Ok(SourceEnd::Finished), Err(error)) => Err(error),
    }
}

enum Event {
    Stop,
    Ended(BatchEnd),
    Flushed(Result<(), Error>, Offsets),
    FlushDue,
    Sent(Result<Sent, Error>),
    Polled(Result<Option<SourceBatch>, Error>),
    WaitOver,
    PauseChanged,
}

struct Worker {
    parts: SourceParts,
    ledger: Ledger,
    cursor: Option<Cursor>,
    ends: (UnboundedSender<BatchEnd>, UnboundedReceiver<BatchEnd>),
    flush: Option<Flush>,
    flush_timer: Interval,
    flush_backoff: Backoff,
    topics: HashSet<Arc<str>>,
    topics_told: usize,
    retry: Retry,
    /// The last batch polled ended no source transaction: pausing has to wait.
    unit_open: bool,
    finished: bool,
    /// A batch was not delivered and will not be: nothing behind it settles any more.
    undeliverable: bool,
    /// The last write of offsets failed.
    store_failed: bool,
}

impl Worker {
    fn new(parts: SourceParts) -> Self {
        let mut flush_timer = interval(parts.flush_interval);
        flush_timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            retry: Retry::new(
                parts.connector.len() as u64,
                parts.progress.clone(),
                parts.counters.retries(),
            ),
            parts,
            ledger: Ledger::new(),
            cursor: None,
            ends: unbounded_channel(),
            flush: None,
            flush_timer,
            flush_backoff: Backoff::new(0),
            topics: HashSet::new(),
            topics_told: 0,
            unit_open: false,
            finished: false,
            undeliverable: false,
            store_failed: false,
        }
    }

    async fn work(&mut self) -> Result<SourceEnd, Error> {
        loop {
            if self.finished && self.ledger.is_settled() && self.cursor.is_none() {
                return Ok(SourceEnd::Finished);
            }
            match self.next_event().await {
                Event::Stop => return Ok(SourceEnd::Stopped),
                Event::Ended(end) => self.settle(end)?,
                Event::Flushed(result, offsets) => self.flushed(result, offsets),
                Event::FlushDue => self.start_flush(),
                Event::Sent(sent) => self.sent(sent)?,
                Event::Polled(batch) => self.polled(batch)?,
                Event::WaitOver => self.retry.waited(),
                Event::PauseChanged => {}
            }
        }
    }

    async fn next_event(&mut self) -> Event {
        let ready = !self.retry.is_waiting();
        let paused = self.parts.control.is_paused() && !self.unit_open;
        let may_send = ready && self.cursor.is_some();
        let may_poll = ready && self.cursor.is_none() && !paused && !self.finished;
        let may_poll = may_poll && self.ledger.batches() < BATCHES_OPEN_MAX;
        let may_flush = self.flush.is_none() && self.ledger.has_committable();
        let stop = self.parts.control.stop.clone();
        let SourceParts {
            task,
            chain,
            producer,
            control,
            ..
        } = &mut self.parts;
        tokio::select! {
            biased;
            // 1. Stop wins, or a busy stream never ends.
            () = stop.cancelled() => Event::Stop,
            // 2. Acknowledgements release memory before more is taken.
            Some(end) = self.ends.1.recv() => Event::Ended(end),
            // 3. A stored offset lets upstream go.
            (result, offsets) = next(&mut self.flush) => Event::Flushed(result, offsets),
            // 4. A change of pause is looked at in the next round.
            () = control.pause_changed() => Event::PauseChanged,
            // 5. Offsets, at most one write in flight.
            _ = self.flush_timer.tick(), if may_flush => Event::FlushDue,
            // 6. What was polled is sent before more is polled.
            sent = advance(&mut self.cursor, chain, &**producer, &mut self.topics), if may_send => Event::Sent(sent),
            // 7. New work.
            batch = task.poll(), if may_poll => Event::Polled(batch),
            // 8. The end of a back-off.
            () = self.retry.wait() => Event::WaitOver,
        }
    }

    fn polled(&mut self, batch: Result<Option<SourceBatch>, Error>) -> Result<(), Error> {
        match batch {
            Ok(Some(batch)) => {
                self.retry.succeeded();
                self.enter(batch)
            }
            Ok(None) => {
                self.finished = true;
                Ok(())
            }
            Err(error) => self.retry.failed(error),
        }
    }

    fn enter(&mut self, batch: SourceBatch) -> Result<(), Error> {
        if let Some(reject) = batch.rejected.first() {
            let place = Place {
                stage: Stage::TaskPoll,
                part: "poll",
                at: &format!("topic {}", reject.topic),
                timestamp_ms: None,
            };
            self.parts.chain.error_log().bad_record(place, &reject.error, || {
                ("null".into(), bytes_text(Some(&reject.raw)))
            });
            return Err(tolerance_exceeded(
                place.stage,
                place.part,
                place.at,
                &reject.error,
            ));
        }
        if batch.unit == Unit::Abort {
            return Err(Error::fatal(
                "the source aborted a unit, which needs exactly-once delivery",
            ));
        }
        self.unit_open = batch.unit == Unit::Open;
        let records = u32::try_from(batch.records.len()).unwrap_or(u32::MAX);
        self.parts.counters.polled(records);
        let id = self.ledger.enter(&batch.partition, records, batch.resume_at);
        if records == 0 {
            return self.ledger.sending_over(id).map_err(bug);
        }
        let delivery = Delivery::new(id.0, self.ends.0.clone());
        self.cursor = Some(Cursor::new(id, delivery, batch.records));
        Ok(())
    }

    fn sent(&mut self, sent: Result<Sent, Error>) -> Result<(), Error> {
        match sent {
            Ok(sent) => {
                self.retry.succeeded();
                self.cursor = None;
                failpoint::hit("source.sent");
                if sent.dropped > 0 {
                    self.ledger
                        .resolve(sent.batch, Resolution::Dropped, sent.dropped)
                        .map_err(bug)?;
                }
                self.ledger.sending_over(sent.batch).map_err(bug)?;
                self.tell_topics();
                Ok(())
            }
            Err(error) => self.retry.failed(error),
        }
    }

    fn settle(&mut self, end: BatchEnd) -> Result<(), Error> {
        let acknowledged = end.outcome.map_err(|error| {
            self.undeliverable = true;
            error.within("sending to Kafka")
        })?;
        self.parts.counters.written(acknowledged);
        failpoint::hit("source.acknowledged");
        if acknowledged > 0 {
            self.ledger
                .resolve(BatchId(end.batch), Resolution::Acknowledged, acknowledged)
                .map_err(bug)?;
        }
        Ok(())
    }

    fn start_flush(&mut self) {
        let offsets = self.ledger.take_committable();
        let (store, connector) = (self.parts.offsets.clone(), self.parts.connector.clone());
        self.flush = Some(Box::pin(async move {
            failpoint::hit("source.before_offset");
            let changes: Vec<_> = offsets
                .iter()
                .map(|(partition, offset)| (partition.clone(), Some(offset.clone())))
                .collect();
            let result = store.write(&connector, &changes).await;
            (result, offsets)
        }));
    }

    /// Invariant: `committed` is called here and nowhere else, with offsets the store has just confirmed. It is the only
    /// signal on which a source may release anything upstream.
    fn flushed(&mut self, result: Result<(), Error>, offsets: Offsets) {
        match result {
            Ok(()) => {
                failpoint::hit("source.offset_stored");
                self.parts.counters.flushed();
                if self.flush_backoff.attempts() > 0 {
                    tracing::info!("offsets are stored again");
                    self.flush_backoff.reset();
                }
                if std::mem::take(&mut self.store_failed) && !self.retry.is_waiting() {
                    self.parts.progress.recovered();
                }
                for (partition, offset) in &offsets {
                    self.parts.task.committed(partition, offset);
                }
                failpoint::hit("source.committed");
            }
            Err(error) => {
                // Upstream keeps what it has; the next attempt stores the newer state.
                let wait = wait_after(&mut self.flush_backoff, "storing source offsets", &error);
                self.flush_timer.reset_after(wait);
                self.store_failed = true;
                self.parts.progress.degraded(format!("storing offsets: {error}"));
                self.ledger.give_back(offsets);
            }
        }
    }

    fn tell_topics(&mut self) {
        if self.topics.len() > self.topics_told {
            self.topics_told = self.topics.len();
            self.topics
                .iter()
                .for_each(|topic| self.parts.observer.topic(topic));
        }
    }

    /// Waits for what is in flight and stores the offsets it frees as they come, all of it bounded: whatever hangs, what
    /// was durable by then is stored, and the task is still told to stop.
    async fn drain(&mut self, leaving: Leaving) -> Result<(), Error> {
        let in_flight = leaving.in_flight.min(Instant::now() + self.parts.flush_timeout);
        let mut outcome = Ok(());
        loop {
            if self.flush.is_none() && self.ledger.has_committable() && outcome.is_ok() {
                self.start_flush();
            }
            // A batch still being sent stays unsettled: its records repeat after the next start.
            let awaited = self.ledger.batches() > usize::from(self.cursor.is_some()) && !self.undeliverable;
            if self.flush.is_none() && !awaited {
                return outcome;
            }
            tokio::select! {
                biased;
                // 1. Acknowledgements, for as long as records in flight are waited for.
                Some(end) = self.ends.1.recv(), if awaited => {
                    if let Err(error) = self.settle(end) {
                        outcome = outcome.and(Err(error));
                    }
                }
                // 2. The end of a write of offsets.
                (result, offsets) = next(&mut self.flush) => {
                    outcome = outcome.and(result.clone());
                    self.flushed(result, offsets);
                }
                // 3. Enough waited for records.
                () = sleep_until(in_flight), if awaited => self.undeliverable = true,
                // 4. Enough waited for the store.
                () = sleep_until(leaving.stored) => {
                    return outcome.and(Err(Error::retriable("storing the last offsets took too long")));
                }
            }
        }
    }
}

async fn advance(
    cursor: &mut Option<Cursor>,
    chain: &mut Chain,
    producer: &dyn Producer,
    topics: &mut HashSet<Arc<str>>,
) -> Result<Sent, Error> {
    match cursor {
        Some(cursor) => cursor.advance(chain, producer, topics).await,
        None => pending().await,
    }
}

async fn next(flush: &mut Option<Flush>) -> (Result<(), Error>, Offsets) {
    match flush {
        Some(running) => {
            let done = running.await;
            *flush = None;
            done
        }
        None => pending().await,
    }
}

fn bug(error: LedgerError) -> Error {
    Error::fatal(format!("the ledger does not add up: {error:?}"))
        .hint("this is a defect of Rowtide; the offset stays")
}
