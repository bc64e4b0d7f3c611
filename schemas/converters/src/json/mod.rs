//! Connect's JSON converter, `org.apache.kafka.connect.json.JsonConverter` (CN-325 to CN-332).
//!
//! [`plan`] prints payloads by a plan compiled per schema, [`schema`] the constant schema in front of them, once per
//! schema; [`read`] goes the other way.

mod plan;
mod read;
mod schema;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use rowtide_api::config::{Config, Definition, Key, Reader};
use rowtide_api::convert::{Converter, ConverterPlugin, Failure, Missing, Payload};
use rowtide_api::{Blob, Datum, Error, Headers, Plugin, RecordError, Schema};
use serde_json::Value as Json;

use crate::interned::{Held, Interned};
use plan::Plan;

/// Topics whose last schema is remembered: a reader of more parses the schema with each record.
const TOPICS_MAX: usize = 1024;

const SCHEMAS_ENABLE: Key<bool> = Key::new(
    "schemas.enable",
    "Whether each message is an object of schema and payload; without schemas it is the payload alone.",
)
.default("true");
const NULL_IS_DEFAULT: Key<bool> = Key::new(
    "replace.null.with.default",
    "Whether a null in an optional field that has a default is written and read as the default.",
)
.default("true");
const DECIMAL_FORMAT: Key<String> = Key::new(
    "decimal.format",
    "How decimals are written: the base64 of their unscaled bytes.",
)
.default("BASE64")
.recommended(&["BASE64"])
.default_only("decimals are written as base64; NUMERIC is not built yet");
const CACHE_SIZE: Key<i32> = Key::new(
    "schemas.cache.size",
    "How many schemas Connect's converter remembers.",
)
.default("1000")
.no_effect("each schema is compiled once and kept");
const SCHEMA_CONTENT: Key<String> = Key::new(
    "schema.content",
    "A schema given here instead of in each message.",
)
.default("")
.default_only("a schema in the configuration is not built yet; leave it out and set schemas.enable");
const TYPE: Key<String> = Key::new(
    "converter.type",
    "Which part of a record is converted; the engine sets it.",
)
.default("value");

/// Settings of [`JsonConverter`].
#[derive(Debug)]
pub struct JsonSettings {
    schemas: bool,
    null_is_default: bool,
}

impl Config for JsonSettings {
    fn definitions() -> Vec<&'static Definition> {
        vec![
            SCHEMAS_ENABLE.definition(),
            NULL_IS_DEFAULT.definition(),
            DECIMAL_FORMAT.definition(),
            CACHE_SIZE.definition(),
            SCHEMA_CONTENT.definition(),
            TYPE.definition(),
        ]
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (schemas, null_is_default) = (reader.get(&SCHEMAS_ENABLE), reader.get(&NULL_IS_DEFAULT));
        // Read, so that they count as known; what they may say is checked with their definitions.
        let _ = (
            reader.get(&DECIMAL_FORMAT),
            reader.get(&CACHE_SIZE),
            reader.get(&SCHEMA_CONTENT),
            reader.get(&TYPE),
        );
        Some(Self {
            schemas: schemas?,
            null_is_default: null_is_default?,
        })
    }
}

/// Converts between data and JSON, byte for byte as Connect does.
pub struct JsonConverter {
    settings: JsonSettings,
    writers: Interned<Writer>,
    /// Per topic the schema that came last, as JSON and read.
    schemas: RwLock<HashMap<Box<str>, Seen>>,
}

/// A schema as it came and as it was read.
type Seen = (Json, Arc<Schema>);

struct Writer {
    schema: Arc<Schema>,
    /// `{"schema":…,"payload":`, or nothing without schemas.
    opening: Vec<u8>,
    plan: Plan,
}

impl Plugin for JsonConverter {
    const CLASS: &'static str = "org.apache.kafka.connect.json.JsonConverter";
    const ALIASES: &'static [&'static str] = &[];
    type Config = JsonSettings;
}

impl ConverterPlugin for JsonConverter {
    fn open(settings: JsonSettings) -> Result<Self, Error> {
        Ok(Self {
            settings,
            writers: Interned::new(),
            schemas: RwLock::default(),
        })
    }
}

