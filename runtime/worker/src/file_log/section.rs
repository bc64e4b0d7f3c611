//! The engine's logs, side by side in the state file: each has a name in front of its keys.

use rowtide_api::Error;
use rowtide_api::erased::BoxFuture;
use rowtide_engine::ports::{Log, LogRecord};

use super::FileLog;

/// The logs in the state file. Their records are Connect's, so that each can as well be a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::Config, Self::Offset, Self::Status, Self::Run]
            .into_iter()
            .find(|section| section.name() == name)
    }

    /// The key in the file of a key in this log.
    pub(super) fn key(self, key: &[u8]) -> Vec<u8> {
        [self.name().as_bytes(), b" ", key].concat()
    }

    /// The record of this log that a record of the file is, if it is one.
    fn own(self, record: LogRecord) -> Option<LogRecord> {
        let key = record
            .key
            .strip_prefix(self.name().as_bytes())?
            .strip_prefix(b" ")?;
        Some(LogRecord {
            key: key.to_vec(),
            value: record.value,
        })
    }
}

/// One log of the state file.
pub(crate) struct FileSection {
    pub(super) section: Section,
    pub(super) file: FileLog,
}

impl Log for FileSection {
    fn read_all(&self) -> BoxFuture<'_, Result<Vec<LogRecord>, Error>> {
        Box::pin(async move {
            let records = self.file.read_all().await?;
            Ok(records
                .into_iter()
                .filter_map(|record| self.section.own(record))
                .collect())
        })
    }

    fn append(&self, mut records: Vec<LogRecord>) -> BoxFuture<'_, Result<(), Error>> {
        for record in &mut records {
            record.key = self.section.key(&record.key);
        }
        Box::pin(self.file.append(records))
    }
}
