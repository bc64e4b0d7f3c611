//! `org.apache.kafka.connect.converters.ByteArrayConverter`: bytes as they are.

use std::sync::{Arc, LazyLock};

use rowtide_api::convert::{Failure, Payload};
use rowtide_api::data::Kind;
use rowtide_api::{Blob, Datum, RecordError, Schema, Value};

use crate::stateless::{Format, Stateless};
use crate::string::TypeOnly;

/// Passes bytes through; reads as optional bytes.
pub type ByteArrayConverter = Stateless<RawBytes>;

/// The form of [`ByteArrayConverter`].
#[derive(Debug, Default)]
pub struct RawBytes;

impl Format for RawBytes {
    const CLASS: &'static str = "org.apache.kafka.connect.converters.ByteArrayConverter";
    type Settings = TypeOnly;

    fn encode(datum: &Datum, out: &mut Vec<u8>) -> Result<Payload, Failure> {
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

    fn decode(_topic: &str, payload: Option<Blob>) -> Result<Datum, Failure> {
        static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| Schema::of(Kind::Bytes).optional().build());
        Ok(Datum::new(
            SCHEMA.clone(),
            payload.map_or(Value::Null, Value::Bytes),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rowtide_api::Headers;
    use rowtide_api::convert::Converter;

    /// CN-335.
    #[test]
    fn bytes_pass_untouched_and_anything_else_is_refused() {
        let mut out = Vec::new();
        let mut headers = Headers::default();
        let bytes = Datum::schemaless(Value::Bytes(Blob::copy(b"\0\xff")));
        assert!(matches!(
            ByteArrayConverter::default().encode("t", &bytes, &mut headers, &mut out),
            Ok(Payload::Bytes)
        ));
        assert_eq!(out, b"\0\xff");
        assert!(matches!(
            ByteArrayConverter::default().encode("t", &Datum::NULL, &mut headers, &mut out),
            Ok(Payload::Null)
        ));
        assert!(
            ByteArrayConverter::default()
                .encode("t", &Datum::text("x"), &mut headers, &mut out)
                .is_err()
        );
        let read = ByteArrayConverter::default()
            .decode("t", Some(Blob::copy(b"\xff")), &headers)
            .unwrap();
        assert_eq!(read.value, Value::Bytes(Blob::copy(b"\xff")));
    }
}
