//! Sans-I/O: what a partition remembers of its stream, and the note that carries it over restarts.

use std::sync::Arc;

use rowtide_api::Error;
use rowtide_api::sink::Note;
use serde_json::{Value as Json, json};

use super::Origin;

/// A commit that comes this much later than the highest one, at a lower position, belongs to a rebuilt source (CS-107).
const REBUILT_AFTER_US: i64 = 60_000_000;

/// What a partition remembers of its stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PartitionClock {
    /// Highest position so far: the clock of tombstones (CS-071).
    pub(crate) position: Option<i64>,
    /// The same in commit microseconds.
    pub(crate) micros: Option<i64>,
    /// Highest commit position, and the commit time beside it in microseconds.
    commit: Option<(i64, i64)>,
    /// The source's system id.
    system: Option<Arc<str>>,
    /// `source.name`.
    pub(crate) source: Option<Arc<str>>,
    /// Identity of the key that the previous record deleted.
    pub(crate) deleted: Option<u64>,
    /// `timestampOffset` under which all this was seen.
    offset: i64,
}

impl PartitionClock {
    /// Nothing seen yet.
    pub(crate) fn new(offset: i64) -> Self {
        Self {
            offset,
            ..Self::default()
        }
    }

    /// What the note says; nothing, where it is not one of ours. Another offset than the note's starts the positions anew:
    /// raising it is the answer to a rebuilt source.
    pub(crate) fn restored(note: Option<&Note>, offset: i64) -> Self {
        let Some(found) = note.and_then(|note| serde_json::from_str::<Json>(&note.0).ok()) else {
            return Self::new(offset);
        };
        let number = |name: &str| found.get(name).and_then(Json::as_i64);
        let text = |name: &str| found.get(name).and_then(Json::as_str).map(Arc::from);
        let known = Self {
            position: number("lsn"),
            micros: number("us"),
            commit: number("commit").zip(number("at")),
            system: text("system"),
            source: text("source"),
            deleted: found.get("deleted").and_then(Json::as_u64),
            offset,
        };
        if number("v") != Some(1) {
            return Self::new(offset);
        }
        if number("offset") != Some(offset) {
            return Self {
                position: None,
                commit: None,
                system: None,
                ..known
            };
        }
        known
    }

    /// The note to store with the position behind everything seen.
    pub(crate) fn note(&self) -> Note {
        let mut found = json!({ "v": 1, "offset": self.offset });
        let mut put = |name: &str, value: Option<Json>| {
            if let (Some(value), Some(object)) = (value, found.as_object_mut()) {
                object.insert(name.to_owned(), value);
            }
        };
        put("lsn", self.position.map(Json::from));
        put("us", self.micros.map(Json::from));
        put("commit", self.commit.map(|(position, _)| position.into()));
        put("at", self.commit.map(|(_, at)| at.into()));
        put("deleted", self.deleted.map(Json::from));
        // Two names of at most this length keep the note below its limit.
        let short =
            |text: &Option<Arc<str>>| text.as_deref().filter(|text| text.len() <= 500).map(Json::from);
        put("system", short(&self.system));
        put("source", short(&self.source));
        Note(found.to_string().into())
    }

    /// CS-107: whether the source was rebuilt, so that its positions start lower and every write would lose.
    ///
    /// # Errors
    /// Fatal, with the way out.
    pub(crate) fn check(&self, origin: &Origin<'_>) -> Result<(), Error> {
        let highest = self.position.unwrap_or(0).saturating_add(self.offset);
        if let (Some(known), Some(now)) = (self.system.as_deref(), origin.system)
            && known != now
        {
            return Err(rebuilt(
                format!("the source database has another system id ({now}) than before ({known})"),
                highest,
            ));
        }
        let (Some((position, at)), Some(commit), Some(micros)) = (self.commit, origin.commit, origin.micros)
        else {
            return Ok(());
        };
        if !origin.snapshot && commit < position && micros > at.saturating_add(REBUILT_AFTER_US) {
            return Err(rebuilt(
                format!(
                    "the source's log went back from commit {position} to {commit} while its commit times went on"
                ),
                highest,
            ));
        }
        Ok(())
    }

    /// Takes a change into account.
    pub(crate) fn advance(&mut self, origin: &Origin<'_>) {
        self.position = self.position.max(origin.position());
        self.micros = self.micros.max(origin.commit_micros());
        if let (Some(commit), Some(micros), false) = (origin.commit, origin.micros, origin.snapshot)
            && self.commit.is_none_or(|(highest, _)| commit >= highest)
        {
            let at = self.commit.map_or(micros, |(_, at)| at.max(micros));
            self.commit = Some((commit, at));
        }
        if let Some(system) = origin.system
            && self.system.is_none()
        {
            self.system = Some(system.into());
        }
        if let Some(source) = origin.source
            && self.source.is_none()
        {
            self.source = Some(source.into());
        }
    }
}

fn rebuilt(what: String, highest: i64) -> Error {
    Error::fatal(format!(
        "{what}: it was rebuilt, and its writes would lose against the older ones"
    ))
    .hint(format!(
        "set timestampOffset to {highest} or more, so that new writes win over all before"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change<'a>(lsn: i64, commit: i64, seconds: i64) -> Origin<'a> {
        Origin {
            source: Some("pg"),
            lsn: Some(lsn),
            commit: Some(commit),
            micros: Some(seconds * 1_000_000),
            system: Some("71"),
            ..Origin::default()
        }
    }

    fn after(changes: &[Origin<'_>]) -> PartitionClock {
        let mut clock = PartitionClock::new(0);
        for change in changes {
            clock.check(change).unwrap();
            clock.advance(change);
        }
        clock
    }

    #[test]
    fn a_note_carries_everything_over_a_restart() {
        let mut clock = after(&[change(800, 700, 10), change(640, 780, 11)]);
        clock.deleted = Some(u64::MAX);
        let note = clock.note();
        assert!(note.0.len() < Note::BYTES_MAX);
        assert_eq!(PartitionClock::restored(Some(&note), 0), clock);
        assert_eq!(clock.position, Some(800));
        let foreign = Note("{\"lsn\":5}".into());
        assert_eq!(
            PartitionClock::restored(Some(&foreign), 0),
            PartitionClock::new(0)
        );
        assert_eq!(
            PartitionClock::restored(Some(&Note("x".into())), 0),
            PartitionClock::new(0)
        );
    }

    /// CS-107: a replay passes, a rebuilt source does not, and a raised offset is the way on.
    #[test]
    fn a_rebuilt_source_is_told_from_a_replay() {
        let clock = after(&[change(800, 700, 1000)]);
        assert!(clock.check(&change(80, 70, 500)).is_ok());
        assert!(clock.check(&change(80, 70, 1060)).is_ok());
        let error = clock.check(&change(80, 70, 1061)).unwrap_err();
        assert!(
            error.to_string().contains("set timestampOffset to 800 or more"),
            "{error}"
        );
        let row = Origin {
            snapshot: true,
            ..change(80, 70, 2000)
        };
        assert!(clock.check(&row).is_ok());
        let other = Origin {
            system: Some("72"),
            ..change(8000, 7000, 1000)
        };
        assert!(clock.check(&other).is_err());
        let raised = PartitionClock::restored(Some(&clock.note()), 800);
        assert!(raised.check(&other).is_ok());
        assert!(raised.check(&change(80, 70, 1061)).is_ok());
        assert_eq!(raised.position, None);
        assert_eq!(raised.source.as_deref(), Some("pg"));
    }
}
