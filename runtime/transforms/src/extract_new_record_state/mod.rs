//! `io.debezium.transforms.ExtractNewRecordState`: from a change's envelope to the row alone (PG-209 to PG-216).
//!
//! | | `c`, `u`, `r` | `d` | an incoming tombstone |
//! |---|---|---|---|
//! | `drop` | the row | nothing | nothing |
//! | `tombstone` | the row | null, with the row's schema | nothing |
//! | `rewrite` | the row and `__deleted` | the old row and `__deleted` | nothing |
//! | `rewrite-with-tombstone` | as `rewrite` | as `rewrite` | stays |
//! | `delete-to-tombstone` | the row | null | nothing |

mod config;
mod drop_fields;
mod key_only;
mod layout;

pub use config::ExtractSettings;

use std::collections::HashMap;
use std::sync::Arc;

use rowtide_api::convert::Failure;
use rowtide_api::transform::{Origin, Transform, TransformPlugin};
use rowtide_api::{Datum, Error, Plugin, Record, RecordError, Schema, Struct, Value};

use config::Deletes;
use drop_fields::DroppedFields;
use layout::Layout;

/// Envelopes whose layout is remembered: as many as one connector has tables. The memory starts anew beyond.
const LAYOUTS_MAX: usize = 4096;

/// Unwraps envelopes.
pub struct ExtractNewRecordState {
    settings: ExtractSettings,
    layouts: HashMap<u128, Arc<Layout>>,
    last: Option<Arc<Layout>>,
    dropped: DroppedFields,
}

impl Plugin for ExtractNewRecordState {
    const CLASS: &'static str = "io.debezium.transforms.ExtractNewRecordState";
    const ALIASES: &'static [&'static str] = &[];
    type Config = ExtractSettings;
}

impl TransformPlugin for ExtractNewRecordState {
    fn open(settings: ExtractSettings) -> Result<Self, Error> {
        Ok(Self {
            settings,
            layouts: HashMap::new(),
            last: None,
            dropped: DroppedFields::default(),
        })
    }
}

impl Transform for ExtractNewRecordState {
    fn apply(&mut self, mut record: Record, _origin: Option<&Origin>) -> Result<Option<Record>, Failure> {
        if record.value.is_null() {
            return Ok(self.tombstone(record));
        }
        let Some(layout) = self.layout(&record.value)? else {
            return Ok(Some(record));
        };
        let Value::Struct(mut envelope) = record.value.value else {
            return Err(RecordError::new("the envelope's value is not a struct").into());
        };
        let deleted = envelope.fields[layout.after].is_null();
        // A truncate, or another event that is of no row; a delete is one, even if nobody knows what it was.
        if deleted && envelope.fields[layout.before].is_null() && layout.op(&envelope) != Some("d") {
            return Ok(None);
        }
        if deleted && self.settings.deletes == Deletes::Drop {
            return Ok(None);
        }
        for header in &layout.headers {
            record.headers.push(
                header.name.clone(),
                Datum::new(header.schema.clone(), header.value(&envelope)),
            );
        }
        if let Some(field) = &self.settings.route_by_field {
            let row = &envelope.fields[if deleted { layout.before } else { layout.after }];
            if let Some(topic) = route(row, field)? {
                record.topic = topic;
            }
        }
        let null_is_default = self.settings.null_is_default;
        record.value = match (deleted, self.settings.deletes) {
            (false, _) => layout.row(&mut envelope, layout.after, false, null_is_default),
            (true, Deletes::Rewrite | Deletes::RewriteWithTombstone) => {
                key_only::mark(
                    &mut record.headers,
                    &record.key,
                    &envelope.fields[layout.before],
                    null_is_default,
                );
                layout.row(&mut envelope, layout.before, true, null_is_default)
            }
            (true, Deletes::DeleteToTombstone) => Datum::NULL,
            (true, _) => Datum::new(layout.row_schema.clone(), Value::Null),
        };
        if let Some(header) = &self.settings.drop_fields_header {
            self.dropped.apply(&mut record, header, &self.settings)?;
        }
        Ok(Some(record))
    }
}

impl ExtractNewRecordState {
    /// PG-214.
    fn tombstone(&self, mut record: Record) -> Option<Record> {
        if self.settings.deletes != Deletes::RewriteWithTombstone {
            return None;
        }
        for reference in &self.settings.add_headers {
            if reference.is_operation() {
                record.headers.push(reference.name.clone(), Datum::text("d"));
            }
        }
        Some(record)
    }

    /// How to unwrap envelopes of this schema; none for other records.
    fn layout(&mut self, value: &Datum) -> Result<Option<Arc<Layout>>, RecordError> {
        let Some(schema) = &value.schema else {
            return Ok(None);
        };
        if let Some(layout) = self
            .last
            .as_ref()
            .filter(|layout| Arc::ptr_eq(&layout.envelope, schema))
        {
            return Ok(Some(layout.clone()));
        }
        if !is_envelope(schema) {
            return Ok(None);
        }
        let layout = match self
            .layouts
            .get(&schema.fingerprint)
            .filter(|layout| layout.envelope == *schema)
        {
            Some(layout) => layout.clone(),
            None => {
                let layout = Arc::new(Layout::new(schema, &self.settings)?);
                if self.layouts.len() >= LAYOUTS_MAX {
                    self.layouts.clear();
                }
                self.layouts.insert(schema.fingerprint, layout.clone());
                layout
            }
        };
        self.last = Some(layout.clone());
        Ok(Some(layout))
    }
}

/// PG-209.
fn is_envelope(schema: &Schema) -> bool {
    schema
        .name
        .as_deref()
        .is_some_and(|name| name.ends_with(".Envelope"))
        && schema.field_index("before").is_some()
        && schema.field_index("after").is_some()
}

/// The topic that the row names; none where it names none, as the key-only row of a delete mostly does not.
fn route(row: &Value, field: &str) -> Result<Option<Arc<str>>, RecordError> {
    match row.as_struct().map(|row: &Struct| row.get(field)) {
        Some(Some(Value::Text(topic))) if !topic.trim().is_empty() => Ok(Some(topic.as_str().into())),
        Some(Some(Value::Text(_) | Value::Null | Value::Absent)) | None => Ok(None),
        Some(Some(other)) => Err(RecordError::new(format!(
            "route.by.field names a field of type {}; a topic is a string",
            other.type_name()
        ))
        .at(field)),
        Some(None) => {
            Err(RecordError::new("route.by.field names a field that the row does not have").at(field))
        }
    }
}

#[cfg(test)]
mod tests;
