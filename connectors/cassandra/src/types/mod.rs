//! Sans-I/O: from a record's value to the bytes of a CQL value.
//!
//! A [`Codec`] is compiled once per (field schema, column); it writes bytes straight from the decoded value (CS-047). What
//! does not fit is a [`Mismatch`]: nothing wraps, rounds or truncates silently, but for the sub-millisecond part of an
//! instant that goes into a `timestamp` column (CS-042).

mod encode;
mod number;
mod scalar;
mod temporal;

pub(crate) use encode::close;
pub(crate) use scalar::Scalar;

use std::borrow::Cow;
use std::fmt;

use rowtide_api::data::Logical;
use rowtide_api::{Kind, Schema};

use crate::config::TimeUnit;

/// The type of a column this connector can write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cql {
    Scalar(Scalar),
    /// Elements are scalars.
    List(Scalar),
    /// Elements are scalars.
    Set(Scalar),
}

impl fmt::Display for Cql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(scalar) => f.write_str(scalar.name()),
            Self::List(element) => write!(f, "list<{}>", element.name()),
            Self::Set(element) => write!(f, "set<{}>", element.name()),
        }
    }
}

/// Why a value does not fit; the value itself is not in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mismatch(pub(crate) Cow<'static, str>);

impl Mismatch {
    pub(crate) fn fixed(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

/// What a value became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoded {
    /// Bytes were appended.
    Value,
    /// The value reads as null in this column: empty text for a type other than text and blob.
    Null,
}

/// Writes one field into one column.
#[derive(Debug, Clone)]
pub(crate) struct Codec {
    cql: Cql,
    /// What the field's schema says about its integers, bytes and texts.
    logical: Option<Logical>,
    /// The same of an array's elements.
    element: Option<Logical>,
    /// What plain numbers that go into `timestamp` count.
    unit: TimeUnit,
}

impl Codec {
    /// `schema` is `None` for schemaless values.
    pub(crate) fn new(cql: &Cql, schema: Option<&Schema>, unit: TimeUnit) -> Self {
        let element = match schema.map(|schema| &schema.kind) {
            Some(Kind::Array(element)) => element.logical(),
            _ => None,
        };
        Self {
            cql: cql.clone(),
            logical: schema.and_then(Schema::logical),
            element,
            unit,
        }
    }

    /// The column's type.
    pub(crate) fn cql(&self) -> &Cql {
        &self.cql
    }
}
