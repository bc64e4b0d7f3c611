//! Reads request bodies and queries the way Connect's clients send them.

use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use serde_json::Value;

use crate::errors::ApiError;
use crate::submitted::Object;

/// The JSON object of a body. A body has to say that it is JSON: what a foreign web page can make a browser send does not.
pub(crate) fn object(headers: &HeaderMap, body: &Bytes) -> Result<Object, ApiError> {
    if !body.is_empty() && !is_json(headers) {
        return Err(ApiError::new(
            415,
            "HTTP 415 Unsupported Media Type: send the header Content-Type: application/json",
        ));
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(ApiError::new(400, "The request body has to be a JSON object")),
        Err(_) if body.is_empty() => Err(ApiError::new(
            400,
            "The request has no body; it has to be a JSON object",
        )),
        Err(error) => Err(ApiError::new(
            400,
            format!("The request body is no valid JSON: {error}"),
        )),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let named = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = named.and_then(|value| value.split(';').next());
    media_type.is_some_and(|name| name.trim().eq_ignore_ascii_case("application/json"))
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
    use axum::http::HeaderValue;
    use axum::response::IntoResponse as _;

    /// CN-026, EC-001.
    #[test]
    fn parameters_repeat_and_flags_have_any_case() {
        let query = Some("expand=info&expand=status&includeTasks=True");
        assert_eq!(values(query, "expand").collect::<Vec<_>>(), ["info", "status"]);
        assert!(flag(query, "includeTasks") && !flag(query, "onlyFailed") && !flag(None, "x"));
    }

    /// CN-020, CN-023, RS-205.
    #[test]
    fn a_body_is_json_and_says_so() {
        let code = |content_type: Option<&str>, body: &'static str| {
            let mut headers = HeaderMap::new();
            if let Some(text) = content_type {
                headers.insert(CONTENT_TYPE, HeaderValue::from_str(text).unwrap());
            }
            match object(&headers, &Bytes::from_static(body.as_bytes())) {
                Ok(_) => 200,
                Err(error) => error.into_response().status().as_u16(),
            }
        };
        assert_eq!(code(Some("application/json"), "{}"), 200);
        assert_eq!(code(Some("Application/JSON; charset=utf-8"), "{}"), 200);
        assert_eq!(code(Some("text/plain"), "{}"), 415);
        assert_eq!(code(Some("application/jsonp"), "{}"), 415);
        assert_eq!(code(None, "{}"), 415);
        assert_eq!(code(None, ""), 400);
        assert_eq!(code(Some("application/json"), "{"), 400);
        assert_eq!(code(Some("application/json"), "[]"), 400);
    }
}
