//! Sans-I/O: the state of the registry: a fold over the records of its log, and what can be read from it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::config::Level;
use super::content::Content;
use super::error::ApiError;
use super::record::{Key, Record, SchemaValue, number, object};
use super::subject::{Pick, Shown, Subject, Version, subject_name};

/// What the log says. Parsed forms are not kept: memory is bounded by the texts (AV-109).
#[derive(Debug, Default)]
pub struct Store {
    contents: BTreeMap<i32, Arc<Content>>,
    ids: HashMap<Arc<Content>, i32>,
    subjects: BTreeMap<String, Subject>,
    pub(super) configs: HashMap<Option<String>, Map<String, Value>>,
    modes: HashMap<Option<String>, String>,
    /// The highest id ever seen; ids up to it are not given again.
    highest_id: i32,
    pub(super) default_level: Level,
}

/// A version of a subject, with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The subject.
    pub subject: String,
    /// Its version.
    pub version: i32,
    /// The id of the content.
    pub id: i32,
    /// The content.
    pub content: Arc<Content>,
    /// The version is soft-deleted.
    pub deleted: bool,
}

/// A record that was passed over, and why (AV-102).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its place in the log, from 0.
    pub index: usize,
    /// Why it could not be used.
    pub reason: String,
}

impl Store {
    /// An empty registry with that compatibility level.
    pub fn new(default_level: Level) -> Self {
        Self {
            default_level,
            ..Self::default()
        }
    }

    /// Reads a whole log. What cannot be used is passed over and told.
    pub fn replay(default_level: Level, records: &[Record]) -> (Self, Vec<Skipped>) {
        let mut store = Self::new(default_level);
        let mut skipped = Vec::new();
        for (index, record) in records.iter().enumerate() {
            if let Err(reason) = store.apply(record) {
                skipped.push(Skipped { index, reason });
            }
        }
        (store, skipped)
    }

    /// Takes one record, of this or another server.
    ///
    /// # Errors
    /// The reason why it was passed over.
    pub fn apply(&mut self, record: &Record) -> Result<(), String> {
        let value = record.value.as_deref();
        match Key::read(&record.key)? {
            Key::Schema { subject, version } => self.apply_schema(subject, version, value),
            Key::Config { subject } => {
                match value {
                    Some(value) => self.configs.insert(subject, object(value)?),
                    None => self.configs.remove(&subject),
                };
                Ok(())
            }
            Key::Mode { subject } => {
                match value {
                    Some(value) => {
                        let value = object(value)?;
                        let mode = value
                            .get("mode")
                            .and_then(Value::as_str)
                            .ok_or("the value has no mode")?;
                        self.modes.insert(subject, mode.to_owned());
                    }
                    None => drop(self.modes.remove(&subject)),
                }
                Ok(())
            }
            Key::DeleteSubject { subject } => {
                let Some(value) = value else { return Ok(()) };
                let last = number(&object(value)?, "version").ok_or("the value has no version")?;
                self.subjects.entry(subject).or_default().delete_up_to(last);
                Ok(())
            }
            Key::Noop {
                subject: Some(subject),
            } => {
                let Some(value) = value else { return Ok(()) };
                let next = number(&object(value)?, "nextVersion").ok_or("the value has no nextVersion")?;
                self.subjects
                    .entry(subject)
                    .or_default()
                    .raise_floor(next.saturating_sub(1));
                Ok(())
            }
            Key::Noop { subject: None } | Key::Other => Ok(()),
        }
    }

    fn apply_schema(&mut self, subject: String, version: i32, value: Option<&[u8]>) -> Result<(), String> {
        if version < 1 {
            return Err(format!("the key has the version {version}"));
        }
        subject_name(&subject).map_err(|error| error.message)?;
        let Some(value) = value else {
            let removed = self.subjects.entry(subject).or_default();
            removed.raise_floor(version);
            if let Some(removed) = removed.remove(version) {
                self.forget(removed.id);
            }
            return Ok(());
        };
        let SchemaValue { id, content, deleted } = SchemaValue::read(value)?;
        if id < 1 {
            return Err(format!("the value has the id {id}"));
        }
        match self.contents.get(&id) {
            Some(known) if **known != content => {
                return Err(format!("the id {id} belongs to another schema already"));
            }
            Some(_) => {}
            None => {
                let content = Arc::new(content);
                self.contents.insert(id, Arc::clone(&content));
                self.ids.entry(content).or_insert(id);
            }
        }
        self.highest_id = self.highest_id.max(id);
        self.subjects
            .entry(subject)
            .or_default()
            .put(version, Version { id, deleted });
        Ok(())
    }

