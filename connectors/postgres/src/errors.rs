//! What a failure of the server means, in one table: SQLSTATE to class and next step.
//!
//! PG-199: a failure is transient when the same call can succeed later without anyone's help. Everything the table does
//! not know is permanent: retrying an unknown refusal for ever hides it.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use rowtide_api::{Class, Error};

/// One row of the table: a SQLSTATE or its first two characters, what the engine does, and the next step.
struct Rule {
    code: &'static str,
    class: Class,
    hint: &'static str,
}

const fn rule(code: &'static str, class: Class, hint: &'static str) -> Rule {
    Rule { code, class, hint }
}

/// Exact codes stand before the classes they belong to; the first match decides.
const RULES: &[Rule] = &[
    rule(
        "57P04",
        Class::Fatal,
        "the database was dropped: check database.dbname",
    ),
    rule(
        "57P03",
        Class::Retriable,
        "the server is starting up or shutting down",
    ),
    rule(
        "53300",
        Class::Retriable,
        "the server has no free connection or walsender: raise max_connections or max_wal_senders",
    ),
    rule(
        "53400",
        Class::Retriable,
        "a limit of the server is reached: raise max_replication_slots or drop an unused slot",
    ),
    rule(
        "55006",
        Class::Retriable,
        "the object is in use by another session",
    ),
    rule("55P03", Class::Retriable, "another transaction holds the lock"),
    rule("55000", Class::Fatal, "the object is not in the state this needs"),
    rule(
        "58P01",
        Class::Fatal,
        "the server no longer has the WAL: drop the slot and take a new snapshot",
    ),
    rule("28P01", Class::Fatal, "check the user and the password"),
    rule(
        "28",
        Class::Fatal,
        "check the user, the password, the TLS mode and pg_hba.conf of the server",
    ),
    rule("3D", Class::Fatal, "the database does not exist: check its name"),
    rule("3F", Class::Fatal, "the schema does not exist"),
    rule(
        "42501",
        Class::Fatal,
        "grant the right, or use a role that has it",
    ),
    rule(
        "42P01",
        Class::Fatal,
        "the table does not exist: check its name and schema",
    ),
    rule("42", Class::Fatal, "check the names and the rights of the role"),
    rule(
        "08P01",
        Class::Fatal,
        "the peer does not speak this protocol: check host and port",
    ),
    rule("08", Class::Retriable, "the connection broke"),
    rule("40", Class::Retriable, "the transaction lost against another one"),
    rule("53", Class::Retriable, "the server is short of resources"),
    rule("57", Class::Retriable, "the server or an operator ended the work"),
];

/// What to do with a failure of this SQLSTATE, and the next step where the table has one.
pub fn classify(code: &str) -> (Class, Option<&'static str>) {
    RULES
        .iter()
        .find(|rule| code.starts_with(rule.code))
        .map_or((Class::Fatal, None), |rule| (rule.class, Some(rule.hint)))
}

/// What the server said: SQLSTATE and message. The detail, which may quote row values, is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// The SQLSTATE, five characters.
    pub code: Arc<str>,
    /// The primary message; empty for the classes whose messages quote data (22 and 23).
    pub message: Arc<str>,
}

impl ServerError {
    /// Keeps what may be shown.
    pub fn new(code: &str, message: &str) -> Self {
        // Data exceptions and constraint violations print the offending value in their primary message.
        let quotes_data = code.starts_with("22") || code.starts_with("23");
        Self {
            code: code.into(),
            message: if quotes_data { "" } else { message }.into(),
        }
    }

    /// The error to hand on; `context` says what was being done.
    pub fn into_error(self, context: impl Into<Arc<str>>) -> Error {
        let (class, hint) = classify(&self.code);
        let error = match class {
            Class::Retriable => Error::retriable(context),
            Class::Fatal => Error::fatal(context),
        };
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
        .because(self)
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.is_empty() {
            write!(f, "SQLSTATE {}", self.code)
        } else {
            write!(f, "{} (SQLSTATE {})", self.message, self.code)
        }
    }
}

impl StdError for ServerError {}

/// The server's words in a failure of the client library; `None` when the failure is not the server's.
pub fn server_error(error: &tokio_postgres::Error) -> Option<ServerError> {
    let db = error.as_db_error()?;
    Some(ServerError::new(db.code().code(), db.message()))
}

