//! Sans-I/O: the limit of encoding: the envelope of this one table, written by hand (PF-102).
//!
//! It knows the columns of `bench` and their order, trusts what it reads, and writes each record's value over the one
//! before. It makes no key, no header, no record, and shares no code with ours: what it writes has to be the same bytes.

use std::ops::Range;

/// Microseconds between 1970-01-01 and 2000-01-01.
const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;
/// Columns of `bench`.
const COLUMNS: usize = 12;

/// What is the same on all records, or carried from one message to the next.
#[derive(Debug)]
pub struct HandEncoder {
    /// Magic byte and schema id.
    prefix: [u8; 5],
    /// `version`, `connector`, `name` as Avro strings.
    head: Vec<u8>,
    /// `snapshot` and `db`.
    database: Vec<u8>,
    /// `schema` and `table`.
    table: Vec<u8>,
    commit_us: i64,
    xid: i64,
    /// `["<end of the last commit>",` and then the LSN of the change.
    sequence: Vec<u8>,
    last_commit: Option<u64>,
    now_ns: i64,
    out: Vec<u8>,
}

/// Where the text of a column lies; `None` is null.
type Column = Option<Range<usize>>;

impl HandEncoder {
    /// An encoder for the stream of one table. `last_commit`: where the stream goes on.
    pub fn new(
        schema_id: i32,
        version: &str,
        prefix: &str,
        database: &str,
        last_commit: Option<u64>,
    ) -> Self {
        let id = schema_id.to_be_bytes();
        let mut head = Vec::new();
        for text in [version, "postgresql", prefix] {
            string(&mut head, text.as_bytes());
        }
        let mut block = vec![0];
        string(&mut block, b"false");
        string(&mut block, database.as_bytes());
        Self {
            prefix: [0, id[0], id[1], id[2], id[3]],
            head,
            database: block,
            table: Vec::new(),
            commit_us: 0,
            xid: 0,
            sequence: Vec::new(),
            last_commit,
            now_ns: 0,
            out: Vec::with_capacity(1024),
        }
    }

    /// Encodes the inserts among these frames and shows each value; answers how many there were. `now_ns`: the clock.
    pub fn encode(&mut self, frames: &[u8], now_ns: i64, mut show: impl FnMut(&[u8])) -> u64 {
        self.now_ns = now_ns;
        let (mut at, mut count) = (0, 0);
        while let Some(head) = frames.get(at..at + 5) {
            let end = at + 1 + u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
            let Some(body) = frames.get(at + 5..end) else {
                break;
            };
            at = end;
            if body[0] != b'w' {
                continue;
            }
            let (lsn, message) = (long(body, 1), &body[25..]);
            match message[0] {
                b'I' => {
                    self.insert(lsn, message);
                    show(&self.out);
                    count += 1;
                }
                b'B' => self.begin(message),
                b'C' => self.last_commit = Some(long(message, 10)),
                b'R' => self.relation(message),
                _ => {}
            }
        }
        count
    }

    fn begin(&mut self, message: &[u8]) {
        self.commit_us = long(message, 9).cast_signed() + POSTGRES_EPOCH_US;
        self.xid = i64::from(u32::from_be_bytes([
            message[17],
            message[18],
            message[19],
            message[20],
        ]));
        self.sequence.clear();
        match self.last_commit {
            None => self.sequence.extend_from_slice(b"[null,\""),
            Some(lsn) => {
                self.sequence.extend_from_slice(b"[\"");
                digits(&mut self.sequence, lsn);
                self.sequence.extend_from_slice(b"\",\"");
            }
        }
    }

    fn relation(&mut self, message: &[u8]) {
        let mut names = message[5..].split(|byte| *byte == 0);
        self.table.clear();
        for name in [names.next(), names.next()].into_iter().flatten() {
            string(&mut self.table, name);
        }
    }

