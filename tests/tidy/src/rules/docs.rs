//! Sans-I/O. Documents: they are there, they are short, and what they tell a reader to type exists.

use std::collections::BTreeSet;

use crate::finding::Finding;
use crate::source::Source;
use crate::token::{Kind, string_content};

/// Documents that every reader expects.
pub const REQUIRED: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
];

/// Lines of ARCHITECTURE.md: one page.
pub const ARCHITECTURE_LINES_MAX: usize = 120;

/// Languages of fenced blocks that hold commands. In `console` only the lines behind a `$` are.
const FENCES: [&str; 4] = ["bash", "console", "sh", "shell"];

/// Sub-commands that cargo has by itself.
const CARGO: &[&str] = &[
    "bench", "build", "check", "clippy", "doc", "fmt", "install", "metadata", "run", "test", "tree",
];

/// Breaches in ARCHITECTURE.md: over a page, or silent about a crate. `crates` are the names.
pub fn architecture(text: &str, crates: &[String]) -> Vec<Finding> {
    let path = "ARCHITECTURE.md";
    let mut found = Vec::new();
    let lines = text.lines().count();
    if lines > ARCHITECTURE_LINES_MAX {
        let what = format!("{lines} lines, the cap is {ARCHITECTURE_LINES_MAX}");
        found.push(Finding::new(
            path,
            0,
            what,
            "keep the map and the invariants, move the rest to doc comments",
        ));
    }
    let words: BTreeSet<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
    for name in crates {
        let folder = name.strip_prefix("rowtide-").unwrap_or(name);
        if !words.contains(folder) {
            let what = format!("does not say what `{name}` is for");
            found.push(Finding::new(path, 0, what, "add it to the code map"));
        }
    }
    found
}

/// What commands may refer to.
#[derive(Debug, Default)]
pub struct Known {
    /// Tracked files.
    pub files: BTreeSet<String>,
    /// Names of our crates.
    pub crates: BTreeSet<String>,
    /// Aliases in `.cargo/config.toml`.
    pub aliases: BTreeSet<String>,
    /// Sub-commands of `rowtide`.
    pub subcommands: BTreeSet<String>,
}

/// The commands in a document's fenced blocks, with their lines.
pub fn commands(text: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    let mut fence: Option<&str> = None;
    let mut open = String::new();
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.trim();
        if let Some(language) = text.strip_prefix("```") {
            fence = if fence.is_some() {
                None
            } else {
                Some(language.trim())
            };
            continue;
        }
        let Some(language) = fence.filter(|language| FENCES.contains(language)) else {
            continue;
        };
        let continued = !open.is_empty();
        let command = match text.strip_prefix("$ ") {
            Some(command) => command,
            None if language == "console" && !continued => continue,
            None => text,
        };
        if let Some(start) = command.strip_suffix('\\') {
            open.push_str(start);
            continue;
        }
        let whole = std::mem::take(&mut open) + command;
        let whole = whole
            .split(" # ")
            .next()
            .unwrap_or_default()
            .trim_start_matches('#');
        for part in whole
            .split(" && ")
            .flat_map(|part| part.split(" | "))
            .flat_map(|part| part.split("; "))
        {
            let words = part.split_whitespace().skip_while(|word| is_assignment(word));
            found.push((line, words.map(ToOwned::to_owned).collect::<Vec<_>>()));
        }
    }
    found.retain(|(_, words)| !words.is_empty());
    found
}

/// `NAME=value` before a command.
fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map(|(name, _)| name);
    name.is_some_and(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
}

