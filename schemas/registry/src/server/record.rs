//! Sans-I/O: the records of the `_schemas` topic: keys and values as bytes, and back (AV §8).
//!
//! Keys decide compaction and are written byte by byte as Confluent's server writes them; both are read by name, because
//! other servers order them differently.

use serde_json::{Map, Value, json};

use super::content::{Content, Reference, SchemaType};

/// A keyed record. A value of `None` deletes the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// JSON text.
    pub key: Vec<u8>,
    /// JSON text.
    pub value: Option<Vec<u8>>,
}

/// What a key says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// A version of a subject.
    Schema { subject: String, version: i32 },
    /// The compatibility of a subject, or of all.
    Config { subject: Option<String> },
    /// The mode of a subject, or of all.
    Mode { subject: Option<String> },
    /// A subject's soft deletion.
    DeleteSubject { subject: String },
    /// A marker; with a subject, the version that follows its highest.
    Noop { subject: Option<String> },
    /// Kept, without a meaning here.
    Other,
}

/// The value of [`Key::Schema`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SchemaValue {
    pub(super) id: i32,
    pub(super) content: Content,
    pub(super) deleted: bool,
}

impl Key {
    /// The bytes that Confluent's server writes; `None` for [`Key::Other`], which is never written here.
    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        let quoted = |subject: &Option<String>| {
            subject
                .as_ref()
                .map_or(Value::Null, |subject| Value::String(subject.clone()))
                .to_string()
        };
        let text = match self {
            Self::Schema { subject, version } => {
                let subject = quoted(&Some(subject.clone()));
                format!(r#"{{"keytype":"SCHEMA","subject":{subject},"version":{version},"magic":1}}"#)
            }
            Self::Config { subject } => {
                format!(
                    r#"{{"keytype":"CONFIG","subject":{},"magic":0}}"#,
                    quoted(subject)
                )
            }
            Self::Mode { subject } => {
                format!(r#"{{"keytype":"MODE","subject":{},"magic":0}}"#, quoted(subject))
            }
            Self::DeleteSubject { subject } => {
                format!(
                    r#"{{"keytype":"DELETE_SUBJECT","subject":{},"magic":0}}"#,
                    quoted(&Some(subject.clone()))
                )
            }
            Self::Noop { subject: None } => r#"{"keytype":"NOOP","magic":0}"#.to_owned(),
            Self::Noop { subject } => {
                format!(r#"{{"keytype":"NOOP","subject":{},"magic":0}}"#, quoted(subject))
            }
            Self::Other => return None,
        };
        Some(text.into_bytes())
    }

    /// Reads a key.
    ///
    /// # Errors
    /// The reason why it cannot be read.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let key: Map<String, Value> = serde_json::from_slice(bytes)
            .map_err(|error| format!("the key is not a JSON object: {error}"))?;
        let subject = key.get("subject").and_then(Value::as_str).map(str::to_owned);
        let needed = |subject: Option<String>| subject.ok_or_else(|| "the key has no subject".to_owned());
        Ok(match key.get("keytype").and_then(Value::as_str) {
            Some("SCHEMA") => {
                let version = number(&key, "version").ok_or("the key has no version")?;
                Self::Schema {
                    subject: needed(subject)?,
                    version,
                }
            }
            Some("CONFIG") => Self::Config { subject },
            Some("MODE") => Self::Mode { subject },
            Some("DELETE_SUBJECT") => Self::DeleteSubject {
                subject: needed(subject)?,
            },
            Some("NOOP") => Self::Noop { subject },
            Some(_) => Self::Other,
            None => return Err("the key has no keytype".to_owned()),
        })
    }
}

impl SchemaValue {
    /// The value's text.
    pub(super) fn bytes(&self, subject: &str, version: i32) -> Vec<u8> {
        let mut value = Map::new();
        value.insert("subject".to_owned(), json!(subject));
        value.insert("version".to_owned(), json!(version));
        value.insert("id".to_owned(), json!(self.id));
        self.content.describe(&mut value);
        // Confluent's server writes the text after what describes it.
        let schema = value.shift_remove("schema").unwrap_or_default();
        value.insert("schema".to_owned(), schema);
        value.insert("deleted".to_owned(), json!(self.deleted));
        Value::Object(value).to_string().into_bytes()
    }

