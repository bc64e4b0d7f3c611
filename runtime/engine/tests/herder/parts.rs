//! A worker of memory, with a clock that is set.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rowtide_api::Properties;
use rowtide_api::context::Limits;
use rowtide_api::erased::{ConverterRow, SinkPlugin, SourcePlugin};
use rowtide_engine::connector::chain::WorkerConverters;
use rowtide_engine::connector::validation::Validator;
use rowtide_engine::herder::{Herder, HerderHandle, WorkerParts};
use rowtide_engine::plugins::Plugins;
use rowtide_engine::ports::Clock;
use rowtide_engine::status::Board;
use rowtide_engine::store::config::{ConfigStore, TargetState};
use rowtide_engine::store::offset::OffsetStore;
use rowtide_engine::store::run::RunStore;
use rowtide_engine::store::status::{State, StatusStore};
use rowtide_testkit::fakes::MemoryLog;
use rowtide_testkit::fakes::kafka::MemoryKafka;
use tokio::task::JoinHandle;

use crate::hanging;
use crate::plugins::{Script, Scripted, Text, Timed};

/// The time in which everything stops.
pub(crate) const SHUTDOWN: Duration = Duration::from_secs(5);

pub(crate) struct SetClock(pub(crate) AtomicI64);

impl Clock for SetClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// What outlives a worker.
#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) config: Arc<MemoryLog>,
    pub(crate) offset: Arc<MemoryLog>,
    pub(crate) status: Arc<MemoryLog>,
    pub(crate) run: Arc<MemoryLog>,
    pub(crate) clock: Arc<SetClock>,
    pub(crate) kafka: MemoryKafka,
}

impl Stored {
    pub(crate) fn new() -> Self {
        Self {
            config: Arc::default(),
            offset: Arc::default(),
            status: Arc::default(),
            run: Arc::default(),
            clock: Arc::new(SetClock(AtomicI64::new(0))),
            kafka: MemoryKafka::new(),
        }
    }

    /// Starts a worker on it; its connectors follow this script.
    pub(crate) async fn start(&self, script: &Arc<Script>) -> (HerderHandle, JoinHandle<()>) {
        script.play();
        let configs = ConfigStore::open(self.config.clone()).await.unwrap();
        let statuses = StatusStore::new(self.status.clone(), "w:1");
        let topics = statuses.topics().await.unwrap();
        let clock: Arc<dyn Clock> = self.clock.clone();
        let (board, _) = Board::new(statuses, clock.clone());
        let plugins = Plugins {
            sources: vec![
                SourcePlugin::of::<Scripted>(),
                SourcePlugin::of::<Timed>(),
                SourcePlugin::of::<hanging::Source>(),
            ],
            sinks: vec![SinkPlugin::of::<hanging::Sink>()],
            converters: vec![ConverterRow::of::<Text>()],
            ..Plugins::default()
        };
        let names = ["key.converter", "value.converter", "header.converter"];
        let converters = WorkerConverters {
            properties: names.into_iter().map(|key| (key, "Text")).collect(),
            defaults: Properties::new(),
        };
        let parts = WorkerParts {
            validator: Validator {
                plugins,
                converters,
                overrides: |_, _| Vec::new(),
            },
            kafka: Arc::new(self.kafka.clone()),
            clock,
            offsets: Arc::new(OffsetStore::open(self.offset.clone()).await.unwrap()),
            runs: Arc::new(tokio::sync::Mutex::new(
                RunStore::open(self.run.clone()).await.unwrap(),
            )),
            board,
            producer: Properties::new(),
            consumer: Properties::new(),
            flush_interval: Duration::from_millis(100),
            flush_timeout: Duration::from_secs(5),
            shutdown_timeout: SHUTDOWN,
            limits: Limits::default(),
            state_folder: None,
        };
        Herder::start(parts, configs, topics)
    }
}

pub(crate) async fn create(herder: &HerderHandle, name: &str, class: &str, own: &[(&str, &str)]) {
    let base = [("name", name), ("connector.class", class)];
    let config = base.into_iter().chain(own.iter().copied()).collect();
    herder.create(name, config, TargetState::Started).await.unwrap();
}

/// The states of a connector and its tasks.
pub(crate) fn states(herder: &HerderHandle, name: &str) -> Option<(State, Vec<State>)> {
    let view = herder.board().get(name)?;
    let tasks = view.tasks.values().map(|task| task.status.state).collect();
    Some((view.status.state, tasks))
}

/// Waits until it holds; ten hours of paused time are the deadline.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..360_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what} did not come");
}
