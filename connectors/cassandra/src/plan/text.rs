//! Sans-I/O: keys and values that come as text and hold a JSON object, as StringConverter leaves them.

use rowtide_api::sink::SinkRecord;
use rowtide_api::{Datum, Record, Value};
use serde_json::Value as Json;

use crate::config::{InputFormat, TableSettings};
use crate::mapping::Field;

/// Which parts of a topic's records some mapping reads fields of. Text of a part that is only taken whole is never parsed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FieldsOf {
    key: bool,
    value: bool,
}

impl FieldsOf {
    /// What the mapping of one table reads.
    pub(super) fn mapping(settings: &TableSettings) -> Self {
        let all = settings.mapping.star || settings.format == InputFormat::Debezium;
        let reads =
            |part: fn(&Field) -> bool| all || settings.mapping.entries.iter().any(|entry| part(&entry.field));
        Self {
            key: reads(|field| matches!(field, Field::Key(path) if !path.is_empty())),
            value: reads(|field| match field {
                Field::Value(path) => !path.is_empty(),
                Field::Before(_) | Field::Source(_) | Field::Envelope(_) => true,
                Field::Key(_) | Field::Header(_) | Field::Now => false,
            }),
        }
    }

    /// What one or the other reads.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            key: self.key || other.key,
            value: self.value || other.value,
        }
    }

    /// The record with its text parts as the objects they hold, schemaless; `None` when no part is one, as with all structs.
    pub(super) fn parsed(self, record: &SinkRecord) -> Option<SinkRecord> {
        let record_id = record.id;
        let record = &record.record;
        let key = object(self.key, &record.key);
        let value = object(self.value, &record.value);
        if key.is_none() && value.is_none() {
            return None;
        }
        Some(SinkRecord {
            record: Record {
                topic: record.topic.clone(),
                partition: record.partition,
                timestamp_ms: record.timestamp_ms,
                key: key.unwrap_or_else(|| record.key.clone()),
                value: value.unwrap_or_else(|| record.value.clone()),
                headers: record.headers.clone(),
            },
            id: record_id,
        })
    }
}

fn object(wanted: bool, datum: &Datum) -> Option<Datum> {
    let Value::Text(text) = &datum.value else {
        return None;
    };
    if !wanted || !text.trim_start().starts_with('{') {
        return None;
    }
    let json: Json = serde_json::from_str(text).ok()?;
    Some(Datum::schemaless(value(&json)))
}

/// Whole numbers beyond 64 bits signed stay text, which the columns that hold them read.
fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::Int64(whole),
            (None, Some(double)) if number.is_f64() => Value::Float64(double),
            _ => Value::from(number.to_string()),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::Array(items.iter().map(value).collect()),
        Json::Object(entries) => Value::Map(
            entries
                .iter()
                .map(|(name, json)| (Value::from(name.as_str()), value(json)))
                .collect(),
        ),
    }
}
