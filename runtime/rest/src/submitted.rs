//! What users submit: a connector's flat configuration and a create request, over REST and in connector files alike.
//!
//! A refusal is the sentence that says what is wrong; the caller adds where it was read.

use rowtide_api::Properties;
use rowtide_engine::store::config::TargetState;
use serde_json::{Map, Value};

/// A JSON object as it was parsed.
pub type Object = Map<String, Value>;

/// A connector to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateRequest {
    /// Its name, trimmed.
    pub name: String,
    /// Its configuration; `name` is in it.
    pub config: Properties,
    /// The state it is created in.
    pub target: TargetState,
}

/// A create request: `config`, `name` unless `config` has it, optionally `initial_state`, nothing else.
///
/// # Errors
/// What is wrong, in one sentence.
pub fn create_request(mut body: Object) -> Result<CreateRequest, String> {
    let (name, config, state) = (
        body.remove("name"),
        body.remove("config"),
        body.remove("initial_state"),
    );
    if let Some(unknown) = body.keys().next() {
        return Err(format!(
            "Unrecognized field \"{unknown}\": a create request has name, config and initial_state"
        ));
    }
    let Some(Value::Object(config)) = config else {
        return Err("The field \"config\" is missing or no JSON object".into());
    };
    let config = flat(config)?;
    let name = match name {
        Some(Value::String(name)) => name,
        None | Some(Value::Null) => config.get("name").unwrap_or_default().to_owned(),
        Some(_) => return Err("The field \"name\" has to be a string".into()),
    };
    let target = initial_state(state.as_ref())?;
    let name = name.trim();
    Ok(CreateRequest {
        config: named(name, config)?,
        name: name.to_owned(),
        target,
    })
}

fn initial_state(state: Option<&Value>) -> Result<TargetState, String> {
    let named = match state {
        None | Some(Value::Null) => Some(TargetState::Started),
        Some(value) => value.as_str().and_then(TargetState::of_initial_state),
    };
    named.ok_or_else(|| "The field \"initial_state\" has to be RUNNING, PAUSED or STOPPED".into())
}

/// A flat map: numbers and booleans become text, nested values are refused, as are nulls.
///
/// # Errors
/// Which key is wrong, in one sentence.
pub fn flat(object: Object) -> Result<Properties, String> {
    let text = |(key, value): (String, Value)| match value {
        Value::String(text) => Ok((key, text)),
        Value::Number(number) => Ok((key, number.to_string())),
        Value::Bool(truth) => Ok((key, truth.to_string())),
        Value::Null => {
            let why = "Null value can not be supplied as the configuration value.";
            Err(format!("Invalid value null for configuration {key}: {why}"))
        }
        Value::Array(_) | Value::Object(_) => Err(format!(
            "Invalid value for configuration {key}: nested values are not allowed"
        )),
    };
    object.into_iter().map(text).collect()
}

/// The configuration with its `name`, which has to agree when it is there.
///
/// # Errors
/// That it does not agree, in Connect's words.
pub fn named(name: &str, mut config: Properties) -> Result<Properties, String> {
    match config.get("name") {
        Some(other) if other != name => Err(format!(
            "Connector name configuration ({other}) doesn't match connector name in the URL ({name})"
        )),
        Some(_) => Ok(config),
        None => {
            config.set("name", name);
            Ok(config)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(json: &str) -> Object {
        match serde_json::from_str(json).unwrap() {
            Value::Object(object) => object,
            other => panic!("{other}"),
        }
    }

    /// CN-042.
    #[test]
    fn scalars_become_text_and_the_rest_is_refused_by_its_key() {
        assert_eq!(
            flat(object(r#"{"tasks.max":1,"b":true}"#)).unwrap(),
            Properties::from_iter([("tasks.max", "1"), ("b", "true")])
        );
        for bad in [r#"{"key":null}"#, r#"{"key":[1]}"#, r#"{"key":{}}"#] {
            let why = flat(object(bad)).unwrap_err();
            assert!(why.contains("configuration key:"), "{why}");
        }
    }

    /// CN-023, CN-040, CN-041, CN-056.
    #[test]
    fn a_create_request_has_exactly_its_fields() {
        let parse = |json: &str| create_request(object(json));
        let created = parse(r#"{"name":" a ","config":{"k":"v"},"initial_state":"paused"}"#).unwrap();
        assert_eq!(
            (created.name.as_str(), created.target),
            ("a", TargetState::Paused)
        );
        assert_eq!(created.config.get("name"), Some("a"));
        assert_eq!(parse(r#"{"config":{"name":"inside"}}"#).unwrap().name, "inside");
        for (bad, why) in [
            (r#"{"name":"a"}"#, "\"config\" is missing"),
            (r#"{"name":"a","config":{},"x":1}"#, "Unrecognized field \"x\""),
            (
                r#"{"name":"a","config":{"name":"b"}}"#,
                "configuration (b) doesn't match",
            ),
            (r#"{"name":1,"config":{}}"#, "\"name\" has to be a string"),
            (
                r#"{"name":"a","config":{},"initial_state":"X"}"#,
                "RUNNING, PAUSED or STOPPED",
            ),
        ] {
            let refusal = parse(bad).unwrap_err();
            assert!(refusal.contains(why), "{refusal}");
        }
    }
}
