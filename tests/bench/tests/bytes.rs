//! The encoder written by hand and ours write the same bytes; the bare reader and our source count the same changes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rowtide_api::Error;
use rowtide_bench::capture::{Captured, Encoder};
use rowtide_bench::golden;
use rowtide_bench::hand::HandEncoder;
use rowtide_bench::ours::{Registry, chain, config};
use rowtide_postgres::source::envelope::VERSION;

const NOW_NS: i64 = 1_767_607_200_123_456_789;

async fn ours(captured: &Captured, last_commit: Option<u64>) -> Result<Vec<Vec<u8>>, Error> {
    let registry = Registry::start().await?;
    let config = config(&golden::properties())?;
    let mut values = Vec::new();
    let mut encoder = Encoder::new(config, chain(&registry.url)?, last_commit);
    let count = encoder
        .encode(captured, NOW_NS, |outgoing| {
            assert!(outgoing.key.is_some() && outgoing.headers.len() == 6);
            values.push(outgoing.value.unwrap().to_vec());
        })
        .await?;
    assert_eq!(count, values.len() as u64);
    Ok(values)
}

fn by_hand(captured: &Captured, last_commit: Option<u64>) -> Vec<Vec<u8>> {
    let mut encoder = HandEncoder::new(golden::VALUE_SCHEMA, VERSION, "bench", "bench", last_commit);
    let mut values = Vec::new();
    for chunk in captured.chunks() {
        encoder.encode(chunk, NOW_NS, |value| values.push(value.to_vec()));
    }
    values
}

/// PF-076, PF-102, PF-105: what a real server sent, encoded twice. Were the limit to write less than we have to, the ratio
/// would compare nothing.
#[tokio::test]
async fn the_encoder_written_by_hand_and_ours_write_the_same_bytes() {
    let captured = golden::captured().unwrap();
    for last_commit in [None, Some(24_023_128)] {
        let (hand, ours) = (
            by_hand(&captured, last_commit),
            ours(&captured, last_commit).await.unwrap(),
        );
        assert_eq!(ours.len() as u64, golden::CHANGES);
        for (row, (hand, ours)) in hand.iter().zip(&ours).enumerate() {
            assert_eq!(hand, ours, "row {row}");
        }
        assert_eq!(hand.len(), ours.len());
    }
}
