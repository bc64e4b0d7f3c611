//! `org.apache.kafka.connect.transforms.RegexRouter`: another topic by a pattern over the whole name (CN-311).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use rowtide_api::config::{Config, Definition, Key, Reader};
use rowtide_api::convert::Failure;
use rowtide_api::transform::{Origin, Transform, TransformPlugin};
use rowtide_api::{Error, Plugin, Record, RecordError};
use rowtide_java::regex::{Case, Pattern, Substitution};

/// Topics whose answer is remembered: as many as one connector writes. The memory starts anew when they are more.
const TOPICS_MAX: usize = 4096;

const REGEX: Key<String> = Key::required(
    "regex",
    "A pattern in Java's dialect that has to match the whole name of the topic.",
);
const REPLACEMENT: Key<String> = Key::required(
    "replacement",
    "What replaces the pattern's first match; $1 stands for its first group. A topic that does not match stays.",
);

/// Settings of [`RegexRouter`].
pub struct RegexRouterSettings {
    pattern: Pattern,
    substitution: Substitution,
}

impl fmt::Debug for RegexRouterSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegexRouterSettings")
            .field("regex", &self.pattern.as_str())
            .finish_non_exhaustive()
    }
}

impl Config for RegexRouterSettings {
    fn definitions() -> Vec<&'static Definition> {
        vec![REGEX.definition(), REPLACEMENT.definition()]
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (regex, replacement) = (reader.get(&REGEX), reader.get(&REPLACEMENT));
        let pattern = Pattern::compile(&regex?, Case::Sensitive);
        let pattern = pattern
            .map_err(|error| reader.error(REGEX.name(), error.to_string()))
            .ok()?;
        let substitution = pattern.substitution(&replacement?);
        let substitution = substitution
            .map_err(|error| reader.error(REPLACEMENT.name(), error.to_string()))
            .ok()?;
        Some(Self {
            pattern,
            substitution,
        })
    }
}

/// Sends records to another topic where the name of theirs matches.
pub struct RegexRouter {
    settings: RegexRouterSettings,
    answers: HashMap<Arc<str>, Arc<str>>,
}

impl Plugin for RegexRouter {
    const CLASS: &'static str = "org.apache.kafka.connect.transforms.RegexRouter";
    const ALIASES: &'static [&'static str] = &[];
    type Config = RegexRouterSettings;
}

impl TransformPlugin for RegexRouter {
    fn open(settings: RegexRouterSettings) -> Result<Self, Error> {
        Ok(Self {
            settings,
            answers: HashMap::new(),
        })
    }
}

impl RegexRouter {
    fn answer(&self, topic: &Arc<str>) -> Result<Arc<str>, RecordError> {
        let failed = |error: rowtide_java::regex::MatchError| {
            RecordError::new(format!("routing topic {topic}: {error}"))
        };
        if !self.settings.pattern.matches(topic).map_err(failed)? {
            return Ok(topic.clone());
        }
        Ok(self
            .settings
            .substitution
            .replace_first(topic)
            .map_err(failed)?
            .into())
    }
}

impl Transform for RegexRouter {
    fn apply(&mut self, mut record: Record, _origin: Option<&Origin>) -> Result<Option<Record>, Failure> {
        if let Some(answer) = self.answers.get(&record.topic) {
            record.topic = answer.clone();
            return Ok(Some(record));
        }
        let answer = self.answer(&record.topic)?;
        if self.answers.len() >= TOPICS_MAX {
            self.answers.clear();
        }
        let topic = std::mem::replace(&mut record.topic, answer.clone());
        self.answers.insert(topic, answer);
        Ok(Some(record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rowtide_api::config::{ConfigReport, Properties};
    use rowtide_api::{Datum, Headers};

    fn route(regex: &str, replacement: &str, topic: &str) -> String {
        let properties = Properties::from_iter([("regex", regex), ("replacement", replacement)]);
        let mut router = RegexRouter::open(ConfigReport::read(&properties).0.unwrap()).unwrap();
        let record = || Record {
            topic: topic.into(),
            partition: None,
            timestamp_ms: None,
            key: Datum::NULL,
            value: Datum::NULL,
            headers: Headers::default(),
        };
        let first = router.apply(record(), None).unwrap().unwrap();
        assert_eq!(
            router.apply(record(), None).unwrap().unwrap(),
            first,
            "remembered"
        );
        first.topic.to_string()
    }

    /// CN-311: full match, then the first match is replaced; no match leaves the topic.
    #[test]
    fn a_topic_is_renamed_only_when_all_of_it_matches() {
        assert_eq!(route(r"p\.public\.(.*)", "cdc_$1", "p.public.users"), "cdc_users");
        assert_eq!(route(r"public", "x", "p.public.users"), "p.public.users");
        assert_eq!(
            route(r"([^.]+)\.([^.]+)\.([^.]+)", "$3", "p.public.users"),
            "users"
        );
        assert_eq!(route("a|ab", "x", "ab"), "xb");
    }

    /// CN-314: both are checked before the connector starts, each on its own key.
    #[test]
    fn a_bad_pattern_or_replacement_is_a_configuration_error() {
        for (regex, replacement, key) in [("(", "x", "regex"), ("(a)", "$2", "replacement")] {
            let properties = Properties::from_iter([("regex", regex), ("replacement", replacement)]);
            let (settings, report) = ConfigReport::read::<RegexRouterSettings>(&properties);
            assert!(
                settings.is_none() && report.errors_on(key).next().is_some(),
                "{report:?}"
            );
        }
        assert_eq!(
            ConfigReport::read::<RegexRouterSettings>(&Properties::new())
                .1
                .errors()
                .len(),
            2
        );
    }
}
