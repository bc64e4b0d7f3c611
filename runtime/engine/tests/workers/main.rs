//! The source worker and the sink worker over Kafka in memory, with tasks that follow a script.
#![allow(clippy::unwrap_used, reason = "tests say what they expect by panicking")]

mod failures;
mod random_sink;
mod random_source;
mod rig;
mod sink;
mod source;