    /// Reads a value.
    ///
    /// # Errors
    /// The reason why it cannot be read.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let value = object(bytes)?;
        let id = number(&value, "id").ok_or("the value has no id")?;
        let text = value
            .get("schema")
            .and_then(Value::as_str)
            .ok_or("the value has no schema")?;
        let schema_type = match value.get("schemaType") {
            None | Some(Value::Null) => SchemaType::Avro,
            Some(word) => word
                .as_str()
                .and_then(SchemaType::of)
                .ok_or_else(|| format!("the schema type {word} is unknown"))?,
        };
        let references = match value.get("references") {
            None | Some(Value::Null) => Vec::new(),
            Some(references) => Reference::read_all(references)?,
        };
        let deleted = value.get("deleted").and_then(Value::as_bool).unwrap_or(false);
        Ok(Self {
            id,
            content: Content {
                schema_type,
                text: text.into(),
                references,
            },
            deleted,
        })
    }
}

/// Reads a value that is an object.
pub(super) fn object(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("the value is not a JSON object: {error}"))
}

/// A number that fits, by its name.
pub(super) fn number(object: &Map<String, Value>, name: &str) -> Option<i32> {
    object
        .get(name)
        .and_then(Value::as_i64)
        .and_then(|number| i32::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_key(key: &Key, expected: &str) {
        let bytes = key.bytes().unwrap();
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), expected);
        assert_eq!(Key::read(&bytes).as_ref(), Ok(key));
    }

    #[test]
    fn av_101_keys_are_written_byte_by_byte_as_confluents() {
        let subject = || "s".to_owned();
        check_key(
            &Key::Schema {
                subject: subject(),
                version: 1,
            },
            r#"{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}"#,
        );
        check_key(
            &Key::Config { subject: None },
            r#"{"keytype":"CONFIG","subject":null,"magic":0}"#,
        );
        check_key(
            &Key::Config {
                subject: Some(subject()),
            },
            r#"{"keytype":"CONFIG","subject":"s","magic":0}"#,
        );
        check_key(
            &Key::Mode { subject: None },
            r#"{"keytype":"MODE","subject":null,"magic":0}"#,
        );
        check_key(
            &Key::DeleteSubject { subject: subject() },
            r#"{"keytype":"DELETE_SUBJECT","subject":"s","magic":0}"#,
        );
        check_key(&Key::Noop { subject: None }, r#"{"keytype":"NOOP","magic":0}"#);
        check_key(
            &Key::Noop {
                subject: Some(subject()),
            },
            r#"{"keytype":"NOOP","subject":"s","magic":0}"#,
        );
        check_key(
            &Key::Schema {
                subject: "a/\"ü\"".to_owned(),
                version: 12,
            },
            r#"{"keytype":"SCHEMA","subject":"a/\"ü\"","version":12,"magic":1}"#,
        );
    }

    #[test]
    fn av_100_keys_of_other_servers_are_read_by_name() {
        let legacy = br#"{"subject": "s", "version": 3, "magic": 1, "keytype": "SCHEMA"}"#;
        assert_eq!(
            Key::read(legacy),
            Ok(Key::Schema {
                subject: "s".to_owned(),
                version: 3
            })
        );
        assert_eq!(
            Key::read(br#"{"keytype":"CLEAR_SUBJECT","subject":"s","magic":0}"#),
            Ok(Key::Other)
        );
        assert!(Key::read(b"\x00\xff").is_err());
    }

    #[test]
    fn values_are_written_as_confluents() {
        let content = Content {
            schema_type: SchemaType::Avro,
            text: "\"string\"".into(),
            references: Vec::new(),
        };
        let value = SchemaValue {
            id: 7,
            content,
            deleted: false,
        };
        let bytes = value.bytes("s", 2);
        assert_eq!(
            String::from_utf8(bytes.clone()).unwrap(),
            r#"{"subject":"s","version":2,"id":7,"schema":"\"string\"","deleted":false}"#
        );
        assert_eq!(SchemaValue::read(&bytes), Ok(value));
    }

    #[test]
    fn values_with_type_and_references_are_written_as_confluents() {
        let reference = Reference {
            name: "n".to_owned(),
            subject: "o".to_owned(),
            version: 4,
        };
        let content = Content {
            schema_type: SchemaType::Json,
            text: "{}".into(),
            references: vec![reference],
        };
        let value = SchemaValue {
            id: 1,
            content,
            deleted: true,
        };
        let bytes = value.bytes("s", 1);
        assert_eq!(
            String::from_utf8(bytes.clone()).unwrap(),
            concat!(
                r#"{"subject":"s","version":1,"id":1,"schemaType":"JSON","#,
                r#""references":[{"name":"n","subject":"o","version":4}],"schema":"{}","deleted":true}"#
            )
        );
        assert_eq!(SchemaValue::read(&bytes), Ok(value));
    }
}
