//! Sans-I/O: one type for many elements, and values of that type.

use std::sync::{Arc, LazyLock};

use rowtide_api::data::{Kind, SchemaBuilder};
use rowtide_api::{Schema, Value};

use super::number::{self, Width};
use super::parse::Item;
use super::temporal::{self, Temporal};

/// A type, and so a schema.
#[derive(Debug)]
pub(super) enum Type {
    Bool,
    Number(Width),
    Text,
    Temporal(Temporal),
    Array(Box<Type>),
    Map(Box<(Type, Type)>),
}

/// The elements have a type, but one of them is null: no list or map of Connect's, but a text.
#[derive(Debug)]
pub(super) struct Refused;

/// The type that all of these have, those inside lists and maps included; `None` without one.
pub(super) fn common(items: &[&Item<'_>]) -> Result<Option<Type>, Refused> {
    let known: Vec<&Item<'_>> = items
        .iter()
        .copied()
        .filter(|item| !matches!(item, Item::Null))
        .collect();
    let kind = match known.first() {
        None => return Ok(None),
        Some(Item::Array(_)) => nested(&known, |item| match item {
            Item::Array(items) => Some(items.iter().collect()),
            _ => None,
        })?
        .map(|element| Type::Array(Box::new(element))),
        Some(Item::Map(_)) => {
            let keys = nested(&known, |item| match item {
                Item::Map(entries) => Some(entries.iter().map(|(key, _)| key).collect()),
                _ => None,
            })?;
            let values = nested(&known, |item| match item {
                Item::Map(entries) => Some(entries.iter().map(|(_, value)| value).collect()),
                _ => None,
            })?;
            keys.zip(values).map(|both| Type::Map(Box::new(both)))
        }
        Some(_) => scalar(&known),
    };
    match kind {
        Some(_) if known.len() < items.len() => Err(Refused),
        kind => Ok(kind),
    }
}

/// What the elements of all these lists have in common; `None` also when one is no list.
fn nested<'i, 't>(
    items: &[&'i Item<'t>],
    elements: impl Fn(&'i Item<'t>) -> Option<Vec<&'i Item<'t>>>,
) -> Result<Option<Type>, Refused> {
    match items
        .iter()
        .map(|item| elements(item))
        .collect::<Option<Vec<_>>>()
    {
        Some(all) => common(&all.concat()),
        None => Ok(None),
    }
}

fn scalar(items: &[&Item<'_>]) -> Option<Type> {
    if items.iter().all(|item| matches!(item, Item::Bool(_))) {
        return Some(Type::Bool);
    }
    let numbers = |item: &&Item<'_>| matches!(item, Item::Number(_));
    if items.iter().all(numbers) {
        let numbers: Vec<_> = items
            .iter()
            .filter_map(|item| match item {
                Item::Number(number) => Some(number),
                _ => None,
            })
            .collect();
        return Some(Type::Number(number::common(&numbers)));
    }
    let kinds: Vec<Option<Temporal>> = items
        .iter()
        .map(|item| temporal_of(item).map(|(kind, _)| kind))
        .collect();
    if let Some(Some(first)) = kinds.first()
        && kinds.iter().all(|kind| *kind == Some(*first))
    {
        return Some(Type::Temporal(*first));
    }
    let texts = items.iter().all(|item| matches!(item, Item::Text(_)));
    texts.then_some(Type::Text)
}

/// A date or time, also one between quotes.
fn temporal_of(item: &Item<'_>) -> Option<(Temporal, i64)> {
    match item {
        Item::Temporal(kind, value) => Some((*kind, *value)),
        Item::Text(text) => temporal::parse(text),
        _ => None,
    }
}

impl Type {
    /// The item as a value of this type, which [`common`] found for it.
    pub(super) fn value(&self, item: &Item<'_>) -> Option<Value> {
        Some(match (self, item) {
            (Self::Bool, Item::Bool(value)) => Value::Bool(*value),
            (Self::Number(width), Item::Number(number)) => number.value(*width)?,
            (Self::Text, Item::Text(text)) => Value::from(*text),
            (Self::Temporal(kind), item) => {
                let (_, value) = temporal_of(item)?;
                match kind {
                    Temporal::Timestamp => Value::Int64(value),
                    Temporal::Date | Temporal::Time => Value::Int32(value.try_into().ok()?),
                }
            }
            (Self::Array(element), Item::Array(items)) => Value::Array(
                items
                    .iter()
                    .map(|item| element.value(item))
                    .collect::<Option<_>>()?,
            ),
            (Self::Map(both), Item::Map(entries)) => Value::Map(
                entries
                    .iter()
                    .map(|(key, value)| Some((both.0.value(key)?, both.1.value(value)?)))
                    .collect::<Option<_>>()?,
            ),
            _ => return None,
        })
    }

    /// Its schema, required.
    pub(super) fn schema(&self) -> Arc<Schema> {
        match self {
            Self::Bool => PLAIN[0].clone(),
            Self::Number(Width::Int8) => PLAIN[1].clone(),
            Self::Number(Width::Int16) => PLAIN[2].clone(),
            Self::Number(Width::Int32) => PLAIN[3].clone(),
            Self::Number(Width::Int64) => PLAIN[4].clone(),
            Self::Number(Width::Float32) => PLAIN[5].clone(),
            Self::Number(Width::Float64) => PLAIN[6].clone(),
            Self::Number(Width::Decimal(scale)) => logical(Kind::Bytes, "Decimal")
                .parameter("scale", scale.to_string())
                .build(),
            Self::Text => Schema::text(),
            Self::Temporal(Temporal::Date) => logical(Kind::Int32, "Date").build(),
            Self::Temporal(Temporal::Time) => logical(Kind::Int32, "Time").build(),
            Self::Temporal(Temporal::Timestamp) => logical(Kind::Int64, "Timestamp").build(),
            Self::Array(element) => Schema::of(Kind::Array(element.schema())).build(),
            Self::Map(both) => Schema::of(Kind::Map(both.0.schema(), both.1.schema())).build(),
        }
    }
}

/// Required schemas without a name, one instance for all headers.
static PLAIN: LazyLock<[Arc<Schema>; 7]> = LazyLock::new(|| {
    [
        Kind::Bool,
        Kind::Int8,
        Kind::Int16,
        Kind::Int32,
        Kind::Int64,
        Kind::Float32,
        Kind::Float64,
    ]
    .map(|kind| Schema::of(kind).build())
});

fn logical(kind: Kind, name: &str) -> SchemaBuilder {
    Schema::of(kind)
        .name(format!("org.apache.kafka.connect.data.{name}"))
        .version(1)
}
