//! The HTTP source against the randomuser-compatible server: pages, retries, resumption, live check.

#![allow(
    clippy::unwrap_used,
    reason = "tests say what they expect by panicking, helpers of tests too"
)]

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rowtide_api::source::{Run, SourceBatch, SourceConnector, SourceContext, SourceTask, Trigger};
use rowtide_api::{ConfigReport, Error, Plugin, Properties, SourceOffset, SourcePartition, TaskContext};
use rowtide_http::HttpSource;
use rowtide_http::task::HttpTask;
use rowtide_testkit::conformance::settings;
use rowtide_testkit::conformance::source::Stored;
use rowtide_testkit::randomuser::{Fault, Options, RandomUser};

const SLOT_MS: i64 = 1_767_607_200_000; // 2026-01-05T10:00:00Z

fn properties(server: &RandomUser, extra: &[(&str, &str)]) -> Properties {
    let mut properties = Properties::from_iter([
        ("preset", "randomuser"),
        ("http.retry.backoff.ms", "10"),
        ("http.retry.backoff.max.ms", "20"),
    ]);
    properties.set("http.url", server.url());
    for (key, value) in extra {
        properties.set(*key, *value);
    }
    properties
}

fn context(resume: Option<SourceOffset>) -> SourceContext {
    SourceContext {
        task: TaskContext::new("randomuser", 0),
        offsets: Arc::<Stored>::default(),
        run: Some(Run {
            slot_ms: SLOT_MS,
            trigger: Trigger::Schedule,
            attempt: 1,
            parameters: Properties::new(),
            partition: SourcePartition::new().with("run", "2026-01-05T10:00:00Z"),
            resume,
            previous: None,
        }),
    }
}

async fn task(server: &RandomUser, extra: &[(&str, &str)], resume: Option<SourceOffset>) -> HttpTask {
    let connector = HttpSource::open(settings(&properties(server, extra))).unwrap();
    let specs = connector.plan(NonZeroU32::MIN).await.unwrap();
    connector
        .start(context(resume), specs.into_iter().next().unwrap())
        .await
        .unwrap()
}

async fn rest(task: &mut HttpTask) -> Vec<SourceBatch> {
    let mut batches = Vec::new();
    while let Some(batch) = task.poll().await.unwrap() {
        batches.push(batch);
    }
    batches
}

fn ids(batches: &[SourceBatch]) -> Vec<String> {
    batches
        .iter()
        .flat_map(|batch| &batch.records)
        .map(|record| {
            let key = record.key.value.as_struct().unwrap();
            key.get("id").unwrap().as_str().unwrap().to_owned()
        })
        .collect()
}

/// The error of the first poll.
async fn first_error(server: &RandomUser, extra: &[(&str, &str)]) -> Error {
    task(server, extra, None).await.poll().await.unwrap_err()
}

#[tokio::test]
async fn ec_156_a_run_hands_out_its_page_in_batches_and_a_repeated_run_yields_the_same_users() {
    let server = RandomUser::start().await.unwrap();
    let mut first = task(&server, &[("results", "2500")], None).await;
    let batches = rest(&mut first).await;
    let sizes: Vec<_> = batches.iter().map(|batch| batch.records.len()).collect();
    assert_eq!(sizes, [1000, 1000, 500]);
    assert!(first.poll().await.unwrap().is_none());
    let last = batches.last().unwrap().resume_at.as_ref().unwrap();
    assert_eq!((last.int("fetched"), last.int("of")), (Some(2500), Some(2500)));
    assert_eq!(last.text("slot"), Some("2026-01-05T10:00:00Z"));
    assert_eq!(
        server.requests(),
        ["/api/1.4/?results=2500&seed=2026-01-05T10:00:00Z"]
    );
    let again = rest(&mut task(&server, &[("results", "2500")], None).await).await;
    assert_eq!(ids(&again), ids(&batches));
    let mut distinct = ids(&batches);
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 2500);
}

#[tokio::test]
async fn rs_183_an_interrupted_run_goes_on_at_the_record_behind_its_offset() {
    let server = RandomUser::start().await.unwrap();
    let whole = rest(&mut task(&server, &[("results", "1200")], None).await).await;
    let resume = whole[0].resume_at.clone();
    let tail = rest(&mut task(&server, &[("results", "1200")], resume.clone()).await).await;
    assert_eq!(ids(&tail), ids(&whole)[1000..]);
    assert_eq!(tail[0].resume_at, whole[1].resume_at);

    // Other users are asked for: from the start, rather than half of each.
    let other = rest(&mut task(&server, &[("results", "1200"), ("nat", "gb")], resume).await).await;
    assert_eq!(ids(&other).len(), 1200);
}

#[tokio::test]
async fn a_complete_run_is_finished_without_a_request() {
    let server = RandomUser::start().await.unwrap();
    let whole = rest(&mut task(&server, &[], None).await).await;
    let mut again = task(&server, &[], whole.last().unwrap().resume_at.clone()).await;
    assert!(again.poll().await.unwrap().is_none());
    assert_eq!(server.requests().len(), 1);
}

