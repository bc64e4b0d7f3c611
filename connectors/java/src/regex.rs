//! Sans-I/O. `java.util.regex` over fancy-regex: what a pattern means in Java it means here, or it is refused by name.
//!
//! ```text
//! Java's pattern ──syntax──▶ tree ──translate──▶ fancy-regex's dialect ──▶ Regex
//!                              └──simple──▶ characters and dots alone: compared directly, nothing is compiled
//! ```
//!
//! The dialects look alike and differ quietly: `$` before a final line end, `\w` and `\b` of ASCII only, case folding of
//! ASCII only, classes with unions and intersections. So the pattern is parsed whole by Java's rules and written anew.
//! What has no equivalent is a [`PatternError`] that names the construct (CN-314). Two constructs are faithful on some
//! inputs only; on the others matching answers a [`MatchError`], never a guess.
//!
//! Word boundaries are those of JDK 19 and later (ASCII words), as `\w` always was.

use std::borrow::Cow;
use std::fmt;

mod class;
mod compile;
mod list;
mod property;
mod replacement;
mod simple;
mod syntax;
mod translate;
mod tree;

pub use compile::MAX_STEPS;
pub use list::{ListError, PatternList};
pub use replacement::{ReplacementError, Substitution};
pub use syntax::{MAX_DEPTH, MAX_PATTERN_CHARS, MAX_REPETITIONS};

use compile::Matcher;

/// Whether upper and lower case of ASCII letters are the same, Java's `CASE_INSENSITIVE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// `a` is not `A`.
    Sensitive,
    /// `a` is `A`; beyond ASCII case counts, as in Java without `UNICODE_CASE`.
    AsciiInsensitive,
}

/// A compiled pattern.
#[derive(Debug)]
pub struct Pattern {
    source: String,
    tree: tree::Tree,
    matcher: Matcher,
}

impl Pattern {
    /// Compiles a pattern of Java's dialect.
    ///
    /// # Errors
    /// What Java refuses, what has no equivalent here, and patterns beyond the limits of this module.
    pub fn compile(source: &str, case: Case) -> Result<Self, PatternError> {
        let tree = syntax::parse(source, case).map_err(|problem| PatternError::new(source, problem))?;
        let matcher = Matcher::whole(source, &tree)?;
        Ok(Pattern {
            source: source.to_owned(),
            tree,
            matcher,
        })
    }

    /// Whether the pattern matches all of `input`, as `Matcher.matches()` says.
    ///
    /// # Errors
    /// More than [`MAX_STEPS`] steps back, or an input on which a construct is not faithful.
    pub fn matches(&self, input: &str) -> Result<bool, MatchError> {
        self.matcher.is_match(input).map_err(|problem| MatchError {
            pattern: self.source.clone(),
            problem,
        })
    }

