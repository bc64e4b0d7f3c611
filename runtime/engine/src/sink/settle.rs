//! Applies the end of a ticket to flight and progress.

use rowtide_api::sink::{Partition, Settlement, SinkRecord};
use rowtide_api::{Error, RecordError};

use super::decode::place;
use super::flight::Flight;
use super::progress::{DeliveryId, Progress, ProgressError};
use crate::failure::{ErrorLog, Place, Stage, datum_text, tolerance_exceeded};
use crate::metrics::SinkCounters;

/// What a ticket says.
#[derive(Debug)]
pub struct Ended {
    /// The delivery.
    pub id: DeliveryId,
    /// The put it belongs to.
    pub attempt: u32,
    /// How it ended.
    pub settlement: Settlement,
}

/// Applies it; `true` when records became durable. Tickets that no longer count are ignored.
///
/// # Errors
/// Fatal: a rejected record, an account that does not add up, a lost ticket.
pub fn settle(
    ended: Ended,
    flight: &mut Flight,
    progress: &mut Progress,
    counters: &SinkCounters,
    log: ErrorLog,
) -> Result<bool, Error> {
    if !flight.counts(ended.id, ended.attempt) {
        return Ok(false);
    }
    match ended.settlement {
        Settlement::Done(report) => {
            let Some(records) = flight.records_of(ended.id).cloned() else {
                return Ok(false);
            };
            if let Some((index, error)) = report.rejected.first()
                && report.adds_up(records.len())
            {
                return Err(rejected(log, &records[*index as usize], error));
            }
            counters.settled(report.written, report.skipped);
            // Invariant: a delivery is a fetch, whose size is bounded far below u32.
            progress
                .settle(ended.id, records.len() as u32, &report)
                .map_err(bug)?;
            flight.settled(ended.id);
            Ok(true)
        }
        Settlement::Failed(error) if error.is_retriable() => {
            flight.failed(ended.id, error);
            Ok(false)
        }
        Settlement::Failed(error) => Err(error),
        Settlement::Lost => Err(Error::fatal("the sink lost a batch without settling it")
            .hint("this is a defect of the connector; the position stays")),
    }
}

fn rejected(log: ErrorLog, rejected: &SinkRecord, error: &RecordError) -> Error {
    let record = &rejected.record;
    // A transform may have changed the topic; partition and offset are where it was read.
    let partition = Partition {
        topic: record.topic.clone(),
        index: record.partition.unwrap_or_default(),
    };
    let place = Place {
        stage: Stage::TaskPut,
        part: "put",
        at: &place(&partition, rejected.id.ordinal()),
        timestamp_ms: record.timestamp_ms,
    };
    log.bad_record(place, error, || {
        (datum_text(&record.key), datum_text(&record.value))
    });
    tolerance_exceeded(place.stage, place.part, place.at, error)
}

pub(super) fn bug(error: ProgressError) -> Error {
    Error::fatal(format!("a sink's account does not add up: {error:?}"))
        .hint("this is a defect of the connector; the position stays")
}
