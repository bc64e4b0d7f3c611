//! The limit of streaming: a client that does nothing but read (PF-101).
//!
//! Its own code on purpose: it shares nothing with the source it is compared with.

mod reader;
mod wire;

pub use reader::{Capture, Reading, Sent, capture, read, sent};
pub use wire::{Address, Wire};