    /// Drops a content that no version uses any more.
    fn forget(&mut self, id: i32) {
        let mut versions = self
            .subjects
            .values()
            .flat_map(|subject| subject.shown(Shown::WithDeleted));
        if versions.any(|(_, version)| version.id == id) {
            return;
        }
        if let Some(content) = self.contents.remove(&id)
            && self.ids.get(&content) == Some(&id)
        {
            self.ids.remove(&content);
        }
    }

    /// The id of a content, whatever subject it is in.
    pub(super) fn id_of(&self, content: &Content) -> Option<i32> {
        self.ids.get(content).copied()
    }

    /// The id for a new content; `None` when all are used up.
    pub(super) fn next_id(&self) -> Option<i32> {
        self.highest_id.checked_add(1)
    }

    /// The number for a new version of the subject; `None` when all are used up.
    pub(super) fn next_version(&self, subject: &str) -> Option<i32> {
        self.subjects.get(subject).map_or(Some(1), Subject::next)
    }

    /// The highest id ever given.
    pub fn highest_id(&self) -> i32 {
        self.highest_id
    }

    /// The mode of the subject over the global one.
    pub(super) fn mode(&self, subject: Option<&str>) -> &str {
        let own = subject.and_then(|subject| self.modes.get(&Some(subject.to_owned())));
        own.or_else(|| self.modes.get(&None))
            .map_or("READWRITE", String::as_str)
    }

    /// A content by its id.
    ///
    /// # Errors
    /// 40403.
    pub fn by_id(&self, id: i32) -> Result<&Arc<Content>, ApiError> {
        self.contents.get(&id).ok_or_else(|| ApiError::id_not_found(id))
    }

    /// The names that begin with the prefix, of subjects with versions to be seen.
    pub fn subjects(&self, prefix: &str, shown: Shown) -> Vec<&str> {
        let named = self.subjects.iter().filter(|(name, _)| name.starts_with(prefix));
        // Only deleted: those of which nothing else is left.
        let seen = named.filter(|(_, subject)| {
            subject.shown(shown).next().is_some()
                && (shown != Shown::OnlyDeleted || subject.shown(Shown::Live).next().is_none())
        });
        seen.map(|(name, _)| name.as_str()).collect()
    }

    /// The version numbers of a subject, ascending.
    ///
    /// # Errors
    /// 40401.
    pub fn versions(&self, subject: &str, shown: Shown) -> Result<Vec<i32>, ApiError> {
        let numbers: Vec<i32> = self
            .some_of(subject, shown)?
            .shown(shown)
            .map(|(number, _)| number)
            .collect();
        Ok(numbers)
    }

    /// One version of a subject.
    ///
    /// # Errors
    /// 40401, 40402.
    pub fn version(&self, subject: &str, pick: Pick, shown: Shown) -> Result<Found, ApiError> {
        let versions = self.some_of(subject, shown)?;
        let Some((number, version)) = versions.pick(pick, shown) else {
            return Err(match pick {
                Pick::Number(number) => ApiError::version_not_found(number),
                Pick::Latest => ApiError::version_not_found("latest"),
            });
        };
        self.found(subject, number, version)
    }

    /// The newest version of the subject with that content.
    pub(super) fn version_with(&self, subject: &str, content: &Content, shown: Shown) -> Option<(i32, i32)> {
        let versions = self.subjects.get(subject)?;
        let matching = |id: i32| self.contents.get(&id).is_some_and(|known| **known == *content);
        let newest = versions
            .shown(shown)
            .rev()
            .find(|(_, version)| matching(version.id));
        newest.map(|(number, version)| (number, version.id))
    }

    /// Where a content is registered: subjects and versions, in order.
    ///
    /// # Errors
    /// 40403.
    pub fn uses(&self, id: i32, shown: Shown) -> Result<Vec<(&str, i32)>, ApiError> {
        self.by_id(id)?;
        let all = self.subjects.iter().flat_map(|(name, subject)| {
            subject
                .shown(shown)
                .map(move |(number, version)| (name.as_str(), number, version))
        });
        Ok(all
            .filter(|(_, _, version)| version.id == id)
            .map(|(name, number, _)| (name, number))
            .collect())
    }

    pub(super) fn has(&self, subject: &str, shown: Shown) -> bool {
        self.some_of(subject, shown).is_ok()
    }

    /// The subject, if it has versions to be seen.
    fn some_of(&self, subject: &str, shown: Shown) -> Result<&Subject, ApiError> {
        let known = self
            .subjects
            .get(subject)
            .filter(|known| known.shown(shown).next().is_some());
        known.ok_or_else(|| ApiError::subject_not_found(subject))
    }

    fn found(&self, subject: &str, number: i32, version: Version) -> Result<Found, ApiError> {
        let content = Arc::clone(self.by_id(version.id)?);
        Ok(Found {
            subject: subject.to_owned(),
            version: number,
            id: version.id,
            content,
            deleted: version.deleted,
        })
    }
}
