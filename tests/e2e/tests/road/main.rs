//! The whole road on real servers, with the binary as users run it.

mod avro;
mod cassandra;
mod changes;
mod flat;
mod formats;
mod kafka;
mod kinds;
mod large;
mod place;
mod postgres18;
mod registry;
mod replays;
mod rest;
mod scheduled;
mod standalone;
mod topics;
mod types;
