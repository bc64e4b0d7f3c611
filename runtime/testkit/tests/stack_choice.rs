//! Which form a stack takes, and what its containers are made of; no engine is asked.

use std::cell::Cell;

use rowtide_testkit::stack::choice::{Form, Machine, choose};
use rowtide_testkit::stack::description::service;
use rowtide_testkit::stack::root;

fn chosen(wanted: Option<&str>, built: bool, prerequisites: bool, engine: bool) -> Result<Form, String> {
    let machine = Machine {
        built,
        has_prerequisites: &|| prerequisites,
        engine: &|| engine.then_some(()).ok_or_else(|| "nobody listens".to_owned()),
    };
    choose(wanted, &machine)
}

#[test]
fn what_is_asked_for_is_used_or_refused() {
    for (built, prerequisites, engine) in [(true, false, true), (false, true, true), (true, true, false)] {
        assert_eq!(
            chosen(Some("processes"), built, prerequisites, engine),
            Ok(Form::Processes)
        );
    }
    assert_eq!(chosen(Some("containers"), true, true, true), Ok(Form::Containers));
    let error = chosen(Some("containers"), false, true, true).unwrap_err();
    assert!(error.contains("--features rowtide-testkit/containers"), "{error}");
    let error = chosen(Some("containers"), true, true, false).unwrap_err();
    assert!(error.contains("nobody listens"), "{error}");
    let error = chosen(Some("docker"), true, true, true).unwrap_err();
    assert!(
        error.contains("ROWTIDE_TEST_STACK") && error.contains("`docker`"),
        "{error}"
    );
}

#[test]
fn unasked_processes_come_first_and_containers_only_in_their_place() {
    assert_eq!(chosen(None, true, true, true), Ok(Form::Processes));
    assert_eq!(chosen(None, true, false, true), Ok(Form::Containers));
    assert_eq!(chosen(None, false, false, true), Ok(Form::Processes));
    // compose/stack then says what is missing.
    assert_eq!(chosen(None, true, false, false), Ok(Form::Processes));
}

#[test]
fn an_engine_is_not_asked_where_processes_can_run() {
    let asked = Cell::new(false);
    let engine = || {
        asked.set(true);
        Ok(())
    };
    let machine = |has_prerequisites| Machine {
        built: true,
        has_prerequisites,
        engine: &engine,
    };
    assert_eq!(choose(None, &machine(&|| true)), Ok(Form::Processes));
    assert!(!asked.get());
    assert_eq!(choose(None, &machine(&|| false)), Ok(Form::Containers));
    assert!(asked.get());
}

/// There is one list of images: what the handle runs is what the compose file pins.
#[test]
fn the_images_environment_and_checks_are_those_of_the_compose_file() {
    let text = std::fs::read_to_string(root().join("compose/compose.yaml")).unwrap();
    for name in ["postgres", "kafka", "cassandra", "registry"] {
        let service = service(&text, name).unwrap();
        let line = format!("    image: {}:{}\n", service.image, service.tag);
        assert!(text.contains(&line), "{line}");
        assert!(!service.ready.is_empty());
        assert_ne!(service.environment, []);
    }
    let postgres = service(&text, "postgres").unwrap();
    assert!(
        postgres.command.contains(&"wal_level=logical".to_owned()),
        "{:?}",
        postgres.command
    );
    let kafka = service(&text, "kafka").unwrap();
    let listeners = kafka.environment.iter().find(|(key, _)| key == "KAFKA_LISTENERS");
    assert!(listeners.is_some_and(|(_, value)| value.contains("HOST://:29092")));
    let error = service(&text, "postgres18").unwrap_err();
    assert!(error.contains("postgres18"), "{error}");
    let error = service("services: {a: {image: \"b:1\"}}", "a").unwrap_err();
    assert!(error.contains("health check"), "{error}");
}
