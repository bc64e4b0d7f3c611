//! Sans-I/O: what the client remembers, and for how long.

use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use super::error::{Class, ClientError};
use super::schema::RegisteredSchema;

/// Texts of schemas by id take no more than this; the first to come is the first to go. Far more than a worker's
/// connectors use: a Debezium envelope is some 10 kB.
const TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Subjects on the write side; a worker writes two to each topic.
const SUBJECTS_MAX: usize = 10_000;
/// Ids whose absence is remembered. Broken records may name any number of them.
const ABSENT_IDS_MAX: usize = 1_000;
/// Ids whose fingerprint is remembered after their schema was forgotten.
const FINGERPRINTS_MAX: usize = 100_000;

/// How long an unknown id may be one that a follower of the registry has not seen yet (AV-129).
pub(super) const LAG: Duration = Duration::from_secs(60);
/// An unknown id is asked for again after this at first, doubling…
const ABSENT_MIN: Duration = Duration::from_secs(1);
/// … and after this at last, so that a repaired registry or access list heals without a restart.
const ABSENT_MAX: Duration = Duration::from_secs(30);

/// A map that forgets its oldest entries when their weight grows over a bound.
#[derive(Debug)]
pub(super) struct Bounded<K, V> {
    entries: HashMap<K, (V, usize)>,
    order: VecDeque<K>,
    weight: usize,
    weight_max: usize,
}

impl<K: Clone + Eq + Hash, V> Bounded<K, V> {
    pub(super) fn new(weight_max: usize) -> Self {
        Self {
            entries: HashMap::new(),
            order: VecDeque::new(),
            weight: 0,
            weight_max,
        }
    }

    pub(super) fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key).map(|(value, _)| value)
    }

    pub(super) fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.entries.get_mut(key).map(|(value, _)| value)
    }

    /// Puts an entry; a key keeps its age.
    pub(super) fn put(&mut self, key: K, value: V, weight: usize) {
        self.weight += weight;
        match self.entries.insert(key.clone(), (value, weight)) {
            Some((_, replaced)) => self.weight -= replaced,
            None => self.order.push_back(key),
        }
        // The newest entry stays even where it alone is over the bound.
        while self.weight > self.weight_max && self.order.len() > 1 {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            if let Some((_, weight)) = self.entries.remove(&oldest) {
                self.weight -= weight;
            }
        }
    }

    pub(super) fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        if let Some((_, weight)) = self.entries.remove(key) {
            self.weight -= weight;
            self.order.retain(|kept| kept.borrow() != key);
        }
    }
}

/// What is remembered of an id or a registration.
#[derive(Debug)]
pub(super) struct Cache {
    by_id: Bounded<i32, Arc<RegisteredSchema>>,
    /// Ids that did not give a schema, by the caller's clock.
    absent: Bounded<i32, Absence>,
    /// Per subject: the texts that are registered, and their ids.
    subjects: Bounded<Arc<str>, Bounded<Arc<str>, Registered>>,
    fingerprints: Bounded<i32, u128>,
    schemas_per_subject_max: usize,
}

/// A schema's place in its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registered {
    /// The id of the schema.
    pub id: i32,
    /// Its version in the subject, where the registry told: registering does not.
    pub version: Option<i32>,
}

#[derive(Debug, Clone)]
struct Absence {
    /// When the id was first asked for in vain. Times are since the client's start.
    since: Duration,
    /// Until when this answer stands.
    until: Duration,
    next_ttl: Duration,
    error: ClientError,
}

impl Cache {
    pub(super) fn new(schemas_per_subject_max: usize) -> Self {
        Self {
            by_id: Bounded::new(TEXT_BYTES_MAX),
            absent: Bounded::new(ABSENT_IDS_MAX),
            subjects: Bounded::new(SUBJECTS_MAX),
            fingerprints: Bounded::new(FINGERPRINTS_MAX),
            schemas_per_subject_max: schemas_per_subject_max.max(1),
        }
    }

    pub(super) fn schema(&self, id: i32) -> Option<&Arc<RegisteredSchema>> {
        self.by_id.get(&id)
    }

    pub(super) fn registered(&self, subject: &str, text: &str) -> Option<Registered> {
        self.subjects
            .get(subject)
            .and_then(|texts| texts.get(text))
            .copied()
    }

    /// Why the id gives no schema at that time, if that is known.
    pub(super) fn absence(&self, id: i32, now: Duration) -> Option<&ClientError> {
        self.absent
            .get(&id)
            .filter(|absence| now < absence.until)
            .map(|absence| &absence.error)
    }

    pub(super) fn put_schema(&mut self, schema: &Arc<RegisteredSchema>) {
        self.absent.remove(&schema.id);
        self.by_id.put(schema.id, Arc::clone(schema), schema.bytes());
    }

