//! Sends one batch, record by record, so that it can be left and taken up again at any await.

use std::collections::HashSet;
use std::sync::Arc;

use rowtide_api::Error;
use rowtide_api::convert::Failure;
use rowtide_api::record::Record;

use super::ledger::BatchId;
use crate::chain::{Chain, Failed};
use crate::failure::{
    Action, ErrorLog, Place, Stage, Tolerance, action, bytes_text, datum_text, tolerance_exceeded,
};
use crate::ports::{Delivery, Outgoing, Producer, SendError};

/// A batch on its way: what is left of it, and what became of the rest.
pub struct Cursor {
    /// The batch in the ledger.
    pub batch: BatchId,
    delivery: Arc<Delivery>,
    rest: std::vec::IntoIter<Record>,
    /// The record in hand: transformed, not yet taken by the producer.
    current: Option<Record>,
    /// The topic of the record before: mostly the same, and then it is known already.
    topic: Option<Arc<str>>,
    taken: u32,
    dropped: u32,
}

/// How a batch's sending ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// The batch in the ledger.
    pub batch: BatchId,
    /// Records the chain dropped; the others belong to the producer now.
    pub dropped: u32,
    /// Records the producer took.
    pub taken: u32,
}

impl Cursor {
    /// Starts sending.
    pub fn new(batch: BatchId, delivery: Arc<Delivery>, records: Vec<Record>) -> Self {
        Self {
            batch,
            delivery,
            rest: records.into_iter(),
            current: None,
            topic: None,
            taken: 0,
            dropped: 0,
        }
    }

    /// Sends what is left. Dropping the future at an await and calling again goes on with the same record: a transform
    /// has run once per record, and a record counts only when the producer took it.
    ///
    /// # Errors
    /// Retriable: wait, then call again. Fatal: the task fails.
    pub async fn advance(
        &mut self,
        chain: &mut Chain,
        producer: &dyn Producer,
        topics: &mut HashSet<Arc<str>>,
    ) -> Result<Sent, Error> {
        loop {
            if self.current.is_none() {
                let Some(record) = self.rest.next() else { break };
                let log = chain.error_log();
                let (topic, timestamp_ms) = (record.topic.clone(), record.timestamp_ms);
                // A transform takes the record: what a log line shows of it is told before.
                let shown = log.shows_contents().then(|| contents(&record));
                self.current = chain.transform(record, None).map_err(|failed| {
                    log_refusal(log, &failed, &topic, timestamp_ms, || shown.unwrap_or_default());
                    refused(&topic, failed)
                })?;
                if self.current.is_none() {
                    self.dropped += 1;
                    continue;
                }
            }
            let Some(record) = &self.current else { continue };
            let log = chain.error_log();
            match chain.encode(record) {
                Ok(outgoing) => {
                    if !offer(producer, outgoing, &self.delivery, log)? {
                        producer.ready().await;
                        continue;
                    }
                    let same = |topic| Arc::ptr_eq(topic, &record.topic);
                    if !self.topic.as_ref().is_some_and(same) {
                        topics.insert(record.topic.clone());
                        self.topic = Some(record.topic.clone());
                    }
                    self.taken += 1;
                    self.current = None;
                }
                Err(failed) => {
                    let (stage, missing) = match action(failed.stage, &failed.failure, Tolerance::None) {
                        Action::Fetch => match failed.failure {
                            Failure::Missing(missing) => (failed.stage, missing),
                            _ => {
                                return Err(Error::fatal(
                                    "a failure without anything missing asked for a fetch",
                                ));
                            }
                        },
                        Action::Retry | Action::Fail => {
                            log_refusal(log, &failed, &record.topic, record.timestamp_ms, || {
                                contents(record)
                            });
                            return Err(refused(&record.topic, failed));
                        }
                    };
                    let converter = chain.converters().of(stage).clone();
                    converter.fetch(missing).await?;
                }
            }
        }
        self.delivery.sending_over(self.taken);
        Ok(Sent {
            batch: self.batch,
            dropped: self.dropped,
            taken: self.taken,
        })
    }
}

/// Offers a record to the producer; `false` when its queue is full.
fn offer(
    producer: &dyn Producer,
    outgoing: Outgoing<'_>,
    delivery: &Arc<Delivery>,
    log: ErrorLog,
) -> Result<bool, Error> {
    match producer.send(outgoing, delivery) {
        Ok(()) => Ok(true),
        Err(SendError::Full) => Ok(false),
        Err(SendError::Record(error)) => {
            let place = Place {
                stage: Stage::KafkaProduce,
                part: "producer",
                at: &format!("topic {}", outgoing.topic),
                timestamp_ms: outgoing.timestamp_ms,
            };
            log.bad_record(place, &error, || {
                (bytes_text(outgoing.key), bytes_text(outgoing.value))
            });
            Err(tolerance_exceeded(place.stage, place.part, place.at, &error))
        }
        Err(SendError::Producer(error)) => Err(error),
    }
}

fn contents(record: &Record) -> (String, String) {
    (datum_text(&record.key), datum_text(&record.value))
}

fn log_refusal(
    log: ErrorLog,
    failed: &Failed,
    topic: &str,
    timestamp_ms: Option<i64>,
    contents: impl FnOnce() -> (String, String),
) {
    if let Failure::Record(error) = &failed.failure {
        let place = Place {
            stage: failed.stage,
            part: &failed.part,
            at: &format!("topic {topic}"),
            timestamp_ms,
        };
        log.bad_record(place, error, contents);
    }
}

fn refused(topic: &str, failed: Failed) -> Error {
    match failed.failure {
        Failure::Record(error) => {
            tolerance_exceeded(failed.stage, &failed.part, &format!("topic {topic}"), &error)
        }
        Failure::Task(error) => error,
        Failure::Missing(_) => Error::fatal(format!("{} asked for a schema outside conversion", failed.part)),
    }
}
