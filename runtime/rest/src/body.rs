//! Reads request bodies and queries the way Connect's clients send them.

use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use rowtide_api::Properties;
use rowtide_engine::store::config::TargetState;
use serde_json::{Map, Value};

use crate::errors::ApiError;

/// A create request.
pub(crate) struct CreateRequest {
    pub(crate) name: String,
    pub(crate) config: Properties,
    pub(crate) target: TargetState,
}

/// The JSON object of a body.
pub(crate) fn object(headers: &HeaderMap, body: &Bytes) -> Result<Map<String, Value>, ApiError> {
    let content_type = headers
        .get(CONTENT_TYPE)
        .map(|value| value.to_str().unwrap_or_default());
    if content_type.is_some_and(|value| {
        !value
            .trim_start()
            .to_ascii_lowercase()
            .starts_with("application/json")
    }) {
        return Err(ApiError::new(
            415,
            "HTTP 415 Unsupported Media Type: send application/json",
        ));
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(ApiError::new(400, "The request body has to be a JSON object")),
        Err(error) => Err(ApiError::new(
            400,
            format!("The request body is no JSON: {error}"),
        )),
    }
}

/// A create request: `name`, `config`, optionally `initial_state`, nothing else.
pub(crate) fn create_request(mut body: Map<String, Value>) -> Result<CreateRequest, ApiError> {
    let (name, config, state) = (
        body.remove("name"),
        body.remove("config"),
        body.remove("initial_state"),
    );
    if let Some(unknown) = body.keys().next() {
        return Err(ApiError::new(
            400,
            format!("Unrecognized field \"{unknown}\": a connector has name, config and initial_state"),
        ));
    }
    let Some(Value::Object(config)) = config else {
        return Err(ApiError::new(
            400,
            "The field \"config\" is missing or no JSON object",
        ));
    };
    let config = flat(config)?;
    let name = match name {
        Some(Value::String(name)) => name.trim().to_owned(),
        // A body without a name takes the one inside the configuration.
        None | Some(Value::Null) => config.get("name").unwrap_or_default().to_owned(),
        Some(_) => return Err(ApiError::new(400, "The field \"name\" has to be a string")),
    };
    let target = initial_state(state.as_ref())?;
    Ok(CreateRequest {
        config: named(&name, config)?,
        name,
        target,
    })
}

fn initial_state(state: Option<&Value>) -> Result<TargetState, ApiError> {
    let named = match state {
        None | Some(Value::Null) => Some(TargetState::Started),
        Some(value) => value.as_str().and_then(TargetState::of_initial_state),
    };
    named.ok_or_else(|| {
        ApiError::new(
            400,
            "The field \"initial_state\" has to be RUNNING, PAUSED or STOPPED",
        )
    })
}

/// A flat map: numbers and booleans become text, nested values are refused, as are nulls.
pub(crate) fn flat(object: Map<String, Value>) -> Result<Properties, ApiError> {
    let text = |(key, value): (String, Value)| match value {
        Value::String(text) => Ok((key, text)),
        Value::Number(number) => Ok((key, number.to_string())),
        Value::Bool(truth) => Ok((key, truth.to_string())),
        Value::Null => {
            let why = "Null value can not be supplied as the configuration value.";
            Err(ApiError::new(
                400,
                format!("Invalid value null for configuration {key}: {why}"),
            ))
        }
        Value::Array(_) | Value::Object(_) => Err(ApiError::new(
            400,
            format!("Invalid value for configuration {key}: nested values are not allowed"),
        )),
    };
    object.into_iter().map(text).collect()
}

/// The configuration with its `name`, which has to agree when it is there.
pub(crate) fn named(name: &str, mut config: Properties) -> Result<Properties, ApiError> {
    match config.get("name") {
        Some(other) if other != name => Err(ApiError::new(
            400,
            format!(
                "Connector name configuration ({other}) doesn't match connector name in the URL ({name})"
            ),
        )),
        Some(_) => Ok(config),
        None => {
            config.set("name", name);
            Ok(config)
        }
    }
}

/// Whether a query parameter is `true`, in any case.
pub(crate) fn flag(query: Option<&str>, name: &str) -> bool {
    values(query, name)
        .last()
        .is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// The values of a repeated query parameter.
pub(crate) fn values<'a>(query: Option<&'a str>, name: &'a str) -> impl Iterator<Item = &'a str> {
    let pairs = query
        .unwrap_or_default()
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.filter(move |(key, _)| *key == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CN-026, EC-001.
    #[test]
    fn parameters_repeat_and_flags_have_any_case() {
        let query = Some("expand=info&expand=status&includeTasks=True");
        assert_eq!(values(query, "expand").collect::<Vec<_>>(), ["info", "status"]);
        assert!(flag(query, "includeTasks") && !flag(query, "onlyFailed") && !flag(None, "x"));
    }

    /// CN-042.
    #[test]
    fn scalars_become_text_and_the_rest_is_refused() {
        let object = |json: &str| match serde_json::from_str(json).unwrap() {
            Value::Object(object) => flat(object),
            _ => unreachable!(),
        };
        assert_eq!(
            object(r#"{"tasks.max":1,"b":true}"#).unwrap(),
            Properties::from_iter([("tasks.max", "1"), ("b", "true")])
        );
        for bad in [r#"{"a":null}"#, r#"{"a":[1]}"#, r#"{"a":{}}"#] {
            assert!(object(bad).is_err(), "{bad}");
        }
    }

    /// CN-023, CN-041.
    #[test]
    fn a_create_request_has_exactly_its_fields() {
        let parse = |json: &str| match serde_json::from_str(json).unwrap() {
            Value::Object(object) => create_request(object),
            _ => unreachable!(),
        };
        let created = parse(r#"{"name":" a ","config":{"k":"v"},"initial_state":"paused"}"#).unwrap();
        assert_eq!(
            (created.name.as_str(), created.target),
            ("a", TargetState::Paused)
        );
        assert_eq!(created.config.get("name"), Some("a"));
        for bad in [
            r#"{"name":"a"}"#,
            r#"{"name":"a","config":{},"x":1}"#,
            r#"{"name":"a","config":{"name":"b"}}"#,
            r#"{"name":"a","config":{},"initial_state":"X"}"#,
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
