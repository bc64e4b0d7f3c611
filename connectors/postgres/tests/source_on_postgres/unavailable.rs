//! Rows that begin although the server did not send all of their values: what the source makes of them (RS-131).

use rowtide_api::{Record, Value};
use rowtide_testkit::stack::Stack;

use crate::harness::{Database, Driver, field, header, rules, session, show, value};

const LARGE: &str =
    "CREATE TABLE t (id int PRIMARY KEY, v int, big text); ALTER TABLE t ALTER big SET STORAGE EXTERNAL;";

/// A value that is stored out of line.
fn big(letter: &str) -> Value {
    Value::from(letter.repeat(6400))
}

fn large<'a>(record: &'a Record, name: &str) -> &'a Value {
    field(record, &["after", name])
}

/// Streams what happens from now on; the rows that are there have come out.
async fn after_snapshot(database: &Database, rows: usize, more: &[(&str, &str)]) -> Driver {
    let mut driver = database.start(more).await;
    driver.records(rows).await;
    while database.confirmed().await == 0 {
        let batch = driver.batch().await;
        driver.commit(&batch);
    }
    driver
}

/// The smallest input that lost a value: the new row's unchanged value is not sent, nor is that of the old one.
#[tokio::test]
async fn a_row_under_a_new_key_has_its_large_values() {
    let database = Database::new(&format!("{LARGE} INSERT INTO t VALUES (1, 0, repeat('x', 6400))")).await;
    let mut driver = after_snapshot(&database, 1, &[]).await;
    database.run("UPDATE t SET id = 10001").await;
    let records = driver.records(3).await;
    let shown: Vec<_> = records.iter().map(show).collect();
    assert_eq!(
        shown[..2],
        [
            "d p.public.t {id=1} {id=1 v=null big=null} -> null __debezium.newkey={id=10001}",
            "~ p.public.t {id=1}"
        ]
    );
    assert_eq!(large(&records[2], "big"), &big("x"));
    assert_eq!(header(&records[2], "rowtide.unavailable"), None);
    assert_eq!(
        header(&records[2], "__debezium.oldkey").as_deref(),
        Some("{id=1}")
    );
    assert!(header(&records[2], "rowtide.id").is_some_and(|id| id.ends_with("/1.2")));
    driver.stop().await;
}

/// Through several keys in one transaction: what is gone by then is told from what could not be read.
#[tokio::test]
async fn a_row_that_went_on_is_gone_and_the_last_one_has_its_value() {
    let database = Database::new(&format!(
        "{LARGE} INSERT INTO t VALUES (1, 0, repeat('x', 6400)), (2, 0, repeat('y', 6400))"
    ))
    .await;
    let mut driver = after_snapshot(&database, 2, &[]).await;
    // The two rows change places.
    database
        .run("BEGIN; UPDATE t SET id = 3 WHERE id = 1; UPDATE t SET id = 1 WHERE id = 2; UPDATE t SET id = 2 WHERE id = 3; COMMIT")
        .await;
    let records = driver.records(9).await;
    let shown: Vec<_> = records.iter().map(show).collect();
    assert_eq!(
        shown[2],
        "c p.public.t {id=3} null -> {id=3 v=0 big=__debezium_unavailable_value} __debezium.oldkey={id=1} \
         rowtide.unavailable=big"
    );
    assert_eq!(header(&records[2], "rowtide.gone").as_deref(), Some("true"));
    for (at, letter) in [(5, "y"), (8, "x")] {
        assert_eq!(large(&records[at], "big"), &big(letter), "{}", shown[at]);
        assert_eq!(header(&records[at], "rowtide.gone"), None);
    }
    driver.stop().await;
}

/// What comes back may be newer than the change; what made it newer follows.
#[tokio::test]
async fn a_value_that_changed_meanwhile_is_followed_by_its_change() {
    let database = Database::new(&format!("{LARGE} INSERT INTO t VALUES (1, 0, repeat('x', 6400))")).await;
    let mut driver = after_snapshot(&database, 1, &[]).await;
    database.run("UPDATE t SET id = 2").await;
    database.run("UPDATE t SET big = repeat('y', 6400), v = 1").await;
    database.run("UPDATE t SET id = 3").await;
    database.run("UPDATE t SET big = NULL").await;
    let records = driver.records(8).await;
    assert_eq!(
        header(&records[2], "rowtide.gone").as_deref(),
        Some("true"),
        "{}",
        show(&records[2])
    );
    assert_eq!(large(&records[3], "big"), &big("y"));
    assert_eq!(large(&records[6], "big"), &Value::Null, "{}", show(&records[6]));
    assert_eq!(header(&records[6], "rowtide.unavailable"), None);
    assert_eq!(large(&records[7], "big"), &Value::Null);
    driver.stop().await;
}

