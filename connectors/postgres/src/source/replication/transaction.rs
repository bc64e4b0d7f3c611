//! Sans-I/O: from frames to records and positions: transactions, what a replay has to skip, where batches may end.
//!
//! A batch ends after a whole entry, so its position is (commit LSN, ordinal) and an entry that gives several records is
//! never torn (PG-184). Ordinals count what the server sent, whatever the filters say (PG-187).

use std::collections::HashMap;
use std::sync::Arc;

use rowtide_api::data::Buffer;
use rowtide_api::source::{SourceBatch, Unit};
use rowtide_api::{Error, SourcePartition};

use super::pgoutput::{self, Message, Relation};
use super::relations::{Compiler, TablePlan};
use super::resume::{Resume, Verdict};
use crate::connection::frame::{Malformed, POSTGRES_EPOCH_US, Streamed, next_frame, streamed};
use crate::source::catalogue::Structures;
use crate::source::offset::{Entry, Position};
use crate::source::record::missing::{Found, MISSING_MAX, Missing};
use crate::source::record::{Builder, Change, malformed};

/// Received bytes and how far they are decoded.
#[derive(Debug)]
pub struct Chunk {
    buffer: Buffer,
    at: usize,
}

impl Chunk {
    /// Complete frames, nothing decoded yet.
    pub fn new(buffer: Buffer) -> Self {
        Self { buffer, at: 0 }
    }
}

/// When a batch is full.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Records.
    pub records_max: usize,
    /// Bytes of source data.
    pub bytes_max: usize,
}

/// Why decoding stopped.
#[derive(Debug)]
pub enum Outcome {
    /// The chunk is used up.
    Consumed,
    /// The batch is full; the chunk goes on where it stopped.
    Full,
    /// A captured table was announced: its structure has to be learnt, then the chunk goes on with the same message.
    Announced(Relation),
    /// PG-187: read again from [`Transactions::handed`].
    Differs,
}

/// What becomes of an entry.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// It was delivered before, or nobody captures it.
    Nothing,
    /// PG-187: the replay differs from what was stored.
    Differs,
    /// Records of the latest table.
    Emit(Change),
}

/// The open transaction.
#[derive(Debug, Clone, Copy)]
struct Open {
    final_lsn: u64,
    xid: u32,
    commit_us: i64,
    /// Entries so far, skipped ones included.
    entries: u64,
}

/// The state of the stream behind the socket.
#[derive(Debug)]
pub struct Transactions {
    compiler: Compiler,
    /// Tables announced on this connection; `None`: not captured.
    plans: HashMap<u32, Option<Arc<TablePlan>>>,
    /// The last table used: runs of changes to one table skip the map.
    latest: Option<(u32, Option<Arc<TablePlan>>)>,
    builder: Builder,
    resume: Resume,
    open: Option<Open>,
    position: Position,
    /// End of the last commit, seen or loaded with the offset; keep-alives move the position beyond it.
    last_commit: Option<u64>,
    /// The position of the last batch handed out: where a lost connection goes on.
    handed: Position,
    /// The last batch ended inside a transaction.
    handed_open: bool,
    /// Source bytes of the batch being built.
    bytes: usize,
    limits: BatchLimits,
    partition: SourcePartition,
}

impl Transactions {
    /// Goes on at `position`.
    pub fn new(
        compiler: Compiler,
        builder: Builder,
        position: Position,
        limits: BatchLimits,
        partition: SourcePartition,
    ) -> Self {
        let mut builder = builder;
        if position.gap {
            builder.behind_a_gap();
        }
        Self {
            compiler,
            plans: HashMap::new(),
            latest: None,
            builder,
            resume: Resume::after(&position),
            open: None,
            last_commit: position.lsn_commit,
            handed: position.clone(),
            position,
            handed_open: false,
            bytes: 0,
            limits,
            partition,
        }
    }

