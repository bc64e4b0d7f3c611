//! Sans-I/O: tables of the stream and the plan of each: which column goes where, and how (PG-046 to PG-048).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rowtide_api::{Error, Kind, Schema, Text, Value};

use super::pgoutput::{Relation, RelationColumn};
use crate::identifier::TableName;
use crate::source::catalogue::{ColumnInfo, Structures, TableInfo};
use crate::source::config::RecordSettings;
use crate::source::filter::Filter;
use crate::source::{envelope, naming};
use crate::types::Op;
use crate::types::default::{ColumnDefault, column_default};
use crate::types::mapping::{ColumnType, column_type, fallback, placeholder};

/// A table's compiled plan.
#[derive(Debug)]
pub struct TablePlan {
    /// The table's oid.
    pub oid: u32,
    /// The table.
    pub name: TableName,
    /// Its rows lie in partitions.
    pub partitioned: bool,
    /// Its schema, for the source block.
    pub schema_text: Text,
    /// Its name, for the source block.
    pub table_text: Text,
    /// Its topic.
    pub topic: Arc<str>,
    /// The key; `None`: records have none.
    pub key: Option<KeyPlan>,
    /// Schema of `before` and `after`, optional.
    pub value_schema: Arc<Schema>,
    /// Schema of the record's value.
    pub envelope_schema: Arc<Schema>,
    /// One per column of the relation; `None`: not captured.
    pub columns: Box<[Option<ColumnPlan>]>,
    /// How many fields the value has.
    pub fields: usize,
    /// Old tuples are whole rows.
    pub full: bool,
    /// Old tuples hold the columns of the key.
    pub identity_covers_key: bool,
}

/// How the key is built from a row.
#[derive(Debug)]
pub struct KeyPlan {
    /// Its schema.
    pub schema: Arc<Schema>,
    /// Slots of its fields, in key order.
    pub slots: Box<[usize]>,
    /// The places of its columns in the relation, in key order.
    pub columns: Box<[usize]>,
}

/// How a column is read.
#[derive(Debug)]
pub struct ColumnPlan {
    /// The column's name.
    pub name: Arc<str>,
    /// From text to value.
    pub op: Op,
    /// Part of the replica identity: an old tuple holds it.
    pub identity: bool,
    /// Null is allowed.
    pub optional: bool,
    /// What a required field holds without a value: its default, or the fallback of PG-143.
    pub stand_in: Value,
    /// What stands for an unchanged TOAST value, if anything fits.
    pub placeholder: Option<Value>,
    /// Where it goes: below `fields` into the value, from there on only into the key (PG-021).
    pub slot: usize,
}

/// What plans are compiled with.
#[derive(Debug, Clone)]
pub struct Compiler {
    /// Which columns.
    pub filter: Arc<Filter>,
    /// Names and placeholders.
    pub records: Arc<RecordSettings>,
    /// Schemas made before.
    pub schemas: Schemas,
}

/// The newest schema of each name. A table that is announced again, as after every lost connection, keeps the very
/// schemas it had: whoever compiled one finds it by its address, without comparing the whole of it per record.
#[derive(Debug, Clone, Default)]
pub struct Schemas(Arc<Mutex<HashMap<Arc<str>, Arc<Schema>>>>);

impl Schemas {
    /// The same schema as before, if it is equal.
    fn keep(&self, schema: Arc<Schema>) -> Arc<Schema> {
        let Some(name) = schema.name.clone() else {
            return schema;
        };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(&name) {
            Some(before) if *before == schema => before.clone(),
            _ => {
                known.insert(name, schema.clone());
                schema
            }
        }
    }
}

struct Draft<'a> {
    column: &'a RelationColumn,
    info: Option<&'a ColumnInfo>,
    of: ColumnType,
    in_value: bool,
    in_key: bool,
}

