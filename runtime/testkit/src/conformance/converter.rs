//! The suite of converters, and the engine's side of one: what a call misses is fetched, and the call repeated.

use std::any::Any;
use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rowtide_api::convert::{Failure, Missing, Payload};
use rowtide_api::erased::AnyConverter;
use rowtide_api::{Blob, Datum, Error, Headers};

use super::{in_time, whole};

/// Random data per property; each may cost a request to a registry.
const CASES: u32 = 150;

/// Random payloads for the decoder, which costs nothing.
const PAYLOADS: u32 = 2000;

/// A converter, another one that has seen nothing of what the first did, and what both need to live.
pub struct Opened {
    /// The converter.
    pub converter: Arc<dyn AnyConverter>,
    /// Another one of the same settings: another worker's.
    pub other: Arc<dyn AnyConverter>,
    /// A registry, for one, that ends when this is dropped.
    pub keeps: Box<dyn Any + Send + Sync>,
}

/// A format, as its suite needs it.
pub trait Format: 'static {
    /// Two converters.
    fn open() -> impl Future<Output = Opened> + Send;

    /// Random data within what the format can carry.
    fn data() -> BoxedStrategy<Datum>;
}

/// A format whose converters fetch schemas. Ids begin at 1 and are given in order.
pub trait Registered: Format {
    /// A payload under a schema that nobody has registered.
    fn payload_of_an_unknown_schema() -> Vec<u8>;
}

/// Encodes as the engine does.
///
/// # Errors
/// Those of the converter, [`Failure::Missing`] excepted.
pub async fn encoded(
    converter: &dyn AnyConverter,
    topic: &str,
    datum: &Datum,
    headers: &mut Headers,
) -> Result<Option<Blob>, Failure> {
    // What is there already stays: the engine lays records side by side.
    let mut out = b"before".to_vec();
    let payload = loop {
        match converter.encode(topic, datum, headers, &mut out) {
            Err(Failure::Missing(missing)) => {
                assert_eq!(
                    out, b"before",
                    "a call that misses something leaves its buffer alone"
                );
                fetched(converter, missing).await.map_err(Failure::Task)?;
            }
            done => break done?,
        }
    };
    let body = out.strip_prefix(b"before").expect("a converter appends");
    Ok(match payload {
        Payload::Null => {
            assert!(body.is_empty(), "Kafka's null has no bytes");
            None
        }
        Payload::Bytes => Some(Blob::copy(body)),
    })
}

/// Decodes as the engine does.
///
/// # Errors
/// Those of the converter, [`Failure::Missing`] excepted.
pub async fn decoded(
    converter: &dyn AnyConverter,
    topic: &str,
    payload: Option<Blob>,
    headers: &Headers,
) -> Result<Datum, Failure> {
    loop {
        match converter.decode(topic, payload.clone(), headers) {
            Err(Failure::Missing(missing)) => {
                fetched(converter, missing).await.map_err(Failure::Task)?;
            }
            done => return done,
        }
    }
}

async fn fetched(converter: &dyn AnyConverter, missing: Missing) -> Result<(), Error> {
    in_time("fetching a schema", converter.fetch(missing)).await
}

fn right<T>(result: Result<T, Failure>) -> T {
    match result {
        Ok(value) => value,
        Err(Failure::Task(error)) => panic!("{}", whole(&error)),
        Err(failure) => panic!("{failure:?}"),
    }
}

