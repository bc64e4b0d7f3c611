//! Values of every type: the server prints them, no code of ours is between.

use std::sync::Arc;

use rowtide_api::{Blob, Kind, Schema, Value};

use crate::harness::{Database, null, row};

fn named(kind: Kind, name: &str) -> Arc<Schema> {
    Schema::of(kind).name(name).optional().build()
}

fn plain(kind: Kind) -> Arc<Schema> {
    Schema::of(kind).optional().build()
}

fn decimal(scale: &str) -> Arc<Schema> {
    let schema = Schema::of(Kind::Bytes).name("org.apache.kafka.connect.data.Decimal");
    schema.parameter("scale", scale).optional().build()
}

/// Writes a value into a column of each type and reads it back as the server shows it.
async fn check(cases: &[(&str, Arc<Schema>, Value, &str)]) {
    let columns = cases.iter().enumerate();
    let columns: Vec<_> = columns
        .map(|(index, (kind, ..))| format!("c{index} {kind}"))
        .collect();
    let database = Database::new(&format!(
        "CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN positive AS int CHECK (VALUE > 0);
         CREATE SCHEMA odd; CREATE TYPE odd.\"Mo od\" AS ENUM ('a');
         CREATE TABLE t (id int PRIMARY KEY, {})",
        columns.join(", ")
    ))
    .await;
    let mut sink = database.sink(&[]).await;
    let names: Vec<_> = (0..cases.len()).map(|index| format!("c{index}")).collect();
    let fields = names.iter().zip(cases);
    let fields = fields.map(|(name, (_, schema, value, _))| (name.as_str(), schema.clone(), value.clone()));
    let report = sink.written(vec![row(1, fields.collect())]).await;
    assert_eq!(report.written, 1, "{report:?}");
    for (name, (kind, _, value, expected)) in names.iter().zip(cases) {
        let shown = database.value(&format!("SELECT {name}::text FROM t")).await;
        assert_eq!(shown, *expected, "{kind} from {value:?}");
    }
    // The same again: what is there is equal to itself.
    let fields = names.iter().zip(cases);
    let fields = fields.map(|(name, (_, schema, value, _))| (name.as_str(), schema.clone(), value.clone()));
    assert_eq!(sink.written(vec![row(1, fields.collect())]).await.written, 1);
    // And a null into each.
    sink.written(vec![row(1, names.iter().map(|name| null(name)).collect())])
        .await;
    for name in &names {
        let is_null = database.value(&format!("SELECT {name} IS NULL FROM t")).await;
        assert_eq!(is_null, "t", "{name}");
    }
}

