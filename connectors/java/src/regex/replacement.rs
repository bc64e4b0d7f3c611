//! Sans-I/O. Replacements of Java's dialect: `$1`, `${name}`, and a backslash that makes the next character a literal.

use std::borrow::Cow;
use std::fmt;

use super::compile::Finder;
use super::tree::Tree;
use super::{MatchError, Pattern, PatternError};

/// A pattern together with what takes the place of its first match.
#[derive(Debug)]
pub struct Substitution {
    pattern: String,
    finder: Finder,
    parts: Vec<Part>,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// 0 is the whole match.
    Group(usize),
}

impl Substitution {
    pub(super) fn compile(pattern: &Pattern, replacement: &str) -> Result<Self, ReplacementError> {
        let parts = parse(replacement, &pattern.tree).map_err(|problem| ReplacementError::Malformed {
            replacement: replacement.to_owned(),
            problem,
        })?;
        let groups = parts.iter().any(|part| matches!(part, Part::Group(1..)));
        let finder =
            Finder::new(pattern.as_str(), &pattern.tree, groups).map_err(ReplacementError::Pattern)?;
        Ok(Substitution {
            pattern: pattern.as_str().to_owned(),
            finder,
            parts,
        })
    }

    /// `input` with its first match replaced, or as it is when nothing matches. The match may be a part of the input:
    /// of `a|ab` in `ab` it is the `a`, although the pattern matches the whole. A group that took no part is empty.
    ///
    /// # Errors
    /// Those of [`Pattern::matches`].
    pub fn replace_first<'i>(&self, input: &'i str) -> Result<Cow<'i, str>, MatchError> {
        let found = self.finder.find(input).map_err(|problem| MatchError {
            pattern: self.pattern.clone(),
            problem,
        })?;
        let Some((captures, whole)) =
            found.and_then(|captures| captures.get(0).map(|whole| (captures, whole)))
        else {
            return Ok(Cow::Borrowed(input));
        };
        let mut out = String::with_capacity(input.len());
        out.push_str(&input[..whole.start()]);
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Group(group) => out.push_str(captures.get(*group).map_or("", |found| found.as_str())),
            }
        }
        out.push_str(&input[whole.end()..]);
        Ok(Cow::Owned(out))
    }
}

/// A replacement that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplacementError {
    /// The replacement itself is wrong.
    Malformed {
        /// As it was written.
        replacement: String,
        /// What is wrong, in words.
        problem: Cow<'static, str>,
    },
    /// The pattern cannot be searched for.
    Pattern(PatternError),
}

impl fmt::Display for ReplacementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplacementError::Malformed { replacement, problem } => {
                write!(f, "the replacement {replacement:?} is malformed: {problem}")
            }
            ReplacementError::Pattern(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReplacementError {}

fn parse(replacement: &str, tree: &Tree) -> Result<Vec<Part>, Cow<'static, str>> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = replacement.chars();
    while let Some(char) = rest.next() {
        match char {
            '\\' => literal.push(
                rest.next()
                    .ok_or("a backslash at the end; write \\\\ for a backslash")?,
            ),
            '$' => {
                if !literal.is_empty() {
                    parts.push(Part::Literal(std::mem::take(&mut literal)));
                }
                parts.push(Part::Group(group(&mut rest, tree)?));
            }
            _ => literal.push(char),
        }
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    Ok(parts)
}

/// Behind `$`: a number or a name in braces.
fn group(rest: &mut std::str::Chars<'_>, tree: &Tree) -> Result<usize, Cow<'static, str>> {
    const ILLEGAL: &str = "'$' without a group number or {name}; write \\$ for a dollar sign";
    match rest.next().ok_or(ILLEGAL)? {
        '{' => {
            let (name, behind) = rest.as_str().split_once('}').ok_or("a group name without '}'")?;
            *rest = behind.chars();
            tree.group_named(name)
                .ok_or_else(|| format!("no group with name {{{name}}}").into())
        }
        first => {
            let mut group = first.to_digit(10).ok_or(ILLEGAL)? as usize;
            if group > tree.groups {
                return Err(format!("no group {group}").into());
            }
            // Further digits belong to it as long as there are so many groups.
            while let Some(digit) = rest.as_str().chars().next().and_then(|c| c.to_digit(10)) {
                let longer = group * 10 + digit as usize;
                if longer > tree.groups {
                    break;
                }
                group = longer;
                rest.next();
            }
            Ok(group)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Case;
    use super::*;
    use proptest::prelude::*;

    fn replaced(pattern: &str, replacement: &str, input: &str) -> String {
        let pattern = Pattern::compile(pattern, Case::Sensitive).unwrap();
        pattern
            .substitution(replacement)
            .unwrap()
            .replace_first(input)
            .unwrap()
            .into_owned()
    }

    /// CN-314
    #[test]
    fn groups_are_inserted_by_number_and_name() {
        assert_eq!(
            replaced(r"([^.]+)\.([^.]+)\.([^.]+)", "$3", "demo.public.users"),
            "users"
        );
        assert_eq!(
            replaced(r"(?<server>\w+)\.(.*)", "${server}_$2", "demo.public.users"),
            "demo_public.users"
        );
        assert_eq!(replaced("b(x)?", "<$0$1>", "abc"), "a<b>c");
        assert_eq!(replaced("(a)", "$12", "a"), "a2", "there is no group 12");
        assert_eq!(replaced("a|ab", "x", "ab"), "xb");
        assert_eq!(replaced("z", "x", "ab"), "ab");
        assert_eq!(replaced("a", "", "aa"), "a");
    }

    #[test]
    fn a_backslash_makes_literals() {
        assert_eq!(replaced("a", r"\$1\\\n{}", "a"), r"$1\n{}");
    }

    #[test]
    fn malformed_replacements_say_why() {
        let pattern = Pattern::compile("(?<n>a)", Case::Sensitive).unwrap();
        let golden = [
            ("\\", "a backslash at the end"),
            ("$", "without a group number"),
            ("$x", "without a group number"),
            ("$2", "no group 2"),
            ("${x}", "no group with name {x}"),
            ("${n", "without '}'"),
        ];
        for (replacement, words) in golden {
            let error = pattern.substitution(replacement).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_replacement_panics(replacement in "[$0-9{}a-c\\\\é]{0,12}", input in "[ab]{0,5}") {
            let pattern = Pattern::compile("(?<a>a)|(b)", Case::Sensitive).unwrap();
            if let Ok(substitution) = pattern.substitution(&replacement) {
                prop_assert!(substitution.replace_first(&input).is_ok());
            }
        }
    }
}
