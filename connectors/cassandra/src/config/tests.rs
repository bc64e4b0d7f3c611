//! The configuration as a whole: what parses, what is refused, and under which key.

use rowtide_api::config::{ConfigReport, Properties};

use super::*;

fn read(pairs: &[(&str, &str)]) -> (Option<Settings>, ConfigReport) {
    ConfigReport::read::<Settings>(&Properties::from_iter(pairs.iter().copied()))
}

fn errors(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let (settings, report) = read(pairs);
    assert!(settings.is_none(), "{pairs:?} was accepted");
    report
        .errors()
        .iter()
        .map(|finding| (finding.key.clone(), finding.message.clone()))
        .collect()
}

/// CS-196: the form of the DataStax documentation.
#[test]
fn a_datastax_configuration_runs_as_it_is() {
    let (settings, report) = read(&[
        ("name", "cassandra-sink"),
        (
            "connector.class",
            "com.datastax.oss.kafka.sink.CassandraSinkConnector",
        ),
        ("topics", "json-stream,avro.stream"),
        ("contactPoints", "db1, db2"),
        ("loadBalancing.localDc", "datacenter1"),
        ("port", "9043"),
        ("jmx", "true"),
        ("datastax-java-driver.basic.request.timeout", "2 seconds"),
        ("datastax-java-driver.metrics.session.enabled", "bytes-sent"),
        ("auth.username", "app"),
        ("auth.password", "s3cret"),
        ("ignoreErrors", "false"),
        (
            "topic.json-stream.ks.t.mapping",
            "id=key, name=value.name, __ttl=value.ttl",
        ),
        ("topic.json-stream.ks.t.consistencyLevel", "local_quorum"),
        ("topic.json-stream.ks.t.ttl", "2"),
        ("topic.json-stream.ks.t.ttlTimeUnit", "DAYS"),
        ("topic.json-stream.codec.unit", "SECONDS"),
        ("topic.avro.stream.ks.\"T 2\".mapping", "id=key.id, v=value.v"),
        ("topic.avro.stream.ks.\"T 2\".deletesEnabled", "false"),
    ]);
    assert!(report.is_ok(), "{report:?}");
    let settings = settings.unwrap();
    assert_eq!(settings.connection.nodes, ["db1:9043", "db2:9043"]);
    assert_eq!(settings.connection.request_timeout, Duration::from_secs(2));
    assert!(!format!("{settings:?}").contains("s3cret"));
    let [avro, json] = &settings.tables[..] else {
        panic!("two tables")
    };
    assert_eq!((&*avro.topic, &*avro.table), ("avro.stream", "T 2"));
    assert_eq!((avro.mode, avro.deletes_enabled), (TimestampMode::Record, false));
    assert_eq!(json.ttl_seconds, Some(172_800));
    assert_eq!(json.unit, TimeUnit::Seconds);
    assert_eq!(json.consistency, Consistency::LocalQuorum);
    let warned: Vec<_> = report
        .warnings()
        .iter()
        .map(|finding| finding.key.as_str())
        .collect();
    assert_eq!(
        warned,
        [
            "datastax-java-driver.metrics.session.enabled",
            "topic.json-stream.ks.t.ttl",
            "jmx"
        ]
    );
}

#[test]
fn change_data_capture_needs_three_lines() {
    let (settings, report) = read(&[
        ("topics", "pg.public.users"),
        ("inputFormat", "debezium"),
        ("topic.pg.public.users.ks.users.timestampOffset", "7"),
    ]);
    assert!(report.is_ok(), "{report:?}");
    let settings = settings.unwrap();
    let table = &settings.tables[0];
    assert_eq!(
        (table.mode, table.offset, table.format),
        (TimestampMode::Lsn, 7, InputFormat::Debezium)
    );
    assert!(table.mapping.star);
    assert_eq!(settings.connection.nodes, ["127.0.0.1:9042"]);
}

/// CS-002, CS-006: all of it at once, each under its key.
#[test]
fn every_error_comes_at_once_under_its_key() {
    let found = errors(&[
        ("topics", "t"),
        ("contactPoints", "db"),
        ("auth.password", "s3cret"),
        ("ssl.provider", "JDK"),
        ("cloud.secureConnectBundle", "/b.zip"),
        ("ignoreErrors", "All"),
        ("concurrency", "adaptive"),
        ("topic.t.ks.t.mapping", "a=other"),
        ("topic.t.ks.t.ttl", "-2"),
        ("topic.t.ks.t.query", "INSERT"),
        ("topic.t.ks.t.deleteMode", "soft"),
        ("topic.t.ks.t.truncateMode", "execute"),
        ("topic.t.codec.locale", "de_DE"),
    ]);
    let keys: Vec<&str> = found.iter().map(|(key, _)| key.as_str()).collect();
    for key in [
        "loadBalancing.localDc",
        "auth.username",
        "ssl.provider",
        "cloud.secureConnectBundle",
        "ignoreErrors",
        "concurrency",
        "topic.t.ks.t.mapping",
        "topic.t.ks.t.ttl",
        "topic.t.ks.t.query",
        "topic.t.ks.t.deleteMode",
        "topic.t.ks.t.truncateMode",
        "topic.t.codec.locale",
    ] {
        assert!(keys.contains(&key), "{key} is not among {keys:?}");
    }
    assert!(found.iter().all(|(_, message)| !message.contains("s3cret")));
}

/// CS-009, CS-012.
#[test]
fn a_topic_without_a_table_and_an_unknown_key_are_errors() {
    let found = errors(&[("topics", "a,b"), ("topic.a.ks.t.mapping", "x=key")]);
    assert_eq!(found.len(), 1);
    assert!(found[0].1.starts_with("topic b has no table"));
    let found = errors(&[
        ("topics", "a"),
        ("topic.a.ks.t.mapping", "x=key"),
        ("topic.a.ks.t.tll", "5"),
    ]);
    assert!(found[0].1.contains("did you mean ttl?"), "{found:?}");
}

/// CS-100, CS-101.
#[test]
fn a_table_has_one_clock() {
    let table = |pairs: &[(&str, &str)]| {
        let mut all = vec![("topics", "t")];
        all.extend_from_slice(pairs);
        read(&all)
    };
    let mapping = ("topic.t.ks.t.mapping", "id=key, __timestamp=value.at");
    assert_eq!(table(&[mapping]).0.unwrap().tables[0].mode, TimestampMode::Field);
    assert!(table(&[mapping, ("timestampMode", "record")]).0.is_none());
    assert!(
        table(&[("topic.t.ks.t.mapping", "id=key"), ("timestampMode", "field")])
            .0
            .is_none()
    );
    assert!(
        table(&[("topic.t.ks.t.mapping", "id=key"), ("timestampMode", "lsn")])
            .0
            .is_none()
    );
    assert!(table(&[("topic.t.ks.t.mapping", "id=source.x")]).0.is_none());
    let debezium = ("topic.t.ks.t.inputFormat", "debezium");
    assert!(table(&[debezium, ("timestampMode", "source+seq")]).0.is_none());
    let (settings, report) = table(&[debezium, ("timestampMode", "record")]);
    assert!(settings.is_some());
    assert_eq!(report.warnings().len(), 1);
}

#[test]
fn every_key_is_documented_once() {
    let mut names: Vec<_> = Settings::definitions()
        .iter()
        .map(|definition| definition.name)
        .collect();
    names.sort_unstable();
    let before = names.len();
    names.dedup();
    assert_eq!(names.len(), before);
    assert!(
        Settings::definitions()
            .iter()
            .all(|definition| !definition.doc.is_empty())
    );
}
