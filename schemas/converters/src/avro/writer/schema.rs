//! Sans-I/O: the walk over a Connect schema that prints the Avro text and builds the plan.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use rowtide_api::data::{Kind, Logical};
use rowtide_api::{Field, RecordError, Schema};

use super::super::names::{Name, UNION, UNNAMED, checked, scrubbed};
use super::decimal::Precision;
use super::plan::{NullBranch, Op, Plan, RecordPlan, Slot};
use super::props::{self, Place};
use super::{Compiled, Options};
use crate::jackson;

pub(super) fn compile(schema: &Arc<Schema>, options: &Options) -> Result<Compiled, RecordError> {
    let mut walk = Walk {
        options,
        out: Vec::with_capacity(512),
        space: None,
        depth: 0,
        records: Vec::new(),
        named: HashMap::new(),
        unnamed: Vec::new(),
        parameters_of_use: None,
        root_name: None,
        dropped_defaults: Vec::new(),
    };
    let root = walk.slot(schema)?;
    let records: Option<Box<[RecordPlan]>> = walk.records.into_iter().collect();
    let is_record = matches!((&root.op, root.null), (Op::Record(_), NullBranch::None));
    Ok(Compiled {
        text: jackson::into_text(walk.out),
        record_name: walk.root_name.filter(|_| is_record),
        plan: Plan {
            root,
            records: records.expect("invariant: every struct that was begun was finished"),
            depth_max: options.depth_max,
            absent_is_null: options.absent_is_null,
        },
        dropped_defaults: walk.dropped_defaults,
    })
}

pub(super) struct Walk<'a> {
    pub(super) options: &'a Options,
    pub(super) out: Vec<u8>,
    /// The namespace of the record being printed.
    pub(super) space: Option<String>,
    depth: u32,
    /// `None` while a struct's fields are being compiled.
    records: Vec<Option<RecordPlan>>,
    pub(super) named: HashMap<String, Known>,
    unnamed: Vec<(Arc<Schema>, Name, u32)>,
    /// The named type just printed by name had other parameters: the field around it carries them.
    pub(super) parameters_of_use: Option<Vec<u8>>,
    root_name: Option<String>,
    dropped_defaults: Vec<String>,
}

/// A named type that has been printed.
pub(super) struct Known {
    pub(super) schema: Arc<Schema>,
    /// Its position among the records; none for a fixed.
    pub(super) record: Option<u32>,
}

