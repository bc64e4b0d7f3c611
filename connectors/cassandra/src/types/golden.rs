//! Golden bytes of every row of the type table: minimum, maximum, null, and one value that is refused (CS-045).

use std::sync::Arc;

use rowtide_api::data::{Blob, Struct};
use rowtide_api::{Kind, Schema, Value};

use super::*;

fn schema(kind: Kind, name: &str) -> Arc<Schema> {
    Schema::of(kind).name(name).optional().build()
}

fn scalar(
    scalar: Scalar,
    value: impl Into<Value>,
    schema: Option<&Schema>,
) -> Result<Option<Vec<u8>>, String> {
    cql(&Cql::Scalar(scalar), value.into(), schema)
}

fn cql(cql: &Cql, value: Value, schema: Option<&Schema>) -> Result<Option<Vec<u8>>, String> {
    let mut out = Vec::new();
    match Codec::new(cql, schema, TimeUnit::Milliseconds).encode(&value, &mut out) {
        Ok(Encoded::Value) => Ok(Some(out)),
        Ok(Encoded::Null) => Ok(None),
        Err(Mismatch(reason)) => Err(reason.into_owned()),
    }
}

fn hex(bytes: &str) -> Result<Option<Vec<u8>>, String> {
    Ok(Some(unhex(&bytes.replace(' ', "")).unwrap()))
}

/// CS-042, CS-045: whole numbers of every width, from every source, with a range check.
#[test]
fn whole_numbers_keep_their_range() {
    use Scalar::{BigInt, Int, SmallInt, TinyInt};
    let cases = [
        (TinyInt, -128, 127, 128, "80", "7f"),
        (SmallInt, -32768, 32767, 32768, "8000", "7fff"),
        (
            Int,
            i32::MIN.into(),
            i32::MAX.into(),
            1 << 31,
            "80000000",
            "7fffffff",
        ),
        (
            BigInt,
            i64::MIN,
            i64::MAX,
            i64::MAX,
            "8000000000000000",
            "7fffffffffffffff",
        ),
    ];
    for (target, min, max, over, low, high) in cases {
        assert_eq!(scalar(target, Value::Int64(min), None), hex(low));
        assert_eq!(scalar(target, Value::Int64(max), None), hex(high));
        assert_eq!(scalar(target, max.to_string(), None), hex(high));
        assert_eq!(scalar(target, "", None), Ok(None));
        if over > max {
            let reason = scalar(target, Value::Int64(over), None).unwrap_err();
            assert_eq!(
                reason,
                format!("the number is outside the range of {}", target.name())
            );
        }
    }
    assert_eq!(
        scalar(BigInt, "9223372036854775808", None),
        Err("the number is outside the range of bigint".into())
    );
    assert_eq!(scalar(Int, "1,234", None), hex("000004d2"));
    assert_eq!(scalar(Int, Value::Float64(2.0), None), hex("00000002"));
    assert_eq!(
        scalar(Int, Value::Float64(2.5), None),
        Err("the number does not fit int exactly".into())
    );
    assert_eq!(scalar(Int, Value::Bool(true), None), hex("00000001"));
}

#[test]
fn booleans_know_their_words() {
    assert_eq!(scalar(Scalar::Boolean, Value::Bool(true), None), hex("01"));
    assert_eq!(scalar(Scalar::Boolean, "n", None), hex("00"));
    assert_eq!(scalar(Scalar::Boolean, Value::Int8(1), None), hex("01"));
    assert_eq!(scalar(Scalar::Boolean, "", None), Ok(None));
    assert_eq!(
        scalar(Scalar::Boolean, Value::Int8(2), None),
        Err("only 0 and 1 are booleans".into())
    );
}

/// CS-046: what is no number fits only float, double and text.
#[test]
fn floats_are_exact_or_refused() {
    assert_eq!(
        scalar(Scalar::Double, Value::Float64(f64::MIN), None),
        hex("ffefffffffffffff")
    );
    assert_eq!(
        scalar(Scalar::Double, Value::Float64(f64::MAX), None),
        hex("7fefffffffffffff")
    );
    assert_eq!(scalar(Scalar::Double, "NAN", None), hex("7ff8000000000000"));
    assert_eq!(
        scalar(Scalar::Double, "NEGATIVE_INFINITY", None),
        hex("fff0000000000000")
    );
    assert_eq!(
        scalar(Scalar::Double, Value::Int64((1 << 53) + 1), None),
        Err("the number does not fit double exactly".into())
    );
    assert_eq!(
        scalar(Scalar::Double, "1e999", None),
        Err("the text is no double".into())
    );
    assert_eq!(
        scalar(Scalar::Float, Value::Float32(f32::MAX), None),
        hex("7f7fffff")
    );
    assert_eq!(scalar(Scalar::Float, "0.1", None), hex("3dcccccd"));
    assert_eq!(
        scalar(Scalar::Float, Value::Float64(0.1), None),
        Err("the number does not fit float exactly".into())
    );
    assert_eq!(scalar(Scalar::Float, "", None), Ok(None));
    assert_eq!(
        scalar(Scalar::Decimal, "NAN", None),
        Err("the text is no decimal".into())
    );
}