    pub(super) fn put_registered(&mut self, subject: &str, text: &str, registered: Registered) {
        let max = self.schemas_per_subject_max;
        if self.subjects.get(subject).is_none() {
            self.subjects.put(subject.into(), Bounded::new(max), 1);
        }
        if let Some(texts) = self.subjects.get_mut(subject) {
            let known = texts.get(text).and_then(|known| known.version);
            texts.put(
                text.into(),
                Registered {
                    version: registered.version.or(known),
                    ..registered
                },
                1,
            );
        }
    }

    /// Remembers that the id gave no schema, for a time that doubles while it stays so. With `may_lag` the answer is
    /// retriable for the first minute.
    pub(super) fn put_absent(
        &mut self,
        id: i32,
        now: Duration,
        error: ClientError,
        may_lag: bool,
    ) -> ClientError {
        // Asked for again long after the last answer ended, it may be an id that was given only now.
        let known = self.absent.get(&id).filter(|absence| now < absence.until + LAG);
        let since = known.map_or(now, |absence| absence.since);
        let ttl = known.map_or(ABSENT_MIN, |absence| absence.next_ttl);
        let lagging = may_lag && now.saturating_sub(since) < LAG;
        let error = if lagging {
            error.of_class(Class::Retriable)
        } else {
            error
        };
        let next_ttl = (ttl * 2).min(ABSENT_MAX);
        self.absent.put(
            id,
            Absence {
                since,
                until: now + ttl,
                next_ttl,
                error: error.clone(),
            },
            1,
        );
        error
    }

    /// Compares with what the id stood for before; `false` is a reused id (AV-133).
    pub(super) fn same_as_before(&mut self, id: i32, fingerprint: u128) -> bool {
        match self.fingerprints.get(&id) {
            Some(known) => *known == fingerprint,
            None => {
                self.fingerprints.put(id, fingerprint, 1);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn the_oldest_entries_go_when_the_weight_is_over_the_bound() {
        let mut map = Bounded::new(10);
        for key in 0..4 {
            map.put(key, "v", 4);
        }
        assert_eq!(
            [map.get(&0), map.get(&1), map.get(&2), map.get(&3)],
            [None, None, Some(&"v"), Some(&"v")]
        );
        map.put(2, "w", 1);
        map.put(4, "v", 4);
        assert_eq!(
            [map.get(&2), map.get(&3), map.get(&4)],
            [Some(&"w"), Some(&"v"), Some(&"v")]
        );
        map.remove(&3);
        map.put(5, "v", 100);
        assert_eq!((map.entries.len(), map.order.len(), map.weight), (1, 1, 100));
    }

    #[test]
    fn av_129_an_unknown_id_is_retriable_for_a_minute_then_a_fault_of_the_record() {
        let mut cache = Cache::new(10);
        let mut now = seconds(100);
        let mut asked = 0;
        let error = loop {
            assert!(cache.absence(7, now).is_none());
            asked += 1;
            let error = cache.put_absent(7, now, ClientError::new(Class::NotFound, "404"), true);
            assert_eq!(cache.absence(7, now).map(ClientError::class), Some(error.class()));
            if error.class() == Class::NotFound {
                break error;
            }
            now = cache.absent.get(&7).unwrap().until;
        };
        assert_eq!(error.class(), Class::NotFound);
        assert!(now >= seconds(160) && now < seconds(200), "{now:?}");
        assert!(asked < 12, "{asked} requests for one unknown id");
        // And asked again within half a minute, for ever.
        assert!(cache.absence(7, now + ABSENT_MAX).is_none());
        // Much later it counts as an id that may just have been given.
        let late = cache.put_absent(7, now + 3 * LAG, ClientError::new(Class::NotFound, "404"), true);
        assert_eq!(late.class(), Class::Retriable);
    }

    #[test]
    fn a_registration_keeps_the_version_that_a_look_up_found() {
        let mut cache = Cache::new(2);
        cache.put_registered(
            "s",
            "a",
            Registered {
                id: 1,
                version: Some(3),
            },
        );
        cache.put_registered("s", "a", Registered { id: 1, version: None });
        assert_eq!(
            cache.registered("s", "a"),
            Some(Registered {
                id: 1,
                version: Some(3)
            })
        );
        cache.put_registered("s", "b", Registered { id: 2, version: None });
        cache.put_registered("s", "c", Registered { id: 3, version: None });
        assert_eq!(cache.registered("s", "a"), None);
        assert_eq!(cache.registered("t", "c"), None);
    }

    #[test]
    fn av_133_an_id_with_another_fingerprint_is_told() {
        let mut cache = Cache::new(2);
        assert!(cache.same_as_before(1, 5));
        assert!(cache.same_as_before(1, 5));
        assert!(!cache.same_as_before(1, 6));
    }
}
