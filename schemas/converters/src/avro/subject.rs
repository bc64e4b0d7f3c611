//! Sans-I/O: the registry subject under which a topic's schema is kept (AV-010).

use rowtide_api::RecordError;
use rowtide_api::config::{ConfigType, Setting};

/// Which side of a record a converter works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The key.
    Key,
    /// The value, and headers.
    Value,
}

impl Side {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Value => "value",
        }
    }
}

/// How a subject is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// `<topic>-value`.
    Topic,
    /// The record's full name.
    Record,
    /// `<topic>-<full name>`.
    TopicRecord,
}

impl Setting for Strategy {
    const TYPE: ConfigType = ConfigType::Class;
    const RECOMMENDED: &'static [&'static str] = &[
        "TopicNameStrategy",
        "RecordNameStrategy",
        "TopicRecordNameStrategy",
    ];

    fn parse(text: &str) -> Result<Self, String> {
        let short = text
            .strip_prefix("io.confluent.kafka.serializers.subject.")
            .unwrap_or(text);
        match short {
            "TopicNameStrategy" | "topic" => Ok(Self::Topic),
            "RecordNameStrategy" | "record" => Ok(Self::Record),
            "TopicRecordNameStrategy" | "topic-record" => Ok(Self::TopicRecord),
            _ => Err(format!(
                "Not a supported strategy: use one of {} (AssociatedNameStrategy is not built yet; it falls back to \
                 TopicNameStrategy where nothing is associated)",
                Self::RECOMMENDED.join(", ")
            )),
        }
    }
}

impl Strategy {
    /// The subject.
    ///
    /// # Errors
    /// The strategy wants a record's name and the schema is no record.
    pub(crate) fn subject(
        self,
        topic: &str,
        side: Side,
        record: Option<&str>,
    ) -> Result<String, RecordError> {
        let record = || {
            record.ok_or_else(|| {
                RecordError::new(format!(
                    "the {0} of topic {topic} is not a named record, so it has no subject under this strategy: set \
                     {0}.subject.name.strategy=TopicNameStrategy",
                    side.word()
                ))
            })
        };
        Ok(match self {
            Self::Topic => format!("{topic}-{}", side.word()),
            Self::Record => record()?.to_owned(),
            Self::TopicRecord => format!("{topic}-{}", record()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AV-010.
    #[test]
    fn each_strategy_answers_to_three_names_and_names_its_subject() {
        for (names, subject) in [
            (["topic", "TopicNameStrategy"], "t-value"),
            (["record", "RecordNameStrategy"], "a.B"),
            (["topic-record", "TopicRecordNameStrategy"], "t-a.B"),
        ] {
            for name in [
                names[0].to_owned(),
                names[1].to_owned(),
                format!("io.confluent.kafka.serializers.subject.{}", names[1]),
            ] {
                let strategy = Strategy::parse(&name).unwrap();
                assert_eq!(strategy.subject("t", Side::Value, Some("a.B")).unwrap(), subject);
            }
        }
        assert!(
            Strategy::parse("AssociatedNameStrategy")
                .unwrap_err()
                .contains("not built yet")
        );
        let error = Strategy::Record.subject("t", Side::Key, None).unwrap_err();
        assert!(error.reason.contains("key.subject.name.strategy"), "{error}");
    }
}
