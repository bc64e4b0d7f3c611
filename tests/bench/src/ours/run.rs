//! Starts the source as the worker does, and watches it from outside.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rowtide_api::Error;
use rowtide_api::config::{ConfigReport, Properties};
use rowtide_api::context::{Progress, TaskContext};
use rowtide_api::erased::AnySourceTask;
use rowtide_api::source::{SourceConnector as _, SourceContext};
use rowtide_engine::chain::Chain;
use rowtide_engine::connector::chain::{WorkerConverters, build};
use rowtide_engine::control::Control;
use rowtide_engine::failure::ErrorLog;
use rowtide_engine::metrics::SourceCounters;
use rowtide_engine::plugins::Plugins;
use rowtide_engine::ports::Producer;
use rowtide_engine::source::worker::{SourceEnd, SourceParts, run};
use rowtide_engine::store::offset::OffsetStore;
use rowtide_postgres::source::config::SourceConfig;
use rowtide_postgres::source::{PostgresSource, offset};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::memory_log::MemoryLog;
use crate::database::{Database, Written};
use crate::process;

/// How often a run is looked at: the error of its end, and too rare to cost it anything.
const LOOK: Duration = Duration::from_millis(2);
/// No run of a sensible size takes this long.
const PATIENCE: Duration = Duration::from_secs(300);
/// Connect's name of the connector in the offset store.
const NAME: &str = "bench";

/// What a run of ours needs besides its chain and producer.
pub struct Ours {
    /// The connector's configuration.
    pub properties: Properties,
    /// Key, value and header converters, and what stands before them.
    pub chain: Chain,
    /// Where records go.
    pub producer: Arc<dyn Producer>,
}

/// A task at work.
pub struct Running {
    offsets: Arc<OffsetStore>,
    prefix: String,
    counters: SourceCounters,
    progress: Progress,
    stop: CancellationToken,
    worker: JoinHandle<Result<SourceEnd, Error>>,
}

/// The source's configuration for a slot.
pub fn properties(database: &Database, written: &Written, slot: &str, prefix: &str) -> Properties {
    let address = &database.address;
    [
        ("topic.prefix", prefix),
        ("database.hostname", &address.host),
        ("database.port", &address.port.to_string()),
        ("database.user", &address.user),
        ("database.password", "trusted"),
        ("database.dbname", &address.database),
        ("database.sslmode", "disable"),
        ("plugin.name", "pgoutput"),
        ("slot.name", slot),
        ("publication.name", &written.publication),
        ("publication.autocreate.mode", "disabled"),
        ("table.include.list", &format!("public.{}", written.table)),
        ("snapshot.mode", "no_data"),
    ]
    .into_iter()
    .collect()
}

/// The configuration as the source reads it.
///
/// # Errors
/// Everything the source refuses.
pub fn config(properties: &Properties) -> Result<SourceConfig, Error> {
    let (config, report) = ConfigReport::read::<SourceConfig>(properties);
    config.ok_or_else(|| {
        Error::fatal(format!(
            "the source refuses the bench's configuration: {report:?}"
        ))
    })
}

/// Avro for keys and values, with this registry, as the worker builds it.
///
/// # Errors
/// A configuration that does not fit.
pub fn chain(registry: &str) -> Result<Chain, Error> {
    let plugins = Plugins {
        converters: rowtide_converters::rows(),
        ..Plugins::default()
    };
    let avro = "io.confluent.connect.avro.AvroConverter";
    let worker = WorkerConverters {
        properties: [("key.converter", avro), ("value.converter", avro)]
            .into_iter()
            .collect(),
        defaults: [("schema.registry.url", registry)].into_iter().collect(),
    };
    build(&plugins, &worker, &Properties::new(), ErrorLog::Off)
}

