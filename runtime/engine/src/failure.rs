//! Failures: the stage they happen in, back-off, and the trace users see.

mod backoff;
mod stage;
mod trace;

pub use backoff::Backoff;
pub use stage::{Action, Stage, Tolerance, action};
pub use trace::{tolerance_exceeded, trace};
