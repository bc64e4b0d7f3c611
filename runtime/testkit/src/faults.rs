//! Faults as values: a script says what goes wrong at which step, and after its end everything goes well.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rowtide_api::Error;

/// What goes wrong at each step; `None` is a step at which nothing does. Clones are the same script.
#[derive(Debug)]
pub struct Script<F>(Arc<Mutex<VecDeque<Option<F>>>>);

impl<F> Script<F> {
    /// Adds a step at the end.
    pub fn then(&self, step: impl Into<Option<F>>) -> &Self {
        self.steps(|steps| steps.push_back(step.into()));
        self
    }

    /// Adds steps at the end.
    pub fn extend(&self, steps: impl IntoIterator<Item = Option<F>>) {
        self.steps(|known| known.extend(steps));
    }

    /// Forgets the steps that did not come: from now on everything goes well.
    pub fn clear(&self) {
        self.steps(VecDeque::clear);
    }

    /// Whether every step has come.
    pub fn is_over(&self) -> bool {
        self.steps(|steps| steps.is_empty())
    }

    /// Takes the next step.
    pub(crate) fn step(&self) -> Option<F> {
        self.steps(VecDeque::pop_front).flatten()
    }

    fn steps<T>(&self, change: impl FnOnce(&mut VecDeque<Option<F>>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<F> Clone for Script<F> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<F> Default for Script<F> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// What happens to a record that is sent; one step per call of `send`.
#[derive(Debug, Clone)]
pub enum ProduceFault {
    /// The queue is full at this call.
    Full,
    /// The record can never be sent.
    TooLarge,
    /// Taken; in the log only after the wait, with everything behind it.
    StoredLate(Duration),
    /// Stored at once, acknowledged after the wait.
    AcknowledgedLate(Duration),
    /// Stored; the acknowledgement is lost, so the producer hears of a failure that may pass.
    AcknowledgementLost,
    /// Not stored; the producer hears this.
    Failed(Error),
    /// Another producer took over: nothing of this one is stored any more, and each call says so.
    Fenced,
    /// Neither stored nor heard of again, with everything behind it.
    Hangs,
}

/// What happens to a delivery; one step per delivery.
#[derive(Debug, Clone)]
pub enum ConsumeFault {
    /// The call fails; the records come with a later one.
    Failed(Error),
    /// It holds at most this many records.
    Short(usize),
}

/// What happens to a commit of positions; one step per commit.
#[derive(Debug, Clone)]
pub enum CommitFault {
    /// Nothing is stored: the group has moved on.
    Rebalanced,
    /// Nothing is stored.
    Failed(Error),
    /// Stored, and answered after the wait.
    AnsweredLate(Duration),
    /// Stored, and answered as a failure.
    AnswerLost,
    /// Stored, and never answered.
    Hangs,
}

/// What happens to an append to a log; one step per append.
#[derive(Debug, Clone)]
pub enum LogFault {
    /// Nothing is stored.
    Failed(Error),
    /// This many records are stored, the others are not.
    Cut(usize, Error),
    /// Stored, and answered after the wait.
    AnsweredLate(Duration),
    /// Stored, and answered as a failure.
    AnswerLost,
    /// Nothing is stored, and there is no answer.
    Hangs,
}
