//! The promises of a converter, kept by each format within what it can carry.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail it by panicking")]

mod support;

use std::sync::Arc;

use proptest::prelude::*;
use rowtide_api::data::{Kind, Schema};
use rowtide_api::erased::{AnyConverter, ConverterRow};
use rowtide_api::{Blob, Datum, Properties, Value};
use rowtide_converters::{
    AvroConverter, ByteArrayConverter, JsonConverter, SimpleHeaderConverter, StringConverter,
};
use rowtide_testkit::conformance::converter::{Format, Opened, Registered};
use rowtide_testkit::conformance::generated;

/// Two converters of these settings.
fn two(row: ConverterRow, pairs: &[(&str, &str)]) -> Opened {
    let properties: Properties = pairs.iter().copied().collect();
    let open = || -> Arc<dyn AnyConverter> { (row.open)(&properties).unwrap() };
    Opened {
        converter: open(),
        other: open(),
        keeps: Box::new(()),
    }
}

/// Confluent's format, with the registry that the worker embeds.
struct Avro;

impl Format for Avro {
    async fn open() -> Opened {
        let registry = support::registry().await;
        let url = registry.url.clone();
        let opened = two(
            ConverterRow::of::<AvroConverter>(),
            &[("schema.registry.url", &url), ("converter.type", "value")],
        );
        Opened {
            keeps: Box::new(registry),
            ..opened
        }
    }

    fn data() -> BoxedStrategy<Datum> {
        generated::data()
    }
}

impl Registered for Avro {
    fn payload_of_an_unknown_schema() -> Vec<u8> {
        vec![0, 0, 1, 0, 0, 14]
    }
}

rowtide_testkit::conformance::converter!(avro: Avro, registered);

/// Connect's JSON, with its schema beside it.
struct Json;

impl Format for Json {
    async fn open() -> Opened {
        two(
            ConverterRow::of::<JsonConverter>(),
            &[("converter.type", "value")],
        )
    }

    fn data() -> BoxedStrategy<Datum> {
        generated::data()
    }
}

rowtide_testkit::conformance::converter!(json: Json);

/// JSON alone.
struct SchemalessJson;

impl Format for SchemalessJson {
    async fn open() -> Opened {
        let settings = [("converter.type", "value"), ("schemas.enable", "false")];
        two(ConverterRow::of::<JsonConverter>(), &settings)
    }

    fn data() -> BoxedStrategy<Datum> {
        generated::schemaless()
    }
}

rowtide_testkit::conformance::converter!(schemaless_json: SchemalessJson);

/// Text.
struct Text;

impl Format for Text {
    async fn open() -> Opened {
        two(ConverterRow::of::<StringConverter>(), &[])
    }

    fn data() -> BoxedStrategy<Datum> {
        let datum = |text: String| Datum::new(Schema::optional_text(), Value::from(text));
        any::<String>().prop_map(datum).boxed()
    }
}

rowtide_testkit::conformance::converter!(text: Text);

/// Headers: texts that look like nothing else.
struct Header;

impl Format for Header {
    async fn open() -> Opened {
        two(ConverterRow::of::<SimpleHeaderConverter>(), &[])
    }

    fn data() -> BoxedStrategy<Datum> {
        "x[a-zäöü ]{0,20}x"
            .prop_map(|text| Datum::text(text.as_str()))
            .boxed()
    }
}

rowtide_testkit::conformance::converter!(header: Header);

/// Bytes.
struct Bytes;

impl Format for Bytes {
    async fn open() -> Opened {
        two(ConverterRow::of::<ByteArrayConverter>(), &[])
    }

    fn data() -> BoxedStrategy<Datum> {
        let schema = Schema::of(Kind::Bytes).optional().build();
        let bytes = proptest::collection::vec(any::<u8>(), 0..60);
        bytes
            .prop_map(move |bytes| Datum::new(schema.clone(), Value::Bytes(Blob::from(bytes))))
            .boxed()
    }
}

rowtide_testkit::conformance::converter!(bytes: Bytes);
