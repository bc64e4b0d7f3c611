//! The Cassandra sink.
