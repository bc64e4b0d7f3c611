//! Tasks: their records, their ends, and their successors.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rowtide_api::Plugin as _;
use rowtide_engine::herder::{HerderError, RestartPlan};
use rowtide_engine::store::config::TargetState;
use rowtide_engine::store::status::State;

use crate::hanging;
use crate::parts::{Stored, create, states, until};
use crate::plugins::Script;

/// CN-136, CN-158, CN-163: the planned tasks are stored as Connect stores them, and shown before they are planned again.
#[tokio::test(start_paused = true)]
async fn planned_tasks_survive_a_restart_and_an_outage_of_the_server() {
    let (stored, script) = (Stored::new(), Arc::new(Script::default()));
    let (herder, herding) = stored.start(&script).await;
    create(&herder, "c-1", "Scripted", &[("tasks.max", "2")]).await;
    let running = Some((State::Running, vec![State::Running; 2]));
    until("both tasks", || states(&herder, "c-1") == running).await;
    assert_eq!(
        stored.config.text("commit-c-1").as_deref(),
        Some(r#"{"tasks":2}"#)
    );
    let record = stored.config.text("task-c-1-1").unwrap();
    assert_eq!(
        record,
        r#"{"properties":{"connector.class":"Scripted","name":"c-1","share":"1","task.class":"test.ScriptedTask","tasks.max":"2"}}"#
    );
    herder.shutdown().await;
    herding.await.unwrap();
    // CN-174: a worker that was stopped leaves nobody RUNNING.
    for key in ["status-connector-c-1", "status-task-c-1-1"] {
        let status = stored.status.text(key).unwrap();
        assert!(status.contains("UNASSIGNED"), "{status}");
    }

    script.outage.store(true, Ordering::SeqCst);
    let (herder, _herding) = stored.start(&script).await;
    let trace = || {
        let view = herder.board().get("c-1")?;
        view.status.trace
    };
    until("the reason", || {
        trace().is_some_and(|text| text.contains("the server is away"))
    })
    .await;
    assert_eq!(
        states(&herder, "c-1"),
        Some((State::Unassigned, vec![State::Unassigned; 2]))
    );
    let shown = herder.board().get("c-1").unwrap().tasks[&1].config.clone();
    assert_eq!(shown.get("share"), Some("1"));
    script.outage.store(false, Ordering::SeqCst);
    until("both tasks again", || states(&herder, "c-1") == running).await;
    assert_eq!(trace(), None);
}

/// CN-059, CN-164: a stopped connector has no tasks, also in the log, and stays stopped.
#[tokio::test(start_paused = true)]
async fn a_stopped_connector_stays_without_tasks() {
    let (stored, script) = (Stored::new(), Arc::new(Script::default()));
    let (herder, herding) = stored.start(&script).await;
    create(&herder, "c", "Scripted", &[]).await;
    until("the task", || {
        states(&herder, "c") == Some((State::Running, vec![State::Running]))
    })
    .await;
    herder.target("c", TargetState::Stopped).await.unwrap();
    until("the stop", || {
        states(&herder, "c") == Some((State::Stopped, Vec::new()))
    })
    .await;
    assert_eq!(stored.config.text("commit-c").as_deref(), Some(r#"{"tasks":0}"#));
    herder.shutdown().await;
    herding.await.unwrap();
    let (herder, _herding) = stored.start(&script).await;
    until("the start", || {
        states(&herder, "c") == Some((State::Stopped, Vec::new()))
    })
    .await;
    assert_eq!(script.alive.load(Ordering::SeqCst), 0);
    herder.target("c", TargetState::Started).await.unwrap();
    until("the task", || {
        states(&herder, "c") == Some((State::Running, vec![State::Running]))
    })
    .await;
}

/// CN-211, CN-231: others are served while one is being dropped, and its successor waits for it.
#[tokio::test(start_paused = true)]
async fn a_connector_that_does_not_stop_delays_nobody_but_its_successor() {
    let (stored, script) = (Stored::new(), Arc::new(Script::default()));
    let (herder, _herding) = stored.start(&script).await;
    create(&herder, "c", "Scripted", &[("stop", "hangs")]).await;
    until("the task", || script.alive.load(Ordering::SeqCst) == 1).await;
    let deleting = {
        let herder = herder.clone();
        tokio::spawn(async move { herder.delete("c").await })
    };
    until("the end of the name", || states(&herder, "c").is_none()).await;
    let begun = tokio::time::Instant::now();
    create(&herder, "other", "Timed", &[("schedule.interval", "1h")]).await;
    create(&herder, "c", "Scripted", &[]).await;
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "others wait for the one that hangs"
    );
    assert!(!deleting.is_finished());
    assert_eq!(script.alive.load(Ordering::SeqCst), 1);
    until("the successor", || {
        states(&herder, "c") == Some((State::Running, vec![State::Running]))
    })
    .await;
    assert!(deleting.await.unwrap().is_ok());
    assert_eq!(
        script.alive_max.load(Ordering::SeqCst),
        1,
        "two tasks of one name at once"
    );
}

/// CN-231: a restart waits until the task it replaces is gone, also when that does not stop by itself.
#[tokio::test(start_paused = true)]
async fn a_restarted_task_never_meets_its_predecessor() {
    let (stored, script) = (Stored::new(), Arc::new(Script::default()));
    let (herder, _herding) = stored.start(&script).await;
    create(&herder, "c", "Scripted", &[("stop", "hangs")]).await;
    until("the task", || {
        states(&herder, "c") == Some((State::Running, vec![State::Running]))
    })
    .await;
    herder.restart_task("c", 0).await.unwrap();
    until("the drop", || {
        states(&herder, "c") == Some((State::Running, vec![State::Restarting]))
    })
    .await;
    until("the next task", || {
        states(&herder, "c") == Some((State::Running, vec![State::Running]))
    })
    .await;
    herder.restart("c", true, false).await.unwrap();
    until("the drop", || {
        states(&herder, "c").is_some_and(|(state, _)| state != State::Running)
    })
    .await;
    until("the next start", || {
        states(&herder, "c") == Some((State::Running, vec![State::Running]))
    })
    .await;
    assert_eq!(script.alive.load(Ordering::SeqCst), 1);
    assert_eq!(script.alive_max.load(Ordering::SeqCst), 1, "two tasks at once");
}

fn started(script: &Script) -> Vec<String> {
    script.started.lock().unwrap().clone()
}

/// CN-060, CN-210: the tasks run on while the connector is restarted, and through an outage it meets; one whose
/// configuration it changes is replaced, the others are not.
#[tokio::test(start_paused = true)]
async fn a_connector_restarted_alone_leaves_its_tasks_undisturbed() {
    let (stored, script) = (Stored::new(), Arc::new(Script::default()));
    let (herder, _herding) = stored.start(&script).await;
    create(&herder, "c", "Scripted", &[("tasks.max", "2")]).await;
    let both = |state| vec![state; 2];
    let running = Some((State::Running, both(State::Running)));
    until("both tasks", || states(&herder, "c") == running).await;

    let plan = herder.restart("c", false, false).await.unwrap();
    assert_eq!((plan.connector, plan.tasks), (true, Vec::new()));
    assert_eq!(
        script.plans.load(Ordering::SeqCst),
        2,
        "answered before it had opened"
    );
    until("the status", || states(&herder, "c") == running).await;
    assert_eq!(started(&script), ["0", "1"]);

    script.outage.store(true, Ordering::SeqCst);
    let refused = herder.restart("c", false, false).await;
    assert!(matches!(refused, Err(HerderError::Internal(_))), "{refused:?}");
    until("the outage", || {
        states(&herder, "c") == Some((State::Unassigned, both(State::Running)))
    })
    .await;
    // The tasks hear a pause meanwhile; the connector goes on saying why it waits.
    herder.target("c", TargetState::Paused).await.unwrap();
    until("the pause", || {
        states(&herder, "c") == Some((State::Unassigned, both(State::Paused)))
    })
    .await;
    script.outage.store(false, Ordering::SeqCst);
    until("the end of the outage", || {
        states(&herder, "c") == Some((State::Paused, both(State::Paused)))
    })
    .await;
    herder.target("c", TargetState::Started).await.unwrap();
    until("the tasks", || states(&herder, "c") == running).await;
    assert_eq!(started(&script), ["0", "1"]);

    script.shifted.store(true, Ordering::SeqCst);
    herder.restart("c", false, false).await.unwrap();
    until("the other share", || {
        started(&script) == ["0", "1", "2"] && states(&herder, "c") == running
    })
    .await;
    let shown = herder.board().get("c").unwrap().tasks[&1].config.clone();
    assert_eq!(shown.get("share"), Some("2"));
    assert_eq!(script.alive.load(Ordering::SeqCst), 2);
    assert_eq!(
        script.alive_max.load(Ordering::SeqCst),
        2,
        "two tasks of one number at once"
    );
}

/// CN-060: tasks are restarted when they are asked for, and with onlyFailed those that failed.
#[tokio::test(start_paused = true)]
async fn a_restart_takes_the_tasks_it_is_asked_to() {
    let (stored, script) = (Stored::new(), Arc::new(Script::default()));
    script.task_fails.store(true, Ordering::SeqCst);
    let (herder, _herding) = stored.start(&script).await;
    create(&herder, "c", "Scripted", &[("tasks.max", "2")]).await;
    let failed = Some((State::Running, vec![State::Running, State::Failed]));
    until("the failure", || states(&herder, "c") == failed).await;
    script.task_fails.store(false, Ordering::SeqCst);

    herder.restart("c", false, false).await.unwrap();
    until("the restart", || {
        script.plans.load(Ordering::SeqCst) == 2 && states(&herder, "c") == failed
    })
    .await;
    let plan = |connector, tasks: &[u32]| RestartPlan {
        connector,
        tasks: tasks.to_vec(),
    };
    assert_eq!(herder.restart("c", false, true).await.unwrap(), plan(false, &[]));
    assert_eq!(herder.restart("c", true, true).await.unwrap(), plan(false, &[1]));
    let running = Some((State::Running, vec![State::Running; 2]));
    until("the failed task", || states(&herder, "c") == running).await;
    assert_eq!(started(&script), ["0", "1", "1"]);
    assert_eq!(script.plans.load(Ordering::SeqCst), 2);

    assert_eq!(
        herder.restart("c", true, false).await.unwrap(),
        plan(true, &[0, 1])
    );
    until("everything", || {
        started(&script).len() == 5 && states(&herder, "c") == running
    })
    .await;
    assert_eq!(script.plans.load(Ordering::SeqCst), 3);

    // CN-350: three openings of the connector, five starts of tasks, of which the failed one never ran.
    let board = herder.board();
    let totals =
        |attempts, success, failure| [("attempts", attempts), ("success", success), ("failure", failure)];
    assert_eq!(board.connector_startups().totals(), totals(3, 3, 0));
    assert_eq!(board.task_startups().totals(), totals(5, 4, 1));
}

/// CN-114: blanks around an overridden group go, as around every value of a client's keys.
#[tokio::test(start_paused = true)]
async fn an_overridden_group_is_read_without_the_blanks_around_it() {
    let stored = Stored::new();
    stored.kafka.append("t", 0, None, Some(b"1"));
    let (herder, _) = stored.start(&Arc::default()).await;
    let own = [("topics", "t"), ("consumer.override.group.id", " mine ")];
    create(&herder, "c", hanging::Sink::CLASS, &own).await;
    until("its position", || {
        stored
            .kafka
            .committed("mine", "t", 0)
            .map(|(position, _)| position)
            == Some(1)
    })
    .await;
    herder.shutdown().await;
}
