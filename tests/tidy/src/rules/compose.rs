//! Sans-I/O. The compose file and the connectors of the demo: a container engine is not at hand in every test run, so what
//! can be known without one is checked here.

use std::collections::BTreeSet;

use yaml_rust2::yaml::Hash;
use yaml_rust2::{Yaml, YamlLoader};

use crate::finding::Finding;
use crate::modules::join;
use crate::rules::dockerfile::{exists, is_pinned};

/// Where it lies.
pub const PATH: &str = "compose/compose.yaml";

/// What the compose file is compared with.
#[derive(Debug, Default)]
pub struct Facts {
    /// Tracked files.
    pub files: BTreeSet<String>,
    /// Names of the Dockerfile's stages.
    pub stages: BTreeSet<String>,
    /// The texts of `compose/maven/*.xml`, which pin the servers without containers.
    pub pinned_servers: String,
}

/// A service as this file looks at it.
struct Service<'a> {
    name: &'a str,
    keys: &'a Hash,
}

impl<'a> Service<'a> {
    fn get(&self, key: &str) -> &'a Yaml {
        self.keys
            .get(&Yaml::String(key.to_owned()))
            .unwrap_or(&Yaml::BadValue)
    }

    fn texts(&self, key: &str) -> Vec<&'a str> {
        texts(self.get(key))
    }

    /// Whether it does one thing and ends: no health to check.
    fn ends(&self) -> bool {
        self.get("restart").as_str() == Some("no")
            && self.get("healthcheck")["disable"] == Yaml::Boolean(true)
    }

    fn is_checked(&self) -> bool {
        !texts(&self.get("healthcheck")["test"]).is_empty()
    }
}

fn texts(list: &Yaml) -> Vec<&str> {
    list.as_vec()
        .into_iter()
        .flatten()
        .filter_map(Yaml::as_str)
        .collect()
}

fn services(document: &Yaml) -> Vec<Service<'_>> {
    let all = document["services"].as_hash().into_iter().flatten();
    all.filter_map(|(name, keys)| {
        Some(Service {
            name: name.as_str()?,
            keys: keys.as_hash()?,
        })
    })
    .collect()
}

/// The environment of a service, as written.
///
/// # Errors
/// When the text is no YAML, or the service has none.
pub fn environment(text: &str, service: &str) -> Result<Vec<(String, String)>, String> {
    let documents = YamlLoader::load_from_str(text).map_err(|error| error.to_string())?;
    let pairs = documents
        .first()
        .map(|document| &document["services"][service]["environment"]);
    let pairs = pairs
        .and_then(Yaml::as_hash)
        .ok_or(format!("the service {service} has no environment"))?;
    let text = |value: &Yaml| value.as_str().map(ToOwned::to_owned);
    Ok(pairs
        .iter()
        .filter_map(|(key, value)| Some((text(key)?, text(value)?)))
        .collect())
}

/// Breaches of the compose file.
pub fn breaches(text: &str, facts: &Facts) -> Vec<Finding> {
    let document = match YamlLoader::load_from_str(text).map(|documents| documents.into_iter().next()) {
        Ok(Some(document)) => document,
        Ok(None) => return vec![Finding::new(PATH, 0, "is empty", "write it")],
        Err(error) => {
            return vec![Finding::new(
                PATH,
                error.marker().line(),
                error.to_string(),
                "correct it",
            )];
        }
    };
    let all = services(&document);
    let volumes: BTreeSet<&str> = document["volumes"]
        .as_hash()
        .into_iter()
        .flatten()
        .filter_map(|(name, _)| name.as_str())
        .collect();
    let mut found = Vec::new();
    for service in &all {
        let parts = [
            image(service, facts),
            health(service),
            mounts(service, &volumes, facts),
            order(service, &all),
        ];
        let parts = parts.into_iter().flatten();
        found
            .extend(parts.map(|(what, fix)| Finding::new(PATH, 0, format!("{}: {what}", service.name), fix)));
    }
    if all.is_empty() {
        found.push(Finding::new(PATH, 0, "has no services", "list them"));
    }
    found
}

