//! What stands between a registry's answer and the code that reads it: no redirects, no endless bodies, and the facts
//! that decide about a retry (AV-127, AV-132). schema_registry_converter reads answers whole and drops their status and
//! headers, therefore this middleware below it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use http::Extensions;
use reqwest::header::{CONTENT_LENGTH, RETRY_AFTER};
use reqwest::{Request, Response, StatusCode};
use reqwest_middleware::{Error, Next};
use serde::Deserialize;

use super::retry::retry_after;

/// Answers with a longer body are refused. No compression is asked for, so this is its size as read, too.
pub(super) const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Of a registry's message, so much is shown.
const MESSAGE_CHARS_MAX: usize = 2_000;

/// Why an answer is not passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Its status is not success.
    Status {
        status: u16,
        error_code: Option<u32>,
        message: String,
        retry_after: Option<Duration>,
    },
    /// It points elsewhere. Following it could hand credentials to another server.
    Redirect(u16),
    /// Its body is longer than [`ANSWER_BYTES_MAX`].
    TooLarge,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status {
                status,
                error_code: Some(code),
                message,
                ..
            } => {
                write!(f, "answered {status} (error code {code}): {message}")
            }
            Self::Status { status, message, .. } if message.is_empty() => write!(f, "answered {status}"),
            Self::Status { status, message, .. } => write!(f, "answered {status}: {message}"),
            Self::Redirect(status) => write!(f, "answered {status}, a redirect, which is not followed"),
            Self::TooLarge => write!(f, "answered with more than {ANSWER_BYTES_MAX} bytes"),
        }
    }
}

impl std::error::Error for Refusal {}

#[derive(Deserialize)]
struct ErrorBody {
    error_code: Option<u32>,
    message: Option<String>,
}

/// Lets a successful answer of decent size pass; any other becomes a [`Refusal`].
pub(super) fn guard<'a>(
    request: Request,
    extensions: &'a mut Extensions,
    next: Next<'a>,
) -> Pin<Box<dyn Future<Output = Result<Response, Error>> + Send + 'a>> {
    Box::pin(async move {
        let response = next.run(request, extensions).await?;
        let status = response.status();
        if status.is_redirection() {
            return Err(Error::middleware(Refusal::Redirect(status.as_u16())));
        }
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| retry_after(value.to_str().ok()?));
        let body = bounded_body(response).await?;
        if !status.is_success() {
            return Err(Error::middleware(refusal(status, retry_after, &body)));
        }
        let mut passed = http::Response::new(body);
        *passed.status_mut() = status;
        Ok(passed.into())
    })
}

async fn bounded_body(mut response: Response) -> Result<Vec<u8>, Error> {
    let announced = response
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > ANSWER_BYTES_MAX) {
        return Err(Error::middleware(Refusal::TooLarge));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(Error::middleware(Refusal::TooLarge));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn refusal(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> Refusal {
    // What is no registry's error body is a proxy's page: of no use in a message.
    let parsed: Option<ErrorBody> = serde_json::from_slice(body).ok();
    let (error_code, message) = parsed.map_or((None, None), |body| (body.error_code, body.message));
    let message = message
        .unwrap_or_default()
        .chars()
        .take(MESSAGE_CHARS_MAX)
        .collect();
    Refusal::Status {
        status: status.as_u16(),
        error_code,
        message,
        retry_after,
    }
}
