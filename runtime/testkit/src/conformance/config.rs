//! The suite of configurations: any plugin's keys, what is said of wrong ones, and what the validate endpoint answers.

use std::fmt::Debug;
use std::path::Path;

use rowtide_api::config::{
    Config, ConfigReport, ConfigType, Definition, Presence, Properties, Setting as _, Support,
};
use rowtide_api::erased::PluginRow;
use rowtide_api::{Plugin, Secret};
use rowtide_engine::connector::validation::of_plugin;
use rowtide_rest::validate_answer;

/// Text that no number and no truth value reads as.
const GARBAGE: &str = "neither-a-number-nor-true";

/// What every secret of the suite begins with.
const SECRET: &str = "hunter2-";

/// A plugin under test.
pub struct Subject {
    /// Its keys and its validation.
    pub row: PluginRow,
    /// The smallest configuration without an error.
    pub minimal: Properties,
}

impl Subject {
    /// The plugin `P` with its smallest configuration.
    pub fn of<P: Plugin>(minimal: &[(&str, &str)]) -> Self {
        Self {
            row: PluginRow::of::<P>("Connector"),
            minimal: minimal.iter().copied().collect(),
        }
    }

    fn definitions(&self) -> Vec<&'static Definition> {
        (self.row.definitions)()
    }

    /// The keys that are no pattern: those that can be set as they are named.
    fn plain(&self) -> impl Iterator<Item = &'static Definition> {
        self.definitions()
            .into_iter()
            .filter(|definition| !definition.name.contains('<'))
    }

    fn with(&self, pairs: impl IntoIterator<Item = (String, String)>) -> Properties {
        let mut properties = self.minimal.clone();
        for (key, value) in pairs {
            properties.set(key, value);
        }
        properties
    }

    /// The smallest configuration with a secret under every key that takes one.
    fn with_secrets(&self) -> Properties {
        let secrets = self
            .plain()
            .enumerate()
            .filter(|(_, key)| key.config_type == ConfigType::Password);
        self.with(secrets.map(|(index, key)| (key.name.to_owned(), format!("{SECRET}{index}"))))
    }
}

/// Every key has a name of its own, a sentence for the reference page, a group, and a sentence for what it does not do.
///
/// # Panics
/// When one lacks something.
pub fn every_key_is_documented_and_placed(subject: &Subject) {
    let definitions = subject.definitions();
    let mut names: Vec<_> = definitions.iter().map(|definition| definition.name).collect();
    names.sort_unstable();
    for pair in names.windows(2) {
        assert_ne!(pair[0], pair[1], "defined twice");
    }
    for definition in definitions {
        let Definition {
            name,
            doc,
            group,
            support,
            ..
        } = definition;
        assert!(
            doc.trim_end().ends_with('.') && doc.len() > 10,
            "{name}: {doc:?} is no sentence"
        );
        assert!(!group.is_empty(), "{name} has no group");
        if let Support::DefaultOnly(sentence) | Support::NoEffect(sentence) = support {
            assert!(sentence.len() > 10, "{name} does not say why");
        }
    }
}

/// A default is a value that the key itself accepts, and means the same written out as left out.
///
/// # Panics
/// When one is not.
pub fn every_default_passes_its_own_check(subject: &Subject) {
    let report = (subject.row.validate)(&subject.minimal);
    assert!(
        report.is_ok(),
        "the smallest configuration: {:#?}",
        report.errors()
    );
    for definition in subject.definitions() {
        let Presence::Default(default) = definition.presence else {
            continue;
        };
        let name = definition.name;
        let typed = match definition.config_type {
            ConfigType::Boolean => bool::parse(default).map(drop),
            ConfigType::Short => i16::parse(default).map(drop),
            ConfigType::Int => i64::parse(default).map(drop),
            ConfigType::Long => i64::parse(default).map(drop),
            ConfigType::Double => f64::parse(default).map(drop),
            ConfigType::Password => Secret::parse(default).map(drop),
            ConfigType::String | ConfigType::List | ConfigType::Class => Ok(()),
        };
        assert_eq!(typed, Ok(()), "{name}: its default {default}");
        let checked = definition.validator.map_or(Ok(()), |check| check(default));
        assert_eq!(checked, Ok(()), "{name}: its default {default}");
    }
    for definition in subject.plain() {
        let Presence::Default(default) = definition.presence else {
            continue;
        };
        let name = definition.name;
        let (mut left_out, mut written) = (subject.minimal.clone(), subject.minimal.clone());
        left_out.remove(name);
        written.set(name, default);
        let said = |properties| -> Vec<String> {
            let report = (subject.row.validate)(properties);
            report.errors_on(name).map(str::to_owned).collect()
        };
        assert_eq!(said(&written), said(&left_out), "{name}={default}, and left out");
    }
}

