//! Sans-I/O. Licences of what we build with, and crates we do not build with.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::Finding;

/// Licences that Apache-2.0 code may be linked with; only those that some dependency needs.
const ALLOWED: &[&str] = &[
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CDLA-Permissive-2.0", // the data of webpki-roots
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

/// A crate that must not be in the build.
struct Ban {
    name: &'static str,
    /// The only crates that may depend on it; empty: nobody.
    below: &'static [&'static str],
    /// Whether the ban is for our own manifests only, and other people's crates may have it.
    ours: bool,
    instead: &'static str,
}

const fn never(name: &'static str, instead: &'static str) -> Ban {
    Ban {
        name,
        below: &[],
        ours: false,
        instead,
    }
}

const fn not_ours(name: &'static str, instead: &'static str) -> Ban {
    Ban {
        name,
        below: &[],
        ours: true,
        instead,
    }
}

/// Each ban says what to use instead.
const BANNED: &[Ban] = &[
    never(
        "aws-lc-rs",
        "rustls with ring: no C++ build step, one crypto library",
    ),
    never(
        "aws-lc-sys",
        "rustls with ring: no C++ build step, one crypto library",
    ),
    never("native-tls", "rustls"),
    never("openssl", "rustls"),
    Ban {
        name: "openssl-sys",
        below: &["rdkafka-sys"],
        ours: false,
        instead: "rustls; only librdkafka links the system's OpenSSL",
    },
    never(
        "serde_yaml",
        "JSON and Java properties, the formats Connect reads; serde_yaml has no maintainer",
    ),
    not_ours("anyhow", "rowtide_api::Error: class, context, hint, source"),
    not_ours(
        "async-trait",
        "`fn … -> impl Future + Send`, erased once in rowtide_api::erased",
    ),
    not_ours("chrono", "jiff"),
    not_ours("eyre", "rowtide_api::Error: class, context, hint, source"),
    not_ours("lazy_static", "std::sync::LazyLock"),
    not_ours("once_cell", "std::sync::OnceLock"),
];

/// A crate of somebody else.
#[derive(Debug, Clone)]
pub struct ThirdParty {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its licence as an SPDX expression, if it states one.
    pub licence: Option<String>,
    /// Where it comes from, `registry+…` or `git+…`; `None` is a folder.
    pub source: Option<String>,
}

/// Crates whose licence is not allowed, crates not from the registry, and allowed licences that nobody needs.
pub fn licences(crates: &[ThirdParty]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut needed = BTreeSet::new();
    for third in crates {
        let name = format!("{} {}", third.name, third.version);
        if !third
            .source
            .as_deref()
            .is_some_and(|source| source.starts_with("registry+"))
        {
            let what = format!("{name} does not come from the registry");
            found.push(Finding::new(
                "Cargo.toml",
                0,
                what,
                "depend on a released version",
            ));
        }
        let stated = third.licence.as_deref().unwrap_or("none stated");
        match permits(stated) {
            Some(used) => needed.extend(used),
            None => {
                let what = format!("{name} has the licence `{stated}`");
                let fix = "do without it, or, if Apache-2.0 may be linked with it, add it to ALLOWED in \
                           tests/tidy/src/rules/licences.rs";
                found.push(Finding::new("Cargo.lock", 0, what, fix));
            }
        }
    }
    for idle in ALLOWED.iter().filter(|licence| !needed.contains(*licence)) {
        let what = format!("no dependency needs the allowed licence {idle}");
        found.push(Finding::new(
            "tests/tidy/src/rules/licences.rs",
            0,
            what,
            "remove it from ALLOWED",
        ));
    }
    found
}

/// The licences a licensee relies on, or `None` where an expression leaves no allowed choice.
pub fn permits(expression: &str) -> Option<Vec<&'static str>> {
    // `/` is the old way to write OR.
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let result = either(&words, &mut at);
    result.filter(|_| at == words.len())
}

