//! The board: what every connector and task is doing, for readers that must never wait.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use rowtide_api::Properties;
use rowtide_api::context::{Metrics, Progress};
use tokio::sync::mpsc::{Sender, channel};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::metrics::Startups;
use crate::observer::Observer;
use crate::ports::Clock;
use crate::store::status::{State, Status, StatusStore};

/// Status writes that may wait for the log. A worker makes a few per state change; beyond this the newest is dropped
/// with a warning: statuses are made anew at every start.
const WRITES_WAITING_MAX: usize = 1024;

/// A connector as readers see it.
#[derive(Debug, Clone)]
pub struct ConnectorView {
    /// The configuration as submitted, with its name.
    pub config: Properties,
    /// The class it resolved to; empty when unknown.
    pub class: String,
    /// `source`, `sink` or `unknown`.
    pub kind: &'static str,
    /// The connector's own status.
    pub status: Status,
    /// Its tasks by number.
    pub tasks: BTreeMap<u32, TaskView>,
    /// Topics it was seen using.
    pub topics: BTreeSet<String>,
}

/// A task as readers see it.
#[derive(Debug, Clone)]
pub struct TaskView {
    /// Its status.
    pub status: Status,
    /// Its configuration.
    pub config: Properties,
    /// Phase and degradation.
    pub progress: Progress,
    /// What it counts.
    pub metrics: Metrics,
}

impl TaskView {
    /// A task that nobody runs.
    pub fn unassigned(config: Properties) -> Self {
        Self {
            status: Status::of(State::Unassigned),
            config,
            progress: Progress::default(),
            metrics: Metrics::default(),
        }
    }
}

enum Write {
    Connector(String, Option<Status>),
    Task(String, u32, Option<Status>),
    Topic(String, u32, String),
    ForgetTopics(String, BTreeSet<String>),
    Flush(oneshot::Sender<()>),
}

/// The board. Readers copy; writers hold the lock for a few assignments.
pub struct Board {
    views: RwLock<BTreeMap<String, ConnectorView>>,
    writes: Sender<Write>,
    connector_startups: Startups,
    task_startups: Startups,
}

impl Board {
    /// A board whose changes go to the status store; the handle ends when the board is dropped.
    pub fn new(store: StatusStore, clock: Arc<dyn Clock>) -> (Arc<Self>, JoinHandle<()>) {
        let (writes, mut waiting) = channel(WRITES_WAITING_MAX);
        let writer = tokio::spawn(async move {
            while let Some(write) = waiting.recv().await {
                let result = match write {
                    Write::Connector(name, status) => store.connector(&name, status.as_ref()).await,
                    Write::Task(name, task, status) => store.task(&name, task, status.as_ref()).await,
                    Write::Topic(name, task, topic) => store.topic(&name, task, &topic, clock.now_ms()).await,
                    Write::ForgetTopics(name, topics) => store.forget_topics(&name, &topics).await,
                    Write::Flush(done) => {
                        // Whoever asked may have stopped waiting.
                        let _ = done.send(());
                        Ok(())
                    }
                };
                if let Err(error) = result {
                    tracing::warn!(%error, "a status was not stored");
                }
            }
        });
        (
            Arc::new(Self {
                views: RwLock::default(),
                writes,
                connector_startups: Startups::default(),
                task_startups: Startups::default(),
            }),
            writer,
        )
    }

    /// Starts of connectors on this worker, restarts among them.
    pub fn connector_startups(&self) -> &Startups {
        &self.connector_startups
    }

    /// Starts of tasks on this worker; of a scheduled connector one a run.
    pub fn task_startups(&self) -> &Startups {
        &self.task_startups
    }

    /// A copy of one connector's view.
    pub fn get(&self, name: &str) -> Option<ConnectorView> {
        self.read(|views| views.get(name).cloned())
    }

    /// Copies of all views by name.
    pub fn all(&self) -> BTreeMap<String, ConnectorView> {
        self.read(Clone::clone)
    }

    /// The names, sorted.
    pub fn names(&self) -> Vec<String> {
        self.read(|views| views.keys().cloned().collect())
    }

    /// Sets a connector's configuration, and adds it when it is new: `true` then.
    pub fn configure(
        &self,
        name: &str,
        config: Properties,
        class: &str,
        kind: &'static str,
        topics: BTreeSet<String>,
    ) -> bool {
        self.write(|views| match views.get_mut(name) {
            Some(view) => {
                view.config = config;
                class.clone_into(&mut view.class);
                view.kind = kind;
                false
            }
            None => {
                let status = Status::of(State::Unassigned);
                let (class, tasks) = (class.to_owned(), BTreeMap::new());
                views.insert(
                    name.to_owned(),
                    ConnectorView {
                        config,
                        class,
                        kind,
                        status,
                        tasks,
                        topics,
                    },
                );
                true
            }
        })
    }

