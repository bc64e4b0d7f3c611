//! Sans-I/O: defaults of columns, from the expression in the catalogue to the default of a schema (PG-136 to PG-141).

use rowtide_api::Value;

use super::Op;
use super::mapping::{ColumnType, DefaultKind};

/// What an expression says.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnDefault {
    /// It gives no default.
    None,
    /// A constant.
    Value(Value),
    /// PG-141: it is none of the known forms; worth a warning.
    Unparsable,
}

/// Functions that are written without parentheses.
const BARE_FUNCTIONS: [&str; 5] = [
    "current_timestamp",
    "current_time",
    "current_date",
    "localtimestamp",
    "localtime",
];

/// The default that `expression`, as `pg_get_expr` prints it, gives a column of that type.
pub fn column_default(of: &ColumnType, expression: &str) -> ColumnDefault {
    if of.default == DefaultKind::None || expression.starts_with("NULL::") || expression == "NULL" {
        return ColumnDefault::None;
    }
    // PG-141: a default that would be a struct is dropped.
    if matches!(of.op, Op::VariableDecimal(_)) {
        return ColumnDefault::None;
    }
    let literal;
    let text = if is_function(expression) {
        of.function_default
    } else if let Some(start) = expression.find('\'') {
        match first_literal(&expression[start + 1..]) {
            Some(text) => {
                literal = text;
                literal.as_str()
            }
            None => return ColumnDefault::Unparsable,
        }
    } else if of.default == DefaultKind::Trimmed {
        unwrapped(expression)
    } else {
        expression
    };
    match of.op.decode_str(text) {
        Ok(value) => ColumnDefault::Value(value),
        Err(_) => ColumnDefault::Unparsable,
    }
}

/// `name(…)`, also behind one opening parenthesis, or one of the words that need none.
fn is_function(expression: &str) -> bool {
    let bare = expression.strip_prefix('(').unwrap_or(expression);
    let name = bare
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.' || c == '"'))
        .map_or(bare, |end| &bare[..end]);
    if BARE_FUNCTIONS
        .iter()
        .any(|function| function.eq_ignore_ascii_case(name))
    {
        return true;
    }
    !name.is_empty() && bare[name.len()..].starts_with('(') && bare.contains(')')
}

/// The text up to the closing quote, doubled quotes unescaped (PG-137, PG-243).
fn first_literal(after_quote: &str) -> Option<String> {
    let mut text = String::new();
    let mut rest = after_quote;
    loop {
        let end = rest.find('\'')?;
        text.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('\'') {
            Some(more) => {
                text.push('\'');
                rest = more;
            }
            None => return Some(text),
        }
    }
}

/// `(-5)` and `5::numeric` are how the catalogue prints signed and cast numbers.
fn unwrapped(expression: &str) -> &str {
    let expression = expression.trim();
    let bare = match expression.rfind("::") {
        Some(cast) if !expression[cast..].contains(')') => &expression[..cast],
        _ => expression,
    };
    bare.strip_prefix('(')
        .and_then(|inner| inner.strip_suffix(')'))
        .unwrap_or(bare)
        .trim()
}

#[cfg(test)]
mod tests {
    use super::super::mapping::{TypeRef, column_type};
    use super::*;

    fn check(oid: u32, modifier: i32, expression: &str, expected: &ColumnDefault) {
        let of = column_type(&TypeRef::builtin(oid, modifier)).unwrap();
        assert_eq!(&column_default(&of, expression), expected, "{expression}");
    }

    fn value(value: impl Into<Value>) -> ColumnDefault {
        ColumnDefault::Value(value.into())
    }

    /// PG-136, PG-137.
    #[test]
    fn literals_become_values() {
        check(25, -1, "'it''s'::text", &value("it's"));
        check(1043, 14, "'a'::character varying", &value("a"));
        check(23, -1, "42", &value(Value::Int32(42)));
        check(23, -1, "'-5'::integer", &value(Value::Int32(-5)));
        check(23, -1, "(-5)", &value(Value::Int32(-5)));
        check(16, -1, "true", &value(Value::Bool(true)));
        check(701, -1, "'1.5'::double precision", &value(Value::Float64(1.5)));
        check(1082, -1, "'2016-11-04'::date", &value(Value::Int32(17109)));
        check(3802, -1, "'{}'::jsonb", &value("{}"));
        check(
            1184,
            0,
            "'2020-01-01 00:00:00+00'::timestamp with time zone",
            &value("2020-01-01T00:00:00Z"),
        );
    }

    /// PG-141: raised to the scale of the column.
    #[test]
    fn decimals_take_the_scale_of_their_column() {
        let cents = rowtide_api::Blob::copy(&[100]);
        check(1700, (5 << 16 | 2) + 4, "1", &value(Value::Bytes(cents.clone())));
        check(
            1700,
            (5 << 16 | 2) + 4,
            "1.0",
            &value(Value::Bytes(cents.clone())),
        );
        check(
            1700,
            (5 << 16 | 2) + 4,
            "'1'::numeric",
            &value(Value::Bytes(cents)),
        );
        check(1700, -1, "1", &ColumnDefault::None);
    }

    /// PG-064, PG-139.
    #[test]
    fn function_calls_become_placeholders() {
        check(23, -1, "nextval('t_id_seq'::regclass)", &value(Value::Int32(0)));
        check(1184, -1, "now()", &value("1970-01-01T00:00:00.000000Z"));
        check(
            1184,
            -1,
            "CURRENT_TIMESTAMP",
            &value("1970-01-01T00:00:00.000000Z"),
        );
        check(1114, 3, "LOCALTIMESTAMP(3)", &value(Value::Int64(0)));
        check(25, -1, "upper('x'::text)", &value(""));
        check(
            2950,
            -1,
            "gen_random_uuid()",
            &value("00000000-0000-0000-0000-000000000000"),
        );
        check(3802, -1, "jsonb_build_object()", &value("{}"));
        check(16, -1, "(random() > 0.5)", &value(Value::Bool(false)));
    }

    /// PG-136, PG-138, PG-141.
    #[test]
    fn what_is_no_default_is_none() {
        check(25, -1, "NULL::text", &ColumnDefault::None);
        check(17, -1, "'\\x00'::bytea", &ColumnDefault::None);
        check(1009, -1, "'{}'::text[]", &ColumnDefault::None);
        check(23, -1, "(1 + 2)", &ColumnDefault::Unparsable);
        check(1082, -1, "('now'::text)::date", &ColumnDefault::Unparsable);
    }
}
