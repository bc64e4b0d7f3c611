//! Streamed changes: operations, keys, TOAST, types, the same bytes as the snapshot's.

use rowtide_api::Value;

use crate::harness::{Database, field, header, schema_of, show, value};

const STREAM: &[(&str, &str)] = &[("snapshot.mode", "no_data")];

/// Starts a stream behind everything that was done so far.
pub async fn streaming(database: &Database, more: &[(&str, &str)]) -> crate::harness::Driver {
    let mut driver = database.start(&[STREAM, more].concat()).await;
    database
        .run("CREATE TABLE IF NOT EXISTS zz_probe (id int PRIMARY KEY)")
        .await;
    // The slot exists once the task has attached; only what follows is streamed.
    let lsn: u64 = loop {
        tokio::select! {
            batch = driver.batch() => driver.commit(&batch),
            () = tokio::time::sleep(std::time::Duration::from_millis(20)) => {}
        }
        match database.confirmed().await {
            0 => {}
            lsn => break lsn,
        }
    };
    assert!(lsn > 0);
    driver
}

/// PG-071, PG-074, PG-075.
#[tokio::test]
async fn inserts_updates_and_deletes_under_the_default_identity() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY, a text NOT NULL, b int)").await;
    let mut driver = streaming(&database, &[]).await;
    database.run("INSERT INTO t VALUES (1, 'x', 5)").await;
    database.run("UPDATE t SET b = NULL").await;
    database.run("DELETE FROM t").await;
    assert_eq!(
        driver.shown(4).await,
        [
            "c p.public.t {id=1} null -> {id=1 a=x b=5}",
            "u p.public.t {id=1} null -> {id=1 a=x b=null}",
            // PG-143: NOT NULL columns that were not sent hold their fallback.
            "d p.public.t {id=1} {id=1 a= b=null} -> null",
            "~ p.public.t {id=1}",
        ]
    );
    driver.stop().await;
}

/// PG-071: the whole row as it was, and values that were not sent again are copied from it (PG-075).
#[tokio::test]
async fn full_identity_sends_whole_rows() {
    let database = Database::new(
        "CREATE TABLE t (id int PRIMARY KEY, big text, b int); ALTER TABLE t ALTER big SET STORAGE EXTERNAL;
         ALTER TABLE t REPLICA IDENTITY FULL",
    )
    .await;
    let mut driver = streaming(&database, &[("tombstones.on.delete", "false")]).await;
    database
        .run("INSERT INTO t VALUES (1, repeat('x', 5000), 1)")
        .await;
    database.run("UPDATE t SET b = 2").await;
    database.run("DELETE FROM t").await;
    let records = driver.records(3).await;
    let big = Value::from("x".repeat(5000));
    for (record, path) in [
        (&records[1], "after"),
        (&records[1], "before"),
        (&records[2], "before"),
    ] {
        assert_eq!(field(record, &[path, "big"]), &big, "{path}");
    }
    assert_eq!(header(&records[1], "rowtide.unavailable"), None);
    assert_eq!(value(field(&records[1], &["before", "b"])), "1");
    assert_eq!(value(field(&records[2], &["before", "b"])), "2");
    driver.stop().await;
}

/// PG-076, PG-077.
#[tokio::test]
async fn unchanged_toast_values_are_placeholders_and_named() {
    let database = Database::new(
        "CREATE TABLE t (id int PRIMARY KEY, big text, bin bytea, list text[], num numeric, b int);
         ALTER TABLE t ALTER big SET STORAGE EXTERNAL, ALTER bin SET STORAGE EXTERNAL, ALTER list SET STORAGE EXTERNAL,
           ALTER num SET STORAGE EXTERNAL",
    )
    .await;
    let initial = ("snapshot.mode", "initial");
    let mut driver = streaming(&database, &[("unavailable.value.placeholder", "ph"), initial]).await;
    database
        .run(
            "INSERT INTO t SELECT 1, repeat('x', 5000), decode(repeat('ab', 5000), 'hex'), ARRAY[repeat('y', 5000)],
               repeat('7', 9000)::numeric, 1",
        )
        .await;
    database.run("UPDATE t SET b = 2").await;
    let shown = driver.shown(2).await;
    assert_eq!(
        shown[1],
        "u p.public.t {id=1} null -> {id=1 big=ph bin=0x7068 list=[ph] num=null b=2} rowtide.unavailable=big,bin,list,num"
    );
    driver.stop().await;
}

