//! Against a real Cassandra (`compose/stack`): rows, write times, replays, failures. Needs the feature `server-tests`.

#![cfg(feature = "server-tests")]

mod support;

use std::time::Duration;

use rowtide_api::config::ConfigReport;
use rowtide_api::sink::{Settlement, SinkTask};
use rowtide_api::{Kind, Plugin, Schema, Value};
use rowtide_cassandra::{CassandraSink, Settings};
use rowtide_testkit::conformance;
use rowtide_testkit::stack::Stack;
use scylla::value::CqlValue;
use support::*;

const DEBEZIUM: (&str, &str) = ("inputFormat", "debezium");
const PLAIN: &str = "id bigint PRIMARY KEY, a text, b text";

/// CS-050, CS-052, CS-060, CS-071, CS-090, CS-104, CS-105.
#[tokio::test(flavor = "multi_thread")]
async fn every_change_lands_with_its_position_as_write_time() {
    let session = session(cluster()).await;
    table(&session, "changes", PLAIN).await;
    let mut sink = start(&properties(cluster(), "changes", &[DEBEZIUM]))
        .await
        .unwrap();
    let source = Source::plain();
    let floored = with_header(
        source.row("r", 1, Some("snap"), None, 900),
        "rowtide.floor",
        "640",
    );
    let report = sink
        .written(vec![
            floored,
            source.row("r", 2, Some("snap"), Some("snap"), 900),
            source.row("c", 3, Some("x"), None, 1000),
            source.row("u", 2, None, Some("new"), 1008),
            source.row("c", 4, Some("gone"), None, 1016),
        ])
        .await;
    assert_eq!((report.written, report.skipped), (5, 0));
    let report = sink
        .written(vec![
            source.delete(4, 1024),
            source.tombstone(4),
            with_header(
                source.row("c", 5, Some("moved"), None, 1024),
                "__debezium.oldkey",
                "4",
            ),
        ])
        .await;
    assert_eq!((report.written, report.skipped), (2, 1));
    let writetime = |column: &'static str, id: i64| {
        let session = &session;
        async move {
            value(
                session,
                &format!("SELECT WRITETIME({column}) FROM changes.t WHERE id = {id}"),
            )
            .await
        }
    };
    assert_eq!(writetime("a", 1).await, bigint(639));
    assert_eq!(writetime("b", 1).await, None);
    assert_eq!(writetime("b", 2).await, bigint(1008));
    assert_eq!(
        value(&session, "SELECT a FROM changes.t WHERE id = 2").await,
        None
    );
    assert_eq!(writetime("a", 3).await, bigint(1000));
    assert_eq!(writetime("a", 5).await, bigint(1025));
    assert!(
        cql(&session, "SELECT * FROM changes.t WHERE id = 4")
            .await
            .is_empty()
    );
    sink.task.stop().await.unwrap();
}

/// CS-195: what was written once stays, whatever is replayed, and in which order.
#[tokio::test(flavor = "multi_thread")]
async fn a_replay_changes_no_cell() {
    let session = session(cluster()).await;
    table(&session, "replay", PLAIN).await;
    let source = Source::plain();
    let mut history = Vec::new();
    for id in 0..40 {
        let lsn = 1000 + id * 100;
        history.push(source.row("c", id, Some("one"), None, lsn));
        history.push(source.row("u", id, Some("two"), Some("b"), lsn + 8));
        if id % 3 == 0 {
            history.push(source.delete(id, lsn + 16));
            history.push(source.tombstone(id));
        }
        if id % 6 == 0 {
            history.push(source.row("c", id, Some("again"), None, lsn + 24));
        }
    }
    let mut sink = start(&properties(cluster(), "replay", &[DEBEZIUM]))
        .await
        .unwrap();
    let note = sink.written(history.clone()).await.note;
    let all = "SELECT id, a, b, WRITETIME(a), WRITETIME(b) FROM replay.t";
    let before = cql(&session, all).await;
    assert_eq!(before.len(), 33);
    for from in [0, 3, 50, 77] {
        sink.written(history[from..].to_vec()).await;
    }
    sink.restore(note).await;
    sink.written(history[10..60].to_vec()).await;
    assert_eq!(cql(&session, all).await, before);
    assert_eq!(value(&session, "SELECT b FROM replay.t WHERE id = 6").await, None);
    sink.task.stop().await.unwrap();
}

