//! Sans-I/O. The Dockerfile: what it copies exists, what it builds with is what everybody builds with.

use std::collections::BTreeSet;

use crate::finding::Finding;

/// Where it lies.
pub const PATH: &str = "compose/Dockerfile";

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// Its line, from 1.
    pub line: usize,
    /// `FROM`, `COPY`, ….
    pub name: String,
    /// The words behind it, over all continued lines.
    pub words: Vec<String>,
}

/// Instructions between two `FROM`s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Behind `AS`; empty where it has none.
    pub name: String,
    /// The image it starts from.
    pub image: String,
    /// What follows, the `FROM` first.
    pub instructions: Vec<Instruction>,
}

impl Stage {
    fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Instruction> {
        self.instructions.iter().filter(move |i| i.name == name)
    }

    /// Debian packages it installs.
    pub fn packages(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for run in self.of("RUN") {
            for command in run.words.split(|word| word == "&&") {
                if command.first().is_some_and(|word| word == "apt-get")
                    && command.contains(&"install".into())
                {
                    let packages = command[1..]
                        .iter()
                        .filter(|word| *word != "install" && !word.starts_with('-'));
                    found.extend(packages.cloned());
                }
            }
        }
        found
    }
}

/// The stages of a Dockerfile.
pub fn stages(text: &str) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for instruction in instructions(text) {
        let words = &instruction.words;
        if instruction.name == "FROM" {
            stages.push(Stage {
                name: words.get(2).cloned().unwrap_or_default(),
                image: words.first().cloned().unwrap_or_default(),
                instructions: Vec::new(),
            });
        }
        if let Some(stage) = stages.last_mut() {
            stage.instructions.push(instruction);
        }
    }
    stages
}

fn instructions(text: &str) -> Vec<Instruction> {
    let mut found: Vec<Instruction> = Vec::new();
    let mut continued = false;
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let mut words = text
            .trim_end_matches('\\')
            .split_whitespace()
            .map(ToOwned::to_owned);
        match found.last_mut().filter(|_| continued) {
            Some(open) => open.words.extend(words),
            None => found.push(Instruction {
                line,
                name: words.next().unwrap_or_default(),
                words: words.collect(),
            }),
        }
        continued = text.ends_with('\\');
    }
    found
}

/// What the Dockerfile is compared with.
#[derive(Debug, Default)]
pub struct Facts {
    /// Tracked files.
    pub files: BTreeSet<String>,
    /// The toolchain of `rust-toolchain.toml`.
    pub rust: String,
    /// Debian packages a build needs, by `compose/lib/prerequisites.sh`.
    pub build_packages: BTreeSet<String>,
}

/// Breaches.
pub fn breaches(text: &str, facts: &Facts) -> Vec<Finding> {
    let stages = stages(text);
    let mut found = Vec::new();
    let mut before: Vec<&str> = Vec::new();
    for stage in &stages {
        let line = stage.instructions[0].line;
        let mut report = |line, what: String, fix: &str| found.push(Finding::new(PATH, line, what, fix));
        if !before.contains(&stage.image.as_str()) && !is_pinned(&stage.image) {
            report(
                line,
                format!("the image `{}` is not pinned", stage.image),
                "give it a version as its tag",
            );
        }
        if let Some(tag) = stage.image.strip_prefix("rust:") {
            if tag.split('-').next() != Some(&facts.rust) {
                let what = format!(
                    "builds with Rust `{tag}`, rust-toolchain.toml says `{}`",
                    facts.rust
                );
                report(line, what, "give the image that version");
            }
            let packages = stage.packages();
            if packages != facts.build_packages {
                let what = format!(
                    "installs {packages:?} to build, others {:?}",
                    facts.build_packages
                );
                report(
                    line,
                    what,
                    "bring BUILD_NEEDS in compose/lib/prerequisites.sh and it together",
                );
            }
        } else if !stage
            .of("USER")
            .any(|user| user.words != ["root"] && user.words != ["0"])
        {
            report(
                line,
                format!("the stage `{}` runs as root", stage.name),
                "give it a USER",
            );
        }
        for copy in stage.of("COPY") {
            let (flags, paths): (Vec<_>, Vec<_>) = copy.words.iter().partition(|word| word.starts_with("--"));
            if let Some(from) = flags.iter().find_map(|flag| flag.strip_prefix("--from=")) {
                if !before.contains(&from) {
                    report(
                        copy.line,
                        format!("copies from `{from}`, which is no stage before it"),
                        "name one",
                    );
                }
                continue;
            }
            for source in &paths[..paths.len().saturating_sub(1)] {
                if !exists(&facts.files, source) {
                    report(
                        copy.line,
                        format!("copies `{source}`, which does not exist"),
                        "correct the path",
                    );
                }
            }
        }
        before.push(&stage.name);
    }
    found
}

/// Whether a path from the root is a tracked file or a folder of some.
pub fn exists(files: &BTreeSet<String>, path: &str) -> bool {
    let below = format!("{}/", path.trim_end_matches('/'));
    files.contains(path) || files.iter().any(|file| file.starts_with(&below))
}

/// Whether an image carries a tag that says a version.
pub fn is_pinned(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or_default();
    let tag = name.split_once(':').map_or("", |(_, tag)| tag);
    tag.contains(|c: char| c.is_ascii_digit()) && tag != "latest"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::sample;

    const GOOD: &str = "# comment\nFROM rust:1.95.0-slim AS build\nRUN apt-get update \\\n && apt-get install -y --no-x make g++ \\\n && rm -rf x\n\
                        COPY src src\nFROM debian:12.1-slim AS app\nUSER 7\nCOPY --from=build /a /b\nCOPY conf/a b\n";

    fn facts() -> Facts {
        Facts {
            files: ["src/lib.rs", "conf/a"].map(ToOwned::to_owned).into(),
            rust: "1.95.0".into(),
            build_packages: ["make", "g++"].map(ToOwned::to_owned).into(),
        }
    }

    fn broken(from: &str, to: &str) -> String {
        sample::broken(GOOD, from, to, |text| breaches(text, &facts()))
    }

    #[test]
    fn a_good_file_has_no_finding() {
        assert_eq!(breaches(GOOD, &facts()), []);
        assert_eq!(stages(GOOD)[0].packages(), facts().build_packages);
    }

    #[test]
    fn each_breach_is_found() {
        assert!(broken("debian:12.1-slim", "debian:slim").contains("not pinned"));
        assert!(broken("debian:12.1-slim", "debian").contains("not pinned"));
        assert!(broken("rust:1.95.0", "rust:1.94.0").contains("rust-toolchain.toml"));
        assert!(broken("make g++", "make").contains("installs"));
        assert!(broken("USER 7", "USER root").contains("runs as root"));
        assert!(broken("USER 7\n", "").contains("runs as root"));
        assert!(broken("--from=build", "--from=other").contains("no stage"));
        assert!(broken("conf/a", "conf/b").contains("does not exist"));
    }

    #[test]
    fn a_host_with_a_port_is_no_tag() {
        assert!(!is_pinned("localhost:5000/a") && is_pinned("localhost:5000/a:1.2"));
        assert!(!is_pinned("a:latest") && !is_pinned("a"));
    }
}
