//! AV-142, AV-161: an independent Avro implementation reads what the converter writes, and the converter reads what it
//! writes.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail it by panicking")]

mod support;

use std::sync::Arc;

use apache_avro::Schema as AvroSchema;
use apache_avro::types::Value as Avro;
use proptest::prelude::*;
use rowtide_api::data::{Kind, Schema, Struct};
use rowtide_api::erased::{AnyConverter, ConverterRow};
use rowtide_api::{Blob, Datum, Headers, Properties, Value};
use rowtide_converters::AvroConverter;
use rowtide_testkit::conformance::converter::{decoded, encoded};
use rowtide_testkit::conformance::generated;
use rowtide_testkit::rest::call;
use support::Registry;
use tokio::runtime::{Builder, Runtime};

const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
/// Confluent's magic byte and the id of the schema.
const PREFIX: usize = 5;

/// A converter with its registry, and a runtime that serves both.
struct Place {
    runtime: Runtime,
    registry: Registry,
    converter: Arc<dyn AnyConverter>,
}

/// What the converter writes for a value: the id in front, the body, and the schema text that the registry has.
struct Written {
    topic: String,
    payload: Vec<u8>,
    text: String,
}

impl Place {
    fn new() -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let registry = runtime.block_on(support::registry());
        let properties: Properties = [
            ("schema.registry.url", &*registry.url),
            ("converter.type", "value"),
        ]
        .into_iter()
        .collect();
        let converter = (ConverterRow::of::<AvroConverter>().open)(&properties).unwrap();
        Self {
            runtime,
            registry,
            converter,
        }
    }

    /// None for a value that has no bytes.
    fn write(&self, datum: &Datum) -> Option<Written> {
        // Schemas of one topic would have to be compatible.
        let fingerprint = datum.schema.as_ref().map(|schema| schema.fingerprint);
        let topic = format!("t{fingerprint:?}");
        let mut headers = Headers::default();
        let payload = encoded(&*self.converter, &topic, datum, &mut headers);
        let payload = self.runtime.block_on(payload).unwrap()?.to_vec();
        let id = u32::from_be_bytes(payload[1..PREFIX].try_into().unwrap());
        let address = self.registry.url.trim_start_matches("http://");
        let answer = call(address, "GET", &format!("/schemas/ids/{id}"), None).unwrap();
        let text = answer.json()["schema"].as_str().unwrap().to_owned();
        Some(Written { topic, payload, text })
    }

    /// What the converter makes of another body under the same schema.
    fn read(&self, written: &Written, body: &[u8]) -> Result<Datum, String> {
        let payload = [&written.payload[..PREFIX], body].concat();
        let headers = Headers::default();
        let datum = decoded(
            &*self.converter,
            &written.topic,
            Some(Blob::from(payload)),
            &headers,
        );
        self.runtime
            .block_on(datum)
            .map_err(|failure| format!("{failure:?}"))
    }
}

thread_local! {
    // One for all cases of a property: each of them is a test with a thread of its own.
    static PLACE: Place = Place::new();
}

