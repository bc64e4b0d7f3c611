//! Sans-I/O: every key, with its type, default, documentation and how far it is supported (CS-005, CS-006).

use rowtide_api::config::{Definition, Importance, Key, Reader, Secret, Setting};

use super::{
    Compression, Consistency, InputFormat, InsertNulls, OnUnavailable, TimeUnit, TimestampMode, TruncateMode,
};

/// A key of one table, `topic.<topic>.<keyspace>.<table>.<setting>`; those beyond the DataStax dialect may also stand at
/// connector level, as the default of all tables.
#[derive(Debug)]
pub(super) struct TableKey<T> {
    pub(super) setting: &'static str,
    pub(super) full: Key<T>,
    pub(super) bare: Option<Key<T>>,
}

impl<T: Setting> TableKey<T> {
    fn definitions(&'static self) -> impl Iterator<Item = &'static Definition> {
        [Some(&self.full), self.bare.as_ref()]
            .into_iter()
            .flatten()
            .map(Key::definition)
    }
}

const CLUSTER: &str = "Cluster";
const SECURITY: &str = "Security";
const TABLE: &str = "Table";
const WRITING: &str = "Writing";
const NOT_BUILT: &str = "it is not built yet; leave it out";
const NO_JVM: &str = "it concerns the Java driver";
const NO_TLS: &str =
    "TLS to Cassandra is not built yet; leave it out, and reach the cluster over a trusted network";

macro_rules! keys {
    ($($name:ident: $type:ty = $key:literal $doc:literal $(; $method:ident($argument:expr))*),+ $(,)?) => {
        $(pub(super) static $name: Key<$type> = Key::new($key, $doc)$(.$method($argument))*;)+

        fn global() -> Vec<&'static Definition> {
            vec![$($name.definition()),+]
        }
    };
}

