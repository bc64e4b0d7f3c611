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
    tree: syntax::Tree,
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
        let pattern = &self.pattern;
        match &self.problem {
            Problem::Malformed { at, what } => {
                write!(
                    f,
                    "the pattern {pattern:?} is no Java regular expression: {what} near index {at}"
                )
            }
            Problem::Unsupported { at, construct } => {
                let place = at.map_or_else(String::new, |at| format!(" near index {at}"));
                write!(
                    f,
                    "the pattern {pattern:?} uses {construct}{place}, which is not supported; write it without"
                )
            }
            Problem::TooComplex { limit } => write!(f, "the pattern {pattern:?} is too complex: {limit}"),
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
        let pattern = &self.pattern;
        match self.problem {
            Undecided::Steps => write!(
                f,
                "matching the pattern {pattern:?} took more than {MAX_STEPS} steps back; \
                 simplify its nested repetitions or make them possessive"
            ),
            Undecided::Unfaithful(construct) => {
                write!(
                    f,
                    "the pattern {pattern:?} uses {construct}, which is not supported; write it without"
                )
            }
        }
    }
}

impl std::error::Error for MatchError {}
