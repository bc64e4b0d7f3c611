//! Connector files: a flat JSON map, a create request, or properties, tried in this order whatever the name ends in.

use std::path::Path;

use rowtide_api::{Error, Properties, ResultExt};
use rowtide_engine::store::config::TargetState;
use serde_json::{Map, Value};

/// A connector as a file gives it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ConnectorFile {
    pub(crate) name: String,
    pub(crate) config: Properties,
    pub(crate) target: TargetState,
}

/// Reads a file.
pub(crate) fn load(path: &Path) -> Result<ConnectorFile, Error> {
    let shown = path.display();
    let bytes = std::fs::read(path).fatal(format!("reading the connector file {shown}"))?;
    parse(&bytes).map_err(|why| Error::fatal(format!("the connector file {shown}: {why}")))
}

fn parse(bytes: &[u8]) -> Result<ConnectorFile, String> {
    let looks_like_json = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    match serde_json::from_slice::<Value>(bytes) {
        Ok(Value::Object(object)) => from_json(object),
        Ok(_) => Err("it holds JSON, but no object; give a map of keys, or name and config".into()),
        // Properties may begin with anything but a brace; saying what is wrong with the JSON helps more.
        Err(error) if looks_like_json => Err(format!("it is no valid JSON: {error}")),
        Err(_) => from_properties(bytes),
    }
}

fn from_json(mut object: Map<String, Value>) -> Result<ConnectorFile, String> {
    let nested = match object.get("config") {
        Some(Value::Object(_)) => object.remove("config"),
        _ => None,
    };
    let Some(Value::Object(config)) = nested else {
        return named(flat(object)?, None, TargetState::Started);
    };
    let target = match object.remove("initial_state") {
        None => Some(TargetState::Started),
        Some(state) => state.as_str().and_then(TargetState::of_initial_state),
    };
    let target = target.ok_or("initial_state has to be RUNNING, PAUSED or STOPPED")?;
    let name = object
        .remove("name")
        .and_then(|name| name.as_str().map(str::to_owned));
    match object.keys().next() {
        Some(unknown) => Err(format!(
            "unknown field {unknown}; a create request has name, config and initial_state"
        )),
        None => named(flat(config)?, name, target),
    }
}

fn from_properties(bytes: &[u8]) -> Result<ConnectorFile, String> {
    let pairs = rowtide_java::properties::parse(bytes).map_err(|error| error.to_string())?;
    named(pairs.into_iter().collect(), None, TargetState::Started)
}

fn flat(object: Map<String, Value>) -> Result<Properties, String> {
    let text = |(key, value): (String, Value)| match value {
        Value::String(text) => Ok((key, text)),
        Value::Number(number) => Ok((key, number.to_string())),
        Value::Bool(truth) => Ok((key, truth.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(format!("the value of {key} is no text, number or boolean"))
        }
    };
    object.into_iter().map(text).collect()
}

fn named(mut config: Properties, name: Option<String>, target: TargetState) -> Result<ConnectorFile, String> {
    let inside = config.get("name").map(|name| name.trim().to_owned());
    let name = match (name, inside) {
        (Some(outer), Some(inner)) if outer != inner => {
            return Err(format!(
                "name is {outer} outside and {inner} inside config; they have to agree"
            ));
        }
        (Some(name), _) | (None, Some(name)) if !name.is_empty() => name,
        _ => return Err("it has no name; add the key name".into()),
    };
    config.set("name", name.as_str());
    Ok(ConnectorFile { name, config, target })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CN-008.
    #[test]
    fn three_forms_give_one_connector() {
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
        let why = |bytes: &[u8]| parse(bytes).unwrap_err();
        assert!(why(b"tasks.max=1").contains("no name"));
        assert!(why(br#"{"name":"a","#).contains("no valid JSON"));
        assert!(why(br#"{"name":"a","config":{},"x":1}"#).contains("unknown field x"));
        assert!(why(br#"{"name":"a","b":[1]}"#).contains("value of b"));
        assert!(why(br#"{"name":"a","config":{"name":"b"}}"#).contains("have to agree"));
    }
}
