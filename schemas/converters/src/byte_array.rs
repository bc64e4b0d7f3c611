//! `org.apache.kafka.connect.converters.ByteArrayConverter`: bytes as they are.

use rowtide_api::convert::{Converter, ConverterPlugin, Failure, Missing, Payload};
use rowtide_api::data::Kind;
use rowtide_api::{Blob, Datum, Error, Headers, Plugin, RecordError, Schema, Value};

use std::sync::{Arc, LazyLock};

use crate::string::TypeOnly;

/// Passes bytes through; reads as optional bytes.
pub struct ByteArrayConverter;

impl Plugin for ByteArrayConverter {
    const CLASS: &'static str = "org.apache.kafka.connect.converters.ByteArrayConverter";
    const ALIASES: &'static [&'static str] = &[];
    type Config = TypeOnly;
}

impl ConverterPlugin for ByteArrayConverter {
    fn open(_config: TypeOnly) -> Result<Self, Error> {
        Ok(Self)
    }
}

impl Converter for ByteArrayConverter {
    fn encode(
        &self,
        _topic: &str,
        datum: &Datum,
        _headers: &mut Headers,
        out: &mut Vec<u8>,
    ) -> Result<Payload, Failure> {
        match &datum.value {
            Value::Null | Value::Absent => Ok(Payload::Null),
            Value::Bytes(bytes) => {
                out.extend_from_slice(bytes);
                Ok(Payload::Bytes)
            }
            other => Err(RecordError::new(format!(
                "ByteArrayConverter writes bytes only, not {}: choose JsonConverter or StringConverter",
                other.type_name()
            ))
            .into()),
        }
    }

    fn decode(&self, _topic: &str, payload: Option<Blob>, _headers: &Headers) -> Result<Datum, Failure> {
        static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| Schema::of(Kind::Bytes).optional().build());
        Ok(Datum::new(
            SCHEMA.clone(),
            payload.map_or(Value::Null, Value::Bytes),
        ))
    }

    async fn fetch(&self, _missing: Missing) -> Result<(), Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CN-335.
    #[test]
    fn bytes_pass_untouched_and_anything_else_is_refused() {
        let mut out = Vec::new();
        let mut headers = Headers::default();
        let bytes = Datum::schemaless(Value::Bytes(Blob::copy(b"\0\xff")));
        assert!(matches!(
            ByteArrayConverter.encode("t", &bytes, &mut headers, &mut out),
            Ok(Payload::Bytes)
        ));
        assert_eq!(out, b"\0\xff");
        assert!(matches!(
            ByteArrayConverter.encode("t", &Datum::NULL, &mut headers, &mut out),
            Ok(Payload::Null)
        ));
        assert!(
            ByteArrayConverter
                .encode("t", &Datum::text("x"), &mut headers, &mut out)
                .is_err()
        );
        let read = ByteArrayConverter
            .decode("t", Some(Blob::copy(b"\xff")), &headers)
            .unwrap();
        assert_eq!(read.value, Value::Bytes(Blob::copy(b"\xff")));
    }
}
