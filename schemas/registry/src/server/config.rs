//! Sans-I/O: compatibility levels: which exist, which this registry applies, and how they are set.

use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::record::{Key, Record};
use super::store::Store;

/// The compatibility levels that are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// Anything may be registered.
    None,
    /// A new version reads the data of the newest one.
    #[default]
    Backward,
}

impl Level {
    /// The level of that name, in any case.
    ///
    /// # Errors
    /// 42203: unknown, or known to Confluent's registry and not applied here yet.
    pub fn read(word: &str) -> Result<Self, ApiError> {
        match word.to_ascii_uppercase().as_str() {
            "NONE" => Ok(Self::None),
            "BACKWARD" => Ok(Self::Backward),
            _ => Err(ApiError::invalid_level(word)),
        }
    }

    /// Its name in requests and answers.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Backward => "BACKWARD",
        }
    }
}

impl Store {
    /// The global level's name, as stored.
    pub fn global_level(&self) -> &str {
        level_of(self.configs.get(&None)).unwrap_or(self.default_level.word())
    }

    /// The subject's own level's name, as stored.
    ///
    /// # Errors
    /// 40408: it has none, and the global one was not asked for.
    pub fn subject_level(&self, subject: &str, or_global: bool) -> Result<&str, ApiError> {
        match level_of(self.configs.get(&Some(subject.to_owned()))) {
            Some(level) => Ok(level),
            None if or_global => Ok(self.global_level()),
            None => Err(ApiError::no_subject_level(subject)),
        }
    }

    /// The level that counts for the subject.
    ///
    /// # Errors
    /// 42203: another server stored a level that is not applied here yet.
    pub(super) fn level(&self, subject: &str) -> Result<Level, ApiError> {
        Level::read(self.subject_level(subject, true)?)
    }

    /// What `PUT /config` writes. Properties that other servers stored stay (AV-101).
    ///
    /// # Errors
    /// 42203; or 501 for a property that is not supported.
    pub fn set_global_level(&self, request: &Map<String, Value>) -> Result<(Level, Vec<Record>), ApiError> {
        const UNSUPPORTED: [&str; 11] = [
            "alias",
            "normalize",
            "compatibilityGroup",
            "compatibilityPolicy",
            "validateFields",
            "validateNewSchemas",
            "validateRules",
            "defaultMetadata",
            "overrideMetadata",
            "defaultRuleSet",
            "overrideRuleSet",
        ];
        for name in UNSUPPORTED {
            if request
                .get(name)
                .is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)))
            {
                return Err(ApiError::unsupported(format!(
                    "The property '{name}' of PUT /config"
                )));
            }
        }
        let level = match request.get("compatibility") {
            Some(Value::String(word)) => Level::read(word)?,
            Some(other) => return Err(ApiError::invalid_level(&other.to_string())),
            None => return Err(ApiError::new(42203, "The body has no property 'compatibility'")),
        };
        let mut value = self.configs.get(&None).cloned().unwrap_or_default();
        value.insert("compatibilityLevel".to_owned(), json!(level.word()));
        let key = Key::Config { subject: None }
            .bytes()
            .expect("invariant: a config's key has bytes");
        let record = Record {
            key,
            value: Some(Value::Object(value).to_string().into_bytes()),
        };
        Ok((level, vec![record]))
    }
}

fn level_of(config: Option<&Map<String, Value>>) -> Option<&str> {
    config?.get("compatibilityLevel").and_then(Value::as_str)
}
