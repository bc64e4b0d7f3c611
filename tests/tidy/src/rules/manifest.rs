//! Sans-I/O. Manifests: each dependency has its why, its place and its use; each crate inherits what the workspace says.

use std::collections::BTreeSet;

use crate::finding::Finding;

/// Dependencies that keep their default features, each with its reason.
pub const WITH_DEFAULTS: &[(&str, &str)] = &[
    ("cargo_metadata", "has none that cost"),
    (
        "memchr",
        "its only default is std, which finds the vector instructions at run time",
    ),
    (
        "postgres-protocol",
        "its only default is the JavaScript support of its random numbers, inert here",
    ),
    ("tempfile", "its only default is the system's random numbers"),
    ("webpki-roots", "has none"),
];

/// Dependencies no code names, which are there for a feature they turn on elsewhere: (crate, dependency, reason).
pub const FOR_A_FEATURE: &[(&str, &str, &str)] = &[];

/// A line of `[workspace.dependencies]`.
struct Entry<'a> {
    name: &'a str,
    line: usize,
    value: &'a str,
    explained: bool,
}

fn workspace_dependencies(manifest: &str) -> Vec<Entry<'_>> {
    let mut entries = Vec::new();
    let mut inside = false;
    let mut explained = false;
    for (line, text) in (1..).zip(manifest.lines()) {
        if text.starts_with('[') {
            inside = text.trim() == "[workspace.dependencies]";
        } else if inside && let Some((name, value)) = text.split_once('=').filter(|_| !text.starts_with('#'))
        {
            let name = name.trim();
            entries.push(Entry {
                name,
                line,
                value,
                explained,
            });
        }
        explained = text.starts_with('#');
    }
    entries
}

/// Breaches in the root manifest. `used` holds the names that some crate of ours depends on.
pub fn root(manifest: &str, used: &BTreeSet<String>, with_defaults: &[(&str, &str)]) -> Vec<Finding> {
    let entries = workspace_dependencies(manifest);
    let mut found = Vec::new();
    let mut report = |line, what: String, fix: &str| found.push(Finding::new("Cargo.toml", line, what, fix));
    let mut before = "";
    for entry in &entries {
        let name = entry.name;
        if !used.contains(name) {
            report(
                entry.line,
                format!("no crate depends on `{name}`"),
                "remove the line",
            );
        }
        if entry.value.contains("path =") {
            continue; // our own crates share one comment
        }
        if !entry.explained {
            report(
                entry.line,
                format!("`{name}` has no comment line above it"),
                "say what it is for",
            );
        }
        if name < before {
            report(
                entry.line,
                format!("`{name}` comes after `{before}`"),
                "keep the list alphabetical",
            );
        }
        before = name;
        let listed = with_defaults.iter().any(|(listed, _)| *listed == name);
        let lean = entry.value.contains("default-features = false");
        if !lean && !listed {
            let fix = "write `default-features = false` and name what is needed, or list it in WITH_DEFAULTS of \
                       tests/tidy/src/rules/manifest.rs with the reason";
            report(entry.line, format!("`{name}` takes its default features"), fix);
        }
        if lean && listed {
            report(
                entry.line,
                format!("WITH_DEFAULTS lists `{name}`, which is lean"),
                "remove the entry there",
            );
        }
    }
    for (name, _) in with_defaults
        .iter()
        .filter(|(name, _)| entries.iter().all(|entry| entry.name != *name))
    {
        report(
            0,
            format!("WITH_DEFAULTS lists `{name}`, which is gone"),
            "remove the entry there",
        );
    }
    found
}

/// Breaches in a crate's manifest: what it must take from the workspace and does not.
pub fn member(path: &str, manifest: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut section = "";
    for (line, text) in (1..).zip(manifest.lines()) {
        if text.starts_with('[') {
            section = text.trim();
            continue;
        }
        let name = text.split(['=', '.', ' ']).next().unwrap_or_default();
        let dependency = section.ends_with("dependencies]") && text.contains('=') && !text.starts_with('#');
        if dependency && !text.contains("workspace = true") {
            let fix = "declare it in the root manifest and write `workspace = true` here";
            found.push(Finding::new(
                path,
                line,
                format!("`{name}` has a version of its own"),
                fix,
            ));
        }
    }
    for field in ["version", "edition", "rust-version", "license", "publish"] {
        let inherited = format!("{field}.workspace = true");
        if !manifest.lines().any(|text| text == inherited) {
            let what = format!("the package does not inherit `{field}`");
            found.push(Finding::new(path, 0, what, format!("write `{inherited}`")));
        }
    }
    if !manifest.contains("[lints]\nworkspace = true") {
        let fix = "write `[lints]` and `workspace = true`";
        found.push(Finding::new(
            path,
            0,
            "the crate does not take the workspace's lints",
            fix,
        ));
    }
    if !manifest.lines().any(|text| text.starts_with("description = ")) {
        let fix = "say in a line what the crate is for";
        found.push(Finding::new(path, 0, "the package has no description", fix));
    }
    found
}

