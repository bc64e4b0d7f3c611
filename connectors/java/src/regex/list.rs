//! Sans-I/O. Debezium's comma-separated lists of patterns, as in `table.include.list` (PG-014).

use std::fmt;

use super::{Case, MatchError, Pattern, PatternError};

/// Patterns that whole identifiers are held against, ASCII case ignored.
#[derive(Debug, Default)]
pub struct PatternList {
    patterns: Vec<Pattern>,
}

impl PatternList {
    /// Reads a list: elements between commas, blanks around them trimmed, empty ones left out; `\,` is a comma inside
    /// an element.
    ///
    /// # Errors
    /// The first element that is no usable pattern; a backslash at the very end.
    pub fn compile(list: &str) -> Result<Self, ListError> {
        let elements = split(list).ok_or_else(|| ListError::TrailingBackslash(list.to_owned()))?;
        let mut patterns = Vec::new();
        for element in elements {
            patterns.push(Pattern::compile(&element, Case::AsciiInsensitive).map_err(ListError::Pattern)?);
        }
        Ok(PatternList { patterns })
    }

    /// Whether an element matches all of `identifier`.
    ///
    /// # Errors
    /// Those of [`Pattern::matches`], of the elements up to the first match.
    pub fn matches(&self, identifier: &str) -> Result<bool, MatchError> {
        self.position(identifier).map(|position| position.is_some())
    }

    /// The index of the first element that matches all of `identifier`: the order of a snapshot (PG-147).
    ///
    /// # Errors
    /// Those of [`Pattern::matches`], of the elements up to the first match.
    pub fn position(&self, identifier: &str) -> Result<Option<usize>, MatchError> {
        for (index, pattern) in self.patterns.iter().enumerate() {
            if pattern.matches(identifier)? {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    /// Whether the list has no element; it then matches nothing.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// The elements, in order.
    pub fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }
}

/// A list that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListError {
    /// An element is no usable pattern.
    Pattern(PatternError),
    /// The list ends in a backslash that escapes nothing.
    TrailingBackslash(String),
}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListError::Pattern(error) => error.fmt(f),
            ListError::TrailingBackslash(list) => {
                write!(
                    f,
                    "the list {list:?} ends in a backslash that escapes nothing; remove it"
                )
            }
        }
    }
}

impl std::error::Error for ListError {}

/// `None` for a backslash at the end.
fn split(list: &str) -> Option<Vec<String>> {
    let mut elements = vec![String::new()];
    let mut rest = list.chars();
    while let Some(char) = rest.next() {
        let last = elements.len() - 1;
        match char {
            ',' => elements.push(String::new()),
            '\\' => match rest.next()? {
                ',' => elements[last].push(','),
                escaped => elements[last].extend(['\\', escaped]),
            },
            _ => elements[last].push(char),
        }
    }
    // Java's trim: everything up to U+0020 is blank.
    let trimmed = elements
        .iter()
        .map(|element| element.trim_matches(|c: char| c <= ' '));
    Some(
        trimmed
            .filter(|element| !element.is_empty())
            .map(str::to_owned)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// PG-014
    #[test]
    fn elements_are_anchored_trimmed_and_ignore_case() {
        let list = PatternList::compile(" public.orders ,\n inventory\\..* ,, ").unwrap();
        assert_eq!(list.patterns().len(), 2);
        assert_eq!(list.position("PUBLIC.Orders"), Ok(Some(0)));
        assert_eq!(list.position("inventory.items"), Ok(Some(1)));
        assert_eq!(list.position("public.orders_archive"), Ok(None));
        assert_eq!(list.position("a.public.orders"), Ok(None));
        assert_eq!(list.position("inventoryx.items"), Ok(None));
        assert_eq!(list.matches("publicxorders"), Ok(true), "a dot is any character");
    }

    /// PG-147
    #[test]
    fn the_first_matching_element_gives_the_position() {
        let list = PatternList::compile("public.b,public.*,public.a").unwrap();
        assert_eq!(list.position("public.a"), Ok(Some(1)));
        assert_eq!(list.position("public.b"), Ok(Some(0)));
    }

    /// PG-014: look-around, back-references, possessive quantifiers and escaped commas.
    #[test]
    fn javas_dialect_works() {
        let list = PatternList::compile(r"public\.(?!secret)[a-z]++, (\w+)\.\1, t\.x{1\,2}, \\\,").unwrap();
        assert_eq!(list.position("public.users"), Ok(Some(0)));
        assert_eq!(list.position("public.secrets"), Ok(None));
        assert_eq!(list.position("Orders.orders"), Ok(Some(1)));
        assert_eq!(list.position("t.xx"), Ok(Some(2)));
        assert_eq!(list.position("t.xxx"), Ok(None));
        assert_eq!(list.position("\\,"), Ok(Some(3)));
    }

    #[test]
    fn an_empty_list_matches_nothing() {
        for text in ["", " ", ",", " , "] {
            let list = PatternList::compile(text).unwrap();
            assert!(list.is_empty());
            assert_eq!(list.matches(""), Ok(false));
        }
    }

    #[test]
    fn errors_name_the_element() {
        let error = PatternList::compile("public.a,public.(").unwrap_err().to_string();
        assert!(
            error.contains("\"public.(\"") && error.contains("unclosed group"),
            "{error}"
        );
        assert_eq!(
            PatternList::compile("a\\").unwrap_err(),
            ListError::TrailingBackslash("a\\".to_owned())
        );
    }

    proptest! {
        #[test]
        fn no_list_panics(list in "[a-c,\\\\ .*+(){}|\\[\\]?]{0,30}", identifier in "[a-c,.]{0,10}") {
            if let Ok(list) = PatternList::compile(&list) {
                let _ = list.position(&identifier);
            }
        }
    }
}
