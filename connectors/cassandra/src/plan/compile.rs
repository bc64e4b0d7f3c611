//! Sans-I/O: one flat plan per (key schema, value schema, table).

use std::sync::Arc;

use rowtide_api::data::Logical;
use rowtide_api::sink::SinkRecord;
use rowtide_api::{Error, Schema, Value};

use super::access::{Access, Root};
use crate::config::{InputFormat, TableSettings, TimeUnit};
use crate::mapping::{self, Entry, Field, NullRule};
use crate::shape::{BoundColumn, Target};
use crate::types::Codec;

/// How records of one pair of schemas become rows of one table.
#[derive(Debug)]
pub(super) struct Plan {
    /// One per column of the target, in its order.
    pub(super) cells: Vec<Cell>,
    /// Where the envelope has its parts; `None` for flat records.
    pub(super) envelope: Option<Envelope>,
    pub(super) timestamp: Option<Extra>,
    pub(super) ttl: Option<Extra>,
    pub(super) deleted: Option<Extra>,
    /// Whether a flat value looks like an envelope, for a hint.
    pub(super) resembles_envelope: bool,
}

/// One column.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) name: Arc<str>,
    pub(super) access: Access,
    /// Read where `access` finds no such place.
    pub(super) fallback: Option<Access>,
    pub(super) codec: Codec,
    pub(super) unit: TimeUnit,
    /// The field's name in the source, for the header that names unavailable ones.
    pub(super) field: Option<Arc<str>>,
    pub(super) nulls: Option<NullRule>,
    /// The field's default: it stands in a key-only image for a value that was not sent.
    pub(super) default: Option<Value>,
    /// Fed by `*`: a missing field leaves the column alone.
    pub(super) star: bool,
}

/// A value that feeds the statement rather than a column.
#[derive(Debug)]
pub(super) struct Extra {
    pub(super) access: Access,
    pub(super) logical: Option<Logical>,
}

/// Where an envelope has its parts.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) op: Access,
    pub(super) after: Access,
    pub(super) before: Access,
    pub(super) name: Access,
    pub(super) lsn: Access,
    pub(super) sequence: Access,
    pub(super) ts_us: Access,
    pub(super) ts_ms: Access,
}

impl Envelope {
    fn compile(schema: Option<&Arc<Schema>>) -> Self {
        let at = |path: &[&str]| {
            let path: Vec<Arc<str>> = path.iter().map(|segment| (*segment).into()).collect();
            Access::compile(Root::Envelope, schema, &path).0
        };
        Self {
            op: at(&["op"]),
            after: at(&["after"]),
            before: at(&["before"]),
            name: at(&["source", "name"]),
            lsn: at(&["source", "lsn"]),
            sequence: at(&["source", "sequence"]),
            ts_us: at(&["source", "ts_us"]),
            ts_ms: at(&["source", "ts_ms"]),
        }
    }
}

/// The schemas a plan is compiled for.
struct Schemas<'a> {
    key: Option<&'a Arc<Schema>>,
    /// The record's value.
    envelope: Option<&'a Arc<Schema>>,
    /// The image: the same for flat records.
    image: Option<Arc<Schema>>,
    settings: &'a TableSettings,
}

impl Plan {
    /// Compiles.
    ///
    /// # Errors
    /// Fatal, when two source keys could share one row (CS-068).
    pub(super) fn compile(target: &Target, record: &SinkRecord) -> Result<Self, Error> {
        let record = &record.record;
        let debezium = target.settings.format == InputFormat::Debezium;
        let envelope = record.value.schema.as_ref();
        let field = |name: &str| {
            envelope.and_then(|schema| Some(schema.fields()[schema.field_index(name)?].schema.clone()))
        };
        let resembles_envelope = ["op", "source", "after"].iter().all(|name| field(name).is_some());
        let schemas = Schemas {
            key: record.key.schema.as_ref().filter(|_| !record.key.is_null()),
            envelope,
            image: if debezium {
                field("after").or_else(|| field("before"))
            } else {
                envelope.cloned()
            },
            settings: &target.settings,
        };
        let plan = Self {
            cells: target
                .columns
                .iter()
                .enumerate()
                .map(|(index, column)| schemas.cell(column, index < target.key))
                .collect(),
            envelope: debezium.then(|| Envelope::compile(envelope)),
            timestamp: schemas.extra(mapping::TIMESTAMP),
            ttl: schemas.extra(mapping::TTL),
            deleted: schemas.extra(mapping::DELETED),
            resembles_envelope: resembles_envelope && !debezium,
        };
        if debezium && !target.settings.allow_key_collapse {
            plan.refuse_key_collapse(target, &schemas)?;
        }
        Ok(plan)
    }

