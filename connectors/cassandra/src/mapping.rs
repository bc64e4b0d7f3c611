//! Sans-I/O: the mapping grammar, from text to entries.
//!
//! ```text
//! mapping  := entry ("," entry)*
//! entry    := "*" | column "=" field ["!null" | "!unset"]
//! column   := bare | quoted
//! field    := bare ("." segment)* | quoted | function
//! segment  := bare | quoted
//! ```

use std::sync::Arc;

/// Where the values of a row come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Mapping {
    /// Columns and their fields, in the order they were written.
    pub(crate) entries: Vec<Entry>,
    /// `*`: further columns take the field of their name.
    pub(crate) star: bool,
}

impl Mapping {
    /// The mapping `*`.
    pub(crate) fn all() -> Self {
        Self {
            entries: Vec::new(),
            star: true,
        }
    }

    /// The entry of that column or pseudo column.
    pub(crate) fn entry(&self, column: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| &*entry.column == column)
    }
}

/// One column and where its value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) column: Arc<str>,
    pub(crate) field: Field,
    pub(crate) nulls: Option<NullRule>,
}

/// What a null does to its column (CS-093).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NullRule {
    /// An explicit null: the cell becomes a tombstone.
    Null,
    /// The cell stays as it is.
    Unset,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Field {
    Key(Path),
    Value(Path),
    Before(Path),
    Source(Path),
    /// A field of the envelope itself: `op`, `ts_ms`.
    Envelope(Arc<str>),
    Header(Arc<str>),
    /// A version 1 UUID derived from the record's identity (CS-035).
    Now,
}

/// Segments behind `key`, `value`, …; none means the whole of it. The dialect first looks for one field of the joined name
/// (CS-033).
pub(crate) type Path = Vec<Arc<str>>;

/// `__ttl`: feeds the statement's TTL (CS-034).
pub(crate) const TTL: &str = "__ttl";
/// `__timestamp`: feeds the statement's timestamp.
pub(crate) const TIMESTAMP: &str = "__timestamp";
/// `__deleted`: makes a flattened record a delete (CS-064).
pub(crate) const DELETED: &str = "__deleted";

/// Whether the left side names no column of the table.
pub(crate) fn is_pseudo(column: &str) -> bool {
    matches!(column, TTL | TIMESTAMP | DELETED)
}

/// Reads a mapping.
///
/// # Errors
/// What is wrong and at which character, from 1.
pub(crate) fn parse(text: &str) -> Result<Mapping, String> {
    let mut scanner = Scanner {
        chars: text.chars().collect(),
        at: 0,
    };
    let mut mapping = Mapping::default();
    loop {
        scanner.skip_blanks();
        if scanner.take('*') {
            mapping.star = true;
        } else {
            let at = scanner.at;
            let entry = scanner.entry()?;
            if mapping.entry(&entry.column).is_some() {
                return Err(format!(
                    "column {} is mapped twice, again at character {}",
                    entry.column,
                    at + 1
                ));
            }
            mapping.entries.push(entry);
        }
        scanner.skip_blanks();
        if scanner.peek().is_none() {
            return Ok(mapping);
        }
        if !scanner.take(',') {
            return Err(scanner.expected("a comma or the end"));
        }
    }
}

struct Scanner {
    chars: Vec<char>,
    at: usize,
}

