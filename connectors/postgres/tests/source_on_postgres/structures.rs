//! Tables that are not plain: generated columns, partitions, changes of structure and transactions of every kind.

use crate::changes::streaming;
use crate::harness::{Database, field, schema_of, show, value};

/// PG-115: the server does not send them, so the snapshot does not read them.
#[tokio::test]
async fn generated_columns_are_in_neither_snapshot_nor_stream() {
    let database = Database::new(
        "CREATE TABLE t (id int PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) STORED); INSERT INTO t VALUES (1, 2)",
    )
    .await;
    let mut driver = database.start(&[]).await;
    assert_eq!(driver.shown(1).await, ["r p.public.t {id=1} null -> {id=1 a=2}"]);
    database.run("INSERT INTO t VALUES (2, 3)").await;
    assert_eq!(driver.shown(1).await, ["c p.public.t {id=2} null -> {id=2 a=3}"]);
    driver.stop().await;
}

/// PG-040, PG-157: a partitioned table whose changes come under the names of partitions nobody captures.
#[tokio::test]
async fn a_partitioned_table_that_would_give_no_events_is_refused_with_the_fix() {
    let database = Database::new(
        "CREATE TABLE t (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10)",
    )
    .await;
    let only_root = [("table.include.list", "public.t")];
    let refusal = database.start(&only_root).await.failure().await;
    assert!(
        refusal.contains("publishes none of the captured tables")
            && refusal.contains("SET (publish_via_partition_root = true)"),
        "{refusal}"
    );
    database
        .run("ALTER PUBLICATION dbz_publication SET (publish_via_partition_root = true)")
        .await;
    let mut driver = streaming(&database, &only_root).await;
    database.run("INSERT INTO t VALUES (1)").await;
    assert_eq!(driver.shown(1).await, ["c p.public.t {id=1} null -> {id=1}"]);
    driver.stop().await;
}

#[tokio::test]
async fn rows_move_between_partitions_and_partitions_come_while_streaming() {
    let database = Database::new(
        "CREATE TABLE t (id int, part int, v text, PRIMARY KEY (id, part)) PARTITION BY LIST (part);
         CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1); CREATE TABLE t2 PARTITION OF t FOR VALUES IN (2)",
    )
    .await;
    let mut driver = streaming(&database, &[("table.include.list", "public.t.+")]).await;
    database.run("INSERT INTO t VALUES (1, 1, 'a')").await;
    assert_eq!(
        driver.shown(1).await,
        ["c p.public.t1 {id=1 part=1} null -> {id=1 part=1 v=a}"]
    );
    database.run("UPDATE t SET part = 2").await;
    assert_eq!(
        driver.shown(3).await,
        [
            "d p.public.t1 {id=1 part=1} {id=1 part=1 v=null} -> null",
            "~ p.public.t1 {id=1 part=1}",
            "c p.public.t2 {id=1 part=2} null -> {id=1 part=2 v=a}",
        ]
    );
    database
        .run(
            "ALTER PUBLICATION dbz_publication ADD TABLE t; CREATE TABLE t3 PARTITION OF t FOR VALUES IN (3);
             INSERT INTO t VALUES (3, 3, 'c')",
        )
        .await;
    assert_eq!(
        driver.shown(1).await,
        ["c p.public.t3 {id=3 part=3} null -> {id=3 part=3 v=c}"]
    );
    driver.stop().await;
}

/// PG-046, PG-084: rows before and after a change of structure in one transaction each have their own schema; what was
/// rolled back was never there (PG-004).
#[tokio::test]
async fn a_structure_may_change_inside_a_transaction() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY, a text)").await;
    let mut driver = streaming(&database, &[]).await;
    database
        .run(
            "BEGIN; INSERT INTO t VALUES (1, 'x'); ALTER TABLE t ADD b int NOT NULL DEFAULT 7; INSERT INTO t VALUES (2, 'y', 8);
             SAVEPOINT s; ALTER TABLE t RENAME a TO z; INSERT INTO t VALUES (3, 'gone', 9); ROLLBACK TO s;
             ALTER TABLE t DROP a; INSERT INTO t VALUES (4, 9); ALTER TABLE t ALTER b TYPE text; INSERT INTO t VALUES (5, 'ten'); COMMIT",
        )
        .await;
    let records = driver.records(4).await;
    let shown: Vec<_> = records.iter().map(show).collect();
    assert_eq!(
        shown,
        [
            "c p.public.t {id=1} null -> {id=1 a=x}",
            "c p.public.t {id=2} null -> {id=2 a=y b=8}",
            "c p.public.t {id=4} null -> {id=4 b=9}",
            "c p.public.t {id=5} null -> {id=5 b=ten}",
        ]
    );
    assert_eq!(schema_of(&records[2], "b").kind, rowtide_api::Kind::Int32);
    assert_eq!(schema_of(&records[3], "b").kind, rowtide_api::Kind::Text);
    driver.stop().await;
}

