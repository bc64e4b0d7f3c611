//! What the tests share: a converter of plain text, tasks that follow a script, and workers that run them.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rowtide_api::context::{Limits, Metrics, Progress};
use rowtide_api::convert::{Converter, Failure, Missing, Payload};
use rowtide_api::data::{Blob, Datum, Text, Value};
use rowtide_api::record::{Headers, Record};
use rowtide_api::sink::{Note, Partition, PutReport, SinkBatch, SinkTask};
use rowtide_api::source::{SourceBatch, SourceTask, Unit};
use rowtide_api::{Error, Properties, RecordError, SourceOffset, SourcePartition};
use rowtide_engine::chain::{Chain, Converters};
use rowtide_engine::control::Control;
use rowtide_engine::metrics::{SinkCounters, SourceCounters};
use rowtide_engine::ports::{ClientSettings, ConsumerSettings, Kafka as _, Subscription};
use rowtide_engine::sink::worker::SinkParts;
use rowtide_engine::source::worker::{SourceEnd, SourceParts};
use rowtide_engine::store::offset::OffsetStore;
use rowtide_testkit::fakes::MemoryLog;
use rowtide_testkit::fakes::kafka::MemoryKafka;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const TOPIC: &str = "t";
pub(crate) const GROUP: &str = "g";
pub(crate) const FLUSH_INTERVAL: Duration = Duration::from_millis(100);
pub(crate) const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
pub(crate) const SHUTDOWN: Duration = Duration::from_secs(5);

/// How many random scripts a property is tried on: few enough for the fast tests, more when `PROPTEST_CASES` asks.
pub(crate) fn cases() -> u32 {
    let asked = std::env::var("PROPTEST_CASES").ok();
    asked.and_then(|cases| cases.parse().ok()).unwrap_or(60)
}

/// Text as its bytes. Each flag is a registry that is down, a record it cannot handle, or a converter that is broken.
#[derive(Debug, Default, Clone)]
pub(crate) struct Plain {
    pub(crate) missing: Arc<AtomicBool>,
    pub(crate) fetches: Arc<Mutex<VecDeque<Error>>>,
    pub(crate) broken: Arc<Mutex<Option<Failure>>>,
}

impl Plain {
    fn check(&self, topic: &str) -> Result<(), Failure> {
        if let Some(failure) = self.broken.lock().unwrap().clone() {
            return Err(failure);
        }
        if self.missing.load(Ordering::SeqCst) {
            return Err(Failure::Missing(Missing::ToRead {
                topic: topic.into(),
                id: 1,
            }));
        }
        Ok(())
    }
}

impl Converter for Plain {
    fn encode(
        &self,
        topic: &str,
        datum: &Datum,
        _: &mut Headers,
        out: &mut Vec<u8>,
    ) -> Result<Payload, Failure> {
        let Some(text) = datum.value.as_str() else {
            return Ok(Payload::Null);
        };
        self.check(topic)?;
        out.extend(text.as_bytes());
        Ok(Payload::Bytes)
    }

    fn decode(&self, topic: &str, payload: Option<Blob>, _: &Headers) -> Result<Datum, Failure> {
        let Some(payload) = payload else {
            return Ok(Datum::NULL);
        };
        self.check(topic)?;
        let text = Text::checked(payload).map_err(|_| RecordError::new("no text"))?;
        Ok(Datum::schemaless(Value::Text(text)))
    }

    async fn fetch(&self, _: Missing) -> Result<(), Error> {
        match self.fetches.lock().unwrap().pop_front() {
            Some(error) => Err(error),
            None => {
                self.missing.store(false, Ordering::SeqCst);
                Ok(())
            }
        }
    }
}

impl Plain {
    pub(crate) fn chain(&self) -> Chain {
        let converter = Arc::new(self.clone());
        Chain::new(
            Vec::new(),
            Converters {
                key: converter.clone(),
                value: converter,
                header: Arc::new(Self::default()),
            },
        )
    }
}

/// How long until something has to have happened; tokio's time is paused, so it costs nothing.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..60_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what} did not happen");
}

/// Lets everything happen that can within this time.
pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

pub(crate) fn at(n: i64) -> SourceOffset {
    SourceOffset::new().with("n", n)
}

pub(crate) fn lane(name: &str) -> SourcePartition {
    SourcePartition::new().with("lane", name)
}

