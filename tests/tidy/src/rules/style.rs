//! Sans-I/O. How code is written: headers, panics, prints, bounds, selects, exceptions to lints.

use crate::finding::Finding;
use crate::source::{Role, Source};
use crate::token::{Kind, Token, string_content};

/// Macros that must not ship, and what to do instead.
const MACROS: &[(&str, &str)] = &[
    ("dbg", "log with tracing"),
    (
        "eprint",
        "log with tracing, or write to a handle that the command line passes in",
    ),
    (
        "eprintln",
        "log with tracing, or write to a handle that the command line passes in",
    ),
    (
        "print",
        "log with tracing, or write to a handle that the command line passes in",
    ),
    (
        "println",
        "log with tracing, or write to a handle that the command line passes in",
    ),
    (
        "todo",
        "build it, or refuse it by name: a configuration error or 501",
    ),
    (
        "unimplemented",
        "build it, or refuse it by name: a configuration error or 501",
    ),
];

/// Queues without a bound.
const UNBOUNDED: &[&str] = &[
    "UnboundedReceiver",
    "UnboundedReceiverStream",
    "UnboundedSender",
    "mpsc::unbounded",
    "std::sync::mpsc::channel",
    "unbounded_channel",
];

/// Queues without a bound of their own whose content something else bounds: (file, what).
pub const BOUNDED_ELSEWHERE: &[(&str, &str)] = &[
    (
        "runtime/engine/src/ports/producer.rs",
        "one end per batch, told from any thread, which must not wait",
    ),
    (
        "runtime/engine/src/sink/worker.rs",
        "one end per batch in flight, and `buffered_records_max` and `buffered_bytes_max` bound those",
    ),
    (
        "runtime/engine/src/source/worker.rs",
        "one end per open batch, and `BATCHES_OPEN_MAX` bounds those",
    ),
];

/// Macros whose arguments reach a log.
const LOGS: &[&str] = &[
    "debug",
    "debug_span",
    "error",
    "error_span",
    "event",
    "info",
    "info_span",
    "span",
    "trace",
    "trace_span",
    "warn",
    "warn_span",
];

/// A file that does not open with a `//!` header.
pub fn no_header(source: &Source) -> Option<Finding> {
    let has = source.header().iter().any(|line| !line.is_empty());
    let fix = "say in a `//!` line what the file is for";
    (!has).then(|| Finding::new(&source.path, 1, "the file has no `//!` header", fix))
}

/// `unwrap()`, `expect` without an invariant, and macros that stop or print, in code that ships.
pub fn panics_and_prints(source: &Source) -> Vec<Finding> {
    let tokens = &source.tokens;
    let mut found = Vec::new();
    for at in (0..tokens.len()).filter(|&at| source.ships(at) && tokens[at].kind == Kind::Ident) {
        let token = &tokens[at];
        let mut report =
            |what: String, fix: &str| found.push(Finding::new(&source.path, token.line, what, fix));
        let called = at > 0 && (tokens[at - 1].is_mark(".") || tokens[at - 1].is_mark(":"));
        if called && matches!(token.text.as_str(), "unwrap" | "unwrap_err" | "unwrap_unchecked") {
            let fix = "return the error, or `expect(\"the invariant that rules it out\")`";
            report(format!("`{}` in code that ships", token.text), fix);
        }
        if called && token.text == "expect" && tokens.get(at + 2).is_some_and(says_little) {
            let fix = "say in words why it cannot fail";
            report("`expect` without an invariant".to_owned(), fix);
        }
        if let Some((name, fix)) = MACROS.iter().find(|(name, _)| is_macro(tokens, at, name)) {
            report(format!("`{name}!` in code that ships"), fix);
        }
    }
    found
}

/// A message of less than two words.
fn says_little(argument: &Token) -> bool {
    string_content(argument).is_some_and(|text| text.split_whitespace().count() < 2)
}

