//! The rules on the real tree, one test each. A failure lists `file:line: what. Fix: …`.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Package};
use rowtide_tidy::finding::assert_none;
use rowtide_tidy::rules::manifest::{Dependency, Idents};
use rowtide_tidy::rules::{
    absence, arrows, compose, dockerfile, docs, hygiene, licences, manifest, names, sans_io, size, style,
};
use rowtide_tidy::source::Role;
use rowtide_tidy::token::Kind;
use rowtide_tidy::{Finding, Source, Workspace};

/// Runs a rule over every Rust file.
fn every_file<I: IntoIterator<Item = Finding>>(name: &str, rule: impl Fn(&Source) -> I) {
    let sources = &Workspace::here().sources;
    assert!(
        sources.len() > 40,
        "only {} Rust files found: the walk is broken",
        sources.len()
    );
    assert_none(name, sources.iter().flat_map(rule).collect());
}

/// Runs a rule over every text file.
fn every_text(name: &str, rule: impl Fn(&str, &str) -> Vec<Finding>) {
    let workspace = Workspace::here();
    let texts = workspace
        .files
        .iter()
        .filter_map(|path| Some((path, workspace.text(path)?)));
    assert_none(name, texts.flat_map(|(path, text)| rule(path, &text)).collect());
}

/// Runs a rule over every Markdown file.
fn every_document(name: &str, rule: impl Fn(&str, &str) -> Vec<Finding>) {
    every_text(name, |path, text| {
        if path.ends_with(".md") {
            rule(path, text)
        } else {
            Vec::new()
        }
    });
}

/// The dependencies of our crates as their manifests state them.
fn dependencies() -> Vec<Dependency> {
    let workspace = Workspace::here();
    let resolve = workspace
        .metadata
        .resolve
        .as_ref()
        .expect("cargo resolved the workspace");
    let mut all = Vec::new();
    for package in workspace.crates().values() {
        let manifest = format!("{}/Cargo.toml", workspace.folder(package));
        let text = workspace.text(&manifest).unwrap_or_default();
        let node = resolve
            .nodes
            .iter()
            .find(|node| node.id == package.id)
            .expect("cargo resolved every crate");
        for dependency in &package.dependencies {
            // A library may be called otherwise than its package: `md-5` is `md5`.
            let library = node
                .deps
                .iter()
                .find(|dep| workspace.metadata[&dep.pkg].name == dependency.name);
            let declares = |line: &str| {
                line.strip_prefix(dependency.name.as_str())
                    .is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
            };
            all.push(Dependency {
                from: package.name.to_string(),
                name: dependency.name.clone(),
                ident: library.map_or_else(|| dependency.name.replace('-', "_"), |dep| dep.name.clone()),
                dev: dependency.kind == DependencyKind::Development,
                manifest: manifest.clone(),
                line: text.lines().position(declares).map_or(0, |at| at + 1),
            });
        }
    }
    all
}

/// Who ships with whom among all crates: name to the names it depends on, dev-dependencies left out.
fn shipped_graph() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = &Workspace::here().metadata;
    let resolve = metadata.resolve.as_ref().expect("cargo resolved the workspace");
    let name = |id| metadata[id].name.to_string();
    let ships = |dep: &&cargo_metadata::NodeDep| {
        dep.dep_kinds
            .iter()
            .any(|kind| kind.kind != DependencyKind::Development)
    };
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in &resolve.nodes {
        let next = node.deps.iter().filter(ships).map(|dep| name(&dep.pkg));
        graph.entry(name(&node.id)).or_default().extend(next);
    }
    graph
}

fn pairs(second: impl Fn(&Package) -> String) -> Vec<(String, String)> {
    let crates = Workspace::here().crates();
    crates
        .into_iter()
        .map(|(name, package)| (name.to_owned(), second(package)))
        .collect()
}

#[test]
fn every_rust_file_is_read_and_reached() {
    assert_none("dead or unreadable files", Workspace::here().unread.clone());
}

