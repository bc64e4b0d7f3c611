//! Sans-I/O: messages of the output plug-in `pgoutput`, protocol 1, text tuples.
//!
//! PG-045: every access is checked; bytes that are no message are an error, never a panic, and a message that ends too
//! early yields nothing. Tuples are walked in place: a value is a range of the receive buffer.

use std::ops::Range;
use std::sync::Arc;

use crate::connection::frame::Malformed;
use crate::identifier::TableName;

const CUT: Malformed = Malformed("a pgoutput message ends too early");

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A transaction begins; it has committed already.
    Begin {
        /// LSN of its commit record: the transaction's place in commit order.
        final_lsn: u64,
        /// Commit time, microseconds since 2000-01-01.
        commit_us: i64,
        /// Transaction id, 32 bits.
        xid: u32,
    },
    /// The transaction is complete.
    Commit {
        /// End of its commit record: from here on is what comes after it.
        end_lsn: u64,
    },
    /// The shape of a table, before its first change and after each alteration.
    Relation(Relation),
    /// A new row.
    Insert {
        /// Id of its relation.
        relation: u32,
        /// The row.
        new: Tuple,
    },
    /// A changed row.
    Update {
        /// Id of its relation.
        relation: u32,
        /// What was sent of the row as it was.
        old: Option<OldTuple>,
        /// The row.
        new: Tuple,
    },
    /// A removed row.
    Delete {
        /// Id of its relation.
        relation: u32,
        /// What was sent of the row as it was.
        old: OldTuple,
    },
    /// Emptied tables.
    Truncate {
        /// Ids of their relations.
        relations: Vec<u32>,
    },
    /// Origin of the transaction.
    Origin,
    /// A type that is not built in; the catalogue tells more.
    Type,
    /// A logical decoding message; not requested.
    Logical,
}

/// The shape of a table as the stream sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Relation {
    /// Oid of the table.
    pub id: u32,
    /// Its name.
    pub name: TableName,
    /// `d`, `f`, `n` or `i`: what an old tuple holds.
    pub identity: u8,
    /// The columns, in the order of tuples.
    pub columns: Vec<RelationColumn>,
}

impl Relation {
    /// REPLICA IDENTITY FULL: old tuples are whole rows.
    pub fn is_full(&self) -> bool {
        self.identity == b'f'
    }
}

/// A column of a [`Relation`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RelationColumn {
    /// Part of the replica identity.
    pub identity: bool,
    /// Name.
    pub name: Arc<str>,
    /// Oid of its type.
    pub type_oid: u32,
    /// Type modifier; -1: none.
    pub modifier: i32,
}

/// A tuple inside a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuple {
    /// How many columns it has.
    pub columns: usize,
    /// Its columns' bytes; they were walked once, so each column is complete.
    pub body: Range<usize>,
}

/// What a message holds of a row as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldTuple {
    /// The whole row (`O`), or the columns of the replica identity only (`K`).
    pub full: bool,
    /// The row; under `K` the other columns are null.
    pub tuple: Tuple,
}

/// One column of a tuple.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// SQL null.
    Null,
    /// A TOAST value that did not change and was not sent.
    Unchanged,
    /// Text.
    Text(Range<usize>),
    /// Binary form; never sent under protocol options without `binary`.
    Binary(Range<usize>),
}

/// Reads the message in `range` of `bytes`.
///
/// # Errors
/// Bytes that are no message of protocol 1.
pub fn parse(bytes: &[u8], range: Range<usize>) -> Result<Message, Malformed> {
    let mut cursor = Cursor {
        bytes: bytes.get(..range.end).ok_or(CUT)?,
        at: range.start,
    };
    let message = match cursor.u8()? {
        b'I' => {
            let relation = cursor.u32()?;
            cursor.expect(b'N')?;
            Message::Insert {
                relation,
                new: cursor.tuple()?,
            }
        }
        b'U' => update(&mut cursor)?,
        b'D' => {
            let relation = cursor.u32()?;
            let kind = cursor.u8()?;
            Message::Delete {
                relation,
                old: cursor.old_tuple(kind)?,
            }
        }
        b'B' => Message::Begin {
            final_lsn: cursor.u64()?,
            commit_us: cursor.u64()?.cast_signed(),
            xid: cursor.u32()?,
        },
        b'C' => {
            cursor.u8()?;
            cursor.u64()?;
            let end_lsn = cursor.u64()?;
            cursor.u64()?;
            Message::Commit { end_lsn }
        }
        b'R' => Message::Relation(relation(&mut cursor)?),
        b'T' => truncate(&mut cursor)?,
        b'O' => return Ok(Message::Origin),
        b'Y' => return Ok(Message::Type),
        b'M' => return Ok(Message::Logical),
        _ => return Err(Malformed("a pgoutput message of an unknown kind")),
    };
    if cursor.at == range.end {
        Ok(message)
    } else {
        Err(Malformed("a pgoutput message is longer than its content"))
    }
}

