//! Answers: status, media type and JSON body.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::server::error::ApiError;

/// The media type of the answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Format {
    /// The registry's own, for all who do not ask for another.
    Registry,
    /// Plain JSON, for those who accept that and not the registry's.
    Json,
}

impl<S: Send + Sync> FromRequestParts<S> for Format {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let accepted = parts
            .headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let accepted: Vec<&str> = accepted.collect();
        let named = |word: &str| accepted.iter().any(|value| value.contains(word));
        let plain = named("application/json") && !named("application/vnd.schemaregistry");
        Ok(if plain { Self::Json } else { Self::Registry })
    }
}

impl Format {
    fn media_type(self) -> &'static str {
        match self {
            Self::Registry => "application/vnd.schemaregistry.v1+json",
            Self::Json => "application/json",
        }
    }
}

/// The answer to a call.
pub(super) fn answer(format: Format, outcome: Result<Value, ApiError>) -> Response {
    match outcome {
        Ok(body) => text(format, StatusCode::OK, body.to_string()),
        Err(error) => refuse(format, &error),
    }
}

/// The answer with a text that is JSON already.
pub(super) fn raw(format: Format, outcome: Result<String, ApiError>) -> Response {
    match outcome {
        Ok(body) => text(format, StatusCode::OK, body),
        Err(error) => refuse(format, &error),
    }
}

/// The answer of a refusal.
pub(super) fn refuse(format: Format, error: &ApiError) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    text(
        format,
        status,
        json!({"error_code": error.code, "message": error.message}).to_string(),
    )
}

fn text(format: Format, status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, format.media_type())], body).into_response()
}