/// EC-157, RS-181, RS-182: what passes by itself is retriable, and the next poll succeeds.
#[tokio::test]
async fn a_failed_request_is_retriable_and_the_next_poll_asks_again() {
    let server = RandomUser::start().await.unwrap();
    for fault in [
        Fault::Status(500),
        Fault::Status(503),
        Fault::Status(429),
        Fault::Status(408),
        Fault::ErrorBody,
        Fault::Html,
        Fault::Truncated,
        Fault::Body("{}".into()),
        Fault::Delay(Duration::from_secs(5)),
    ] {
        server.fault(fault.clone(), 1);
        let mut task = task(&server, &[("results", "3"), ("http.timeout.ms", "300")], None).await;
        let error = task.poll().await.unwrap_err();
        assert!(error.is_retriable(), "{fault:?}: {error}");
        assert!(error.next_step().is_some(), "{fault:?}: {error}");
        assert_eq!(ids(&rest(&mut task).await).len(), 3, "{fault:?}");
    }
}

#[tokio::test]
async fn what_needs_someone_to_act_is_fatal() {
    let server = RandomUser::start().await.unwrap();
    for (fault, word) in [
        (Fault::Status(404), "http.url"),
        (Fault::Status(403), "http.url"),
        (
            Fault::Redirect("http://127.0.0.1:1/".into()),
            "redirects are not followed",
        ),
        (Fault::Body(r#"{"results":[{}]}"#.into()), "lower results"),
        (
            Fault::Body(r#"{"results":[{},{},{}],"info":{"seed":"x"}}"#.into()),
            "seed",
        ),
    ] {
        server.fault(fault.clone(), 1);
        let error = first_error(&server, &[("results", "3")]).await;
        assert!(!error.is_retriable(), "{fault:?}: {error}");
        assert!(error.to_string().contains(word), "{fault:?}: {error}");
    }
}

#[tokio::test]
async fn rs_181_retry_after_is_honoured_however_soon_the_engine_polls_again() {
    let server = RandomUser::start().await.unwrap();
    server.fault(Fault::RetryAfter(429, "1".into()), 1);
    let mut task = task(&server, &[("results", "1")], None).await;
    assert!(task.poll().await.unwrap_err().is_retriable());
    let before = Instant::now();
    assert_eq!(ids(&rest(&mut task).await).len(), 1);
    assert!(before.elapsed() >= Duration::from_millis(900));
}

#[tokio::test]
async fn ec_157_the_limit_of_users_answers_429_until_the_window_ends() {
    let server = RandomUser::start_with(Options {
        users_per_window_max: 10,
        window: Duration::from_millis(1500),
        ..Options::default()
    })
    .await
    .unwrap();
    assert_eq!(
        rest(&mut task(&server, &[("results", "10")], None).await)
            .await
            .len(),
        1
    );
    let mut second = task(&server, &[("results", "10")], None).await;
    let error = second.poll().await.unwrap_err();
    assert!(error.to_string().contains("429"), "{error}");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(rest(&mut second).await.len(), 1);
}

#[tokio::test]
async fn a_user_that_makes_no_record_is_rejected_alone() {
    let server = RandomUser::start().await.unwrap();
    server.fault(Fault::Body(r#"{"results":[{"gender":"male"}]}"#.into()), 1);
    let batches = rest(&mut task(&server, &[("results", "1")], None).await).await;
    let batch = &batches[0];
    assert!(batch.records.is_empty());
    assert_eq!(batch.rejected.len(), 1);
    assert!(
        String::from_utf8_lossy(&batch.rejected[0].raw).contains("male"),
        "the raw user is kept for a dead-letter topic"
    );
    assert!(batch.resume_at.is_some());
}

#[tokio::test]
async fn every_nation_makes_records() {
    let server = RandomUser::start().await.unwrap();
    for nation in ["ca", "gb", "no", "ir", "rs", "ua", "us", "ch"] {
        let batches = rest(&mut task(&server, &[("results", "20"), ("nat", nation)], None).await).await;
        assert_eq!(ids(&batches).len(), 20, "{nation}");
        assert!(batches[0].rejected.is_empty(), "{nation}");
    }
}

#[tokio::test]
async fn the_live_check_warns_and_never_refuses() {
    let server = RandomUser::start().await.unwrap();
    let settings = settings(&properties(&server, &[]));
    let mut report = ConfigReport::new();
    HttpSource::check(&settings, &mut report).await;
    assert_eq!(report, ConfigReport::new());

    server.fault(Fault::Html, 1);
    HttpSource::check(&settings, &mut report).await;
    assert!(report.is_ok());
    assert_eq!(report.warnings()[0].key, "http.url");

    drop(server);
    let mut report = ConfigReport::new();
    HttpSource::check(&settings, &mut report).await;
    assert!(report.is_ok() && report.warnings().len() == 1, "{report:?}");
}

#[tokio::test]
async fn without_a_run_the_schedule_is_named() {
    let server = RandomUser::start().await.unwrap();
    let connector = HttpSource::open(settings(&properties(&server, &[]))).unwrap();
    let mut context = context(None);
    context.run = None;
    let error = connector.start(context, Default::default()).await.err().unwrap();
    assert!(error.to_string().contains("schedule.interval"));
}
