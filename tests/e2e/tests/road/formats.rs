//! Other converters than Avro, and more than one transform.

use serde_json::Value;

use crate::kafka;
use crate::place::{Config, Place, change_users, seed_users};

const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";
const TEXT: &str = "org.apache.kafka.connect.storage.StringConverter";

/// Keys and values as JSON.
fn in_json(config: Config, schemas: &str) -> Config {
    config.all(&[
        ("key.converter", JSON),
        ("value.converter", JSON),
        ("key.converter.schemas.enable", schemas),
        ("value.converter.schemas.enable", schemas),
    ])
}

fn json_road(name: &str, schemas: &str) -> (Place, Value) {
    let place = Place::new(name);
    seed_users(&place);
    let worker = place.worker();
    in_json(place.source("created_users"), schemas).run(&worker, "source");
    in_json(place.users_sink(), schemas).run(&worker, "sink");
    place.await_equal_users("the snapshot");
    change_users(&place);
    place.await_equal_users("the changes");
    let records = kafka::read(
        place.stack,
        &place.topic("created_users"),
        "one change",
        |found| found.iter().any(|message| message.header("rowtide.id").is_some()),
    );
    let change = serde_json::from_str(records[records.len() - 1].value_text()).expect("JSON");
    (place, change)
}

/// CN-325, CS-060: envelopes as JSON that carries its schema.
#[test]
fn changes_travel_as_json_with_schemas() {
    let (place, change) = json_road("jsons", "true");
    assert_eq!(change["schema"]["type"], "struct");
    assert_eq!(
        change["schema"]["name"],
        format!("{}.Envelope", place.topic("created_users"))
    );
    assert_eq!(change["payload"]["op"], "c");
    assert_eq!(change["payload"]["after"]["first_name"], "f1");
}

/// CN-325, CS-060: envelopes as plain JSON.
#[test]
fn changes_travel_as_json_without_schemas() {
    let (place, change) = json_road("jsonp", "false");
    assert_eq!(change["op"], "c");
    assert_eq!(change["source"]["name"], place.name.as_str());
    assert_eq!(change["after"]["first_name"], "f1");
}

/// CN-335: what Java prints of a row.
#[test]
fn text_is_what_java_prints() {
    let place = Place::new("text");
    place.sql(
        "create table t (id int primary key, name text, note text); insert into t values (7, 'x, y', null)",
    );
    let worker = place.worker();
    place
        .source("t")
        .all(&[
            ("key.converter", TEXT),
            ("value.converter", TEXT),
            ("transforms", "unwrap"),
            (
                "transforms.unwrap.type",
                "io.debezium.transforms.ExtractNewRecordState",
            ),
        ])
        .run(&worker, "source");
    let records = kafka::read(place.stack, &place.topic("t"), "the row", |found| {
        found.len() == 1
    });
    assert_eq!(records[0].key_text(), "Struct{id=7}");
    assert_eq!(records[0].value_text(), "Struct{id=7,name=x, y}");
}

/// CS-033: text that holds an envelope has its fields.
#[test]
fn envelopes_in_text_are_read_by_their_fields() {
    let place = Place::new("jsontext");
    seed_users(&place);
    let worker = place.worker();
    in_json(place.source("created_users"), "false").run(&worker, "source");
    place
        .users_sink()
        .all(&[("key.converter", TEXT), ("value.converter", TEXT)])
        .run(&worker, "sink");
    place.await_equal_users("the snapshot");
    change_users(&place);
    place.await_equal_users("the changes");
}

/// CN-285: the log names a record that cannot be read, and shows it only when asked.
#[test]
fn a_bad_record_is_logged_as_much_as_was_asked_for() {
    let place = Place::new("badrecord");
    place.sql("create table t (id int primary key, name text); insert into t values (7, 'of ann')");
    place.cql(&format!(
        "create table {}.t (id int primary key, name text)",
        place.name
    ));
    let worker = place.worker();
    place
        .source("t")
        .all(&[("key.converter", TEXT), ("value.converter", TEXT)])
        .run(&worker, "source");
    let logged = |name: &str| {
        let lines = worker.log_lines("bad record").into_iter();
        lines
            .filter(|line| line.contains(&format!("connector={name} ")))
            .collect::<Vec<_>>()
    };
    for (name, enabled, contents) in [
        ("off", "false", "true"),
        ("place", "true", "false"),
        ("all", "true", "true"),
    ] {
        in_json(place.sink("t", "id=key.id, name=value.after.name"), "false")
            .all(&[
                ("errors.log.enable", enabled),
                ("errors.log.include.messages", contents),
            ])
            .create(&worker, name);
        let status = worker.await_state(name, "FAILED");
        let trace = status["tasks"][0]["trace"].as_str().unwrap_or_default();
        assert!(trace.contains("Tolerance exceeded"), "{trace}");
    }
    assert_eq!(logged("off"), Vec::<String>::new());
    let (place_line, all) = (logged("place"), logged("all"));
    assert_eq!((place_line.len(), all.len()), (1, 1), "{}", worker.log());
    for line in [&place_line[0], &all[0]] {
        assert!(
            line.contains(&place.topic("t")) && line.contains("CONVERTER"),
            "{line}"
        );
    }
    assert!(!place_line[0].contains("of ann"), "{}", place_line[0]);
    assert!(all[0].contains("of ann"), "{}", all[0]);
}

/// PG-209, CN-310: transforms work in the order they are named in.
#[test]
fn a_chain_unwraps_and_renames_the_topic() {
    let place = Place::new("chain");
    seed_users(&place);
    let worker = place.worker();
    in_json(place.source("created_users"), "false")
        .all(&[
            ("transforms", "unwrap,route"),
            (
                "transforms.unwrap.type",
                "io.debezium.transforms.ExtractNewRecordState",
            ),
            ("transforms.unwrap.add.headers", "source.lsn"),
            (
                "transforms.route.type",
                "org.apache.kafka.connect.transforms.RegexRouter",
            ),
            ("transforms.route.regex", r"([^.]+)\.(?:public)\.(.*)"),
            ("transforms.route.replacement", "$1_$2"),
        ])
        .run(&worker, "source");
    let topic = format!("{}_created_users", place.name);
    let mapping = crate::place::users_mapping().replace("id=value.id", "id=key.id");
    let mapping = format!("{mapping}, __timestamp=header.__source_lsn");
    in_json(place.sink_of(&topic, "created_users", &mapping), "false")
        .set(&place.table_key(&topic, "created_users", "nullToUnset"), "false")
        .run(&worker, "sink");
    change_users(&place);
    place.await_equal_users("rows and changes under the new name");
    let topics = worker.ask("GET", "/connectors/source/topics", None).json();
    assert_eq!(topics["source"]["topics"], serde_json::json!([topic]));
}
