//! A log that keeps nothing: what a run stores is not read by another.

use rowtide_api::Error;
use rowtide_api::erased::BoxFuture;
use rowtide_engine::ports::{Log, LogRecord};

/// Durable at once, empty for ever.
pub(super) struct MemoryLog;

impl Log for MemoryLog {
    fn read_all(&self) -> BoxFuture<'_, Result<Vec<LogRecord>, Error>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn append(&self, _records: Vec<LogRecord>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }
}
