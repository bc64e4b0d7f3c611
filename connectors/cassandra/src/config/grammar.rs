//! Sans-I/O: the keys that begin with `topic.`, taken apart from the right, because topics contain dots (CS-012).

use super::keys;
use crate::identifier::{parsed, split_last};
use rowtide_api::config::nearest;

/// What a key that begins with `topic.` concerns.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TopicKey<'a> {
    /// `topic.<topic>.codec.<setting>`.
    Codec { topic: &'a str, setting: &'a str },
    /// `topic.<topic>.<keyspace>.<table>.<setting>`.
    Table {
        topic: &'a str,
        keyspace: String,
        table: String,
        /// The key without its setting, as it was written.
        prefix: &'a str,
        setting: &'a str,
    },
}

/// Takes a key apart.
///
/// # Errors
/// What is wrong with it, and the nearest setting for a misspelt one.
pub(super) fn topic_key(key: &str) -> Result<TopicKey<'_>, String> {
    let shape = || {
        format!(
            "{key} is neither topic.<topic>.<keyspace>.<table>.<setting> nor topic.<topic>.codec.<setting>"
        )
    };
    let (prefix, setting) = dotted(key).or_else(|| split_last(key)).ok_or_else(shape)?;
    if keys::codec_settings().contains(&setting)
        && let Some(topic) = prefix
            .strip_prefix("topic.")
            .and_then(|rest| rest.strip_suffix(".codec"))
    {
        return valid_topic(topic).map(|topic| TopicKey::Codec { topic, setting });
    }
    if !keys::table_settings().contains(&setting) {
        let known = keys::table_settings().into_iter().chain(keys::codec_settings());
        return Err(match nearest(setting, known) {
            Some(meant) => format!("{key}: there is no setting {setting}; did you mean {meant}?"),
            None => format!("{key}: there is no setting {setting}"),
        });
    }
    let (rest, table) = split_last(prefix).ok_or_else(shape)?;
    let (rest, keyspace) = split_last(rest).ok_or_else(shape)?;
    let topic = rest.strip_prefix("topic.").ok_or_else(shape)?;
    Ok(TopicKey::Table {
        topic: valid_topic(topic)?,
        keyspace: parsed(keyspace).map_err(|reason| format!("{key}: {reason}"))?,
        table: parsed(table).map_err(|reason| format!("{key}: {reason}"))?,
        prefix,
        setting,
    })
}

/// A key whose setting has dots of its own.
fn dotted(key: &str) -> Option<(&str, &str)> {
    let settings = keys::table_settings();
    let mut dotted = settings.into_iter().filter(|setting| setting.contains('.'));
    dotted.find_map(|setting| Some((key.strip_suffix(setting)?.strip_suffix('.')?, setting)))
}

fn valid_topic(topic: &str) -> Result<&str, String> {
    let valid = !topic.is_empty()
        && topic
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    valid
        .then_some(topic)
        .ok_or_else(|| format!("{topic} is no topic name: letters, digits, '.', '_' and '-' are allowed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CS-012.
    #[test]
    fn a_key_is_matched_from_the_right() {
        let key = "topic.pg.public.users.spark_streams.\"Created.Users\".mapping";
        assert_eq!(
            topic_key(key).unwrap(),
            TopicKey::Table {
                topic: "pg.public.users",
                keyspace: "spark_streams".into(),
                table: "Created.Users".into(),
                prefix: "topic.pg.public.users.spark_streams.\"Created.Users\"",
                setting: "mapping",
            }
        );
        assert_eq!(
            topic_key("topic.t.ks.tb.unavailable.on.create").unwrap(),
            TopicKey::Table {
                topic: "t",
                keyspace: "ks".into(),
                table: "tb".into(),
                prefix: "topic.t.ks.tb",
                setting: "unavailable.on.create",
            }
        );
        assert_eq!(
            topic_key("topic.a.b.codec.unit").unwrap(),
            TopicKey::Codec {
                topic: "a.b",
                setting: "unit"
            }
        );
    }

    #[test]
    fn a_misspelt_or_short_key_is_an_error() {
        assert!(
            topic_key("topic.t.ks.tb.maping")
                .unwrap_err()
                .ends_with("did you mean mapping?")
        );
        assert!(
            topic_key("topic.t.tb.mapping")
                .unwrap_err()
                .contains("is neither")
        );
        assert!(
            topic_key("topic.t t.ks.tb.mapping")
                .unwrap_err()
                .contains("no topic name")
        );
        assert!(
            topic_key("topic.t.ks.tb-1.mapping")
                .unwrap_err()
                .contains("double quotes")
        );
    }
}