/// PG-071, PG-079: three records, one entry.
#[tokio::test]
async fn a_key_change_is_a_delete_a_tombstone_and_a_create() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY, a text)").await;
    let mut driver = streaming(&database, &[]).await;
    database.run("INSERT INTO t VALUES (1, 'x')").await;
    database.run("UPDATE t SET id = 2").await;
    let records = driver.records(4).await;
    let shown: Vec<_> = records.iter().map(show).collect();
    assert_eq!(
        shown[1..],
        [
            "d p.public.t {id=1} {id=1 a=null} -> null __debezium.newkey={id=2}",
            "~ p.public.t {id=1}",
            "c p.public.t {id=2} null -> {id=2 a=x} __debezium.oldkey={id=1}",
        ]
    );
    let ids: Vec<_> = records
        .iter()
        .map(|record| header(record, "rowtide.id").unwrap())
        .collect();
    let head = ids[1].clone();
    assert_eq!(ids[1..], [head.clone(), format!("{head}.1"), format!("{head}.2")]);
    assert!(head.ends_with("/1") && ids[0] != ids[1]);
    driver.stop().await;
}

/// PG-063, PG-073: a unique index is a key; without any, records have none.
#[tokio::test]
async fn keys_come_from_an_index_or_are_absent() {
    let database = Database::new(
        "CREATE TABLE by_index (a int NOT NULL, b text); CREATE UNIQUE INDEX ON by_index (a);
         ALTER TABLE by_index REPLICA IDENTITY FULL; CREATE TABLE keyless (a int);
         ALTER TABLE keyless REPLICA IDENTITY FULL",
    )
    .await;
    let mut driver = streaming(&database, &[]).await;
    database.run("INSERT INTO by_index VALUES (1, 'x')").await;
    database.run("INSERT INTO keyless VALUES (1)").await;
    database.run("UPDATE keyless SET a = 2").await;
    database.run("DELETE FROM keyless").await;
    assert_eq!(
        driver.shown(5).await,
        [
            "c p.public.by_index {a=1} null -> {a=1 b=x}",
            "c p.public.keyless null null -> {a=1}",
            "u p.public.keyless null {a=1} -> {a=2}",
            "d p.public.keyless null {a=2} -> null",
            "~ p.public.keyless null",
        ]
    );
    driver.stop().await;
}

/// PG-071: skipped by default; one event per table when it is not.
#[tokio::test]
async fn truncates_are_events_only_when_asked_for() {
    let tables = "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)";
    let database = Database::new(tables).await;
    let mut driver = streaming(&database, &[]).await;
    database.run("TRUNCATE a, b; INSERT INTO a VALUES (1)").await;
    assert_eq!(driver.shown(1).await, ["c p.public.a {id=1} null -> {id=1}"]);
    driver.stop().await;

    let database = Database::new(tables).await;
    let mut driver = streaming(&database, &[("skipped.operations", "none")]).await;
    database.run("TRUNCATE a, b").await;
    let records = driver.records(2).await;
    let shown: Vec<_> = records.iter().map(show).collect();
    assert_eq!(
        shown,
        ["t p.public.a null null -> null", "t p.public.b null null -> null"]
    );
    assert!(header(&records[1], "rowtide.id").unwrap().ends_with("/1.1"));
    driver.stop().await;
}

/// PG-068: what the source block says, and PG-078: the headers.
#[tokio::test]
async fn the_source_block_and_the_headers_are_debeziums() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY)").await;
    let mut driver = streaming(&database, &[]).await;
    database
        .run("BEGIN; INSERT INTO t VALUES (1); INSERT INTO t VALUES (2); COMMIT")
        .await;
    let records = driver.records(2).await;
    let source = |index: usize, name| value(field(&records[index], &["source", name]));
    for (name, expected) in [
        ("version", "3.6.1.Final"),
        ("connector", "postgresql"),
        ("name", "p"),
        ("snapshot", "absent"),
        ("db", database.name.as_str()),
        ("schema", "public"),
        ("table", "t"),
        ("xmin", "null"),
    ] {
        assert_eq!(source(0, name), expected, "{name}");
    }
    assert_eq!(source(0, "txId"), source(1, "txId"));
    assert_ne!(source(0, "lsn"), source(1, "lsn"));
    let sequence = source(1, "sequence");
    assert!(
        sequence.starts_with("[\"") && sequence.ends_with(&format!(",\"{}\"]", source(1, "lsn"))),
        "{sequence}"
    );
    let (ms, us, ns) = (source(0, "ts_ms"), source(0, "ts_us"), source(0, "ts_ns"));
    assert!(us.starts_with(&ms) && ns.starts_with(&us) && ns.len() == 19);
    assert_eq!(
        header(&records[0], "__debezium.context.connectorLogicalName").as_deref(),
        Some("p")
    );
    assert_eq!(
        header(&records[0], "__debezium.context.runId").map(|id| id.len()),
        Some(36)
    );
    assert!(header(&records[1], "rowtide.id").unwrap().ends_with("/2"));
    driver.stop().await;
}