/// Classifies a failure of the client library: by SQLSTATE where the server spoke; a closed or broken connection passes by
/// itself; anything else (a value that does not fit its type, a reply that makes no sense) needs someone to act.
pub fn of_client(error: tokio_postgres::Error, context: impl Into<Arc<str>>) -> Error {
    if let Some(server) = server_error(&error) {
        return server.into_error(context);
    }
    let broken = error.is_closed()
        || error
            .source()
            .is_some_and(|cause| cause.downcast_ref::<std::io::Error>().is_some());
    if broken {
        Error::retriable(context)
            .hint("the connection broke")
            .because(error)
    } else {
        Error::fatal(context).because(error)
    }
}

/// The next step where what failed was the use of a replication slot (PG-036): there SQLSTATE 55000, which says of any object
/// that its state is the wrong one, most often says that the slot is invalidated, and 42704 that a publication is or was away:
/// the server looks it up as it was when the change was written.
pub fn of_slot(error: Error) -> Error {
    match sqlstate(&error) {
        Some("55000") => error.hint(
            "the slot may be invalidated: drop it, and create the connector under another name for a new snapshot; raise max_slot_wal_keep_size",
        ),
        Some("42704") => error.hint(
            "create the publication or slot under its name; if the publication is there and the error stays, a change was written \
             while it was not: drop the slot, and create the connector under another name for a new snapshot",
        ),
        _ => error,
    }
}

/// An error with its causes, for a finding of validate.
pub fn full(error: &Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain() {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// The SQLSTATE at the root of an error made here.
pub fn sqlstate(error: &Error) -> Option<&str> {
    let mut next = StdError::source(error);
    while let Some(cause) = next {
        if let Some(server) = cause.downcast_ref::<ServerError>() {
            return Some(&server.code);
        }
        next = cause.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PG-199, PG-241: transient classes are retried, the permanent ones fail at once.
    #[test]
    fn classes_follow_the_contract() {
        for code in [
            "08006", "57P01", "57P03", "57014", "53300", "40001", "40P01", "55006",
        ] {
            assert_eq!(classify(code).0, Class::Retriable, "{code}");
        }
        for code in [
            "57P04", "28P01", "28000", "3D000", "42501", "42P01", "55000", "58P01", "08P01", "XX000",
        ] {
            assert_eq!(classify(code).0, Class::Fatal, "{code}");
        }
    }

    #[test]
    fn every_row_can_be_reached() {
        for rule in RULES {
            let mut code = rule.code.to_owned();
            while code.len() < 5 {
                code.push('Z');
            }
            assert_eq!(classify(&code), (rule.class, Some(rule.hint)), "{code}");
        }
    }

    #[test]
    fn a_message_that_quotes_data_is_not_kept() {
        assert_eq!(
            ServerError::new("22P02", "invalid: \"secret\"").to_string(),
            "SQLSTATE 22P02"
        );
        assert_eq!(
            ServerError::new("42P01", "relation \"t\" does not exist").to_string(),
            "relation \"t\" does not exist (SQLSTATE 42P01)"
        );
    }

    #[test]
    fn the_code_is_found_at_the_root() {
        let error = ServerError::new("55006", "slot is active")
            .into_error("starting")
            .within("outer");
        assert_eq!(sqlstate(&error), Some("55006"));
        assert!(error.is_retriable());
    }

    /// PG-036: a sink, a catalogue query and a publication know no slot.
    #[test]
    fn the_next_step_names_a_slot_only_where_one_is_used() {
        let wrong_state = || ServerError::new("55000", "not in the prerequisite state").into_error("doing");
        let step = |error: Error| error.next_step().unwrap_or_default().to_owned();
        assert!(!step(wrong_state()).contains("slot"), "{}", step(wrong_state()));
        let of_slot_step = step(of_slot(wrong_state()));
        assert!(of_slot_step.contains("drop it"), "{of_slot_step}");
        let unknown = || ServerError::new("42704", "publication \"p\" does not exist").into_error("doing");
        assert!(!step(unknown()).contains("slot"), "{}", step(unknown()));
        assert!(step(of_slot(unknown())).contains("create the publication"));
        let busy = || ServerError::new("55006", "active").into_error("doing");
        assert_eq!(step(of_slot(busy())), step(busy()));
    }
}
