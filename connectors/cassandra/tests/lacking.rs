//! Rows that lack a value which the source did not send, on a real Cassandra (CS-070, CS-099, RS-131). Needs the feature
//! `server-tests`.

#![cfg(feature = "server-tests")]

mod support;

use std::time::{Duration, Instant};

use rowtide_api::Record;
use rowtide_api::sink::SinkTask;
use support::*;

const DEBEZIUM: (&str, &str) = ("inputFormat", "debezium");
const PLAIN: &str = "id bigint PRIMARY KEY, a text, b text";

/// `a` was not sent.
fn lacking(source: &Source, op: &str, id: i64, b: &str, lsn: i64) -> Record {
    with_header(source.row(op, id, None, Some(b), lsn), "rowtide.unavailable", "a")
}

/// What the status shows, once it is as expected.
async fn warnings(sink: &Sink, expected: impl Fn(&[String]) -> bool) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(40);
    loop {
        let warnings = sink.context.progress.state().warnings;
        let warnings: Vec<_> = warnings.into_values().map(|words| words.to_string()).collect();
        if expected(&warnings) || Instant::now() > deadline {
            return warnings;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How often a value was found to be missing.
fn counted(sink: &Sink, keyspace: &str) -> u64 {
    let table = format!("{keyspace}.t");
    let labels = [("table", table.as_str()), ("column", "a")];
    sink.context
        .metrics
        .counter("rowtide_cassandra_values_unavailable_total", &labels)
        .get()
}

/// Behind a look at everything that was written before.
async fn looked_at(sink: &mut Sink, source: &Source, id: i64) {
    // A row that is seen to lack its value has been looked at, and so has what was asked before it.
    let before = sink.context.progress.state().warnings.len();
    sink.written(vec![lacking(source, "c", id, "probe", 9_000_000 + id)])
        .await;
    let shown = warnings(sink, |warnings| warnings.len() > before || !warnings.is_empty()).await;
    assert!(!shown.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_begins_without_a_value_is_shown_until_it_has_it() {
    let session = session(cluster()).await;
    table(&session, "begins", PLAIN).await;
    let source = Source::plain();
    let mut sink = start(&properties(cluster(), "begins", &[DEBEZIUM]))
        .await
        .unwrap();
    sink.written(vec![
        source.row("c", 1, Some("large"), Some("b"), 100),
        lacking(&source, "u", 1, "b2", 108),
        lacking(&source, "c", 2, "b", 116),
        lacking(&source, "c", 3, "b", 124),
        with_header(lacking(&source, "c", 4, "b", 132), "rowtide.gone", "true"),
    ])
    .await;
    let shown = warnings(&sink, |shown| {
        shown.len() == 1 && shown[0].contains("2 rows lack")
    })
    .await;
    assert!(
        shown.len() == 1
            && shown[0].starts_with("begins.t.a: 2 rows lack a value that the source did not send")
            && shown[0].contains("REPLICA IDENTITY FULL"),
        "{shown:?}"
    );
    assert_eq!(counted(&sink, "begins"), 2);
    // One row gets its value, the other one goes: each is noticed when it is looked at again.
    sink.written(vec![
        source.row("u", 2, Some("large"), Some("b"), 140),
        source.delete(3, 148),
    ])
    .await;
    assert_eq!(warnings(&sink, <[_]>::is_empty).await, [""; 0]);
    assert_eq!(counted(&sink, "begins"), 2);
    sink.task.stop().await.unwrap();
}

/// A compacted topic holds the last change of a row alone, and one cut by retention has lost its first ones: the same to a
/// sink that reads it from its start into an empty table.
#[tokio::test(flavor = "multi_thread")]
async fn an_update_of_a_row_that_is_not_there_is_shown() {
    let session = session(cluster()).await;
    table(&session, "compacted", PLAIN).await;
    let source = Source::plain();
    for (mode, identity) in [("warn", "100"), ("fail", "200")] {
        let properties = properties(
            cluster(),
            "compacted",
            &[DEBEZIUM, ("unavailable.on.create", mode)],
        );
        let mut sink = start(&properties).await.unwrap();
        let base: i64 = identity.parse().unwrap();
        let report = sink
            .written(vec![
                lacking(&source, "u", base + 1, "b", 1000 + base),
                source.row("u", base + 2, Some("sent"), Some("b"), 1008 + base),
                // Placeholders of Debezium come without the header.
                source.row(
                    "u",
                    base + 3,
                    Some("__debezium_unavailable_value"),
                    None,
                    1016 + base,
                ),
            ])
            .await;
        assert_eq!(
            report.written, 3,
            "{mode}: what an update lacks is never rejected"
        );
        let shown = warnings(&sink, |shown| shown.iter().any(|words| words.contains("2 rows"))).await;
        assert!(
            shown[0].starts_with("compacted.t.a: 2 rows lack"),
            "{mode}: {shown:?}"
        );
        sink.task.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_delivered_again_of_a_row_that_has_gone_is_not_shown() {
    let session = session(cluster()).await;
    table(&session, "again", PLAIN).await;
    let source = Source::plain();
    let history = vec![
        source.row("c", 1, Some("large"), Some("b"), 100),
        lacking(&source, "u", 1, "b2", 108),
        source.delete(1, 116),
        source.tombstone(1),
        source.row("c", 2, Some("large"), Some("b"), 124),
        lacking(&source, "u", 2, "b2", 132),
    ];
    let mut sink = start(&properties(cluster(), "again", &[DEBEZIUM])).await.unwrap();
    let note = sink.written(history.clone()).await.note;
    sink.task.stop().await.unwrap();
    // A worker that died begins somewhere before its end.
    for from in [1, 2, 5] {
        let mut sink = start(&properties(cluster(), "again", &[DEBEZIUM])).await.unwrap();
        sink.restore(note.clone()).await;
        sink.written(history[from..].to_vec()).await;
        looked_at(&mut sink, &source, 1000 + from as i64).await;
        let shown = warnings(&sink, |_| true).await;
        assert_eq!(shown.len(), 1, "{shown:?}");
        assert!(shown[0].contains("1 row lacks"), "the probe alone: {shown:?}");
        sink.task.stop().await.unwrap();
    }
}

/// A null that a later record writes is no missing value, whenever the row is looked at.
#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_nulled_later_is_not_shown() {
    let session = session(cluster()).await;
    table(&session, "nulled", PLAIN).await;
    let source = Source::plain();
    let mut sink = start(&properties(cluster(), "nulled", &[DEBEZIUM]))
        .await
        .unwrap();
    let rows = (1..=50).flat_map(|id| {
        [
            source.row("c", id, Some("large"), Some("b"), id * 100),
            lacking(&source, "u", id, "b2", id * 100 + 8),
            source.row("u", id, None, Some("b3"), id * 100 + 16),
        ]
    });
    sink.written(rows.collect()).await;
    looked_at(&mut sink, &source, 1000).await;
    let shown = warnings(&sink, |_| true).await;
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert!(shown[0].contains("1 row lacks"), "the probe alone: {shown:?}");
    sink.task.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_rejected_where_that_is_wanted() {
    let session = session(cluster()).await;
    table(&session, "rejects", PLAIN).await;
    let source = Source::plain();
    let fail = ("^unavailable.on.create", "fail");
    let mut sink = start(&properties(cluster(), "rejects", &[DEBEZIUM, fail]))
        .await
        .unwrap();
    let report = sink
        .written(vec![
            source.row("c", 1, Some("large"), None, 100),
            lacking(&source, "c", 2, "b", 108),
        ])
        .await;
    assert_eq!((report.written, report.rejected.len()), (1, 1), "{report:?}");
    assert!(
        report.rejected[0].1.to_string().contains("begins without a"),
        "{report:?}"
    );
    assert!(
        cql(&session, "SELECT id FROM rejects.t WHERE id = 2")
            .await
            .is_empty()
    );
    sink.task.stop().await.unwrap();
}

/// Collections and frozen columns of the primary key: what is asked of Cassandra fits every table that can be written.
#[tokio::test(flavor = "multi_thread")]
async fn columns_of_every_kind_are_looked_at() {
    let session = session(cluster()).await;
    table(
        &session,
        "kinds",
        "part text, id bigint, a list<text>, \"B b\" blob, PRIMARY KEY (part, id)",
    )
    .await;
    let source = {
        let texts = rowtide_api::Schema::of(rowtide_api::Kind::Array(rowtide_api::Schema::optional_text()));
        let blob = rowtide_api::Schema::of(rowtide_api::Kind::Bytes)
            .optional()
            .build();
        Source::new(
            &[
                ("part", rowtide_api::Kind::Text),
                ("id", rowtide_api::Kind::Int64),
            ],
            vec![("a", texts.optional().build()), ("B b", blob)],
        )
    };
    let key = || {
        let fields = vec!["p".into(), rowtide_api::Value::Int64(1)];
        let schema = rowtide_api::Schema::structure([
            ("part", rowtide_api::Schema::text()),
            ("id", rowtide_api::Schema::of(rowtide_api::Kind::Int64).build()),
        ]);
        rowtide_api::Datum::of(rowtide_api::Struct::new(schema.build(), fields))
    };
    let null = rowtide_api::Value::Null;
    let image = source.image(vec![
        "p".into(),
        rowtide_api::Value::Int64(1),
        null.clone(),
        null.clone(),
    ]);
    let record = source.change("u", key(), null, image, 100);
    let record = with_header(record, "rowtide.unavailable", "a,B b");
    let mut sink = start(&properties(cluster(), "kinds", &[DEBEZIUM])).await.unwrap();
    sink.written(vec![record]).await;
    let shown = warnings(&sink, |shown| shown.len() == 2).await;
    assert_eq!(shown.len(), 2, "{shown:?}");
    assert!(shown[0].starts_with("kinds.t.B b: 1 row lacks"), "{shown:?}");
    assert!(shown[1].starts_with("kinds.t.a: 1 row lacks"), "{shown:?}");
    sink.task.stop().await.unwrap();
}
