//! Sans-I/O: Avro schemas as Avro's Java library reads and prints them, and the fingerprint of what they mean.
//!
//! The parser is as lenient as the registry must be: names and field defaults are not validated (AV-049). Structure
//! is: undefined or doubly defined names, nested unions and the like are errors. The text that [`Schema::text`]
//! prints is the content by which a registry tells schemas apart: white space and the order of attributes vanish,
//! documentation, properties, aliases and defaults stay.

mod fingerprint;
mod json;
mod model;
mod parse;
mod text;

pub use model::{Enum, Field, Fixed, Kind, Name, Named, Node, NodeId, Order, Primitive, Record, Schema};
pub use parse::ParseError;

/// Types nested deeper than this are refused, so that no schema can exhaust a stack (AV-080).
pub const DEPTH_MAX: usize = 64;

/// The text of a schema as Avro's Java library prints it.
///
/// # Errors
/// The text is not an Avro schema.
pub fn canonical_text(text: &str) -> Result<String, ParseError> {
    Ok(Schema::parse(text, &[])?.text())
}
