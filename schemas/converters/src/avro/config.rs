//! The settings of the Avro converter (AV-015, AV-019): those of the codec here, those of the registry client in
//! [`super::client_config`], those that change nothing or may not change in [`super::fixed_config`].

use rowtide_api::config::{Config, Definition, Importance, Key, Reader};
use rowtide_registry::client::ClientSettings;

use super::converter::Settings;
use super::subject::{Side, Strategy};
use super::{client_config, fixed_config, reader, writer};

const TYPE: Key<String> = Key::new(
    "converter.type",
    "Which part of a record is converted; the engine sets it.",
)
.default("value");
const REGISTER: Key<bool> = Key::new(
    "auto.register.schemas",
    "Whether a schema that its subject lacks is registered. With false nothing is ever registered, only looked up.",
)
.default("true")
.importance(Importance::High);
const KEY_STRATEGY: Key<Strategy> = Key::new(
    "key.subject.name.strategy",
    "How the subject of a key's schema is named.",
)
.default("TopicNameStrategy");
const VALUE_STRATEGY: Key<Strategy> = Key::new(
    "value.subject.name.strategy",
    "How the subject of a value's schema is named.",
)
.default("TopicNameStrategy");
const META_DATA: Key<bool> = Key::new(
    "connect.meta.data",
    "Whether Connect's names, versions and parameters are kept in the Avro schema. Without them logical types of Debezium \
     and defaults do not come back.",
)
.default("true");
const SCRUB: Key<bool> = Key::new(
    "scrub.invalid.names",
    "Whether names that Avro refuses are rewritten: every foreign character becomes an underscore or its code.",
)
.default("false");
const OPTIONAL_KEYS: Key<bool> = Key::new(
    "allow.optional.map.keys",
    "Whether a map of optional text keys is an Avro map too, instead of a list of entries.",
)
.default("false");
const IGNORE_DEFAULTS: Key<bool> = Key::new(
    "ignore.default.for.nullables",
    "Whether an optional field that was never set is null instead of its default. A field that was set to null is null \
     either way: Rowtide's sources tell the two apart.",
)
.default("false");
const EXTENDED_TYPES: Key<bool> = Key::new(
    "avro.extended.logical.types",
    "Whether Avro's micro- and nanosecond times and uuids are read under Debezium's names. The Java converter reads plain \
     numbers and texts.",
)
.default("false");
const TRAILING_BYTES: Key<bool> = Key::new(
    "allow.trailing.bytes",
    "Whether bytes after the body of a record are ignored.",
)
.default("false");
const FINGERPRINT: Key<bool> = Key::new(
    "schema.fingerprint.header",
    "Whether a value carries its schema's fingerprint in the header rowtide.schema.fingerprint, and a reader compares it: a \
     registry that gave an old id to another schema is then found out.",
)
.default("true");
const RECORD_BYTES_MAX: Key<i64> = Key::new("max.record.bytes", "Longest payload that is read, in bytes.")
    .default("16777216")
    .validator(positive);
const DEPTH_MAX: Key<u32> = Key::new("max.depth", "Deepest nesting of schemas and values.")
    .default("64")
    .validator(depth);

fn positive(text: &str) -> Result<(), String> {
    match text.parse::<i64>() {
        Ok(1..) => Ok(()),
        _ => Err("Value must be at least 1".to_owned()),
    }
}

fn depth(text: &str) -> Result<(), String> {
    // The registry's schemas end at the same depth.
    match text.parse::<u32>() {
        Ok(1..=64) => Ok(()),
        _ => Err("Value must be between 1 and 64".to_owned()),
    }
}

/// The parsed settings of [`super::AvroConverter`].
#[derive(Debug)]
pub struct AvroSettings {
    pub(super) side: Side,
    pub(super) codec: Settings,
    pub(super) client: ClientSettings,
}

impl Config for AvroSettings {
    fn definitions() -> Vec<&'static Definition> {
        let mut all = client_config::definitions();
        all.extend([
            REGISTER.definition(),
            KEY_STRATEGY.definition(),
            VALUE_STRATEGY.definition(),
            META_DATA.definition(),
            SCRUB.definition(),
            OPTIONAL_KEYS.definition(),
            IGNORE_DEFAULTS.definition(),
            EXTENDED_TYPES.definition(),
            TRAILING_BYTES.definition(),
            FINGERPRINT.definition(),
            RECORD_BYTES_MAX.definition(),
            DEPTH_MAX.definition(),
            TYPE.definition(),
        ]);
        all.extend(fixed_config::definitions());
        all
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let client = client_config::read(reader);
        fixed_config::read(reader);
        let side = reader
            .get(&TYPE)
            .map(|word| if word == "key" { Side::Key } else { Side::Value });
        let (keys, values) = (reader.get(&KEY_STRATEGY), reader.get(&VALUE_STRATEGY));
        let codec = codec(reader, side.zip(keys).zip(values));
        Some(Self {
            side: side?,
            codec: codec?,
            client: client?,
        })
    }
}

