//! For profilers: the golden capture made anew, or encoded again and again by one of the two encoders.

use std::hint::black_box;

use rowtide_api::{Error, ResultExt};
use rowtide_postgres::source::envelope::VERSION;
use rowtide_testkit::stack::Stack;

use crate::capture::Encoder;
use crate::database::{Database, FAST, Shape};
use crate::golden;
use crate::hand::HandEncoder;
use crate::ours::{Registry, chain, config};
use crate::raw;

/// The instant all records are stamped with.
const NOW_NS: i64 = 1_767_607_200_123_456_789;

/// Reads the golden rows from a real server and stores them.
///
/// # Errors
/// The server's, and the files'.
pub async fn record() -> Result<(), Error> {
    let stack = Stack::tuned(&["postgres"], FAST);
    let mut database = Database::prepare(&stack, golden::ROWS).await?;
    let written = database.write(Shape::Hundreds, golden::ROWS).await?;
    let slot = database.copy_slot(&written).await?;
    let (address, options, end) = (database.address.clone(), written.options(), written.end);
    let capture = tokio::task::spawn_blocking(move || raw::capture(&address, &slot, &options, end));
    let capture = capture.await.fatal("capturing")?.fatal("capturing")?;
    golden::store(&capture.bytes, &database.structure_rows(&written).await?)
}

/// Encodes the golden capture so many times; answers how many records that were.
///
/// # Errors
/// What decoding and encoding say.
pub async fn encode(by_hand: bool, passes: u64) -> Result<u64, Error> {
    let captured = golden::captured()?;
    let mut count = 0;
    if by_hand {
        for _ in 0..passes {
            let mut encoder = HandEncoder::new(golden::VALUE_SCHEMA, VERSION, "bench", "bench", None);
            for chunk in captured.chunks() {
                count += encoder.encode(chunk, NOW_NS, |value| {
                    black_box(value);
                });
            }
        }
        return Ok(count);
    }
    let registry = Registry::start().await?;
    let mut encoder = Encoder::new(config(&golden::properties())?, chain(&registry.url)?, None);
    for _ in 0..passes {
        count += encoder
            .encode(&captured, NOW_NS, |outgoing| {
                black_box(outgoing.value);
            })
            .await?;
    }
    Ok(count)
}