type Breach = (String, &'static str);

/// A pinned image of the version that runs without containers, or a stage of our Dockerfile.
fn image(service: &Service<'_>, facts: &Facts) -> Vec<Breach> {
    let mut found = Vec::new();
    let image = service.get("image").as_str().unwrap_or_default();
    if !is_pinned(image) {
        found.push((
            format!("the image `{image}` is not pinned"),
            "give it a version as its tag",
        ));
        return found;
    }
    let build = service.get("build");
    if build.is_badvalue() {
        let tag = image.rsplit(':').next().unwrap_or_default();
        let postgres = image.starts_with("postgres:15.");
        if !postgres && !facts.pinned_servers.contains(&format!(">{tag}<")) {
            let fix = "compose/stack and compose.yaml run the same versions: change both";
            found.push((format!("the version {tag} is not that of compose/maven"), fix));
        }
        return found;
    }
    let file = build["dockerfile"].as_str().unwrap_or_default();
    if build["context"].as_str() != Some("..") || !facts.files.contains(file) {
        found.push((
            format!("is built from `{file}`, which does not exist"),
            "build from the root",
        ));
    }
    let target = build["target"].as_str().unwrap_or_default();
    if !facts.stages.contains(target) {
        found.push((
            format!("is built from the stage `{target}`, which does not exist"),
            "name a stage",
        ));
    }
    found
}

/// A health check, unless it ends by itself; ports for this machine alone.
fn health(service: &Service<'_>) -> Vec<Breach> {
    let mut found = Vec::new();
    if service.is_checked() == service.ends() {
        let fix =
            "give it one; a service that does one thing and ends says `restart: \"no\"` and disables it";
        found.push(("has no health check".to_owned(), fix));
    }
    for port in service
        .texts("ports")
        .iter()
        .filter(|port| !port.starts_with("127.0.0.1:"))
    {
        found.push((format!("publishes {port} to others"), "begin it with 127.0.0.1:"));
    }
    found
}

/// What it mounts exists.
fn mounts(service: &Service<'_>, volumes: &BTreeSet<&str>, facts: &Facts) -> Vec<Breach> {
    let mut found = Vec::new();
    for mount in service.texts("volumes") {
        let source = mount.split(':').next().unwrap_or_default();
        if source.starts_with('.') {
            let path = join("compose", source);
            if !exists(&facts.files, &path) {
                found.push((
                    format!("mounts `{path}`, which does not exist"),
                    "correct the path",
                ));
            }
            if !mount.ends_with(":ro") {
                found.push((format!("may write to `{path}`"), "mount it read-only, with :ro"));
            }
        } else if !volumes.contains(source) {
            found.push((
                format!("mounts `{source}`, which is no volume"),
                "declare it under volumes",
            ));
        }
    }
    found
}

/// What it waits for exists, and can become what it waits for.
fn order(service: &Service<'_>, all: &[Service<'_>]) -> Vec<Breach> {
    let mut found = Vec::new();
    let named = |name: &str| all.iter().find(|other| other.name == name);
    for (name, how) in service.get("depends_on").as_hash().into_iter().flatten() {
        let name = name.as_str().unwrap_or_default();
        let possible = match (named(name), how["condition"].as_str()) {
            (Some(other), Some("service_healthy")) => other.is_checked(),
            (Some(other), Some("service_completed_successfully")) => other.ends(),
            _ => false,
        };
        if !possible {
            let fix = "wait for service_healthy of one with a health check, or for the end of one that ends";
            found.push((format!("waits for `{name}` in vain"), fix));
        }
    }
    if let Some(other) = service
        .get("network_mode")
        .as_str()
        .and_then(|mode| mode.strip_prefix("service:"))
        && named(other).is_none()
    {
        found.push((
            format!("shares the network of `{other}`, which does not exist"),
            "name a service",
        ));
    }
    found
}

/// Breaches between `compose/register`, the specs it posts, and the service that runs it. `specs` are (file name, text).
pub fn registration(
    script: &str,
    specs: &[(String, String)],
    environment: &[(String, String)],
) -> Vec<Finding> {
    let path = "compose/register";
    let mut found = Vec::new();
    let mut differ = |what: &str, left: BTreeSet<String>, right: BTreeSet<String>| {
        if left != right {
            let what = format!("{what}: {left:?} and {right:?}");
            found.push(Finding::new(path, 0, what, "make them one set"));
        }
    };
    let names = specs.iter().filter_map(|(file, _)| file.strip_suffix(".json"));
    let names: BTreeSet<_> = names.map(ToOwned::to_owned).collect();
    differ(
        "it registers others than compose/specs holds",
        array(script, "CONNECTORS"),
        names,
    );
    let places = specs.iter().flat_map(|(_, text)| placeholders(text)).collect();
    differ(
        "it fills in other places than the specs have",
        array(script, "PLACES"),
        places,
    );
    let given = environment.iter().map(|(name, _)| name.clone()).collect();
    differ(
        "compose.yaml gives it other variables than it reads",
        array(script, "PLACES"),
        given,
    );
    for (file, text) in specs {
        let name = file.trim_end_matches(".json");
        if !text.contains(&format!("\"name\": \"{name}\"")) {
            let what = format!("is not the connector `{name}`");
            found.push(Finding::new(
                format!("compose/specs/{file}"),
                0,
                what,
                "name the file like the connector",
            ));
        }
    }
    found
}

