//! Fakes, conformance suites and real-server handles for tests.

pub mod randomuser;
