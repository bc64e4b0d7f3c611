//! Sans-I/O: the parts of the walk for enums, arrays and their disguised maps, and unions.

use std::sync::Arc;

use rowtide_api::data::Kind;
use rowtide_api::{RecordError, Schema, Text};
use rowtide_registry::avro::{self, NodeId};
use serde_json::Value as Json;

use super::super::names::{MAP_ENTRY, OWN_SPACE, UNION};
use super::draft::{Draft, text};
use super::plan::{Entries, Read, Union};
use super::schema::Walk;

const ENUM: &str = "io.confluent.connect.avro.Enum";

impl<'a> Walk<'a> {
    pub(super) fn symbols(&self, symbols: &avro::Enum) -> Draft {
        let texts: Box<[Text]> = symbols
            .symbols
            .iter()
            .map(|symbol| Text::from(symbol.as_str()))
            .collect();
        let mut draft = Draft::of(Kind::Text, Read::Enum(texts));
        let name = &symbols.named.name;
        if self.options.connect_meta_data {
            if let Some(doc) = &symbols.named.doc {
                draft.parameter(&format!("io.confluent.connect.avro.enum.doc.{}", name.short), doc);
            }
            if let Some(default) = &symbols.default {
                draft.parameter(
                    &format!("io.confluent.connect.avro.enum.default.{}", name.short),
                    default,
                );
            }
        }
        draft.parameter(ENUM, &name.to_string());
        for symbol in &symbols.symbols {
            draft.parameter(&format!("{ENUM}.{symbol}"), symbol);
        }
        draft.name = Some(name.to_string());
        draft
    }

    pub(super) fn array(&mut self, items: NodeId) -> Result<Draft, RecordError> {
        let avro: &'a avro::Schema = self.avro;
        let entry = match avro.kind(items) {
            avro::Kind::Record(record) if is_map_entry(record, &avro.node(items).props) => record,
            _ => {
                let (schema, slot) = self.slot(items, None)?;
                return Ok(Draft::of(Kind::Array(schema), Read::Array(Box::new(slot))));
            }
        };
        let (key, value, value_first) = match entry.fields.as_slice() {
            [key, value] if key.name == "key" && value.name == "value" => (key, value, false),
            [value, key] if key.name == "key" && value.name == "value" => (key, value, true),
            _ => {
                return Err(RecordError::new(format!(
                    "{} marks a map's entries but has other fields than key and value",
                    entry.named.name
                )));
            }
        };
        let (key_schema, key) = self.slot(key.node, None)?;
        let (value_schema, value) = self.slot(value.node, None)?;
        Ok(Draft::of(
            Kind::Map(key_schema, value_schema),
            Read::Entries(Box::new(Entries {
                key,
                value,
                value_first,
            })),
        ))
    }

    pub(super) fn union(&mut self, branches: &[NodeId]) -> Result<Draft, RecordError> {
        let avro: &'a avro::Schema = self.avro;
        let mut fields: Vec<(String, Arc<Schema>)> = Vec::new();
        let mut reads = Vec::with_capacity(branches.len());
        for branch in branches {
            if self.is_null(*branch) {
                reads.push(None);
                continue;
            }
            let kind = avro.kind(*branch);
            let name = kind
                .named()
                .map_or_else(|| kind.word().to_owned(), |named| named.name.short.clone());
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(RecordError::new(format!(
                    "two members of a union would both be the field {name} of the Connect struct"
                )));
            }
            let (schema, read) = self.typed(*branch, true, None)?;
            reads.push(Some((fields.len(), read)));
            fields.push((name, schema));
        }
        let schema = Schema::structure(
            fields
                .iter()
                .map(|(name, schema)| (name.as_str(), schema.clone())),
        )
        .build();
        let read = Read::Union(Box::new(Union {
            schema: schema.clone(),
            branches: reads.into(),
        }));
        let mut draft = Draft::of(Kind::Struct(schema.fields().into()), read);
        draft.name = Some(UNION.to_owned());
        draft.optional = branches.iter().any(|branch| self.is_null(*branch));
        Ok(draft)
    }
}

fn is_map_entry(record: &avro::Record, props: &[(String, Json)]) -> bool {
    let name = &record.named.name;
    (name.space.as_deref() == Some(OWN_SPACE) && name.short == MAP_ENTRY)
        || text(props, "connect.internal.type") == Some(MAP_ENTRY)
}
