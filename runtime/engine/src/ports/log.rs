//! A keyed, compacted log: where the engine keeps its own state.

use rowtide_api::Error;
use rowtide_api::erased::BoxFuture;

/// One record: the newest of a key counts, a null value removes the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// The key's bytes, in Connect's format for that store.
    pub key: Vec<u8>,
    /// The value's bytes; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
}

impl LogRecord {
    /// A record that sets `key`.
    pub fn set(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self {
            key: key.into(),
            value: Some(value.into()),
        }
    }

    /// A record that removes `key`.
    pub fn tombstone(key: impl Into<Vec<u8>>) -> Self {
        Self {
            key: key.into(),
            value: None,
        }
    }
}

/// A keyed, compacted log.
///
/// * `append` answers after the records are durable; they keep their order, and a crash keeps a prefix of them.
/// * `read_all` gives what is there, oldest first; older records of a key may be missing.
/// * Texts that Connect's formats make are kept to the byte. Of other bytes a log may refuse what it cannot hold, and then
///   holds nothing of that append; it never alters any.
/// * A failed `append` leaves the log as it was or with a prefix of the records; the caller may repeat it.
pub trait Log: Send + Sync {
    /// Reads everything there is.
    fn read_all(&self) -> BoxFuture<'_, Result<Vec<LogRecord>, Error>>;

    /// Appends records, durably.
    fn append(&self, records: Vec<LogRecord>) -> BoxFuture<'_, Result<(), Error>>;
}
