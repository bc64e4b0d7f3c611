//! Columns that are not there, not published or not captured, and nulls beside them: none is taken for another (PG-043, PG-071,
//! PG-115, RS-131).

use rowtide_api::Value;

use crate::harness::{Database, Driver, field, show};

/// Streams what happens from now on; the rows that are there have come out.
async fn streaming(database: &Database, rows: usize, more: &[(&str, &str)]) -> (Driver, Vec<String>) {
    let mut driver = database.start(more).await;
    let read = driver.shown(rows).await;
    while database.confirmed().await == 0 {
        let batch = driver.batch().await;
        driver.commit(&batch);
    }
    (driver, read)
}

/// A large value, short enough to be read in a failure.
const LARGE: &str = "repeat('x', 6400)";

fn shortened(shown: Vec<String>) -> Vec<String> {
    let large = "x".repeat(6400);
    shown
        .into_iter()
        .map(|text| text.replace(&large, "LARGE"))
        .collect()
}

/// The place of a dropped column is not counted, in a whole row, a key-only one, and one that is read again.
#[tokio::test]
async fn a_dropped_column_shifts_nothing() {
    for identity in ["DEFAULT", "FULL"] {
        let database = Database::new(&format!(
            "CREATE TABLE t (gone int, id int PRIMARY KEY, gone2 text NOT NULL DEFAULT 'x', a text, big text, gone3 int);
             ALTER TABLE t ALTER big SET STORAGE EXTERNAL; ALTER TABLE t REPLICA IDENTITY {identity};
             INSERT INTO t VALUES (7, 1, 'y', NULL, {LARGE}, 8);
             ALTER TABLE t DROP gone, DROP gone2"
        ))
        .await;
        let (mut driver, read) = streaming(&database, 1, &[]).await;
        assert_eq!(
            shortened(read),
            ["r p.public.t {id=1} null -> {id=1 a=null big=LARGE gone3=8}"]
        );
        database.run("UPDATE t SET id = 2").await;
        let mut shown = driver.shown(3).await;
        database.run("ALTER TABLE t DROP gone3").await;
        database.run("UPDATE t SET a = 'a'").await;
        database.run("DELETE FROM t").await;
        shown.extend(driver.shown(1 + 2).await);
        let shown = shortened(shown);
        let expected = match identity {
            "FULL" => [
                "d p.public.t {id=1} {id=1 a=null big=LARGE gone3=8} -> null __debezium.newkey={id=2}",
                "~ p.public.t {id=1}",
                "c p.public.t {id=2} null -> {id=2 a=null big=LARGE gone3=8} __debezium.oldkey={id=1}",
                "u p.public.t {id=2} {id=2 a=null big=LARGE} -> {id=2 a=a big=LARGE}",
                "d p.public.t {id=2} {id=2 a=a big=LARGE} -> null",
                "~ p.public.t {id=2}",
            ],
            _ => [
                "d p.public.t {id=1} {id=1 a=null big=null gone3=null} -> null __debezium.newkey={id=2}",
                "~ p.public.t {id=1}",
                "c p.public.t {id=2} null -> {id=2 a=null big=LARGE gone3=8} __debezium.oldkey={id=1}",
                "u p.public.t {id=2} null -> {id=2 a=a big=__debezium_unavailable_value} rowtide.unavailable=big",
                "d p.public.t {id=2} {id=2 a=null big=null} -> null",
                "~ p.public.t {id=2}",
            ],
        };
        assert_eq!(shown, expected, "{identity}");
        driver.stop().await;
    }
}

/// A column that a publication or the connector leaves out is neither unavailable nor read again.
#[tokio::test]
async fn a_column_that_is_left_out_is_not_read_again() {
    let table = format!(
        "CREATE TABLE t (id int PRIMARY KEY, a text, big text, other text);
         ALTER TABLE t ALTER big SET STORAGE EXTERNAL, ALTER other SET STORAGE EXTERNAL;
         INSERT INTO t VALUES (1, NULL, {LARGE}, {LARGE});"
    );
    let by_publication = Database::new(&format!(
        "{table} CREATE PUBLICATION dbz_publication FOR TABLE t (id, a, other)"
    ))
    .await;
    let by_filter = Database::new(&table).await;
    let exclude = [("column.exclude.list", "public\\.t\\.big")];
    for (database, more) in [(&by_publication, &[][..]), (&by_filter, &exclude)] {
        let (mut driver, read) = streaming(database, 1, more).await;
        assert_eq!(
            shortened(read),
            ["r p.public.t {id=1} null -> {id=1 a=null other=LARGE}"]
        );
        database.run("UPDATE t SET a = ''").await;
        database.run("UPDATE t SET id = 2").await;
        assert_eq!(
            shortened(driver.shown(4).await),
            [
                "u p.public.t {id=1} null -> {id=1 a= other=__debezium_unavailable_value} rowtide.unavailable=other",
                "d p.public.t {id=1} {id=1 a=null other=null} -> null __debezium.newkey={id=2}",
                "~ p.public.t {id=1}",
                "c p.public.t {id=2} null -> {id=2 a= other=LARGE} __debezium.oldkey={id=1}",
            ]
        );
        driver.stop().await;
    }
}