#[test]
fn text_is_its_bytes() {
    assert_eq!(scalar(Scalar::Text, "grün", None), hex("6772c3bc6e"));
    assert_eq!(scalar(Scalar::Text, "", None), hex(""));
    assert_eq!(scalar(Scalar::Ascii, "a", None), hex("61"));
    assert_eq!(
        scalar(Scalar::Ascii, "ü", None),
        Err("the text has characters outside ASCII".into())
    );
    assert_eq!(scalar(Scalar::Text, Value::Int8(-5), None), hex("2d35"));
    assert_eq!(
        scalar(Scalar::Text, Value::Bytes(Blob::EMPTY), None),
        Err("bytes is no text".into())
    );
}

#[test]
fn blobs_are_bytes_hex_or_base64() {
    assert_eq!(
        scalar(Scalar::Blob, Value::Bytes(Blob::copy(&[0, 255])), None),
        hex("00ff")
    );
    assert_eq!(scalar(Scalar::Blob, "0x00FF", None), hex("00ff"));
    assert_eq!(scalar(Scalar::Blob, "AP8=", None), hex("00ff"));
    assert_eq!(scalar(Scalar::Blob, "", None), hex(""));
    assert_eq!(scalar(Scalar::Blob, "0x", None), hex(""));
    assert!(scalar(Scalar::Blob, "not base64", None).is_err());
    assert!(scalar(Scalar::Blob, Value::Bool(true), None).is_err());
}

#[test]
fn decimals_are_a_scale_and_unscaled_bytes() {
    let connect = Schema::of(Kind::Bytes)
        .name("org.apache.kafka.connect.data.Decimal")
        .parameter("scale", "2")
        .build();
    let bytes = |bytes: &[u8]| Value::Bytes(Blob::copy(bytes));
    assert_eq!(
        scalar(Scalar::Decimal, bytes(&[110]), Some(&connect)),
        hex("00000002 6e")
    );
    assert_eq!(
        scalar(Scalar::Decimal, bytes(&[0x80]), Some(&connect)),
        hex("00000002 80")
    );
    assert_eq!(scalar(Scalar::Decimal, "-1.28", None), hex("00000002 80"));
    assert_eq!(
        scalar(Scalar::Decimal, Value::Int64(i64::MIN), None),
        hex("00000000 8000000000000000")
    );
    assert_eq!(scalar(Scalar::Decimal, "", None), Ok(None));
    assert_eq!(
        scalar(Scalar::Decimal, bytes(&[1]), None),
        Err("bytes is no decimal".into())
    );
    let variable = Schema::structure([
        ("scale", Schema::of(Kind::Int32).build()),
        ("value", Schema::of(Kind::Bytes).build()),
    ])
    .name("io.debezium.data.VariableScaleDecimal")
    .build();
    let value = Value::Struct(Struct::new(variable.clone(), vec![Value::Int32(1), bytes(&[22])]));
    assert_eq!(
        scalar(Scalar::Decimal, value.clone(), Some(&variable)),
        hex("00000001 16")
    );
    assert_eq!(
        scalar(Scalar::Double, value.clone(), Some(&variable)),
        hex("400199999999999a")
    );
    assert_eq!(
        scalar(Scalar::Text, value.clone(), Some(&variable)),
        hex("322e32")
    );
    assert_eq!(
        scalar(Scalar::VarInt, value, Some(&variable)),
        Err("the number does not fit varint exactly".into())
    );
    assert_eq!(
        scalar(Scalar::VarInt, bytes(&[0, 200]), Some(&connect)),
        hex("02")
    );
    assert_eq!(
        scalar(Scalar::VarInt, "170141183460469231731687303715884105728", None),
        hex("0080000000000000000000000000000000")
    );
    assert_eq!(scalar(Scalar::VarInt, Value::Int64(-129), None), hex("ff7f"));
}

