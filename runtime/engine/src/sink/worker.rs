//! Runs one sink task: decodes, puts, settles, commits positions, and follows the group.

use std::collections::HashSet;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use rowtide_api::context::{Limits, Progress as TaskProgress};
use rowtide_api::erased::AnySinkTask;
use rowtide_api::sink::{Partition, Settlement, SinkBatch, Ticket};
use rowtide_api::{Error, failpoint};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout_at};

use super::commit::{self, Commit};
use super::decode::{Decoded, Decoding};
use super::dropped::Dropped;
use super::flight::{Flight, ToPut};
use super::matched;
use super::progress::{DeliveryId, Position, Progress};
use super::settle::{Ended, settle};
use crate::chain::Chain;
use crate::control::{Control, Leaving};
use crate::failure::Retry;
use crate::metrics::SinkCounters;
use crate::observer::Observer;
use crate::ports::{CommitError, Consumer, ConsumerEvent, Fetched};

/// What a sink worker needs.
pub struct SinkParts {
    /// The connector's name.
    pub connector: Arc<str>,
    /// The task.
    pub task: Box<dyn AnySinkTask>,
    /// Its converters and transforms.
    pub chain: Chain,
    /// Its consumer.
    pub consumer: Box<dyn Consumer>,
    /// Who hears of topics.
    pub observer: Arc<dyn Observer>,
    /// Where degradation shows.
    pub progress: TaskProgress,
    /// What is counted.
    pub counters: SinkCounters,
    /// What may be unsettled.
    pub limits: Limits,
    /// `offset.flush.interval.ms`.
    pub commit_interval: Duration,
    /// `offset.flush.timeout.ms`: how long one commit may hold up the group.
    pub commit_timeout: Duration,
    /// `task.shutdown.graceful.timeout.ms`: the time for stopping.
    pub shutdown_timeout: Duration,
    /// Stop and pause.
    pub control: Control,
}

/// How long a task may take to let partitions go: longer than any write that is bounded, shorter than a group waits for
/// one of its members.
const REVOKED_WAIT: Duration = Duration::from_secs(45);

/// Where a failure that is waited out happened: only success there ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failing {
    Consuming,
    Decoding,
    Putting,
}

/// Runs a task until it is stopped or failed. The task's `stop` has been called and the group left in each case.
///
/// # Errors
/// Retriable: start a new task from the committed positions. Fatal: the task becomes FAILED.
pub async fn run(parts: SinkParts) -> Result<(), Error> {
    let mut worker = Worker::new(parts);
    let end = worker.work().await;
    let leaving = Leaving::begin(worker.parts.shutdown_timeout);
    worker.leave(leaving).await;
    let SinkParts { task, consumer, .. } = worker.parts;
    match timeout_at(leaving.stopped, task.stop()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "stopping the task"),
        Err(_) => tracing::warn!("the task did not stop in time and is dropped"),
    }
    consumer.close().await;
    end
}

enum Event {
    Stop,
    Ended(Ended),
    Committed(Result<(), CommitError>, Vec<Position>),
    CommitDue,
    PauseChanged,
    Consumer(Result<ConsumerEvent, Error>),
    Decoded(Result<Decoded, Error>),
    WaitOver,
}

struct Worker {
    parts: SinkParts,
    progress: Progress,
    flight: Flight,
    decoding: Option<Decoding>,
    ended: (UnboundedSender<Ended>, UnboundedReceiver<Ended>),
    commit: Option<Commit>,
    commit_timer: Interval,
    topics: HashSet<Arc<str>>,
    retry: Retry,
    failing: Option<Failing>,
}

