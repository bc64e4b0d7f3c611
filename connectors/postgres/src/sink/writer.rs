//! Writes a batch in one transaction; what the server refuses is found by halving and left out alone.

use std::collections::HashMap;
use std::sync::Arc;

use rowtide_api::sink::{PutReport, SinkRecord};
use rowtide_api::{Error, RecordError, failpoint};
use tokio_postgres::types::ToSql;

use super::config::{SinkConfig, Target};
use super::plan::{Op, Planner, collapsed, runs};
use super::refusal::Refusal;
use super::statement::{Table, delete, upsert};
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

    /// Writes the records and accounts for each. `Ok` is behind the COMMIT.
    pub(super) async fn write(
        &mut self,
        config: &SinkConfig,
        planner: &mut Planner,
        records: &[SinkRecord],
    ) -> Result<PutReport, Error> {
        let plan = planner.plan(records);
        let mut rejected = plan.rejected;
        let groups = by_topic(records, &plan.ops);
        let all: Vec<_> = groups.iter().flat_map(|(_, ops)| ops.iter().copied()).collect();
        let topics = groups
            .iter()
            .map(|(topic, ops)| (topic.as_str(), collapsed(ops)))
            .collect::<Vec<_>>();
        let parts = self.parts(config, &topics).await?;
        match self.transaction(&parts, config.batch_size, None).await {
            Ok(()) => {}
            Err(Refused::Call(error)) => return Err(self.forget(error)),
            // Once more, carefully: nothing collapsed, so that a refused record takes no other with it.
            Err(Refused::Record(_)) => {
                tracing::warn!(
                    records = all.len(),
                    "the server refuses a record of this batch; looking for it"
                );
                let topics = groups
                    .iter()
                    .map(|(topic, ops)| (topic.as_str(), ops.clone()))
                    .collect::<Vec<_>>();
                let parts = self.parts(config, &topics).await?;
                match self
                    .transaction(&parts, config.batch_size, Some(&mut rejected))
                    .await
                {
                    Ok(()) => {}
                    Err(Refused::Call(error)) => return Err(self.forget(error)),
                    Err(Refused::Record(refusal)) => {
                        return Err(
                            Error::retriable("committing a batch").because(refusal.into_record_error())
                        );
                    }
                }
            }
        }
        rejected.sort_by_key(|(index, _)| *index);
        let others = rejected.len() as u32 + plan.skipped;
        Ok(PutReport {
            written: records.len() as u32 - others,
            skipped: plan.skipped,
            rejected,
            note: None,
        })
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
            for op in ops {
                let fits = self
                    .tables
                    .get(&target)
                    .is_some_and(|table| table.expect(&op.shape).is_ok());
                if !fits && !op.delete {
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

    /// One transaction. With `rejected`, refused records are found by halving and left out.
    async fn transaction(
        &self,
        parts: &[Part<'_, '_>],
        rows_max: usize,
        mut rejected: Option<&mut Vec<(u32, RecordError)>>,
    ) -> Result<(), Refused> {
        self.command("BEGIN").await?;
        for part in parts {
            for run in runs(&part.ops, rows_max) {
                let done = match &mut rejected {
                    None => self.execute(&part.table, run).await,
                    Some(rejected) => self.halve(&part.table, run, rejected).await,
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
        Ok(())
    }

    /// Executes a run behind a savepoint; refused, each half on its own, down to the record.
    async fn halve(
        &self,
        table: &Table,
        run: &[&Op<'_>],
        rejected: &mut Vec<(u32, RecordError)>,
    ) -> Result<(), Refused> {
        let mut waiting = vec![run];
        while let Some(run) = waiting.pop() {
            self.command("SAVEPOINT run").await?;
            match self.execute(table, run).await {
                Ok(()) => self.command("RELEASE SAVEPOINT run").await?,
                Err(Refused::Record(refusal)) => {
                    self.command("ROLLBACK TO SAVEPOINT run").await?;
                    match run {
                        [one] => rejected.push((one.index, refusal.into_record_error())),
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

    async fn execute(&self, table: &Table, run: &[&Op<'_>]) -> Result<(), Refused> {
        let Some(first) = run.first() else { return Ok(()) };
        let (sql, columns) = match first.delete {
            true => (delete(table, &first.shape), first.shape.key_len),
            false => (upsert(table, &first.shape), first.shape.columns.len()),
        };
        let arrays: Vec<Vec<Option<&str>>> = (0..columns)
            .map(|column| {
                run.iter()
                    .map(|op| op.cells.get(column).and_then(|cell| cell.as_deref()))
                    .collect()
            })
            .collect();
        let parameters: Vec<&(dyn ToSql + Sync)> =
            arrays.iter().map(|array| array as &(dyn ToSql + Sync)).collect();
        let done = self.connection.execute(&sql, &parameters).await;
        done.map(|_| ())
            .map_err(|error| refused(error, &format!("writing to the table {}", table.target)))
    }

    async fn command(&self, sql: &str) -> Result<(), Refused> {
        self.connection
            .batch_execute(sql)
            .await
            .map_err(|error| refused(error, sql))
    }
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