    /// CS-068: every field of the source key feeds a column of the primary key.
    fn refuse_key_collapse(&self, target: &Target, schemas: &Schemas<'_>) -> Result<(), Error> {
        let Some(key) = schemas.key else {
            return Ok(());
        };
        let feeds = |name: Option<&str>| {
            let (access, _) = match name {
                Some(name) => Access::compile(Root::Key, Some(key), &[name.into()]),
                None => Access::compile(Root::Key, Some(key), &[]),
            };
            self.cells[..target.key]
                .iter()
                .any(|cell| cell.access == access || (name.is_some() && cell.field.as_deref() == name))
        };
        let dropped: Vec<&str> = match key.fields() {
            [] if feeds(None) => Vec::new(),
            [] => vec!["key"],
            fields => fields
                .iter()
                .map(|field| &*field.name)
                .filter(|name| !feeds(Some(name)))
                .collect(),
        };
        if dropped.is_empty() {
            return Ok(());
        }
        Err(Error::fatal(format!(
            "the primary key of {} does not take {} of the source key, so that two source rows could share one row",
            target.settings.name(),
            dropped.join(", ")
        ))
        .hint(format!(
            "map it to a column of the primary key, or set {}=true",
            target.settings.key("allowKeyCollapse")
        )))
    }
}

impl Schemas<'_> {
    fn at(&self, root: Root, path: &[Arc<str>]) -> (Access, Option<Arc<Schema>>) {
        let schema = match root {
            Root::Key => self.key,
            Root::Value | Root::Before => self.image.as_ref(),
            Root::Envelope => self.envelope,
        };
        Access::compile(root, schema, path)
    }

    fn field(&self, field: &Field) -> (Access, Option<Arc<Schema>>) {
        match field {
            Field::Key(path) => self.at(Root::Key, path),
            Field::Value(path) => self.at(Root::Value, path),
            Field::Before(path) => self.at(Root::Before, path),
            Field::Source(path) => {
                let path: Vec<_> = std::iter::once("source".into())
                    .chain(path.iter().cloned())
                    .collect();
                self.at(Root::Envelope, &path)
            }
            Field::Envelope(name) => self.at(Root::Envelope, std::slice::from_ref(name)),
            Field::Header(name) => (Access::Header(name.clone()), None),
            Field::Now => (Access::Now, None),
        }
    }

    fn cell(&self, column: &BoundColumn, in_key: bool) -> Cell {
        let entry = self.settings.mapping.entry(&column.name);
        let (access, fallback, schema) = self.place(column, entry, in_key);
        Cell {
            name: column.name.clone(),
            codec: Codec::new(&column.cql, schema.as_deref(), self.settings.unit),
            unit: self.settings.unit,
            default: schema.as_ref().and_then(|schema| schema.default.clone()),
            field: match entry.map(|entry| &entry.field) {
                None => Some(column.name.clone()),
                Some(Field::Value(path)) => match &path[..] {
                    // An envelope that is read field by field.
                    [image, field, ..] if &**image == "after" => Some(field.clone()),
                    path => path.first().cloned(),
                },
                Some(_) => None,
            },
            nulls: entry.and_then(|entry| entry.nulls),
            star: entry.is_none(),
            access,
            fallback,
        }
    }

    /// Columns of the primary key come from the record's key when it has a field of that name, so that a delete and a
    /// tombstone find them (CS-037); the others from where the mapping says.
    fn place(
        &self,
        column: &BoundColumn,
        entry: Option<&Entry>,
        in_key: bool,
    ) -> (Access, Option<Access>, Option<Arc<Schema>>) {
        let debezium = self.settings.format == InputFormat::Debezium;
        let (name, value) = match entry.map(|entry| &entry.field) {
            None => (
                Some(column.name.clone()),
                self.at(Root::Value, std::slice::from_ref(&column.name)),
            ),
            Some(field @ Field::Value(path)) if debezium && path.len() == 1 => {
                (path.first().cloned(), self.field(field))
            }
            Some(field) => (None, self.field(field)),
        };
        let Some(name) = name.filter(|_| in_key) else {
            return (value.0, None, value.1);
        };
        let key = self.at(Root::Key, &[name]);
        match key.0 {
            Access::Steps(..) => (key.0, None, key.1),
            Access::Search(..) => (key.0, Some(value.0), value.1),
            _ => (value.0, None, value.1),
        }
    }

    fn extra(&self, pseudo: &str) -> Option<Extra> {
        let entry = self.settings.mapping.entry(pseudo)?;
        let (access, schema) = self.field(&entry.field);
        Some(Extra {
            access,
            logical: schema.and_then(|schema| schema.logical()),
        })
    }
}
