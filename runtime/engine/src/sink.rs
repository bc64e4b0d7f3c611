//! The sink side: one worker per task, its progress, and what it holds unsettled.

pub mod decode;
pub mod flight;
pub mod progress;
pub mod settle;
pub mod worker;
