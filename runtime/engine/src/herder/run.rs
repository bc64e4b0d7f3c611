//! The herder's actor: one request at a time, each durable in the config log before it is answered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rowtide_api::{Error, Properties};
use tokio::sync::{OnceCell, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::runner::{self, Order};
use super::start::WorkerParts;
use crate::connector::validation::{Validation, invalid_text};
use crate::status::Board;
use crate::store::config::{ConfigStore, TargetState};
use crate::store::status::State;

/// Requests that may wait: each comes from a REST call that waits for its answer.
const REQUESTS_WAITING_MAX: usize = 256;
/// Orders that may wait for a runner; a runner takes each within the shutdown timeout of its tasks.
const ORDERS_WAITING_MAX: usize = 64;

/// Why a request was refused.
#[derive(Debug, Clone)]
pub enum HerderError {
    /// There is no such connector or task.
    NotFound(String),
    /// It is there already.
    Conflict(String),
    /// The request is wrong.
    BadRequest(String),
    /// It could not be carried out.
    Internal(Error),
}

/// Which instances a restart starts again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestartPlan {
    /// The connector's instance, with everything below it.
    pub connector: bool,
    /// These tasks.
    pub tasks: Vec<u32>,
}

type Reply<T> = oneshot::Sender<Result<T, HerderError>>;

enum Request {
    Put {
        name: String,
        config: Properties,
        only_new: bool,
        target: Option<TargetState>,
        reply: Reply<bool>,
    },
    Delete {
        name: String,
        reply: Reply<()>,
    },
    Target {
        name: String,
        target: TargetState,
        reply: Reply<()>,
    },
    Restart {
        name: String,
        include_tasks: bool,
        only_failed: bool,
        reply: Reply<RestartPlan>,
    },
    RestartTask {
        name: String,
        task: u32,
        reply: Reply<()>,
    },
    Shutdown {
        reply: oneshot::Sender<()>,
    },
}

/// Asks the herder. Cheap to clone; reading goes to the board and never waits.
#[derive(Clone)]
pub struct HerderHandle {
    requests: mpsc::Sender<Request>,
    parts: Arc<WorkerParts>,
    cluster_id: Arc<OnceCell<String>>,
}

/// The herder.
pub struct Herder {
    parts: Arc<WorkerParts>,
    configs: ConfigStore,
    runners: BTreeMap<String, Runner>,
}

struct Runner {
    orders: mpsc::Sender<Order>,
    join: JoinHandle<()>,
}

impl Herder {
    /// Starts the herder, and every stored connector.
    pub fn start(
        parts: WorkerParts,
        configs: ConfigStore,
        mut topics: BTreeMap<String, BTreeSet<String>>,
    ) -> (HerderHandle, JoinHandle<()>) {
        let parts = Arc::new(parts);
        let (requests, waiting) = mpsc::channel(REQUESTS_WAITING_MAX);
        let mut herder = Self {
            parts: parts.clone(),
            configs,
            runners: BTreeMap::new(),
        };
        let join = tokio::spawn(async move {
            let stored: Vec<_> = herder.configs.connectors().clone().into_iter().collect();
            for (name, connector) in stored {
                let topics = topics.remove(&name).unwrap_or_default();
                herder
                    .run_connector(&name, connector.config, connector.target, topics)
                    .await;
            }
            herder.work(waiting).await;
        });
        (
            HerderHandle {
                requests,
                parts,
                cluster_id: Arc::default(),
            },
            join,
        )
    }

    async fn work(&mut self, mut requests: mpsc::Receiver<Request>) {
        while let Some(request) = requests.recv().await {
            // Whoever asked may have stopped waiting: an answer nobody takes is dropped.
            match request {
                Request::Put {
                    name,
                    config,
                    only_new,
                    target,
                    reply,
                } => {
                    let _ = reply.send(self.put(&name, config, only_new, target).await);
                }
                Request::Delete { name, reply } => {
                    let _ = reply.send(self.delete(&name).await);
                }
                Request::Target { name, target, reply } => {
                    let _ = reply.send(self.target(&name, target).await);
                }
                Request::Restart {
                    name,
                    include_tasks,
                    only_failed,
                    reply,
                } => {
                    let _ = reply.send(self.restart(&name, include_tasks, only_failed).await);
                }
                Request::RestartTask { name, task, reply } => {
                    let _ = reply.send(self.restart_task(&name, task).await);
                }
                Request::Shutdown { reply } => {
                    self.shutdown().await;
                    let _ = reply.send(());
                    return;
                }
            }
        }
    }

