//! Sans-I/O: from a writer's Avro schema to the Connect schema that the Java converter gives it, and to the plan that
//! reads its values.
//!
//! The writer's schema is used as it is (AV-048). One walk makes Connect schema and plan, so that they cannot disagree.

mod default;
mod draft;
mod parts;
mod plan;
mod schema;

pub(crate) use plan::{Bounds, Plan};

use std::sync::Arc;

use rowtide_api::{RecordError, Schema};

/// What of the converter's settings decides the Connect schema.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// `connect.meta.data`.
    pub(crate) connect_meta_data: bool,
    /// `avro.extended.logical.types`.
    pub(crate) extended_logical_types: bool,
}

/// A compiled schema.
pub(crate) struct Compiled {
    /// The Connect schema.
    pub(crate) schema: Arc<Schema>,
    /// How to read values.
    pub(crate) plan: Plan,
    /// Types and fields whose default is not of their type: it was left out.
    pub(crate) dropped_defaults: Vec<String>,
}

/// Compiles a schema.
///
/// # Errors
/// Connect has no such type: a standalone null, a union of two members that would share a field.
pub(crate) fn compile(
    avro: &rowtide_registry::avro::Schema,
    options: &Options,
) -> Result<Compiled, RecordError> {
    schema::compile(avro, options)
}

#[cfg(test)]
mod tests;
