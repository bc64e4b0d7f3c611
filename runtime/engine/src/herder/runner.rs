//! Runs one connector: opens it, plans its tasks, starts and stops them. Whatever it waits for, it hears the next order.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::Arc;

use futures_util::future::join_all;
use rowtide_api::config::Reader;
use rowtide_api::erased::BoxFuture;
use rowtide_api::source::TaskSpec;
use rowtide_api::{Error, Properties};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::start::{Opened, TaskJob, WorkerParts};
use super::task::TaskHandle;
use crate::connector::keys::Common;
use crate::failure::{Backoff, trace, wait_after};
use crate::plugins::ConnectorPlugin;
use crate::status::TaskView;
use crate::store::config::{ConfigStore, TargetState};
use crate::store::status::{State, Status};

/// What a runner is told. Orders are carried out in the order they arrive.
pub(super) enum Order {
    /// Run this configuration from now on.
    Configure(Properties, TargetState),
    /// Go to this state.
    Target(TargetState),
    /// Start the connector, and these tasks, again; other tasks run on. Who asked may hear how the connector's first
    /// attempt ended; an order that makes it obsolete drops the sender.
    Restart {
        connector: bool,
        tasks: Vec<u32>,
        opened: Option<FirstAttempt>,
    },
    /// Stop everything; answered when it has stopped.
    Shutdown(oneshot::Sender<()>),
}

/// Who hears how the first attempt to open a connector ended.
pub(super) type FirstAttempt = oneshot::Sender<Result<(), Error>>;

/// A runner's end of the line.
pub(super) type Orders = mpsc::Receiver<Order>;

struct Active {
    /// Absent while the connector is restarted beside its tasks, and when that failed.
    opened: Option<Opened>,
    jobs: BTreeMap<u32, Arc<TaskJob>>,
    tasks: BTreeMap<u32, TaskHandle>,
}

struct Runner {
    parts: Arc<WorkerParts>,
    configs: Arc<Mutex<ConfigStore>>,
    name: Arc<str>,
    config: Properties,
    target: TargetState,
    active: Option<Active>,
}

/// A connector that was opened, and its planned tasks: what each is to do, and its configuration as readers see it.
struct Planned {
    opened: Opened,
    common: Common,
    tasks: Vec<(TaskSpec, Properties)>,
}

type Starting = BoxFuture<'static, Result<Planned, Error>>;

/// Runs a connector until it is shut down or the herder is gone.
///
/// `predecessor` runs a deleted connector of this name: its last write is settled before the first of this one.
pub(super) async fn run(
    parts: Arc<WorkerParts>,
    configs: Arc<Mutex<ConfigStore>>,
    name: Arc<str>,
    mut orders: Orders,
    predecessor: Option<JoinHandle<()>>,
) {
    if let Some(predecessor) = predecessor
        && predecessor.await.is_err()
    {
        tracing::error!(connector = %name, "stopping the deleted connector of this name panicked");
    }
    let mut runner = Runner {
        parts,
        configs,
        name,
        config: Properties::new(),
        target: TargetState::Stopped,
        active: None,
    };
    let mut starting: Option<Starting> = None;
    loop {
        let order = tokio::select! {
            biased;
            // 1. Orders, also while starting: they may make the start obsolete.
            order = orders.recv() => order,
            // 2. The end of a start.
            started = wait(&mut starting) => {
                runner.started(started).await;
                continue;
            }
            // 3. The plan is stale.
            stale = watch(runner.active.as_ref()) => {
                starting = runner.stale(stale).await;
                continue;
            }
        };
        match order {
            Some(Order::Configure(config, target)) => {
                runner.stop_tasks().await;
                (runner.config, runner.target) = (config, target);
                starting = runner.start(None);
            }
            Some(Order::Target(target)) => starting = runner.retarget(target, starting).await,
            Some(Order::Restart {
                connector,
                tasks,
                opened,
            }) => {
                if connector && runner.target != TargetState::Stopped {
                    drop(starting.take());
                    starting = runner.restart(&tasks, opened).await;
                } else {
                    runner.restart_tasks(&tasks).await;
                }
            }
            Some(Order::Shutdown(done)) => {
                drop(starting.take());
                runner.stop_tasks().await;
                // The one who asked may have stopped waiting.
                let _ = done.send(());
                return;
            }
            None => return runner.stop_tasks().await,
        }
    }
}

impl Runner {
    /// Begins a start, unless the connector should be stopped.
    fn start(&mut self, opened: Option<FirstAttempt>) -> Option<Starting> {
        let board = &self.parts.board;
        if self.target == TargetState::Stopped {
            board.plan(&self.name, BTreeMap::new(), &BTreeSet::new());
            board.connector(&self.name, Status::of(State::Stopped));
            return None;
        }
        board.unassigned(&self.name);
        Some(self.open(opened))
    }

    fn open(&self, opened: Option<FirstAttempt>) -> Starting {
        let (parts, configs) = (self.parts.clone(), self.configs.clone());
        let (name, config) = (self.name.clone(), self.config.clone());
        Box::pin(async move { open(&parts, &configs, &name, &config, opened).await })
    }

