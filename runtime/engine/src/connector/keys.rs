//! The keys every connector has, and those of sources, sinks and scheduled sources.

use std::num::NonZeroU32;

use rowtide_api::config::{Definition, Importance, Key, Reader, Width};

use crate::plugins::ConnectorPlugin;
use crate::schedule::slots::Interval;

/// The connector's name.
pub const NAME: Key<String> = Key::required("name", "Globally unique name of the connector.")
    .group("Common")
    .validator(valid_name);
/// The class.
pub const CLASS: Key<String> = Key::required("connector.class", "Class name or alias of the connector.")
    .group("Common")
    .width(Width::Long);
/// The number of tasks.
pub const TASKS_MAX: Key<i32> = Key::new("tasks.max", "Maximum number of tasks to use for this connector.")
    .default("1")
    .group("Common")
    .importance(Importance::High)
    .width(Width::Short)
    .validator(at_least_one);
const TASKS_MAX_ENFORCE: Key<bool> = Key::new(
    "tasks.max.enforce",
    "Whether a connector that plans more tasks than tasks.max fails; false only warns.",
)
.default("true")
.group("Common")
.importance(Importance::Low);
/// The converter of keys.
pub const KEY_CONVERTER: Key<String> =
    Key::new("key.converter", "Converter of record keys; absent: the worker's.")
        .group("Common")
        .importance(Importance::Low);
/// The converter of values.
pub const VALUE_CONVERTER: Key<String> = Key::new(
    "value.converter",
    "Converter of record values; absent: the worker's.",
)
.group("Common")
.importance(Importance::Low);
/// The converter of headers.
pub const HEADER_CONVERTER: Key<String> = Key::new(
    "header.converter",
    "Converter of record headers; absent: the worker's.",
)
.group("Common")
.importance(Importance::Low);
/// The transforms.
pub const TRANSFORMS: Key<Vec<String>> =
    Key::new("transforms", "Aliases of the transforms to run, in order.")
        .default("")
        .group("Transforms")
        .importance(Importance::Low)
        .width(Width::Long)
        .validator(unique_aliases);
const PREDICATES: Key<Vec<String>> = Key::new("predicates", "Aliases of the predicates transforms may use.")
    .default("")
    .group("Predicates")
    .importance(Importance::Low)
    .default_only("predicates are not built yet; remove the key");
const RELOAD: Key<String> = Key::new(
    "config.action.reload",
    "What happens when a referenced secret changes.",
)
.default("restart")
.group("Common")
.importance(Importance::Low)
.no_effect("configuration values hold no references yet");
const RETRY_TIMEOUT: Key<i64> = Key::new(
    "errors.retry.timeout",
    "How long a failed operation is tried again.",
)
.default("0")
.group("Error Handling")
.no_effect("retriable failures are always tried again, without limit and visibly");
const RETRY_DELAY: Key<i64> = Key::new("errors.retry.delay.max.ms", "Longest wait between two attempts.")
    .default("60000")
    .group("Error Handling")
    .no_effect("waits double from 100 ms up to 30 s");
const TOLERANCE: Key<String> = Key::new(
    "errors.tolerance",
    "Whether bad records are skipped (all) or fail the task (none).",
)
.default("none")
.group("Error Handling")
.recommended(&["none", "all"])
.default_only("only none is built so far: a bad record fails the task and its offset stays");
const LOG_ENABLE: Key<bool> = Key::new("errors.log.enable", "Whether each failure is logged.")
    .default("false")
    .group("Error Handling")
    .no_effect("failures are always logged, without values");
const LOG_MESSAGES: Key<bool> = Key::new(
    "errors.log.include.messages",
    "Whether the log shows record contents.",
)
.default("false")
.group("Error Handling")
.default_only("record contents are never logged");
/// The topics of a sink.
pub const TOPICS: Key<Vec<String>> = Key::new("topics", "Topics to consume, separated by commas.")
    .default("")
    .group("Common")
    .importance(Importance::High)
    .width(Width::Long);
