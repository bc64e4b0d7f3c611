//! `compose/compose.yaml`, the one description of the servers in containers: images, environment, commands, health checks.

use yaml_rust2::{Yaml, YamlLoader};

/// A service of the file, as far as it does not depend on the file's own networks and volumes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The image's name, such as `apache/kafka`.
    pub image: String,
    /// Its tag.
    pub tag: String,
    /// The command; empty for the image's own.
    pub command: Vec<String>,
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// The command that succeeds once the server is ready.
    pub ready: Vec<String>,
}

/// The description of a service, from the file's text.
///
/// # Errors
/// When the file has no such service, or one without a tagged image and a health check of the form `[CMD, …]`.
pub fn service(text: &str, name: &str) -> Result<Service, String> {
    let documents =
        YamlLoader::load_from_str(text).map_err(|error| format!("compose/compose.yaml: {error}"))?;
    let found = documents
        .first()
        .map_or(&Yaml::BadValue, |document| &document["services"][name]);
    let lacks = |what: &str| format!("compose/compose.yaml has no {what} for a service `{name}`");
    let image = found["image"].as_str().ok_or_else(|| lacks("image"))?;
    let (image, tag) = image.rsplit_once(':').ok_or_else(|| lacks("tag of the image"))?;
    let check = texts(&found["healthcheck"]["test"]);
    let ready = match check.split_first() {
        Some((kind, command)) if kind == "CMD" && !command.is_empty() => command.to_vec(),
        _ => return Err(lacks("health check of the form [CMD, …]")),
    };
    let pairs = found["environment"].as_hash().into_iter().flatten();
    let pairs = pairs.filter_map(|(key, value)| Some((key.as_str()?.to_owned(), value.as_str()?.to_owned())));
    Ok(Service {
        image: image.to_owned(),
        tag: tag.to_owned(),
        command: texts(&found["command"]),
        environment: pairs.collect(),
        ready,
    })
}

fn texts(list: &Yaml) -> Vec<String> {
    let items = list.as_vec().into_iter().flatten();
    items.filter_map(Yaml::as_str).map(ToOwned::to_owned).collect()
}
