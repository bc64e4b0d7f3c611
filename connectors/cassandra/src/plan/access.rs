//! Sans-I/O: where in a record a value lies. The decision is made once per schema, following it is an index per step.

use std::sync::Arc;

use rowtide_api::sink::SinkRecord;
use rowtide_api::{Kind, Schema, Value};

/// The parts of a record that a mapping reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Images<'r> {
    pub(super) record: &'r SinkRecord,
    /// The key as it came, before its text was read as JSON.
    pub(super) key_whole: &'r Value,
    /// The same of the value; of an envelope, the image.
    pub(super) value_whole: &'r Value,
    /// The flat value, or the after image, or the before image of a delete.
    pub(super) value: &'r Value,
    /// The before image.
    pub(super) before: &'r Value,
}

/// A part of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    Key,
    /// The image; of a flat record, its value.
    Value,
    Before,
    /// The record's value as it is.
    Envelope,
}

/// How to reach a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Access {
    /// Under a known schema.
    Steps(Root, Box<[Step]>),
    /// Schemaless: by name, first as one entry of the joined name (CS-033).
    Search(Root, Box<[Arc<str>]>, Arc<str>),
    Header(Arc<str>),
    Now,
    /// The schema has no such field.
    Missing(Root),
}

/// One step into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Field(usize),
    Entry(Arc<str>),
}

/// What lies there.
#[derive(Debug)]
pub(super) enum Found<'r> {
    Value(&'r Value),
    Null,
    /// There is no such place.
    Missing,
}

static NULL: Value = Value::Null;

impl Access {
    /// Decides how to reach `path`, and with which schema its values come.
    pub(super) fn compile(
        root: Root,
        schema: Option<&Arc<Schema>>,
        path: &[Arc<str>],
    ) -> (Self, Option<Arc<Schema>>) {
        let Some(schema) = schema else {
            return (Self::Search(root, path.into(), path.join(".").into()), None);
        };
        if path.is_empty() {
            return (Self::Steps(root, Box::default()), Some(schema.clone()));
        }
        if let Some(index) = schema.field_index(&path.join(".")) {
            let field = schema.fields()[index].schema.clone();
            return (Self::Steps(root, Box::new([Step::Field(index)])), Some(field));
        }
        let mut steps = Vec::new();
        let mut at = schema.clone();
        for segment in path {
            let (step, next) = match &at.kind {
                Kind::Map(_, value) => (Step::Entry(segment.clone()), value.clone()),
                _ => match at.field_index(segment) {
                    Some(index) => (Step::Field(index), at.fields()[index].schema.clone()),
                    None => return (Self::Missing(root), None),
                },
            };
            steps.push(step);
            at = next;
        }
        (Self::Steps(root, steps.into()), Some(at))
    }

    /// The part of the record it reads.
    pub(super) fn root(&self) -> Option<Root> {
        match self {
            Self::Steps(root, _) | Self::Search(root, ..) | Self::Missing(root) => Some(*root),
            Self::Header(_) | Self::Now => None,
        }
    }

    /// Follows it. Headers and `now()` are the caller's.
    pub(super) fn find<'r>(&self, images: &Images<'r>) -> Found<'r> {
        match self {
            Self::Steps(root, steps) => follow(images.root(*root), steps),
            Self::Search(root, path, _) if path.is_empty() => found(images.whole(*root)),
            Self::Search(root, path, joined) => search(images.root(*root), path, joined),
            Self::Missing(root) if images.root(*root).is_null() => Found::Null,
            Self::Missing(_) | Self::Header(_) | Self::Now => Found::Missing,
        }
    }

    /// The same place in the before image.
    pub(super) fn in_before(&self) -> Option<Self> {
        match self {
            Self::Steps(Root::Value, steps) => Some(Self::Steps(Root::Before, steps.clone())),
            Self::Search(Root::Value, path, joined) => {
                Some(Self::Search(Root::Before, path.clone(), joined.clone()))
            }
            _ => None,
        }
    }
}

impl<'r> Images<'r> {
    /// What `key` and `value` alone mean: text that holds JSON is still text there.
    fn whole(&self, root: Root) -> &'r Value {
        match root {
            Root::Key => self.key_whole,
            Root::Value => self.value_whole,
            root => self.root(root),
        }
    }

    /// What lies in a part of the record.
    pub(super) fn root(&self, root: Root) -> &'r Value {
        match root {
            Root::Key => &self.record.record.key.value,
            Root::Value => self.value,
            Root::Before => self.before,
            Root::Envelope => &self.record.record.value.value,
        }
    }
}

fn follow<'r>(from: &'r Value, steps: &[Step]) -> Found<'r> {
    let mut value = from;
    for step in steps {
        let next = match (value, step) {
            (Value::Null | Value::Absent, _) => return Found::Null,
            (Value::Struct(fields), Step::Field(index)) => match fields.fields.get(*index) {
                Some(Value::Absent) => fields
                    .schema
                    .fields()
                    .get(*index)
                    .and_then(|field| field.schema.default.as_ref())
                    .or(Some(&NULL)),
                found => found,
            },
            (Value::Map(pairs), Step::Entry(name)) => Some(entry(pairs, name).unwrap_or(&NULL)),
            _ => None,
        };
        match next {
            Some(next) => value = next,
            None => return Found::Missing,
        }
    }
    found(value)
}

fn search<'r>(from: &'r Value, path: &[Arc<str>], joined: &str) -> Found<'r> {
    if from.is_null() {
        return Found::Null;
    }
    if let Some(value) = named(from, joined) {
        return found(value);
    }
    let mut value = from;
    for segment in path {
        match named(value, segment) {
            Some(next) => value = next,
            None if value.is_null() => return Found::Null,
            None => return Found::Missing,
        }
    }
    found(value)
}

fn named<'r>(value: &'r Value, name: &str) -> Option<&'r Value> {
    match value {
        Value::Map(pairs) => entry(pairs, name),
        Value::Struct(fields) => fields.get(name),
        _ => None,
    }
}

fn entry<'r>(pairs: &'r [(Value, Value)], name: &str) -> Option<&'r Value> {
    pairs
        .iter()
        .find(|(key, _)| key.as_str() == Some(name))
        .map(|(_, value)| value)
}

fn found(value: &Value) -> Found<'_> {
    if value.is_null() {
        Found::Null
    } else {
        Found::Value(value)
    }
}

/// The names and values of a struct's or map's fields.
pub(super) fn fields(value: &Value) -> Vec<(&str, &Value, Option<&Schema>)> {
    match value {
        Value::Struct(fields) => fields
            .schema
            .fields()
            .iter()
            .zip(&fields.fields)
            .map(|(field, value)| (&*field.name, value, Some(&*field.schema)))
            .collect(),
        Value::Map(pairs) => pairs
            .iter()
            .filter_map(|(key, value)| Some((key.as_str()?, value, None)))
            .collect(),
        _ => Vec::new(),
    }
}
