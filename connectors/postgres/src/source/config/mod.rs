//! Sans-I/O: the configuration of the source, parsed.

mod keys;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rowtide_api::config::{Config, Definition, Key, Reader, nearest};

pub use keys::{
    Adjustment, FailureMode, FlushMode, MismatchStrategy, OnCreate, PluginName, PublicationMode,
    SnapshotMode, TimeoutAction,
};

use crate::connection::{Host, KeyNames, Settings, Tls};
use crate::source::filter::{Filter, FilterLists};

/// More records than these, a few kilobytes each, leave a core's cache before the last of them is made, and are fetched again
/// to be encoded: `max.batch.size` bounds a hand-over, and does not ask for it to be that large.
const CACHED_RECORDS: usize = 256;

/// Operations that give no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Skipped {
    /// `c`
    pub inserts: bool,
    /// `u`
    pub updates: bool,
    /// `d`
    pub deletes: bool,
    /// `t`
    pub truncates: bool,
}

/// The slot and what is checked about it.
#[derive(Debug, Clone)]
pub struct SlotSettings {
    /// Its name.
    pub name: String,
    /// Attempts to attach while another session holds it.
    pub retries: u32,
    /// Pause between them.
    pub retry_delay: Duration,
    /// Limit of one creation.
    pub create_timeout: Option<Duration>,
    /// What counts when stored offset and slot disagree; `None`: a slot ahead fails.
    pub mismatch: Option<MismatchStrategy>,
    /// Whether that is checked at all.
    pub check_position: bool,
}

/// The publication.
#[derive(Debug, Clone)]
pub struct PublicationSettings {
    /// Its name.
    pub name: String,
    /// What to do about it; `None`: create a missing one for the captured tables, leave an existing one alone.
    pub mode: Option<PublicationMode>,
    /// `publish_via_partition_root` of a created one.
    pub via_root: bool,
    /// `publish` of a created one, when `skipped.operations` was set.
    pub publish: Option<String>,
}

/// How records are built.
#[derive(Debug, Clone)]
pub struct RecordSettings {
    /// `topic.prefix`
    pub prefix: Arc<str>,
    /// The database's name, for `source.db`.
    pub database: Arc<str>,
    /// Between prefix, schema and table.
    pub delimiter: String,
    /// For schema names.
    pub schema_names: Adjustment,
    /// For field names.
    pub field_names: Adjustment,
    /// A tombstone after each delete.
    pub tombstones: bool,
    /// What stands for an unchanged TOAST value.
    pub placeholder: Vec<u8>,
    /// Operations without events.
    pub skipped: Skipped,
    /// What happens to a value that does not fit.
    pub failure: FailureMode,
    /// `__debezium.context.*`
    pub extended_headers: bool,
    /// `rowtide.*`
    pub rowtide_headers: bool,
    /// Records that begin a row without all of its values.
    pub on_create: OnCreate,
}

/// How the stream is read.
#[derive(Debug, Clone)]
pub struct StreamSettings {
    /// Upper bound of the pause between status messages.
    pub status_interval: Duration,
    /// Limit of one status write.
    pub flush_timeout: Duration,
    /// What happens after it.
    pub flush_timeout_action: TimeoutAction,
    /// Whether WAL is released at all.
    pub confirms: bool,
    /// Most records of one batch.
    pub batch_records_max: usize,
    /// Most bytes received and not decoded.
    pub queue_bytes_max: usize,
}

/// The source's configuration.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    /// How to get in.
    pub connection: Settings,
    /// Limit of a catalogue query; `None`: none.
    pub query_timeout: Option<Duration>,
    /// Limit of live checks.
    pub validation_timeout: Duration,
    /// Limit of an orderly end.
    pub shutdown_timeout: Duration,
    /// The slot.
    pub slot: SlotSettings,
    /// The publication.
    pub publication: PublicationSettings,
    /// Which tables and columns.
    pub filter: Arc<Filter>,
    /// What happens to existing rows.
    pub snapshot_mode: SnapshotMode,
    /// How records are built.
    pub records: Arc<RecordSettings>,
    /// How the stream is read.
    pub stream: StreamSettings,
}

/// Without `max.queue.size.in.bytes`: some ten milliseconds of a fast stream, and little beside the engine's own buffers.
const QUEUE_BYTES: usize = 8 << 20;

