//! What stands in the place of a task that hung and was dropped.

use rowtide_api::Error;
use rowtide_api::sink::{Partition, SinkBatch, SinkTask};

/// Stands for a task that was dropped.
pub(super) struct Dropped;

impl SinkTask for Dropped {
    async fn put(&mut self, _batch: SinkBatch) -> Result<(), Error> {
        Err(Error::fatal("a batch for a task that was dropped"))
    }

    async fn revoked(&mut self, _partitions: &[Partition]) -> Result<(), Error> {
        Ok(())
    }

    async fn stop(self) -> Result<(), Error> {
        Ok(())
    }
}
