//! Sans-I/O: the parts of the walk for maps, fixed bytes, references to an enclosing struct, and unions.

use std::sync::Arc;

use rowtide_api::data::Kind;
use rowtide_api::{RecordError, Schema};

use super::super::names::{MAP_ENTRY, Name};
use super::decimal::Precision;
use super::plan::Op;
use super::props;
use super::schema::{Known, Walk, inside, twice};

impl Walk<'_> {
    pub(super) fn map(
        &mut self,
        schema: &Arc<Schema>,
        key: &Arc<Schema>,
        element: &Arc<Schema>,
    ) -> Result<Op, RecordError> {
        if key.kind == Kind::Text && (!key.optional || self.options.optional_map_keys) {
            self.push("{\"type\":\"map\",\"values\":");
            let value = self.slot(element)?;
            return Ok(self.container(schema, Op::Map(Box::new(value))));
        }
        self.push("{\"type\":\"array\",\"items\":");
        let name = match &schema.name {
            Some(name) => self.name(name)?,
            None => Name::own(MAP_ENTRY),
        };
        let known = self
            .named
            .get(&name.full())
            .map(|known| known.schema.kind == schema.kind);
        let outer = match known {
            Some(false) => return Err(twice(&name)),
            Some(true) => None,
            None => Some(self.begin("record", &name)),
        };
        let kept = outer.is_none().then(|| std::mem::take(&mut self.out));
        self.push(",\"fields\":[");
        let key = self.field("key", key, None)?;
        self.push(",");
        let value = self.field("value", element, None)?;
        self.push("]");
        if let Some(kept) = kept {
            // The text of this entry stands at its first use; only the plan was wanted.
            self.out = kept;
            self.by_name(&name);
        } else {
            if schema.name.is_some() {
                props::named(&mut self.out, "connect.internal.type", MAP_ENTRY);
            }
            self.push("}");
            self.space = outer.flatten();
            self.named.insert(
                name.full(),
                Known {
                    schema: schema.clone(),
                    record: None,
                },
            );
        }
        Ok(self.container(schema, Op::Entries(Box::new((key, value)))))
    }

    pub(super) fn fixed(
        &mut self,
        schema: &Arc<Schema>,
        name: &str,
        size: &str,
        decimal: Option<Box<Precision>>,
    ) -> Result<Op, RecordError> {
        let name = self.name(name)?;
        let size: usize = size.parse().map_err(|_| {
            RecordError::new(format!(
                "connect.fixed.size of {} is not a number of bytes",
                name.full()
            ))
        })?;
        match self.named.get(&name.full()) {
            Some(known)
                if known.schema.kind == schema.kind && known.schema.parameters == schema.parameters =>
            {
                self.by_name(&name);
            }
            Some(_) => return Err(twice(&name)),
            None => {
                let outer = self.begin("fixed", &name);
                self.push(&format!(",\"size\":{size}"));
                props::write(&mut self.out, schema, self.options);
                self.push("}");
                self.space = outer;
                self.named.insert(
                    name.full(),
                    Known {
                        schema: schema.clone(),
                        record: None,
                    },
                );
            }
        }
        Ok(Op::Fixed { size, decimal })
    }

    pub(super) fn enclosing(&mut self, name: &str) -> Result<Op, RecordError> {
        let name = self.name(name)?;
        let Some(record) = self.named.get(&name.full()).and_then(|known| known.record) else {
            return Err(RecordError::new(format!(
                "no struct named {} encloses the place that refers to it",
                name.full()
            )));
        };
        self.by_name(&name);
        Ok(Op::Record(record))
    }

    pub(super) fn union(&mut self, schema: &Schema) -> Result<Op, RecordError> {
        self.push("[");
        if schema.optional {
            self.push("\"null\"");
        }
        let mut members = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            if schema.optional || !members.is_empty() {
                self.push(",");
            }
            members.push(
                self.typed(&field.schema)
                    .map_err(|error| inside(error, &field.name))?,
            );
        }
        self.push("]");
        self.parameters_of_use = None;
        Ok(Op::Union {
            nullable: schema.optional,
            members: members.into(),
        })
    }
}
