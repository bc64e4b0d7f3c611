//! The log under the registry: two methods, so that a local file and a Kafka topic serve alike.

use std::future::Future;
use std::pin::Pin;

use rowtide_api::Error;
use tokio::sync::Mutex;

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
    fn read_all(&self) -> impl Future<Output = Result<Vec<Record>, Error>> + Send;

    /// Adds records, all or none, and waits until they are durable.
    ///
    /// # Errors
    /// They may or may not be in the log: `read_all` tells.
    fn append(&self, records: Vec<Record>) -> impl Future<Output = Result<(), Error>> + Send;
}

/// A log that lives as long as its process, for tests and measurements.
#[derive(Debug, Default)]
pub struct MemoryLog(Mutex<Vec<Record>>);

impl RegistryLog for MemoryLog {
    async fn read_all(&self) -> Result<Vec<Record>, Error> {
        Ok(self.0.lock().await.clone())
    }

    async fn append(&self, records: Vec<Record>) -> Result<(), Error> {
        self.0.lock().await.extend(records);
        Ok(())
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

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
