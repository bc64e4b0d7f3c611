//! The herder: what survives, who waits for whom, and the runs of a schedule. Time is paused: waiting costs none.
#![allow(clippy::unwrap_used, reason = "tests say what they expect by panicking")]

mod hanging;
mod parts;
mod plugins;
mod scheduled;
mod tasks;
