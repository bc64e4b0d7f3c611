//! Sans-I/O: what each record asks of its table.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rowtide_api::sink::SinkRecord;
use rowtide_api::unavailable::{self, GONE, UNAVAILABLE};
use rowtide_api::{Datum, Kind, Record, RecordError, Schema, Value};

use super::text::{is_flat, text};

/// A cell: text that the server casts, or null.
pub type Cell<'a> = Option<Cow<'a, str>>;

/// A column's name and the schema of its values.
pub type Column = (Arc<str>, Arc<Schema>);

/// The columns that a group of records writes: those of the key first.
#[derive(Debug, PartialEq, Eq)]
pub struct Shape {
    /// The columns with their schemas.
    pub columns: Vec<Column>,
    /// How many of them are the key.
    pub key_len: usize,
    /// Where the others are in the value.
    fields: Vec<usize>,
    /// Columns that are left out because the source does not know their values: a row that is not there begins without.
    pub lacks: Vec<Column>,
    /// The source says of such rows that they are gone by now.
    pub gone: bool,
}

impl Shape {
    /// The key columns.
    pub fn key(&self) -> impl Iterator<Item = &Arc<str>> {
        self.columns.iter().take(self.key_len).map(|(name, _)| name)
    }
}

/// One operation of a batch.
#[derive(Debug)]
pub struct Op<'a> {
    /// Index of its record in the batch.
    pub index: u32,
    /// Its columns.
    pub shape: Arc<Shape>,
    /// One cell per column; a deletion has those of the key only.
    pub cells: Vec<Cell<'a>>,
    /// Whether the row is to go.
    pub delete: bool,
}

impl<'a> Op<'a> {
    /// The cells of the key.
    pub fn key(&self) -> &[Cell<'a>] {
        self.cells.get(..self.shape.key_len).unwrap_or_default()
    }
}

/// A batch, record by record.
#[derive(Debug, Default)]
pub struct Plan<'a> {
    /// What is to be done, in the order of the records.
    pub ops: Vec<Op<'a>>,
    /// Records that cannot be written.
    pub rejected: Vec<(u32, RecordError)>,
    /// Deletions that the configuration ignores.
    pub skipped: u32,
}

/// Turns records into operations.
#[derive(Debug)]
pub struct Planner {
    key_fields: Vec<String>,
    delete_enabled: bool,
    /// The last shape and what it was made for: the records of a topic mostly have one.
    last: Option<(Origin, Arc<Shape>)>,
}

#[derive(Debug, PartialEq, Eq)]
struct Origin {
    key: Arc<Schema>,
    value: Option<Arc<Schema>>,
    unavailable: String,
    gone: bool,
}

impl Planner {
    /// A planner for `primary.key.fields` and `delete.enabled`.
    pub fn new(key_fields: Vec<String>, delete_enabled: bool) -> Self {
        Self {
            key_fields,
            delete_enabled,
            last: None,
        }
    }

