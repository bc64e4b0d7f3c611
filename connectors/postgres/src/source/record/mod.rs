//! Sans-I/O: builds records: the envelope around rows, keys, tombstones, headers (PG-062 to PG-079).
//!
//! The hot path allocates per record, not per field: the envelope, the source block, a row, a key and the list of headers.
//! Text that has to be made (ids, sequences, timestamps with zone) is appended to one [`Arena`] per batch; its places are
//! noted and filled in [`Builder::seal`], when the arena has become a buffer that values can point into.

pub(crate) mod missing;
mod place;
mod row;

use std::sync::Arc;

use rowtide_api::context::{Counter, Metrics};
use rowtide_api::data::Buffer;
use rowtide_api::source::Reject;
use rowtide_api::{Datum, Error, Headers, Record, Schema, Struct, Text, Value};

use self::missing::{Begun, Missing};
use self::place::{Fixup, Place};
use self::row::Row;
use super::config::RecordSettings;
use super::envelope;
use super::replication::pgoutput::{OldTuple, Tuple};
use super::replication::relations::TablePlan;
use crate::connection::frame::Malformed;
use crate::types::{Arena, Cell};

/// What is the same on every record of a task.
#[derive(Debug, Clone)]
pub struct Identity {
    /// System identifier and timeline as they head `rowtide.id`: `7/1`.
    pub server: String,
    /// Connector name, task number and a random id of the task's run, for `__debezium.context.*`.
    pub run_id: String,
    /// The task's number.
    pub task: u32,
}

/// Where a streamed change stands.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    /// Its LSN.
    pub lsn: u64,
    /// Its ordinal in the transaction, from 1.
    pub ordinal: u64,
}

/// The transaction changes belong to.
#[derive(Debug, Clone, Default)]
struct Transaction {
    tx_id: Option<i64>,
    xid: u32,
    ts_ns: i64,
    /// `7/1/24023128/`, the head of `rowtide.id`.
    id_head: Vec<u8>,
    /// `["24023000",`, the head of `source.sequence`.
    sequence_head: Vec<u8>,
}

/// Builds the records of a batch.
#[derive(Debug)]
pub struct Builder {
    settings: Arc<RecordSettings>,
    server: String,
    shared: Arc<[(Arc<str>, Datum)]>,
    id_header: Arc<str>,
    operations: [Text; 5],
    version: Text,
    connector: Text,
    name: Text,
    database: Text,
    source_schema: Arc<Schema>,
    header_schema: Arc<Schema>,
    transaction: Transaction,
    /// Wall clock of the building, nanoseconds since the epoch (PG-066).
    now_ns: i64,
    /// Marker of a snapshot, and its floor header; absent while streaming.
    snapshot: Option<(Value, Option<Datum>)>,
    arena: Arena,
    fixups: Vec<Fixup>,
    records: Vec<Record>,
    rejected: Vec<Reject>,
    new: Row,
    old: Row,
    failures: row::Failures,
    skipped_deletes: Counter,
    missing: Vec<Missing>,
    begun: Begun,
    read_again: Counter,
    gone: Counter,
}

/// Which operation an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Create,
    Update,
    Delete,
    Read,
    Truncate,
}

impl Op {
    const TEXTS: [&'static str; 5] = ["c", "u", "d", "r", "t"];

    fn text(self, texts: &[Text; 5]) -> Text {
        texts[self as usize].clone()
    }
}

/// One of the two rows a change can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

impl Builder {
    /// An empty batch.
    pub fn new(settings: Arc<RecordSettings>, identity: &Identity, metrics: &Metrics) -> Self {
        Self {
            shared: shared_headers(&settings, identity),
            server: identity.server.clone(),
            id_header: "rowtide.id".into(),
            operations: Op::TEXTS.map(Text::from),
            version: envelope::VERSION.into(),
            connector: envelope::CONNECTOR.into(),
            name: Text::from(&*settings.prefix),
            database: Text::from(&*settings.database),
            source_schema: envelope::source_schema(),
            header_schema: Schema::text(),
            transaction: Transaction::default(),
            now_ns: 0,
            snapshot: None,
            arena: Arena::default(),
            fixups: Vec::new(),
            records: Vec::new(),
            rejected: Vec::new(),
            new: Row::default(),
            old: Row::default(),
            failures: row::Failures::new(metrics.clone(), settings.failure),
            skipped_deletes: metrics.counter("rowtide_postgres_deletes_without_row_total", &[]),
            missing: Vec::new(),
            begun: Begun::default(),
            read_again: metrics.counter("rowtide_postgres_values_read_again_total", &[]),
            gone: metrics.counter("rowtide_postgres_rows_gone_when_read_again_total", &[]),
            settings,
        }
    }

