//! Sans-I/O: names of SQL objects, and the only two ways they enter a statement.

use std::fmt;
use std::sync::Arc;

/// `"name"` as Postgres reads it back: quoted, inner quotes doubled. A NUL, which no name can hold, is dropped.
pub fn quoted(name: &str) -> String {
    enclose(name, '"')
}

/// `'text'` as a literal under `standard_conforming_strings`; with a backslash inside, the form `E'…'`.
pub fn literal(text: &str) -> String {
    if text.contains('\\') {
        format!("E{}", enclose(&text.replace('\\', "\\\\"), '\''))
    } else {
        enclose(text, '\'')
    }
}

fn enclose(text: &str, quote: char) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars().filter(|c| *c != '\0') {
        if c == quote {
            out.push(quote);
        }
        out.push(c);
    }
    out.push(quote);
    out
}

/// A table by schema and name. `Display` is the plain `schema.table` of filters, messages and topics; statements take
/// [`TableName::quoted`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// The schema.
    pub schema: Arc<str>,
    /// The table.
    pub table: Arc<str>,
}

impl TableName {
    /// A table of that schema.
    pub fn new(schema: impl Into<Arc<str>>, table: impl Into<Arc<str>>) -> Self {
        Self {
            schema: schema.into(),
            table: table.into(),
        }
    }

    /// `"schema"."table"`.
    pub fn quoted(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.table))
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PG-039.
    #[test]
    fn a_quoted_name_cannot_end_early() {
        assert_eq!(quoted("a\"; drop table b; --"), "\"a\"\"; drop table b; --\"");
        assert_eq!(quoted("a\0b"), "\"ab\"");
        assert_eq!(
            TableName::new("Quoted_\" . Schema", "t").quoted(),
            "\"Quoted_\"\" . Schema\".\"t\""
        );
    }

    #[test]
    fn a_literal_keeps_quotes_and_backslashes() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\'b"), "E'a\\\\''b'");
    }
}
