//! The initial snapshot: one COPY per table under the exported snapshot of a slot, exactly where streaming begins.

mod read;
mod rows;

use std::sync::Arc;

use rowtide_api::Error;
use rowtide_api::context::Progress;
use rowtide_api::source::{SourceBatch, Unit};

use super::attach::{Captured, published_columns};
use super::offset::{Identity, Position, SnapshotState, partition};
use super::record::Builder;
use super::replication::relations::{Compiler, TablePlan, snapshot_relation};
use super::replication::transaction::BatchLimits;
use crate::connection::{Settings, Wire};

pub use rows::Rows;

/// What a snapshot is to read.
pub struct Plan {
    /// The session that exported the snapshot: kept idle and open until it is imported (PG-031).
    pub wire: Wire,
    /// Name of the exported snapshot.
    pub snapshot: String,
    /// Its consistent point.
    pub lsn: u64,
    /// Below every change that will be streamed.
    pub floor: u64,
    /// Where streaming begins afterwards.
    pub stream_from: u64,
    /// The transaction id its rows carry.
    pub tx_id: Option<i64>,
    /// For the offsets.
    pub identity: Identity,
    /// What is captured.
    pub captured: Arc<Captured>,
}

/// A running snapshot.
pub struct Snapshot {
    rows: Rows,
    reader: read::Reader,
    part: Option<read::Part>,
    position: Position,
    stream_from: u64,
    partition: rowtide_api::SourcePartition,
    progress: Progress,
    items: Vec<(Arc<str>, Option<u64>)>,
    limits: BatchLimits,
    finished: bool,
}

/// What a snapshot is given besides its plan.
pub struct Surroundings<'a> {
    /// How to get in.
    pub settings: &'a Settings,
    /// Compiles the tables' plans.
    pub compiler: &'a Compiler,
    /// `topic.prefix`
    pub prefix: &'a str,
    /// When a batch is full.
    pub limits: BatchLimits,
    /// For the status.
    pub progress: Progress,
    /// Wall clock, nanoseconds since the epoch.
    pub now_ns: i64,
}

impl Snapshot {
    /// Starts the reader.
    ///
    /// # Errors
    /// Fatal when a table cannot be planned.
    pub fn start(plan: Plan, mut builder: Builder, around: Surroundings<'_>) -> Result<Self, Error> {
        let mut plans: Vec<Arc<TablePlan>> = Vec::new();
        let mut selects = Vec::new();
        let mut items: Vec<(Arc<str>, Option<u64>)> = Vec::new();
        for table in &plan.captured.tables {
            let Some(info) = plan.captured.structures.table(table.oid) else {
                continue;
            };
            let published = published_columns(&plan.captured.published, &table.name);
            let relation = snapshot_relation(table.oid, &table.name, info, published);
            let compiled = around.compiler.compile(&relation, &plan.captured.structures)?;
            selects.push(read::select(&relation, table.kind, &compiled));
            items.push((
                Arc::from(table.name.to_string()),
                u64::try_from(table.estimated_rows).ok(),
            ));
            plans.push(Arc::new(compiled));
        }
        builder.begin_snapshot(plan.tx_id, around.now_ns, plan.floor);
        builder.clock(around.now_ns);
        around.progress.phase("snapshot");
        for (item, estimate) in &items {
            around.progress.item(item.clone(), 0, *estimate);
        }
        Ok(Self {
            rows: Rows::new(plans, builder, plan.lsn),
            position: Position {
                lsn: Some(plan.lsn),
                tx_id: plan.tx_id,
                ts_us: Some(around.now_ns / 1000),
                snapshot: Some(SnapshotState { completed: false }),
                identity: plan.identity,
                ..Position::default()
            },
            reader: read::start(around.settings.clone(), plan.wire, plan.snapshot, selects),
            part: None,
            stream_from: plan.stream_from,
            partition: partition(around.prefix),
            progress: around.progress,
            items,
            limits: around.limits,
            finished: false,
        })
    }

    /// The next batch; `None`: the snapshot is complete and its last batch is out. Cancel-safe.
    ///
    /// # Errors
    /// Those of reading and of building records.
    pub async fn next(&mut self, now_ns: i64) -> Result<Option<SourceBatch>, Error> {
        if self.finished {
            return Ok(None);
        }
        loop {
            if let Some(part) = &mut self.part {
                if self.rows.read(part, now_ns, self.limits)? {
                    return Ok(Some(self.batch()));
                }
                self.part = None;
            }
            let received = match self.reader.parts.try_recv() {
                Ok(received) => Some(received),
                Err(_) if self.rows.ready() > 0 => return Ok(Some(self.batch())),
                Err(_) => self.reader.parts.recv().await,
            };
            match received {
                Some(Ok(part)) => self.part = Some(part),
                Some(Err(error)) => return Err(error),
                None => return Ok(Some(self.last_batch())),
            }
        }
    }

    /// The position of the last batch handed out.
    pub fn position(&self) -> &Position {
        &self.position
    }

    fn batch(&mut self) -> SourceBatch {
        let (table, done) = self.rows.progress();
        if let Some((item, estimate)) = self.items.get(table) {
            self.progress.item(item.clone(), done, *estimate);
        }
        let (records, rejected) = self.rows.take();
        SourceBatch {
            partition: self.partition.clone(),
            records,
            rejected,
            resume_at: Some(self.position.to_offset()),
            unit: Unit::Whole,
        }
    }

    /// PG-151: the last row is marked, and the offset says that the snapshot is complete and where to stream from.
    fn last_batch(&mut self) -> SourceBatch {
        self.finished = true;
        self.rows.finish();
        self.position.snapshot = Some(SnapshotState { completed: true });
        self.position.lsn_proc = Some(self.stream_from);
        self.position.lsn_commit = Some(self.stream_from);
        for (item, _) in &self.items {
            let done = self.rows.rows_of(item);
            self.progress.item(item.clone(), done, Some(done));
        }
        self.batch()
    }
}
