//! Sans-I/O: every key of the source, each with its documentation, default and level of support.

use rowtide_api::config::{Definition, Importance, Key};
use rowtide_api::{Secret, setting_enum};

use crate::connection::SslMode;

setting_enum! {
    /// Output plug-in of the slot.
    pub enum PluginName { Pgoutput = "pgoutput", Decoderbufs = "decoderbufs" }
}

setting_enum! {
    /// What happens to existing rows at the first start.
    pub enum SnapshotMode { Initial = "initial", InitialOnly = "initial_only", NoData = "no_data" }
}

setting_enum! {
    /// What the connector does about its publication.
    pub enum PublicationMode {
        Disabled = "disabled",
        AllTables = "all_tables",
        Filtered = "filtered",
        NoTables = "no_tables",
    }
}

setting_enum! {
    /// Who lets WAL go.
    pub enum FlushMode {
        Connector = "connector",
        Manual = "manual",
        ConnectorAndDriver = "connector_and_driver",
    }
}

setting_enum! {
    /// What counts when the stored offset and the slot disagree.
    pub enum MismatchStrategy {
        NoValidation = "no_validation",
        TrustOffset = "trust_offset",
        TrustSlot = "trust_slot",
        TrustGreaterLsn = "trust_greater_lsn",
    }
}

setting_enum! {
    /// What happens to a value that does not fit its schema.
    pub enum FailureMode { Fail = "fail", Warn = "warn", Skip = "skip" }
}

setting_enum! {
    /// What happens to a record that begins a row without values that the server did not send.
    pub enum OnCreate { Reselect = "reselect", Fail = "fail", Placeholder = "placeholder" }
}

setting_enum! {
    /// How names become legal in Avro.
    pub enum Adjustment { None = "none", Avro = "avro", AvroUnicode = "avro_unicode" }
}

setting_enum! {
    /// What happens when a status write takes too long.
    pub enum TimeoutAction { Fail = "fail", Warn = "warn", Ignore = "ignore" }
}

const CONNECTION: &str = "Connection";
const SLOT: &str = "Slot and publication";
const FILTERS: &str = "Filters";
const SNAPSHOT: &str = "Snapshot";
const TYPES: &str = "Types";
const EVENTS: &str = "Events";
const ADVANCED: &str = "Advanced";

fn topic_prefix(text: &str) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if !text.is_empty() && text.chars().all(legal) {
        Ok(())
    } else {
        Err("Value may hold letters, digits, '_', '.' and '-'".into())
    }
}

fn slot_name(text: &str) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if (1..=63).contains(&text.len()) && text.chars().all(legal) {
        Ok(())
    } else {
        Err("Valid slot names are 1 to 63 lower-case letters, digits and '_'".into())
    }
}

fn positive(text: &str) -> Result<(), String> {
    match text.parse::<i64>() {
        Ok(1..) => Ok(()),
        _ => Err("Value must be at least 1".into()),
    }
}

fn not_negative(text: &str) -> Result<(), String> {
    match text.parse::<i64>() {
        Ok(0..) => Ok(()),
        _ => Err("Value must be at least 0".into()),
    }
}

macro_rules! keys {
    ($($name:ident: $kind:ty = $key:expr;)+) => {
        $(pub(super) const $name: Key<$kind> = $key;)+

        /// All keys, in the order documentation shows them.
        pub(super) fn all() -> Vec<&'static Definition> {
            vec![$($name.definition()),+]
        }
    };
}

