//! The sink side: one worker per task, its progress, and the dispatch of deliveries.

pub mod progress;
