//! Tests: the converter around a registry in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use rowtide_api::convert::{Converter, Failure, Missing, Payload};
use rowtide_api::data::{Kind, Schema};
use rowtide_api::{Blob, Datum, Error, Headers, RecordError, Struct, Value};

use super::converter::{Codec, Settings};
use super::fixtures::{change, envelope, reader_options, row, writer_options};
use super::ids::{Known, SchemaIds};
use super::subject::{Side, Strategy};

/// A registry in memory: `fetch_id` gives the next id.
#[derive(Default)]
pub(super) struct Memory {
    ids: Mutex<HashMap<(String, String), i32>>,
    texts: Mutex<HashMap<i32, Known>>,
    requests: Mutex<Vec<String>>,
}

impl Memory {
    pub(super) fn put(&self, id: i32, text: &str) {
        let known = Known::Schema {
            text: text.into(),
            references: Vec::new(),
        };
        self.texts.lock().unwrap().insert(id, known);
    }
}

impl SchemaIds for Arc<Memory> {
    fn id_of(&self, subject: &str, text: &str) -> Option<i32> {
        self.ids
            .lock()
            .unwrap()
            .get(&(subject.to_owned(), text.to_owned()))
            .copied()
    }

    fn schema_of(&self, id: i32) -> Known {
        self.texts
            .lock()
            .unwrap()
            .get(&id)
            .cloned()
            .unwrap_or(Known::Nothing)
    }

    async fn fetch_id(&self, subject: &str, text: &str, register: bool) -> Result<(), Error> {
        self.requests
            .lock()
            .unwrap()
            .push(format!("{subject} {register}"));
        let mut ids = self.ids.lock().unwrap();
        let id = ids.len() as i32 + 1;
        ids.insert((subject.to_owned(), text.to_owned()), id);
        self.put(id, text);
        Ok(())
    }

    async fn fetch_schema(&self, id: i32) -> Result<(), Error> {
        self.texts
            .lock()
            .unwrap()
            .insert(id, Known::Absent(format!("no schema {id}").into()));
        Ok(())
    }
}

pub(super) fn settings() -> Settings {
    Settings {
        writer: writer_options(),
        reader: reader_options(),
        strategy: Strategy::Topic,
        register: true,
        trailing_bytes: false,
        record_bytes_max: 1 << 20,
        fingerprints: false,
    }
}

fn codec(change: impl FnOnce(&mut Settings)) -> (Codec<Arc<Memory>>, Arc<Memory>) {
    let registry = Arc::new(Memory::default());
    let mut settings = settings();
    change(&mut settings);
    (Codec::new(Side::Value, settings, registry.clone()), registry)
}

/// Polls a future that never waits.
fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("the fake registry does not wait"),
    }
}

pub(super) fn encode(
    codec: &Codec<Arc<Memory>>,
    topic: &str,
    datum: &Datum,
) -> Result<(Vec<u8>, Headers), Failure> {
    let (mut out, mut headers) = (b"kept".to_vec(), Headers::default());
    loop {
        match codec.encode(topic, datum, &mut headers, &mut out) {
            Ok(Payload::Bytes) => return Ok((out.split_off(4), headers)),
            Ok(Payload::Null) => return Ok((Vec::new(), headers)),
            Err(Failure::Missing(missing)) => {
                assert_eq!(out, b"kept");
                ready(codec.fetch(missing)).unwrap();
            }
            Err(error) => {
                assert_eq!(out, b"kept", "a failed call leaves the buffer as it was");
                return Err(error);
            }
        }
    }
}

fn decode(codec: &Codec<Arc<Memory>>, bytes: &[u8], headers: &Headers) -> Result<Datum, Failure> {
    codec.decode("t", Some(Blob::copy(bytes)), headers)
}

fn record_error(result: Result<impl std::fmt::Debug, Failure>) -> RecordError {
    match result {
        Err(Failure::Record(error)) => error,
        other => panic!("expected a record error, got {other:?}"),
    }
}

fn sample() -> Datum {
    let after = Struct::new(
        row(),
        [
            Value::Int32(7),
            Value::from("x"),
            Value::Null,
            Value::Null,
            Value::from("z"),
            Value::Absent,
        ],
    );
    Datum::of(change(&envelope(&row()), after))
}

