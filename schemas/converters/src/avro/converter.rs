//! The Avro converter: compiled plans around a registry.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use rowtide_api::convert::{Converter, Failure, Missing, Payload};
use rowtide_api::{Blob, Datum, Error, Headers, RecordError, Schema, Text, Value};
use rowtide_registry::avro;

use super::ids::{Known, SchemaIds};
use super::names::ANYTHING;
use super::subject::{Side, Strategy};
use super::{reader, wire, writer};
use crate::interned::{Held, Interned};

/// Topics of one schema whose ids are kept at hand; of those beyond, the registry's own memory is asked each time.
const TOPICS_MAX: usize = 1024;
/// The header with the writer schema's fingerprint (AV-134).
const FINGERPRINT: &str = "rowtide.schema.fingerprint";

/// Converts between data and Avro in Confluent's wire format.
pub(crate) struct Codec<R> {
    side: Side,
    settings: Settings,
    registry: R,
    writers: Interned<Writer>,
    readers: Interned<Reader>,
    fingerprint_header: Arc<str>,
}

/// What the codec needs of the configuration.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) writer: writer::Options,
    pub(crate) reader: reader::Options,
    pub(crate) strategy: Strategy,
    pub(crate) register: bool,
    pub(crate) trailing_bytes: bool,
    pub(crate) record_bytes_max: usize,
    pub(crate) fingerprints: bool,
}

/// A schema compiled for writing.
struct Writer {
    schema: Arc<Schema>,
    text: String,
    plan: writer::Plan,
    record_name: Option<String>,
    /// 16 hexadecimal digits.
    fingerprint: Text,
    /// The first topic and its id: most schemas have one topic.
    first: OnceLock<(Box<str>, i32)>,
    others: RwLock<HashMap<Box<str>, i32>>,
}

/// A schema compiled for reading, or why it cannot be.
struct Reader {
    id: i32,
    compiled: Result<(Arc<Schema>, reader::Plan, Text), RecordError>,
}

impl<R: SchemaIds> Codec<R> {
    pub(crate) fn new(side: Side, settings: Settings, registry: R) -> Self {
        Self {
            side,
            settings,
            registry,
            writers: Interned::new(),
            readers: Interned::new(),
            fingerprint_header: FINGERPRINT.into(),
        }
    }

    /// The schema compiled; without a lock where the same object came before.
    #[inline]
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
            || self.compile_writer(schema),
        )
    }

    #[cold]
    fn compile_writer(&self, schema: &Arc<Schema>) -> Result<Writer, RecordError> {
        let compiled = writer::compile(schema, &self.settings.writer)?;
        let parsed = avro::Schema::parse(&compiled.text, &[])
            .map_err(|error| RecordError::new(format!("the schema has no valid Avro form: {error}")))?;
        for field in &compiled.dropped_defaults {
            tracing::warn!(
                field,
                "a field's default has no Avro form and is left out of the schema"
            );
        }
        Ok(Writer {
            schema: schema.clone(),
            fingerprint: fingerprint_text(&parsed),
            text: compiled.text,
            plan: compiled.plan,
            record_name: compiled.record_name,
            first: OnceLock::new(),
            others: RwLock::default(),
        })
    }

    fn subject(&self, topic: &str, writer: &Writer) -> Result<String, RecordError> {
        self.settings
            .strategy
            .subject(topic, self.side, writer.record_name.as_deref())
    }

    /// The id under which to write, if it is known.
    #[inline]
    fn id(&self, topic: &str, writer: &Writer) -> Result<Option<i32>, RecordError> {
        match writer.first.get() {
            Some((known, id)) if **known == *topic => Ok(Some(*id)),
            _ => self.other_id(topic, writer),
        }
    }

    fn other_id(&self, topic: &str, writer: &Writer) -> Result<Option<i32>, RecordError> {
        let others = writer.others.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = others.get(topic) {
            return Ok(Some(*id));
        }
        drop(others);
        let Some(id) = self.registry.id_of(&self.subject(topic, writer)?, &writer.text) else {
            return Ok(None);
        };
        if writer.first.set((topic.into(), id)).is_err() {
            let mut others = writer.others.write().unwrap_or_else(PoisonError::into_inner);
            if others.len() < TOPICS_MAX {
                others.insert(topic.into(), id);
            }
        }
        Ok(Some(id))
    }

    fn reader(&self, topic: &str, id: i32) -> Result<Held<'_, Reader>, Failure> {
        let hint = id.cast_unsigned() as usize;
        if let Some(reader) = self.readers.recent(hint, |reader| reader.id == id) {
            return Ok(Held::Kept(reader));
        }
        self.readers.get(
            hint,
            u128::from(id.cast_unsigned()),
            |reader| reader.id == id,
            || match self.registry.schema_of(id) {
                Known::Schema { text, references } => Ok(self.compile_reader(id, &text, &references)),
                Known::Absent(reason) => Err(RecordError::new(reason).into()),
                Known::Nothing => Err(Failure::Missing(Missing::ToRead {
                    topic: topic.into(),
                    id,
                })),
            },
        )
    }

    #[cold]
    fn compile_reader(&self, id: i32, text: &str, references: &[Arc<str>]) -> Reader {
        let references: Vec<&str> = references.iter().map(|text| &**text).collect();
        let compiled = avro::Schema::parse(text, &references)
            .map_err(|error| RecordError::new(format!("it is no Avro schema: {error}")))
            .and_then(|parsed| {
                let fingerprint = fingerprint_text(&parsed);
                let compiled = reader::compile(&parsed, &self.settings.reader)?;
                for part in &compiled.dropped_defaults {
                    tracing::warn!(id, part, "a default in the schema is not of its type and is ignored");
                }
                if compiled.schema.name.as_deref() == Some(ANYTHING) {
                    return Err(RecordError::new(
                        "it holds data written without a schema (Anything), which is not supported yet: let the \
                         producer write with a schema",
                    ));
                }
                Ok((compiled.schema, compiled.plan, fingerprint))
            })
            .map_err(|error| RecordError {
                reason: format!("schema {id} of the registry cannot be read: {}", error.reason).into(),
                ..error
            });
        Reader { id, compiled }
    }

    fn check_fingerprint(
        &self,
        topic: &str,
        id: i32,
        expected: &Text,
        headers: &Headers,
    ) -> Result<(), Failure> {
        let Some(written) = headers
            .last(&self.fingerprint_header)
            .and_then(|datum| datum.value.as_str())
        else {
            return Ok(());
        };
        if written == expected.as_str() {
            return Ok(());
        }
        Err(Failure::Task(
            Error::fatal(format!(
                "schema id {id} in topic {topic} is not the schema the record was written with: its fingerprint is \
                 {}, the record's header {FINGERPRINT} says {written}",
                expected.as_str()
            ))
            .hint(
                "the registry was rebuilt and gives old ids to other schemas: point schema.registry.url at the registry \
                 of the producer, or set schema.fingerprint.header=false to read the records with what it answers",
            ),
        ))
    }
}

