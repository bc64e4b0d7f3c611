//! Sans-I/O: records that begin a row without all of its values, and how they get them.
//!
//! Under the default replica identity the server sends neither an unchanged value that is stored out of line nor that of the
//! row as it was. For a row that the reader has, nothing is missing. A record that begins a row would begin it without.
//!
//! Invariant: no batch is handed on while a record of it is [`Missing`] values: the task reads them again by the key, or
//! fails. What is read may be newer than the change. Then a later change brought it, and follows in the stream; so does what
//! removed a row that is gone by then.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use rowtide_api::source::Reject;
use rowtide_api::unavailable::{self, GONE, UNAVAILABLE};
use rowtide_api::{Datum, Error, RecordError, Value};

use super::Builder;
use super::place::{Place, slot};
use super::row::{RowError, without_value};
use crate::source::config::OnCreate;
use crate::source::replication::pgoutput::{Column, OldTuple, Tuple};
use crate::source::replication::relations::TablePlan;

/// The key that decides about such records.
pub(crate) const ON_CREATE: &str = "rowtide.unavailable.on.create";

/// Waiting records that make a batch full: with values of a megabyte each, some of them fit into memory.
pub(crate) const MISSING_MAX: usize = 64;

/// Keys remembered behind a gap; 16 bytes each. Beyond it all are forgotten, which costs a few reads.
const BEGUN_MAX: usize = 1 << 17;

/// A record that waits for values.
#[derive(Debug, Clone)]
pub struct Missing {
    /// Its table.
    pub plan: Arc<TablePlan>,
    /// The transaction of the change.
    pub xid: u32,
    /// The row's key in the server's text, in key order.
    pub key: Vec<Option<String>>,
    /// The columns, by their places in the relation.
    pub columns: Vec<usize>,
    /// Its place in the batch.
    record: usize,
}

/// What the database answers for a waiting record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Per column its text, or null; `None`: the column does not exist any more.
    Row(Vec<Option<Option<String>>>),
    /// There is no such row any more.
    Gone,
    /// There is no such table any more.
    NoTable,
}

/// The rows behind a gap of which a whole image was sent.
#[derive(Debug, Default)]
pub(super) struct Begun {
    /// Rows may be there that were never sent.
    gap: bool,
    /// Tables that sent a value short; only of those anything is remembered.
    tables: HashSet<u32>,
    rows: HashSet<(u64, u64)>,
    /// Two independent hashes: what they agree on is one row.
    states: (RandomState, RandomState),
}

impl Begun {
    fn is_fed(&self, table: u32) -> bool {
        !self.tables.is_empty() && self.tables.contains(&table)
    }

    fn print(&self, table: u32, key: &[Option<String>]) -> (u64, u64) {
        (
            self.states.0.hash_one((table, key)),
            self.states.1.hash_one((table, key)),
        )
    }

    fn contains(&self, table: u32, key: &[Option<String>]) -> bool {
        self.rows.contains(&self.print(table, key))
    }

    fn insert(&mut self, table: u32, key: &[Option<String>]) {
        if self.rows.len() >= BEGUN_MAX {
            self.rows.clear();
        }
        self.tables.insert(table);
        let print = self.print(table, key);
        self.rows.insert(print);
    }
}

impl Builder {
    /// Rows may be there that were never sent: the first record of each is taken for its beginning.
    pub fn behind_a_gap(&mut self) {
        self.begun.gap = true;
    }

    /// The records that wait for values, in order.
    pub fn missing(&self) -> &[Missing] {
        &self.missing
    }

    /// What a row lacks that is about to be sent, and whether it has to wait for it. `begins`: it is a new row.
    ///
    /// # Errors
    /// Fatal where the row must not begin like that, or a value has no placeholder under
    /// `event.converting.failure.handling.mode=fail`.
    #[inline]
    pub(super) fn wanted(
        &mut self,
        plan: &Arc<TablePlan>,
        buffer: &[u8],
        tuples: (Option<&OldTuple>, &Tuple),
        begins: bool,
    ) -> Result<Option<Missing>, Error> {
        if self.new.unavailable.is_empty() && !self.begun.is_fed(plan.oid) {
            return Ok(None);
        }
        self.wanted_of(plan, buffer, tuples, begins)
    }