/// PG-076: those that have no placeholder too; each as if it had been sent.
#[tokio::test]
async fn every_type_that_can_be_stored_out_of_line_is_read_again() {
    let database = Database::new(
        "CREATE TABLE t (id int PRIMARY KEY, a text NOT NULL, bin bytea, list text[], num numeric NOT NULL, doc jsonb, ints int[]);
         ALTER TABLE t ALTER a SET STORAGE EXTERNAL, ALTER bin SET STORAGE EXTERNAL, ALTER list SET STORAGE EXTERNAL,
           ALTER num SET STORAGE EXTERNAL, ALTER doc SET STORAGE EXTERNAL, ALTER ints SET STORAGE EXTERNAL;
         INSERT INTO t SELECT 1, repeat(E'x\\'\\\\\\n\\t', 1000), decode(repeat('ab5c', 3000), 'hex'),
           ARRAY[repeat('y\"\\', 2000), NULL], (repeat('7', 9000) || '.5')::numeric,
           jsonb_build_object('k', repeat('z\"', 3000)), ARRAY(SELECT generate_series(1, 3000))",
    )
    .await;
    let mut driver = database.start(&[]).await;
    let read = driver.records(1).await;
    while database.confirmed().await == 0 {
        let batch = driver.batch().await;
        driver.commit(&batch);
    }
    database.run("UPDATE t SET id = 2").await;
    let records = driver.records(3).await;
    for column in ["a", "bin", "list", "num", "doc", "ints"] {
        assert_eq!(large(&records[2], column), large(&read[0], column), "{column}");
    }
    assert_eq!(header(&records[2], "rowtide.unavailable"), None);
    driver.stop().await;
}

/// Many in one transaction, of two tables, across batches.
#[tokio::test]
async fn a_large_transaction_of_key_changes_is_complete() {
    let database = Database::new(&format!(
        "{LARGE} CREATE TABLE \"T 2\" (\"k'1\" text, k2 numeric, \"b,ig\" bytea, PRIMARY KEY (\"k'1\", k2));
         ALTER TABLE \"T 2\" ALTER \"b,ig\" SET STORAGE EXTERNAL;
         INSERT INTO t SELECT g, g, repeat(md5(g::text), 100) FROM generate_series(1, 500) g;
         INSERT INTO \"T 2\" SELECT E'it''s \\\\ ' || g, g + 0.50, decode(repeat(md5(g::text), 100), 'hex') FROM generate_series(1, 200) g"
    ))
    .await;
    let mut driver = after_snapshot(&database, 700, &[]).await;
    database
        .run("BEGIN; UPDATE t SET id = -id; UPDATE \"T 2\" SET k2 = -k2; COMMIT")
        .await;
    let records = driver.records(3 * 700).await;
    let mut created = 0;
    for record in records
        .iter()
        .filter(|record| value(field(record, &["op"])) == "c")
    {
        created += 1;
        assert_eq!(header(record, "rowtide.unavailable"), None, "{}", show(record));
        if let Value::Int32(id) = field(record, &["after", "id"]) {
            let expected = database
                .value(&format!("SELECT repeat(md5('{}'), 100)", -id))
                .await;
            assert_eq!(value(large(record, "big")), expected);
        }
    }
    assert_eq!(created, 700);
    driver.stop().await;
}

#[tokio::test]
async fn fail_and_placeholder_do_what_they_say() {
    let database = Database::new(&format!("{LARGE} INSERT INTO t VALUES (1, 0, repeat('x', 6400))")).await;
    let fail = [("rowtide.unavailable.on.create", "fail")];
    let mut driver = after_snapshot(&database, 1, &fail).await;
    database.run("UPDATE t SET v = 5; UPDATE t SET id = 2").await;
    let before = driver.records(1).await;
    assert!(
        show(&before[0]).starts_with("u "),
        "what is complete comes out first"
    );
    let failure = driver.failure().await;
    assert!(
        failure.contains("a row of public.t begins without big")
            && failure.contains("ALTER TABLE \"public\".\"t\" REPLICA IDENTITY FULL")
            && failure.contains("rowtide.unavailable.on.create=placeholder"),
        "{failure}"
    );
    let stored = driver.stored();
    driver.stop().await;
    let placeholder = [("rowtide.unavailable.on.create", "placeholder")];
    let mut driver = database.start_at(stored, &placeholder).await;
    assert_eq!(
        driver.shown(3).await[2],
        "c p.public.t {id=2} null -> {id=2 v=5 big=__debezium_unavailable_value} __debezium.oldkey={id=1} \
         rowtide.unavailable=big"
    );
    driver.stop().await;
}

/// A publication's filter turns an update into an insert, and the unchanged value is not sent with it.
#[tokio::test]
async fn a_row_that_a_filter_lets_in_has_its_large_values() {
    let database = Database::new(
        "CREATE TABLE t (id int, shown bool, v int, big text, PRIMARY KEY (id)); ALTER TABLE t ALTER big SET STORAGE EXTERNAL;
         CREATE UNIQUE INDEX with_flag ON t (id, shown); ALTER TABLE t ALTER shown SET NOT NULL;
         ALTER TABLE t REPLICA IDENTITY USING INDEX with_flag;
         CREATE PUBLICATION dbz_publication FOR TABLE t WHERE (shown);
         INSERT INTO t VALUES (1, false, 0, repeat('x', 6400)), (2, true, 0, repeat('y', 6400))",
    )
    .await;
    let mut driver = after_snapshot(&database, 2, &[]).await;
    database.run("UPDATE t SET shown = true WHERE id = 1").await;
    database.run("UPDATE t SET shown = false WHERE id = 2").await;
    let records = driver.records(3).await;
    assert!(
        show(&records[0]).starts_with("c p.public.t {id=1} null"),
        "{}",
        show(&records[0])
    );
    assert_eq!(large(&records[0], "big"), &big("x"));
    assert_eq!(header(&records[0], "rowtide.unavailable"), None);
    assert!(
        show(&records[1]).starts_with("d p.public.t {id=2}"),
        "{}",
        show(&records[1])
    );
    driver.stop().await;
}

/// A partition's own identity decides what an old tuple holds, whatever the partitioned table claims in the stream.
#[tokio::test]
async fn rows_that_move_between_partitions_keep_their_large_values() {
    let database = Database::new(
        "CREATE TABLE t (id int, part int, v int, big text, PRIMARY KEY (id, part)) PARTITION BY LIST (part);
         ALTER TABLE t ALTER big SET STORAGE EXTERNAL;
         CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1); CREATE TABLE t2 PARTITION OF t FOR VALUES IN (2, 3);
         ALTER TABLE t REPLICA IDENTITY FULL;
         CREATE PUBLICATION dbz_publication FOR TABLE t WITH (publish_via_partition_root = true);
         INSERT INTO t VALUES (1, 1, 0, repeat('x', 6400))",
    )
    .await;
    let root = [("table.include.list", "public.t")];
    let mut driver = after_snapshot(&database, 1, &root).await;
    database.run("UPDATE t SET v = 1").await;
    database.run("UPDATE t SET part = 2").await;
    database.run("UPDATE t SET part = 3").await;
    database.run("UPDATE t SET id = 2").await;
    let records = driver.records(1 + 3 + 3 + 3).await;
    // The partitions' identity is the default one, so the old tuple that calls itself whole is not.
    assert_eq!(
        header(&records[0], "rowtide.unavailable").as_deref(),
        Some("big"),
        "{}",
        show(&records[0])
    );
    let created: Vec<_> = records
        .iter()
        .filter(|record| value(field(record, &["op"])) == "c")
        .collect();
    assert_eq!(
        created.len(),
        3,
        "{:#?}",
        records.iter().map(show).collect::<Vec<_>>()
    );
    let last = created[2];
    assert_eq!(large(last, "big"), &big("x"), "{}", show(last));
    for record in created {
        let gone = header(record, "rowtide.gone").is_some();
        assert!(gone || large(record, "big") == &big("x"), "{}", show(record));
    }
    driver.stop().await;
}