/// A batch of one lane with the values `first..last`, after which the offset is `last`.
pub(crate) fn batch(name: &str, first: i64, last: i64) -> SourceBatch {
    let record = |n: i64| Record {
        topic: TOPIC.into(),
        partition: Some(0),
        timestamp_ms: None,
        key: Datum::NULL,
        value: Datum::text(format!("{name}{n}")),
        headers: Headers::default(),
    };
    SourceBatch {
        partition: lane(name),
        records: (first..last).map(record).collect(),
        rejected: Vec::new(),
        resume_at: Some(at(last)),
        unit: Unit::Whole,
    }
}

/// What a scripted source does at each poll; at the end it waits for ever.
pub(crate) enum Poll {
    Batch(SourceBatch),
    Fails(Error),
    Finished,
}

impl From<SourceBatch> for Poll {
    fn from(batch: SourceBatch) -> Self {
        Self::Batch(batch)
    }
}

/// What a source was told.
#[derive(Debug, Default, Clone)]
pub(crate) struct Told {
    pub(crate) committed: Vec<(SourcePartition, SourceOffset)>,
    pub(crate) polls: usize,
    pub(crate) stopped: bool,
}

type Check = Arc<dyn Fn(&SourcePartition, &SourceOffset) + Send + Sync>;

pub(crate) struct ScriptedSource {
    pub(crate) polls: VecDeque<Poll>,
    pub(crate) told: Arc<Mutex<Told>>,
    /// Holds at each `committed`.
    pub(crate) check: Check,
    pub(crate) stop_hangs: bool,
}

impl SourceTask for ScriptedSource {
    async fn poll(&mut self) -> Result<Option<SourceBatch>, Error> {
        match self.polls.pop_front() {
            Some(poll) => {
                self.told.lock().unwrap().polls += 1;
                match poll {
                    Poll::Batch(batch) => Ok(Some(batch)),
                    Poll::Fails(error) => Err(error),
                    Poll::Finished => Ok(None),
                }
            }
            None => pending().await,
        }
    }

    fn committed(&mut self, partition: &SourcePartition, offset: &SourceOffset) {
        (self.check)(partition, offset);
        self.told
            .lock()
            .unwrap()
            .committed
            .push((partition.clone(), offset.clone()));
    }

    async fn stop(self) -> Result<(), Error> {
        self.told.lock().unwrap().stopped = true;
        if self.stop_hangs {
            pending::<()>().await;
        }
        Ok(())
    }
}

/// A cluster, a log of offsets, and what a worker under test shows.
pub(crate) struct Rig {
    pub(crate) kafka: MemoryKafka,
    pub(crate) log: MemoryLog,
    pub(crate) converter: Plain,
    pub(crate) progress: Progress,
    pub(crate) metrics: Metrics,
    pub(crate) producer: Properties,
    pub(crate) limits: Limits,
    pub(crate) commit_interval: Duration,
}

/// A worker that runs.
pub(crate) struct Running<T> {
    pub(crate) stop: CancellationToken,
    pub(crate) paused: watch::Sender<bool>,
    pub(crate) join: JoinHandle<Result<T, Error>>,
}

impl<T> Running<T> {
    /// Stops it; how it ended. Never takes longer than the time for stopping.
    pub(crate) async fn stopped(self) -> Result<T, Error> {
        self.stop.cancel();
        tokio::time::timeout(SHUTDOWN, self.join)
            .await
            .expect("it stops in time")
            .unwrap()
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(self) -> Result<T, Error> {
        tokio::time::timeout(Duration::from_secs(600), self.join)
            .await
            .expect("it ends")
            .unwrap()
    }
}

impl Rig {
    pub(crate) fn new() -> Self {
        let kafka = MemoryKafka::new();
        kafka.create_topic(TOPIC, 3);
        Self {
            kafka,
            log: MemoryLog::new(),
            converter: Plain::default(),
            progress: Progress::default(),
            metrics: Metrics::default(),
            producer: Properties::new(),
            limits: Limits::default(),
            commit_interval: FLUSH_INTERVAL,
        }
    }

    pub(crate) async fn offsets(&self) -> Arc<OffsetStore> {
        Arc::new(OffsetStore::open(Arc::new(self.log.clone())).await.unwrap())
    }

    /// The values of partition 0, as the log has them.
    pub(crate) fn values(&self) -> Vec<String> {
        let text = |blob: &Option<Blob>| {
            blob.as_ref()
                .map(|blob| String::from_utf8_lossy(blob).into_owned())
        };
        self.kafka
            .records(TOPIC, 0)
            .iter()
            .filter_map(|record| text(&record.value))
            .collect()
    }

