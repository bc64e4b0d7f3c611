//! The source on the newest Postgres.

use rowtide_testkit::worker::Worker;

use crate::avro::Reader;
use crate::changes::{assert_notes, changes_arrive, make_notes, tell_notes};
use crate::place::Place;

/// Snapshot, stream, key change, restart on Postgres 18, into Cassandra.
#[test]
fn changes_of_postgres_18_arrive_in_cassandra() {
    let place = Place::on("PG18", "cdceighteen");
    let version = place.sql("select current_setting('server_version_num')::int / 10000");
    assert_eq!(version.trim(), "18");
    changes_arrive(&place, Worker::kill);
}

/// PG-071, PG-076: large values left alone, a key change and a truncate read on Postgres 18 as on 15.
#[test]
fn every_kind_of_change_of_postgres_18_is_told_the_same() {
    let place = Place::on("PG18", "toldeighteen");
    make_notes(&place);
    let worker = place.worker();
    tell_notes(&place, &worker);
    assert_notes(&place, &Reader::new(&worker.registry));
}