/// A key that is itself stored out of line is not sent when it does not change; the old tuple has it.
#[tokio::test]
async fn a_large_key_is_never_a_placeholder() {
    let key = "(SELECT string_agg(md5(g::text), '') FROM generate_series(1, 70) g)";
    let database = Database::new(&format!(
        "CREATE TABLE t (k text PRIMARY KEY, v int, big text);
         ALTER TABLE t ALTER k SET STORAGE EXTERNAL, ALTER big SET STORAGE EXTERNAL;
         INSERT INTO t VALUES ({key}, 0, repeat('x', 6400))"
    ))
    .await;
    let whole = database.value("SELECT k FROM t").await;
    let mut driver = after_snapshot(&database, 1, &[]).await;
    database.run("UPDATE t SET v = 1").await;
    database.run("UPDATE t SET k = 'short'").await;
    database.run(&format!("UPDATE t SET k = {key}")).await;
    let records = driver.records(1 + 3 + 3).await;
    assert_eq!(value(&records[0].key.value), format!("{{k={whole}}}"));
    assert_eq!(value(large(&records[0], "k")), whole);
    assert_eq!(header(&records[0], "rowtide.unavailable").as_deref(), Some("big"));
    assert_eq!(value(&records[1].key.value), format!("{{k={whole}}}"));
    assert_eq!(header(&records[3], "rowtide.gone").as_deref(), Some("true"));
    assert_eq!(large(&records[6], "big"), &big("x"));
    assert_eq!(value(&records[6].key.value), format!("{{k={whole}}}"));
    driver.stop().await;
}

