//! Sans-I/O: the content of a schema, by which a registry tells schemas apart: type, text and references.

use std::sync::Arc;

use serde_json::{Map, Value, json};

/// The schema languages a registry stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SchemaType {
    /// Avro: parsed, printed and compared.
    Avro,
    /// JSON Schema: stored as its compact text.
    Json,
    /// Protobuf: stored as it comes.
    Protobuf,
}

impl SchemaType {
    /// The type of that name.
    pub fn of(word: &str) -> Option<Self> {
        Some(match word {
            "AVRO" => Self::Avro,
            "JSON" => Self::Json,
            "PROTOBUF" => Self::Protobuf,
            _ => return None,
        })
    }

    /// Its name in requests and answers.
    pub fn word(self) -> &'static str {
        match self {
            Self::Avro => "AVRO",
            Self::Json => "JSON",
            Self::Protobuf => "PROTOBUF",
        }
    }
}

/// Another schema that a schema uses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The name under which it is used; in Avro the full name of the type.
    pub name: String,
    /// Where it is registered.
    pub subject: String,
    /// In which version.
    pub version: i32,
}

impl Reference {
    /// Reads a list of references.
    ///
    /// # Errors
    /// The reason why it cannot be read.
    pub fn read_all(list: &Value) -> Result<Vec<Self>, String> {
        let entries = list.as_array().ok_or("references are not a list")?;
        entries.iter().map(Self::read).collect()
    }

    fn read(entry: &Value) -> Result<Self, String> {
        let text = |name: &str| {
            let text = entry
                .get(name)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty());
            text.map(str::to_owned)
                .ok_or_else(|| format!("a reference has no {name}"))
        };
        let version = entry
            .get("version")
            .and_then(Value::as_i64)
            .and_then(|version| i32::try_from(version).ok());
        let version = version.ok_or("a reference has no version")?;
        Ok(Self {
            name: text("name")?,
            subject: text("subject")?,
            version,
        })
    }
}

/// What a schema is: equal contents have one id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Content {
    /// The language of the text.
    pub schema_type: SchemaType,
    /// The text, in its printed form.
    pub text: Arc<str>,
    /// What the text refers to.
    pub references: Vec<Reference>,
}

impl Content {
    /// Adds the properties of answers: type unless Avro, references unless there are none, and the text.
    pub(super) fn describe(&self, answer: &mut Map<String, Value>) {
        if self.schema_type != SchemaType::Avro {
            answer.insert("schemaType".to_owned(), json!(self.schema_type.word()));
        }
        if !self.references.is_empty() {
            let list = self.references.iter().map(|reference| {
                json!({"name": reference.name, "subject": reference.subject, "version": reference.version})
            });
            answer.insert("references".to_owned(), Value::Array(list.collect()));
        }
        answer.insert("schema".to_owned(), json!(&*self.text));
    }
}