/// CS-070, PG-077: what the source did not send stays as it is.
#[tokio::test(flavor = "multi_thread")]
async fn unavailable_values_leave_their_cells() {
    let session = session(cluster()).await;
    table(&session, "toast", PLAIN).await;
    let source = Source::plain();
    let mut sink = start(&properties(cluster(), "toast", &[DEBEZIUM])).await.unwrap();
    sink.written(vec![source.row("c", 1, Some("large"), Some("b1"), 100)])
        .await;
    sink.written(vec![source.row(
        "u",
        1,
        Some("__debezium_unavailable_value"),
        Some("b2"),
        108,
    )])
    .await;
    let named = with_header(
        source.row("u", 1, None, Some("b3"), 116),
        "rowtide.unavailable",
        "a",
    );
    sink.written(vec![named]).await;
    let row = &cql(&session, "SELECT a, b, WRITETIME(a), WRITETIME(b) FROM toast.t").await[0];
    assert_eq!(row[..], [text("large"), text("b3"), bigint(100), bigint(116)]);
    sink.task.stop().await.unwrap();
}

/// CS-045: one row of every type, read back as Cassandra sees it.
#[tokio::test(flavor = "multi_thread")]
async fn every_type_is_read_back_as_it_was_written() {
    let session = session(cluster()).await;
    let columns = "id bigint PRIMARY KEY, bo boolean, ti tinyint, si smallint, i int, f float, d double, tx text, ac ascii, \
                   bl blob, de decimal, vi varint, da date, tm time, ts timestamp, uu uuid, tu timeuuid, ip inet, du duration, \
                   li list<int>, se set<text>";
    table(&session, "types", columns).await;
    let plain = |kind: Kind| Schema::of(kind).optional().build();
    let named = |kind: Kind, name: &str| Schema::of(kind).optional().name(name).build();
    let cells: Vec<(&str, std::sync::Arc<Schema>, Value, &str)> = vec![
        ("bo", plain(Kind::Bool), Value::Bool(true), "true"),
        ("ti", plain(Kind::Int8), Value::Int8(-128), "-128"),
        ("si", plain(Kind::Int16), Value::Int16(32767), "32767"),
        ("i", Schema::optional_text(), "-5".into(), "-5"),
        ("f", plain(Kind::Float32), Value::Float32(1.5), "1.5"),
        ("d", plain(Kind::Float64), Value::Float64(-0.1), "-0.1"),
        ("tx", Schema::optional_text(), "grün".into(), "\"grün\""),
        ("ac", Schema::optional_text(), "plain".into(), "\"plain\""),
        (
            "bl",
            plain(Kind::Bytes),
            Value::Bytes((&[0_u8, 255][..]).into()),
            "\"0x00ff\"",
        ),
        (
            "de",
            Schema::optional_text(),
            "-12345678901234567890.0123456789".into(),
            "-12345678901234567890.0123456789",
        ),
        (
            "vi",
            Schema::optional_text(),
            "-170141183460469231731687303715884105729".into(),
            "-170141183460469231731687303715884105729",
        ),
        (
            "da",
            named(Kind::Int32, "io.debezium.time.Date"),
            Value::Int32(17109),
            "\"2016-11-04\"",
        ),
        (
            "tm",
            named(Kind::Int64, "io.debezium.time.MicroTime"),
            Value::Int64(42_690_123_789),
            "\"11:51:30.123789000\"",
        ),
        (
            "ts",
            named(Kind::Text, "io.debezium.time.ZonedTimestamp"),
            "2016-11-04T13:51:30.123456Z".into(),
            "\"2016-11-04 13:51:30.123Z\"",
        ),
        (
            "uu",
            named(Kind::Text, "io.debezium.data.Uuid"),
            "6ba7b810-9dad-41d1-80b4-00c04fd430c8".into(),
            "\"6ba7b810-9dad-41d1-80b4-00c04fd430c8\"",
        ),
        (
            "tu",
            Schema::optional_text(),
            "6ba7b810-9dad-11d1-80b4-00c04fd430c8".into(),
            "\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\"",
        ),
        (
            "ip",
            Schema::optional_text(),
            "2001:db8::1".into(),
            "\"2001:db8:0:0:0:0:0:1\"",
        ),
        (
            "du",
            Schema::optional_text(),
            "P1Y2M3DT4H5M6.78S".into(),
            "\"1y2mo3d4h5m6s780ms\"",
        ),
        (
            "li",
            plain(Kind::Array(plain(Kind::Int32))),
            Value::Array(Box::new([Value::Int32(2), Value::Int32(1)])),
            "[2, 1]",
        ),
        (
            "se",
            plain(Kind::Array(Schema::text())),
            Value::Array(Box::new(["b".into(), "a".into()])),
            "[\"a\", \"b\"]",
        ),
    ];
    let source = Source::new(
        &[("id", Kind::Int64)],
        cells
            .iter()
            .map(|(name, schema, ..)| (*name, schema.clone()))
            .collect(),
    );
    let mut sink = start(&properties(cluster(), "types", &[DEBEZIUM])).await.unwrap();
    let mut fields = vec![Value::Int64(1)];
    fields.extend(cells.iter().map(|(.., value, _)| value.clone()));
    let row = source.change("c", source.key(1), Value::Null, source.image(fields), 100);
    assert_eq!(sink.written(vec![row]).await.rejected, []);
    for (name, _, _, expected) in &cells {
        // The server prints it: no code of ours is between.
        let shown = value(&session, &format!("SELECT toJson({name}) FROM types.t")).await;
        assert_eq!(shown, text(expected), "{name}");
    }
    sink.task.stop().await.unwrap();
}

