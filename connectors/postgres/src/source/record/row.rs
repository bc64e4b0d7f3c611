//! Sans-I/O: one row on its way from a tuple or a COPY line into a record.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use rowtide_api::context::Metrics;
use rowtide_api::data::Buffer;
use rowtide_api::{Error, Value};

use super::malformed;
use super::missing::stand_in_of;
use crate::connection::frame::Malformed;
use crate::identifier::TableName;
use crate::source::config::FailureMode;
use crate::source::replication::pgoutput::{Column, OldTuple, Tuple};
use crate::source::replication::relations::{ColumnPlan, TablePlan};
use crate::types::{Arena, Cell, Op, Out, Unfit};

/// The decoded columns of a row; its buffers are reused.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// The value's fields, in order.
    pub(super) values: Vec<Value>,
    /// Columns that are only part of the key.
    extra: Vec<Value>,
    /// Slots whose value is still in the arena.
    pub(super) cells: Vec<(usize, Cell)>,
    /// Columns whose value was not sent (PG-077), by their place in the relation.
    pub(super) unavailable: Vec<usize>,
}

/// Why a row could not be decoded.
#[derive(Debug)]
pub(super) enum RowError {
    Malformed(Malformed),
    /// Under `event.converting.failure.handling.mode=fail`.
    Unfit {
        column: String,
        cause: Unfit,
    },
}

impl RowError {
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Malformed(cause) => malformed(cause),
            Self::Unfit { column, cause } => Error::fatal(format!("converting a value of {column}"))
                .hint("leave the column out with column.exclude.list, or set event.converting.failure.handling.mode=warn")
                .because(cause),
        }
    }
}

/// Counts values that did not fit, and says so once per column.
#[derive(Debug)]
pub(super) struct Failures {
    metrics: Metrics,
    mode: FailureMode,
    told: HashSet<(TableName, Arc<str>)>,
}

impl Failures {
    pub(super) fn new(metrics: Metrics, mode: FailureMode) -> Self {
        Self {
            metrics,
            mode,
            told: HashSet::new(),
        }
    }

    /// PG-116: the value that stands for one that does not fit.
    pub(super) fn stand_in(
        &mut self,
        plan: &TablePlan,
        column: &ColumnPlan,
        cause: Unfit,
    ) -> Result<Value, RowError> {
        let table = plan.name.to_string();
        let labels = [("table", table.as_str()), ("column", &*column.name)];
        self.metrics
            .counter("rowtide_postgres_conversion_failures_total", &labels)
            .add(1);
        if self.mode == FailureMode::Fail {
            let column = format!("{table}.{}", column.name);
            return Err(RowError::Unfit { column, cause });
        }
        if self.mode == FailureMode::Warn && self.told.insert((plan.name.clone(), column.name.clone())) {
            tracing::warn!(table = %plan.name, column = %column.name, cause = %cause,
                "a value does not fit its schema and becomes null or the column's fallback; told once per column, counted always");
        }
        Ok(without_value(column))
    }
}

pub(super) fn without_value(column: &ColumnPlan) -> Value {
    if column.optional {
        Value::Null
    } else {
        column.stand_in.clone()
    }
}

/// What is known of the row as it was.
#[derive(Clone, Copy)]
pub(super) struct Before<'a> {
    /// The old tuple.
    pub(super) sent: &'a OldTuple,
    /// The same, decoded.
    pub(super) row: &'a Row,
}

impl Before<'_> {
    /// The value of a column that the new tuple calls unchanged, if the old tuple holds it (PG-075). Such a value is never
    /// null: a null there says that the old tuple leaves the column out. One that calls itself whole can do so, when a
    /// partition's replica identity is less than that of the partitioned table it is published as.
    fn cell(&self, buffer: &Buffer, column: &ColumnPlan, index: usize) -> Option<Cell> {
        let sent = self.sent.tuple.columns(buffer).nth(index);
        if !(self.sent.full || column.identity) || !matches!(sent, Some(Column::Text(_))) {
            return None;
        }
        let cell = self.row.cells.iter().find(|(slot, _)| *slot == column.slot);
        Some(match cell {
            Some((_, cell)) => cell.clone(),
            None => Cell::Value(self.row.value(column.slot).clone()),
        })
    }
}

impl Row {
    fn clear(&mut self, plan: &TablePlan) {
        self.values.clear();
        self.values.reserve_exact(plan.fields);
        self.extra.clear();
        self.cells.clear();
        self.unavailable.clear();
    }

    /// The value in a slot; a null stands where the value is in the arena.
    pub(super) fn value(&self, slot: usize) -> &Value {
        const NULL: &Value = &Value::Null;
        let fields = self.values.len();
        self.values
            .get(slot)
            .or_else(|| self.extra.get(slot - fields))
            .unwrap_or(NULL)
    }

