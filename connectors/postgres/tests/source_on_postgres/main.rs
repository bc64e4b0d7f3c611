//! The source against a real Postgres from `compose/stack`: one server per test binary, one database per test.
#![cfg(feature = "server-tests")]
#![allow(unreachable_pub)] // Modules of a test binary.
#![allow(clippy::unwrap_used)] // Helpers of tests say what they expect by panicking.

mod absent;
mod access;
mod changes;
mod conformance;
#[path = "../database/mod.rs"]
mod database;
mod differential;
mod harness;
mod position;
mod shutdown;
mod snapshot;
mod structures;
mod unavailable;
