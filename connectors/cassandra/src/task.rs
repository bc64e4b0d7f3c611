//! The connector and its tasks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rowtide_api::sink::{Note, Partition, SinkBatch, SinkConnector, SinkTask};
use rowtide_api::{ConfigReport, Error, Plugin, TaskContext};

use crate::check::{self, Unfit};
use crate::clock::PartitionClock;
use crate::config::Settings;
use crate::plan::{Planner, TRUNCATE_IGNORED, Verdict};
use crate::session::Cluster;
use crate::shape::Target;
use crate::writer::{Delivery, Ownership, Shared, Writer};

/// At the end of a task, rows that may lack a value are looked at for this long: most reads take milliseconds, and a stop has
/// to end.
const LOOKED_AT_WITHIN: Duration = Duration::from_secs(1);

/// The connector: what its tasks share.
#[derive(Debug)]
pub struct CassandraSink {
    cluster: Arc<Cluster>,
}

impl Plugin for CassandraSink {
    const CLASS: &'static str = "com.datastax.oss.kafka.sink.CassandraSinkConnector";
    const ALIASES: &'static [&'static str] = &[
        "com.datastax.kafkaconnector.DseSinkConnector",
        "dev.rowtide.CassandraSinkConnector",
    ];
    type Config = Settings;

    async fn check(config: &Settings, report: &mut ConfigReport) {
        check::check(config, report).await;
    }
}

impl SinkConnector for CassandraSink {
    const TASK_CLASS: &'static str = "com.datastax.oss.kafka.sink.CassandraSinkTask";
    type Task = CassandraSinkTask;

    fn open(config: Settings) -> Result<Self, Error> {
        Ok(Self {
            cluster: Arc::new(Cluster::new(config)),
        })
    }

    async fn start(&self, context: TaskContext) -> Result<CassandraSinkTask, Error> {
        let session = self.cluster.session().await?;
        // A table created since the session was opened is found too.
        if let Err(error) = session.refresh_metadata().await {
            return Err(Error::retriable("reading the cluster's tables").because(error));
        }
        let checked = check::tables(&session, &self.cluster.settings)
            .await
            .map_err(unfit)?;
        let (mut targets, mut prepared) = (Vec::new(), Vec::new());
        for table in checked {
            for warning in table.warnings {
                tracing::warn!(key = warning.key, "{}", warning.message);
            }
            tracing::info!(
                insert = table.target.insert_cql(),
                delete = table.target.delete_cql(),
                "prepared"
            );
            targets.push(table.target);
            prepared.push(table.prepared);
        }
        let targets: Arc<[Target]> = targets.into();
        let shared = Shared::new(&self.cluster, session, targets.clone(), prepared, context);
        Ok(CassandraSinkTask {
            planner: Planner::new(targets),
            partitions: HashMap::new(),
            writer: Writer::start(Arc::new(shared)),
        })
    }
}

fn unfit(unfit: Unfit) -> Error {
    match unfit {
        Unfit::Unreached(reason) => Error::retriable(reason),
        Unfit::Findings(findings) => {
            let reasons: Vec<_> = findings
                .into_iter()
                .map(|finding| format!("{}: {}", finding.key, finding.message))
                .collect();
            Error::fatal(reasons.join("; ")).java_class("org.apache.kafka.common.config.ConfigException")
        }
    }
}

/// A task.
#[derive(Debug)]
pub struct CassandraSinkTask {
    planner: Planner,
    partitions: HashMap<Partition, Owned>,
    writer: Writer,
}

/// A partition this task owns.
#[derive(Debug)]
struct Owned {
    clock: PartitionClock,
    ownership: Arc<Ownership>,
}

impl SinkTask for CassandraSinkTask {
    async fn assigned(&mut self, partitions: &[(Partition, Option<Note>)]) -> Result<(), Error> {
        for (partition, note) in partitions {
            let offset = self.planner.offset_of(&partition.topic);
            let clock = PartitionClock::restored(note.as_ref(), offset);
            self.planner.adopt_source(&partition.topic, &clock);
            let owned = Owned {
                clock,
                ownership: Arc::default(),
            };
            if let Some(before) = self.partitions.insert(partition.clone(), owned) {
                before.ownership.revoke();
            }
        }
        self.writer.sweep().await;
        Ok(())
    }

    async fn put(&mut self, batch: SinkBatch) -> Result<(), Error> {
        if let Err(error) = self.writer.room().await {
            batch.settle(Err(error.clone()));
            return Err(error);
        }
        let offset = self.planner.offset_of(&batch.partition.topic);
        let owned = self
            .partitions
            .entry(batch.partition.clone())
            .or_insert_with(|| Owned {
                clock: PartitionClock::new(offset),
                ownership: Arc::default(),
            });
        let planned = match self.planner.plan(&batch.records, &mut owned.clock, now_us()) {
            Ok(planned) => planned,
            Err(error) => {
                batch.settle(Err(error.clone()));
                return Err(error);
            }
        };
        let shared = &self.writer.shared;
        for (record, verdict) in batch.records.iter().zip(&planned.verdicts) {
            match verdict {
                Verdict::Write => {}
                Verdict::Skip(reason) => {
                    shared.counters.skipped(reason);
                    if *reason == TRUNCATE_IGNORED {
                        let topic = &*record.record.topic;
                        tracing::warn!(
                            topic,
                            "a truncate of the source table was ignored; its rows stay in Cassandra"
                        );
                    }
                }
                Verdict::Reject(_) => shared.counters.rejected(),
            }
        }
        let bytes = planned
            .mutations
            .iter()
            .map(|(_, mutation)| mutation.cells.len())
            .sum();
        let delivery = Delivery::new(
            batch.ticket,
            planned.verdicts,
            (planned.mutations.len(), bytes),
            owned.clock.note(),
            &shared.budget,
            &owned.ownership,
        );
        shared.counters.buffered(shared.budget.bytes());
        self.writer.deliver(planned.mutations, delivery).await
    }

    async fn revoked(&mut self, partitions: &[Partition]) -> Result<(), Error> {
        let owned: Vec<Owned> = partitions
            .iter()
            .filter_map(|partition| self.partitions.remove(partition))
            .collect();
        self.give_back(owned).await;
        Ok(())
    }

    async fn stop(mut self) -> Result<(), Error> {
        let owned = std::mem::take(&mut self.partitions).into_values().collect();
        self.give_back(owned).await;
        self.writer.shared.checker.flush(LOOKED_AT_WITHIN).await;
        self.writer.stop().await;
        Ok(())
    }
}

impl CassandraSinkTask {
    /// Drops what is queued and waits for what is in flight (CS-129).
    async fn give_back(&self, owned: Vec<Owned>) {
        for partition in &owned {
            partition.ownership.revoke();
        }
        self.writer.sweep().await;
        for partition in &owned {
            partition.ownership.emptied().await;
        }
        self.writer.shared.checker.forget();
    }
}

/// The present, in microseconds. Guards against timestamps far ahead; no timestamp is made of it (CS-103).
fn now_us() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_micros()).ok())
        .unwrap_or(0)
}
