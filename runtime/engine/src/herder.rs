//! The herder: owns the connectors of this worker.
//!
//! One actor takes requests and writes the config log ([`run`]); each connector has a runner of its own ([`runner`]), so
//! that one that hangs never delays another; each task a supervisor ([`task`]). Readers use the board.

mod handle;
pub mod run;
mod runner;
mod scheduled;
mod start;
mod task;

pub use handle::{HerderError, HerderHandle, RestartPlan};
pub use run::Herder;
pub use start::WorkerParts;
