//! Sans-I/O. The invariants of absence: what a part of the house must not know (ARCHITECTURE.md numbers them).

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::Finding;
use crate::source::Source;
use crate::token::string_content;

/// Paths that code below a folder must not name, and why.
struct Ban {
    invariant: u8,
    folder: &'static str,
    paths: &'static [&'static str],
    fix: &'static str,
}

const BANS: &[Ban] = &[
    Ban {
        invariant: 1,
        folder: "runtime/engine/src/",
        paths: &[
            "axum",
            "hyper",
            "rdkafka",
            "reqwest",
            "scylla",
            "std::fs",
            "std::net",
            "std::process::Command",
            "tokio::fs",
            "tokio::net",
            "tokio::process",
            "tokio_postgres",
        ],
        fix: "add what the engine needs to a port in engine/src/ports.rs and implement it outside",
    },
    Ban {
        invariant: 2,
        folder: "connectors/",
        paths: &[
            "rdkafka",
            "axum",
            "rowtide_converters",
            "rowtide_engine",
            "rowtide_registry",
            "rowtide_worker",
        ],
        fix: "say it through rowtide-api: a connector sees its own client and the contract",
    },
    Ban {
        invariant: 2,
        folder: "connectors/api/src/",
        paths: &[
            "std::fs",
            "std::net",
            "std::process",
            "std::thread",
            "std::time::Instant",
            "std::time::SystemTime",
        ],
        fix: "the contract opens no socket, reads no clock and spawns nothing: pass the value in",
    },
    Ban {
        invariant: 2,
        folder: "connectors/java/src/",
        paths: &[
            "std::fs",
            "std::net",
            "std::process",
            "std::thread",
            "std::time::Instant",
            "std::time::SystemTime",
        ],
        fix: "the crate is pure: pass the value in",
    },
];

/// A client crate and the only places whose shipped code may name it. A place ends in `/`, or is the start of a path.
const OWNERS: &[(&str, &[&str])] = &[
    (
        "axum",
        &[
            "runtime/rest/",
            "runtime/testkit/",
            "runtime/worker/src/registry.rs",
            "schemas/registry/src/server",
        ],
    ),
    ("clap", &["runtime/worker/"]),
    ("postgres_protocol", &["connectors/postgres/"]),
    ("rdkafka", &["runtime/kafka/"]),
    (
        "reqwest",
        &["connectors/http/src/fetch", "schemas/registry/src/client"],
    ),
    ("schema_registry_converter", &["schemas/registry/src/client"]),
    ("scylla", &["connectors/cassandra/"]),
    ("tokio_postgres", &["connectors/postgres/"]),
];

/// Words of connectors that the engine's identifiers and strings must not hold.
const CONNECTOR_WORDS: [&str; 4] = ["cassandra", "debezium", "postgres", "randomuser"];

/// Invariants 1 and 2: paths that a folder's shipped code must not name.
pub fn banned_paths(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for ban in BANS.iter().filter(|ban| source.path.starts_with(ban.folder)) {
        for named in source.shipped_paths() {
            for path in ban.paths.iter().filter(|path| named.is_below(path)) {
                let what = format!(
                    "invariant {}: code in {} names `{path}`",
                    ban.invariant, ban.folder
                );
                found.push(Finding::new(&source.path, named.line, what, ban.fix));
            }
        }
    }
    found
}

/// Invariant 3: a client named outside the one place that knows it.
pub fn client_outside_its_place(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for (client, places) in OWNERS {
        if places.iter().any(|place| source.path.starts_with(place)) {
            continue;
        }
        for named in source
            .shipped_paths()
            .filter(|named| is_crate(&named.path, client))
        {
            let what = format!("invariant 3: `{client}` is named outside {}", places.join(", "));
            let fix = "move the call there and hand in a value or a port";
            found.push(Finding::new(&source.path, named.line, what, fix));
        }
    }
    found
}