const ALL_TYPES: &str = "
    id serial PRIMARY KEY, b bool, i2 int2, i4 int4 DEFAULT 7, i8 int8, f4 float4, f8 float8, n numeric(12,2), nv numeric,
    t text DEFAULT 'it''s', v varchar(5) NOT NULL DEFAULT '', c char(10), cc \"char\", nm name, by bytea, u uuid, j json,
    jb jsonb, d date, tm time, t3 time(3), ts timestamp, ts3 timestamp(3), tz timestamptz DEFAULT now(), tz0 timestamptz(0),
    ab bool[], a2 int2[], a4 int4[], a8 int8[], af4 float4[], af8 float8[], at text[], av varchar[], au uuid[],
    dm amount, ct citext";

const ROWS: [&str; 3] = [
    "true, -32768, 2147483647, -9223372036854775808, 1.5, 'NaN', -0.01, 12345678901234567890.5, E'tab\\tline\\nback\\\\ é €',
     'abc', 'cone', 'x', 'a_name', '\\x00ff10', '6f9619ff-8b86-d011-b42d-00c04fc964ff', '{\"a\" : [1, \"\\\\t\"]}',
     '{\"b\": \"\\\\n\"}', '2016-11-04', '13:51:30.123456', '13:51:30.123', '2016-11-04 13:51:30.123456',
     '2016-11-04 13:51:30.123', '2016-11-04 13:51:30.123456+02', '2016-11-04 13:51:30+02', '{t,NULL,f}', '{1,-2}',
     '{2147483647}', '{9223372036854775807}', '{0.1}', '{0.1,NaN}', E'{plain,\"quo \\\\\"ted\\\\\"\",\"with,comma\",\"NULL\",NULL}',
     '{x}', '{6f9619ff-8b86-d011-b42d-00c04fc964ff}', 1.10, 'MixedCase'",
    "NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
     NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL",
    "false, 0, 0, 0, 'Infinity', '-Infinity', 0, 'NaN', '', 'äöü', '', '', '', '\\x', '00000000-0000-0000-0000-000000000000',
     'null', '[]', '-infinity', '24:00:00', '00:00:00', 'infinity', '0044-03-15 BC', 'infinity', '21016-11-04 00:00:00+00',
     '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', 0, ''",
];

/// PG-010: snapshot and stream give the same bytes and schemas for the same stored value; PG-087 to PG-132 by example.
#[tokio::test]
async fn snapshot_and_stream_agree_on_every_type() {
    let database = Database::new(&format!(
        "CREATE EXTENSION citext; CREATE DOMAIN amount AS numeric(8,3); CREATE TABLE t ({ALL_TYPES})"
    ))
    .await;
    let columns = "b,i2,i4,i8,f4,f8,n,nv,t,v,c,cc,nm,by,u,j,jb,d,tm,t3,ts,ts3,tz,tz0,ab,a2,a4,a8,af4,af8,at,av,au,dm,ct";
    for row in ROWS {
        database
            .run(&format!("INSERT INTO t ({columns}) VALUES ({row})"))
            .await;
    }
    let mut driver = database.start(&[]).await;
    let snapshot = driver.records(3).await;
    for row in ROWS {
        database
            .run(&format!("INSERT INTO t ({columns}) VALUES ({row})"))
            .await;
    }
    let stream = driver.records(3).await;
    for (read, streamed) in snapshot.iter().zip(&stream) {
        let (read_row, streamed_row) = (field(read, &["after"]), field(streamed, &["after"]));
        let (Value::Struct(read_row), Value::Struct(streamed_row)) = (read_row, streamed_row) else {
            panic!("rows")
        };
        assert_eq!(read_row.schema, streamed_row.schema);
        let names = read_row.schema.fields().iter().map(|field| &field.name);
        for ((name, read), streamed) in names.zip(&read_row.fields).zip(&streamed_row.fields).skip(1) {
            assert_eq!(read, streamed, "{name}: {} and {}", value(read), value(streamed));
        }
        assert_eq!(read.key.schema, streamed.key.schema);
    }
    assert_eq!(value(field(&stream[0], &["op"])), "c");
    assert_eq!(value(field(&snapshot[0], &["op"])), "r");
    expected_values(&snapshot);
    expected_schemas(&snapshot[0]);
    driver.stop().await;
}