fn update(cursor: &mut Cursor<'_>) -> Result<Message, Malformed> {
    let relation = cursor.u32()?;
    let mut kind = cursor.u8()?;
    let mut old = None;
    if kind != b'N' {
        old = Some(cursor.old_tuple(kind)?);
        kind = cursor.u8()?;
    }
    if kind != b'N' {
        return Err(Malformed("an update without its new row"));
    }
    Ok(Message::Update {
        relation,
        old,
        new: cursor.tuple()?,
    })
}

fn relation(cursor: &mut Cursor<'_>) -> Result<Relation, Malformed> {
    let id = cursor.u32()?;
    let schema = cursor.text()?;
    let table = cursor.text()?;
    let identity = cursor.u8()?;
    let count = cursor.u16()?;
    let mut columns = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        columns.push(RelationColumn {
            identity: cursor.u8()? & 1 == 1,
            name: cursor.text()?.into(),
            type_oid: cursor.u32()?,
            modifier: cursor.u32()?.cast_signed(),
        });
    }
    // An empty schema name stands for pg_catalog.
    let schema = if schema.is_empty() { "pg_catalog" } else { schema };
    Ok(Relation {
        id,
        name: TableName::new(schema, table),
        identity,
        columns,
    })
}

fn truncate(cursor: &mut Cursor<'_>) -> Result<Message, Malformed> {
    let count = cursor.u32()?;
    cursor.u8()?;
    let mut relations = Vec::new();
    for _ in 0..count {
        relations.push(cursor.u32()?);
    }
    Ok(Message::Truncate { relations })
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let chunk = self
            .bytes
            .get(self.at..)
            .and_then(|rest| rest.first_chunk::<N>())
            .ok_or(CUT)?;
        self.at += N;
        Ok(*chunk)
    }

    #[inline]
    fn u8(&mut self) -> Result<u8, Malformed> {
        self.chunk::<1>().map(|[byte]| byte)
    }

    #[inline]
    fn u16(&mut self) -> Result<u16, Malformed> {
        self.chunk().map(u16::from_be_bytes)
    }

    #[inline]
    fn u32(&mut self) -> Result<u32, Malformed> {
        self.chunk().map(u32::from_be_bytes)
    }

    #[inline]
    fn u64(&mut self) -> Result<u64, Malformed> {
        self.chunk().map(u64::from_be_bytes)
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.u8()? == byte {
            Ok(())
        } else {
            Err(Malformed("a pgoutput message lacks its row"))
        }
    }

    /// Text up to a NUL.
    fn text(&mut self) -> Result<&'a str, Malformed> {
        let rest = self.bytes.get(self.at..).ok_or(CUT)?;
        let length = memchr::memchr(0, rest).ok_or(CUT)?;
        self.at += length + 1;
        std::str::from_utf8(&rest[..length]).map_err(|_| Malformed("a name is not UTF-8"))
    }

    fn old_tuple(&mut self, kind: u8) -> Result<OldTuple, Malformed> {
        let full = match kind {
            b'K' => false,
            b'O' => true,
            _ => return Err(Malformed("a row of an unknown kind")),
        };
        Ok(OldTuple {
            full,
            tuple: self.tuple()?,
        })
    }

    #[inline]
    fn tuple(&mut self) -> Result<Tuple, Malformed> {
        let columns = usize::from(self.u16()?);
        let start = self.at;
        for _ in 0..columns {
            match self.u8()? {
                b't' | b'b' => {
                    let length = self.u32()? as usize;
                    if length > self.bytes.len() - self.at {
                        return Err(CUT);
                    }
                    self.at += length;
                }
                b'n' | b'u' => {}
                _ => return Err(Malformed("a column of an unknown kind")),
            }
        }
        Ok(Tuple {
            columns,
            body: start..self.at,
        })
    }
}