impl Walk<'_> {
    pub(super) fn push(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Prints a schema with its optionality.
    pub(super) fn slot(&mut self, schema: &Arc<Schema>) -> Result<Slot, RecordError> {
        if self.depth >= self.options.depth_max {
            return Err(RecordError::new(format!(
                "the schema is nested deeper than max.depth={}",
                self.options.depth_max
            )));
        }
        self.depth += 1;
        let default = props::default_of(schema).cloned().map(Box::new);
        let slot = if schema.name.as_deref() == Some(UNION) && matches!(schema.kind, Kind::Struct(_)) {
            let op = self.union(schema)?;
            Slot {
                null: NullBranch::None,
                default,
                op,
            }
        } else if !schema.optional {
            Slot {
                null: NullBranch::None,
                default,
                op: self.typed(schema)?,
            }
        } else if default.is_some() && !matches!(schema.kind, Kind::Struct(_)) {
            self.push("[");
            let op = self.typed(schema)?;
            self.push(",\"null\"]");
            Slot {
                null: NullBranch::Last,
                default,
                op,
            }
        } else {
            self.push("[\"null\",");
            let op = self.typed(schema)?;
            self.push("]");
            Slot {
                null: NullBranch::First,
                default,
                op,
            }
        };
        self.depth -= 1;
        Ok(slot)
    }

    /// Prints a schema as if it were required.
    pub(super) fn typed(&mut self, schema: &Arc<Schema>) -> Result<Op, RecordError> {
        let (word, op) = match &schema.kind {
            Kind::Bool => ("boolean", Op::Bool),
            Kind::Int8 => ("int", Op::Int8),
            Kind::Int16 => ("int", Op::Int16),
            Kind::Int32 => ("int", Op::Int32),
            Kind::Int64 => ("long", Op::Int64),
            Kind::Float32 => ("float", Op::Float32),
            Kind::Float64 => ("double", Op::Float64),
            Kind::Text => ("string", Op::Text),
            Kind::Bytes => {
                let decimal = matches!(schema.logical(), Some(Logical::Decimal { .. }))
                    .then(|| Box::new(Precision::new(props::precision(schema))));
                match (&schema.name, schema.parameter("connect.fixed.size")) {
                    (Some(name), Some(size)) => return self.fixed(schema, name, size, decimal),
                    _ => ("bytes", decimal.map_or(Op::Bytes, Op::Decimal)),
                }
            }
            Kind::Array(element) => {
                self.push("{\"type\":\"array\",\"items\":");
                let item = self.slot(element)?;
                return Ok(self.container(schema, Op::Array(Box::new(item))));
            }
            Kind::Map(key, element) => return self.map(schema, key, element),
            Kind::Struct(fields) => return self.structure(schema, fields),
            Kind::Enclosing(name) => return self.enclosing(name),
        };
        let mut props = Vec::new();
        props::write(&mut props, schema, self.options);
        if props.is_empty() {
            self.push(&format!("\"{word}\""));
        } else {
            self.push(&format!("{{\"type\":\"{word}\""));
            self.out.append(&mut props);
            self.push("}");
        }
        Ok(op)
    }

    /// Ends an array or map.
    pub(super) fn container(&mut self, schema: &Schema, op: Op) -> Op {
        // Only a field's own type hands parameters to the field.
        self.parameters_of_use = None;
        props::write(&mut self.out, schema, self.options);
        self.push("}");
        op
    }

    fn structure(&mut self, schema: &Arc<Schema>, fields: &[Field]) -> Result<Op, RecordError> {
        let name = match &schema.name {
            Some(name) => {
                let name = self.name(name)?;
                if let Some(known) = self.named.get(&name.full()) {
                    let known = (known.record, known.schema.clone());
                    return self.again(schema, &name, known);
                }
                name
            }
            None => {
                let required = schema.rebuild().nullable(false).build();
                let seen = self.unnamed.iter().find(|(known, ..)| *known == required);
                if let Some((_, name, record)) = seen {
                    let (name, record) = (name.clone(), *record);
                    self.by_name(&name);
                    return Ok(Op::Record(record));
                }
                let name = Name::own(match self.unnamed.len() {
                    0 => UNNAMED.to_owned(),
                    seen => format!("{UNNAMED}{}", seen + 1),
                });
                // Invariant: a schema has far fewer structs than 2^32.
                self.unnamed
                    .push((required, name.clone(), self.records.len() as u32));
                name
            }
        };
        self.record(schema, fields, &name)
    }

    fn record(&mut self, schema: &Arc<Schema>, fields: &[Field], name: &Name) -> Result<Op, RecordError> {
        let index = self.records.len();
        let record = index as u32;
        self.records.push(None);
        if self.root_name.is_none() {
            self.root_name = Some(name.full());
        }
        if schema.name.is_some() {
            self.named.insert(
                name.full(),
                Known {
                    schema: schema.clone(),
                    record: Some(record),
                },
            );
        }
        let outer = self.begin("record", name);
        if let Some(doc) = schema.parameter("io.confluent.connect.avro.record.doc") {
            props::named(&mut self.out, "doc", doc);
        }
        self.push(",\"fields\":[");
        let mut slots = Vec::with_capacity(fields.len());
        for (position, field) in fields.iter().enumerate() {
            if position > 0 {
                self.push(",");
            }
            let doc = schema.parameter(&format!("io.confluent.connect.avro.field.doc.{}", field.name));
            slots.push(
                self.field(&field.name, &field.schema, doc)
                    .map_err(|error| inside(error, &field.name))?,
            );
        }
        self.push("]");
        props::write(&mut self.out, schema, self.options);
        self.push("}");
        self.space = outer;
        self.parameters_of_use = None;
        self.records[index] = Some(RecordPlan {
            schema: schema.clone(),
            variant: OnceLock::new(),
            slots: slots.into(),
        });
        Ok(Op::Record(record))
    }

    /// Prints a struct whose name has been printed before.
    fn again(
        &mut self,
        schema: &Schema,
        name: &Name,
        known: (Option<u32>, Arc<Schema>),
    ) -> Result<Op, RecordError> {
        let (Some(record), known) = known else {
            return Err(twice(name));
        };
        if known.kind != schema.kind {
            return Err(twice(name));
        }
        self.by_name(name);
        if self.options.connect_meta_data && known.parameters != schema.parameters {
            let mut parameters = Vec::new();
            props::write_parameters(&mut parameters, schema);
            self.parameters_of_use = Some(parameters);
        }
        Ok(Op::Record(record))
    }

    pub(super) fn field(
        &mut self,
        name: &str,
        schema: &Arc<Schema>,
        doc: Option<&str>,
    ) -> Result<Slot, RecordError> {
        let avro_name = if self.options.scrub_names {
            scrubbed(name)
        } else {
            name.to_owned()
        };
        checked(&avro_name)?;
        self.push(&format!("{{\"name\":\"{avro_name}\",\"type\":"));
        self.parameters_of_use = None;
        let slot = self.slot(schema)?;
        if let Some(doc) = doc {
            props::named(&mut self.out, "doc", doc);
        }
        match &slot.default {
            Some(default) => {
                let mut text = Vec::new();
                if props::write_default(&mut text, schema, default, Place::Field) {
                    self.push(",\"default\":");
                    self.out.append(&mut text);
                } else {
                    self.dropped_defaults.push(name.to_owned());
                }
            }
            None if schema.optional => self.push(",\"default\":null"),
            None => {}
        }
        if let Some(mut parameters) = self.parameters_of_use.take() {
            self.out.append(&mut parameters);
        }
        self.push("}");
        Ok(slot)
    }

    /// Prints the beginning of a named type and enters its namespace; the one outside.
    pub(super) fn begin(&mut self, word: &str, name: &Name) -> Option<String> {
        self.push(&format!("{{\"type\":\"{word}\",\"name\":\"{}\"", name.short));
        if name.space != self.space {
            props::named(
                &mut self.out,
                "namespace",
                name.space.as_deref().unwrap_or_default(),
            );
        }
        std::mem::replace(&mut self.space, name.space.clone())
    }

    pub(super) fn by_name(&mut self, name: &Name) {
        let text = name.within(self.space.as_deref());
        jackson::write_text(&mut self.out, &text);
    }

    pub(super) fn name(&self, full: &str) -> Result<Name, RecordError> {
        let name = Name::split(&if self.options.scrub_names {
            scrubbed(full)
        } else {
            full.to_owned()
        });
        checked(&name.short)?;
        Ok(name)
    }
}

pub(super) fn inside(error: RecordError, field: &Arc<str>) -> RecordError {
    let path = match &error.field {
        Some(inner) => format!("{field}.{inner}").into(),
        None => field.clone(),
    };
    error.at(path)
}

pub(super) fn twice(name: &Name) -> RecordError {
    RecordError::new(format!(
        "the schema gives the name {} to two different types, which Avro forbids: name them apart",
        name.full()
    ))
}
