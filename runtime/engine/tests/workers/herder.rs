//! A connector that hangs in any call harms nobody else, and the worker stops in time all the same.

use std::collections::BTreeMap;
use std::future::pending;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use rowtide_api::config::{Config, Definition, Key, Reader};
use rowtide_api::context::{Limits, TaskContext};
use rowtide_api::erased::{ConverterRow, SinkPlugin, SourcePlugin};
use rowtide_api::plugin::Plugin;
use rowtide_api::sink::{Partition, PutReport, SinkBatch, SinkConnector, SinkTask};
use rowtide_api::source::{SourceBatch, SourceConnector, SourceContext, SourceTask, TaskSpec};
use rowtide_api::{Error, Properties, SourceOffset, SourcePartition};
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
use rowtide_testkit::fakes::kafka::MemoryKafka;
use rowtide_testkit::fakes::{FakeClock, MemoryLog};
use tokio::time::{Instant, sleep, timeout};

use crate::rig::{FLUSH_INTERVAL, FLUSH_TIMEOUT, Plain, SHUTDOWN, TOPIC, batch};

const HANGS_IN: Key<String> = Key::new("hangs.in", "The call that never returns.").default("nothing");

#[derive(Clone)]
struct Settings {
    hangs_in: Arc<str>,
}

impl Config for Settings {
    fn definitions() -> Vec<&'static Definition> {
        vec![HANGS_IN.definition()]
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let hangs_in = reader.get(&HANGS_IN)?;
        Some(Self {
            hangs_in: hangs_in.into(),
        })
    }
}

impl Settings {
    async fn call(&self, name: &str) {
        if &*self.hangs_in == name {
            pending::<()>().await;
        }
    }
}

/// Writes one record after another until it hangs.
struct Source(Settings);

struct SourceRun {
    settings: Settings,
    next: i64,
}

impl Plugin for Source {
    const CLASS: &'static str = "test.CountingSourceConnector";
    const ALIASES: &'static [&'static str] = &[];
    type Config = Settings;
}

impl SourceConnector for Source {
    type Task = SourceRun;

    fn open(settings: Settings) -> Result<Self, Error> {
        Ok(Self(settings))
    }

    async fn plan(&self, _: NonZeroU32) -> Result<Vec<TaskSpec>, Error> {
        self.0.call("plan").await;
        Ok(vec![TaskSpec::default()])
    }

    async fn start(&self, _: SourceContext, _: TaskSpec) -> Result<SourceRun, Error> {
        self.0.call("start").await;
        Ok(SourceRun {
            settings: self.0.clone(),
            next: 0,
        })
    }
}

impl SourceTask for SourceRun {
    async fn poll(&mut self) -> Result<Option<SourceBatch>, Error> {
        self.settings.call("poll").await;
        sleep(Duration::from_millis(20)).await;
        self.next += 1;
        Ok(Some(batch("a", self.next - 1, self.next)))
    }

    fn committed(&mut self, _: &SourcePartition, _: &SourceOffset) {}

    async fn stop(self) -> Result<(), Error> {
        self.settings.call("stop").await;
        Ok(())
    }
}

struct Sink(Settings);

struct SinkRun(Settings);

impl Plugin for Sink {
    const CLASS: &'static str = "test.CountingSinkConnector";
    const ALIASES: &'static [&'static str] = &[];
    type Config = Settings;
}

impl SinkConnector for Sink {
    type Task = SinkRun;

    fn open(settings: Settings) -> Result<Self, Error> {
        Ok(Self(settings))
    }

    async fn start(&self, _: TaskContext) -> Result<SinkRun, Error> {
        self.0.call("start").await;
        Ok(SinkRun(self.0.clone()))
    }
}

impl SinkTask for SinkRun {
    async fn assigned(&mut self, _: &[(Partition, Option<rowtide_api::sink::Note>)]) -> Result<(), Error> {
        self.0.call("assigned").await;
        Ok(())
    }

    async fn put(&mut self, batch: SinkBatch) -> Result<(), Error> {
        self.0.call("put").await;
        let records = u32::try_from(batch.records.len()).unwrap();
        batch.settle(Ok(PutReport::written(records)));
        Ok(())
    }

    async fn revoked(&mut self, _: &[Partition]) -> Result<(), Error> {
        self.0.call("revoked").await;
        Ok(())
    }

    async fn stop(self) -> Result<(), Error> {
        self.0.call("stop").await;
        Ok(())
    }
}