/// AV-001, AV-010, AV-016: the id is fetched once, then known for each topic.
#[test]
fn a_missing_id_is_fetched_once_and_put_in_front() {
    let (codec, registry) = codec(|_| {});
    let schema = Schema::of(Kind::Int32).build();
    let datum = Datum::new(schema.clone(), Value::Int32(1));
    assert!(matches!(
        codec.encode("t", &datum, &mut Headers::default(), &mut Vec::new()),
        Err(Failure::Missing(Missing::ToWrite { topic, schema: missing })) if &*topic == "t" && missing == schema
    ));
    for _ in 0..3 {
        assert_eq!(encode(&codec, "t", &datum).unwrap().0, [0, 0, 0, 0, 1, 2]);
        assert_eq!(encode(&codec, "u", &datum).unwrap().0, [0, 0, 0, 0, 2, 2]);
    }
    // An equal schema built elsewhere shares the plan.
    let other = Datum::new(Schema::of(Kind::Int32).build(), Value::Int32(1));
    assert_eq!(encode(&codec, "t", &other).unwrap().0, [0, 0, 0, 0, 1, 2]);
    assert_eq!(
        *registry.requests.lock().unwrap(),
        ["t-value true", "u-value true"]
    );
    assert_eq!(
        decode(&codec, &[0, 0, 0, 0, 1, 2], &Headers::default()).unwrap(),
        datum
    );
}

/// AV-002.
#[test]
fn null_is_null_in_and_out_with_or_without_a_schema() {
    let (codec, registry) = codec(|_| {});
    for datum in [Datum::NULL, Datum::new(Schema::optional_text(), Value::Null)] {
        let payload = codec.encode("t", &datum, &mut Headers::default(), &mut Vec::new());
        assert!(matches!(payload, Ok(Payload::Null)));
    }
    assert!(registry.requests.lock().unwrap().is_empty());
    assert_eq!(codec.decode("t", None, &Headers::default()).unwrap(), Datum::NULL);
}

#[test]
fn a_value_without_a_schema_is_refused_with_the_remedy() {
    let (codec, _) = codec(|_| {});
    let error = record_error(encode(&codec, "t", &Datum::schemaless(Value::Int64(1))));
    assert!(error.reason.contains("JsonConverter"), "{error}");
}