/// The topics of a sink, as a regular expression.
pub const TOPICS_REGEX: Key<String> = Key::new(
    "topics.regex",
    "Regular expression over whole topic names to consume.",
)
.default("")
.group("Common")
.importance(Importance::High)
.width(Width::Long);
const DLQ: Key<String> = Key::new(
    "errors.deadletterqueue.topic.name",
    "Topic for records a sink could not handle.",
)
.default("")
.group("Error Handling")
.default_only("dead-letter topics come with errors.tolerance=all, which is not built yet");
const DLQ_REPLICATION: Key<i16> = Key::new(
    "errors.deadletterqueue.topic.replication.factor",
    "Replication factor of that topic when it is created.",
)
.default("3")
.group("Error Handling")
.no_effect("there is no dead-letter topic yet");
const DLQ_HEADERS: Key<bool> = Key::new(
    "errors.deadletterqueue.context.headers.enable",
    "Whether dead letters say why in headers.",
)
.default("false")
.group("Error Handling")
.no_effect("there is no dead-letter topic yet");
const EXACTLY_ONCE: Key<String> =
    Key::new("exactly.once.support", "Whether exactly-once delivery is needed.")
        .default("requested")
        .group("Exactly Once Support")
        .recommended(&["requested", "required"])
        .default_only("exactly-once delivery is not built yet; records carry rowtide.id to deduplicate by");
const BOUNDARY: Key<String> = Key::new("transaction.boundary", "Where Kafka transactions end.")
    .default("poll")
    .group("Exactly Once Support")
    .default_only("exactly-once delivery is not built yet");
const BOUNDARY_INTERVAL: Key<i64> = Key::new(
    "transaction.boundary.interval.ms",
    "Length of a Kafka transaction.",
)
.group("Exactly Once Support")
.default_only("exactly-once delivery is not built yet");
const OFFSETS_TOPIC: Key<String> =
    Key::new("offsets.storage.topic", "Offsets topic of this connector alone.")
        .group("offsets.topic")
        .default_only("standalone mode keeps offsets in its file");
const CREATION_GROUPS: Key<Vec<String>> =
    Key::new("topic.creation.groups", "Groups of rules for topic creation.")
        .default("")
        .group("Topic Creation")
        .default_only("create topics beforehand, or let the broker create them");
/// The interval of a scheduled source.
pub const SCHEDULE_INTERVAL: Key<Interval> = Key::required(
    "schedule.interval",
    "Time between two runs: ISO-8601 (PT5M) or 10s, 5m, 1h, 1d. Slots lie on the epoch's grid.",
)
.group("Schedule");
const SCHEDULE_CRON: Key<String> = Key::new("schedule.cron", "Cron expression of the runs.")
    .group("Schedule")
    .default_only("cron is not built yet; use schedule.interval");

/// What the engine reads of a connector's configuration.
#[derive(Debug, Clone)]
pub struct Common {
    /// The name.
    pub name: String,
    /// How many tasks there may be.
    pub tasks_max: NonZeroU32,
    /// Whether more tasks than that fail the connector.
    pub tasks_max_enforce: bool,
    /// The topics of a sink.
    pub topics: Vec<String>,
    /// The topics of a sink, as a regular expression; empty when absent.
    pub topics_regex: String,
    /// The interval of a scheduled source.
    pub interval: Option<Interval>,
}