keys! {
    CONTACT_POINTS: Vec<String> = "contactPoints" "Hosts of the cluster to connect to first; empty means 127.0.0.1." ; default("") ; group(CLUSTER) ; importance(Importance::High),
    PORT: i32 = "port" "CQL port of all contact points." ; default("9042") ; group(CLUSTER) ; validator(port),
    LOCAL_DC: String = "loadBalancing.localDc" "Data centre whose nodes are asked; required with contactPoints." ; default("") ; group(CLUSTER) ; importance(Importance::High),
    BUNDLE: String = "cloud.secureConnectBundle" "Astra bundle." ; default("") ; group(CLUSTER) ; default_only("Astra bundles are not supported; give contactPoints and loadBalancing.localDc"),
    MAX_CONCURRENT_REQUESTS: i32 = "maxConcurrentRequests" "Requests in flight of all tasks of this connector on this worker; a batch is one request." ; default("500") ; group(WRITING) ; validator(positive),
    MAX_RECORDS_IN_BATCH: i32 = "maxNumberOfRecordsInBatch" "Rows of one partition key that go into one batch." ; default("32") ; group(WRITING) ; validator(positive),
    MAX_BATCH_BYTES: i32 = "maxBatchBytes" "Bytes of values after which a batch is cut." ; default("32768") ; group(WRITING) ; validator(batch_bytes),
    REQUEST_TIMEOUT: i32 = "queryExecutionTimeout" "Seconds after which one attempt of a request is given up and repeated." ; default("30") ; group(WRITING) ; validator(positive),
    POOL_SIZE: i32 = "connectionPoolLocalSize" "Connections to each node of the local data centre." ; default("4") ; group(CLUSTER) ; validator(positive),
    COMPRESSION: Compression = "compression" "Compression of frames." ; default("None") ; group(CLUSTER),
    HIGHEST_LATENCY: i32 = "metricsHighestLatency" "Ceiling of a Java histogram, seconds." ; default("35") ; no_effect(NO_JVM),
    JMX: bool = "jmx" "Java management beans." ; default("true") ; no_effect(NO_JVM),
    JMX_DOMAIN: String = "jmxConnectorDomain" "Domain of Java management beans." ; default("com.datastax.oss.kafka.sink") ; no_effect(NO_JVM),
    IGNORE_ERRORS: String = "ignoreErrors" "Errors that drop a record: only None is supported." ; default("None") ; group(WRITING) ; validator(ignore_errors),
    AUTH_PROVIDER: String = "auth.provider" "None or PLAIN; a user name or password turns None into PLAIN." ; default("None") ; group(SECURITY) ; validator(auth_provider),
    AUTH_USERNAME: String = "auth.username" "User of PLAIN authentication." ; default("") ; group(SECURITY),
    AUTH_PASSWORD: Secret = "auth.password" "Password of PLAIN authentication." ; default("") ; group(SECURITY),
    GSSAPI_KEYTAB: String = "auth.gssapi.keyTab" "Kerberos keytab." ; default("") ; group(SECURITY) ; default_only("Kerberos is not supported; use auth.provider=PLAIN"),
    GSSAPI_PRINCIPAL: String = "auth.gssapi.principal" "Kerberos principal." ; default("") ; group(SECURITY) ; default_only("Kerberos is not supported; use auth.provider=PLAIN"),
    GSSAPI_SERVICE: String = "auth.gssapi.service" "Kerberos service." ; default("dse") ; group(SECURITY) ; default_only("Kerberos is not supported; use auth.provider=PLAIN"),
    SSL_PROVIDER: String = "ssl.provider" "Which implementation of TLS is used." ; default("None") ; group(SECURITY) ; default_only(NO_TLS),
    SSL_CIPHERS: Vec<String> = "ssl.cipherSuites" "TLS cipher suites." ; default("") ; group(SECURITY) ; default_only(NO_TLS),
    SSL_HOSTNAME: bool = "ssl.hostnameValidation" "Whether a certificate must name its node." ; default("true") ; group(SECURITY) ; default_only(NO_TLS),
    SSL_KEYSTORE: String = "ssl.keystore.path" "Client certificate." ; default("") ; group(SECURITY) ; default_only(NO_TLS),
    SSL_KEYSTORE_PASSWORD: Secret = "ssl.keystore.password" "Password of the key store." ; default("") ; group(SECURITY) ; default_only(NO_TLS),
    SSL_TRUSTSTORE: String = "ssl.truststore.path" "Trusted authorities." ; default("") ; group(SECURITY) ; default_only(NO_TLS),
    SSL_TRUSTSTORE_PASSWORD: Secret = "ssl.truststore.password" "Password of the trust store." ; default("") ; group(SECURITY) ; default_only(NO_TLS),
    SSL_CHAIN: String = "ssl.openssl.keyCertChain" "Client certificate, PEM." ; default("") ; group(SECURITY) ; default_only(NO_TLS),
    SSL_KEY: String = "ssl.openssl.privateKey" "Client key, PEM." ; default("") ; group(SECURITY) ; default_only(NO_TLS),
    CONCURRENCY: String = "concurrency" "fixed: always up to maxConcurrentRequests." ; default("fixed") ; group(WRITING) ; default_only("the adaptive window is not built yet; use fixed, the default here"),
    RETRY_BACKOFF: i64 = "retryBackoffMs" "First pause before a retriable write is repeated; it doubles, with full jitter." ; default("100") ; group(WRITING) ; validator(positive),
    RETRY_BACKOFF_MAX: i64 = "retryBackoffMaxMs" "Longest pause between two attempts." ; default("10000") ; group(WRITING) ; validator(positive),
    DELIVERY_TIMEOUT: i64 = "deliveryTimeoutMs" "How long a retriable write is repeated before the task fails; 0: for ever." ; default("0") ; group(WRITING) ; validator(not_negative),
    MAX_CONSECUTIVE_REJECTS: i32 = "maxConsecutiveRejects" "Rejected records in a row that fail the task under tolerance all." ; default("1000") ; group(WRITING) ; default_only("tolerance all is not built yet, so that the first rejected record fails the task"),
    SPECULATIVE_AFTER: i32 = "speculativeAfterMs" "Speculative execution." ; default("0") ; group(WRITING) ; default_only(NOT_BUILT),
    CREATE_REPLICATION: String = "createReplication" "Replication of a created keyspace." ; group(TABLE) ; default_only("keyspaces are not created yet; create it by hand"),
}