/// CS-066, CS-121: a wider primary key than the source's, and rows of one partition in one batch.
#[tokio::test(flavor = "multi_thread")]
async fn a_column_of_the_primary_key_may_move() {
    let session = session(cluster()).await;
    table(
        &session,
        "moves",
        "a text, id bigint, b text, PRIMARY KEY (a, id)",
    )
    .await;
    let source = Source::plain();
    let mut sink = start(&properties(cluster(), "moves", &[DEBEZIUM])).await.unwrap();
    let many: Vec<_> = (0..300)
        .map(|id| source.row("c", id, Some("p"), Some("x"), 100 + id * 8))
        .collect();
    assert_eq!(sink.written(many).await.written, 300);
    let image = |a: &str, b: &str| source.image(vec![Value::Int64(7), a.into(), b.into()]);
    let moved = source.change("u", source.key(7), image("p", "x"), image("q", "y"), 9000);
    let blind = source.change("u", source.key(8), Value::Null, image("q", "y"), 9008);
    let report = sink.written(vec![moved, blind]).await;
    assert_eq!((report.written, report.rejected.len()), (1, 1));
    assert!(report.rejected[0].1.reason.contains("REPLICA IDENTITY FULL"));
    assert_eq!(
        value(&session, "SELECT count(*) FROM moves.t WHERE a = 'p'").await,
        bigint(299)
    );
    assert_eq!(
        value(
            &session,
            "SELECT WRITETIME(b) FROM moves.t WHERE a = 'q' AND id = 7"
        )
        .await,
        bigint(9001)
    );
    sink.task.stop().await.unwrap();
}

/// CS-080, CS-083, CS-112: flat records of the DataStax dialect.
#[tokio::test(flavor = "multi_thread")]
async fn flat_records_follow_the_dialect() {
    let session = session(cluster()).await;
    table(&session, "flat", PLAIN).await;
    let mapping = ("mapping", "id=key, a=value.a, b=value.b");
    let mut sink = start(&properties(
        cluster(),
        "flat",
        &[mapping, ("ttl", "1"), ("ttlTimeUnit", "HOURS")],
    ))
    .await
    .unwrap();
    let schema = Schema::structure([("a", Schema::optional_text()), ("b", Schema::optional_text())]).build();
    let key = || rowtide_api::Datum::new(Schema::of(Kind::Int64).build(), Value::Int64(1));
    let flat = |a: Value, b: Value, ms: i64| {
        let mut record = record(
            key(),
            rowtide_api::Datum::of(rowtide_api::Struct::new(schema.clone(), vec![a, b])),
        );
        record.timestamp_ms = Some(ms);
        record
    };
    sink.written(vec![flat("x".into(), "y".into(), 1000)]).await;
    sink.written(vec![flat("z".into(), Value::Null, 2000)]).await;
    let row = &cql(&session, "SELECT a, b, WRITETIME(a), TTL(a) FROM flat.t").await[0];
    assert_eq!(row[..3], [text("z"), text("y"), bigint(2_000_000)]);
    assert!(matches!(row[3], Some(CqlValue::Int(3500..=3600))));
    let mut gone = record(key(), rowtide_api::Datum::NULL);
    gone.timestamp_ms = Some(3000);
    sink.written(vec![gone]).await;
    assert!(cql(&session, "SELECT * FROM flat.t").await.is_empty());
    sink.task.stop().await.unwrap();
}