impl Worker {
    fn new(parts: SinkParts) -> Self {
        let mut commit_timer = interval(parts.commit_interval);
        commit_timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            retry: Retry::new(
                parts.connector.len() as u64,
                parts.progress.clone(),
                parts.counters.retries(),
            ),
            parts,
            progress: Progress::new(),
            flight: Flight::default(),
            decoding: None,
            ended: unbounded_channel(),
            commit: None,
            commit_timer,
            topics: HashSet::new(),
            failing: None,
        }
    }

    fn failed(&mut self, at: Failing, error: Error) -> Result<(), Error> {
        self.failing = Some(at);
        self.retry.failed(error)
    }

    fn succeeded(&mut self, at: Failing) {
        if self.failing == Some(at) {
            self.failing = None;
            self.retry.succeeded();
        }
    }

    async fn work(&mut self) -> Result<(), Error> {
        self.parts.consumer.set_paused(self.parts.control.is_paused())?;
        loop {
            if !self.retry.is_waiting() && !self.parts.control.is_paused() && self.flight.has_next() {
                match self.put_next().await? {
                    Some(Event::Stop) => return Ok(()),
                    Some(event) => self.handle(event).await?,
                    None => {}
                }
                continue;
            }
            match self.next_event().await {
                Event::Stop => return Ok(()),
                event => self.handle(event).await?,
            }
        }
    }

    async fn handle(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::Stop | Event::PauseChanged => {
                return self.parts.consumer.set_paused(self.parts.control.is_paused());
            }
            Event::Ended(ended) => self.ended(ended)?,
            Event::Committed(result, positions) => self.committed(result, positions),
            Event::CommitDue => self.start_commit(),
            Event::Consumer(Ok(event)) => {
                self.succeeded(Failing::Consuming);
                self.consumer_event(event).await?;
            }
            Event::Consumer(Err(error)) => self.failed(Failing::Consuming, error)?,
            Event::Decoded(Ok(decoded)) => {
                self.succeeded(Failing::Decoding);
                self.decoded(decoded)?;
            }
            Event::Decoded(Err(error)) => self.failed(Failing::Decoding, error)?,
            Event::WaitOver => {
                self.retry.waited();
                self.flight.resume();
            }
        }
        if !self.retry.is_waiting()
            && let Some(error) = self.flight.failure().cloned()
        {
            self.failed(Failing::Putting, error)?;
        }
        Ok(())
    }

    async fn next_event(&mut self) -> Event {
        let ready = !self.retry.is_waiting() && !self.parts.control.is_paused();
        let may_decode = ready && self.decoding.is_some();
        let has_room = self.flight.records() < self.parts.limits.buffered_records_max
            && self.flight.bytes() < self.parts.limits.buffered_bytes_max;
        // Nothing new while a failure is waited out: what is unsettled goes first.
        let may_take = ready && self.decoding.is_none() && has_room && !self.flight.has_next();
        let may_commit = self.commit.is_none() && self.progress.has_committable();
        let stop = self.parts.control.stop.clone();
        let SinkParts {
            chain,
            consumer,
            control,
            ..
        } = &mut self.parts;
        tokio::select! {
            biased;
            // 1. Stop wins.
            () = stop.cancelled() => Event::Stop,
            // 2. Settlements release memory before more is taken.
            Some(ended) = self.ended.1.recv() => Event::Ended(ended),
            // 3. The end of a commit.
            (result, positions) = commit::end(&mut self.commit) => Event::Committed(result, positions),
            // 4. A change of pause.
            () = control.pause_changed() => Event::PauseChanged,
            // 5. Positions, at most one commit in flight.
            _ = self.commit_timer.tick(), if may_commit => Event::CommitDue,
            // 6. The group; records only when there is room for them.
            event = consume(&mut **consumer, may_take) => Event::Consumer(event),
            // 7. What was fetched is decoded before more is fetched.
            decoded = decode(&mut self.decoding, chain), if may_decode => Event::Decoded(decoded),
            // 8. The end of a back-off.
            () = self.retry.wait() => Event::WaitOver,
        }
    }

    /// Puts the next delivery. While the sink is full, settlements, commits and the group go on; an event that needs the
    /// task ends the put, which is then repeated.
    async fn put_next(&mut self) -> Result<Option<Event>, Error> {
        let Some(ToPut {
            id,
            attempt,
            partition,
            records,
        }) = self.flight.take_next()
        else {
            return Ok(None);
        };
        let ticket = ticket(self.ended.0.clone(), id, attempt);
        let stop = self.parts.control.stop.clone();
        let log = self.parts.chain.error_log();
        let SinkParts {
            task,
            consumer,
            counters,
            ..
        } = &mut self.parts;
        let mut put = task.put(SinkBatch {
            partition,
            records,
            ticket,
        });
        let event = loop {
            tokio::select! {
                biased;
                // 1. Stop wins; the dropped put may have written, it is not settled.
                () = stop.cancelled() => {
                    self.flight.put_dropped(id);
                    break Some(Event::Stop);
                }
                // 2. Most puts are taken at once.
                result = &mut put => match result {
                    Ok(()) => break None,
                    Err(error) if error.is_retriable() => {
                        self.flight.failed(id, error);
                        break None;
                    }
                    Err(error) => return Err(error),
                },
                // 3. Settlements make room.
                Some(ended) = self.ended.1.recv() => {
                    settle(ended, &mut self.flight, &mut self.progress, counters, log)?;
                }
                // 4. The end of a commit.
                (result, positions) = commit::end(&mut self.commit) => {
                    commit::ended(result, positions, &mut self.progress, counters);
                }
                // 5. Positions, at most one commit in flight.
                _ = self.commit_timer.tick(), if self.commit.is_none() && self.progress.has_committable() => {
                    self.commit = Some(commit::start(&mut self.progress, &**consumer));
                }
                // 6. A change of the group ends the put: the task has to hear of it.
                event = consumer.next_change() => {
                    self.flight.put_dropped(id);
                    break Some(Event::Consumer(event));
                }
            }
        };
        drop(put);
        failpoint::hit("sink.put");
        match event {
            None if self.flight.failure().is_some() => self.fail_over(),
            event => Ok(event),
        }
    }

    fn fail_over(&mut self) -> Result<Option<Event>, Error> {
        match self.flight.failure().cloned() {
            Some(error) => self.failed(Failing::Putting, error).map(|()| None),
            None => Ok(None),
        }
    }

    fn ended(&mut self, ended: Ended) -> Result<(), Error> {
        let (counters, log) = (&self.parts.counters, self.parts.chain.error_log());
        let recovered = settle(ended, &mut self.flight, &mut self.progress, counters, log)?;
        failpoint::hit("sink.settled");
        if recovered {
            self.succeeded(Failing::Putting);
        }
        self.parts.counters.active(self.flight.records());
        Ok(())
    }

    fn decoded(&mut self, decoded: Decoded) -> Result<(), Error> {
        self.decoding = None;
        // Invariant: a delivery is a fetch, whose size is bounded far below u32.
        let records = decoded.records.len() as u32 + decoded.dropped;
        let id = self
            .progress
            .deliver(&decoded.partition, decoded.position_after, records);
        if decoded.dropped > 0 {
            self.progress
                .dropped(id, decoded.dropped)
                .map_err(super::settle::bug)?;
        }
        if !decoded.records.is_empty() {
            self.flight
                .add(id, decoded.partition, decoded.records, decoded.bytes);
        }
        self.parts.counters.active(self.flight.records());
        Ok(())
    }

    async fn consumer_event(&mut self, event: ConsumerEvent) -> Result<(), Error> {
        match event {
            ConsumerEvent::Records(fetched) => self.fetched(fetched),
            ConsumerEvent::Assigned(committed) => {
                let assigned: Vec<_> = committed
                    .into_iter()
                    .map(|entry| (entry.partition, entry.note))
                    .collect();
                for (partition, note) in &assigned {
                    self.progress.assign(partition.clone(), note.clone());
                }
                self.parts.counters.partitions(self.progress.partitions().count());
                let call = self.parts.task.assigned(&assigned);
                let grace = self.parts.shutdown_timeout / 5;
                match self.parts.control.patiently(Duration::MAX, grace, call).await {
                    Some(done) => done?,
                    None => return Err(self.drop_task("taking its partitions")),
                }
                failpoint::hit("sink.assigned");
            }
            ConsumerEvent::Revoked(revocation) => {
                let deadline = Instant::now() + self.parts.commit_timeout + REVOKED_WAIT;
                failpoint::hit("sink.revoking");
                self.give_up(&revocation.partitions, Some(deadline)).await?;
                failpoint::hit("sink.released");
                // Dropping the revocation lets the partitions go: everything of theirs is committed or given up.
                drop(revocation);
            }
            ConsumerEvent::Lost(partitions) => self.give_up(&partitions, None).await?,
            ConsumerEvent::Matched { pattern, topics } => {
                matched::tell(&self.parts.progress, &pattern, &topics)
            }
        }
        Ok(())
    }

    fn fetched(&mut self, fetched: Fetched) {
        self.parts.counters.read(fetched.records.len() as u32);
        if !self.topics.contains(&fetched.partition.topic) {
            self.topics.insert(fetched.partition.topic.clone());
            self.parts.observer.topic(&fetched.partition.topic);
        }
        self.decoding = Some(Decoding::new(fetched));
    }

    /// Partitions go: the task settles or drops what is theirs, then what is settled is committed until `commit_until`;
    /// without that it would not count.
    ///
    /// Invariant: when this returns, nothing more is written for these partitions. A task that does not answer is dropped
    /// before the group hears that they are free.
    async fn give_up(
        &mut self,
        partitions: &[Partition],
        commit_until: Option<Instant>,
    ) -> Result<(), Error> {
        if self
            .decoding
            .as_ref()
            .is_some_and(|decoding| partitions.contains(decoding.partition()))
        {
            self.decoding = None;
        }
        let call = self.parts.task.revoked(partitions);
        let grace = self.parts.shutdown_timeout / 5;
        let mut outcome = match self.parts.control.patiently(REVOKED_WAIT, grace, call).await {
            Some(done) => done,
            None => Err(self.drop_task("letting its partitions go")),
        };
        outcome = outcome.and(self.settle_last(partitions));
        if let Some(deadline) = commit_until {
            failpoint::hit("sink.let_go");
            self.commit_now(deadline.min(Instant::now() + self.parts.commit_timeout))
                .await;
        }
        if let Some(commit) = &mut self.commit {
            commit
                .positions
                .retain(|(partition, ..)| !partitions.contains(partition));
        }
        self.flight.revoke(partitions);
        self.progress.revoke(partitions);
        self.parts.counters.partitions(self.progress.partitions().count());
        self.parts.counters.active(self.flight.records());
        outcome
    }

    /// Takes what the task settled before its partitions go: that is durable, whatever becomes of the task. Tickets of
    /// theirs that it dropped or failed no longer count.
    fn settle_last(&mut self, partitions: &[Partition]) -> Result<(), Error> {
        let mut outcome = Ok(());
        while let Ok(ended) = self.ended.1.try_recv() {
            let counts = matches!(ended.settlement, Settlement::Done(_));
            if counts || !self.flight.is_of(ended.id, partitions) {
                outcome = outcome.and(self.ended(ended));
            }
        }
        outcome
    }

    /// The task hangs in a call that nothing may interrupt: it goes, with whatever it has in flight.
    fn drop_task(&mut self, doing: &str) -> Error {
        self.parts.task = Box::new(Dropped);
        Error::retriable(format!(
            "the sink hangs while {doing}; it was dropped and starts again"
        ))
    }

    fn start_commit(&mut self) {
        self.commit = Some(commit::start(&mut self.progress, &*self.parts.consumer));
    }

    fn committed(&mut self, result: Result<(), CommitError>, positions: Vec<Position>) {
        commit::ended(result, positions, &mut self.progress, &self.parts.counters);
    }

    /// Ends the commit in flight and makes one more, until the deadline.
    async fn commit_now(&mut self, deadline: Instant) {
        for _ in 0..2 {
            if self.commit.is_none() && self.progress.has_committable() {
                self.start_commit();
            }
            if self.commit.is_none() {
                return;
            }
            match timeout_at(deadline, commit::end(&mut self.commit)).await {
                Ok((result, positions)) => self.committed(result, positions),
                Err(_) => return tracing::warn!("committing positions took too long; records will repeat"),
            }
        }
    }

    /// The way out: the task finishes or drops what it holds, and what is settled is committed.
    async fn leave(&mut self, leaving: Leaving) {
        let partitions: Vec<_> = self.progress.partitions().cloned().collect();
        match timeout_at(leaving.in_flight, self.parts.task.revoked(&partitions)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "leaving the group"),
            Err(_) => {
                tracing::warn!(error = %self.drop_task("letting its partitions go"), "leaving the group")
            }
        }
        if let Err(error) = self.settle_last(&partitions) {
            tracing::warn!(%error, "leaving the group");
        }
        self.commit_now(leaving.stored).await;
    }
}

fn ticket(ends: UnboundedSender<Ended>, id: DeliveryId, attempt: u32) -> Ticket {
    Ticket::new(move |settlement| {
        // Nobody listens any more when the task is gone.
        let _ = ends.send(Ended {
            id,
            attempt,
            settlement,
        });
    })
}

async fn consume(consumer: &mut dyn Consumer, may_take: bool) -> Result<ConsumerEvent, Error> {
    if may_take {
        consumer.next().await
    } else {
        consumer.next_change().await
    }
}

async fn decode(decoding: &mut Option<Decoding>, chain: &mut Chain) -> Result<Decoded, Error> {
    match decoding {
        Some(decoding) => decoding.advance(chain).await,
        None => pending().await,
    }
}
