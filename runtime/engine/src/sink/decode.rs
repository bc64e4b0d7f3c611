//! Decodes one delivery, record by record, so that it can be left and taken up again at any await.

use std::sync::Arc;

use rowtide_api::Error;
use rowtide_api::convert::Failure;
use rowtide_api::record::Record;
use rowtide_api::sink::{Partition, SinkRecord};
use rowtide_api::transform::Origin;

use crate::chain::{Chain, Converters, Failed, record_id};
use crate::failure::{Action, ErrorLog, Place, Tolerance, action, bytes_text, tolerance_exceeded};
use crate::ports::{Fetched, RawRecord};

/// A delivery on its way through the chain.
pub struct Decoding {
    fetched: Fetched,
    next: usize,
    decoded: Vec<SinkRecord>,
    dropped: u32,
}

/// A delivery after the chain.
#[derive(Debug)]
pub struct Decoded {
    /// The partition.
    pub partition: Partition,
    /// The offset after its last record.
    pub position_after: i64,
    /// What is left for the sink.
    pub records: Arc<[SinkRecord]>,
    /// How many the chain dropped.
    pub dropped: u32,
    /// Bytes of keys and values as received.
    pub bytes: usize,
}

impl Decoding {
    /// Starts decoding.
    pub fn new(fetched: Fetched) -> Self {
        Self {
            decoded: Vec::with_capacity(fetched.records.len()),
            fetched,
            next: 0,
            dropped: 0,
        }
    }

    /// The partition.
    pub fn partition(&self) -> &Partition {
        &self.fetched.partition
    }

    /// Decodes what is left. Dropping the future at an await and calling again goes on with the same record.
    ///
    /// # Errors
    /// Retriable: wait, then call again. Fatal: the task fails; the position stays before the record.
    pub async fn advance(&mut self, chain: &mut Chain) -> Result<Decoded, Error> {
        let Self {
            fetched,
            next,
            decoded,
            dropped,
        } = self;
        while let Some(raw) = fetched.records.get(*next) {
            match chain.decode(&fetched.partition.topic, fetched.partition.index, raw) {
                Ok(record) => {
                    match transformed(chain, record, &fetched.partition, raw)? {
                        Some(record) => decoded.push(SinkRecord {
                            record,
                            id: record_id(raw),
                        }),
                        None => *dropped += 1,
                    }
                    *next += 1;
                }
                Err(failed) => {
                    let (converters, log) = (chain.converters().clone(), chain.error_log());
                    fetch_missing(converters, log, failed, &fetched.partition, raw).await?
                }
            }
        }
        let size = |bytes: &Option<rowtide_api::Blob>| bytes.as_ref().map_or(0, |bytes| bytes.len());
        Ok(Decoded {
            partition: fetched.partition.clone(),
            position_after: fetched.records.last().map_or(0, |raw| raw.offset + 1),
            records: std::mem::take(decoded).into(),
            dropped: *dropped,
            bytes: fetched
                .records
                .iter()
                .map(|raw| size(&raw.key) + size(&raw.value))
                .sum(),
        })
    }
}

fn transformed(
    chain: &mut Chain,
    record: Record,
    partition: &Partition,
    raw: &RawRecord,
) -> Result<Option<Record>, Error> {
    if !chain.has_transforms() {
        return Ok(Some(record));
    }
    let origin = Origin {
        partition: partition.clone(),
        id: record_id(raw),
    };
    let log = chain.error_log();
    chain
        .transform(record, Some(&origin))
        .map_err(|failed| refused(log, failed, partition, raw))
}

async fn fetch_missing(
    converters: Converters,
    log: ErrorLog,
    failed: Failed,
    partition: &Partition,
    raw: &RawRecord,
) -> Result<(), Error> {
    match (
        action(failed.stage, &failed.failure, Tolerance::None),
        failed.failure,
    ) {
        (Action::Fetch, Failure::Missing(missing)) => converters.of(failed.stage).fetch(missing).await,
        (_, failure) => Err(refused(
            log,
            Failed {
                stage: failed.stage,
                part: failed.part,
                failure,
            },
            partition,
            raw,
        )),
    }
}

fn refused(log: ErrorLog, failed: Failed, partition: &Partition, raw: &RawRecord) -> Error {
    match failed.failure {
        Failure::Record(error) => {
            let place = Place {
                stage: failed.stage,
                part: &failed.part,
                at: &place(partition, raw.offset),
                timestamp_ms: raw.timestamp_ms,
            };
            log.bad_record(place, &error, || {
                (bytes_text(raw.key.as_deref()), bytes_text(raw.value.as_deref()))
            });
            tolerance_exceeded(place.stage, place.part, place.at, &error)
        }
        Failure::Task(error) => error,
        Failure::Missing(_) => Error::fatal(format!("{} asked for a schema outside conversion", failed.part)),
    }
}

/// The coordinates of a record, for messages.
pub fn place(partition: &Partition, offset: i64) -> String {
    format!(
        "topic {}, partition {}, offset {offset}",
        partition.topic, partition.index
    )
}