/// CS-003, CS-053, CS-106: all of it in validate, each under its key.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_table_is_said_before_the_start() {
    let session = session(cluster()).await;
    table(
        &session,
        "checked",
        "id bigint PRIMARY KEY, a text, b text, m map<text, text>",
    )
    .await;
    let found = |keyspace: &'static str, settings: Vec<(&'static str, &'static str)>| async move {
        let properties = properties(cluster(), keyspace, &settings);
        let mut report = ConfigReport::new();
        CassandraSink::check(&conformance::settings::<Settings>(&properties), &mut report).await;
        let started = start(&properties)
            .await
            .err()
            .map(|error| (error.is_retriable(), error.to_string()));
        assert_eq!(report.is_ok(), started.is_none(), "{report:?} {started:?}");
        report
            .errors()
            .iter()
            .map(|finding| format!("{}: {}", finding.key, finding.message))
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert!(
        found("absent", vec![DEBEZIUM])
            .await
            .contains("there is no keyspace absent")
    );
    assert!(
        found("Checked", vec![DEBEZIUM])
            .await
            .contains("but checked exists")
    );
    let columns = found("checked", vec![("mapping", "a=value.a, B=value.b, m=value.m")]).await;
    for part in [
        "has no column B; column b exists",
        "column id of the primary key",
        "column m of checked.t has type map<text, text>",
    ] {
        assert!(columns.contains(part), "{columns}");
    }
    let ignored = [DEBEZIUM, ("ignoredFields", "m")];
    assert_eq!(found("checked", ignored.to_vec()).await, "");
    cql(&session, "INSERT INTO checked.t (id, a) VALUES (1, 'wall clock')").await;
    let foreign = found("checked", ignored.to_vec()).await;
    assert!(
        foreign.contains("timestampOffset")
            && foreign.starts_with("topic.pg.public.t.checked.t.timestampMode"),
        "{foreign}"
    );
    let raised = [ignored.to_vec(), vec![("timestampOffset", "2000000000000000")]].concat();
    assert_eq!(found("checked", raised).await, "");
    cql(&session, "ALTER TABLE checked.t DROP a").await;
    cql(&session, "ALTER TABLE checked.t ADD a text").await;
    let buried = found("checked", ignored.to_vec()).await;
    assert!(
        buried.contains("the column a of checked.t was dropped and added again"),
        "{buried}"
    );
    let wrong_dc = found(
        "checked",
        [ignored.to_vec(), vec![("^loadBalancing.localDc", "dc9")]].concat(),
    )
    .await;
    assert!(
        wrong_dc.contains("no data centre dc9; it has datacenter1"),
        "{wrong_dc}"
    );
    let unreachable = found("checked", [ignored.to_vec(), vec![("^port", "1")]].concat()).await;
    assert!(
        unreachable.starts_with("contactPoints: connecting to Cassandra at 127.0.0.1:1"),
        "{unreachable}"
    );
    let unresolved = found(
        "checked",
        [ignored.to_vec(), vec![("^contactPoints", "no.such.host.invalid")]].concat(),
    )
    .await;
    assert!(unresolved.starts_with("contactPoints: "), "{unresolved}");
}

