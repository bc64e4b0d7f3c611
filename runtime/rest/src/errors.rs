//! Every error is `{"error_code":…,"message":…}` with the code as status.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use rowtide_engine::herder::HerderError;
use serde::Serialize;

/// An error answer.
#[derive(Debug, Serialize)]
pub(crate) struct ApiError {
    error_code: u16,
    message: String,
}

impl ApiError {
    pub(crate) fn new(code: u16, message: impl Into<String>) -> Self {
        Self {
            error_code: code,
            message: message.into(),
        }
    }

    pub(crate) fn bad_request(message: String) -> Self {
        Self::new(400, message)
    }

    pub(crate) fn no_connector(name: &str) -> Self {
        Self::new(404, format!("Connector {name} not found"))
    }
}

impl From<HerderError> for ApiError {
    fn from(error: HerderError) -> Self {
        match error {
            HerderError::NotFound(message) => Self::new(404, message),
            HerderError::Conflict(message) => Self::new(409, message),
            HerderError::BadRequest(message) => Self::new(400, message),
            HerderError::Internal(error) => Self::new(500, error.in_one_line()),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.error_code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(self)).into_response()
    }
}