    /// Sets the instant that records built from now on carry.
    pub fn clock(&mut self, now_ns: i64) {
        self.now_ns = now_ns;
    }

    /// How many records wait.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether nothing waits, not even a rejected record.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.rejected.is_empty()
    }

    /// Begins a transaction.
    pub fn begin(&mut self, final_lsn: u64, xid: u32, commit_ns: i64, last_commit: Option<u64>) {
        self.snapshot = None;
        self.set_position(Some(i64::from(xid)), commit_ns, last_commit);
        self.transaction.xid = xid;
        let head = &mut self.transaction.id_head;
        head.clear();
        head.extend_from_slice(self.server.as_bytes());
        head.push(b'/');
        push_number(head, final_lsn);
        head.push(b'/');
    }

    fn set_position(&mut self, tx_id: Option<i64>, ts_ns: i64, last_commit: Option<u64>) {
        self.transaction.tx_id = tx_id;
        self.transaction.ts_ns = ts_ns;
        let head = &mut self.transaction.sequence_head;
        head.clear();
        head.push(b'[');
        match last_commit {
            None => head.extend_from_slice(b"null,\""),
            Some(lsn) => {
                head.push(b'"');
                push_number(head, lsn);
                head.extend_from_slice(b"\",\"");
            }
        }
    }

    /// Begins a snapshot: its transaction, its instant, and the floor of its rows (CS-105).
    pub fn begin_snapshot(&mut self, tx_id: Option<i64>, ts_ns: i64, floor: u64) {
        self.set_position(tx_id, ts_ns, None);
        let floor = self
            .settings
            .rowtide_headers
            .then(|| Datum::text(floor.to_string()));
        self.snapshot = Some((Value::from("true"), floor));
    }

    /// An inserted row.
    ///
    /// # Errors
    /// Fatal for malformed bytes, and for values that do not fit under `event.converting.failure.handling.mode=fail`.
    pub fn insert(
        &mut self,
        at: Change,
        plan: &Arc<TablePlan>,
        buffer: &Buffer,
        new: &Tuple,
    ) -> Result<(), Error> {
        if self.settings.skipped.inserts {
            return Ok(());
        }
        self.decode_new(plan, buffer, new, None)?;
        // A row that a publication's filter lets in by an update comes as an insert, and its unchanged values do not come.
        if self.rejects_key(plan, buffer, new) {
            return Ok(());
        }
        let wanted = self.wanted(plan, buffer, (None, new), true)?;
        let key = self.key(plan, Side::After);
        self.event(Op::Create, at, plan, key, false, true, 0, None);
        self.wait(wanted);
        Ok(())
    }

    /// A changed row: an update, or, when its key changed, a delete, a tombstone and a create (PG-071, PG-072).
    ///
    /// # Errors
    /// As [`Builder::insert`].
    pub fn update(
        &mut self,
        at: Change,
        plan: &Arc<TablePlan>,
        buffer: &Buffer,
        old: Option<&OldTuple>,
        new: &Tuple,
    ) -> Result<(), Error> {
        if self.settings.skipped.updates {
            return Ok(());
        }
        if let Some(old) = old {
            self.decode_old(plan, buffer, old)?;
        }
        self.decode_new(plan, buffer, new, old)?;
        if self.rejects_key(plan, buffer, new) {
            return Ok(());
        }
        let old_key_known = old.is_some_and(|old| missing::holds_key(plan, buffer, old));
        let key_changed = old_key_known && self.key_differs(plan);
        let wanted = self.wanted(plan, buffer, (old, new), key_changed)?;
        if key_changed {
            self.key_change(at, plan);
        } else {
            let key = self.key(plan, Side::After);
            self.event(Op::Update, at, plan, key, old.is_some(), true, 0, None);
        }
        self.wait(wanted);
        Ok(())
    }

    fn key_change(&mut self, at: Change, plan: &TablePlan) {
        let (old_key, new_key) = (self.key(plan, Side::Before), self.key(plan, Side::After));
        let header = |name: &str, key: &Key| key.datum.clone().map(|key| (Arc::from(name), key));
        let newkey = header("__debezium.newkey", &new_key).map(|header| (header, new_key.cells.clone()));
        let oldkey = header("__debezium.oldkey", &old_key).map(|header| (header, old_key.cells.clone()));
        let mut part = 0;
        self.event(
            Op::Delete,
            at,
            plan,
            old_key.clone(),
            true,
            false,
            part,
            newkey.clone(),
        );
        part += 1;
        if self.settings.tombstones {
            self.tombstone(at, plan, old_key, part, newkey);
            part += 1;
        }
        self.event(Op::Create, at, plan, new_key, false, true, part, oldkey);
    }

