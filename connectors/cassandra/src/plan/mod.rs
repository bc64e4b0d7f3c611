//! Sans-I/O: records in, mutations out.
//!
//! A [`Planner`] turns the records of a batch into INSERTs and DELETEs with their timestamps, skips what has no effect for a
//! named reason, and refuses what cannot be written; it reads no clock and opens nothing, so that the promises of
//! convergence are tested here, without a server.

mod access;
mod compile;
mod debezium;
mod flat;
mod marker;
mod row;
mod text;

use std::collections::HashMap;
use std::sync::Arc;

use rowtide_api::sink::SinkRecord;
use rowtide_api::unavailable::UNAVAILABLE;
use rowtide_api::{Error, RecordError, Schema, Value};

use crate::clock::{ClockSettings, Origin, PartitionClock};
use crate::config::InputFormat;
use crate::mutation::{Deed, Mutation};
use crate::shape::Target;
use access::Images;
use compile::Plan;
use marker::Marker;
use row::RowWriter;
use text::FieldsOf;

/// Plans kept per table: a topic has a handful of schemas; beyond this the cache starts anew.
const PLANS_MAX: usize = 256;

/// Why a truncate event has no effect where the mode is to ignore it.
pub(crate) const TRUNCATE_IGNORED: &str = "truncate_ignored";

/// What becomes of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Mutations carry it.
    Write,
    /// It has no effect, for this reason.
    Skip(&'static str),
    /// It cannot be written.
    Reject(RecordError),
}

/// What a batch comes to.
#[derive(Debug, Default)]
pub(crate) struct BatchPlan {
    /// One per record.
    pub(crate) verdicts: Vec<Verdict>,
    /// The index of a record and one of its mutations, in order.
    pub(crate) mutations: Vec<(u32, Mutation)>,
    /// Indexes of mutations that are deletes by a lone tombstone.
    lone: Vec<usize>,
}

/// Why planning stopped at a record.
enum Refusal {
    Record(RecordError),
    Task(Error),
}

impl From<RecordError> for Refusal {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

/// A record's effect on one table.
enum Effect {
    Skip(&'static str),
    Write(Vec<Mutation>),
    /// A delete whose clock is only a bound (CS-071).
    Lone(Mutation),
}

/// Plans the records of one task.
#[derive(Debug)]
pub(crate) struct Planner {
    targets: Arc<[Target]>,
    topics: HashMap<Arc<str>, Topic>,
    plans: Vec<PlanCache>,
    markers: Vec<Marker>,
    /// The one source of each table (CS-108).
    sources: Vec<Option<Arc<str>>>,
}

/// What is written of a topic.
#[derive(Debug, Default)]
struct Topic {
    /// Indexes of its tables.
    tables: Vec<usize>,
    /// What some of them read fields of.
    fields: FieldsOf,
}

type SchemaPair = (Option<Arc<Schema>>, Option<Arc<Schema>>);

#[derive(Debug, Default)]
struct PlanCache {
    last: Option<(SchemaPair, Arc<Plan>)>,
    known: HashMap<(u128, u128), (SchemaPair, Arc<Plan>)>,
}

impl Planner {
    /// For these tables.
    pub(crate) fn new(targets: Arc<[Target]>) -> Self {
        let mut topics: HashMap<Arc<str>, Topic> = HashMap::new();
        for (index, target) in targets.iter().enumerate() {
            let topic = topics.entry(target.settings.topic.clone()).or_default();
            topic.fields = topic.fields.or(FieldsOf::mapping(&target.settings));
            topic.tables.push(index);
        }
        Self {
            topics,
            plans: targets.iter().map(|_| PlanCache::default()).collect(),
            markers: targets
                .iter()
                .map(|target| Marker::new(&target.settings.marker))
                .collect(),
            sources: vec![None; targets.len()],
            targets,
        }
    }

    /// The offset that a topic's notes are kept under: the highest of its tables.
    pub(crate) fn offset_of(&self, topic: &str) -> i64 {
        let topic = self.topics.get(topic);
        topic
            .into_iter()
            .flat_map(|topic| &topic.tables)
            .map(|index| self.targets[*index].settings.offset)
            .max()
            .unwrap_or(0)
    }