/// Without a snapshot nobody knows which rows were sent: the first record of each is whole.
#[tokio::test]
async fn the_first_record_behind_a_known_gap_is_whole() {
    let database = Database::new(&format!(
        "{LARGE} INSERT INTO t VALUES (1, 0, repeat('x', 6400)), (2, 0, 'small')"
    ))
    .await;
    let no_data = [("snapshot.mode", "no_data")];
    let mut driver = crate::changes::streaming(&database, &no_data).await;
    database.run("UPDATE t SET v = v + 1").await;
    database.run("UPDATE t SET v = v + 1").await;
    let records = driver.records(4).await;
    assert_eq!(large(&records[0], "big"), &big("x"));
    assert_eq!(header(&records[0], "rowtide.unavailable"), None);
    assert_eq!(large(&records[1], "big"), &Value::from("small"));
    assert_eq!(
        header(&records[2], "rowtide.unavailable").as_deref(),
        Some("big"),
        "the row has begun"
    );
    let stored = driver.stored();
    assert_eq!(
        stored.as_ref().and_then(|offset| offset.bool("rowtide_gap")),
        Some(true)
    );
    driver.stop().await;
    // Another mode does not fill the gap.
    let mut driver = database.start_at(stored, &[]).await;
    database.run("UPDATE t SET v = v + 1 WHERE id = 1").await;
    let records = driver.records(1).await;
    assert_eq!(large(&records[0], "big"), &big("x"));
    driver.stop().await;
}

/// What is published only from now on had rows before.
#[tokio::test]
async fn a_table_that_joins_a_publication_is_a_known_gap() {
    let database = Database::new(&format!(
        "CREATE TABLE first (id int PRIMARY KEY); {LARGE} INSERT INTO t VALUES (1, 0, repeat('x', 6400))"
    ))
    .await;
    let filtered = ("publication.autocreate.mode", "filtered");
    let driver = after_snapshot(&database, 0, &[filtered, ("table.include.list", "public.first")]).await;
    let stored = driver.stored();
    assert_eq!(
        stored.as_ref().and_then(|offset| offset.bool("rowtide_gap")),
        None
    );
    driver.stop().await;
    let mut driver = database.start_at(stored, &[filtered]).await;
    while database
        .value("SELECT count(*) FROM pg_publication_tables WHERE tablename = 't'")
        .await
        == "0"
    {
        tokio::select! {
            batch = driver.batch() => driver.commit(&batch),
            () = tokio::time::sleep(std::time::Duration::from_millis(50)) => {}
        }
    }
    database.run("UPDATE t SET v = 1").await;
    let records = driver.records(1).await;
    assert_eq!(large(&records[0], "big"), &big("x"), "{}", show(&records[0]));
    driver.stop().await;
}

