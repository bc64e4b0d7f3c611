//! The table of failures, enumerated: where × what × tolerance gives one action, and an outage never meets the tolerance.

use rowtide_api::convert::{Failure, Missing};
use rowtide_api::{Error, RecordError};
use rowtide_engine::failure::{Action, Stage, Tolerance, action};

const STAGES: [(Stage, &str); 8] = [
    (Stage::TaskPoll, "TASK_POLL"),
    (Stage::TaskPut, "TASK_PUT"),
    (Stage::Transformation, "TRANSFORMATION"),
    (Stage::KeyConverter, "KEY_CONVERTER"),
    (Stage::ValueConverter, "VALUE_CONVERTER"),
    (Stage::HeaderConverter, "HEADER_CONVERTER"),
    (Stage::KafkaProduce, "KAFKA_PRODUCE"),
    (Stage::KafkaConsume, "KAFKA_CONSUME"),
];

#[test]
fn every_stage_treats_a_failure_by_its_kind() {
    let missing = Missing::ToRead {
        topic: "t".into(),
        id: 1,
    };
    let failures = [
        (Failure::Task(Error::retriable("down")), Action::Retry),
        (Failure::Task(Error::fatal("wrong")), Action::Fail),
        (Failure::Record(RecordError::new("bad")), Action::Fail),
        (Failure::Missing(missing), Action::Fetch),
    ];
    for (stage, name) in STAGES {
        assert_eq!(stage.name(), name);
        for (failure, expected) in &failures {
            assert_eq!(
                action(stage, failure, Tolerance::None),
                *expected,
                "{name}: {failure:?}"
            );
        }
    }
}