fn expected_values(snapshot: &[rowtide_api::Record]) {
    let first = |name| value(field(&snapshot[0], &["after", name]));
    for (name, expected) in [
        ("i8", "-9223372036854775808"),
        ("f8", "NaN"),
        ("n", "0xff"),
        ("nv", "{scale=1 value=0x06b14e9f812f366c39}"),
        ("t", "tab\tline\nback\\ é €"),
        ("c", "cone      "),
        ("by", "0x00ff10"),
        ("j", "{\"a\" : [1, \"\\\\t\"]}"),
        ("d", "17109"),
        ("tm", "49890123456"),
        ("t3", "49890123"),
        ("ts", "1478267490123456"),
        ("ts3", "1478267490123"),
        ("tz", "2016-11-04T11:51:30.123456Z"),
        ("tz0", "2016-11-04T11:51:30Z"),
        ("ab", "[true,null,false]"),
        ("at", "[plain,quo \"ted\",with,comma,NULL,null]"),
        ("dm", "0x044c"),
        ("ct", "MixedCase"),
    ] {
        assert_eq!(first(name), expected, "{name}");
    }
    let third = |name| value(field(&snapshot[2], &["after", name]));
    for (name, expected) in [
        ("f4", "inf"),
        ("nv", "null"),
        ("d", "-2147472691"),
        ("tm", "86400000000"),
        ("ts", "9223372036825200000"),
        ("tz", "infinity"),
        ("tz0", "+21016-11-04T00:00:00Z"),
        ("ab", "[]"),
    ] {
        assert_eq!(third(name), expected, "{name}");
    }
}

/// PG-064, PG-136 to PG-141.
fn expected_schemas(record: &rowtide_api::Record) {
    let default = |name| schema_of(record, name).default.as_ref().map(value);
    assert_eq!(default("id").as_deref(), Some("0"));
    assert_eq!(default("i4").as_deref(), Some("7"));
    assert_eq!(default("t").as_deref(), Some("it's"));
    assert_eq!(default("tz").as_deref(), Some("1970-01-01T00:00:00.000000Z"));
    assert_eq!(default("i8"), None);
    assert!(
        !schema_of(record, "id").optional
            && !schema_of(record, "v").optional
            && schema_of(record, "t").optional
    );
    assert_eq!(
        schema_of(record, "n").parameter("connect.decimal.precision"),
        Some("12")
    );
    assert_eq!(schema_of(record, "dm").parameter("scale"), Some("3"));
    let key = record.key.schema.as_ref().unwrap();
    assert_eq!(key.fields()[0].schema.default, Some(Value::Int32(0)));
    assert_eq!(key.name.as_deref(), Some("p.public.t.Key"));
    assert_eq!(
        record.value.schema.as_ref().unwrap().name.as_deref(),
        Some("p.public.t.Envelope")
    );
}

/// PG-047, PG-084: a changed table shows as a new schema on its next event.
#[tokio::test]
async fn columns_come_and_go_in_the_stream() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY, a text)").await;
    let mut driver = streaming(&database, &[]).await;
    database.run("INSERT INTO t VALUES (1, 'x')").await;
    database
        .run("ALTER TABLE t ADD COLUMN n int NOT NULL DEFAULT 3; ALTER TABLE t RENAME a TO b")
        .await;
    database.run("INSERT INTO t VALUES (2, 'y', 4)").await;
    database.run("ALTER TABLE t DROP COLUMN b").await;
    database.run("INSERT INTO t VALUES (3, 5)").await;
    // The catalogue may be newer than an event, never older.
    let shown = driver.shown(3).await;
    assert_eq!(shown[0], "c p.public.t {id=1} null -> {id=1 a=x}");
    assert_eq!(shown[1], "c p.public.t {id=2} null -> {id=2 b=y n=4}");
    assert_eq!(shown[2], "c p.public.t {id=3} null -> {id=3 n=5}");
    driver.stop().await;
}

/// PG-021: filters of tables and columns; an excluded key column stays in the key.
#[tokio::test]
async fn filters_apply_to_snapshot_and_stream() {
    let database = Database::new(
        "CREATE TABLE a (id int PRIMARY KEY, secret text, x int); CREATE TABLE b (id int PRIMARY KEY);
         INSERT INTO a VALUES (1, 's', 1); INSERT INTO b VALUES (1)",
    )
    .await;
    let more = [
        ("table.include.list", "public.a"),
        ("column.exclude.list", "public.a.secret,public.a.id"),
    ];
    let mut driver = database.start(&more).await;
    assert_eq!(driver.shown(1).await, ["r p.public.a {id=1} null -> {x=1}"]);
    database
        .run("INSERT INTO b VALUES (2); INSERT INTO a VALUES (2, 's', 2)")
        .await;
    assert_eq!(driver.shown(1).await, ["c p.public.a {id=2} null -> {x=2}"]);
    driver.stop().await;
}