/// The stream names a table as it was called when the change was written.
#[tokio::test]
async fn a_table_that_was_renamed_altered_or_dropped_meanwhile() {
    let database = Database::new(&format!(
        "{LARGE} ALTER TABLE t ADD doc text; ALTER TABLE t ALTER doc SET STORAGE EXTERNAL;
         INSERT INTO t VALUES (1, 0, repeat('x', 6400), repeat('d', 6400));
         CREATE TABLE other (LIKE t INCLUDING ALL); INSERT INTO other VALUES (2, 0, 'wrong', 'wrong'), (3, 0, 'wrong', 'wrong');
         CREATE TABLE g (LIKE t INCLUDING ALL); INSERT INTO g SELECT * FROM t;"
    ))
    .await;
    let mut driver = after_snapshot(&database, 4, &[]).await;
    // Another table bears its name by the time its value is read again.
    database
        .run("UPDATE t SET id = 2; ALTER TABLE t RENAME TO t_old; ALTER TABLE other RENAME TO t")
        .await;
    let records = driver.records(3).await;
    assert_eq!(large(&records[2], "big"), &big("x"), "{}", show(&records[2]));
    database
        .run("UPDATE t_old SET id = 3; ALTER TABLE t_old DROP doc")
        .await;
    let records = driver.records(3).await;
    assert_eq!(large(&records[2], "big"), &big("x"), "{}", show(&records[2]));
    assert_eq!(header(&records[2], "rowtide.unavailable").as_deref(), Some("doc"));
    assert_eq!(header(&records[2], "rowtide.gone"), None);
    database.run("UPDATE g SET id = 2; DROP TABLE g").await;
    let records = driver.records(3).await;
    assert_eq!(
        header(&records[2], "rowtide.unavailable").as_deref(),
        Some("big,doc")
    );
    assert_eq!(header(&records[2], "rowtide.gone"), None);
    driver.stop().await;
}

/// A row that a policy hides is not one that is gone, and a table that may not be read is not an empty one.
#[tokio::test]
async fn a_table_that_cannot_be_read_fails_with_the_next_step() {
    let database = Database::new(&format!(
        "{LARGE} INSERT INTO t VALUES (1, 0, repeat('x', 6400)); CREATE PUBLICATION dbz_publication FOR TABLE t"
    ))
    .await;
    let role = format!("blind_{}", database.name);
    database
        .run(&format!(
            "CREATE ROLE {role} LOGIN REPLICATION; GRANT SELECT ON t TO {role}"
        ))
        .await;
    let rule = format!(
        "host {0} {role} 127.0.0.1/32 trust\nhost replication {role} 127.0.0.1/32 trust",
        database.name
    );
    rules(database.stack, &role, &rule).await;
    let login = [("database.user", role.as_str())];
    let mut driver = after_snapshot(&database, 1, &login).await;
    database
        .run("ALTER TABLE t ENABLE ROW LEVEL SECURITY; UPDATE t SET id = 2")
        .await;
    let failure = driver.failure().await;
    assert!(
        failure.contains("a row of public.t begins without big")
            && failure.contains("row-level security")
            && failure.contains("REPLICA IDENTITY FULL"),
        "{failure}"
    );
    database
        .run(&format!(
            "ALTER TABLE t DISABLE ROW LEVEL SECURITY; REVOKE SELECT ON t FROM {role}"
        ))
        .await;
    let failure = driver.failure().await;
    assert!(
        failure.contains("42501") && failure.contains("REPLICA IDENTITY FULL"),
        "{failure}"
    );
    // Nothing was passed over: with the right the change comes as it was.
    database.run(&format!("GRANT SELECT ON t TO {role}")).await;
    let records = driver.records(3).await;
    assert_eq!(large(&records[2], "big"), &big("x"));
    driver.stop().await;
}

/// A session that ends is opened anew, and nothing is passed over.
#[tokio::test]
async fn a_reader_that_is_cut_off_begins_again() {
    let database = Database::new(&format!("{LARGE} INSERT INTO t VALUES (1, 0, repeat('x', 6400))")).await;
    let mut driver = after_snapshot(&database, 1, &[]).await;
    for id in 2..5 {
        database.run(&format!("UPDATE t SET id = {id}")).await;
        let records = driver.records(3).await;
        assert_eq!(large(&records[2], "big"), &big("x"));
        let sql = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE application_name = 'Rowtide Reselect' AND datname = '{}'",
            database.name
        );
        assert_eq!(database.value(&sql).await, "1");
    }
    driver.stop().await;
}