    /// Slots are handed out in the order of the columns, so pushing keeps them.
    #[inline]
    fn out(&mut self, plan: &TablePlan, column: &ColumnPlan) -> Out<'_> {
        let values = if column.slot < plan.fields {
            &mut self.values
        } else {
            &mut self.extra
        };
        Out {
            values,
            cells: &mut self.cells,
            slot: column.slot,
        }
    }

    /// A value that stands for one that was not sent or does not fit.
    fn push(&mut self, plan: &TablePlan, column: &ColumnPlan, value: Value) {
        self.out(plan, column).values.push(value);
    }

    /// Decodes a tuple. `before`: the row as it was, for values that were not sent again (PG-075).
    pub(super) fn decode(
        &mut self,
        plan: &TablePlan,
        buffer: &Buffer,
        tuple: &Tuple,
        before: Option<Before<'_>>,
        arena: &mut Arena,
        failures: &mut Failures,
    ) -> Result<(), RowError> {
        if tuple.columns != plan.columns.len() {
            return Err(RowError::Malformed(Malformed(
                "a row has another number of columns than its relation",
            )));
        }
        self.clear(plan);
        for (index, (sent, column)) in tuple.columns(buffer).zip(&plan.columns).enumerate() {
            let Some(column) = column else {
                continue;
            };
            match sent {
                Column::Text(range) => {
                    let decoded = column
                        .op
                        .decode(buffer, range, arena, &mut self.out(plan, column));
                    if let Err(cause) = decoded {
                        let value = failures.stand_in(plan, column, cause)?;
                        self.push(plan, column, value);
                    }
                }
                Column::Null => self.push(plan, column, without_value(column)),
                Column::Unchanged => {
                    let known = before.and_then(|before| before.cell(buffer, column, index));
                    // PG-076.
                    let cell = known.unwrap_or_else(|| {
                        self.unavailable.push(index);
                        Cell::Value(stand_in_of(column))
                    });
                    self.out(plan, column).push(cell);
                }
                Column::Binary(_) => {
                    return Err(RowError::Malformed(Malformed("a value came in binary form")));
                }
            }
        }
        Ok(())
    }

    /// Decodes a line of COPY text: fields between tabs, `\N` for null, backslash escapes.
    pub(super) fn decode_line(
        &mut self,
        plan: &TablePlan,
        buffer: &Buffer,
        line: Range<usize>,
        arena: &mut Arena,
        failures: &mut Failures,
    ) -> Result<(), RowError> {
        self.clear(plan);
        if plan.columns.iter().all(Option::is_none) {
            return Ok(());
        }
        let content = &buffer[line.clone()];
        let content = content.strip_suffix(b"\n").unwrap_or(content);
        let mut ends = memchr::memchr_iter(b'\t', content).chain(std::iter::once(content.len()));
        let mut from = 0;
        for column in plan.columns.iter().flatten() {
            let short = RowError::Malformed(Malformed("a COPY line has fewer fields than columns"));
            let to = ends.next().ok_or(short)?;
            let range = line.start + from..line.start + to;
            from = to + 1;
            match decode_field(&column.op, buffer, range, arena, &mut self.out(plan, column)) {
                Ok(true) => {}
                Ok(false) => self.push(plan, column, without_value(column)),
                Err(cause) => {
                    let value = failures.stand_in(plan, column, cause)?;
                    self.push(plan, column, value);
                }
            }
        }
        match ends.next() {
            None => Ok(()),
            Some(_) => Err(RowError::Malformed(Malformed(
                "a COPY line has more fields than columns",
            ))),
        }
    }
}

/// A field of a COPY line; false is null, and then nothing was pushed.
#[inline]
fn decode_field(
    op: &Op,
    buffer: &Buffer,
    range: Range<usize>,
    arena: &mut Arena,
    out: &mut Out<'_>,
) -> Result<bool, Unfit> {
    let text = &buffer[range.clone()];
    if memchr::memchr(b'\\', text).is_none() {
        return op.decode(buffer, range, arena, out).map(|()| true);
    }
    if text == b"\\N" {
        return Ok(false);
    }
    // The hex form of every bytea begins with an escaped backslash, and holds no other.
    if *op == Op::Bytes && text.starts_with(b"\\\\x") {
        return op
            .decode(buffer, range.start + 1..range.end, arena, out)
            .map(|()| true);
    }
    let plain = unescape(text);
    let plain = std::str::from_utf8(&plain).map_err(|_| Unfit("text that is not UTF-8"))?;
    out.values.push(op.decode_str(plain)?);
    Ok(true)
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'\\' => match rest.next() {
                Some(b'b') => 8,
                Some(b'f') => 12,
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(b'v') => 11,
                Some(other) => *other,
                None => b'\\',
            },
            byte => *byte,
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_copy_are_undone() {
        assert_eq!(unescape(b"a\\tb\\\\c\\nd\\"), b"a\tb\\c\nd\\");
    }
}