keys! {
    // §1.1 Connection
    TOPIC_PREFIX: String = Key::required("topic.prefix", "Name of this server: the head of topics, schema names and offsets.")
        .validator(topic_prefix).group(CONNECTION);
    HOSTNAME: String = Key::required("database.hostname", "Host of the database; several as host[:port],… are tried in order.")
        .group(CONNECTION);
    PORT: u16 = Key::new("database.port", "Port of the database.").default("5432").importance(Importance::High)
        .group(CONNECTION);
    USER: String = Key::required("database.user", "Role to log in as; it needs LOGIN, REPLICATION and SELECT on the captured tables.")
        .group(CONNECTION);
    PASSWORD: Secret = Key::new("database.password", "Password of the role.").importance(Importance::High)
        .group(CONNECTION);
    DBNAME: String = Key::required("database.dbname", "The database; one per connector.").group(CONNECTION);
    QUERY_TIMEOUT_MS: i64 = Key::new("database.query.timeout.ms", "Limit of one catalogue query in milliseconds, 0 for none; snapshot reads have none.")
        .default("600000").validator(not_negative).group(CONNECTION);
    INITIAL_STATEMENTS: String = Key::new("database.initial.statements", "SQL run on each new query connection.")
        .default_only("set what it sets with ALTER ROLE … SET instead").group(CONNECTION);
    SSLMODE: SslMode = Key::new("database.sslmode", "How much TLS protects the connections.").default("prefer")
        .importance(Importance::High).group(CONNECTION);
    SSLCERT: String = Key::new("database.sslcert", "PEM file of the client's certificate.").group(CONNECTION);
    SSLKEY: String = Key::new("database.sslkey", "The client's key: PEM, or PKCS#8 in DER.").group(CONNECTION);
    SSLROOTCERT: String = Key::new("database.sslrootcert", "PEM file of the authorities to trust; absent: the public ones.")
        .group(CONNECTION);
    SSLPASSWORD: Secret = Key::new("database.sslpassword", "Password of an encrypted client key.")
        .default_only("use an unencrypted key readable only by the worker's user").group(CONNECTION);
    SSLFACTORY: String = Key::new("database.sslfactory", "A Java socket factory.").no_effect("there is no JVM; use database.sslmode")
        .group(CONNECTION);
    TCP_KEEPALIVE: bool = Key::new("database.tcpKeepAlive", "TCP keep-alive probes.").default("true").group(CONNECTION);
    CONNECTION_FACTORY: String = Key::new("database.connection.factory.class", "A Java connection factory.")
        .default_only("log in with a password or a client certificate").group(CONNECTION);
    CONNECTION_TIMEOUT_MS: i64 = Key::new("database.connection.timeout.ms", "Limit for reaching one host in milliseconds, TLS and authentication included.")
        .default("10000").validator(positive).group(CONNECTION);
    VALIDATION_TIMEOUT_MS: i64 = Key::new("connection.validation.timeout.ms", "Limit of the live checks of validate in milliseconds.")
        .default("60000").validator(positive).group(CONNECTION);
    READ_ONLY: bool = Key::new("read.only", "Read-only incremental snapshots.").default("false")
        .default_only("incremental snapshots are not built yet").group(CONNECTION);
    EXECUTOR_SHUTDOWN_MS: i64 = Key::new("executor.shutdown.timeout.ms", "Limit in milliseconds for the orderly end of background work.")
        .default("4000").validator(positive).group(ADVANCED);

    // §1.2 Plug-in, slot, publication
    PLUGIN_NAME: PluginName = Key::new("plugin.name", "Output plug-in; only pgoutput.").default("decoderbufs")
        .importance(Importance::High).group(SLOT);
    SLOT_NAME: String = Key::new("slot.name", "Name of the replication slot.").default("debezium").validator(slot_name)
        .importance(Importance::High).group(SLOT);
    SLOT_DROP: bool = Key::new("slot.drop.on.stop", "Drop the slot when the task stops in order.").default("false")
        .default_only("drop it with pg_drop_replication_slot after deleting the connector").group(SLOT);
    SLOT_FAILOVER: bool = Key::new("slot.failover", "Create the slot with FAILOVER.").default("false")
        .default_only("create the slot by hand with failover => true, it is used as it is").group(SLOT);
    SLOT_PARAMS: String = Key::new("slot.stream.params", "Further options of START_REPLICATION.")
        .default_only("pgoutput has none this connector could pass on").group(SLOT);
    SLOT_RETRIES: u32 = Key::new("slot.max.retries", "Attempts to attach to a slot another session holds.").default("6")
        .group(SLOT);
    SLOT_RETRY_DELAY_MS: i64 = Key::new("slot.retry.delay.ms", "Pause between these attempts in milliseconds.")
        .default("10000").validator(not_negative).group(SLOT);
    SLOT_CREATE_TIMEOUT_S: i64 = Key::new("internal.create.slot.command.timeout", "Limit of one slot creation in seconds, 0 for none.")
        .default("90").validator(not_negative).group(SLOT);
    PUBLICATION_NAME: String = Key::new("publication.name", "Name of the publication.").default("dbz_publication").group(SLOT);
    PUBLICATION_MODE: PublicationMode = Key::new("publication.autocreate.mode", "What the connector does about the publication; absent: it creates a missing one for the captured tables and leaves an existing one alone.")
        .group(SLOT);
    VIA_ROOT: bool = Key::new("publish.via.partition.root", "Option of a publication the connector creates.").default("false")
        .group(SLOT);
    REPLICA_IDENTITY: String = Key::new("replica.identity.autoset.values", "Replica identities to set at start.")
        .default_only("run ALTER TABLE … REPLICA IDENTITY … once by hand").group(SLOT);
    STATUS_INTERVAL_MS: i64 = Key::new("status.update.interval.ms", "Upper bound of the pause between two status messages, in milliseconds.")
        .default("10000").validator(positive).group(SLOT);
    XMIN_INTERVAL_MS: i64 = Key::new("xmin.fetch.interval.ms", "Poll the slot's xmin into source.xmin.").default("0")
        .default_only("read catalog_xmin from pg_replication_slots").group(SLOT);
    LSN_FLUSH_MODE: FlushMode = Key::new("lsn.flush.mode", "connector: WAL is released once its records are durable; manual: never, the user advances the slot.")
        .group(SLOT);
    FLUSH_LSN_SOURCE: bool = Key::new("flush.lsn.source", "Deprecated form of lsn.flush.mode: true is connector, false is manual.")
        .default("true").group(SLOT);
    LSN_FLUSH_TIMEOUT_MS: i64 = Key::new("lsn.flush.timeout.ms", "Limit of one status write in milliseconds.").default("30000")
        .validator(positive).group(SLOT);
    LSN_FLUSH_ACTION: TimeoutAction = Key::new("lsn.flush.timeout.action", "What happens after that limit.").default("fail")
        .group(SLOT);
    MISMATCH: MismatchStrategy = Key::new("offset.mismatch.strategy", "What counts when stored offset and slot disagree; absent: a slot ahead of the offset fails the task.")
        .group(SLOT);
    SEEK_ON_START: bool = Key::new("internal.slot.seek.to.known.offset.on.start", "Deprecated form of offset.mismatch.strategy=trust_offset.")
        .default("false").group(SLOT);
    POSITION_CHECK: bool = Key::new("internal.log.position.check.enable", "Check the stored position against the slot at start.")
        .default("true").group(SLOT);

    // §1.3 Filters and key choice
    SCHEMA_INCLUDE: String = Key::new("schema.include.list", "Regular expressions of captured schemas.").group(FILTERS);
    SCHEMA_EXCLUDE: String = Key::new("schema.exclude.list", "Regular expressions of schemas left out.").group(FILTERS);
    TABLE_INCLUDE: String = Key::new("table.include.list", "Regular expressions of captured tables, matched on schema.table.")
        .importance(Importance::High).group(FILTERS);
    TABLE_EXCLUDE: String = Key::new("table.exclude.list", "Regular expressions of tables left out, matched on schema.table.")
        .group(FILTERS);
    COLUMN_INCLUDE: String = Key::new("column.include.list", "Regular expressions of captured columns, matched on schema.table.column.")
        .group(FILTERS);
    COLUMN_EXCLUDE: String = Key::new("column.exclude.list", "Regular expressions of columns left out, matched on schema.table.column.")
        .group(FILTERS);
    IGNORE_BUILTIN: bool = Key::new("table.ignore.builtin", "Leave out the catalogue's own schemas and spatial_ref_sys.")
        .default("true").group(FILTERS);
    MESSAGE_KEY: String = Key::new("message.key.columns", "Other keys than the primary key: schema.table-regex:col1,col2;….")
        .default_only("give the table a primary key or a unique index").group(FILTERS);
    MESSAGE_PREFIX_INCLUDE: String = Key::new("message.prefix.include.list", "Prefixes of logical decoding messages.")
        .default_only("logical decoding messages are not captured yet").group(FILTERS);
    MESSAGE_PREFIX_EXCLUDE: String = Key::new("message.prefix.exclude.list", "Prefixes of logical decoding messages left out.")
        .default_only("logical decoding messages are not captured yet").group(FILTERS);
    SKIP_UNCHANGED: bool = Key::new("skip.messages.without.change", "Drop updates that change no captured column.").default("false")
        .default_only("compare before and after downstream").group(FILTERS);
    SKIPPED_OPERATIONS: Vec<String> = Key::new("skipped.operations", "Operations that give no event: c, u, d, t, or none.")
        .default("t").group(FILTERS);
    SNAPSHOT_INCLUDE: String = Key::new("snapshot.include.collection.list", "A subset of the captured tables to snapshot.")
        .default_only("leave it out: every captured table is read").group(FILTERS);
    GUARDRAIL_MAX: i64 = Key::new("guardrail.collections.max", "Limit on captured tables.").default("0")
        .default_only("narrow table.include.list").group(FILTERS);
    GUARDRAIL_ACTION: String = Key::new("guardrail.collections.limit.action", "What happens at that limit.").default("warn")
        .default_only("narrow table.include.list").group(FILTERS);

    // §1.5 Snapshot
    SNAPSHOT_MODE: SnapshotMode = Key::new("snapshot.mode", "initial: existing rows first; no_data: changes only; initial_only: existing rows only.")
        .default("initial").importance(Importance::High).group(SNAPSHOT);
    SNAPSHOT_ISOLATION: String = Key::new("snapshot.isolation.mode", "Isolation of the snapshot.").default("serializable")
        .recommended(&["serializable", "repeatable_read", "read_committed", "read_uncommitted"])
        .no_effect("every snapshot is one REPEATABLE READ transaction at the exact start of the stream").group(SNAPSHOT);
    SNAPSHOT_LOCKING: String = Key::new("snapshot.locking.mode", "Locks taken while reading.").default("none")
        .default_only("reading takes no lock that blocks writers").group(SNAPSHOT);
    SNAPSHOT_LOCK_TIMEOUT: i64 = Key::new("snapshot.lock.timeout.ms", "Limit for these locks.").default("10000")
        .no_effect("no lock is taken").group(SNAPSHOT);
    SNAPSHOT_QUERY_MODE: String = Key::new("snapshot.query.mode", "How snapshot queries are made.").default("select_all")
        .default_only("filter tables and columns by their lists").group(SNAPSHOT);
    SNAPSHOT_OVERRIDES: String = Key::new("snapshot.select.statement.overrides", "Tables with a SELECT of their own.")
        .default_only("filter tables and columns by their lists").group(SNAPSHOT);
    SNAPSHOT_FETCH_SIZE: i64 = Key::new("snapshot.fetch.size", "Rows per fetch.").default("10240")
        .no_effect("COPY streams, it has no cursor").group(SNAPSHOT);
    SNAPSHOT_SCAN_ALL: bool = Key::new("internal.snapshot.scan.all.columns.force", "Read all columns.").default("false")
        .no_effect("only captured columns are read").group(SNAPSHOT);
    SNAPSHOT_DELAY: i64 = Key::new("snapshot.delay.ms", "Pause before the snapshot.").default("0")
        .default_only("start the connector later").group(SNAPSHOT);
    STREAMING_DELAY: i64 = Key::new("streaming.delay.ms", "Pause before streaming.").default("0")
        .default_only("start the connector later").group(SNAPSHOT);
    SNAPSHOT_THREADS: i64 = Key::new("snapshot.max.threads", "Snapshot workers.").default("1")
        .default_only("one worker reads all tables for now").group(SNAPSHOT);
    SNAPSHOT_MULTIPLIER: i64 = Key::new("snapshot.max.threads.multiplier", "Ranges per worker.").default("1")
        .default_only("one worker reads all tables for now").group(SNAPSHOT);
    SNAPSHOT_LEGACY: bool = Key::new("legacy.snapshot.max.threads", "Workers take whole tables.").default("false")
        .default_only("one worker reads all tables for now").group(SNAPSHOT);
    SNAPSHOT_ORDER: String = Key::new("snapshot.tables.order.by.row.count", "Order tables by size.").default("disabled")
        .default_only("order them by table.include.list").group(SNAPSHOT);
    INCREMENTAL_CHUNK: i64 = Key::new("incremental.snapshot.chunk.size", "Rows per incremental chunk.").default("1024")
        .no_effect("incremental snapshots are not built yet").group(SNAPSHOT);
    INCREMENTAL_STRATEGY: String = Key::new("incremental.snapshot.watermarking.strategy", "How watermarks are written.")
        .default("INSERT_INSERT").no_effect("incremental snapshots are not built yet").group(SNAPSHOT);
    INCREMENTAL_SCHEMA: bool = Key::new("incremental.snapshot.allow.schema.changes", "Not supported by anyone.").default("false")
        .default_only("only false is valid").group(SNAPSHOT);

    // §1.6 Types
    TIME_PRECISION: String = Key::new("time.precision.mode", "How dates and times are represented.").default("adaptive")
        .default_only("adaptive is the one mode built so far").group(TYPES);
    DECIMAL_MODE: String = Key::new("decimal.handling.mode", "How numerics are represented.").default("precise")
        .default_only("precise is the one mode built so far").group(TYPES);
    MONEY_DIGITS: i16 = Key::new("money.fraction.digits", "Scale of money.").default("2")
        .no_effect("money columns are not supported yet").group(TYPES);
    INTERVAL_MODE: String = Key::new("interval.handling.mode", "How intervals are represented.").default("numeric")
        .default_only("interval columns are not supported yet").group(TYPES);
    HSTORE_MODE: String = Key::new("hstore.handling.mode", "How hstore is represented.").default("json")
        .default_only("hstore columns are not supported yet").group(TYPES);
    BINARY_MODE: String = Key::new("binary.handling.mode", "How bytea is represented.").default("bytes")
        .default_only("bytes is the one mode built so far").group(TYPES);
    UNKNOWN_TYPES: bool = Key::new("include.unknown.datatypes", "Capture columns of unknown types as bytes.").default("false")
        .default_only("cast the column in a view table, or leave it out with column.exclude.list").group(TYPES);
    SCHEMA_REFRESH: String = Key::new("schema.refresh.mode", "How schemas follow the table.").default("columns_diff")
        .no_effect("pgoutput announces every change of a table").group(TYPES);
    PLACEHOLDER: String = Key::new("unavailable.value.placeholder", "What stands for an unchanged TOAST value; hex: gives raw bytes.")
        .default("__debezium_unavailable_value").group(TYPES);
    SCHEMA_COMMENTS: bool = Key::new("include.schema.comments", "Column comments become documentation.").default("false")
        .default_only("comments stay in the database for now").group(TYPES);
    SCHEMA_NAMES: Adjustment = Key::new("schema.name.adjustment.mode", "How schema names become legal.").default("none").group(TYPES);
    FIELD_NAMES: Adjustment = Key::new("field.name.adjustment.mode", "How field names become legal; absent and with an Avro converter named in the connector: avro.")
        .group(TYPES);
    CONVERTING_FAILURE: FailureMode = Key::new("event.converting.failure.handling.mode", "What happens to a value its schema cannot hold.")
        .default("warn").group(TYPES);
    CONVERTERS: String = Key::new("converters", "Custom Java converters.").default_only("there is no JVM; transform downstream").group(TYPES);
    POST_PROCESSORS: String = Key::new("post.processors", "Post processors.").default_only("none is built yet").group(TYPES);

    // §1.7 Events and topics
    TOMBSTONES: bool = Key::new("tombstones.on.delete", "A tombstone follows each delete.").default("true").group(EVENTS);
    TRANSACTION_METADATA: bool = Key::new("provide.transaction.metadata", "Transaction records and fields.").default("false")
        .default_only("source.txId and source.sequence tell transactions apart").group(EVENTS);
    TRANSACTION_FACTORY: String = Key::new("transaction.metadata.factory", "A Java class.")
        .default("io.debezium.pipeline.txmetadata.DefaultTransactionMetadataFactory").default_only("there is no JVM").group(EVENTS);
    NAMING_STRATEGY: String = Key::new("topic.naming.strategy", "How topics are named.")
        .default("io.debezium.schema.SchemaTopicNamingStrategy").default_only("rename topics with the RegexRouter transform").group(EVENTS);
    TOPIC_DELIMITER: String = Key::new("topic.delimiter", "Between prefix, schema and table.").default(".").group(EVENTS);
    HEARTBEAT_PREFIX: String = Key::new("topic.heartbeat.prefix", "Head of the heartbeat topic.").default("__debezium-heartbeat")
        .no_effect("heartbeats are not needed here: an idle database releases WAL by itself").group(EVENTS);
    HEARTBEAT_NAME: String = Key::new("topic.heartbeat.name", "Name of the heartbeat topic.")
        .no_effect("heartbeats are not needed here: an idle database releases WAL by itself").group(EVENTS);
    TOPIC_TRANSACTION: String = Key::new("topic.transaction", "Name of the transaction topic.").default("transaction")
        .no_effect("transaction records are not built yet").group(EVENTS);
    STRUCT_MAKER: String = Key::new("sourceinfo.struct.maker", "A Java class.")
        .default("io.debezium.connector.postgresql.PostgresSourceInfoStructMaker").default_only("there is no JVM").group(EVENTS);
    EXTENDED_HEADERS: bool = Key::new("extended.headers.enabled", "Headers with the connector's names.").default("true").group(EVENTS);
    TOPIC_CACHE: i64 = Key::new("topic.cache.size", "Cached topic names.").default("10000")
        .no_effect("a topic's name is computed once per table").group(EVENTS);
    SCHEMA_CHANGES: bool = Key::new("include.schema.changes", "Records of DDL.").default("true")
        .no_effect("Postgres has no DDL stream").group(EVENTS);
    METRIC_TAGS: String = Key::new("custom.metric.tags", "Labels of metrics.").default_only("add labels where metrics are scraped").group(EVENTS);
    OPENLINEAGE: bool = Key::new("openlineage.integration.enabled", "OpenLineage events.").default("false")
        .default_only("it is not supported").group(EVENTS);

    // §1.8 Signals, notifications, heartbeat
    SIGNAL_COLLECTION: String = Key::new("signal.data.collection", "The signal table.").default_only("signals are not built yet").group(ADVANCED);
    SIGNAL_CHANNELS: String = Key::new("signal.enabled.channels", "Where signals come from.").default("source")
        .default_only("signals are not built yet").group(ADVANCED);
    SIGNAL_POLL: i64 = Key::new("signal.poll.interval.ms", "Tick of signal channels.").default("5000")
        .no_effect("signals are not built yet").group(ADVANCED);
    SIGNAL_TOPIC: String = Key::new("signal.kafka.topic", "Topic of signals.").default_only("signals are not built yet").group(ADVANCED);
    SIGNAL_SERVERS: String = Key::new("signal.kafka.bootstrap.servers", "Brokers of that topic.")
        .default_only("signals are not built yet").group(ADVANCED);
    SIGNAL_KAFKA_POLL: i64 = Key::new("signal.kafka.poll.timeout.ms", "Poll of that topic.").default("0")
        .no_effect("signals are not built yet").group(ADVANCED);
    SIGNAL_GROUP: String = Key::new("signal.kafka.groupId", "Group of that topic.").default("kafka-signal")
        .no_effect("signals are not built yet").group(ADVANCED);
    SIGNAL_FILE: String = Key::new("signal.file", "File of signals.").default("file-signals.txt")
        .no_effect("signals are not built yet").group(ADVANCED);
    NOTIFICATION_CHANNELS: String = Key::new("notification.enabled.channels", "Where notifications go.")
        .default_only("notifications are not built yet").group(ADVANCED);
    NOTIFICATION_TOPIC: String = Key::new("notification.sink.topic.name", "Topic of notifications.")
        .default_only("notifications are not built yet").group(ADVANCED);
    HEARTBEAT_MS: i64 = Key::new("heartbeat.interval.ms", "Heartbeat records.").default("0")
        .default_only("heartbeats are not needed here: an idle database releases WAL by itself").group(ADVANCED);
    HEARTBEAT_QUERY: String = Key::new("heartbeat.action.query", "SQL at each heartbeat.")
        .default_only("it is not needed here: an idle database releases WAL by itself").group(ADVANCED);

    // §1.9 Batching, errors
    BATCH_SIZE: i64 = Key::new("max.batch.size", "Most records of one hand-over.").default("2048").validator(positive).group(ADVANCED);
    QUEUE_SIZE: i64 = Key::new("max.queue.size", "Most records waiting.").default("8192")
        .no_effect("what waits is bounded in bytes").group(ADVANCED);
    QUEUE_BYTES: i64 = Key::new("max.queue.size.in.bytes", "Most bytes received and not handed over; 0: 8 MiB.").default("0")
        .validator(not_negative).group(ADVANCED);
    POLL_INTERVAL: i64 = Key::new("poll.interval.ms", "Upper bound of the wait for a batch.").default("500")
        .no_effect("records are handed over as soon as they are there").group(ADVANCED);
    QUERY_FETCH: i64 = Key::new("query.fetch.size", "Rows per fetch.").default("0").no_effect("there are no cursors").group(ADVANCED);
    QUEUE_PROVIDER: String = Key::new("queue.provider.type", "Kind of the queue.").default("in-memory")
        .no_effect("what waits is bounded in bytes").group(ADVANCED);
    ERRORS_RETRIES: i64 = Key::new("errors.max.retries", "Retries of transient failures.").default("-1")
        .default_only("transient failures are retried without limit and shown in the status").group(ADVANCED);
    RETRIABLE_WAIT: i64 = Key::new("retriable.restart.connector.wait.ms", "First pause before a retry.").default("10000")
        .no_effect("the worker's back-off begins shorter").group(ADVANCED);
    PROCESSING_FAILURE: String = Key::new("event.processing.failure.handling.mode", "What happens to an event that cannot be processed.")
        .default("fail").default_only("use errors.tolerance for records that cannot be built").group(ADVANCED);
    CUSTOM_RETRIABLE: String = Key::new("internal.custom.retriable.exception", "Further retriable failures.")
        .default_only("failures are classified by SQLSTATE").group(ADVANCED);
    STATISTICS: bool = Key::new("statistics.metrics.enabled", "Percentiles of lag.").default("true")
        .no_effect("percentiles come from the metrics' consumer").group(ADVANCED);
    ADVANCED_METRICS: bool = Key::new("internal.advanced.metrics.enable", "Counters per table.").default("false")
        .default_only("they are not built yet").group(ADVANCED);

    // §1.10 Rowtide's own
    BINARY: String = Key::new("rowtide.pgoutput.binary", "Binary tuples.").default("auto")
        .default_only("tuples come as text for now").group(ADVANCED);
    STREAMING: String = Key::new("rowtide.pgoutput.streaming", "Receive large transactions while they run.").default("auto")
        .recommended(&["auto", "off"]).no_effect("transactions are received after their commit for now").group(ADVANCED);
    STREAMING_MEMORY: i64 = Key::new("rowtide.streaming.memory.bytes", "Memory for open transactions.").default("67108864")
        .no_effect("transactions are received after their commit for now").group(ADVANCED);
    SPILL_DIR: String = Key::new("rowtide.streaming.spill.dir", "Where open transactions spill.")
        .no_effect("transactions are received after their commit for now").group(ADVANCED);
    SPILL_MAX: i64 = Key::new("rowtide.streaming.spill.max.bytes", "Limit of that.").default("0")
        .no_effect("transactions are received after their commit for now").group(ADVANCED);
    GAP_POLICY: String = Key::new("rowtide.gap.policy", "What happens at a known gap.").default("fail")
        .default_only("create the connector under another name for a new snapshot").group(ADVANCED);
    UNAVAILABLE_ON_CREATE: OnCreate = Key::new("rowtide.unavailable.on.create", "What happens to a record that begins a row (a create after a change of the key, a row that a publication's filter lets in, the first record of a row behind a known gap) when the server did not send a large value because it did not change: reselect reads it again by the key, fail fails the task, placeholder sends unavailable.value.placeholder as Debezium does.")
        .default("reselect").group(EVENTS);
    ROWTIDE_HEADERS: bool = Key::new("rowtide.headers.enable", "Headers rowtide.id, rowtide.floor, rowtide.unavailable and rowtide.gone.")
        .default("true").group(EVENTS);
}

