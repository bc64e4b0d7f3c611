//! Upserts and deletions: which statements, which transactions, which keys.

use rowtide_api::{Datum, Headers};

use crate::harness::{Database, Field, gone, indexes, int, null, record, row, structure, text};

fn a(value: &str) -> Vec<Field<'_>> {
    vec![text("a", value)]
}

/// `batch.size` rows a statement, one transaction a put: the server itself counts.
#[tokio::test]
async fn rows_go_in_statements_of_batch_size_and_one_transaction_a_put() {
    let database = Database::new(
        "CREATE TABLE t (id int PRIMARY KEY, a text); CREATE TABLE log (n int GENERATED ALWAYS AS IDENTITY, tx text);
         CREATE FUNCTION log() RETURNS trigger LANGUAGE plpgsql AS
         'BEGIN INSERT INTO log (tx) VALUES (pg_current_xact_id()::text); RETURN NULL; END';
         CREATE TRIGGER log AFTER INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION log()",
    )
    .await;
    let mut sink = database.sink(&[("batch.size", "10")]).await;
    let rows = |from: i32| (from..from + 25).map(|id| row(id, a("x"))).collect::<Vec<_>>();
    assert_eq!(sink.written(rows(0)).await.written, 25);
    assert_eq!(sink.written(rows(20)).await.written, 25);
    let statements = database
        .rows("SELECT count(*) FROM log GROUP BY tx ORDER BY min(n)")
        .await;
    assert_eq!(statements, ["3", "3"]);
    assert_eq!(database.value("SELECT count(*) FROM t").await, "45");
}

/// `insert.mode=upsert`: a new row gets the table's defaults, an existing one keeps what the record does not have.
#[tokio::test]
async fn an_upsert_leaves_columns_alone_that_the_record_does_not_have() {
    let database =
        Database::new("CREATE TABLE t (id int PRIMARY KEY, a text, b text DEFAULT 'new', c text)").await;
    database
        .run("INSERT INTO t VALUES (1, 'old', 'kept', 'kept')")
        .await;
    let mut sink = database.sink(&[("insert.mode", "upsert")]).await;
    sink.written(vec![row(1, a("1")), row(2, a("2"))]).await;
    assert_eq!(
        database.rows("TABLE t ORDER BY id").await,
        ["1|1|kept|kept", "2|2|new|~"]
    );
    // A null is a value: it replaces.
    sink.written(vec![row(1, vec![null("a"), text("c", "c")])]).await;
    assert_eq!(database.rows("TABLE t ORDER BY id LIMIT 1").await, ["1|~|kept|c"]);
    // A row of nothing but its key.
    let key_only = |id| record(structure(vec![int("id", id)]), structure(vec![int("id", id)]));
    assert_eq!(sink.written(vec![key_only(1), key_only(3)]).await.written, 2);
    assert_eq!(
        database.rows("SELECT id, a, c FROM t ORDER BY id").await,
        ["1|~|c", "2|2|~", "3|~|~"]
    );
}

/// The last of several operations on a key stays, whatever their order and shape.
#[tokio::test]
async fn a_key_may_come_several_times_in_a_batch() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY, a text, b text)").await;
    let mut sink = database.sink(&[]).await;
    let report = sink
        .written(vec![
            row(1, a("1")),
            row(2, a("1")),
            row(1, a("2")),
            gone(2),
            row(3, a("1")),
            gone(3),
            row(3, a("3")),
            row(4, vec![text("b", "b")]),
            row(4, a("4")),
            row(1, a("5")),
            gone(9),
        ])
        .await;
    assert_eq!((report.written, report.skipped), (11, 0));
    assert_eq!(
        database.rows("TABLE t ORDER BY id").await,
        ["1|5|~", "3|3|~", "4|4|b"]
    );
}

/// Keys whose texts differ but are one value for the server.
#[tokio::test]
async fn keys_that_only_the_server_knows_to_be_equal_keep_their_order() {
    let database = Database::new("CREATE TABLE t (id uuid PRIMARY KEY, a text)").await;
    let mut sink = database.sink(&[]).await;
    let id = "6ba7b810-9dad-41d1-80b4-00c04fd430c8";
    let one =
        |id: &str, value: &str| record(structure(vec![text("id", id)]), structure(vec![text("a", value)]));
    let upper = id.to_uppercase();
    let report = sink
        .written(vec![
            one(id, "1"),
            one(&upper, "2"),
            one(&format!("{{{id}}}"), "3"),
        ])
        .await;
    assert_eq!(report.written, 3, "{report:?}");
    assert_eq!(database.rows("TABLE t").await, [format!("{id}|3")]);
}

