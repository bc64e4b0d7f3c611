//! A source task is told that an offset is durable when it is, and not before, whatever Kafka and the store do.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rowtide_api::convert::Failure;
use rowtide_api::source::{Reject, Unit};
use rowtide_api::{Error, RecordError};
use rowtide_engine::source::worker::SourceEnd;
use rowtide_testkit::faults::{LogFault, ProduceFault};

use crate::rig::{Poll, Rig, at, batch, lane, pass, until};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn what_is_acknowledged_and_stored_is_committed() {
    let rig = Rig::new();
    let task = rig.source([
        batch("a", 0, 3).into(),
        batch("b", 0, 1).into(),
        batch("a", 3, 3).into(),
        Poll::Finished,
    ]);
    let told = task.told.clone();
    let end = rig.run_source(task).await.ended().await.unwrap();
    assert_eq!(end, SourceEnd::Finished);
    assert_eq!(rig.values(), ["a0", "a1", "a2", "b0"]);
    let told = told.lock().unwrap().clone();
    assert!(
        told.stopped
            && told.committed.contains(&(lane("a"), at(3)))
            && told.committed.contains(&(lane("b"), at(1)))
    );
    let offsets = rig.offsets().await;
    assert_eq!(
        (offsets.get("c", &lane("a")), offsets.get("c", &lane("b"))),
        (Some(at(3)), Some(at(1)))
    );
}

/// CN-239: an acknowledgement that does not come holds its offset back, and every later one of its lane.
#[tokio::test(start_paused = true)]
async fn a_late_acknowledgement_holds_back_its_lane_only() {
    let rig = Rig::new();
    rig.kafka
        .faults()
        .produce
        .then(ProduceFault::AcknowledgedLate(60 * SECOND));
    let task = rig.source([
        batch("a", 0, 1).into(),
        batch("a", 1, 2).into(),
        batch("b", 0, 1).into(),
    ]);
    let told = task.told.clone();
    let running = rig.run_source(task).await;
    until("lane b is committed", || {
        told.lock().unwrap().committed == [(lane("b"), at(1))]
    })
    .await;
    pass(30 * SECOND).await;
    assert_eq!(told.lock().unwrap().committed.len(), 1);
    until("lane a is committed", || {
        told.lock().unwrap().committed.contains(&(lane("a"), at(2)))
    })
    .await;
    assert_eq!(running.stopped().await.unwrap(), SourceEnd::Stopped);
}

/// A lost acknowledgement ends the attempt at once; the offset stays, so the next one repeats the records.
#[tokio::test(start_paused = true)]
async fn a_lost_acknowledgement_repeats_records_and_loses_none() {
    let rig = Rig::new();
    rig.kafka
        .faults()
        .produce
        .then(None)
        .then(ProduceFault::AcknowledgementLost);
    let task = rig.source([
        batch("a", 0, 1).into(),
        batch("a", 1, 2).into(),
        batch("a", 2, 3).into(),
    ]);
    let told = task.told.clone();
    let begun = tokio::time::Instant::now();
    let error = rig.run_source(task).await.ended().await.unwrap_err();
    assert!(
        error.is_retriable() && begun.elapsed() < SECOND,
        "{error} after {:?}",
        begun.elapsed()
    );
    assert!(told.lock().unwrap().stopped && !told.lock().unwrap().committed.contains(&(lane("a"), at(2))));
    assert_eq!(rig.offsets().await.get("c", &lane("a")), Some(at(1)));
    let task = rig.source([batch("a", 1, 3).into(), Poll::Finished]);
    rig.run_source(task).await.ended().await.unwrap();
    assert_eq!(rig.offsets().await.get("c", &lane("a")), Some(at(3)));
}

