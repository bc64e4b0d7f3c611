//! Sans-I/O. A file as the compiler's lexer sees it, flat: identifiers, punctuation, literals, brackets with their mates.
//!
//! Comments and doc comments are gone, so a ban on a word never trips over prose; each token knows its line and whether
//! it belongs to test code (`#[cfg(test)]` items, functions under a `#[test]` attribute).

use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An identifier or keyword.
    Ident,
    /// One character of punctuation; `::` is two of them.
    Punct,
    /// A number, character, string or byte string, as it is written.
    Literal,
    /// `(`, `[` or `{`.
    Open,
    /// `)`, `]` or `}`.
    Close,
}

/// One token.
#[derive(Debug, Clone)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// As written, an identifier without `r#`.
    pub text: String,
    /// Line from 1.
    pub line: usize,
    /// For brackets the index of the other one, else the token's own.
    pub mate: usize,
    /// Whether it belongs to test code.
    pub test: bool,
}

impl Token {
    /// Whether this is the identifier or keyword `name`.
    pub fn is_ident(&self, name: &str) -> bool {
        self.kind == Kind::Ident && self.text == name
    }

    /// Whether this is the punctuation or bracket `text`.
    pub fn is_mark(&self, text: &str) -> bool {
        !matches!(self.kind, Kind::Ident | Kind::Literal) && self.text == text
    }
}

/// Lexes a file and marks its test code.
///
/// # Errors
/// The lexer's own words where the text is not Rust.
pub fn lex(text: &str) -> Result<Vec<Token>, String> {
    let stream = TokenStream::from_str(text).map_err(|error| error.to_string())?;
    let mut tokens = Vec::new();
    flatten(stream, &mut tokens);
    mark_tests(&mut tokens);
    Ok(tokens)
}

/// The content of a string literal, escapes left as written; `None` for other literals.
pub fn string_content(token: &Token) -> Option<&str> {
    if token.kind != Kind::Literal {
        return None;
    }
    let from = token.text.find('"')?;
    let to = token.text.rfind('"')?;
    token.text.get(from + 1..to)
}

fn flatten(stream: TokenStream, out: &mut Vec<Token>) {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    let mut at = 0;
    while at < trees.len() {
        if let Some(length) = doc_attribute(&trees[at..]) {
            at += length;
            continue;
        }
        push(&trees[at], out);
        at += 1;
    }
}

fn push(tree: &TokenTree, out: &mut Vec<Token>) {
    let own = out.len();
    let mut add = |kind, text: String, line| {
        let mate = out.len();
        out.push(Token {
            kind,
            text,
            line,
            mate,
            test: false,
        });
    };
    let line = tree.span().start().line;
    match tree {
        TokenTree::Ident(ident) => {
            let text = ident.to_string();
            add(Kind::Ident, text.trim_start_matches("r#").to_owned(), line);
        }
        TokenTree::Punct(punct) => add(Kind::Punct, punct.as_char().to_string(), line),
        TokenTree::Literal(literal) => add(Kind::Literal, literal.to_string(), line),
        TokenTree::Group(group) => {
            let (open, close) = match group.delimiter() {
                Delimiter::Parenthesis => ("(", ")"),
                Delimiter::Bracket => ("[", "]"),
                Delimiter::Brace => ("{", "}"),
                Delimiter::None => return flatten(group.stream(), out),
            };
            add(Kind::Open, open.to_owned(), group.span_open().start().line);
            flatten(group.stream(), out);
            let end = out.len();
            out.push(Token {
                kind: Kind::Close,
                text: close.to_owned(),
                line: group.span_close().end().line,
                mate: own,
                test: false,
            });
            out[own].mate = end;
        }
    }
}

/// How many trees a doc comment takes here: `# [doc = "…"]` or `# ! [doc = "…"]`.
fn doc_attribute(trees: &[TokenTree]) -> Option<usize> {
    let is =
        |at: usize, mark: char| matches!(trees.get(at), Some(TokenTree::Punct(p)) if p.as_char() == mark);
    if !is(0, '#') {
        return None;
    }
    let at = if is(1, '!') { 2 } else { 1 };
    let Some(TokenTree::Group(group)) = trees.get(at) else {
        return None;
    };
    let mut inner = group.stream().into_iter();
    let doc = matches!(inner.next(), Some(TokenTree::Ident(name)) if name == "doc");
    let text = matches!(inner.next(), Some(TokenTree::Punct(p)) if p.as_char() == '=');
    (doc && text).then_some(at + 1)
}

