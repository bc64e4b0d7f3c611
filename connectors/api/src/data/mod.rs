//! The data model: Connect's types in physical values.
//!
//! A Decimal is its unscaled bytes, a Timestamp its integer; what they mean is the schema's name ([`Logical`] reads it). Text
//! and bytes point into the buffer they were received in, so that a row costs no allocation per field.

mod blob;
mod logical;
mod schema;
mod value;

pub use blob::{Blob, Buffer, INLINE_BYTES_MAX, Text, TextBuffer};
pub use logical::Logical;
pub use schema::{Field, Kind, Schema, SchemaBuilder};
pub use value::{Datum, Struct, Value};
