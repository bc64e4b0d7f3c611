//! Sans-I/O: rows that began without values which the source did not send (RS-131), by table and column.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::config::Target;
use super::plan::Shape;

/// How many rows lack a column's value.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Lacking(BTreeMap<(String, Arc<str>), u64>);

impl Lacking {
    /// Rows of this shape began.
    pub(super) fn rows(&mut self, table: &Target, shape: &Shape, rows: u64) {
        if rows == 0 {
            return;
        }
        for (column, _) in &shape.lacks {
            *self.0.entry((table.to_string(), column.clone())).or_default() += rows;
        }
    }

    /// The rows of both.
    pub(super) fn add(&mut self, other: Self) {
        for (of, rows) in other.0 {
            *self.0.entry(of).or_default() += rows;
        }
    }

    /// Table, column and number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str, u64)> {
        self.0
            .iter()
            .map(|((table, column), rows)| (table.as_str(), &**column, *rows))
    }
}