/// CS-142, CS-157: a row the server refuses is refused alone.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_row_the_server_refuses_is_rejected() {
    let session = session(cluster()).await;
    table(
        &session,
        "refused",
        "g text, id bigint, a text, PRIMARY KEY (g, id, a)",
    )
    .await;
    let mapping = ("mapping", "g=value.b, id=key.id, a=value.a");
    let source = Source::plain();
    let mut sink = start(&properties(cluster(), "refused", &[DEBEZIUM, mapping]))
        .await
        .unwrap();
    // Clustering values are limited to 64 KiB by the server, not by the protocol.
    let large = "x".repeat(70_000);
    let report = sink
        .written(vec![
            source.row("c", 1, Some("a"), Some("g"), 100),
            source.row("c", 2, Some(&large), Some("g"), 108),
            source.row("c", 3, Some("a"), Some("g"), 116),
        ])
        .await;
    assert_eq!((report.written, report.rejected.len()), (2, 1), "{report:?}");
    assert_eq!(report.rejected[0].0, 1);
    assert_eq!(value(&session, "SELECT count(*) FROM refused.t").await, bigint(2));
    sink.task.stop().await.unwrap();
}

/// CS-143: a table that vanishes ends the task with its name, and neither floods nor loops.
#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_table_fails_the_task() {
    let session = session(cluster()).await;
    table(&session, "dropped", PLAIN).await;
    let source = Source::plain();
    let mut sink = start(&properties(cluster(), "dropped", &[DEBEZIUM]))
        .await
        .unwrap();
    sink.written(vec![source.row("c", 1, None, None, 100)]).await;
    cql(&session, "DROP TABLE dropped.t").await;
    let end = sink
        .put(vec![source.row("c", 2, None, None, 108)])
        .await
        .unwrap()
        .await
        .unwrap();
    let Settlement::Failed(error) = end else {
        panic!("{end:?}")
    };
    assert!(
        !error.is_retriable() && error.to_string().contains("dropped.t"),
        "{error}"
    );
    assert!(sink.put(vec![source.row("c", 3, None, None, 116)]).await.is_err());
    sink.task.stop().await.unwrap();
}

/// CS-145, CS-146, CS-126, CS-193: the cluster is killed under load; nothing is lost, and the task says what it waits for.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_cluster_loses_nothing() {
    let stack = Stack::bare(&["cassandra"]);
    let session = support::session(&stack).await;
    table(&session, "killed", PLAIN).await;
    let source = Source::plain();
    let mut sink = start(&properties(
        &stack,
        "killed",
        &[DEBEZIUM, ("^queryExecutionTimeout", "2")],
    ))
    .await
    .unwrap();
    let mut ends = Vec::new();
    let batch = |from: i64| -> Vec<_> {
        (from..from + 100)
            .map(|n| source.row("u", n % 500, Some(&format!("a{n}")), Some("b"), 1000 + n * 8))
            .collect()
    };
    for n in 0..40 {
        ends.push(sink.put(batch(n * 100)).await.unwrap());
    }
    stack.kill("cassandra");
    for n in 40..60 {
        ends.push(sink.put(batch(n * 100)).await.unwrap());
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    let state = sink.context.progress.state();
    assert!(
        state
            .degraded
            .is_some_and(|why| why.contains("waiting for Cassandra")),
        "not degraded"
    );
    stack.up("cassandra");
    for end in ends {
        let end = tokio::time::timeout(Duration::from_secs(120), end)
            .await
            .unwrap()
            .unwrap();
        assert!(matches!(end, Settlement::Done(report) if report.written == 100));
    }
    assert_eq!(sink.context.progress.state().degraded, None);
    let session = support::session(&stack).await;
    let rows = cql(&session, "SELECT id, a, WRITETIME(a) FROM killed.t").await;
    assert_eq!(rows.len(), 500);
    for row in rows {
        let Some(CqlValue::BigInt(id)) = row[0] else {
            panic!()
        };
        assert_eq!(
            row[1..],
            [text(&format!("a{}", 5500 + id)), bigint(1000 + (5500 + id) * 8)]
        );
    }
    sink.task.stop().await.unwrap();
}

