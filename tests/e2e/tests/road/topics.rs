//! Which topics a sink reads: `topics.regex` is Java's pattern, and what it matches is followed.

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rowtide_testkit::worker::{Worker, eventually};
use serde_json::{Value, json};

use crate::place::{Config, PATIENCE, Place};

const TEXT: &str = "org.apache.kafka.connect.storage.StringConverter";
const NONE: &str = "none of the cluster's topics";

/// Creates a topic of one partition and writes one record: the row `1` with this text.
fn write(place: &Place, topic: &str, text: &str) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", place.stack.get("KAFKA_BOOTSTRAP"));
    let admin: AdminClient<DefaultClientContext> = config.create().expect("an admin client");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let topics = [NewTopic::new(topic, 1, TopicReplication::Fixed(1))];
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    let created = runtime.block_on(admin.create_topics(&topics, &options));
    assert_eq!(created.expect("an answer"), [Ok(topic.to_owned())]);
    let producer: BaseProducer = config.create().expect("a producer");
    let value = json!({ "id": 1, "v": text }).to_string();
    let record: BaseRecord<'_, (), str> = BaseRecord::to(topic).partition(0).payload(&value);
    assert!(producer.send(record).is_ok(), "{topic} takes a record");
    producer.flush(PATIENCE).expect("the record is stored");
}

/// A sink of what the pattern matches; records of `topic` go into `table`, which is created.
fn sink(place: &Place, pattern: &str, topic: &str, table: &str) -> Config {
    place.cql(&format!(
        "create table {}.{table} (id int primary key, v text)",
        place.name
    ));
    place
        .sink_of(topic, table, "id=value.id, v=value.v")
        .without("topics")
        .set("topics.regex", pattern)
        .all(&[
            ("key.converter", TEXT),
            ("value.converter", TEXT),
            ("consumer.override.metadata.max.age.ms", "1000"),
        ])
}

fn await_row(place: &Place, table: &str, pattern: &str) {
    eventually(&format!("the record under {pattern}"), PATIENCE, || {
        (place.in_cassandra(table), vec![json!({ "id": 1, "v": "here" })])
    });
}

/// What needs a look in the connector's one task.
fn warnings(worker: &Worker, name: &str) -> Value {
    let status = worker
        .ask("GET", &format!("/connectors/{name}/status"), None)
        .json();
    status["tasks"][0]["warnings"].clone()
}

/// CN-113, CN-314: each of them reads the topic in Connect.
#[test]
fn cn_113_patterns_of_topics_are_javas() {
    let place = Place::new("regex");
    let name = &place.name;
    let topic = format!("{name}.public.t1");
    write(&place, &topic, "here");
    let worker = place.worker();
    let patterns = [
        format!(r"{name}\.public\.t\d"),
        format!(r"{name}[\w.]+\.t1"),
        format!(r"\Q{topic}\E"),
        format!(r"(?:{name}|x)\..*"),
        format!(r"(?i){}\..*", name.to_uppercase()),
        format!(r"(?!2).*{name}\..*"),
    ];
    for (pattern, number) in patterns.iter().zip(0..) {
        let table = format!("t{number}");
        sink(&place, pattern, &topic, &table).run(&worker, &table);
    }
    for (pattern, number) in patterns.iter().zip(0..) {
        await_row(&place, &format!("t{number}"), pattern);
        assert_eq!(warnings(&worker, &format!("t{number}")), Value::Null, "{pattern}");
    }
}

/// CN-113: Connect's answer, with the place in the pattern.
#[test]
fn cn_113_a_pattern_that_does_not_compile_is_refused_with_its_place() {
    let place = Place::new("noregex");
    let worker = place.worker();
    let config = sink(&place, "(", "t", "t").json();
    let body = json!({ "name": "c", "config": config });
    let answer = worker.ask("POST", "/connectors", Some(&body));
    assert_eq!(answer.status, 400, "{}", answer.body);
    let message = answer.json()["message"].to_string();
    assert!(
        message.contains("Invalid value ( for configuration topics.regex: Invalid regex: ")
            && message.contains("unclosed group near index 1"),
        "{message}"
    );
}

/// A pattern that matches nothing is shown, and its topic is read when it comes, without a restart.
#[test]
fn a_topic_that_comes_is_read_and_the_warning_goes() {
    let place = Place::new("lateregex");
    let worker = place.worker();
    let topic = format!("{}.late", place.name);
    let pattern = format!(r"\Q{}\E\.l\w+", place.name);
    sink(&place, &pattern, &topic, "late").run(&worker, "late");
    eventually("the warning", PATIENCE, || {
        let shown = warnings(&worker, "late").to_string();
        let pattern = json!(pattern).to_string();
        let whole = shown.contains(NONE) && shown.contains(pattern.trim_matches('"'));
        ((whole, shown.clone()), (true, shown))
    });
    write(&place, &topic, "here");
    await_row(&place, "late", &pattern);
    assert_eq!(warnings(&worker, "late"), Value::Null);
}