/// What the other implementation should hold for a value.
fn expected(schema: &Schema, value: &Value) -> Avro {
    let present = match (value, &schema.kind) {
        (Value::Null | Value::Absent, _) => return Avro::Union(0, Box::new(Avro::Null)),
        (Value::Bool(value), _) => Avro::Boolean(*value),
        (Value::Int8(_) | Value::Int16(_) | Value::Int32(_), _) => {
            let number = value.as_int().unwrap() as i32;
            match schema.name.as_deref() {
                Some("org.apache.kafka.connect.data.Date") => Avro::Date(number),
                Some("org.apache.kafka.connect.data.Time") => Avro::TimeMillis(number),
                _ => Avro::Int(number),
            }
        }
        (Value::Int64(number), _)
            if schema.name.as_deref() == Some("org.apache.kafka.connect.data.Timestamp") =>
        {
            Avro::TimestampMillis(*number)
        }
        (Value::Int64(number), _) => Avro::Long(*number),
        (Value::Float32(number), _) => Avro::Float(*number),
        (Value::Float64(number), _) => Avro::Double(*number),
        (Value::Text(text), _) => Avro::String(text.as_str().to_owned()),
        (Value::Bytes(bytes), _) if schema.name.as_deref() == Some(DECIMAL) => {
            Avro::Decimal(bytes.to_vec().into())
        }
        (Value::Bytes(bytes), _) => Avro::Bytes(bytes.to_vec()),
        (Value::Array(items), Kind::Array(item)) => {
            Avro::Array(items.iter().map(|value| expected(item, value)).collect())
        }
        (Value::Map(pairs), Kind::Map(_, item)) => Avro::Map(
            pairs
                .iter()
                .map(|(key, value)| (key.as_str().unwrap().to_owned(), expected(item, value)))
                .collect(),
        ),
        (Value::Struct(value), _) => Avro::Record(
            value
                .schema
                .fields()
                .iter()
                .zip(&value.fields)
                .map(|(field, value)| (field.name.to_string(), expected(&field.schema, value)))
                .collect(),
        ),
        other => panic!("{other:?}"),
    };
    if schema.optional {
        Avro::Union(1, Box::new(present))
    } else {
        present
    }
}

/// Top-level bytes have no length in our format, so they have no common form.
fn is_raw(schema: &Schema) -> bool {
    schema.kind == Kind::Bytes && !schema.optional
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_the_converter_writes_both_read(datum in generated::data()) {
        PLACE.with(|place| -> Result<(), TestCaseError> {
            let Some(written) = place.write(&datum) else { return Ok(()) };
            let schema = datum.schema.clone().unwrap();
            let mut body = &written.payload[PREFIX..];
            let back = place.read(&written, body);
            prop_assert_eq!(back.as_ref(), Ok(&datum));
            prop_assert_eq!(&rowtide_registry::avro::canonical_text(&written.text).unwrap(), &written.text);
            if is_raw(&schema) {
                return Ok(());
            }
            let other = AvroSchema::parse_str(&written.text).unwrap();
            #[allow(deprecated, reason = "one value is all this reads")]
            let theirs = apache_avro::from_avro_datum(&other, &mut body, None).unwrap();
            prop_assert_eq!(&theirs, &expected(&schema, &datum.value));
            #[allow(deprecated, reason = "one value is all this writes")]
            let theirs = apache_avro::to_avro_datum(&other, theirs).unwrap();
            let back = place.read(&written, &theirs).map(|datum| sorted(datum.value));
            prop_assert_eq!(back, Ok(sorted(datum.value)));
            Ok(())
        })?;
    }

    /// AV-050, AV-165: any bytes give a value or an error, never a panic.
    #[test]
    fn random_bytes_never_panic(datum in generated::data(), bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        PLACE.with(|place| {
            if let Some(written) = place.write(&datum) {
                let _ = place.read(&written, &bytes);
            }
        });
    }

    /// AV-165: one changed byte of a good body.
    #[test]
    fn damaged_bodies_never_panic(
        datum in generated::data(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        PLACE.with(|place| {
            let Some(written) = place.write(&datum) else { return };
            let mut body = written.payload[PREFIX..].to_vec();
            if !body.is_empty() {
                let at = at.index(body.len());
                body[at] = byte;
            }
            let _ = place.read(&written, &body);
        });
    }
}

/// Maps of the other implementation have no order.
fn sorted(value: Value) -> Value {
    match value {
        Value::Map(pairs) => {
            let mut pairs: Vec<_> = pairs
                .into_iter()
                .map(|(key, value)| (key, sorted(value)))
                .collect();
            pairs.sort_by(|one, two| one.0.as_str().cmp(&two.0.as_str()));
            Value::Map(pairs.into())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Struct(inner) => {
            let fields: Vec<_> = inner.fields.into_iter().map(sorted).collect();
            Value::Struct(Struct::new(inner.schema, fields))
        }
        plain => plain,
    }
}
