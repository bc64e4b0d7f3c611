//! Sans-I/O: where everything stands in the envelopes of one schema, and the schema of what comes out.

use std::sync::Arc;

use rowtide_api::data::Kind;
use rowtide_api::{Datum, RecordError, Schema, Struct, Value};

use super::config::{Deletes, ExtractSettings, Reference};

const DELETED: &str = "__deleted";

/// How to unwrap envelopes of one schema.
pub(super) struct Layout {
    pub(super) envelope: Arc<Schema>,
    pub(super) before: usize,
    pub(super) after: usize,
    /// The schema of the row as it is.
    pub(super) row_schema: Arc<Schema>,
    pub(super) headers: Vec<Added>,
    op: Option<usize>,
    /// The schema of the row that comes out, with what is added.
    longer: Arc<Schema>,
    /// Whether `__deleted` follows the row's own fields.
    marks_deleted: bool,
    fields: Vec<Added>,
}

/// A field of the envelope that goes out.
pub(super) struct Added {
    pub(super) name: Arc<str>,
    pub(super) schema: Arc<Schema>,
    parent: Option<usize>,
    field: usize,
}

impl Layout {
    pub(super) fn new(envelope: &Arc<Schema>, settings: &ExtractSettings) -> Result<Self, RecordError> {
        let place = |name: &str| {
            envelope
                .field_index(name)
                .ok_or_else(|| RecordError::new(format!("the envelope has no field {name}")))
        };
        let (before, after) = (place("before")?, place("after")?);
        let row_schema = envelope.fields()[after].schema.clone();
        let added = |references: &[Reference]| {
            references
                .iter()
                .filter_map(|one| Added::new(envelope, one))
                .collect()
        };
        let fields: Vec<Added> = added(&settings.add_fields);
        let marks_deleted = matches!(settings.deletes, Deletes::Rewrite | Deletes::RewriteWithTombstone);
        let longer = lengthened(&row_schema, marks_deleted, &fields)?;
        Ok(Self {
            envelope: envelope.clone(),
            before,
            after,
            row_schema,
            headers: added(&settings.add_headers),
            op: envelope.field_index("op"),
            longer,
            marks_deleted,
            fields,
        })
    }

    /// The change's operation.
    pub(super) fn op<'v>(&self, envelope: &'v Struct) -> Option<&'v str> {
        envelope.fields[self.op?].as_str()
    }

    /// The row in that place, with what is added. `null_is_default` concerns the rewriting modes alone: in the others a null
    /// stays one.
    pub(super) fn row(
        &self,
        envelope: &mut Struct,
        place: usize,
        deleted: bool,
        null_is_default: bool,
    ) -> Datum {
        let row = match std::mem::replace(&mut envelope.fields[place], Value::Null) {
            Value::Struct(row) => row,
            // A delete without its old row.
            row => return Datum::new(self.row_schema.clone(), row),
        };
        let mut values = row.fields.into_vec();
        values.reserve_exact(self.longer.fields().len() - values.len());
        if self.marks_deleted && null_is_default {
            nulls_to_defaults(&mut values, &self.longer);
        }
        if self.marks_deleted {
            values.push(Value::from(if deleted { "true" } else { "false" }));
        }
        values.extend(self.fields.iter().map(|field| field.value(envelope)));
        Datum::of(Struct::new(self.longer.clone(), values))
    }
}

/// `replace.null.with.default`; values beside the schema's first fields.
pub(super) fn nulls_to_defaults(values: &mut [Value], schema: &Schema) {
    for (value, field) in values.iter_mut().zip(schema.fields()) {
        if let (true, Some(default)) = (value.is_null(), &field.schema.default) {
            *value = default.clone();
        }
    }
}

impl Added {
    /// None when the envelope has no such field.
    fn new(envelope: &Schema, reference: &Reference) -> Option<Self> {
        let parent = match &reference.parent {
            Some(parent) => Some(envelope.field_index(parent)?),
            None => None,
        };
        let around = parent.map_or(envelope, |parent| &*envelope.fields()[parent].schema);
        let field = around.field_index(&reference.field)?;
        let schema = &around.fields()[field].schema;
        Some(Self {
            name: reference.name.clone(),
            schema: schema.rebuild().optional().without_default().build(),
            parent,
            field,
        })
    }

    /// One that was never set is null: what goes out has no default.
    pub(super) fn value(&self, envelope: &Struct) -> Value {
        let around = match self.parent {
            None => envelope,
            Some(parent) => match &envelope.fields[parent] {
                Value::Struct(around) => around,
                _ => return Value::Null,
            },
        };
        match &around.fields[self.field] {
            Value::Absent => Value::Null,
            value => value.clone(),
        }
    }
}

/// The row's schema with what is added, under the same name; required, as Java's copy is, also where nothing is.
fn lengthened(row: &Schema, marks_deleted: bool, added: &[Added]) -> Result<Arc<Schema>, RecordError> {
    let Kind::Struct(own) = &row.kind else {
        return Err(RecordError::new("the envelope's after is not a struct"));
    };
    let mut fields: Vec<(Arc<str>, Arc<Schema>)> = own
        .iter()
        .map(|field| (field.name.clone(), field.schema.clone()))
        .collect();
    if marks_deleted {
        fields.push((DELETED.into(), Schema::optional_text()));
    }
    fields.extend(
        added
            .iter()
            .map(|field| (field.name.clone(), field.schema.clone())),
    );
    for (index, (name, _)) in fields.iter().enumerate() {
        if fields[..index].iter().any(|(earlier, _)| earlier == name) {
            return Err(RecordError::new(format!(
                "the row would have two fields named {name}: choose another add.fields.prefix or a new name"
            ))
            .at(name.clone()));
        }
    }
    let mut builder = Schema::structure(fields);
    if let Some(name) = &row.name {
        builder = builder.name(name.clone());
    }
    if let Some(version) = row.version {
        builder = builder.version(version);
    }
    if let Some(doc) = &row.doc {
        builder = builder.doc(doc.clone());
    }
    for (name, value) in &row.parameters {
        builder = builder.parameter(name.clone(), value.clone());
    }
    Ok(builder.build())
}
