//! Converters that keep nothing between two records: what a format does is its own, how it becomes a converter is here.

use rowtide_api::config::Config;
use rowtide_api::convert::{Converter, ConverterPlugin, Failure, Missing, Payload, Serves};
use rowtide_api::{Blob, Datum, Error, Headers, Plugin};

/// A form of data that needs no schema from elsewhere: pure functions.
pub trait Format: Default + Send + Sync + 'static {
    /// The Java class under which it is configured.
    const CLASS: &'static str;
    /// What it is listed for.
    const SERVES: Serves = Serves::Both;
    /// Its settings; they choose nothing that the functions below would have to know.
    type Settings: Config;

    /// Appends the datum.
    ///
    /// # Errors
    /// A value that it has no form for.
    fn encode(datum: &Datum, out: &mut Vec<u8>) -> Result<Payload, Failure>;

    /// Reads a payload of this topic, or of the header of this name.
    ///
    /// # Errors
    /// Bytes that are not of this form.
    fn decode(name: &str, payload: Option<Blob>) -> Result<Datum, Failure>;
}

/// The converter of a [`Format`].
#[derive(Debug, Default)]
pub struct Stateless<F>(F);

impl<F: Format> Plugin for Stateless<F> {
    const CLASS: &'static str = F::CLASS;
    const ALIASES: &'static [&'static str] = &[];
    type Config = F::Settings;
}

impl<F: Format> ConverterPlugin for Stateless<F> {
    const SERVES: Serves = F::SERVES;

    fn open(_config: F::Settings) -> Result<Self, Error> {
        Ok(Self::default())
    }
}

impl<F: Format> Converter for Stateless<F> {
    fn encode(
        &self,
        _topic: &str,
        datum: &Datum,
        _headers: &mut Headers,
        out: &mut Vec<u8>,
    ) -> Result<Payload, Failure> {
        F::encode(datum, out)
    }

    fn decode(&self, name: &str, payload: Option<Blob>, _headers: &Headers) -> Result<Datum, Failure> {
        F::decode(name, payload)
    }

    async fn fetch(&self, _missing: Missing) -> Result<(), Error> {
        // Nothing is ever missing: neither function above says so.
        Ok(())
    }
}
