//! Decoding and encoding in memory: ours beside the encoder written by hand, on the same captured bytes.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rowtide_api::{Error, ResultExt};
use rowtide_postgres::source::envelope::VERSION;

use crate::capture::{Captured, Encoder};
use crate::database::{Database, Written};
use crate::hand::HandEncoder;
use crate::ours::{chain, config, properties};
use crate::process;
use crate::ratio::{Ratios, Round};
use crate::raw;
use crate::report::{Aim, Line};
use crate::turns::{Turn, turns};

/// Each run goes over the capture this often: a run of some hundred milliseconds at least.
const PASSES: u32 = 3;
/// The instant both stamp their records with.
const NOW_NS: i64 = 1_767_607_200_123_456_789;
/// The schema of values: keys are registered first.
const VALUE_SCHEMA: i32 = 2;

struct Run {
    elapsed: Duration,
    cpu: Duration,
}

/// Captures the stream once, then encodes it in turns.
///
/// # Errors
/// The server's, and what decoding and encoding say.
pub async fn measure(
    database: &mut Database,
    written: &Written,
    registry: &str,
    pairs: usize,
) -> Result<Line, Error> {
    let captured = capture(database, written).await?;
    let properties = properties(database, written, "none", "bench");
    let (mut limit, mut ours) = (Vec::new(), Vec::new());
    for turn in turns(pairs) {
        match turn {
            Turn::Limit => limit.push(by_hand(&captured, written)?),
            Turn::Ours => {
                let mut encoder = Encoder::new(config(&properties)?, chain(registry)?, None);
                ours.push(by_us(&mut encoder, &captured, written).await?);
            }
        }
    }
    let per_row = |run: &Run| run.elapsed.as_secs_f64() * 1e9 / rows(written);
    let rounds: Vec<_> = limit
        .chunks_exact(2)
        .zip(&ours)
        .map(|(limit, ours)| Round {
            ours: per_row(ours),
            limit: per_row(&limit[0]),
            again: per_row(&limit[1]),
        })
        .collect();
    let cpu = |runs: &[Run]| {
        let total: Duration = runs.iter().map(|run| run.cpu).sum();
        total.as_secs_f64() * 1e6 / (rows(written) * runs.len() as f64)
    };
    Ok(Line {
        metric: "encode".to_owned(),
        unit: "ns/row",
        limit: "by hand",
        ratios: Ratios::of(&rounds),
        aim: Aim::RatioAtMost(3.2),
        cpu: Some((cpu(&ours[1..]), cpu(&limit[2..]))),
        more: vec![("rows", rows(written))],
    })
}

fn rows(written: &Written) -> f64 {
    written.changes as f64 * f64::from(PASSES)
}

async fn capture(database: &mut Database, written: &Written) -> Result<Captured, Error> {
    let slot = database.copy_slot(written).await?;
    let (address, options, end, name) = (
        database.address.clone(),
        written.options(),
        written.end,
        slot.clone(),
    );
    let capture = tokio::task::spawn_blocking(move || raw::capture(&address, &name, &options, end));
    let capture = capture
        .await
        .fatal("capturing the stream")?
        .fatal("capturing the stream")?;
    database.drop_slot(&slot).await?;
    Captured::new(&capture.bytes, &database.structure_rows(written).await?)
}

fn by_hand(captured: &Captured, written: &Written) -> Result<Run, Error> {
    let (begun, cpu) = (Instant::now(), process::own_cpu());
    let mut count = 0;
    for _ in 0..PASSES {
        let mut encoder = HandEncoder::new(VALUE_SCHEMA, VERSION, "bench", "bench", None);
        for chunk in captured.chunks() {
            count += encoder.encode(chunk, NOW_NS, |value| {
                black_box(value);
            });
        }
    }
    done("the encoder written by hand", count, written, begun, cpu)
}

async fn by_us(encoder: &mut Encoder, captured: &Captured, written: &Written) -> Result<Run, Error> {
    let (begun, cpu) = (Instant::now(), process::own_cpu());
    let mut count = 0;
    for _ in 0..PASSES {
        count += encoder
            .encode(captured, NOW_NS, |outgoing| {
                black_box(outgoing.value);
            })
            .await?;
    }
    done("our encoder", count, written, begun, cpu)
}

fn done(who: &str, count: u64, written: &Written, begun: Instant, cpu: Duration) -> Result<Run, Error> {
    let run = Run {
        elapsed: begun.elapsed(),
        cpu: process::own_cpu().saturating_sub(cpu),
    };
    let expected = written.changes * u64::from(PASSES);
    if count != expected {
        return Err(Error::fatal(format!(
            "{who} counted {count} records instead of {expected}"
        )));
    }
    Ok(run)
}
