//! A pattern's thread: asks for the names of the cluster's topics, matches them, and subscribes to the topics that are meant.
//!
//! librdkafka has patterns too, of another dialect; it is only ever given names. Asking blocks, so it is not the polling
//! thread that does: records go on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;
use rowtide_api::{Error, ResultExt};
use rowtide_engine::ports::{ConsumerEvent, TopicPattern};
use tokio::sync::mpsc::Sender;

use super::Client;
use super::context::{Change, Shared, tell};

/// How long the brokers may take to name their topics. Closing waits for the answer, so it is short.
const TOPICS_WAIT: Duration = Duration::from_secs(5);
/// When they are asked again after they did not answer, unless they are asked more often anyway.
const RETRY_WAIT: Duration = Duration::from_secs(1);

/// What the thread needs.
pub(super) struct Watch {
    pub(super) client: Arc<Client>,
    pub(super) shared: Arc<Shared>,
    pub(super) changes: Sender<Change>,
    pub(super) pattern: Arc<TopicPattern>,
    /// `metadata.max.age.ms`.
    pub(super) age: Duration,
    /// Nothing comes; when the other end is dropped, the consumer closes.
    pub(super) open: Receiver<()>,
}

pub(super) fn spawn(watch: Watch) -> Result<JoinHandle<()>, Error> {
    let mut watcher = Watcher {
        watch,
        told: None,
        subscribed: Vec::new(),
    };
    std::thread::Builder::new()
        .name("kafka-topics".into())
        .spawn(move || watcher.run())
        .fatal("starting a consumer's thread")
}

struct Watcher {
    watch: Watch,
    /// What the engine knows.
    told: Option<Vec<String>>,
    /// What the client knows.
    subscribed: Vec<String>,
}

/// Why a look at the topics came to nothing.
enum Failed {
    /// The brokers did not answer, or the client did not take it: another look follows.
    Asking(&'static str, KafkaError),
    /// The pattern cannot be matched.
    Matching(Error),
}

impl Watcher {
    fn run(&mut self) {
        loop {
            let wait = match self.look() {
                Ok(()) => self.watch.age,
                Err(Failed::Asking(doing, error)) => {
                    tracing::warn!(%error, pattern = %self.watch.pattern, "{doing}; the subscription stays, and the client tries again");
                    self.watch.age.min(RETRY_WAIT)
                }
                Err(Failed::Matching(error)) => {
                    tell(&self.watch.changes, &self.watch.shared, Change::failed(error));
                    return;
                }
            };
            if self.watch.open.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    fn look(&mut self) -> Result<(), Failed> {
        let topics = self.topics()?;
        if self.told.as_ref() != Some(&topics) {
            tracing::info!(pattern = %self.watch.pattern, topics = topics.len(), "topics are matched");
            let change = Change::of(ConsumerEvent::Matched {
                pattern: self.watch.pattern.clone(),
                topics: topics.clone(),
            });
            if !tell(&self.watch.changes, &self.watch.shared, change) {
                return Ok(());
            }
            self.told = Some(topics.clone());
        }
        self.subscribe(topics)
    }

    /// What the pattern means now.
    fn topics(&self) -> Result<Vec<String>, Failed> {
        let metadata = self
            .watch
            .client
            .fetch_metadata(None, TOPICS_WAIT)
            .map_err(|cause| Failed::Asking("asking for the cluster's topics", cause))?;
        // One without a leader for the moment is there all the same.
        let gone = Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
        let there = metadata.topics().iter().filter(|topic| topic.error() != gone);
        let names = there.map(|topic| topic.name());
        self.watch.pattern.select(names).map_err(Failed::Matching)
    }

    fn subscribe(&mut self, topics: Vec<String>) -> Result<(), Failed> {
        if self.subscribed == topics || self.watch.shared.closing.load(Ordering::Acquire) {
            return Ok(());
        }
        if topics.is_empty() {
            // The client refuses an empty list.
            self.watch.client.unsubscribe();
        } else {
            let names: Vec<&str> = topics.iter().map(String::as_str).collect();
            let subscribed = self.watch.client.subscribe(&names);
            subscribed.map_err(|cause| Failed::Asking("subscribing to topics", cause))?;
        }
        self.subscribed = topics;
        Ok(())
    }
}
