//! Sans-I/O: the trace of a failure, in the shape Java users and their tools know.

use std::fmt::Write;

use rowtide_api::{Error, RecordError};

use super::Stage;

/// `class: message`, an `\tat` line, then `Caused by:` lines. No stack of ours, no secret, no row value.
pub fn trace(error: &Error) -> String {
    let mut text = format!("{}: {}", error.java_name(), one_line(&error.to_string()));
    text.push_str("\n\tat dev.rowtide.Task.run(Unknown Source)");
    for cause in error.chain() {
        // Writing to a String cannot fail.
        let _ = write!(text, "\nCaused by: {}: {}", error.java_name(), one_line(&cause));
    }
    text.push('\n');
    text
}

/// The error of a task that meets a bad record: Connect's words first, then stage, place and field.
pub fn tolerance_exceeded(stage: Stage, part: &str, place: &str, error: &RecordError) -> Error {
    Error::fatal("Tolerance exceeded in error handler").because(
        Error::fatal(format!("{} ({part}), {place}: {error}", stage.name())).java_class(error.java_class),
    )
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CN-048, CN-284, CN-371.
    #[test]
    fn the_trace_names_cause_and_place() {
        let error = tolerance_exceeded(
            Stage::TaskPut,
            "put",
            "topic t, partition 0, offset 5",
            &RecordError::new("bad\nx").at("age"),
        );
        assert_eq!(
            trace(&error),
            "org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler\n\
             \tat dev.rowtide.Task.run(Unknown Source)\n\
             Caused by: org.apache.kafka.connect.errors.ConnectException: TASK_PUT (put), topic t, partition 0, offset 5: age: bad x\n"
        );
    }
}
