//! Text that holds JSON, as StringConverter brings it: the shapes of the Cassandra contract's third chapter.

use rowtide_api::{Datum, Kind, Record, Schema, Value};

use super::tests::{Bench, plain_shape};
use crate::shape::TableShape;
use crate::test_records::record;
use crate::test_tables::shape;
use crate::types::Scalar;

const AT: i64 = 1_700_000_000_000_000;

fn text(text: &str) -> Datum {
    Datum::new(Schema::optional_text(), text.into())
}

fn row(key: &str, value: &str) -> Record {
    record(text(key), text(value))
}

/// CS-033, CS-040, CS-080: fields, nested fields, one field of a joined name, nulls, absent fields.
#[test]
fn fields_are_read_out_of_a_text_that_holds_an_object() {
    let mut bench = Bench::new(&[("mapping", "id=key.id, a=value.name, b=value.at.home")]);
    assert_eq!(
        bench.one(row(
            r#"{"id": 7}"#,
            r#" {"name":"ann","at":{"home":"x"},"more":[1,2.5,true]}"#
        )),
        [format!("insert@{AT} 7 'ann' 'x'")]
    );
    assert_eq!(
        bench.one(row(r#"{"id": 7}"#, r#"{"name":null,"at.home":"joined"}"#)),
        [format!("insert@{AT} 7 unset 'joined'")]
    );
    let missing = &bench.one(row(r#"{"id": 7}"#, r#"{"name":"ann"}"#))[0];
    assert!(missing.contains("no such field (column b"), "{missing}");
    let gone = record(
        text(r#"{"id": 7}"#),
        Datum::new(Schema::optional_text(), Value::Null),
    );
    assert_eq!(bench.one(gone), [format!("delete@{AT} 7")]);
}

/// CS-040: what is no object is refused by name, with `*` too, and the next record is read.
#[test]
fn text_that_is_no_object_is_refused_by_name() {
    for mapping in ["id=key.id, a=value.a, b=value.b", "id=key.id, *"] {
        let mut bench = Bench::new(&[("mapping", mapping)]);
        for value in ["plain", "", "[1]", "5", r#"{"a":"x""#, r#"{"a":"x"} and more"#] {
            let refused = bench.one(row(r#"{"id": 7}"#, value))[0].clone();
            assert!(
                refused
                    .contains("the value is text that is no JSON object, so it has no fields (column a of"),
                "{mapping}, {value}: {refused}"
            );
        }
        let refused = bench.one(row("7", r#"{"a":"x","b":"y"}"#))[0].clone();
        assert!(
            refused.contains("the key is text that is no JSON object"),
            "{refused}"
        );
        let good = bench.one(row(r#"{"id": 7}"#, r#"{"a":"x","b":"y"}"#));
        assert_eq!(good, [format!("insert@{AT} 7 'x' 'y'")]);
    }
}

/// `key` and `value` alone stay the text that came, whatever it holds.
#[test]
fn a_part_that_is_taken_whole_stays_text() {
    let mut bench = Bench::new(&[("mapping", "id=key.id, a=value, b=value.n")]);
    assert_eq!(
        bench.one(row(r#"{"id":"7"}"#, r#"{"n": 1}"#)),
        [format!("insert@{AT} 7 '{{\"n\": 1}}' '1'")]
    );
    let texts = shape(1, 1, &[("id", Scalar::Text), ("a", Scalar::Text)]);
    let mut whole = Bench::on(&texts, &[("mapping", "id=key, a=value")]);
    assert_eq!(
        whole.one(row("{\"k\":1}", "{}")),
        [format!("insert@{AT} '{{\"k\":1}}' '{{}}'")]
    );
    assert_eq!(
        whole.one(row("k", "{broken")),
        [format!("insert@{AT} 'k' '{{broken'")]
    );
}

/// CS-042: numbers keep all their digits.
#[test]
fn numbers_are_exact_or_refused() {
    let table: TableShape = shape(1, 1, &[("id", Scalar::BigInt), ("n", Scalar::VarInt)]);
    let mut bench = Bench::on(&table, &[("mapping", "id=key.id, n=value.n")]);
    let written = bench.one(row(r#"{"id":1}"#, r#"{"n":18446744073709551615}"#));
    assert_eq!(written.len(), 1);
    assert!(written[0].starts_with("insert"), "{written:?}");
    let refused = &bench.one(row(r#"{"id":18446744073709551615}"#, r#"{"n":1}"#))[0];
    assert!(refused.starts_with("reject"), "{refused}");
}

/// CS-060, CS-037, CS-061: an envelope as text, its key as a JSON object.
#[test]
fn an_envelope_as_text_gives_the_same_rows() {
    let mut bench = Bench::debezium(&[]);
    let event = r#"{"before":null,"after":{"id":1,"a":"x","b":null},"op":"c","ts_ms":5,
                    "source":{"name":"s","lsn":1000,"sequence":"[null,\"1000\"]","ts_us":5}}"#;
    assert_eq!(bench.one(row(r#"{"id":1}"#, event)), ["insert@1000 1 'x' unset"]);
    let event = r#"{"before":{"id":1},"after":null,"op":"d","source":{"name":"s","lsn":1008}}"#;
    assert_eq!(bench.one(row(r#"{"id":1}"#, event)), ["delete@1008 1"]);
    let pair = record(
        text(r#"{"id":1}"#),
        Datum::new(Schema::optional_text(), Value::Null),
    );
    assert_eq!(bench.one(pair), ["skip tombstone_pair"]);
    let refused = bench.one(row(r#"{"id":1}"#, "no event"));
    assert_eq!(
        refused,
        ["reject the value is text that is no JSON object, so no change envelope"]
    );
}

/// One topic may bring structs and text, a struct beside a text key: each is read by what it is.
#[test]
fn a_text_key_stands_beside_a_struct() {
    let schema = Schema::structure([("a", Schema::text()), ("b", Schema::text())]).build();
    let value = Datum::of(rowtide_api::Struct::new(schema, vec!["x".into(), "y".into()]));
    let mut bench = Bench::on(&plain_shape(), &[("mapping", "id=key.id, a=value.a, b=value.b")]);
    let mixed = record(text(r#"{"id":7}"#), value.clone());
    assert_eq!(bench.one(mixed), [format!("insert@{AT} 7 'x' 'y'")]);
    let number = Datum::new(Schema::of(Kind::Int64).build(), Value::Int64(7));
    let refused = &bench.one(record(number, value))[0];
    assert!(refused.contains("no such field (column id"), "{refused}");
    assert_eq!(
        bench.one(row(r#"{"id":8}"#, r#"{"a":"p","b":"q"}"#)),
        [format!("insert@{AT} 8 'p' 'q'")]
    );
}
