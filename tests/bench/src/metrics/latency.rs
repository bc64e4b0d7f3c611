//! From commit to record, paced: at a bare reader, at the producer port, and at a consumer of the topic.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rowtide_api::convert::Failure;
use rowtide_api::erased::BoxFuture;
use rowtide_api::record::Record;
use rowtide_api::transform::{Origin, Transform};
use rowtide_api::{Error, ResultExt, Value};
use rowtide_engine::chain::{Chain, NamedTransform};
use rowtide_engine::ports::{ClientSettings, Delivery, Kafka as _, Outgoing, Producer, RawRecord, SendError};
use rowtide_kafka::Cluster;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::database::{Database, Written};
use crate::ours::{Ours, chain, properties};
use crate::ratio::{Ratios, Round, percentile, sorted};
use crate::raw;
use crate::report::{Aim, Line};
use crate::topic::Topic;
use crate::turns::{Turn, turns};

/// Between two commits: 100 a second.
const PACE: Duration = Duration::from_millis(10);
/// One run.
const RUN: Duration = Duration::from_secs(4);
/// What is connected and warmed up before a run counts.
const WARM_UP: Duration = Duration::from_secs(1);

/// Delays of one run, microseconds.
type Delays = Vec<f64>;

/// Delays of one of our runs.
struct Seen {
    at_producer: Delays,
    at_consumer: Delays,
}

/// Measures with commits that wait for the disk.
///
/// # Errors
/// The servers', and the source's.
pub async fn measure(
    database: &mut Database,
    written: &Written,
    registry: &str,
    cluster: &Cluster,
    pairs: usize,
) -> Result<Line, Error> {
    database.set_durable(true).await?;
    let writer = Writer::start(database, written).await?;
    let (mut limit, mut ours) = (Vec::new(), Vec::new());
    for turn in turns(pairs) {
        match turn {
            Turn::Limit => limit.push(read(database, written).await?),
            Turn::Ours => {
                let prefix = format!("latency{}_{}", std::process::id(), ours.len());
                ours.push(follow(database, written, registry, cluster, &prefix).await?);
            }
        }
    }
    writer.stop().await?;
    database.set_durable(false).await?;
    Ok(line(&limit, &ours))
}

fn line(limit: &[Delays], ours: &[Seen]) -> Line {
    let middle = |delays: &Delays| percentile(&sorted(delays.iter().copied()), 0.5);
    let rounds: Vec<_> = limit
        .chunks_exact(2)
        .zip(ours)
        .map(|(limit, ours)| Round {
            ours: middle(&ours.at_consumer),
            limit: middle(&limit[0]),
            again: middle(&limit[1]),
        })
        .collect();
    let all = |delays: &mut dyn Iterator<Item = &Delays>| sorted(delays.flatten().copied());
    let recv = all(&mut limit[2..].iter());
    let producer = all(&mut ours[1..].iter().map(|seen| &seen.at_producer));
    let consumer = all(&mut ours[1..].iter().map(|seen| &seen.at_consumer));
    Line {
        metric: "latency_record".to_owned(),
        unit: "us",
        limit: "a bare reader",
        ratios: Ratios::of(&rounds),
        aim: Aim::RatioAtMost(3.0),
        cpu: None,
        more: vec![
            ("recv_p50_us", percentile(&recv, 0.50)),
            ("recv_p95_us", percentile(&recv, 0.95)),
            ("recv_p99_us", percentile(&recv, 0.99)),
            ("producer_p50_us", percentile(&producer, 0.50)),
            ("producer_p95_us", percentile(&producer, 0.95)),
            ("producer_p99_us", percentile(&producer, 0.99)),
            ("consumer_p50_us", percentile(&consumer, 0.50)),
            ("consumer_p95_us", percentile(&consumer, 0.95)),
            ("consumer_p99_us", percentile(&consumer, 0.99)),
            ("transactions", consumer.len() as f64),
        ],
    }
}

/// Commits one row after the other at the pace.
struct Writer(JoinHandle<Result<(), Error>>);

impl Writer {
    async fn start(database: &Database, written: &Written) -> Result<Self, Error> {
        let session = database.session().await?;
        let table = written.table.clone();
        let mut ticks = interval(PACE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self(tokio::spawn(async move {
            let mut row = 0u64;
            loop {
                ticks.tick().await;
                row += 1;
                let sql = format!(
                    "INSERT INTO {table} SELECT {row}, first_name, last_name, email, country, age, active, balance, \
                     score, uid, created_at, attrs FROM bench WHERE id = {}",
                    row % 1000 + 1
                );
                session.rows(&sql, "committing a row").await?;
            }
        })))
    }

    async fn stop(self) -> Result<(), Error> {
        if self.0.is_finished() {
            return self.0.await.fatal("the paced writer panicked")?;
        }
        self.0.abort();
        Ok(())
    }
}

async fn read(database: &mut Database, written: &Written) -> Result<Delays, Error> {
    let slot = database.copy_slot(written).await?;
    database.advance_slot(&slot).await?;
    let (address, options, name) = (database.address.clone(), written.options(), slot.clone());
    let from = now_us() + micros(WARM_UP);
    let sent = tokio::task::spawn_blocking(move || raw::sent(&address, &name, &options, WARM_UP + RUN));
    let sent = sent
        .await
        .fatal("running the bare reader")?
        .fatal("reading the slot")?;
    database.drop_slot(&slot).await?;
    let counted = sent.into_iter().filter(|sent| sent.commit_us >= from);
    Ok(counted.map(|sent| sent.delay_us as f64).collect())
}