    /// Removes a connector.
    pub fn remove(&self, name: &str) {
        let Some(view) = self.write(|views| views.remove(name)) else {
            return;
        };
        for task in view.tasks.keys() {
            self.store(Write::Task(name.to_owned(), *task, None));
        }
        self.store(Write::Connector(name.to_owned(), None));
        if !view.topics.is_empty() {
            self.store(Write::ForgetTopics(name.to_owned(), view.topics));
        }
    }

    /// Nobody runs a connector any more, nor its tasks: its own status and theirs say so. A stopped one stays STOPPED.
    pub fn unassigned(&self, name: &str) {
        let Some(view) = self.get(name) else { return };
        for task in view.tasks.keys() {
            self.task(name, *task, Status::of(State::Unassigned));
        }
        if view.status.state != State::Stopped {
            self.connector(name, Status::of(State::Unassigned));
        }
    }

    /// Waits until every status set before is stored, or could not be.
    pub async fn flush(&self) {
        let (done, stored) = oneshot::channel();
        if self.writes.send(Write::Flush(done)).await.is_ok() {
            // A writer that is gone has nothing left to store.
            let _ = stored.await;
        }
    }

    /// Sets a connector's status.
    pub fn connector(&self, name: &str, status: Status) {
        let changed = self.write(|views| match views.get_mut(name) {
            Some(view) if view.status != status => {
                view.status = status.clone();
                true
            }
            _ => false,
        });
        if changed {
            self.store(Write::Connector(name.to_owned(), Some(status)));
        }
    }

    /// Replaces a connector's tasks by these and those kept, which stay as they are.
    pub fn plan(&self, name: &str, mut tasks: BTreeMap<u32, TaskView>, kept: &BTreeSet<u32>) {
        let (gone, new): (Vec<u32>, Vec<(u32, Status)>) = self.write(|views| match views.get_mut(name) {
            Some(view) => {
                let gone = view
                    .tasks
                    .keys()
                    .filter(|task| !tasks.contains_key(task) && !kept.contains(task))
                    .copied()
                    .collect();
                let new = tasks
                    .iter()
                    .map(|(task, view)| (*task, view.status.clone()))
                    .collect();
                view.tasks.retain(|task, _| kept.contains(task));
                view.tasks.append(&mut tasks);
                (gone, new)
            }
            None => Default::default(),
        });
        gone.into_iter()
            .for_each(|task| self.store(Write::Task(name.to_owned(), task, None)));
        new.into_iter()
            .for_each(|(task, status)| self.store(Write::Task(name.to_owned(), task, Some(status))));
    }

    /// Sets a task's status.
    pub fn task(&self, name: &str, task: u32, status: Status) {
        let changed =
            self.write(
                |views| match views.get_mut(name).and_then(|view| view.tasks.get_mut(&task)) {
                    Some(view) if view.status != status => {
                        view.status = status.clone();
                        true
                    }
                    _ => false,
                },
            );
        if changed {
            self.store(Write::Task(name.to_owned(), task, Some(status)));
        }
    }

    /// An observer for one task.
    pub fn observer(self: &Arc<Self>, name: &str, task: u32) -> Arc<dyn Observer> {
        Arc::new(TaskObserver {
            board: self.clone(),
            name: name.to_owned(),
            task,
        })
    }

    fn store(&self, write: Write) {
        if self.writes.try_send(write).is_err() {
            tracing::warn!("the log does not keep up with status changes; one was not stored");
        }
    }

    fn read<T>(&self, read: impl FnOnce(&BTreeMap<String, ConnectorView>) -> T) -> T {
        read(&self.views.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut BTreeMap<String, ConnectorView>) -> T) -> T {
        change(&mut self.views.write().unwrap_or_else(PoisonError::into_inner))
    }
}

struct TaskObserver {
    board: Arc<Board>,
    name: String,
    task: u32,
}

impl Observer for TaskObserver {
    fn topic(&self, topic: &str) {
        let new = self.board.write(|views| {
            views
                .get_mut(&self.name)
                .is_some_and(|view| view.topics.insert(topic.to_owned()))
        });
        if new {
            self.board
                .store(Write::Topic(self.name.clone(), self.task, topic.to_owned()));
        }
    }
}
