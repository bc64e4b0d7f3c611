//! Sans-I/O: the lines of the state file.

use rowtide_engine::ports::LogRecord;
use serde_json::Value;

/// The first line: what the file is.
pub(super) const HEADER: &str = "{\"rowtide\":\"state\",\"version\":1}\n";

/// The logs in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Section {
    /// Connectors and target states.
    Config,
    /// Source offsets.
    Offset,
    /// Statuses and topics.
    Status,
    /// Runs of schedules.
    Run,
}

impl Section {
    fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Offset => "offset",
            Self::Status => "status",
            Self::Run => "run",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Config, Self::Offset, Self::Status, Self::Run]
            .into_iter()
            .find(|section| section.name() == name)
    }
}

/// The line of a record; `None` when key or value are no UTF-8, which Connect's formats always are.
pub(super) fn line(section: Section, record: &LogRecord) -> Option<String> {
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).map(Value::from).ok();
    let value = match &record.value {
        Some(value) => text(value)?,
        None => Value::Null,
    };
    let fields = Value::Array(vec![Value::from(section.name()), text(&record.key)?, value]);
    Some(format!("{fields}\n"))
}

/// The record of a line.
pub(super) fn parse(line: &str) -> Option<(Section, LogRecord)> {
    let fields: Vec<Value> = serde_json::from_str(line).ok()?;
    let [Value::String(section), Value::String(key), value] = fields.as_slice() else {
        return None;
    };
    let value = match value {
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Null => None,
        _ => return None,
    };
    Some((
        Section::parse(section)?,
        LogRecord {
            key: key.clone().into_bytes(),
            value,
        },
    ))
}
