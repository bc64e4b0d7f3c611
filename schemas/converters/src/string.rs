//! Converters to and from text: `StringConverter` and `SimpleHeaderConverter` (CN-335).

use rowtide_api::config::{Config, Definition, Key, Reader};
use rowtide_api::convert::{Failure, Payload, Serves};
use rowtide_api::data::Kind;
use rowtide_api::{Blob, Datum, RecordError, Schema, Text, Value};

use crate::inferred::infer;
use crate::stateless::{Format, Stateless};
use crate::text::{Form, write};

/// What the names of Rowtide's own headers begin with.
const OWN: &str = "rowtide.";

const TYPE: Key<String> = Key::new(
    "converter.type",
    "Which part of a record is converted; the engine sets it.",
)
.default("value");
const ENCODING: Key<String> = Key::new("converter.encoding", "The character set of the text.")
    .default("UTF-8")
    .recommended(&["UTF-8"])
    .validator(|text| match text {
        text if text.eq_ignore_ascii_case("utf-8") || text.eq_ignore_ascii_case("utf8") => Ok(()),
        _ => Err("only UTF-8 is built; let the other side write and read UTF-8".to_owned()),
    });

/// Settings of a converter that has none of its own.
#[derive(Debug)]
pub struct TypeOnly;

impl Config for TypeOnly {
    fn definitions() -> Vec<&'static Definition> {
        vec![TYPE.definition()]
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.get(&TYPE).map(|_| Self)
    }
}

/// Settings of [`StringConverter`].
#[derive(Debug)]
pub struct StringSettings;

impl Config for StringSettings {
    fn definitions() -> Vec<&'static Definition> {
        vec![ENCODING.definition(), TYPE.definition()]
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (encoding, kind) = (reader.get(&ENCODING), reader.get(&TYPE));
        encoding.and(kind).map(|_| Self)
    }
}

/// Writes any value's Java text; reads text as an optional string.
pub type StringConverter = Stateless<JavaText>;

/// The form of [`StringConverter`].
#[derive(Debug, Default)]
pub struct JavaText;

impl Format for JavaText {
    const CLASS: &'static str = "org.apache.kafka.connect.storage.StringConverter";
    type Settings = StringSettings;

    fn encode(datum: &Datum, out: &mut Vec<u8>) -> Result<Payload, Failure> {
        encode(Form::Java, datum, out)
    }

    fn decode(_topic: &str, payload: Option<Blob>) -> Result<Datum, Failure> {
        let value = match payload {
            None => Value::Null,
            Some(payload) => Value::Text(text(payload)?),
        };
        Ok(Datum::new(Schema::optional_text(), value))
    }
}

/// Writes headers as text, structs and lists in a form like JSON's; reads numbers, lists and the like out of the text, as
/// Connect's does, and what is not UTF-8 as bytes.
///
/// Rowtide's own headers are texts, whatever they look like: a column may be called `true`.
pub type SimpleHeaderConverter = Stateless<HeaderText>;

/// The form of [`SimpleHeaderConverter`].
#[derive(Debug, Default)]
pub struct HeaderText;

impl Format for HeaderText {
    const CLASS: &'static str = "org.apache.kafka.connect.storage.SimpleHeaderConverter";
    const SERVES: Serves = Serves::Headers;
    type Settings = TypeOnly;

    fn encode(datum: &Datum, out: &mut Vec<u8>) -> Result<Payload, Failure> {
        encode(Form::Header, datum, out)
    }

    fn decode(name: &str, payload: Option<Blob>) -> Result<Datum, Failure> {
        let Some(payload) = payload else {
            return Ok(Datum::NULL);
        };
        // A schema id in a header, for one, is bytes.
        let Ok(text) = Text::checked(payload.clone()) else {
            return Ok(Datum::new(Schema::of(Kind::Bytes).build(), Value::Bytes(payload)));
        };
        let inferred = if name.starts_with(OWN) { None } else { infer(&text) };
        Ok(inferred.unwrap_or_else(|| Datum::new(Schema::text(), Value::Text(text))))
    }
}

fn encode(form: Form, datum: &Datum, out: &mut Vec<u8>) -> Result<Payload, Failure> {
    match &datum.value {
        Value::Null | Value::Absent => return Ok(Payload::Null),
        Value::Text(text) => out.extend_from_slice(text.as_bytes()),
        value => {
            let mut text = String::new();
            write(form, datum.schema.as_deref(), value, &mut text)?;
            out.extend_from_slice(text.as_bytes());
        }
    }
    Ok(Payload::Bytes)
}

