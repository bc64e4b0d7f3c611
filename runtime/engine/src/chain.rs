//! The chain of one task: transforms and converters, between records and bytes.
//!
//! A source runs transforms first, then converts headers, key and value; a sink the other way round.

use std::sync::Arc;

use rowtide_api::convert::{Failure, Payload};
use rowtide_api::data::Datum;
use rowtide_api::erased::AnyConverter;
use rowtide_api::record::{Header, Headers, Record};
use rowtide_api::sink::RecordId;
use rowtide_api::transform::{Origin, Transform};

use crate::failure::{ErrorLog, Stage};
use crate::ports::{Outgoing, RawRecord};

/// A failure with the stage it happened in.
#[derive(Debug)]
pub struct Failed {
    /// Where.
    pub stage: Stage,
    /// The alias of the transform, or the converter's role.
    pub part: Arc<str>,
    /// What.
    pub failure: Failure,
}

/// The converters of one task.
#[derive(Clone)]
pub struct Converters {
    /// For keys.
    pub key: Arc<dyn AnyConverter>,
    /// For values.
    pub value: Arc<dyn AnyConverter>,
    /// For headers.
    pub header: Arc<dyn AnyConverter>,
}

impl Converters {
    /// The converter of a stage; transforms have none.
    pub fn of(&self, stage: Stage) -> &Arc<dyn AnyConverter> {
        match stage {
            Stage::KeyConverter => &self.key,
            Stage::HeaderConverter => &self.header,
            _ => &self.value,
        }
    }
}

/// A transform with the alias it was configured under.
pub struct NamedTransform {
    /// The alias.
    pub alias: Arc<str>,
    /// The transform.
    pub transform: Box<dyn Transform>,
}

/// The chain of one task.
pub struct Chain {
    transforms: Vec<NamedTransform>,
    converters: Converters,
    error_log: ErrorLog,
    encoded: Encoded,
    /// The shared headers encoded last: they are the same list for every record of a task.
    shared: Option<(Arc<[Header]>, Vec<EncodedHeader>)>,
}

/// A header as bytes.
type EncodedHeader = (Arc<str>, Option<Vec<u8>>);

/// The buffers a record is encoded into; reused from record to record.
#[derive(Debug, Default)]
struct Encoded {
    key: Vec<u8>,
    value: Vec<u8>,
    headers: Vec<EncodedHeader>,
}

impl Chain {
    /// A chain of these parts.
    pub fn new(transforms: Vec<NamedTransform>, converters: Converters) -> Self {
        Self {
            transforms,
            converters,
            error_log: ErrorLog::Off,
            encoded: Encoded::default(),
            shared: None,
        }
    }

    /// Logs bad records this way.
    #[must_use]
    pub fn with_error_log(mut self, error_log: ErrorLog) -> Self {
        self.error_log = error_log;
        self
    }

    /// How bad records are logged.
    pub fn error_log(&self) -> ErrorLog {
        self.error_log
    }

    /// The converters, to fetch what one missed.
    pub fn converters(&self) -> &Converters {
        &self.converters
    }

    /// Transforms a source's record; `None` when it was dropped. Call once per record: transforms may keep state.
    ///
    /// # Errors
    /// See [`Failed`].
    pub fn transform(&mut self, record: Record, origin: Option<&Origin>) -> Result<Option<Record>, Failed> {
        let mut record = record;
        for NamedTransform { alias, transform } in &mut self.transforms {
            match transform.apply(record, origin) {
                Ok(Some(changed)) => record = changed,
                Ok(None) => return Ok(None),
                Err(failure) => {
                    return Err(Failed {
                        stage: Stage::Transformation,
                        part: alias.clone(),
                        failure,
                    });
                }
            }
        }
        Ok(Some(record))
    }