/// Runs a property on the runtime that carries it; the message of a failure holds the smallest case.
fn for_all<T: Debug>(cases: u32, strategy: &BoxedStrategy<T>, property: impl Fn(u32, T)) {
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    });
    let count = std::cell::Cell::new(0);
    let result = runner.run(strategy, |input| {
        count.set(count.get() + 1);
        property(count.get(), input);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// Blocks on a step of a property, which cannot be asynchronous.
fn step<T>(future: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(future))
}

/// What one worker writes, it and another one read back as it was.
///
/// # Panics
/// With the smallest datum that comes back changed.
pub async fn what_is_written_is_read_back<F: Format>() {
    let opened = F::open().await;
    for_all(CASES, &F::data(), |case, datum| {
        // A topic of its own: the schemas of one topic have to be compatible.
        let topic = format!("t{case}");
        let mut headers = Headers::default();
        let payload = right(step(encoded(&*opened.converter, &topic, &datum, &mut headers)));
        for converter in [&opened.converter, &opened.other] {
            let read = right(step(decoded(&**converter, &topic, payload.clone(), &headers)));
            match datum.is_null() {
                true => assert!(read.is_null(), "{read:?}"),
                false => assert_eq!(read, datum),
            }
        }
    });
}

/// A tombstone is Kafka's null, both ways.
///
/// # Panics
/// When it becomes bytes, or something else than null.
pub async fn a_tombstone_is_kafkas_null<F: Format>() {
    let opened = F::open().await;
    let mut headers = Headers::default();
    let payload = right(encoded(&*opened.converter, "t", &Datum::NULL, &mut headers).await);
    assert_eq!(payload, None);
    let read = right(decoded(&*opened.converter, "t", None, &headers).await);
    assert!(read.is_null(), "{read:?}");
}

/// Headers that the converter does not know stay where they are, and change nothing.
///
/// # Panics
/// When one goes, or matters.
pub async fn foreign_headers_stay_and_do_not_matter<F: Format>() {
    let opened = F::open().await;
    for_all(CASES / 5, &F::data(), |case, datum| {
        let topic = format!("t{case}");
        let mut headers = Headers::own(vec![
            ("foreign".into(), Datum::text("x")),
            ("content-type".into(), Datum::text("text/plain")),
            ("foreign".into(), Datum::NULL),
        ]);
        let before: Vec<_> = headers.own.clone();
        let payload = right(step(encoded(&*opened.converter, &topic, &datum, &mut headers)));
        assert!(headers.own.starts_with(&before), "{headers:?}");
        let with = right(step(decoded(&*opened.other, &topic, payload.clone(), &headers)));
        // Those that the converter added itself are a help, not a need.
        let without = right(step(decoded(
            &*opened.converter,
            &topic,
            payload,
            &Headers::default(),
        )));
        assert_eq!(with, without);
    });
}

/// Whatever the bytes, there is a datum or an error of the record (or a schema to fetch): no panic, and no error that stops
/// the task.
///
/// # Panics
/// When the decoder does.
pub async fn garbage_is_an_error_of_the_record<F: Format>() {
    let opened = F::open().await;
    let harmless = |bytes: Vec<u8>, topic: &str| match opened.converter.decode(
        topic,
        Some(Blob::from(bytes)),
        &Headers::default(),
    ) {
        Ok(_) | Err(Failure::Missing(_)) => {}
        Err(Failure::Record(error)) => assert!(!error.reason.is_empty()),
        Err(Failure::Task(error)) => panic!("bytes stop the task: {}", whole(&error)),
    };
    let random = proptest::collection::vec(any::<u8>(), 0..120).boxed();
    for_all(PAYLOADS, &random, |_, bytes| harmless(bytes, "t"));
    // One byte of a good payload changed, and every good payload cut short.
    let damage = (F::data(), any::<proptest::sample::Index>(), any::<u8>()).boxed();
    for_all(CASES / 3, &damage, |case, (datum, at, byte)| {
        let topic = format!("t{case}");
        let payload = right(step(encoded(
            &*opened.converter,
            &topic,
            &datum,
            &mut Headers::default(),
        )));
        let Some(payload) = payload.filter(|payload| !payload.is_empty()) else {
            return;
        };
        right(step(decoded(
            &*opened.converter,
            &topic,
            Some(payload.clone()),
            &Headers::default(),
        )));
        for end in 0..payload.len().min(64) {
            harmless(payload[..end].to_vec(), &topic);
        }
        let mut damaged = payload.to_vec();
        let at = at.index(damaged.len());
        damaged[at] = byte;
        harmless(damaged, &topic);
    });
}

/// What a converter does not hold yet it says, fetches, and holds from then on; an id that nobody knows is waited for.
///
/// # Panics
/// When a call does I/O of its own, or an outage becomes the record's fault.
pub async fn what_is_missing_is_fetched_once<F: Registered>() {
    let opened = F::open().await;
    for_all(CASES / 5, &F::data(), |case, datum| {
        if datum.is_null() {
            return;
        }
        let topic = format!("t{case}");
        let (converter, other) = (&*opened.converter, &*opened.other);
        let encode = || converter.encode(&topic, &datum, &mut Headers::default(), &mut Vec::new());
        let first = encode();
        let Err(Failure::Missing(missing @ Missing::ToWrite { .. })) = first else {
            panic!("{first:?}");
        };
        step(fetched(converter, missing)).expect("the registry answers");
        right(encode());
        let payload = right(step(encoded(converter, &topic, &datum, &mut Headers::default())));
        let decode = || other.decode(&topic, payload.clone(), &Headers::default());
        // Another topic may have had the same schema, and with it the id.
        if let Err(Failure::Missing(missing)) = decode() {
            assert!(matches!(missing, Missing::ToRead { .. }), "{missing:?}");
            step(fetched(other, missing)).expect("the registry answers");
        }
        assert_eq!(right(decode()), datum);
    });
    let unknown = Blob::from(F::payload_of_an_unknown_schema());
    let result = opened.other.decode("t", Some(unknown), &Headers::default());
    let Err(Failure::Missing(missing)) = result else {
        panic!("{result:?}")
    };
    let error = fetched(&*opened.other, missing)
        .await
        .expect_err("nobody knows it");
    assert!(
        error.is_retriable(),
        "it may have been registered a moment ago: {}",
        whole(&error)
    );
}

/// Makes one test per promise of a converter. `registered` adds that of [`Registered`].
///
/// ```ignore
/// rowtide_testkit::conformance::converter!(avro: Avro, registered);
/// ```
#[macro_export]
macro_rules! conformance_converter {
    ($name:ident: $format:ty $(, $more:ident)*) => {
        mod $name {
            #[allow(unused_imports, reason = "a format's path may be absolute")]
            use super::*;

            $crate::conformance_converter!(@tests $format:
                what_is_written_is_read_back
                a_tombstone_is_kafkas_null
                foreign_headers_stay_and_do_not_matter
                garbage_is_an_error_of_the_record
            );
            $($crate::conformance_converter!(@$more $format);)*
        }
    };
    (@registered $format:ty) => {
        $crate::conformance_converter!(@tests $format: what_is_missing_is_fetched_once);
    };
    (@tests $format:ty: $($test:ident)+) => {$(
        #[test]
        fn $test() {
            $crate::conformance::run($crate::conformance::converter::$test::<$format>());
        }
    )+};
}
