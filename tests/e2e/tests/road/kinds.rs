//! Unchanged, not sent, null, empty and absent: each stays what it is, whatever form the records have.

use rowtide_testkit::worker::{Worker, eventually};
use serde_json::Value;

use crate::place::{Config, PATIENCE, Place};

const COLUMNS: &str = "id int primary key, n int, a text, b text, big text";
const MAPPING: &str = "id=value.id, n=value.n, a=value.a, b=value.b, big=value.big, bin=value.bin";

/// Rows of every kind: small and large values, nulls, empty text and bytes, nothing but a key.
fn seed(place: &Place) {
    place.sql(&format!(
        "create table mixed ({COLUMNS}, bin bytea); \
         alter table mixed alter big set storage external, alter bin set storage external; \
         insert into mixed select g, g, case g % 4 when 0 then null when 1 then '' else 'a' || g end, null, \
           case g % 3 when 0 then null when 1 then repeat(md5(g::text), 100) else '' end, \
           case g % 5 when 0 then null when 1 then '' else decode(repeat(md5(g::text), 100), 'hex') end \
           from generate_series(1, 60) g"
    ));
}

/// Every kind of change, each of some rows: values that are left alone, changed, emptied and nulled; keys that change with and
/// without anything else, one after the other and back; rows that go and come again; transactions that never were.
fn change(place: &Place) {
    for _ in 0..3 {
        place.sql(
            "update mixed set n = n + 1 where id % 2 = 0; \
             update mixed set a = null where id % 7 = 0; update mixed set a = '' where id % 7 = 1; \
             update mixed set id = id + 1000 where id between 1 and 10; \
             update mixed set id = id + 2000, a = 'moved', b = null where id between 11 and 15; \
             update mixed set id = id + 3000, big = null where id between 16 and 20; \
             update mixed set id = id - 1000, n = null where id between 1001 and 1005; \
             begin; update mixed set id = 5000 where id = 21; update mixed set id = 5001 where id = 5000; \
               update mixed set n = 7 where id = 5001; update mixed set id = 21 where id = 5001; commit; \
             begin; update mixed set id = 5002 where id = 22; update mixed set id = 22 where id = 23; \
               update mixed set id = 23 where id = 5002; commit; \
             begin; delete from mixed where id = 24; insert into mixed (id, big) values (24, repeat('n', 7000)); commit; \
             begin; delete from mixed where id = 25; insert into mixed (id) values (25); commit; \
             update mixed set n = null, a = null, b = null, big = null, bin = null where id = 26; \
             update mixed set big = repeat('w', 7000), bin = '' where id = 27; \
             update mixed set bin = null, b = 'b' where id between 28 and 33; \
             delete from mixed where id between 34 and 36; \
             begin; update mixed set id = 6000, big = 'never' where id = 37; rollback; \
             begin; savepoint s; update mixed set id = 6001 where id = 38; rollback to s; update mixed set n = 1 where id = 38; commit; \
             insert into mixed (id) values (34), (35); insert into mixed values (36, null, '', null, '', '')",
        );
    }
    place.sql("update mixed set id = 7000 where id = 40; delete from mixed where id = 7000");
}

fn rows(place: &Place, table: &str) -> (Vec<Value>, Vec<Value>) {
    // Long text by its ends and its length, so that a difference can be read.
    let shortened = |value: &mut Value| {
        if let Some(text) = value.as_str().filter(|text| text.len() > 60) {
            let (head, tail) = (&text[..20], &text[text.len() - 20..]);
            *value = format!("{head}…{tail} ({})", text.len()).into();
        }
    };
    let by_id = |mut rows: Vec<Value>| {
        let cells = rows.iter_mut().filter_map(Value::as_object_mut);
        cells.flat_map(|row| row.values_mut()).for_each(shortened);
        rows.sort_by_key(|row| row["id"].as_i64());
        rows
    };
    let postgres = place.sql(
        "select json_build_object('id', id, 'a', a, 'b', b, 'big', big, 'bin', '0x' || encode(bin, 'hex'), 'n', n) from mixed",
    );
    let postgres = postgres
        .lines()
        .map(|line| serde_json::from_str(line).expect("Postgres prints JSON"));
    (by_id(place.in_cassandra(table)), by_id(postgres.collect()))
}

