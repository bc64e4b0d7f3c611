//! Sans-I/O: the settings of one table.

use std::collections::BTreeMap;
use std::sync::Arc;

use rowtide_api::config::{Definition, Presence, Reader, Setting, Support};
use rowtide_api::setting_enum;

use super::keys::{self, TableKey};
use super::{TimeUnit, TimestampMode};
use crate::mapping::{self, Field, Mapping};

setting_enum! {
    /// What values are.
    pub enum InputFormat { Record = "record", Debezium = "debezium" }
}

setting_enum! {
    /// What a null column of a create or snapshot row does.
    pub enum InsertNulls { Unset = "unset", Null = "null" }
}

setting_enum! {
    /// What happens to a record that begins a row without a value which the source did not send.
    pub enum OnUnavailable { Warn = "warn", Fail = "fail" }
}

setting_enum! {
    /// What a truncate event does.
    pub enum TruncateMode { Ignore = "ignore", Fail = "fail" }
}

setting_enum! {
    /// Consistency of writes.
    pub enum Consistency {
        Any = "ANY",
        One = "ONE",
        Two = "TWO",
        Three = "THREE",
        Quorum = "QUORUM",
        All = "ALL",
        LocalOne = "LOCAL_ONE",
        LocalQuorum = "LOCAL_QUORUM",
        EachQuorum = "EACH_QUORUM",
    }
}

/// The settings of one (topic, table).
#[derive(Debug, Clone)]
pub(crate) struct TableSettings {
    /// `topic.<topic>.<keyspace>.<table>`, as written: findings name their key with it.
    pub(crate) prefix: String,
    pub(crate) topic: Arc<str>,
    pub(crate) keyspace: Arc<str>,
    pub(crate) table: Arc<str>,
    pub(crate) mapping: Mapping,
    pub(crate) consistency: Consistency,
    /// Fixed time to live in seconds, above 0.
    pub(crate) ttl_seconds: Option<i32>,
    pub(crate) ttl_unit: TimeUnit,
    pub(crate) timestamp_unit: TimeUnit,
    pub(crate) null_to_unset: bool,
    pub(crate) deletes_enabled: bool,
    pub(crate) format: InputFormat,
    pub(crate) mode: TimestampMode,
    /// Microseconds.
    pub(crate) offset: i64,
    pub(crate) insert_nulls: InsertNulls,
    pub(crate) marker: String,
    pub(crate) unavailable_on_create: OnUnavailable,
    pub(crate) truncate: TruncateMode,
    pub(crate) allow_key_collapse: bool,
    pub(crate) ignored: Vec<String>,
    /// What plain numbers that go into timestamp columns count.
    pub(crate) unit: TimeUnit,
}

impl TableSettings {
    /// The name of one of its keys, for findings.
    pub(crate) fn key(&self, setting: &str) -> String {
        format!("{}.{setting}", self.prefix)
    }

    /// `keyspace.table`, for messages.
    pub(crate) fn name(&self) -> String {
        format!("{}.{}", self.keyspace, self.table)
    }
}

/// The keys of one table as they were given: setting to text.
#[derive(Debug)]
pub(super) struct Given<'a> {
    pub(super) prefix: &'a str,
    pub(super) topic: &'a str,
    pub(super) keyspace: String,
    pub(super) table: String,
    pub(super) settings: BTreeMap<&'a str, &'a str>,
    pub(super) unit: TimeUnit,
}

