//! The Avro converter against a real registry: the one that the worker embeds, over HTTP.
#![allow(clippy::unwrap_used, reason = "the helpers of a test fail it by panicking")]

mod support;

use std::sync::Arc;

use rowtide_api::config::Properties;
use rowtide_api::convert::{Failure, Missing};
use rowtide_api::data::Kind;
use rowtide_api::erased::AnyConverter;
use rowtide_api::{Blob, Datum, Error, Headers, Schema, Struct, Value};
use rowtide_testkit::conformance::converter::{decoded, encoded};
use support::registry;

fn converter(url: &str, more: &[(&str, &str)]) -> Arc<dyn AnyConverter> {
    let base = [("schema.registry.url", url), ("converter.type", "value")];
    let properties: Properties = base
        .iter()
        .chain(more)
        .map(|(key, value)| (*key, *value))
        .collect();
    let row = rowtide_converters::rows()
        .into_iter()
        .find(|row| row.row.answers_to("Avro"));
    (row.unwrap().open)(&properties).unwrap()
}

/// Encodes as the engine does; the bytes and the headers that the converter added.
async fn encode(
    converter: &dyn AnyConverter,
    topic: &str,
    datum: &Datum,
) -> Result<(Vec<u8>, Headers), Error> {
    let mut headers = Headers::default();
    match encoded(converter, topic, datum, &mut headers).await {
        Ok(payload) => Ok((payload.unwrap().to_vec(), headers)),
        Err(Failure::Task(error)) => Err(error),
        Err(failure) => panic!("{failure:?}"),
    }
}

fn user(kind: Kind) -> Datum {
    let value = match kind {
        Kind::Text => Value::from("7"),
        _ => Value::Int32(7),
    };
    let schema = Schema::structure([("id", Schema::of(kind).build())])
        .name("users.Value")
        .build();
    Datum::of(Struct::new(schema, [value]))
}

/// AV-001, AV-016, AV-134: what one converter registers, another reads, fingerprint compared.
#[tokio::test]
async fn a_value_travels_through_the_embedded_registry() {
    let registry = registry().await;
    let writer = converter(&registry.url, &[]);
    let (bytes, headers) = encode(&*writer, "t", &user(Kind::Int32)).await.unwrap();
    assert_eq!(bytes, [0, 0, 0, 0, 1, 14]);
    assert!(headers.last("rowtide.schema.fingerprint").is_some());
    let reader = converter(&registry.url, &[]);
    assert_eq!(
        decoded(&*reader, "t", Some(Blob::copy(&bytes)), &headers)
            .await
            .unwrap(),
        user(Kind::Int32)
    );
    // The same schema in another subject keeps its id.
    assert_eq!(encode(&*writer, "u", &user(Kind::Int32)).await.unwrap().0, bytes);
}

/// AV-131: an incompatible change fails the task and names the subject.
#[tokio::test]
async fn an_incompatible_schema_is_fatal_and_names_the_subject() {
    let registry = registry().await;
    let writer = converter(&registry.url, &[]);
    encode(&*writer, "t", &user(Kind::Int32)).await.unwrap();
    let error = encode(&*writer, "t", &user(Kind::Text)).await.unwrap_err();
    assert!(
        !error.is_retriable() && error.context().contains("t-value"),
        "{error}"
    );
}

/// AV-016: without auto.register.schemas nothing is registered, and the error says what to do.
#[tokio::test]
async fn lookup_only_never_registers() {
    let registry = registry().await;
    let looking = converter(&registry.url, &[("auto.register.schemas", "false")]);
    let error = encode(&*looking, "t", &user(Kind::Int32)).await.unwrap_err();
    assert!(!error.is_retriable(), "{error}");
    assert!(
        error
            .next_step()
            .is_some_and(|step| step.contains("auto.register.schemas=true")),
        "{error}"
    );
    let registering = converter(&registry.url, &[]);
    let (bytes, _) = encode(&*registering, "t", &user(Kind::Int32)).await.unwrap();
    let looking = converter(&registry.url, &[("auto.register.schemas", "false")]);
    assert_eq!(encode(&*looking, "t", &user(Kind::Int32)).await.unwrap().0, bytes);
}

/// AV-128, AV-129: an outage and an id that has not arrived yet are waited out, never a fault of the record.
#[tokio::test]
async fn an_outage_and_a_young_id_are_retriable() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let down = converter(&url, &[("max.retries", "0")]);
    let error = encode(&*down, "t", &user(Kind::Int32)).await.unwrap_err();
    assert!(error.is_retriable(), "{error}");
    let registry = registry().await;
    let reader = converter(&registry.url, &[]);
    let missing = Missing::ToRead {
        topic: "t".into(),
        id: 99,
    };
    let error = reader.fetch(missing).await.unwrap_err();
    assert!(error.is_retriable() && error.context().contains("99"), "{error}");
}