impl Config for SourceConfig {
    fn definitions() -> Vec<&'static Definition> {
        keys::all()
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        refuse_families(reader);
        plugin_name(reader);
        let connection = connection(reader);
        let query_timeout = millis(reader, &keys::QUERY_TIMEOUT_MS);
        let validation_timeout = millis(reader, &keys::VALIDATION_TIMEOUT_MS);
        let shutdown_timeout = millis(reader, &keys::EXECUTOR_SHUTDOWN_MS);
        let slot = slot(reader);
        let publication = publication(reader);
        let filter = filter(reader);
        let snapshot_mode = reader.get(&keys::SNAPSHOT_MODE);
        let records = records(reader);
        let stream = stream(reader);
        Some(Self {
            connection: connection?,
            query_timeout: query_timeout?.filter_zero(),
            validation_timeout: validation_timeout?,
            shutdown_timeout: shutdown_timeout?,
            slot: slot?,
            publication: publication?,
            filter: Arc::new(filter?),
            snapshot_mode: snapshot_mode?,
            records: Arc::new(records?),
            stream: stream?,
        })
    }
}

/// Zero means no limit.
trait FilterZero {
    fn filter_zero(self) -> Option<Duration>;
}

impl FilterZero for Duration {
    fn filter_zero(self) -> Option<Duration> {
        (!self.is_zero()).then_some(self)
    }
}

fn refuse_families(reader: &mut Reader<'_>) {
    for (prefix, reason) in keys::REFUSED_PREFIXES {
        for (key, _) in reader.prefixed(prefix) {
            reader.error(key, format!("{key} is not supported: {reason}"));
        }
    }
    let known: Vec<_> = keys::all().iter().map(|definition| definition.name).collect();
    for prefix in keys::IGNORED_PREFIXES {
        for (key, _) in reader.prefixed(prefix) {
            if !known.contains(&key) {
                let why = without_effect(key, &known);
                reader.warn(key, format!("{key} is accepted without effect: {why}"));
            }
        }
    }
    for (key, value) in reader.prefixed("internal.log.position.check.enable") {
        if value.trim().eq_ignore_ascii_case("false") {
            reader.warn(
                key,
                "the stored position is not checked against the slot: a gap would go unnoticed",
            );
        }
    }
}

/// Why a key that Debezium hands to its JDBC driver, or has no longer, does nothing.
fn without_effect(key: &str, known: &[&str]) -> String {
    if key == "database.server.name" {
        return "since Debezium 2 it is called topic.prefix".into();
    }
    if key.starts_with("database.history") {
        return "Postgres needs no schema history".into();
    }
    match nearest(key, known.iter().copied()) {
        Some(near) => format!("there is no JDBC driver that would know it; did you mean {near}?"),
        None => "there is no JDBC driver".into(),
    }
}

/// PG-020: absent means decoderbufs, which there is not; it is never switched in silence.
fn plugin_name(reader: &mut Reader<'_>) {
    if reader.get(&keys::PLUGIN_NAME) == Some(PluginName::Decoderbufs) {
        reader.error(
            keys::PLUGIN_NAME.name(),
            "plugin.name has to be pgoutput: set it (absent it means decoderbufs, which is not supported)",
        );
    }
}

fn millis(reader: &mut Reader<'_>, key: &Key<i64>) -> Option<Duration> {
    reader
        .get(key)
        .map(|millis| Duration::from_millis(millis.unsigned_abs()))
}

