//! Sans-I/O. The arrows between our crates, as ARCHITECTURE.md draws them.

use crate::finding::Finding;
use crate::source::Source;

/// What a crate may depend on among our own.
struct Row {
    name: &'static str,
    /// In what it ships.
    ships: &'static [&'static str],
    /// In its tests, besides what it ships with.
    tests: &'static [&'static str],
}

const fn row(name: &'static str, ships: &'static [&'static str], tests: &'static [&'static str]) -> Row {
    Row { name, ships, tests }
}

const NONE: &[&str] = &[];
const TESTKIT: &[&str] = &["rowtide-testkit"];

/// The drawing. Think before editing: an arrow added here is an arrow every later reader has to keep in mind, and it
/// belongs into ARCHITECTURE.md in the same commit.
const DRAWING: &[Row] = &[
    // The bottom: the contract, and what Java does. They know nobody, not even in tests, since the testkit stands on one
    // of them and a test would meet two copies of the types it compares.
    row("rowtide-api", NONE, NONE),
    row("rowtide-java", NONE, NONE),
    // Connectors see the contract and their own client.
    row("rowtide-cassandra", &["rowtide-api"], TESTKIT),
    row("rowtide-http", &["rowtide-api"], TESTKIT),
    row("rowtide-postgres", &["rowtide-api", "rowtide-java"], TESTKIT),
    // The engine sees the contract and its own ports.
    row("rowtide-engine", &["rowtide-api", "rowtide-java"], TESTKIT),
    // Around the engine: its ports over Kafka (which chooses partitions by Java's murmur2), its REST face, its plugins.
    row(
        "rowtide-kafka",
        &["rowtide-api", "rowtide-engine", "rowtide-java"],
        TESTKIT,
    ),
    row("rowtide-rest", &["rowtide-api", "rowtide-engine"], TESTKIT),
    row("rowtide-transforms", &["rowtide-api", "rowtide-java"], TESTKIT),
    row("rowtide-registry", &["rowtide-api"], TESTKIT),
    row(
        "rowtide-converters",
        &["rowtide-api", "rowtide-java", "rowtide-registry"],
        TESTKIT,
    ),
    // Its golden answers of validate are those that the REST face gives.
    row(
        "rowtide-testkit",
        &["rowtide-api", "rowtide-engine", "rowtide-rest"],
        NONE,
    ),
    // The one that names them all.
    row(
        "rowtide-worker",
        &[
            "rowtide-api",
            "rowtide-cassandra",
            "rowtide-converters",
            "rowtide-engine",
            "rowtide-http",
            "rowtide-java",
            "rowtide-kafka",
            "rowtide-postgres",
            "rowtide-registry",
            "rowtide-rest",
            "rowtide-transforms",
        ],
        TESTKIT,
    ),
    // The benchmark drives the parts in process, beside the worker as a process.
    row(
        "rowtide-bench",
        &[
            "rowtide-api",
            "rowtide-converters",
            "rowtide-engine",
            "rowtide-kafka",
            "rowtide-postgres",
            "rowtide-registry",
            "rowtide-testkit",
        ],
        NONE,
    ),
    // Tests of the whole meet the worker as a process.
    row("rowtide-crash", TESTKIT, NONE),
    row("rowtide-e2e", TESTKIT, NONE),
    row("rowtide-tidy", NONE, NONE),
];

/// A dependency of one of our crates on another.
#[derive(Debug, Clone)]
pub struct Edge {
    /// The crate that depends.
    pub from: String,
    /// The crate it depends on.
    pub to: String,
    /// Whether only its tests do.
    pub dev: bool,
    /// Where it says so.
    pub manifest: String,
    /// On which line.
    pub line: usize,
}

/// Edges the drawing does not have.
pub fn undrawn(edges: &[Edge]) -> Vec<Finding> {
    let breach = |edge: &&Edge| {
        DRAWING
            .iter()
            .find(|row| row.name == edge.from)
            .is_some_and(|row| {
                let ships = row.ships.contains(&edge.to.as_str());
                !(ships || edge.dev && row.tests.contains(&edge.to.as_str()))
            })
    };
    let report = |edge: &Edge| {
        let kind = if edge.dev { "dev-dependency" } else { "dependency" };
        Finding::new(
            &edge.manifest,
            edge.line,
            format!("{kind} {} -> {} is not in the drawing", edge.from, edge.to),
            "move the code to where the arrow exists, or redraw: ARCHITECTURE.md and DRAWING in \
             tests/tidy/src/rules/arrows.rs",
        )
    };
    edges.iter().filter(breach).map(report).collect()
}

/// Crates that the drawing does not know, and rows without a crate. `crates` are (name, manifest).
pub fn unknown(crates: &[(String, String)]) -> Vec<Finding> {
    let fix = "bring DRAWING in tests/tidy/src/rules/arrows.rs and ARCHITECTURE.md up to date";
    let missing = crates
        .iter()
        .filter(|(name, _)| DRAWING.iter().all(|row| row.name != name));
    let missing =
        missing.map(|(name, manifest)| Finding::new(manifest, 0, format!("{name} has no row"), fix));
    let stale = DRAWING
        .iter()
        .filter(|row| crates.iter().all(|(name, _)| row.name != name));
    let stale =
        stale.map(|row| Finding::new("Cargo.toml", 0, format!("there is no crate {}", row.name), fix));
    missing.chain(stale).collect()
}

/// The testkit named inside a crate's `src`: an inline test would meet a second copy of the crate it stands in. Not so in
/// the worker, which nobody stands on, and whose modules a test outside cannot reach.
pub fn testkit_inside(source: &Source) -> Vec<Finding> {
    let may = ["tests/", "runtime/testkit/", "runtime/worker/"];
    let may = may.iter().any(|folder| source.path.starts_with(folder));
    let inside = source.path.contains("/src/") && !may;
    let uses = source
        .named
        .iter()
        .filter(|named| inside && named.is_below("rowtide_testkit"));
    let report = |line| {
        let what = "names rowtide_testkit inside `src`";
        Finding::new(
            &source.path,
            line,
            what,
            "move the test to the crate's `tests` folder",
        )
    };
    uses.map(|named| report(named.line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(from: &str, to: &str, dev: bool) -> Edge {
        Edge {
            from: from.into(),
            to: to.into(),
            dev,
            manifest: "x/Cargo.toml".into(),
            line: 3,
        }
    }

    #[test]
    fn an_arrow_outside_the_drawing_is_found() {
        let wrong = [
            edge("rowtide-engine", "rowtide-kafka", false),
            edge("rowtide-postgres", "rowtide-cassandra", false),
            edge("rowtide-postgres", "rowtide-testkit", false),
            edge("rowtide-api", "rowtide-testkit", true),
            edge("rowtide-e2e", "rowtide-engine", true),
        ];
        let found = undrawn(&wrong);
        assert_eq!(found.len(), wrong.len());
        assert!(
            found[0]
                .to_string()
                .starts_with("x/Cargo.toml:3: dependency rowtide-engine -> rowtide-kafka")
        );
    }

    #[test]
    fn the_drawn_arrows_pass() {
        let right = [
            edge("rowtide-engine", "rowtide-api", false),
            edge("rowtide-postgres", "rowtide-testkit", true),
            edge("rowtide-e2e", "rowtide-testkit", true),
        ];
        assert_eq!(undrawn(&right), []);
    }

    #[test]
    fn tests_with_the_testkit_lie_outside_src() {
        let text = "#[cfg(test)] mod tests { use rowtide_testkit::fakes; }";
        let found = |path: &str| testkit_inside(&Source::parse(path, text).unwrap()).len();
        assert_eq!(found("runtime/engine/src/a.rs"), 1);
        assert_eq!(found("runtime/engine/tests/a.rs"), 0);
        assert_eq!(found("tests/e2e/src/lib.rs"), 0);
        assert_eq!(found("runtime/worker/src/a.rs"), 0);
    }

    #[test]
    fn a_crate_without_a_row_and_a_row_without_a_crate_are_found() {
        let crates = DRAWING
            .iter()
            .skip(1)
            .map(|row| (row.name.to_owned(), String::new()));
        let mut crates: Vec<_> = crates.collect();
        crates.push(("rowtide-new".into(), "new/Cargo.toml".into()));
        let found = unknown(&crates);
        assert_eq!(found.len(), 2);
        assert!(found[0].what.contains("rowtide-new") && found[1].what.contains("rowtide-api"));
    }
}
