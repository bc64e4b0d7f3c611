//! CN-239 over a whole source worker: whatever Kafka and the store do, every record that `committed` covers is in the log,
//! and in the end every record is, in an order in which the last write of each is the right one.

use std::time::Duration;

use proptest::prelude::*;
use rowtide_api::Error;
use rowtide_api::source::Unit;
use rowtide_engine::source::worker::SourceEnd;
use rowtide_testkit::faults::{LogFault, ProduceFault};

use crate::rig::{Poll, Rig, batch, cases, lane};

const LANES: [&str; 2] = ["a", "b"];

fn produce_fault() -> impl Strategy<Value = Option<ProduceFault>> {
    let milliseconds = (0u64..400).prop_map(Duration::from_millis);
    prop_oneof![
        12 => Just(None),
        2 => Just(Some(ProduceFault::Full)),
        2 => milliseconds.clone().prop_map(|wait| Some(ProduceFault::StoredLate(wait))),
        3 => milliseconds.prop_map(|wait| Some(ProduceFault::AcknowledgedLate(wait))),
        1 => Just(Some(ProduceFault::AcknowledgementLost)),
        1 => Just(Some(ProduceFault::Failed(Error::retriable("no leader")))),
        1 => Just(Some(ProduceFault::Fenced)),
    ]
}

fn log_fault() -> impl Strategy<Value = Option<LogFault>> {
    let failed = || Error::retriable("disk full");
    prop_oneof![
        4 => Just(None),
        1 => Just(Some(LogFault::Failed(failed()))),
        1 => (0usize..3).prop_map(move |count| Some(LogFault::Cut(count, failed()))),
        1 => (0u64..300).prop_map(|wait| Some(LogFault::AnsweredLate(Duration::from_millis(wait)))),
        1 => Just(Some(LogFault::AnswerLost)),
    ]
}

/// A source of fixed batches that starts each lane where the store says, as a connector does.
fn polls(sizes: &[(usize, i64, bool)], stored: [i64; 2], failing: bool) -> Vec<Poll> {
    let mut next = [0, 0];
    let mut polls = Vec::new();
    for (n, (which, size, whole)) in sizes.iter().enumerate() {
        let (first, last) = (next[*which], next[*which] + size);
        next[*which] = last;
        if last <= stored[*which] {
            continue;
        }
        let mut batch = batch(LANES[*which], first.max(stored[*which]), last);
        // The last batch of a lane always ends something.
        if !whole && sizes[n + 1..].iter().any(|(other, ..)| other == which) {
            (batch.unit, batch.resume_at) = (Unit::Open, None);
        }
        if failing && n % 3 == 1 {
            polls.push(Poll::Fails(Error::retriable("the database is down")));
        }
        polls.push(batch.into());
    }
    polls.push(Poll::Finished);
    polls
}

async fn every_record_arrives(
    sizes: Vec<(usize, i64, bool)>,
    produce: Vec<Option<ProduceFault>>,
    store: Vec<Option<LogFault>>,
) {
    let rig = Rig::new();
    rig.kafka.faults().produce.extend(produce);
    rig.log.faults.extend(store);
    let total = |which| {
        sizes
            .iter()
            .filter(|(lane, ..)| *lane == which)
            .map(|(_, size, _)| size)
            .sum::<i64>()
    };
    let totals = [total(0), total(1)];
    let mut before = [0, 0];
    for attempt in 0.. {
        assert!(attempt < 200, "it never ends");
        let offsets = rig.offsets().await;
        let stored = LANES.map(|name| {
            offsets
                .get("c", &lane(name))
                .and_then(|offset| offset.int("n"))
                .unwrap_or(0)
        });
        assert!(
            stored[0] >= before[0] && stored[1] >= before[1],
            "offsets never go back: {before:?}, {stored:?}"
        );
        before = stored;
        // `Rig::source` checks each `committed` against the log.
        let task = rig.source(polls(&sizes, stored, attempt == 0));
        match rig.run_source(task).await.ended().await {
            Ok(end) => {
                assert_eq!(end, SourceEnd::Finished);
                break;
            }
            Err(error) => assert!(error.is_retriable(), "{error}"),
        }
    }
    let values = rig.values();
    for (name, total) in LANES.iter().zip(totals) {
        let last = |n: i64| values.iter().rposition(|value| *value == format!("{name}{n}"));
        let places: Vec<_> = (0..total).map(last).collect();
        assert!(
            places.iter().all(Option::is_some),
            "a record of {name} is missing: {values:?}"
        );
        assert!(
            places.is_sorted(),
            "an old record of {name} was written last: {values:?}"
        );
        let offsets = rig.offsets().await;
        let stored = offsets.get("c", &lane(name)).and_then(|offset| offset.int("n"));
        assert_eq!(stored.unwrap_or(0), total, "the end of {name} is stored");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]
    #[test]
    fn every_record_a_commit_covers_is_in_the_log(
        sizes in prop::collection::vec((0usize..2, 0i64..5, prop::bool::weighted(0.7)), 1..12),
        produce in prop::collection::vec(produce_fault(), 0..40),
        store in prop::collection::vec(log_fault(), 0..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(every_record_arrives(sizes, produce, store));
    }
}
