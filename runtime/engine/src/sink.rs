//! The sink side: one worker per task, its progress, and what it holds unsettled.

mod commit;
pub mod decode;
mod dropped;
pub mod flight;
mod matched;
pub mod progress;
pub mod settle;
pub mod worker;
