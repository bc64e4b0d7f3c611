//! A connector that hangs in any call harms nobody else, and the worker stops in time all the same.

use std::future::pending;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use rowtide_api::config::{Config, Definition, Key, Reader};
use rowtide_api::context::TaskContext;
use rowtide_api::data::Datum;
use rowtide_api::plugin::Plugin;
use rowtide_api::record::{Headers, Record};
use rowtide_api::sink::{Note, Partition, PutReport, SinkBatch, SinkConnector, SinkTask};
use rowtide_api::source::{SourceBatch, SourceConnector, SourceContext, SourceTask, TaskSpec, Unit};
use rowtide_api::{Error, Properties, SourceOffset, SourcePartition};
use rowtide_engine::herder::HerderHandle;
use rowtide_engine::store::config::TargetState;
use rowtide_engine::store::status::State;
use rowtide_testkit::fakes::kafka::MemoryKafka;
use tokio::time::{Instant, sleep};

use crate::parts::{SHUTDOWN, Stored, until};

const TOPIC: &str = "t";
const HANGS_IN: Key<String> = Key::new("hangs.in", "The call that never returns.").default("nothing");

#[derive(Clone)]
pub(crate) struct Settings {
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
pub(crate) struct Source(Settings);

pub(crate) struct SourceRun {
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
        let record = Record {
            topic: TOPIC.into(),
            partition: Some(0),
            timestamp_ms: None,
            key: Datum::NULL,
            value: Datum::text(self.next.to_string()),
            headers: Headers::default(),
        };
        Ok(Some(SourceBatch {
            partition: SourcePartition::new().with("lane", "a"),
            records: vec![record],
            rejected: Vec::new(),
            resume_at: Some(SourceOffset::new().with("n", self.next)),
            unit: Unit::Whole,
        }))
    }

    fn committed(&mut self, _: &SourcePartition, _: &SourceOffset) {}

    async fn stop(self) -> Result<(), Error> {
        self.settings.call("stop").await;
        Ok(())
    }
}

/// Takes every record until it hangs.
pub(crate) struct Sink(Settings);

pub(crate) struct SinkRun(Settings);

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
    async fn assigned(&mut self, _: &[(Partition, Option<Note>)]) -> Result<(), Error> {
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
    let stored = Stored::new();
    stored.kafka.create_topic(TOPIC, 1);
    let (herder, _) = stored.start(&Arc::default()).await;
    herder
        .create("writer", source("writer", "nothing"), TargetState::Started)
        .await
        .unwrap();
    herder
        .create("reader", sink("reader", "nothing"), TargetState::Started)
        .await
        .unwrap();
    for (name, config) in hanging() {
        harms_nobody(&herder, &stored.kafka, &name, config).await;
    }
    let begun = Instant::now();
    herder.shutdown().await;
    // All connectors stop together: one deadline holds for all of them.
    assert!(begun.elapsed() <= SHUTDOWN + DROPPING, "{:?}", begun.elapsed());
}