    /// Restarts the connector and these tasks. With all of them it starts anew; otherwise the others run on meanwhile,
    /// and afterwards too unless the connector asks for another configuration.
    async fn restart(&mut self, tasks: &[u32], opened: Option<FirstAttempt>) -> Option<Starting> {
        let name = self.name.clone();
        let restarting = Status::of(State::Restarting);
        self.parts.board.connector(&name, restarting.clone());
        if let Some(active) = &mut self.active
            && !active.jobs.keys().all(|number| tasks.contains(number))
        {
            active.opened = None;
            self.restart_tasks(tasks).await;
            return Some(self.open(opened));
        }
        for number in self.active.iter().flat_map(|active| active.jobs.keys()) {
            self.parts.board.task(&name, *number, restarting.clone());
        }
        self.stop_tasks().await;
        self.start(opened)
    }

    async fn started(&mut self, started: Result<Planned, Error>) {
        let Planned {
            opened,
            common,
            tasks,
        } = match started {
            Ok(planned) => planned,
            Err(error) => return self.failed(&error),
        };
        let (old_jobs, mut handles) = match self.active.take() {
            Some(active) => (active.jobs, active.tasks),
            None => Default::default(),
        };
        let (mut views, mut kept) = (BTreeMap::new(), BTreeSet::new());
        let mut jobs = BTreeMap::new();
        for (number, (spec, config)) in (0..).zip(tasks) {
            let same = old_jobs.get(&number).filter(|job| job.spec == spec);
            let (metrics, progress) = match same {
                Some(job) => {
                    kept.insert(number);
                    (job.metrics.clone(), job.progress.clone())
                }
                None => {
                    let view = TaskView::unassigned(config);
                    let counted = (view.metrics.clone(), view.progress.clone());
                    views.insert(number, view);
                    counted
                }
            };
            // A task that runs on does so on the instance it was started from; its next start is of the new one.
            let job = TaskJob {
                parts: self.parts.clone(),
                name: self.name.clone(),
                number,
                config: self.config.clone(),
                common: common.clone(),
                opened: opened.share(),
                spec,
                metrics,
                progress,
            };
            jobs.insert(number, Arc::new(job));
        }
        // All that go have stopped before one starts: a share may have moved from one task to another.
        let gone = handles.extract_if(.., |number, _| !kept.contains(number));
        self.stop_all(gone.map(|(_, task)| task).collect()).await;
        self.parts.board.plan(&self.name, views, &kept);
        self.parts.board.connector(&self.name, Status::of(self.state()));
        let paused = self.target == TargetState::Paused;
        for (number, job) in &jobs {
            handles
                .entry(*number)
                .or_insert_with(|| TaskHandle::spawn(job.clone(), paused));
        }
        tracing::info!(connector = %self.name, tasks = jobs.len(), "connector started");
        self.active = Some(Active {
            opened: Some(opened),
            jobs,
            tasks: handles,
        });
    }

    fn failed(&self, error: &Error) {
        tracing::error!(connector = %self.name, %error, causes = ?error.chain(), "the connector failed");
        self.parts
            .board
            .connector(&self.name, Status::failed(trace(error)));
    }

    async fn stale(&mut self, stale: Result<(), Error>) -> Option<Starting> {
        self.stop_tasks().await;
        match stale {
            Ok(()) => self.start(None),
            Err(error) => {
                self.failed(&error);
                None
            }
        }
    }

    async fn retarget(&mut self, target: TargetState, starting: Option<Starting>) -> Option<Starting> {
        let was = std::mem::replace(&mut self.target, target);
        match (was, target) {
            (_, TargetState::Stopped) => {
                drop(starting);
                self.stop_tasks().await;
                self.start(None)
            }
            (TargetState::Stopped, _) => self.start(None),
            _ => {
                if let Some(active) = &self.active {
                    self.show_connector_pause();
                    for (number, task) in &active.tasks {
                        task.set_paused(target == TargetState::Paused);
                        self.show_pause(*number);
                    }
                }
                starting
            }
        }
    }

    /// A connector that is being restarted beside its tasks, or failed then, goes on saying so.
    fn show_connector_pause(&self) {
        let view = self.parts.board.get(&self.name);
        if view.is_some_and(|view| matches!(view.status.state, State::Running | State::Paused)) {
            self.parts.board.connector(&self.name, Status::of(self.state()));
        }
    }

    /// A FAILED or starting task keeps its state; a running one shows the pause.
    fn show_pause(&self, number: u32) {
        let view = self
            .parts
            .board
            .get(&self.name)
            .and_then(|mut view| view.tasks.remove(&number));
        if view.is_some_and(|view| matches!(view.status.state, State::Running | State::Paused)) {
            self.parts
                .board
                .task(&self.name, number, Status::of(self.state()));
        }
    }

    fn state(&self) -> State {
        if self.target == TargetState::Paused {
            State::Paused
        } else {
            State::Running
        }
    }

