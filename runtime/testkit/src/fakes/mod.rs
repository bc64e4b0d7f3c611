//! The engine's ports in memory, for fast tests. What goes wrong is scripted, see [`crate::faults`].

pub mod kafka;

mod clock;
mod log;

pub use clock::FakeClock;
pub use log::MemoryLog;