fn connection(reader: &mut Reader<'_>) -> Option<Settings> {
    let (list, port) = (reader.get(&keys::HOSTNAME), reader.get(&keys::PORT));
    let hosts = match (list, port) {
        (Some(list), Some(port)) => match Host::parse_list(&list, port) {
            Ok(hosts) => Some(hosts),
            Err(reason) => {
                let name = keys::HOSTNAME.name();
                reader.error(
                    name,
                    format!("Invalid value {list} for configuration {name}: {reason}"),
                );
                None
            }
        },
        _ => None,
    };
    let user = reader.get(&keys::USER);
    let password = reader.find(&keys::PASSWORD);
    let database = reader.get(&keys::DBNAME);
    let path = |reader: &mut Reader<'_>, key| {
        let found: Option<Option<String>> = reader.find(key);
        found.map(|path| path.filter(|path| !path.is_empty()).map(PathBuf::from))
    };
    let mode = reader.get(&keys::SSLMODE);
    let root_certificates = path(reader, &keys::SSLROOTCERT);
    let certificate = path(reader, &keys::SSLCERT);
    let key = path(reader, &keys::SSLKEY);
    let tcp_keepalive = reader.get(&keys::TCP_KEEPALIVE);
    let connect_timeout = millis(reader, &keys::CONNECTION_TIMEOUT_MS);
    if let (Some(certificate), Some(key)) = (&certificate, &key)
        && certificate.is_some() != key.is_some()
    {
        reader.error(
            keys::SSLCERT.name(),
            "database.sslcert and database.sslkey belong together: set both or none",
        );
    }
    Some(Settings {
        hosts: hosts?,
        user: user?,
        password: password?,
        database: database?,
        tls: Tls {
            mode: mode?,
            root_certificates: root_certificates?,
            certificate: certificate?,
            key: key?,
        },
        tcp_keepalive: tcp_keepalive?,
        connect_timeout: connect_timeout?,
        keys: KeyNames {
            user: keys::USER.name(),
            password: keys::PASSWORD.name(),
            database: keys::DBNAME.name(),
        },
    })
}

fn slot(reader: &mut Reader<'_>) -> Option<SlotSettings> {
    let name = reader.get(&keys::SLOT_NAME);
    let retries = reader.get(&keys::SLOT_RETRIES);
    let retry_delay = millis(reader, &keys::SLOT_RETRY_DELAY_MS);
    let create_seconds = reader.get(&keys::SLOT_CREATE_TIMEOUT_S);
    let mismatch = reader.find(&keys::MISMATCH);
    let seek = reader.get(&keys::SEEK_ON_START);
    let check_position = reader.get(&keys::POSITION_CHECK);
    let mismatch = match (mismatch?, seek?) {
        (None, true) => Some(MismatchStrategy::TrustOffset),
        (mismatch, _) => mismatch,
    };
    Some(SlotSettings {
        name: name?,
        retries: retries?,
        retry_delay: retry_delay?,
        create_timeout: Duration::from_secs(create_seconds?.unsigned_abs()).filter_zero(),
        mismatch,
        check_position: check_position?,
    })
}

fn publication(reader: &mut Reader<'_>) -> Option<PublicationSettings> {
    let name = reader.get(&keys::PUBLICATION_NAME);
    let mode = reader.find(&keys::PUBLICATION_MODE);
    let via_root = reader.get(&keys::VIA_ROOT);
    let explicit = reader.is_set(keys::SKIPPED_OPERATIONS.name());
    let skipped = skipped(reader);
    Some(PublicationSettings {
        name: name?,
        mode: mode?,
        via_root: via_root?,
        publish: skipped.filter(|_| explicit).map(published),
    })
}

/// PG-038: what a publication publishes under explicitly skipped operations.
fn published(skipped: Skipped) -> String {
    let all = [
        ("insert", skipped.inserts),
        ("update", skipped.updates),
        ("delete", skipped.deletes),
        ("truncate", skipped.truncates),
    ];
    let kept: Vec<_> = all
        .iter()
        .filter(|(_, skipped)| !skipped)
        .map(|(name, _)| *name)
        .collect();
    kept.join(", ")
}

fn skipped(reader: &mut Reader<'_>) -> Option<Skipped> {
    let list = reader.get(&keys::SKIPPED_OPERATIONS)?;
    let mut skipped = Skipped::default();
    for operation in &list {
        match operation.as_str() {
            "c" => skipped.inserts = true,
            "u" => skipped.updates = true,
            "d" => skipped.deletes = true,
            "t" => skipped.truncates = true,
            "r" => {}
            "none" if list.len() == 1 => {}
            other => {
                let name = keys::SKIPPED_OPERATIONS.name();
                reader.error(
                    name,
                    format!("Invalid value {other} for configuration {name}: use c, u, d, t, or none alone"),
                );
                return None;
            }
        }
    }
    Some(skipped)
}