impl Ours {
    /// Starts the task behind the worker.
    ///
    /// # Errors
    /// A configuration the source refuses.
    pub async fn start(self) -> Result<Running, Error> {
        let config = config(&self.properties)?;
        let connector = PostgresSource::open(config)?;
        let spec = connector.plan(NonZeroU32::MIN).await?.remove(0);
        let offsets = Arc::new(OffsetStore::open(Arc::new(MemoryLog)).await?);
        let context = TaskContext::new(NAME, 0);
        let (counters, progress) = (SourceCounters::new(&context.metrics), context.progress.clone());
        let source = SourceContext {
            task: context,
            offsets: offsets.reader(NAME),
            run: None,
        };
        let task: Box<dyn AnySourceTask> = Box::new(connector.start(source, spec).await?);
        let stop = CancellationToken::new();
        let (control, switch) = Control::new(stop.clone(), false);
        let parts = SourceParts {
            connector: NAME.into(),
            task,
            chain: self.chain,
            producer: self.producer,
            offsets: offsets.clone(),
            observer: Arc::new(()),
            progress: progress.clone(),
            counters: counters.clone(),
            // The worker's default.
            flush_interval: Duration::from_secs(1),
            flush_timeout: Duration::from_secs(5),
            shutdown_timeout: Duration::from_secs(5),
            control,
        };
        let worker = tokio::spawn(async move {
            let ended = run(parts).await;
            // The switch for pausing lives as long as the worker.
            drop(switch);
            ended
        });
        let prefix = self.properties.get("topic.prefix").unwrap_or_default().to_owned();
        Ok(Running {
            offsets,
            prefix,
            counters,
            progress,
            stop,
            worker,
        })
    }
}

impl Running {
    /// Waits until the stream is open.
    ///
    /// # Errors
    /// The worker's, when it ended instead.
    pub async fn streaming(&self) -> Result<(), Error> {
        self.until("opening the stream", || {
            self.progress.state().phase.as_deref() == Some("streaming")
        })
        .await
    }

    /// Waits until so many records are acknowledged; answers when that was, and the process's CPU time then.
    ///
    /// # Errors
    /// The worker's, when it ended instead.
    pub async fn acknowledged(&self, records: u64) -> Result<(Instant, Duration), Error> {
        self.until("receiving the records", || {
            self.counters.written_total() >= records
        })
        .await?;
        Ok((Instant::now(), process::own_cpu()))
    }

    /// Waits until the stored offset is at or behind `end`, then stops; answers how many records were acknowledged. One
    /// too many would have come by then as well.
    ///
    /// # Errors
    /// The worker's.
    pub async fn finish(self, end: u64) -> Result<u64, Error> {
        let partition = offset::partition(&self.prefix);
        self.until("storing the last offset", || {
            let stored = self.offsets.get(NAME, &partition);
            let lsn = stored.and_then(|offset| offset.int("lsn_commit"));
            lsn.is_some_and(|lsn| lsn.cast_unsigned() >= end)
        })
        .await?;
        self.stop().await
    }

    /// Stops; answers how many records were acknowledged.
    ///
    /// # Errors
    /// The worker's.
    pub async fn stop(self) -> Result<u64, Error> {
        self.stop.cancel();
        match self.worker.await {
            Ok(ended) => ended.map(|_| self.counters.written_total()),
            Err(cause) => Err(Error::fatal("the source worker panicked").because(cause)),
        }
    }

    async fn until(&self, what: &str, done: impl Fn() -> bool) -> Result<(), Error> {
        let begun = Instant::now();
        while !done() {
            if self.worker.is_finished() {
                return Err(Error::fatal(format!("{what}: the source worker has ended")));
            }
            if begun.elapsed() > PATIENCE {
                let (seconds, have) = (PATIENCE.as_secs(), self.counters.written_total());
                return Err(Error::fatal(format!(
                    "{what}: not done after {seconds} s, {have} records so far"
                )));
            }
            sleep(LOOK).await;
        }
        Ok(())
    }
}
