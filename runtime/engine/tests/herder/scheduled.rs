//! Runs of a schedule.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rowtide_api::Error;
use rowtide_engine::herder::HerderHandle;
use rowtide_engine::store::config::TargetState;
use rowtide_engine::store::status::State;
use rowtide_testkit::faults::LogFault;

use crate::parts::{Stored, create, states, until};
use crate::plugins::Script;

const HOUR_MS: i64 = 3_600_000;

fn set(stored: &Stored, hours: i64) {
    // A minute behind the slot.
    stored.clock.0.store(hours * HOUR_MS + 60_000, Ordering::SeqCst);
}

fn runs(script: &Script) -> Vec<(i64, u32, bool)> {
    let runs = script.runs.lock().unwrap();
    runs.iter()
        .map(|(slot_ms, attempt, resumed)| (slot_ms / HOUR_MS, *attempt, *resumed))
        .collect()
}

fn run_state(stored: &Stored, hour: i64, state: &str) -> bool {
    let record = stored.run.text(&format!("rowtide-run-c-{}", hour * HOUR_MS));
    record.is_some_and(|text| text.contains(&format!("\"state\":\"{state}\"")))
}

fn state_of(herder: &HerderHandle, state: State) -> bool {
    states(herder, "c").is_some_and(|(_, tasks)| tasks == [state])
}

async fn hourly(herder: &HerderHandle) {
    create(
        herder,
        "c",
        "Timed",
        &[("schedule.interval", "1h"), ("tasks.max", "3")],
    )
    .await;
}

/// One task whatever `tasks.max` says, RUNNING between runs, and of the slots missed meanwhile only the newest.
#[tokio::test(start_paused = true)]
async fn only_the_newest_missed_slot_runs_and_the_task_is_running_between() {
    let (stored, script) = (Stored::new(), Arc::new(Script::default()));
    set(&stored, 10);
    let (herder, _herding) = stored.start(&script).await;
    hourly(&herder).await;
    until("the first run", || run_state(&stored, 10, "SUCCEEDED")).await;
    assert!(state_of(&herder, State::Running));
    set(&stored, 15);
    until("the newest run", || run_state(&stored, 15, "SUCCEEDED")).await;
    assert_eq!(runs(&script), [(10, 1, false), (15, 1, false)]);
    assert!(
        stored
            .offset
            .text(r#"["c",{"run":"1970-01-01T10:00:00Z"}]"#)
            .is_none(),
        "a run's offset goes"
    );

    herder.target("c", TargetState::Paused).await.unwrap();
    until("the pause", || state_of(&herder, State::Paused)).await;
    set(&stored, 20);
    tokio::time::sleep(std::time::Duration::from_secs(7200)).await;
    assert_eq!(runs(&script).len(), 2, "a paused schedule runs nothing");
    herder.target("c", TargetState::Started).await.unwrap();
    until("the run after", || run_state(&stored, 20, "SUCCEEDED")).await;
    assert_eq!(runs(&script)[2..], [(20, 1, false)]);
}

/// A pause survives the worker, and shows.
#[tokio::test(start_paused = true)]
async fn a_paused_schedule_is_paused_after_a_restart() {
    let (stored, script) = (Stored::new(), Arc::new(Script::default()));
    set(&stored, 10);
    let (herder, herding) = stored.start(&script).await;
    hourly(&herder).await;
    until("the run", || run_state(&stored, 10, "SUCCEEDED")).await;
    herder.target("c", TargetState::Paused).await.unwrap();
    herder.shutdown().await;
    herding.await.unwrap();
    set(&stored, 12);
    let (herder, _herding) = stored.start(&script).await;
    until("the pause", || {
        states(&herder, "c") == Some((State::Paused, vec![State::Paused]))
    })
    .await;
    assert_eq!(runs(&script).len(), 1);
}

/// A failed run fails the task; a restart takes it up behind what is durable while its slot is the newest, and a newer
/// slot leaves nothing of it behind.
#[tokio::test(start_paused = true)]
async fn a_failed_run_is_taken_up_again_or_given_up_for_a_newer_slot() {
    let (stored, script) = (Stored::new(), Arc::new(Script::default()));
    set(&stored, 10);
    script.runs_fail.store(true, Ordering::SeqCst);
    let (herder, _herding) = stored.start(&script).await;
    hourly(&herder).await;
    until("the failure", || state_of(&herder, State::Failed)).await;
    assert!(run_state(&stored, 10, "FAILED"));
    herder.restart_task("c", 0).await.unwrap();
    until("the second failure", || {
        runs(&script).len() == 2 && state_of(&herder, State::Failed)
    })
    .await;
    assert_eq!(runs(&script), [(10, 1, false), (10, 2, true)]);
    let left = r#"["c",{"run":"1970-01-01T10:00:00Z"}]"#;
    assert!(stored.offset.text(left).is_some());

    set(&stored, 11);
    script.runs_fail.store(false, Ordering::SeqCst);
    herder.restart_task("c", 0).await.unwrap();
    until("the newer run", || run_state(&stored, 11, "SUCCEEDED")).await;
    assert_eq!(runs(&script)[2..], [(11, 1, false)]);
    assert!(stored.offset.text(left).is_none(), "an offset nobody will use");
}

/// A store that is away is waited for: it is no failure of the run.
#[tokio::test(start_paused = true)]
async fn a_run_whose_record_cannot_be_stored_waits_for_the_store() {
    let (stored, script) = (Stored::new(), Arc::new(Script::default()));
    set(&stored, 10);
    let (herder, _herding) = stored.start(&script).await;
    let refused = || LogFault::Failed(Error::retriable("the disk is full"));
    stored.run.faults.extend((0..1000).map(|_| Some(refused())));
    hourly(&herder).await;
    let degraded = || {
        let view = herder.board().get("c")?;
        view.tasks[&0].progress.state().degraded
    };
    until("the degradation", || {
        states(&herder, "c").is_some_and(|(_, tasks)| !tasks.is_empty()) && degraded().is_some()
    })
    .await;
    assert!(state_of(&herder, State::Running));
    assert_eq!(runs(&script), [], "a run without a durable record");
    stored.run.faults.clear();
    until("the run", || run_state(&stored, 10, "SUCCEEDED")).await;
    assert_eq!(degraded(), None);
}
