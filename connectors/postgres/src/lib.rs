//! Postgres: the logical-replication source and the upsert sink.