impl Compiler {
    /// Compiles the plan of a captured table.
    ///
    /// # Errors
    /// Fatal for columns of unsupported types, all of them by name.
    pub fn compile(&self, relation: &Relation, structures: &Structures) -> Result<TablePlan, Error> {
        let info = structures.table(relation.id);
        let key = key_columns(relation, info);
        let drafts = self.drafts(relation, info, structures, &key)?;
        let topic: Arc<str> =
            naming::topic(&self.records.prefix, &self.records.delimiter, &relation.name).into();
        let (mut columns, mut value_fields) = (Vec::with_capacity(drafts.len()), Vec::new());
        let mut schemas = Vec::new();
        for draft in &drafts {
            let Some(draft) = draft else {
                schemas.push(None);
                continue;
            };
            let schema = self.field_schema(relation, draft);
            let name: Arc<str> = naming::field_name(&draft.column.name, self.records.field_names).into();
            if draft.in_value {
                value_fields.push((name.clone(), schema.clone()));
            }
            schemas.push(Some((name, schema)));
        }
        let fields = value_fields.len();
        let (mut in_value, mut only_key) = (0..fields, fields..);
        for (draft, schema) in drafts.iter().zip(&schemas) {
            let (Some(draft), Some((_, schema))) = (draft, schema) else {
                columns.push(None);
                continue;
            };
            let slot = if draft.in_value {
                in_value.next()
            } else {
                only_key.next()
            };
            columns.push(slot.map(|slot| self.column_plan(draft, schema, slot)));
        }
        let value_schema = Schema::structure(value_fields)
            .optional()
            .name(self.schema_name(&topic, "Value"))
            .build();
        let value_schema = self.schemas.keep(value_schema);
        let envelope_name = self.schema_name(&topic, "Envelope");
        let key_plan = self.key_plan(&topic, relation, &key, &columns, &schemas);
        let covers = |name: &Arc<str>| {
            relation
                .columns
                .iter()
                .any(|column| column.identity && column.name == *name)
        };
        Ok(TablePlan {
            schema_text: Text::from(&*relation.name.schema),
            table_text: Text::from(&*relation.name.table),
            oid: relation.id,
            partitioned: info.is_some_and(|info| info.partitioned),
            name: relation.name.clone(),
            topic,
            key: key_plan,
            envelope_schema: self.schemas.keep(envelope::schema(&envelope_name, &value_schema)),
            value_schema,
            columns: columns.into(),
            fields,
            full: relation.is_full(),
            identity_covers_key: key.iter().all(covers),
        })
    }