/// Walks the columns of a tuple.
#[derive(Debug)]
pub struct Columns<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl Tuple {
    /// The columns, in order; `bytes` is what the tuple was parsed from.
    pub fn columns<'a>(&self, bytes: &'a [u8]) -> Columns<'a> {
        Columns {
            bytes,
            at: self.body.start,
            end: self.body.end,
        }
    }
}

impl Iterator for Columns<'_> {
    type Item = Column;

    #[inline]
    fn next(&mut self) -> Option<Column> {
        // Invariant: `Cursor::tuple` has walked these bytes; a short read here ends the row instead of tearing it.
        let body = self.bytes.get(self.at..self.end)?;
        let kind = *body.first()?;
        if kind == b'n' || kind == b'u' {
            self.at += 1;
            return Some(if kind == b'n' {
                Column::Null
            } else {
                Column::Unchanged
            });
        }
        let length = body.get(1..5)?.first_chunk::<4>()?;
        let start = self.at + 5;
        let end = start + u32::from_be_bytes(*length) as usize;
        self.at = end;
        Some(if kind == b't' {
            Column::Text(start..end)
        } else {
            Column::Binary(start..end)
        })
    }
}

#[cfg(test)]
pub(crate) mod encode {
    //! Writes messages as the server does, for tests.

    use super::Relation;

    /// A column to write: text, null, or unchanged.
    #[derive(Clone, Debug)]
    pub(crate) enum Col<'a> {
        Text(&'a str),
        Null,
        Unchanged,
    }

    pub(crate) fn begin(final_lsn: u64, commit_us: i64, xid: u32) -> Vec<u8> {
        [
            b"B".as_slice(),
            &final_lsn.to_be_bytes(),
            &commit_us.to_be_bytes(),
            &xid.to_be_bytes(),
        ]
        .concat()
    }

    pub(crate) fn commit(commit_lsn: u64, end_lsn: u64) -> Vec<u8> {
        [
            b"C\0".as_slice(),
            &commit_lsn.to_be_bytes(),
            &end_lsn.to_be_bytes(),
            &0u64.to_be_bytes(),
        ]
        .concat()
    }

    pub(crate) fn relation(of: &Relation) -> Vec<u8> {
        let mut out = vec![b'R'];
        out.extend(of.id.to_be_bytes());
        out.extend(format!("{}\0{}\0", of.name.schema, of.name.table).bytes());
        out.push(of.identity);
        out.extend((of.columns.len() as u16).to_be_bytes());
        for column in &of.columns {
            out.push(u8::from(column.identity));
            out.extend(format!("{}\0", column.name).bytes());
            out.extend(column.type_oid.to_be_bytes());
            out.extend(column.modifier.to_be_bytes());
        }
        out
    }

