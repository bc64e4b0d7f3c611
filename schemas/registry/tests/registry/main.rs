//! The registry's tests over HTTP and over random schemas.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by panicking")]

mod client_faults;
mod client_server;
mod contract;
mod schemas;
mod served;