macro_rules! table_key {
    ($name:ident: $type:ty = $setting:literal $doc:literal $(; $method:ident($argument:expr))*) => {
        pub(super) static $name: TableKey<$type> = TableKey {
            setting: $setting,
            full: Key::new(concat!("topic.<topic>.<keyspace>.<table>.", $setting), $doc).group(TABLE)$(.$method($argument))*,
            bare: None,
        };
    };
}

macro_rules! new_table_key {
    ($name:ident: $type:ty = $setting:literal $doc:literal $(; $method:ident($argument:expr))*) => {
        pub(super) static $name: TableKey<$type> = TableKey {
            setting: $setting,
            full: Key::new(concat!("topic.<topic>.<keyspace>.<table>.", $setting), $doc).group(TABLE)$(.$method($argument))*,
            bare: Some(Key::new($setting, $doc).group(TABLE)$(.$method($argument))*),
        };
    };
}

table_key!(MAPPING: String = "mapping" "Columns and where their values come from: col=value.field, …; may be left out in debezium format, where it is *." ; importance(Importance::High));
table_key!(CONSISTENCY: Consistency = "consistencyLevel" "Consistency of writes." ; default("LOCAL_ONE"));
table_key!(TTL: i32 = "ttl" "Time to live of all rows in ttlTimeUnit; -1: none." ; default("-1") ; validator(ttl));
table_key!(TTL_UNIT: TimeUnit = "ttlTimeUnit" "Unit of ttl and of a mapped __ttl." ; default("SECONDS"));
table_key!(TIMESTAMP_UNIT: TimeUnit = "timestampTimeUnit" "Unit of a mapped __timestamp." ; default("MICROSECONDS"));
table_key!(NULL_TO_UNSET: bool = "nullToUnset" "record format: true leaves a column untouched where the source is null, so that an update to null never clears it; false writes a tombstone for each null." ; default("true"));
table_key!(DELETES_ENABLED: bool = "deletesEnabled" "record format: a record whose columns outside the key are all null deletes its row." ; default("true"));
table_key!(QUERY: String = "query" "A statement of one's own." ; default_only("own statements are not built yet; use a mapping"));
new_table_key!(INPUT_FORMAT: InputFormat = "inputFormat" "debezium: values are change envelopes." ; default("record"));
new_table_key!(TIMESTAMP_MODE: TimestampMode = "timestampMode" "Clock of writes. Default: field with a mapped __timestamp, lsn in debezium format, else record." ; default(""));
new_table_key!(TIMESTAMP_OFFSET: i64 = "timestampOffset" "Microseconds added to each write timestamp; the sum must stay above 0." ; default("0"));
new_table_key!(TOPIC_CLEANUP: String = "topicCleanup" "Cleanup policy of the topic." ; default("delete") ; default_only("compacted topics are not supported yet"));
new_table_key!(DELETE_MODE: String = "deleteMode" "hard: a delete removes the row." ; default("hard") ; default_only("soft and ignore are not built yet; use hard"));
new_table_key!(SOFT_DELETE_SET: String = "softDeleteSet" "Columns written in place of a delete." ; default_only(NOT_BUILT));
new_table_key!(UPDATE_MODE: String = "updateMode" "full: an update writes every column." ; default("full") ; default_only("diff is not built yet; use full"));
new_table_key!(INSERT_NULLS: InsertNulls = "insertNulls" "debezium format: null columns of a create or snapshot row." ; default("unset"));
new_table_key!(UNAVAILABLE_MARKER: String = "unavailableMarker" "Text that stands for an unchanged large value; its column is left untouched." ; default("__debezium_unavailable_value"));
new_table_key!(UNAVAILABLE_ON_CREATE: OnUnavailable = "unavailable.on.create" "What happens to a create or snapshot row that lacks a large value because the source did not send it: warn writes the row without it, counts it and shows it in the task's status while the cell is missing; fail rejects the record. Of an update nobody can say whether its row begins, because what is read again after a stop may belong to a row that is gone since: it is looked up in Cassandra, counted and shown in both cases." ; default("warn"));
new_table_key!(TRUNCATE_MODE: TruncateMode = "truncateMode" "What a truncate event does: it is ignored and counted, or fails the task." ; default("ignore"));
new_table_key!(ALLOW_KEY_COLLAPSE: bool = "allowKeyCollapse" "Allows a mapping under which two source keys share one row." ; default("false"));
new_table_key!(IGNORED_FIELDS: Vec<String> = "ignoredFields" "Fields and columns that * leaves out." ; default(""));
new_table_key!(COUNTER_MODE: String = "counterMode" "Counter tables." ; default("refuse") ; default_only("counter tables are not supported: a redelivery would count twice"));
new_table_key!(LWT: String = "lwt" "Conditional inserts." ; default("off") ; default_only(NOT_BUILT));
new_table_key!(AUTO_CREATE: String = "autoCreate" "Creation of missing tables." ; default("none") ; default_only("tables are not created yet; create it by hand"));
new_table_key!(AUTO_EVOLVE: String = "autoEvolve" "Addition of missing columns." ; default("none") ; default_only("columns are not added yet; add them by hand"));
new_table_key!(CREATE_PRIMARY_KEY: String = "createPrimaryKey" "Primary key of a created table." ; default_only(NOT_BUILT));
new_table_key!(CREATE_OPTIONS: String = "createOptions" "Options of a created table." ; default_only(NOT_BUILT));

