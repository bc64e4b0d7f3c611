//! The Cassandra sink.

use rowtide_testkit::worker::eventually;

use crate::place::{PATIENCE, Place};

/// A sink that cannot start: named in validate and in the trace; once the cause is mended, every record arrives.
fn refused_then_whole(place: &Place, table: &str, mapping: &str, saying: &[&str], repair: &str) {
    let keyspace = place.name.as_str();
    place.sql("insert into t select g, 'v' || g from generate_series(1, 50) g");
    place.create("source", &place.source(&[]));
    place.await_written("source", 50);
    let sink = place.sink(keyspace, table, mapping);
    let key = format!("topic.{}.public.t.{keyspace}.{table}.mapping", place.name);
    place.validate(&sink, &key, saying);
    place.create("sink", &sink);
    let mut expected = vec![key.as_str()];
    expected.extend(saying);
    place.await_failed("sink", &expected);
    place.worker.await_running("source");
    place.stack.cql(repair);
    place.restart("sink");
    place.worker.await_running("sink");
    eventually("the rows in Cassandra", PATIENCE, || {
        let rows = place
            .stack
            .cql(&format!("select count(*) from {keyspace}.{table};"));
        (rows.trim().to_owned(), "50".to_owned())
    });
}

fn keyspace(name: &str) -> String {
    format!(
        "create keyspace {name} with replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}};"
    )
}

#[test]
fn a_missing_keyspace_is_named_with_the_statement_that_creates_it() {
    let place = Place::new("badks");
    let (name, create) = (&place.name, keyspace(&place.name));
    let repair = format!("{create} create table {name}.t (id int primary key, v text);");
    let saying = [&*format!("no keyspace {name}"), "CREATE KEYSPACE"];
    refused_then_whole(&place, "t", "id=key.id, v=value.v", &saying, &repair);
}

#[test]
fn a_missing_table_is_named_with_the_statement_that_creates_it() {
    let place = Place::new("badtab");
    let name = &place.name;
    place.stack.cql(&keyspace(name));
    let repair = format!("create table {name}.t (id int primary key, v text);");
    let saying = [&*format!("no table {name}.t"), "CREATE TABLE"];
    refused_then_whole(&place, "t", "id=key.id, v=value.v", &saying, &repair);
}

#[test]
fn a_column_the_table_lacks_is_named_with_the_statement_that_adds_it() {
    let place = Place::new("badcol");
    let name = &place.name;
    place.stack.cql(&format!(
        "{} create table {name}.t (id int primary key);",
        keyspace(name)
    ));
    let repair = format!("alter table {name}.t add v text;");
    let saying = [&*format!("table {name}.t has no column v"), "ALTER TABLE"];
    refused_then_whole(&place, "t", "id=key.id, v=value.v", &saying, &repair);
}

/// CS-035, CN-284: a value its column cannot hold fails the task at its place, and the position stays before it.
#[test]
fn a_value_its_column_cannot_hold_is_told_with_its_place() {
    let place = Place::new("badval");
    let name = &place.name;
    place.stack.cql(&format!(
        "{} create table {name}.t (id int primary key, v int);",
        keyspace(name)
    ));
    place.sql("insert into t values (1, 'not a number')");
    place.create("source", &place.source(&[]));
    place.await_written("source", 1);
    place.create("sink", &place.sink(name, "t", "id=key.id, v=value.v"));
    let offset_0 = format!("topic {name}.public.t, partition 0, offset 0");
    place.await_failed(
        "sink",
        &["Tolerance exceeded", &offset_0, "column v", "CQL type int"],
    );
    place.restart("sink");
    place.await_failed("sink", &[&offset_0]);
    place.stack.cql(&format!(
        "alter table {name}.t drop v; alter table {name}.t add w text;"
    ));
    place.put("sink", &place.sink(name, "t", "id=key.id, w=value.v"));
    place.worker.await_running("sink");
    eventually("the row in Cassandra", PATIENCE, || {
        let rows = place.stack.cql(&format!("select w from {name}.t;"));
        (rows.trim().to_owned(), "not a number".to_owned())
    });
}