fn text(payload: Blob) -> Result<Text, RecordError> {
    Text::checked(payload).map_err(|_| {
        RecordError::new(
            "the payload is not UTF-8 text: choose the converter that the producer wrote it with",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rowtide_api::Headers;
    use rowtide_api::Struct;
    use rowtide_api::convert::Converter;

    fn written(converter: &impl Converter, datum: &Datum) -> String {
        let mut out = Vec::new();
        match converter.encode("t", datum, &mut Headers::default(), &mut out) {
            Ok(Payload::Bytes) => String::from_utf8(out).unwrap(),
            Ok(Payload::Null) => "no payload".into(),
            Err(error) => format!("{error:?}"),
        }
    }

    fn row() -> Datum {
        let amount = Schema::of(Kind::Bytes)
            .name("org.apache.kafka.connect.data.Decimal")
            .parameter("scale", "2")
            .build();
        let schema = Schema::structure([
            ("id", Schema::of(Kind::Int32).build()),
            ("name", Schema::optional_text()),
            ("note", Schema::optional_text()),
            ("amt", amount),
            ("tags", Schema::of(Kind::Array(Schema::text())).build()),
        ])
        .build();
        Datum::of(Struct::new(
            schema,
            [
                Value::Int32(7),
                Value::from("a \"b\" \\"),
                Value::Null,
                Value::Bytes(Blob::copy(&[1, 0xf4])),
                Value::Array(Box::new([Value::from("x"), Value::from("y")])),
            ],
        ))
    }

    /// CN-335: the text form of any value.
    #[test]
    fn a_string_converter_writes_what_java_prints() {
        assert_eq!(
            written(&StringConverter::default(), &row()),
            r#"Struct{id=7,name=a "b" \,amt=5.00,tags=[x, y]}"#
        );
        assert_eq!(written(&StringConverter::default(), &Datum::text("x")), "x");
        assert_eq!(written(&StringConverter::default(), &Datum::NULL), "no payload");
        assert_eq!(
            written(
                &StringConverter::default(),
                &Datum::schemaless(Value::Float64(1e7))
            ),
            "1.0E7"
        );
        assert!(
            written(
                &StringConverter::default(),
                &Datum::schemaless(Value::Bytes(Blob::EMPTY))
            )
            .contains("ByteArrayConverter")
        );
        let read = StringConverter::default()
            .decode("t", Some(Blob::copy("ä".as_bytes())), &Headers::default())
            .unwrap();
        assert_eq!(read, Datum::new(Schema::optional_text(), Value::from("ä")));
        assert!(
            StringConverter::default()
                .decode("t", Some(Blob::copy(b"\xff")), &Headers::default())
                .is_err()
        );
    }

    /// PG-079.
    #[test]
    fn a_struct_in_a_header_looks_like_json() {
        assert_eq!(
            written(&SimpleHeaderConverter::default(), &row()),
            r#"{"id":7,"name":"a \"b\" \\","note":null,"amt":5.00,"tags":["x","y"]}"#
        );
        assert_eq!(written(&SimpleHeaderConverter::default(), &Datum::text("p")), "p");
        let header =
            |kind, name: &str, value| Datum::new(Schema::of(kind).name(name).version(1).build(), value);
        for (datum, expected) in [
            (
                header(
                    Kind::Int32,
                    "org.apache.kafka.connect.data.Date",
                    Value::Int32(17_109),
                ),
                "2016-11-04",
            ),
            (
                header(
                    Kind::Int32,
                    "org.apache.kafka.connect.data.Time",
                    Value::Int32(14_706_789),
                ),
                "04:05:06.789Z",
            ),
            (
                header(
                    Kind::Int64,
                    "org.apache.kafka.connect.data.Timestamp",
                    Value::Int64(1_478_267_490_123),
                ),
                "2016-11-04T13:51:30.123Z",
            ),
            (
                header(Kind::Int32, "io.debezium.time.Date", Value::Int32(17_109)),
                "17109",
            ),
        ] {
            assert_eq!(written(&SimpleHeaderConverter::default(), &datum), expected);
        }
    }

    /// CN-335, PG-077: the value a header stands for; Rowtide's own headers are texts.
    #[test]
    fn headers_are_read_by_inference() {
        let read = |name: &str, bytes: &[u8]| {
            SimpleHeaderConverter::default()
                .decode(name, Some(Blob::copy(bytes)), &Headers::default())
                .unwrap()
        };
        assert_eq!(
            read("__source_lsn", b"24023128"),
            Datum::new(Schema::of(Kind::Int32).build(), Value::Int32(24_023_128))
        );
        assert_eq!(read("__op", b"u"), Datum::text("u"));
        assert_eq!(read("x", b"null"), Datum::NULL);
        assert_eq!(read("x", b""), Datum::text(""));
        assert_eq!(
            read("rowtide.id", b"7/1/24023128/3"),
            Datum::text("7/1/24023128/3")
        );
        for names in ["true", "1", "null", "2016-11-04"] {
            assert_eq!(read("rowtide.unavailable", names.as_bytes()), Datum::text(names));
        }
        let id = [0, 0, 0, 0, 0x80];
        assert_eq!(read("id", &id).value, Value::Bytes(Blob::copy(&id)));
        let absent = SimpleHeaderConverter::default().decode("x", None, &Headers::default());
        assert_eq!(absent.unwrap(), Datum::NULL);
    }
}
