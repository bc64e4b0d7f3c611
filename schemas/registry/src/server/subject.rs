//! Sans-I/O: the versions of one subject, and how requests name subjects and versions.

use std::collections::BTreeMap;

use super::error::ApiError;

/// A version of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) id: i32,
    /// Soft-deleted: hidden unless asked for.
    pub(super) deleted: bool,
}

/// A subject's versions. One whose versions are all gone is kept for its floor.
#[derive(Debug, Default)]
pub(super) struct Subject {
    versions: BTreeMap<i32, Version>,
    /// Numbers up to this one were used, even where no version is left (AV-107).
    floor: i32,
}

/// How a request names a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// The newest.
    Latest,
    /// The one with that number.
    Number(i32),
}

/// Which versions a request is to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Those not deleted.
    Live,
    /// All.
    WithDeleted,
    /// Only the deleted ones.
    OnlyDeleted,
}

impl Pick {
    /// Reads the path's `{v}`.
    ///
    /// # Errors
    /// 42202.
    pub fn read(text: &str) -> Result<Self, ApiError> {
        match text {
            "latest" | "-1" => Ok(Self::Latest),
            number => match number.parse() {
                Ok(number) if number > 0 => Ok(Self::Number(number)),
                _ => Err(ApiError::invalid_version(text)),
            },
        }
    }
}

impl Shown {
    /// Whether a version with that mark is to be seen.
    pub fn shows(self, deleted: bool) -> bool {
        match self {
            Self::Live => !deleted,
            Self::WithDeleted => true,
            Self::OnlyDeleted => deleted,
        }
    }
}

impl Subject {
    pub(super) fn put(&mut self, number: i32, version: Version) {
        self.floor = self.floor.max(number);
        self.versions.insert(number, version);
    }

    pub(super) fn remove(&mut self, number: i32) -> Option<Version> {
        self.versions.remove(&number)
    }

    pub(super) fn delete_up_to(&mut self, number: i32) {
        for (_, version) in self.versions.range_mut(..=number) {
            version.deleted = true;
        }
    }

    pub(super) fn raise_floor(&mut self, floor: i32) {
        self.floor = self.floor.max(floor);
    }

    /// The number for a new version; `None` when all are used up.
    pub(super) fn next(&self) -> Option<i32> {
        self.floor.checked_add(1)
    }

    /// The versions to be seen, oldest first.
    pub(super) fn shown(&self, shown: Shown) -> impl DoubleEndedIterator<Item = (i32, Version)> {
        self.versions
            .iter()
            .map(|(number, version)| (*number, *version))
            .filter(move |(_, version)| shown.shows(version.deleted))
    }

    pub(super) fn pick(&self, pick: Pick, shown: Shown) -> Option<(i32, Version)> {
        match pick {
            Pick::Latest => self.shown(shown).next_back(),
            Pick::Number(number) => {
                let version = self
                    .versions
                    .get(&number)
                    .filter(|version| shown.shows(version.deleted));
                version.map(|version| (number, *version))
            }
        }
    }
}

/// The subject's name in the default context, the only one there is.
///
/// # Errors
/// 42208: empty, reserved, with control characters, or in another context.
pub(super) fn subject_name(subject: &str) -> Result<&str, ApiError> {
    let name = subject.strip_prefix(":.:").unwrap_or(subject);
    if name.starts_with(":.") {
        return Err(ApiError::invalid_subject(
            subject,
            "contexts are not supported by this registry yet",
        ));
    }
    if name.is_empty() || name == "__GLOBAL" || name == "__EMPTY" {
        return Err(ApiError::invalid_subject(
            subject,
            "the name is empty or reserved",
        ));
    }
    if name.chars().any(char::is_control) {
        return Err(ApiError::invalid_subject(
            &subject.escape_default().to_string(),
            "it has control characters",
        ));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_picked_by_number_or_as_the_latest() {
        assert_eq!(Pick::read("latest"), Ok(Pick::Latest));
        assert_eq!(Pick::read("-1"), Ok(Pick::Latest));
        assert_eq!(Pick::read("2147483647"), Ok(Pick::Number(i32::MAX)));
        for bad in ["0", "-2", "2147483648", "newest", ""] {
            assert_eq!(Pick::read(bad).unwrap_err().code, 42202, "{bad}");
        }
    }

    #[test]
    fn subjects_of_other_contexts_are_refused_by_name() {
        assert_eq!(subject_name("t-value"), Ok("t-value"));
        assert_eq!(subject_name(":.:t-value"), Ok("t-value"));
        assert_eq!(subject_name("a/b:c"), Ok("a/b:c"));
        for bad in ["", ":.:", "__GLOBAL", "a\nb", ":.other:s"] {
            assert_eq!(subject_name(bad).unwrap_err().code, 42208, "{bad:?}");
        }
    }

    #[test]
    fn numbers_are_not_given_again_when_versions_vanish() {
        let mut subject = Subject::default();
        subject.put(
            1,
            Version {
                id: 1,
                deleted: false,
            },
        );
        subject.put(
            2,
            Version {
                id: 2,
                deleted: false,
            },
        );
        subject.remove(2);
        assert_eq!(subject.next(), Some(3));
        subject.raise_floor(i32::MAX);
        assert_eq!(subject.next(), None);
    }
}
