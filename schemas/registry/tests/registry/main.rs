//! The registry's tests over HTTP, over processes, and over random schemas.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says what it expects by panicking; a child process reports by printing"
)]

mod client_faults;
mod client_server;
mod contract;
mod file_log_kill;
mod schemas;
mod served;