/// PG-044: without the option `two_phase` a prepared transaction comes when it is committed, and only then.
#[tokio::test]
async fn prepared_transactions_come_at_their_commit() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY)").await;
    let mut driver = streaming(&database, &[]).await;
    let name = &database.name;
    database
        .run(&format!(
            "BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION '{name}_a'"
        ))
        .await;
    database
        .run(&format!(
            "BEGIN; INSERT INTO t VALUES (2); PREPARE TRANSACTION '{name}_b'"
        ))
        .await;
    database.run("INSERT INTO t VALUES (3)").await;
    database.run(&format!("COMMIT PREPARED '{name}_a'")).await;
    database.run(&format!("ROLLBACK PREPARED '{name}_b'")).await;
    database.run("INSERT INTO t VALUES (4)").await;
    let shown = driver.shown(3).await;
    let keys: Vec<_> = shown.iter().map(|text| text.split(' ').nth(2)).collect();
    assert_eq!(keys, [Some("{id=3}"), Some("{id=1}"), Some("{id=4}")]);
    driver.stop().await;
}

/// Rows as wide as Postgres has them, and values as large as a message.
#[tokio::test]
async fn very_wide_rows_and_very_large_values_arrive() {
    let columns: Vec<_> = (0..1500).map(|n| format!("c{n} int")).collect();
    let database = Database::new(&format!(
        "CREATE TABLE wide (id int PRIMARY KEY, {}); CREATE TABLE large (id int PRIMARY KEY, v text); INSERT INTO wide (id, c1499) VALUES (1, 7)",
        columns.join(", ")
    ))
    .await;
    let mut driver = database.start(&[]).await;
    let records = driver.records(1).await;
    assert_eq!(value(field(&records[0], &["after", "c1499"])), "7");
    database.run("UPDATE wide SET c0 = 5").await;
    let records = driver.records(1).await;
    assert_eq!(value(field(&records[0], &["after", "c0"])), "5");
    // Larger than what may wait: one entry is handed on whatever its size.
    database
        .run("INSERT INTO large VALUES (1, repeat('x', 40000000)); INSERT INTO large VALUES (2, 'y')")
        .await;
    let records = driver.records(2).await;
    assert_eq!(value(field(&records[0], &["after", "v"])).len(), 40_000_000);
    driver.stop().await;
}

/// PG-080 is not built: a message of `pg_logical_emit_message` gives no record and holds nothing up.
#[tokio::test]
async fn logical_messages_are_passed_over() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY)").await;
    let mut driver = streaming(&database, &[]).await;
    database
        .run(
            "SELECT pg_logical_emit_message(false, 'p', 'now'); BEGIN; SELECT pg_logical_emit_message(true, 'p', 'x');
             INSERT INTO t VALUES (1); SELECT pg_logical_emit_message(true, 'p', 'x'); COMMIT; SELECT pg_logical_emit_message(true, 'p', 'x')",
        )
        .await;
    assert_eq!(driver.shown(1).await, ["c p.public.t {id=1} null -> {id=1}"]);
    driver.stop().await;
}

/// PG-038: `filtered` compares with the tables the publication was made of, not with the partitions it shows for them; nor
/// are an inheritance parent's children made part of it.
#[tokio::test]
async fn a_filtered_publication_that_is_right_is_left_alone() {
    let database = Database::new(
        "CREATE TABLE t (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10);
         CREATE TABLE u (id int PRIMARY KEY); CREATE TABLE u_child (PRIMARY KEY (id)) INHERITS (u);
         CREATE TABLE altered ();
         CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO altered DEFAULT VALUES; END';
         CREATE EVENT TRIGGER note ON ddl_command_end WHEN TAG IN ('ALTER PUBLICATION') EXECUTE FUNCTION note()",
    )
    .await;
    let more = [
        ("publication.autocreate.mode", "filtered"),
        ("table.include.list", "public.t,public.t1,public.u"),
    ];
    let mut seen = Vec::new();
    for id in 1..=4 {
        let mut driver = streaming(&database, &more).await;
        // What is streamed to it shows that it has attached, and is done with the publication.
        database.run(&format!("INSERT INTO u VALUES ({id})")).await;
        driver.records(1).await;
        driver.stop().await;
        let members = "SELECT string_agg(prrelid::regclass::text, ' ' ORDER BY prrelid::regclass::text) FROM pg_publication_rel";
        let altered = database.value("SELECT count(*) FROM altered").await;
        seen.push(format!("{} after {altered}", database.value(members).await));
        if id == 2 {
            database
                .run("ALTER PUBLICATION dbz_publication DROP TABLE t1")
                .await;
        }
    }
    // Made, left alone, mended after the statement above, left alone.
    let expected = [0, 0, 2, 2].map(|altered| format!("t t1 u after {altered}"));
    assert_eq!(seen, expected);
}