fn is_macro(tokens: &[Token], at: usize, name: &str) -> bool {
    tokens[at].is_ident(name)
        && tokens.get(at + 1).is_some_and(|next| next.is_mark("!"))
        && tokens.get(at + 2).is_some_and(|next| next.kind == Kind::Open)
}

/// A `select!` that is not biased, or whose arms carry no numbers.
pub fn selects(source: &Source) -> Vec<Finding> {
    let tokens = &source.tokens;
    let mut found = Vec::new();
    for at in (0..tokens.len()).filter(|&at| source.ships(at) && is_macro(tokens, at, "select")) {
        let open = &tokens[at + 2];
        let mut report = |what: &str, fix: &str| found.push(Finding::new(&source.path, open.line, what, fix));
        if !tokens[at + 3].is_ident("biased") {
            report(
                "`select!` without `biased;`",
                "decide the order of the arms: `biased;` first",
            );
        }
        let lines = source.text.lines().skip(open.line - 1);
        let mut body = lines.take(tokens[open.mate].line - open.line + 1);
        if !body.any(|line| line.contains("// 1. ")) {
            report(
                "`select!` whose arms have no numbers",
                "number each arm with its reason: `// 1. …`",
            );
        }
    }
    found
}

/// Files with a queue that has no bound, one finding each, and entries of `listed` that no file needs any more.
pub fn unbounded(sources: &[Source], listed: &[(&str, &str)]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut idle: Vec<_> = listed.iter().collect();
    for source in sources {
        let mut uses = source.shipped_paths();
        let first = uses.find(|named| UNBOUNDED.iter().any(|path| named.ends_with(path)));
        let Some(named) = first else { continue };
        let before = idle.len();
        idle.retain(|(path, _)| *path != source.path);
        if idle.len() == before {
            let what = format!("`{}` has no bound", named.path);
            let fix = "give it one with a unit in its name and a sentence for its number, or say in BOUNDED_ELSEWHERE \
                       of tests/tidy/src/rules/style.rs what bounds its content";
            found.push(Finding::new(&source.path, named.line, what, fix));
        }
    }
    for (path, reason) in idle {
        let what = format!("BOUNDED_ELSEWHERE lists the file ({reason}), which has no such queue");
        found.push(Finding::new(*path, 0, what, "remove the entry"));
    }
    found
}

/// `Result<_, ()>`: an error that tells nothing.
pub fn unit_errors(source: &Source) -> Vec<Finding> {
    let tokens = &source.tokens;
    let mut found = Vec::new();
    for at in (0..tokens.len()).filter(|&at| source.ships(at) && tokens[at].is_ident("Result")) {
        if tokens.get(at + 1).is_some_and(|next| next.is_mark("<")) && error_is_unit(tokens, at + 2) {
            let fix = "return rowtide_api::Error, or Option where there is nothing to tell";
            found.push(Finding::new(
                &source.path,
                tokens[at].line,
                "`Result<_, ()>`",
                fix,
            ));
        }
    }
    found
}

/// Whether the second argument of a generic list whose first token is at `start` is `()`.
fn error_is_unit(tokens: &[Token], start: usize) -> bool {
    let mut depth = 1;
    let mut at = start;
    while let Some(token) = tokens.get(at) {
        let arrow = at > 0 && tokens[at - 1].is_mark("-");
        match token.text.as_str() {
            "<" if token.kind == Kind::Punct => depth += 1,
            ">" if token.kind == Kind::Punct && !arrow => depth -= 1,
            "," if depth == 1 => {
                let empty = tokens
                    .get(at + 1)
                    .is_some_and(|open| open.is_mark("(") && open.mate == at + 2);
                return empty && tokens.get(at + 3).is_some_and(|end| end.is_mark(">"));
            }
            ";" | "{" | "}" if token.kind != Kind::Literal => return false,
            _ => {}
        }
        if depth == 0 {
            return false;
        }
        at = token.mate.max(at) + 1;
    }
    false
}

