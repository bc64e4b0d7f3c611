//! Benchmarks against the limit of the same machine.
