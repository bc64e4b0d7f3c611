//! Connector files: a flat JSON map, a create request, or properties, tried in this order. A file whose name ends in
//! `.json` is never read as properties.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rowtide_api::{Error, Properties};
use rowtide_engine::connector::validation::Validator;
use rowtide_engine::store::config::TargetState;
use rowtide_rest::submitted::{CreateRequest, Object, create_request, flat};
use serde_json::Value;

use crate::settings::read_file;

/// Reads these files and validates what they hold, without I/O beyond them: a start does not depend on a database.
///
/// # Errors
/// Every wrong file by its name, with what is wrong and what to do.
pub(crate) fn load_all(paths: &[PathBuf], validator: &Validator) -> Result<Vec<CreateRequest>, Error> {
    let (mut requests, mut wrong) = (Vec::new(), Vec::new());
    let mut named: HashMap<String, &Path> = HashMap::new();
    for path in paths {
        let loaded = load(path).and_then(|request| {
            if let Some(first) = named.insert(request.name.clone(), path) {
                return Err(named_twice(&request.name, first, path));
            }
            check(path, request, validator)
        });
        match loaded {
            Ok(request) => requests.push(request),
            Err(error) => wrong.push(error),
        }
    }
    match wrong.len() {
        0 => Ok(requests),
        1 => Err(wrong.remove(0)),
        count => {
            let told: Vec<_> = wrong.iter().map(Error::in_one_line).collect();
            let text = format!("{count} connector files are wrong:\n  {}", told.join("\n  "));
            Err(Error::fatal(text))
        }
    }
}

/// Reads a file.
pub(crate) fn load(path: &Path) -> Result<CreateRequest, Error> {
    let shown = path.display();
    let bytes = read_file(path, "the connector file")?;
    let is_named_json = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    parse(&bytes, is_named_json).map_err(|why| Error::fatal(format!("the connector file {shown}: {why}")))
}

/// The second would silently take the first one's place.
fn named_twice(name: &str, first: &Path, second: &Path) -> Error {
    let (first, second) = (first.display(), second.display());
    Error::fatal(format!(
        "the connector file {second}: it names the connector {name}, as {first} does"
    ))
    .hint("give one of the two another name, or leave one out")
}

/// Refuses what the worker would refuse; warnings come when the connector is created.
fn check(path: &Path, request: CreateRequest, validator: &Validator) -> Result<CreateRequest, Error> {
    let shown = path.display();
    let wrong = |why: String| {
        let text = format!("the connector file {shown}: the connector {}{why}", request.name);
        Error::fatal(text).hint(format!(
            "correct the file; rowtide validate {shown} checks it, also against the servers it names"
        ))
    };
    let report = match validator.validate(&request.config) {
        Ok(validation) => validation.report,
        Err(why) => return Err(wrong(format!(": {why}"))),
    };
    if report.is_ok() {
        return Ok(request);
    }
    let messages: Vec<_> = report
        .errors()
        .iter()
        .map(|finding| finding.message.as_str())
        .collect();
    Err(wrong(format!(
        " is invalid, {} error(s):\n    {}\n ",
        messages.len(),
        messages.join("\n    ")
    )))
}

fn parse(bytes: &[u8], is_named_json: bool) -> Result<CreateRequest, String> {
    let looks_like_json = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    match serde_json::from_slice::<Value>(bytes) {
        Ok(Value::Object(object)) => of_json(object),
        Ok(_) => Err("it holds JSON, but no object; give a map of keys, or name and config".into()),
        // Properties may begin with anything but a brace; saying what is wrong with the JSON helps more.
        Err(error) if looks_like_json => Err(format!("it is no valid JSON: {error}; correct it there")),
        Err(error) if is_named_json => Err(format!(
            "it is no valid JSON: {error}; correct it there, or let the name of a properties file end in .properties"
        )),
        Err(_) => of_properties(bytes),
    }
}

/// A map whose `config` is a map is a create request; any other is the configuration itself.
fn of_json(object: Object) -> Result<CreateRequest, String> {
    let request = match object.get("config") {
        Some(Value::Object(_)) => create_request(object)?,
        _ => of_flat(flat(object)?),
    };
    with_name(request)
}

fn of_properties(bytes: &[u8]) -> Result<CreateRequest, String> {
    let pairs = rowtide_java::properties::parse(bytes).map_err(|error| error.to_string())?;
    with_name(of_flat(pairs.into_iter().collect()))
}

fn of_flat(mut config: Properties) -> CreateRequest {
    let name = config.get("name").unwrap_or_default().trim().to_owned();
    config.set("name", name.as_str());
    CreateRequest {
        name,
        config,
        target: TargetState::default(),
    }
}

fn with_name(request: CreateRequest) -> Result<CreateRequest, String> {
    if request.name.is_empty() {
        return Err("it has no name; add the key name".into());
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CN-008.
    #[test]
    fn three_forms_give_one_connector() {
        let parse = |bytes: &[u8]| parse(bytes, false);
        let flat = parse(br#"{"name":"a","tasks.max":1}"#).unwrap();
        let request = parse(br#"{"name":"a","config":{"tasks.max":"1"}}"#).unwrap();
        let properties = parse(b"name=a\ntasks.max = 1\n").unwrap();
        assert_eq!(flat, request);
        assert_eq!(flat, properties);
        let paused = parse(br#"{"name":"a","config":{},"initial_state":"paused"}"#).unwrap();
        assert_eq!(paused.target, TargetState::Paused);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let why = |bytes: &[u8]| parse(bytes, false).unwrap_err();
        assert!(why(b"tasks.max=1").contains("no name"));
        assert!(why(br#"{"config":{}}"#).contains("no name"));
        assert!(why(br#"{"name":"a","#).contains("no valid JSON"));
        assert!(why(br#"{"name":"a","config":{},"x":1}"#).contains("field \"x\""));
        assert!(why(br#"{"name":"a","b":[1]}"#).contains("configuration b:"));
        assert!(why(br#"{"name":"a","config":{"name":"b"}}"#).contains("doesn't match"));
    }

    #[test]
    fn a_file_named_json_is_never_read_as_properties() {
        let text = b"name=a\ntasks.max=1\n";
        assert!(parse(text, false).is_ok());
        let why = parse(text, true).unwrap_err();
        assert!(why.contains("no valid JSON") && why.contains("line 1"), "{why}");
    }
}
