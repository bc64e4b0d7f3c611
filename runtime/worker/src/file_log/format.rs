//! Sans-I/O: the lines of a log's file.
//!
//! ```text
//! rowtide-registry 1
//! 9f1c2b3a4d5e6f70 {"keytype":"SCHEMA","subject":"s","version":1,"magic":1}⇥{"subject":"s",…}
//! ```
//!
//! A line holds what one sync made durable: a checksum, then keys and values in turn, separated by tabs; no text stands
//! for a deletion. So an append is in the file whole or, torn by a crash, not at all. Connect's and the registry's formats
//! have no need of a bare tab or line feed: records that hold one are refused.

use rowtide_engine::ports::LogRecord;

const CHECKSUM_DIGITS: usize = 16;

/// Why no line can hold these records; `None` when one can.
pub(super) fn unfit(records: &[LogRecord]) -> Option<&'static str> {
    let bare = |bytes: &[u8]| bytes.iter().any(|byte| matches!(byte, 0 | b'\t' | b'\n'));
    records.iter().find_map(|record| {
        let value = record.value.as_deref();
        if record.key.is_empty() || value.is_some_and(<[u8]>::is_empty) {
            Some("a record with an empty key or value")
        } else if bare(&record.key) || value.is_some_and(bare) {
            Some("a record with a NUL, tab or line feed outside of JSON texts")
        } else {
            None
        }
    })
}

/// The line of records that [`unfit`] has passed, line feed included.
pub(super) fn line<'a>(records: impl IntoIterator<Item = &'a LogRecord>) -> Vec<u8> {
    let mut body = Vec::new();
    for record in records {
        if !body.is_empty() {
            body.push(b'\t');
        }
        body.extend_from_slice(&record.key);
        body.push(b'\t');
        body.extend_from_slice(record.value.as_deref().unwrap_or_default());
    }
    let mut line = format!("{:016x} ", checksum(&body)).into_bytes();
    line.append(&mut body);
    line.push(b'\n');
    line
}

/// The records of one line without its line feed; `None` when it is damaged.
fn read_line(line: &[u8]) -> Option<Vec<LogRecord>> {
    let (digits, rest) = line.split_at_checked(CHECKSUM_DIGITS)?;
    let body = rest.strip_prefix(b" ")?;
    let digits = std::str::from_utf8(digits).ok()?;
    if u64::from_str_radix(digits, 16).ok()? != checksum(body) {
        return None;
    }
    let mut parts = body.split(|byte| *byte == b'\t');
    let mut records = Vec::new();
    while let Some(key) = parts.next() {
        let value = parts.next()?;
        let value = (!value.is_empty()).then(|| value.to_vec());
        records.push(LogRecord {
            key: key.to_vec(),
            value,
        });
    }
    Some(records)
}

/// What a file holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scan {
    /// Its records, in order.
    pub(super) records: Vec<LogRecord>,
    /// How many bytes hold them; what follows is the torn end of a write that was never confirmed.
    pub(super) whole_bytes: usize,
}

/// Reads what follows the header of `header_bytes`.
///
/// # Errors
/// The line, from 1, that is damaged otherwise than a crash can have done.
pub(super) fn scan(bytes: &[u8], header_bytes: usize) -> Result<Scan, usize> {
    let mut scan = Scan {
        records: Vec::new(),
        whole_bytes: header_bytes,
    };
    let lines = bytes[header_bytes..].split_inclusive(|byte| *byte == b'\n');
    for (index, line) in lines.enumerate() {
        // Every write but the last was synced before the next began. Of the last a crash keeps its beginning, or, when
        // the machine went down, any of its blocks, zeros in place of the others.
        let Some(whole) = line.strip_suffix(b"\n") else {
            break;
        };
        let Some(records) = read_line(whole) else {
            let last = scan.whole_bytes + line.len() == bytes.len();
            if last && whole.contains(&0) {
                break;
            }
            return Err(index + 2);
        };
        scan.records.extend(records);
        scan.whole_bytes += line.len();
    }
    Ok(scan)
}

/// FNV-1a 64: against torn writes, not against malice.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = b"rowtide-registry 1\n";

    fn read(file: &[u8]) -> Result<Scan, usize> {
        scan(file, HEADER.len())
    }

    #[test]
    fn a_line_holds_an_append_with_deletions_in_readable_form() {
        let records = vec![
            LogRecord::set("{\"k\":1}", "{\"v\":\"ü\"}"),
            LogRecord::tombstone("{\"k\":2}"),
        ];
        let line = line(&records);
        assert!(line.ends_with("{\"k\":1}\t{\"v\":\"ü\"}\t{\"k\":2}\t\n".as_bytes()));
        let file = [HEADER, &line].concat();
        let whole_bytes = file.len();
        assert_eq!(read(&file), Ok(Scan { records, whole_bytes }));
    }

    #[test]
    fn an_append_torn_anywhere_is_no_append() {
        let first = line(&[LogRecord::set("a", "1")]);
        let second = line(&[LogRecord::set("b", "2"), LogRecord::set("c", "3")]);
        let file = [HEADER, &first, &second].concat();
        let kept = HEADER.len() + first.len();
        let check = |file: &[u8], what: &str| {
            let scan = read(file).unwrap_or_else(|line| panic!("{what}: line {line}"));
            assert_eq!((scan.records.len(), scan.whole_bytes), (1, kept), "{what}");
        };
        for length in kept..file.len() {
            check(&file[..length], &format!("cut at {length}"));
        }
        // The machine went down: the file has its new length, and zeros where a block was not written.
        for from in kept..file.len() {
            for to in from + 1..=file.len() {
                let mut file = file.clone();
                file[from..to].fill(0);
                check(&file, &format!("zeros from {from} to {to}"));
            }
        }
    }

    #[test]
    fn damage_is_told_by_its_line() {
        let first = line(&[LogRecord::set("a", "1")]);
        let second = line(&[LogRecord::set("b", "2")]);
        let file = [HEADER, &first, &second].concat();
        // Whichever bit of a line flips: never is a confirmed line lost without a word.
        for offset in HEADER.len()..file.len() - 1 {
            let mut file = file.clone();
            file[offset] ^= 1;
            let line = if offset < HEADER.len() + first.len() { 2 } else { 3 };
            assert_eq!(read(&file), Err(line), "byte {offset}");
        }
        let mut zeros = file;
        zeros[HEADER.len() + 3] = 0;
        assert_eq!(read(&zeros), Err(2), "zeros in a line that was synced");
    }

    #[test]
    fn records_that_no_line_can_hold_are_refused() {
        for (key, value) in [("a\tb", "1"), ("a", "1\n"), ("a", ""), ("", "1"), ("a", "\0")] {
            assert!(
                unfit(&[LogRecord::set(key, value)]).is_some(),
                "{key:?} {value:?}"
            );
        }
        assert_eq!(
            unfit(&[LogRecord::set("a", "{}"), LogRecord::tombstone("b")]),
            None
        );
    }
}
