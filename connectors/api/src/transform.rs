//! Transforms and predicates: one record in, at most one out.

use crate::convert::Failure;
use crate::error::Error;
use crate::plugin::Plugin;
use crate::record::Record;
use crate::sink::{Partition, RecordId};

/// Where a sink's record came from; sources have none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The partition it was read from.
    pub partition: Partition,
    /// Its identity there.
    pub id: RecordId,
}

/// A single message transform.
pub trait Transform: Send + 'static {
    /// The changed record; `None` drops it, and a dropped record still counts as done.
    ///
    /// # Errors
    /// [`Failure::Record`] meets the tolerance, [`Failure::Task`] does not.
    fn apply(&mut self, record: Record, origin: Option<&Origin>) -> Result<Option<Record>, Failure>;
}

/// A transform that can be configured.
pub trait TransformPlugin: Plugin + Transform + Sized {
    /// Builds it.
    ///
    /// # Errors
    /// When the settings cannot work together.
    fn open(config: Self::Config) -> Result<Self, Error>;
}

/// Decides whether a transform runs.
pub trait Predicate: Send + 'static {
    /// Whether it holds for the record.
    fn holds(&self, record: &Record) -> bool;
}

/// A predicate that can be configured.
pub trait PredicatePlugin: Plugin + Predicate + Sized {
    /// Builds it.
    ///
    /// # Errors
    /// When the settings cannot work together.
    fn open(config: Self::Config) -> Result<Self, Error>;
}
