//! Writes a batch in one transaction; what the server refuses is found by halving and left out alone.

use std::collections::HashMap;
use std::sync::Arc;

use rowtide_api::sink::{PutReport, SinkRecord};
use rowtide_api::{Error, RecordError, failpoint};
use tokio_postgres::types::ToSql;

use super::config::{SinkConfig, Target};
use super::lacking::Lacking;
use super::plan::{Op, Planner, Shape, collapsed, runs};
use super::refusal::Refusal;
use super::statement::{Table, delete, present, upsert};
use super::table;
use crate::connection::{Connection, Purpose, connect};
use crate::errors;

/// A session and what it knows of its tables.
pub(super) struct Writer {
    connection: Connection,
    tables: HashMap<Target, Arc<Table>>,
}

/// Operations of one table, with the table.
struct Part<'p, 'a> {
    table: Arc<Table>,
    ops: Vec<&'p Op<'a>>,
}

/// How a batch is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Care {
    /// What a later record of the same key replaces is left out; a refusal ends the attempt.
    Quick,
    /// Nothing is left out, so that a refused record takes no other with it; runs are halved down to the refused record.
    Halving,
    /// Deferred constraints are checked with each statement too: at the COMMIT they name no record. A record that another
    /// one further on would have made right is refused then.
    Immediate,
}

/// What a transaction came to.
#[derive(Default)]
struct Done {
    /// Records that were refused and left out.
    rejected: Vec<(u32, RecordError)>,
    /// Rows that began without all of their values.
    lacking: Lacking,
}

/// Why a statement was not carried out.
enum Refused {
    /// Leaving out a record can cure it.
    Record(Refusal),
    /// Nothing about a single record.
    Call(Error),
}

impl Writer {
    /// Opens a session.
    pub(super) async fn open(config: &SinkConfig) -> Result<Self, Error> {
        let connection = connect(&config.connection, Purpose::Sink).await?;
        Ok(Self {
            connection,
            tables: HashMap::new(),
        })
    }

    /// Ends what an interrupted call left: when it returns, no statement of that call is at work any more, and its
    /// transaction is over. The server carries out the statements of a session one after the other, so that the answer to
    /// this one is behind all of them.
    pub(super) async fn quiet(&self) -> Result<(), Error> {
        let done = self.connection.batch_execute("ROLLBACK").await;
        done.map_err(|error| errors::of_client(error, "ending an interrupted transaction"))
    }

    /// Writes the records and accounts for each, and for rows that begin without all of their values. `Ok` is behind the
    /// COMMIT.
    pub(super) async fn write(
        &mut self,
        config: &SinkConfig,
        planner: &mut Planner,
        records: &[SinkRecord],
    ) -> Result<(PutReport, Lacking), Error> {
        let plan = planner.plan(records);
        let groups = by_topic(records, &plan.ops);
        let mut care = Care::Quick;
        let done = loop {
            match self.attempt(config, &groups, care).await {
                Ok(done) => break done,
                Err(Refused::Call(error)) => return Err(self.forget(error)),
                Err(Refused::Record(refusal)) => {
                    tracing::warn!(
                        records = plan.ops.len(),
                        code = refusal.code,
                        "the server refuses a record of this batch; looking for it"
                    );
                    care = match care {
                        Care::Quick => Care::Halving,
                        Care::Halving => Care::Immediate,
                        // Something changed between the checks and the COMMIT.
                        Care::Immediate => {
                            return Err(
                                Error::retriable("committing a batch").because(refusal.into_record_error())
                            );
                        }
                    };
                }
            }
        };
        let mut rejected = plan.rejected;
        rejected.extend(done.rejected);
        rejected.sort_by_key(|(index, _)| *index);
        let others = rejected.len() as u32 + plan.skipped;
        let report = PutReport {
            written: records.len() as u32 - others,
            skipped: plan.skipped,
            rejected,
            note: None,
        };
        Ok((report, done.lacking))
    }