    #[cold]
    fn wanted_of(
        &mut self,
        plan: &Arc<TablePlan>,
        buffer: &[u8],
        (old, new): (Option<&OldTuple>, &Tuple),
        begins: bool,
    ) -> Result<Option<Missing>, Error> {
        let key = key_texts(plan, buffer, old, new);
        let gap = self.begun.gap;
        if self.new.unavailable.is_empty() {
            if let (true, Some(key)) = (gap, key) {
                self.begun.insert(plan.oid, &key);
            }
            return Ok(None);
        }
        let known = |key: &Vec<_>| self.begun.contains(plan.oid, key);
        if !begins && (!gap || key.as_ref().is_some_and(known)) {
            return self.without_placeholder(plan).map(|()| None);
        }
        match (self.settings.on_create, key) {
            (OnCreate::Placeholder, _) => self.without_placeholder(plan).map(|()| None),
            (OnCreate::Fail, _) => Err(refused(plan, &self.names(plan), "is not to be read again")
                .hint(remedy(plan, "or set rowtide.unavailable.on.create=reselect"))),
            (OnCreate::Reselect, None) => Err(unreadable(
                plan,
                &self.names(plan),
                "the table has no key to read it again by",
            )),
            (OnCreate::Reselect, Some(key)) => {
                if gap {
                    self.begun.insert(plan.oid, &key);
                }
                Ok(Some(Missing {
                    plan: plan.clone(),
                    xid: self.transaction.xid,
                    key,
                    columns: self.new.unavailable.clone(),
                    record: 0,
                }))
            }
        }
    }

    /// The newest record waits.
    pub(super) fn wait(&mut self, missing: Option<Missing>) {
        let Some(missing) = missing else { return };
        // Invariant: whoever waits has just been pushed.
        let record = self.records.len().saturating_sub(1);
        self.missing.push(Missing { record, ..missing });
    }

    /// A row whose key was not sent cannot be told from others; it is rejected, never sent under a placeholder.
    pub(super) fn rejects_key(&mut self, plan: &TablePlan, buffer: &[u8], new: &Tuple) -> bool {
        let Some(key) = plan.key.as_ref().filter(|_| !self.new.unavailable.is_empty()) else {
            return false;
        };
        let unsent = key
            .columns
            .iter()
            .any(|place| self.new.unavailable.contains(place));
        if unsent {
            self.reject_keyless(plan, buffer, new, "an update");
        }
        unsent
    }

    /// A change without the columns of the key.
    pub(super) fn reject_keyless(&mut self, plan: &TablePlan, buffer: &[u8], sent: &Tuple, what: &str) {
        let reason = format!(
            "{what} does not carry the columns of the key: set REPLICA IDENTITY FULL, or an index over the key"
        );
        self.rejected.push(Reject {
            topic: plan.topic.clone(),
            raw: buffer[sent.body.clone()].to_vec(),
            error: RecordError::new(reason).at(plan.name.to_string()),
        });
    }

    /// PG-116: values that stay unknown and have no placeholder are counted like those that do not fit.
    fn without_placeholder(&mut self, plan: &TablePlan) -> Result<(), Error> {
        for place in &self.new.unavailable {
            if let Some(Some(column)) = plan.columns.get(*place)
                && column.placeholder.is_none()
            {
                let cause = crate::types::Unfit("an unchanged TOAST value whose type has no placeholder");
                self.failures
                    .stand_in(plan, column, cause)
                    .map_err(RowError::into_error)?;
            }
        }
        Ok(())
    }

    fn names(&self, plan: &TablePlan) -> String {
        names(plan, &self.new.unavailable)
    }

    /// PG-077.
    pub(super) fn unavailable(&self, plan: &TablePlan) -> Option<Datum> {
        if self.new.unavailable.is_empty() || !self.settings.rowtide_headers {
            return None;
        }
        Some(Datum::text(self.names(plan)))
    }

    /// Fills in what the waiting records lack; one answer for each, in order.
    ///
    /// # Errors
    /// Fatal for values that do not fit under `event.converting.failure.handling.mode=fail`.
    pub fn fill(&mut self, answers: &[Found]) -> Result<(), Error> {
        debug_assert_eq!(
            answers.len(),
            self.missing.len(),
            "every waiting record has its answer"
        );
        for (missing, found) in std::mem::take(&mut self.missing).iter().zip(answers) {
            match found {
                Found::Row(values) => self.fill_row(missing, values)?,
                Found::Gone => {
                    self.gone.add(1);
                    let header = (Arc::from(GONE), Datum::text("true"));
                    if let (true, Some(record)) = (
                        self.settings.rowtide_headers,
                        self.records.get_mut(missing.record),
                    ) {
                        record.headers.own.push(header);
                    }
                }
                Found::NoTable => {}
            }
        }
        Ok(())
    }

