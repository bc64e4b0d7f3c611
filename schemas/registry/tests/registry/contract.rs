//! The REST contract (AV-070 to AV-080), called as any client would.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rowtide_registry::server::{Level, Server, ServerSettings, router};
use serde_json::{Value, json};

use super::served::{MemoryLog, Served, fresh, plain, request, serve, serve_registry};

/// Calls and compares status and body; the answer's media type is the registry's.
async fn check(served: &Served, method: &str, path: &str, body: Option<Value>, status: u16, expected: Value) {
    let body = body.map(|body| body.to_string());
    let (got, media_type, answer) = request(method, format!("{}{path}", served.url), body.as_deref()).await;
    assert_eq!((got, &answer), (status, &expected), "{method} {path}");
    assert_eq!(
        media_type, "application/vnd.schemaregistry.v1+json",
        "{method} {path}"
    );
}

/// Calls and compares the code of a refusal, which begins with the status.
async fn check_refused(served: &Served, method: &str, path: &str, body: Option<&str>, code: u32) -> String {
    let (status, _, answer) = request(method, format!("{}{path}", served.url), body).await;
    assert_eq!(answer["error_code"], code, "{method} {path}: {answer}");
    assert!(
        code.to_string().starts_with(&status.to_string()),
        "{method} {path}: {status} for {code}"
    );
    answer["message"].as_str().unwrap().to_owned()
}

fn schema(text: &str) -> Option<Value> {
    Some(json!({"schema": text}))
}

#[tokio::test]
async fn av_070_an_empty_registry_answers_as_confluents() {
    let (served, _) = fresh(Level::Backward).await;
    check(&served, "GET", "/", None, 200, json!({})).await;
    check(&served, "POST", "/", None, 200, json!({})).await;
    check(&served, "GET", "/subjects", None, 200, json!([])).await;
    check(
        &served,
        "GET",
        "/schemas/types",
        None,
        200,
        json!(["JSON", "PROTOBUF", "AVRO"]),
    )
    .await;
    check(
        &served,
        "GET",
        "/config",
        None,
        200,
        json!({"compatibilityLevel": "BACKWARD"}),
    )
    .await;
    check(&served, "GET", "/mode", None, 200, json!({"mode": "READWRITE"})).await;
    check(&served, "GET", "/contexts", None, 200, json!(["."])).await;
    for (method, path, code, message) in [
        ("GET", "/subjects/s/versions", 40401, "Subject 's' not found."),
        ("GET", "/subjects/s/versions/1", 40401, "Subject 's' not found."),
        ("GET", "/schemas/ids/1", 40403, "Schema 1 not found"),
        ("GET", "/schemas/ids/x", 404, "HTTP 404 Not Found"),
        (
            "GET",
            "/config/s",
            40408,
            "Subject 's' does not have subject-level compatibility configured",
        ),
        ("GET", "/nowhere", 404, "HTTP 404 Not Found"),
        ("PATCH", "/subjects", 405, "HTTP 405 Method Not Allowed"),
    ] {
        assert_eq!(check_refused(&served, method, path, None, code).await, message);
    }
}

