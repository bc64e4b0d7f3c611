//! Single message transforms, one file each: what changes a record between a connector and Kafka.
//!
//! A transform sees one record and answers with one or none. What it derives from a schema it derives once per schema.
#![deny(unsafe_code)]

mod extract_new_record_state;
mod regex_router;

pub use extract_new_record_state::{ExtractNewRecordState, ExtractSettings};
pub use regex_router::{RegexRouter, RegexRouterSettings};

use rowtide_api::erased::TransformRow;

/// All transforms, for the worker's list of plugins.
pub fn rows() -> Vec<TransformRow> {
    vec![
        TransformRow::of::<ExtractNewRecordState>(),
        TransformRow::of::<RegexRouter>(),
    ]
}