/// Families of keys that are refused by name, with the reason: the prefix before a pattern's variable part.
pub(super) const REFUSED_PREFIXES: [(&str, &str); 9] = [
    (
        "column.truncate.to.",
        "column transforms are not built yet; transform downstream",
    ),
    (
        "column.mask.",
        "column transforms are not built yet; transform downstream, or leave the column out with column.exclude.list",
    ),
    (
        "column.propagate.source.type",
        "source types are not propagated yet",
    ),
    (
        "datatype.propagate.source.type",
        "source types are not propagated yet",
    ),
    (
        "snapshot.select.statement.overrides.",
        "filter tables and columns by their lists",
    ),
    ("snapshot.mode.custom.", "there is no JVM to run a custom class"),
    (
        "snapshot.locking.mode.custom.",
        "there is no JVM to run a custom class",
    ),
    (
        "snapshot.query.mode.custom.",
        "there is no JVM to run a custom class",
    ),
    (
        "snapshot.mode.configuration.based.",
        "configuration_based is not built yet; use snapshot.mode=initial or no_data",
    ),
];

/// Prefixes whose further keys are passed to a JDBC driver elsewhere; here they have no effect.
pub(super) const IGNORED_PREFIXES: [&str; 4] = [
    "driver.",
    "database.",
    "signal.consumer.",
    "openlineage.integration.",
];
