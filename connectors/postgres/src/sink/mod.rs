//! The sink: flat records become rows, by their key.
//!
//! ```text
//! put ──▶ plan (record → operation, texts) ──▶ writer (one transaction) ──▶ report
//!                                                │ table (columns, keys; created when asked)
//!                                                │ statement (multi-row upsert, delete)
//!                                                └ refusal (whose fault: the record's or the call's)
//! ```
//!
//! Values travel as text and are cast to the column's type by the server: a string fits a uuid, timestamptz or integer column
//! when it reads as one. Guarantee: a batch is settled as written only behind its COMMIT; writing it again changes nothing.

mod check;
pub mod config;
mod lacking;
pub mod plan;
pub mod refusal;
pub mod statement;
mod table;
mod task;
pub mod text;
pub mod url;
mod writer;

pub use task::{PostgresSink, PostgresSinkTask};
