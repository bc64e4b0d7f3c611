//! The repository as it stands: its files by `git`, its crates by `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use cargo_metadata::{Metadata, MetadataCommand, Package};

use crate::finding::Finding;
use crate::modules::declared;
use crate::source::{Role, Source};

/// The platform whose dependencies are judged: the one releases are built for.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// The repository.
pub struct Workspace {
    /// Its root folder.
    pub root: PathBuf,
    /// All files that are tracked, and new ones that git does not ignore, sorted.
    pub files: Vec<String>,
    /// The Rust files among them, parsed.
    pub sources: Vec<Source>,
    /// Files that could not be read as Rust, and Rust files that no target reaches.
    pub unread: Vec<Finding>,
    /// What cargo says of crates and dependencies.
    pub metadata: Metadata,
}

impl Workspace {
    /// The repository this crate lies in, read once.
    pub fn here() -> &'static Self {
        static HERE: OnceLock<Workspace> = OnceLock::new();
        HERE.get_or_init(|| {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
            let root = root
                .canonicalize()
                .expect("tests/tidy lies two folders below the root");
            Self::read(root)
        })
    }

    /// Reads a repository.
    ///
    /// # Panics
    /// When git or cargo cannot say what is in it.
    pub fn read(root: PathBuf) -> Self {
        let metadata = MetadataCommand::new()
            .manifest_path(root.join("Cargo.toml"))
            .other_options(vec!["--filter-platform".to_owned(), PLATFORM.to_owned()])
            .exec()
            .expect("cargo metadata reads the workspace");
        let files = git_files(&root);
        let mut workspace = Self {
            root,
            files,
            sources: Vec::new(),
            unread: Vec::new(),
            metadata,
        };
        workspace.parse_sources();
        workspace
    }

    /// The text of a file, `None` where it is missing or not UTF-8.
    pub fn text(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.root.join(path)).ok()
    }

    /// Our crates, by name.
    pub fn crates(&self) -> BTreeMap<&str, &Package> {
        let packages = self.metadata.workspace_packages().into_iter();
        packages.map(|package| (package.name.as_str(), package)).collect()
    }

    /// A crate's folder, from the root.
    pub fn folder(&self, package: &Package) -> String {
        let folder = package.manifest_path.parent().map(|folder| folder.as_std_path());
        self.relative(folder.expect("a manifest lies in a folder"))
    }

    /// The Rust files of a crate.
    pub fn sources_of<'a>(&'a self, package: &Package) -> impl Iterator<Item = &'a Source> {
        let prefix = format!("{}/", self.folder(package));
        self.sources
            .iter()
            .filter(move |source| source.path.starts_with(&prefix))
    }

    fn relative(&self, path: &Path) -> String {
        let inside = path.strip_prefix(&self.root).unwrap_or(path);
        inside.to_string_lossy().into_owned()
    }

    fn parse_sources(&mut self) {
        let mut parsed = BTreeMap::new();
        for path in self.files.iter().filter(|path| path.ends_with(".rs")) {
            let text = self.text(path).unwrap_or_default();
            match Source::parse(path, text) {
                Ok(source) => {
                    parsed.insert(path.clone(), source);
                }
                Err(error) => {
                    let what = format!("cannot be read as Rust: {error}");
                    self.unread.push(Finding::new(path, 0, what, "make it compile"));
                }
            }
        }
        let (reached, live) = reach(&parsed, &self.target_roots());
        for path in parsed.keys().filter(|path| !reached.contains(*path)) {
            let what = "dead file: no `mod` declaration and no target reaches it";
            self.unread.push(Finding::new(
                path,
                0,
                what,
                "declare it in its parent or delete it",
            ));
        }
        for path in reached.difference(&live) {
            if let Some(source) = parsed.get_mut(path).filter(|s| s.role == Role::Production) {
                source.role = Role::Test;
            }
        }
        self.sources = parsed.into_values().collect();
    }

    fn target_roots(&self) -> Vec<String> {
        let packages = self.metadata.workspace_packages().into_iter();
        let targets = packages.flat_map(|package| &package.targets);
        targets
            .map(|target| self.relative(target.src_path.as_std_path()))
            .collect()
    }
}

/// Follows `mod` declarations from the roots: all files reached, and those reached without a `#[cfg(test)]`.
fn reach(parsed: &BTreeMap<String, Source>, roots: &[String]) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut reached, mut live) = (BTreeSet::new(), BTreeSet::new());
    let mut open: Vec<(String, bool, bool)> = roots.iter().map(|root| (root.clone(), true, false)).collect();
    while let Some((path, root, test)) = open.pop() {
        let Some(source) = parsed.get(&path) else { continue };
        let known = !reached.insert(path.clone());
        let news = if test { !known } else { live.insert(path) };
        if !news {
            continue;
        }
        for module in declared(source, root) {
            let file = module
                .candidates
                .into_iter()
                .find(|path| parsed.contains_key(path));
            open.extend(file.map(|file| (file, false, test || module.test)));
        }
    }
    (reached, live)
}

fn git_files(root: &Path) -> Vec<String> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .expect("git is installed and lists the files");
    assert!(
        listed.status.success(),
        "git ls-files: {}",
        String::from_utf8_lossy(&listed.stderr)
    );
    let names = String::from_utf8(listed.stdout).expect("file names are UTF-8");
    let mut files: Vec<String> = names
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(ToOwned::to_owned)
        .collect();
    files.retain(|name| root.join(name).is_file()); // a deleted file is still in git's index
    files.sort();
    files.dedup();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(texts: &[(&str, &str)]) -> BTreeMap<String, Source> {
        let parse = |(path, text): &(&str, &str)| ((*path).to_owned(), Source::parse(*path, *text).unwrap());
        texts.iter().map(parse).collect()
    }

    #[test]
    fn a_file_nobody_declares_is_not_reached() {
        let tree = files(&[("a/src/lib.rs", "mod b;"), ("a/src/b.rs", ""), ("a/src/c.rs", "")]);
        let (reached, _) = reach(&tree, &["a/src/lib.rs".to_owned()]);
        assert!(reached.contains("a/src/b.rs") && !reached.contains("a/src/c.rs"));
    }

    #[test]
    fn a_file_only_tests_declare_is_reached_but_not_live() {
        let tree = files(&[
            ("a/src/lib.rs", "#[cfg(test)] mod b;"),
            ("a/src/b.rs", "mod c;"),
            ("a/src/b/c.rs", ""),
        ]);
        let (reached, live) = reach(&tree, &["a/src/lib.rs".to_owned()]);
        assert!(reached.contains("a/src/b/c.rs") && !live.contains("a/src/b/c.rs"));
    }
}
