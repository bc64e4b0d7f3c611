//! A log in memory.

use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rowtide_api::Error;
use rowtide_api::erased::BoxFuture;
use rowtide_engine::ports::{Log, LogRecord};
use tokio::time::sleep;

use crate::faults::{LogFault, Script};

/// A log in memory. Clones are the same log: opening it again is a clone.
#[derive(Debug, Clone, Default)]
pub struct MemoryLog {
    records: Arc<Mutex<Vec<LogRecord>>>,
    /// What goes wrong; one step per append.
    pub faults: Script<LogFault>,
}

impl MemoryLog {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every record that was stored, oldest first.
    pub fn records(&self) -> Vec<LogRecord> {
        self.lock().clone()
    }

    /// The newest value of a key, as text; `None` when it was never set, or was removed.
    pub fn text(&self, key: &str) -> Option<String> {
        let records = self.lock();
        let newest = records.iter().rev().find(|record| record.key == key.as_bytes())?;
        let value = newest.value.as_ref()?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// Removes what a later record of the same key has replaced, and keys that were removed.
    pub fn compact(&self) {
        let mut records = self.lock();
        let newest = |at: usize| records[at + 1..].iter().all(|later| later.key != records[at].key);
        let kept = (0..records.len()).filter(|at| newest(*at) && records[*at].value.is_some());
        let kept = kept.map(|at| records[at].clone()).collect();
        *records = kept;
    }

    fn lock(&self) -> MutexGuard<'_, Vec<LogRecord>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for MemoryLog {
    fn read_all(&self) -> BoxFuture<'_, Result<Vec<LogRecord>, Error>> {
        Box::pin(async move { Ok(self.records()) })
    }

    fn append(&self, records: Vec<LogRecord>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let stored = |records: Vec<LogRecord>| self.lock().extend(records);
            match self.faults.step() {
                None => stored(records),
                Some(LogFault::Failed(error)) => return Err(error),
                Some(LogFault::Cut(count, error)) => {
                    stored(records.into_iter().take(count).collect());
                    return Err(error);
                }
                Some(LogFault::AnsweredLate(wait)) => {
                    stored(records);
                    sleep(wait).await;
                }
                Some(LogFault::AnswerLost) => {
                    stored(records);
                    return Err(Error::retriable("appending to the log: the answer was lost"));
                }
                Some(LogFault::Hangs) => pending().await,
            }
            Ok(())
        })
    }
}