    fn insert(&mut self, lsn: u64, message: &[u8]) {
        let columns = columns(&message[8..]);
        let text = |index: usize| columns[index].clone().map(|range| &message[8..][range]);
        let out = &mut self.out;
        out.clear();
        out.extend_from_slice(&self.prefix);
        // before: null; after: there.
        out.extend_from_slice(&[0, 2]);
        varint(out, whole(text(0).unwrap_or_default()));
        for index in 1..5 {
            optional(out, text(index), string);
        }
        optional(out, text(5), |out, text| varint(out, whole(text)));
        optional(out, text(6), |out, text| out.push(u8::from(text == b"t")));
        optional(out, text(7), decimal);
        optional(out, text(8), double);
        optional(out, text(9), string);
        optional(out, text(10), instant);
        optional(out, text(11), string);
        out.extend_from_slice(&self.head);
        varint(out, self.commit_us.div_euclid(1000));
        out.extend_from_slice(&self.database);
        out.push(2);
        let before = self.sequence.len();
        digits(&mut self.sequence, lsn);
        self.sequence.extend_from_slice(b"\"]");
        string(out, &self.sequence);
        self.sequence.truncate(before);
        optional_long(out, self.commit_us);
        optional_long(out, self.commit_us * 1000);
        out.extend_from_slice(&self.table);
        optional_long(out, self.xid);
        optional_long(out, lsn.cast_signed());
        // xmin, origin, origin_lsn, and the transaction block: null.
        out.extend_from_slice(&[0, 0, 0, 0]);
        string(out, b"c");
        optional_long(out, self.now_ns / 1_000_000);
        optional_long(out, self.now_ns / 1000);
        optional_long(out, self.now_ns);
    }
}

fn columns(tuple: &[u8]) -> [Column; COLUMNS] {
    let mut columns = [const { None }; COLUMNS];
    let mut at = 0;
    for column in &mut columns {
        let kind = tuple[at];
        at += 1;
        if kind == b't' {
            let length =
                u32::from_be_bytes([tuple[at], tuple[at + 1], tuple[at + 2], tuple[at + 3]]) as usize;
            *column = Some(at + 4..at + 4 + length);
            at += 4 + length;
        }
    }
    columns
}

#[inline]
fn optional(out: &mut Vec<u8>, text: Option<&[u8]>, write: impl FnOnce(&mut Vec<u8>, &[u8])) {
    match text {
        None => out.push(0),
        Some(text) => {
            out.push(2);
            write(out, text);
        }
    }
}

#[inline]
fn optional_long(out: &mut Vec<u8>, number: i64) {
    out.push(2);
    varint(out, number);
}

#[inline]
fn varint(out: &mut Vec<u8>, number: i64) {
    let mut rest = (number << 1 ^ number >> 63).cast_unsigned();
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[inline]
fn string(out: &mut Vec<u8>, text: &[u8]) {
    varint(out, text.len() as i64);
    out.extend_from_slice(text);
}

fn whole(text: &[u8]) -> i64 {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let number = digits
        .iter()
        .fold(0i64, |number, digit| number * 10 + i64::from(digit - b'0'));
    if negative { -number } else { number }
}

/// numeric(12,2): the digits without the point, as the fewest bytes that keep the sign.
fn decimal(out: &mut Vec<u8>, text: &[u8]) {
    let mut digits = [0; 24];
    let mut len = 0;
    for byte in text.iter().filter(|byte| **byte != b'.') {
        digits[len] = *byte;
        len += 1;
    }
    let bytes = whole(&digits[..len]).to_be_bytes();
    let mut first = 0;
    while first < 7
        && (bytes[first] == 0 && bytes[first + 1] < 0x80 || bytes[first] == 0xff && bytes[first + 1] >= 0x80)
    {
        first += 1;
    }
    string(out, &bytes[first..]);
}

fn double(out: &mut Vec<u8>, text: &[u8]) {
    let number: f64 = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(f64::NAN);
    out.extend_from_slice(&number.to_le_bytes());
}

/// `2026-01-05 10:00:00.12+00` in UTC, patched to `2026-01-05T10:00:00.120000Z`.
fn instant(out: &mut Vec<u8>, text: &[u8]) {
    let mut iso = *b"0000-00-00T00:00:00.000000Z";
    iso[..10].copy_from_slice(&text[..10]);
    iso[11..19].copy_from_slice(&text[11..19]);
    if text[19] == b'.' {
        let fraction = &text[20..text.len() - 3];
        iso[20..20 + fraction.len()].copy_from_slice(fraction);
    }
    string(out, &iso);
}

fn digits(out: &mut Vec<u8>, mut number: u64) {
    let mut text = [0; 20];
    let mut at = text.len();
    loop {
        at -= 1;
        text[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&text[at..]);
}

fn long(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_be_bytes(word)
}
