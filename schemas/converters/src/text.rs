//! Sans-I/O: values as text: what Java's `toString` prints, and what Connect prints into headers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rowtide_api::data::Logical;
use rowtide_api::{RecordError, Schema, Value};
use rowtide_java::temporal::{Fraction, IsoBuffer};
use rowtide_java::{decimal, number};

/// Values nested deeper than this are refused, so that none can exhaust the stack.
const DEPTH_MAX: u32 = 64;
const DAY_MILLIS: i64 = 86_400_000;

/// Which of the two forms to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `toString`: `Struct{a=1,b=x}`, `[1, 2]`, `{k=v}`.
    Java,
    /// JSON-like: `{"a":1,"b":"x"}`, `[1,2]`, `{"k":"v"}`.
    Header,
}

/// Appends a value.
///
/// # Errors
/// The value has no useful text in this form, or is nested too deep.
pub(crate) fn write(
    form: Form,
    schema: Option<&Schema>,
    value: &Value,
    out: &mut String,
) -> Result<(), RecordError> {
    Printer { form, out, depth: 0 }.value(schema, value, false)
}

struct Printer<'a> {
    form: Form,
    out: &'a mut String,
    depth: u32,
}

impl Printer<'_> {
    fn value(&mut self, schema: Option<&Schema>, value: &Value, embedded: bool) -> Result<(), RecordError> {
        let default = schema.and_then(|schema| schema.default.as_ref());
        match (value, schema.and_then(Schema::logical)) {
            (Value::Absent | Value::Null, _) => match default.filter(|default| !default.is_null()) {
                Some(default) => self.value(schema, default, embedded)?,
                None => self.out.push_str("null"),
            },
            (Value::Bytes(bytes), Some(Logical::Decimal { scale })) => {
                let text = decimal::java_text(bytes, scale);
                self.out
                    .push_str(&text.map_err(|error| RecordError::new(error.to_string()))?);
            }
            (Value::Int32(_) | Value::Int64(_), Some(logical)) if self.instant(schema, value, logical)? => {}
            (Value::Bool(value), _) => self.out.push_str(if *value { "true" } else { "false" }),
            (Value::Int8(_) | Value::Int16(_) | Value::Int32(_) | Value::Int64(_), _) => {
                self.out.push_str(&value.as_int().unwrap_or_default().to_string());
            }
            (Value::Float32(value), _) => number::write_f32(*value, self.out),
            (Value::Float64(value), _) => number::write_f64(*value, self.out),
            (Value::Text(text), _) if embedded => self.quoted(text),
            (Value::Text(text), _) => self.out.push_str(text),
            (Value::Bytes(bytes), _) if self.form == Form::Header => {
                STANDARD.encode_string(&**bytes, self.out)
            }
            (Value::Bytes(_), _) => {
                return Err(RecordError::new(
                    "StringConverter has no useful text for bytes: choose JsonConverter or ByteArrayConverter",
                ));
            }
            (Value::Array(_) | Value::Map(_) | Value::Struct(_), _) => self.nested(schema, value)?,
        }
        Ok(())
    }

    /// Connect's own date, time and timestamp are dates to Java; all others are numbers.
    fn instant(
        &mut self,
        schema: Option<&Schema>,
        value: &Value,
        logical: Logical,
    ) -> Result<bool, RecordError> {
        let connects = schema
            .and_then(|schema| schema.name.as_deref())
            .is_some_and(|name| name.starts_with("org.apache.kafka.connect.data."));
        let number = value.as_int().unwrap_or_default();
        let millis = match logical {
            Logical::Date => number.checked_mul(DAY_MILLIS),
            Logical::TimeMillis | Logical::TimestampMillis => Some(number),
            _ => None,
        };
        let Some(millis) = millis.filter(|_| connects) else {
            return Ok(false);
        };
        if self.form == Form::Java {
            return Err(RecordError::new(
                "StringConverter has no portable text for Connect's dates and times: choose JsonConverter, or another \
                 time.precision.mode in the source",
            ));
        }
        // What the number is, not the schema, chooses the form, as in Connect.
        let mut iso = IsoBuffer::new();
        if (0..DAY_MILLIS).contains(&millis) {
            self.out.push_str(iso.time(millis * 1000, Fraction::Digits(3)));
            self.out.push('Z');
        } else if millis % DAY_MILLIS == 0 {
            let days = i32::try_from(millis / DAY_MILLIS)
                .map_err(|_| RecordError::new("a date beyond the calendar"))?;
            self.out.push_str(iso.date(days));
        } else {
            self.out.push_str(iso.instant_millis(millis, Fraction::Digits(3)));
        }
        Ok(true)
    }

    fn nested(&mut self, schema: Option<&Schema>, value: &Value) -> Result<(), RecordError> {
        use rowtide_api::Kind;
        if self.depth >= DEPTH_MAX {
            return Err(RecordError::new(format!(
                "the value is nested deeper than {DEPTH_MAX}"
            )));
        }
        self.depth += 1;
        let header = self.form == Form::Header;
        match value {
            Value::Array(items) => {
                let element = schema.and_then(|schema| match &schema.kind {
                    Kind::Array(element) => Some(&**element),
                    _ => None,
                });
                self.out.push('[');
                for (index, item) in items.iter().enumerate() {
                    self.separate(index, ", ");
                    self.value(element, item, header)?;
                }
                self.out.push(']');
            }
            Value::Map(pairs) => {
                let parts = schema.and_then(|schema| match &schema.kind {
                    Kind::Map(key, value) => Some((&**key, &**value)),
                    _ => None,
                });
                self.out.push('{');
                for (index, (key, value)) in pairs.iter().enumerate() {
                    self.separate(index, ", ");
                    self.value(parts.map(|(key, _)| key), key, header)?;
                    self.out.push(if header { ':' } else { '=' });
                    self.value(parts.map(|(_, value)| value), value, header)?;
                }
                self.out.push('}');
            }
            Value::Struct(value) => {
                self.out.push_str(if header { "{" } else { "Struct{" });
                let mut printed = 0;
                for (field, value) in value.schema.fields().iter().zip(&value.fields) {
                    let defaulted = field
                        .schema
                        .default
                        .as_ref()
                        .is_some_and(|default| !default.is_null());
                    if !header && value.is_null() && !defaulted {
                        // Java's struct leaves out what is null.
                        continue;
                    }
                    self.separate(printed, ",");
                    printed += 1;
                    if header {
                        self.quoted(&field.name);
                        self.out.push(':');
                    } else {
                        self.out.push_str(&field.name);
                        self.out.push('=');
                    }
                    self.value(Some(&field.schema), value, header)?;
                }
                self.out.push('}');
            }
            _ => {}
        }
        self.depth -= 1;
        Ok(())
    }

    fn separate(&mut self, index: usize, java: &str) {
        if index > 0 {
            self.out
                .push_str(if self.form == Form::Header { "," } else { java });
        }
    }

    fn quoted(&mut self, text: &str) {
        self.out.push('"');
        for letter in text.chars() {
            if matches!(letter, '"' | '\\') {
                self.out.push('\\');
            }
            self.out.push(letter);
        }
        self.out.push('"');
    }
}