/// PG-021: a key column that is left out of the row is part of the key, and what is read again is read by it.
#[tokio::test]
async fn a_key_column_that_is_left_out_of_the_row_still_finds_it() {
    let database = Database::new(&format!(
        "CREATE TABLE t (id int, part text, a text, big text, PRIMARY KEY (part, id)); ALTER TABLE t ALTER big SET STORAGE EXTERNAL;
         INSERT INTO t VALUES (1, 'p', NULL, {LARGE})"
    ))
    .await;
    let (mut driver, _) = streaming(&database, 1, &[("column.exclude.list", "public\\.t\\.part")]).await;
    database.run("UPDATE t SET part = 'q'").await;
    assert_eq!(
        shortened(driver.shown(3).await),
        [
            "d p.public.t {part=p id=1} {id=1 a=null big=null} -> null __debezium.newkey={part=q id=1}",
            "~ p.public.t {part=p id=1}",
            "c p.public.t {part=q id=1} null -> {id=1 a=null big=LARGE} __debezium.oldkey={part=p id=1}",
        ]
    );
    driver.stop().await;
}

/// PG-115: a generated column is not published, however large; changes of what it is made of come as they are.
#[tokio::test]
async fn a_generated_column_is_neither_null_nor_unavailable() {
    let database = Database::new(
        "CREATE TABLE t (id int PRIMARY KEY, a text, big text GENERATED ALWAYS AS (repeat(a, 6400)) STORED);
         ALTER TABLE t ALTER big SET STORAGE EXTERNAL; INSERT INTO t VALUES (1, 'x')",
    )
    .await;
    let (mut driver, read) = streaming(&database, 1, &[]).await;
    assert_eq!(read, ["r p.public.t {id=1} null -> {id=1 a=x}"]);
    database.run("UPDATE t SET id = 2").await;
    database.run("UPDATE t SET a = NULL").await;
    assert_eq!(
        driver.shown(4).await,
        [
            "d p.public.t {id=1} {id=1 a=null} -> null __debezium.newkey={id=2}",
            "~ p.public.t {id=1}",
            "c p.public.t {id=2} null -> {id=2 a=x} __debezium.oldkey={id=1}",
            "u p.public.t {id=2} null -> {id=2 a=null}",
        ]
    );
    driver.stop().await;
}

/// An old tuple of an index holds the columns of the index: the others of it are not null, they were not sent.
#[tokio::test]
async fn an_identity_by_index_gives_the_columns_of_the_index() {
    let database = Database::new(&format!(
        "CREATE TABLE t (id int NOT NULL, n int NOT NULL, a text NOT NULL, big text NOT NULL DEFAULT 'short');
         ALTER TABLE t ALTER big SET STORAGE EXTERNAL;
         CREATE UNIQUE INDEX by_n ON t (n, id); ALTER TABLE t REPLICA IDENTITY USING INDEX by_n;
         INSERT INTO t VALUES (1, 1, 'a', {LARGE})"
    ))
    .await;
    let (mut driver, read) = streaming(&database, 1, &[]).await;
    assert_eq!(
        shortened(read),
        ["r p.public.t {n=1 id=1} null -> {id=1 n=1 a=a big=LARGE}"]
    );
    database.run("UPDATE t SET a = 'b'").await;
    database.run("UPDATE t SET n = 2").await;
    let mut shown = driver.shown(4).await;
    database.run("DELETE FROM t").await;
    shown.extend(driver.shown(2).await);
    assert_eq!(
        shortened(shown),
        [
            "u p.public.t {n=1 id=1} null -> {id=1 n=1 a=b big=__debezium_unavailable_value} rowtide.unavailable=big",
            // PG-143: what stands there for a and big is their fallback and default.
            "d p.public.t {n=1 id=1} {id=1 n=1 a= big=short} -> null __debezium.newkey={n=2 id=1}",
            "~ p.public.t {n=1 id=1}",
            "c p.public.t {n=2 id=1} null -> {id=1 n=2 a=b big=LARGE} __debezium.oldkey={n=1 id=1}",
            "d p.public.t {n=2 id=1} {id=1 n=2 a= big=short} -> null",
            "~ p.public.t {n=2 id=1}",
        ]
    );
    driver.stop().await;
}

