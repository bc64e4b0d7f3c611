//! Runs one sink task: decodes, puts, settles, commits positions, and follows the group.

use std::collections::HashSet;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use rowtide_api::context::{Limits, Progress as TaskProgress};
use rowtide_api::erased::{AnySinkTask, BoxFuture};
use rowtide_api::sink::{Partition, SinkBatch, Ticket};
use rowtide_api::{Error, failpoint};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout};

use super::decode::{Decoded, Decoding};
use super::flight::{Flight, ToPut};
use super::progress::{Position, Progress};
use super::settle::{Ended, settle};
use crate::chain::Chain;
use crate::control::Control;
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
    /// `offset.flush.timeout.ms`: how long one commit, and stopping, may wait.
    pub commit_timeout: Duration,
    /// Stop and pause.
    pub control: Control,
}

type Commit = BoxFuture<'static, (Result<(), CommitError>, Vec<Position>)>;

/// Runs a task until it is stopped or failed. The task's `stop` has been called and the group left in each case.
///
/// # Errors
/// Retriable: start a new task from the committed positions. Fatal: the task becomes FAILED.
pub async fn run(parts: SinkParts) -> Result<(), Error> {
    let mut worker = Worker::new(parts);
    let end = worker.work().await;
    worker.leave().await;
    let SinkParts { task, consumer, .. } = worker.parts;
    if let Err(error) = task.stop().await {
        tracing::warn!(%error, "stopping the task");
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
            Event::Consumer(Ok(event)) => self.consumer_event(event).await?,
            Event::Consumer(Err(error)) => self.retry.failed(error)?,
            Event::Decoded(Ok(decoded)) => self.decoded(decoded)?,
            Event::Decoded(Err(error)) => self.retry.failed(error)?,
            Event::WaitOver => {
                self.retry.waited();
                self.flight.resume();
            }
        }
        if !self.retry.is_waiting()
            && let Some(error) = self.flight.failure().cloned()
        {
            self.retry.failed(error)?;
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
            (result, positions) = committed(&mut self.commit) => Event::Committed(result, positions),
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
        let ends = self.ended.0.clone();
        let ticket = Ticket::new(move |settlement| {
            // Nobody listens any more when the task is gone.
            let _ = ends.send(Ended {
                id,
                attempt,
                settlement,
            });
        });
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
                // 4. A change of the group ends the put: the task has to hear of it.
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
            Some(error) => self.retry.failed(error).map(|()| None),
            None => Ok(None),
        }
    }

    fn ended(&mut self, ended: Ended) -> Result<(), Error> {
        let (counters, log) = (&self.parts.counters, self.parts.chain.error_log());
        let recovered = settle(ended, &mut self.flight, &mut self.progress, counters, log)?;
        failpoint::hit("sink.settled");
        if recovered {
            self.retry.succeeded();
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
                self.parts.task.assigned(&assigned).await?;
            }
            ConsumerEvent::Revoked(revocation) => {
                self.give_up(&revocation.partitions, true).await?;
                // Dropping the revocation lets the partitions go: everything of theirs is committed or given up.
                drop(revocation);
            }
            ConsumerEvent::Lost(partitions) => self.give_up(&partitions, false).await?,
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

    /// Partitions go: the task settles or drops what is theirs, then what is settled is committed, if that still counts.
    async fn give_up(&mut self, partitions: &[Partition], commit: bool) -> Result<(), Error> {
        if self
            .decoding
            .as_ref()
            .is_some_and(|decoding| partitions.contains(decoding.partition()))
        {
            self.decoding = None;
        }
        self.parts.task.revoked(partitions).await?;
        while let Ok(ended) = self.ended.1.try_recv() {
            self.ended(ended)?;
        }
        if commit {
            self.commit_now().await;
        }
        self.flight.revoke(partitions);
        self.progress.revoke(partitions);
        self.parts.counters.partitions(self.progress.partitions().count());
        Ok(())
    }

    fn start_commit(&mut self) {
        let positions = self.progress.take_committable();
        failpoint::hit("sink.before_commit");
        let commit = self.parts.consumer.commit(positions.clone());
        self.commit = Some(Box::pin(async move { (commit.await, positions) }));
    }

    fn committed(&mut self, result: Result<(), CommitError>, positions: Vec<Position>) {
        failpoint::hit("sink.committed");
        match result {
            Ok(()) => self.parts.counters.committed(),
            // The group moved on; what is still ours is committed with its next position, or here again.
            Err(CommitError::Rebalanced) => self.progress.give_back(positions),
            Err(CommitError::Failed(error)) => {
                tracing::warn!(%error, causes = ?error.chain(), "committing positions failed; trying again");
                self.progress.give_back(positions);
            }
        }
    }

    /// Ends the commit in flight and makes one more, both bounded.
    async fn commit_now(&mut self) {
        let deadline = Instant::now() + self.parts.commit_timeout;
        for _ in 0..2 {
            if self.commit.is_none() && self.progress.has_committable() {
                self.start_commit();
            }
            let Some(commit) = self.commit.take() else { return };
            match timeout(deadline.saturating_duration_since(Instant::now()), commit).await {
                Ok((result, positions)) => self.committed(result, positions),
                Err(_) => return tracing::warn!("committing positions took too long; records will repeat"),
            }
        }
    }

    /// The way out: the task finishes or drops what it holds, and what is settled is committed.
    async fn leave(&mut self) {
        let partitions: Vec<_> = self.progress.partitions().cloned().collect();
        if let Err(error) = self.give_up(&partitions, true).await {
            tracing::warn!(%error, "leaving the group");
        }
    }
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

async fn committed(commit: &mut Option<Commit>) -> (Result<(), CommitError>, Vec<Position>) {
    match commit {
        Some(running) => {
            let done = running.await;
            *commit = None;
            done
        }
        None => pending().await,
    }
}