impl<R: SchemaIds> Converter for Codec<R> {
    fn encode(
        &self,
        topic: &str,
        datum: &Datum,
        headers: &mut Headers,
        out: &mut Vec<u8>,
    ) -> Result<Payload, Failure> {
        if datum.is_null() {
            return Ok(Payload::Null);
        }
        let Some(schema) = &datum.schema else {
            return Err(RecordError::new(format!(
                "the {} has no schema, and the Avro converter writes only data with one: use JsonConverter with \
                 schemas.enable=false, or let the source send schemas",
                self.side.word()
            ))
            .into());
        };
        let writer = self.writer(schema)?;
        let Some(id) = self.id(topic, &writer)? else {
            return Err(Failure::Missing(Missing::ToWrite {
                topic: topic.into(),
                schema: schema.clone(),
            }));
        };
        let start = out.len();
        wire::write_prefix(out, id);
        if let Err(error) = writer.plan.encode(&datum.value, out) {
            out.truncate(start);
            return Err(error.into());
        }
        if self.settings.fingerprints && self.side == Side::Value {
            let fingerprint = Datum::new(Schema::text(), Value::Text(writer.fingerprint.clone()));
            headers.push(self.fingerprint_header.clone(), fingerprint);
        }
        Ok(Payload::Bytes)
    }

    fn decode(&self, topic: &str, payload: Option<Blob>, headers: &Headers) -> Result<Datum, Failure> {
        let Some(payload) = payload else {
            return Ok(Datum::NULL);
        };
        if payload.len() > self.settings.record_bytes_max {
            return Err(RecordError::new(format!(
                "the payload has {} bytes, more than max.record.bytes={}",
                payload.len(),
                self.settings.record_bytes_max
            ))
            .into());
        }
        let (id, start) = wire::read_prefix(self.side, &payload, headers)?;
        let reader = self.reader(topic, id)?;
        let (schema, plan, fingerprint) = reader
            .compiled
            .as_ref()
            .map_err(|error| Failure::Record(error.clone()))?;
        if self.settings.fingerprints && self.side == Side::Value && !headers.is_empty() {
            self.check_fingerprint(topic, id, fingerprint, headers)?;
        }
        let bounds = reader::Bounds {
            depth_max: self.settings.writer.depth_max,
            trailing_bytes: self.settings.trailing_bytes,
        };
        Ok(Datum::new(schema.clone(), plan.decode(&payload, start, bounds)?))
    }

    async fn fetch(&self, missing: Missing) -> Result<(), Error> {
        match missing {
            Missing::ToRead { id, .. } => self.registry.fetch_schema(id).await,
            Missing::ToWrite { topic, schema } => {
                let (subject, text) = self
                    .writer(&schema)
                    .and_then(|writer| Ok((self.subject(&topic, &writer)?, writer.text.clone())))
                    .map_err(|error| {
                        Error::fatal(format!("the schema of topic {topic} has no subject")).because(error)
                    })?;
                self.registry
                    .fetch_id(&subject, &text, self.settings.register)
                    .await
            }
        }
    }
}

fn fingerprint_text(schema: &avro::Schema) -> Text {
    // Invariant: the lower half, so the cast is meant to cut.
    Text::from(format!("{:016x}", schema.fingerprint() as u64))
}
