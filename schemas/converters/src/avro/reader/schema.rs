//! Sans-I/O: the walk over an Avro schema that builds the Connect schema and the plan.

use std::collections::HashMap;
use std::sync::Arc;

use rowtide_api::data::Kind;
use rowtide_api::{RecordError, Schema};
use rowtide_registry::avro::{self, NodeId, Primitive};
use serde_json::Value as Json;

use super::super::names::{OWN_SPACE, UNNAMED};
use super::draft::{self, Draft, FIELD_DEFAULT, Finished, text};
use super::plan::{Plan, Read, RecordPlan, Slot};
use super::{Compiled, Options};

pub(super) fn compile(avro: &avro::Schema, options: &Options) -> Result<Compiled, RecordError> {
    let mut walk = Walk {
        avro,
        options,
        records: Vec::new(),
        begun: HashMap::new(),
        variants: HashMap::new(),
        dropped_defaults: Vec::new(),
    };
    let (schema, root) = walk.slot(avro.root(), None)?;
    let records: Option<Box<[RecordPlan]>> = walk.records.into_iter().collect();
    Ok(Compiled {
        schema,
        plan: Plan {
            root,
            records: records.expect("invariant: every record that was begun was finished"),
            raw_bytes: matches!(avro.kind(avro.root()), avro::Kind::Primitive(Primitive::Bytes)),
        },
        dropped_defaults: walk.dropped_defaults,
    })
}

pub(super) struct Walk<'a> {
    pub(super) avro: &'a avro::Schema,
    pub(super) options: &'a Options,
    /// `None` while a record's fields are being compiled.
    records: Vec<Option<RecordPlan>>,
    begun: HashMap<NodeId, Begun>,
    /// Schemas of records' uses without a default of their own.
    variants: HashMap<(NodeId, bool), Arc<Schema>>,
    dropped_defaults: Vec<String>,
}

/// A record that the walk has met.
struct Begun {
    /// Its position among the plan's records.
    record: u32,
    /// The Connect name; an unnamed record cannot be referred to from inside.
    name: Option<Arc<str>>,
    /// Its schema, required, once its fields have been walked.
    base: Option<Arc<Schema>>,
}

impl<'a> Walk<'a> {
    /// A place: a union of null and one other type is that type, optional.
    pub(super) fn slot(
        &mut self,
        id: NodeId,
        default: Option<&Json>,
    ) -> Result<(Arc<Schema>, Slot), RecordError> {
        if let avro::Kind::Union(branches) = self.avro.kind(id) {
            match branches.as_slice() {
                [only] => return self.slot(*only, default),
                [first, second] if self.is_null(*first) || self.is_null(*second) => {
                    let first_is_null = self.is_null(*first);
                    let member = if first_is_null { *second } else { *first };
                    // The field's own default is not carried over (AV §5).
                    let (schema, read) = self.typed(member, true, None)?;
                    let null = Some(if first_is_null { 0 } else { 1 });
                    return Ok((schema, Slot { null, read }));
                }
                _ => {}
            }
        }
        let (schema, read) = self.typed(id, false, default)?;
        Ok((schema, Slot { null: None, read }))
    }

    pub(super) fn is_null(&self, id: NodeId) -> bool {
        matches!(self.avro.kind(id), avro::Kind::Primitive(Primitive::Null))
    }

