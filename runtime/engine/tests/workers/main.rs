//! The source worker, the sink worker and the herder over Kafka in memory, with tasks that follow a script.
#![allow(clippy::unwrap_used, reason = "tests say what they expect by panicking")]

mod failures;
mod herder;
mod random_sink;
mod random_source;
mod rig;
mod sink;
mod source;