/// A secret revealed inside a log macro.
pub fn logged_secrets(source: &Source) -> Vec<Finding> {
    let tokens = &source.tokens;
    let mut found = Vec::new();
    for at in (0..tokens.len()).filter(|&at| source.ships(at)) {
        if !LOGS.iter().any(|name| is_macro(tokens, at, name)) {
            continue;
        }
        let arguments = &tokens[at + 3..tokens[at + 2].mate];
        for token in arguments.iter().filter(|token| token.is_ident("reveal")) {
            let fix = "log the name of the setting";
            found.push(Finding::new(
                &source.path,
                token.line,
                "invariant 5: a secret goes to the log",
                fix,
            ));
        }
    }
    found
}

/// `#[ignore]`: a test nobody runs.
pub fn ignored_tests(source: &Source) -> Vec<Finding> {
    let marks = attributes(source).filter(|(_, content)| content[0].is_ident("ignore"));
    let report = |line| {
        let fix = "run it, delete it, or gate it behind the feature `server-tests` that tests/run turns on";
        Finding::new(&source.path, line, "`#[ignore]` hides a test", fix)
    };
    marks.map(|(line, _)| report(line)).collect()
}

/// An exception to a lint that does not say why.
pub fn unexplained_allows(source: &Source) -> Vec<Finding> {
    let lifts = |token: &Token| token.is_ident("allow") || token.is_ident("expect");
    let explained = |content: &[Token]| content.iter().any(|token| token.is_ident("reason"));
    let bare = attributes(source)
        .filter(|(_, content)| lifts(&content[0]) && !content[0].test && !explained(content));
    let report = |line| {
        let fix = "add `reason = \"…\"`";
        Finding::new(&source.path, line, "a lint is lifted without a reason", fix)
    };
    let bare = bare.map(|(line, _)| report(line));
    bare.filter(|_| source.role != Role::Test).collect()
}

/// The attributes of a file: line and content, never empty.
fn attributes(source: &Source) -> impl Iterator<Item = (usize, &[Token])> {
    let tokens = &source.tokens;
    (0..tokens.len())
        .filter(|&at| tokens[at].is_mark("#"))
        .filter_map(|at| {
            let inner = tokens.get(at + 1)?.is_mark("!");
            let open = at + 1 + usize::from(inner);
            let content = tokens.get(open).filter(|token| token.is_mark("["))?;
            let content = &tokens[open + 1..content.mate];
            (!content.is_empty()).then(|| (tokens[at].line, content))
        })
}

