//! Kill tests with a ledger: what has to be, what is in Kafka, and the comparison of both.

pub mod applied;
pub mod check;
pub mod model;
pub mod points;
