//! Sans-I/O: JSON values printed as the JSON library under Avro's Java implementation prints them, so that texts can be
//! compared byte for byte with those of a Java client.

use std::fmt::Write as _;

use serde_json::{Number, Value};

/// Appends a value, without white space.
pub(super) fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => write_text(out, text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(out, item);
            }
            out.push(']');
        }
        Value::Object(entries) => {
            out.push('{');
            for (index, (name, entry)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_text(out, name);
                out.push(':');
                write_value(out, entry);
            }
            out.push('}');
        }
    }
}

/// Appends a quoted text. Control characters without a short form get upper-case hexadecimal digits.
pub(super) fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            control if u32::from(control) < 0x20 => {
                write!(out, "\\u{:04X}", u32::from(control)).expect("invariant: a String takes any text");
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

fn write_number(out: &mut String, number: &Number) {
    match number.as_f64() {
        Some(float) if number.is_f64() => write_double(out, float),
        _ => write!(out, "{number}").expect("invariant: a String takes any text"),
    }
}

/// Java's `Double.toString`: shortest digits, a decimal point always, an exponent below 1e-3 and from 1e7 on.
fn write_double(out: &mut String, float: f64) {
    let scientific = format!("{float:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent
        .parse()
        .expect("invariant: the standard library prints a number after the e");
    let (sign, mantissa) = mantissa
        .strip_prefix('-')
        .map_or(("", mantissa), |rest| ("-", rest));
    let digits: String = mantissa.chars().filter(|character| *character != '.').collect();
    out.push_str(sign);
    if (-3..7).contains(&exponent) {
        // Digits around the point, filled with zeros on the side that lacks them.
        let point = exponent + 1;
        if point <= 0 {
            out.push_str("0.");
            out.extend(std::iter::repeat_n('0', point.unsigned_abs() as usize));
            out.push_str(&digits);
        } else {
            let point = point.unsigned_abs() as usize;
            let whole = format!("{digits:0<point$}");
            let (before, after) = whole.split_at(point);
            out.push_str(before);
            out.push('.');
            out.push_str(if after.is_empty() { "0" } else { after });
        }
    } else {
        let (first, rest) = digits.split_at(1);
        let rest = if rest.is_empty() { "0" } else { rest };
        write!(out, "{first}.{rest}E{exponent}").expect("invariant: a String takes any text");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &str) {
        let mut out = String::new();
        write_value(&mut out, &serde_json::from_str(input).unwrap());
        assert_eq!(out, expected, "{input}");
    }

    #[test]
    fn numbers_print_as_java_prints_them() {
        check("1.0", "1.0");
        check("-0.0", "-0.0");
        check("0.0", "0.0");
        check("100.25", "100.25");
        check("1e3", "1000.0");
        check("1e6", "1000000.0");
        check("1e7", "1.0E7");
        check("12345678.9", "1.23456789E7");
        check("0.001", "0.001");
        check("0.00012", "1.2E-4");
        check("-2.5e-300", "-2.5E-300");
        check("1.7976931348623157e308", "1.7976931348623157E308");
        check("9223372036854775807", "9223372036854775807");
        check("-1", "-1");
    }

    #[test]
    fn texts_escape_only_what_json_demands() {
        check(
            r#""a\"b\\c\/d\u00e9\u0007\n\ud83d\ude00""#,
            "\"a\\\"b\\\\c/dé\\u0007\\n😀\"",
        );
        check(r#""\u001f\u007f""#, "\"\\u001F\u{7f}\"");
    }

    #[test]
    fn order_of_entries_stays_and_white_space_goes() {
        check(
            "{ \"b\" : [ 1 , null , true ] , \"a\" : { } }",
            r#"{"b":[1,null,true],"a":{}}"#,
        );
    }
}
