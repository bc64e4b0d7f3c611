//! Every column type through the whole road, with what lies at its edges.

use rowtide_testkit::worker::eventually;
use serde_json::{Value, json};

use crate::avro::Reader;
use crate::kafka;
use crate::place::{PATIENCE, Place};

/// Column, type in Postgres, type in Cassandra, and how to ask Cassandra for it. JSON has no decimals, no NaN and no
/// years of six digits, so those are asked for as text and as milliseconds.
const COLUMNS: &[(&str, &str, &str, &str)] = &[
    ("b", "boolean", "boolean", "b"),
    ("i2", "smallint", "smallint", "i2"),
    ("i4", "integer", "int", "i4"),
    ("i8", "bigint", "bigint", "i8"),
    ("f4", "real", "float", "cast(f4 as text) as f4"),
    ("f8", "double precision", "double", "cast(f8 as text) as f8"),
    ("n", "numeric(20,4)", "decimal", "cast(n as text) as n"),
    ("nv", "numeric", "decimal", "cast(nv as text) as nv"),
    ("t", "text", "text", "t"),
    ("v", "varchar(20)", "text", "v"),
    ("c", "char(5)", "text", "c"),
    ("nm", "name", "text", "nm"),
    ("ba", "bytea", "blob", "ba"),
    ("u", "uuid", "uuid", "u"),
    ("j", "json", "text", "j"),
    ("jb", "jsonb", "text", "jb"),
    ("d", "date", "date", "to_unix_timestamp(d) as d"),
    ("tm", "time", "time", "tm"),
    ("tm3", "time(3)", "time", "tm3"),
    ("ts", "timestamp", "timestamp", "to_unix_timestamp(ts) as ts"),
    (
        "ts3",
        "timestamp(3)",
        "timestamp",
        "to_unix_timestamp(ts3) as ts3",
    ),
    ("tz", "timestamptz", "timestamp", "to_unix_timestamp(tz) as tz"),
    ("tz0", "timestamptz(0)", "text", "tz0"),
    ("ab", "boolean[]", "list<boolean>", "ab"),
    ("ai2", "smallint[]", "list<smallint>", "ai2"),
    ("ai4", "integer[]", "list<int>", "ai4"),
    ("ai8", "bigint[]", "list<bigint>", "ai8"),
    ("af4", "real[]", "list<float>", "af4"),
    ("af8", "double precision[]", "list<double>", "af8"),
    ("at", "text[]", "list<text>", "at"),
    ("av", "varchar(5)[]", "set<text>", "av"),
    ("au", "uuid[]", "list<uuid>", "au"),
];

/// A row: what Postgres is given, what the record holds, what Cassandra answers with.
struct Case {
    column: &'static str,
    sql: &'static str,
    kafka: Value,
    cassandra: Value,
}

fn case(column: &'static str, sql: &'static str, kafka: Value, cassandra: Value) -> Case {
    Case {
        column,
        sql,
        kafka,
        cassandra,
    }
}

const UUID: &str = "0f0e0d0c-0b0a-4988-8766-554433221100";

