//! Speed and size beside the machine's limit, measured in one run: `cargo bench-limits`, see `README.md` beside this.

pub mod arguments;
pub mod capture;
pub mod database;
pub mod golden;
pub mod hand;
pub mod metrics;
pub mod ours;
pub mod process;
pub mod ratio;
pub mod raw;
pub mod replay;
pub mod report;
pub mod topic;
pub mod turns;