/// Whether a path goes into a crate; a single segment of that name may be anything.
fn is_crate(path: &str, name: &str) -> bool {
    path.strip_prefix(name).is_some_and(|rest| rest.starts_with("::"))
}

/// Invariant 5: the environment read outside the worker. Its values reach others as configuration.
pub fn environment(source: &Source) -> Vec<Finding> {
    if source.path.starts_with("runtime/worker/") {
        return Vec::new();
    }
    let reads = source.shipped_paths().filter(|named| named.is_below("std::env"));
    let report = |line| {
        let what = "invariant 5: reads the environment outside the worker";
        Finding::new(&source.path, line, what, "take the value as configuration")
    };
    reads.map(|named| report(named.line)).collect()
}

/// Class names and aliases that connectors declare: the strings in their `const CLASS` and `const ALIASES`.
pub fn class_names<'a>(connectors: impl Iterator<Item = &'a Source>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for source in connectors {
        let tokens = &source.tokens;
        for at in 1..tokens.len() {
            let constant = tokens[at - 1].is_ident("const") && source.ships(at);
            if constant && (tokens[at].is_ident("CLASS") || tokens[at].is_ident("ALIASES")) {
                let value = tokens[at..].iter().take_while(|token| !token.is_mark(";"));
                names.extend(value.filter_map(string_content).map(ToOwned::to_owned));
            }
        }
    }
    names
}

/// Invariants 1 and 2: a connector's class named by code other than its own and the worker's list.
pub fn class_named(source: &Source, classes: &BTreeSet<String>) -> Vec<Finding> {
    let own = source.path.starts_with("connectors/") || source.path == "runtime/worker/src/plugins.rs";
    let engine = source.path.starts_with("runtime/engine/src/");
    let mut found = Vec::new();
    for (at, token) in source
        .tokens
        .iter()
        .enumerate()
        .filter(|(at, _)| source.ships(*at) && !own)
    {
        if let Some(class) = string_content(token).filter(|text| classes.contains(*text)) {
            let what = format!("invariant 1: names the connector class `{class}`");
            let fix = "only runtime/worker/src/plugins.rs names connectors; ask the plugin for what differs";
            found.push(Finding::new(&source.path, token.line, what, fix));
        }
        let text = source.tokens[at].text.to_lowercase();
        if let Some(word) = CONNECTOR_WORDS
            .iter()
            .find(|word| engine && text.contains(**word))
        {
            let what = format!("invariant 1: the engine's code says `{word}`");
            found.push(Finding::new(
                &source.path,
                token.line,
                what,
                "make it a capability on the trait",
            ));
        }
    }
    found
}

