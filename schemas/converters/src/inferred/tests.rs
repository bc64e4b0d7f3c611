//! Against what Connect itself makes of the same texts.

use super::*;
use rowtide_api::Schema;
use rowtide_api::data::{Kind, Logical};
use rowtide_java::number::{f32_text, f64_text};

const GOLDEN: &str = include_str!("../../tests/golden/connect_values.txt");

/// Where this differs from Connect, and what is read instead.
const DIFFERENT: &[(&str, &str, &str)] = &[
    // A text that goes on behind its value.
    ("1,000", "string", "'1,000'"),
    ("1,2", "string", "'1,2'"),
    ("7:8", "string", "'7:8'"),
    ("12:30", "string", "'12:30'"),
    ("13:51:30.123z", "string", "'13:51:30.123z'"),
    ("[1]]", "string", "'[1]]'"),
    ("[1]x", "string", "'[1]x'"),
    ("{\"a\":1}}", "string", "'{\"a\":1}}'"),
    // Digits that 32 bits lose.
    ("3.141592653589793", "float64", "D:3.141592653589793"),
    ("1e-50", "float64", "D:1.0E-50"),
    ("1e-400", "bytes:Decimal{scale=400}", "1e-400"),
    ("4.9e-324", "float64", "D:4.9E-324"),
    ("[1.5,1e-50]", "array(float64)", "[D:1.5 D:1.0E-50]"),
    ("[9999999999,0.5]", "array(float64)", "[D:9.999999999E9 D:0.5]"),
    ("16777217.5", "float64", "D:1.67772175E7"),
    ("[16777217,0.5]", "array(float64)", "[D:1.6777217E7 D:0.5]"),
    (
        "[9007199254740993,0.5]",
        "array(bytes:Decimal{scale=1})",
        "[90071992547409930e-1 5e-1]",
    ),
    (
        "[0.1,3.141592653589793]",
        "array(float64)",
        "[D:0.1 D:3.141592653589793]",
    ),
    // Decimals of several scales, and whole numbers among them.
    (
        "[1e400,2e401]",
        "array(bytes:Decimal{scale=-400})",
        "[1e400 20e400]",
    ),
    (
        "[9223372036854775808,1]",
        "array(bytes:Decimal{scale=0})",
        "[9223372036854775808e0 1e0]",
    ),
    // Days and times that do not exist, and days of the Julian calendar.
    ("2015-02-29", "string", "'2015-02-29'"),
    ("2016-13-45", "string", "'2016-13-45'"),
    ("2016-1-234", "string", "'2016-1-234'"),
    ("25:00:00.000Z", "string", "'25:00:00.000Z'"),
    ("0001-01-01", "int32:Date", "@-62135596800000"),
    // A date among words is a word.
    ("[\"2016-11-04\",\"x\"]", "array(string)", "['2016-11-04' 'x']"),
    // Lists in lists get the type of all their elements.
    ("[[1],[\"a\"]]", "array(array(null))", "[[B:1] ['a']]"),
    ("[[1],[2,3]]", "array(array(int8))", "[[B:1] [B:2 B:3]]"),
    ("[[1],[300]]", "array(array(int16))", "[[S:1] [S:300]]"),
    ("[[],[1]]", "array(array(int8))", "[[] [B:1]]"),
    ("[[null],[1]]", "string", "'[[null],[1]]'"),
    // Digits of other scripts.
    ("٣", "string", "'٣'"),
    ("٣٤", "string", "'٣٤'"),
    ("１", "string", "'１'"),
];

fn kind_text(schema: Option<&Schema>) -> String {
    let Some(schema) = schema else {
        return "null".into();
    };
    let plain = match &schema.kind {
        Kind::Array(element) => format!("array({})", kind_text(Some(element))),
        Kind::Map(key, value) => format!("map({},{})", kind_text(Some(key)), kind_text(Some(value))),
        Kind::Float32 => "float32".into(),
        Kind::Float64 => "float64".into(),
        kind => kind.name().into(),
    };
    match (&schema.name, schema.parameter("scale")) {
        (Some(name), scale) => {
            let name = name.rsplit('.').next().unwrap_or_default();
            let scale = scale.map_or(String::new(), |scale| format!("{{scale={scale}}}"));
            format!("{plain}:{name}{scale}")
        }
        (None, _) => plain,
    }
}

