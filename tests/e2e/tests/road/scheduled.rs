//! Schedule → Kafka → Postgres → Kafka → Cassandra.

use rowtide_testkit::randomuser::RandomUser;
use rowtide_testkit::worker::eventually;

use crate::avro::Reader;
use crate::kafka;
use crate::place::{COLUMNS, Config, PATIENCE, Place};

/// Users arrive by the schedule and travel on, and so do the updates, deletes, key changes and the truncate of another
/// table that happen to them on the way.
#[test]
fn users_travel_the_whole_road() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = runtime
        .block_on(RandomUser::start())
        .expect("the test server starts");
    let place = Place::new("road");
    let worker = place.worker();
    let topic = format!("{}_users", place.name);
    Config::default()
        .all(&[
            ("connector.class", "RandomUserSource"),
            ("preset", "randomuser"),
            ("http.url", &server.url()),
            ("results", "50"),
            ("topic", &topic),
            ("schedule.interval", "2s"),
        ])
        .run(&worker, "users");
    let url = format!(
        "jdbc:postgresql://{}:{}/{}",
        place.get("HOST"),
        place.get("PORT"),
        place.name
    );
    Config::default()
        .all(&[
            ("connector.class", "PostgresSink"),
            ("topics", &topic),
            ("connection.url", &url),
            ("connection.username", place.get("USER")),
            ("connection.password", "x"),
            ("insert.mode", "upsert"),
            ("primary.key.mode", "record_key"),
            ("primary.key.fields", "id"),
            ("collection.name.format", "created_users"),
            ("consumer.override.session.timeout.ms", "6000"),
        ])
        .run(&worker, "rows");
    place.source("created_users").run(&worker, "source");
    place.users_sink().run(&worker, "sink");
    eventually("three runs", PATIENCE, || {
        let runs = worker.metric("rowtide_schedule_runs_total", "succeeded");
        (runs >= 3, true)
    });
    let paused = worker.ask("PUT", "/connectors/users/pause", None);
    assert_eq!(paused.status, 202, "{}", paused.body);
    let users = || worker.metric("kafka_connect_source_task_source_record_write_total", "users");
    eventually("rows in Postgres", PATIENCE, || {
        let rows = place.sql("select count(*) from created_users");
        (rows.trim().to_owned(), users().to_string())
    });
    assert!(users() >= 150 && users() % 50 == 0, "{} users", users());
    place.sql(
        "update created_users set phone = null, picture = 'changed' where gender = 'female'; \
         update created_users set id = gen_random_uuid() where email like 'a%'; \
         delete from created_users where gender = 'male' and first_name < 'K'",
    );
    place.await_equal_users("the road");

    // EC-162: key and value as any consumer finds them.
    let reader = Reader::new(&worker.registry);
    let record = &kafka::read(place.stack, &topic, "a user", |found| !found.is_empty())[0];
    let user = reader.json(record.value.as_deref());
    let fields = user.as_object().expect("a record");
    assert_eq!(fields.len(), COLUMNS.len(), "{user}");
    for column in COLUMNS {
        assert!(fields[column].is_string(), "{column}: {user}");
    }
    let key = reader.json(record.key.as_deref());
    assert_eq!(key, serde_json::json!({ "id": user["id"] }));
}