    /// The position of the last batch handed out.
    pub fn handed(&self) -> &Position {
        &self.handed
    }

    /// After [`Outcome::Differs`]: the same position, without an ordinal to skip to.
    pub fn handed_without_ordinal(&self) -> Position {
        Position {
            tx_seq: Some(0),
            ..self.handed.clone()
        }
    }

    /// Records wait to be handed out.
    pub fn has_records(&self) -> bool {
        !self.builder.is_empty()
    }

    /// The records that wait for values: nothing may be handed out before they have them.
    pub fn missing(&self) -> &[Missing] {
        self.builder.missing()
    }

    /// Gives the waiting records their values.
    ///
    /// # Errors
    /// Fatal for values that do not fit.
    pub fn fill(&mut self, answers: &[Found]) -> Result<(), Error> {
        self.builder.fill(answers)
    }

    /// The newest message lies inside a transaction.
    pub fn in_transaction(&self) -> bool {
        self.open.is_some()
    }

    /// The last batch ended inside a transaction that is complete by now.
    pub fn has_unit_to_close(&self) -> bool {
        self.handed_open && self.open.is_none()
    }

    /// Bytes of WAL that a batch without records would release, outside of transactions (PG-193).
    pub fn idle_bytes(&self) -> u64 {
        match (self.open, self.position.lsn_commit) {
            (None, Some(now)) => now.saturating_sub(self.handed.lsn_commit.unwrap_or(0)),
            _ => 0,
        }
    }

    /// Hands out what waits, with the position after it.
    pub fn take_batch(&mut self) -> SourceBatch {
        let (records, rejected) = self.builder.seal(0);
        self.bytes = 0;
        self.handed = self.position.clone();
        self.handed_open = self.open.is_some();
        SourceBatch {
            partition: self.partition.clone(),
            records,
            rejected,
            resume_at: Some(self.position.to_offset()),
            unit: if self.handed_open { Unit::Open } else { Unit::Whole },
        }
    }

    /// Makes the plan of an announced table.
    ///
    /// # Errors
    /// Fatal for columns of unsupported types.
    pub fn learn(&mut self, relation: &Relation, structures: &Structures) -> Result<(), Error> {
        let plan = self.compiler.compile(relation, structures)?;
        self.latest = None;
        self.plans.insert(relation.id, Some(Arc::new(plan)));
        Ok(())
    }

    /// Decodes a chunk until it is used up or something else comes first. `now_ns`: the wall clock, nanoseconds since the
    /// epoch.
    ///
    /// # Errors
    /// Fatal for malformed bytes; those of building records.
    pub fn feed(&mut self, chunk: &mut Chunk, now_ns: i64) -> Result<Outcome, Error> {
        self.builder.clock(now_ns);
        while let Some(frame) = next_frame(&chunk.buffer, chunk.at).map_err(malformed)? {
            if frame.tag == b'd' {
                match streamed(&chunk.buffer, frame.body.clone()).map_err(malformed)? {
                    Streamed::Data { lsn, message, .. } => {
                        let size = message.len();
                        let message = pgoutput::parse(&chunk.buffer, message).map_err(malformed)?;
                        if let Some(outcome) = self.message(&chunk.buffer, lsn, message)? {
                            return Ok(outcome);
                        }
                        self.bytes += size;
                    }
                    Streamed::KeepAlive { wal_end, .. } => self.idle_at(wal_end),
                }
            }
            chunk.at = frame.body.end;
            if self.builder.len() >= self.limits.records_max
                || self.bytes >= self.limits.bytes_max && self.has_records()
                || self.builder.missing().len() >= MISSING_MAX
            {
                return Ok(Outcome::Full);
            }
        }
        Ok(Outcome::Consumed)
    }

    /// PG-191: everything that committed before `wal_end` came before the keep-alive. Inside a transaction its own commit
    /// is still to come, and nothing moves (PG-192).
    fn idle_at(&mut self, wal_end: u64) {
        if self.open.is_none() && self.position.lsn_commit.is_some_and(|commit| wal_end > commit) {
            self.committed_up_to(wal_end);
        }
    }

