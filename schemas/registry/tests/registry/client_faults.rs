//! The client against registries that fail, lie and lag (AV-125 to AV-134, RS-161, RS-162, RS-164, RS-166).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Response, StatusCode};
use rowtide_registry::client::{Class, ClientError, Credentials, Peek, RegistryClient, Secret};
use serde_json::json;

use super::served::{Served, client, serve, settings};

const OK_SCHEMA: &str = r#"{"schema":"\"string\""}"#;

/// A registry that answers by a function of the request's number (from 0) and the request.
struct Faulty {
    served: Served,
    calls: Arc<AtomicUsize>,
}

impl Faulty {
    async fn new(answer: impl Fn(usize, &Request) -> Response<Body> + Clone + Send + Sync + 'static) -> Self {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let router = Router::new().fallback(move |request: Request| {
            let response = answer(counted.fetch_add(1, Ordering::SeqCst), &request);
            async move { response }
        });
        Self {
            served: serve(router).await,
            calls,
        }
    }

    fn url(&self) -> &str {
        &self.served.url
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

fn answer(status: u16, body: &str) -> Response<Body> {
    Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .body(Body::from(body.to_owned()))
        .unwrap()
}

fn error(status: u16, code: u32) -> Response<Body> {
    answer(
        status,
        &json!({"error_code": code, "message": "told so"}).to_string(),
    )
}

/// An address where nobody listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn class(result: Result<impl Sized, ClientError>) -> Class {
    result.map(|_| ()).unwrap_err().class()
}

#[tokio::test]
async fn av_127_server_errors_are_retried_until_an_answer_comes() {
    for status in [408, 429, 500, 502, 503, 504] {
        let faulty = Faulty::new(move |call, _| match call {
            0..3 => error(status, u32::from(status) * 100),
            _ => answer(200, OK_SCHEMA),
        })
        .await;
        let schema = client(faulty.url()).by_id(1).await.unwrap();
        assert_eq!((&*schema.text, faulty.calls()), ("\"string\"", 4), "{status}");
    }
}

#[tokio::test]
async fn av_128_an_outage_is_retriable_and_heals_by_itself() {
    let down = Arc::new(AtomicU32::new(1));
    let state = Arc::clone(&down);
    let faulty = Faulty::new(move |_, _| match state.load(Ordering::SeqCst) {
        0 => answer(200, r#"{"id":5}"#),
        _ => answer(503, "<html>down</html>"),
    })
    .await;
    let client = client(faulty.url());
    let error = client.register("s", "\"int\"", &[]).await.unwrap_err();
    assert_eq!((error.class(), faulty.calls()), (Class::Retriable, 4));
    assert!(
        error.to_string().contains(faulty.url()) && error.to_string().contains("subject s"),
        "{error}"
    );
    assert!(!error.to_string().contains("html"), "{error}");
    assert_eq!(class(client.by_id(1).await), Class::Retriable);
    assert_eq!(client.peek(1), Peek::Unknown, "an outage says nothing of an id");
    down.store(0, Ordering::SeqCst);
    assert_eq!(client.register("s", "\"int\"", &[]).await.unwrap(), 5);
}

#[tokio::test]
async fn av_127_retry_after_is_honoured() {
    let faulty = Faulty::new(|call, _| match call {
        0 => Response::builder()
            .status(429)
            .header("retry-after", "1")
            .body(Body::empty())
            .unwrap(),
        _ => answer(200, OK_SCHEMA),
    })
    .await;
    let mut patient = settings(faulty.url());
    patient.retry_wait_max = Duration::from_secs(5);
    let start = Instant::now();
    RegistryClient::new(&patient).unwrap().by_id(1).await.unwrap();
    assert!(
        start.elapsed() >= Duration::from_millis(950),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(faulty.calls(), 2);
}

#[tokio::test]
async fn av_127_who_asks_for_more_patience_than_there_is_is_left_alone() {
    let busy = Faulty::new(|_, _| {
        Response::builder()
            .status(429)
            .header("retry-after", "3600")
            .body(Body::empty())
            .unwrap()
    })
    .await;
    let alone = client(busy.url());
    assert_eq!(class(alone.by_id(1).await), Class::Retriable);
    assert_eq!(class(alone.by_id(1).await), Class::Retriable);
    assert_eq!(busy.calls(), 1);
    let spare = Faulty::new(|_, _| answer(200, OK_SCHEMA)).await;
    let both = client(&format!("{},{}", busy.url(), spare.url()));
    both.by_id(1).await.unwrap();
    both.by_id(2).await.unwrap();
    assert_eq!((busy.calls(), spare.calls()), (2, 2));
}

#[tokio::test]
async fn av_125_the_next_address_is_tried_and_the_one_that_works_is_kept() {
    let good = Faulty::new(|_, _| answer(200, OK_SCHEMA)).await;
    let bad = Faulty::new(|_, _| error(500, 50001)).await;
    let client = client(&format!("{},{},{}", nobody(), bad.url(), good.url()));
    client.by_id(1).await.unwrap();
    client.by_id(2).await.unwrap();
    assert_eq!((bad.calls(), good.calls()), (1, 2));
}

#[tokio::test]
async fn nobody_at_any_address_is_an_outage_with_the_cause() {
    let error = client(&nobody()).by_id(1).await.unwrap_err();
    assert_eq!(error.class(), Class::Retriable);
    assert!(
        error.context().to_lowercase().contains("connection refused"),
        "{error}"
    );
}

#[tokio::test]
async fn a_registry_that_never_answers_is_an_outage() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut hasty = settings(&format!("http://{}", listener.local_addr().unwrap()));
    (hasty.read_timeout, hasty.connect_timeout) = (Duration::from_millis(50), Duration::from_millis(50));
    hasty.max_retries = 1;
    let error = RegistryClient::new(&hasty).unwrap().by_id(1).await.unwrap_err();
    assert_eq!(error.class(), Class::Retriable);
    assert!(error.context().contains("timed out"), "{error}");
}

#[tokio::test]
async fn av_132_redirects_are_refused() {
    let (elsewhere, called) = (
        Faulty::new(|_, _| answer(200, OK_SCHEMA)).await,
        Arc::new(AtomicUsize::new(0)),
    );
    let target = elsewhere.url().to_owned();
    let faulty = Faulty::new(move |_, _| {
        Response::builder()
            .status(307)
            .header("location", &target)
            .body(Body::empty())
            .unwrap()
    })
    .await;
    let mut with_secret = settings(faulty.url());
    with_secret.credentials = Credentials::Token(Secret::new("hush"));
    let error = RegistryClient::new(&with_secret)
        .unwrap()
        .by_id(1)
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Fatal);
    assert!(error.context().contains("redirect"), "{error}");
    assert_eq!((elsewhere.calls(), called.load(Ordering::SeqCst)), (0, 0));
}

