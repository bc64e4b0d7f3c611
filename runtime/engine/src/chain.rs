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
}

/// A header as bytes.
type EncodedHeader = (Arc<str>, Option<Vec<u8>>);

/// The buffers a record is encoded into; reused from record to record, those of headers too.
#[derive(Debug, Default)]
struct Encoded {
    key: Vec<u8>,
    value: Vec<u8>,
    /// Headers that converters added.
    added: Headers,
    /// The record's own headers and the added ones, then the shared ones.
    headers: Vec<EncodedHeader>,
    /// How many of them are not shared.
    own: usize,
    /// The shared ones that stand there: they are the same list for every record of a task, and encoded once.
    shared: Option<Arc<[Header]>>,
}

impl Chain {
    /// A chain of these parts.
    pub fn new(transforms: Vec<NamedTransform>, converters: Converters) -> Self {
        Self {
            transforms,
            converters,
            error_log: ErrorLog::Off,
            encoded: Encoded::default(),
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
            converters, encoded, ..
        } = self;
        encoded.key.clear();
        encoded.value.clear();
        encoded.added.own.clear();
        let mut part = |converter: &Arc<dyn AnyConverter>, stage, datum, out| {
            convert(&**converter, stage, record, datum, &mut encoded.added, out)
        };
        let has_key = part(
            &converters.key,
            Stage::KeyConverter,
            &record.key,
            &mut encoded.key,
        )?;
        let has_value = part(
            &converters.value,
            Stage::ValueConverter,
            &record.value,
            &mut encoded.value,
        )?;
        if let Err(failed) = encoded.encode_headers(&*converters.header, record) {
            encoded.forget_headers();
            return Err(failed);
        }
        Ok(Outgoing {
            topic: &record.topic,
            partition: record.partition,
            timestamp_ms: record.timestamp_ms,
            key: has_key.then_some(encoded.key.as_slice()),
            value: has_value.then_some(encoded.value.as_slice()),
            headers: &encoded.headers,
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

impl Encoded {
    fn encode_headers(&mut self, converter: &dyn AnyConverter, record: &Record) -> Result<(), Failed> {
        let shared = &record.headers.shared;
        let own = record.headers.own.len() + self.added.own.len();
        let same = self.shared.as_ref().is_some_and(|last| Arc::ptr_eq(last, shared));
        if own != self.own || !same {
            self.forget_headers();
        }
        for (at, (name, datum)) in record.headers.own.iter().chain(&self.added.own).enumerate() {
            match self.headers.get_mut(at) {
                Some(place) => encode_header(converter, record, name, datum, place)?,
                None => self.headers.push(new_header(converter, record, name, datum)?),
            }
        }
        self.own = own;
        if self.shared.is_none() {
            for (name, datum) in shared.iter() {
                self.headers.push(new_header(converter, record, name, datum)?);
            }
            self.shared = Some(shared.clone());
        }
        Ok(())
    }

    fn forget_headers(&mut self) {
        self.headers.clear();
        self.own = 0;
        self.shared = None;
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

/// Encodes a header over the one that stands in its place.
fn encode_header(
    converter: &dyn AnyConverter,
    record: &Record,
    name: &Arc<str>,
    datum: &Datum,
    place: &mut EncodedHeader,
) -> Result<(), Failed> {
    if !Arc::ptr_eq(&place.0, name) {
        place.0 = name.clone();
    }
    let bytes = place.1.get_or_insert_default();
    bytes.clear();
    match converter.encode(&record.topic, datum, &mut Headers::default(), bytes) {
        Ok(Payload::Bytes) => {}
        Ok(Payload::Null) => place.1 = None,
        Err(failure) => return Err(failed(Stage::HeaderConverter, failure)),
    }
    Ok(())
}

fn new_header(
    converter: &dyn AnyConverter,
    record: &Record,
    name: &Arc<str>,
    datum: &Datum,
) -> Result<EncodedHeader, Failed> {
    let mut header = (name.clone(), None);
    encode_header(converter, record, name, datum, &mut header)?;
    Ok(header)
}

fn failed(stage: Stage, failure: Failure) -> Failed {
    Failed {
        stage,
        part: stage.name().into(),
        failure,
    }
}

#[cfg(test)]
mod tests {
    use rowtide_api::convert::{Converter, Missing};
    use rowtide_api::data::Blob;
    use rowtide_api::{Error, Value};

    use super::*;

    /// Text as it is; of a value it says in a header how long it was.
    struct Plain {
        says_length: bool,
    }

    impl Converter for Plain {
        fn encode(
            &self,
            _topic: &str,
            datum: &Datum,
            headers: &mut Headers,
            out: &mut Vec<u8>,
        ) -> Result<Payload, Failure> {
            let Some(text) = datum.value.as_str() else {
                return Ok(Payload::Null);
            };
            if self.says_length {
                headers.push("length", Datum::text(text.len().to_string()));
            }
            out.extend_from_slice(text.as_bytes());
            Ok(Payload::Bytes)
        }

        fn decode(&self, _: &str, _: Option<Blob>, _: &Headers) -> Result<Datum, Failure> {
            Ok(Datum::NULL)
        }

        async fn fetch(&self, _missing: Missing) -> Result<(), Error> {
            Ok(())
        }
    }

    fn chain() -> Chain {
        let converter = |says_length| Arc::new(Plain { says_length }) as Arc<dyn AnyConverter>;
        let converters = Converters {
            key: converter(false),
            value: converter(true),
            header: converter(false),
        };
        Chain::new(Vec::new(), converters)
    }

    fn encoded(chain: &mut Chain, value: &str, own: &[(&str, Datum)], shared: &Arc<[Header]>) -> String {
        let record = Record {
            topic: "t".into(),
            partition: None,
            timestamp_ms: None,
            key: Datum::NULL,
            value: Datum::text(value),
            headers: Headers {
                own: own
                    .iter()
                    .map(|(name, datum)| ((*name).into(), datum.clone()))
                    .collect(),
                shared: shared.clone(),
            },
        };
        let outgoing = chain.encode(&record).unwrap();
        assert_eq!((outgoing.key, outgoing.value), (None, Some(value.as_bytes())));
        let shown = |(name, bytes): &EncodedHeader| {
            let bytes = bytes.as_deref().map_or("null".into(), String::from_utf8_lossy);
            format!("{name}={bytes}")
        };
        outgoing.headers.iter().map(shown).collect::<Vec<_>>().join(" ")
    }

    /// CN-335: buffers are used again, headers are not.
    #[test]
    fn headers_of_one_record_never_reach_the_next() {
        let mut chain = chain();
        let some: Arc<[Header]> = Arc::new([("c".into(), Datum::text("shared"))]);
        let none: Arc<[Header]> = Arc::new([]);
        let null = Datum::schemaless(Value::Null);
        for (value, own, shared, expected) in [
            (
                "abc",
                vec![("a", Datum::text("long text"))],
                &some,
                "a=long text length=3 c=shared",
            ),
            (
                "ab",
                vec![("a", Datum::text("x"))],
                &some,
                "a=x length=2 c=shared",
            ),
            ("ab", vec![("b", null)], &some, "b=null length=2 c=shared"),
            (
                "a",
                vec![("a", Datum::text("y")), ("b", Datum::text("z"))],
                &some,
                "a=y b=z length=1 c=shared",
            ),
            ("a", vec![], &some, "length=1 c=shared"),
            ("a", vec![], &none, "length=1"),
            ("a", vec![("a", Datum::text("y"))], &some, "a=y length=1 c=shared"),
        ] {
            assert_eq!(encoded(&mut chain, value, &own, shared), expected);
        }
    }
}
