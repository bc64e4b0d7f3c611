//! Tasks: their records, their ends, and their successors.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rowtide_engine::store::config::TargetState;
use rowtide_engine::store::status::State;

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