    pub(super) fn typed(
        &mut self,
        id: NodeId,
        optional: bool,
        default: Option<&Json>,
    ) -> Result<(Arc<Schema>, Read), RecordError> {
        if let Some(begun) = self.begun.get(&id) {
            let Some(base) = &begun.base else {
                let name = begun.name.clone();
                let name =
                    name.ok_or_else(|| RecordError::new("a record without a Connect name contains itself"))?;
                let schema = Schema::of(Kind::Enclosing(name)).nullable(optional).build();
                return Ok((
                    schema,
                    Read::Record {
                        index: begun.record,
                        schema: None,
                    },
                ));
            };
            let (base, index) = (base.clone(), begun.record);
            let schema = self.variant(id, &base, optional, default);
            return Ok((
                schema.clone(),
                Read::Record {
                    index,
                    schema: Some(schema),
                },
            ));
        }
        let avro: &'a avro::Schema = self.avro;
        let props = avro.node(id).props.as_slice();
        let draft = self.draft(id)?;
        if matches!(draft.read, Read::Record { .. }) {
            let finished = draft.finish(props, self.options, false, None)?;
            self.note_dropped(&finished);
            if let Some(begun) = self.begun.get_mut(&id) {
                if let Some(record) = &mut self.records[begun.record as usize] {
                    record.schema = finished.schema.clone();
                }
                begun.base = Some(finished.schema);
            }
            return self.typed(id, optional, default);
        }
        let finished = draft.finish(props, self.options, optional, default)?;
        self.note_dropped(&finished);
        let mut read = finished.read;
        if let Read::Union(union) = &mut read {
            union.schema = finished.schema.clone();
        }
        Ok((finished.schema, read))
    }

    /// A record's schema for one use; uses without a default of their own share it.
    fn variant(&mut self, id: NodeId, base: &Schema, optional: bool, default: Option<&Json>) -> Arc<Schema> {
        if default.is_none()
            && let Some(schema) = self.variants.get(&(id, optional))
        {
            return schema.clone();
        }
        let mut builder = base.rebuild().nullable(optional);
        if let Some(json) = default {
            let schema = base.rebuild().without_default().build();
            match super::default::value(&schema, json) {
                Some(value) if base.default.is_none() => {
                    builder = builder.parameter(FIELD_DEFAULT, "true").default(value);
                }
                Some(value) => builder = builder.default(value),
                None => self.dropped_defaults.push(draft::title(&schema)),
            }
        }
        let schema = builder.build();
        if default.is_none() {
            self.variants.insert((id, optional), schema.clone());
        }
        schema
    }

    fn note_dropped(&mut self, finished: &Finished) {
        if finished.dropped_default {
            self.dropped_defaults.push(draft::title(&finished.schema));
        }
    }

    fn draft(&mut self, id: NodeId) -> Result<Draft, RecordError> {
        let avro: &'a avro::Schema = self.avro;
        let node = avro.node(id);
        Ok(match &node.kind {
            avro::Kind::Primitive(primitive) => self.primitive(*primitive, &node.props)?,
            avro::Kind::Fixed(fixed) => {
                let mut draft = Draft::bytes(&node.props, Read::Fixed(fixed.size as usize));
                draft.name.get_or_insert_with(|| fixed.named.name.to_string());
                draft.parameter("connect.fixed.size", &fixed.size.to_string());
                draft
            }
            avro::Kind::Enum(symbols) => self.symbols(symbols),
            avro::Kind::Map(values) => {
                let (schema, slot) = self.slot(*values, None)?;
                Draft::of(Kind::Map(Schema::text(), schema), Read::Map(Box::new(slot)))
            }
            avro::Kind::Array(items) => self.array(*items)?,
            avro::Kind::Record(record) => self.record(id, record, &node.props)?,
            avro::Kind::Union(branches) => self.union(branches)?,
        })
    }