/// The rows that differ.
fn differing(place: &Place, table: &str) -> (Vec<Value>, Vec<Value>) {
    let (cassandra, postgres) = rows(place, table);
    let only =
        |of: &[Value], others: &[Value]| of.iter().filter(|row| !others.contains(row)).cloned().collect();
    (only(&cassandra, &postgres), only(&postgres, &cassandra))
}

/// A source with a slot and topics of its own, in JSON.
fn json_source(place: &Place, name: &str, schemas: &str) -> (Config, String) {
    let prefix = format!("{}{name}", place.name);
    let source = place
        .source("mixed")
        .set("topic.prefix", &prefix)
        .set("slot.name", &prefix);
    (json(source, schemas), format!("{prefix}.public.mixed"))
}

fn json(config: Config, schemas: &str) -> Config {
    let converter = "org.apache.kafka.connect.json.JsonConverter";
    config.all(&[
        ("key.converter", converter),
        ("key.converter.schemas.enable", schemas),
        ("value.converter", converter),
        ("value.converter.schemas.enable", schemas),
    ])
}

fn envelopes(place: &Place, topic: &str, table: &str) -> Config {
    place
        .sink_of(topic, table, MAPPING)
        .set(&place.table_key(topic, table, "inputFormat"), "debezium")
}

/// Rows alone, a deletion is a field, and the position in the log is the clock.
fn flat(place: &Place, topic: &str, table: &str) -> Config {
    place
        .sink_of(
            topic,
            table,
            &format!("{MAPPING}, __timestamp=header.__source_lsn, __deleted=value.__deleted"),
        )
        .set(&place.table_key(topic, table, "nullToUnset"), "false")
        .all(&[
            ("transforms", "unwrap"),
            (
                "transforms.unwrap.type",
                "io.debezium.transforms.ExtractNewRecordState",
            ),
            ("transforms.unwrap.delete.tombstone.handling.mode", "rewrite"),
            ("transforms.unwrap.add.headers", "source.lsn"),
        ])
}

fn roads(place: &Place, worker: &Worker) -> Vec<&'static str> {
    let avro = place.topic("mixed");
    place.source("mixed").run(worker, "source_avro");
    let (source, bare) = json_source(place, "_bare", "false");
    source.run(worker, "source_bare");
    let (source, full) = json_source(place, "_full", "true");
    source.run(worker, "source_full");
    let tables = [
        "by_avro",
        "by_bare_json",
        "by_full_json",
        "by_flat_avro",
        "by_flat_json",
    ];
    for table in tables {
        place.cql(&format!(
            "create table {}.{table} ({COLUMNS}, bin blob)",
            place.name
        ));
    }
    envelopes(place, &avro, "by_avro").run(worker, "by_avro");
    json(envelopes(place, &bare, "by_bare_json"), "false").run(worker, "by_bare_json");
    json(envelopes(place, &full, "by_full_json"), "true").run(worker, "by_full_json");
    flat(place, &avro, "by_flat_avro").run(worker, "by_flat_avro");
    json(flat(place, &full, "by_flat_json"), "true").run(worker, "by_flat_json");
    tables.to_vec()
}

/// CS-060, CS-064, CS-070, CS-080, RS-131, RS-174.
#[test]
fn every_form_of_record_ends_in_the_same_rows() {
    let place = Place::new("kinds");
    seed(&place);
    let worker = place.worker();
    let tables = roads(&place, &worker);
    for table in &tables {
        eventually(&format!("the snapshot, {table}"), PATIENCE, || {
            differing(&place, table)
        });
    }
    change(&place);
    for table in &tables {
        eventually(&format!("the changes, {table}"), PATIENCE, || {
            differing(&place, table)
        });
    }
    for connector in &tables {
        eventually("no warning is left", PATIENCE, || {
            let status = worker
                .ask("GET", &format!("/connectors/{connector}/status"), None)
                .json();
            (status["tasks"][0].get("warnings").cloned(), None)
        });
    }
}
