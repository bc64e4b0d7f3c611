//! Sans-I/O: what a failed call means to the caller, in one place.

use super::attempt::{Cause, Failure};
use super::error::{Class, ClientError};

/// Whether the registry does not have what was asked for, by whatever code.
pub(super) fn is_missing(failure: &Failure) -> bool {
    matches!(failure.cause, Cause::Refused { status: 404, .. })
}

/// One total function from what happened to what it means.
pub(super) fn explained(doing: &str, failure: &Failure) -> ClientError {
    let Failure { url, cause } = failure;
    let (status, error_code, message) = match cause {
        Cause::Outage(detail) => {
            return ClientError::new(Class::Retriable, format!("registry {url}, {doing}: {detail}"))
                .hint("the registry is out of reach; check schema.registry.url and the registry");
        }
        Cause::Broken(detail) => {
            return ClientError::new(Class::Fatal, format!("registry {url}, {doing}: {detail}")).hint(
                "check that schema.registry.url is the address of a Schema Registry, its path included",
            );
        }
        Cause::Refused {
            status,
            error_code,
            message,
        } => (*status, *error_code, message),
    };
    let code = error_code.map_or_else(String::new, |code| format!(" (error code {code})"));
    let text = if message.is_empty() {
        String::new()
    } else {
        format!(": {message}")
    };
    let context = format!("registry {url}, {doing}: answered {status}{code}{text}");
    let error = match (status, error_code) {
        (401 | 403, _) => ClientError::new(Class::Fatal, context)
            .hint("check basic.auth.user.info or bearer.auth.token, and the registry's access rules"),
        (404, Some(40400..=40499)) => ClientError::new(Class::NotFound, context),
        (409, _) => ClientError::new(Class::Incompatible, context),
        (413 | 422, _) => ClientError::new(Class::Invalid, context),
        (404 | 405 | 501, _) => ClientError::new(Class::Fatal, context)
            .hint("check that schema.registry.url is the address of a Schema Registry, its path included"),
        _ => ClientError::new(Class::Fatal, context),
    };
    error.answered(status, error_code)
}
