//! The log under the registry: two methods, so that a local file and a Kafka topic serve alike.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;

use super::record::Record;

/// An ordered log of keyed records.
///
/// | The server promises | The log promises |
/// |---|---|
/// | one `append` at a time, after one `read_all` | `Ok` from `append` only when a crash of this machine cannot undo it |
/// | after an `append` that failed or was dropped, `read_all` before the next | `read_all` awaits an `append` that was dropped, and shows its outcome |
///
/// Records that the server does not understand are kept. Older records of a key may be dropped, the newest not.
pub trait RegistryLog: Send + Sync + 'static {
    /// All records, oldest first.
    ///
    /// # Errors
    /// The log cannot be read.
    fn read_all(&self) -> impl Future<Output = Result<Vec<Record>, LogError>> + Send;

    /// Adds records, all or none, and waits until they are durable.
    ///
    /// # Errors
    /// They may or may not be in the log: `read_all` tells.
    fn append(&self, records: Vec<Record>) -> impl Future<Output = Result<(), LogError>> + Send;
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, LogError>> + Send + 'a>>;

/// [`RegistryLog`] behind a pointer.
pub(super) trait AnyLog: Send + Sync {
    fn read_all(&self) -> Boxed<'_, Vec<Record>>;
    fn append(&self, records: Vec<Record>) -> Boxed<'_, ()>;
}

impl<L: RegistryLog> AnyLog for L {
    fn read_all(&self) -> Boxed<'_, Vec<Record>> {
        Box::pin(RegistryLog::read_all(self))
    }

    fn append(&self, records: Vec<Record>) -> Boxed<'_, ()> {
        Box::pin(RegistryLog::append(self, records))
    }
}

/// A failure of the log.
#[derive(Debug)]
pub enum LogError {
    /// No space is left; the log is as it was.
    Full(PathBuf),
    /// Another process uses the file.
    InUse(PathBuf),
    /// The file is not one of ours, or not of a version this program reads.
    Foreign(PathBuf),
    /// A line is damaged, otherwise than by a write that was killed.
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A write ended unclearly; the file must be opened anew.
    Unclear(PathBuf),
    /// A record that the log cannot hold.
    Unfit(&'static str),
    /// Another failure of the operating system.
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// The cause.
        cause: io::Error,
    },
    /// Another failure, in words.
    Other(String),
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(path) => {
                write!(
                    f,
                    "no space left for the registry's file {}: free some; the file is unharmed",
                    path.display()
                )
            }
            Self::InUse(path) => write!(
                f,
                "the registry's file {} is in use by another process: stop that one, or name another file",
                path.display()
            ),
            Self::Foreign(path) => write!(
                f,
                "{} is not a registry file that this version reads: name another file; it was not touched",
                path.display()
            ),
            Self::Damaged { path, line } => write!(
                f,
                "the registry's file {} is damaged in line {line}: restore it from a copy; it was not touched",
                path.display()
            ),
            Self::Unclear(path) => write!(
                f,
                "a write to the registry's file {} ended unclearly: restart the worker to open it anew",
                path.display()
            ),
            Self::Unfit(reason) => f.write_str(reason),
            Self::Io { path, doing, cause } => {
                write!(f, "{doing} the registry's file {}: {cause}", path.display())
            }
            Self::Other(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for LogError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { cause, .. } => Some(cause),
            _ => None,
        }
    }
}