fn filter(reader: &mut Reader<'_>) -> Option<Filter> {
    let mut list = |key| reader.find(key).map(Option::unwrap_or_default);
    let schema_include = list(&keys::SCHEMA_INCLUDE);
    let schema_exclude = list(&keys::SCHEMA_EXCLUDE);
    let table_include = list(&keys::TABLE_INCLUDE);
    let table_exclude = list(&keys::TABLE_EXCLUDE);
    let column_include = list(&keys::COLUMN_INCLUDE);
    let column_exclude = list(&keys::COLUMN_EXCLUDE);
    let ignore_builtin = reader.get(&keys::IGNORE_BUILTIN);
    let lists = FilterLists {
        schema_include: schema_include?,
        schema_exclude: schema_exclude?,
        table_include: table_include?,
        table_exclude: table_exclude?,
        column_include: column_include?,
        column_exclude: column_exclude?,
        ignore_builtin: ignore_builtin?,
    };
    match Filter::new(&lists) {
        Ok(filter) => Some(filter),
        Err(problems) => {
            for (key, message) in problems {
                reader.error(key, message);
            }
            None
        }
    }
}

/// Converters whose presence in the connector's own configuration turns field-name adjustment on (PG-025).
const AVRO_CONVERTERS: [&str; 2] = [
    "io.confluent.connect.avro.AvroConverter",
    "io.apicurio.registry.utils.converter.AvroConverter",
];

fn records(reader: &mut Reader<'_>) -> Option<RecordSettings> {
    let prefix = reader.get(&keys::TOPIC_PREFIX);
    let database = reader.get(&keys::DBNAME);
    let delimiter = reader.get(&keys::TOPIC_DELIMITER);
    let schema_names = reader.get(&keys::SCHEMA_NAMES);
    let field_names = reader.find(&keys::FIELD_NAMES);
    let avro = ["key.converter", "value.converter"].iter().any(|key| {
        let class = reader.properties().get(key).map(str::trim);
        class.is_some_and(|class| AVRO_CONVERTERS.contains(&class))
    });
    let tombstones = reader.get(&keys::TOMBSTONES);
    let placeholder = reader.get(&keys::PLACEHOLDER);
    let skipped = skipped(reader);
    let failure = reader.get(&keys::CONVERTING_FAILURE);
    let extended_headers = reader.get(&keys::EXTENDED_HEADERS);
    let rowtide_headers = reader.get(&keys::ROWTIDE_HEADERS);
    let on_create = reader.get(&keys::UNAVAILABLE_ON_CREATE);
    let placeholder = placeholder.and_then(|text| match placeholder_bytes(&text) {
        Some(bytes) => Some(bytes),
        None => {
            reader.error(
                keys::PLACEHOLDER.name(),
                "after hex: an even number of hexadecimal digits is needed",
            );
            None
        }
    });
    let otherwise = if avro { Adjustment::Avro } else { Adjustment::None };
    Some(RecordSettings {
        prefix: prefix?.into(),
        database: database?.into(),
        delimiter: delimiter?,
        schema_names: schema_names?,
        field_names: field_names?.unwrap_or(otherwise),
        tombstones: tombstones?,
        placeholder: placeholder?,
        skipped: skipped?,
        failure: failure?,
        extended_headers: extended_headers?,
        rowtide_headers: rowtide_headers?,
        on_create: on_create?,
    })
}

fn placeholder_bytes(text: &str) -> Option<Vec<u8>> {
    let Some(digits) = text.strip_prefix("hex:") else {
        return Some(text.as_bytes().to_vec());
    };
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return None;
    }
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).ok();
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn stream(reader: &mut Reader<'_>) -> Option<StreamSettings> {
    let status_interval = millis(reader, &keys::STATUS_INTERVAL_MS);
    let flush_timeout = millis(reader, &keys::LSN_FLUSH_TIMEOUT_MS);
    let flush_timeout_action = reader.get(&keys::LSN_FLUSH_ACTION);
    let mode = reader.find(&keys::LSN_FLUSH_MODE);
    let flush = reader.get(&keys::FLUSH_LSN_SOURCE);
    let batch = reader.get(&keys::BATCH_SIZE);
    let queue = reader.get(&keys::QUEUE_BYTES);
    let confirms = match mode? {
        Some(mode) => mode != FlushMode::Manual,
        None => flush?,
    };
    let size = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
    Some(StreamSettings {
        status_interval: status_interval?,
        flush_timeout: flush_timeout?,
        flush_timeout_action: flush_timeout_action?,
        confirms,
        batch_records_max: size(batch?).min(CACHED_RECORDS),
        queue_bytes_max: match size(queue?) {
            0 => QUEUE_BYTES,
            bytes => bytes,
        },
    })
}

#[cfg(test)]
mod tests;
