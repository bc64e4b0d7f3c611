//! Connector files: a flat JSON map, a create request, or properties, tried in this order whatever the name ends in.

use std::path::Path;

use rowtide_api::{Error, Properties, ResultExt};
use rowtide_engine::store::config::TargetState;
use rowtide_rest::submitted::{CreateRequest, Object, create_request, flat};
use serde_json::Value;

/// Reads a file.
pub(crate) fn load(path: &Path) -> Result<CreateRequest, Error> {
    let shown = path.display();
    let bytes = std::fs::read(path).fatal(format!("reading the connector file {shown}"))?;
    parse(&bytes).map_err(|why| Error::fatal(format!("the connector file {shown}: {why}")))
}

fn parse(bytes: &[u8]) -> Result<CreateRequest, String> {
    let looks_like_json = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    match serde_json::from_slice::<Value>(bytes) {
        Ok(Value::Object(object)) => of_json(object),
        Ok(_) => Err("it holds JSON, but no object; give a map of keys, or name and config".into()),
        // Properties may begin with anything but a brace; saying what is wrong with the JSON helps more.
        Err(error) if looks_like_json => Err(format!("it is no valid JSON: {error}")),
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
        assert!(why(br#"{"config":{}}"#).contains("no name"));
        assert!(why(br#"{"name":"a","#).contains("no valid JSON"));
        assert!(why(br#"{"name":"a","config":{},"x":1}"#).contains("field \"x\""));
        assert!(why(br#"{"name":"a","b":[1]}"#).contains("configuration b:"));
        assert!(why(br#"{"name":"a","config":{"name":"b"}}"#).contains("doesn't match"));
    }
}
