//! Sans-I/O: `topics.regex`, a pattern of Java's over whole topic names.

use std::fmt;

use rowtide_api::Error;
use rowtide_java::regex::{Case, Pattern, PatternError};

/// Kafka's own topics, which no pattern means: Java's `exclude.internal.topics`, which is on there unless it is set.
const INTERNAL: [&str; 3] = ["__consumer_offsets", "__share_group_state", "__transaction_state"];

/// A compiled `topics.regex`. Whoever implements the consumer port matches with it, so that no other dialect comes in.
#[derive(Debug)]
pub struct TopicPattern(Pattern);

impl TopicPattern {
    /// Compiles a pattern as Connect does.
    ///
    /// # Errors
    /// What Java refuses and what has no equivalent here, with the place in the pattern.
    pub fn compile(text: &str) -> Result<Self, PatternError> {
        Pattern::compile(text, Case::Sensitive).map(Self)
    }

    /// Whether the pattern means this topic: its whole name matches, and it is none of Kafka's own.
    ///
    /// # Errors
    /// Fatal: a match that cannot be decided. Taken for either answer, a topic would be read or left out by chance.
    pub fn matches(&self, topic: &str) -> Result<bool, Error> {
        if INTERNAL.contains(&topic) {
            return Ok(false);
        }
        self.0.matches(topic).map_err(|cause| {
            Error::fatal(format!("topics.regex={self} on the topic {topic}"))
                .hint("change topics.regex, or name the topics in topics")
                .because(cause)
        })
    }

    /// Those of `topics` that the pattern means, sorted.
    ///
    /// # Errors
    /// As [`TopicPattern::matches`].
    pub fn select<'a>(&self, topics: impl Iterator<Item = &'a str>) -> Result<Vec<String>, Error> {
        let mut selected = Vec::new();
        for topic in topics {
            if self.matches(topic)? {
                selected.push(topic.to_owned());
            }
        }
        selected.sort_unstable();
        selected.dedup();
        Ok(selected)
    }
}

impl fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Patterns are the same when they were written the same.
impl PartialEq for TopicPattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for TopicPattern {}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(pattern: &str, topics: &[&str]) -> Vec<String> {
        let pattern = TopicPattern::compile(pattern).unwrap();
        pattern.select(topics.iter().copied()).unwrap()
    }

    /// CN-113, CN-314: what Connect reads under each of these patterns.
    #[test]
    fn a_pattern_is_javas_and_matches_the_whole_name() {
        for pattern in [
            r"cu\.public\.t\d",
            r"[\w.]+\.t1",
            r"\Qcu.public.t1\E",
            r"(?:cu|x)\..*",
            r"(?i)CU\..*",
            r"(?!2).*\.t1",
        ] {
            assert_eq!(
                select(pattern, &["cu.public.t1", "2", "cu"]),
                ["cu.public.t1"],
                "{pattern}"
            );
        }
        assert!(select("cu", &["cu.public.t1", "xcu"]).is_empty());
    }

    #[test]
    fn kafkas_own_topics_are_never_meant() {
        let topics = [
            "b",
            "__consumer_offsets",
            "__mine",
            "__share_group_state",
            "__transaction_state",
            "a",
        ];
        assert_eq!(select(".*", &topics), ["__mine", "a", "b"]);
    }

    #[test]
    fn what_cannot_be_decided_names_the_pattern_and_is_fatal() {
        let pattern = TopicPattern::compile("(?:a|a)*(?=b)b").unwrap();
        let error = pattern.matches(&"a".repeat(60)).unwrap_err();
        assert!(!error.is_retriable());
        assert!(
            error.to_string().contains("topics.regex=(?:a|a)*(?=b)b"),
            "{error}"
        );
    }
}