fn either(words: &[&str], at: &mut usize) -> Option<Vec<&'static str>> {
    let mut result = both(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        let other = both(words, at);
        result = result.or(other);
    }
    result
}

fn both(words: &[&str], at: &mut usize) -> Option<Vec<&'static str>> {
    let mut result = one(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        let other = one(words, at);
        result = result.zip(other).map(|(mut all, more)| {
            all.extend(more);
            all
        });
    }
    result
}

fn one(words: &[&str], at: &mut usize) -> Option<Vec<&'static str>> {
    let word = *words.get(*at)?;
    *at += 1;
    if word == "(" {
        let inside = either(words, at);
        *at += 1; // the closing parenthesis
        return inside;
    }
    if words.get(*at) == Some(&"WITH") {
        *at += 2; // an exception only adds permissions
    }
    ALLOWED
        .iter()
        .find(|allowed| **allowed == word)
        .map(|allowed| vec![*allowed])
}

/// Banned crates in the build. `parents` holds for each crate who depends on it, `ours` the names of our crates.
pub fn banned(parents: &BTreeMap<String, BTreeSet<String>>, ours: &BTreeSet<String>) -> Vec<Finding> {
    let mut found = Vec::new();
    for ban in BANNED {
        for parent in parents.get(ban.name).into_iter().flatten() {
            let excused = ban.below.contains(&parent.as_str()) || (ban.ours && !ours.contains(parent));
            if !excused {
                let what = format!("{parent} depends on the banned crate {}", ban.name);
                found.push(Finding::new(
                    "Cargo.lock",
                    0,
                    what,
                    format!("use {}", ban.instead),
                ));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn third(licence: Option<&str>, source: Option<&str>) -> ThirdParty {
        ThirdParty {
            name: "x".into(),
            version: "1.0.0".into(),
            licence: licence.map(Into::into),
            source: source.map(Into::into),
        }
    }

    #[test]
    fn an_expression_leaves_a_choice_or_not() {
        for good in [
            "MIT",
            "MIT OR GPL-3.0",
            "GPL-3.0 OR MIT",
            "MIT/Apache-2.0",
            "(MIT OR GPL-3.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception",
            "Apache-2.0 AND ISC",
        ] {
            assert!(permits(good).is_some(), "{good}");
        }
        for bad in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT OR Apache-2.0) AND GPL-3.0",
            "none stated",
            "",
            "MIT MIT",
        ] {
            assert!(permits(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_foreign_licence_a_missing_one_and_a_git_source_are_found() {
        let registry = Some("registry+https://example.org");
        let breaches = |third: ThirdParty| {
            let found = licences(&[third]).into_iter();
            found.filter(|f| f.what.starts_with("x 1.0.0")).count()
        };
        assert_eq!(breaches(third(Some("MIT"), registry)), 0);
        assert_eq!(breaches(third(Some("AGPL-3.0"), registry)), 1);
        assert_eq!(breaches(third(None, registry)), 1);
        assert_eq!(breaches(third(Some("MIT"), Some("git+https://example.org"))), 1);
    }

    #[test]
    fn an_allowed_licence_that_nobody_needs_is_found() {
        let found = licences(&[third(Some("MIT"), Some("registry+a"))]);
        assert_eq!(found.len(), ALLOWED.len() - 1);
    }

    #[test]
    fn a_banned_crate_is_found_unless_its_parent_is_excused() {
        let ours = BTreeSet::from(["rowtide-api".to_owned()]);
        let breaches = |child: &str, parent: &str| {
            let parents = BTreeMap::from([(child.to_owned(), BTreeSet::from([parent.to_owned()]))]);
            banned(&parents, &ours).len()
        };
        assert_eq!(breaches("openssl", "native-tls"), 1);
        assert_eq!(breaches("openssl-sys", "rdkafka-sys"), 0);
        assert_eq!(breaches("openssl-sys", "curl-sys"), 1);
        assert_eq!(breaches("lazy_static", "sharded-slab"), 0);
        assert_eq!(breaches("lazy_static", "rowtide-api"), 1);
    }
}