    async fn put(
        &mut self,
        name: &str,
        config: Properties,
        only_new: bool,
        target: Option<TargetState>,
    ) -> Result<bool, HerderError> {
        let is_new = !self.configs.connectors().contains_key(name);
        if only_new && !is_new {
            return Err(HerderError::Conflict(format!("Connector {name} already exists")));
        }
        let target = if is_new {
            Some(target.unwrap_or_default())
        } else {
            target
        };
        self.configs
            .put(name, config.clone(), target)
            .await
            .map_err(HerderError::Internal)?;
        let target = self
            .configs
            .connectors()
            .get(name)
            .map(|stored| stored.target)
            .unwrap_or_default();
        self.run_connector(name, config, target, BTreeSet::new()).await;
        Ok(is_new)
    }

    async fn run_connector(
        &mut self,
        name: &str,
        config: Properties,
        target: TargetState,
        topics: BTreeSet<String>,
    ) {
        let class = config.get("connector.class").unwrap_or_default().trim();
        let (class, kind) = match self.parts.validator.plugins.connector(class) {
            Ok(plugin) => (plugin.row().class, plugin.type_name()),
            Err(_) => ("", "unknown"),
        };
        self.parts
            .board
            .configure(name, config.clone(), class, kind, topics);
        let parts = &self.parts;
        let runner = self.runners.entry(name.to_owned()).or_insert_with(|| {
            let (orders, waiting) = mpsc::channel(ORDERS_WAITING_MAX);
            let join = tokio::spawn(runner::run(parts.clone(), name.into(), waiting));
            Runner { orders, join }
        });
        order(runner, Order::Configure(config, target)).await;
    }

    async fn delete(&mut self, name: &str) -> Result<(), HerderError> {
        if !self.configs.connectors().contains_key(name) {
            return Err(HerderError::NotFound(format!("Connector {name} not found")));
        }
        self.configs.remove(name).await.map_err(HerderError::Internal)?;
        if let Some(runner) = self.runners.remove(name) {
            shut_down(runner).await;
        }
        self.parts.board.remove(name);
        Ok(())
    }

    async fn target(&mut self, name: &str, target: TargetState) -> Result<(), HerderError> {
        if !self.configs.connectors().contains_key(name) {
            return Err(HerderError::NotFound(format!("Unknown connector {name}")));
        }
        self.configs
            .set_target(name, target)
            .await
            .map_err(HerderError::Internal)?;
        if let Some(runner) = self.runners.get(name) {
            order(runner, Order::Target(target)).await;
        }
        Ok(())
    }

    async fn restart(
        &mut self,
        name: &str,
        include_tasks: bool,
        only_failed: bool,
    ) -> Result<RestartPlan, HerderError> {
        let Some(view) = self.parts.board.get(name) else {
            return Err(HerderError::NotFound(format!("Unknown connector: {name}")));
        };
        let chosen = |state: State| !only_failed || state == State::Failed;
        let plan = RestartPlan {
            connector: chosen(view.status.state),
            tasks: view
                .tasks
                .iter()
                .filter(|(_, task)| include_tasks && chosen(task.status.state))
                .map(|(number, _)| *number)
                .collect(),
        };
        if let Some(runner) = self.runners.get(name)
            && (plan.connector || !plan.tasks.is_empty())
        {
            order(
                runner,
                Order::Restart {
                    connector: plan.connector,
                    tasks: plan.tasks.clone(),
                },
            )
            .await;
        }
        Ok(plan)
    }

    async fn restart_task(&mut self, name: &str, task: u32) -> Result<(), HerderError> {
        let Some(view) = self.parts.board.get(name) else {
            return Err(HerderError::NotFound(format!("Unknown connector {name}")));
        };
        if !view.tasks.contains_key(&task) {
            return Err(HerderError::NotFound(format!("Unknown task: {name}-{task}")));
        }
        if let Some(runner) = self.runners.get(name) {
            order(
                runner,
                Order::Restart {
                    connector: false,
                    tasks: vec![task],
                },
            )
            .await;
        }
        Ok(())
    }

    /// Stops all connectors together: each inside the shutdown timeout, all of them inside about one.
    async fn shutdown(&mut self) {
        let runners = std::mem::take(&mut self.runners);
        futures_util::future::join_all(runners.into_values().map(shut_down)).await;
    }
}

