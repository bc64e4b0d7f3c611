//! The Schema Registry.

use rowtide_testkit::worker::{Worker, eventually};

use crate::place::{PATIENCE, Place};

/// AV-128, RS-028: validate says it, the task waits visibly, and goes on by itself when the registry is there.
#[test]
fn a_registry_that_is_down_is_waited_for() {
    let place = Place::new("badreg");
    // Its registry is not there yet: this worker is started later.
    let mut late = Worker::new(place.stack.get("KAFKA_BOOTSTRAP"), "");
    let url = format!("http://{}", late.registry);
    let config = place.source(&[
        ("key.converter", "io.confluent.connect.avro.AvroConverter"),
        ("key.converter.schema.registry.url", &url),
        ("value.converter", "io.confluent.connect.avro.AvroConverter"),
        ("value.converter.schema.registry.url", &url),
    ]);
    let key = "value.converter.schema.registry.url";
    place.validate(&config, key, &[&url, "schema.registry.url"]);
    place.sql("insert into t values (1, 'x')");
    place.create("c", &config);
    place.worker.await_running("c");
    let degraded = || place.worker.metric("rowtide_task_degraded", "connector=\"c\"");
    eventually("the degradation", PATIENCE, || (degraded(), 1));
    let log = place.worker.log();
    assert!(
        log.contains(&url) && log.contains("check schema.registry.url"),
        "{log}"
    );
    assert_eq!(place.written("c"), 0);
    late.start();
    place.await_written("c", 1);
    eventually("the recovery", PATIENCE, || (degraded(), 0));
}