    /// Prepares `Matcher.replaceFirst` with a replacement of Java's dialect: `$1`, `${name}`, `\` before a literal.
    ///
    /// # Errors
    /// A replacement that is malformed or names a group the pattern does not have.
    pub fn substitution(&self, replacement: &str) -> Result<Substitution, ReplacementError> {
        Substitution::compile(self, replacement)
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// The number of capturing groups.
    pub fn groups(&self) -> usize {
        self.tree.groups
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

/// A pattern that cannot be used. The message names the pattern, the place and the construct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError {
    pattern: String,
    problem: Problem,
}

/// What is wrong with a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// Java refuses it too. The index counts characters.
    Malformed { at: usize, what: Cow<'static, str> },
    /// Java accepts it, here it has no equivalent.
    Unsupported {
        at: Option<usize>,
        construct: Cow<'static, str>,
    },
    /// Too large for one of the limits.
    TooComplex { limit: Cow<'static, str> },
}

impl PatternError {
    pub(crate) fn new(pattern: &str, problem: Problem) -> Self {
        PatternError {
            pattern: pattern.to_owned(),
            problem,
        }
    }

    /// Whether Java would accept the pattern.
    pub fn is_unsupported(&self) -> bool {
        !matches!(self.problem, Problem::Malformed { .. })
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pattern = Excerpt(&self.pattern);
        match &self.problem {
            Problem::Malformed { at, what } => {
                write!(
                    f,
                    "the pattern {pattern} is no Java regular expression: {what} near index {at}"
                )
            }
            Problem::Unsupported { at, construct } => {
                let place = at.map_or_else(String::new, |at| format!(" near index {at}"));
                write!(
                    f,
                    "the pattern {pattern} uses {construct}{place}, which is not supported; write it without"
                )
            }
            Problem::TooComplex { limit } => write!(f, "the pattern {pattern} is too complex: {limit}"),
        }
    }
}

impl std::error::Error for PatternError {}

/// A match that could not be decided. The message does not hold the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchError {
    pattern: String,
    problem: Undecided,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undecided {
    Steps,
    Unfaithful(&'static str),
}

impl fmt::Display for MatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pattern = Excerpt(&self.pattern);
        match self.problem {
            Undecided::Steps => write!(
                f,
                "matching the pattern {pattern} took more than {MAX_STEPS} steps back; \
                 simplify its nested repetitions or make them possessive"
            ),
            Undecided::Unfaithful(construct) => {
                write!(
                    f,
                    "the pattern {pattern} uses {construct}, which is not supported; write it without"
                )
            }
        }
    }
}

impl std::error::Error for MatchError {}

/// Characters of a pattern that an error shows.
const EXCERPT_CHARS: usize = 200;

/// A pattern in quotes, cut where it is very long.
struct Excerpt<'p>(&'p str);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(EXCERPT_CHARS) {
            Some((end, _)) => write!(f, "\"{}…\"", &self.0[..end]),
            None => write!(f, "\"{}\"", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, input: &str) -> Result<bool, MatchError> {
        Pattern::compile(pattern, Case::AsciiInsensitive)
            .unwrap()
            .matches(input)
    }

    /// CN-314: a construct without an equivalent is named.
    #[test]
    fn what_has_no_equivalent_is_refused_by_name() {
        let golden = [
            ("(?x)a b", "the inline flag (x)"),
            ("(?u)a", "the inline flag (u)"),
            ("(?U:a)", "the inline flag (U)"),
            (r"\X", r"\X (grapheme clusters)"),
            (r"\b{g}", r"\b{g}"),
            (r"\N{BULLET}", r"\N{"),
            (r"\p{InGreek}", r"the property \p{InGreek}"),
            (r"\P{javaLowerCase}", r"the property \P{javaLowerCase}"),
            (r"\p{IsNoScript}", "a property of an unknown name"),
            ("[a&&]", "an intersection '&&' with an empty side"),
            (r"[\v-a]", r"\v at an end of a range"),
            (r"\ud800", "half of a surrogate pair"),
            (r"(a\1)", "a back-reference inside its own group"),
            (r"\2(a)(b)", "a back-reference to a later group"),
            ("(?<=a+)b", "a look-behind without a longest match"),
            ("a{1}{2}", "a repetition of a repetition"),
            (r"\R+", r"a repeated \R"),
            (r"(a?)*\1", "a repeated group that captures and may be empty"),
            ("(?:a?|b){3}", "a least count for something that may be empty"),
        ];
        for (pattern, construct) in golden {
            let error = Pattern::compile(pattern, Case::Sensitive).unwrap_err();
            assert!(error.is_unsupported(), "{error}");
            assert!(error.to_string().contains(construct), "{error}");
        }
    }

    #[test]
    fn what_java_refuses_is_told_apart_and_placed() {
        let error = Pattern::compile("public.*+*", Case::Sensitive).unwrap_err();
        assert!(!error.is_unsupported());
        assert_eq!(
            error.to_string(),
            "the pattern \"public.*+*\" is no Java regular expression: dangling meta character '*' near index 9"
        );
    }