/// The server sends a change when its commit is in the log. With a synchronous standby that does not answer, nobody else sees
/// it yet: the row is not gone, it is not there yet.
#[tokio::test]
async fn a_change_that_nobody_sees_yet_is_waited_for() {
    let stack: &'static Stack = Box::leak(Box::new(Stack::bare(&["postgres"])));
    let database = Database::on(
        stack,
        &format!("{LARGE} INSERT INTO t VALUES (1, 0, repeat('x', 6400))"),
    )
    .await;
    let mut driver = after_snapshot(&database, 1, &[]).await;
    database
        .run("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        .await;
    database.run("SELECT pg_reload_conf()").await;
    while database.value("SHOW synchronous_standby_names").await != "nobody" {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let writer = session(stack, &database.name).await;
    let write = tokio::spawn(async move { writer.rows("UPDATE t SET id = 2", "writing").await.map(|_| ()) });
    let meanwhile = tokio::time::timeout(std::time::Duration::from_secs(2), async {
        loop {
            let batch = driver.batch().await;
            driver.commit(&batch);
            assert_eq!(
                batch.records.len(),
                0,
                "{:#?}",
                batch.records.iter().map(show).collect::<Vec<_>>()
            );
        }
    });
    assert!(meanwhile.await.is_err());
    assert_eq!(
        database.value("SELECT id FROM t").await,
        "1",
        "others do not see it"
    );
    database.run("ALTER SYSTEM RESET synchronous_standby_names").await;
    database.run("SELECT pg_reload_conf()").await;
    let records = driver.records(3).await;
    assert_eq!(large(&records[2], "big"), &big("x"), "{}", show(&records[2]));
    assert_eq!(header(&records[2], "rowtide.gone"), None);
    write.await.unwrap().unwrap();
    driver.stop().await;
}

/// Names in the header are those of the record's fields.
#[tokio::test]
async fn the_header_names_the_fields_of_the_record() {
    let database = Database::new(
        "CREATE TABLE t (id int PRIMARY KEY, v int, \"my,number\" numeric, \"my-text\" text, left_out text);
         ALTER TABLE t ALTER \"my,number\" SET STORAGE EXTERNAL, ALTER \"my-text\" SET STORAGE EXTERNAL,
           ALTER left_out SET STORAGE EXTERNAL;
         INSERT INTO t VALUES (1, 0, repeat('7', 9000)::numeric, repeat('x', 6400), repeat('y', 6400))",
    )
    .await;
    for (adjustment, expected) in [("avro", "my_number,my_text"), ("none", "\"my,number\",my-text")] {
        let more = [
            ("field.name.adjustment.mode", adjustment),
            ("column.exclude.list", "public.t.left_out"),
            ("slot.name", &format!("{}_{adjustment}", database.slot())),
        ];
        let mut driver = database.start(&more).await;
        driver.records(1).await;
        database.run("UPDATE t SET v = v + 1").await;
        let records = driver.records(1).await;
        assert_eq!(
            header(&records[0], "rowtide.unavailable").as_deref(),
            Some(expected)
        );
        driver.stop().await;
    }
}

/// Told once at validate, with what will happen and the statement that avoids it.
#[tokio::test]
async fn validate_names_tables_that_can_lose_a_value_with_their_key() {
    let database = Database::new(&format!(
        "{LARGE} CREATE TABLE safe (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, big text);
         CREATE TABLE whole (id int PRIMARY KEY, big text); ALTER TABLE whole REPLICA IDENTITY FULL;
         CREATE TABLE odd (id int PRIMARY KEY, n int NOT NULL); CREATE UNIQUE INDEX by_n ON odd (n);
         ALTER TABLE odd REPLICA IDENTITY USING INDEX by_n"
    ))
    .await;
    let report = database.check(&[]).await;
    let warnings: Vec<_> = report
        .warnings()
        .iter()
        .map(|finding| format!("{}: {}", finding.key, finding.message))
        .collect();
    let about = |text: &str| warnings.iter().filter(|warning| warning.contains(text)).count();
    assert_eq!(
        about("rowtide.unavailable.on.create: public.t (big) may be stored out of line"),
        1,
        "{warnings:#?}"
    );
    assert_eq!(
        about("ALTER TABLE \"public\".\"t\" REPLICA IDENTITY FULL"),
        1,
        "{warnings:#?}"
    );
    assert_eq!(
        about("the replica identity of public.odd (id) lacks part of the key"),
        1,
        "{warnings:#?}"
    );
    assert_eq!(about("public.safe") + about("public.whole"), 0, "{warnings:#?}");
}
