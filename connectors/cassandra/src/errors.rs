//! The driver's errors in this connector's terms: one place that knows them all.

use rowtide_api::Error;
use scylla::errors::{
    ConnectionError, ConnectionPoolError, ConnectionSetupRequestErrorKind, DbError, ExecutionError,
    MetadataError, NewSessionError, PrepareError, RequestAttemptError,
};

use crate::retry::Failure;

/// Why an execution failed, and the server's or driver's words.
pub(crate) fn execution(error: &ExecutionError) -> (Failure, String) {
    let failure = match error {
        ExecutionError::LastAttemptError(attempt) => self::attempt(attempt),
        ExecutionError::ConnectionPoolError(pool) => self::pool(pool),
        ExecutionError::RequestTimeout(_) => Failure::Timeout,
        ExecutionError::PrepareError(prepare) => self::prepare(prepare).0,
        ExecutionError::BadQuery(_) => Failure::Content,
        // No node is known at the moment, or the schema is in motion.
        _ => Failure::Connection,
    };
    (failure, error.to_string())
}

/// Why preparing failed, and the server's or driver's words.
pub(crate) fn prepare(error: &PrepareError) -> (Failure, String) {
    let failure = match error {
        PrepareError::AllAttemptsFailed { first_attempt } => match attempt(first_attempt) {
            // A statement that cannot be prepared says nothing about a record.
            Failure::Content => Failure::Table,
            other => other,
        },
        PrepareError::ConnectionPoolError(pool) => self::pool(pool),
        _ => Failure::Connection,
    };
    (failure, error.to_string())
}

fn attempt(error: &RequestAttemptError) -> Failure {
    match error {
        RequestAttemptError::DbError(error, message) => server(error, message),
        RequestAttemptError::UnableToAllocStreamId => Failure::Overloaded,
        RequestAttemptError::SerializationError(_) | RequestAttemptError::CqlRequestSerialization(_) => {
            Failure::Content
        }
        RequestAttemptError::RepreparedIdChanged { .. } | RequestAttemptError::RepreparedIdMissingInBatch => {
            Failure::Table
        }
        // Broken connections, and answers that cannot be read: the outcome is unknown.
        _ => Failure::Connection,
    }
}

fn server(error: &DbError, message: &str) -> Failure {
    match error {
        DbError::Invalid | DbError::SyntaxError | DbError::ConfigError => {
            if concerns_table(message) {
                Failure::Table
            } else {
                Failure::Content
            }
        }
        DbError::ProtocolError | DbError::FunctionFailure { .. } => Failure::Content,
        DbError::Unauthorized | DbError::AlreadyExists { .. } => Failure::Table,
        DbError::AuthenticationError => Failure::Authentication,
        DbError::Unavailable { .. } => Failure::Unavailable,
        DbError::Overloaded => Failure::Overloaded,
        DbError::IsBootstrapping => Failure::Bootstrapping,
        DbError::TruncateError => Failure::Truncate,
        DbError::WriteTimeout { .. } | DbError::ReadTimeout { .. } => Failure::WriteTimeout,
        DbError::RateLimitReached { .. } => Failure::RateLimit,
        // Unprepared that the driver could not mend, failed replicas, and codes nobody knows: again, within bounds.
        _ => Failure::ServerError,
    }
}

/// Whether an Invalid is about the table rather than about the values. The protocol has one code for both.
fn concerns_table(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    [
        "unconfigured table",
        "does not exist",
        "undefined column",
        "unknown identifier",
        "undefined name",
        "unknown table",
        "unknown keyspace",
        "unknown column",
    ]
    .iter()
    .any(|sign| message.contains(sign))
}

fn pool(error: &ConnectionPoolError) -> Failure {
    match error {
        ConnectionPoolError::Broken {
            last_connection_error: ConnectionError::ConnectionSetupRequestError(setup),
        } => match setup.get_error() {
            ConnectionSetupRequestErrorKind::DbError(DbError::AuthenticationError, _)
            | ConnectionSetupRequestErrorKind::MissingAuthentication
            | ConnectionSetupRequestErrorKind::StartAuthSessionError(_)
            | ConnectionSetupRequestErrorKind::AuthChallengeEvaluationError(_)
            | ConnectionSetupRequestErrorKind::AuthFinishError(_) => Failure::Authentication,
            _ => Failure::Connection,
        },
        _ => Failure::Connection,
    }
}

/// A session that could not be opened: the configuration key it concerns, and the error.
pub(crate) fn session(error: &NewSessionError, nodes: &[String]) -> (&'static str, Error) {
    let context = format!("connecting to Cassandra at {}: {error}", nodes.join(", "));
    match error {
        NewSessionError::MetadataError(MetadataError::ConnectionPoolError(broken))
            if pool(broken) == Failure::Authentication =>
        {
            let error = Error::fatal(context).hint("check auth.username and auth.password");
            ("auth.username", error)
        }
        NewSessionError::FailedToResolveAnyHostname(_) => (
            "contactPoints",
            Error::retriable(context).hint("the host names do not resolve; check contactPoints"),
        ),
        NewSessionError::IllegalConfig(_) | NewSessionError::EmptyKnownNodesList => {
            ("contactPoints", Error::fatal(context))
        }
        _ => (
            "contactPoints",
            Error::retriable(context).hint("check contactPoints and port, and that the cluster is up"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scylla::errors::WriteType;
    use scylla::statement::Consistency;

    fn failed(error: DbError, message: &str) -> Failure {
        execution(&ExecutionError::LastAttemptError(RequestAttemptError::DbError(
            error,
            message.to_owned(),
        )))
        .0
    }

    /// CS-142, CS-143, CS-145.
    #[test]
    fn every_answer_of_a_server_has_its_class() {
        for (error, message, class) in [
            (
                DbError::Invalid,
                "Mutation of 17 MiB is too large",
                Failure::Content,
            ),
            (DbError::Invalid, "unconfigured table users", Failure::Table),
            (
                DbError::Invalid,
                "Undefined column name x in table ks.t",
                Failure::Table,
            ),
            (DbError::Invalid, "Keyspace 'ks' does not exist", Failure::Table),
            (DbError::Unauthorized, "no MODIFY permission", Failure::Table),
            (DbError::Overloaded, "", Failure::Overloaded),
            (DbError::IsBootstrapping, "", Failure::Bootstrapping),
            (DbError::ServerError, "", Failure::ServerError),
            (DbError::TruncateError, "", Failure::Truncate),
            (
                DbError::WriteTimeout {
                    consistency: Consistency::One,
                    received: 0,
                    required: 1,
                    write_type: WriteType::UnloggedBatch,
                },
                "",
                Failure::WriteTimeout,
            ),
        ] {
            assert_eq!(failed(error, message), class, "{message}");
        }
        let timeout = ExecutionError::RequestTimeout(std::time::Duration::from_secs(30));
        assert_eq!(execution(&timeout).0, Failure::Timeout);
        assert_eq!(execution(&ExecutionError::EmptyPlan).0, Failure::Connection);
    }
}