/// Commands that would fail as they are written. `script` gives the text of a tracked file.
pub fn broken_commands(
    path: &str,
    text: &str,
    known: &Known,
    script: impl Fn(&str) -> Option<String>,
) -> Vec<Finding> {
    let mut found = Vec::new();
    for (line, words) in commands(text) {
        let mut report = |what: String| {
            found.push(Finding::new(
                path,
                line,
                what,
                "correct the document, or bring the command back",
            ));
        };
        let command = words[0].trim_start_matches("./");
        let first = words.get(1).map_or("", String::as_str);
        if command == "cargo" {
            if !CARGO.contains(&first) && !known.aliases.contains(first) {
                report(format!("there is no `cargo {first}`"));
            }
            let named = words
                .windows(2)
                .filter(|pair| pair[0] == "-p" || pair[0] == "--package");
            for pair in named.filter(|pair| !known.crates.contains(&pair[1])) {
                report(format!("there is no crate `{}`", pair[1]));
            }
        } else if command == "rowtide" || (command.starts_with("target/") && command.ends_with("/rowtide")) {
            let option = matches!(first, "" | "--help" | "--version" | "-V" | "-h");
            if !option && !known.subcommands.contains(first) {
                report(format!("`rowtide` has no sub-command `{first}`"));
            }
        } else if in_tree(command) {
            match known
                .files
                .get(command)
                .map(|file| script(file).unwrap_or_default())
            {
                None => report(format!("there is no `{command}`")),
                Some(script) => {
                    let flags = words[1..].iter().take_while(|word| *word != "--");
                    let flags = flags
                        .filter(|word| word.starts_with("--"))
                        .filter_map(|word| word.split('=').next());
                    for flag in flags.filter(|flag| !script.contains(flag)) {
                        report(format!("`{command}` does not know `{flag}`"));
                    }
                }
            }
        }
        for word in words[1..].iter().filter(|word| in_tree(word) && is_plain(word)) {
            let folder = format!("{}/", word.trim_end_matches('/'));
            let exists =
                known.files.contains(word) || known.files.iter().any(|file| file.starts_with(&folder));
            if !exists {
                report(format!("there is no `{word}`"));
            }
        }
    }
    found
}

fn in_tree(word: &str) -> bool {
    [
        ".ci/",
        "compose/",
        "connectors/",
        "runtime/",
        "schemas/",
        "sql/",
        "tests/",
    ]
    .iter()
    .any(|folder| word.starts_with(folder))
}

/// Whether a word is a path and not a pattern or a placeholder.
fn is_plain(word: &str) -> bool {
    !word.contains(['*', '<', '$', '{', '[', '"', '\''])
}

/// Links of a document that lead nowhere in the repository.
pub fn dead_links(path: &str, text: &str, files: &BTreeSet<String>) -> Vec<Finding> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut found = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        for target in content
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let target = target.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let resolved = crate::modules::join(folder, target);
            let below = format!("{resolved}/");
            if !files.contains(&resolved) && !files.iter().any(|file| file.starts_with(&below)) {
                let what = format!("the link `{target}` leads nowhere");
                found.push(Finding::new(path, line, what, "correct the link"));
            }
        }
    }
    found
}

/// Sub-commands of a clap command line: variants of enums that derive `Subcommand`, and `Command::new("…")`.
pub fn subcommands<'a>(sources: impl Iterator<Item = &'a Source>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for source in sources {
        let tokens = &source.tokens;
        for at in 0..tokens.len() {
            let derives =
                tokens[at].is_ident("Subcommand") && tokens.get(at + 1).is_some_and(|t| !t.is_mark(";"));
            let body = tokens[at..].iter().take(40).position(|token| token.is_mark("{"));
            if let (true, Some(body)) = (derives, body)
                && tokens[at..at + body].iter().any(|token| token.is_ident("enum"))
            {
                names.extend(variants(source, at + body));
            }
            let built = tokens[at].is_ident("Command")
                && tokens.get(at + 3).is_some_and(|token| token.is_ident("new"));
            names.extend(
                tokens
                    .get(at + 5)
                    .filter(|_| built)
                    .and_then(string_content)
                    .map(ToOwned::to_owned),
            );
        }
    }
    names
}