fn ordinary() -> Vec<Case> {
    let same = |column, sql, value: Value| case(column, sql, value.clone(), value);
    vec![
        same("b", "true", json!(true)),
        same("i2", "7", json!(7)),
        same("i4", "-70000", json!(-70_000)),
        same("i8", "5000000000", json!(5_000_000_000_i64)),
        case("f4", "1.5", json!(1.5), json!("1.5")),
        case("f8", "-0.1", json!(-0.1), json!("-0.1")),
        // 12345 at the scale 4: 123450000.
        case("n", "12345", json!("075bb290"), json!("12345.0000")),
        case(
            "nv",
            "-12.50",
            json!({ "scale": 1, "value": "83" }),
            json!("-12.5"),
        ),
        same("t", "'Grüße, \"x\" \\ '", json!("Grüße, \"x\" \\ ")),
        same("v", "'varchar'", json!("varchar")),
        same("c", "'ab'", json!("ab   ")),
        same("nm", "'a_name'", json!("a_name")),
        case("ba", "'\\x00ff10'", json!("00ff10"), json!("0x00ff10")),
        same("u", "'0f0e0d0c-0b0a-4988-8766-554433221100'", json!(UUID)),
        same(
            "j",
            "'{\"b\":1,  \"a\":[null]}'",
            json!("{\"b\":1,  \"a\":[null]}"),
        ),
        same(
            "jb",
            "'{\"b\":1,  \"a\":[null]}'",
            json!("{\"a\": [null], \"b\": 1}"),
        ),
        case("d", "'2016-11-04'", json!(17_109), json!(17_109 * 86_400_000_i64)),
        case(
            "tm",
            "'04:05:06.789123'",
            json!(14_706_789_123_i64),
            json!("04:05:06.789123000"),
        ),
        case(
            "tm3",
            "'04:05:06.789'",
            json!(14_706_789),
            json!("04:05:06.789000000"),
        ),
        case(
            "ts",
            "'2016-11-04 13:51:30.123456'",
            json!(1_478_267_490_123_456_i64),
            json!(1_478_267_490_123_i64),
        ),
        case(
            "ts3",
            "'2016-11-04 13:51:30.123'",
            json!(1_478_267_490_123_i64),
            json!(1_478_267_490_123_i64),
        ),
        case(
            "tz",
            "'2016-11-04 13:51:30.123456+02'",
            json!("2016-11-04T11:51:30.123456Z"),
            json!(1_478_260_290_123_i64),
        ),
        same("tz0", "'2016-11-04 13:51:30+02'", json!("2016-11-04T11:51:30Z")),
        same("ab", "'{t,f}'", json!([true, false])),
        same("ai2", "'{1,-1}'", json!([1, -1])),
        same("ai4", "'{1,70000}'", json!([1, 70_000])),
        same("ai8", "'{5000000000}'", json!([5_000_000_000_i64])),
        same("af4", "'{1.5,-2}'", json!([1.5, -2.0])),
        same("af8", "'{0.1}'", json!([0.1])),
        same(
            "at",
            "'{a,\"b,c\",\"\",\"NULL\"}'",
            json!(["a", "b,c", "", "NULL"]),
        ),
        same("av", "'{x}'", json!(["x"])),
        same("au", "'{0f0e0d0c-0b0a-4988-8766-554433221100}'", json!([UUID])),
    ]
}

/// The largest of each type.
fn largest() -> Vec<Case> {
    let same = |column, sql, value: Value| case(column, sql, value.clone(), value);
    vec![
        same("b", "false", json!(false)),
        same("i2", "32767", json!(i16::MAX)),
        same("i4", "2147483647", json!(i32::MAX)),
        same("i8", "9223372036854775807", json!(i64::MAX)),
        case("f4", "3.4028235e38", json!(f32::MAX), json!("3.4028235E38")),
        case(
            "f8",
            "1.7976931348623157e308",
            json!(f64::MAX),
            json!("1.7976931348623157E308"),
        ),
        // 99999999999999999999 is 2^66 and more: nine bytes.
        case(
            "n",
            "9999999999999999.9999",
            json!("056bc75e2d630fffff"),
            json!("9999999999999999.9999"),
        ),
        case(
            "nv",
            "123456789012345678901234567890.5",
            json!({ "scale": 1, "value": "0f951a9fa3a286c94f0e766c39"}),
            json!("123456789012345678901234567890.5"),
        ),
        same("t", "''", json!("")),
        same("v", "''", json!("")),
        case("ba", "''", json!(""), json!("0x")),
        case(
            "d",
            "'5874897-12-31'",
            json!(2_145_042_905),
            json!(2_145_042_905_i64 * 86_400_000),
        ),
        case(
            "tm",
            "'23:59:59.999999'",
            json!(86_399_999_999_i64),
            json!("23:59:59.999999000"),
        ),
        case(
            "ts",
            "'294246-12-31 23:59:59.999999'",
            json!(9_223_371_244_799_999_999_i64),
            json!(9_223_371_244_799_999_i64),
        ),
        case(
            "tz",
            "'12016-11-04 13:51:30+00'",
            json!("+12016-11-04T13:51:30.000000Z"),
            json!(317_047_787_490_000_i64),
        ),
        // An empty collection is none in Cassandra.
        case("ab", "'{}'", json!([]), Value::Null),
        case("at", "'{}'", json!([]), Value::Null),
    ]
}

