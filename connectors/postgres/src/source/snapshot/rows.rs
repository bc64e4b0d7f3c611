//! Sans-I/O: rows of COPY into `r` events with their markers (PG-070). One row stays behind, because only what follows
//! decides whether it was the last of its table or of all.

use std::sync::Arc;

use rowtide_api::source::Reject;
use rowtide_api::{Error, Record};

use super::read::Part;
use crate::connection::frame::next_frame;
use crate::source::record::{Builder, malformed};
use crate::source::replication::relations::TablePlan;
use crate::source::replication::transaction::BatchLimits;

/// The rows of a snapshot.
#[derive(Debug)]
pub struct Rows {
    plans: Vec<Arc<TablePlan>>,
    builder: Builder,
    lsn: u64,
    /// Rows read of each table.
    done: Vec<u64>,
    /// Rows read of all tables.
    total: u64,
    table: usize,
    bytes: usize,
}

impl Rows {
    /// Of these tables, at this consistent point.
    pub(super) fn new(plans: Vec<Arc<TablePlan>>, builder: Builder, lsn: u64) -> Self {
        Self {
            done: vec![0; plans.len()],
            plans,
            builder,
            lsn,
            total: 0,
            table: 0,
            bytes: 0,
        }
    }

    /// Builds records until the part is used up (false) or the batch is full (true).
    pub(super) fn read(&mut self, part: &mut Part, now_ns: i64, limits: BatchLimits) -> Result<bool, Error> {
        self.builder.clock(now_ns);
        let (table, buffer, at) = match part {
            Part::End(table) => {
                self.end_of(*table);
                return Ok(false);
            }
            Part::Rows { table, buffer, at } => (*table, buffer, at),
        };
        self.table = table;
        let Some(plan) = self.plans.get(table).cloned() else {
            return Ok(false);
        };
        while let Some(frame) = next_frame(buffer, *at).map_err(malformed)? {
            *at = frame.body.end;
            if frame.tag != b'd' {
                continue;
            }
            self.bytes += frame.body.len();
            self.builder.read(self.lsn, &plan, buffer, frame.body)?;
            self.mark(table);
            if self.ready() >= limits.records_max || self.bytes >= limits.bytes_max && self.ready() > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn mark(&mut self, table: usize) {
        let of_table = &mut self.done[table];
        if self.total == 0 {
            self.builder.mark_last("first");
        } else if *of_table == 0 {
            self.builder.mark_last("first_in_data_collection");
        }
        *of_table += 1;
        self.total += 1;
    }

    fn end_of(&mut self, table: usize) {
        // The very first row keeps its marker even when it is the only one of its table.
        if self.done.get(table).is_some_and(|rows| *rows > 0) && self.total > 1 {
            self.builder.mark_last("last_in_data_collection");
        }
    }

    /// The very last row is known now.
    pub(super) fn finish(&mut self) {
        self.builder.mark_last("last");
        // Nothing stays behind any more.
        self.total = 0;
    }

    /// How many records can be handed out.
    pub(super) fn ready(&self) -> usize {
        self.builder.len().saturating_sub(self.held())
    }

    fn held(&self) -> usize {
        usize::from(self.total > 0)
    }

    /// Hands out what is ready.
    pub(super) fn take(&mut self) -> (Vec<Record>, Vec<Reject>) {
        self.bytes = 0;
        self.builder.seal(self.held())
    }

    /// The table being read and how many of its rows are read.
    pub(super) fn progress(&self) -> (usize, u64) {
        (self.table, self.done.get(self.table).copied().unwrap_or(0))
    }

    /// How many rows of a table were read.
    pub(super) fn rows_of(&self, name: &str) -> u64 {
        let place = self.plans.iter().position(|plan| plan.name.to_string() == name);
        place.and_then(|table| self.done.get(table)).copied().unwrap_or(0)
    }
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