    /// Plans a batch.
    pub fn plan<'a>(&mut self, records: &'a [SinkRecord]) -> Plan<'a> {
        let mut plan = Plan::default();
        for (index, SinkRecord { record, .. }) in (0..).zip(records) {
            let delete = record.value.is_null();
            if delete && !self.delete_enabled {
                plan.skipped += 1;
                continue;
            }
            match self.op(index, record, delete) {
                Ok(op) => plan.ops.push(op),
                Err(error) => plan.rejected.push((index, error)),
            }
        }
        plan
    }

    fn op<'a>(&mut self, index: u32, record: &'a Record, delete: bool) -> Result<Op<'a>, RecordError> {
        let shape = self.shape(record, delete)?;
        let mut cells = Vec::with_capacity(shape.columns.len());
        for name in shape.key() {
            let (value, schema) = key_cell(&record.key, name)
                .ok_or_else(|| RecordError::new("missing in the key").at(&**name))?;
            let cell = text(value, schema).map_err(|error| error.at(&**name))?;
            if cell.is_none() {
                return Err(RecordError::new("null in the key").at(&**name));
            }
            cells.push(cell);
        }
        if !delete {
            let Value::Struct(value) = &record.value.value else {
                return Err(no_struct(&record.value));
            };
            let columns = value.schema.fields();
            for field in &shape.fields {
                // Invariant: the shape was made for this schema.
                let (Some(column), Some(value)) = (columns.get(*field), value.fields.get(*field)) else {
                    return Err(RecordError::new("a struct with fewer values than fields"));
                };
                cells.push(text(value, &column.schema).map_err(|error| error.at(&*column.name))?);
            }
        }
        Ok(Op {
            index,
            shape,
            cells,
            delete,
        })
    }

    fn shape(&mut self, record: &Record, delete: bool) -> Result<Arc<Shape>, RecordError> {
        let key = record.key.schema.as_ref().filter(|_| !record.key.is_null());
        let Some(key) = key else {
            return Err(RecordError::new(
                "the record has no key with a schema: primary.key.mode=record_key needs one",
            ));
        };
        let value = match (delete, &record.value.schema) {
            (true, _) => None,
            (false, Some(schema)) if matches!(schema.kind, Kind::Struct(_)) => Some(schema.clone()),
            (false, _) => return Err(no_struct(&record.value)),
        };
        let unavailable = record
            .headers
            .last(UNAVAILABLE)
            .and_then(|header| header.value.as_str())
            .unwrap_or_default();
        let gone = !unavailable.is_empty() && record.headers.last(GONE).is_some();
        if let Some((origin, shape)) = &self.last
            && origin.key == *key
            && origin.value == value
            && origin.unavailable == unavailable
            && origin.gone == gone
        {
            return Ok(shape.clone());
        }
        let shape = Arc::new(self.new_shape(key, value.as_deref(), unavailable, gone)?);
        let origin = Origin {
            key: key.clone(),
            value,
            unavailable: unavailable.to_owned(),
            gone,
        };
        self.last = Some((origin, shape.clone()));
        Ok(shape)
    }

    fn new_shape(
        &self,
        key: &Arc<Schema>,
        value: Option<&Schema>,
        unavailable: &str,
        gone: bool,
    ) -> Result<Shape, RecordError> {
        let mut columns = self.key_columns(key)?;
        let key_len = columns.len();
        let (mut fields, mut lacks) = (Vec::new(), Vec::new());
        for (index, field) in (0..).zip(value.map(Schema::fields).unwrap_or_default()) {
            let in_key = columns.iter().take(key_len).any(|(name, _)| *name == field.name);
            if in_key {
                continue;
            }
            // The old value stays in a column that the source could not read.
            if !unavailable.is_empty() && unavailable::names(unavailable, &field.name) {
                lacks.push((field.name.clone(), field.schema.clone()));
                continue;
            }
            if !is_flat(&field.schema) {
                return Err(RecordError::new(format!(
                    "{} where a scalar is due: flatten the record with a transform, an envelope with \
                     ExtractNewRecordState",
                    field.schema.kind.name()
                ))
                .at(&*field.name));
            }
            columns.push((field.name.clone(), field.schema.clone()));
            fields.push(index);
        }
        Ok(Shape {
            columns,
            key_len,
            fields,
            lacks,
            gone,
        })
    }

    fn key_columns(&self, key: &Arc<Schema>) -> Result<Vec<Column>, RecordError> {
        if !matches!(key.kind, Kind::Struct(_)) {
            return match &self.key_fields[..] {
                [column] if is_flat(key) => Ok(vec![(column.as_str().into(), key.clone())]),
                _ => Err(RecordError::new(format!(
                    "the key is a {}: set primary.key.fields to the one column it goes to",
                    key.kind.name()
                ))),
            };
        }
        let chosen: Vec<_> = if self.key_fields.is_empty() {
            key.fields().iter().collect()
        } else {
            self.key_fields
                .iter()
                .map(|wanted| {
                    key.fields()
                        .iter()
                        .find(|field| *field.name == **wanted)
                        .ok_or_else(|| {
                            RecordError::new("a field of primary.key.fields that the record's key lacks")
                                .at(wanted.as_str())
                        })
                })
                .collect::<Result<_, _>>()?
        };
        if chosen.is_empty() {
            return Err(RecordError::new("the record's key has no field"));
        }
        Ok(chosen
            .into_iter()
            .map(|field| (field.name.clone(), field.schema.clone()))
            .collect())
    }
}