#[tokio::test]
async fn av_132_endless_bodies_are_cut_off() {
    for announced in [true, false] {
        let faulty = Faulty::new(move |_, _| {
            let megabyte = axum::body::Bytes::from(vec![b' '; 1 << 20]);
            let chunks = std::iter::repeat_n(megabyte, 1 << 10).map(Ok::<_, std::io::Error>);
            let body = Body::from_stream(futures_util::stream::iter(chunks));
            let response = Response::builder().status(200);
            let response = if announced {
                response.header("content-length", 1_u64 << 30)
            } else {
                response
            };
            response.body(body).unwrap()
        })
        .await;
        let error = client(faulty.url()).by_id(1).await.unwrap_err();
        assert_eq!(error.class(), Class::Fatal, "{error}");
        assert!(error.context().contains("8388608"), "{error}");
    }
}

#[tokio::test]
async fn answers_that_are_no_registrys_are_fatal_and_say_what_to_check() {
    for (status, body) in [
        (200, "<html>welcome</html>"),
        (200, "{}"),
        (200, "[]"),
        (204, ""),
        (418, "{}"),
    ] {
        let faulty = Faulty::new(move |_, _| answer(status, body)).await;
        let client = client(faulty.url());
        assert_eq!(class(client.by_id(1).await), Class::Fatal, "{status} {body}");
        assert_eq!(
            class(client.register("s", "\"int\"", &[]).await),
            Class::Fatal,
            "{status} {body}"
        );
        assert_eq!(faulty.calls(), 2);
    }
}

