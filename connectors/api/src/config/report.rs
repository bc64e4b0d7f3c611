//! Sans-I/O: everything that is wrong with a configuration, at once.

use super::{Config, Properties, Reader};

/// One thing about one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The key it concerns.
    pub key: String,
    /// What is wrong and what to do; no secret value.
    pub message: String,
}

/// Errors and warnings by key, in the order they were found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigReport {
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl ConfigReport {
    /// Nothing found.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a configuration: the settings, unless there was an error, and everything found.
    pub fn read<C: Config>(properties: &Properties) -> (Option<C>, Self) {
        let mut reader = Reader::new(properties);
        let settings = C::read(&mut reader);
        let report = reader.finish(&C::definitions());
        (settings.filter(|_| report.is_ok()), report)
    }

    /// Adds an error.
    pub fn error(&mut self, key: impl Into<String>, message: impl Into<String>) {
        let finding = Finding {
            key: key.into(),
            message: message.into(),
        };
        if !self.errors.contains(&finding) {
            self.errors.push(finding);
        }
    }

    /// Adds a warning.
    pub fn warn(&mut self, key: impl Into<String>, message: impl Into<String>) {
        let finding = Finding {
            key: key.into(),
            message: message.into(),
        };
        if !self.warnings.contains(&finding) {
            self.warnings.push(finding);
        }
    }

    /// Whether there is no error.
    pub fn is_ok(&self) -> bool {
        self.errors.is_empty()
    }

    /// The errors.
    pub fn errors(&self) -> &[Finding] {
        &self.errors
    }

    /// The warnings.
    pub fn warnings(&self) -> &[Finding] {
        &self.warnings
    }

    /// The messages of the errors on `key`.
    pub fn errors_on<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.errors
            .iter()
            .filter(move |finding| finding.key == key)
            .map(|finding| finding.message.as_str())
    }

    /// Takes over what another report found.
    pub fn absorb(&mut self, other: Self) {
        for finding in other.errors {
            self.error(finding.key, finding.message);
        }
        for finding in other.warnings {
            self.warn(finding.key, finding.message);
        }
    }

    /// The same findings with `prefix` before each key, for settings that were read without it.
    #[must_use]
    pub fn prefixed(self, prefix: &str) -> Self {
        let put = |findings: Vec<Finding>| {
            findings
                .into_iter()
                .map(|finding| Finding {
                    key: format!("{prefix}{}", finding.key),
                    message: finding.message.replace(
                        &format!("configuration {}", finding.key),
                        &format!("configuration {prefix}{}", finding.key),
                    ),
                })
                .collect()
        };
        Self {
            errors: put(self.errors),
            warnings: put(self.warnings),
        }
    }
}