/// A column of the key: a field of the struct, or the key itself.
fn key_cell<'a>(key: &'a Datum, name: &str) -> Option<(&'a Value, &'a Schema)> {
    match (&key.value, key.schema.as_deref()) {
        (Value::Struct(fields), _) => {
            let index = fields.schema.field_index(name)?;
            Some((
                fields.fields.get(index)?,
                &fields.schema.fields().get(index)?.schema,
            ))
        }
        (value, schema) => Some((value, schema?)),
    }
}

fn no_struct(value: &Datum) -> RecordError {
    RecordError::new(format!(
        "the value is {} and not a struct with a schema: use a converter that carries schemas",
        value.value.type_name()
    ))
}

/// Leaves out operations whose effect a later one of the same key replaces whole: any before a deletion, and an upsert
/// before one of the same columns.
pub fn collapsed<'p, 'a>(ops: &[&'p Op<'a>]) -> Vec<&'p Op<'a>> {
    let mut later: HashMap<&[Cell<'a>], &Op<'a>> = HashMap::with_capacity(ops.len());
    let mut kept = Vec::with_capacity(ops.len());
    for op in ops.iter().copied().rev() {
        let replaced = later
            .get(op.key())
            .is_some_and(|next| next.delete || (!op.delete && same(&op.shape, &next.shape)));
        if !replaced {
            later.insert(op.key(), op);
            kept.push(op);
        }
    }
    kept.reverse();
    kept
}

fn same(one: &Arc<Shape>, other: &Arc<Shape>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

/// Cuts operations into runs that one statement each can carry: of one kind and shape, each key once, at most `rows_max`.
pub fn runs<'s, 'p, 'a>(ops: &'s [&'p Op<'a>], rows_max: usize) -> Vec<&'s [&'p Op<'a>]> {
    let mut runs = Vec::new();
    let mut start = 0;
    let mut keys = HashSet::new();
    for (end, op) in ops.iter().enumerate() {
        let first: &Op<'_> = ops.get(start).copied().unwrap_or(op);
        let fits = end - start < rows_max
            && first.delete == op.delete
            && same(&first.shape, &op.shape)
            && !keys.contains(op.key());
        if !fits {
            runs.extend(ops.get(start..end));
            start = end;
            keys.clear();
        }
        keys.insert(op.key());
    }
    runs.extend(ops.get(start..).filter(|rest| !rest.is_empty()));
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use rowtide_api::sink::RecordId;
    use rowtide_api::{Headers, Struct};

    fn row(id: i32, name: Option<&str>) -> SinkRecord {
        let key = Schema::structure([("id", Schema::of(Kind::Int32).build())]).build();
        let value = Schema::structure([
            ("id", Schema::of(Kind::Int32).build()),
            ("name", Schema::optional_text()),
        ])
        .build();
        let record = Record {
            topic: "t".into(),
            partition: None,
            timestamp_ms: None,
            key: Datum::of(Struct::new(key, [Value::Int32(id)])),
            value: match name {
                Some(name) => Datum::of(Struct::new(value, [Value::Int32(id), Value::from(name)])),
                None => Datum::NULL,
            },
            headers: Headers::default(),
        };
        SinkRecord {
            record,
            id: RecordId::new(0),
        }
    }

    fn shown(ops: &[&Op<'_>]) -> String {
        ops.iter()
            .map(|op| {
                let cells: Vec<_> = op
                    .cells
                    .iter()
                    .map(|cell| cell.as_deref().unwrap_or("null"))
                    .collect();
                format!("{}{}", if op.delete { "-" } else { "+" }, cells.join(":"))
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn the_last_operation_of_a_key_is_left_and_runs_keep_the_order() {
        let records = [
            row(1, Some("a")),
            row(2, Some("b")),
            row(1, None),
            row(3, Some("c")),
            row(2, Some("d")),
        ];
        let plan = Planner::new(Vec::new(), true).plan(&records);
        let kept = collapsed(&plan.ops.iter().collect::<Vec<_>>());
        assert_eq!(shown(&kept), "-1 +3:c +2:d");
        let cut: Vec<_> = runs(&kept, 500).into_iter().map(shown).collect();
        assert_eq!(cut, ["-1", "+3:c +2:d"]);
        let cut: Vec<_> = runs(&kept, 1).into_iter().map(shown).collect();
        assert_eq!(cut, ["-1", "+3:c", "+2:d"]);

        // A deletion in between is kept: the columns that the record does not have go with the row.
        let again = [row(1, None), row(1, Some("a"))];
        let plan = Planner::new(Vec::new(), true).plan(&again);
        assert_eq!(shown(&collapsed(&plan.ops.iter().collect::<Vec<_>>())), "-1 +1:a");

        let plan = Planner::new(Vec::new(), true).plan(&records);
        // Uncollapsed, as when a bad record is searched for: a statement never holds a key twice.
        let all: Vec<_> = plan.ops.iter().collect();
        let cut: Vec<_> = runs(&all, 500).into_iter().map(shown).collect();
        assert_eq!(cut, ["+1:a +2:b", "-1", "+3:c +2:d"]);
        let twice = [row(1, Some("a")), row(1, Some("b"))];
        let plan = Planner::new(Vec::new(), true).plan(&twice);
        let all: Vec<_> = plan.ops.iter().collect();
        assert_eq!(runs(&all, 500).len(), 2);
    }

    #[test]
    fn a_record_without_value_is_skipped_unless_deletes_are_enabled() {
        let records = [row(1, None)];
        let plan = Planner::new(Vec::new(), false).plan(&records);
        assert_eq!((plan.skipped, plan.ops.len(), plan.rejected.len()), (1, 0, 0));
    }

    #[test]
    fn what_is_no_flat_record_with_a_key_is_rejected_alone() {
        let mut keyless = row(1, Some("a"));
        keyless.record.key = Datum::NULL;
        let mut schemaless = row(2, Some("b"));
        schemaless.record.value = Datum::schemaless(Value::Map(Box::default()));
        let mut nested = row(3, Some("c"));
        let inner = Schema::structure([("x", Schema::text())]).build();
        let outer = Schema::structure([("after", inner.clone())]).build();
        nested.record.value = Datum::of(Struct::new(
            outer,
            [Value::Struct(Struct::new(inner, [Value::from("x")]))],
        ));
        let mut null_key = row(4, Some("d"));
        let key = Schema::structure([("id", Schema::optional_text())]).build();
        null_key.record.key = Datum::of(Struct::new(key, [Value::Null]));
        let records = [keyless, schemaless, nested, null_key, row(5, Some("e"))];
        let plan = Planner::new(Vec::new(), true).plan(&records);
        let indexes: Vec<_> = plan.rejected.iter().map(|(index, _)| *index).collect();
        assert_eq!(indexes, [0, 1, 2, 3]);
        assert_eq!(plan.rejected[2].1.field.as_deref(), Some("after"));
        assert_eq!(plan.ops.len(), 1);
    }

    #[test]
    fn key_fields_choose_and_name_the_key_columns() {
        let mut primitive = row(1, Some("a"));
        primitive.record.key = Datum::text("k1");
        let records = [primitive];
        let plan = Planner::new(vec!["pk".into()], true).plan(&records);
        assert_eq!(shown(&plan.ops.iter().collect::<Vec<_>>()), "+k1:1:a");
        let plan = Planner::new(Vec::new(), true).plan(&records);
        assert!(plan.rejected[0].1.reason.contains("primary.key.fields"));
        let records = [row(1, Some("a"))];
        let plan = Planner::new(vec!["uuid".into()], true).plan(&records);
        assert_eq!(plan.rejected[0].1.field.as_deref(), Some("uuid"));
    }

    /// PG-077: a placeholder is no value.
    #[test]
    fn an_unavailable_column_is_left_out() {
        let mut record = row(1, Some("__debezium_unavailable_value"));
        record
            .record
            .headers
            .push("rowtide.unavailable", Datum::text("name"));
        let records = [record, row(2, Some("b"))];
        let plan = Planner::new(Vec::new(), true).plan(&records);
        assert_eq!(shown(&plan.ops.iter().collect::<Vec<_>>()), "+1 +2:b");

        // The value written before it in the same batch is not lost.
        let mut later = row(1, Some("x"));
        later
            .record
            .headers
            .push("rowtide.unavailable", Datum::text("name"));
        let records = [row(1, Some("a")), later];
        let plan = Planner::new(Vec::new(), true).plan(&records);
        assert_eq!(shown(&collapsed(&plan.ops.iter().collect::<Vec<_>>())), "+1:a +1");
    }
}