    /// A removed row and its tombstone.
    ///
    /// # Errors
    /// As [`Builder::insert`].
    pub fn delete(
        &mut self,
        at: Change,
        plan: &TablePlan,
        buffer: &Buffer,
        old: &OldTuple,
    ) -> Result<(), Error> {
        if self.settings.skipped.deletes {
            return Ok(());
        }
        if old.tuple.columns == 0 {
            // PG-073: without an old row there is nothing to say; counted, so that it does not go unnoticed.
            self.skipped_deletes.add(1);
            return Ok(());
        }
        if plan.key.is_some() && !missing::holds_key(plan, buffer, old) {
            self.reject_keyless(plan, buffer, &old.tuple, "a delete");
            return Ok(());
        }
        self.decode_old(plan, buffer, old)?;
        let key = self.key(plan, Side::Before);
        let tombstone = self.settings.tombstones.then(|| key.clone());
        self.event(Op::Delete, at, plan, key, true, false, 0, None);
        if let Some(key) = tombstone {
            self.tombstone(at, plan, key, 1, None);
        }
        Ok(())
    }

    /// An emptied table; `part` counts the captured tables of one TRUNCATE.
    pub fn truncate(&mut self, at: Change, plan: &TablePlan, part: u32) {
        if !self.settings.skipped.truncates {
            self.event(Op::Truncate, at, plan, Key::default(), false, false, part, None);
        }
    }

    /// A row read by a snapshot, as a line of COPY text.
    ///
    /// # Errors
    /// As [`Builder::insert`].
    pub fn read(
        &mut self,
        lsn: u64,
        plan: &TablePlan,
        buffer: &Buffer,
        line: std::ops::Range<usize>,
    ) -> Result<(), Error> {
        let result = self
            .new
            .decode_line(plan, buffer, line, &mut self.arena, &mut self.failures);
        result.map_err(row::RowError::into_error)?;
        let key = self.key(plan, Side::After);
        self.event(
            Op::Read,
            Change { lsn, ordinal: 0 },
            plan,
            key,
            false,
            true,
            0,
            None,
        );
        Ok(())
    }

    /// Sets the snapshot marker of the newest record (PG-070).
    pub fn mark_last(&mut self, marker: &str) {
        let newest = self.records.last_mut();
        if let Some(slot) = newest.and_then(|record| place::source_field(record, envelope::SOURCE_SNAPSHOT)) {
            *slot = Value::from(marker);
        }
    }

    /// Fills in what points into the arena, and hands out all records but the newest `held`.
    pub fn seal(&mut self, held: usize) -> (Vec<Record>, Vec<Reject>) {
        debug_assert!(
            self.missing.is_empty(),
            "no batch goes while a record waits for values"
        );
        if !self.fixups.is_empty() {
            let sealed = self.arena.take();
            for fixup in self.fixups.drain(..) {
                fixup.apply(&mut self.records, &sealed);
            }
        }
        let kept = self
            .records
            .split_off(self.records.len() - held.min(self.records.len()));
        (
            std::mem::replace(&mut self.records, kept),
            std::mem::take(&mut self.rejected),
        )
    }

    /// Forgets what waits, after the connection was lost.
    pub fn clear(&mut self) {
        self.missing.clear();
        self.arena = Arena::default();
        self.fixups.clear();
        self.records.clear();
        self.rejected.clear();
    }

    fn decode_new(
        &mut self,
        plan: &TablePlan,
        buffer: &Buffer,
        new: &Tuple,
        old: Option<&OldTuple>,
    ) -> Result<(), Error> {
        let before = old.map(|sent| row::Before { sent, row: &self.old });
        let result = self
            .new
            .decode(plan, buffer, new, before, &mut self.arena, &mut self.failures);
        result.map_err(row::RowError::into_error)
    }

    fn decode_old(&mut self, plan: &TablePlan, buffer: &Buffer, old: &OldTuple) -> Result<(), Error> {
        let result = self.old.decode(
            plan,
            buffer,
            &old.tuple,
            None,
            &mut self.arena,
            &mut self.failures,
        );
        result.map_err(row::RowError::into_error)
    }

    fn side(&self, side: Side) -> &Row {
        match side {
            Side::Before => &self.old,
            Side::After => &self.new,
        }
    }

