//! The polling thread: cuts what librdkafka delivers into fetches of one partition each.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _};
use rowtide_api::data::Blob;
use rowtide_api::sink::Partition;
use rowtide_api::{Error, ResultExt};
use rowtide_engine::ports::{Fetched, RawRecord};
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use super::Client;
use super::context::Shared;
use crate::errors::error;

/// The longest sleep: how soon pausing and closing are noticed. A message ends it at once.
const POLL_WAIT: Duration = Duration::from_millis(50);
/// A fetch holds at most this much, so that two of them stay small next to what a sink may buffer.
const FETCH_BYTES_MAX: usize = 1 << 20;

/// How long a full queue is waited on without serving the group: pausing throws prefetched records away, so a sink that is
/// only slower than Kafka must not cause it. Far below any session or poll timeout.
const STALL_WAIT: Duration = Duration::from_millis(500);
/// How often a full queue is looked at.
const STALL_RECHECK: Duration = Duration::from_millis(1);

pub(super) fn spawn(
    client: Arc<Client>,
    shared: Arc<Shared>,
    fetches: Sender<Result<Fetched, Error>>,
    records_max: usize,
) -> Result<JoinHandle<()>, Error> {
    let mut poller = Poller {
        client,
        shared,
        fetches,
        records_max,
        cut: None,
        held: VecDeque::new(),
        failure: None,
        suspended: Some(false),
        topics: HashMap::new(),
    };
    std::thread::Builder::new()
        .name("kafka-consumer".into())
        .spawn(move || poller.run())
        .fatal("starting a consumer's thread")
}

struct Poller {
    client: Arc<Client>,
    shared: Arc<Shared>,
    fetches: Sender<Result<Fetched, Error>>,
    records_max: usize,
    /// Being cut, or cut and not yet taken by the engine.
    cut: Option<Fetched>,
    /// Delivered, and for a later fetch: one of another partition, or what came while partitions were being paused.
    held: VecDeque<(Partition, RawRecord)>,
    /// What the engine has to know and had no room for: the client tells some failures only once.
    failure: Option<Error>,
    /// Whether partitions are paused at the client, because the engine takes nothing or asked for it. Unknown since others
    /// came: what is delivered of those while the engine takes nothing would pile up.
    suspended: Option<bool>,
    topics: HashMap<String, Arc<str>>,
}

impl Poller {
    fn run(&mut self) {
        while !self.shared.closing.load(Ordering::Acquire) && !self.fetches.is_closed() {
            let stalled = !self.hand_over();
            let paused = self.shared.paused.load(Ordering::Acquire);
            self.suspend(stalled || paused);
            if stalled || paused {
                // Serves the group's callbacks; a record that was on its way is held.
                match self.poll(POLL_WAIT) {
                    Some(Ok(record)) => self.held.push_back(record),
                    Some(Err(error)) => self.failure = Some(error),
                    None => {}
                }
            } else {
                self.fetch();
            }
        }
    }

    /// Offers what is cut; `false` when the engine took nothing for a while.
    fn hand_over(&mut self) -> bool {
        if let Some(error) = self.failure.take()
            && let Err(TrySendError::Full(back)) = self.fetches.try_send(Err(error))
        {
            self.failure = back.err();
        }
        let deadline = Instant::now() + STALL_WAIT;
        while let Some(cut) = self.cut.take() {
            match self.fetches.try_send(Ok(cut)) {
                Ok(()) | Err(TrySendError::Closed(_)) => return true,
                Err(TrySendError::Full(back)) => self.cut = back.ok(),
            }
            let closing = self.shared.closing.load(Ordering::Acquire);
            if self.suspended == Some(true) || closing || Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(STALL_RECHECK);
        }
        true
    }

    fn suspend(&mut self, suspend: bool) {
        if self.suspended == Some(suspend) {
            return;
        }
        let changed = self.client.assignment().and_then(|list| {
            if suspend {
                self.client.pause(&list)
            } else {
                self.client.resume(&list)
            }
        });
        match changed {
            Ok(()) => self.suspended = Some(suspend),
            Err(error) => tracing::warn!(%error, suspend, "pausing or resuming partitions"),
        }
    }