#[tokio::test]
async fn text_is_cast_to_the_type_of_its_column() {
    let cases = [
        (
            "uuid",
            "6BA7B810-9DAD-41D1-80B4-00C04FD430C8",
            "6ba7b810-9dad-41d1-80b4-00c04fd430c8",
        ),
        (
            "numeric",
            "-12345678901234567890.0123456789",
            "-12345678901234567890.0123456789",
        ),
        ("numeric(6,2)", "1234.5", "1234.50"),
        ("smallint", "-5", "-5"),
        ("integer", " 7 ", "7"),
        ("bigint", "9223372036854775807", "9223372036854775807"),
        ("real", "1.5", "1.5"),
        ("double precision", "NaN", "NaN"),
        ("boolean", "yes", "true"),
        (
            "timestamp",
            "2016-11-04T13:51:30.123456",
            "2016-11-04 13:51:30.123456",
        ),
        (
            "timestamp(3)",
            "2016-11-04 13:51:30.123456",
            "2016-11-04 13:51:30.123",
        ),
        (
            "timestamptz",
            "2016-11-04T13:51:30+02:00",
            "2016-11-04 11:51:30+00",
        ),
        ("date", "2016-11-04", "2016-11-04"),
        ("time", "04:05:06.789", "04:05:06.789"),
        ("timetz", "04:05:06+02", "04:05:06+02"),
        ("interval", "P1Y2M3DT4H5M6S", "1 year 2 mons 3 days 04:05:06"),
        ("json", r#"{"b": 1,  "a":2}"#, r#"{"b": 1,  "a":2}"#),
        ("jsonb", r#"{"b": 1,  "a":2}"#, r#"{"a": 2, "b": 1}"#),
        ("bytea", "\\x00ff", "\\x00ff"),
        ("varchar(5)", "grün", "grün"),
        ("char(4)", "ab", "ab"),
        ("text[]", r#"{"a b",c,NULL}"#, r#"{"a b",c,NULL}"#),
        ("integer[]", "{3,1}", "{3,1}"),
        ("inet", "2001:db8::1/64", "2001:db8::1/64"),
        ("macaddr", "08-00-2b-01-02-03", "08:00:2b:01:02:03"),
        ("bit(3)", "101", "101"),
        ("int4range", "[1,5)", "[1,5)"),
        ("point", "(1,2)", "(1,2)"),
        ("mood", "happy", "happy"),
        ("positive", "3", "3"),
        ("odd.\"Mo od\"", "a", "a"),
    ];
    let cases: Vec<_> = cases
        .into_iter()
        .map(|(kind, value, shown)| (kind, Schema::optional_text(), Value::from(value), shown))
        .collect();
    check(&cases).await;
}

#[tokio::test]
async fn connects_types_fit_their_columns() {
    check(&[
        ("boolean", plain(Kind::Bool), Value::Bool(true), "true"),
        ("smallint", plain(Kind::Int8), Value::Int8(-128), "-128"),
        ("smallint", plain(Kind::Int16), Value::Int16(-32768), "-32768"),
        (
            "integer",
            plain(Kind::Int32),
            Value::Int32(i32::MIN),
            "-2147483648",
        ),
        (
            "bigint",
            plain(Kind::Int64),
            Value::Int64(i64::MIN),
            "-9223372036854775808",
        ),
        ("numeric", plain(Kind::Int64), Value::Int64(7), "7"),
        ("text", plain(Kind::Int64), Value::Int64(7), "7"),
        ("real", plain(Kind::Float32), Value::Float32(0.1), "0.1"),
        (
            "real",
            plain(Kind::Float32),
            Value::Float32(f32::MIN_POSITIVE),
            "1.1754944e-38",
        ),
        (
            "double precision",
            plain(Kind::Float64),
            Value::Float64(f64::MAX),
            "1.7976931348623157e+308",
        ),
        (
            "double precision",
            plain(Kind::Float64),
            Value::Float64(f64::NEG_INFINITY),
            "-Infinity",
        ),
        (
            "double precision",
            plain(Kind::Float64),
            Value::Float64(f64::NAN),
            "NaN",
        ),
        (
            "bytea",
            plain(Kind::Bytes),
            Value::Bytes(Blob::copy(&[0, 255])),
            "\\x00ff",
        ),
        ("bytea", plain(Kind::Bytes), Value::Bytes(Blob::EMPTY), "\\x"),
        (
            "numeric",
            decimal("2"),
            Value::Bytes(Blob::copy(&[0xff, 0x7f])),
            "-1.29",
        ),
        (
            "numeric(8,3)",
            decimal("2"),
            Value::Bytes(Blob::copy(&[0x04, 0xd2])),
            "12.340",
        ),
        (
            "date",
            named(Kind::Int32, "org.apache.kafka.connect.data.Date"),
            Value::Int32(17_109),
            "2016-11-04",
        ),
        (
            "date",
            named(Kind::Int32, "io.debezium.time.Date"),
            Value::Int32(-735_160),
            "0044-03-15 BC",
        ),
        (
            "time",
            named(Kind::Int32, "io.debezium.time.Time"),
            Value::Int32(14_706_789),
            "04:05:06.789",
        ),
        (
            "time",
            named(Kind::Int64, "io.debezium.time.MicroTime"),
            Value::Int64(86_400_000_000),
            "24:00:00",
        ),
        (
            "timestamp",
            named(Kind::Int64, "org.apache.kafka.connect.data.Timestamp"),
            Value::Int64(1_478_267_490_123),
            "2016-11-04 13:51:30.123",
        ),
        (
            "timestamptz",
            named(Kind::Int64, "io.debezium.time.MicroTimestamp"),
            Value::Int64(-1),
            "1969-12-31 23:59:59.999999+00",
        ),
        (
            "timestamptz",
            named(Kind::Text, "io.debezium.time.ZonedTimestamp"),
            "2016-11-04T13:51:30.123456Z".into(),
            "2016-11-04 13:51:30.123456+00",
        ),
        (
            "timetz",
            named(Kind::Text, "io.debezium.time.ZonedTime"),
            "04:05:06Z".into(),
            "04:05:06+00",
        ),
        (
            "interval",
            named(Kind::Int64, "io.debezium.time.MicroDuration"),
            Value::Int64(90_000_000),
            "00:01:30",
        ),
        (
            "uuid",
            named(Kind::Text, "io.debezium.data.Uuid"),
            "6ba7b810-9dad-41d1-80b4-00c04fd430c8".into(),
            "6ba7b810-9dad-41d1-80b4-00c04fd430c8",
        ),
        (
            "jsonb",
            named(Kind::Text, "io.debezium.data.Json"),
            "[1]".into(),
            "[1]",
        ),
    ])
    .await;
}

/// A required field that was never set reads as its default; an optional one without, as null.
#[tokio::test]
async fn an_absent_value_is_its_default() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY, a int, b text)").await;
    let mut sink = database.sink(&[]).await;
    let seven = Schema::of(Kind::Int32).default(Value::Int32(7)).build();
    let fields = vec![
        ("a", seven, Value::Absent),
        ("b", Schema::optional_text(), Value::Absent),
    ];
    sink.written(vec![row(1, fields)]).await;
    assert_eq!(database.rows("TABLE t").await, ["1|7|~"]);
}