    fn key(&self, plan: &TablePlan, side: Side) -> Key {
        let Some(key) = &plan.key else {
            return Key::default();
        };
        let row = self.side(side);
        let values: Vec<_> = key.slots.iter().map(|slot| row.value(*slot).clone()).collect();
        let cells = row.cells.iter().flat_map(|(slot, cell)| {
            let fields = key.slots.iter().enumerate().filter(move |(_, of)| *of == slot);
            fields.map(move |(field, _)| (field, cell.clone()))
        });
        Key {
            cells: cells.collect(),
            datum: Some(Datum::of(Struct {
                schema: key.schema.clone(),
                fields: values.into_boxed_slice(),
            })),
        }
    }

    /// PG-072: compares what the key structs would hold.
    fn key_differs(&self, plan: &TablePlan) -> bool {
        let Some(key) = &plan.key else {
            return false;
        };
        key.slots.iter().any(|slot| {
            let cell = |row: &Row| {
                row.cells
                    .iter()
                    .find(|(of, _)| of == slot)
                    .map(|(_, cell)| cell.clone())
            };
            match (cell(&self.old), cell(&self.new)) {
                (None, None) => self.old.value(*slot) != self.new.value(*slot),
                (Some(old), Some(new)) => self.arena.bytes(&old) != self.arena.bytes(&new),
                _ => true,
            }
        })
    }