    /// Cuts the next fetch: records of one partition, as many as are there.
    fn fetch(&mut self) {
        let mut bytes = 0;
        let mut wait = POLL_WAIT;
        loop {
            let next = match self.held.pop_front() {
                Some(held) => Some(Ok(held)),
                None => self.poll(wait),
            };
            let (partition, record) = match next {
                Some(Ok(next)) => next,
                Some(Err(error)) => return self.failure = Some(error),
                None => return,
            };
            wait = Duration::ZERO;
            bytes += size(&record);
            match &mut self.cut {
                Some(cut) if cut.partition == partition => cut.records.push(record),
                Some(_) => return self.held.push_front((partition, record)),
                None => {
                    self.cut = Some(Fetched {
                        partition,
                        records: vec![record],
                    })
                }
            }
            let records = self.cut.as_ref().map_or(0, |cut| cut.records.len());
            if records >= self.records_max || bytes >= FETCH_BYTES_MAX {
                return;
            }
        }
    }

    /// One record. A revocation during the call comes before the record: what was delivered of those partitions goes.
    fn poll(&mut self, wait: Duration) -> Option<Result<(Partition, RawRecord), Error>> {
        let client = self.client.clone();
        let polled = client.poll(wait);
        if self.shared.take_came() {
            self.suspended = None;
        }
        let gone = self.shared.take_gone();
        if !gone.is_empty() {
            self.cut.take_if(|cut| gone.contains(&cut.partition));
            self.held.retain(|(partition, _)| !gone.contains(partition));
        }
        match polled? {
            Ok(message) => {
                let partition = self.partition(message.topic(), message.partition());
                Some(Ok((partition, record(&message))))
            }
            Err(cause) => {
                if is_the_end(&cause) {
                    self.shared.disown_all();
                }
                report(cause).map(Err)
            }
        }
    }

    fn partition(&mut self, topic: &str, index: i32) -> Partition {
        let topic = match self.topics.get(topic) {
            Some(topic) => topic.clone(),
            None => self
                .topics
                .entry(topic.to_owned())
                .or_insert_with(|| topic.into())
                .clone(),
        };
        Partition { topic, index }
    }
}

/// After it the client does nothing any more: a static member that another one replaced, for instance.
fn is_the_end(cause: &KafkaError) -> bool {
    let fatal = matches!(cause, KafkaError::MessageConsumptionFatal(_));
    fatal || cause.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal)
}

/// Errors the engine has to know; the others pass by themselves inside the client.
fn report(cause: KafkaError) -> Option<Error> {
    use RDKafkaErrorCode as Code;
    match cause.rdkafka_error_code() {
        _ if is_the_end(&cause) => {
            let hint = "restart the task; give each member a group.instance.id of its own, or none";
            Some(Error::fatal("consuming").hint(hint).because(cause))
        }
        Some(
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::Authentication
            | Code::InvalidTopic
            | Code::UnsupportedFeature
            | Code::FencedInstanceId
            // `auto.offset.reset` says that nobody knows where to start.
            | Code::AutoOffsetReset,
        ) => Some(error("consuming", cause)),
        _ => {
            tracing::warn!(%cause, "consuming; the client tries again");
            None
        }
    }
}

fn record(message: &BorrowedMessage<'_>) -> RawRecord {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        headers
            .iter()
            .map(|header| (header.key.into(), header.value.map(Blob::copy)))
            .collect()
    });
    RawRecord {
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis(),
        key: message.key().map(Blob::copy),
        value: message.payload().map(Blob::copy),
        headers,
    }
}

fn size(record: &RawRecord) -> usize {
    let bytes = |blob: &Option<Blob>| blob.as_ref().map_or(0, |blob| blob.len());
    bytes(&record.key) + bytes(&record.value) + size_of::<RawRecord>()
}
