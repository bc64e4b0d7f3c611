//! Sans-I/O: the deliveries a sink holds, and what has to be put, or put again, in which order.
//!
//! After a retriable failure nothing new is put until every open ticket has ended; then everything unsettled is put
//! again in its old order. So the order per key is kept across puts.

use std::collections::BTreeMap;
use std::sync::Arc;

use rowtide_api::Error;
use rowtide_api::sink::{Partition, SinkRecord};

use super::progress::DeliveryId;

/// The deliveries that are not settled.
#[derive(Debug, Default)]
pub struct Flight {
    deliveries: BTreeMap<DeliveryId, Delivery>,
    records: usize,
    bytes: usize,
    /// Why everything has to be put again, once no ticket is open.
    failure: Option<Error>,
}

#[derive(Debug)]
struct Delivery {
    partition: Partition,
    records: Arc<[SinkRecord]>,
    bytes: usize,
    state: State,
    /// Grows with each put: an older ticket no longer counts.
    attempt: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be put.
    Waiting,
    /// Its ticket is out.
    Put,
}

/// What to put next.
#[derive(Debug, Clone)]
pub struct ToPut {
    /// The delivery.
    pub id: DeliveryId,
    /// The attempt its ticket carries.
    pub attempt: u32,
    /// The partition.
    pub partition: Partition,
    /// The records.
    pub records: Arc<[SinkRecord]>,
}

impl Flight {
    /// Adds a delivery to be put after those before it.
    pub fn add(&mut self, id: DeliveryId, partition: Partition, records: Arc<[SinkRecord]>, bytes: usize) {
        self.records += records.len();
        self.bytes += bytes;
        self.deliveries.insert(
            id,
            Delivery {
                partition,
                records,
                bytes,
                state: State::Waiting,
                attempt: 0,
            },
        );
    }

    /// The next delivery to put, and marks its ticket as out. None while a failure is being waited out.
    pub fn take_next(&mut self) -> Option<ToPut> {
        if self.failure.is_some() {
            return None;
        }
        let (id, delivery) = self
            .deliveries
            .iter_mut()
            .find(|(_, delivery)| delivery.state == State::Waiting)?;
        delivery.state = State::Put;
        delivery.attempt += 1;
        Some(ToPut {
            id: *id,
            attempt: delivery.attempt,
            partition: delivery.partition.clone(),
            records: delivery.records.clone(),
        })
    }

    /// Whether [`Flight::take_next`] has something.
    pub fn has_next(&self) -> bool {
        self.failure.is_none()
            && self
                .deliveries
                .values()
                .any(|delivery| delivery.state == State::Waiting)
    }

    /// Whether this ticket still counts.
    pub fn counts(&self, id: DeliveryId, attempt: u32) -> bool {
        self.deliveries
            .get(&id)
            .is_some_and(|delivery| delivery.state == State::Put && delivery.attempt == attempt)
    }

    /// Whether the delivery is of one of these partitions.
    pub fn is_of(&self, id: DeliveryId, partitions: &[Partition]) -> bool {
        self.deliveries
            .get(&id)
            .is_some_and(|delivery| partitions.contains(&delivery.partition))
    }

    /// The records of a delivery.
    pub fn records_of(&self, id: DeliveryId) -> Option<&Arc<[SinkRecord]>> {
        self.deliveries.get(&id).map(|delivery| &delivery.records)
    }

    /// A delivery is settled.
    pub fn settled(&mut self, id: DeliveryId) {
        if let Some(delivery) = self.deliveries.remove(&id) {
            self.records -= delivery.records.len();
            self.bytes -= delivery.bytes;
        }
    }

    /// A put was dropped before it took the work: its ticket no longer counts, it is put again.
    pub fn put_dropped(&mut self, id: DeliveryId) {
        if let Some(delivery) = self.deliveries.get_mut(&id) {
            delivery.state = State::Waiting;
        }
    }

    /// A put or a ticket failed retriably: everything unsettled is put again, once no ticket is open.
    pub fn failed(&mut self, id: DeliveryId, error: Error) {
        self.put_dropped(id);
        self.failure.get_or_insert(error);
    }

    /// The failure to wait out, once no ticket is open.
    pub fn failure(&self) -> Option<&Error> {
        let open = self
            .deliveries
            .values()
            .any(|delivery| delivery.state == State::Put);
        self.failure.as_ref().filter(|_| !open)
    }

    /// A wait is over: if it was for a failure that no ticket is open of, putting goes on with the oldest delivery.
    pub fn resume(&mut self) {
        if self.failure().is_some() {
            self.failure = None;
        }
    }

    /// Partitions are gone: so are their deliveries and tickets.
    pub fn revoke(&mut self, partitions: &[Partition]) {
        let gone: Vec<_> = self
            .deliveries
            .iter()
            .filter(|(_, delivery)| partitions.contains(&delivery.partition))
            .map(|(id, _)| *id)
            .collect();
        gone.into_iter().for_each(|id| self.settled(id));
    }

    /// Records held.
    pub fn records(&self) -> usize {
        self.records
    }

    /// Bytes held, as received.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(index: i32) -> Partition {
        Partition {
            topic: "t".into(),
            index,
        }
    }

    fn flight(partitions: &[i32]) -> Flight {
        let mut flight = Flight::default();
        for (n, index) in partitions.iter().enumerate() {
            flight.add(DeliveryId(n as u64), partition(*index), Arc::new([]), 1);
        }
        flight
    }

    fn put_all(flight: &mut Flight) -> Vec<(u64, u32)> {
        std::iter::from_fn(|| flight.take_next())
            .map(|put| (put.id.0, put.attempt))
            .collect()
    }

    #[test]
    fn after_a_failure_everything_unsettled_is_put_again_in_order_once_no_ticket_is_open() {
        let mut flight = flight(&[0, 0, 1]);
        assert_eq!(put_all(&mut flight), [(0, 1), (1, 1), (2, 1)]);
        flight.failed(DeliveryId(1), Error::retriable("down"));
        assert!(flight.failure().is_none(), "two tickets are open");
        flight.resume();
        assert!(!flight.has_next(), "the end of another wait changes nothing");
        assert!(flight.take_next().is_none());
        flight.settled(DeliveryId(0));
        flight.failed(DeliveryId(2), Error::retriable("down too"));
        assert_eq!(flight.failure().map(Error::context), Some("down"));
        flight.resume();
        assert_eq!(put_all(&mut flight), [(1, 2), (2, 2)]);
        assert!(!flight.counts(DeliveryId(1), 1) && flight.counts(DeliveryId(1), 2));
    }

    #[test]
    fn revoked_partitions_take_their_deliveries_with_them() {
        let mut flight = flight(&[0, 1]);
        put_all(&mut flight);
        flight.revoke(&[partition(0)]);
        assert!(!flight.counts(DeliveryId(0), 1) && flight.counts(DeliveryId(1), 1));
        assert_eq!(flight.bytes(), 1);
    }
}