#[tokio::test]
async fn av_129_an_id_that_arrives_late_is_waited_for() {
    let faulty = Faulty::new(|call, _| match call {
        0..2 => error(404, 40403),
        _ => answer(200, OK_SCHEMA),
    })
    .await;
    let client = client(faulty.url());
    let mut asked = 0;
    let schema = loop {
        asked += 1;
        match client.by_id(7).await {
            Ok(schema) => break schema,
            Err(error) => {
                assert_eq!(error.class(), Class::Retriable, "{error}");
                assert!(matches!(client.peek(7), Peek::Absent(_)));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    };
    assert_eq!((&*schema.text, faulty.calls()), ("\"string\"", 3));
    assert!(asked > 10, "the negative cache answered only {asked} times");
    assert!(matches!(client.peek(7), Peek::Known(_)));
}

/// RS-162, in the time of a paused clock: 404 five times, then the schema, and never a fault of the record.
#[tokio::test(start_paused = true)]
async fn av_129_five_times_404_then_200_is_never_a_fault_of_the_record() {
    let faulty = Faulty::new(|call, _| match call {
        0..5 => error(404, 40403),
        _ => answer(200, OK_SCHEMA),
    })
    .await;
    // The paused clock jumps over timeouts while the socket works: have none that matter.
    let mut settings = settings(faulty.url());
    (settings.read_timeout, settings.connect_timeout) =
        (Duration::from_secs(86_400), Duration::from_secs(86_400));
    let client = RegistryClient::new(&settings).unwrap();
    let start = tokio::time::Instant::now();
    while let Err(error) = client.by_id(7).await {
        assert_eq!(error.class(), Class::Retriable, "{error}");
        tokio::time::sleep(Duration::from_millis(500)).await;
        if start.elapsed() > Duration::from_secs(86_000) {
            break;
        }
    }
    assert_eq!(faulty.calls(), 6);
}

#[tokio::test]
async fn a_404_without_a_registrys_code_is_never_a_fault_of_the_record() {
    let faulty = Faulty::new(|_, _| answer(404, "<html>no such page</html>")).await;
    let client = client(faulty.url());
    assert_eq!(class(client.by_id(1).await), Class::Retriable);
    assert_eq!(class(client.register("s", "\"int\"", &[]).await), Class::Fatal);
}

#[tokio::test]
async fn av_130_refused_access_is_fatal_without_a_storm() {
    for status in [401, 403] {
        let faulty = Faulty::new(move |_, _| error(status, u32::from(status) * 100 + 1)).await;
        let client = client(faulty.url());
        let error = client.by_id(1).await.unwrap_err();
        assert_eq!(
            (error.class(), error.status(), faulty.calls()),
            (Class::Fatal, Some(status), 1)
        );
        assert!(
            error.next_step().unwrap().contains("basic.auth.user.info"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn av_017_credentials_are_sent_and_never_shown() {
    for (userinfo, credentials, expected) in [
        ("me:hu%2Fsh@", Credentials::Url, "Basic bWU6aHUvc2g="),
        (
            "",
            Credentials::user_info("me:hu/sh").unwrap(),
            "Basic bWU6aHUvc2g=",
        ),
        (
            "me:hu%2Fsh@",
            Credentials::Token(Secret::new("hu/sh")),
            "Bearer hu/sh",
        ),
    ] {
        let faulty = Faulty::new(move |call, request| {
            assert_eq!(request.headers()["authorization"], expected);
            assert_eq!(request.headers()["x-own"], "hu/sh");
            match call {
                0 => answer(200, r#"{"compatibilityLevel":"NONE"}"#),
                1 => answer(200, OK_SCHEMA),
                _ => error(403, 40301),
            }
        })
        .await;
        let mut settings = settings(&faulty.url().replace("http://", &format!("http://{userinfo}")));
        settings.credentials = credentials;
        settings.headers = vec![("x-own".to_owned(), Secret::new("hu/sh"))];
        let client = RegistryClient::new(&settings).unwrap();
        assert_eq!(client.config_get(None).await.unwrap().as_deref(), Some("NONE"));
        client.by_id(1).await.unwrap();
        let error = client.by_id(2).await.unwrap_err();
        let shown = format!("{error} {error:?} {client:?} {settings:?}");
        assert!(!shown.contains("hu/sh") && !shown.contains("hu%2Fsh"), "{shown}");
        drop(faulty);
        let error = client.by_id(3).await.unwrap_err();
        assert!(!format!("{error:?}").contains("hu"), "{error:?}");
    }
}

#[tokio::test]
async fn av_126_many_callers_make_one_request() {
    let faulty = Faulty::new(|_, request| match request.method().as_str() {
        "GET" => answer(200, OK_SCHEMA),
        _ => answer(200, r#"{"id":3}"#),
    })
    .await;
    let client = client(faulty.url());
    let reads = futures_util::future::join_all((0..40).map(|_| client.by_id(1))).await;
    assert!(reads.iter().all(Result::is_ok));
    assert_eq!(faulty.calls(), 1);
    let writes = futures_util::future::join_all((0..40).map(|_| client.register("s", "\"int\"", &[]))).await;
    assert!(writes.iter().all(|id| *id == Ok(3)));
    assert_eq!(faulty.calls(), 2);
    client.by_id(1).await.unwrap();
    client.register("s", "\"int\"", &[]).await.unwrap();
    assert_eq!(faulty.calls(), 2, "positive answers are kept");
}

#[tokio::test]
async fn av_133_a_reused_id_is_fatal() {
    // Registered as one schema, then answered as another: rebuilt in between.
    let faulty = Faulty::new(|_, request| match request.method().as_str() {
        "GET" => answer(200, r#"{"schema":"\"long\""}"#),
        _ => answer(200, r#"{"id":3}"#),
    })
    .await;
    let client = client(faulty.url());
    client.register("s", "\"int\"", &[]).await.unwrap();
    let error = client.by_id(3).await.unwrap_err();
    assert_eq!(error.class(), Class::Fatal);
    assert!(error.context().contains("id 3"), "{error}");
    assert_eq!(client.peek(3), Peek::Unknown, "nothing decodes with it");
    let error = client.register("t", "\"string\"", &[]).await.unwrap_err();
    assert_eq!(error.class(), Class::Fatal);
}

#[tokio::test]
async fn av_133_a_rearranged_schema_is_no_reused_id() {
    let faulty = Faulty::new(|_, request| match request.method().as_str() {
        "GET" => answer(
            200,
            &json!({"schema": r#"{"name":"x.R","type":"record","doc":"d","fields":[]}"#}).to_string(),
        ),
        _ => answer(200, r#"{"id":3}"#),
    })
    .await;
    let client = client(faulty.url());
    client
        .register(
            "s",
            r#"{"type":"record","name":"R","namespace":"x","fields":[]}"#,
            &[],
        )
        .await
        .unwrap();
    client.by_id(3).await.unwrap();
}

#[tokio::test]
async fn av_121_a_registry_without_levels_is_asked_once() {
    for status in [404, 405, 501] {
        let faulty = Faulty::new(move |_, _| answer(status, "")).await;
        let client = client(faulty.url());
        assert_eq!(client.config_get(None).await.unwrap(), None);
        assert_eq!(client.config_get(Some("s")).await.unwrap(), None);
        assert_eq!(faulty.calls(), 1, "{status}");
    }
}

#[tokio::test]
async fn av_132_schemas_and_references_without_end_are_faults_of_the_id() {
    // Each version refers to the next one, for ever.
    let endless = Faulty::new(|_, request| {
        let version: u32 = request.uri().path().rsplit('/').next().unwrap().parse().unwrap();
        let next = json!([{"name": "n", "subject": "a/b", "version": version + 1}]);
        answer(
            200,
            &json!({"id": 1, "schema": "\"int\"", "references": next}).to_string(),
        )
    })
    .await;
    let client_of_endless = client(endless.url());
    let error = client_of_endless.by_id(1).await.unwrap_err();
    assert_eq!(error.class(), Class::Invalid, "{error}");
    assert_eq!(class(client_of_endless.by_id(1).await), Class::Invalid);
    assert_eq!(endless.calls(), 65, "then it is remembered");
    let huge = Faulty::new(|_, _| answer(200, &json!({"schema": "x".repeat(2 << 20)}).to_string())).await;
    assert_eq!(class(client(huge.url()).by_id(1).await), Class::Invalid);
}

#[tokio::test]
async fn av_120_an_answer_in_apicurios_shape_is_read() {
    let faulty = Faulty::new(|_, request| match request.method().as_str() {
        "GET" => answer(
            200,
            r#"{"schema":"\"int\"","schemaType":null,"references":[],"reason":null}"#,
        ),
        _ => answer(
            200,
            r#"{"subject":"s","version":2,"id":9,"schema":"\"int\"","references":[],"reason":null}"#,
        ),
    })
    .await;
    let client = client(faulty.url());
    assert!(client.by_id(9).await.unwrap().is_avro());
    let found = client.lookup("s", "\"int\"", &[]).await.unwrap();
    assert_eq!((found.id, found.version), (9, Some(2)));
}

/// Seen on Apicurio 2.6: a subject without a level of its own answers NONE, whatever `defaultToGlobal` says.
#[tokio::test]
async fn av_131_the_level_named_is_the_one_that_refused() {
    let faulty = Faulty::new(|_, request| match request.uri().path() {
        "/config/s" => answer(200, r#"{"compatibilityLevel":"NONE"}"#),
        "/config" => answer(200, r#"{"compatibilityLevel":"FULL"}"#),
        "/subjects/s/versions" => error(409, 409),
        _ => answer(200, r#"{"version":4,"id":1,"schema":"\"int\""}"#),
    })
    .await;
    let error = client(faulty.url())
        .register("s", "\"int\"", &[])
        .await
        .unwrap_err();
    assert!(
        error
            .context()
            .contains("latest version is 4 at compatibility level FULL: told so"),
        "{error}"
    );
}