    fn drafts<'a>(
        &self,
        relation: &'a Relation,
        info: Option<&'a TableInfo>,
        structures: &Structures,
        key: &[Arc<str>],
    ) -> Result<Vec<Option<Draft<'a>>>, Error> {
        let mut drafts = Vec::with_capacity(relation.columns.len());
        let mut unsupported = Vec::new();
        for column in &relation.columns {
            let in_value = self.filter.captures_column(&relation.name, &column.name)?;
            let in_key = key.contains(&column.name);
            if !in_value && !in_key {
                drafts.push(None);
                continue;
            }
            let type_ref = structures.type_ref(column.type_oid, column.modifier);
            match column_type(&type_ref) {
                Some(of) => drafts.push(Some(Draft {
                    column,
                    info: info.and_then(|info| info.columns.iter().find(|known| known.name == column.name)),
                    of,
                    in_value,
                    in_key,
                })),
                None => {
                    let shown = match &*type_ref.name {
                        "" => format!("oid {}", type_ref.oid),
                        name => name.to_owned(),
                    };
                    unsupported.push(format!("{}.{} ({shown})", relation.name, column.name));
                }
            }
        }
        if unsupported.is_empty() {
            return Ok(drafts);
        }
        Err(Error::fatal(format!(
            "captured columns have types that are not supported: {}",
            unsupported.join(", ")
        ))
        .hint("leave them out with column.exclude.list"))
    }

    fn field_schema(&self, relation: &Relation, draft: &Draft<'_>) -> Arc<Schema> {
        // A unique index that serves as the key can hold nulls, and a null in a key is none of its values. A column that the
        // catalogue does not know any more is of the replica identity if it is of the key, and then not null.
        let not_null = draft.info.map_or(draft.in_key, |info| info.not_null);
        let schema = draft.of.schema.rebuild().nullable(!not_null);
        let expression = draft
            .info
            .filter(|info| !info.identity && !info.generated)
            .and_then(|info| info.default.as_deref());
        match expression.map(|expression| column_default(&draft.of, expression)) {
            Some(ColumnDefault::Value(value)) => schema.default(value).build(),
            Some(ColumnDefault::Unparsable) => {
                tracing::warn!(table = %relation.name, column = %draft.column.name,
                    "the column's default has no constant value and stays out of the schema");
                schema.build()
            }
            Some(ColumnDefault::None) | None => schema.build(),
        }
    }

    fn column_plan(&self, draft: &Draft<'_>, schema: &Schema, slot: usize) -> ColumnPlan {
        ColumnPlan {
            name: draft.column.name.clone(),
            op: draft.of.op.clone(),
            identity: draft.column.identity,
            optional: schema.optional,
            stand_in: schema.default.clone().unwrap_or_else(|| fallback(&draft.of)),
            placeholder: placeholder(&draft.of, &self.records.placeholder),
            slot,
        }
    }

    /// PG-062.
    fn key_plan(
        &self,
        topic: &str,
        relation: &Relation,
        key: &[Arc<str>],
        columns: &[Option<ColumnPlan>],
        schemas: &[Option<(Arc<str>, Arc<Schema>)>],
    ) -> Option<KeyPlan> {
        let place = |name: &Arc<str>| {
            let index = relation.columns.iter().position(|column| column.name == *name)?;
            let slot = columns.get(index)?.as_ref()?.slot;
            Some((index, slot, schemas.get(index)?.clone()?))
        };
        let placed: Vec<_> = key.iter().filter_map(place).collect();
        if placed.is_empty() {
            return None;
        }
        let slots = placed.iter().map(|(_, slot, _)| *slot).collect();
        let places = placed.iter().map(|(index, ..)| *index).collect();
        let fields = placed.into_iter().map(|(.., field)| field);
        let schema = Schema::structure(fields)
            .name(self.schema_name(topic, "Key"))
            .build();
        Some(KeyPlan {
            schema: self.schemas.keep(schema),
            slots,
            columns: places,
        })
    }

    fn schema_name(&self, topic: &str, part: &str) -> String {
        naming::schema_name(&format!("{topic}.{part}"), self.records.schema_names)
    }
}

/// PG-048, PG-063: the key of the catalogue, as far as the relation has its columns. A table that is gone by now keeps its
/// replica identity as key.
fn key_columns(relation: &Relation, info: Option<&TableInfo>) -> Vec<Arc<str>> {
    match info {
        Some(info) => {
            let known = |name: &&Arc<str>| relation.columns.iter().any(|column| column.name == **name);
            info.key.iter().filter(known).cloned().collect()
        }
        None if relation.is_full() => Vec::new(),
        None => {
            let identity = relation.columns.iter().filter(|column| column.identity);
            identity.map(|column| column.name.clone()).collect()
        }
    }
}

/// The relation a snapshot reads, in the form the stream would announce it: published columns only (PG-010, PG-043, PG-115).
pub fn snapshot_relation(
    oid: u32,
    name: &TableName,
    info: &TableInfo,
    published: Option<&[String]>,
) -> Relation {
    let is_published = |column: &&ColumnInfo| match published {
        Some(columns) => columns.iter().any(|published| **published == *column.name),
        None => !column.generated,
    };
    let columns = info.columns.iter().filter(is_published);
    Relation {
        id: oid,
        name: name.clone(),
        identity: b'd',
        columns: columns
            .map(|column| RelationColumn {
                identity: info.key.contains(&column.name),
                name: column.name.clone(),
                type_oid: column.type_oid,
                modifier: column.modifier,
            })
            .collect(),
    }
}

impl TablePlan {
    /// Whether the value has no field at all: every column is excluded.
    pub fn is_empty(&self) -> bool {
        matches!(&self.value_schema.kind, Kind::Struct(fields) if fields.is_empty())
    }
}
