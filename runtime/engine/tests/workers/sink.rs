//! A sink's position moves over what is written, and over nothing else, whatever the sink and its group do.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rowtide_api::sink::{Note, PutReport};
use rowtide_api::{Error, RecordError};
use rowtide_engine::ports::{Subscription, TopicPattern};
use rowtide_testkit::faults::{CommitFault, ConsumeFault};

use crate::rig::{GROUP, Put, Rig, ScriptedSink, TOPIC, pass, until};

const SECOND: Duration = Duration::from_secs(1);

fn down() -> Error {
    Error::retriable("the table is locked")
}

#[tokio::test(start_paused = true)]
async fn what_is_written_is_committed_with_its_note() {
    let rig = Rig::new();
    rig.fill(0, 0, 10);
    let open = rig.kafka.begin();
    open.append(TOPIC, 1, None, Some(b"never"));
    open.abort();
    rig.fill(1, 0, 2);
    let sink = ScriptedSink::new([]);
    let done = sink.done.clone();
    let running = rig.run_sink("one", sink);
    // The aborted record and its marker are offsets 0 and 1.
    until("both are committed", || {
        (rig.position(0), rig.position(1)) == (Some(10), Some(4))
    })
    .await;
    running.stopped().await.unwrap();
    assert_eq!(
        rig.kafka.committed(GROUP, TOPIC, 1),
        Some((4, Some(Note("3".into()))))
    );
    assert!(done.lock().unwrap().written[&1].iter().eq([2, 3].iter()));
    // The next task gets the note.
    let sink = ScriptedSink::new([]);
    let done = sink.done.clone();
    let running = rig.run_sink("one", sink);
    until("it has its partitions", || {
        done.lock().unwrap().assigned.len() == 3
    })
    .await;
    assert!(
        done.lock()
            .unwrap()
            .assigned
            .contains(&(1, Some(Note("3".into()))))
    );
    running.stopped().await.unwrap();
    assert!(done.lock().unwrap().stopped && done.lock().unwrap().puts.is_empty());
}

/// A delivery behind an unsettled one does not move the position.
#[tokio::test(start_paused = true)]
async fn a_late_batch_holds_back_its_partition_only() {
    let rig = Rig::new();
    rig.fill(0, 0, 8);
    let sink = ScriptedSink::new([Put::Late(60 * SECOND)]);
    let running = rig.run_sink("one", sink);
    pass(30 * SECOND).await;
    rig.fill(1, 0, 1);
    until("the other partition is committed", || rig.position(1) == Some(1)).await;
    assert_eq!(rig.position(0), None);
    until("the late batch is committed", || rig.position(0) == Some(8)).await;
    running.stopped().await.unwrap();
}

/// A batch that is dropped without an account, or accounted for wrongly, fails the task; the position stays.
#[tokio::test(start_paused = true)]
async fn an_account_that_is_missing_or_does_not_add_up_fails_the_task() {
    let short = PutReport::written(3);
    let twice = PutReport {
        rejected: vec![(1, RecordError::new("x")); 2],
        ..PutReport::written(2)
    };
    let outside = PutReport {
        rejected: vec![(9, RecordError::new("x"))],
        ..PutReport::written(3)
    };
    let rejects = PutReport {
        rejected: vec![(2, RecordError::new("too long"))],
        ..PutReport::written(3)
    };
    let fatal = Put::SettledAs(Error::fatal("no such table"));
    let bad = [
        Put::Loses,
        Put::Reports(short),
        Put::Reports(twice),
        Put::Reports(outside),
        Put::Reports(rejects),
        fatal,
    ];
    for put in bad {
        let rig = Rig::new();
        rig.fill(0, 0, 8);
        let sink = ScriptedSink::new([Put::Written, put.clone()]);
        let done = sink.done.clone();
        let begun = tokio::time::Instant::now();
        let error = rig.run_sink("one", sink).ended().await.unwrap_err();
        assert!(
            !error.is_retriable() && begun.elapsed() < SECOND,
            "{put:?}: {error}"
        );
        assert_eq!(
            rig.position(0),
            Some(4),
            "{put:?}: what was written before counts, and no more"
        );
        assert!(done.lock().unwrap().stopped);
    }
}

