//! A worker: lanes, a window of requests in flight, and what is pausing before its next attempt.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::hash::{BuildHasher, Hasher};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rowtide_api::failpoint;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::delivery::Delivery;
use super::shared::Shared;
use crate::config::TimestampMode;
use crate::lanes::{Group, GroupLimits, Job, LaneClock, Lanes};
use crate::mutation::Mutation;
use crate::retry::{Decision, Failure, History, RetryLimits, decide};

/// Requests a worker has in flight: beyond some 128 the set of futures becomes slow (CS-182).
const WINDOW_REQUESTS: usize = 125;

/// Whose mutation a job is.
#[derive(Debug)]
pub(super) struct Tag {
    pub(super) delivery: Arc<Delivery>,
    pub(super) record: u32,
}

/// What a worker is told.
#[derive(Debug)]
pub(super) enum Command {
    Jobs(Vec<Job<Tag>>),
    /// Drop what belongs to revoked partitions.
    Sweep,
}

/// A group and its attempts so far.
struct Attempts {
    group: Group<Tag>,
    /// Jobs to be tried one by one behind this group, after its batch was refused.
    rest: VecDeque<Job<Tag>>,
    began: Instant,
    failed: u32,
    /// Successes of the task when this group first failed.
    successes_then: u64,
    prepare_first: bool,
    prepared_again: bool,
}

type Ended = (Attempts, Result<(), (Failure, String)>);

