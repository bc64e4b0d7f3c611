//! Records that the server refuses: found by halving, rejected alone, named without their values.

use crate::harness::{Database, Field, failed, indexes, int, null, row, text};

fn a(value: &str) -> Vec<Field<'_>> {
    vec![text("a", value)]
}

/// Each kind of refusal, one bad record in the middle of a batch.
#[tokio::test]
async fn a_refused_record_is_found_and_named_without_its_value() {
    let setup = "CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1);";
    for (column, good, bad, code, named) in [
        (
            "uuid",
            "6ba7b810-9dad-41d1-80b4-00c04fd430c8",
            "hunter2",
            "22P02",
            "",
        ),
        ("varchar(5)", "short", "hunter2", "22001", ""),
        ("numeric(4,2)", "12.34", "123.4", "22003", ""),
        ("timestamptz", "2016-11-04T13:51:30Z", "2016-13-44", "22008", ""),
        ("jsonb", "[1]", "[hunter2", "22P02", ""),
        ("text", "fine", "nul\0byte", "22021", ""),
        (
            "text CONSTRAINT short CHECK (length(a) < 6)",
            "short",
            "hunter2",
            "23514",
            "short",
        ),
        ("int REFERENCES parent", "1", "2", "23503", "t_a_fkey"),
        ("text NOT NULL", "x", "", "23502", "a"),
        (
            "int REFERENCES parent DEFERRABLE INITIALLY DEFERRED",
            "1",
            "2",
            "23503",
            "t_a_fkey",
        ),
    ] {
        let database = Database::new(&format!(
            "{setup} CREATE TABLE t (id int PRIMARY KEY, a {column})"
        ))
        .await;
        let mut sink = database.sink(&[("batch.size", "4")]).await;
        let one = |id: i32, value: &str| match value {
            "" => row(id, vec![null("a")]),
            value => row(id, a(value)),
        };
        let mut records: Vec<_> = (0..11).map(|id| one(id, good)).collect();
        records[7] = one(7, bad);
        let report = sink.written(records).await;
        assert_eq!(indexes(&report), [7], "{column}: {report:?}");
        let said = report.rejected[0].1.to_string();
        assert!(said.contains(code) && said.contains(named), "{column}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
        let ids = database.rows("SELECT id FROM t ORDER BY id").await;
        assert_eq!(
            ids,
            ["0", "1", "2", "3", "4", "5", "6", "8", "9", "10"],
            "{column}"
        );
        // The session goes on.
        assert_eq!(sink.written(vec![one(12, good)]).await.written, 1);
    }
}

/// A unique column beside the key: the first record wins, the other is refused.
#[tokio::test]
async fn a_conflict_beside_the_key_is_the_records() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY, a text UNIQUE)").await;
    let mut sink = database.sink(&[]).await;
    let report = sink
        .written(vec![row(1, a("x")), row(2, a("x")), row(3, a("y"))])
        .await;
    assert_eq!(indexes(&report), [1], "{report:?}");
    assert_eq!(database.rows("TABLE t ORDER BY id").await, ["1|x", "3|y"]);
}

/// What a trigger of the table says no to.
#[tokio::test]
async fn a_triggers_refusal_is_the_records() {
    let database = Database::new(
        "CREATE TABLE t (id int PRIMARY KEY, a text);
         CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS
         'BEGIN IF NEW.a = ''no'' THEN RAISE EXCEPTION ''no: %'', NEW.a; END IF; RETURN NEW; END';
         CREATE TRIGGER no BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION no()",
    )
    .await;
    let mut sink = database.sink(&[]).await;
    let report = sink.written(vec![row(1, a("yes")), row(2, a("no"))]).await;
    assert_eq!(indexes(&report), [1], "{report:?}");
}

/// An older record of the same key is not taken along by a newer one that is refused.
#[tokio::test]
async fn a_refused_record_leaves_the_older_one_of_its_key() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY, a varchar(3))").await;
    let mut sink = database.sink(&[]).await;
    let report = sink
        .written(vec![row(1, a("old")), row(1, a("too long")), row(2, a("x"))])
        .await;
    assert_eq!(indexes(&report), [1], "{report:?}");
    assert_eq!(database.rows("TABLE t ORDER BY id").await, ["1|old", "2|x"]);
}

/// Rows that are right together, however their order: deferred constraints see the whole transaction.
#[tokio::test]
async fn deferred_constraints_see_the_whole_batch() {
    let database = Database::new(
        "CREATE TABLE t (id int PRIMARY KEY, a text, up int REFERENCES t DEFERRABLE INITIALLY DEFERRED)",
    )
    .await;
    let mut sink = database.sink(&[]).await;
    let child = |id, up| row(id, vec![int("up", up)]);
    let report = sink
        .written(vec![child(1, 2), child(2, 3), row(3, a("top"))])
        .await;
    assert_eq!(report.written, 3, "{report:?}");
}

/// A nested value never reaches the server.
#[tokio::test]
async fn an_envelope_is_refused_with_the_way_out() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY, a text)").await;
    let mut sink = database.sink(&[]).await;
    let inner = crate::harness::structure(a("x"));
    let nested = row(1, vec![("after", inner.schema.clone().unwrap(), inner.value)]);
    let report = sink.written(vec![nested, row(2, a("x"))]).await;
    assert_eq!(indexes(&report), [0]);
    assert!(
        report.rejected[0].1.to_string().contains("ExtractNewRecordState"),
        "{report:?}"
    );
}

/// A failure that is nobody's record: the batch fails as a whole, and passes once it can.
#[tokio::test]
async fn a_lock_that_is_not_given_is_waited_out() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY, a text)").await;
    database
        .run(&format!(
            "ALTER DATABASE {} SET lock_timeout = '200ms'",
            database.name
        ))
        .await;
    let mut sink = database.sink(&[]).await;
    sink.written(vec![row(1, a("x"))]).await;
    database.run("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE").await;
    let (retriable, said) = failed(&mut sink, vec![row(1, a("y")), row(2, a("y"))]).await;
    assert!(retriable && said.contains("lock"), "{said}");
    database.run("COMMIT").await;
    assert_eq!(
        sink.written(vec![row(1, a("y")), row(2, a("y"))]).await.written,
        2
    );
}
