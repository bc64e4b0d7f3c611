//! Sans-I/O: from a Connect schema to the Avro text that the Java converter registers, and to the plan that writes its
//! values.
//!
//! One walk over the schema makes both, so that they cannot disagree. What decides the text, and with it the registry's
//! id: the order of properties ([`props`]), the default-first union of an optional with a default, names written short
//! inside their namespace, a repeated named type written by name.

mod decimal;
mod parts;
mod plan;
mod props;
mod schema;

pub(crate) use plan::Plan;

use std::sync::Arc;

use rowtide_api::{RecordError, Schema};

/// What of the converter's settings decides text and plan.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// `connect.meta.data`.
    pub(crate) connect_meta_data: bool,
    /// `scrub.invalid.names`.
    pub(crate) scrub_names: bool,
    /// `allow.optional.map.keys`.
    pub(crate) optional_map_keys: bool,
    /// `ignore.default.for.nullables`.
    pub(crate) absent_is_null: bool,
    /// `max.depth`.
    pub(crate) depth_max: u32,
}

/// A compiled schema.
pub(crate) struct Compiled {
    /// The schema text, byte for byte the Java converter's.
    pub(crate) text: String,
    /// How to write values.
    pub(crate) plan: Plan,
    /// The full name, if the schema is a record.
    pub(crate) record_name: Option<String>,
    /// Fields whose default Avro refuses: it was left out (AV-032).
    pub(crate) dropped_defaults: Vec<String>,
}

/// Compiles a schema.
///
/// # Errors
/// The schema has no Avro form: a name that Avro refuses, one name for two structs, a nesting beyond the limit.
pub(crate) fn compile(schema: &Arc<Schema>, options: &Options) -> Result<Compiled, RecordError> {
    schema::compile(schema, options)
}

#[cfg(test)]
mod tests;
