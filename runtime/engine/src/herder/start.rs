//! What tasks are built from: the worker's parts, and the workers of one task.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rowtide_api::context::{Limits, Metrics, Progress, TaskContext};
use rowtide_api::erased::{AnySinkConnector, AnySourceConnector};
use rowtide_api::source::{Run, SourceContext, TaskSpec};
use rowtide_api::{Error, Properties};
use tokio::sync::Mutex;

use crate::chain::Chain;
use crate::connector::chain;
use crate::connector::keys::Common;
use crate::connector::validation::Validator;
use crate::control::Control;
use crate::metrics::{SinkCounters, SourceCounters};
use crate::ports::{ClientSettings, Clock, ConsumerSettings, Kafka, Subscription};
use crate::sink::worker::SinkParts;
use crate::source::worker::{SourceEnd, SourceParts};
use crate::status::Board;
use crate::store::offset::OffsetStore;
use crate::store::run::RunStore;

/// Records of one delivery: enough to amortise a put, small next to what a sink may buffer.
const DELIVERY_RECORDS_MAX: usize = 1000;

/// Everything tasks share.
pub struct WorkerParts {
    /// Plugins, converters and the override policy.
    pub validator: Validator,
    /// Opens clients.
    pub kafka: Arc<dyn Kafka>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Source offsets.
    pub offsets: Arc<OffsetStore>,
    /// Runs of scheduled connectors.
    pub runs: Arc<Mutex<RunStore>>,
    /// What readers see.
    pub board: Arc<Board>,
    /// The worker's `producer.*` keys, without prefix.
    pub producer: Properties,
    /// The worker's `consumer.*` keys, without prefix.
    pub consumer: Properties,
    /// `offset.flush.interval.ms`.
    pub flush_interval: Duration,
    /// `offset.flush.timeout.ms`.
    pub flush_timeout: Duration,
    /// `task.shutdown.graceful.timeout.ms`.
    pub shutdown_timeout: Duration,
    /// What one task may hold.
    pub limits: Limits,
    /// A folder for spill files; each task gets its own below it.
    pub state_folder: Option<PathBuf>,
}

/// A connector that was opened.
pub(super) enum Opened {
    /// A source.
    Source(Arc<dyn AnySourceConnector>),
    /// A sink.
    Sink(Arc<dyn AnySinkConnector>),
}

impl Opened {
    pub(super) fn share(&self) -> Self {
        match self {
            Self::Source(source) => Self::Source(source.clone()),
            Self::Sink(sink) => Self::Sink(sink.clone()),
        }
    }
}

/// One task to run.
pub(super) struct TaskJob {
    /// What it shares with others.
    pub(super) parts: Arc<WorkerParts>,
    /// The connector's name.
    pub(super) name: Arc<str>,
    /// The task's number.
    pub(super) number: u32,
    /// The connector's configuration.
    pub(super) config: Properties,
    /// What the engine read of it.
    pub(super) common: Common,
    /// The connector.
    pub(super) opened: Opened,
    /// The task's share.
    pub(super) spec: TaskSpec,
    /// What it counts.
    pub(super) metrics: Metrics,
    /// Phase and degradation.
    pub(super) progress: Progress,
}

impl TaskJob {
    fn context(&self) -> TaskContext {
        TaskContext {
            connector: self.name.clone(),
            task: self.number,
            limits: self.parts.limits,
            state_folder: self
                .parts
                .state_folder
                .as_ref()
                .map(|folder| folder.join(format!("{}-{}", self.name, self.number))),
            metrics: self.metrics.clone(),
            progress: self.progress.clone(),
        }
    }

    fn client(&self, kind: &str, worker: &Properties) -> ClientSettings {
        let mut properties = worker.clone();
        for (key, value) in self.config.stripped(&format!("{kind}.override.")).iter() {
            properties.set(key, value);
        }
        ClientSettings {
            client_id: format!("connector-{kind}-{}-{}", self.name, self.number),
            properties,
        }
    }

    /// Runs one attempt: starts the task and works until it ends. `started` is called once it runs.
    ///
    /// # Errors
    /// Retriable: try again. Fatal: the task becomes FAILED.
    pub(super) async fn attempt(
        &self,
        control: Control,
        run: Option<Run>,
        started: impl FnOnce() + Send,
    ) -> Result<SourceEnd, Error> {
        match &self.opened {
            Opened::Source(source) => {
                let source = source.clone();
                let parts = self.source_parts(&*source, control, run).await?;
                started();
                crate::source::worker::run(parts).await
            }
            Opened::Sink(sink) => {
                let sink = sink.clone();
                let parts = self.sink_parts(&*sink, control).await?;
                started();
                crate::sink::worker::run(parts).await.map(|()| SourceEnd::Stopped)
            }
        }
    }

    fn chain(&self) -> Result<Chain, Error> {
        let validator = &self.parts.validator;
        chain::build(
            &validator.plugins,
            &validator.converters,
            &self.config,
            self.common.error_log,
        )
    }

    async fn source_parts(
        &self,
        source: &dyn AnySourceConnector,
        control: Control,
        run: Option<Run>,
    ) -> Result<SourceParts, Error> {
        let chain = self.chain()?;
        let producer = self
            .parts
            .kafka
            .producer(&self.client("producer", &self.parts.producer))?;
        let context = SourceContext {
            task: self.context(),
            offsets: self.parts.offsets.reader(&*self.name),
            run,
        };
        let task = source.start(context, self.spec.clone()).await?;
        Ok(SourceParts {
            connector: self.name.clone(),
            task,
            chain,
            producer,
            offsets: self.parts.offsets.clone(),
            observer: self.parts.board.observer(&self.name, self.number),
            progress: self.progress.clone(),
            counters: SourceCounters::new(&self.metrics),
            flush_interval: self.parts.flush_interval,
            flush_timeout: self.parts.flush_timeout,
            shutdown_timeout: self.parts.shutdown_timeout,
            control,
        })
    }

    async fn sink_parts(&self, sink: &dyn AnySinkConnector, control: Control) -> Result<SinkParts, Error> {
        let chain = self.chain()?;
        let task = sink.start(self.context()).await?;
        let consumer = self.parts.kafka.consumer(&self.consumer_settings())?;
        Ok(SinkParts {
            connector: self.name.clone(),
            task,
            chain,
            consumer,
            observer: self.parts.board.observer(&self.name, self.number),
            progress: self.progress.clone(),
            counters: SinkCounters::new(&self.metrics),
            limits: self.parts.limits,
            commit_interval: self.parts.flush_interval,
            commit_timeout: self.parts.flush_timeout,
            shutdown_timeout: self.parts.shutdown_timeout,
            control,
        })
    }

    fn consumer_settings(&self) -> ConsumerSettings {
        let mut client = self.client("consumer", &self.parts.consumer);
        let group_id = client
            .properties
            .remove("group.id")
            .map_or_else(|| format!("connect-{}", self.name), |text| text.trim().to_owned());
        let records = client
            .properties
            .get("max.poll.records")
            .and_then(|text| text.trim().parse().ok());
        let subscription = match &self.common.topics_regex {
            Some(pattern) => Subscription::Pattern(pattern.clone()),
            None => Subscription::Topics(self.common.topics.clone()),
        };
        let batch_records_max = records.unwrap_or(DELIVERY_RECORDS_MAX).max(1);
        ConsumerSettings {
            client,
            group_id,
            subscription,
            batch_records_max,
        }
    }
}
