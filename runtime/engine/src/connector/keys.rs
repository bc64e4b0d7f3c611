//! The keys every connector has, and those of sources, sinks and scheduled sources.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use rowtide_api::config::{ClassName, Definition, Importance, Key, Reader, Width};
use rowtide_api::setting_enum;

use crate::failure::{Backoff, ErrorLog};
use crate::plugins::ConnectorPlugin;
use crate::ports::TopicPattern;
use crate::schedule::slots::Interval;

/// The connector's name.
pub const NAME: Key<String> = Key::required("name", "Globally unique name of the connector.")
    .display("Connector name")
    .group("Common")
    .order(1)
    .validator(valid_name);
/// The class.
pub const CLASS: Key<String> = Key::required("connector.class", "Class name or alias of the connector.")
    .display("Connector class")
    .group("Common")
    .order(2)
    .width(Width::Long);
/// The number of tasks.
pub const TASKS_MAX: Key<i32> = Key::new("tasks.max", "Maximum number of tasks to use for this connector.")
    .default("1")
    .display("Tasks max")
    .group("Common")
    .order(3)
    .importance(Importance::High)
    .width(Width::Short)
    .validator(at_least_one);
const TASKS_MAX_ENFORCE: Key<bool> = Key::new(
    "tasks.max.enforce",
    "Whether a connector that plans more tasks than tasks.max fails; false only warns.",
)
.default("true")
.display("Enforce tasks max")
.group("Common")
.order(4)
.importance(Importance::Low)
.width(Width::Short);
/// The converter of keys.
pub const KEY_CONVERTER: Key<ClassName> =
    Key::new("key.converter", "Converter of record keys; absent: the worker's.")
        .display("Key converter class")
        .group("Common")
        .order(5)
        .importance(Importance::Low)
        .width(Width::Short);
/// The converter of values.
pub const VALUE_CONVERTER: Key<ClassName> = Key::new(
    "value.converter",
    "Converter of record values; absent: the worker's.",
)
.display("Value converter class")
.group("Common")
.order(6)
.importance(Importance::Low)
.width(Width::Short);
/// The converter of headers.
pub const HEADER_CONVERTER: Key<ClassName> = Key::new(
    "header.converter",
    "Converter of record headers; absent: the worker's.",
)
.display("Header converter class")
.group("Common")
.order(7)
.importance(Importance::Low)
.width(Width::Short);
/// The transforms.
pub const TRANSFORMS: Key<Vec<String>> =
    Key::new("transforms", "Aliases of the transforms to run, in order.")
        .default("")
        .display("Transforms")
        .group("Transforms")
        .order(8)
        .importance(Importance::Low)
        .width(Width::Long)
        .validator(unique_aliases);
/// The class of one transform, under `transforms.<alias>.`.
pub const TRANSFORM_TYPE: Key<ClassName> = Key::required("type", "Class name or alias of this transform.")
    .display("Transformation type")
    .width(Width::Long);
const PREDICATES: Key<Vec<String>> = Key::new("predicates", "Aliases of the predicates transforms may use.")
    .default("")
    .display("Predicates")
    .group("Predicates")
    .order(9)
    .importance(Importance::Low)
    .width(Width::Long)
    .default_only("predicates are not built yet; remove the key");
setting_enum! {
    /// What happens when a referenced secret changes: nothing does yet, as values hold no references.
    enum Reload { None = "none", Restart = "restart" }
}
const RELOAD: Key<Reload> = Key::new(
    "config.action.reload",
    "What happens when a referenced secret changes.",
)
.default("restart")
.display("Reload Action")
.group("Common")
.order(10)
.importance(Importance::Low);
const RETRY_TIMEOUT: Key<i64> = Key::new(
    "errors.retry.timeout",
    "How long a failed operation is tried again, in milliseconds; -1 is for ever.",
)
.default("0")
.display("Retry Timeout for Errors")
.group("Error Handling")
.order(1)
.validator(for_ever);
const RETRY_DELAY: Key<i64> = Key::new("errors.retry.delay.max.ms", "Longest wait between two attempts.")
    .default("60000")
    .display("Maximum Delay Between Retries for Errors")
    .group("Error Handling")
    .order(2)
    .validator(longest_wait);
