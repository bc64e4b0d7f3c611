//! Sans-I/O: compiled plans, found without a lock when the same schema or id comes again.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};

/// Entries per chunk: a converter of few schemas pays for one chunk.
const CHUNK_ENTRIES: usize = 64;
/// Chunks: 16,384 plans of some kilobytes are what a converter may hold. A plan beyond that is compiled for each use.
const CHUNKS_MAX: usize = 256;
/// Hints: enough for the tables that one transaction usually touches.
const HINTS: usize = 64;

/// A cache of entries that are never replaced, so that a reader needs no lock.
///
/// A hint says where an entry was found last; whether it is the right one, the caller's comparison decides.
pub(crate) struct Interned<T> {
    chunks: Box<[OnceLock<Chunk<T>>]>,
    hints: [AtomicU32; HINTS],
    index: RwLock<Index>,
}

/// Made when its first entry comes.
type Chunk<T> = Box<[OnceLock<T>]>;

#[derive(Default)]
struct Index {
    places: HashMap<u128, Vec<u32>>,
    len: u32,
}

/// A found entry, or one there was no room for.
pub(crate) enum Held<'a, T> {
    Kept(&'a T),
    Spare(Box<T>),
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Kept(entry) => entry,
            Self::Spare(entry) => entry,
        }
    }
}

impl<T> Interned<T> {
    pub(crate) fn new() -> Self {
        Self {
            chunks: std::iter::repeat_with(OnceLock::new).take(CHUNKS_MAX).collect(),
            hints: [const { AtomicU32::new(0) }; HINTS],
            index: RwLock::new(Index::default()),
        }
    }

    /// The entry where `hint` last led, if `same` accepts it.
    pub(crate) fn recent(&self, hint: usize, same: impl FnOnce(&T) -> bool) -> Option<&T> {
        self.at(self.hints[hint % HINTS].load(Ordering::Relaxed))
            .filter(|entry| same(entry))
    }

    /// The entry under `key` that `same` accepts; else the one that `build` makes.
    ///
    /// # Errors
    /// Those of `build`.
    pub(crate) fn get<E>(
        &self,
        hint: usize,
        key: u128,
        same: impl Fn(&T) -> bool,
        build: impl FnOnce() -> Result<T, E>,
    ) -> Result<Held<'_, T>, E> {
        if let Some(place) = self.find(
            &self.index.read().unwrap_or_else(PoisonError::into_inner),
            key,
            &same,
        ) {
            return Ok(Held::Kept(self.led(hint, place)));
        }
        let entry = build()?;
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = self.find(&index, key, &same) {
            return Ok(Held::Kept(self.led(hint, place)));
        }
        let place = index.len;
        let Some(chunk) = self.chunks.get(place as usize / CHUNK_ENTRIES) else {
            return Ok(Held::Spare(Box::new(entry)));
        };
        let chunk = chunk.get_or_init(|| {
            std::iter::repeat_with(OnceLock::new)
                .take(CHUNK_ENTRIES)
                .collect()
        });
        // Invariant: places are given out under the write lock, each once, so the cell is empty.
        let _ = chunk[place as usize % CHUNK_ENTRIES].set(entry);
        index.places.entry(key).or_default().push(place);
        index.len += 1;
        Ok(Held::Kept(self.led(hint, place)))
    }

    fn find(&self, index: &Index, key: u128, same: impl Fn(&T) -> bool) -> Option<u32> {
        let places = index.places.get(&key)?;
        places
            .iter()
            .copied()
            .find(|place| self.at(*place).is_some_and(&same))
    }

    fn at(&self, place: u32) -> Option<&T> {
        let chunk = self.chunks.get(place as usize / CHUNK_ENTRIES)?.get()?;
        chunk[place as usize % CHUNK_ENTRIES].get()
    }

    fn led(&self, hint: usize, place: u32) -> &T {
        self.hints[hint % HINTS].store(place, Ordering::Relaxed);
        self.at(place)
            .expect("invariant: an indexed place holds its entry")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(cache: &Interned<(u128, u32)>, key: u128, tag: u32) -> Held<'_, (u128, u32)> {
        let found: Result<_, ()> = cache.get(tag as usize, key, |entry| entry.1 == tag, || Ok((key, tag)));
        found.unwrap()
    }

    #[test]
    fn an_entry_is_built_once_and_keys_that_collide_are_told_apart() {
        let cache = Interned::new();
        let first = std::ptr::from_ref(&*get(&cache, 1, 7));
        assert_eq!(std::ptr::from_ref(&*get(&cache, 1, 7)), first);
        assert_eq!(get(&cache, 1, 8).1, 8);
        assert_eq!(
            cache.recent(7, |entry| entry.1 == 7).map(|entry| entry.0),
            Some(1)
        );
        assert!(cache.recent(7, |entry| entry.1 == 9).is_none());
    }

    #[test]
    fn beyond_its_bound_the_cache_still_answers() {
        let cache = Interned::new();
        let bound = (CHUNK_ENTRIES * CHUNKS_MAX) as u32;
        for tag in 0..bound {
            assert!(matches!(get(&cache, u128::from(tag), tag), Held::Kept(_)));
        }
        assert!(matches!(get(&cache, 1 << 40, bound), Held::Spare(_)));
        assert!(matches!(get(&cache, 3, 3), Held::Kept(_)));
    }
}