/// Everything wrong is said at once: each missing key, and each that is not of its type.
///
/// # Panics
/// When one is left out.
pub fn all_errors_are_reported_at_once(subject: &Subject) {
    let mut properties = Properties::new();
    let mut wrong = Vec::new();
    for definition in subject.plain() {
        let typed = !matches!(
            definition.config_type,
            ConfigType::String | ConfigType::List | ConfigType::Class | ConfigType::Password
        );
        let refused = match definition.support {
            Support::Full => typed,
            Support::DefaultOnly(_) => true,
            Support::NoEffect(_) => false,
        };
        if refused {
            properties.set(definition.name, GARBAGE);
        }
        if refused || definition.presence == Presence::Required {
            wrong.push(definition.name);
        }
    }
    let report = (subject.row.validate)(&properties);
    let silent: Vec<_> = wrong
        .iter()
        .filter(|name| report.errors_on(name).next().is_none())
        .collect();
    assert!(
        silent.is_empty(),
        "nothing is said of {silent:?}: {:#?}",
        report.errors()
    );
    for finding in report.errors() {
        let object = finding.key.split('.').next().unwrap_or_default();
        assert!(
            finding.message.contains(object),
            "the message does not name its key {}: {}",
            finding.key,
            finding.message
        );
    }
}

/// A key that the plugin does not know is no error; it stays, and is known to be unread.
///
/// # Panics
/// When it is refused.
pub fn unknown_keys_are_kept(subject: &Subject) {
    let properties = subject.with([("no.such.key".to_owned(), "x".to_owned())]);
    let report = (subject.row.validate)(&properties);
    assert!(report.is_ok(), "{:#?}", report.errors());
    assert_eq!(properties.get("no.such.key"), Some("x"));
    assert!((subject.row.unread)(&properties).contains(&"no.such.key".to_owned()));
}

/// A secret is in no `Debug`, no message and no answer, also of a configuration that is wrong elsewhere.
///
/// # Panics
/// When one is.
pub fn no_secret_is_shown<C: Config + Debug>(subject: &Subject) {
    let right = subject.with_secrets();
    let garbage = subject.plain().filter(|key| {
        key.config_type != ConfigType::Password && !subject.minimal.iter().any(|(name, _)| name == key.name)
    });
    let mut wrong = right.clone();
    garbage.for_each(|key| wrong.set(key.name, GARBAGE));
    for properties in [&right, &wrong, &Properties::new()] {
        let (settings, report) = ConfigReport::read::<C>(properties);
        let answer = validate_answer(&of_plugin(&subject.row, properties)).to_string();
        for shown in [format!("{settings:?}"), format!("{report:?}"), answer] {
            assert!(!shown.contains(SECRET), "{shown}");
        }
    }
}

/// What `PUT /connector-plugins/…/config/validate` answers of the plugin's own keys is the golden file.
///
/// `ROWTIDE_BLESS=1 cargo test …` writes the file anew; what changed is then in the diff of the commit.
///
/// # Panics
/// With the first line that differs.
pub fn what_validate_answers_is_the_golden_file(subject: &Subject, golden: &Path) {
    let answer = lines(&validate_answer(&of_plugin(&subject.row, &subject.minimal)));
    if std::env::var_os("ROWTIDE_BLESS").is_some() {
        let folder = golden.parent().expect("a golden file lies in a folder");
        std::fs::create_dir_all(folder).expect("the folder can be made");
        std::fs::write(golden, &answer).expect("the golden file can be written");
        return;
    }
    let expected = std::fs::read_to_string(golden).unwrap_or_default();
    for (index, (is, was)) in answer.lines().zip(expected.lines()).enumerate() {
        assert_eq!(is, was, "{}:{}", golden.display(), index + 1);
    }
    assert_eq!(
        answer.lines().count(),
        expected.lines().count(),
        "{}: keys came or went; ROWTIDE_BLESS=1 writes it anew",
        golden.display()
    );
}

/// The answer with one key per line, for diffs.
fn lines(answer: &serde_json::Value) -> String {
    let mut text = String::from("{\n");
    for part in ["name", "error_count", "groups"] {
        text.push_str(&format!("\"{part}\": {},\n", answer[part]));
    }
    let configs = answer["configs"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let configs: Vec<_> = configs.iter().map(ToString::to_string).collect();
    text.push_str(&format!("\"configs\": [\n{}\n]}}\n", configs.join(",\n")));
    text
}

/// Makes a module with the tests of one plugin's configuration: its type, its smallest configuration, and the golden file
/// below the crate's `tests` folder.
///
/// ```ignore
/// rowtide_testkit::conformance::config!(http_source: HttpSource, [("preset", "randomuser")], "golden/http_source.json");
/// ```
#[macro_export]
macro_rules! conformance_config {
    ($name:ident: $plugin:ty, [$($pair:expr),* $(,)?], $golden:literal) => {
        mod $name {
            #[allow(unused_imports, reason = "a plugin's path may be absolute")]
            use super::*;
            use $crate::conformance::config as suite;

            type Settings = <$plugin as ::rowtide_api::Plugin>::Config;

            fn subject() -> suite::Subject {
                suite::Subject::of::<$plugin>(&[$($pair),*])
            }

            #[test]
            fn every_key_is_documented_and_placed() {
                suite::every_key_is_documented_and_placed(&subject());
            }

            #[test]
            fn every_default_passes_its_own_check() {
                suite::every_default_passes_its_own_check(&subject());
            }

            #[test]
            fn all_errors_are_reported_at_once() {
                suite::all_errors_are_reported_at_once(&subject());
            }

            #[test]
            fn unknown_keys_are_kept() {
                suite::unknown_keys_are_kept(&subject());
            }

            #[test]
            fn no_secret_is_shown() {
                suite::no_secret_is_shown::<Settings>(&subject());
            }

            #[test]
            fn what_validate_answers_is_the_golden_file() {
                let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/", $golden);
                suite::what_validate_answers_is_the_golden_file(&subject(), golden.as_ref());
            }
        }
    };
}