fn codec(reader: &mut Reader<'_>, strategies: Option<((Side, Strategy), Strategy)>) -> Option<Settings> {
    let (register, meta) = (reader.get(&REGISTER), reader.get(&META_DATA));
    let (scrub, optional_keys) = (reader.get(&SCRUB), reader.get(&OPTIONAL_KEYS));
    let (ignore_defaults, extended) = (reader.get(&IGNORE_DEFAULTS), reader.get(&EXTENDED_TYPES));
    let (trailing, fingerprints) = (reader.get(&TRAILING_BYTES), reader.get(&FINGERPRINT));
    let (bytes_max, depth_max) = (reader.get(&RECORD_BYTES_MAX), reader.get(&DEPTH_MAX));
    if ignore_defaults == Some(true) {
        reader.warn(
            IGNORE_DEFAULTS.name(),
            "ignore.default.for.nullables concerns only values that were never set: a null of the source stays null with \
             either setting",
        );
    }
    let ((side, keys), values) = strategies?;
    let (connect_meta_data, depth_max) = (meta?, depth_max?);
    Some(Settings {
        writer: writer::Options {
            connect_meta_data,
            scrub_names: scrub?,
            optional_map_keys: optional_keys?,
            absent_is_null: ignore_defaults?,
            depth_max,
        },
        reader: reader::Options {
            connect_meta_data,
            extended_logical_types: extended?,
        },
        strategy: if side == Side::Key { keys } else { values },
        register: register?,
        trailing_bytes: trailing?,
        record_bytes_max: usize::try_from(bytes_max?).ok()?,
        fingerprints: fingerprints?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rowtide_api::config::{ConfigReport, Properties};

    fn read(pairs: &[(&str, &str)]) -> (Option<AvroSettings>, ConfigReport) {
        let url = [("schema.registry.url", "http://127.0.0.1:8081")];
        let properties: Properties = url
            .iter()
            .chain(pairs)
            .map(|(key, value)| (*key, *value))
            .collect();
        ConfigReport::read(&properties)
    }

    /// AV-015: the address alone is enough, and it is needed.
    #[test]
    fn the_address_is_all_that_must_be_set() {
        let (settings, report) = read(&[]);
        let settings = settings.unwrap();
        assert!(report.warnings().is_empty(), "{report:?}");
        assert!(settings.codec.register && settings.codec.fingerprints && settings.side == Side::Value);
        assert_eq!(settings.codec.record_bytes_max, 16 << 20);
        let (settings, report) = ConfigReport::read::<AvroSettings>(&Properties::new());
        assert!(settings.is_none());
        assert_eq!(report.errors().len(), 1, "{report:?}");
        assert!(report.errors_on("schema.registry.url").next().is_some());
    }

    /// AV-015: what is not built is refused by name, what has no effect says so, every default is accepted.
    #[test]
    fn no_key_of_the_java_converter_is_ignored_silently() {
        let defaults: Vec<_> = AvroSettings::definitions()
            .into_iter()
            .filter_map(|definition| match definition.presence {
                rowtide_api::config::Presence::Default(text) => Some((definition.name, text)),
                _ => None,
            })
            .collect();
        let (settings, report) = read(&defaults);
        assert!(settings.is_some() && report.is_ok(), "{report:?}");
        for (key, value) in [
            ("use.latest.version", "true"),
            ("use.schema.id", "7"),
            ("enhanced.avro.schema.support", "true"),
            ("id.size", "8"),
            ("value.subject.name.strategy", "AssociatedNameStrategy"),
            ("max.depth", "65"),
            ("max.record.bytes", "0"),
            ("bearer.auth.credentials.source", "OAUTHBEARER"),
            ("basic.auth.credentials.source", "SASL_INHERIT"),
            ("schema.registry.ssl.keystore.location", "/k.jks"),
            ("proxy.host", "p"),
        ] {
            let (settings, report) = read(&[(key, value)]);
            assert!(settings.is_none() && !report.is_ok(), "{key}={value}");
        }
        let (settings, report) = read(&[
            ("ignore.default.for.nullables", "true"),
            ("latest.cache.size", "5"),
        ]);
        assert!(settings.is_some());
        assert_eq!(report.warnings().len(), 2, "{report:?}");
    }

    /// AV-017.
    #[test]
    fn credentials_are_never_repeated() {
        let (_, report) = read(&[
            ("basic.auth.credentials.source", "USER_INFO"),
            ("basic.auth.user.info", "hush"),
        ]);
        assert!(
            !report.is_ok() && !format!("{report:?}").contains("hush"),
            "{report:?}"
        );
        let (settings, _) = read(&[
            ("basic.auth.credentials.source", "USER_INFO"),
            ("basic.auth.user.info", "me:hush"),
        ]);
        assert!(!format!("{settings:?}").contains("hush"));
        let (_, report) = ConfigReport::read::<AvroSettings>(&Properties::from_iter([(
            "schema.registry.url",
            "ftp://me:hush@h",
        )]));
        assert!(
            !report.is_ok() && !format!("{report:?}").contains("hush"),
            "{report:?}"
        );
    }

    /// CN-110: the same configuration serves keys and values, each with its own strategy.
    #[test]
    fn the_strategy_follows_the_side() {
        let (settings, _) = read(&[("converter.type", "key"), ("key.subject.name.strategy", "record")]);
        let settings = settings.unwrap();
        assert_eq!(
            (settings.side, settings.codec.strategy),
            (Side::Key, Strategy::Record)
        );
    }
}
