//! Failures: the stage they happen in, back-off, and the trace users see.

mod backoff;
mod retry;
mod stage;
mod trace;

pub use backoff::Backoff;
pub use retry::Retry;
pub use stage::{Action, Stage, Tolerance, action};
pub use trace::{tolerance_exceeded, trace};
