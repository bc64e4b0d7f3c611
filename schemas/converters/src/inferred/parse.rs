//! Sans-I/O: takes a text apart. Delimiters are `: , { } [ ] "`, unless a backslash stands before them; the backslash stays.

use super::number::Number;
use super::temporal::Temporal;
use super::{is_blank, temporal};

/// Lists and maps nested deeper are a text, so that none can exhaust the stack.
const DEPTH_MAX: u32 = 64;

/// A text in parts.
#[derive(Debug)]
pub(super) enum Item<'t> {
    Null,
    Bool(bool),
    Number(Number<'t>),
    /// What stood between quotes.
    Text(&'t str),
    Temporal(Temporal, i64),
    Array(Vec<Item<'t>>),
    Map(Vec<(Item<'t>, Item<'t>)>),
}

/// Reads the whole text; `None` when it is nothing but a text.
pub(super) fn whole(text: &str) -> Option<Item<'_>> {
    let mut parser = Parser { text, at: 0 };
    let item = parser.item(0)?;
    parser.skip_blanks();
    (parser.at == text.len()).then_some(item)
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn skip_blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start_matches(is_blank).len();
    }

    fn take(&mut self, delimiter: char) -> bool {
        self.skip_blanks();
        let found = self.rest().starts_with(delimiter);
        self.at += usize::from(found);
        found
    }

    fn item(&mut self, depth: u32) -> Option<Item<'t>> {
        if depth > DEPTH_MAX {
            return None;
        }
        if self.take('[') {
            return self.array(depth + 1);
        }
        if self.take('{') {
            return self.map(depth + 1);
        }
        if depth > 0 && self.take('"') {
            return self.quoted();
        }
        self.bare()
    }

    fn array(&mut self, depth: u32) -> Option<Item<'t>> {
        let mut items = Vec::new();
        while !self.take(']') {
            items.push(self.item(depth)?);
            if !self.take(',') && !self.rest().starts_with(']') {
                return None;
            }
        }
        Some(Item::Array(items))
    }

    fn map(&mut self, depth: u32) -> Option<Item<'t>> {
        let mut entries: Vec<(Item<'t>, Item<'t>)> = Vec::new();
        while !self.take('}') {
            let key = self.item(depth)?;
            if matches!(key, Item::Null) || !self.take(':') {
                return None;
            }
            let value = self.item(depth)?;
            match entries.iter_mut().find(|(known, _)| known.is(&key)) {
                Some(known) => known.1 = value,
                None => entries.push((key, value)),
            }
            // As in Connect, the comma may be missing.
            self.take(',');
        }
        Some(Item::Map(entries))
    }

    fn quoted(&mut self) -> Option<Item<'t>> {
        let end = self.at + delimiter(self.rest(), |c| c == '"')?;
        let content = &self.text[self.at..end];
        self.at = end + 1;
        Some(Item::Text(content))
    }

    fn bare(&mut self) -> Option<Item<'t>> {
        let (start, end) = (self.at, self.token_end(self.at));
        let token = self.text[start..end].trim_matches(is_blank);
        if token.as_bytes().first()?.is_ascii_digit() {
            // A time has colons, so it spans five tokens.
            let mut long = end;
            for _ in 0..4 {
                long = self.token_end(long);
            }
            for end in [long, end] {
                let text = self.text[start..end].trim_matches(is_blank);
                if let Some((kind, value)) = temporal::parse(text) {
                    self.at = end;
                    return Some(Item::Temporal(kind, value));
                }
            }
        }
        self.at = end;
        match token {
            "null" => Some(Item::Null),
            "true" => Some(Item::Bool(true)),
            "false" => Some(Item::Bool(false)),
            token => Number::parse(token).map(Item::Number),
        }
    }

    /// Where the token at `from` ends: before the next delimiter, or behind it when the token is one.
    fn token_end(&self, from: usize) -> usize {
        let rest = &self.text[from..];
        match delimiter(rest, |c| matches!(c, ':' | ',' | '{' | '}' | '[' | ']' | '"')) {
            Some(0) => from + 1,
            Some(length) => from + length,
            None => self.text.len(),
        }
    }
}

/// Where the first such character stands that no backslash is before.
fn delimiter(text: &str, is_one: impl Fn(char) -> bool) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if !escaped && is_one(c) {
            return Some(at);
        }
        escaped = c == '\\' && !escaped;
    }
    None
}

impl Item<'_> {
    /// Whether both are one key of a map.
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Item::Bool(a), Item::Bool(b)) => a == b,
            (Item::Number(a), Item::Number(b)) => a.equals(b),
            (Item::Text(a), Item::Text(b)) => a == b,
            (Item::Temporal(kind, a), Item::Temporal(other, b)) => kind == other && a == b,
            _ => false,
        }
    }
}