    #[allow(
        clippy::too_many_arguments,
        clippy::vec_init_then_push,
        reason = "one call site per operation, a struct would only rename them; pushed values are built where they stay"
    )]
    fn event(
        &mut self,
        op: Op,
        at: Change,
        plan: &TablePlan,
        key: Key,
        before: bool,
        after: bool,
        part: u32,
        extra: Option<ExtraHeader>,
    ) {
        let record = self.records.len();
        let before = if before {
            self.take_row(plan, Side::Before, record)
        } else {
            Value::Null
        };
        let unavailable = if after { self.unavailable(plan) } else { None };
        let after = if after {
            self.take_row(plan, Side::After, record)
        } else {
            Value::Null
        };
        let source = self.source(at, plan, record);
        // Pushed one by one, the values are built where they stay; an array would be built on the stack and copied.
        let mut fields = Vec::with_capacity(8);
        fields.push(before);
        fields.push(after);
        fields.push(Value::Struct(source));
        fields.push(Value::Null);
        fields.push(Value::Text(op.text(&self.operations)));
        fields.push(Value::Int64(self.now_ns / 1_000_000));
        fields.push(Value::Int64(self.now_ns / 1000));
        fields.push(Value::Int64(self.now_ns));
        let value = Struct {
            schema: plan.envelope_schema.clone(),
            fields: fields.into_boxed_slice(),
        };
        let headers = self.headers(op, at, part, extra, unavailable, record);
        self.push(plan, key, Datum::of(value), headers, record);
    }

    fn tombstone(&mut self, at: Change, plan: &TablePlan, key: Key, part: u32, extra: Option<ExtraHeader>) {
        let record = self.records.len();
        let headers = self.headers(Op::Delete, at, part, extra, None, record);
        self.push(plan, key, Datum::NULL, headers, record);
    }

    fn push(&mut self, plan: &TablePlan, key: Key, value: Datum, headers: Headers, record: usize) {
        for (field, cell) in key.cells {
            self.fixups.push(Fixup::new(record, Place::Key(field), cell));
        }
        self.records.push(Record {
            topic: plan.topic.clone(),
            partition: None,
            timestamp_ms: None,
            key: key.datum.unwrap_or(Datum::NULL),
            value,
            headers,
        });
    }

    fn take_row(&mut self, plan: &TablePlan, side: Side, record: usize) -> Value {
        let (row, place): (_, fn(usize) -> Place) = match side {
            Side::Before => (&mut self.old, Place::Before),
            Side::After => (&mut self.new, Place::After),
        };
        for (slot, cell) in &row.cells {
            if *slot < plan.fields {
                self.fixups.push(Fixup::new(record, place(*slot), cell.clone()));
            }
        }
        Value::Struct(Struct {
            schema: plan.value_schema.clone(),
            fields: std::mem::take(&mut row.values).into_boxed_slice(),
        })
    }

    /// PG-068.
    #[allow(clippy::vec_init_then_push, reason = "built where it stays, see `event`")]
    fn source(&mut self, at: Change, plan: &TablePlan, record: usize) -> Struct {
        let head = &self.transaction.sequence_head;
        let sequence = self.arena.text(|out| {
            out.extend_from_slice(head);
            push_number(out, at.lsn);
            out.extend_from_slice(b"\"]");
        });
        let sequence = self.place(sequence, record, Place::Source(envelope::SOURCE_SEQUENCE));
        let transaction = &self.transaction;
        let snapshot = self
            .snapshot
            .as_ref()
            .map_or(Value::Absent, |(marker, _)| marker.clone());
        let mut fields = Vec::with_capacity(16);
        fields.push(Value::Text(self.version.clone()));
        fields.push(Value::Text(self.connector.clone()));
        fields.push(Value::Text(self.name.clone()));
        fields.push(Value::Int64(transaction.ts_ns.div_euclid(1_000_000)));
        fields.push(snapshot);
        fields.push(Value::Text(self.database.clone()));
        fields.push(sequence);
        fields.push(Value::Int64(transaction.ts_ns.div_euclid(1000)));
        fields.push(Value::Int64(transaction.ts_ns));
        fields.push(Value::Text(plan.schema_text.clone()));
        fields.push(Value::Text(plan.table_text.clone()));
        fields.push(transaction.tx_id.map_or(Value::Null, Value::Int64));
        fields.push(Value::Int64(at.lsn.cast_signed()));
        fields.push(Value::Null);
        fields.push(Value::Null);
        fields.push(Value::Null);
        Struct {
            schema: self.source_schema.clone(),
            fields: fields.into_boxed_slice(),
        }
    }

    fn headers(
        &mut self,
        op: Op,
        at: Change,
        part: u32,
        extra: Option<ExtraHeader>,
        unavailable: Option<Datum>,
        record: usize,
    ) -> Headers {
        let streamed = self.settings.rowtide_headers && op != Op::Read;
        let floor = self.snapshot.as_ref().and_then(|(_, floor)| floor.clone());
        let count = usize::from(extra.is_some())
            + usize::from(streamed || floor.is_some())
            + usize::from(unavailable.is_some());
        let mut own = Vec::with_capacity(count);
        if let Some((header, cells)) = extra {
            own.push(header);
            for (field, cell) in cells {
                self.fixups
                    .push(Fixup::new(record, Place::HeaderKey(field), cell));
            }
        }
        if streamed {
            let head = &self.transaction.id_head;
            let id = self.arena.text(|out| {
                out.extend_from_slice(head);
                push_number(out, at.ordinal);
                if part > 0 {
                    out.push(b'.');
                    push_number(out, u64::from(part));
                }
            });
            let id = self.place(id, record, Place::Header(own.len()));
            own.push((self.id_header.clone(), Datum::new(self.header_schema.clone(), id)));
        } else if let Some(floor) = floor {
            own.push((Arc::from("rowtide.floor"), floor));
        }
        if let Some(unavailable) = unavailable {
            own.push((Arc::from(rowtide_api::unavailable::UNAVAILABLE), unavailable));
        }
        Headers {
            own,
            shared: self.shared.clone(),
        }
    }

    /// The value of a cell, or a stand-in whose place is noted.
    fn place(&mut self, cell: Cell, record: usize, place: Place) -> Value {
        match cell {
            Cell::Value(value) => value,
            cell => {
                self.fixups.push(Fixup::new(record, place, cell));
                Value::Null
            }
        }
    }
}

/// A header with a struct, and the cells of its fields.
type ExtraHeader = ((Arc<str>, Datum), Vec<(usize, Cell)>);

/// A key, and the fields of it that are still in the arena.
#[derive(Debug, Clone, Default)]
struct Key {
    datum: Option<Datum>,
    cells: Vec<(usize, Cell)>,
}

/// PG-078.
fn shared_headers(settings: &RecordSettings, identity: &Identity) -> Arc<[(Arc<str>, Datum)]> {
    if !settings.extended_headers {
        return Arc::new([]);
    }
    let text = |name: &str, value: &str| (Arc::from(name), Datum::text(value));
    Arc::new([
        text("__debezium.context.connectorLogicalName", &settings.prefix),
        text("__debezium.context.taskId", &identity.task.to_string()),
        text("__debezium.context.connectorName", envelope::CONNECTOR),
        text("__debezium.context.runId", &identity.run_id),
    ])
}

/// Appends decimal digits.
#[inline]
fn push_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Malformed bytes are fatal: going on would tear an event (PG-045).
pub(crate) fn malformed(cause: Malformed) -> Error {
    Error::fatal("reading the replication stream")
        .hint("the stream breaks the protocol: check that the peer is a Postgres server and nothing rewrites its traffic")
        .because(cause)
}