/// One worker.
pub(super) struct Worker {
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    lanes: Lanes<Tag>,
    in_flight: FuturesUnordered<Pin<Box<dyn Future<Output = Ended> + Send>>>,
    /// By the time of the next attempt, and a number that keeps equal times apart.
    pausing: BTreeMap<(Instant, u64), Attempts>,
    pauses: u64,
    jitter: RandomState,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, commands: mpsc::Receiver<Command>) -> Self {
        let clocks = shared
            .targets
            .iter()
            .map(|target| match target.settings.mode {
                TimestampMode::Server => LaneClock::Arrival,
                mode if mode.is_exact() => LaneClock::Exact,
                _ => LaneClock::Ties,
            })
            .collect();
        let limits = GroupLimits {
            rows_max: shared.writing.batch_rows_max,
            bytes_max: shared.writing.batch_bytes_max,
        };
        Self {
            lanes: Lanes::new(clocks, limits),
            shared,
            commands,
            in_flight: FuturesUnordered::new(),
            pausing: BTreeMap::new(),
            pauses: 0,
            jitter: RandomState::new(),
        }
    }

    /// Runs until the writer is gone.
    pub(super) async fn run(mut self) {
        loop {
            self.fill();
            let wake = self.pausing.keys().next().map(|(at, _)| *at);
            tokio::select! {
                biased;
                // 1. New work, and revocations. Bounded by the task's budget, so that the others get their turn.
                command = self.commands.recv() => match command {
                    Some(Command::Jobs(jobs)) => self.take(jobs),
                    Some(Command::Sweep) => self.sweep(),
                    None => return,
                },
                // 2. Ends of attempts.
                Some(ended) = self.in_flight.next(), if !self.in_flight.is_empty() => self.ended(ended),
                // 3. The end of a pause.
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => self.resume(),
            }
        }
    }

    fn take(&mut self, jobs: Vec<Job<Tag>>) {
        if let Err(error) = self.shared.failure() {
            for job in jobs {
                job.tag.delivery.failed(&error);
            }
            return;
        }
        for job in jobs {
            self.lanes.push(job);
        }
    }

    /// Starts groups while the window has room. Those that pause keep their place in it: a struggling cluster gets less.
    fn fill(&mut self) {
        while self.in_flight.len() + self.pausing.len() < WINDOW_REQUESTS {
            let Some(group) = self.lanes.next() else {
                return;
            };
            let attempts = Attempts {
                group,
                rest: VecDeque::new(),
                began: Instant::now(),
                failed: 0,
                successes_then: 0,
                prepare_first: false,
                prepared_again: false,
            };
            self.attempt(attempts);
        }
    }

    fn attempt(&mut self, attempts: Attempts) {
        let shared = self.shared.clone();
        self.in_flight.push(Box::pin(async move {
            let mut attempts = attempts;
            let ended = attempts.run(&shared).await;
            (attempts, ended)
        }));
    }

    fn ended(&mut self, (attempts, ended): Ended) {
        match ended {
            Ok(()) => {
                failpoint::hit("cassandra.written");
                self.shared.succeeded();
                let counters = &self.shared.counters;
                let sent = &attempts.group.sent;
                counters
                    .collapsed
                    .add((attempts.group.jobs.len() - sent.len()) as u64);
                for job in sent.iter().filter_map(|index| attempts.group.jobs.get(*index)) {
                    counters.row(&job.mutation);
                }
                for job in &attempts.group.jobs {
                    self.shared.checker.written(&job.mutation);
                    job.tag.delivery.written();
                }
                self.next_of(attempts);
            }
            Err((failure, words)) => self.failed(attempts, failure, &words),
        }
    }

    fn failed(&mut self, mut attempts: Attempts, failure: Failure, words: &str) {
        let table = attempts.group.lane.table;
        if attempts.failed == 0 {
            attempts.successes_then = self.shared.successes();
        }
        attempts.failed = attempts.failed.saturating_add(1);
        let writing = &self.shared.writing;
        let history = History {
            attempts: attempts.failed,
            elapsed: attempts.began.elapsed(),
            statements: attempts.group.jobs.len(),
            others_succeed: self.shared.successes() > attempts.successes_then,
            prepared_again: attempts.prepared_again,
        };
        let limits = RetryLimits {
            backoff: writing.backoff,
            backoff_max: writing.backoff_max,
            delivery_timeout: writing.delivery_timeout,
        };
        match decide(failure, history, limits) {
            Decision::Retry { within } => {
                self.shared.counters.retry(failure);
                self.shared.degrade(table, words);
                self.pause(attempts, within);
            }
            Decision::PrepareAgain => {
                attempts.prepare_first = true;
                attempts.prepared_again = true;
                self.attempt(attempts);
            }
            Decision::Split => {
                attempts.rest = std::mem::take(&mut attempts.group.jobs).into();
                self.next_of(attempts);
            }
            Decision::Reject => {
                for job in &attempts.group.jobs {
                    let error = self.shared.refusal(table, words);
                    self.shared.counters.rejected();
                    job.tag.delivery.rejected(job.tag.record, error);
                }
                self.next_of(attempts);
            }
            Decision::Fail => {
                let error = self.shared.fatal(table, failure, words);
                self.give_up(attempts, error);
            }
        }
    }

    /// The next of the jobs that are tried one by one, else the lane is free.
    fn next_of(&mut self, mut attempts: Attempts) {
        let Some(job) = attempts.rest.pop_front() else {
            self.lanes.done(&attempts.group.lane);
            return;
        };
        attempts.group.jobs = vec![job];
        attempts.group.sent = vec![0];
        attempts.failed = 0;
        attempts.began = Instant::now();
        self.attempt(attempts);
    }

    /// Full jitter: a random part of the pause, so that groups that failed together do not come back together.
    fn pause(&mut self, mut attempts: Attempts, within: Duration) {
        if !attempts.drop_revoked() {
            self.lanes.done(&attempts.group.lane);
            return;
        }
        self.pauses += 1;
        let mut hasher = self.jitter.build_hasher();
        hasher.write_u64(self.pauses);
        let micros = u64::try_from(within.as_micros()).unwrap_or(u64::MAX);
        let pause = Duration::from_micros(hasher.finish() % micros.max(1));
        self.pausing
            .insert((Instant::now() + pause, self.pauses), attempts);
    }

    fn resume(&mut self) {
        let now = Instant::now();
        while let Some(entry) = self.pausing.first_entry() {
            if entry.key().0 > now {
                return;
            }
            let attempts = entry.remove();
            self.attempt(attempts);
        }
    }

    /// Drops what belongs to revoked partitions, but for what is in flight: that ends by itself.
    fn sweep(&mut self) {
        drop(self.lanes.remove(|tag| tag.delivery.is_revoked()));
        for (at, mut attempts) in std::mem::take(&mut self.pausing) {
            if attempts.drop_revoked() {
                self.pausing.insert(at, attempts);
            } else {
                self.lanes.done(&attempts.group.lane);
            }
        }
    }

    /// The task cannot go on: every batch learns of it.
    fn give_up(&mut self, attempts: Attempts, error: rowtide_api::Error) {
        let error = self.shared.fail(error);
        let queued = self.lanes.remove(|_| true);
        let pausing = std::mem::take(&mut self.pausing).into_values();
        let held = pausing
            .chain([attempts])
            .flat_map(|attempts| attempts.group.jobs.into_iter().chain(attempts.rest));
        for job in held.chain(queued) {
            job.tag.delivery.failed(&error);
        }
    }
}

impl Attempts {
    async fn run(&mut self, shared: &Shared) -> Result<(), (Failure, String)> {
        let table = self.group.lane.table;
        if std::mem::take(&mut self.prepare_first) {
            shared.prepare_again(table).await?;
        }
        let mutations: Vec<&Mutation> = self
            .group
            .sent
            .iter()
            .filter_map(|index| self.group.jobs.get(*index))
            .map(|job| &job.mutation)
            .collect();
        shared.write(table, &mutations).await
    }

    /// Drops jobs of revoked partitions; false when none is left.
    fn drop_revoked(&mut self) -> bool {
        self.rest.retain(|job| !job.tag.delivery.is_revoked());
        if self.group.jobs.iter().any(|job| job.tag.delivery.is_revoked()) {
            self.group.jobs.retain(|job| !job.tag.delivery.is_revoked());
            // What a dropped job superseded must be sent again: send all that is left.
            self.group.sent = (0..self.group.jobs.len()).collect();
        }
        if self.group.jobs.is_empty() {
            self.group.jobs.extend(self.rest.pop_front());
            self.group.sent = (0..self.group.jobs.len()).collect();
        }
        !self.group.jobs.is_empty()
    }
}
