//! Sans-I/O: one statement's worth of work, as bytes.

use crate::lacking::Lacks;

/// What a mutation does to its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    Insert,
    Delete,
}

/// An INSERT or DELETE of one row: the values in CQL's own bytes, written straight from the record (CS-047).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mutation {
    /// Index of the target.
    pub(crate) table: usize,
    pub(crate) deed: Deed,
    /// Per value its length in four bytes and its bytes, in the order of the target's columns; a DELETE has the primary key
    /// only. −1 is null, −2 unset.
    pub(crate) cells: Vec<u8>,
    /// Bytes of the partition key at the start of `cells`.
    pub(crate) partition_bytes: usize,
    /// Bytes of the primary key at the start of `cells`.
    pub(crate) key_bytes: usize,
    /// Microseconds; `None` leaves it to the server.
    pub(crate) timestamp: Option<i64>,
    /// Seconds; 0 is none. Bound only where the INSERT has a mapped TTL.
    pub(crate) ttl: i32,
    /// What it leaves out because the source did not send it; rarely anything.
    pub(crate) lacks: Option<Box<Lacks>>,
}

/// Length that stands for null.
pub(crate) const NULL: i32 = -1;
/// Length that stands for "leave the cell as it is".
pub(crate) const UNSET: i32 = -2;

/// One value of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CellValue<'a> {
    Bytes(&'a [u8]),
    Null,
    Unset,
}

impl Mutation {
    /// The partition key's bytes.
    pub(crate) fn partition(&self) -> &[u8] {
        &self.cells[..self.partition_bytes]
    }

    /// The primary key's bytes.
    pub(crate) fn key(&self) -> &[u8] {
        &self.cells[..self.key_bytes]
    }

    /// The values in order.
    pub(crate) fn values(&self) -> Values<'_> {
        Values(&self.cells)
    }
}

/// Walks the values of a mutation.
#[derive(Debug, Clone)]
pub(crate) struct Values<'a>(&'a [u8]);

impl<'a> Iterator for Values<'a> {
    type Item = CellValue<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let length = i32::from_be_bytes(*length);
        let (value, rest) = match usize::try_from(length) {
            Ok(length) => {
                let (bytes, rest) = rest.split_at_checked(length)?;
                (CellValue::Bytes(bytes), rest)
            }
            Err(_) if length == NULL => (CellValue::Null, rest),
            Err(_) => (CellValue::Unset, rest),
        };
        self.0 = rest;
        Some(value)
    }
}
