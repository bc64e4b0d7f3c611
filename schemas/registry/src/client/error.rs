//! What a call to a registry can end with.

use std::fmt;
use std::sync::Arc;

/// What the caller does with a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// It may pass by itself: an outage, a limit of rate, an id that has not arrived yet (AV-128, AV-129). Wait and call
    /// again; never a fault of the record.
    Retriable,
    /// Someone has to act: access refused, a setting wrong, an answer that is not a registry's, an id reused (AV-130,
    /// AV-133).
    Fatal,
    /// The registry refuses the schema as incompatible with the subject's earlier ones (AV-131).
    Incompatible,
    /// The registry does not have it, also after the time that followers take: a fault of the record that named the id,
    /// or a schema that is not registered.
    NotFound,
    /// The schema itself is at fault: the registry refuses it as invalid, or what it answered breaks a limit.
    Invalid,
}

/// A failed call. Cheap to clone: all who waited for the call get it. Names the registry's address, never credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientError {
    class: Class,
    context: Arc<str>,
    hint: Option<&'static str>,
    status: Option<u16>,
    error_code: Option<u32>,
}

impl ClientError {
    pub(super) fn new(class: Class, context: impl Into<Arc<str>>) -> Self {
        Self {
            class,
            context: context.into(),
            hint: None,
            status: None,
            error_code: None,
        }
    }

    pub(super) fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    pub(super) fn of_class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    pub(super) fn within(mut self, context: impl fmt::Display) -> Self {
        self.context = format!("{context}: {}", self.context).into();
        self
    }

    pub(super) fn answered(mut self, status: u16, error_code: Option<u32>) -> Self {
        self.status = Some(status);
        self.error_code = error_code;
        self
    }

    /// The class to branch on.
    pub fn class(&self) -> Class {
        self.class
    }

    /// What was being done and what went wrong.
    pub fn context(&self) -> &str {
        &self.context
    }

    /// The next step for the operator.
    pub fn next_step(&self) -> Option<&'static str> {
        self.hint
    }

    /// The HTTP status of the answer; none where there was no answer.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// The body's `error_code`, where there was one.
    pub fn error_code(&self) -> Option<u32> {
        self.error_code
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)?;
        match self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ClientError {}
