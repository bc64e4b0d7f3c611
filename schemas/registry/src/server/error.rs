//! Sans-I/O: the refusals of the registry, with the codes and texts that clients know (AV-071).

use std::fmt;

/// An answer other than success. The HTTP status is the first three digits of the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The body's `error_code`.
    pub code: u32,
    /// The body's `message`.
    pub message: String,
}

impl ApiError {
    pub(super) fn new(code: u32, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        let mut digits = self.code;
        while digits >= 1000 {
            digits /= 10;
        }
        u16::try_from(digits).unwrap_or(500)
    }

    pub(super) fn subject_not_found(subject: &str) -> Self {
        Self::new(40401, format!("Subject '{subject}' not found."))
    }

    pub(super) fn version_not_found(version: impl fmt::Display) -> Self {
        Self::new(40402, format!("Version {version} not found."))
    }

    pub(super) fn schema_not_found() -> Self {
        Self::new(40403, "Schema not found")
    }

    pub(super) fn id_not_found(id: i32) -> Self {
        Self::new(40403, format!("Schema {id} not found"))
    }

    pub(super) fn no_subject_level(subject: &str) -> Self {
        Self::new(
            40408,
            format!("Subject '{subject}' does not have subject-level compatibility configured"),
        )
    }

    pub(super) fn no_associations() -> Self {
        Self::new(40410, "Associations are not supported by this registry")
    }

    pub(super) fn invalid_schema(reason: impl fmt::Display) -> Self {
        Self::new(42201, format!("Invalid schema: {reason}"))
    }

    pub(super) fn invalid_version(version: &str) -> Self {
        Self::new(
            42202,
            format!("Invalid version '{version}': use a number from 1 to 2147483647, or \"latest\""),
        )
    }

    pub(super) fn invalid_level(level: &str) -> Self {
        Self::new(
            42203,
            format!(
                "Compatibility level '{level}' is not supported by this registry yet: use NONE or BACKWARD"
            ),
        )
    }

    pub(super) fn not_permitted(reason: impl Into<String>) -> Self {
        Self::new(42205, reason)
    }

    pub(super) fn invalid_subject(subject: &str, reason: &str) -> Self {
        Self::new(42208, format!("Invalid subject '{subject}': {reason}"))
    }

    pub(super) fn too_large(limit_bytes: usize) -> Self {
        Self::new(
            42209,
            format!("Schema is too large: the limit is {limit_bytes} bytes"),
        )
    }

    pub(super) fn store(reason: impl fmt::Display) -> Self {
        Self::new(50001, format!("Error in the backend data store: {reason}"))
    }

    /// What Confluent's registry has and this one does not have yet is refused by name, never ignored.
    pub(super) fn unsupported(what: impl fmt::Display) -> Self {
        Self::new(50101, format!("{what} is not supported by this registry yet"))
    }

    pub(super) fn loading() -> Self {
        Self::new(503, "The registry is still reading its log: try again")
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for ApiError {}