/// Calls a macro with every per-table key.
macro_rules! each_table_key {
    ($apply:ident) => {
        $apply!(
            MAPPING,
            CONSISTENCY,
            TTL,
            TTL_UNIT,
            TIMESTAMP_UNIT,
            NULL_TO_UNSET,
            DELETES_ENABLED,
            QUERY,
            INPUT_FORMAT,
            TIMESTAMP_MODE,
            TIMESTAMP_OFFSET,
            TOPIC_CLEANUP,
            DELETE_MODE,
            SOFT_DELETE_SET,
            UPDATE_MODE,
            INSERT_NULLS,
            UNAVAILABLE_MARKER,
            UNAVAILABLE_ON_CREATE,
            TRUNCATE_MODE,
            ALLOW_KEY_COLLAPSE,
            IGNORED_FIELDS,
            COUNTER_MODE,
            LWT,
            AUTO_CREATE,
            AUTO_EVOLVE,
            CREATE_PRIMARY_KEY,
            CREATE_OPTIONS
        )
    };
}

macro_rules! settings {
    ($($key:ident),+) => { vec![$($key.setting),+] };
}

macro_rules! instances {
    ($($key:ident),+) => { vec![$(($key.setting, $key.full.definition())),+] };
}

macro_rules! table_definitions {
    ($($key:ident),+) => { [].into_iter()$(.chain($key.definitions()))+.collect() };
}

/// The last segments of per-table keys.
pub(super) fn table_settings() -> Vec<&'static str> {
    each_table_key!(settings)
}

/// The definition behind each last segment of a per-table key.
pub(super) fn table_instances() -> Vec<(&'static str, &'static Definition)> {
    each_table_key!(instances)
}

const FORMATS: &str = "only the default format is supported; give values in it, or as logical types";
static LOCALE: Key<String> = Key::new("topic.<topic>.codec.locale", "Locale of number text.")
    .default("en_US")
    .default_only("only en_US is supported");