#[test]
fn dependencies_between_our_crates_follow_the_drawing() {
    let ours = Workspace::here().crates();
    let edges = dependencies()
        .into_iter()
        .filter(|dependency| ours.contains_key(dependency.name.as_str()));
    let edges: Vec<_> = edges
        .map(|dependency| arrows::Edge {
            from: dependency.from,
            to: dependency.name,
            dev: dependency.dev,
            manifest: dependency.manifest,
            line: dependency.line,
        })
        .collect();
    assert!(
        edges.len() > 20,
        "only {} arrows found: the reading is broken",
        edges.len()
    );
    let folder = |package: &Package| format!("{}/Cargo.toml", Workspace::here().folder(package));
    let found = arrows::undrawn(&edges)
        .into_iter()
        .chain(arrows::unknown(&pairs(folder)));
    assert_none("arrows", found.collect());
}

#[test]
fn tests_with_the_testkit_lie_in_tests_folders() {
    every_file("testkit inside src", arrows::testkit_inside);
}

#[test]
fn invariants_1_and_2_what_engine_and_connectors_must_not_see() {
    every_file("banned paths", absence::banned_paths);
}

#[test]
fn invariants_1_and_2_nobody_names_a_connector_but_the_workers_list() {
    let sources = &Workspace::here().sources;
    let connectors = sources
        .iter()
        .filter(|source| source.path.starts_with("connectors/"));
    let classes = absence::class_names(connectors);
    assert!(
        classes.len() >= 4,
        "only {classes:?} found: no connector declares `const CLASS`"
    );
    every_file("connector classes", |source| {
        absence::class_named(source, &classes)
    });
}

#[test]
fn invariant_2_a_connector_depends_on_the_contract_and_its_client_alone() {
    let graph = shipped_graph();
    let api = &graph["rowtide-api"];
    assert_eq!(
        api,
        &BTreeSet::from(["bytes".to_owned()]),
        "rowtide-api depends on `bytes` alone"
    );
    let mut found = Vec::new();
    for name in [
        "rowtide-cassandra",
        "rowtide-http",
        "rowtide-java",
        "rowtide-postgres",
    ] {
        let banned = [
            "axum",
            "rdkafka",
            "rowtide-converters",
            "rowtide-engine",
            "rowtide-registry",
        ];
        let ways = absence::reachable(&graph, name, &banned).into_iter();
        let fix = "remove the dependency: a connector sees its own client and rowtide-api";
        found
            .extend(ways.map(|way| Finding::new("Cargo.lock", 0, format!("invariants 2 and 6: {way}"), fix)));
    }
    assert_none("what connectors build", found);
}

#[test]
fn invariant_3_a_client_is_named_in_one_place() {
    every_file("clients", absence::client_outside_its_place);
    let kafka = dependencies()
        .into_iter()
        .filter(|dependency| dependency.name == "rdkafka");
    // The tests of the whole read topics with a client of their own: it would prove little to check ours with ours.
    let readers = ["rowtide-crash", "rowtide-e2e"];
    let others = kafka.filter(|dependency| {
        dependency.from != "rowtide-kafka" && !(readers.contains(&dependency.from.as_str()) && dependency.dev)
    });
    let fix = "use the ports of rowtide-kafka";
    let report = |d: Dependency| {
        let what = format!("invariant 3: {} depends on rdkafka", d.from);
        Finding::new(d.manifest, d.line, what, fix)
    };
    assert_none("librdkafka", others.map(report).collect());
}

#[test]
fn invariant_4_files_marked_sans_io_are_pure() {
    let pure = Workspace::here()
        .sources
        .iter()
        .filter(|source| source.is_sans_io())
        .count();
    assert!(pure > 10, "only {pure} files are marked: the reading is broken");
    every_file("Sans-I/O", sans_io::impurities);
}

#[test]
fn invariant_5_only_the_worker_reads_the_environment() {
    every_file("environment", absence::environment);
}

#[test]
fn invariant_5_no_secret_reaches_a_log() {
    every_file("secrets", style::logged_secrets);
}

#[test]
fn every_file_fits_the_cap() {
    every_file("file sizes", size::long_file);
}

#[test]
fn every_function_fits_the_cap_or_is_listed() {
    let sources = &Workspace::here().sources;
    assert_none(
        "function sizes",
        size::long_functions(sources, size::LONG_FUNCTIONS),
    );
}

#[test]
fn every_file_has_a_header() {
    every_file("headers", style::no_header);
}

#[test]
fn nothing_that_ships_unwraps_or_prints() {
    every_file("panics and prints", style::panics_and_prints);
}

#[test]
fn every_select_is_biased_and_numbered() {
    every_file("selects", style::selects);
}