    fn committed_up_to(&mut self, lsn: u64) {
        let position = &mut self.position;
        position.lsn = Some(lsn);
        position.lsn_proc = Some(lsn);
        position.lsn_commit = Some(lsn);
        position.entry = Some(Entry::Commit);
        position.events_at_lsn = None;
        position.snapshot = None;
    }

    fn message(&mut self, buffer: &Buffer, lsn: u64, message: Message) -> Result<Option<Outcome>, Error> {
        match message {
            Message::Insert { relation, new } => match self.entry(Entry::Insert, lsn, relation)? {
                Step::Nothing => {}
                Step::Differs => return Ok(Some(Outcome::Differs)),
                Step::Emit(at) => {
                    let plan = latest(&self.latest)?;
                    self.builder.insert(at, plan, buffer, &new)?;
                    self.passed(Entry::Insert, lsn);
                }
            },
            Message::Update { relation, old, new } => match self.entry(Entry::Update, lsn, relation)? {
                Step::Nothing => {}
                Step::Differs => return Ok(Some(Outcome::Differs)),
                Step::Emit(at) => {
                    let plan = latest(&self.latest)?;
                    self.builder.update(at, plan, buffer, old.as_ref(), &new)?;
                    self.passed(Entry::Update, lsn);
                }
            },
            Message::Delete { relation, old } => match self.entry(Entry::Delete, lsn, relation)? {
                Step::Nothing => {}
                Step::Differs => return Ok(Some(Outcome::Differs)),
                Step::Emit(at) => {
                    let plan = latest(&self.latest)?;
                    self.builder.delete(at, plan, buffer, &old)?;
                    self.passed(Entry::Delete, lsn);
                }
            },
            Message::Begin {
                final_lsn,
                commit_us,
                xid,
            } => self.begin(final_lsn, commit_us, xid)?,
            Message::Commit { end_lsn } => return self.commit(end_lsn),
            Message::Relation(relation) => return self.announced(relation),
            Message::Truncate { relations } => return self.truncate(lsn, &relations),
            Message::Origin | Message::Type | Message::Logical => {}
        }
        Ok(None)
    }

    fn begin(&mut self, final_lsn: u64, commit_us: i64, xid: u32) -> Result<(), Error> {
        if self.open.is_some() {
            return Err(malformed(Malformed("a transaction begins inside another one")));
        }
        let commit_us = commit_us.saturating_add(POSTGRES_EPOCH_US);
        self.open = Some(Open {
            final_lsn,
            xid,
            commit_us,
            entries: 0,
        });
        self.resume.begin(final_lsn, xid);
        self.builder
            .begin(final_lsn, xid, commit_us.saturating_mul(1000), self.last_commit);
        Ok(())
    }

    fn commit(&mut self, end_lsn: u64) -> Result<Option<Outcome>, Error> {
        let open = self
            .open
            .take()
            .ok_or_else(|| malformed(Malformed("a transaction ends that did not begin")))?;
        if !self.resume.commit(open.entries) {
            return Ok(Some(Outcome::Differs));
        }
        // A transaction that was delivered before does not move the position back.
        if self.position.lsn_commit.is_none_or(|commit| end_lsn > commit) {
            self.last_commit = Some(end_lsn);
            self.committed_up_to(end_lsn);
            self.position.tx_id = Some(i64::from(open.xid));
            self.position.ts_us = Some(open.commit_us);
        }
        Ok(None)
    }

    fn announced(&mut self, relation: Relation) -> Result<Option<Outcome>, Error> {
        if self.compiler.filter.captures(&relation.name)? {
            return Ok(Some(Outcome::Announced(relation)));
        }
        self.latest = None;
        self.plans.insert(relation.id, None);
        Ok(None)
    }

