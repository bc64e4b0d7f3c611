//! The source side: one worker per task, its ledger, and the cursor that sends a batch.

pub mod ledger;
pub mod send;
pub mod worker;
