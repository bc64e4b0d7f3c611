//! Sans-I/O: change envelopes (CS-060 to CS-072).

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rowtide_api::unavailable::GONE;
use rowtide_api::{Error, RecordError, Value};

use super::access::{Access, Found, Images, fields};
use super::compile::Envelope;
use super::marker::stands_in;
use super::{Context, Effect, Refusal, Seen, TRUNCATE_IGNORED};
use crate::clock::{self, Origin, PartitionClock};
use crate::config::{InsertNulls, OnUnavailable, TimestampMode, TruncateMode};
use crate::fnv::Fnv;
use crate::mapping::NullRule;
use crate::mutation::{Deed, Mutation};
use crate::plan::row::RowWriter;

static NULL: Value = Value::Null;

/// What a tombstone needs to know of the record before it.
pub(super) struct Previous {
    deleted: Option<u64>,
    position: Option<i64>,
    micros: Option<i64>,
}

impl PartitionClock {
    /// What a tombstone needs to know, before the record at hand changes it.
    pub(super) fn clone_for_tombstone(&self) -> Previous {
        Previous {
            deleted: self.deleted,
            position: self.position,
            micros: self.micros,
        }
    }
}

impl<'a, 'r> Context<'a, 'r> {
    pub(super) fn debezium(
        &self,
        clock: &PartitionClock,
        previous: &Previous,
        source: &mut Option<Arc<str>>,
        seen: &mut Option<Seen<'r>>,
    ) -> Result<Effect, Refusal> {
        let record = &self.record.record;
        if record.value.is_null() {
            return self.tombstone(previous);
        }
        let envelope = self.plan.envelope.as_ref().ok_or_else(no_envelope)?;
        let part = |access: &Access| self.part(access);
        let Some(op) = part(&envelope.op).and_then(Value::as_str) else {
            return Err(match &record.value.value {
                Value::Text(_) => {
                    RecordError::new("the value is text that is no JSON object, so no change envelope")
                }
                _ => no_envelope(),
            }
            .into());
        };
        match op {
            "m" => return Ok(Effect::Skip("message")),
            "t" => return self.truncate(),
            "c" | "r" | "u" | "d" => {}
            _ => {
                return Err(
                    RecordError::new("the operation of this change event is not known")
                        .at("op")
                        .into(),
                );
            }
        }
        self.require_key()?;
        let origin = self.origin(envelope, op);
        clock.check(&origin).map_err(Refusal::Task)?;
        self.one_source(&origin, source)?;
        *seen = Some(Seen {
            origin,
            deleted: (op == "d").then(|| identity(&record.key.value)),
        });
        let before = part(&envelope.before).unwrap_or(&NULL);
        if op == "d" {
            return self.deletion(before, &origin);
        }
        let after = part(&envelope.after)
            .ok_or_else(|| RecordError::new("the change has no after image").at("after"))?;
        self.image(op, after, before, &origin)
    }

    /// A create, snapshot row or update.
    fn image(
        &self,
        op: &str,
        after: &'r Value,
        before: &'r Value,
        origin: &Origin<'r>,
    ) -> Result<Effect, Refusal> {
        let writer = self.writer(after, before);
        let nulls = match (op, self.target.settings.insert_nulls) {
            ("u", _) | (_, InsertNulls::Null) => NullRule::Null,
            (_, InsertNulls::Unset) => NullRule::Unset,
        };
        let mut cells = Vec::with_capacity(256);
        let key = writer.key(&mut cells)?;
        let mut mutations = Vec::with_capacity(1);
        let mut origin = *origin;
        if op == "u" && key.from_image {
            // CS-066: a column of the primary key here that is none there may have changed.
            if before.is_null() || !is_full(before, &self.record.record.key.value) {
                return Err(self.needs_before("an update").into());
            }
            let old = self.delete(&self.writer(before, &NULL), self.stamp(&origin, &writer)?)?;
            if old.key() != &cells[..key.key_bytes] {
                mutations.push(old);
                origin.tick = true;
            }
        }
        let rest = writer.rest(nulls, &mut cells)?;
        let (begins, gone) = (op != "u", self.header(GONE).is_some());
        if begins && !gone {
            self.refuse_unavailable(&rest.unavailable)?;
        }
        mutations.push(Mutation {
            table: self.table,
            deed: Deed::Insert,
            cells,
            partition_bytes: key.partition_bytes,
            key_bytes: key.key_bytes,
            timestamp: self.stamp(&origin, &writer)?,
            ttl: writer.ttl()?,
            lacks: rest.lacks(begins, gone),
        });
        Ok(Effect::Write(mutations))
    }

