//! Schedules: which slot is due, and how a run goes.

pub mod slots;
