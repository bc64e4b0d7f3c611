//! Tables: named by the topic, created when asked, quoted however odd, read again when they change.

use rowtide_api::{Kind, Schema, Value};

use crate::harness::{Database, Field, Sink, failed, int, long, record, row, structure, text};

const BASIC: (&str, &str) = ("schema.evolution", "basic");

fn a(value: &str) -> Vec<Field<'_>> {
    vec![text("a", value)]
}

/// `schema.evolution=none`: the error names the table, the setting and the way out, and nothing is created.
#[tokio::test]
async fn a_missing_table_fails_the_task_by_name() {
    let database = Database::new("").await;
    assert!(
        database
            .check(&[])
            .await
            .starts_with("collection.name.format: the table t for the topic t does not exist")
    );
    let mut sink = database.sink(&[]).await;
    let (retriable, text) = failed(&mut sink, vec![row(1, a("x"))]).await;
    assert!(!retriable, "{text}");
    for part in [
        "the table t does not exist",
        "collection.name.format",
        "schema.evolution=basic",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(database.value("SELECT to_regclass('t')").await, "");
}

/// `schema.evolution=basic`: columns by the record's schemas, the key as primary key.
#[tokio::test]
async fn a_missing_table_is_created_when_asked() {
    let database = Database::new("").await;
    assert_eq!(database.check(&[BASIC]).await, "");
    let mut sink = database.sink(&[BASIC]).await;
    let named = |kind, name: &str| Schema::of(kind).name(name).optional().build();
    let fields = || {
        vec![
            text("a", "x"),
            long("n", 7),
            (
                "at",
                named(Kind::Text, "io.debezium.time.ZonedTimestamp"),
                "2016-11-04T13:51:30Z".into(),
            ),
            (
                "day",
                named(Kind::Int32, "org.apache.kafka.connect.data.Date"),
                Value::Int32(17_109),
            ),
            ("doc", named(Kind::Text, "io.debezium.data.Json"), "[1]".into()),
        ]
    };
    assert_eq!(
        sink.written(vec![row(1, fields()), row(2, fields())])
            .await
            .written,
        2
    );
    let columns = "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute
                   WHERE attrelid = 't'::regclass AND attnum > 0 ORDER BY attnum";
    assert_eq!(
        database.rows(columns).await,
        [
            "id|integer|t",
            "a|text|f",
            "n|bigint|t",
            "at|timestamp with time zone|f",
            "day|date|f",
            "doc|json|f"
        ]
    );
    let key = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 't'::regclass";
    assert_eq!(database.rows(key).await, ["PRIMARY KEY (id)"]);
    // It is then a table like any other: the next task finds it, and columns are not added.
    let mut again = database.sink(&[BASIC]).await;
    assert_eq!(again.written(vec![row(1, fields())]).await.written, 1);
    let (retriable, said) = failed(&mut again, vec![row(3, vec![text("new", "x")])]).await;
    assert!(
        !retriable && said.contains("the table t has no column new"),
        "{said}"
    );
}

/// Several tasks may meet the same missing table at once.
#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_create_one_table_at_once_all_go_on() {
    for _ in 0..5 {
        let database = Database::new("").await;
        let write = |mut sink: Sink, id| async move { sink.written(vec![row(id, a("x"))]).await.written };
        let mut tasks = Vec::new();
        for id in 0..6 {
            tasks.push(tokio::spawn(write(database.sink(&[BASIC]).await, id)));
        }
        for task in tasks {
            assert_eq!(task.await.unwrap(), 1);
        }
        assert_eq!(database.value("SELECT count(*) FROM t").await, "6");
    }
}