/// The keys of every connector.
pub fn definitions(plugin: &ConnectorPlugin) -> Vec<&'static Definition> {
    let mut all = vec![
        NAME.definition(),
        CLASS.definition(),
        TASKS_MAX.definition(),
        TASKS_MAX_ENFORCE.definition(),
        KEY_CONVERTER.definition(),
        VALUE_CONVERTER.definition(),
        HEADER_CONVERTER.definition(),
        TRANSFORMS.definition(),
        PREDICATES.definition(),
        RELOAD.definition(),
        RETRY_TIMEOUT.definition(),
        RETRY_DELAY.definition(),
        TOLERANCE.definition(),
        LOG_ENABLE.definition(),
        LOG_MESSAGES.definition(),
    ];
    match plugin {
        ConnectorPlugin::Sink(_) => all.extend([
            TOPICS.definition(),
            TOPICS_REGEX.definition(),
            DLQ.definition(),
            DLQ_REPLICATION.definition(),
            DLQ_HEADERS.definition(),
        ]),
        ConnectorPlugin::Source(source) => {
            all.extend([
                CREATION_GROUPS.definition(),
                EXACTLY_ONCE.definition(),
                BOUNDARY.definition(),
                BOUNDARY_INTERVAL.definition(),
                OFFSETS_TOPIC.definition(),
            ]);
            if source.scheduled {
                all.extend([SCHEDULE_INTERVAL.definition(), SCHEDULE_CRON.definition()]);
            }
        }
    }
    all
}

impl Common {
    /// Reads the keys of every connector; errors go to the reader.
    pub fn read(reader: &mut Reader<'_>, plugin: &ConnectorPlugin) -> Option<Self> {
        let name = reader.get(&NAME);
        let class = reader.get(&CLASS);
        let (tasks_max, enforce) = (reader.get(&TASKS_MAX), reader.get(&TASKS_MAX_ENFORCE));
        let transforms = reader.get(&TRANSFORMS);
        for definition in definitions(plugin) {
            reader.text(definition.name);
        }
        let (mut topics, mut topics_regex, mut interval) =
            (Some(Vec::new()), Some(String::new()), Some(None));
        match plugin {
            ConnectorPlugin::Sink(_) => {
                topics = reader.get(&TOPICS);
                topics_regex = reader.get(&TOPICS_REGEX);
                check_topics(reader, topics.as_deref(), topics_regex.as_deref());
            }
            ConnectorPlugin::Source(source) => {
                check_creation(reader);
                if source.scheduled {
                    interval = reader.get(&SCHEDULE_INTERVAL).map(Some);
                }
            }
        }
        class?;
        transforms?;
        Some(Self {
            name: name?,
            tasks_max: NonZeroU32::new(u32::try_from(tasks_max?).ok()?)?,
            tasks_max_enforce: enforce?,
            topics: topics?,
            topics_regex: topics_regex?,
            interval: interval?,
        })
    }
}

fn check_topics(reader: &mut Reader<'_>, topics: Option<&[String]>, regex: Option<&str>) {
    let (has_topics, has_regex) = (
        topics.is_some_and(|list| !list.is_empty()),
        regex.is_some_and(|text| !text.is_empty()),
    );
    let message = match (has_topics, has_regex) {
        (true, true) => "topics and topics.regex are mutually exclusive options, but both are set.",
        (false, false) => "Must configure one of topics or topics.regex",
        _ => return,
    };
    reader.error(TOPICS.name(), message);
    reader.error(TOPICS_REGEX.name(), message);
}

fn check_creation(reader: &mut Reader<'_>) {
    for (key, _) in reader.prefixed("topic.creation.") {
        if key != CREATION_GROUPS.name() {
            reader.error(
                key,
                format!("{key} is not supported: create topics beforehand, or let the broker create them"),
            );
        }
    }
}

fn valid_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        Err("String must be non-empty".into())
    } else if name.chars().any(char::is_control) {
        Err("String may not contain control sequences".into())
    } else {
        Ok(())
    }
}

fn at_least_one(text: &str) -> Result<(), String> {
    match text.parse::<i32>() {
        Ok(number) if number < 1 => Err("Value must be at least 1".into()),
        _ => Ok(()),
    }
}

fn unique_aliases(text: &str) -> Result<(), String> {
    let aliases: Vec<_> = text.split(',').map(str::trim).collect();
    let repeated = aliases
        .iter()
        .enumerate()
        .any(|(n, alias)| aliases[..n].contains(alias));
    if repeated {
        Err("Duplicate alias provided.".into())
    } else {
        Ok(())
    }
}