const TOLERANCE: Key<String> = Key::new(
    "errors.tolerance",
    "Whether bad records are skipped (all) or fail the task (none).",
)
.default("none")
.display("Error Tolerance")
.group("Error Handling")
.order(3)
.width(Width::Short)
.default_only("only none is built so far: a bad record fails the task and its offset stays");
const LOG_ENABLE: Key<bool> = Key::new(
    "errors.log.enable",
    "Whether each bad record is logged, with its stage and place.",
)
.default("false")
.display("Log Errors")
.group("Error Handling")
.order(4)
.width(Width::Short);
const LOG_MESSAGES: Key<bool> = Key::new(
    "errors.log.include.messages",
    "Whether that log shows key and value of the record, which may be confidential.",
)
.default("false")
.display("Log Error Details")
.group("Error Handling")
.order(5)
.width(Width::Short);
/// The longest name of a topic that Kafka takes.
const TOPIC_NAME_BYTES_MAX: usize = 249;
/// The topics of a sink.
pub const TOPICS: Key<Vec<String>> = Key::new("topics", "Topics to consume, separated by commas.")
    .default("")
    .display("Topics")
    .group("Common")
    .order(4)
    .importance(Importance::High)
    .width(Width::Long)
    .validator(valid_topics);
/// The topics of a sink, as a regular expression.
pub const TOPICS_REGEX: Key<String> = Key::new(
    "topics.regex",
    "Topics to consume: a pattern in Java's dialect over whole names. Topics that come or go are noticed within metadata.max.age.ms.",
)
.default("")
.display("Topics regex")
.group("Common")
.order(4)
.importance(Importance::High)
.width(Width::Long)
.validator(valid_pattern);
const DLQ: Key<String> = Key::new(
    "errors.deadletterqueue.topic.name",
    "Topic for records a sink could not handle.",
)
.default("")
.display("Dead Letter Queue Topic Name")
.group("Error Handling")
.order(6)
.default_only("dead-letter topics come with errors.tolerance=all, which is not built yet; remove the key");
const DLQ_REPLICATION: Key<i16> = Key::new(
    "errors.deadletterqueue.topic.replication.factor",
    "Replication factor of that topic when it is created.",
)
.default("3")
.display("Dead Letter Queue Topic Replication Factor")
.group("Error Handling")
.order(7)
.default_only("dead-letter topics are not built yet; remove the key");
const DLQ_HEADERS: Key<bool> = Key::new(
    "errors.deadletterqueue.context.headers.enable",
    "Whether dead letters say why in headers.",
)
.default("false")
.display("Enable Error Context Headers")
.group("Error Handling")
.order(8)
.default_only("dead-letter topics are not built yet; remove the key");
const EXACTLY_ONCE: Key<String> =
    Key::new("exactly.once.support", "Whether exactly-once delivery is needed.")
        .default("requested")
        .group("Exactly Once Support")
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
    /// The topics of a sink, as a pattern.
    pub topics_regex: Option<Arc<TopicPattern>>,
    /// The interval of a scheduled source.
    pub interval: Option<Interval>,
    /// `errors.log.*`.
    pub error_log: ErrorLog,
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
        let (reload, retry) = (
            reader.get(&RELOAD),
            (reader.get(&RETRY_TIMEOUT), reader.get(&RETRY_DELAY)),
        );
        let (log, messages) = (reader.get(&LOG_ENABLE), reader.get(&LOG_MESSAGES));
        for definition in definitions(plugin) {
            reader.text(definition.name);
        }
        let (mut topics, mut topics_regex, mut interval) = (Some(Vec::new()), Some(None), Some(None));
        match plugin {
            ConnectorPlugin::Sink(_) => {
                topics = reader.get(&TOPICS);
                topics_regex = topics_pattern(reader);
                check_topics(reader);
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
        reload?;
        retry.0.and(retry.1)?;
        Some(Self {
            name: name?,
            tasks_max: NonZeroU32::new(u32::try_from(tasks_max?).ok()?)?,
            tasks_max_enforce: enforce?,
            topics: topics?,
            topics_regex: topics_regex?,
            interval: interval?,
            error_log: ErrorLog::new(log?, messages?),
        })
    }
}

/// `topics.regex`, compiled; a text of blanks is none.
fn topics_pattern(reader: &mut Reader<'_>) -> Option<Option<Arc<TopicPattern>>> {
    let text = reader.get(&TOPICS_REGEX)?;
    if text.is_empty() {
        return Some(None);
    }
    // Invariant: the key's validator has compiled it already and reported what is wrong.
    TopicPattern::compile(&text).ok().map(Arc::new).map(Some)
}