impl JsonConverter {
    fn writer(&self, schema: &Arc<Schema>) -> Result<Held<'_, Writer>, RecordError> {
        // Schemas lie at least 64 bytes apart; the lower bits would make all hints alike.
        let hint = Arc::as_ptr(schema) as usize >> 6;
        if let Some(writer) = self
            .writers
            .recent(hint, |writer| Arc::ptr_eq(&writer.schema, schema))
        {
            return Ok(Held::Kept(writer));
        }
        self.writers.get(
            hint,
            schema.fingerprint,
            |writer| writer.schema == *schema,
            || {
                let mut opening = Vec::new();
                if self.settings.schemas {
                    opening.extend_from_slice(b"{\"schema\":");
                    schema::write(schema, &mut opening)?;
                    opening.extend_from_slice(b",\"payload\":");
                }
                let plan = Plan::new(schema, self.settings.null_is_default)?;
                Ok(Writer {
                    schema: schema.clone(),
                    opening,
                    plan,
                })
            },
        )
    }

    fn write(&self, datum: &Datum, out: &mut Vec<u8>) -> Result<(), RecordError> {
        match &datum.schema {
            Some(schema) => {
                let writer = self.writer(schema)?;
                out.extend_from_slice(&writer.opening);
                writer.plan.write(&datum.value, out)?;
            }
            None => {
                if self.settings.schemas {
                    out.extend_from_slice(b"{\"schema\":null,\"payload\":");
                }
                plan::write_schemaless(&datum.value, self.settings.null_is_default, out, 0)
                    .map_err(|error| *error)?;
            }
        }
        if self.settings.schemas {
            out.push(b'}');
        }
        Ok(())
    }

    /// The schema of an envelope; parsed once while a topic repeats it.
    fn schema(&self, topic: &str, json: &Json) -> Result<Arc<Schema>, RecordError> {
        let schemas = self.schemas.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, schema)) = schemas.get(topic)
            && known == json
        {
            return Ok(schema.clone());
        }
        drop(schemas);
        let schema = schema::parse(json, 0)?;
        let mut schemas = self.schemas.write().unwrap_or_else(PoisonError::into_inner);
        if schemas.len() < TOPICS_MAX || schemas.contains_key(topic) {
            schemas.insert(topic.into(), (json.clone(), schema.clone()));
        }
        Ok(schema)
    }

    fn read(&self, topic: &str, payload: &[u8]) -> Result<Datum, RecordError> {
        let json: Json = serde_json::from_slice(payload)
            .map_err(|error| RecordError::new(format!("the payload is not JSON: {}", position(&error))))?;
        if !self.settings.schemas {
            return read::schemaless(&json).map(Datum::schemaless);
        }
        match json
            .as_object()
            .filter(|object| object.len() == 2)
            .map(|object| (object.get("schema"), object.get("payload")))
        {
            Some((Some(Json::Null), Some(payload))) => read::schemaless(payload).map(Datum::schemaless),
            Some((Some(schema), Some(payload))) => {
                let schema = self.schema(topic, schema)?;
                let value = read::value(&schema, payload, self.settings.null_is_default)?;
                Ok(Datum::new(schema, value))
            }
            _ => Err(RecordError::new(
                "JsonConverter with schemas.enable requires \"schema\" and \"payload\" fields and may not contain \
                 additional fields. If you are trying to deserialize plain JSON data, set schemas.enable=false in your \
                 converter configuration.",
            )),
        }
    }
}

/// Where the JSON is wrong; the library's own message may repeat parts of the value.
fn position(error: &serde_json::Error) -> String {
    format!(
        "{:?} error at line {} column {}",
        error.classify(),
        error.line(),
        error.column()
    )
}

impl Converter for JsonConverter {
    fn encode(
        &self,
        _topic: &str,
        datum: &Datum,
        _headers: &mut Headers,
        out: &mut Vec<u8>,
    ) -> Result<Payload, Failure> {
        if datum.schema.is_none() && datum.is_null() {
            return Ok(Payload::Null);
        }
        let start = out.len();
        if let Err(error) = self.write(datum, out) {
            out.truncate(start);
            return Err(error.into());
        }
        Ok(Payload::Bytes)
    }

    fn decode(&self, topic: &str, payload: Option<Blob>, _headers: &Headers) -> Result<Datum, Failure> {
        match payload {
            None => Ok(Datum::NULL),
            Some(payload) => Ok(self.read(topic, &payload)?),
        }
    }

    async fn fetch(&self, _missing: Missing) -> Result<(), Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
