//! A log in a local file: append, fsync, compaction by rename. The worker's state and the embedded registry's schemas
//! each lie in one.
//!
//! A crash leaves every append that was confirmed, and of the others each whole or not at all.

mod disk;
mod file;
mod format;
#[cfg(test)]
mod kill;
mod kind;
mod section;
mod version1;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rowtide_api::Error;
use rowtide_engine::ports::LogRecord;
use tokio::sync::oneshot;

use disk::LocalDisk;
use file::LogFile;
pub(crate) use kind::Kind;
pub(crate) use section::{FileSection, Section};
use writer::{Request, Writer};

/// A log in a file, owned by one process at a time.
#[derive(Clone)]
pub(crate) struct FileLog {
    kind: Kind,
    path: Arc<PathBuf>,
    requests: std::sync::mpsc::SyncSender<Request>,
}

impl FileLog {
    /// Opens the file, or creates it, and takes its lock.
    ///
    /// # Errors
    /// In use, not ours, damaged, or not accessible: fatal, and an existing file stays as it is.
    pub(crate) fn open(kind: Kind, path: &Path) -> Result<Self, Error> {
        let file = LogFile::open(kind, path, LocalDisk)?;
        Ok(Self {
            kind,
            path: Arc::new(path.to_owned()),
            requests: Writer::start(kind, file)?,
        })
    }

    /// One of the logs in the state file.
    pub(crate) fn section(&self, section: Section) -> FileSection {
        FileSection {
            section,
            file: self.clone(),
        }
    }

    /// All records, oldest first; older ones of a key may be missing. What was asked for before is in them or failed.
    ///
    /// # Errors
    /// The disk does not answer: retriable.
    pub(crate) async fn read_all(&self) -> Result<Vec<LogRecord>, Error> {
        self.ask(Request::Read).await
    }

    /// Adds records, all or none, and waits until a crash cannot undo it.
    ///
    /// # Errors
    /// Retriable; they are not in the log. Fatal for records that no file can hold.
    pub(crate) async fn append(&self, records: Vec<LogRecord>) -> Result<(), Error> {
        if let Some(what) = format::unfit(&records) {
            let shown = self.kind.shown(&self.path);
            return Err(Error::fatal(format!("{shown} cannot hold {what}"))
                .hint("take control characters out of the names of connectors and of what they read"));
        }
        self.ask(|reply| Request::Append(records, reply)).await
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Request,
    ) -> Result<T, Error> {
        let failed = |what: &str| Error::retriable(format!("{} {what}", self.kind.shown(&self.path)));
        let (reply, answer) = oneshot::channel();
        // The writer takes requests as fast as it syncs; a full queue means many are being answered by one sync.
        self.requests
            .try_send(request(reply))
            .map_err(|_| failed("does not keep up").hint("look at its disk: it is too slow"))?;
        answer
            .await
            .map_err(|_| failed("has lost its writer").hint("restart the worker"))?
    }
}

#[cfg(test)]
mod contract;
#[cfg(test)]
mod tests;
