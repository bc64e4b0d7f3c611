//! One run: fetch the page of the slot, hand it out in batches, go on behind what is already stored.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rowtide_api::context::{Counter, TaskContext};
use rowtide_api::source::{Reject, Run, SourceBatch, SourceContext, SourceTask, Unit};
use rowtide_api::{Error, SourceOffset, SourcePartition};
use tokio::time::Instant;

use crate::config::HttpConfig;
use crate::decode::{Page, User, page};
use crate::errors;
use crate::fetch::{Answer, Fetcher};
use crate::randomuser;
use crate::request;

/// Records in a batch: about 0.4 MB, so that a stop or a commit never waits for a whole page.
const BATCH_RECORDS_MAX: usize = 1000;

/// The task of one run.
#[derive(Debug)]
pub struct HttpTask {
    config: Arc<HttpConfig>,
    fetcher: Fetcher,
    context: TaskContext,
    counters: Counters,
    topic: Arc<str>,
    partition: SourcePartition,
    /// The slot as text.
    seed: String,
    /// What is asked, without the seed.
    identity: String,
    state: State,
    /// Failed requests in a row.
    failures: u32,
    /// No request before this moment: the pause after a failure, also when the engine asks earlier.
    not_before: Option<Instant>,
}

#[derive(Debug)]
enum State {
    /// The page is still to be fetched; so many of its users are stored already.
    Fetch { done: usize },
    /// The users that are still to be handed out, behind `done` of `of`.
    Hand {
        users: VecDeque<User>,
        done: usize,
        of: usize,
    },
    /// Everything was handed out.
    Finished,
}

#[derive(Debug)]
struct Counters {
    requests: Counter,
    failures: Counter,
    users: Counter,
}

impl HttpTask {
    pub(crate) fn new(
        config: Arc<HttpConfig>,
        fetcher: Fetcher,
        context: SourceContext,
    ) -> Result<Self, Error> {
        let run = context.run.ok_or_else(|| {
            Error::fatal("the HTTP source was started without a run")
                .hint("it is scheduled: set schedule.interval, such as 10s or PT1H")
        })?;
        if let Some((name, _)) = run.parameters.iter().next() {
            return Err(Error::fatal(format!("the run parameter {name} is not supported"))
                .hint("trigger the run without parameters"));
        }
        let (seed, identity) = (request::seed(run.slot_ms)?, request::identity(&config));
        let metrics = &context.task.metrics;
        Ok(Self {
            counters: Counters {
                requests: metrics.counter("rowtide_http_source_requests_total", &[]),
                failures: metrics.counter("rowtide_http_source_failed_requests_total", &[]),
                users: metrics.counter("rowtide_http_source_users_total", &[]),
            },
            state: resume(&run, &seed, &identity),
            topic: config.topic.as_str().into(),
            config,
            fetcher,
            partition: run.partition,
            context: context.task,
            seed,
            identity,
            failures: 0,
            not_before: None,
        })
    }

    /// Fetches the page. Dropped in the middle it has lost nothing: the page is asked for again.
    async fn fetch(&mut self) -> Result<Vec<User>, Error> {
        if let Some(moment) = self.not_before {
            tokio::time::sleep_until(moment).await;
        }
        self.context.progress.phase("fetching");
        self.counters.requests.add(1);
        let url = request::url(&self.identity, &self.seed);
        let answer = self.fetcher.get(&url).await;
        let retry_after = answer
            .as_ref()
            .ok()
            .and_then(|answer| errors::retry_after(answer.retry_after.as_deref()?, now_ms()));
        match answer.and_then(|answer| self.users_of(&url, &answer)) {
            Ok(users) => {
                self.failures = 0;
                self.not_before = None;
                self.context.progress.recovered();
                self.counters.users.add(users.len() as u64);
                Ok(users)
            }
            Err(error) => {
                self.pause(retry_after);
                self.context.progress.degraded(error.to_string());
                Err(error)
            }
        }
    }

    fn users_of(&self, url: &str, answer: &Answer) -> Result<Vec<User>, Error> {
        // An error status may carry `{"error":…}` as well; its status says more.
        if let Some(error) = errors::of_status(answer.status, url, answer.location.as_deref()) {
            return Err(error);
        }
        match page(&answer.body) {
            Page::Error(message) => Err(errors::reported(url, &message)),
            Page::Other(reason) => Err(errors::not_users(url, &reason)),
            Page::Users { users, seed } => {
                self.expect_page(url, &users, seed.as_deref())?;
                Ok(users)
            }
        }
    }

