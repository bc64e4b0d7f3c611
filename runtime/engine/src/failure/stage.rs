//! Sans-I/O: one table says what each failure does.

use rowtide_api::Class;
use rowtide_api::convert::Failure;

/// Where a failure happened, by the names dead letters and logs carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The source's poll.
    TaskPoll,
    /// The sink's put.
    TaskPut,
    /// A transform.
    Transformation,
    /// The key's converter.
    KeyConverter,
    /// The value's converter.
    ValueConverter,
    /// The headers' converter.
    HeaderConverter,
    /// Sending to Kafka.
    KafkaProduce,
    /// Reading from Kafka.
    KafkaConsume,
}

impl Stage {
    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::TaskPoll => "TASK_POLL",
            Self::TaskPut => "TASK_PUT",
            Self::Transformation => "TRANSFORMATION",
            Self::KeyConverter => "KEY_CONVERTER",
            Self::ValueConverter => "VALUE_CONVERTER",
            Self::HeaderConverter => "HEADER_CONVERTER",
            Self::KafkaProduce => "KAFKA_PRODUCE",
            Self::KafkaConsume => "KAFKA_CONSUME",
        }
    }
}

/// `errors.tolerance`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tolerance {
    /// A bad record fails the task.
    None,
}

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Wait and do the same again, without limit, visibly.
    Retry,
    /// Fetch what is missing, then do the same again.
    Fetch,
    /// The task becomes FAILED; its offset stays.
    Fail,
}

/// The table: stage × kind of failure × tolerance. An outage never meets the tolerance.
pub fn action(_stage: Stage, failure: &Failure, tolerance: Tolerance) -> Action {
    match (failure, tolerance) {
        (Failure::Missing(_), Tolerance::None) => Action::Fetch,
        (Failure::Record(_), Tolerance::None) => Action::Fail,
        (Failure::Task(error), Tolerance::None) => match error.class() {
            Class::Retriable => Action::Retry,
            Class::Fatal => Action::Fail,
        },
    }
}