fn check_topics(reader: &mut Reader<'_>) {
    let mut is_set = |key| reader.text(key).is_some_and(|text| !text.is_empty());
    let message = match (is_set(TOPICS.name()), is_set(TOPICS_REGEX.name())) {
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

/// Connect's words; the pattern's own have the place in it.
fn valid_pattern(text: &str) -> Result<(), String> {
    match TopicPattern::compile(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("Invalid regex: {error}")),
    }
}

/// Kafka's own rule. A name that breaks it can never be there, and the client has meanings of its own for some of them: what
/// begins with `^` would be a pattern. Nor does it take a name twice; Connect's answer to that is an error too.
fn valid_topics(text: &str) -> Result<(), String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let mut names = BTreeSet::new();
    for name in text.split(',').map(str::trim).filter(|_| !text.is_empty()) {
        let why = match name {
            "" => "it is empty".to_owned(),
            "." | ".." => "it is '.' or '..'".to_owned(),
            _ if name.len() > TOPIC_NAME_BYTES_MAX => format!("it is longer than {TOPIC_NAME_BYTES_MAX} characters"),
            _ if name.bytes().all(legal) => {
                if names.insert(name) {
                    continue;
                }
                return Err(format!("values must not be duplicated: {name}"));
            }
            _ => "it has a character other than ASCII letters, digits, '.', '_' and '-'; a pattern belongs into topics.regex".to_owned(),
        };
        return Err(format!("\"{name}\" is no name of a topic: {why}"));
    }
    Ok(())
}

fn at_least_one(text: &str) -> Result<(), String> {
    match text.parse::<i32>() {
        Ok(number) if number < 1 => Err("Value must be at least 1".into()),
        _ => Ok(()),
    }
}

/// Failures that pass by themselves are tried again without limit, whatever is set: only what says so is accepted.
fn for_ever(text: &str) -> Result<(), String> {
    match text.parse::<i64>() {
        Ok(-1 | 0) | Err(_) => Ok(()),
        Ok(_) => Err("what passes by itself is tried again without limit; use -1, or remove the key".into()),
    }
}

/// A wait is never longer than the engine's own cap.
fn longest_wait(text: &str) -> Result<(), String> {
    let cap_ms = Backoff::WAIT_MS_MAX;
    match text.parse::<i64>() {
        Ok(ms) if ms < cap_ms as i64 => Err(format!(
            "Value must be at least {cap_ms}: waits double from {} ms to {cap_ms} ms",
            Backoff::FIRST_MS
        )),
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

#[cfg(test)]
mod tests {
    use rowtide_api::Properties;

    use super::*;

    fn finding<T: rowtide_api::config::Setting>(key: &Key<T>, text: &str) -> Option<String> {
        let config = Properties::from_iter([(key.name(), text)]);
        let mut reader = Reader::new(&config);
        let _ = reader.get(key);
        let report = reader.finish(&[]);
        report.errors().first().map(|finding| finding.message.clone())
    }

    /// CN-113: Connect's answer, with the place in the pattern.
    #[test]
    fn a_pattern_of_topics_that_does_not_compile_is_an_error_with_its_place() {
        assert_eq!(
            finding(&TOPICS_REGEX, "(").as_deref(),
            Some(
                "Invalid value ( for configuration topics.regex: Invalid regex: the pattern \"(\" is no Java \
                 regular expression: unclosed group near index 1"
            )
        );
        for sound in [
            "",
            r"cu\.public\.t\d",
            r"\Qcu.public.t1\E",
            "(?i)CU\\..*",
            "(?!2).*",
        ] {
            assert_eq!(finding(&TOPICS_REGEX, sound), None, "{sound}");
        }
    }

    #[test]
    fn topics_that_no_broker_takes_are_refused_by_name() {
        let long = "a".repeat(TOPIC_NAME_BYTES_MAX + 1);
        for (topics, why) in [
            ("a,^cu.*", "\"^cu.*\" is no name of a topic: it has a character"),
            ("t\u{e9}", "it has a character"),
            ("a,,b", "\"\" is no name of a topic: it is empty"),
            ("..", "it is '.' or '..'"),
            ("a, b,a", "values must not be duplicated: a"),
            (long.as_str(), "it is longer than 249 characters"),
        ] {
            let found = finding(&TOPICS, topics).unwrap_or_default();
            assert!(found.contains(why), "{topics}: {found}");
        }
        assert_eq!(finding(&TOPICS, "a.b, A-1_x,..."), None);
        assert_eq!(finding(&TOPICS, &long[1..]), None);
        assert_eq!(finding(&TOPICS, ""), None);
    }
}