fn value_text(schema: Option<&Schema>, value: &Value) -> String {
    let number = value.as_int().unwrap_or_default();
    match (value, schema.and_then(Schema::logical)) {
        (_, Some(Logical::Date)) => format!("@{}", number * 86_400_000),
        (_, Some(Logical::TimeMillis | Logical::TimestampMillis)) => format!("@{number}"),
        (Value::Bytes(bytes), Some(Logical::Decimal { scale })) => {
            let unscaled = rowtide_java::decimal::plain_text(bytes, 0).unwrap();
            format!("{unscaled}e{}", -scale)
        }
        (Value::Null, _) => "null".into(),
        (Value::Bool(value), _) => format!("B:{value}"),
        (Value::Int8(_), _) => format!("B:{number}"),
        (Value::Int16(_), _) => format!("S:{number}"),
        (Value::Int32(_), _) => format!("I:{number}"),
        (Value::Int64(_), _) => format!("L:{number}"),
        (Value::Float32(value), _) => format!("F:{}", f32_text(*value)),
        (Value::Float64(value), _) => format!("D:{}", f64_text(*value)),
        (Value::Text(text), _) => format!("'{}'", text.replace('\n', "\\n").replace('\t', "\\t")),
        (Value::Array(items), _) => {
            let element = match schema.map(|schema| &schema.kind) {
                Some(Kind::Array(element)) => Some(&**element),
                _ => None,
            };
            let items: Vec<_> = items.iter().map(|item| value_text(element, item)).collect();
            format!("[{}]", items.join(" "))
        }
        (Value::Map(entries), _) => {
            let (key, value) = match schema.map(|schema| &schema.kind) {
                Some(Kind::Map(key, value)) => (Some(&**key), Some(&**value)),
                _ => (None, None),
            };
            let entries: Vec<_> = entries
                .iter()
                .map(|(k, v)| format!("{}={}", value_text(key, k), value_text(value, v)))
                .collect();
            format!("{{{}}}", entries.join(" "))
        }
        (other, _) => format!("{other:?}"),
    }
}

/// CN-335: every text of the golden file reads as in Connect, but for those listed.
#[test]
fn texts_are_read_as_connect_reads_them() {
    let mut different = 0;
    let mut wrong = Vec::new();
    for line in GOLDEN.lines().skip(1) {
        let mut parts = line.split('\t');
        let (Some(text), Some(kind), Some(value)) = (parts.next(), parts.next(), parts.next()) else {
            panic!("a line has three parts: {line}");
        };
        let expected = match DIFFERENT.iter().find(|(known, ..)| *known == text) {
            Some((_, kind, value)) => {
                different += 1;
                (*kind, *value)
            }
            None => (kind, value),
        };
        let input = text.replace("\\n", "\n").replace("\\t", "\t");
        let read = infer(&input).unwrap_or_else(|| Datum::text(input.as_str()));
        let actual = (
            kind_text(read.schema.as_deref()),
            value_text(read.schema.as_deref(), &read.value),
        );
        // Where Connect finds no type for the elements, the whole has no schema.
        let kind_fits = actual.0 == expected.0 || (read.schema.is_none() && expected.0.contains("null"));
        if !kind_fits || actual.1 != expected.1 {
            wrong.push(format!("{text}: {actual:?} instead of {expected:?}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}",
        wrong.join(
            "
"
        )
    );
    assert_eq!(
        different,
        DIFFERENT.len(),
        "every difference is in the golden file"
    );
}

/// A header anyone may write costs neither the stack nor the processor.
#[test]
fn deep_and_long_texts_stay_texts() {
    for text in [
        "[".repeat(100_000),
        format!("{}1{}", "[".repeat(100), "]".repeat(100)),
        "9".repeat(100_000),
    ] {
        assert_eq!(infer(&text), None);
    }
    let huge = infer("407127e212797209").unwrap();
    assert_eq!(huge.schema.unwrap().parameter("scale"), Some("-212797209"));
}
