//! The writer: a few workers, each with a window of requests. No task per record (CS-127, CS-182).

mod checker;
mod delivery;
mod shared;
mod statement;
mod worker;

pub(crate) use delivery::{Delivery, Ownership};
pub(crate) use shared::Shared;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rowtide_api::Error;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::fnv::Fnv;
use crate::lanes::Job;
use worker::{Command, Tag, Worker};

/// Workers of a task. Their windows together cover the default of `maxConcurrentRequests`.
const WORKERS: usize = 4;

/// Hands mutations to the workers: all of one partition key to the same, so that their order holds.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    commands: Vec<mpsc::Sender<Command>>,
    /// Dropped with the writer, which aborts them.
    workers: JoinSet<()>,
}

impl Writer {
    /// Starts the workers.
    pub(crate) fn start(shared: Arc<Shared>) -> Self {
        let mut workers = JoinSet::new();
        // One command per batch and worker at most, and a batch has a record: more than the budget never wait here.
        let commands_max = shared.limits.buffered_records_max.max(1) + 1;
        let commands = (0..WORKERS)
            .map(|_| {
                let (send, receive) = mpsc::channel(commands_max);
                workers.spawn(Worker::new(shared.clone(), receive).run().in_current_span());
                send
            })
            .collect();
        Self {
            shared,
            commands,
            workers,
        }
    }

    /// Waits for room.
    ///
    /// # Errors
    /// The failure that ended writing.
    pub(crate) async fn room(&self) -> Result<(), Error> {
        self.shared.failure()?;
        self.shared.budget.room().await;
        self.shared.failure()
    }

    /// Takes a batch's mutations.
    ///
    /// # Errors
    /// The failure that ended writing.
    pub(crate) async fn deliver(
        &self,
        mutations: Vec<(u32, crate::mutation::Mutation)>,
        delivery: Arc<Delivery>,
    ) -> Result<(), Error> {
        let mut shares: Vec<Vec<Job<Tag>>> = (0..WORKERS).map(|_| Vec::new()).collect();
        for (record, mutation) in mutations {
            let mut hasher = Fnv::default();
            mutation.table.hash(&mut hasher);
            mutation.partition().hash(&mut hasher);
            // Invariant: the remainder is below the number of workers.
            let worker = (hasher.finish() % WORKERS as u64) as usize;
            shares[worker].push(Job {
                mutation,
                tag: Tag {
                    delivery: delivery.clone(),
                    record,
                },
            });
        }
        drop(delivery);
        for (commands, jobs) in self.commands.iter().zip(shares) {
            if !jobs.is_empty() && commands.send(Command::Jobs(jobs)).await.is_err() {
                return Err(self.ended());
            }
        }
        Ok(())
    }

    /// Makes the workers drop what belongs to revoked partitions.
    pub(crate) async fn sweep(&self) {
        for commands in &self.commands {
            // A worker that is gone holds nothing any more.
            let _ = commands.send(Command::Sweep).await;
        }
    }

    /// Ends the workers.
    pub(crate) async fn stop(mut self) {
        self.commands.clear();
        while self.workers.join_next().await.is_some() {}
    }

    fn ended(&self) -> Error {
        match self.shared.failure() {
            Err(error) => error,
            Ok(()) => Error::fatal("a worker of the Cassandra writer ended unexpectedly"),
        }
    }
}
