//! Sans-I/O. Names: no bucket modules, no scratch at the root, a crate is called like its folder.

use std::collections::BTreeSet;

use crate::finding::Finding;
use crate::source::Source;
use crate::token::Kind;

/// Module names that say nothing and grow for ever.
const BUCKETS: &[&str] = &[
    "common", "helper", "helpers", "manager", "managers", "misc", "util", "utils",
];

/// What may lie at the root.
const TOP_LEVEL: &[&str] = &[
    ".cargo",
    ".ci",
    ".dockerignore", // the image is built from the root, which holds a large target folder
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "clippy.toml",
    "compose",
    "connectors",
    "runtime",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "schemas",
    "sql",
    "tests",
];

const NAME_IT: &str = "name it after what it holds";

/// Bucket modules, by file or folder name.
pub fn bucket_files(files: &[String]) -> Vec<Finding> {
    let mut found = Vec::new();
    for path in files.iter().filter(|path| path.ends_with(".rs")) {
        let parts = path
            .split('/')
            .map(|part| part.strip_suffix(".rs").unwrap_or(part));
        for part in parts.filter(|part| BUCKETS.contains(part)) {
            found.push(Finding::new(
                path,
                0,
                format!("a module called `{part}`"),
                NAME_IT,
            ));
        }
    }
    found
}

/// Bucket modules that are inline.
pub fn bucket_modules(source: &Source) -> Vec<Finding> {
    let pairs = source.tokens.windows(2);
    let named = pairs.filter(|pair| pair[0].is_ident("mod") && pair[1].kind == Kind::Ident);
    let buckets = named.filter(|pair| BUCKETS.contains(&pair[1].text.as_str()));
    let report =
        |name: &str, line| Finding::new(&source.path, line, format!("a module called `{name}`"), NAME_IT);
    buckets.map(|pair| report(&pair[1].text, pair[1].line)).collect()
}

/// Names at the root that are not on the list.
pub fn top_level(files: &[String]) -> Vec<Finding> {
    let names: BTreeSet<&str> = files.iter().filter_map(|path| path.split('/').next()).collect();
    let strange = names.into_iter().filter(|name| !TOP_LEVEL.contains(name));
    let fix = "put it into the folder it belongs to, or add it to TOP_LEVEL in tests/tidy/src/rules/names.rs";
    strange
        .map(|name| Finding::new(name, 0, "an unknown name at the root", fix))
        .collect()
}

/// Crates that are not called like their folder. `crates` are (name, folder).
pub fn crate_folders(crates: &[(String, String)]) -> Vec<Finding> {
    let matches = |name: &str, folder: &str| {
        let last = folder.rsplit('/').next();
        name.strip_prefix("rowtide-")
            .is_some_and(|short| Some(short) == last)
    };
    let strange = crates.iter().filter(|(name, folder)| !matches(name, folder));
    let report = |name: &str, folder: &str| {
        let what = format!("crate `{name}` lies in `{folder}`");
        Finding::new(
            format!("{folder}/Cargo.toml"),
            0,
            what,
            "call it `rowtide-` and the folder's name",
        )
    };
    strange.map(|(name, folder)| report(name, folder)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn bucket_modules_are_found_as_files_folders_and_inline() {
        let bad = list(&["a/src/utils.rs", "a/tests/common/mod.rs", "a/src/common/b.rs"]);
        assert_eq!(bucket_files(&bad).len(), 3);
        assert_eq!(
            bucket_files(&list(&["a/src/utility_bill.rs", "sql/common/a.sql"])),
            []
        );
        let inline = Source::parse("a.rs", "mod a {}\nmod helpers { fn manager() {} }").unwrap();
        assert_eq!(
            bucket_modules(&inline).iter().map(|f| f.line).collect::<Vec<_>>(),
            [2]
        );
    }

    #[test]
    fn scratch_at_the_root_is_found() {
        let found = top_level(&list(&[
            "README.md",
            "notes.txt",
            "scratch/a.rs",
            "runtime/engine/src/lib.rs",
        ]));
        assert_eq!(
            found.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(),
            ["notes.txt", "scratch"]
        );
    }

    #[test]
    fn a_crate_is_called_like_its_folder() {
        let pair = |name: &str, folder: &str| (name.to_owned(), folder.to_owned());
        let crates = [
            pair("rowtide-api", "connectors/api"),
            pair("rowtide-pg", "connectors/postgres"),
            pair("x", "a/x"),
        ];
        assert_eq!(crate_folders(&crates).len(), 2);
    }
}