    /// A task whose every `committed` covers only records that are in the log.
    pub(crate) fn source(&self, polls: impl IntoIterator<Item = Poll>) -> ScriptedSource {
        let (kafka, log) = (self.kafka.clone(), self.log.clone());
        let check = move |partition: &SourcePartition, offset: &SourceOffset| {
            let stored = kafka.records(TOPIC, 0);
            let is_stored = |value: &str| {
                stored
                    .iter()
                    .any(|record| record.value.as_deref() == Some(value.as_bytes()))
            };
            let name = partition.text("lane").unwrap();
            for n in 0..offset.int("n").unwrap() {
                assert!(
                    is_stored(&format!("{name}{n}")),
                    "{name}{n} is covered and not in the log"
                );
            }
            assert!(
                !log.records().is_empty(),
                "an offset is stored before the task hears of it"
            );
        };
        ScriptedSource {
            polls: polls.into_iter().collect(),
            told: Arc::default(),
            check: Arc::new(check),
            stop_hangs: false,
        }
    }

    pub(crate) async fn run_source(&self, task: ScriptedSource) -> Running<SourceEnd> {
        let stop = CancellationToken::new();
        let (control, paused) = Control::new(stop.clone(), false);
        let settings = ClientSettings {
            client_id: "producer".into(),
            properties: self.producer.clone(),
        };
        let parts = SourceParts {
            connector: "c".into(),
            task: Box::new(task),
            chain: self.converter.chain(),
            producer: self.kafka.producer(&settings).unwrap(),
            offsets: self.offsets().await,
            observer: Arc::new(()),
            progress: self.progress.clone(),
            counters: SourceCounters::new(&self.metrics),
            flush_interval: FLUSH_INTERVAL,
            flush_timeout: FLUSH_TIMEOUT,
            shutdown_timeout: SHUTDOWN,
            control,
        };
        Running {
            stop,
            paused,
            join: tokio::spawn(rowtide_engine::source::worker::run(parts)),
        }
    }

    pub(crate) fn run_sink(&self, client_id: &str, task: ScriptedSink) -> Running<()> {
        self.run_sink_of(client_id, task, Subscription::Topics(vec![TOPIC.to_owned()]))
    }

    pub(crate) fn run_sink_of(
        &self,
        client_id: &str,
        task: ScriptedSink,
        subscription: Subscription,
    ) -> Running<()> {
        let stop = CancellationToken::new();
        let (control, paused) = Control::new(stop.clone(), false);
        let consumer = ConsumerSettings {
            client: ClientSettings {
                client_id: client_id.into(),
                properties: Properties::new(),
            },
            group_id: GROUP.into(),
            subscription,
            batch_records_max: 4,
        };
        let parts = SinkParts {
            connector: "c".into(),
            task: Box::new(task),
            chain: self.converter.chain(),
            consumer: self.kafka.consumer(&consumer).unwrap(),
            observer: Arc::new(()),
            progress: self.progress.clone(),
            counters: SinkCounters::new(&self.metrics),
            limits: self.limits,
            commit_interval: self.commit_interval,
            commit_timeout: FLUSH_TIMEOUT,
            shutdown_timeout: SHUTDOWN,
            control,
        };
        Running {
            stop,
            paused,
            join: tokio::spawn(rowtide_engine::sink::worker::run(parts)),
        }
    }

    /// Values `first..last` in a partition of the topic.
    pub(crate) fn fill(&self, partition: i32, first: i64, last: i64) {
        for n in first..last {
            self.kafka
                .append(TOPIC, partition, None, Some(n.to_string().as_bytes()));
        }
    }

    pub(crate) fn position(&self, partition: i32) -> Option<i64> {
        self.kafka
            .committed(GROUP, TOPIC, partition)
            .map(|(position, _)| position)
    }
}

/// What a scripted sink does with each put; at the end of the script it writes at once.
#[derive(Debug, Clone)]
pub(crate) enum Put {
    Written,
    /// Taken; written and settled after the wait.
    Late(Duration),
    /// Not taken.
    Fails(Error),
    /// Taken; the batch as a whole failed.
    SettledAs(Error),
    /// Taken, settled with this account.
    Reports(PutReport),
    /// Taken, and its ticket dropped.
    Loses,
    /// Never taken.
    Hangs,
    /// Taken, and kept until the partition is revoked.
    Keeps,
}

/// What a sink did, over all tasks that share it.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// Offsets written, by partition.
    pub(crate) written: BTreeMap<i32, std::collections::BTreeSet<i64>>,
    /// Each put: partition and first offset.
    pub(crate) puts: Vec<(i32, i64)>,
    pub(crate) assigned: Vec<(i32, Option<Note>)>,
    pub(crate) revoked: Vec<i32>,
    pub(crate) stopped: bool,
}