    #[test]
    fn limits_hold_without_running_away() {
        let nested = format!("{}a{}", "(".repeat(MAX_DEPTH + 1), ")".repeat(MAX_DEPTH + 1));
        let classes = "[".repeat(5_000);
        let long = "a".repeat(MAX_PATTERN_CHARS + 1);
        let counted = format!("a{{{}}}", MAX_REPETITIONS + 1);
        let huge = r"(?:\p{L}{1000}){1000}";
        let behind = r"(?<=(?:\p{L}{1,1000}){1,1000})x";
        for pattern in [
            nested.as_str(),
            &classes,
            &long,
            &counted,
            huge,
            behind,
            "((a{1000}){1000}){1000}",
        ] {
            let error = Pattern::compile(pattern, Case::Sensitive)
                .unwrap_err()
                .to_string();
            assert!(error.contains("too complex") && error.len() < 600, "{error}");
        }
    }

    /// PG-014: the step limit.
    #[test]
    fn a_match_that_explodes_is_an_error() {
        let error = matches("(?:a|a)*(?=b)b", &"a".repeat(60))
            .unwrap_err()
            .to_string();
        assert!(error.contains("took more than 1000000 steps back"), "{error}");
    }

    #[test]
    fn inputs_on_which_a_construct_is_unfaithful_are_errors() {
        assert_eq!(matches(r"(\w)\1", "aA"), Ok(true));
        assert!(matches(r"(.)\1", "\u{e9}\u{c9}").is_err());
        assert_eq!(matches(r"\u00e9\bx", "\u{e9}x"), Ok(true));
        assert!(matches(r"e.\bx", "e\u{301}x").is_err());
    }

    #[test]
    fn case_is_ignored_in_ascii_alone() {
        assert_eq!(matches("[k-m]k", "Lk"), Ok(true));
        assert_eq!(matches("k", "\u{212a}"), Ok(false));
        assert_eq!(matches("[a-z]", "\u{212a}"), Ok(false));
        assert_eq!(matches("\u{e9}", "\u{c9}"), Ok(false));
    }

    /// The simple road and the compiled one agree.
    #[test]
    fn simple_patterns_need_no_engine() {
        let simple = Pattern::compile("public.(orders|items)|x", Case::AsciiInsensitive).unwrap();
        assert!(matches!(simple.matcher, Matcher::Simple(_)));
        for (input, expected) in [
            ("PUBLIC.items", true),
            ("public\n.items", false),
            ("x", true),
            ("xx", false),
        ] {
            assert_eq!(simple.matches(input), Ok(expected), "{input}");
            // A look-ahead that always holds makes it the other road.
            assert_eq!(
                matches("(?=)(?:public.(orders|items)|x)", input),
                Ok(expected),
                "{input}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_pattern_panics(pattern in any::<String>(), input in any::<String>()) {
            if let Ok(pattern) = Pattern::compile(&pattern, Case::Sensitive) {
                let _ = pattern.matches(&input);
            }
        }

        #[test]
        fn no_mixture_of_operators_panics(
            pattern in r"([abk1\[\](){}|?*+^$.,:<=!&-]|\\[A-Za-z0-9.]|\(\?[:=!>]|\(\?<[=!a]|\{1,2\}|\\p\{L[ul]?\}){0,14}",
            input in "[abAk1.\n\u{e9}]{0,6}",
        ) {
            if let Ok(pattern) = Pattern::compile(&pattern, Case::AsciiInsensitive) {
                let _ = pattern.matches(&input);
                if let Ok(substitution) = pattern.substitution("$0-") {
                    let _ = substitution.replace_first(&input);
                }
            }
        }

        #[test]
        fn a_literal_matches_itself(text in "[a-zA-Z0-9 _.$-]{0,20}", case in any::<bool>()) {
            let case = if case { Case::Sensitive } else { Case::AsciiInsensitive };
            let quoted = format!(r"\Q{text}\E");
            prop_assert_eq!(Pattern::compile(&quoted, case).unwrap().matches(&text), Ok(true));
        }
    }
}
