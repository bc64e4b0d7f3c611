//! Sans-I/O. What a commit must not carry: large files, traces of the machine it was made on.

use crate::finding::Finding;

/// Size of a tracked file: sources are far smaller, and git keeps every version for ever.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A file over the cap.
pub fn large(path: &str, bytes: u64) -> Option<Finding> {
    let what = format!("{bytes} bytes, the cap is {FILE_BYTES_MAX}");
    let fix = "generate it, or fetch it by a package client when it is needed";
    (bytes > FILE_BYTES_MAX).then(|| Finding::new(path, 0, what, fix))
}

/// Absolute paths that exist on one machine only.
pub fn machine_paths(path: &str, text: &str) -> Vec<Finding> {
    // Put together here, so that this file does not find itself.
    let paths = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
    ];
    find(
        path,
        text,
        &paths,
        "the path of a machine",
        "write it relative to the root, or take it from a variable",
    )
}

/// Hosts of package registries: which mirror a build uses is the business of the machine it runs on.
pub fn registry_hosts(path: &str, text: &str) -> Vec<Finding> {
    if path == "Cargo.lock" {
        return Vec::new(); // cargo writes its index's name there
    }
    let hosts = [
        concat!("crates", ".io"),
        concat!("deb.debian", ".org"),
        concat!("files.pythonhosted", ".org"),
        concat!("maven.apache", ".org/maven2"),
        concat!("proxy.golang", ".org"),
        concat!("pypi", ".org"),
        concat!("registry.npmjs", ".org"),
        concat!("repo1.maven", ".org"),
    ];
    find(
        path,
        text,
        &hosts,
        "the host of a package registry",
        "name the package; the client knows the host",
    )
}

fn find(path: &str, text: &str, needles: &[&str], what: &str, fix: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        for needle in needles.iter().filter(|needle| starts_word(content, needle)) {
            found.push(Finding::new(path, line, format!("{what}: `{needle}`"), fix));
        }
    }
    found
}

/// Whether `needle` occurs where no longer word or path runs into it: `target/work/` is no machine's path.
fn starts_word(content: &str, needle: &str) -> bool {
    let joins = |before: char| before.is_alphanumeric() || matches!(before, '_' | '-' | '.' | '}' | '>');
    let mut places = content.match_indices(needle);
    places.any(|(at, _)| !content[..at].chars().next_back().is_some_and(joins) || needle.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_is_found() {
        assert!(large("a", FILE_BYTES_MAX + 1).is_some());
        assert!(large("a", FILE_BYTES_MAX).is_none());
    }

    #[test]
    fn a_machines_path_is_found_but_not_a_relative_one() {
        let bad = format!("cd \"{}main\"\n", concat!("/wo", "rk/"));
        assert_eq!(machine_paths("a.md", &bad).len(), 1);
        let good = format!(
            "cd target{0}a && cd $DIR{0}b ${{DIR}}{0}c\n",
            concat!("/wo", "rk/")
        );
        assert_eq!(machine_paths("a.md", &good), []);
    }

    #[test]
    fn a_registrys_host_is_found_except_in_the_lock_file() {
        let text = format!("see https://static.{}/a\n", concat!("crates", ".io"));
        assert_eq!(registry_hosts("a.md", &text).len(), 1);
        assert_eq!(registry_hosts("Cargo.lock", &text), []);
    }
}
