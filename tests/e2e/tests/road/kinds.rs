//! Unchanged, not sent, null, empty and absent: each stays what it is, whatever form the records have.

use rowtide_testkit::worker::{Worker, eventually};
use serde_json::{Value, json};

use crate::place::{Config, PATIENCE, Place};

const UNWRAP: &str = "io.debezium.transforms.ExtractNewRecordState";
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
            ("transforms.unwrap.type", UNWRAP),
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

/// The rows of a table by their ids.
fn by_id(place: &Place, table: &str) -> Vec<Value> {
    let mut rows = place.in_cassandra(table);
    rows.sort_by_key(|row| row["id"].as_i64());
    rows
}

/// RS-131, PG-143: where the mark of a deletion is a column like others, a deleted row keeps its last values. The source knows
/// its key alone, and what stands for the rest is not written.
#[test]
fn a_row_that_is_marked_as_deleted_keeps_its_values() {
    let place = Place::new("marked");
    let columns = "id int primary key, name text, n int, note text, gone text";
    place.sql(
        "create table marked (id int primary key, name text not null, n int not null default 5, note text); \
         insert into marked values (1, 'one', 1, 'first'), (2, 'two', 2, null), (3, '', 0, null)",
    );
    place.cql(&format!("create table {}.marked ({columns})", place.name));
    let worker = place.worker();
    place.source("marked").run(&worker, "source");
    let mapping = "id=value.id, name=value.name, n=value.n, note=value.note, gone=value.__deleted, \
                   __timestamp=header.__source_lsn";
    place
        .sink("marked", mapping)
        .all(&[
            ("transforms", "unwrap"),
            ("transforms.unwrap.type", UNWRAP),
            ("transforms.unwrap.delete.tombstone.handling.mode", "rewrite"),
            ("transforms.unwrap.add.headers", "source.lsn"),
        ])
        .run(&worker, "sink");
    let row = |id: i32, name: &str, n: i32, note: Value, gone: &str| json!({"id": id, "name": name, "n": n, "note": note, "gone": gone});
    eventually("the snapshot", PATIENCE, || {
        let expected = vec![
            row(1, "one", 1, json!("first"), "false"),
            row(2, "two", 2, Value::Null, "false"),
            row(3, "", 0, Value::Null, "false"),
        ];
        (by_id(&place, "marked"), expected)
    });
    place.sql(
        "delete from marked; insert into marked values (2, 'again', 9, 'new'); update marked set id = 4",
    );
    eventually("the deletions", PATIENCE, || {
        let expected = vec![
            row(1, "one", 1, json!("first"), "true"),
            row(2, "again", 9, json!("new"), "true"),
            row(3, "", 0, Value::Null, "true"),
            row(4, "again", 9, json!("new"), "false"),
        ];
        (by_id(&place, "marked"), expected)
    });
    let status = worker.ask("GET", "/connectors/sink/status", None).json();
    assert_eq!(status["tasks"][0].get("warnings"), None, "{status}");
}

/// PG-115: a publication of Postgres 18 can publish generated columns. They are columns like others: null where what they are
/// made of is null, and read again where a row begins and the log leaves them out.
#[test]
fn a_published_generated_column_of_postgres_18_is_a_column_like_others() {
    let place = Place::on("PG18", "kindsmade");
    let columns = "id int primary key, a text, low text, big text";
    place.sql(&format!(
        "create table made (id int primary key, a text, low text generated always as (lower(a)) stored, \
           big text generated always as (repeat(a, 3000)) stored, never text generated always as (upper(a)) virtual); \
         alter table made alter big set storage external; \
         create publication {} for table made with (publish_generated_columns = stored); \
         insert into made (id, a) values (1, 'Ab'), (2, null), (3, ''), (4, 'Cd')",
        place.name
    ));
    place.cql(&format!("create table {}.made ({columns})", place.name));
    let worker = place.worker();
    place.source("made").run(&worker, "source");
    let topic = place.topic("made");
    place
        .sink("made", "id=value.id, a=value.a, low=value.low, big=value.big")
        .set(&place.table_key(&topic, "made", "inputFormat"), "debezium")
        .run(&worker, "sink");
    let rows = || {
        let postgres = place
            .sql("select json_build_object('id', id, 'a', a, 'low', low, 'big', big) from made order by id");
        let postgres: Vec<Value> = postgres
            .lines()
            .map(|line| serde_json::from_str(line).expect("Postgres prints JSON"))
            .collect();
        (by_id(&place, "made"), postgres)
    };
    eventually("the snapshot", PATIENCE, rows);
    place.sql(
        "update made set id = 11 where id = 1; update made set a = null where id = 4; update made set a = 'Ef' where id = 2; \
         update made set id = 12 where id = 2; update made set id = 13 where id = 3; insert into made (id, a) values (5, 'Gh')",
    );
    eventually("the changes", PATIENCE, rows);
}