#[tokio::test]
async fn av_070_a_schema_is_registered_found_and_listed() {
    let (served, _) = fresh(Level::Backward).await;
    let text = r#"{ "type": "record", "name": "R", "fields": [] }"#;
    let printed = r#"{"type":"record","name":"R","fields":[]}"#;
    check(
        &served,
        "POST",
        "/subjects/a%2Fb%3Ac-value/versions",
        schema(text),
        200,
        json!({"id": 1}),
    )
    .await;
    check(
        &served,
        "POST",
        "/subjects/t-value/versions",
        schema("\"int\""),
        200,
        json!({"id": 2}),
    )
    .await;
    check(
        &served,
        "POST",
        "/subjects/t-value/versions",
        schema("\"long\""),
        200,
        json!({"id": 3}),
    )
    .await;
    check(
        &served,
        "POST",
        "/subjects/u-value/versions",
        schema(printed),
        200,
        json!({"id": 1}),
    )
    .await;
    let found = json!({"subject": "a/b:c-value", "version": 1, "id": 1, "schema": printed});
    check(
        &served,
        "POST",
        "/subjects/a%2Fb%3Ac-value",
        schema(text),
        200,
        found.clone(),
    )
    .await;
    for version in ["1", "latest", "-1"] {
        let path = format!("/subjects/a%2fb%3ac-value/versions/{version}");
        check(&served, "GET", &path, None, 200, found.clone()).await;
    }
    let record = json!({"type": "record", "name": "R", "fields": []});
    check(
        &served,
        "GET",
        "/subjects/a%2Fb%3Ac-value/versions/1/schema",
        None,
        200,
        record.clone(),
    )
    .await;
    check(
        &served,
        "GET",
        "/subjects",
        None,
        200,
        json!(["a/b:c-value", "t-value", "u-value"]),
    )
    .await;
    check(
        &served,
        "GET",
        "/subjects?offset=1&limit=1",
        None,
        200,
        json!(["t-value"]),
    )
    .await;
    check(
        &served,
        "GET",
        "/subjects?limit=-1&subjectPrefix=%3A*%3A",
        None,
        200,
        json!(["a/b:c-value", "t-value", "u-value"]),
    )
    .await;
    check(
        &served,
        "GET",
        "/subjects?subjectPrefix=t-&deleted=True",
        None,
        200,
        json!(["t-value"]),
    )
    .await;
    check(
        &served,
        "GET",
        "/subjects/t-value/versions",
        None,
        200,
        json!([1, 2]),
    )
    .await;
    check(
        &served,
        "GET",
        "/schemas/ids/1",
        None,
        200,
        json!({"schema": printed}),
    )
    .await;
    check(
        &served,
        "GET",
        "/schemas/ids/1?fetchMaxId=TRUE",
        None,
        200,
        json!({"schema": printed, "maxId": 3}),
    )
    .await;
    check(&served, "GET", "/schemas/ids/1/schema", None, 200, record).await;
    check(
        &served,
        "GET",
        "/schemas/ids/1/subjects",
        None,
        200,
        json!(["a/b:c-value", "u-value"]),
    )
    .await;
    let uses = json!([{"subject": "a/b:c-value", "version": 1}, {"subject": "u-value", "version": 1}]);
    check(&served, "GET", "/schemas/ids/1/versions", None, 200, uses).await;
    let one = json!([{"subject": "u-value", "version": 1}]);
    check(
        &served,
        "GET",
        "/schemas/ids/1/versions?subject=u-value",
        None,
        200,
        one,
    )
    .await;
}

