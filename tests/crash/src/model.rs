//! Sans-I/O: the two accounts of a run. What Postgres noted in its own transactions, and what an independent reader finds in
//! the topic.

use std::collections::BTreeMap;

/// A change as Postgres noted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// The place in the history of all keys; only within a key it is the order of commits.
    pub seq: u64,
    /// Its transaction.
    pub xid: u64,
    /// `c`, `u` or `d`.
    pub op: char,
    /// The number of the image, unique in the whole run; none of a deletion.
    pub version: Option<u64>,
}

/// The changes of every key, in the order of their commits.
pub type History = BTreeMap<i64, Vec<Noted>>;

/// The identity of a streamed record. Its order is the order of the source's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At {
    /// Where the commit stands in the log, bytes.
    pub commit_lsn: u64,
    /// Which entry of the transaction, from 1.
    pub ordinal: u64,
    /// Which record of an entry that gives several, from 0.
    pub part: u64,
}

/// What a streamed record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A change.
    Change {
        /// `c`, `u` or `d`.
        op: char,
        /// The number of the image after it.
        version: Option<u64>,
        /// Its transaction.
        xid: u64,
    },
    /// A key without a value.
    Tombstone,
}

/// A record of the topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A row read by a snapshot.
    Row {
        /// Its key.
        id: i64,
        /// The number of its image.
        version: u64,
    },
    /// A change, or the tombstone behind a deletion.
    Streamed {
        /// Its identity.
        at: At,
        /// Its key.
        id: i64,
        /// What it says.
        what: What,
    },
}

/// The records of a topic by partition, each with its offset, in order.
pub type Topic = Vec<Vec<(i64, Entry)>>;

/// What a slot had confirmed at an instant, and where the partitions ended not before it.
#[derive(Debug, Clone)]
pub struct Sample {
    /// `confirmed_flush_lsn`.
    pub confirmed: u64,
    /// The end of each partition.
    pub ends: Vec<i64>,
}