#[test]
fn every_queue_has_a_bound() {
    let sources = &Workspace::here().sources;
    assert_none("queues", style::unbounded(sources, style::BOUNDED_ELSEWHERE));
}

#[test]
fn every_error_tells_something() {
    every_file("unit errors", style::unit_errors);
}

#[test]
fn no_test_is_ignored() {
    every_file("ignored tests", style::ignored_tests);
}

#[test]
fn every_lifted_lint_says_why() {
    every_file("lifted lints", style::unexplained_allows);
}

#[test]
fn no_note_of_unfinished_work_is_left() {
    every_text("unfinished work", style::unfinished);
}

#[test]
fn no_module_is_a_bucket() {
    assert_none("bucket files", names::bucket_files(&Workspace::here().files));
    every_file("bucket modules", names::bucket_modules);
}

#[test]
fn nothing_strange_lies_at_the_root() {
    assert_none("top-level names", names::top_level(&Workspace::here().files));
}

#[test]
fn every_crate_is_called_like_its_folder() {
    assert_none(
        "crate names",
        names::crate_folders(&pairs(|package| Workspace::here().folder(package))),
    );
}

#[test]
fn every_licence_is_allowed_and_every_crate_comes_from_the_registry() {
    let workspace = Workspace::here();
    let ours: BTreeSet<_> = workspace.metadata.workspace_members.iter().collect();
    let others = workspace
        .metadata
        .packages
        .iter()
        .filter(|package| !ours.contains(&package.id));
    let others: Vec<_> = others
        .map(|package| licences::ThirdParty {
            name: package.name.to_string(),
            version: package.version.to_string(),
            licence: package.license.clone(),
            source: package.source.as_ref().map(|source| source.repr.clone()),
        })
        .collect();
    assert!(
        others.len() > 100,
        "only {} dependencies found: the reading is broken",
        others.len()
    );
    assert_none("licences", licences::licences(&others));
}

#[test]
fn no_banned_crate_is_built() {
    let mut parents: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (parent, children) in shipped_graph() {
        for child in children {
            parents.entry(child).or_default().insert(parent.clone());
        }
    }
    for dependency in dependencies() {
        parents
            .entry(dependency.name)
            .or_default()
            .insert(dependency.from);
    }
    let ours = Workspace::here()
        .crates()
        .into_keys()
        .map(ToOwned::to_owned)
        .collect();
    assert_none("bans", licences::banned(&parents, &ours));
}

#[test]
fn every_dependency_of_the_workspace_says_why_and_is_lean() {
    let text = Workspace::here()
        .text("Cargo.toml")
        .expect("the root has a manifest");
    let used = dependencies()
        .into_iter()
        .map(|dependency| dependency.name)
        .collect();
    assert_none(
        "root manifest",
        manifest::root(&text, &used, manifest::WITH_DEFAULTS),
    );
}

#[test]
fn every_crate_inherits_from_the_workspace() {
    let workspace = Workspace::here();
    let manifests = pairs(|package| format!("{}/Cargo.toml", workspace.folder(package))).into_iter();
    let read = manifests.map(|(_, path)| (workspace.text(&path).unwrap_or_default(), path));
    assert_none(
        "manifests",
        read.flat_map(|(text, path)| manifest::member(&path, &text))
            .collect(),
    );
}

#[test]
fn every_dependency_is_used() {
    let workspace = Workspace::here();
    let mut idents: BTreeMap<&str, Idents> = BTreeMap::new();
    for (name, package) in workspace.crates() {
        let entry = idents.entry(name).or_default();
        for source in workspace.sources_of(package) {
            let words = source.tokens.iter().filter(|token| token.kind == Kind::Ident);
            // A crate below `tests/` is a test as a whole: its `src` counts as what it ships.
            let own = source.role != Role::Test || source.path.contains("/src/");
            for token in words {
                if own && !token.test {
                    entry.ships.insert(token.text.clone());
                }
                entry.all.insert(token.text.clone());
            }
        }
    }
    let check = |d: &Dependency| manifest::unused(d, &idents[d.from.as_str()], manifest::FOR_A_FEATURE);
    assert_none(
        "unused dependencies",
        dependencies().iter().filter_map(check).collect(),
    );
}