#[tokio::test(start_paused = true)]
async fn a_fenced_producer_ends_the_attempt_and_stores_nothing_more() {
    let rig = Rig::new();
    rig.kafka.faults().produce.then(None).then(ProduceFault::Fenced);
    let task = rig.source([
        batch("a", 0, 1).into(),
        batch("a", 1, 2).into(),
        batch("a", 2, 3).into(),
    ]);
    let error = rig.run_source(task).await.ended().await.unwrap_err();
    assert!(error.is_retriable());
    assert_eq!(rig.values(), ["a0"]);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_can_never_be_sent_fails_the_task_at_once() {
    let rig = Rig::new();
    rig.kafka.faults().produce.then(None).then(ProduceFault::TooLarge);
    let task = rig.source([batch("a", 0, 1).into(), batch("a", 1, 2).into()]);
    let error = rig.run_source(task).await.ended().await.unwrap_err();
    assert!(
        !error.is_retriable() && error.chain().join(" ").contains("KAFKA_PRODUCE"),
        "{:?}",
        error.chain()
    );
    assert_eq!(rig.offsets().await.get("c", &lane("a")), Some(at(1)));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_is_waited_for_and_loses_nothing() {
    let mut rig = Rig::new();
    rig.producer.set("buffer.memory", "4096");
    rig.kafka
        .faults()
        .produce
        .extend((0..40).map(|n| (n % 3 == 0).then_some(ProduceFault::Full)));
    let task = rig.source([batch("a", 0, 200).into(), Poll::Finished]);
    rig.run_source(task).await.ended().await.unwrap();
    let expected: Vec<_> = (0..200).map(|n| format!("a{n}")).collect();
    assert_eq!(rig.values(), expected);
}

/// While the store fails nothing is committed and the state says so; once it works, the newest offset is.
#[tokio::test(start_paused = true)]
async fn a_store_that_fails_keeps_upstream() {
    let rig = Rig::new();
    rig.log
        .faults
        .extend((0..7).map(|_| Some(LogFault::Failed(Error::retriable("disk full")))));
    let task = rig.source([batch("a", 0, 1).into(), batch("a", 1, 2).into()]);
    let told = task.told.clone();
    let running = rig.run_source(task).await;
    pass(SECOND).await;
    assert!(told.lock().unwrap().committed.is_empty());
    assert!(
        rig.progress
            .state()
            .degraded
            .is_some_and(|why| why.contains("disk full"))
    );
    until("the newest offset is committed", || {
        told.lock().unwrap().committed == [(lane("a"), at(2))]
    })
    .await;
    assert_eq!(rig.progress.state().degraded, None, "the store works again");
    running.stopped().await.unwrap();
}

/// An answer that was lost does not count, although the offset is stored: it is written again.
#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_commits_nothing() {
    let rig = Rig::new();
    rig.log.faults.then(LogFault::Hangs);
    let task = rig.source([batch("a", 0, 1).into(), batch("a", 1, 2).into()]);
    let told = task.told.clone();
    let running = rig.run_source(task).await;
    pass(60 * SECOND).await;
    assert_eq!(running.stopped().await.unwrap(), SourceEnd::Stopped);
    assert!(told.lock().unwrap().committed.is_empty() && told.lock().unwrap().stopped);
}

/// Retriable failures of `poll` repeat with a growing wait, visibly, without limit; success ends it.
#[tokio::test(start_paused = true)]
async fn a_poll_that_fails_is_repeated_with_growing_waits() {
    let rig = Rig::new();
    let down = || Poll::Fails(Error::retriable("the database is down"));
    let task = rig.source((0..12).map(|_| down()).chain([batch("a", 0, 1).into()]));
    let told = task.told.clone();
    let begun = tokio::time::Instant::now();
    let running = rig.run_source(task).await;
    until("the third poll", || told.lock().unwrap().polls == 3).await;
    assert!(
        rig.progress
            .state()
            .degraded
            .is_some_and(|why| why.contains("the database is down"))
    );
    until("the batch is committed", || {
        told.lock().unwrap().committed.len() == 1
    })
    .await;
    // Twelve waits of at least half of 100 ms, 200 ms … 30 s.
    assert!(begun.elapsed() > 70 * SECOND, "{:?}", begun.elapsed());
    assert_eq!(rig.progress.state().degraded, None);
    running.stopped().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn fatal_failures_and_bad_records_fail_the_task_at_once() {
    let reject = Reject {
        topic: "t".into(),
        raw: Vec::new(),
        error: RecordError::new("no such type"),
    };
    let mut rejected = batch("a", 1, 2);
    rejected.rejected.push(reject);
    let mut aborted = batch("a", 1, 2);
    aborted.unit = Unit::Abort;
    for poll in [
        Poll::Fails(Error::fatal("slot is gone")),
        rejected.into(),
        aborted.into(),
    ] {
        let rig = Rig::new();
        let task = rig.source([batch("a", 0, 1).into(), poll]);
        let begun = tokio::time::Instant::now();
        let error = rig.run_source(task).await.ended().await.unwrap_err();
        assert!(!error.is_retriable() && begun.elapsed() < SECOND);
        assert_eq!(
            rig.offsets().await.get("c", &lane("a")),
            Some(at(1)),
            "what was durable before counts"
        );
        assert_eq!(rig.values(), ["a0"]);
    }
}

/// An outage of the registry is waited out inside the task; a record that cannot be converted fails it.
#[tokio::test(start_paused = true)]
async fn a_missing_schema_is_fetched_until_it_is_there() {
    let rig = Rig::new();
    rig.converter.missing.store(true, Ordering::SeqCst);
    rig.converter
        .fetches
        .lock()
        .unwrap()
        .extend((0..3).map(|_| Error::retriable("registry down")));
    let task = rig.source([batch("a", 0, 2).into(), Poll::Finished]);
    rig.run_source(task).await.ended().await.unwrap();
    assert_eq!(rig.values(), ["a0", "a1"]);

    let rig = Rig::new();
    *rig.converter.broken.lock().unwrap() = Some(Failure::Record(RecordError::new("no Avro name").at("x")));
    let error = rig
        .run_source(rig.source([batch("a", 0, 2).into()]))
        .await
        .ended()
        .await
        .unwrap_err();
    assert!(
        !error.is_retriable() && error.chain().join(" ").contains("VALUE_CONVERTER"),
        "{:?}",
        error.chain()
    );
    assert!(rig.values().is_empty());
}

/// Pausing waits for the end of the source's transaction, and offsets go on being stored meanwhile.
#[tokio::test(start_paused = true)]
async fn a_pause_begins_after_a_whole_unit() {
    let rig = Rig::new();
    let open = |first: i64| {
        let mut open = batch("a", first, first + 1);
        (open.unit, open.resume_at) = (Unit::Open, None);
        Poll::from(open)
    };
    // The transaction's second part comes only after a failure: the pause is asked for in between.
    let down = || Poll::Fails(Error::retriable("down"));
    let task = rig.source([
        open(0),
        down(),
        down(),
        down(),
        batch("a", 1, 2).into(),
        batch("a", 2, 3).into(),
    ]);
    let told = task.told.clone();
    let running = rig.run_source(task).await;
    until("the transaction has begun", || told.lock().unwrap().polls == 2).await;
    running.paused.send_replace(true);
    until("the whole unit is committed", || {
        told.lock().unwrap().committed == [(lane("a"), at(2))]
    })
    .await;
    pass(60 * SECOND).await;
    assert_eq!((told.lock().unwrap().polls, rig.values().len()), (5, 2));
    running.paused.send_replace(false);
    until("it goes on", || {
        told.lock().unwrap().committed.contains(&(lane("a"), at(3)))
    })
    .await;
    running.stopped().await.unwrap();
}

/// Stopping stores what is durable before anything that hangs is given up, and tells the task in every case.
#[tokio::test(start_paused = true)]
async fn stopping_ends_in_time_and_keeps_what_was_durable_whatever_hangs() {
    // A broker that does not answer: the lane before the silence is stored.
    let rig = Rig::new();
    rig.kafka.faults().produce.then(None).then(ProduceFault::Hangs);
    let mut task = rig.source([batch("a", 0, 1).into(), batch("a", 1, 2).into()]);
    task.stop_hangs = true;
    let told = task.told.clone();
    let running = rig.run_source(task).await;
    until("the first is in the log", || rig.values().len() == 1).await;
    assert_eq!(running.stopped().await.unwrap(), SourceEnd::Stopped);
    assert!(told.lock().unwrap().stopped);
    assert_eq!(rig.offsets().await.get("c", &lane("a")), Some(at(1)));

    // A record in flight that is acknowledged while stopping counts.
    let rig = Rig::new();
    rig.kafka
        .faults()
        .produce
        .then(ProduceFault::AcknowledgedLate(SECOND));
    let task = rig.source([batch("a", 0, 1).into()]);
    let told = task.told.clone();
    let running = rig.run_source(task).await;
    until("it is in the log", || rig.values().len() == 1).await;
    running.stopped().await.unwrap();
    assert_eq!(told.lock().unwrap().committed, [(lane("a"), at(1))]);
}
