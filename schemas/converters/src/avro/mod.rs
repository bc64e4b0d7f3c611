//! The Avro converter, `io.confluent.connect.avro.AvroConverter`: Confluent's wire format, the Java converter's schema
//! texts, plans compiled once per schema.
//!
//! On the way out: [`writer`] compiles the Connect schema into schema text and plan, [`subject`] names where the text is
//! registered, [`ids`] knows its id, [`wire`] puts the id in front, and the plan appends the body. On the way in:
//! [`wire`] finds the id, [`ids`] its schema, [`reader`] compiles it, and the plan reads the body into slices of the
//! payload. No value tree, no registry call while an id is known.

mod binary;
mod client_config;
mod config;
mod converter;
mod fixed_config;
#[cfg(test)]
pub(crate) mod fixtures;
mod ids;
mod names;
mod reader;
mod registry;
mod subject;
mod wire;
mod writer;

pub use config::AvroSettings;

use rowtide_api::config::ConfigReport;
use rowtide_api::convert::{Converter, ConverterPlugin, Failure, Missing, Payload, Serves};
use rowtide_api::{Blob, Datum, Error, Headers, Plugin};
use rowtide_registry::client::RegistryClient;

use converter::Codec;

/// Converts between data and Avro, with a Schema Registry.
pub struct AvroConverter(Codec<RegistryClient>);

impl Plugin for AvroConverter {
    const CLASS: &'static str = "io.confluent.connect.avro.AvroConverter";
    const ALIASES: &'static [&'static str] = &[];
    type Config = AvroSettings;

    async fn check(settings: &AvroSettings, report: &mut ConfigReport) {
        let Ok(client) = RegistryClient::new(&settings.client) else {
            return;
        };
        // A task would wait for it (AV-128); whoever asks before the start can mend it now.
        if let Err(error) = client.config_get(None).await {
            report.error("schema.registry.url", error.to_string());
        }
    }
}

impl ConverterPlugin for AvroConverter {
    const SERVES: Serves = Serves::Data;

    fn open(settings: AvroSettings) -> Result<Self, Error> {
        let client = RegistryClient::new(&settings.client)
            .map_err(|error| Error::fatal("opening the client of the schema registry").because(error))?;
        Ok(Self(Codec::new(settings.side, settings.codec, client)))
    }
}

impl Converter for AvroConverter {
    fn encode(
        &self,
        topic: &str,
        datum: &Datum,
        headers: &mut Headers,
        out: &mut Vec<u8>,
    ) -> Result<Payload, Failure> {
        self.0.encode(topic, datum, headers, out)
    }

    fn decode(&self, topic: &str, payload: Option<Blob>, headers: &Headers) -> Result<Datum, Failure> {
        self.0.decode(topic, payload, headers)
    }

    async fn fetch(&self, missing: Missing) -> Result<(), Error> {
        self.0.fetch(missing).await
    }
}

#[cfg(test)]
mod tests;