/// The smallest of each type.
fn smallest() -> Vec<Case> {
    let same = |column, sql, value: Value| case(column, sql, value.clone(), value);
    vec![
        same("i2", "-32768", json!(i16::MIN)),
        same("i4", "-2147483648", json!(i32::MIN)),
        same("i8", "-9223372036854775808", json!(i64::MIN)),
        case("f4", "1e-45", json!(1e-45_f32), json!("1.4E-45")),
        case("f8", "5e-324", json!(5e-324), json!("4.9E-324")),
        case(
            "n",
            "-9999999999999999.9999",
            json!("fa9438a1d29cf00001"),
            json!("-9999999999999999.9999"),
        ),
        case("nv", "0.000", json!({ "scale": 0, "value": "00" }), json!("0")),
        case(
            "d",
            "'4713-01-01 BC'",
            json!(-2_440_550),
            json!(-2_440_550_i64 * 86_400_000),
        ),
        case("tm", "'00:00:00'", json!(0), json!("00:00:00.000000000")),
        case(
            "ts",
            "'1969-12-31 23:59:59.999999'",
            json!(-1),
            // Milliseconds are the floor: the instant before the epoch stays before it.
            json!(-1),
        ),
        case(
            "ts3",
            "'0044-03-15 12:00:00 BC'",
            json!(-63_517_780_800_000_i64),
            json!(-63_517_780_800_000_i64),
        ),
        case(
            "tz",
            "'0002-01-01 00:00:00+00 BC'",
            json!("-0001-01-01T00:00:00.000000Z"),
            json!(-62_198_755_200_000_i64),
        ),
    ]
}

/// What is no number.
fn odd() -> Vec<Case> {
    vec![
        case("f4", "'NaN'", json!("NaN"), json!("NaN")),
        case("f8", "'Infinity'", json!("inf"), json!("Infinity")),
        // No Decimal holds it; the field is optional, so it is null, and the task says so.
        case("n", "'NaN'", Value::Null, Value::Null),
    ]
}

fn nothing() -> Vec<Case> {
    COLUMNS
        .iter()
        .map(|(column, ..)| case(column, "null", Value::Null, Value::Null))
        .collect()
}