    /// A row that begins without a value which the source did not send, and did not find to be gone.
    fn refuse_unavailable(&self, columns: &[usize]) -> Result<(), RecordError> {
        let settings = &self.target.settings;
        let (OnUnavailable::Fail, Some(first)) = (settings.unavailable_on_create, columns.first()) else {
            return Ok(());
        };
        let names: Vec<_> = columns
            .iter()
            .map(|column| &*self.target.columns[*column].name)
            .collect();
        Err(RecordError::new(format!(
            "a row of {} begins without {}, which the source did not send: run ALTER TABLE … REPLICA IDENTITY FULL on the \
             source table, let the source read such values again (rowtide.unavailable.on.create=reselect), or set {}=warn",
            settings.name(),
            names.join(", "),
            settings.key("unavailable.on.create")
        ))
        .at(self.target.columns[*first].name.clone()))
    }

    fn deletion(&self, before: &'r Value, origin: &Origin<'r>) -> Result<Effect, Refusal> {
        let writer = self.writer(before, &NULL);
        let mut key = Vec::new();
        if writer.key(&mut key)?.from_image && !is_full(before, &self.record.record.key.value) {
            // CS-063, CS-067: other fields of a key-only image are stand-ins.
            return Err(self.needs_before("a delete").into());
        }
        let timestamp = self.stamp(origin, &writer)?;
        Ok(Effect::Write(vec![self.delete(&writer, timestamp)?]))
    }

    /// CS-071.
    fn tombstone(&self, previous: &Previous) -> Result<Effect, Refusal> {
        let key = &self.record.record.key.value;
        if previous.deleted == Some(identity(key)) {
            return Ok(Effect::Skip("tombstone_pair"));
        }
        self.require_key()?;
        let bound = match self.clock.mode {
            TimestampMode::Lsn => previous.position.map(|position| position.min(self.commit())),
            TimestampMode::Source | TimestampMode::SourceSeq => previous.micros,
            _ => Some(0),
        };
        let writer = self.writer(&NULL, &NULL);
        let timestamp = match (self.clock.mode, bound) {
            (_, None) => return Ok(Effect::Skip("tombstone_no_clock")),
            (TimestampMode::Lsn | TimestampMode::Source | TimestampMode::SourceSeq, Some(bound)) => {
                Some(clock::finished(self.clock, bound)?)
            }
            _ => self.stamp(&Origin::default(), &writer)?,
        };
        Ok(Effect::Lone(self.delete(&writer, timestamp)?))
    }

    /// Where the record's transaction committed, for those of Rowtide's own source: above its own changes, and below every
    /// change of a transaction that met them. In a replay the partition's clock may be above both already.
    fn commit(&self) -> i64 {
        let id = self.header("rowtide.id").and_then(Value::as_str);
        id.and_then(|id| id.split('/').nth(2)?.parse().ok())
            .unwrap_or(i64::MAX)
    }

    /// CS-072.
    fn truncate(&self) -> Result<Effect, Refusal> {
        match self.target.settings.truncate {
            TruncateMode::Ignore => Ok(Effect::Skip(TRUNCATE_IGNORED)),
            TruncateMode::Fail => Err(Refusal::Task(
                Error::fatal(format!(
                    "the source table of {} was truncated, and truncateMode=fail",
                    self.target.settings.name()
                ))
                .hint(format!(
                    "truncate {0} by hand, set {1}=ignore, restart the task, then set it back",
                    self.target.settings.name(),
                    self.target.settings.key("truncateMode")
                )),
            )),
        }
    }

    /// CS-068: a table without source key cannot be followed.
    fn require_key(&self) -> Result<(), Refusal> {
        if !self.record.record.key.is_null() || self.target.settings.allow_key_collapse {
            return Ok(());
        }
        Err(Refusal::Task(
            Error::fatal(format!(
                "a change event of topic {} has no key, so that its row in {} is not known",
                self.record.record.topic,
                self.target.settings.name()
            ))
            .hint(format!(
                "give the source table a primary key or a replica identity index, or set {}=true",
                self.target.settings.key("allowKeyCollapse")
            )),
        ))
    }

