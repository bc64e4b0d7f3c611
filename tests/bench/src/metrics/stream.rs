//! Streaming: the source task into a producer, beside a bare reader on a copy of the same slot.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rowtide_api::{Error, ResultExt};
use rowtide_engine::ports::{ClientSettings, Kafka as _, Producer};
use rowtide_kafka::Cluster;

use crate::database::{Database, Written};
use crate::ours::{NullProducer, Ours, Running, chain, properties};
use crate::process;
use crate::ratio::{Ratios, Round, median, sorted};
use crate::raw::{self, Reading};
use crate::report::{Aim, Line};
use crate::topic::Topic;
use crate::turns::{Turn, turns};

/// What one run gave, whoever ran.
#[derive(Debug, Clone, Copy)]
struct Run {
    rows: u64,
    elapsed: Duration,
    own_cpu: Duration,
    walsender_cpu: Duration,
    peak_mb: f64,
}

impl Run {
    fn rate(&self) -> f64 {
        self.rows as f64 / self.elapsed.as_secs_f64()
    }

    /// CPU seconds per million rows.
    fn per_million(&self, cpu: Duration) -> f64 {
        cpu.as_secs_f64() * 1e6 / self.rows as f64
    }
}

/// Measures into a producer that acknowledges at once.
///
/// # Errors
/// The server's, the source's, or a count that is not the table's.
pub async fn into_nothing(
    database: &mut Database,
    written: &Written,
    registry: &str,
    metric: &str,
    pairs: usize,
) -> Result<Line, Error> {
    let runs = take_turns(database, written, pairs, async |database, _| {
        let producer = Arc::new(NullProducer::default());
        let run = ours(database, written, registry, "bench", producer.clone()).await?;
        expect("the producer", producer.records(), written)?;
        Ok(run)
    });
    Ok(runs.await?.line(metric))
}

/// Measures into Kafka; what counts are the records in the topic.
///
/// # Errors
/// As [`into_nothing`], and the broker's.
pub async fn into_kafka(
    database: &mut Database,
    written: &Written,
    registry: &str,
    cluster: &Cluster,
    pairs: usize,
) -> Result<Line, Error> {
    let runs = take_turns(database, written, pairs, async |database, number| {
        // A topic of its own for each run.
        let prefix = format!("bench{}_{number}", std::process::id());
        let producer = cluster.producer(&ClientSettings {
            client_id: prefix.clone(),
            ..ClientSettings::default()
        })?;
        let run = ours(database, written, registry, &prefix, producer).await?;
        let topic = format!("{prefix}.public.{}", written.table);
        let stored = Topic::open(cluster, &topic)?.count(written.changes).await?;
        expect("the topic", stored, written)?;
        Ok(run)
    });
    Ok(runs.await?.line("stream_kafka"))
}

/// Runs the limit and `measured`, which hears the number of its run, in turns.
async fn take_turns(
    database: &mut Database,
    written: &Written,
    pairs: usize,
    mut measured: impl AsyncFnMut(&mut Database, usize) -> Result<Run, Error>,
) -> Result<Runs, Error> {
    let mut runs = Runs::default();
    for turn in turns(pairs) {
        match turn {
            Turn::Limit => runs.limit.push(limit(database, written).await?),
            Turn::Ours => {
                let run = measured(database, runs.ours.len()).await?;
                runs.ours.push(run);
            }
        }
    }
    Ok(runs)
}

/// All runs of a metric, in the order they were made.
#[derive(Default)]
struct Runs {
    limit: Vec<Run>,
    ours: Vec<Run>,
}

impl Runs {
    fn line(&self, metric: &str) -> Line {
        let rounds = self.limit.chunks_exact(2).zip(&self.ours);
        let rounds: Vec<_> = rounds
            .map(|(limit, ours)| Round {
                ours: ours.rate(),
                limit: limit[0].rate(),
                again: limit[1].rate(),
            })
            .collect();
        // The first round is left out everywhere.
        let (ours, limit) = (&self.ours[1..], &self.limit[2..]);
        let middle = |runs: &[Run], cpu: fn(&Run) -> Duration| {
            median(&sorted(runs.iter().map(|run| run.per_million(cpu(run)))))
        };
        Line {
            metric: metric.to_owned(),
            unit: "rows/s",
            limit: "a bare reader",
            ratios: Ratios::of(&rounds),
            aim: Aim::RatioAtLeast(0.7),
            cpu: Some((middle(ours, |run| run.own_cpu), middle(limit, |run| run.own_cpu))),
            more: vec![
                (
                    "ours_walsender_cpu_s_per_M",
                    middle(ours, |run| run.walsender_cpu),
                ),
                (
                    "limit_walsender_cpu_s_per_M",
                    middle(limit, |run| run.walsender_cpu),
                ),
                (
                    "ours_rss_peak_mb",
                    ours.iter().map(|run| run.peak_mb).fold(0.0, f64::max),
                ),
                ("rows", ours[0].rows as f64),
            ],
        }
    }
}

async fn limit(database: &mut Database, written: &Written) -> Result<Run, Error> {
    let slot = database.copy_slot(written).await?;
    let (address, options, end) = (database.address.clone(), written.options(), written.end);
    let name = slot.clone();
    let reading = tokio::task::spawn_blocking(move || raw::read(&address, &name, &options, end));
    let reading: Reading = reading
        .await
        .fatal("running the bare reader")?
        .fatal("reading the slot")?;
    database.drop_slot(&slot).await?;
    expect("the bare reader", reading.changes, written)?;
    Ok(Run {
        rows: reading.changes,
        elapsed: reading.elapsed,
        own_cpu: reading.own_cpu,
        walsender_cpu: reading.walsender_cpu,
        peak_mb: 0.0,
    })
}

async fn ours(
    database: &mut Database,
    written: &Written,
    registry: &str,
    prefix: &str,
    producer: Arc<dyn Producer>,
) -> Result<Run, Error> {
    let slot = database.copy_slot(written).await?;
    process::forget_peak();
    let ours = Ours {
        properties: properties(database, written, &slot, prefix),
        chain: chain(registry)?,
        producer,
    };
    let running: Running = ours.start().await?;
    running.streaming().await?;
    let (begun, own) = (Instant::now(), process::own_cpu());
    let (ended, own_at_end) = running.acknowledged(written.changes).await?;
    let walsender = database.walsender(&slot).await?.and_then(process::cpu);
    let peak_mb = process::own_peak_mb();
    let rows = running.finish(written.end).await?;
    database.drop_slot(&slot).await?;
    expect("our source", rows, written)?;
    Ok(Run {
        rows,
        elapsed: ended - begun,
        own_cpu: own_at_end.saturating_sub(own),
        walsender_cpu: walsender.unwrap_or_default(),
        peak_mb,
    })
}

/// PF-092: a run with a wrong count is no run.
fn expect(who: &str, rows: u64, written: &Written) -> Result<(), Error> {
    if rows == written.changes {
        return Ok(());
    }
    Err(Error::fatal(format!(
        "{who} counted {rows} changes, the table {} has {}",
        written.table, written.changes
    )))
}