    /// Fewer users than asked, or another seed: a later attempt of this run would meet other users.
    fn expect_page(&self, url: &str, users: &[User], seed: Option<&str>) -> Result<(), Error> {
        let wanted = self.config.results as usize;
        if users.len() != wanted {
            return Err(
                Error::fatal(format!("{url} answered {} users, not {wanted}", users.len()))
                    .hint("the server's limit is lower than results; lower results"),
            );
        }
        match seed {
            Some(seed) if seed != self.seed => Err(Error::fatal(format!(
                "{url} did not use the seed it was given"
            ))
            .hint(
                "a repeated run would yield other users; http.url must be a randomuser API that honours seed",
            )),
            _ => Ok(()),
        }
    }

    fn pause(&mut self, retry_after: Option<Duration>) {
        self.counters.failures.add(1);
        self.failures = self.failures.saturating_add(1);
        let http = &self.config.http;
        let pause = errors::backoff(self.failures, http.backoff, http.backoff_max)
            .max(retry_after.unwrap_or(Duration::ZERO));
        self.not_before = Some(Instant::now() + pause);
        tracing::warn!(
            failures = self.failures,
            pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            "the request failed, the next one waits"
        );
    }

    /// The next batch of the page in hand.
    fn batch(&mut self) -> Option<SourceBatch> {
        let State::Hand { users, done, of } = &mut self.state else {
            return None;
        };
        let of = *of;
        let count = users.len().min(BATCH_RECORDS_MAX);
        let (mut records, mut rejected) = (Vec::with_capacity(count), Vec::new());
        for user in users.drain(..count) {
            match randomuser::record(&self.topic, &user) {
                Ok(record) => records.push(record),
                Err(error) => rejected.push(Reject {
                    topic: self.topic.clone(),
                    raw: serde_json::to_vec(&user).unwrap_or_default(),
                    error,
                }),
            }
        }
        *done += count;
        let done = *done;
        if done == of {
            self.state = State::Finished;
        }
        self.context.progress.item("users", done as u64, Some(of as u64));
        Some(SourceBatch {
            partition: self.partition.clone(),
            records,
            rejected,
            resume_at: Some(offset(&self.seed, &self.identity, done, of)),
            unit: Unit::Whole,
        })
    }
}

impl SourceTask for HttpTask {
    async fn poll(&mut self) -> Result<Option<SourceBatch>, Error> {
        if let State::Fetch { done } = self.state {
            let users = VecDeque::from(self.fetch().await?);
            // No await from here on: a dropped poll has either not fetched or keeps the page.
            let of = users.len();
            self.context.progress.phase("sending");
            let mut users = users;
            users.drain(..done.min(of));
            self.state = State::Hand { users, done, of };
        }
        let batch = self.batch();
        if batch.is_none() {
            self.context.progress.phase("finished");
        }
        Ok(batch)
    }

    /// Nothing is kept upstream for a run.
    fn committed(&mut self, _partition: &SourcePartition, _offset: &SourceOffset) {}

    async fn stop(self) -> Result<(), Error> {
        Ok(())
    }
}

/// `{"slot":…,"request":…,"fetched":n,"of":N}`; the run is complete at `fetched == of`.
fn offset(seed: &str, identity: &str, done: usize, of: usize) -> SourceOffset {
    // Invariant: both are at most 5000, the bound of `results`.
    SourceOffset::new()
        .with("slot", seed)
        .with("request", identity)
        .with("fetched", done as i64)
        .with("of", of as i64)
}

/// Where an attempt begins. A changed configuration asks for other users: the page is then sent from its start, which
/// repeats records and loses none.
fn resume(run: &Run, seed: &str, identity: &str) -> State {
    let Some(stored) = &run.resume else {
        return State::Fetch { done: 0 };
    };
    if stored.text("slot") != Some(seed) || stored.text("request") != Some(identity) {
        return State::Fetch { done: 0 };
    }
    let (fetched, of) = (stored.int("fetched"), stored.int("of"));
    match fetched.and_then(|fetched| usize::try_from(fetched).ok()) {
        Some(_) if fetched >= of => State::Finished,
        Some(done) => State::Fetch { done },
        None => State::Fetch { done: 0 },
    }
}

fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}
