//! Reading configurations.

use rowtide_api::config::{ConfigReport, Presence, Properties, Support};

use super::*;

fn base() -> Properties {
    Properties::from_iter([
        ("topic.prefix", "p"),
        ("database.hostname", "db"),
        ("database.user", "u"),
        ("database.password", "hunter2"),
        ("database.dbname", "app"),
        ("plugin.name", "pgoutput"),
    ])
}

fn read(pairs: &[(&str, &str)]) -> (Option<SourceConfig>, ConfigReport) {
    let mut properties = base();
    for (key, value) in pairs {
        properties.set(*key, *value);
    }
    ConfigReport::read(&properties)
}

fn refusal(pairs: &[(&str, &str)]) -> String {
    let (config, report) = read(pairs);
    assert!(config.is_none(), "{pairs:?} is accepted");
    report
        .errors()
        .iter()
        .map(|finding| format!("{}: {}", finding.key, finding.message))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_smallest_configuration_is_complete() {
    let (config, report) = read(&[]);
    let config = config.unwrap_or_else(|| panic!("{report:?}"));
    assert_eq!(config.slot.name, "debezium");
    assert_eq!(config.publication.name, "dbz_publication");
    assert_eq!(config.publication.mode, None);
    assert!(config.slot.mismatch.is_none() && config.stream.confirms);
    assert_eq!(
        config.records.skipped,
        Skipped {
            truncates: true,
            ..Skipped::default()
        }
    );
    assert!(report.warnings().is_empty(), "{report:?}");
}

/// PG-020: never a silent switch.
#[test]
fn the_plug_in_has_to_be_named() {
    assert!(refusal(&[("plugin.name", "decoderbufs")]).contains("plugin.name has to be pgoutput"));
    let mut properties = base();
    properties.remove("plugin.name");
    let (config, report) = ConfigReport::read::<SourceConfig>(&properties);
    assert!(config.is_none());
    assert!(report.errors_on("plugin.name").count() == 1);
}

/// PG-016: no secret in a message.
#[test]
fn every_error_is_reported_and_none_shows_the_password() {
    let shown = refusal(&[
        ("database.port", "x"),
        ("slot.name", "Bad-Name"),
        ("database.sslcert", "/a"),
    ]);
    assert_eq!(shown.lines().count(), 3, "{shown}");
    assert!(!shown.contains("hunter2"));
}

/// Every key of §1: a default parses, and what is limited says why.
#[test]
fn every_key_has_a_sound_default_and_a_reason_for_its_limits() {
    let mut names = std::collections::BTreeSet::new();
    for definition in SourceConfig::definitions() {
        assert!(names.insert(definition.name), "{} twice", definition.name);
        if let Presence::Default(text) = definition.presence
            && definition.name != "plugin.name"
        {
            let (config, report) = read(&[(definition.name, text)]);
            assert!(config.is_some(), "{}: {report:?}", definition.name);
        }
        match definition.support {
            Support::Full => {}
            Support::DefaultOnly(sentence) | Support::NoEffect(sentence) => assert!(sentence.len() > 10),
        }
    }
    assert!(names.len() > 100, "{}", names.len());
}

#[test]
fn what_is_not_built_is_refused_by_name() {
    for (key, value) in [
        ("snapshot.mode", "when_needed"),
        ("decimal.handling.mode", "string"),
        ("time.precision.mode", "connect"),
        ("column.mask.with.5.chars", "a.b.c"),
        ("column.truncate.to.10.chars", "a.b.c"),
        ("provide.transaction.metadata", "true"),
        ("signal.data.collection", "public.signals"),
        ("heartbeat.interval.ms", "1000"),
        ("message.key.columns", "a.b:c"),
    ] {
        assert!(refusal(&[(key, value)]).contains(key), "{key}");
    }
}

#[test]
fn keys_of_the_jdbc_driver_are_a_warning() {
    let (config, report) = read(&[("database.applicationname", "x"), ("driver.socketTimeout", "1")]);
    assert!(config.is_some());
    assert_eq!(report.warnings().len(), 2);
    for (key, words) in [
        ("database.server.name", "called topic.prefix"),
        ("database.history.kafka.topic", "no schema history"),
        ("database.pasword", "did you mean database.password?"),
    ] {
        let (_, report) = read(&[(key, "x")]);
        let found = report.warnings().iter().find(|warning| warning.key == key);
        assert!(
            found.is_some_and(|warning| warning.message.contains(words)),
            "{found:?}"
        );
    }
}

/// PG-015.
#[test]
fn include_and_exclude_together_are_an_error() {
    let shown = refusal(&[("table.include.list", "a"), ("table.exclude.list", "b")]);
    assert!(shown.contains("table.include.list") && shown.contains("table.exclude.list"));
}

/// PG-025.
#[test]
fn an_avro_converter_in_the_connector_adjusts_field_names() {
    let adjustment = |pairs: &[(&str, &str)]| read(pairs).0.unwrap().records.field_names;
    assert_eq!(adjustment(&[]), Adjustment::None);
    let avro = ("value.converter", "io.confluent.connect.avro.AvroConverter");
    assert_eq!(adjustment(&[avro]), Adjustment::Avro);
    assert_eq!(
        adjustment(&[avro, ("field.name.adjustment.mode", "none")]),
        Adjustment::None
    );
}

/// PG-038.
#[test]
fn explicitly_skipped_operations_shape_the_publication() {
    let publish = |pairs: &[(&str, &str)]| read(pairs).0.unwrap().publication.publish;
    assert_eq!(publish(&[]), None);
    assert_eq!(
        publish(&[("skipped.operations", "none")]).as_deref(),
        Some("insert, update, delete, truncate")
    );
    assert_eq!(
        publish(&[("skipped.operations", "t,d")]).as_deref(),
        Some("insert, update")
    );
    assert!(refusal(&[("skipped.operations", "x")]).contains("skipped.operations"));
}

/// PG-019: the deprecated keys still mean what they meant.
#[test]
fn deprecated_keys_map_to_the_new_ones() {
    let (config, _) = read(&[
        ("internal.slot.seek.to.known.offset.on.start", "true"),
        ("flush.lsn.source", "false"),
    ]);
    let config = config.unwrap();
    assert_eq!(config.slot.mismatch, Some(MismatchStrategy::TrustOffset));
    assert!(!config.stream.confirms);
    let (config, _) = read(&[("flush.lsn.source", "false"), ("lsn.flush.mode", "connector")]);
    assert!(config.unwrap().stream.confirms);
}

#[test]
fn a_placeholder_can_be_bytes() {
    assert_eq!(placeholder_bytes("hex:00ff"), Some(vec![0, 255]));
    assert_eq!(placeholder_bytes("hex:0"), None);
    assert_eq!(placeholder_bytes("ph"), Some(b"ph".to_vec()));
}