static TIME_ZONE: Key<String> = Key::new(
    "topic.<topic>.codec.timeZone",
    "Zone of text timestamps without one.",
)
.default("UTC")
.default_only("only UTC is supported; give timestamps with their zone");
static TIMESTAMP_FORMAT: Key<String> = Key::new("topic.<topic>.codec.timestamp", "Form of text timestamps.")
    .default("CQL_TIMESTAMP")
    .default_only(FORMATS);
static DATE_FORMAT: Key<String> = Key::new("topic.<topic>.codec.date", "Form of text dates.")
    .default("ISO_LOCAL_DATE")
    .default_only(FORMATS);
static TIME_FORMAT: Key<String> = Key::new("topic.<topic>.codec.time", "Form of text times.")
    .default("ISO_LOCAL_TIME")
    .default_only(FORMATS);
pub(super) static UNIT: Key<TimeUnit> = Key::new(
    "topic.<topic>.codec.unit",
    "What numbers that go into timestamp columns count.",
)
.default("MILLISECONDS");

/// The codec keys by their last segments.
pub(super) fn codec_instances() -> Vec<(&'static str, &'static Definition)> {
    vec![
        ("locale", LOCALE.definition()),
        ("timeZone", TIME_ZONE.definition()),
        ("timestamp", TIMESTAMP_FORMAT.definition()),
        ("date", DATE_FORMAT.definition()),
        ("time", TIME_FORMAT.definition()),
        ("unit", UNIT.definition()),
    ]
}

/// The last segments of codec keys.
pub(super) fn codec_settings() -> Vec<&'static str> {
    codec_instances()
        .into_iter()
        .map(|(setting, _)| setting)
        .collect()
}

/// Reads the connector's defaults for its tables: a wrong one is told also where no table takes it.
pub(super) fn read_defaults(reader: &mut Reader<'_>) {
    macro_rules! read {
        ($($key:ident),+ $(,)?) => {$(
            if let Some(bare) = &$key.bare {
                // Only the finding matters: each table reads it again.
                let _ = reader.find(bare);
            }
        )+};
    }
    each_table_key!(read);
}

/// Every key.
pub(super) fn definitions() -> Vec<&'static Definition> {
    let tables: Vec<&'static Definition> = each_table_key!(table_definitions);
    let codecs = codec_instances().into_iter().map(|(_, definition)| definition);
    global().into_iter().chain(tables).chain(codecs).collect()
}

fn at_least(text: &str, least: i64) -> Result<(), String> {
    match text.parse::<i64>() {
        Ok(value) if value >= least => Ok(()),
        _ => Err(format!("Value must be at least {least}")),
    }
}

fn positive(text: &str) -> Result<(), String> {
    at_least(text, 1)
}

fn not_negative(text: &str) -> Result<(), String> {
    at_least(text, 0)
}

fn ttl(text: &str) -> Result<(), String> {
    at_least(text, -1)
}

fn port(text: &str) -> Result<(), String> {
    match text.parse() {
        Ok(1..=65535) => Ok(()),
        _ => Err("Value must be between 1 and 65535".into()),
    }
}

fn batch_bytes(text: &str) -> Result<(), String> {
    match text.parse() {
        Ok(1024..=1_048_576) => Ok(()),
        _ => Err("Value must be between 1024 and 1048576".into()),
    }
}

fn ignore_errors(text: &str) -> Result<(), String> {
    match text.to_ascii_lowercase().as_str() {
        "none" | "false" => Ok(()),
        "all" | "driver" | "true" => {
            Err("dropping records is not built yet; use None: a record that fails stops the task".into())
        }
        _ => Err("String must be one of (case insensitive): None, All, Driver".into()),
    }
}

fn auth_provider(text: &str) -> Result<(), String> {
    match text {
        "None" | "PLAIN" => Ok(()),
        "GSSAPI" => Err("Kerberos is not supported; use PLAIN with auth.username and auth.password".into()),
        _ => Err("String must be one of: None, PLAIN, GSSAPI".into()),
    }
}