#[tokio::test]
async fn av_071_refusals_carry_the_codes_that_clients_know() {
    let (served, _) = fresh(Level::Backward).await;
    check(
        &served,
        "POST",
        "/subjects/s/versions",
        schema("\"int\""),
        200,
        json!({"id": 1}),
    )
    .await;
    let versions = "/subjects/s/versions";
    for (method, path, body, code) in [
        ("POST", versions, r#"{"schema":"\"string\""}"#, 409),
        ("POST", versions, r#"{"schema":"{\"type\":\"nonsense\"}"}"#, 42201),
        ("POST", versions, r#"{"schema":""}"#, 42201),
        ("POST", versions, "{}", 42201),
        (
            "POST",
            versions,
            r#"{"schema":"\"int\"","schemaType":"THRIFT"}"#,
            42201,
        ),
        (
            "POST",
            versions,
            r#"{"schema":"\"int\"","references":[{"name":"n"}]}"#,
            42201,
        ),
        ("POST", versions, r#"{"schema":"{}","schemaType":"JSON"}"#, 42205),
        ("POST", versions, r#"{"schema":"\"int\"","id":7}"#, 42205),
        ("POST", versions, r#"{"schema":"\"int\"","metadata":{}}"#, 50101),
        (
            "POST",
            "/subjects/s/versions?normalize=True",
            r#"{"schema":"\"int\""}"#,
            50101,
        ),
        (
            "POST",
            "/subjects/%3A.c%3As/versions",
            r#"{"schema":"\"int\""}"#,
            42208,
        ),
        (
            "POST",
            "/subjects/s%0A/versions",
            r#"{"schema":"\"int\""}"#,
            42208,
        ),
        ("POST", versions, "not json", 400),
        ("POST", versions, "[]", 400),
        ("POST", "/subjects/s", r#"{"schema":"\"long\""}"#, 40403),
        ("POST", "/subjects/t", r#"{"schema":"\"int\""}"#, 40401),
        ("PUT", "/config", r#"{"compatibility":"FULL_TRANSITIVE"}"#, 42203),
        (
            "POST",
            "/compatibility/subjects/s/versions/9",
            r#"{"schema":"\"int\""}"#,
            40402,
        ),
    ] {
        check_refused(&served, method, path, Some(body), code).await;
    }
    assert_eq!(
        check_refused(&served, "GET", "/subjects/s/versions/9", None, 40402).await,
        "Version 9 not found."
    );
    check_refused(&served, "GET", "/subjects/s/versions/0", None, 42202).await;
    check_refused(&served, "GET", "/schemas/ids/1?format=resolved", None, 50101).await;
    let lookup = check_refused(
        &served,
        "POST",
        "/subjects/s",
        Some(r#"{"schema":"\"long\""}"#),
        40403,
    )
    .await;
    assert_eq!(lookup, "Schema not found");
    let versions_now = json!([1]);
    check(&served, "GET", versions, None, 200, versions_now).await;
}

#[tokio::test]
async fn what_clients_send_beside_the_contract_is_taken() {
    let (served, _) = fresh(Level::Backward).await;
    // confluent-kafka-python sends its booleans like this, and properties without a value.
    let body =
        json!({"schema": "\"int\"", "schemaType": "AVRO", "references": [], "metadata": null, "unknown": 1});
    check(
        &served,
        "POST",
        "/subjects/s/versions?normalize=False",
        Some(body.clone()),
        200,
        json!({"id": 1}),
    )
    .await;
    let found = json!({"subject": "s", "version": 1, "id": 1, "schema": "\"int\""});
    check(
        &served,
        "POST",
        "/subjects/s?normalize=False&deleted=False",
        Some(body),
        200,
        found.clone(),
    )
    .await;
    check(
        &served,
        "POST",
        "/subjects/%3A.%3As?deleted=TRUE",
        schema("\"int\""),
        200,
        found,
    )
    .await;
    let plain_json = plain()
        .get(format!("{}/subjects", served.url))
        .header("accept", "application/json");
    assert_eq!(
        plain_json.send().await.unwrap().headers()["content-type"],
        "application/json"
    );
    let both =
        "application/vnd.schemaregistry.v1+json, application/vnd.schemaregistry+json, application/json";
    let both = plain()
        .get(format!("{}/subjects", served.url))
        .header("accept", both)
        .send()
        .await
        .unwrap();
    assert_eq!(
        both.headers()["content-type"],
        "application/vnd.schemaregistry.v1+json"
    );
}

#[tokio::test]
async fn what_is_not_built_yet_answers_501_and_names_itself() {
    let (served, _) = fresh(Level::Backward).await;
    for (method, path) in [
        ("DELETE", "/subjects/s"),
        ("GET", "/subjects/s/metadata"),
        ("DELETE", "/subjects/s/versions/1"),
        ("GET", "/subjects/s/versions/1/referencedby"),
        ("POST", "/subjects/s/versions/1/tags"),
        ("GET", "/schemas"),
        ("GET", "/schemas/guids/g"),
        ("GET", "/schemas/guids/g/ids"),
        ("POST", "/compatibility/subjects/s/versions"),
        ("DELETE", "/config"),
        ("PUT", "/config/s"),
        ("DELETE", "/config/s"),
        ("PUT", "/mode"),
        ("DELETE", "/mode"),
        ("GET", "/mode/s"),
        ("PUT", "/mode/s"),
        ("DELETE", "/mode/s"),
        ("DELETE", "/contexts/c"),
        ("GET", "/v1/metadata/id"),
        ("GET", "/v1/metadata/version"),
        ("GET", "/dek-registry/v1/keks"),
    ] {
        let message = check_refused(&served, method, path, None, 50101).await;
        assert!(message.starts_with(&format!("{method} {path} ")), "{message}");
    }
    for path in [
        "/associations",
        "/associations/subjects/s",
        "/associations/resources/a/b",
    ] {
        check_refused(&served, "GET", path, None, 40410).await;
        check_refused(&served, "POST", path, None, 40410).await;
    }
}

#[tokio::test]
async fn compatibility_is_tested_against_versions_and_levels() {
    let (served, _) = fresh(Level::Backward).await;
    let test = "/compatibility/subjects/s/versions/latest";
    let fits = json!({"is_compatible": true});
    check(&served, "POST", test, schema("\"int\""), 200, fits.clone()).await;
    check(
        &served,
        "POST",
        "/subjects/s/versions",
        schema("\"int\""),
        200,
        json!({"id": 1}),
    )
    .await;
    check(&served, "POST", test, schema("\"long\""), 200, fits.clone()).await;
    check(
        &served,
        "POST",
        test,
        schema("\"string\""),
        200,
        json!({"is_compatible": false}),
    )
    .await;
    let verbose = format!("{}/compatibility/subjects/s/versions/1?verbose=True", served.url);
    let (_, _, answer) = request("POST", verbose, Some(r#"{"schema":"\"string\""}"#)).await;
    assert_eq!(answer["is_compatible"], false);
    let messages: Vec<&str> = answer["messages"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(
        messages[0].starts_with("{errorType:'TYPE_MISMATCH', description:'at '/'"),
        "{messages:?}"
    );
    assert_eq!(
        messages[1..],
        [
            "{oldSchemaVersion: 1}",
            "{oldSchema: '\"int\"'}",
            "{compatibility: 'BACKWARD'}"
        ]
    );

    let none = Some(json!({"compatibility": "NONE"}));
    check(
        &served,
        "PUT",
        "/config",
        none,
        200,
        json!({"compatibility": "NONE"}),
    )
    .await;
    check(
        &served,
        "GET",
        "/config",
        None,
        200,
        json!({"compatibilityLevel": "NONE"}),
    )
    .await;
    let or_global = "/config/s?defaultToGlobal=TRUE";
    check(
        &served,
        "GET",
        or_global,
        None,
        200,
        json!({"compatibilityLevel": "NONE"}),
    )
    .await;
    check(&served, "POST", test, schema("\"string\""), 200, fits).await;
    check(
        &served,
        "POST",
        "/subjects/s/versions",
        schema("\"string\""),
        200,
        json!({"id": 2}),
    )
    .await;
}

#[tokio::test]
async fn av_080_bodies_over_a_mebibyte_are_refused() {
    let (served, _) = fresh(Level::Backward).await;
    let body = json!({"schema": format!("\"{}\"", "x".repeat(1024 * 1024))}).to_string();
    check_refused(&served, "POST", "/subjects/s/versions", Some(&body), 42209).await;
    let fields: Vec<Value> = (0..9_000)
        .map(|index| json!({"name": format!("f{index}"), "type": "int"}))
        .collect();
    let wide = json!({"type": "record", "name": "R", "fields": fields}).to_string();
    check(
        &served,
        "POST",
        "/subjects/s/versions",
        schema(&wide),
        200,
        json!({"id": 1}),
    )
    .await;
}

#[tokio::test]
async fn av_103_every_request_answers_503_until_the_log_was_read() {
    let server = Server::new(MemoryLog::default(), ServerSettings::default());
    let served = serve(router(std::sync::Arc::clone(&server))).await;
    for path in [
        "/",
        "/subjects",
        "/schemas/types",
        "/schemas/ids/1",
        "/config",
        "/contexts",
    ] {
        check_refused(&served, "GET", path, None, 503).await;
    }
    check_refused(
        &served,
        "POST",
        "/subjects/s/versions",
        Some(r#"{"schema":"\"int\""}"#),
        503,
    )
    .await;
    server.load().await.unwrap();
    check(&served, "GET", "/subjects", None, 200, json!([])).await;
}

#[tokio::test]
async fn av_073_concurrent_registrations_of_one_content_get_one_id() {
    let (served, log) = fresh(Level::None).await;
    let url = &served.url;
    let calls = (0..60).map(|index| async move {
        let (subject, text) = (index % 3, index % 5);
        let body = json!({"schema": format!(r#"{{"type":"fixed","name":"F{text}","size":1}}"#)}).to_string();
        let url = format!("{url}/subjects/s{subject}/versions");
        let (status, _, answer) = request("POST", url, Some(&body)).await;
        assert_eq!(status, 200, "{answer}");
        (text, answer["id"].as_i64().unwrap())
    });
    let mut ids = std::collections::BTreeMap::new();
    for (text, id) in futures_util::future::join_all(calls).await {
        assert_eq!(*ids.entry(text).or_insert(id), id, "one content, one id");
    }
    let mut given: Vec<i64> = ids.into_values().collect();
    given.sort_unstable();
    assert_eq!(given, [1, 2, 3, 4, 5]);
    for subject in 0..3 {
        check(
            &served,
            "GET",
            &format!("/subjects/s{subject}/versions"),
            None,
            200,
            json!([1, 2, 3, 4, 5]),
        )
        .await;
    }
    // Nothing was written twice: one record for each of 15 versions.
    assert_eq!(log.records.lock().await.len(), 15);
}

#[tokio::test]
async fn a_restart_answers_as_before() {
    let log = MemoryLog::default();
    let served = serve_registry(log.clone(), Level::Backward).await;
    check(
        &served,
        "POST",
        "/subjects/s/versions",
        schema("\"int\""),
        200,
        json!({"id": 1}),
    )
    .await;
    let none = Some(json!({"compatibility": "NONE"}));
    check(
        &served,
        "PUT",
        "/config",
        none,
        200,
        json!({"compatibility": "NONE"}),
    )
    .await;
    drop(served);
    let served = serve_registry(log, Level::Backward).await;
    check(
        &served,
        "GET",
        "/config",
        None,
        200,
        json!({"compatibilityLevel": "NONE"}),
    )
    .await;
    check(
        &served,
        "POST",
        "/subjects/t/versions",
        schema("\"int\""),
        200,
        json!({"id": 1}),
    )
    .await;
    check(
        &served,
        "POST",
        "/subjects/s/versions",
        schema("\"string\""),
        200,
        json!({"id": 2}),
    )
    .await;
}

#[tokio::test]
async fn av_104_an_append_whose_answer_was_lost_is_found_by_the_repeated_request() {
    let log = MemoryLog::default();
    let served = serve_registry(log.clone(), Level::Backward).await;
    log.fail_after_write.store(true, Ordering::SeqCst);
    let message = check_refused(
        &served,
        "POST",
        "/subjects/s/versions",
        Some(r#"{"schema":"\"int\""}"#),
        50001,
    )
    .await;
    assert!(message.contains("acknowledgement was lost"), "{message}");
    check(&served, "GET", "/subjects", None, 200, json!([])).await;
    check(
        &served,
        "POST",
        "/subjects/s/versions",
        schema("\"int\""),
        200,
        json!({"id": 1}),
    )
    .await;
    check(
        &served,
        "POST",
        "/subjects/t/versions",
        schema("\"long\""),
        200,
        json!({"id": 2}),
    )
    .await;
    assert_eq!(log.records.lock().await.len(), 2);
}

#[tokio::test]
async fn a_client_that_hangs_up_during_the_append_leaves_no_id_to_be_given_twice() {
    let log = MemoryLog::default();
    let served = serve_registry(log.clone(), Level::None).await;
    log.hold.store(true, Ordering::SeqCst);
    let url = format!("{}/subjects/s/versions", served.url);
    let hung = tokio::spawn(async move {
        let body = json!({"schema": "\"int\""}).to_string();
        plain()
            .post(url)
            .timeout(Duration::from_millis(100))
            .body(body)
            .send()
            .await
    });
    assert!(hung.await.unwrap().unwrap_err().is_timeout());
    assert_eq!(log.records.lock().await.len(), 1);
    log.hold.store(false, Ordering::SeqCst);
    check(
        &served,
        "POST",
        "/subjects/s/versions",
        schema("\"long\""),
        200,
        json!({"id": 2}),
    )
    .await;
    check(
        &served,
        "GET",
        "/schemas/ids/1",
        None,
        200,
        json!({"schema": "\"int\""}),
    )
    .await;
    check(&served, "GET", "/subjects/s/versions", None, 200, json!([1, 2])).await;
}
