//! What the workers of a task share: session, statements, bounds, counters, and the failure that ends them all.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use rowtide_api::context::{Counter, Gauge, Limits, Metrics, TaskContext};
use rowtide_api::{Error, RecordError};
use scylla::client::session::Session;
use scylla::statement::batch::{Batch, BatchType};
use tokio::sync::Semaphore;

use super::checker::Checker;
use super::delivery::Budget;
use super::statement::Bound;
use crate::config::Writing;
use crate::errors;
use crate::mutation::{Deed, Mutation};
use crate::retry::Failure;
use crate::session::{Cluster, Prepared};
use crate::shape::Target;

/// Shared by the workers of a task.
#[derive(Debug)]
pub(crate) struct Shared {
    session: Arc<Session>,
    pub(super) targets: Arc<[Target]>,
    prepared: Vec<RwLock<Arc<Prepared>>>,
    permits: Arc<Semaphore>,
    pub(super) writing: Writing,
    pub(crate) limits: Limits,
    pub(crate) budget: Arc<Budget>,
    pub(crate) counters: Counters,
    /// Looks at rows that may lack a value.
    pub(crate) checker: Checker,
    context: TaskContext,
    failure: OnceLock<Error>,
    degraded: AtomicBool,
    /// Groups written, to tell whether others succeed.
    successes: AtomicU64,
}

/// Counters of one task.
#[derive(Debug)]
pub(crate) struct Counters {
    rows: Vec<[Counter; 2]>,
    pub(super) collapsed: Counter,
    rejected: Counter,
    metrics: Metrics,
    buffered_bytes: Gauge,
}

impl Counters {
    fn new(metrics: &Metrics, targets: &[Target]) -> Self {
        let rows = |target: &Target, op: &str| {
            let name = target.settings.name();
            metrics.counter(
                "rowtide_cassandra_rows_written_total",
                &[("table", &name), ("op", op)],
            )
        };
        Self {
            rows: targets
                .iter()
                .map(|target| [rows(target, "insert"), rows(target, "delete")])
                .collect(),
            collapsed: metrics.counter("rowtide_cassandra_rows_collapsed_total", &[]),
            rejected: metrics.counter("rowtide_cassandra_records_rejected_total", &[]),
            buffered_bytes: metrics.gauge("rowtide_cassandra_buffered_bytes", &[]),
            metrics: metrics.clone(),
        }
    }

    pub(super) fn row(&self, mutation: &Mutation) {
        if let Some([insert, delete]) = self.rows.get(mutation.table) {
            match mutation.deed {
                Deed::Insert => insert.add(1),
                Deed::Delete => delete.add(1),
            }
        }
    }

    pub(super) fn retry(&self, failure: Failure) {
        let labels = [("cause", failure.cause())];
        self.metrics
            .counter("rowtide_cassandra_retries_total", &labels)
            .add(1);
    }

    /// A record without effect.
    pub(crate) fn skipped(&self, reason: &str) {
        let labels = [("reason", reason)];
        self.metrics
            .counter("rowtide_cassandra_records_skipped_total", &labels)
            .add(1);
    }

    /// A refused record.
    pub(crate) fn rejected(&self) {
        self.rejected.add(1);
    }