/// Notes of unfinished work.
pub fn unfinished(path: &str, text: &str) -> Vec<Finding> {
    // Put together here, so that this file does not find itself.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
    let lines = text.lines().zip(1..);
    let noted = lines.filter(|(line, _)| marks.iter().any(|mark| line.contains(mark)));
    let fix = "finish it, refuse it by name, or file an issue";
    noted
        .map(|(_, line)| Finding::new(path, line, "a note of unfinished work", fix))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::parse("a/src/b.rs", text).unwrap()
    }

    #[test]
    fn a_file_needs_a_header() {
        assert!(no_header(&source("// A.\nfn f() {}")).is_some());
        assert!(no_header(&source("//!\nfn f() {}")).is_some());
        assert!(no_header(&source("//! A.\nfn f() {}")).is_none());
    }

    #[test]
    fn unwraps_and_prints_do_not_ship() {
        for bad in [
            "a.unwrap()",
            "a.map(Result::unwrap)",
            "a.unwrap_err()",
            "todo!()",
            "unimplemented!(\"a\")",
            "dbg!(a)",
            "println!(\"a\")",
            "std::eprintln!(\"a\")",
            "print!(\"a\")",
            "a.expect(\"\")",
            "a.expect(\"oops\")",
        ] {
            assert_eq!(
                panics_and_prints(&source(&format!("fn f() {{ {bad}; }}"))).len(),
                1,
                "{bad}"
            );
        }
        for good in [
            "a.unwrap_or(1)",
            "a.expect(\"the lock is never poisoned\")",
            "f(\"a.unwrap()\")",
            "println(1)",
        ] {
            assert_eq!(
                panics_and_prints(&source(&format!("fn f() {{ {good}; }}"))),
                [],
                "{good}"
            );
        }
    }

    #[test]
    fn tests_and_the_testkit_may_unwrap() {
        assert_eq!(
            panics_and_prints(&source("#[cfg(test)] mod tests { fn f() { a.unwrap(); } }")),
            []
        );
        for path in ["a/tests/b.rs", "runtime/testkit/src/b.rs", "tests/e2e/src/lib.rs"] {
            let file = Source::parse(path, "fn f() { a.unwrap(); println!(); }").unwrap();
            assert_eq!(panics_and_prints(&file), [], "{path}");
        }
    }

    #[test]
    fn a_select_is_biased_and_numbered() {
        let bare = "fn f() { tokio::select! {\n () = a => b,\n () = c => d,\n } }";
        assert_eq!(selects(&source(bare)).len(), 2);
        let good = "fn f() { tokio::select! {\n biased;\n () = a => b, // 1. stop wins\n () = c => d, // 2. work\n } }";
        assert_eq!(selects(&source(good)), []);
    }

    #[test]
    fn a_queue_has_a_bound_or_a_reason() {
        let found = |text: &str, listed: &[(&str, &str)]| unbounded(&[source(text)], listed).len();
        assert_eq!(found("use tokio::sync::mpsc::{self, unbounded_channel};", &[]), 1);
        let call = "fn f() { mpsc::unbounded_channel() }";
        assert_eq!(found(call, &[]), 1);
        assert_eq!(found(call, &[("a/src/b.rs", "permits")]), 0);
        assert_eq!(found("fn f() { mpsc::channel(8) }", &[]), 0);
        assert_eq!(
            found("fn f() { mpsc::channel(8) }", &[("a/src/b.rs", "permits")]),
            1
        );
    }

    #[test]
    fn an_error_tells_something() {
        assert_eq!(unit_errors(&source("fn f() -> Result<Vec<u8>, ()> {}")).len(), 1);
        assert_eq!(
            unit_errors(&source("fn f() -> Result<(), Error> { g::<HashMap<u8, ()>>() }")),
            []
        );
        assert_eq!(
            unit_errors(&source("fn f() -> Result<impl Fn(u8) -> u8, Error> {}")),
            []
        );
    }

    #[test]
    fn a_secret_does_not_reach_the_log() {
        assert_eq!(
            logged_secrets(&source("fn f() { tracing::info!(p = %s.reveal(), \"a\"); }")).len(),
            1
        );
        assert_eq!(
            logged_secrets(&source("fn f() { connect(s.reveal()); info!(\"a\"); }")),
            []
        );
    }

    #[test]
    fn no_test_is_ignored() {
        assert_eq!(
            ignored_tests(&source("#[test]\n#[ignore = \"slow\"]\nfn f() {}")).len(),
            1
        );
        assert_eq!(ignored_tests(&source("#[test]\nfn ignore() {}")), []);
    }

    #[test]
    fn a_lifted_lint_says_why() {
        assert_eq!(
            unexplained_allows(&source("#[allow(dead_code)]\nfn f() {}")).len(),
            1
        );
        assert_eq!(
            unexplained_allows(&source("#![expect(dead_code)]\nfn f() {}")).len(),
            1
        );
        assert_eq!(
            unexplained_allows(&source("#[allow(dead_code, reason = \"a\")]\nfn f() {}")),
            []
        );
    }

    #[test]
    fn unfinished_work_is_found_in_comments() {
        let text = format!("// a\n// {} later\n", concat!("TO", "DO"));
        assert_eq!(unfinished("a.rs", &text)[0].line, 2);
    }
}
