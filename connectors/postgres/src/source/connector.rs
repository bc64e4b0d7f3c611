//! The plug-in: its names, its one task, its live checks.

use std::num::NonZeroU32;
use std::sync::Arc;

use rowtide_api::config::ConfigReport;
use rowtide_api::source::{Altered, ExactlyOnce, SourceConnector, SourceContext, TaskSpec};
use rowtide_api::{Error, Plugin, SourceOffset, SourcePartition};

use super::check;
use super::config::SourceConfig;
use super::offset::{self, Position};
use super::task::PostgresTask;

/// The Postgres source.
pub struct PostgresSource {
    config: Arc<SourceConfig>,
}

impl Plugin for PostgresSource {
    const CLASS: &'static str = "io.debezium.connector.postgresql.PostgresConnector";
    const ALIASES: &'static [&'static str] = &["dev.rowtide.PostgresSourceConnector"];
    type Config = SourceConfig;

    async fn check(config: &SourceConfig, report: &mut ConfigReport) {
        check::check(config, report).await;
    }
}

impl SourceConnector for PostgresSource {
    const TASK_CLASS: &'static str = "io.debezium.connector.postgresql.PostgresConnectorTask";
    type Task = PostgresTask;

    /// Offset and records of a batch belong together, and units end where transactions end.
    fn exactly_once(_config: &SourceConfig) -> ExactlyOnce {
        ExactlyOnce::Supported { boundaries: true }
    }

    fn open(config: SourceConfig) -> Result<Self, Error> {
        Ok(Self {
            config: Arc::new(config),
        })
    }

    /// One slot has one reader.
    async fn plan(&self, _max_tasks: NonZeroU32) -> Result<Vec<TaskSpec>, Error> {
        Ok(vec![TaskSpec::default()])
    }

    async fn alter_offsets(
        &self,
        changes: &[(SourcePartition, Option<SourceOffset>)],
    ) -> Result<Altered, Error> {
        let own = offset::partition(&self.config.records.prefix);
        for (partition, offset) in changes {
            if *partition != own {
                return Err(
                    Error::fatal("the source partition does not belong to this connector")
                        .hint(format!("use {{\"server\": \"{}\"}}", self.config.records.prefix)),
                );
            }
            if let Some(offset) = offset {
                let position = Position::from_offset(offset);
                if position.start().is_none() && position.snapshot.is_none() {
                    return Err(
                        Error::fatal("the offset holds none of lsn_commit, lsn_proc and lsn")
                            .hint("give at least lsn as a whole number"),
                    );
                }
            }
        }
        Ok(Altered::Validated)
    }

    async fn start(&self, context: SourceContext, _spec: TaskSpec) -> Result<PostgresTask, Error> {
        Ok(PostgresTask::new(self.config.clone(), context))
    }
}