impl Scanner {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(|c| matches!(c, ' ' | '\t' | '\r' | '\n')) {
            self.at += 1;
        }
    }

    fn expected(&self, what: &str) -> String {
        let found = self
            .peek()
            .map_or("the end".to_owned(), |found| format!("'{found}'"));
        format!("expected {what} at character {}, found {found}", self.at + 1)
    }

    fn entry(&mut self) -> Result<Entry, String> {
        let column = self.segment("a column name")?;
        self.skip_blanks();
        if !self.take('=') {
            return Err(self.expected("="));
        }
        self.skip_blanks();
        let field = self.field()?;
        self.skip_blanks();
        let nulls = self.null_rule()?;
        Ok(Entry {
            column: column.into(),
            field,
            nulls,
        })
    }

    fn null_rule(&mut self) -> Result<Option<NullRule>, String> {
        if !self.take('!') {
            return Ok(None);
        }
        let at = self.at;
        match self.segment("null or unset")?.as_str() {
            "null" => Ok(Some(NullRule::Null)),
            "unset" => Ok(Some(NullRule::Unset)),
            other => Err(format!(
                "expected null or unset at character {}, found {other}",
                at + 1
            )),
        }
    }

    /// A bare or a quoted name.
    fn segment(&mut self, what: &str) -> Result<String, String> {
        if self.peek() == Some('"') {
            return self.quoted();
        }
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
            self.at += 1;
        }
        if start == self.at {
            return Err(self.expected(what));
        }
        Ok(self.chars[start..self.at].iter().collect())
    }

    fn quoted(&mut self) -> Result<String, String> {
        let start = self.at;
        self.at += 1;
        let mut name = String::new();
        loop {
            match self.peek() {
                None => {
                    return Err(format!("the quote at character {} does not end", start + 1));
                }
                Some('"') => {
                    self.at += 1;
                    if !self.take('"') {
                        return Ok(name);
                    }
                    name.push('"');
                }
                Some(other) => {
                    self.at += 1;
                    name.push(other);
                }
            }
        }
    }

    fn field(&mut self) -> Result<Field, String> {
        let start = self.at;
        if matches!(self.peek(), Some('\'' | '0'..='9' | '-')) {
            return Err(format!(
                "constants are not supported, at character {}; map a field",
                start + 1
            ));
        }
        let quoted = self.peek() == Some('"');
        let head = self.segment("a field")?;
        if quoted {
            // The quotes hold the prefix too: what is behind its dot is one segment.
            let (root, rest) = head.split_once('.').unwrap_or((&head, ""));
            let path = if rest.is_empty() {
                vec![]
            } else {
                vec![rest.into()]
            };
            return rooted(root, path, start);
        }
        if self.peek() == Some('(') {
            return self.function(&head, start);
        }
        let mut path = Vec::new();
        while self.take('.') {
            path.push(self.segment("a field name")?.into());
        }
        rooted(&head, path, start)
    }

    fn function(&mut self, name: &str, start: usize) -> Result<Field, String> {
        if name != "now" {
            return Err(format!(
                "function {name}() is not supported, at character {}; now() is",
                start + 1
            ));
        }
        self.at += 1;
        self.skip_blanks();
        if !self.take(')') {
            return Err(self.expected("a closing parenthesis: now() takes nothing"));
        }
        Ok(Field::Now)
    }
}

fn rooted(root: &str, path: Path, start: usize) -> Result<Field, String> {
    let at = start + 1;
    match (root, path.is_empty()) {
        ("key", _) => Ok(Field::Key(path)),
        ("value", _) => Ok(Field::Value(path)),
        ("before", false) => Ok(Field::Before(path)),
        ("source", false) => Ok(Field::Source(path)),
        ("op" | "ts_ms" | "ts_us" | "ts_ns", true) => Ok(Field::Envelope(root.into())),
        ("header", false) => Ok(Field::Header(path.join(".").into())),
        ("true" | "false", true) => Err(format!(
            "constants are not supported, at character {at}; map a field"
        )),
        _ => Err(format!(
            "field at character {at} must be key, value, or begin with key., value. or header. \
             (in debezium format also source., before., op, ts_ms)"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(segments: &[&str]) -> Path {
        segments.iter().map(|segment| (*segment).into()).collect()
    }

    /// CS-030, CS-032, CS-033, CS-035, CS-036, CS-093.
    #[test]
    fn every_form_of_a_field_is_read() {
        let mapping = parse(
            "a=key, b = value.x.y,\n\"C d\"=value.\"Big \"\"F.1\", e=header.my.h, f=now( ), g=source.lsn!unset, \
             h=\"value.one.seg\" !null, i=before.x, j=op, *",
        )
        .unwrap();
        let fields: Vec<_> = mapping
            .entries
            .iter()
            .map(|entry| (&*entry.column, entry.field.clone(), entry.nulls))
            .collect();
        assert_eq!(
            fields,
            [
                ("a", Field::Key(path(&[])), None),
                ("b", Field::Value(path(&["x", "y"])), None),
                ("C d", Field::Value(path(&["Big \"F.1"])), None),
                ("e", Field::Header("my.h".into()), None),
                ("f", Field::Now, None),
                ("g", Field::Source(path(&["lsn"])), Some(NullRule::Unset)),
                ("h", Field::Value(path(&["one.seg"])), Some(NullRule::Null)),
                ("i", Field::Before(path(&["x"])), None),
                ("j", Field::Envelope("op".into()), None),
            ]
        );
        assert!(mapping.star);
    }

    /// CS-030, CS-031: each error names its place.
    #[test]
    fn errors_name_their_position() {
        for (text, message) in [
            ("", "expected a column name at character 1, found the end"),
            ("a", "expected = at character 2, found the end"),
            (
                "a=key.x,a=key.y",
                "column a is mapped twice, again at character 9",
            ),
            ("a=other.x", "field at character 3 must be key, value"),
            ("a=header", "field at character 3 must be"),
            (
                "a=key.x b=key.y",
                "expected a comma or the end at character 9, found 'b'",
            ),
            ("a=uuid(key)", "function uuid() is not supported, at character 3"),
            ("a='x'", "constants are not supported, at character 3"),
            ("a=true", "constants are not supported, at character 3"),
            ("a=value.\"x", "the quote at character 9 does not end"),
            (
                "a=value.x!zero",
                "expected null or unset at character 11, found zero",
            ),
            ("a=now(1)", "expected a closing parenthesis"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(message), "{text}: {error}");
        }
    }
}