fn mark_tests(tokens: &mut [Token]) {
    let mut at = 0;
    while at < tokens.len() {
        let inner = tokens.get(at + 1).is_some_and(|next| next.is_mark("!"));
        let open = at + 1 + usize::from(inner);
        let attribute = tokens[at].is_mark("#") && tokens.get(open).is_some_and(|next| next.is_mark("["));
        if !attribute || !says_test(&tokens[open + 1..tokens[open].mate]) {
            at += 1;
            continue;
        }
        let end = if inner { tokens.len() } else { item_end(tokens, at) };
        for token in &mut tokens[at..end] {
            token.test = true;
        }
        at = end;
    }
}

/// Whether an attribute's content makes its item test code: `test`, `tokio::test`, `cfg(test)`, `cfg(all(test, …))`.
fn says_test(content: &[Token]) -> bool {
    let has = |name: &str| content.iter().any(|token| token.is_ident(name));
    match content.first() {
        Some(first) if first.is_ident("cfg") => has("test") && !has("not") && !has("any"),
        Some(_) => content
            .iter()
            .take_while(|token| !token.is_mark("(") && !token.is_mark("="))
            .last()
            .is_some_and(|token| token.is_ident("test")),
        None => false,
    }
}

/// The index after the item whose first attribute is at `start`.
fn item_end(tokens: &[Token], start: usize) -> usize {
    const ITEMS: [&str; 16] = [
        "async",
        "const",
        "enum",
        "extern",
        "fn",
        "impl",
        "let",
        "macro_rules",
        "mod",
        "pub",
        "static",
        "struct",
        "trait",
        "type",
        "union",
        "unsafe",
    ];
    let mut at = start;
    while tokens.get(at).is_some_and(|token| token.is_mark("#")) {
        at = tokens[at + 1].mate + 1;
    }
    let first = tokens.get(at);
    let import = first.is_some_and(|token| token.is_ident("use"));
    // A field, a match arm or an argument ends at its comma; an item may hold commas between `<` and `>`.
    let item = import || first.is_some_and(|token| ITEMS.iter().any(|word| token.is_ident(word)));
    while let Some(token) = tokens.get(at) {
        if token.is_mark(";") || (!item && token.is_mark(",")) {
            return at + 1;
        }
        if token.kind == Kind::Close {
            return at;
        }
        if token.kind == Kind::Open {
            at = token.mate;
            if token.is_mark("{") && !import {
                return at + 1;
            }
        }
        at += 1;
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idents(text: &str, test: bool) -> Vec<String> {
        let tokens = lex(text).unwrap();
        let chosen = tokens
            .into_iter()
            .filter(|t| t.kind == Kind::Ident && t.test == test);
        chosen.map(|t| t.text).collect()
    }

    #[test]
    fn comments_strings_and_docs_hold_no_identifiers() {
        let text =
            "//! tokio\n/// tokio\nfn f() { /* tokio */ g(\"tokio\", r#\"tokio \" {\"#, 't') } // tokio";
        assert_eq!(idents(text, false), ["fn", "f", "g"]);
    }

    #[test]
    fn lines_and_mates_are_those_of_the_file() {
        let tokens = lex("fn f() {\n\n}\n").unwrap();
        let open = tokens.iter().position(|t| t.is_mark("{")).unwrap();
        assert_eq!(tokens[open].line, 1);
        assert_eq!(tokens[tokens[open].mate].line, 3);
    }

    #[test]
    fn test_modules_functions_imports_and_fields_are_test_code() {
        let text = "use a; #[cfg(test)] use b::{c, d}; fn e() {} #[cfg(all(test, unix))] mod f { fn g() {} } \
                    struct H { #[cfg(test)] i: J, k: L } #[tokio::test(start_paused = true)] async fn m<A, B>() {} fn n() {}";
        let live: Vec<String> = idents(text, false);
        assert_eq!(live, ["use", "a", "fn", "e", "struct", "H", "k", "L", "fn", "n"]);
    }

    #[test]
    fn conditions_that_also_hold_outside_tests_are_not_test_code() {
        assert!(idents("#[cfg(not(test))] fn a() {}", true).is_empty());
        assert!(idents("#[cfg(any(test, feature = \"x\"))] fn a() {}", true).is_empty());
        assert!(idents("#![cfg(test)] fn a() {}", false).is_empty());
    }

    #[test]
    fn text_that_is_not_rust_is_an_error() {
        assert!(lex("fn f() {").is_err());
    }
}