    /// What waits to be written.
    pub(crate) fn buffered(&self, bytes: usize) {
        self.buffered_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

impl Shared {
    pub(crate) fn new(
        cluster: &Cluster,
        session: Arc<Session>,
        targets: Arc<[Target]>,
        prepared: Vec<Prepared>,
        context: TaskContext,
    ) -> Self {
        Self {
            checker: Checker::start(
                session.clone(),
                targets.clone(),
                cluster.permits.clone(),
                context.clone(),
            ),
            session,
            prepared: prepared
                .into_iter()
                .map(|prepared| RwLock::new(Arc::new(prepared)))
                .collect(),
            permits: cluster.permits.clone(),
            writing: cluster.settings.writing,
            limits: context.limits,
            budget: Arc::new(Budget::new(context.limits)),
            counters: Counters::new(&context.metrics, &targets),
            targets,
            context,
            failure: OnceLock::new(),
            degraded: AtomicBool::new(false),
            successes: AtomicU64::new(0),
        }
    }

    /// The failure that ended writing, if one did.
    pub(crate) fn failure(&self) -> Result<(), Error> {
        match self.failure.get() {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Ends writing; the first failure stays. A waiting `put` learns of it.
    pub(super) fn fail(&self, error: Error) -> Error {
        let first = self.failure.get_or_init(|| error).clone();
        self.budget.wake();
        first
    }

    /// Groups written so far.
    pub(super) fn successes(&self) -> u64 {
        self.successes.load(Ordering::Relaxed)
    }

    pub(super) fn succeeded(&self) {
        self.successes.fetch_add(1, Ordering::Relaxed);
        if self.degraded.swap(false, Ordering::AcqRel) {
            tracing::info!("Cassandra accepts writes again");
            self.context.progress.recovered();
        }
    }

    /// CS-146: the task waits, visibly.
    pub(super) fn degrade(&self, table: usize, words: &str) {
        if !self.degraded.swap(true, Ordering::AcqRel) {
            let table = self.name(table);
            tracing::warn!(table, reason = words, "writes to Cassandra are being retried");
            self.context
                .progress
                .degraded(format!("waiting for Cassandra: writing to {table}: {words}"));
        }
    }

    pub(super) fn name(&self, table: usize) -> String {
        self.targets
            .get(table)
            .map_or_else(String::new, |target| target.settings.name())
    }

    fn prepared(&self, table: usize) -> Arc<Prepared> {
        self.prepared[table]
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// One attempt at one or more mutations of one partition key.
    ///
    /// # Errors
    /// Why it failed, and the server's words.
    pub(super) async fn write(&self, table: usize, mutations: &[&Mutation]) -> Result<(), (Failure, String)> {
        // The semaphore is never closed.
        let Ok(_permit) = self.permits.acquire().await else {
            return Err((Failure::Connection, "the connector is closing".to_owned()));
        };
        let (target, prepared) = (&self.targets[table], self.prepared(table));
        let statement = |mutation: &Mutation| match mutation.deed {
            Deed::Insert => &prepared.insert,
            Deed::Delete => &prepared.delete,
        };
        let ended = match mutations {
            [one] => {
                let bound = Bound::new(one, target);
                self.session.execute_unpaged(statement(one), bound).await
            }
            several => {
                let mut batch = Batch::new(BatchType::Unlogged);
                for mutation in several {
                    batch.append_statement(statement(mutation).clone());
                }
                batch.set_is_idempotent(true);
                if let Some(consistency) = prepared.insert.get_consistency() {
                    batch.set_consistency(consistency);
                }
                let values: Vec<_> = several
                    .iter()
                    .map(|mutation| Bound::new(mutation, target))
                    .collect();
                self.session.batch(&batch, values).await
            }
        };
        ended.map(drop).map_err(|error| errors::execution(&error))
    }

    /// CS-143: fresh metadata and fresh statements.
    ///
    /// # Errors
    /// Why it failed; a table whose columns are others by now is a failure of the table.
    pub(super) async fn prepare_again(&self, table: usize) -> Result<(), (Failure, String)> {
        // Preparing asks the server itself; the metadata only serve messages.
        let _ = self.session.refresh_metadata().await;
        let fresh = Prepared::new(&self.session, &self.targets[table])
            .await
            .map_err(|error| errors::prepare(&error))?;
        if !fresh.binds_as(&self.prepared(table)) {
            return Err((
                Failure::Table,
                "its columns have other types than at the start of the task".to_owned(),
            ));
        }
        *self.prepared[table]
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        Ok(())
    }

    /// What to tell the operator about a failure that ends the task.
    pub(super) fn fatal(&self, table: usize, failure: Failure, words: &str) -> Error {
        let name = self.name(table);
        let context = format!("writing to {name}: {words}");
        match failure {
            Failure::Table => Error::fatal(context).hint(format!(
                "check that {name} exists with the mapped columns and that the user may MODIFY it, then restart the task"
            )),
            Failure::Authentication => {
                Error::fatal(context).hint("check auth.username and auth.password, then restart the connector with its tasks")
            }
            _ => Error::fatal(context).hint("deliveryTimeoutMs is over; raise it, or set it to 0 to wait for ever"),
        }
    }

    /// A record the server refuses.
    pub(super) fn refusal(&self, table: usize, words: &str) -> RecordError {
        RecordError::new(format!(
            "Cassandra refuses the row for {}: {words}",
            self.name(table)
        ))
    }
}