async fn order(runner: &Runner, order: Order) {
    if runner.orders.send(order).await.is_err() {
        tracing::error!("a connector's runner is gone; restart the worker");
    }
}

async fn shut_down(runner: Runner) {
    let (done, stopped) = oneshot::channel();
    order(&runner, Order::Shutdown(done)).await;
    // A runner that ended by itself drops the sender: it has stopped as well.
    let _ = stopped.await;
    if runner.join.await.is_err() {
        tracing::error!("a connector's runner panicked");
    }
}

impl HerderHandle {
    /// What readers see.
    pub fn board(&self) -> &Arc<Board> {
        &self.parts.board
    }

    /// What the worker is made of.
    pub fn parts(&self) -> &Arc<WorkerParts> {
        &self.parts
    }

    /// The Kafka cluster's id.
    ///
    /// # Errors
    /// When no broker answers.
    pub async fn cluster_id(&self) -> Result<String, Error> {
        self.cluster_id
            .get_or_try_init(|| self.parts.kafka.cluster_id())
            .await
            .cloned()
    }

    /// Validates a configuration, live checks included, beside the herder.
    ///
    /// # Errors
    /// A text for a missing or unknown class.
    pub async fn validate(&self, config: &Properties) -> Result<Validation, HerderError> {
        self.parts
            .validator
            .validate_live(config)
            .await
            .map_err(HerderError::BadRequest)
    }

    /// Creates a connector in this state.
    ///
    /// # Errors
    /// Invalid, or it exists.
    pub async fn create(
        &self,
        name: &str,
        config: Properties,
        target: TargetState,
    ) -> Result<(), HerderError> {
        self.check(&config)?;
        let name = name.to_owned();
        let created = |reply| Request::Put {
            name,
            config,
            only_new: true,
            target: Some(target),
            reply,
        };
        self.ask(created).await.map(|_| ())
    }

    /// Creates a connector or replaces its configuration; `true` when it is new.
    ///
    /// # Errors
    /// Invalid.
    pub async fn put(&self, name: &str, config: Properties) -> Result<bool, HerderError> {
        self.check(&config)?;
        let name = name.to_owned();
        self.ask(|reply| Request::Put {
            name,
            config,
            only_new: false,
            target: None,
            reply,
        })
        .await
    }

    /// Deletes a connector; its offsets and topics stay.
    ///
    /// # Errors
    /// Not found.
    pub async fn delete(&self, name: &str) -> Result<(), HerderError> {
        let name = name.to_owned();
        self.ask(|reply| Request::Delete { name, reply }).await
    }

    /// Sets the target state.
    ///
    /// # Errors
    /// Not found.
    pub async fn target(&self, name: &str, target: TargetState) -> Result<(), HerderError> {
        let name = name.to_owned();
        self.ask(|reply| Request::Target { name, target, reply }).await
    }

    /// Restarts a connector, and its tasks when asked.
    ///
    /// # Errors
    /// Not found.
    pub async fn restart(
        &self,
        name: &str,
        include_tasks: bool,
        only_failed: bool,
    ) -> Result<RestartPlan, HerderError> {
        let name = name.to_owned();
        self.ask(|reply| Request::Restart {
            name,
            include_tasks,
            only_failed,
            reply,
        })
        .await
    }

    /// Restarts one task.
    ///
    /// # Errors
    /// Not found.
    pub async fn restart_task(&self, name: &str, task: u32) -> Result<(), HerderError> {
        let name = name.to_owned();
        self.ask(|reply| Request::RestartTask { name, task, reply }).await
    }

    /// Stops everything and ends the herder.
    pub async fn shutdown(&self) {
        let (reply, done) = oneshot::channel();
        if self.requests.send(Request::Shutdown { reply }).await.is_ok() {
            // A herder that is gone has nothing left to stop.
            let _ = done.await;
        }
    }

    /// The checks without I/O: a create must not depend on a database being up.
    fn check(&self, config: &Properties) -> Result<(), HerderError> {
        let validation = self
            .parts
            .validator
            .validate(config)
            .map_err(HerderError::BadRequest)?;
        for finding in validation.report.warnings() {
            tracing::warn!(key = finding.key, "{}", finding.message);
        }
        if validation.report.is_ok() {
            return Ok(());
        }
        Err(HerderError::BadRequest(invalid_text(&validation.report)))
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, HerderError> {
        let gone = || HerderError::Internal(Error::retriable("the worker is shutting down"));
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}
