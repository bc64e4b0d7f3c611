//! Reads values again that the server did not send although a record begins its row, on a connection of its own.

mod statement;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use rowtide_api::Error;
use tokio::time::{sleep, timeout};

use self::statement::{Address, Answer, Question};
use super::attach;
use super::config::SourceConfig;
use super::record::missing::{Found, Missing, unreadable};
use crate::connection::{Connection, Purpose, connect};
use crate::errors;

/// How long the records of one batch may wait: longer than a lock or a synchronous standby holds up a healthy database, and
/// then the failure shows and all is read again.
const FILL_MAX: Duration = Duration::from_secs(60);
/// How long one call may take on the server; below that.
const STATEMENT_MAX: Duration = Duration::from_secs(30);
/// Pause before a transaction that is not over yet is looked at again: most end within a millisecond.
const EARLY_PAUSE: Duration = Duration::from_millis(2);
/// The longest of these pauses; each is twice the one before.
const EARLY_PAUSE_MAX: Duration = Duration::from_millis(200);
/// How often the name and the columns of a table are looked up anew for one question: it is renamed rarely.
const ADDRESSES_MAX: u32 = 5;

/// The reader. Its session is opened at the first use.
pub(super) struct Reselect {
    config: Arc<SourceConfig>,
    connection: Option<Connection>,
    /// Tables that are not found any more as the stream names them, by oid.
    moved: HashMap<u32, Address>,
}

impl Reselect {
    pub(super) fn new(config: Arc<SourceConfig>) -> Self {
        Self {
            config,
            connection: None,
            moved: HashMap::new(),
        }
    }

    /// What the database answers for waiting records, one for each.
    ///
    /// # Errors
    /// Retriable when it takes too long or the connection breaks; fatal when the rows cannot be read.
    pub(super) async fn read(&mut self, missing: &[Missing]) -> Result<Vec<Found>, Error> {
        timeout(FILL_MAX, self.read_all(missing))
            .await
            .unwrap_or_else(|_| {
                let names: BTreeSet<_> = missing.iter().map(|of| of.plan.name.to_string()).collect();
                let names: Vec<_> = names.into_iter().collect();
                let seconds = FILL_MAX.as_secs();
                Err(Error::retriable(format!(
                    "reading values of {} again took more than {seconds} s",
                    names.join(", ")
                ))
                .hint("look for locks on the table, and for a synchronous standby that does not answer"))
            })
    }

    async fn read_all(&mut self, missing: &[Missing]) -> Result<Vec<Found>, Error> {
        let mut answers = vec![Found::Gone; missing.len()];
        let mut groups: Vec<(Vec<usize>, Vec<&Missing>)> = Vec::new();
        for (index, of) in missing.iter().enumerate() {
            let group = groups.iter_mut().find(|(_, group)| {
                group
                    .first()
                    .is_some_and(|first| Arc::ptr_eq(&first.plan, &of.plan))
            });
            match group {
                Some((indexes, group)) => {
                    indexes.push(index);
                    group.push(of);
                }
                None => groups.push((vec![index], vec![of])),
            }
        }
        for (indexes, group) in groups {
            let found = self.read_table(&group).await?;
            for (index, found) in indexes.into_iter().zip(found) {
                answers[index] = found;
            }
        }
        Ok(answers)
    }

    /// Asks for rows of one table until every transaction is over and the table is found under its name.
    async fn read_table(&mut self, group: &[&Missing]) -> Result<Vec<Found>, Error> {
        let plan = &group[0].plan;
        let mut address = self.moved.get(&plan.oid).cloned().unwrap_or_else(|| Address {
            name: Some(plan.name.clone()),
            partitioned: plan.partitioned,
            lost: BTreeSet::new(),
        });
        let (mut pause, mut addresses) = (EARLY_PAUSE, 0);
        loop {
            let Some(question) = Question::new(group, &address) else {
                tracing::warn!(table = %plan.name, rows = group.len(),
                    "the table is gone, and with it large values of rows that begin");
                return Ok(vec![Found::NoTable; group.len()]);
            };
            let moved = match self.ask(&question).await {
                Ok(Answer::Found(found)) => return Ok(found),
                Ok(Answer::Early) => {
                    sleep(pause).await;
                    pause = (pause * 2).min(EARLY_PAUSE_MAX);
                    continue;
                }
                Ok(Answer::Ambiguous) => {
                    return Err(unreadable(plan, &group[0].names(), "a key has several rows"));
                }
                Ok(Answer::Odd) => {
                    return Err(Error::fatal(
                        "reading values again: the answer has an unexpected form",
                    ));
                }
                Ok(Answer::Renamed) => None,
                Err(error) if matches!(errors::sqlstate(&error), Some("42P01" | "42703" | "3F000")) => {
                    Some(error)
                }
                Err(error) if error.is_retriable() => return Err(error),
                Err(error) => {
                    let why = errors::full(&error);
                    return Err(unreadable(plan, &group[0].names(), &why).because(error));
                }
            };
            addresses += 1;
            if addresses > ADDRESSES_MAX {
                let error = Error::retriable(format!(
                    "{} changes its name or columns again and again",
                    plan.name
                ));
                return Err(moved.map_or(error.clone(), |cause| error.because(cause)));
            }
            address = self.look_up(group).await?;
            self.moved.insert(plan.oid, address.clone());
        }
    }

    /// How the table is called now, and which of its columns are gone.
    async fn look_up(&mut self, group: &[&Missing]) -> Result<Address, Error> {
        let plan = &group[0].plan;
        let structures = attach::structures_of(self.session().await?, &[plan.oid], &[]).await?;
        let Some(info) = structures.table(plan.oid) else {
            return Ok(Address {
                name: None,
                partitioned: false,
                lost: BTreeSet::new(),
            });
        };
        let is_there = |name: &str| info.columns.iter().any(|column| &*column.name == name);
        let columns = plan.columns.iter().flatten();
        let lost: BTreeSet<String> = columns
            .filter(|column| !is_there(&column.name))
            .map(|column| column.name.to_string())
            .collect();
        let key = plan.key.iter().flat_map(|key| key.columns.iter());
        let mut key = key.filter_map(|place| plan.columns.get(*place)?.as_ref());
        if let Some(column) = key.find(|column| lost.contains(&*column.name)) {
            let why = format!("the column {} of its key is renamed or gone", column.name);
            return Err(unreadable(plan, &group[0].names(), &why));
        }
        Ok(Address {
            name: info.name.clone(),
            partitioned: info.partitioned,
            lost,
        })
    }

    async fn ask(&mut self, question: &Question<'_>) -> Result<Answer, Error> {
        let rows = self
            .session()
            .await?
            .rows(&question.sql(), "reading values again")
            .await?;
        Ok(question.read(&rows))
    }

    async fn session(&mut self) -> Result<&Connection, Error> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let opened = connect(&self.config.connection, Purpose::Reselect).await?;
                // A policy that would hide rows has to be an error: a hidden row would pass for one that is gone.
                let sql = format!(
                    "SET row_security = off; SET statement_timeout = {}",
                    STATEMENT_MAX.as_millis()
                );
                opened
                    .rows(&sql, "preparing a session that reads values again")
                    .await?;
                opened
            }
        };
        Ok(self.connection.insert(connection))
    }
}
