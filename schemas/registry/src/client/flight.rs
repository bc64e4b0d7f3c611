//! One call at a time for all who want its result (AV-126).

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};

/// Calls under way, by what they are for. As many as callers wait: each caller waits for one.
///
/// A call belongs to those who await it: the last one to leave drops it, and as long as one stays it goes on.
pub(super) struct Flights<K, T: Clone> {
    running: Mutex<HashMap<K, WeakShared<BoxFuture<'static, T>>>>,
}

impl<K: Eq + Hash, T: Clone + Send + Sync> Flights<K, T> {
    pub(super) fn new() -> Self {
        Self {
            running: Mutex::new(HashMap::new()),
        }
    }

    /// The result of the running call for `key`, or of one that `start` makes.
    pub(super) async fn join(&self, key: K, start: impl FnOnce() -> BoxFuture<'static, T>) -> T {
        let flight = self.board(key, start);
        let result = flight.await;
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|_, flight| flight.upgrade().is_some_and(|flight| flight.peek().is_none()));
        result
    }

    fn board(&self, key: K, start: impl FnOnce() -> BoxFuture<'static, T>) -> Shared<BoxFuture<'static, T>> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = running.get(&key).and_then(WeakShared::upgrade) {
            return flight;
        }
        let flight = start().shared();
        if let Some(weak) = flight.downgrade() {
            running.insert(key, weak);
        }
        flight
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;

    fn counted(calls: &Arc<AtomicU32>) -> BoxFuture<'static, u32> {
        let calls = Arc::clone(calls);
        async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            calls.fetch_add(1, Ordering::SeqCst) + 1
        }
        .boxed()
    }

    #[tokio::test(start_paused = true)]
    async fn many_callers_share_one_call_and_the_next_makes_its_own() {
        let (flights, calls) = (Flights::new(), Arc::new(AtomicU32::new(0)));
        let all =
            futures_util::future::join_all((0..50).map(|_| flights.join("k", || counted(&calls)))).await;
        assert!(all.iter().all(|result| *result == 1), "{all:?}");
        assert_eq!(flights.join("k", || counted(&calls)).await, 2);
        assert!(flights.running.lock().unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_survives_the_caller_who_made_it_and_dies_with_the_last() {
        let (flights, calls) = (Flights::new(), Arc::new(AtomicU32::new(0)));
        let mut first = Box::pin(flights.join("k", || counted(&calls)));
        assert!(first.as_mut().now_or_never().is_none());
        let second = flights.join("k", || counted(&calls));
        let mut second = Box::pin(second);
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        assert_eq!(second.await, 1);
        let mut alone = Box::pin(flights.join("k", || counted(&calls)));
        assert!(alone.as_mut().now_or_never().is_none());
        drop(alone);
        assert_eq!(flights.join("k", || counted(&calls)).await, 2);
    }
}