    /// Adopts the source a partition's note names.
    pub(crate) fn adopt_source(&mut self, topic: &str, clock: &PartitionClock) {
        let topic = self.topics.get(topic);
        for index in topic.into_iter().flat_map(|topic| &topic.tables) {
            if self.sources[*index].is_none() {
                self.sources[*index].clone_from(&clock.source);
            }
        }
    }

    /// Plans the records of one partition. `now_us` only guards against timestamps far ahead of it.
    ///
    /// # Errors
    /// Fatal: key collapse, a rebuilt source, a truncate that fails the task.
    pub(crate) fn plan(
        &mut self,
        records: &[SinkRecord],
        clock: &mut PartitionClock,
        now_us: i64,
    ) -> Result<BatchPlan, Error> {
        let mut batch = BatchPlan::default();
        for (index, record) in records.iter().enumerate() {
            // Invariant: a batch has fewer than 2^32 records.
            let index = index as u32;
            let start = batch.mutations.len();
            let verdict = match self.record(record, index, clock, now_us, &mut batch) {
                Ok(verdict) => verdict,
                Err(Refusal::Record(error)) => {
                    batch.mutations.truncate(start);
                    batch.lone.retain(|lone| *lone < start);
                    Verdict::Reject(error)
                }
                Err(Refusal::Task(error)) => return Err(error),
            };
            batch.verdicts.push(verdict);
        }
        batch.cap_lone_tombstones();
        Ok(batch)
    }