/// CS-129: what is queued is dropped, what is in flight ends, and nothing is written afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn revoking_leaves_nothing_in_flight() {
    let session = session(cluster()).await;
    table(&session, "revoked", PLAIN).await;
    let source = Source::plain();
    let settings = [
        DEBEZIUM,
        ("^maxConcurrentRequests", "1"),
        ("^maxNumberOfRecordsInBatch", "1"),
    ];
    let mut sink = start(&properties(cluster(), "revoked", &settings)).await.unwrap();
    let rows: Vec<_> = (0..5000)
        .map(|n| source.row("c", n, Some("x"), None, 1000 + n * 8))
        .collect();
    let end = sink.put(rows).await.unwrap();
    let partition = sink.partition.clone();
    sink.task.revoked(&[partition]).await.unwrap();
    let count = value(&session, "SELECT count(*) FROM revoked.t").await;
    assert!(matches!(end.await, Ok(Settlement::Lost)));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(value(&session, "SELECT count(*) FROM revoked.t").await, count);
    assert!(count != bigint(5000), "revocation came too late to test anything");
    sink.task.stop().await.unwrap();
}

/// CS-033, CS-040: StringConverter's road: objects in text give rows, what is no object is rejected alone.
#[tokio::test(flavor = "multi_thread")]
async fn text_that_holds_json_is_written_by_its_fields() {
    let session = session(cluster()).await;
    table(
        &session,
        "json_text",
        "id bigint PRIMARY KEY, a text, n double, raw text",
    )
    .await;
    let mapping = ("mapping", "id=key.id, a=value.name, n=value.size.cm, raw=value");
    let mut sink = start(&properties(cluster(), "json_text", &[mapping]))
        .await
        .unwrap();
    let datum = |json: &str| rowtide_api::Datum::new(Schema::optional_text(), json.into());
    let row = |id: i64, value: &str| record(datum(&format!("{{\"id\":{id}}}")), datum(value));
    let ann = r#"{"name": "ann", "size": {"cm": 170.5}}"#;
    let report = sink
        .written(vec![
            row(1, ann),
            row(2, "no object"),
            row(3, r#"{"name":"bob","size":{"cm":180}}"#),
        ])
        .await;
    assert_eq!((report.written, report.rejected.len()), (2, 1), "{report:?}");
    assert_eq!(report.rejected[0].0, 1);
    assert!(
        report.rejected[0].1.reason.contains("no JSON object"),
        "{report:?}"
    );
    let rows = cql(&session, "SELECT a, n, raw FROM json_text.t WHERE id = 1").await;
    assert_eq!(
        rows,
        [vec![text("ann"), Some(CqlValue::Double(170.5)), text(ann)]]
    );
    let rows = cql(&session, "SELECT a, n FROM json_text.t WHERE id = 3").await;
    assert_eq!(rows, [vec![text("bob"), Some(CqlValue::Double(180.0))]]);
    sink.task.stop().await.unwrap();
}

/// CS-072: `ignore` counts and keeps the rows; `fail` ends the task with the way on, and writes nothing of the batch.
#[tokio::test(flavor = "multi_thread")]
async fn a_truncate_never_empties_the_table_unasked() {
    let session = session(cluster()).await;
    table(&session, "truncated", PLAIN).await;
    let source = Source::plain();
    let truncate = || source.change("t", rowtide_api::Datum::NULL, Value::Null, Value::Null, 1024);
    let mut sink = start(&properties(cluster(), "truncated", &[DEBEZIUM]))
        .await
        .unwrap();
    let report = sink
        .written(vec![source.row("c", 1, Some("x"), None, 1000), truncate()])
        .await;
    assert_eq!((report.written, report.skipped), (1, 1));
    sink.task.stop().await.unwrap();

    let fail = properties(cluster(), "truncated", &[DEBEZIUM, ("truncateMode", "fail")]);
    let mut sink = start(&fail).await.unwrap();
    let batch = vec![source.row("c", 2, Some("y"), None, 1016), truncate()];
    let error = match sink.put(batch).await {
        Err(error) => error,
        Ok(end) => match end.await.unwrap() {
            Settlement::Failed(error) => error,
            end => panic!("{end:?}"),
        },
    };
    assert!(!error.is_retriable());
    for part in ["truncated.t was truncated", "truncateMode=ignore"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    let ids = cql(&session, "SELECT id FROM truncated.t").await;
    assert_eq!(ids, [vec![bigint(1)]]);
    sink.task.stop().await.unwrap();
}
