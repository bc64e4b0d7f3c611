//! A whole group of sink workers under random faults: a committed position covers only written records, and in the end
//! every record is written and covered.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use rowtide_api::Error;
use rowtide_testkit::fakes::kafka::MemoryKafka;
use rowtide_testkit::faults::{CommitFault, ConsumeFault};

use crate::rig::{Done, GROUP, Put, Rig, Running, ScriptedSink, TOPIC, cases};

#[derive(Debug, Clone)]
enum Event {
    Joins,
    Stops,
    Lost,
    /// Records of a partition, then some that an aborted transaction leaves as a gap.
    Records(i32, i64, usize),
    Passes(u64),
    Pauses(bool),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        1 => Just(Event::Joins),
        1 => Just(Event::Stops),
        1 => Just(Event::Lost),
        3 => (0i32..3, 1i64..8, 0usize..3).prop_map(|(partition, count, gap)| Event::Records(partition, count, gap)),
        4 => (0u64..700).prop_map(Event::Passes),
        1 => prop::bool::ANY.prop_map(Event::Pauses),
    ]
}

fn put() -> impl Strategy<Value = Put> {
    let down = || Error::retriable("the table is locked");
    prop_oneof![
        6 => Just(Put::Written),
        3 => (0u64..400).prop_map(|wait| Put::Late(Duration::from_millis(wait))),
        1 => Just(Put::Fails(down())),
        1 => Just(Put::SettledAs(down())),
    ]
}

fn commit_fault() -> impl Strategy<Value = Option<CommitFault>> {
    prop_oneof![
        4 => Just(None),
        1 => Just(Some(CommitFault::Rebalanced)),
        1 => Just(Some(CommitFault::Failed(Error::retriable("no coordinator")))),
        1 => Just(Some(CommitFault::AnswerLost)),
        2 => (0u64..3000).prop_map(|wait| Some(CommitFault::AnsweredLate(Duration::from_millis(wait)))),
    ]
}

fn consume_fault() -> impl Strategy<Value = Option<ConsumeFault>> {
    prop_oneof![
        4 => Just(None),
        1 => Just(Some(ConsumeFault::Failed(Error::retriable("no broker")))),
        2 => (1usize..4).prop_map(|count| Some(ConsumeFault::Short(count))),
    ]
}

/// Every visible record before a committed position is written, and positions never go back.
struct Watch {
    kafka: MemoryKafka,
    done: Arc<Mutex<Done>>,
    positions: [i64; 3],
}

impl Watch {
    fn look(&mut self) {
        for (index, before) in (0..3).zip(&mut self.positions) {
            let Some((position, note)) = self.kafka.committed(GROUP, TOPIC, index) else {
                continue;
            };
            assert!(
                position >= *before,
                "partition {index}: from {before} back to {position}"
            );
            *before = position;
            let done = self.done.lock().unwrap();
            let written = done.written.get(&index);
            let covered = self
                .kafka
                .records(TOPIC, index)
                .into_iter()
                .map(|record| record.offset);
            let covered: Vec<_> = covered.filter(|offset| *offset < position).collect();
            let missing = covered
                .iter()
                .find(|offset| !written.is_some_and(|written| written.contains(offset)));
            assert_eq!(missing, None, "partition {index}: {position} is committed");
            let note = note.map(|note| note.0.to_string());
            assert_eq!(
                note,
                covered.last().map(ToString::to_string),
                "a note belongs to its position"
            );
        }
    }
}

async fn pass(watch: &mut Watch, milliseconds: u64) {
    for _ in 0..milliseconds / 50 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        watch.look();
    }
}

async fn every_record_is_written(
    events: Vec<Event>,
    puts: Vec<Put>,
    commits: Vec<Option<CommitFault>>,
    deliveries: Vec<Option<ConsumeFault>>,
) {
    let rig = Rig::new();
    rig.kafka.faults().commit.extend(commits);
    rig.kafka.faults().consume.extend(deliveries);
    let sink = ScriptedSink::new(puts);
    let mut watch = Watch {
        kafka: rig.kafka.clone(),
        done: sink.done.clone(),
        positions: [0; 3],
    };
    let mut members: Vec<(String, Running<()>)> = Vec::new();
    for (n, event) in std::iter::once(Event::Joins).chain(events).enumerate() {
        match event {
            Event::Joins if members.len() < 3 => {
                let name = format!("member-{n}");
                members.push((name.clone(), rig.run_sink(&name, sink.sibling())));
            }
            Event::Joins => {}
            Event::Stops => {
                if members.len() > 1 {
                    members.remove(0).1.stopped().await.unwrap();
                }
            }
            Event::Lost => rig.kafka.lose(GROUP, &members[0].0),
            Event::Records(partition, count, gap) => {
                rig.fill(partition, 0, count);
                let aborted = rig.kafka.begin();
                (0..gap).for_each(|_| {
                    aborted.append(TOPIC, partition, None, Some(b"never"));
                });
                aborted.abort();
            }
            Event::Passes(milliseconds) => pass(&mut watch, milliseconds).await,
            Event::Pauses(paused) => {
                members[0].1.paused.send_replace(paused);
            }
        }
        watch.look();
    }
    for (_, member) in &members {
        member.paused.send_replace(false);
    }
    let end = |index| {
        rig.kafka
            .records(TOPIC, index)
            .last()
            .map(|record| record.offset + 1)
    };
    let all = || (0..3).all(|index| rig.position(index) == end(index));
    for _ in 0..10_000 {
        if all() {
            break;
        }
        pass(&mut watch, 100).await;
    }
    assert!(all(), "everything is committed in the end");
    for (_, member) in members {
        member.stopped().await.unwrap();
        watch.look();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]
    #[test]
    fn a_committed_position_covers_only_written_records(
        events in prop::collection::vec(event(), 1..25),
        puts in prop::collection::vec(put(), 0..20),
        commits in prop::collection::vec(commit_fault(), 0..12),
        deliveries in prop::collection::vec(consume_fault(), 0..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(every_record_is_written(events, puts, commits, deliveries));
    }
}
