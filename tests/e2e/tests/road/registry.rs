//! Another registry than the worker's own: Apicurio in its Confluent mode.

use std::io::copy;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rowtide_testkit::rest::call;
use serde_json::{Value, json};

use crate::avro::Reader;
use crate::kafka;
use crate::place::{Place, change_users, seed_users};

/// The way to a registry, which can be closed: to the worker the registry is then away, whatever happens behind.
struct Gate {
    address: String,
    open: Arc<AtomicBool>,
    through: Arc<Mutex<Vec<TcpStream>>>,
}

impl Gate {
    fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let (open, through) = (Arc::new(AtomicBool::new(true)), Arc::new(Mutex::new(Vec::new())));
        let (gate, streams, target) = (open.clone(), through.clone(), target.to_owned());
        // Ends with the test's process.
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if !gate.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(far) = TcpStream::connect(&target) else {
                    continue;
                };
                let both = |stream: &TcpStream| stream.try_clone().expect("a second handle");
                streams
                    .lock()
                    .expect("nobody panics with it")
                    .extend([both(&near), both(&far)]);
                pump(both(&near), both(&far));
                pump(far, near);
            }
        });
        Self {
            address,
            open,
            through,
        }
    }

    fn close(&self) {
        self.open.store(false, Ordering::SeqCst);
        for stream in self.through.lock().expect("nobody panics with it").drain(..) {
            // One that has ended by itself is as closed.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn reopen(&self) {
        self.open.store(true, Ordering::SeqCst);
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        // An end of either side is an end of both.
        let _ = copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
}

/// What a registry holds, as its operator keeps it safe: subject and version with id and schema, in the order of ids.
fn backup(reader: &Reader) -> Vec<Value> {
    let mut all = Vec::new();
    for subject in reader.get("/subjects").as_array().expect("a list") {
        let subject = subject.as_str().expect("a name");
        for version in reader
            .get(&format!("/subjects/{subject}/versions"))
            .as_array()
            .expect("a list")
        {
            all.push(reader.get(&format!("/subjects/{subject}/versions/{version}")));
        }
    }
    all.sort_by_key(|entry| entry["id"].as_i64());
    all
}

/// Brings the schemas back under the ids they had.
fn restore(address: &str, path: &str, entries: &[Value]) {
    for entry in entries {
        let subject = entry["subject"].as_str().expect("a subject");
        let body = json!({ "schema": entry["schema"] }).to_string();
        let answer = call(
            address,
            "POST",
            &format!("{path}/subjects/{subject}/versions"),
            Some(&body),
        )
        .expect("the registry answers");
        assert_eq!(answer.json()["id"], entry["id"], "{subject}: {}", answer.body);
    }
}

/// AV-126 to AV-128, PG-084: the whole road with schemas in Apicurio. A new column registers a second version. A registry
/// that is away is waited out by source and sink alike, and nothing is lost.
#[test]
fn apicurio_takes_the_place_of_the_embedded_registry() {
    let place = Place::new("apicurio");
    seed_users(&place);
    let url = place.stack.get("REGISTRY_URL");
    let reader = Reader::new(url);
    let (address, path) = url
        .trim_start_matches("http://")
        .split_once('/')
        .map(|(address, path)| (address.to_owned(), format!("/{path}")))
        .expect("an address with a path");
    let gate = Gate::to(&address);
    let through = format!("http://{}{path}", gate.address);
    let mut worker = place.worker_with(&format!(
        "rowtide.registry.listeners=\n\
         key.converter.schema.registry.url={through}\n\
         value.converter.schema.registry.url={through}"
    ));
    assert!(
        call(&worker.registry, "GET", "/subjects", None).is_err(),
        "the worker's own registry is off"
    );
    place.source("created_users").run(&worker, "source");
    let sink = place.users_sink();
    sink.run(&worker, "sink");
    place.await_equal_users("the snapshot");
    change_users(&place);
    place.await_equal_users("the changes");

    let subject = format!("/subjects/{}-value", place.topic("created_users"));
    let versions = || reader.get(&format!("{subject}/versions"));
    assert_eq!(versions(), json!([1]));
    place.sql(
        "alter table created_users add column nickname text; \
         insert into created_users (id, first_name, nickname) values (gen_random_uuid(), 'added', 'nick'); \
         alter table created_users drop column nickname",
    );
    let topic = place.topic("created_users");
    let named = |message: &kafka::Message, name: &str| {
        message
            .value
            .as_ref()
            .is_some_and(|value| value.windows(name.len()).any(|window| window == name.as_bytes()))
    };
    kafka::read(place.stack, &topic, "the row with the new column", |found| {
        found.iter().any(|message| named(message, "nick"))
    });
    assert_eq!(versions(), json!([1, 2]));

    // Away, with a new schema to register, and a reader that knows none. The registry forgets all and is restored.
    gate.close();
    place.sql(
        "alter table created_users add column shoe int not null default 7; \
         insert into created_users (id, first_name, shoe) values (gen_random_uuid(), 'away', 43)",
    );
    worker.kill();
    worker.start();
    worker.await_running("source");
    let kept = backup(&reader);
    place.stack.kill("registry");
    place.stack.up("registry");
    restore(&address, &path, &kept);
    std::thread::sleep(Duration::from_secs(2));
    for connector in ["source", "sink"] {
        let status = worker.ask("GET", &format!("/connectors/{connector}/status"), None);
        assert!(
            !status.body.contains("FAILED"),
            "an outage fails nobody: {}",
            status.body
        );
    }
    gate.reopen();
    kafka::read(place.stack, &topic, "what happened while it was away", |found| {
        found.iter().any(|message| named(message, "away"))
    });
    assert_eq!(versions(), json!([1, 2, 3]));
    let latest = kafka::read(place.stack, &topic, "the last record", |found| {
        found.iter().any(|message| named(message, "away"))
    });
    let last = reader.json(latest[latest.len() - 1].value.as_deref());
    assert_eq!(last["after"]["shoe"], json!(43));
    place.sql("alter table created_users drop column shoe");
    place.await_equal_users("everything, in the end");
}