#[test]
fn every_document_is_there_and_the_map_is_complete() {
    let workspace = Workspace::here();
    let missing = docs::REQUIRED
        .iter()
        .filter(|path| workspace.text(path).is_none());
    let missing = missing.map(|path| Finding::new(*path, 0, "the document is missing", "write it"));
    let names: Vec<_> = workspace.crates().into_keys().map(ToOwned::to_owned).collect();
    let map = workspace
        .text("ARCHITECTURE.md")
        .map(|text| docs::architecture(&text, &names));
    assert_none("documents", missing.chain(map.into_iter().flatten()).collect());
}

#[test]
fn commands_in_documents_exist() {
    let workspace = Workspace::here();
    let config = workspace.text(".cargo/config.toml").unwrap_or_default();
    let aliases = config
        .lines()
        .skip_while(|line| *line != "[alias]")
        .filter_map(|line| line.split_once(" = "));
    let worker = workspace
        .sources
        .iter()
        .filter(|source| source.path.starts_with("runtime/worker/src/"));
    let known = docs::Known {
        files: workspace.files.iter().cloned().collect(),
        crates: workspace.crates().into_keys().map(ToOwned::to_owned).collect(),
        aliases: aliases.map(|(name, _)| name.to_owned()).collect(),
        subcommands: docs::subcommands(worker),
    };
    every_document("commands", |path, text| {
        docs::broken_commands(path, text, &known, |script| workspace.text(script))
    });
}

#[test]
fn links_in_documents_lead_somewhere() {
    let files = Workspace::here().files.iter().cloned().collect();
    every_document("links", |path, text| docs::dead_links(path, text, &files));
}

#[test]
fn no_file_names_a_machines_path_or_a_registrys_host() {
    every_text("machine paths", hygiene::machine_paths);
    every_text("registry hosts", hygiene::registry_hosts);
}

#[test]
fn no_file_is_large() {
    let workspace = Workspace::here();
    let sizes = workspace.files.iter().filter_map(|path| {
        let bytes = std::fs::metadata(workspace.root.join(path)).ok()?.len();
        hygiene::large(path, bytes)
    });
    assert_none("large files", sizes.collect());
}

/// The tracked files.
fn files() -> BTreeSet<String> {
    Workspace::here().files.iter().cloned().collect()
}

/// The text of a file that must be there.
fn text(path: &str) -> String {
    Workspace::here()
        .text(path)
        .unwrap_or_else(|| panic!("{path} is missing"))
}

#[test]
fn the_image_is_built_as_everybody_builds() {
    let toolchain = text("rust-toolchain.toml");
    let rust = toolchain.lines().find_map(|line| line.strip_prefix("channel = "));
    let mut needs = compose::array(&text("compose/lib/prerequisites.sh"), "BUILD_NEEDS");
    assert!(needs.remove("cargo"), "BUILD_NEEDS begins with cargo");
    let contributing = text("CONTRIBUTING.md");
    let unnamed: Vec<_> = needs
        .iter()
        .filter(|package| !contributing.contains(package.as_str()))
        .collect();
    assert!(unnamed.is_empty(), "CONTRIBUTING.md does not name {unnamed:?}");
    let facts = dockerfile::Facts {
        files: files(),
        rust: rust
            .expect("rust-toolchain.toml names a channel")
            .trim_matches('"')
            .to_owned(),
        build_packages: needs,
    };
    assert_none(
        "Dockerfile",
        dockerfile::breaches(&text(dockerfile::PATH), &facts),
    );
}

#[test]
fn the_compose_file_is_sound_and_runs_the_demos_connectors() {
    let stages = dockerfile::stages(&text(dockerfile::PATH));
    let maven = ["cassandra", "kafka", "registry"].map(|server| text(&format!("compose/maven/{server}.xml")));
    let facts = compose::Facts {
        files: files(),
        stages: stages.into_iter().map(|stage| stage.name).collect(),
        pinned_servers: maven.concat(),
    };
    let file = text(compose::PATH);
    assert_none("compose file", compose::breaches(&file, &facts));

    let names = facts.files.iter();
    let specs = names.filter_map(|path| Some((path.strip_prefix("compose/specs/")?.to_owned(), text(path))));
    let specs: Vec<_> = specs.collect();
    let environment = compose::environment(&file, "connectors").expect("the service is there");
    assert_none(
        "registration",
        compose::registration(&text("compose/register"), &specs, &environment),
    );
}
