//! Sans-I/O. The compiled matcher: the simple comparison where that is enough, otherwise fancy-regex with its limits.

use std::borrow::Cow;

use fancy_regex::{Captures, CompileError, Error, Regex, RegexBuilder};

use super::simple::Simple;
use super::translate::{Observed, translate};
use super::tree::{Anchor, Node, Tree};
use super::{PatternError, Problem, Undecided};

/// Steps back until a match counts as undecided: some tens of milliseconds, and far above any sane pattern.
pub const MAX_STEPS: usize = 1_000_000;

/// Size of one compiled part, in bytes: the default of the regex crate.
const MAX_COMPILED_BYTES: usize = 10 << 20;

/// A pattern ready to match.
#[derive(Debug)]
pub(super) enum Matcher {
    Simple(Simple),
    Full(Box<Full>),
}

/// Constructs of a pattern that are faithful only on inputs without certain characters.
#[derive(Debug)]
pub(super) struct Doubts {
    /// Java folds ASCII only, fancy-regex folds all of Unicode.
    back_reference_ignores_case: bool,
    /// Set where the pattern has a word boundary: finds combining marks, which Java counts as part of a word.
    marks: Option<Regex>,
}

impl Matcher {
    /// A matcher of whole inputs.
    pub(super) fn whole(source: &str, tree: &Tree) -> Result<Self, PatternError> {
        if let Some(simple) = Simple::of(&tree.root) {
            return Ok(Matcher::Simple(simple));
        }
        let full = compile(source, tree, Observed::Answer, |pattern| {
            format!(r"\A(?:{pattern})\z")
        })?;
        Ok(Matcher::Full(Box::new(full)))
    }

    pub(super) fn is_match(&self, input: &str) -> Result<bool, Undecided> {
        match self {
            Matcher::Simple(simple) => Ok(simple.matches(input)),
            Matcher::Full(full) => {
                full.doubts.check(input)?;
                full.regex.is_match(input).map_err(|_| Undecided::Steps)
            }
        }
    }
}

/// Finds the first match inside an input, with its groups.
#[derive(Debug)]
pub(super) struct Finder(Full);

/// A compiled pattern and what it cannot judge.
#[derive(Debug)]
pub(super) struct Full {
    regex: Regex,
    doubts: Doubts,
}

impl Finder {
    /// A finder whose groups will be looked at, or only the whole match.
    pub(super) fn new(source: &str, tree: &Tree, groups: bool) -> Result<Self, PatternError> {
        let observed = if groups { Observed::Groups } else { Observed::Span };
        compile(source, tree, observed, |pattern| pattern).map(Finder)
    }

    pub(super) fn find<'i>(&self, input: &'i str) -> Result<Option<Captures<'i>>, Undecided> {
        self.0.doubts.check(input)?;
        self.0.regex.captures(input).map_err(|_| Undecided::Steps)
    }
}

fn compile(
    source: &str,
    tree: &Tree,
    observed: Observed,
    frame: impl FnOnce(String) -> String,
) -> Result<Full, PatternError> {
    let refused = |error: Error| PatternError::new(source, refusal(&error));
    let pattern = translate(tree, observed).map_err(|problem| PatternError::new(source, problem))?;
    let regex = RegexBuilder::new(&frame(pattern))
        .backtrack_limit(MAX_STEPS)
        .delegate_size_limit(MAX_COMPILED_BYTES)
        .delegate_dfa_size_limit(MAX_COMPILED_BYTES)
        .build()
        .map_err(refused)?;
    Ok(Full {
        regex,
        doubts: Doubts::of(&tree.root).map_err(refused)?,
    })
}

/// fancy-regex refuses a few things that were written by Java's grammar.
fn refusal(error: &Error) -> Problem {
    let unsupported = |construct: Cow<'static, str>| Problem::Unsupported { at: None, construct };
    match error {
        Error::CompileError(error) => match &**error {
            CompileError::LookBehindNotConst | CompileError::FeatureNotYetSupported(_) => unsupported(
                "a look-behind of variable length around another look-around or an atomic group".into(),
            ),
            // The only error of the grammar that is left: a script of that name.
            CompileError::InnerError(error) if error.syntax_error().is_some() => {
                unsupported("a property of an unknown name".into())
            }
            error => Problem::TooComplex {
                limit: error.to_string().into(),
            },
        },
        error => Problem::TooComplex {
            limit: error.to_string().into(),
        },
    }
}

impl Doubts {
    fn of(root: &Node) -> Result<Self, Error> {
        let back_reference_ignores_case = root.any(&|node| {
            matches!(
                node,
                Node::BackReference {
                    ignore_case: true,
                    ..
                }
            )
        });
        let boundary = root.any(&|node| matches!(node, Node::Anchor(Anchor::Boundary | Anchor::NoBoundary)));
        let marks = if boundary {
            Some(Regex::new(r"\p{Mn}")?)
        } else {
            None
        };
        Ok(Doubts {
            back_reference_ignores_case,
            marks,
        })
    }

    fn check(&self, input: &str) -> Result<(), Undecided> {
        if input.is_ascii() {
            return Ok(());
        }
        if self.back_reference_ignores_case {
            return Err(Undecided::Unfaithful(
                "a back-reference that ignores case, on a name beyond ASCII",
            ));
        }
        match &self.marks {
            Some(marks) if marks.is_match(input).map_err(|_| Undecided::Steps)? => Err(
                Undecided::Unfaithful("a word boundary, on a name with combining marks"),
            ),
            _ => Ok(()),
        }
    }
}
