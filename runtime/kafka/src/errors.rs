//! Which of librdkafka's errors pass by themselves.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rowtide_api::{Class, Error};

/// An error with its class and, where there is one, the next step.
pub(crate) fn error(doing: &str, cause: KafkaError) -> Error {
    let code = cause.rdkafka_error_code();
    let (class, hint) = code.map_or((Class::Retriable, None), classify);
    let error = match class {
        Class::Retriable => Error::retriable(doing),
        Class::Fatal => Error::fatal(doing),
    };
    let error = match hint {
        Some(hint) => error.hint(hint),
        None => error,
    };
    error.because(cause)
}

fn classify(code: RDKafkaErrorCode) -> (Class, Option<&'static str>) {
    use RDKafkaErrorCode as Code;
    match code {
        Code::TopicAuthorizationFailed => (Class::Fatal, Some("grant the principal access to the topic")),
        Code::GroupAuthorizationFailed => (Class::Fatal, Some("grant the principal access to the group")),
        Code::ClusterAuthorizationFailed => (
            Class::Fatal,
            Some("grant the principal IdempotentWrite on the cluster"),
        ),
        Code::SaslAuthenticationFailed | Code::Authentication => {
            (Class::Fatal, Some("check sasl.mechanism and sasl.jaas.config"))
        }
        Code::MessageSizeTooLarge => (
            Class::Fatal,
            Some(
                "raise max.request.size, and message.max.bytes of the broker or max.message.bytes of the topic",
            ),
        ),
        Code::InvalidTopic => (Class::Fatal, Some("check the topic's name")),
        Code::PolicyViolation => (Class::Fatal, Some("the broker's policy refuses it")),
        Code::UnsupportedVersion | Code::UnsupportedFeature => (Class::Fatal, Some("the broker is too old")),
        Code::FencedInstanceId => (
            Class::Fatal,
            Some("give each task a group.instance.id of its own, or none"),
        ),
        Code::AutoOffsetReset => (
            Class::Fatal,
            Some("set auto.offset.reset to earliest or latest, or commit positions for the group"),
        ),
        Code::InvalidArgument | Code::InvalidConfig => (Class::Fatal, Some("check the client settings")),
        _ => (Class::Retriable, None),
    }
}
