//! Our client against our server.

use rowtide_registry::client::{Class, Peek, Reference};
use rowtide_registry::server::Level;

use super::served::{client, fresh, request};

const USER: &str = r#"{"type":"record","name":"x.User","fields":[{"name":"id","type":"string"}]}"#;

#[tokio::test]
async fn what_one_client_registers_another_reads() {
    let (served, _) = fresh(Level::Backward).await;
    let (writer, reader) = (client(&served.url), client(&served.url));
    assert_eq!(writer.cached_id("users:1/x-value", USER), None);
    let id = writer.register("users:1/x-value", USER, &[]).await.unwrap();
    assert_eq!((id, writer.cached_id("users:1/x-value", USER)), (1, Some(1)));
    assert_eq!(reader.peek(id), Peek::Unknown);
    let schema = reader.by_id(id).await.unwrap();
    assert_eq!(
        (&*schema.schema_type, schema.is_avro(), schema.references.len()),
        ("AVRO", true, 0)
    );
    assert_eq!(
        &*schema.text,
        r#"{"type":"record","name":"User","namespace":"x","fields":[{"name":"id","type":"string"}]}"#
    );
    assert_eq!(reader.cached_schema(id).as_ref(), Some(&schema));
    assert!(matches!(reader.peek(id), Peek::Known(_)));
    let found = reader.lookup("users:1/x-value", USER, &[]).await.unwrap();
    assert_eq!((found.id, found.version), (1, Some(1)));
    let latest = reader.latest("users:1/x-value").await.unwrap();
    assert_eq!((latest.version, latest.schema.id), (1, 1));
    assert_eq!(
        reader.config_get(None).await.unwrap().as_deref(),
        Some("BACKWARD")
    );
    assert_eq!(
        reader
            .config_get(Some("users:1/x-value"))
            .await
            .unwrap()
            .as_deref(),
        Some("BACKWARD")
    );
}

#[tokio::test]
async fn av_016_a_look_up_never_registers() {
    let (served, _) = fresh(Level::Backward).await;
    let client = client(&served.url);
    let error = client.lookup("s", USER, &[]).await.unwrap_err();
    assert_eq!(
        (error.class(), error.error_code()),
        (Class::NotFound, Some(40401))
    );
    assert_eq!(client.latest("s").await.unwrap_err().class(), Class::NotFound);
    assert_eq!(
        request("GET", format!("{}/subjects", served.url), None).await.2,
        serde_json::json!([])
    );
}

#[tokio::test]
async fn av_131_an_incompatible_schema_names_subject_level_version_and_reason() {
    let (served, _) = fresh(Level::Backward).await;
    let client = client(&served.url);
    client.register("s", USER, &[]).await.unwrap();
    let other = USER.replace("\"string\"", "\"int\"");
    let error = client.register("s", &other, &[]).await.unwrap_err();
    assert_eq!(
        (error.class(), error.status(), error.error_code()),
        (Class::Incompatible, Some(409), Some(409))
    );
    for part in [
        "subject s",
        "latest version is 1",
        "level BACKWARD",
        "TYPE_MISMATCH",
        "/fields/0/type",
    ] {
        assert!(error.context().contains(part), "{part}: {error}");
    }
    assert_eq!(
        client.register("s", "{}", &[]).await.unwrap_err().class(),
        Class::Invalid
    );
}

#[tokio::test]
async fn av_076_references_come_with_the_schema_in_the_order_to_parse_them() {
    let (served, _) = fresh(Level::Backward).await;
    let client = client(&served.url);
    let reference = |name: &str, subject: &str| Reference {
        name: name.to_owned(),
        subject: subject.to_owned(),
        version: 1,
    };
    let city = r#"{"type":"record","name":"x.City","fields":[]}"#;
    let address = r#"{"type":"record","name":"x.Address","fields":[{"name":"city","type":"x.City"}]}"#;
    let user = r#"{"type":"record","name":"x.User","fields":[{"name":"a","type":"x.Address"},{"name":"c","type":"x.City"}]}"#;
    client.register("city", city, &[]).await.unwrap();
    client
        .register("address", address, &[reference("x.City", "city")])
        .await
        .unwrap();
    let references = [reference("x.Address", "address"), reference("x.City", "city")];
    let id = client.register("user", user, &references).await.unwrap();
    let schema = client.by_id(id).await.unwrap();
    let names: Vec<&str> = schema
        .references
        .iter()
        .map(|reference| &*reference.name)
        .collect();
    assert_eq!(names, ["x.City", "x.Address"]);
    let parsed = rowtide_registry::avro::Schema::parse(&schema.text, &schema.reference_texts()).unwrap();
    assert_eq!(parsed.text(), &*schema.text);
    // The same text without its references is another schema, and no cache mistakes one for the other.
    assert_eq!(client.cached_id("user", user), None);
    assert_eq!(
        client.register("user", user, &[]).await.unwrap_err().class(),
        Class::Invalid
    );
    assert_eq!(client.register("user", user, &references).await.unwrap(), id);
}