    /// One attempt at the whole batch.
    async fn attempt(
        &mut self,
        config: &SinkConfig,
        groups: &[(String, Vec<&Op<'_>>)],
        care: Care,
    ) -> Result<Done, Refused> {
        let topics: Vec<_> = groups
            .iter()
            .map(|(topic, ops)| match care {
                Care::Quick => (topic.as_str(), collapsed(ops)),
                Care::Halving | Care::Immediate => (topic.as_str(), ops.clone()),
            })
            .collect();
        let parts = self.parts(config, &topics).await.map_err(Refused::Call)?;
        self.transaction(&parts, config.batch_size, care).await
    }

    /// A table may have changed under us: it is read again next time.
    fn forget(&mut self, error: Error) -> Error {
        self.tables.clear();
        error
    }

    async fn parts<'p, 'a>(
        &mut self,
        config: &SinkConfig,
        topics: &[(&str, Vec<&'p Op<'a>>)],
    ) -> Result<Vec<Part<'p, 'a>>, Error> {
        let mut parts = Vec::with_capacity(topics.len());
        for (topic, ops) in topics {
            let target = config.collection.of(topic)?;
            let mut checked: Option<&Arc<Shape>> = None;
            for op in ops {
                // Most records of a batch share one shape.
                if op.delete || checked.is_some_and(|shape| Arc::ptr_eq(shape, &op.shape)) {
                    continue;
                }
                checked = Some(&op.shape);
                let fits = self
                    .tables
                    .get(&target)
                    .is_some_and(|table| table.expect(&op.shape).is_ok());
                if !fits {
                    let table = table::ready(&self.connection, &target, &op.shape, config.evolution).await?;
                    self.tables.insert(target.clone(), Arc::new(table));
                }
            }
            let table = match self.tables.get(&target) {
                Some(table) => table.clone(),
                None => match table::read(&self.connection, &target).await? {
                    Some(table) => Arc::new(table),
                    // Only deletions, and no table: there is nothing to delete.
                    None => continue,
                },
            };
            parts.push(Part {
                table,
                ops: ops.clone(),
            });
        }
        Ok(parts)
    }

    /// One transaction.
    async fn transaction(
        &self,
        parts: &[Part<'_, '_>],
        rows_max: usize,
        care: Care,
    ) -> Result<Done, Refused> {
        let mut whole = Done::default();
        self.command("BEGIN").await?;
        if care == Care::Immediate {
            self.command("SET CONSTRAINTS ALL IMMEDIATE").await?;
        }
        for part in parts {
            for run in runs(&part.ops, rows_max) {
                let done = match care {
                    Care::Quick => self.execute(&part.table, run, &mut whole.lacking).await,
                    Care::Halving | Care::Immediate => self.halve(&part.table, run, &mut whole).await,
                };
                if let Err(refused) = done {
                    // The session is thrown away when this fails too.
                    let _ = self.command("ROLLBACK").await;
                    return Err(refused);
                }
            }
        }
        failpoint::hit("postgres_sink.before_commit");
        // Deferred constraints speak here.
        self.command("COMMIT").await?;
        failpoint::hit("postgres_sink.committed");
        Ok(whole)
    }

    /// Executes a run behind a savepoint; refused, each half on its own, down to the record.
    async fn halve(&self, table: &Table, run: &[&Op<'_>], whole: &mut Done) -> Result<(), Refused> {
        let mut waiting = vec![run];
        while let Some(run) = waiting.pop() {
            self.command("SAVEPOINT run").await?;
            let mut lacking = Lacking::default();
            match self.execute(table, run, &mut lacking).await {
                Ok(()) => {
                    self.command("RELEASE SAVEPOINT run").await?;
                    whole.lacking.add(lacking);
                }
                Err(Refused::Record(refusal)) => {
                    self.command("ROLLBACK TO SAVEPOINT run").await?;
                    match run {
                        [one] => whole.rejected.push((one.index, refusal.into_record_error())),
                        _ => {
                            let (front, back) = run.split_at(run.len() / 2);
                            // The front first: the order of a key's operations stays.
                            waiting.extend([back, front]);
                        }
                    }
                }
                Err(call) => return Err(call),
            }
        }
        Ok(())
    }

    async fn execute(&self, table: &Table, run: &[&Op<'_>], lacking: &mut Lacking) -> Result<(), Refused> {
        let Some(first) = run.first() else { return Ok(()) };
        if !first.delete && !first.shape.gone && !first.shape.lacks.is_empty() {
            let begun = run.len() as u64 - self.present(table, run).await?.min(run.len() as u64);
            lacking.rows(&table.target, &first.shape, begun);
        }
        let (sql, columns) = match first.delete {
            true => (delete(table, &first.shape), first.shape.key_len),
            false => (upsert(table, &first.shape), first.shape.columns.len()),
        };
        let arrays = arrays(run, columns);
        let parameters: Vec<_> = arrays.iter().map(|array| array as &(dyn ToSql + Sync)).collect();
        let done = self.connection.execute(&sql, &parameters).await;
        done.map(|_| ())
            .map_err(|error| refused(error, &format!("writing to the table {}", table.target)))
    }

    /// How many rows of a run are there already.
    async fn present(&self, table: &Table, run: &[&Op<'_>]) -> Result<u64, Refused> {
        let Some(first) = run.first() else { return Ok(0) };
        let arrays = arrays(run, first.shape.key_len);
        let parameters: Vec<_> = arrays.iter().map(|array| array as &(dyn ToSql + Sync)).collect();
        let counted = self
            .connection
            .query_one(&present(table, &first.shape), &parameters)
            .await
            .and_then(|row| row.try_get::<_, i64>(0));
        counted
            .map(i64::unsigned_abs)
            .map_err(|error| refused(error, &format!("reading the table {}", table.target)))
    }

    async fn command(&self, sql: &str) -> Result<(), Refused> {
        self.connection
            .batch_execute(sql)
            .await
            .map_err(|error| refused(error, sql))
    }
}

/// One array of texts per column.
fn arrays<'o>(run: &'o [&Op<'_>], columns: usize) -> Vec<Vec<Option<&'o str>>> {
    let text = |op: &'o Op<'_>, column| op.cells.get(column).and_then(Option::as_deref);
    (0..columns)
        .map(|column| run.iter().map(|op| text(op, column)).collect())
        .collect()
}

fn refused(error: tokio_postgres::Error, doing: &str) -> Refused {
    match Refusal::of(&error) {
        Some(refusal) => Refused::Record(refusal),
        None => Refused::Call(errors::of_client(error, doing)),
    }
}

/// The operations by the topic of their record, topics in order of appearance.
fn by_topic<'p, 'a>(records: &[SinkRecord], ops: &'p [Op<'a>]) -> Vec<(String, Vec<&'p Op<'a>>)> {
    let mut groups: Vec<(String, Vec<&Op<'a>>)> = Vec::new();
    for op in ops {
        let Some(record) = records.get(op.index as usize) else {
            continue;
        };
        match groups
            .iter_mut()
            .find(|(topic, _)| **topic == *record.record.topic)
        {
            Some((_, group)) => group.push(op),
            None => groups.push((record.record.topic.to_string(), vec![op])),
        }
    }
    groups
}
