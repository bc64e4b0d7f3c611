//! Converters: between a datum and the bytes in Kafka.

use std::future::Future;
use std::sync::Arc;

use crate::data::{Blob, Datum, Schema};
use crate::error::{Error, RecordError};
use crate::plugin::Plugin;
use crate::record::Headers;

/// A converter. Pure once it holds the schema: what a call missed, [`Converter::fetch`] gets, and the call is repeated.
pub trait Converter: Send + Sync + 'static {
    /// Appends the encoded datum to `out`. May add headers.
    ///
    /// # Errors
    /// [`Failure::Missing`]: fetch, then call again; `out` is then as it was.
    fn encode(
        &self,
        topic: &str,
        datum: &Datum,
        headers: &mut Headers,
        out: &mut Vec<u8>,
    ) -> Result<Payload, Failure>;

    /// Decodes a payload; `None` is Kafka's null. For a header its name stands in the place of the topic.
    ///
    /// # Errors
    /// [`Failure::Missing`]: fetch, then call again.
    fn decode(&self, topic: &str, payload: Option<Blob>, headers: &Headers) -> Result<Datum, Failure>;

    /// Gets what a call missed. Concurrent calls for one thing cost one request.
    ///
    /// # Errors
    /// Retriable: an outage, waited out. Fatal: the registry refuses.
    fn fetch(&self, missing: Missing) -> impl Future<Output = Result<(), Error>> + Send;
}

/// A converter that can be configured; the engine sets `converter.type` to `key`, `value` or `header`.
pub trait ConverterPlugin: Plugin + Converter + Sized {
    /// What it is listed for.
    const SERVES: Serves = Serves::Both;

    /// Builds it.
    ///
    /// # Errors
    /// When the settings cannot work together.
    fn open(config: Self::Config) -> Result<Self, Error>;
}

/// What a converter is for, as the list of plugins tells: Connect knows two kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serves {
    /// Keys and values.
    Data,
    /// Headers.
    Headers,
    /// Both.
    Both,
}

/// What `encode` wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// Kafka's null: a tombstone, or no key.
    Null,
    /// The bytes appended to the buffer, none at all included.
    Bytes,
}

/// What a converter does not hold yet.
#[derive(Debug, Clone)]
pub enum Missing {
    /// The id under which to write records of this topic and schema.
    ToWrite {
        /// The topic.
        topic: Arc<str>,
        /// The schema.
        schema: Arc<Schema>,
    },
    /// The schema of an id met while reading this topic.
    ToRead {
        /// The topic.
        topic: Arc<str>,
        /// The registry's id.
        id: i32,
    },
}

/// Why a record could not be transformed or converted. Only [`Failure::Record`] meets the tolerance: an outage never does.
#[derive(Debug, Clone)]
pub enum Failure {
    /// This record is bad.
    Record(RecordError),
    /// The task cannot go on.
    Task(Error),
    /// Something has to be fetched first.
    Missing(Missing),
}

impl From<RecordError> for Failure {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}