impl Given<'_> {
    /// Reads all settings; what is wrong goes to the reader.
    pub(super) fn read(&self, reader: &mut Reader<'_>) -> Option<TableSettings> {
        refuse_unsupported(self.prefix, &self.settings, &keys::table_instances(), reader);
        let format = self.get(reader, &keys::INPUT_FORMAT);
        let mapping = self.mapping(reader, format);
        let mode = self.mode(reader, format, mapping.as_ref());
        let consistency = self.get(reader, &keys::CONSISTENCY);
        let (ttl, ttl_unit) = (self.get(reader, &keys::TTL), self.get(reader, &keys::TTL_UNIT));
        let timestamp_unit = self.get(reader, &keys::TIMESTAMP_UNIT);
        let null_to_unset = self.get(reader, &keys::NULL_TO_UNSET);
        let deletes_enabled = self.get(reader, &keys::DELETES_ENABLED);
        let offset = self.get(reader, &keys::TIMESTAMP_OFFSET);
        let insert_nulls = self.get(reader, &keys::INSERT_NULLS);
        let marker = self.get(reader, &keys::UNAVAILABLE_MARKER);
        let unavailable_on_create = self.get(reader, &keys::UNAVAILABLE_ON_CREATE);
        let truncate = self.get(reader, &keys::TRUNCATE_MODE);
        let allow_key_collapse = self.get(reader, &keys::ALLOW_KEY_COLLAPSE);
        let ignored = self.get(reader, &keys::IGNORED_FIELDS);
        let ttl_unit = ttl_unit?;
        let ttl_seconds = self.ttl_seconds(reader, ttl?, ttl_unit)?;
        if ttl_seconds.is_some() && mapping.as_ref()?.entry(mapping::TTL).is_some() {
            reader.warn(
                format!("{}.ttl", self.prefix),
                "__ttl is mapped too, and wins over ttl",
            );
        }
        Some(TableSettings {
            prefix: self.prefix.to_owned(),
            topic: self.topic.into(),
            keyspace: self.keyspace.as_str().into(),
            table: self.table.as_str().into(),
            mapping: mapping?,
            consistency: consistency?,
            ttl_seconds,
            ttl_unit,
            timestamp_unit: timestamp_unit?,
            null_to_unset: null_to_unset?,
            deletes_enabled: deletes_enabled?,
            format: format?,
            mode: mode?,
            offset: offset?,
            insert_nulls: insert_nulls?,
            marker: marker?,
            unavailable_on_create: unavailable_on_create?,
            truncate: truncate?,
            allow_key_collapse: allow_key_collapse?,
            ignored: ignored?,
            unit: self.unit,
        })
    }

    /// The table's own text, else the connector's, else the default.
    fn get<T: Setting>(&self, reader: &mut Reader<'_>, key: &TableKey<T>) -> Option<T> {
        let name = format!("{}.{}", self.prefix, key.setting);
        if let Some(text) = self.settings.get(key.setting) {
            return reader.parse_as(&key.full, &name, text);
        }
        match &key.bare {
            Some(bare) => reader.get(bare),
            None => match key.full.definition().presence {
                Presence::Default(text) => reader.parse_as(&key.full, &name, text),
                Presence::Required | Presence::Optional => None,
            },
        }
    }

    fn mapping(&self, reader: &mut Reader<'_>, format: Option<InputFormat>) -> Option<Mapping> {
        let key = format!("{}.mapping", self.prefix);
        let Some(text) = self.settings.get("mapping") else {
            if format == Some(InputFormat::Record) {
                reader.error(
                    key,
                    format!(
                        "Missing required configuration \"{}.mapping\" which has no default value.",
                        self.prefix
                    ),
                );
                return None;
            }
            return Some(Mapping::all());
        };
        let mapping = match mapping::parse(text) {
            Ok(mapping) => mapping,
            Err(reason) => {
                reader.error(
                    &key,
                    format!("Invalid value {text} for configuration {key}: {reason}"),
                );
                return None;
            }
        };
        for entry in &mapping.entries {
            let needs_envelope = matches!(
                entry.field,
                Field::Source(_) | Field::Before(_) | Field::Envelope(_)
            );
            if needs_envelope && format == Some(InputFormat::Record) {
                reader.error(
                    &key,
                    format!(
                        "Invalid value {text} for configuration {key}: column {} reads the envelope, which \
                         inputFormat=debezium has",
                        entry.column
                    ),
                );
            }
        }
        Some(mapping)
    }

    /// CS-100, CS-101: one clock per table, fixed here.
    fn mode(
        &self,
        reader: &mut Reader<'_>,
        format: Option<InputFormat>,
        mapping: Option<&Mapping>,
    ) -> Option<TimestampMode> {
        let key = format!("{}.timestampMode", self.prefix);
        let given = self.get(reader, &keys::TIMESTAMP_MODE)?;
        let mapped = mapping?.entry(mapping::TIMESTAMP).is_some();
        let debezium = format? == InputFormat::Debezium;
        let mode = match given {
            TimestampMode::Unstated if mapped => TimestampMode::Field,
            TimestampMode::Unstated if debezium => TimestampMode::Lsn,
            TimestampMode::Unstated => TimestampMode::Record,
            given => given,
        };
        match mode {
            TimestampMode::SourceSeq => {
                reader.error(key, "timestampMode=source+seq is not built yet; use lsn, which is exact too");
            }
            TimestampMode::Lsn | TimestampMode::Source if !debezium => reader.error(
                key,
                format!("timestampMode={} needs inputFormat=debezium", mode.as_str()),
            ),
            TimestampMode::Field if !mapped => {
                reader.error(key, "timestampMode=field needs __timestamp in the mapping");
            }
            mode if mapped && mode != TimestampMode::Field => reader.error(
                key,
                format!("__timestamp is mapped, but timestampMode is {}; leave one out", mode.as_str()),
            ),
            TimestampMode::Record | TimestampMode::Source if debezium => reader.warn(
                key,
                format!(
                    "timestampMode={} does not order changes of one row within a millisecond or a transaction; lsn does",
                    mode.as_str()
                ),
            ),
            _ => {}
        }
        Some(mode)
    }

    fn ttl_seconds(&self, reader: &mut Reader<'_>, ttl: i32, unit: TimeUnit) -> Option<Option<i32>> {
        if ttl <= 0 {
            return Some(None);
        }
        match unit
            .to_seconds(ttl.into())
            .and_then(|seconds| i32::try_from(seconds).ok())
        {
            Some(seconds) => Some((seconds > 0).then_some(seconds)),
            None => {
                reader.error(
                    format!("{}.ttl", self.prefix),
                    format!(
                        "ttl of {ttl} {} exceeds what CQL can hold in seconds",
                        unit.as_str()
                    ),
                );
                None
            }
        }
    }
}

/// Reports keys of limited support under their instance names, as the reader does for plain names.
pub(super) fn refuse_unsupported(
    prefix: &str,
    settings: &BTreeMap<&str, &str>,
    instances: &[(&'static str, &'static Definition)],
    reader: &mut Reader<'_>,
) {
    for (setting, definition) in instances {
        let (Some(text), Support::DefaultOnly(sentence)) = (settings.get(setting), definition.support) else {
            continue;
        };
        let default = match definition.presence {
            Presence::Default(default) => default,
            Presence::Required | Presence::Optional => "",
        };
        if !text.eq_ignore_ascii_case(default) {
            let name = format!("{prefix}.{setting}");
            reader.error(
                &name,
                format!("{name} is not supported with this value: {sentence}"),
            );
        }
    }
}