/// `delete.enabled`.
#[tokio::test]
async fn a_record_without_value_deletes_only_when_asked() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY, a text)").await;
    let mut sink = database.sink(&[("delete.enabled", "false")]).await;
    let report = sink.written(vec![row(1, a("x")), gone(1)]).await;
    assert_eq!((report.written, report.skipped), (1, 1));
    assert_eq!(database.rows("TABLE t").await, ["1|x"]);
    let mut sink = database.sink(&[("delete.enabled", "true")]).await;
    assert_eq!(sink.written(vec![gone(1), gone(1), gone(2)]).await.written, 3);
    assert_eq!(database.rows("TABLE t").await, Vec::<String>::new());
}

/// `primary.key.mode=record_key` with `primary.key.fields`.
#[tokio::test]
async fn the_key_columns_are_the_fields_of_the_records_key() {
    let database = Database::new(
        "CREATE TABLE t (g text, id int, a text, PRIMARY KEY (g, id)); CREATE TABLE one (id int PRIMARY KEY, a text);
         CREATE TABLE plain (pk text PRIMARY KEY, a text)",
    )
    .await;
    let key = |g: &str, id| structure(vec![text("g", g), int("id", id)]);
    let both = |g: &str, id, value: &str| record(key(g, id), structure(vec![text("a", value)]));
    // All fields of the key.
    let mut sink = database.sink(&[("primary.key.mode", "record_key")]).await;
    sink.written(vec![both("x", 1, "1"), both("y", 1, "2"), both("x", 1, "3")])
        .await;
    sink.written(vec![record(key("y", 1), Datum::NULL)]).await;
    assert_eq!(database.rows("TABLE t").await, ["x|1|3"]);
    // One of them.
    let mut sink = database
        .sink(&[("primary.key.fields", "id"), ("collection.name.format", "one")])
        .await;
    sink.written(vec![both("x", 1, "1"), both("y", 1, "2")]).await;
    assert_eq!(database.rows("TABLE one").await, ["1|2"]);
    // A key that is no struct.
    let mut sink = database
        .sink(&[("primary.key.fields", "pk"), ("collection.name.format", "plain")])
        .await;
    sink.written(vec![record(Datum::text("k"), structure(vec![text("a", "v")]))])
        .await;
    assert_eq!(database.rows("TABLE plain").await, ["k|v"]);
    // What cannot be a key is the record's fault.
    let mut keyless = both("x", 2, "4");
    keyless.key = Datum::NULL;
    let report = sink
        .written(vec![
            keyless,
            record(Datum::text("k2"), structure(vec![text("a", "w")])),
        ])
        .await;
    assert_eq!(indexes(&report), [0]);
    assert_eq!(database.value("SELECT count(*) FROM plain").await, "2");
}

/// PG-077: a column that the source could not read keeps its value.
#[tokio::test]
async fn an_unavailable_value_leaves_its_column() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY, a text, b text)").await;
    let mut sink = database.sink(&[]).await;
    let mut later = row(1, vec![text("a", "__debezium_unavailable_value"), text("b", "2")]);
    later.headers = Headers::own(vec![("rowtide.unavailable".into(), Datum::text("a"))]);
    sink.written(vec![row(1, vec![text("a", "large"), text("b", "1")]), later])
        .await;
    assert_eq!(database.rows("TABLE t").await, ["1|large|2"]);
}

/// RS-131: a row that begins without a value is written, counted and told, unless the source says that it is gone by now.
#[tokio::test]
async fn a_row_that_begins_without_a_value_is_told() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY, a text, b text)").await;
    let mut sink = database.sink(&[]).await;
    let lacking = |id: i32, headers: &[(&str, &str)]| {
        let mut record = row(
            id,
            vec![text("a", "__debezium_unavailable_value"), text("b", "2")],
        );
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).into(), Datum::text(*value)));
        record.headers = Headers::own(headers.collect());
        record
    };
    let unavailable = ("rowtide.unavailable", "a");
    let whole = row(1, vec![text("a", "large"), text("b", "1")]);
    let goes_on = ("rowtide.gone", "true");
    sink.written(vec![
        whole,
        lacking(1, &[unavailable]),
        lacking(2, &[unavailable, goes_on]),
    ])
    .await;
    assert!(sink.context.progress.state().warnings.is_empty());
    sink.written(vec![
        lacking(3, &[unavailable]),
        lacking(1, &[unavailable]),
        lacking(4, &[unavailable]),
    ])
    .await;
    assert_eq!(
        database.rows("TABLE t ORDER BY id").await,
        ["1|large|2", "2|~|2", "3|~|2", "4|~|2"]
    );
    let warnings: Vec<_> = sink.context.progress.state().warnings.into_iter().collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(&*warnings[0].0, "t.a");
    assert!(
        warnings[0].1.starts_with("t.a: 2 rows began without a value"),
        "{warnings:?}"
    );
    let labels = [("table", "t"), ("column", "a")];
    let counter = sink
        .context
        .metrics
        .counter("rowtide_postgres_sink_values_unavailable_total", &labels);
    assert_eq!(counter.get(), 2);
}