/// CS-046.
#[test]
fn dates_times_and_instants_are_integers() {
    let date = schema(Kind::Int32, "io.debezium.time.Date");
    assert_eq!(
        scalar(Scalar::Date, Value::Int32(0), Some(&date)),
        hex("80000000")
    );
    assert_eq!(
        scalar(Scalar::Date, Value::Int32(i32::MIN), Some(&date)),
        hex("00000000")
    );
    assert_eq!(
        scalar(Scalar::Date, Value::Int32(i32::MAX), Some(&date)),
        hex("ffffffff")
    );
    assert_eq!(scalar(Scalar::Date, "1969-12-31", None), hex("7fffffff"));
    assert!(scalar(Scalar::Date, Value::Int32(-2_147_472_692), Some(&date)).is_err());
    assert!(scalar(Scalar::Date, Value::Int32(1), None).is_err());

    let micro_time = schema(Kind::Int64, "io.debezium.time.MicroTime");
    assert_eq!(
        scalar(Scalar::Time, Value::Int64(1), Some(&micro_time)),
        hex("00000000000003e8")
    );
    assert_eq!(
        scalar(Scalar::Time, "23:59:59.999999999", None),
        hex("00004e94914effff")
    );
    assert_eq!(
        scalar(Scalar::Time, "11:51:30.123789Z", None),
        hex("000026d391a9f2c8")
    );
    assert!(scalar(Scalar::Time, Value::Int64(86_400_000_000), Some(&micro_time)).is_err());

    let micro = schema(Kind::Int64, "io.debezium.time.MicroTimestamp");
    assert_eq!(
        scalar(Scalar::Timestamp, Value::Int64(-1), Some(&micro)),
        hex("ffffffffffffffff")
    );
    assert_eq!(
        scalar(
            Scalar::Timestamp,
            Value::Int64(1_478_267_490_123_456),
            Some(&micro)
        ),
        hex("000001582f9bcf4b")
    );
    assert_eq!(
        scalar(Scalar::Timestamp, "2016-11-04T13:51:30.123456Z", None),
        hex("000001582f9bcf4b")
    );
    assert_eq!(
        scalar(Scalar::Timestamp, Value::Int64(5), None),
        hex("0000000000000005")
    );
    assert!(
        scalar(
            Scalar::Timestamp,
            Value::Int64(9_223_372_036_825_200_000),
            Some(&micro)
        )
        .is_err()
    );
    assert!(scalar(Scalar::Timestamp, "infinity", None).is_err());
    assert_eq!(scalar(Scalar::Timestamp, "", None), Ok(None));
    assert_eq!(
        scalar(Scalar::BigInt, Value::Int64(7), Some(&micro)),
        hex("0000000000000007")
    );
}

#[test]
fn uuids_and_addresses_are_parsed() {
    let text = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    let bytes = "6ba7b8109dad11d180b400c04fd430c8";
    assert_eq!(scalar(Scalar::Uuid, text, None), hex(bytes));
    assert_eq!(scalar(Scalar::TimeUuid, text, None), hex(bytes));
    assert_eq!(
        scalar(Scalar::TimeUuid, "6ba7b810-9dad-41d1-80b4-00c04fd430c8", None),
        Err("a timeuuid is a uuid of version 1".into())
    );
    assert_eq!(
        scalar(Scalar::Uuid, Value::Bytes(Blob::copy(&[7; 16])), None),
        Ok(Some(vec![7; 16]))
    );
    assert_eq!(scalar(Scalar::Uuid, "x", None), Err("the text is no uuid".into()));
    assert_eq!(scalar(Scalar::Uuid, "", None), Ok(None));
    assert_eq!(scalar(Scalar::Inet, "127.0.0.1", None), hex("7f000001"));
    assert_eq!(
        scalar(Scalar::Inet, "::1", None),
        hex("00000000000000000000000000000001")
    );
    assert_eq!(
        scalar(Scalar::Inet, "localhost", None),
        Err("the text is no inet".into())
    );
}

#[test]
fn durations_are_three_variable_integers() {
    let micro = schema(Kind::Int64, "io.debezium.time.MicroDuration");
    assert_eq!(
        scalar(Scalar::Duration, Value::Int64(0), Some(&micro)),
        hex("00 00 00")
    );
    assert_eq!(
        scalar(Scalar::Duration, Value::Int64(-1), Some(&micro)),
        hex("00 00 87cf")
    );
    assert_eq!(
        scalar(Scalar::Duration, "P1Y2M3DT1S", None),
        hex("1c 06 f0773594 00")
    );
    assert!(scalar(Scalar::Duration, Value::Int64(i64::MAX), Some(&micro)).is_err());
    assert!(scalar(Scalar::Duration, "1 day", None).is_err());
    let mut widest = Vec::new();
    vint(i64::MIN, &mut widest);
    assert_eq!(widest, unhex("ffffffffffffffffff").unwrap());
}

#[test]
fn collections_hold_scalars_with_the_meaning_of_their_elements() {
    let dates = Schema::of(Kind::Array(schema(Kind::Int32, "io.debezium.time.Date"))).build();
    let list = Cql::List(Scalar::Date);
    let items = |items: Vec<Value>| Value::Array(items.into());
    assert_eq!(
        cql(&list, items(vec![Value::Int32(0), Value::Int32(1)]), Some(&dates)),
        hex("00000002 00000004 80000000 00000004 80000001")
    );
    assert_eq!(cql(&Cql::Set(Scalar::Text), items(vec![]), None), hex("00000000"));
    assert_eq!(
        cql(&list, items(vec![Value::Null]), Some(&dates)),
        Err("a collection cannot hold a null element".into())
    );
    assert_eq!(
        cql(&list, Value::Bool(true), None),
        Err("a list<date> needs an array, not a boolean".into())
    );
}