/// Retriable failures, of a put or of a ticket, repeat what is unsettled in its order, with a growing wait, visibly.
#[tokio::test(start_paused = true)]
async fn what_fails_is_put_again_in_order() {
    for failure in [Put::Fails(down()), Put::SettledAs(down())] {
        let rig = Rig::new();
        rig.fill(0, 0, 12);
        let mut script = vec![Put::Late(SECOND / 10)];
        script.extend((0..6).map(|_| failure.clone()));
        let sink = ScriptedSink::new(script);
        let done = sink.done.clone();
        let begun = tokio::time::Instant::now();
        let running = rig.run_sink("one", sink);
        until("a failure shows", || rig.progress.state().degraded.is_some()).await;
        until("everything is committed", || rig.position(0) == Some(12)).await;
        assert!(begun.elapsed() > SECOND / 2, "{:?}", begun.elapsed());
        assert_eq!(rig.progress.state().degraded, None);
        let puts = done.lock().unwrap().puts.clone();
        // Each round begins with the oldest that is unsettled.
        let in_order = |pair: &[(i32, i64)]| pair[1] != (0, 8) || pair[0] == (0, 4);
        assert!(
            puts.windows(2).all(in_order) && puts.contains(&(0, 8)),
            "{puts:?}"
        );
        running.stopped().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_fatal_put_fails_the_task_at_once() {
    let rig = Rig::new();
    rig.fill(0, 0, 4);
    let begun = tokio::time::Instant::now();
    let error = rig
        .run_sink(
            "one",
            ScriptedSink::new([Put::Fails(Error::fatal("no such table"))]),
        )
        .ended()
        .await;
    assert!(!error.unwrap_err().is_retriable() && begun.elapsed() < SECOND);
    assert_eq!(rig.position(0), None);
}

/// Failures of the consumer and of the registry pass; the state says so while they last.
#[tokio::test(start_paused = true)]
async fn a_failing_delivery_or_fetch_is_waited_out() {
    let rig = Rig::new();
    rig.fill(0, 0, 4);
    let failed = || Some(ConsumeFault::Failed(Error::retriable("no broker")));
    rig.kafka
        .faults()
        .consume
        .extend([failed(), failed(), Some(ConsumeFault::Short(3))]);
    rig.converter.missing.store(true, Ordering::SeqCst);
    rig.converter
        .fetches
        .lock()
        .unwrap()
        .push_back(Error::retriable("registry down"));
    let running = rig.run_sink("one", ScriptedSink::new([]));
    until("a failure shows", || rig.progress.state().degraded.is_some()).await;
    until("everything is committed", || rig.position(0) == Some(4)).await;
    assert_eq!(rig.progress.state().degraded, None);
    running.stopped().await.unwrap();
}

/// A commit that fails is made again; one whose answer was lost does no harm.
#[tokio::test(start_paused = true)]
async fn a_failing_commit_is_repeated() {
    let rig = Rig::new();
    rig.fill(0, 0, 4);
    let failed = CommitFault::Failed(Error::retriable("no coordinator"));
    let faults = [
        CommitFault::Rebalanced,
        failed,
        CommitFault::AnswerLost,
        CommitFault::AnsweredLate(SECOND),
    ];
    rig.kafka.faults().commit.extend(faults.into_iter().map(Some));
    let running = rig.run_sink("one", ScriptedSink::new([]));
    until("the commit counts", || {
        rig.position(0) == Some(4) && rig.kafka.faults().commit.is_over()
    })
    .await;
    running.stopped().await.unwrap();
}

/// While a sink is full, what it settles is committed.
#[tokio::test(start_paused = true)]
async fn a_put_that_waits_does_not_hold_up_commits() {
    let rig = Rig::new();
    rig.fill(0, 0, 8);
    let running = rig.run_sink("one", ScriptedSink::new([Put::Late(SECOND), Put::Hangs]));
    until("the first batch is committed", || rig.position(0) == Some(4)).await;
    running.stopped().await.unwrap();
}

/// A put in flight is dropped when its partition goes, and repeated for the partitions that stay.
#[tokio::test(start_paused = true)]
async fn partitions_revoked_during_a_put_move_and_lose_nothing() {
    let rig = Rig::new();
    (0..3).for_each(|partition| rig.fill(partition, 0, 8));
    let first = ScriptedSink::new([Put::Hangs]);
    let second = first.sibling();
    let done = first.done.clone();
    let first = rig.run_sink("one", first);
    until("the first put hangs", || done.lock().unwrap().puts.len() == 1).await;
    let second = rig.run_sink("two", second);
    until("all is committed", || {
        (0..3).all(|partition| rig.position(partition) == Some(8))
    })
    .await;
    assert_eq!(
        rig.kafka.owned_by(GROUP, "one").len() + rig.kafka.owned_by(GROUP, "two").len(),
        3
    );
    assert!(!done.lock().unwrap().revoked.is_empty());
    first.stopped().await.unwrap();
    second.stopped().await.unwrap();
}

/// What a sink drops of a revoked partition is not lost: its next owner gets it. The task goes on.
#[tokio::test(start_paused = true)]
async fn tickets_dropped_with_their_partition_do_not_count() {
    let rig = Rig::new();
    (0..3).for_each(|partition| rig.fill(partition, 0, 4));
    let first = ScriptedSink::new([Put::Keeps, Put::Keeps, Put::Keeps]);
    let second = first.sibling();
    let done = first.done.clone();
    let first = rig.run_sink("one", first);
    until("all is kept", || done.lock().unwrap().puts.len() == 3).await;
    let second = rig.run_sink("two", second);
    let moved = || (0..3).any(|partition| rig.position(partition) == Some(4));
    until("a partition moved and was written", moved).await;
    first.stopped().await.unwrap();
    until("the rest follows", || {
        (0..3).all(|partition| rig.position(partition) == Some(4))
    })
    .await;
    second.stopped().await.unwrap();
}

/// Partitions that are lost: nothing of theirs is committed any more, and the position of their next owner stands.
#[tokio::test(start_paused = true)]
async fn partitions_lost_during_a_put_are_not_committed() {
    let rig = Rig::new();
    rig.fill(0, 0, 8);
    rig.kafka
        .faults()
        .commit
        .then(CommitFault::AnsweredLate(2 * SECOND));
    let first = ScriptedSink::new([Put::Written, Put::Hangs]);
    let second = first.sibling();
    let done = first.done.clone();
    let first = rig.run_sink("one", first);
    until("the second put hangs", || done.lock().unwrap().puts.len() == 2).await;
    rig.kafka.lose(GROUP, "one");
    let second = rig.run_sink("two", second);
    until("all is committed", || rig.position(0) == Some(8)).await;
    // The late answer of the first member's commit, and whatever it would do then, has time to come.
    pass(10 * SECOND).await;
    assert_eq!(rig.position(0), Some(8));
    assert!(done.lock().unwrap().revoked.contains(&0));
    first.stopped().await.unwrap();
    second.stopped().await.unwrap();
}

/// A task that does not let its partitions go is dropped before the group hears that they are free, and starts again.
#[tokio::test(start_paused = true)]
async fn a_task_that_hangs_in_revoked_is_dropped_and_its_group_goes_on() {
    let rig = Rig::new();
    (0..3).for_each(|partition| rig.fill(partition, 0, 4));
    let mut first = ScriptedSink::new([]);
    first.revoked_hangs = true;
    let second = first.sibling();
    let first = rig.run_sink("one", first);
    until("all is committed", || {
        (0..3).all(|partition| rig.position(partition) == Some(4))
    })
    .await;
    let second = rig.run_sink("two", second);
    let error = first.ended().await.unwrap_err();
    assert!(error.is_retriable(), "{error}");
    until("the group goes on", || {
        rig.kafka.owned_by(GROUP, "two").len() == 3
    })
    .await;
    (0..3).for_each(|partition| rig.fill(partition, 4, 6));
    until("all is committed", || {
        (0..3).all(|partition| rig.position(partition) == Some(6))
    })
    .await;
    second.stopped().await.unwrap();
}

/// Paused, a sink is put nothing, stays in its group and commits what it settles; resumed, it goes on.
#[tokio::test(start_paused = true)]
async fn a_paused_sink_is_put_nothing() {
    let rig = Rig::new();
    rig.fill(0, 0, 4);
    let sink = ScriptedSink::new([Put::Late(5 * SECOND)]);
    let done = sink.done.clone();
    let running = rig.run_sink("one", sink);
    until("the first put", || done.lock().unwrap().puts.len() == 1).await;
    running.paused.send_replace(true);
    rig.fill(0, 4, 8);
    until("what was put is committed", || rig.position(0) == Some(4)).await;
    pass(60 * SECOND).await;
    assert_eq!(done.lock().unwrap().puts.len(), 1);
    running.paused.send_replace(false);
    until("it goes on", || rig.position(0) == Some(8)).await;
    running.stopped().await.unwrap();
}

/// Stopping ends in time and commits what is written, whatever hangs.
#[tokio::test(start_paused = true)]
async fn stopping_ends_in_time_and_commits_what_is_written_whatever_hangs() {
    for (put, revoked_hangs, stop_hangs) in [
        (Put::Hangs, false, false),
        (Put::Keeps, false, true),
        (Put::Written, true, false),
        (Put::Hangs, true, true),
    ] {
        let rig = Rig::new();
        rig.fill(0, 0, 8);
        rig.kafka.faults().commit.then(CommitFault::Failed(down()));
        let mut sink = ScriptedSink::new([Put::Written, put.clone()]);
        (sink.revoked_hangs, sink.stop_hangs) = (revoked_hangs, stop_hangs);
        let done = sink.done.clone();
        let running = rig.run_sink("one", sink);
        until("the second put", || done.lock().unwrap().puts.len() == 2).await;
        running.stopped().await.unwrap();
        let written = if matches!(put, Put::Written) { 8 } else { 4 };
        assert_eq!(rig.position(0), Some(written), "{put:?}");
        assert!(
            rig.kafka.owned_by(GROUP, "one").is_empty(),
            "it has left the group"
        );
    }
    // A broker that does not answer a commit holds up nothing else.
    let rig = Rig::new();
    rig.fill(0, 0, 4);
    rig.kafka.faults().commit.then(CommitFault::Hangs);
    let sink = ScriptedSink::new([]);
    let done = sink.done.clone();
    let running = rig.run_sink("one", sink);
    until("the put", || done.lock().unwrap().puts.len() == 1).await;
    running.stopped().await.unwrap();
    assert!(done.lock().unwrap().stopped);
}

/// RS-004: stopping commits what is settled, also when the sink is full at that moment.
#[tokio::test(start_paused = true)]
async fn stopping_while_a_put_waits_commits_what_is_settled() {
    let mut rig = Rig::new();
    // The first commit comes at once, the next one never: the second delivery is left to the stop.
    rig.commit_interval = 3600 * SECOND;
    rig.fill(0, 0, 12);
    let sink = ScriptedSink::new([Put::Written, Put::Written, Put::Hangs]);
    let done = sink.done.clone();
    let running = rig.run_sink("one", sink);
    until("a put waits", || done.lock().unwrap().puts.len() == 3).await;
    assert!(rig.position(0) < Some(8), "the last commit is left to the stop");
    running.stopped().await.unwrap();
    assert_eq!(rig.position(0), Some(8));
}

/// CN-113: nothing is read and nothing fails, so the status says it; it takes that back once a topic comes, and again.
#[tokio::test(start_paused = true)]
async fn a_pattern_that_matches_no_topic_is_shown_until_one_comes() {
    let rig = Rig::new();
    let pattern = TopicPattern::compile(r"\Qla\Et\w").unwrap();
    let subscription = Subscription::Pattern(Arc::new(pattern));
    let running = rig.run_sink_of("one", ScriptedSink::new([]), subscription);
    let warnings = || rig.progress.state().warnings;
    let shown = r"topics.regex=\Qla\Et\w matches none of the cluster's topics";
    let is_shown = || {
        warnings()
            .iter()
            .any(|(about, words)| &**about == "topics.regex" && &**words == shown)
    };
    until("the warning", is_shown).await;
    rig.kafka.append("late", 0, None, Some(b"1"));
    until("its end", || warnings().is_empty()).await;
    until("the record", || {
        rig.kafka
            .committed(GROUP, "late", 0)
            .is_some_and(|(position, _)| position == 1)
    })
    .await;
    rig.kafka.delete_topic("late");
    until("the warning again", is_shown).await;
    running.stopped().await.unwrap();
}

/// A match that cannot be decided fails the task with the pattern.
#[tokio::test(start_paused = true)]
async fn a_pattern_that_cannot_be_decided_fails_the_task() {
    let rig = Rig::new();
    rig.kafka.create_topic(&"a".repeat(60), 1);
    let pattern = TopicPattern::compile("(?:a|a)*(?=b)b").unwrap();
    let subscription = Subscription::Pattern(Arc::new(pattern));
    let running = rig.run_sink_of("one", ScriptedSink::new([]), subscription);
    let error = running.join.await.unwrap().unwrap_err();
    assert!(!error.is_retriable());
    assert!(
        error.to_string().contains("topics.regex=(?:a|a)*(?=b)b"),
        "{error}"
    );
}
