//! Kill tests with a ledger.

pub mod points;