/// A dependency of one of our crates.
#[derive(Debug, Clone)]
pub struct Dependency {
    /// The crate that depends.
    pub from: String,
    /// Its name in the manifest.
    pub name: String,
    /// What code calls it: the name of its library.
    pub ident: String,
    /// Whether only tests have it.
    pub dev: bool,
    /// Where it is declared.
    pub manifest: String,
    /// On which line.
    pub line: usize,
}

/// What the code of a crate names.
#[derive(Debug, Clone, Default)]
pub struct Idents {
    /// In code that ships.
    pub ships: BTreeSet<String>,
    /// Anywhere in the crate.
    pub all: BTreeSet<String>,
}

/// A dependency whose crate no code names, or that only tests name though it ships.
pub fn unused(
    dependency: &Dependency,
    idents: &Idents,
    for_a_feature: &[(&str, &str, &str)],
) -> Option<Finding> {
    let Dependency {
        from,
        name,
        ident,
        dev,
        manifest,
        line,
    } = dependency;
    if for_a_feature
        .iter()
        .any(|(krate, listed, _)| krate == from && listed == name)
    {
        return None;
    }
    let report = |what: &str, fix: &str| Some(Finding::new(manifest, *line, format!("`{name}` {what}"), fix));
    if !idents.all.contains(ident) {
        let fix =
            "remove it, or list it in FOR_A_FEATURE of tests/tidy/src/rules/manifest.rs with the reason";
        return report("is a dependency that no code names", fix);
    }
    if !dev && !idents.ships.contains(ident) {
        return report("is named by tests alone", "make it a dev-dependency");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(found: &[Finding]) -> Vec<(usize, &str)> {
        found.iter().map(|f| (f.line, f.what.as_str())).collect()
    }

    #[test]
    fn a_dependency_needs_a_comment_its_place_and_lean_features() {
        let manifest = "[workspace.dependencies]\n# Ours.\nrowtide-api = { path = \"a\" }\n\n# B.\nb = \"1\"\n\
                        a = { version = \"1\", default-features = false }\n[profile.dev]\ndebug = 1\n";
        let used = BTreeSet::from(["rowtide-api".to_owned(), "a".to_owned(), "b".to_owned()]);
        let found = root(manifest, &used, &[]);
        assert_eq!(
            whats(&found),
            [
                (6, "`b` takes its default features"),
                (7, "`a` has no comment line above it"),
                (7, "`a` comes after `b`"),
            ]
        );
        let found = root(
            manifest,
            &BTreeSet::new(),
            &[("b", "why"), ("a", "why"), ("z", "why")],
        );
        let stale = found.iter().filter(|f| f.what.starts_with("WITH_DEFAULTS"));
        assert_eq!(stale.count(), 2);
        assert_eq!(
            found
                .iter()
                .filter(|f| f.what.starts_with("no crate depends"))
                .count(),
            3
        );
    }

    const GOOD: &str = "[package]\nname = \"x\"\ndescription = \"X.\"\nversion.workspace = true\nedition.workspace = true\n\
                        rust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n\n[lints]\n\
                        workspace = true\n\n[dependencies]\nbytes.workspace = true\n";

    #[test]
    fn a_crate_inherits_what_the_workspace_says() {
        assert_eq!(member("x/Cargo.toml", GOOD), []);
        let versioned = GOOD.replace("bytes.workspace = true", "bytes = \"1\"");
        assert_eq!(
            whats(&member("x/Cargo.toml", &versioned)),
            [(14, "`bytes` has a version of its own")]
        );
        let lax = GOOD
            .replace("[lints]\nworkspace = true\n", "")
            .replace("edition.workspace", "edition");
        assert_eq!(member("x/Cargo.toml", &lax).len(), 2);
        assert_eq!(
            member("x/Cargo.toml", &GOOD.replace("description", "# description")).len(),
            1
        );
    }

    #[test]
    fn a_dependency_nobody_names_is_found() {
        let dependency = |dev| Dependency {
            from: "rowtide-x".into(),
            name: "tokio-util".into(),
            ident: "tokio_util".into(),
            dev,
            manifest: "x/Cargo.toml".into(),
            line: 9,
        };
        let set = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<BTreeSet<_>>()
        };
        let nowhere = Idents::default();
        let in_tests = Idents {
            ships: set(&[]),
            all: set(&["tokio_util"]),
        };
        let shipped = Idents {
            ships: set(&["tokio_util"]),
            all: set(&["tokio_util"]),
        };
        assert!(unused(&dependency(false), &nowhere, &[]).is_some());
        assert!(unused(&dependency(false), &in_tests, &[]).is_some());
        assert!(unused(&dependency(true), &in_tests, &[]).is_none());
        assert!(unused(&dependency(false), &shipped, &[]).is_none());
        assert!(
            unused(
                &dependency(false),
                &nowhere,
                &[("rowtide-x", "tokio-util", "why")]
            )
            .is_none()
        );
    }
}