pub(crate) struct ScriptedSink {
    pub(crate) script: Arc<Mutex<VecDeque<Put>>>,
    pub(crate) done: Arc<Mutex<Done>>,
    pub(crate) owned: Vec<Partition>,
    pub(crate) kept: Vec<SinkBatch>,
    pub(crate) late: Vec<JoinHandle<()>>,
    pub(crate) revoked_hangs: bool,
    pub(crate) stop_hangs: bool,
}

impl ScriptedSink {
    pub(crate) fn new(script: impl IntoIterator<Item = Put>) -> Self {
        Self {
            script: Arc::new(Mutex::new(script.into_iter().collect())),
            done: Arc::default(),
            owned: Vec::new(),
            kept: Vec::new(),
            late: Vec::new(),
            revoked_hangs: false,
            stop_hangs: false,
        }
    }

    /// Another task of the same sink.
    pub(crate) fn sibling(&self) -> Self {
        let mut sibling = Self::new([]);
        (sibling.script, sibling.done) = (self.script.clone(), self.done.clone());
        sibling
    }
}

/// Writes a batch: its offsets are durable from now on. The note is its last offset.
fn write(done: &Mutex<Done>, batch: SinkBatch) {
    let offsets = batch.records.iter().map(|record| record.id.ordinal());
    let last = batch.records.last().unwrap().id.ordinal();
    done.lock()
        .unwrap()
        .written
        .entry(batch.partition.index)
        .or_default()
        .extend(offsets);
    let note = Some(Note(last.to_string().into()));
    let report = PutReport {
        note,
        ..PutReport::written(u32::try_from(batch.records.len()).unwrap())
    };
    batch.settle(Ok(report));
}

impl SinkTask for ScriptedSink {
    async fn assigned(&mut self, partitions: &[(Partition, Option<Note>)]) -> Result<(), Error> {
        for (partition, note) in partitions {
            assert!(
                !self.owned.contains(partition),
                "{partition:?} was assigned twice"
            );
            self.owned.push(partition.clone());
            self.done
                .lock()
                .unwrap()
                .assigned
                .push((partition.index, note.clone()));
        }
        Ok(())
    }

    async fn put(&mut self, batch: SinkBatch) -> Result<(), Error> {
        assert!(
            self.owned.contains(&batch.partition),
            "a batch of {:?}, which is not ours",
            batch.partition
        );
        self.done
            .lock()
            .unwrap()
            .puts
            .push((batch.partition.index, batch.records[0].id.ordinal()));
        let put = self.script.lock().unwrap().pop_front().unwrap_or(Put::Written);
        match put {
            Put::Written => write(&self.done, batch),
            Put::Late(wait) => {
                let done = self.done.clone();
                self.late.push(tokio::spawn(async move {
                    tokio::time::sleep(wait).await;
                    write(&done, batch);
                }));
            }
            Put::Fails(error) => return Err(error),
            Put::SettledAs(error) => batch.settle(Err(error)),
            Put::Reports(report) => batch.settle(Ok(report)),
            Put::Loses => drop(batch),
            Put::Hangs => pending().await,
            Put::Keeps => self.kept.push(batch),
        }
        Ok(())
    }

    async fn revoked(&mut self, partitions: &[Partition]) -> Result<(), Error> {
        if self.revoked_hangs {
            pending::<()>().await;
        }
        // Writes under way end before the partitions go, others are dropped.
        for late in self.late.drain(..) {
            late.await.unwrap();
        }
        self.kept.retain(|batch| !partitions.contains(&batch.partition));
        self.owned.retain(|owned| !partitions.contains(owned));
        self.done
            .lock()
            .unwrap()
            .revoked
            .extend(partitions.iter().map(|partition| partition.index));
        Ok(())
    }

    async fn stop(self) -> Result<(), Error> {
        self.done.lock().unwrap().stopped = true;
        if self.stop_hangs {
            pending::<()>().await;
        }
        Ok(())
    }
}

impl Drop for ScriptedSink {
    fn drop(&mut self) {
        // A task that is gone writes nothing.
        self.late.iter().for_each(JoinHandle::abort);
    }
}
