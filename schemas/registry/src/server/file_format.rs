//! Sans-I/O: the lines of the registry's local file.
//!
//! ```text
//! rowtide-registry 1
//! 9f1c2b3a4d5e6f70 {"keytype":"SCHEMA","subject":"s","version":1,"magic":1}⇥{"subject":"s",…}
//! ```
//!
//! A line holds what one append wrote: a checksum, then keys and values in turn, separated by tabs; no text stands for
//! a deletion. So an append is in the file whole or, torn by a crash, not at all. JSON text has no need of a bare tab or
//! line feed: records that hold one are refused.

use super::record::Record;

/// The first line of each file.
pub(super) const HEADER: &[u8] = b"rowtide-registry 1\n";
const CHECKSUM_DIGITS: usize = 16;

/// The line of one append, line feed included.
///
/// # Errors
/// A record that no line can hold.
pub(super) fn line(records: &[Record]) -> Result<Vec<u8>, &'static str> {
    let mut body = Vec::new();
    for record in records {
        let value = record.value.as_deref().unwrap_or_default();
        if record.key.is_empty() || record.value.as_ref().is_some_and(Vec::is_empty) {
            return Err("a record of the registry has an empty key or value");
        }
        if record
            .key
            .iter()
            .chain(value)
            .any(|byte| matches!(byte, b'\t' | b'\n'))
        {
            return Err("a record of the registry has a tab or line feed outside of JSON texts");
        }
        if !body.is_empty() {
            body.push(b'\t');
        }
        body.extend_from_slice(&record.key);
        body.push(b'\t');
        body.extend_from_slice(value);
    }
    let mut line = format!("{:016x} ", checksum(&body)).into_bytes();
    line.append(&mut body);
    line.push(b'\n');
    Ok(line)
}

/// The records of one line without its line feed; `None` when it is damaged.
fn read_line(line: &[u8]) -> Option<Vec<Record>> {
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
        records.push(Record {
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
    pub(super) records: Vec<Record>,
    /// How many bytes hold them; what follows is the torn end of an append that was never answered.
    pub(super) whole_bytes: usize,
}

/// Why a file cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ScanError {
    /// It does not begin with [`HEADER`].
    Foreign,
    /// This line, from 1, is damaged though it ends as it should: a crash cannot have done that.
    Damaged(usize),
}

/// Reads a whole file. An empty file, or one with a torn header, holds nothing.
///
/// # Errors
/// Not one of ours, or damaged otherwise than by a torn end.
pub(super) fn scan(bytes: &[u8]) -> Result<Scan, ScanError> {
    let mut scan = Scan {
        records: Vec::new(),
        whole_bytes: 0,
    };
    let Some(rest) = bytes.strip_prefix(HEADER) else {
        return if HEADER.starts_with(bytes) {
            Ok(scan)
        } else {
            Err(ScanError::Foreign)
        };
    };
    scan.whole_bytes = HEADER.len();
    for (index, line) in rest.split_inclusive(|byte| *byte == b'\n').enumerate() {
        // Only the last line can lack its line feed: a write that was killed leaves its beginning, nothing else.
        let Some(whole) = line.strip_suffix(b"\n") else {
            break;
        };
        scan.records
            .extend(read_line(whole).ok_or(ScanError::Damaged(index + 2))?);
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

    fn record(key: &str, value: Option<&str>) -> Record {
        Record {
            key: key.as_bytes().to_vec(),
            value: value.map(|value| value.as_bytes().to_vec()),
        }
    }

    #[test]
    fn a_line_holds_an_append_with_deletions_in_readable_form() {
        let records = vec![
            record("{\"k\":1}", Some("{\"v\":\"ü\"}")),
            record("{\"k\":2}", None),
        ];
        let line = line(&records).unwrap();
        assert!(line.ends_with("{\"k\":1}\t{\"v\":\"ü\"}\t{\"k\":2}\t\n".as_bytes()));
        let file = [HEADER, &line].concat();
        assert_eq!(
            scan(&file),
            Ok(Scan {
                records,
                whole_bytes: file.len()
            })
        );
    }

    #[test]
    fn an_append_torn_anywhere_is_no_append() {
        let first = line(&[record("a", Some("1"))]).unwrap();
        let second = line(&[record("b", Some("2")), record("c", Some("3"))]).unwrap();
        let file = [HEADER, &first, &second].concat();
        let kept = HEADER.len() + first.len();
        for length in kept..file.len() {
            let scan = scan(&file[..length]).unwrap();
            assert_eq!(
                (scan.records.len(), scan.whole_bytes),
                (1, kept),
                "cut at {length}"
            );
        }
        for length in 0..HEADER.len() {
            assert_eq!(scan(&file[..length]).unwrap().whole_bytes, 0, "cut at {length}");
        }
    }

    #[test]
    fn damage_is_told_by_its_line() {
        let first = line(&[record("a", Some("1"))]).unwrap();
        let second = line(&[record("b", Some("2"))]).unwrap();
        let file = [HEADER, &first, &second].concat();
        // Whichever bit of the first line flips: never is a whole line behind it lost without a word.
        for offset in HEADER.len()..HEADER.len() + first.len() {
            let mut file = file.clone();
            file[offset] ^= 1;
            assert_eq!(scan(&file), Err(ScanError::Damaged(2)), "byte {offset}");
        }
        assert_eq!(scan(b"some other file\n"), Err(ScanError::Foreign));
    }

    #[test]
    fn records_that_no_line_can_hold_are_refused() {
        assert!(line(&[record("a\tb", Some("1"))]).is_err());
        assert!(line(&[record("a", Some("1\n"))]).is_err());
        assert!(line(&[record("a", Some(""))]).is_err());
        assert!(line(&[record("", Some("1"))]).is_err());
    }
}
