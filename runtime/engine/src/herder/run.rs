//! The herder's actor: one request at a time, each durable in the config log before it is answered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;
use rowtide_api::Properties;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::handle::{HerderError, HerderHandle, Reply, Request, RestartPlan};
use super::runner::{self, Order};
use super::start::WorkerParts;
use crate::failure::{Backoff, wait_after};
use crate::status::TaskView;
use crate::store::config::{ConfigStore, StoredConnector, TargetState};
use crate::store::status::State;

/// Requests that may wait: each comes from a REST call that waits for its answer.
const REQUESTS_WAITING_MAX: usize = 256;
/// Orders that may wait for a runner; a runner takes each within the shutdown timeout of its tasks.
const ORDERS_WAITING_MAX: usize = 64;

/// The herder.
pub struct Herder {
    parts: Arc<WorkerParts>,
    /// Shared with the runners, which store the tasks they plan.
    configs: Arc<Mutex<ConfigStore>>,
    runners: BTreeMap<String, Runner>,
    /// Runners of deleted connectors that are still stopping: a successor of the same name waits for its own.
    ending: BTreeMap<String, JoinHandle<()>>,
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
        let (tell, cluster_id) = watch::channel(None);
        tokio::spawn(learn_cluster_id(parts.clone(), tell));
        let mut herder = Self {
            parts: parts.clone(),
            configs: Arc::new(Mutex::new(configs)),
            runners: BTreeMap::new(),
            ending: BTreeMap::new(),
        };
        let join = tokio::spawn(async move {
            let stored = herder.configs.lock().await.connectors().clone();
            for (name, connector) in stored {
                let topics = topics.remove(&name).unwrap_or_default();
                herder.run_connector(&name, connector, topics).await;
            }
            herder.work(waiting).await;
        });
        (
            HerderHandle {
                requests,
                parts,
                cluster_id,
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
                Request::Delete { name, reply } => self.delete(name, reply).await,
                Request::Target { name, target, reply } => {
                    let _ = reply.send(self.target(&name, target).await);
                }
                Request::Restart {
                    name,
                    include_tasks,
                    only_failed,
                    reply,
                } => {
                    self.restart(&name, include_tasks, only_failed, reply).await;
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
        let mut configs = self.configs.lock().await;
        let is_new = !configs.connectors().contains_key(name);
        if only_new && !is_new {
            return Err(HerderError::Conflict(format!("Connector {name} already exists")));
        }
        let target = if is_new {
            Some(target.unwrap_or_default())
        } else {
            target
        };
        configs
            .put(name, config, target)
            .await
            .map_err(HerderError::Internal)?;
        let stored = configs.connectors().get(name).cloned();
        drop(configs);
        if let Some(stored) = stored {
            self.run_connector(name, stored, BTreeSet::new()).await;
        }
        Ok(is_new)
    }

    async fn run_connector(&mut self, name: &str, stored: StoredConnector, topics: BTreeSet<String>) {
        let StoredConnector {
            config,
            target,
            tasks,
            ..
        } = stored;
        let class = config.get("connector.class").unwrap_or_default().trim();
        let (class, kind) = match self.parts.validator.plugins.connector(class) {
            Ok(plugin) => (plugin.row().class, plugin.type_name()),
            Err(_) => ("", "unknown"),
        };
        let board = &self.parts.board;
        let is_new = board.configure(name, config.clone(), class, kind, topics);
        if is_new {
            // What was planned last is shown until it is planned again, which may take an outage.
            let views = (0..).zip(tasks.into_iter().map(TaskView::unassigned));
            board.plan(name, views.collect(), &BTreeSet::new());
        }
        let (parts, configs) = (&self.parts, &self.configs);
        let predecessor = self.ending.remove(name);
        let runner = self.runners.entry(name.to_owned()).or_insert_with(|| {
            let (orders, waiting) = mpsc::channel(ORDERS_WAITING_MAX);
            let run = runner::run(parts.clone(), configs.clone(), name.into(), waiting, predecessor);
            Runner {
                orders,
                join: tokio::spawn(run),
            }
        });
        order(runner, Order::Configure(config, target)).await;
    }

    /// Readers see at once that it is gone; the answer comes when it has stopped. Others are not kept waiting.
    async fn delete(&mut self, name: String, reply: Reply<()>) {
        let mut configs = self.configs.lock().await;
        let removed = if configs.connectors().contains_key(&name) {
            configs.remove(&name).await.map_err(HerderError::Internal)
        } else {
            Err(HerderError::NotFound(format!("Connector {name} not found")))
        };
        drop(configs);
        if removed.is_err() {
            let _ = reply.send(removed);
            return;
        }
        self.parts.board.remove(&name);
        self.ending.retain(|_, end| !end.is_finished());
        let runner = self.runners.remove(&name);
        let end = tokio::spawn(async move {
            if let Some(runner) = runner {
                shut_down(runner).await;
            }
            let _ = reply.send(removed);
        });
        self.ending.insert(name, end);
    }

    async fn target(&mut self, name: &str, target: TargetState) -> Result<(), HerderError> {
        let mut configs = self.configs.lock().await;
        if !configs.connectors().contains_key(name) {
            return Err(HerderError::NotFound(format!("Unknown connector {name}")));
        }
        configs
            .set_target(name, target)
            .await
            .map_err(HerderError::Internal)?;
        drop(configs);
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
        reply: Reply<RestartPlan>,
    ) {
        let Some(view) = self.parts.board.get(name) else {
            let unknown = HerderError::NotFound(format!("Unknown connector: {name}"));
            let _ = reply.send(Err(unknown));
            return;
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
        let (opened, outcome) = oneshot::channel();
        if let Some(runner) = self.runners.get(name)
            && (plan.connector || !plan.tasks.is_empty())
        {
            let restart = Order::Restart {
                connector: plan.connector,
                tasks: plan.tasks.clone(),
                opened: Some(opened),
            };
            order(runner, restart).await;
        }
        if include_tasks || only_failed {
            let _ = reply.send(Ok(plan));
            return;
        }
        // The plain form is answered when the connector has opened, or not at the first attempt. Others are not kept waiting.
        tokio::spawn(async move {
            let _ = reply.send(match outcome.await {
                Ok(Err(error)) => Err(HerderError::Internal(error)),
                // Where a later order made the restart obsolete there is nothing to wait for.
                Ok(Ok(())) | Err(_) => Ok(plan),
            });
        });
    }

    async fn restart_task(&mut self, name: &str, task: u32) -> Result<(), HerderError> {
        let Some(view) = self.parts.board.get(name) else {
            return Err(HerderError::NotFound(format!("Unknown connector: {name}")));
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
                    opened: None,
                },
            )
            .await;
        }
        Ok(())
    }

    /// Stops all connectors together: each inside the shutdown timeout, all of them inside about one.
    async fn shutdown(&mut self) {
        let runners = std::mem::take(&mut self.runners);
        let names: Vec<_> = runners.keys().cloned().collect();
        join_all(runners.into_values().map(shut_down)).await;
        for end in join_all(std::mem::take(&mut self.ending).into_values()).await {
            if end.is_err() {
                tracing::error!("stopping a deleted connector panicked");
            }
        }
        let board = &self.parts.board;
        names.iter().for_each(|name| board.unassigned(name));
        board.flush().await;
    }
}

/// Asks for the cluster's id until a broker has told it, or nobody wants to know any more.
async fn learn_cluster_id(parts: Arc<WorkerParts>, tell: watch::Sender<Option<String>>) {
    let mut backoff = Backoff::new(0);
    loop {
        let wait = match parts.kafka.cluster_id().await {
            Ok(id) => {
                tell.send_replace(Some(id));
                return;
            }
            Err(error) => wait_after(&mut backoff, "asking for the cluster's id", &error),
        };
        tokio::select! {
            biased;
            // 1. The worker has ended.
            () = tell.closed() => return,
            // 2. The wait.
            () = tokio::time::sleep(wait) => {}
        }
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