    fn fill_row(&mut self, missing: &Missing, values: &[Option<Option<String>>]) -> Result<(), Error> {
        let plan = &missing.plan;
        let mut left = Vec::new();
        for (place, value) in missing.columns.iter().zip(values) {
            let Some(Some(column)) = plan.columns.get(*place) else {
                continue;
            };
            let value = match value {
                None => {
                    left.push(*place);
                    continue;
                }
                Some(None) => without_value(column),
                Some(Some(text)) => match column.op.decode_str(text) {
                    Ok(value) => value,
                    Err(cause) => self
                        .failures
                        .stand_in(plan, column, cause)
                        .map_err(RowError::into_error)?,
                },
            };
            self.read_again.add(1);
            let target = self.records.get_mut(missing.record);
            if let Some(target) = target.and_then(|record| slot(record, Place::After(column.slot))) {
                *target = value;
            }
        }
        if let Some(record) = self.records.get_mut(missing.record) {
            // It stands behind the headers whose places are noted.
            let own = &mut record.headers.own;
            own.retain(|(name, _)| &**name != UNAVAILABLE);
            if !left.is_empty() && self.settings.rowtide_headers {
                own.push((Arc::from(UNAVAILABLE), Datum::text(names(plan, &left))));
            }
        }
        Ok(())
    }
}

/// The key of the new row in the server's text; what was not sent of it stands in the old tuple (PG-075).
fn key_texts(
    plan: &TablePlan,
    buffer: &[u8],
    old: Option<&OldTuple>,
    new: &Tuple,
) -> Option<Vec<Option<String>>> {
    let key = plan.key.as_ref()?;
    let text = |tuple: &Tuple, place: usize| match tuple.columns(buffer).nth(place)? {
        Column::Text(range) => Some(Some(String::from_utf8_lossy(&buffer[range]).into_owned())),
        Column::Null => Some(None),
        Column::Unchanged | Column::Binary(_) => None,
    };
    let of = |place: &usize| text(new, *place).or_else(|| text(&old?.tuple, *place));
    key.columns.iter().map(of).collect()
}

/// Whether an old tuple holds the key. What is published under a partitioned table's name has the old tuples of its
/// partitions, whatever the identity that the stream states.
pub(super) fn holds_key(plan: &TablePlan, buffer: &[u8], old: &OldTuple) -> bool {
    if !old.full && !plan.identity_covers_key {
        return false;
    }
    if !plan.partitioned {
        return true;
    }
    let sent = |place: &usize| matches!(old.tuple.columns(buffer).nth(*place), Some(Column::Text(_)));
    plan.key.iter().all(|key| key.columns.iter().all(sent))
}

/// The fields of these columns, for the header and for messages.
fn names(plan: &TablePlan, places: &[usize]) -> String {
    let fields = plan.value_schema.fields();
    let columns = places
        .iter()
        .filter_map(|place| plan.columns.get(*place)?.as_ref());
    unavailable::list(columns.filter_map(|column| Some(&*fields.get(column.slot)?.name)))
}

fn refused(plan: &TablePlan, names: &str, why: &str) -> Error {
    Error::fatal(format!(
        "a row of {} begins without {names}: the server did not send what is stored out of line and did not change, and it {why}",
        plan.name
    ))
}

fn remedy(plan: &TablePlan, otherwise: &str) -> String {
    format!(
        "run ALTER TABLE {} REPLICA IDENTITY FULL so that later changes carry it, {otherwise}; \
         rowtide.unavailable.on.create=placeholder gets past changes that are written already",
        plan.name.quoted()
    )
}

/// A value that has to be read again and cannot.
pub(crate) fn unreadable(plan: &TablePlan, names: &str, why: &str) -> Error {
    refused(plan, names, &format!("cannot be read again: {why}"))
        .hint(remedy(plan, "or give the role the right to read the table"))
}

impl Missing {
    /// The names of the columns.
    pub fn names(&self) -> String {
        names(&self.plan, &self.columns)
    }

    /// For tests of what fills it.
    #[cfg(test)]
    pub(crate) fn of(plan: Arc<TablePlan>, xid: u32, key: &[Option<&str>], columns: &[usize]) -> Self {
        Self {
            plan,
            xid,
            key: key.iter().map(|text| text.map(str::to_owned)).collect(),
            columns: columns.to_vec(),
            record: 0,
        }
    }
}

/// A null where a value was not sent and nothing stands for it.
pub(super) fn stand_in_of(column: &crate::source::replication::relations::ColumnPlan) -> Value {
    column
        .placeholder
        .clone()
        .unwrap_or_else(|| without_value(column))
}
