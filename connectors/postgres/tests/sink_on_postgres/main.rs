//! The sink against a real Postgres from `compose/stack`: one database per test.
#![cfg(feature = "server-tests")]
#![allow(unreachable_pub, reason = "modules of a test binary")]
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests say what they expect by panicking"
)]

mod access;
mod conformance;
#[path = "../database/mod.rs"]
mod database;
mod harness;
mod outage;
mod refusals;
mod rows;
mod tables;
mod values;
