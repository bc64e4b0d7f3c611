//! Bad input on real servers: each case says what is wrong, which setting it is about and what to do, leaves the worker
//! and the position alone, and goes on once the cause is mended.

mod cassandra;
mod command_line;
mod place;
mod postgres;
mod registry;
mod state_file;