async fn follow(
    database: &mut Database,
    written: &Written,
    registry: &str,
    cluster: &Cluster,
    prefix: &str,
) -> Result<Seen, Error> {
    let slot = database.copy_slot(written).await?;
    database.advance_slot(&slot).await?;
    let producer = cluster.producer(&ClientSettings {
        client_id: prefix.to_owned(),
        ..ClientSettings::default()
    })?;
    let stamp = Arc::new(AtomicI64::new(0));
    let (at_producer, at_consumer) = (Arc::new(Notes::default()), Arc::new(Notes::default()));
    let noting = NamedTransform {
        alias: "stamp".into(),
        transform: Box::new(Stamp(stamp.clone())),
    };
    let running = Ours {
        properties: properties(database, written, &slot, prefix),
        chain: Chain::new(vec![noting], chain(registry)?.converters().clone()),
        producer: Arc::new(Port {
            inner: producer,
            stamp,
            notes: at_producer.clone(),
        }),
    }
    .start()
    .await?;
    running.streaming().await?;
    // The producer makes the topic.
    running.acknowledged(1).await?;
    let topic = Topic::open(cluster, &format!("{prefix}.public.{}", written.table))?;
    let consumer = tokio::spawn(consume(topic, chain(registry)?, at_consumer.clone()));
    at_consumer.first().await?;
    let from = now_us() + micros(WARM_UP);
    sleep(WARM_UP + RUN).await;
    let to = now_us() - micros(WARM_UP) / 2;
    running.stop().await?;
    if consumer.is_finished() {
        consumer.await.fatal("the consumer panicked")??;
    } else {
        consumer.abort();
    }
    database.drop_slot(&slot).await?;
    Ok(Seen {
        at_producer: at_producer.between(from, to),
        at_consumer: at_consumer.between(from, to),
    })
}

/// When transactions were committed and how long after that they were seen.
#[derive(Default)]
struct Notes(Mutex<Vec<(i64, f64)>>);

impl Notes {
    fn seen(&self, commit_us: i64) {
        let delay = now_us() - commit_us;
        self.lock().push((commit_us, delay as f64));
    }

    async fn first(&self) -> Result<(), Error> {
        for _ in 0..3000 {
            if !self.lock().is_empty() {
                return Ok(());
            }
            sleep(PACE).await;
        }
        Err(Error::fatal("the consumer receives nothing"))
    }

    /// Delays of what was committed in this time.
    fn between(&self, from: i64, to: i64) -> Delays {
        let notes = self.lock();
        let counted = notes
            .iter()
            .filter(|(commit_us, _)| (from..to).contains(commit_us));
        counted.map(|(_, delay)| *delay).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(i64, f64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes the commit time of the record that comes next to the producer.
struct Stamp(Arc<AtomicI64>);

impl Transform for Stamp {
    fn apply(&mut self, record: Record, _origin: Option<&Origin>) -> Result<Option<Record>, Failure> {
        self.0.store(commit_us(&record), Ordering::Relaxed);
        Ok(Some(record))
    }
}

/// The real producer, and when it was given what.
struct Port {
    inner: Arc<dyn Producer>,
    stamp: Arc<AtomicI64>,
    notes: Arc<Notes>,
}

impl Producer for Port {
    fn send(&self, record: Outgoing<'_>, delivery: &Arc<Delivery>) -> Result<(), SendError> {
        self.notes.seen(self.stamp.load(Ordering::Relaxed));
        self.inner.send(record, delivery)
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        self.inner.ready()
    }
}

async fn consume(mut topic: Topic, mut chain: Chain, notes: Arc<Notes>) -> Result<(), Error> {
    loop {
        let fetched = topic.next().await?;
        let name: Arc<str> = fetched.partition.topic.as_ref().into();
        for raw in &fetched.records {
            let record = decode(&mut chain, &name, raw).await?;
            notes.seen(commit_us(&record));
        }
    }
}

async fn decode(chain: &mut Chain, topic: &Arc<str>, raw: &RawRecord) -> Result<Record, Error> {
    loop {
        let failed = match chain.decode(topic, 0, raw) {
            Ok(record) => return Ok(record),
            Err(failed) => failed,
        };
        match failed.failure {
            Failure::Missing(missing) => {
                let converter = chain.converters().of(failed.stage).clone();
                converter.fetch(missing).await?;
            }
            Failure::Record(error) => return Err(Error::fatal("decoding a record").because(error)),
            Failure::Task(error) => return Err(error),
        }
    }
}

/// `source.ts_us` of a change event; zero where there is none.
fn commit_us(record: &Record) -> i64 {
    let field = |value: &Value, name: &str| value.as_struct().and_then(|fields| fields.get(name)).cloned();
    let source = field(&record.value.value, "source").unwrap_or(Value::Null);
    field(&source, "ts_us")
        .and_then(|value| value.as_int())
        .unwrap_or(0)
}

fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    micros(since)
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