    /// CS-108.
    fn one_source(&self, origin: &Origin<'_>, source: &mut Option<Arc<str>>) -> Result<(), RecordError> {
        if self.clock.mode != TimestampMode::Lsn {
            return Ok(());
        }
        match (source.as_deref(), origin.source) {
            (Some(known), Some(found)) if known != found => Err(RecordError::new(format!(
                "{} follows the positions of source {known}; a change of source {found} cannot be ordered among them",
                self.target.settings.name()
            ))
            .at("source.name")),
            (None, Some(found)) => {
                *source = Some(found.into());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn origin(&self, envelope: &Envelope, op: &str) -> Origin<'r> {
        let number = |access: &Access| self.part(access).and_then(Value::as_int);
        let text = |access: &Access| self.part(access).and_then(Value::as_str);
        Origin {
            source: text(&envelope.name),
            lsn: number(&envelope.lsn),
            commit: text(&envelope.sequence).and_then(clock::last_commit),
            micros: number(&envelope.ts_us)
                .or_else(|| number(&envelope.ts_ms).and_then(|millis| millis.checked_mul(1000))),
            snapshot: op == "r",
            floor: self.header("rowtide.floor").and_then(clock::lsn_of),
            system: self
                .header("rowtide.id")
                .and_then(Value::as_str)
                .and_then(|id| id.split('/').next()),
            // CS-065, CS-104: the create of a key change shares its position with the delete of the old key.
            tick: op == "c" && self.header("__debezium.oldkey").is_some(),
        }
    }

    fn stamp(&self, origin: &Origin<'_>, writer: &RowWriter<'a, 'r>) -> Result<Option<i64>, RecordError> {
        clock::stamp(
            self.clock,
            origin,
            self.record.record.timestamp_ms,
            writer.timestamp()?,
        )
    }

    /// A part of the envelope; `None` where it is null or missing.
    fn part(&self, access: &Access) -> Option<&'r Value> {
        let images = Images {
            record: self.record,
            key_whole: &NULL,
            value_whole: &NULL,
            value: &NULL,
            before: &NULL,
        };
        match access.find(&images) {
            Found::Value(value) => Some(value),
            Found::Null | Found::Missing => None,
        }
    }

    fn needs_before(&self, what: &str) -> RecordError {
        RecordError::new(format!(
            "{what} without its full before image: the primary key of {} has a column outside the source key; run \
             ALTER TABLE … REPLICA IDENTITY FULL on the source table",
            self.target.settings.name()
        ))
        .at("before")
    }
}

/// CS-061.
fn no_envelope() -> RecordError {
    RecordError::new(
        "the value is no change envelope; keep heartbeat, transaction and schema topics out of topics, or set \
         inputFormat=record for flat records",
    )
}

/// Whether a before image holds more than key columns: some other field is neither null nor what stands in for a value
/// that was not sent.
fn is_full(before: &Value, key: &Value) -> bool {
    let keys: Vec<&str> = fields(key).into_iter().map(|(name, ..)| name).collect();
    fields(before)
        .into_iter()
        .filter(|(name, ..)| !keys.contains(name))
        .any(|(_, value, schema)| {
            let default = schema.and_then(|schema| schema.default.as_ref());
            !value.is_null() && !stands_in(value, default)
        })
}

/// A number for a key, to tell whether a tombstone follows the delete of the same key.
fn identity(key: &Value) -> u64 {
    fn feed(value: &Value, hasher: &mut Fnv) {
        value.type_name().hash(hasher);
        match value {
            Value::Absent | Value::Null => {}
            Value::Bool(value) => value.hash(hasher),
            Value::Int8(_) | Value::Int16(_) | Value::Int32(_) | Value::Int64(_) => {
                value.as_int().hash(hasher);
            }
            Value::Float32(value) => value.to_bits().hash(hasher),
            Value::Float64(value) => value.to_bits().hash(hasher),
            Value::Text(text) => text.as_str().hash(hasher),
            Value::Bytes(bytes) => bytes.as_bytes().hash(hasher),
            Value::Array(items) => items.iter().for_each(|item| feed(item, hasher)),
            Value::Map(pairs) => pairs.iter().for_each(|(key, value)| {
                feed(key, hasher);
                feed(value, hasher);
            }),
            Value::Struct(fields) => fields.fields.iter().for_each(|field| feed(field, hasher)),
        }
    }
    let mut hasher = Fnv::default();
    feed(key, &mut hasher);
    hasher.finish()
}
