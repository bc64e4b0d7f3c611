//! Converters, transforms and predicates as objects.

use std::sync::Arc;

use super::{BoxFuture, PluginRow, configured};
use crate::config::Properties;
use crate::convert::{Converter, ConverterPlugin, Failure, Missing, Payload, Serves};
use crate::data::{Blob, Datum};
use crate::error::Error;
use crate::record::Headers;
use crate::transform::{Predicate, PredicatePlugin, Transform, TransformPlugin};

/// [`Converter`] as an object.
pub trait AnyConverter: Send + Sync {
    /// See [`Converter::encode`].
    ///
    /// # Errors
    /// As there.
    fn encode(
        &self,
        topic: &str,
        datum: &Datum,
        headers: &mut Headers,
        out: &mut Vec<u8>,
    ) -> Result<Payload, Failure>;
    /// See [`Converter::decode`].
    ///
    /// # Errors
    /// As there.
    fn decode(&self, topic: &str, payload: Option<Blob>, headers: &Headers) -> Result<Datum, Failure>;
    /// See [`Converter::fetch`].
    fn fetch(&self, missing: Missing) -> BoxFuture<'_, Result<(), Error>>;
}

impl<C: Converter> AnyConverter for C {
    fn encode(
        &self,
        topic: &str,
        datum: &Datum,
        headers: &mut Headers,
        out: &mut Vec<u8>,
    ) -> Result<Payload, Failure> {
        Converter::encode(self, topic, datum, headers, out)
    }

    fn decode(&self, topic: &str, payload: Option<Blob>, headers: &Headers) -> Result<Datum, Failure> {
        Converter::decode(self, topic, payload, headers)
    }

    fn fetch(&self, missing: Missing) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(Converter::fetch(self, missing))
    }
}

/// A converter in the list of plugins.
#[derive(Clone, Copy)]
pub struct ConverterRow {
    /// Names, keys, validation.
    pub row: PluginRow,
    /// What it is listed for.
    pub serves: Serves,
    /// Builds it.
    pub open: fn(&Properties) -> Result<Arc<dyn AnyConverter>, Error>,
}

impl ConverterRow {
    /// The row of `C`.
    pub const fn of<C: ConverterPlugin>() -> Self {
        Self {
            row: PluginRow::of::<C>("Converter"),
            serves: C::SERVES,
            open: |properties| Ok(Arc::new(C::open(configured::<C>(properties)?)?)),
        }
    }
}

/// A transform in the list of plugins.
#[derive(Clone, Copy)]
pub struct TransformRow {
    /// Names, keys, validation.
    pub row: PluginRow,
    /// Builds it.
    pub open: fn(&Properties) -> Result<Box<dyn Transform>, Error>,
}

impl TransformRow {
    /// The row of `T`.
    pub const fn of<T: TransformPlugin>() -> Self {
        Self {
            row: PluginRow::of::<T>("Transformation"),
            open: |properties| Ok(Box::new(T::open(configured::<T>(properties)?)?)),
        }
    }
}

/// A predicate in the list of plugins.
#[derive(Clone, Copy)]
pub struct PredicateRow {
    /// Names, keys, validation.
    pub row: PluginRow,
    /// Builds it.
    pub open: fn(&Properties) -> Result<Box<dyn Predicate>, Error>,
}

impl PredicateRow {
    /// The row of `P`.
    pub const fn of<P: PredicatePlugin>() -> Self {
        Self {
            row: PluginRow::of::<P>("Predicate"),
            open: |properties| Ok(Box::new(P::open(configured::<P>(properties)?)?)),
        }
    }
}