/// PG-087 to PG-132, CS-042 to CS-046, AV-020: every supported type, once as a snapshot row and once as a change, in the
/// record as another reader of Avro finds it, and in a Cassandra column of the type that fits.
#[test]
fn every_type_arrives_as_it_was() {
    let place = Place::new("types");
    let columns =
        |of: fn(&(&str, &str, &str, &str)) -> String| COLUMNS.iter().map(of).collect::<Vec<_>>().join(", ");
    place.sql(&format!(
        "create table kinds (id int primary key, {})",
        columns(|(name, kind, ..)| format!("{name} {kind}"))
    ));
    place.cql(&format!(
        "create table {}.kinds (id int primary key, {})",
        place.name,
        columns(|(name, _, kind, _)| format!("{name} {kind}"))
    ));
    let rows = [ordinary(), largest(), smallest(), odd(), nothing()];
    let insert = |shift: usize| {
        let statements: Vec<_> = rows
            .iter()
            .enumerate()
            .map(|(index, row)| statement(index + shift, row))
            .collect();
        place.sql(&statements.join("; "));
    };
    insert(0);
    let worker = place.worker();
    place.source("kinds").run(&worker, "source");
    let mapping = columns(|(name, ..)| format!("{name}=value.{name}"));
    let topic = place.topic("kinds");
    place
        .sink("kinds", &format!("id=value.id, {mapping}"))
        .set(&place.table_key(&topic, "kinds", "inputFormat"), "debezium")
        .run(&worker, "sink");
    kafka::read(place.stack, &topic, "the snapshot", |found| {
        found.len() == rows.len()
    });
    insert(rows.len());
    let records = kafka::read(place.stack, &topic, "every row", |found| {
        found.len() == 2 * rows.len()
    });

    let reader = Reader::new(&worker.registry);
    let mut wrong = Vec::new();
    for record in &records {
        let after = reader.json(record.value.as_deref())["after"].clone();
        let id = after["id"].as_u64().expect("an id") as usize;
        for case in &rows[id % rows.len()] {
            if after[case.column] != case.kafka {
                wrong.push(format!(
                    "{} {}: {}, not {}",
                    case.column, case.sql, after[case.column], case.kafka
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "in Kafka:\n{}", wrong.join("\n"));

    let query = format!(
        "select json id, {} from {}.kinds",
        columns(|(.., asked)| (*asked).to_owned()),
        place.name
    );
    eventually("every row in Cassandra", PATIENCE, || {
        let status = worker.ask("GET", "/connectors/sink/status", None);
        assert!(!status.body.contains("FAILED"), "{}", status.body);
        (place.cql(&query).len(), 2 * rows.len())
    });
    for found in place.cql(&query) {
        let id = found["id"].as_u64().expect("an id") as usize;
        for case in &rows[id % rows.len()] {
            if found[case.column] != case.cassandra {
                wrong.push(format!(
                    "{} {}: {}, not {}",
                    case.column, case.sql, found[case.column], case.cassandra
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "in Cassandra:\n{}", wrong.join("\n"));
}

fn statement(id: usize, row: &[Case]) -> String {
    let names: Vec<_> = row.iter().map(|case| case.column).collect();
    let values: Vec<_> = row.iter().map(|case| case.sql).collect();
    format!(
        "insert into kinds (id, {}) values ({id}, {})",
        names.join(", "),
        values.join(", ")
    )
}

/// PG-126, PG-127, PG-132: what only a consumer of Kafka can hold: infinite dates, and lists with nulls in them.
#[test]
fn what_cassandra_cannot_hold_is_in_the_record_and_named_by_the_sink() {
    let place = Place::new("unfit");
    place.sql(
        "create table odd (id int primary key, ts timestamp, tz timestamptz, d date, ai int[], at text[]); \
         insert into odd values (1, 'infinity', '-infinity', '-infinity', '{1,null}', '{null,\"null\"}')",
    );
    let worker = place.worker();
    place.source("odd").run(&worker, "source");
    let topic = place.topic("odd");
    let records = kafka::read(place.stack, &topic, "the row", |found| found.len() == 1);
    let after = Reader::new(&worker.registry).json(records[0].value.as_deref())["after"].clone();
    assert_eq!(
        after,
        json!({
            "id": 1, "ts": 9_223_372_036_825_200_000_i64, "tz": "-infinity", "d": -2_147_472_691,
            "ai": [1, null], "at": [null, "null"],
        })
    );
    for (column, kind, words) in [
        ("tz", "timestamp", "tz"),
        ("ai", "list<int>", "null element"),
        ("at", "int", "at"),
    ] {
        place.cql(&format!(
            "create table {}.odd_{column} (id int primary key, {column} {kind})",
            place.name
        ));
        let table = format!("odd_{column}");
        place
            .sink_of(&topic, &table, &format!("id=value.id, {column}=value.{column}"))
            .set(&place.table_key(&topic, &table, "inputFormat"), "debezium")
            .create(&worker, &table);
        let status = worker.await_state(&table, "FAILED").to_string();
        for words in [words, &format!("column {column} of"), "offset 0"] {
            assert!(status.contains(words), "{words} is missing: {status}");
        }
    }
}

/// PG-106, PG-113: a type that is not supported is refused by name, with the way out.
#[test]
fn an_unsupported_type_is_refused_with_the_setting_that_leaves_it_out() {
    let place = Place::new("refused");
    place.sql("create table shapes (id int primary key, p point, iv interval)");
    let worker = place.worker();
    let source = place.source("shapes");
    source.create(&worker, "source");
    let status = worker.await_state("source", "FAILED").to_string();
    for words in ["public.shapes", "point", "interval", "column.exclude.list"] {
        assert!(status.contains(words), "{words} is missing: {status}");
    }
    let worker_lives = worker.ask("GET", "/connectors", None);
    assert_eq!(worker_lives.status, 200);
    let mended = source.set("column.exclude.list", r"public\.shapes\.(p|iv)");
    let answer = worker.ask("PUT", "/connectors/source/config", Some(&mended.json()));
    assert_eq!(answer.status, 200, "{}", answer.body);
    eventually("the mended source", PATIENCE, || {
        let status = worker.ask("GET", "/connectors/source/status", None).json();
        (status["tasks"][0]["state"].clone(), json!("RUNNING"))
    });
    place.sql("insert into shapes values (1, '(1,2)', '1 day')");
    let records = kafka::read(place.stack, &place.topic("shapes"), "the row", |found| {
        found.len() == 1
    });
    let after = Reader::new(&worker.registry).json(records[0].value.as_deref())["after"].clone();
    assert_eq!(after, json!({ "id": 1 }));
}