    fn record(
        &mut self,
        record: &SinkRecord,
        index: u32,
        clock: &mut PartitionClock,
        now_us: i64,
        batch: &mut BatchPlan,
    ) -> Result<Verdict, Refusal> {
        let Some(topic) = self.topics.get(&record.record.topic) else {
            return Err(no_table(&record.record.topic).into());
        };
        let parsed = topic.parsed(record);
        let (raw, record) = (record, parsed.as_ref().unwrap_or(record));
        let previous = clock.clone_for_tombstone();
        let mut seen = None;
        let mut verdict = None;
        for &table in &topic.tables {
            let plan = self.plans[table]
                .get(&self.targets[table], record)
                .map_err(Refusal::Task)?;
            let context = Context {
                target: &self.targets[table],
                table,
                plan: &plan,
                marker: &self.markers[table],
                record,
                raw,
                clock: ClockSettings {
                    mode: self.targets[table].settings.mode,
                    offset: self.targets[table].settings.offset,
                    now_us,
                },
            };
            let effect = match context.target.settings.format {
                InputFormat::Record => context.flat()?,
                InputFormat::Debezium => {
                    context.debezium(clock, &previous, &mut self.sources[table], &mut seen)?
                }
            };
            match effect {
                Effect::Skip(reason) => {
                    verdict.get_or_insert(Verdict::Skip(reason));
                }
                Effect::Lone(mutation) => {
                    batch.lone.push(batch.mutations.len());
                    batch.mutations.push((index, mutation));
                    verdict = Some(Verdict::Write);
                }
                Effect::Write(mutations) => {
                    batch
                        .mutations
                        .extend(mutations.into_iter().map(|mutation| (index, mutation)));
                    verdict = Some(Verdict::Write);
                }
            }
        }
        clock.deleted = None;
        if let Some(seen) = seen {
            clock.advance(&seen.origin);
            clock.deleted = seen.deleted;
        }
        Ok(verdict.unwrap_or(Verdict::Skip("no_table")))
    }
}

fn no_table(topic: &str) -> RecordError {
    RecordError::new(format!(
        "topic {topic} has no table; add topic.{topic}.<keyspace>.<table>.mapping"
    ))
}

impl Topic {
    /// The record with the objects its text holds, where some table reads fields of them.
    fn parsed(&self, record: &SinkRecord) -> Option<SinkRecord> {
        match (&record.record.key.value, &record.record.value.value) {
            (Value::Text(_), _) | (_, Value::Text(_)) => self.fields.parsed(record),
            _ => None,
        }
    }
}

impl PlanCache {
    fn get(&mut self, target: &Target, record: &SinkRecord) -> Result<Arc<Plan>, Error> {
        let schemas = (
            record.record.key.schema.clone(),
            record.record.value.schema.clone(),
        );
        let same = |one: &Option<Arc<Schema>>, two: &Option<Arc<Schema>>| match (one, two) {
            (Some(one), Some(two)) => Arc::ptr_eq(one, two),
            (None, None) => true,
            _ => false,
        };
        if let Some((last, plan)) = &self.last
            && same(&last.0, &schemas.0)
            && same(&last.1, &schemas.1)
        {
            return Ok(plan.clone());
        }
        let print = |schema: &Option<Arc<Schema>>| schema.as_ref().map_or(0, |schema| schema.fingerprint);
        let prints = (print(&schemas.0), print(&schemas.1));
        let plan = match self.known.get(&prints) {
            Some((known, plan)) if *known == schemas => plan.clone(),
            _ => {
                let plan = Arc::new(Plan::compile(target, record)?);
                if self.known.len() >= PLANS_MAX {
                    self.known.clear();
                }
                self.known.insert(prints, (schemas.clone(), plan.clone()));
                plan
            }
        };
        self.last = Some((schemas, plan.clone()));
        Ok(plan)
    }
}

impl BatchPlan {
    /// CS-071: a create of the same key behind a lone tombstone wins, whatever the bound says.
    fn cap_lone_tombstones(&mut self) {
        for lone in std::mem::take(&mut self.lone) {
            let Some((_, tombstone)) = self.mutations.get(lone) else {
                continue;
            };
            let created = self.mutations[lone + 1..]
                .iter()
                .map(|(_, later)| later)
                .find(|later| {
                    later.table == tombstone.table
                        && later.deed == Deed::Insert
                        && later.key() == tombstone.key()
                })
                .and_then(|later| later.timestamp);
            if let (Some(created), Some((_, tombstone))) = (created, self.mutations.get_mut(lone)) {
                tombstone.timestamp = tombstone.timestamp.map(|bound| bound.min(created - 1));
            }
        }
    }
}

/// A record on its way into one table.
struct Context<'a, 'r> {
    target: &'a Target,
    table: usize,
    plan: &'a Plan,
    marker: &'a Marker,
    record: &'r SinkRecord,
    /// The same before its text was read as JSON.
    raw: &'r SinkRecord,
    clock: ClockSettings,
}

/// What a change event tells the partition's clock.
struct Seen<'r> {
    origin: Origin<'r>,
    deleted: Option<u64>,
}

impl<'a, 'r> Context<'a, 'r> {
    fn writer(&self, value: &'r Value, before: &'r Value) -> RowWriter<'a, 'r> {
        RowWriter {
            plan: self.plan,
            target: self.target,
            marker: self.marker,
            images: Images {
                record: self.record,
                key_whole: &self.raw.record.key.value,
                value_whole: value,
                value,
                before,
            },
            unavailable: self.header(UNAVAILABLE).and_then(Value::as_str),
        }
    }

    fn header(&self, name: &str) -> Option<&'r Value> {
        // Most records have no header at all.
        let headers = &self.record.record.headers;
        if headers.is_empty() {
            return None;
        }
        headers.last(name).map(|datum| &datum.value)
    }

    fn delete(&self, writer: &RowWriter<'a, 'r>, timestamp: Option<i64>) -> Result<Mutation, RecordError> {
        let mut cells = Vec::with_capacity(32);
        let key = writer.key(&mut cells)?;
        Ok(Mutation {
            table: self.table,
            deed: Deed::Delete,
            cells,
            partition_bytes: key.partition_bytes,
            key_bytes: key.key_bytes,
            timestamp,
            ttl: 0,
            lacks: None,
        })
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

#[cfg(test)]
#[path = "text_tests.rs"]
mod text_tests;
