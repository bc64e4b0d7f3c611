//! Whose fault a refusal is: a record's, so that the others can still be written, or the call's.

use rowtide_api::RecordError;

/// SQLSTATEs, or their first characters, that a single record can cause.
///
/// Data exceptions and constraint violations; a row or index entry beyond the program's limits; a trigger's own exception;
/// and one statement meeting a row twice, which a smaller statement does not.
const OF_RECORDS: [&str; 5] = ["22", "23", "54000", "P0001", "21000"];

/// A refusal that leaving out a record can cure. Holds no value of the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The SQLSTATE.
    pub code: String,
    /// The constraint concerned.
    pub constraint: Option<String>,
    /// The column concerned.
    pub column: Option<String>,
}

impl Refusal {
    /// The refusal in a failure of the client library; `None` when the failure is not a record's.
    pub fn of(error: &tokio_postgres::Error) -> Option<Self> {
        let db = error.as_db_error()?;
        let code = db.code().code();
        is_of_a_record(code).then(|| Self {
            code: code.to_owned(),
            constraint: db.constraint().map(str::to_owned),
            column: db.column().map(str::to_owned),
        })
    }

    /// What is said of the record that was refused alone.
    pub fn into_record_error(self) -> RecordError {
        let what = match self.code.get(..2) {
            Some("22") => "a value does not fit its column",
            Some("23") => "a constraint of the table refuses the row",
            _ => "the server refuses the row",
        };
        let constraint = self
            .constraint
            .map_or_else(String::new, |name| format!(", constraint {name}"));
        let error = RecordError::new(format!("{what} (SQLSTATE {}{constraint})", self.code));
        match self.column {
            Some(column) => error.at(column),
            None => error,
        }
    }
}

/// Whether a single record can cause this SQLSTATE.
pub fn is_of_a_record(code: &str) -> bool {
    OF_RECORDS.iter().any(|known| code.starts_with(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_record_can_cause_is_blamed_on_one() {
        for code in [
            "22P02", "22001", "22003", "23502", "23505", "23514", "54000", "P0001", "21000",
        ] {
            assert!(is_of_a_record(code), "{code}");
        }
        for code in [
            "08006", "25006", "40001", "40P01", "42P01", "42703", "53100", "54001", "57P01", "28P01",
        ] {
            assert!(!is_of_a_record(code), "{code}");
        }
    }

    #[test]
    fn the_reason_names_code_constraint_and_column() {
        let refusal = Refusal {
            code: "23514".into(),
            constraint: Some("age_positive".into()),
            column: Some("age".into()),
        };
        let error = refusal.into_record_error();
        assert_eq!(
            error.to_string(),
            "age: a constraint of the table refuses the row (SQLSTATE 23514, constraint age_positive)"
        );
    }
}
