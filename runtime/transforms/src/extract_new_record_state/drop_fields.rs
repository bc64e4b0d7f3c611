//! Leaves out the fields that a header of the record lists (`drop.fields.header.name`).

use std::collections::HashMap;
use std::sync::Arc;

use rowtide_api::{Datum, Record, RecordError, Schema, Struct, Value};

use super::config::ExtractSettings;
use super::layout::nulls_to_defaults;

/// Shortened schemas that are remembered. The memory starts anew beyond.
const SCHEMAS_MAX: usize = 4096;

/// Shortened schemas by the schema they come from and the fields left out.
#[derive(Default)]
pub(super) struct DroppedFields {
    known: HashMap<(u128, Vec<String>), Arc<Shortened>>,
}

struct Shortened {
    from: Arc<Schema>,
    schema: Arc<Schema>,
    /// The positions that stay.
    kept: Vec<usize>,
}

impl DroppedFields {
    /// Shortens value and, if asked, key.
    pub(super) fn apply(
        &mut self,
        record: &mut Record,
        header: &str,
        settings: &ExtractSettings,
    ) -> Result<(), RecordError> {
        let names = match record.headers.last(header).map(|datum| &datum.value) {
            None | Some(Value::Null | Value::Absent) => return Ok(()),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect(),
            Some(_) => None,
        };
        let names: Vec<String> = names.ok_or_else(|| {
            RecordError::new(format!(
                "header {header} does not hold a list of field names, as drop.fields.header.name wants"
            ))
        })?;
        let null_is_default = settings.null_is_default;
        self.shorten(
            &mut record.value,
            &names,
            settings.drop_only_optional,
            null_is_default,
        );
        if settings.drop_from_key {
            self.shorten(
                &mut record.key,
                &names,
                settings.drop_only_optional,
                null_is_default,
            );
        }
        Ok(())
    }

    /// Where nothing is left out nothing changes. Else `replace.null.with.default` concerns what stays; Debezium does it
    /// there whatever that setting says.
    fn shorten(&mut self, datum: &mut Datum, names: &[String], only_optional: bool, null_is_default: bool) {
        let Value::Struct(value) = &mut datum.value else {
            return;
        };
        let shortened = self.shortened(&value.schema, names, only_optional);
        if shortened.kept.len() == value.fields.len() {
            return;
        }
        let mut fields: Vec<Value> = shortened
            .kept
            .iter()
            .map(|index| std::mem::replace(&mut value.fields[*index], Value::Null))
            .collect();
        if null_is_default {
            nulls_to_defaults(&mut fields, &shortened.schema);
        }
        *datum = Datum::of(Struct::new(shortened.schema.clone(), fields));
    }

    fn shortened(&mut self, from: &Arc<Schema>, names: &[String], only_optional: bool) -> Arc<Shortened> {
        let key = (from.fingerprint, names.to_vec());
        if let Some(known) = self.known.get(&key).filter(|known| known.from == *from) {
            return known.clone();
        }
        let goes = |name: &str, schema: &Schema| {
            names.iter().any(|gone| gone == name) && (schema.optional || !only_optional)
        };
        let fields = from.fields();
        let kept: Vec<usize> = (0..fields.len())
            .filter(|index| !goes(&fields[*index].name, &fields[*index].schema))
            .collect();
        let mut builder = Schema::structure(
            kept.iter()
                .map(|index| (fields[*index].name.clone(), fields[*index].schema.clone())),
        )
        .nullable(from.optional);
        if let Some(name) = &from.name {
            builder = builder.name(name.clone());
        }
        if let Some(version) = from.version {
            builder = builder.version(version);
        }
        if let Some(doc) = &from.doc {
            builder = builder.doc(doc.clone());
        }
        for (name, value) in &from.parameters {
            builder = builder.parameter(name.clone(), value.clone());
        }
        let shortened = Arc::new(Shortened {
            from: from.clone(),
            schema: builder.build(),
            kept,
        });
        if self.known.len() >= SCHEMAS_MAX {
            self.known.clear();
        }
        self.known.insert(key, shortened.clone());
        shortened
    }
}
