//! A batch on its way: what is still out, what it came to, and the ticket that says so once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rowtide_api::context::Limits;
use rowtide_api::sink::{Note, PutReport, Ticket};
use rowtide_api::{Error, RecordError};
use tokio::sync::Notify;

use crate::plan::Verdict;

/// What a task may hold unsettled. `put` waits while it is used up.
#[derive(Debug)]
pub(crate) struct Budget {
    records: AtomicUsize,
    bytes: AtomicUsize,
    limits: Limits,
    freed: Notify,
}

impl Budget {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            records: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            limits,
            freed: Notify::new(),
        }
    }

    /// Waits until there is room. A batch may then overshoot the bounds by its own size.
    pub(crate) async fn room(&self) {
        loop {
            let freed = self.freed.notified();
            let records = self.records.load(Ordering::Acquire);
            let bytes = self.bytes.load(Ordering::Acquire);
            if records < self.limits.buffered_records_max && bytes < self.limits.buffered_bytes_max {
                return;
            }
            freed.await;
        }
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Acquire)
    }

    /// Lets a waiting `put` look again.
    pub(crate) fn wake(&self) {
        self.freed.notify_one();
    }

    fn take(&self, records: usize, bytes: usize) {
        self.records.fetch_add(records, Ordering::AcqRel);
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
    }

    fn release(&self, records: usize, bytes: usize) {
        self.records.fetch_sub(records, Ordering::AcqRel);
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        self.freed.notify_one();
    }
}

/// A partition as long as the task owns it.
#[derive(Debug, Default)]
pub(crate) struct Ownership {
    revoked: AtomicBool,
    batches: AtomicUsize,
    emptied: Notify,
}

impl Ownership {
    /// From now on, nothing of it is written any more but what is in flight.
    pub(crate) fn revoke(&self) {
        self.revoked.store(true, Ordering::Release);
    }

    /// Waits until no batch of it is out.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.batches.load(Ordering::Acquire) == 0 {
                return;
            }
            emptied.await;
        }
    }
}

/// A batch on its way. Dropped unsettled, its ticket says so.
#[derive(Debug)]
pub(crate) struct Delivery {
    state: Mutex<State>,
    budget: Arc<Budget>,
    ownership: Arc<Ownership>,
    records: usize,
    bytes: usize,
}

#[derive(Debug)]
struct State {
    ticket: Option<Ticket>,
    verdicts: Vec<Verdict>,
    /// Mutations not done yet.
    pending: usize,
    note: Option<Note>,
}

impl Delivery {
    /// A batch with these many mutations. One without any is settled here.
    pub(crate) fn new(
        ticket: Ticket,
        verdicts: Vec<Verdict>,
        (pending, bytes): (usize, usize),
        note: Note,
        budget: &Arc<Budget>,
        ownership: &Arc<Ownership>,
    ) -> Arc<Self> {
        let records = verdicts.len();
        budget.take(records, bytes);
        ownership.batches.fetch_add(1, Ordering::AcqRel);
        let delivery = Arc::new(Self {
            state: Mutex::new(State {
                ticket: Some(ticket),
                verdicts,
                pending,
                note: Some(note),
            }),
            budget: budget.clone(),
            ownership: ownership.clone(),
            records,
            bytes,
        });
        if pending == 0 {
            delivery.with(State::settle);
        }
        delivery
    }

    /// A mutation is durable.
    pub(crate) fn written(&self) {
        self.with(|state| state.done(1));
    }

    /// A mutation is refused, and its record with it.
    pub(crate) fn rejected(&self, record: u32, error: RecordError) {
        self.with(|state| {
            if let Some(verdict @ Verdict::Write) = state.verdicts.get_mut(record as usize) {
                *verdict = Verdict::Reject(error);
            }
            state.done(1);
        });
    }

    /// The task cannot go on.
    pub(crate) fn failed(&self, error: &Error) {
        self.with(|state| {
            if let Some(ticket) = state.ticket.take() {
                ticket.settle(Err(error.clone()));
            }
        });
    }

    /// Whether its partition belongs to someone else by now.
    pub(crate) fn is_revoked(&self) -> bool {
        self.ownership.revoked.load(Ordering::Acquire)
    }

    fn with(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl State {
    fn done(&mut self, mutations: usize) {
        self.pending = self.pending.saturating_sub(mutations);
        if self.pending == 0 {
            self.settle();
        }
    }

    /// CS-157: every record is accounted for.
    fn settle(&mut self) {
        let Some(ticket) = self.ticket.take() else {
            return;
        };
        let mut report = PutReport {
            note: self.note.take(),
            ..PutReport::default()
        };
        for (index, verdict) in std::mem::take(&mut self.verdicts).into_iter().enumerate() {
            match verdict {
                Verdict::Write => report.written += 1,
                Verdict::Skip(_) => report.skipped += 1,
                // Invariant: a batch has fewer than 2^32 records.
                Verdict::Reject(error) => report.rejected.push((index as u32, error)),
            }
        }
        ticket.settle(Ok(report));
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.budget.release(self.records, self.bytes);
        if self.ownership.batches.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.ownership.emptied.notify_one();
        }
    }
}