    /// Skips the message a chunk stands at: the announcement that was just learnt.
    pub fn skip(chunk: &mut Chunk) {
        if let Ok(Some(frame)) = next_frame(&chunk.buffer, chunk.at) {
            chunk.at = frame.body.end;
        }
    }

    /// Makes the relation the latest one; answers whether it is captured.
    #[inline]
    fn select(&mut self, relation: u32) -> Result<bool, Error> {
        if let Some((id, plan)) = &self.latest
            && *id == relation
        {
            return Ok(plan.is_some());
        }
        let plan = self
            .plans
            .get(&relation)
            .ok_or_else(|| malformed(Malformed("a change of a table that was not announced")))?;
        self.latest = Some((relation, plan.clone()));
        Ok(plan.is_some())
    }

    /// Counts an entry. What is to be emitted is of the latest table.
    #[inline]
    fn entry(&mut self, entry: Entry, lsn: u64, relation: u32) -> Result<Step, Error> {
        let captured = self.select(relation)?;
        let (change, verdict) = self.count(lsn, captured)?;
        match verdict {
            Verdict::Skip => return Ok(Step::Nothing),
            Verdict::Differs => return Ok(Step::Differs),
            Verdict::Emit => {}
        }
        if captured {
            // Passed once its records are built: one that fails has to be read again, whatever was handed out before it.
            return Ok(Step::Emit(change));
        }
        self.passed(entry, lsn);
        Ok(Step::Nothing)
    }

    fn count(&mut self, lsn: u64, captured: bool) -> Result<(Change, Verdict), Error> {
        let open = self
            .open
            .as_mut()
            .ok_or_else(|| malformed(Malformed("a change outside of a transaction")))?;
        open.entries += 1;
        let change = Change {
            lsn,
            ordinal: open.entries,
        };
        Ok((change, self.resume.entry(open.entries, lsn, captured)))
    }

    fn passed(&mut self, entry: Entry, lsn: u64) {
        let Some(open) = self.open else { return };
        let position = &mut self.position;
        let same = position.lsn == Some(lsn) && position.tx_lsn == Some(open.final_lsn);
        position.events_at_lsn = Some(if same {
            position.events_at_lsn.unwrap_or(0) + 1
        } else {
            1
        });
        position.lsn = Some(lsn);
        position.lsn_proc = Some(lsn);
        position.entry = Some(entry);
        position.tx_id = Some(i64::from(open.xid));
        position.ts_us = Some(open.commit_us);
        position.tx_lsn = Some(open.final_lsn);
        position.tx_seq = Some(open.entries);
        position.snapshot = None;
    }

    fn truncate(&mut self, lsn: u64, relations: &[u32]) -> Result<Option<Outcome>, Error> {
        let mut captured = Vec::with_capacity(relations.len());
        for relation in relations {
            if self.select(*relation)? {
                captured.extend(self.latest.iter().filter_map(|(_, plan)| plan.clone()));
            }
        }
        let (change, verdict) = self.count(lsn, !captured.is_empty())?;
        match verdict {
            Verdict::Skip => return Ok(None),
            Verdict::Differs => return Ok(Some(Outcome::Differs)),
            Verdict::Emit => {}
        }
        for (part, plan) in (0..).zip(&captured) {
            self.builder.truncate(change, plan, part);
        }
        self.passed(Entry::Truncate, lsn);
        Ok(None)
    }
}

/// Borrowed, not shared: counting references twice per row costs as much as decoding some columns.
#[inline]
fn latest(latest: &Option<(u32, Option<Arc<TablePlan>>)>) -> Result<&Arc<TablePlan>, Error> {
    match latest {
        Some((_, Some(plan))) => Ok(plan),
        _ => Err(malformed(Malformed("a change of a table that is not captured"))),
    }
}

#[cfg(test)]
#[path = "transaction_tests.rs"]
pub(crate) mod tests;