/// The variants of the enum whose body opens at an index, as clap spells them.
fn variants(source: &Source, open: usize) -> Vec<String> {
    let tokens = &source.tokens;
    let mut names = Vec::new();
    let mut at = open + 1;
    while at < tokens[open].mate {
        let starts = at == open + 1 || tokens[at - 1].is_mark(",") || tokens[at - 1].is_mark("]");
        if starts && tokens[at].kind == Kind::Ident {
            names.push(kebab(&tokens[at].text));
        }
        at = tokens[at].mate.max(at) + 1;
    }
    names
}

fn kebab(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.extend(letter.to_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn known() -> Known {
        Known {
            files: set(&["tests/run", "compose/specs/a.json"]),
            crates: set(&["rowtide-api"]),
            aliases: set(&["bench-limits"]),
            subcommands: set(&["standalone"]),
        }
    }

    fn broken(block: &str) -> usize {
        let text = format!("# A\n\n```sh\n{block}\n```\n");
        broken_commands("README.md", &text, &known(), |_| Some("--fast) ;;".to_owned())).len()
    }

    #[test]
    fn commands_that_exist_pass() {
        for good in [
            "tests/run --fast",
            "./tests/run",
            "A=b tests/run # all",
            "cargo build --release -p rowtide-api",
            "cargo bench-limits --json",
            "rowtide standalone compose/specs/a.json",
            "target/release/rowtide --version",
            "cd a && tests/run",
            "curl -s localhost:8083",
            "rowtide standalone \\\n  compose/specs/*.json",
        ] {
            assert_eq!(broken(good), 0, "{good}");
        }
    }

    #[test]
    fn commands_that_do_not_exist_are_found() {
        for bad in [
            "tests/all",
            "compose/demo",
            "tests/run --quick",
            "cargo xtask",
            "cargo test -p rowtide-none",
            "rowtide serve",
            "rowtide standalone compose/specs/b.json",
            "cd a && tests/all",
        ] {
            assert_eq!(broken(bad), 1, "{bad}");
        }
    }

    #[test]
    fn output_and_other_languages_are_not_commands() {
        assert!(commands("```json\ntests/all\n```\ntests/all\n").is_empty());
        let console = commands("```console\n$ tests/run\ntests/all failed\n```\n");
        assert_eq!(console, [(2, vec!["tests/run".to_owned()])]);
    }

    #[test]
    fn the_page_on_architecture_is_one_page_and_names_every_crate() {
        let crates = ["rowtide-api".to_owned(), "rowtide-java".to_owned()];
        assert_eq!(architecture("`connectors/{api,java}`\n", &crates), []);
        assert_eq!(architecture("`connectors/api`\n", &crates).len(), 1);
        let long = "api java\n".repeat(ARCHITECTURE_LINES_MAX + 1);
        assert_eq!(architecture(&long, &crates).len(), 1);
    }

    #[test]
    fn a_link_leads_somewhere() {
        let files = set(&["README.md", "tests/bench/README.md"]);
        let text = "[a](tests/bench/README.md) [b](tests/bench) [c](https://example.org) [d](#top)";
        assert_eq!(dead_links("README.md", text, &files), []);
        assert_eq!(
            dead_links("tests/bench/README.md", "[a](../../README.md)", &files),
            []
        );
        assert_eq!(dead_links("README.md", "[a](docs/none.md)", &files).len(), 1);
    }

    #[test]
    fn sub_commands_are_read_from_the_command_line_definition() {
        let text = "use clap::Subcommand;\n#[derive(Debug, Subcommand)]\nenum C { #[command(about = \"a\")] Standalone(A), \
                    DryRun { a: B }, Plugins }\nfn f() { clap::Command::new(\"tail\"); }";
        let source = Source::parse("a.rs", text).unwrap();
        assert_eq!(
            subcommands([&source].into_iter()),
            set(&["standalone", "dry-run", "plugins", "tail"])
        );
    }
}
