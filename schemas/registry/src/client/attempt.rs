//! What one attempt at a call ended with, and whether the next may end better (AV-127).

use std::time::Duration;

use schema_registry_converter::error::SRCError;

use super::guard::Refusal;

/// A call that was given up, by which address last refused or failed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) url: String,
    pub(super) cause: Cause,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cause {
    /// No answer, or one that promises that a later call may succeed.
    Outage(String),
    /// A final answer.
    Refused {
        status: u16,
        error_code: Option<u32>,
        message: String,
    },
    /// An answer that no registry gives, in words.
    Broken(String),
}

/// The end of one attempt that brought no answer.
pub(super) enum Attempt {
    Retry { detail: String, after: Option<Duration> },
    Final(Cause),
}

/// What a failed call of schema_registry_converter was: its own verdict on retries knows only 502 and 503.
pub(super) fn attempt(error: &SRCError) -> Attempt {
    let source = std::error::Error::source(error);
    match source.and_then(|source| source.downcast_ref::<reqwest_middleware::Error>()) {
        Some(error) => guarded(error),
        None => Attempt::Final(not_a_registry()),
    }
}

/// What a failed request was.
pub(super) fn guarded(error: &reqwest_middleware::Error) -> Attempt {
    match error {
        reqwest_middleware::Error::Middleware(error) => match error.downcast_ref::<Refusal>() {
            Some(refusal) => refused(refusal),
            None => Attempt::Final(Cause::Broken(error.to_string())),
        },
        reqwest_middleware::Error::Reqwest(error) if error.is_builder() => {
            Attempt::Final(Cause::Broken(innermost(error)))
        }
        reqwest_middleware::Error::Reqwest(error) => {
            let detail = if error.is_timeout() {
                "timed out".to_owned()
            } else {
                innermost(error)
            };
            Attempt::Retry { detail, after: None }
        }
    }
}

fn refused(refusal: &Refusal) -> Attempt {
    match refusal {
        Refusal::Status {
            status: 408 | 429 | 500 | 502 | 503 | 504,
            retry_after,
            ..
        } => Attempt::Retry {
            detail: refusal.to_string(),
            after: *retry_after,
        },
        Refusal::Status {
            status,
            error_code,
            message,
            ..
        } => Attempt::Final(Cause::Refused {
            status: *status,
            error_code: *error_code,
            message: message.clone(),
        }),
        Refusal::Redirect(_) | Refusal::TooLarge => Attempt::Final(Cause::Broken(refusal.to_string())),
    }
}

pub(super) fn not_a_registry() -> Cause {
    Cause::Broken("answered with something that is not a registry's".to_owned())
}

/// The last message of a chain: the others repeat the address or say less.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
