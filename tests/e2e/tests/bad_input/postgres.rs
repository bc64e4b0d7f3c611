//! The Postgres source.

use rowtide_testkit::stack::Stack;

use crate::place::{Place, says};

const MEANWHILE: &str = "insert into t values (3, 'meanwhile')";

/// A running source whose cause of failure comes and goes: FAILED with a trace, the slot stays where it is, and after the
/// repair exactly the one row inserted meanwhile follows.
fn fails_and_goes_on(place: &Place, cause: &str, saying: &[&str], repair: &[&str]) {
    place.sql("insert into t values (1, 'before')");
    place.create("c", &place.source(&[("publication.autocreate.mode", "disabled")]));
    place.worker.await_running("c");
    place.await_written("c", 1);
    place.sql("insert into t values (2, 'streamed')");
    place.await_written("c", 2);
    place.sql(cause);
    let before = place.confirmed();
    place.restart("c");
    place.await_failed("c", saying);
    for statement in repair {
        place.sql(statement);
    }
    assert_eq!(
        place.confirmed(),
        before,
        "the slot moved while the task was FAILED"
    );
    let written = place.written("c");
    place.restart("c");
    place.worker.await_running("c");
    // The counters of a connector that was started again begin anew.
    let expected = if place.written("c") < written {
        1
    } else {
        written + 1
    };
    place.await_written("c", expected);
}

fn published(name: &str) -> Place {
    let place = Place::new(name);
    place.sql(&format!("create publication {} for table t", place.name));
    place
}

/// PG-016, RS-116.
#[test]
fn a_wrong_password_names_user_password_and_keys() {
    let place = published("badpass");
    let wrong = place.source(&[("database.password", "wr0ng")]);
    let saying = ["database.user and database.password", "28P01"];
    place.validate(&wrong, "database.password", &saying);
    let role = place.name.clone();
    fails_and_goes_on(
        &place,
        &format!("alter role {role} password 'changed'"),
        &saying,
        &[MEANWHILE, &format!("alter role {role} password 'right'")],
    );
}

/// CN-048: the task says why; the worker and its other connectors live on.
#[test]
fn a_database_that_does_not_exist_is_named_with_its_key() {
    let place = published("badbase");
    place.create("good", &place.source(&[]));
    place.worker.await_running("good");
    let elsewhere = place.source(&[("database.dbname", "nobody_made_this")]);
    let saying = ["nobody_made_this", "database.dbname", "3D000"];
    place.validate(&elsewhere, "database.dbname", &saying);
    place.create("c", &elsewhere);
    place.await_failed("c", &saying);
    place.worker.await_running("good");
}

#[test]
fn a_role_without_the_right_to_replicate_is_named_with_the_command() {
    let place = published("badright");
    let (role, command) = (&place.name, format!("ALTER ROLE {} REPLICATION", place.name));
    let revoke = format!(
        "alter role {role} nosuperuser noreplication; alter database {role} owner to {role}; \
         alter table t owner to {role}"
    );
    let refused = place.source(&[]);
    place.sql(&revoke);
    place.validate(&refused, "database.user", &[&command]);
    place.sql(&format!("alter role {role} superuser replication"));
    fails_and_goes_on(
        &place,
        &revoke,
        &["replicat", "42501"],
        &[MEANWHILE, &format!("alter role {role} replication")],
    );
}

#[test]
fn a_missing_publication_is_named_with_what_creates_it() {
    let place = published("badpub");
    let name = &place.name;
    let other = place.source(&[
        ("publication.name", "nobody_made_this"),
        ("publication.autocreate.mode", "disabled"),
    ]);
    let saying = [
        "publication nobody_made_this does not exist",
        "publication.autocreate.mode",
    ];
    place.validate(&other, "publication.name", &saying);
    fails_and_goes_on(
        &place,
        &format!("alter publication {name} rename to elsewhere"),
        &[&format!("publication {name} does not exist"), "create it"],
        // Postgres publishes what happens while the publication is there.
        &[
            &format!("alter publication elsewhere rename to {name}"),
            MEANWHILE,
        ],
    );
}

#[test]
fn tables_that_do_not_exist_are_named_by_the_list_that_captures_them() {
    let place = Place::new("badtable");
    let config = place.source(&[("table.include.list", "public.later")]);
    place.validate(&config, "table.include.list", &["no table", "exist"]);
    place.create("c", &config);
    place.await_failed("c", &["no table", "table.include.list"]);
    place.sql("create table later (id int primary key); insert into later values (1)");
    place.restart("c");
    place.worker.await_running("c");
    place.await_written("c", 1);
}

#[test]
fn a_column_of_an_unsupported_type_is_named_with_the_list_that_leaves_it_out() {
    let place = Place::new("badtype");
    place.sql("create table odd (id int primary key, p point); insert into odd values (1, '(1,2)')");
    let config = place.source(&[("table.include.list", "public.odd")]);
    let saying = ["public.odd.p (point)", "column.exclude.list"];
    place.validate(&config, "column.exclude.list", &saying);
    place.create("c", &config);
    place.await_failed("c", &saying);
    let without = place.source(&[
        ("table.include.list", "public.odd"),
        ("column.exclude.list", "public.odd.p"),
    ]);
    place.put("c", &without);
    place.worker.await_running("c");
    place.await_written("c", 1);
}

#[test]
fn a_server_that_writes_no_logical_wal_is_told_how_to() {
    let place = Place::on(Stack::own(&["postgres", "kafka"]), "badwal", "");
    let level = |level: &str| {
        place.sql(&format!("alter system set wal_level = '{level}'"));
        place.stack.kill("postgres");
        place.stack.up("postgres");
    };
    level("replica");
    let saying = ["wal_level", "logical"];
    place.validate(&place.source(&[]), "database.hostname", &saying);
    place.sql("insert into t values (1, 'x')");
    place.create("c", &place.source(&[]));
    place.await_failed("c", &saying);
    let slots = place.sql("select count(*) from pg_replication_slots");
    says(&slots, &["0"]);
    level("logical");
    place.restart("c");
    place.worker.await_running("c");
    place.await_written("c", 1);
}
