//! Reads Avro records with another implementation, under the schema that the registry has for their id.

use std::cell::RefCell;
use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::types::Value as Avro;
use rowtide_testkit::rest::call;
use serde_json::{Value, json};

/// A registry, and its schemas by id.
pub(crate) struct Reader {
    address: String,
    base: String,
    schemas: RefCell<HashMap<u32, Schema>>,
}

impl Reader {
    /// `url` is `host:port`, or `http://host:port/path`.
    pub(crate) fn new(url: &str) -> Self {
        let rest = url.trim_start_matches("http://");
        let (address, base) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        Self {
            address: address.to_owned(),
            base: base.to_owned(),
            schemas: RefCell::default(),
        }
    }

    /// What the registry answers to a GET below its base.
    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = call(&self.address, "GET", &format!("{}{path}", self.base), None)
            .unwrap_or_else(|error| panic!("the registry at {}: {error}", self.address));
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    /// The registry's id of a payload.
    pub(crate) fn id(payload: &[u8]) -> u32 {
        assert_eq!(payload[0], 0, "the magic byte");
        u32::from_be_bytes([payload[1], payload[2], payload[3], payload[4]])
    }

    /// A payload as JSON: records are objects, bytes and decimals hexadecimal texts, unions what they hold.
    pub(crate) fn json(&self, payload: Option<&[u8]>) -> Value {
        let Some(payload) = payload else {
            return Value::Null;
        };
        let id = Self::id(payload);
        let mut schemas = self.schemas.borrow_mut();
        let schema = schemas.entry(id).or_insert_with(|| {
            let answer = self.get(&format!("/schemas/ids/{id}"));
            let text = answer["schema"].as_str().expect("the answer has a schema");
            Schema::parse_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
        });
        let mut body = &payload[5..];
        #[allow(deprecated, reason = "one value is all this reads")]
        let value = apache_avro::from_avro_datum(schema, &mut body, None)
            .unwrap_or_else(|error| panic!("schema {id}: {error}"));
        assert!(body.is_empty(), "{} bytes are left over", body.len());
        plain(value)
    }
}

fn plain(value: Avro) -> Value {
    match value {
        Avro::Null => Value::Null,
        Avro::Boolean(value) => json!(value),
        Avro::Int(value) | Avro::Date(value) | Avro::TimeMillis(value) => json!(value),
        Avro::Long(value)
        | Avro::TimeMicros(value)
        | Avro::TimestampMillis(value)
        | Avro::TimestampMicros(value) => json!(value),
        // JSON has no NaN.
        Avro::Float(value) if !value.is_finite() => json!(value.to_string()),
        Avro::Double(value) if !value.is_finite() => json!(value.to_string()),
        Avro::Float(value) => json!(value),
        Avro::Double(value) => json!(value),
        Avro::String(value) => json!(value),
        Avro::Bytes(bytes) | Avro::Fixed(_, bytes) => json!(hex(&bytes)),
        Avro::Decimal(decimal) => json!(hex(&Vec::try_from(decimal).expect("a decimal has bytes"))),
        Avro::Union(_, value) => plain(*value),
        Avro::Array(items) => Value::Array(items.into_iter().map(plain).collect()),
        Avro::Map(entries) => entries
            .into_iter()
            .map(|(key, value)| (key, plain(value)))
            .collect(),
        Avro::Record(fields) => fields
            .into_iter()
            .map(|(key, value)| (key, plain(value)))
            .collect(),
        other => panic!("a value no schema of this project has: {other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