    pub(crate) fn tuple(columns: &[Col<'_>]) -> Vec<u8> {
        let mut out = (columns.len() as u16).to_be_bytes().to_vec();
        for column in columns {
            match column {
                Col::Null => out.push(b'n'),
                Col::Unchanged => out.push(b'u'),
                Col::Text(text) => {
                    out.push(b't');
                    out.extend((text.len() as u32).to_be_bytes());
                    out.extend(text.bytes());
                }
            }
        }
        out
    }

    pub(crate) fn insert(relation: u32, new: &[Col<'_>]) -> Vec<u8> {
        [b"I".as_slice(), &relation.to_be_bytes(), b"N", &tuple(new)].concat()
    }

    pub(crate) fn update(relation: u32, old: Option<(u8, &[Col<'_>])>, new: &[Col<'_>]) -> Vec<u8> {
        let mut out = [b"U".as_slice(), &relation.to_be_bytes()].concat();
        if let Some((kind, old)) = old {
            out.push(kind);
            out.extend(tuple(old));
        }
        out.push(b'N');
        out.extend(tuple(new));
        out
    }

    pub(crate) fn delete(relation: u32, kind: u8, old: &[Col<'_>]) -> Vec<u8> {
        [b"D".as_slice(), &relation.to_be_bytes(), &[kind], &tuple(old)].concat()
    }

    pub(crate) fn truncate(relations: &[u32]) -> Vec<u8> {
        let mut out = [b"T".as_slice(), &(relations.len() as u32).to_be_bytes(), b"\0"].concat();
        for relation in relations {
            out.extend(relation.to_be_bytes());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::encode::{self, Col};
    use super::*;
    use proptest::prelude::*;

    fn users() -> Relation {
        Relation {
            id: 16_385,
            name: TableName::new("public", "users"),
            identity: b'd',
            columns: vec![
                RelationColumn {
                    identity: true,
                    name: "id".into(),
                    type_oid: 23,
                    modifier: -1,
                },
                RelationColumn {
                    identity: false,
                    name: "name".into(),
                    type_oid: 1043,
                    modifier: 14,
                },
            ],
        }
    }

    fn samples() -> Vec<Vec<u8>> {
        let row = [Col::Text("1"), Col::Text("Ada")];
        vec![
            encode::begin(100, 7, 555),
            encode::relation(&users()),
            encode::insert(16_385, &row),
            encode::update(16_385, None, &[Col::Text("1"), Col::Unchanged]),
            encode::update(16_385, Some((b'K', &[Col::Text("1"), Col::Null])), &row),
            encode::update(16_385, Some((b'O', &row)), &row),
            encode::delete(16_385, b'K', &[Col::Text("1"), Col::Null]),
            encode::truncate(&[16_385, 16_390]),
            encode::commit(100, 150),
        ]
    }

    fn whole(bytes: &[u8]) -> Result<Message, Malformed> {
        parse(bytes, 0..bytes.len())
    }

    #[test]
    fn a_transaction_is_read_message_by_message() {
        assert_eq!(
            whole(&encode::begin(100, 7, 555)),
            Ok(Message::Begin {
                final_lsn: 100,
                commit_us: 7,
                xid: 555
            })
        );
        assert_eq!(whole(&encode::relation(&users())), Ok(Message::Relation(users())));
        assert_eq!(
            whole(&encode::commit(100, 150)),
            Ok(Message::Commit { end_lsn: 150 })
        );
        assert_eq!(
            whole(&encode::truncate(&[1, 2])),
            Ok(Message::Truncate {
                relations: vec![1, 2]
            })
        );
    }

    #[test]
    fn columns_are_ranges_of_the_buffer() {
        let bytes = encode::insert(9, &[Col::Text("Ada"), Col::Null, Col::Unchanged, Col::Text("")]);
        let Ok(Message::Insert { relation: 9, new }) = whole(&bytes) else {
            panic!("an insert")
        };
        let columns: Vec<_> = new.columns(&bytes).collect();
        let Column::Text(range) = &columns[0] else {
            panic!("text")
        };
        assert_eq!(&bytes[range.clone()], b"Ada");
        assert_eq!(columns[1..3], [Column::Null, Column::Unchanged]);
        assert!(matches!(&columns[3], Column::Text(range) if range.is_empty()));
    }

    /// PG-045: whatever the cut, nothing torn comes out.
    #[test]
    fn every_cut_of_every_message_is_refused() {
        for message in samples() {
            assert!(whole(&message).is_ok());
            for cut in 0..message.len() {
                assert!(whole(&message[..cut]).is_err(), "{message:?} cut at {cut}");
            }
            let longer = [message.as_slice(), b"x"].concat();
            assert!(whole(&longer).is_err(), "{message:?}");
        }
    }

    #[test]
    fn messages_that_are_not_needed_are_known() {
        assert_eq!(whole(b"O12345678origin\0"), Ok(Message::Origin));
        assert_eq!(whole(b"Y\0\0\0\x01public\0mood\0"), Ok(Message::Type));
        assert!(whole(b"S").is_err());
        assert!(whole(b"").is_err());
    }

    proptest! {
        /// PG-045.
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120), kind in 0usize..10) {
            let mut bytes = bytes;
            if let (Some(first), Some(kind)) = (bytes.first_mut(), b"BCRIUDTOYM".get(kind)) {
                *first = *kind;
            }
            match whole(&bytes) {
                Ok(Message::Insert { new, .. }) => { let _ = new.columns(&bytes).count(); }
                Ok(Message::Delete { old, .. }) => { let _ = old.tuple.columns(&bytes).count(); }
                _ => {}
            }
        }

        /// PG-045: a flipped byte gives another message or an error.
        #[test]
        fn flipped_bytes_never_panic(which in 0usize..9, at in 0usize..60, flip: u8) {
            let mut bytes = samples().swap_remove(which);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= flip;
            }
            if let Ok(Message::Update { new, .. } | Message::Insert { new, .. }) = whole(&bytes) {
                prop_assert_eq!(new.columns(&bytes).count(), new.columns);
            }
        }
    }
}
