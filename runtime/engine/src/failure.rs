//! Failures: the stage they happen in, back-off, and the trace users see.

mod backoff;
mod error_log;
mod retry;
mod stage;
mod trace;

pub use backoff::Backoff;
pub use error_log::{ErrorLog, Place, bytes_text, datum_text};
pub use retry::{Retry, wait_after};
pub use stage::{Action, Stage, Tolerance, action};
pub use trace::{tolerance_exceeded, trace};
