//! Schemas as a registry answers them.

use std::sync::Arc;

/// A schema by its id, with everything it takes to read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredSchema {
    /// The id.
    pub id: i32,
    /// `AVRO`, `JSON`, `PROTOBUF` or another language's name.
    pub schema_type: Arc<str>,
    /// The text as the registry gave it.
    pub text: Arc<str>,
    /// The schemas it refers to, directly and further on, each after those it refers to itself: the order in which to
    /// parse them before `text`.
    pub references: Vec<ResolvedReference>,
}

/// A referenced schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedReference {
    /// The name under which it is used.
    pub name: Arc<str>,
    /// Its subject.
    pub subject: Arc<str>,
    /// Its version there.
    pub version: i32,
    /// Its text.
    pub text: Arc<str>,
}

/// The newest version of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latest {
    /// Its number.
    pub version: i32,
    /// Its schema.
    pub schema: Arc<RegisteredSchema>,
}

/// A reference from a schema that is to be registered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The name under which it is used.
    pub name: String,
    /// Its subject.
    pub subject: String,
    /// Its version there.
    pub version: i32,
}

impl RegisteredSchema {
    /// Whether the text is Avro.
    pub fn is_avro(&self) -> bool {
        &*self.schema_type == "AVRO"
    }

    /// The texts of the references, in the order to parse them.
    pub fn reference_texts(&self) -> Vec<&str> {
        self.references.iter().map(|reference| &*reference.text).collect()
    }

    /// The memory that the texts take.
    pub(super) fn bytes(&self) -> usize {
        self.text.len()
            + self
                .references
                .iter()
                .map(|reference| reference.text.len())
                .sum::<usize>()
    }
}
