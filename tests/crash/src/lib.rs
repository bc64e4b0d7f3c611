//! Kill tests with a ledger: what is changed, what has to be, what is in Kafka and in Cassandra, and the comparisons.

pub mod applied;
pub mod cells;
pub mod changes;
pub mod check;
pub mod dice;
pub mod ledgers;
pub mod model;
pub mod points;