/// The primary key is not in the identity's index: a delete cannot say whose it is, and says so instead of guessing.
#[tokio::test]
async fn a_delete_without_the_key_is_an_error_and_never_a_key_of_zeros() {
    let database = Database::new(
        "CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL, a text); CREATE UNIQUE INDEX by_n ON t (n);
         ALTER TABLE t REPLICA IDENTITY USING INDEX by_n; INSERT INTO t VALUES (1, 1, 'a')",
    )
    .await;
    let (mut driver, _) = streaming(&database, 1, &[]).await;
    database.run("UPDATE t SET n = 2").await;
    assert_eq!(
        driver.shown(1).await,
        ["u p.public.t {id=1} {id=0 n=1 a=null} -> {id=1 n=2 a=a}"]
    );
    database.run("DELETE FROM t").await;
    let rejected = loop {
        let batch = driver.poll().await.unwrap();
        assert!(
            batch.records.is_empty(),
            "{:?}",
            batch.records.iter().map(show).collect::<Vec<_>>()
        );
        if let Some(reject) = batch.rejected.first() {
            break reject.error.to_string();
        }
    };
    assert!(
        rejected.contains("does not carry the columns of the key"),
        "{rejected}"
    );
}

/// A unique index that serves as the key can hold nulls. As in Debezium 3.6.1 such a field of the key is optional and null: a
/// zero or an empty text would be another row's key.
#[tokio::test]
async fn a_null_in_a_key_is_null_and_never_a_zero() {
    let database = Database::new(
        "CREATE TABLE t (a int, b text DEFAULT 'x', c numeric(5,2), n int NOT NULL, v text NOT NULL DEFAULT 'dv', w text);
         CREATE UNIQUE INDEX t_key ON t (a, b, c, n); ALTER TABLE t REPLICA IDENTITY FULL;
         INSERT INTO t VALUES (NULL, NULL, NULL, 0, 'v'), (0, '', 0, 0, 'w')",
    )
    .await;
    let mut driver = database.start(&[]).await;
    let read = driver.records(2).await;
    while database.confirmed().await == 0 {
        let batch = driver.batch().await;
        driver.commit(&batch);
    }
    let key = read[0].key.schema.clone().unwrap();
    let optional: Vec<_> = key.fields().iter().map(|field| field.schema.optional).collect();
    assert_eq!(optional, [true, true, true, false]);
    assert_eq!(key.fields()[1].schema.default, Some(Value::from("x")));
    assert_eq!(field(&read[0], &["after", "a"]), &Value::Null);
    let mut shown: Vec<_> = read.iter().map(show).collect();
    database
        .run("UPDATE t SET v = 'v2' WHERE a IS NULL; UPDATE t SET a = NULL WHERE a = 0; UPDATE t SET b = NULL WHERE b = ''")
        .await;
    database.run("INSERT INTO t (n) VALUES (1); DELETE FROM t").await;
    shown.extend(driver.shown(1 + 3 + 3 + 1 + 3 * 2).await);
    let (nulls, zeros) = ("{a=null b=null c=null n=0}", "{a=0 b= c=0x00 n=0}");
    let (half, whole) = ("{a=null b= c=0x00 n=0}", "{a=null b=null c=0x00 n=0}");
    assert_eq!(
        shown,
        [
            format!("r p.public.t {nulls} null -> {{a=null b=null c=null n=0 v=v w=null}}"),
            format!("r p.public.t {zeros} null -> {{a=0 b= c=0x00 n=0 v=w w=null}}"),
            format!(
                "u p.public.t {nulls} {{a=null b=null c=null n=0 v=v w=null}} -> {{a=null b=null c=null n=0 v=v2 w=null}}"
            ),
            format!("d p.public.t {zeros} {{a=0 b= c=0x00 n=0 v=w w=null}} -> null __debezium.newkey={half}"),
            format!("~ p.public.t {zeros}"),
            format!(
                "c p.public.t {half} null -> {{a=null b= c=0x00 n=0 v=w w=null}} __debezium.oldkey={zeros}"
            ),
            format!(
                "d p.public.t {half} {{a=null b= c=0x00 n=0 v=w w=null}} -> null __debezium.newkey={whole}"
            ),
            format!("~ p.public.t {half}"),
            format!(
                "c p.public.t {whole} null -> {{a=null b=null c=0x00 n=0 v=w w=null}} __debezium.oldkey={half}"
            ),
            "c p.public.t {a=null b=x c=null n=1} null -> {a=null b=x c=null n=1 v=dv w=null}".to_owned(),
            format!("d p.public.t {nulls} {{a=null b=null c=null n=0 v=v2 w=null}} -> null"),
            format!("~ p.public.t {nulls}"),
            format!("d p.public.t {whole} {{a=null b=null c=0x00 n=0 v=w w=null}} -> null"),
            format!("~ p.public.t {whole}"),
            "d p.public.t {a=null b=x c=null n=1} {a=null b=x c=null n=1 v=dv w=null} -> null".to_owned(),
            "~ p.public.t {a=null b=x c=null n=1}".to_owned(),
        ]
    );
    driver.stop().await;
}