/// Invariant 6: crates reachable from `from` over dependencies that must not be. `graph` holds what each crate ships
/// with, by name.
pub fn reachable(graph: &BTreeMap<String, BTreeSet<String>>, from: &str, banned: &[&str]) -> Vec<String> {
    let mut seen = BTreeSet::from([from]);
    let mut open = vec![vec![from]];
    let mut found = Vec::new();
    while let Some(way) = open.pop() {
        let Some(next) = way.last().and_then(|name| graph.get(*name)) else {
            continue;
        };
        for name in next.iter().map(String::as_str) {
            let longer: Vec<&str> = way.iter().copied().chain([name]).collect();
            if banned.contains(&name) {
                found.push(longer.join(" -> "));
            } else if seen.insert(name) {
                open.push(longer);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source::parse(path, text).unwrap()
    }

    #[test]
    fn the_engine_may_not_open_files_or_sockets_in_any_spelling() {
        let text = "use std::{fs::File, sync::Arc};\nfn f() { tokio::net::TcpStream::connect(1); }\nuse tokio::{fs, sync};";
        let found = banned_paths(&source("runtime/engine/src/a.rs", text));
        assert_eq!(found.iter().map(|f| f.line).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(found[0].to_string().contains("invariant 1") && found[0].to_string().contains("std::fs"));
    }

    #[test]
    fn the_engines_tests_and_other_crates_may() {
        let text = "#[cfg(test)] mod tests { use std::fs; }";
        assert_eq!(banned_paths(&source("runtime/engine/src/a.rs", text)), []);
        assert_eq!(
            banned_paths(&source("runtime/worker/src/a.rs", "use std::fs;")),
            []
        );
    }

    #[test]
    fn a_connector_may_not_know_kafka_and_the_contract_no_clock() {
        assert_eq!(
            banned_paths(&source("connectors/http/src/a.rs", "use rdkafka::ClientConfig;")).len(),
            1
        );
        assert_eq!(
            banned_paths(&source("connectors/api/src/a.rs", "use std::time::Instant;")).len(),
            1
        );
        assert_eq!(
            banned_paths(&source("connectors/http/src/a.rs", "use std::time::Instant;")),
            []
        );
    }

    #[test]
    fn a_client_has_one_place() {
        let text = "use reqwest::Client;";
        assert_eq!(
            client_outside_its_place(&source("connectors/http/src/task.rs", text)).len(),
            1
        );
        assert_eq!(
            client_outside_its_place(&source("schemas/registry/src/server/mod.rs", text)).len(),
            1
        );
        assert_eq!(
            client_outside_its_place(&source("connectors/http/src/fetch.rs", text)),
            []
        );
        assert_eq!(
            client_outside_its_place(&source("schemas/registry/src/client/rest.rs", text)),
            []
        );
        assert_eq!(
            client_outside_its_place(&source("connectors/http/tests/a.rs", text)),
            []
        );
    }

    #[test]
    fn only_the_worker_reads_the_environment() {
        let text = "fn f() { std::env::var(\"A\"); }";
        assert_eq!(environment(&source("runtime/rest/src/a.rs", text)).len(), 1);
        assert_eq!(
            environment(&source("connectors/http/src/a.rs", "use std::env;")).len(),
            1
        );
        assert_eq!(environment(&source("runtime/worker/src/cli/run.rs", text)), []);
        assert_eq!(environment(&source("runtime/testkit/src/stack.rs", text)), []);
    }

    #[test]
    fn nobody_but_the_list_names_a_connectors_class() {
        let text = "impl Plugin for P { const CLASS: &'static str = \"x.Y\"; const ALIASES: &'static [&'static str] = &[\"Y\"]; }";
        let connector = source("connectors/x/src/lib.rs", text);
        let classes = class_names([&connector].into_iter());
        assert_eq!(
            classes.iter().map(String::as_str).collect::<Vec<_>>(),
            ["Y", "x.Y"]
        );
        let code = "fn f(c: &str) -> bool { c == \"x.Y\" }";
        assert_eq!(
            class_named(&source("runtime/rest/src/a.rs", code), &classes).len(),
            1
        );
        assert_eq!(
            class_named(&source("runtime/worker/src/plugins.rs", code), &classes),
            []
        );
    }

    #[test]
    fn the_engine_does_not_speak_of_a_connector() {
        let classes = BTreeSet::new();
        let code = "// postgres in prose is fine\nfn is_postgres() {}";
        let found = class_named(&source("runtime/engine/src/a.rs", code), &classes);
        assert_eq!(found.iter().map(|f| f.line).collect::<Vec<_>>(), [2]);
        assert_eq!(class_named(&source("runtime/rest/src/a.rs", code), &classes), []);
    }

    #[test]
    fn a_banned_crate_far_below_is_found_with_the_way_to_it() {
        let entry =
            |name: &str, next: &[&str]| (name.to_owned(), next.iter().map(|n| (*n).to_owned()).collect());
        let graph = BTreeMap::from([
            entry("a", &["b"]),
            entry("b", &["c", "a"]),
            entry("c", &["rdkafka"]),
        ]);
        assert_eq!(reachable(&graph, "a", &["rdkafka"]), ["a -> b -> c -> rdkafka"]);
        assert!(reachable(&graph, "a", &["axum"]).is_empty());
    }
}
