//! Sans-I/O. One Rust file: its text, its tokens, the paths it names, its functions.

use crate::paths::{Named, named};
use crate::token::{Kind, Token, lex};

/// What a file's code is for, which decides the rules that bind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It ships: crates outside `tests/`, the testkit excluded.
    Production,
    /// The testkit: written like production, but it may panic and print.
    Testkit,
    /// `tests/`, `benches/`, `examples/`, and files that only `#[cfg(test)]` declares.
    Test,
    /// A build script.
    Build,
}

impl Role {
    /// The role a path stands for.
    pub fn of(path: &str) -> Self {
        let folder = |name: &str| path.split('/').any(|part| part == name);
        if path.ends_with("build.rs") && !folder("src") {
            Self::Build
        } else if folder("tests") || folder("benches") || folder("examples") {
            Self::Test
        } else if path.starts_with("runtime/testkit/") {
            Self::Testkit
        } else {
            Self::Production
        }
    }
}

/// A function with a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Line of `fn`.
    pub line: usize,
    /// Lines from `fn` to the closing brace, both counted.
    pub lines: usize,
    /// Whether it is test code.
    pub test: bool,
}

/// One Rust file.
#[derive(Debug, Clone)]
pub struct Source {
    /// Path from the repository's root.
    pub path: String,
    /// The text.
    pub text: String,
    /// What its code is for.
    pub role: Role,
    /// All tokens without comments.
    pub tokens: Vec<Token>,
    /// All paths it names.
    pub named: Vec<Named>,
}

impl Source {
    /// Lexes a file.
    ///
    /// # Errors
    /// The lexer's words where the text is not Rust.
    pub fn parse(path: impl Into<String>, text: impl Into<String>) -> Result<Self, String> {
        let (path, text) = (path.into(), text.into());
        let tokens = lex(&text)?;
        Ok(Self {
            role: Role::of(&path),
            named: named(&tokens),
            path,
            text,
            tokens,
        })
    }

    /// Whether the token at an index ships: neither the file nor the item is test code.
    pub fn ships(&self, at: usize) -> bool {
        self.role == Role::Production && !self.tokens[at].test
    }

    /// The paths named by code that ships.
    pub fn shipped_paths(&self) -> impl Iterator<Item = &Named> {
        let production = self.role == Role::Production;
        self.named.iter().filter(move |named| production && !named.test)
    }

    /// The lines of the `//!` header, without the marker.
    pub fn header(&self) -> Vec<&str> {
        let lines = self.text.lines().map_while(|line| line.strip_prefix("//!"));
        lines.map(str::trim).collect()
    }

    /// Whether the header declares the file free of I/O in its first two lines.
    pub fn is_sans_io(&self) -> bool {
        self.header().iter().take(2).any(|line| line.contains("Sans-I/O"))
    }

    /// Number of lines that are not inline test code.
    pub fn lines_without_tests(&self) -> usize {
        let mut tests = 0;
        let mut at = 0;
        while at < self.tokens.len() {
            if !self.tokens[at].test {
                at += 1;
                continue;
            }
            let end = (at..self.tokens.len()).find(|&next| !self.tokens[next].test);
            let end = end.unwrap_or(self.tokens.len());
            tests += self.tokens[end - 1].line - self.tokens[at].line + 1;
            at = end;
        }
        self.text.lines().count() - tests
    }

    /// The functions that have a body, nested ones included.
    pub fn functions(&self) -> Vec<Function> {
        let mut found = Vec::new();
        for (at, token) in self.tokens.iter().enumerate() {
            let name = self.tokens.get(at + 1).filter(|next| next.kind == Kind::Ident);
            if let (true, Some(name)) = (token.is_ident("fn"), name)
                && let Some(end) = self.body_end(at)
            {
                found.push(Function {
                    name: name.text.clone(),
                    line: token.line,
                    lines: self.tokens[end].line - token.line + 1,
                    test: token.test || self.role == Role::Test,
                });
            }
        }
        found
    }

    /// Index of the brace that closes the body of the function whose `fn` is at `start`.
    fn body_end(&self, start: usize) -> Option<usize> {
        let mut at = start;
        while let Some(token) = self.tokens.get(at) {
            if token.is_mark("{") {
                return Some(token.mate);
            }
            if token.is_mark(";") || token.kind == Kind::Close {
                return None;
            }
            at = token.mate + 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source::parse(path, text).unwrap()
    }

    #[test]
    fn a_path_tells_the_role() {
        assert_eq!(Role::of("connectors/api/src/lib.rs"), Role::Production);
        assert_eq!(Role::of("connectors/api/tests/golden.rs"), Role::Test);
        assert_eq!(Role::of("tests/e2e/src/lib.rs"), Role::Test);
        assert_eq!(Role::of("runtime/testkit/src/lib.rs"), Role::Testkit);
        assert_eq!(Role::of("runtime/testkit/tests/contract.rs"), Role::Test);
        assert_eq!(Role::of("runtime/worker/build.rs"), Role::Build);
    }

    #[test]
    fn inline_tests_do_not_count_as_lines() {
        let text = "//! A.\nfn a() {}\n\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n";
        assert_eq!(source("a/src/lib.rs", text).lines_without_tests(), 3);
    }

    #[test]
    fn a_function_is_measured_from_fn_to_its_closing_brace() {
        let text = "trait A {\n fn a(&self);\n fn b(&self)\n where Self: Sized\n {\n fn c() {}\n }\n}\ntype F = fn(u8);\n";
        let all = source("a/src/lib.rs", text).functions();
        let seen: Vec<_> = all.iter().map(|f| (f.name.as_str(), f.line, f.lines)).collect();
        assert_eq!(seen, [("b", 3, 5), ("c", 6, 1)]);
    }

    #[test]
    fn only_the_first_two_header_lines_declare_a_file_free_of_io() {
        assert!(source("a.rs", "//! Sans-I/O. A.\n").is_sans_io());
        assert!(source("a.rs", "//! A.\n//! Sans-I/O.\n").is_sans_io());
        assert!(!source("a.rs", "//! A.\n//!\n//! Not Sans-I/O.\n").is_sans_io());
        assert!(!source("a.rs", "// Sans-I/O\n").is_sans_io());
    }
}
