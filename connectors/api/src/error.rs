//! Sans-I/O: the error types, all of them.
//!
//! Branch on [`Class`], print the chain. The author of a call classifies its failure in sight of the call, by a
//! constructor or by [`ResultExt`]; there is no blanket `From`.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// What the engine does with a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The same call can succeed later without anyone's help: the engine calls again, with back-off, without limit.
    Retriable,
    /// Someone has to act: the task becomes FAILED at once.
    Fatal,
}

/// A failure of a connector, a converter or the engine: class, what was being done, what to do next, and the cause.
///
/// Cheap to clone. `Display` prints the context and the hint; [`Error::chain`] walks the causes. A message names the
/// object (slot, table, topic, key) and never a secret or a row value.
#[derive(Debug, Clone)]
pub struct Error {
    class: Class,
    context: Arc<str>,
    hint: Option<Arc<str>>,
    java_class: Option<&'static str>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// A failure that may pass by itself.
    pub fn retriable(context: impl Into<Arc<str>>) -> Self {
        Self {
            class: Class::Retriable,
            context: context.into(),
            hint: None,
            java_class: None,
            source: None,
        }
    }

    /// A failure that needs someone to act.
    pub fn fatal(context: impl Into<Arc<str>>) -> Self {
        Self {
            class: Class::Fatal,
            context: context.into(),
            hint: None,
            java_class: None,
            source: None,
        }
    }

    /// Adds the next step for the operator.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Arc<str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Names the Java class under which users of Connect know this failure; it heads the `trace`.
    #[must_use]
    pub fn java_class(mut self, class: &'static str) -> Self {
        self.java_class = Some(class);
        self
    }

    /// Keeps the cause.
    #[must_use]
    pub fn because(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Puts a new context in front; class and hint stay.
    #[must_use]
    pub fn within(self, context: impl Into<Arc<str>>) -> Self {
        Self {
            class: self.class,
            context: context.into(),
            hint: self.hint.clone(),
            java_class: self.java_class,
            source: Some(Arc::new(self)),
        }
    }

    /// The class to branch on.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Whether the same call can succeed later.
    pub fn is_retriable(&self) -> bool {
        self.class == Class::Retriable
    }

    /// What was being done, and to what.
    pub fn context(&self) -> &str {
        &self.context
    }

    /// The next step, where there is one.
    pub fn next_step(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The Java class that heads the trace.
    pub fn java_name(&self) -> &'static str {
        self.java_class.unwrap_or(match self.class {
            Class::Retriable => "org.apache.kafka.connect.errors.RetriableException",
            Class::Fatal => "org.apache.kafka.connect.errors.ConnectException",
        })
    }

    /// The messages of the causes, outermost first, this error itself excluded.
    pub fn chain(&self) -> Vec<String> {
        let mut messages = Vec::new();
        let mut next = StdError::source(self);
        while let Some(cause) = next {
            messages.push(cause.to_string());
            next = cause.source();
        }
        messages
    }

    /// This error and its causes in one line.
    pub fn in_one_line(&self) -> String {
        let mut messages = vec![self.to_string()];
        messages.extend(self.chain());
        messages.join(": ")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)?;
        match &self.hint {
            // An outer error repeats the hint of its cause; print it once, at the outermost place.
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

/// Classifies the failure of a call at the call.
pub trait ResultExt<T> {
    /// The failure may pass by itself; `context` says what was being done.
    ///
    /// # Errors
    /// The original failure, as a retriable [`Error`].
    fn retriable(self, context: impl Into<Arc<str>>) -> Result<T, Error>;

    /// The failure needs someone to act; `context` says what was being done.
    ///
    /// # Errors
    /// The original failure, as a fatal [`Error`].
    fn fatal(self, context: impl Into<Arc<str>>) -> Result<T, Error>;
}

impl<T, E: StdError + Send + Sync + 'static> ResultExt<T> for Result<T, E> {
    fn retriable(self, context: impl Into<Arc<str>>) -> Result<T, Error> {
        self.map_err(|cause| Error::retriable(context).because(cause))
    }

    fn fatal(self, context: impl Into<Arc<str>>) -> Result<T, Error> {
        self.map_err(|cause| Error::fatal(context).because(cause))
    }
}

/// One record that cannot be handled, and why: it meets the tolerance, an outage never does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordError {
    /// What is wrong, without the value.
    pub reason: Arc<str>,
    /// The field or column concerned, where one is.
    pub field: Option<Arc<str>>,
    /// The Java class under which users of Connect know this failure.
    pub java_class: &'static str,
}

impl RecordError {
    /// A record error of Connect's general data class.
    pub fn new(reason: impl Into<Arc<str>>) -> Self {
        Self {
            reason: reason.into(),
            field: None,
            java_class: "org.apache.kafka.connect.errors.DataException",
        }
    }

    /// Names the field or column.
    #[must_use]
    pub fn at(mut self, field: impl Into<Arc<str>>) -> Self {
        self.field = Some(field.into());
        self
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => write!(f, "{field}: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

impl StdError for RecordError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_author_of_a_call_classifies_its_failure_and_the_cause_stays() {
        let refused = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "refused");
        let error = Err::<(), _>(refused)
            .retriable("connecting to db:5432")
            .unwrap_err();
        assert!(error.is_retriable());
        assert_eq!(error.to_string(), "connecting to db:5432");
        assert_eq!(error.chain(), ["refused"]);
    }

    #[test]
    fn an_outer_context_keeps_class_and_hint() {
        let error = Error::fatal("slot s is gone")
            .hint("recreate it")
            .within("starting task c-0");
        assert!(!error.is_retriable());
        assert_eq!(error.next_step(), Some("recreate it"));
        assert_eq!(error.chain(), ["slot s is gone (recreate it)"]);
    }
}
