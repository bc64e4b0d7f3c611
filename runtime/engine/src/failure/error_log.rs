//! `errors.log.*`: one line per bad record, with its contents only when somebody asked for them.

use std::fmt::Write as _;

use rowtide_api::RecordError;
use rowtide_api::data::{Datum, Value};

use super::Stage;

/// More of a key or value is cut off: a log line is read, not replayed.
const CONTENT_CHARS_MAX: usize = 2000;

/// What is logged of a bad record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ErrorLog {
    /// Nothing; the task's failure is logged all the same.
    #[default]
    Off,
    /// Its stage and place.
    Places,
    /// Its key and value too.
    Contents,
}

/// Where a bad record was met.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The stage.
    pub stage: Stage,
    /// The transform's alias, or who else.
    pub part: &'a str,
    /// Topic and, for what was read from Kafka, partition and offset.
    pub at: &'a str,
    /// The record's timestamp, milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
}

impl ErrorLog {
    /// From `errors.log.enable` and `errors.log.include.messages`; the second has no meaning without the first.
    pub fn new(enabled: bool, contents: bool) -> Self {
        match (enabled, contents) {
            (false, _) => Self::Off,
            (true, false) => Self::Places,
            (true, true) => Self::Contents,
        }
    }

    /// Whether a record has to be kept for its line.
    pub fn shows_contents(self) -> bool {
        self == Self::Contents
    }

    /// Logs a bad record; `contents` tells key and value, and is asked only when they are to be shown.
    pub fn bad_record(
        self,
        place: Place<'_>,
        error: &RecordError,
        contents: impl FnOnce() -> (String, String),
    ) {
        let Place {
            stage,
            part,
            at,
            timestamp_ms,
        } = place;
        let (stage, class) = (stage.name(), error.java_class);
        match self {
            Self::Off => {}
            Self::Places => {
                tracing::error!(stage, part, class, at, timestamp_ms, %error, "bad record");
            }
            Self::Contents => {
                let (key, value) = contents();
                tracing::error!(stage, part, class, at, timestamp_ms, %error, key, value, "bad record");
            }
        }
    }
}

/// Bytes as a log line shows them: text, or hexadecimal digits.
pub fn bytes_text(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else {
        return "null".into();
    };
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(|c| c.is_control() && !c.is_whitespace()) => cut(text),
        _ => {
            let digits = bytes.iter().take(CONTENT_CHARS_MAX / 2);
            digits.fold("0x".to_owned(), |mut text, byte| {
                // Writing to a String cannot fail.
                let _ = write!(text, "{byte:02x}");
                text
            })
        }
    }
}

/// A value as a log line shows it: `Struct{id=1,name=x}`, as Java prints it.
pub fn datum_text(datum: &Datum) -> String {
    let mut text = String::new();
    write_value(&datum.value, &mut text);
    cut(&text)
}

fn write_value(value: &Value, out: &mut String) {
    // Writing to a String cannot fail.
    let _ = match value {
        Value::Absent | Value::Null => write!(out, "null"),
        Value::Bool(value) => write!(out, "{value}"),
        Value::Int8(value) => write!(out, "{value}"),
        Value::Int16(value) => write!(out, "{value}"),
        Value::Int32(value) => write!(out, "{value}"),
        Value::Int64(value) => write!(out, "{value}"),
        Value::Float32(value) => write!(out, "{value}"),
        Value::Float64(value) => write!(out, "{value}"),
        Value::Text(text) => write!(out, "{}", &**text),
        Value::Bytes(bytes) => write!(out, "{}", bytes_text(Some(bytes))),
        Value::Array(items) => {
            write_list(out, "[", items.iter(), write_value);
            write!(out, "]")
        }
        Value::Map(entries) => {
            write_list(out, "{", entries.iter(), |(key, value), out| {
                write_value(key, out);
                out.push('=');
                write_value(value, out);
            });
            write!(out, "}}")
        }
        Value::Struct(value) => {
            let fields = value.schema.fields().iter().zip(&value.fields);
            write_list(out, "Struct{", fields, |(field, value), out| {
                out.push_str(&field.name);
                out.push('=');
                write_value(value, out);
            });
            write!(out, "}}")
        }
    };
}

fn write_list<T>(
    out: &mut String,
    open: &str,
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(T, &mut String),
) {
    out.push_str(open);
    for (n, item) in items.enumerate() {
        if n > 0 {
            out.push(',');
        }
        write(item, out);
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(CONTENT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rowtide_api::data::Value;

    /// CN-285.
    #[test]
    fn contents_are_shown_only_when_both_keys_say_so() {
        assert_eq!(ErrorLog::new(false, true), ErrorLog::Off);
        assert_eq!(ErrorLog::new(true, false), ErrorLog::Places);
        assert!(ErrorLog::new(true, true).shows_contents());
        let place = Place {
            stage: Stage::ValueConverter,
            part: "p",
            at: "topic t",
            timestamp_ms: None,
        };
        ErrorLog::Places.bad_record(place, &RecordError::new("x"), || {
            panic!("nobody asked for contents")
        });
    }

    #[test]
    fn contents_are_text_or_digits_and_bounded() {
        assert_eq!(bytes_text(None), "null");
        assert_eq!(bytes_text(Some("ü\n".as_bytes())), "ü\n");
        assert_eq!(bytes_text(Some(&[0, 0, 255])), "0x0000ff");
        assert_eq!(
            bytes_text(Some(&[b'a'; 5000])).chars().count(),
            CONTENT_CHARS_MAX + 1
        );
        let array = Value::Array([Value::Int32(1), Value::Null, "x".into()].into());
        assert_eq!(datum_text(&Datum::schemaless(array)), "[1,null,x]");
    }
}