/// The words of `NAME=(…)` in a shell script.
pub fn array(script: &str, name: &str) -> BTreeSet<String> {
    let start = format!("{name}=(");
    let line = script.lines().find_map(|line| line.strip_prefix(start.as_str()));
    let words = line.and_then(|line| line.split(')').next()).unwrap_or_default();
    words.split_whitespace().map(ToOwned::to_owned).collect()
}

/// `@NAME@` in a text.
fn placeholders(text: &str) -> BTreeSet<String> {
    let is_name = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    text.split('@').filter(is_name).map(ToOwned::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::sample;

    const GOOD: &str = "
services:
  db:
    image: db:1.5.2
    ports: [\"127.0.0.1:1:1\"]
    volumes: [\"data:/x\", \"../sql:/sql:ro\"]
    healthcheck: {test: [CMD, ready]}
  once:
    image: db:1.5.2
    restart: \"no\"
    healthcheck: {disable: true}
    depends_on: {db: {condition: service_healthy}}
  app:
    image: app:0.1.0
    build: {context: .., dockerfile: compose/Dockerfile, target: app}
    environment: {A: \"1\"}
    network_mode: service:db
    healthcheck: {test: [CMD, ready]}
    depends_on: {once: {condition: service_completed_successfully}}
volumes:
  data:
";

    fn facts() -> Facts {
        Facts {
            files: ["compose/Dockerfile", "sql/a.sql"].map(ToOwned::to_owned).into(),
            stages: BTreeSet::from(["app".to_owned()]),
            pinned_servers: "<version>1.5.2</version>".into(),
        }
    }

    fn broken(from: &str, to: &str) -> String {
        sample::broken(GOOD, from, to, |text| breaches(text, &facts()))
    }

    #[test]
    fn a_good_file_has_no_finding() {
        assert_eq!(breaches(GOOD, &facts()), []);
        assert_eq!(environment(GOOD, "app"), Ok(vec![("A".into(), "1".into())]));
        assert!(environment(GOOD, "db").is_err());
    }

    #[test]
    fn each_breach_is_found() {
        assert!(broken("db:1.5.2", "db:latest").contains("not pinned"));
        assert!(broken("db:1.5.2", "db:1.5.3").contains("not that of compose/maven"));
        assert!(
            broken(
                "    network_mode: service:db\n    healthcheck: {test: [CMD, ready]}\n",
                ""
            )
            .contains("no health check")
        );
        assert!(broken("127.0.0.1:1:1", "1:1").contains("publishes"));
        assert!(broken("data:/x", "other:/x").contains("no volume"));
        assert!(broken("../sql:/sql", "../no:/sql").contains("does not exist"));
        assert!(broken("/sql:ro", "/sql").contains("may write"));
        assert!(
            broken(
                "{db: {condition: service_healthy}}",
                "{no: {condition: service_healthy}}"
            )
            .contains("in vain")
        );
        assert!(broken("service_completed_successfully", "service_healthy").contains("in vain"));
        assert!(broken("target: app", "target: b").contains("stage"));
        assert!(broken("compose/Dockerfile", "Dockerfile").contains("does not exist"));
        assert!(broken("service:db", "service:no").contains("network"));
        assert!(broken("services:", "servies:").contains("no services"));
        assert!(broken("services:", "services: [").contains("while parsing"));
    }

    #[test]
    fn registration_is_one_set() {
        let script = "PLACES=(HOST PORT)\nCONNECTORS=(a b) # in order\n";
        let spec = |name: &str| {
            (
                format!("{name}.json"),
                format!("{{\"name\": \"{name}\", \"x\": \"@HOST@:@PORT@\"}}"),
            )
        };
        let given = [("HOST", "h"), ("PORT", "1")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        let specs = [spec("a"), spec("b")];
        assert_eq!(registration(script, &specs, &given), []);
        assert_eq!(registration(script, &specs[..1], &given).len(), 1);
        assert_eq!(registration(script, &specs, &given[..1]).len(), 1);
        assert_eq!(registration("CONNECTORS=(a b)\n", &specs, &given).len(), 2);
        let renamed = [spec("a"), ("b.json".to_owned(), specs[0].1.clone())];
        assert_eq!(registration(script, &renamed, &given).len(), 1);
    }
}
