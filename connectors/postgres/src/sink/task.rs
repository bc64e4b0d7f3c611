//! The connector and its task: one transaction per put.

use std::sync::Arc;

use rowtide_api::config::ConfigReport;
use rowtide_api::sink::{Partition, PutReport, SinkBatch, SinkConnector, SinkRecord, SinkTask};
use rowtide_api::{Error, Plugin, TaskContext};

use super::check;
use super::config::SinkConfig;
use super::lacking::Lacking;
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
            writing: false,
            lacking: Lacking::default(),
        })
    }
}

/// A task: its session, unless a put lost it.
pub struct PostgresSinkTask {
    config: Arc<SinkConfig>,
    context: TaskContext,
    planner: Planner,
    writer: Option<Writer>,
    /// A put is at work, or was dropped while it was: its statements may still be.
    writing: bool,
    /// Rows that began without all of their values, since the task started.
    lacking: Lacking,
}

impl PostgresSinkTask {
    async fn write(&mut self, records: &[SinkRecord]) -> Result<PutReport, Error> {
        self.quiet().await;
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self.writer.insert(Writer::open(&self.config).await?),
        };
        self.writing = true;
        let done = writer.write(&self.config, &mut self.planner, records).await;
        self.writing = false;
        if done.is_err() {
            // What the session is in nobody knows; every statement was answered, or the connection is gone.
            self.writer = None;
        }
        done.map(|(report, lacking)| {
            self.tell(lacking);
            report
        })
    }

    /// A row that begins without a value is never silent: it is counted and stands in the status.
    fn tell(&mut self, new: Lacking) {
        for (table, column, rows) in new.iter() {
            let labels = [("table", table), ("column", column)];
            let counter = self
                .context
                .metrics
                .counter("rowtide_postgres_sink_values_unavailable_total", &labels);
            if counter.get() == 0 {
                tracing::warn!(
                    table,
                    column,
                    "rows begin without a value that the source did not send; told once, counted always"
                );
            }
            counter.add(rows);
        }
        if new == Lacking::default() {
            return;
        }
        self.lacking.add(new);
        for (table, column, rows) in self.lacking.iter() {
            let about = format!("{table}.{column}");
            let words = format!(
                "{about}: {rows} rows began without a value that the source did not send, since the task started; run ALTER TABLE … \
                 REPLICA IDENTITY FULL on the source's table, and write these rows once more"
            );
            self.context.progress.warn(about, words);
        }
    }

    /// Waits until a put that was dropped has ended on the server too: it may be at its COMMIT.
    async fn quiet(&mut self) {
        if !self.writing {
            return;
        }
        if let Some(writer) = &self.writer
            && let Err(error) = writer.quiet().await
        {
            tracing::warn!(%error, "the session of an interrupted write is gone");
            self.writer = None;
        }
        // Only now: this call can be dropped as well.
        self.writing = false;
    }
}

impl SinkTask for PostgresSinkTask {
    /// Writes the batch and settles it.
    async fn put(&mut self, batch: SinkBatch) -> Result<(), Error> {
        let done = self.write(&batch.records).await;
        if done.is_ok() {
            self.context.progress.recovered();
        }
        batch.settle(done);
        Ok(())
    }

    /// Nothing outlives a put but what the server still does for one that was dropped.
    async fn revoked(&mut self, _partitions: &[Partition]) -> Result<(), Error> {
        self.quiet().await;
        Ok(())
    }

    async fn stop(mut self) -> Result<(), Error> {
        self.quiet().await;
        Ok(())
    }
}