    async fn restart_tasks(&mut self, numbers: &[u32]) {
        let deadline = Instant::now() + self.parts.shutdown_timeout;
        let paused = self.target == TargetState::Paused;
        let Some(active) = &mut self.active else { return };
        for number in numbers {
            let Some(job) = active.jobs.get(number) else {
                continue;
            };
            self.parts
                .board
                .task(&self.name, *number, Status::of(State::Restarting));
            if let Some(task) = active.tasks.remove(number) {
                task.stop();
                task.stopped(deadline).await;
            }
            self.parts
                .board
                .task(&self.name, *number, Status::of(State::Restarting));
            active
                .tasks
                .insert(*number, TaskHandle::spawn(job.clone(), paused));
        }
    }

    /// Stops all tasks together, inside one deadline.
    async fn stop_tasks(&mut self) {
        let Some(active) = self.active.take() else { return };
        self.stop_all(active.tasks.into_values().collect()).await;
    }

    async fn stop_all(&self, tasks: Vec<TaskHandle>) {
        let deadline = Instant::now() + self.parts.shutdown_timeout;
        tasks.iter().for_each(TaskHandle::stop);
        join_all(tasks.into_iter().map(|task| task.stopped(deadline))).await;
    }
}

/// Opens the connector, plans its tasks and stores the plan; retriable failures are tried again, visibly.
async fn open(
    parts: &WorkerParts,
    configs: &Mutex<ConfigStore>,
    name: &str,
    config: &Properties,
    mut first: Option<FirstAttempt>,
) -> Result<Planned, Error> {
    let startups = parts.board.connector_startups();
    let mut backoff = Backoff::new(name.len() as u64);
    loop {
        startups.attempt();
        let end = open_once(parts, configs, name, config).await;
        if end.is_ok() {
            startups.succeeded();
        } else {
            startups.failed();
        }
        if let Some(first) = first.take() {
            // Whoever asked may have stopped waiting.
            let _ = first.send(end.as_ref().map(|_| ()).map_err(Clone::clone));
        }
        let error = match end {
            Err(error) if error.is_retriable() => error,
            end => return end,
        };
        let wait = wait_after(&mut backoff, "opening the connector", &error);
        let waiting = Status {
            state: State::Unassigned,
            trace: Some(trace(&error)),
        };
        parts.board.connector(name, waiting);
        tokio::time::sleep(wait).await;
    }
}

async fn open_once(
    parts: &WorkerParts,
    configs: &Mutex<ConfigStore>,
    name: &str,
    config: &Properties,
) -> Result<Planned, Error> {
    let class = config.get("connector.class").unwrap_or_default().trim();
    let plugin = parts.validator.plugins.connector(class).map_err(Error::fatal)?;
    let common = Common::read(&mut Reader::new(config), &plugin)
        .ok_or_else(|| Error::fatal(format!("the configuration of {name} is invalid")).hint("validate it"))?;
    let (opened, specs) = match &plugin {
        ConnectorPlugin::Source(source) => {
            let connector = (source.open)(config)?;
            let mut specs = connector.plan(common.tasks_max).await?;
            if source.scheduled {
                // One run at a time, so its plan is one task, whatever tasks.max says.
                specs.truncate(1);
            }
            (Opened::Source(connector.into()), specs)
        }
        ConnectorPlugin::Sink(sink) => {
            let connector = (sink.open)(config)?;
            let specs = (0..common.tasks_max.get()).map(|_| TaskSpec::default()).collect();
            (Opened::Sink(connector.into()), specs)
        }
    };
    check_count(&common, specs.len())?;
    let tasks: Vec<_> = specs
        .into_iter()
        .map(|spec| {
            let config = task_config(config, &spec, plugin.task_class());
            (spec, config)
        })
        .collect();
    let stored = tasks.iter().map(|(_, config)| config.clone()).collect();
    configs.lock().await.set_tasks(&common.name, stored).await?;
    Ok(Planned {
        opened,
        common,
        tasks,
    })
}

fn check_count(common: &Common, tasks: usize) -> Result<(), Error> {
    if tasks as u64 <= u64::from(common.tasks_max.get()) {
        return Ok(());
    }
    let text = format!(
        "The connector {} has generated {tasks} tasks, which is greater than {}, the maximum number of tasks it is configured to create.",
        common.name, common.tasks_max
    );
    if common.tasks_max_enforce {
        return Err(Error::fatal(text).hint("raise tasks.max"));
    }
    tracing::warn!("{text}");
    Ok(())
}

/// The connector's configuration with the task's share, and the class under which Connect knows the task.
fn task_config(config: &Properties, spec: &TaskSpec, class: &str) -> Properties {
    let mut task = config.clone();
    for (key, value) in spec.0.iter() {
        task.set(key, value);
    }
    task.set("task.class", class);
    task
}

async fn wait(starting: &mut Option<Starting>) -> Result<Planned, Error> {
    match starting {
        Some(running) => {
            let done = running.await;
            *starting = None;
            done
        }
        None => pending().await,
    }
}

async fn watch(active: Option<&Active>) -> Result<(), Error> {
    match active.and_then(|active| active.opened.as_ref()) {
        Some(Opened::Source(source)) => source.watch().await,
        Some(Opened::Sink(_)) | None => pending().await,
    }
}