async fn herder(kafka: &MemoryKafka) -> HerderHandle {
    let clock: Arc<dyn Clock> = Arc::new(FakeClock::at(1_700_000_000_000));
    let converter = |role: &str| (format!("{role}.converter"), Plain::CLASS);
    let plugins = Plugins {
        sources: vec![SourcePlugin::of::<Source>()],
        sinks: vec![SinkPlugin::of::<Sink>()],
        converters: vec![ConverterRow::of::<Plain>()],
        ..Plugins::default()
    };
    let converters = WorkerConverters {
        properties: Properties::from_iter([converter("key"), converter("value"), converter("header")]),
        defaults: Properties::new(),
    };
    let (board, _writer) = Board::new(
        StatusStore::new(Arc::new(MemoryLog::new()), "test:1"),
        clock.clone(),
    );
    let parts = WorkerParts {
        validator: Validator {
            plugins,
            converters,
            overrides: |_, _| Vec::new(),
        },
        kafka: Arc::new(kafka.clone()),
        clock,
        offsets: Arc::new(OffsetStore::open(Arc::new(MemoryLog::new())).await.unwrap()),
        runs: Arc::new(tokio::sync::Mutex::new(
            RunStore::open(Arc::new(MemoryLog::new())).await.unwrap(),
        )),
        board,
        producer: Properties::new(),
        consumer: Properties::new(),
        flush_interval: FLUSH_INTERVAL,
        flush_timeout: FLUSH_TIMEOUT,
        shutdown_timeout: SHUTDOWN,
        limits: Limits::default(),
        state_folder: None,
    };
    let configs = ConfigStore::open(Arc::new(MemoryLog::new())).await.unwrap();
    Herder::start(parts, configs, BTreeMap::new()).0
}

fn source(name: &str, hangs_in: &str) -> Properties {
    Properties::from_iter([
        ("name", name),
        ("connector.class", Source::CLASS),
        ("hangs.in", hangs_in),
    ])
}

fn sink(name: &str, hangs_in: &str) -> Properties {
    let pairs = [
        ("name", name),
        ("connector.class", Sink::CLASS),
        ("hangs.in", hangs_in),
        ("topics", TOPIC),
    ];
    Properties::from_iter(pairs)
}

/// A task that did not stop in time is dropped within this.
const DROPPING: Duration = Duration::from_secs(3);

/// Every call that may hang, with the configuration of a connector that does.
fn hanging() -> Vec<(String, Properties)> {
    let sources = ["plan", "start", "poll", "stop"].map(|call| (format!("source-{call}"), call));
    let sinks = ["start", "assigned", "put", "revoked", "stop"].map(|call| (format!("sink-{call}"), call));
    let sources = sources
        .into_iter()
        .map(|(name, call)| (name.clone(), source(&name, call)));
    sources
        .chain(
            sinks
                .into_iter()
                .map(|(name, call)| (name.clone(), sink(&name, call))),
        )
        .collect()
}

fn state(herder: &HerderHandle, name: &str) -> Option<State> {
    herder
        .board()
        .get(name)?
        .tasks
        .get(&0)
        .map(|task| task.status.state)
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let all = async {
        while !holds() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(60), all)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen"));
}

/// Neighbours write and read on while it hangs, while it is restarted and while it is deleted.
async fn harms_nobody(herder: &HerderHandle, kafka: &MemoryKafka, name: &str, config: Properties) {
    herder
        .create(name, config.clone(), TargetState::Started)
        .await
        .unwrap();
    let read = || {
        kafka
            .committed("connect-reader", TOPIC, 0)
            .map_or(0, |(position, _)| position)
    };
    let mut goal = read();
    let mut goes_on = async |doing: &str| {
        goal = read() + 20;
        until(&format!("{name}, {doing}: the neighbours go on"), || {
            read() > goal
        })
        .await;
    };
    goes_on("hanging").await;
    herder.restart(name, true, false).await.unwrap();
    goes_on("restarted").await;
    herder.target(name, TargetState::Paused).await.unwrap();
    goes_on("paused").await;
    let begun = Instant::now();
    herder.delete(name).await.unwrap();
    assert!(
        begun.elapsed() <= SHUTDOWN + DROPPING,
        "{name}: {:?}",
        begun.elapsed()
    );
    goes_on("deleted").await;
    assert_eq!(
        (state(herder, "writer"), state(herder, "reader")),
        (Some(State::Running), Some(State::Running))
    );
    // Created again, so that the shutdown has to deal with it.
    herder
        .create(name, config.clone(), TargetState::Started)
        .await
        .unwrap();
    until("it is there", || {
        herder.board().get(name).is_some_and(|view| view.config == config)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_harms_no_neighbour_and_no_shutdown() {
    let kafka = MemoryKafka::new();
    kafka.create_topic(TOPIC, 1);
    let herder = herder(&kafka).await;
    herder
        .create("writer", source("writer", "nothing"), TargetState::Started)
        .await
        .unwrap();
    herder
        .create("reader", sink("reader", "nothing"), TargetState::Started)
        .await
        .unwrap();
    for (name, config) in hanging() {
        harms_nobody(&herder, &kafka, &name, config).await;
    }
    let begun = Instant::now();
    herder.shutdown().await;
    // All connectors stop together: one deadline holds for all of them.
    assert!(begun.elapsed() <= SHUTDOWN + DROPPING, "{:?}", begun.elapsed());
}