    /// Encodes a record into the chain's buffers. May be repeated for the same record after a fetch.
    ///
    /// # Errors
    /// See [`Failed`].
    pub fn encode<'a>(&'a mut self, record: &'a Record) -> Result<Outgoing<'a>, Failed> {
        let Self {
            converters,
            encoded,
            shared,
            ..
        } = self;
        let Encoded { key, value, headers } = encoded;
        key.clear();
        value.clear();
        headers.clear();
        // Converters may add headers of their own; only then the record's are copied.
        let mut added = Headers::default();
        let has_key = convert(
            &*converters.key,
            Stage::KeyConverter,
            record,
            &record.key,
            &mut added,
            key,
        )?;
        let has_value = convert(
            &*converters.value,
            Stage::ValueConverter,
            record,
            &record.value,
            &mut added,
            value,
        )?;
        for (name, datum) in record.headers.own.iter().chain(&added.own) {
            headers.push(encode_header(&*converters.header, record, name, datum)?);
        }
        if !record.headers.shared.is_empty() {
            if !shared
                .as_ref()
                .is_some_and(|(list, _)| Arc::ptr_eq(list, &record.headers.shared))
            {
                let list = record.headers.shared.clone();
                let bytes = list
                    .iter()
                    .map(|(name, datum)| encode_header(&*converters.header, record, name, datum))
                    .collect::<Result<_, _>>()?;
                *shared = Some((list, bytes));
            }
            headers.extend(shared.iter().flat_map(|(_, bytes)| bytes.iter().cloned()));
        }
        Ok(Outgoing {
            topic: &record.topic,
            partition: record.partition,
            timestamp_ms: record.timestamp_ms,
            key: has_key.then_some(key.as_slice()),
            value: has_value.then_some(value.as_slice()),
            headers,
        })
    }

    /// Decodes what Kafka delivered: key, value and headers.
    ///
    /// # Errors
    /// See [`Failed`].
    pub fn decode(&self, topic: &Arc<str>, partition: i32, raw: &RawRecord) -> Result<Record, Failed> {
        let headers = Headers::own(
            raw.headers
                .iter()
                .map(|(name, bytes)| {
                    let datum = self
                        .converters
                        .header
                        .decode(name, bytes.clone(), &Headers::default());
                    Ok((
                        name.clone(),
                        datum.map_err(|failure| failed(Stage::HeaderConverter, failure))?,
                    ))
                })
                .collect::<Result<_, Failed>>()?,
        );
        let decode = |converter: &dyn AnyConverter, stage, bytes| {
            converter
                .decode(topic, bytes, &headers)
                .map_err(|failure| failed(stage, failure))
        };
        let key = decode(&*self.converters.key, Stage::KeyConverter, raw.key.clone())?;
        let value = decode(&*self.converters.value, Stage::ValueConverter, raw.value.clone())?;
        Ok(Record {
            topic: topic.clone(),
            partition: Some(partition),
            timestamp_ms: raw.timestamp_ms,
            key,
            value,
            headers,
        })
    }

    /// Whether there is a transform.
    pub fn has_transforms(&self) -> bool {
        !self.transforms.is_empty()
    }
}

/// The identity the engine gives a delivered record.
pub fn record_id(raw: &RawRecord) -> RecordId {
    RecordId::new(raw.offset)
}

fn convert(
    converter: &dyn AnyConverter,
    stage: Stage,
    record: &Record,
    datum: &Datum,
    headers: &mut Headers,
    out: &mut Vec<u8>,
) -> Result<bool, Failed> {
    match converter.encode(&record.topic, datum, headers, out) {
        Ok(payload) => Ok(payload == Payload::Bytes),
        Err(failure) => Err(failed(stage, failure)),
    }
}

fn encode_header(
    converter: &dyn AnyConverter,
    record: &Record,
    name: &Arc<str>,
    datum: &Datum,
) -> Result<EncodedHeader, Failed> {
    let mut bytes = Vec::new();
    match converter.encode(&record.topic, datum, &mut Headers::default(), &mut bytes) {
        Ok(Payload::Bytes) => Ok((name.clone(), Some(bytes))),
        Ok(Payload::Null) => Ok((name.clone(), None)),
        Err(failure) => Err(failed(Stage::HeaderConverter, failure)),
    }
}

fn failed(stage: Stage, failure: Failure) -> Failed {
    Failed {
        stage,
        part: stage.name().into(),
        failure,
    }
}