/// `collection.name.format`: a schema, the topic with its dots as underscores, text around it.
#[tokio::test]
async fn the_format_names_the_table() {
    let database = Database::new("CREATE SCHEMA app; CREATE SCHEMA \"t\"").await;
    for (format, topic, table) in [
        ("${topic}", "shop.public.users", "public.shop_public_users"),
        ("app.u_${topic}_v1", "users", "app.u_users_v1"),
        ("${topic}.rows", "t", "t.rows"),
        ("fixed", "any", "public.fixed"),
    ] {
        let mut sink = database.sink(&[BASIC, ("collection.name.format", format)]).await;
        let mut one = row(1, a(topic));
        one.topic = topic.into();
        sink.written(vec![one]).await;
        assert_eq!(
            database.rows(&format!("TABLE {table}")).await,
            [format!("1|{topic}")]
        );
    }
    let mut sink = database
        .sink(&[BASIC, ("collection.name.format", "nowhere.t")])
        .await;
    let (retriable, said) = failed(&mut sink, vec![row(1, a("x"))]).await;
    assert!(
        !retriable && said.contains("nowhere") && said.contains("schema"),
        "{said}"
    );
    let said = database
        .check(&[BASIC, ("collection.name.format", "nowhere.t")])
        .await;
    assert!(
        said.starts_with("collection.name.format: ") && said.contains("nowhere"),
        "{said}"
    );
}

/// Names are quoted: none of them is SQL.
#[tokio::test]
async fn odd_names_are_names() {
    let database = Database::new("").await;
    let odd = [
        "Sel\"ect",
        "a b",
        "ünï",
        "select",
        "x'); DROP TABLE t; --",
        "$1",
        "%s",
    ];
    let format = ("collection.name.format", "Odd \"T\"; ${topic}");
    let fields = |value: &'static str| odd.iter().map(|name| text(name, value)).collect::<Vec<_>>();
    let one = |value| record(structure(vec![int("Key \"id\"", 1)]), structure(fields(value)));
    let mut sink = database.sink(&[BASIC, format]).await;
    assert_eq!(sink.written(vec![one("1")]).await.written, 1);
    assert_eq!(sink.written(vec![one("2")]).await.written, 1);
    assert_eq!(
        database.rows("TABLE \"Odd \"\"T\"\"; t\"").await,
        ["1|2|2|2|2|2|2|2"]
    );
    let gone = record(structure(vec![int("Key \"id\"", 1)]), rowtide_api::Datum::NULL);
    assert_eq!(sink.written(vec![gone]).await.written, 1);
    assert_eq!(
        database.value("SELECT count(*) FROM \"Odd \"\"T\"\"; t\"").await,
        "0"
    );
}

/// A table that does not fit is refused with what is missing; one that is changed to fit is used without a restart.
#[tokio::test]
async fn a_table_is_read_again_when_a_record_does_not_fit() {
    let database = Database::new("CREATE TABLE t (id int, a text)").await;
    let mut sink = database.sink(&[]).await;
    let (_, said) = failed(&mut sink, vec![row(1, a("x"))]).await;
    assert!(
        said.contains("no primary key or unique index on (id)") && said.contains("primary.key.fields"),
        "{said}"
    );
    // Neither a part of the rows, nor one that is checked at the end only, can decide a conflict.
    database
        .run("CREATE UNIQUE INDEX part ON t (id) WHERE a IS NULL; ALTER TABLE t ADD UNIQUE (id) DEFERRABLE")
        .await;
    let (retriable, said) = failed(&mut sink, vec![row(1, a("x"))]).await;
    assert!(
        !retriable && said.contains("no primary key or unique index on (id)"),
        "{said}"
    );
    database
        .run("ALTER TABLE t DROP CONSTRAINT t_id_key; CREATE UNIQUE INDEX whole ON t (id) INCLUDE (a)")
        .await;
    assert_eq!(sink.written(vec![row(1, a("x"))]).await.written, 1);
    let (_, said) = failed(&mut sink, vec![row(1, vec![text("b", "x"), text("c", "x")])]).await;
    assert!(said.contains("the table t has no column b, c"), "{said}");
    database.run("ALTER TABLE t ADD b text, ADD c varchar(3)").await;
    let fits = vec![row(1, vec![text("b", "x"), text("c", "x")]), row(2, a("y"))];
    assert_eq!(sink.written(fits).await.written, 2);
    assert_eq!(database.rows("TABLE t ORDER BY id").await, ["1|x|x|x", "2|y|~|~"]);
}
