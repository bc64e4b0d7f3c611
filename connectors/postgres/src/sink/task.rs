//! The connector and its task: one transaction per put.

use std::sync::Arc;

use rowtide_api::config::ConfigReport;
use rowtide_api::sink::{Partition, SinkBatch, SinkConnector, SinkTask};
use rowtide_api::{Error, Plugin, TaskContext};

use super::check;
use super::config::SinkConfig;
use super::plan::Planner;
use super::writer::Writer;

/// Flat records into Postgres by upserts.
pub struct PostgresSink {
    config: Arc<SinkConfig>,
}

impl Plugin for PostgresSink {
    const CLASS: &'static str = "dev.rowtide.PostgresSinkConnector";
    const ALIASES: &'static [&'static str] = &["PostgresSink"];
    type Config = SinkConfig;

    async fn check(config: &SinkConfig, report: &mut ConfigReport) {
        check::check(config, report).await;
    }
}

impl SinkConnector for PostgresSink {
    type Task = PostgresSinkTask;

    fn open(config: SinkConfig) -> Result<Self, Error> {
        Ok(Self {
            config: Arc::new(config),
        })
    }

    async fn start(&self, context: TaskContext) -> Result<PostgresSinkTask, Error> {
        let writer = Writer::open(&self.config).await?;
        context.progress.recovered();
        let planner = Planner::new(self.config.key_fields.clone(), self.config.delete_enabled);
        Ok(PostgresSinkTask {
            config: self.config.clone(),
            context,
            planner,
            writer: Some(writer),
        })
    }
}

/// A task: its session, unless a put lost it.
pub struct PostgresSinkTask {
    config: Arc<SinkConfig>,
    context: TaskContext,
    planner: Planner,
    writer: Option<Writer>,
}

impl SinkTask for PostgresSinkTask {
    /// Writes the batch and settles it. The session is out of `self` meanwhile: a put that is dropped, or that failed,
    /// takes it along, and the server rolls back.
    async fn put(&mut self, batch: SinkBatch) -> Result<(), Error> {
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => Writer::open(&self.config).await?,
        };
        match writer
            .write(&self.config, &mut self.planner, &batch.records)
            .await
        {
            Ok(report) => {
                self.context.progress.recovered();
                self.writer = Some(writer);
                batch.settle(Ok(report));
                Ok(())
            }
            Err(error) => {
                batch.settle(Err(error));
                Ok(())
            }
        }
    }

    /// Nothing outlives a put.
    async fn revoked(&mut self, _partitions: &[Partition]) -> Result<(), Error> {
        Ok(())
    }

    async fn stop(self) -> Result<(), Error> {
        Ok(())
    }
}