    fn primitive(&self, primitive: Primitive, props: &[(String, Json)]) -> Result<Draft, RecordError> {
        let logical = text(props, "logicalType");
        let extended = self.options.extended_logical_types && text(props, "connect.name").is_none();
        Ok(match (primitive, logical) {
            (Primitive::Null, _) => {
                return Err(RecordError::new(
                    "Standalone null schemas are not supported by this converter",
                ));
            }
            (Primitive::Boolean, _) => Draft::of(Kind::Bool, Read::Bool),
            (Primitive::Float, _) => Draft::of(Kind::Float32, Read::Float32),
            (Primitive::Double, _) => Draft::of(Kind::Float64, Read::Float64),
            (Primitive::Bytes, _) => Draft::bytes(props, Read::Bytes),
            (Primitive::Int, Some("date")) => {
                Draft::logical(Kind::Int32, Read::Int32, "org.apache.kafka.connect.data.Date")
            }
            (Primitive::Int, Some("time-millis")) => {
                Draft::logical(Kind::Int32, Read::Int32, "org.apache.kafka.connect.data.Time")
            }
            (Primitive::Int, None) => match text(props, "connect.type") {
                None => Draft::of(Kind::Int32, Read::Int32),
                Some("int8") => Draft::of(Kind::Int8, Read::Int8),
                Some("int16") => Draft::of(Kind::Int16, Read::Int16),
                Some(other) => {
                    return Err(RecordError::new(format!(
                        "unknown connect.type {other} on an Avro int"
                    )));
                }
            },
            (Primitive::Int, Some(_)) => Draft::of(Kind::Int32, Read::Int32),
            (Primitive::Long, Some("timestamp-millis")) => Draft::logical(
                Kind::Int64,
                Read::Int64,
                "org.apache.kafka.connect.data.Timestamp",
            ),
            (Primitive::Long, logical) => match logical.filter(|_| extended).and_then(extended_long) {
                Some(name) => Draft::logical(Kind::Int64, Read::Int64, name),
                None => Draft::of(Kind::Int64, Read::Int64),
            },
            (Primitive::String, Some("uuid")) if extended => {
                Draft::logical(Kind::Text, Read::Text, "io.debezium.data.Uuid")
            }
            (Primitive::String, _) => Draft::of(Kind::Text, Read::Text),
        })
    }

    fn record(
        &mut self,
        id: NodeId,
        record: &avro::Record,
        props: &[(String, Json)],
    ) -> Result<Draft, RecordError> {
        let full = record.named.name.to_string();
        let own = format!("{OWN_SPACE}.{UNNAMED}");
        let name = match text(props, "connect.name") {
            Some(name) => Some(name.to_owned()),
            None => Some(full).filter(|full| !full.starts_with(&own)),
        };
        // Invariant: a schema of a megabyte has far fewer records than 2^32.
        let index = self.records.len() as u32;
        self.records.push(None);
        self.begun.insert(
            id,
            Begun {
                record: index,
                name: name.as_deref().map(Into::into),
                base: None,
            },
        );
        let mut parameters = Vec::new();
        let meta = self.options.connect_meta_data;
        if let Some(doc) = record.named.doc.as_ref().filter(|_| meta) {
            parameters.push(("io.confluent.connect.avro.record.doc".to_owned(), doc.clone()));
        }
        let mut fields = Vec::with_capacity(record.fields.len());
        let mut slots = Vec::with_capacity(record.fields.len());
        for field in &record.fields {
            if let Some(doc) = field.doc.as_ref().filter(|_| meta) {
                parameters.push((
                    format!("io.confluent.connect.avro.field.doc.{}", field.name),
                    doc.clone(),
                ));
            }
            let (schema, slot) = self
                .slot(field.node, field.default.as_ref())
                .map_err(|error| inside(error, &field.name))?;
            fields.push((field.name.as_str(), schema));
            slots.push(slot);
        }
        let kind = Schema::structure(fields).build();
        self.records[index as usize] = Some(RecordPlan {
            schema: kind.clone(),
            slots: slots.into(),
        });
        Ok(Draft {
            name,
            parameters,
            ..Draft::of(
                Kind::Struct(kind.fields().into()),
                Read::Record { index, schema: None },
            )
        })
    }
}

fn extended_long(logical: &str) -> Option<&'static str> {
    Some(match logical {
        "timestamp-micros" | "local-timestamp-micros" => "io.debezium.time.MicroTimestamp",
        "timestamp-nanos" | "local-timestamp-nanos" => "io.debezium.time.NanoTimestamp",
        "local-timestamp-millis" => "io.debezium.time.Timestamp",
        "time-micros" => "io.debezium.time.MicroTime",
        _ => return None,
    })
}

fn inside(error: RecordError, field: &str) -> RecordError {
    let path = match &error.field {
        Some(inner) => format!("{field}.{inner}"),
        None => field.to_owned(),
    };
    error.at(path)
}
