//! Sans-I/O. The paths that code names: `a::b::c` in expressions and types, and every leaf of a `use` tree.

use crate::token::{Kind, Token};

/// One path as it is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Segments joined by `::`; a glob ends in `*`.
    pub path: String,
    /// Line of its last segment.
    pub line: usize,
    /// Whether test code names it.
    pub test: bool,
}

impl Named {
    /// Whether this is `prefix` or something below it.
    pub fn is_below(&self, prefix: &str) -> bool {
        self.path
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    }

    /// Whether the path ends in the segments of `suffix`.
    pub fn ends_with(&self, suffix: &str) -> bool {
        self.path
            .strip_suffix(suffix)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with("::"))
    }
}

/// All paths of a file, in order. A single identifier is a path of one segment.
pub fn named(tokens: &[Token]) -> Vec<Named> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        // `use<'a>` in a type captures lifetimes and imports nothing.
        let captures = tokens.get(at + 1).is_some_and(|next| next.is_mark("<"));
        if token.is_ident("use") && !captures {
            at = use_tree(tokens, at + 1, String::new(), &mut out);
        } else if token.kind == Kind::Ident {
            at = plain_path(tokens, at, &mut out);
        } else {
            at += 1;
        }
    }
    out
}

fn plain_path(tokens: &[Token], start: usize, out: &mut Vec<Named>) -> usize {
    let mut path = tokens[start].text.clone();
    let mut at = start;
    while is_separator(tokens, at + 1) && tokens.get(at + 3).is_some_and(|next| next.kind == Kind::Ident) {
        at += 3;
        path.push_str("::");
        path.push_str(&tokens[at].text);
    }
    out.push(Named {
        path,
        line: tokens[at].line,
        test: tokens[at].test,
    });
    at + 1
}

/// Reads one tree of a `use` and returns the index of what ends it: a comma, a closing bracket or a semicolon.
fn use_tree(tokens: &[Token], start: usize, mut path: String, out: &mut Vec<Named>) -> usize {
    let mut at = start;
    let mut branched = false;
    let mut last = start;
    while let Some(token) = tokens.get(at) {
        match token.kind {
            Kind::Ident if token.is_ident("as") => at += 1,
            Kind::Ident if token.is_ident("self") && !path.is_empty() => {}
            Kind::Ident => path = join(&path, &token.text),
            Kind::Open => {
                branched = true;
                at += 1;
                while at < token.mate {
                    at = use_tree(tokens, at, path.clone(), out) + 1;
                }
                at = token.mate;
            }
            Kind::Punct if token.text == "*" => path = join(&path, "*"),
            Kind::Punct if token.text == ":" => {}
            Kind::Punct | Kind::Close | Kind::Literal => break,
        }
        last = at;
        at += 1;
    }
    if !branched && !path.is_empty() {
        let token = &tokens[last];
        out.push(Named {
            path,
            line: token.line,
            test: token.test,
        });
    }
    at
}

fn join(path: &str, segment: &str) -> String {
    if path.is_empty() {
        segment.to_owned()
    } else {
        format!("{path}::{segment}")
    }
}

fn is_separator(tokens: &[Token], at: usize) -> bool {
    let colon = |at: usize| tokens.get(at).is_some_and(|token| token.is_mark(":"));
    colon(at) && colon(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::lex;

    fn paths(text: &str) -> Vec<String> {
        let all = named(&lex(text).unwrap());
        all.into_iter().map(|n| n.path).collect()
    }

    #[test]
    fn a_use_tree_is_spelled_out() {
        let text = "use std::{self, fs::{File, read as slurp}, net::*}; use ::tokio::time;";
        let all = paths(text);
        assert_eq!(
            all,
            [
                "std",
                "std::fs::File",
                "std::fs::read",
                "std::net::*",
                "tokio::time"
            ]
        );
    }

    #[test]
    fn paths_in_code_are_found_whole() {
        let all = paths("fn f() -> a::B { c::d::e(x).g }");
        assert_eq!(all, ["fn", "f", "a::B", "c::d::e", "x", "g"]);
    }

    #[test]
    fn a_capture_list_is_no_import() {
        assert_eq!(
            paths("fn f() -> impl A + use<'_> {}"),
            ["fn", "f", "impl", "A", "use", "_"]
        );
    }

    #[test]
    fn prefixes_and_suffixes_match_whole_segments() {
        let name = |path: &str| Named {
            path: path.into(),
            line: 1,
            test: false,
        };
        assert!(name("std::env::var").is_below("std::env"));
        assert!(!name("std::environment").is_below("std::env"));
        assert!(name("Instant::now").ends_with("now"));
        assert!(!name("Instant::unknown").ends_with("now"));
    }
}