/// AV-129: unknown for certain is a record error; unknown so far is fetched.
#[test]
fn an_id_that_the_registry_does_not_have_is_a_record_error() {
    let (codec, registry) = codec(|_| {});
    let bytes = [0, 0, 0, 0, 9, 2];
    let Err(Failure::Missing(missing @ Missing::ToRead { id: 9, .. })) =
        decode(&codec, &bytes, &Headers::default())
    else {
        panic!("nothing is known of id 9 yet");
    };
    ready(codec.fetch(missing)).unwrap();
    assert_eq!(
        &*record_error(decode(&codec, &bytes, &Headers::default())).reason,
        "no schema 9"
    );
    // Once it is there, it is read.
    registry.put(9, r#""int""#);
    assert_eq!(
        decode(&codec, &bytes, &Headers::default()).unwrap().value,
        Value::Int32(1)
    );
}

#[test]
fn a_schema_that_cannot_be_read_names_its_id() {
    let (codec, registry) = codec(|_| {});
    registry.put(
        1,
        r#"{"type":"record","name":"Anything","namespace":"io.confluent.connect.avro","fields":[]}"#,
    );
    registry.put(2, r#""null""#);
    registry.put(3, "{");
    for id in [1, 2, 3] {
        let error = record_error(decode(&codec, &[0, 0, 0, 0, id], &Headers::default()));
        assert!(error.reason.contains(&format!("schema {id} ")), "{error}");
    }
}

/// AV-050.
#[test]
fn a_payload_beyond_the_limit_is_refused_before_it_is_read() {
    let (codec, _) = codec(|settings| settings.record_bytes_max = 8);
    let error = record_error(decode(&codec, &[0; 9], &Headers::default()));
    assert!(error.reason.contains("max.record.bytes=8"), "{error}");
}

/// AV-134, RS-164: a registry that gives an id to another schema is found out.
#[test]
fn a_reused_id_fails_the_task() {
    let (codec, registry) = codec(|settings| settings.fingerprints = true);
    let (bytes, headers) = encode(&codec, "t", &sample()).unwrap();
    let written = headers
        .last("rowtide.schema.fingerprint")
        .and_then(|datum| datum.value.as_str())
        .unwrap();
    assert_eq!(written.len(), 16);
    assert!(decode(&codec, &bytes, &headers).is_ok());
    assert!(decode(&codec, &bytes, &Headers::default()).is_ok());
    let fresh = Codec::new(
        Side::Value,
        Settings {
            fingerprints: true,
            ..settings()
        },
        registry.clone(),
    );
    registry.put(1, r#""string""#);
    match decode(&fresh, &bytes, &headers) {
        Err(Failure::Task(error)) => {
            assert!(
                !error.is_retriable() && error.context().contains("schema id 1"),
                "{error}"
            );
        }
        other => panic!("{other:?}"),
    }
}

/// AV-016: nothing is registered then; AV-010: a subject by record name.
#[test]
fn lookup_only_and_record_subjects_reach_the_registry() {
    let (codec, registry) = codec(|settings| {
        settings.register = false;
        settings.strategy = Strategy::Record;
    });
    encode(&codec, "t", &sample()).unwrap();
    assert_eq!(*registry.requests.lock().unwrap(), ["p.public.t.Envelope false"]);
    let plain = Datum::text("x");
    match codec.encode("t", &plain, &mut Headers::default(), &mut Vec::new()) {
        Err(Failure::Record(error)) => {
            assert!(error.reason.contains("value.subject.name.strategy"), "{error}")
        }
        other => panic!("{other:?}"),
    }
}

/// AV-033: null, absent, default and empty, written and read again. What was never set comes back as what it reads as.
#[test]
fn null_absent_default_and_empty_come_back() {
    let schema = Schema::structure([
        (
            "a",
            Schema::of(Kind::Int32)
                .optional()
                .default(Value::Int32(5))
                .build(),
        ),
        ("b", Schema::optional_text()),
        ("c", Schema::of(Kind::Int32).default(Value::Int32(7)).build()),
        ("d", Schema::of(Kind::Bytes).optional().build()),
        ("e", Schema::of(Kind::Array(Schema::text())).optional().build()),
    ])
    .name("p.public.t.Value")
    .build();
    let null = |a: Value, c: i32| [a, Value::Null, Value::Int32(c), Value::Null, Value::Null];
    let absent = || {
        [
            Value::Absent,
            Value::Absent,
            Value::Absent,
            Value::Absent,
            Value::Absent,
        ]
    };
    let empty = || {
        [
            Value::Int32(0),
            Value::from(""),
            Value::Int32(0),
            Value::Bytes(Blob::EMPTY),
            Value::Array([].into()),
        ]
    };
    for (absent_is_null, values, expected) in [
        (false, null(Value::Null, 1), null(Value::Null, 1)),
        (false, absent(), null(Value::Int32(5), 7)),
        (true, absent(), null(Value::Null, 7)),
        (false, empty(), empty()),
    ] {
        let (codec, _) = codec(|settings| settings.writer.absent_is_null = absent_is_null);
        let datum = Datum::of(Struct::new(schema.clone(), values));
        let (bytes, headers) = encode(&codec, "t", &datum).unwrap();
        let back = decode(&codec, &bytes, &headers).unwrap();
        assert_eq!(
            *back.value.as_struct().unwrap().fields,
            expected,
            "{absent_is_null}"
        );
    }
}

/// AV-160: golden bytes of a change: prefix, union branches, the default of `snapshot`, numbers in zig-zag.
#[test]
fn a_change_has_the_bytes_of_the_java_converter() {
    let (codec, _) = codec(|_| {});
    let (bytes, _) = encode(&codec, "t", &sample()).unwrap();
    let mut expected = vec![0, 0, 0, 0, 1];
    expected.push(0); // before: null
    expected.extend([2, 14, 2, 2, b'x', 0, 0, 2, b'z', 0, 6]); // after; level is absent, so 3
    for text in ["3.6.1.Final", "postgresql", "p"] {
        expected.push(text.len() as u8 * 2);
        expected.extend(text.as_bytes());
    }
    let long = |number: i64, branch: bool, expected: &mut Vec<u8>| {
        if branch {
            expected.push(2);
        }
        let mut rest = (number * 2) as u64;
        while rest >= 0x80 {
            expected.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        expected.push(rest as u8);
    };
    long(1_700_000_000_123, false, &mut expected);
    expected.extend(b"\x00\x0afalse\x06app\x02\x2e[\"24023000\",\"24023128\"]");
    long(1_700_000_000_123_456, true, &mut expected);
    long(1_700_000_000_123_456_000, true, &mut expected);
    expected.extend(b"\x0cpublic\x02t");
    long(555, true, &mut expected);
    long(24_023_128, true, &mut expected);
    expected.extend(b"\0\0\0\0\x02c");
    long(1_700_000_000_400, true, &mut expected);
    long(1_700_000_000_400_111, true, &mut expected);
    long(1_700_000_000_400_111_222, true, &mut expected);
    assert_eq!(bytes, expected);
}
