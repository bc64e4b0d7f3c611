//! Sans-I/O: the first version of the state file, read so that it can be rewritten when it is opened.
//!
//! A line per record: `["<section>","<key>",<value or null>]`, key and value as JSON strings of their text.

use rowtide_engine::ports::LogRecord;
use serde_json::Value;

use super::Section;
use super::format::unfit;

/// The first line.
pub(super) const HEADER: &str = "{\"rowtide\":\"state\",\"version\":1}\n";

/// The records of a file that begins with [`HEADER`]; a torn last line was never confirmed.
///
/// # Errors
/// The line, from 1, that is damaged.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<LogRecord>, usize> {
    let lines = bytes[HEADER.len()..].split_inclusive(|byte| *byte == b'\n');
    let whole = lines.map_while(|line| line.strip_suffix(b"\n"));
    whole
        .enumerate()
        .map(|(index, line)| record(line).ok_or(index + 2))
        .collect()
}

fn record(line: &[u8]) -> Option<LogRecord> {
    let fields: Vec<Value> = serde_json::from_slice(line).ok()?;
    let [Value::String(section), Value::String(key), value] = fields.as_slice() else {
        return None;
    };
    let value = match value {
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Null => None,
        _ => return None,
    };
    let key = Section::parse(section)?.key(key.as_bytes());
    let record = LogRecord { key, value };
    unfit(std::slice::from_ref(&record)).is_none().then_some(record)
}
