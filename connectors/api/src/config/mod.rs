//! Configuration definitions: a [`Key`] carries name, documentation, type, default, validator; the parser, the validate
//! endpoint, the reference page and the golden tests all read the same constant.
//!
//! ```
//! use rowtide_api::config::{Config, ConfigReport, Definition, Importance, Key, Properties, Reader};
//!
//! const HOST: Key<String> = Key::required("database.hostname", "Host of the database.");
//! const PORT: Key<u16> = Key::new("database.port", "Port of the database.").default("5432").importance(Importance::High);
//!
//! struct Settings { host: String, port: u16 }
//!
//! impl Config for Settings {
//!     fn definitions() -> Vec<&'static Definition> {
//!         vec![HOST.definition(), PORT.definition()]
//!     }
//!     fn read(reader: &mut Reader<'_>) -> Option<Self> {
//!         // Read every key before the first `?`: all errors are reported at once.
//!         let (host, port) = (reader.get(&HOST), reader.get(&PORT));
//!         Some(Self { host: host?, port: port? })
//!     }
//! }
//!
//! let (settings, report) = ConfigReport::read::<Settings>(&Properties::from_iter([("database.port", "x")]));
//! assert!(settings.is_none());
//! assert_eq!(report.errors().len(), 2);
//! ```

mod key;
mod nearest;
mod reader;
mod report;
mod secret;
mod setting;

pub use key::{ConfigType, Definition, Importance, Key, Presence, Support, Validator, Width};
pub use nearest::nearest;
pub use reader::{Reader, missing};
pub use report::{ConfigReport, Finding};
pub use secret::Secret;
pub use setting::{ClassName, Setting};

use std::collections::BTreeMap;

/// What a plugin can be configured with, and how it is read.
pub trait Config: Sized + Send + Sync + 'static {
    /// The keys, in the order documentation shows them.
    fn definitions() -> Vec<&'static Definition>;

    /// Reads the keys; errors go to the reader, `None` when there was one.
    fn read(reader: &mut Reader<'_>) -> Option<Self>;
}

/// A configuration without keys.
impl Config for () {
    fn definitions() -> Vec<&'static Definition> {
        Vec::new()
    }

    fn read(_reader: &mut Reader<'_>) -> Option<Self> {
        Some(())
    }
}

/// A flat configuration, text to text, as it was submitted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties(BTreeMap<String, String>);

impl Properties {
    /// No pairs.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value under `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Sets a pair.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.insert(key.into(), value.into());
    }

    /// Removes a pair and returns its value.
    pub fn remove(&mut self, key: &str) -> Option<String> {
        self.0.remove(key)
    }

    /// The pairs, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The pairs whose key begins with `prefix`, without it.
    #[must_use]
    pub fn stripped(&self, prefix: &str) -> Self {
        self.iter()
            .filter_map(|(key, value)| Some((key.strip_prefix(prefix)?, value)))
            .collect()
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        )
    }
}
