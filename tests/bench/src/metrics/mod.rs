//! One file per metric: how it is measured.

pub mod encode;
pub mod footprint;
pub mod latency;
pub mod stream;
