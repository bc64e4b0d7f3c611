//! Sans-I/O: names of topics, schemas and fields (PG-057 to PG-060).

use std::fmt::Write;

use super::config::Adjustment;
use crate::identifier::TableName;

/// The longest topic Kafka takes.
const TOPIC_CHARS_MAX: usize = 249;

/// PG-057.
pub fn topic(prefix: &str, delimiter: &str, table: &TableName) -> String {
    let raw = format!("{prefix}{delimiter}{}{delimiter}{}", table.schema, table.table);
    let legal = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') {
            c
        } else {
            '_'
        }
    };
    let name: String = raw.chars().map(legal).take(TOPIC_CHARS_MAX).collect();
    match name.as_str() {
        "." => "_".into(),
        ".." => "__".into(),
        _ => name,
    }
}

/// PG-059: a schema's name.
pub fn schema_name(name: &str, adjustment: Adjustment) -> String {
    adjust(name, adjustment, true)
}

/// PG-060: a field's name.
pub fn field_name(name: &str, adjustment: Adjustment) -> String {
    adjust(name, adjustment, false)
}

fn adjust(name: &str, adjustment: Adjustment, dots: bool) -> String {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || (dots && c == '.');
    let starts_with_digit = name.starts_with(|c: char| c.is_ascii_digit());
    match adjustment {
        Adjustment::None => name.to_owned(),
        Adjustment::Avro => {
            let mut out = String::with_capacity(name.len() + 1);
            if starts_with_digit {
                out.push('_');
            }
            out.extend(name.chars().map(|c| if legal(c) { c } else { '_' }));
            out
        }
        Adjustment::AvroUnicode => {
            let mut out = String::with_capacity(name.len());
            // Java counts UTF-16 units; so do the escapes.
            for (index, unit) in name.encode_utf16().enumerate() {
                let c = u8::try_from(unit).map_or('\u{fffd}', char::from);
                if legal(c) && c != '_' && !(index == 0 && starts_with_digit) {
                    out.push(c);
                } else {
                    escape(unit, &mut out);
                }
            }
            out
        }
    }
}

/// `_u` and lower-case hex: two-digit codes get `00` in front, three-digit codes are not padded.
fn escape(unit: u16, out: &mut String) {
    let result = if unit <= 0xff {
        write!(out, "_u00{unit:02x}")
    } else {
        write!(out, "_u{unit:x}")
    };
    debug_assert!(result.is_ok(), "a String accepts every text");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PG-057.
    #[test]
    fn topics_hold_legal_characters_only() {
        let topic = |schema, table| topic("p", ".", &TableName::new(schema, table));
        assert_eq!(topic("public", "users"), "p.public.users");
        // Each character on its own: `_`, `"` and the blank give three.
        assert_eq!(topic("Quoted_\" . Schema", "t"), "p.Quoted___._Schema.t");
        assert_eq!(topic("s", &"x".repeat(300)).len(), 249);
    }

    /// PG-059, PG-060.
    #[test]
    fn names_are_adjusted_by_mode() {
        assert_eq!(schema_name("p.s-x.t.Value", Adjustment::None), "p.s-x.t.Value");
        assert_eq!(schema_name("p.s-x.t.Value", Adjustment::Avro), "p.s_x.t.Value");
        assert_eq!(schema_name("1p.t", Adjustment::Avro), "_1p.t");
        assert_eq!(field_name("a.b", Adjustment::Avro), "a_b");
        assert_eq!(field_name("a_b", Adjustment::AvroUnicode), "a_u005fb");
        assert_eq!(field_name("1é€", Adjustment::AvroUnicode), "_u0031_u00e9_u20ac");
        assert_eq!(field_name("ā", Adjustment::AvroUnicode), "_u101");
    }
}
