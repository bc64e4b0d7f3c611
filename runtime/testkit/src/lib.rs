//! Fakes, conformance suites, handles on real servers and on the worker, and a server that answers as randomuser.me does: for
//! tests only.

pub mod conformance;
pub mod fakes;
pub mod faults;
pub mod randomuser;
pub mod rest;
pub mod stack;
pub mod worker;
