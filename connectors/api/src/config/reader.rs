//! Sans-I/O: reads typed settings and collects every error.

use std::collections::BTreeSet;

use super::{ConfigReport, ConfigType, Definition, Key, Presence, Properties, Setting, Support};

/// Reads keys out of properties; what is wrong goes into a report, and reading goes on.
#[derive(Debug)]
pub struct Reader<'a> {
    properties: &'a Properties,
    consumed: BTreeSet<&'a str>,
    report: ConfigReport,
}

impl<'a> Reader<'a> {
    /// Starts reading.
    pub fn new(properties: &'a Properties) -> Self {
        Self {
            properties,
            consumed: BTreeSet::new(),
            report: ConfigReport::new(),
        }
    }

    /// The value of a required key, or of one with a default. `None` after an error, which is then reported.
    pub fn get<T: Setting>(&mut self, key: &Key<T>) -> Option<T> {
        let definition = key.definition();
        match self.text(definition.name) {
            Some(text) => self.parse(definition, text),
            None => match definition.presence {
                Presence::Default(text) => self.parse(definition, text),
                Presence::Required | Presence::Optional => {
                    self.report.error(definition.name, missing(definition.name));
                    None
                }
            },
        }
    }

    /// The value of an optional key: `Some(None)` when absent, `None` after an error. An empty text counts as absent
    /// for everything but strings.
    pub fn find<T: Setting>(&mut self, key: &Key<T>) -> Option<Option<T>> {
        let definition = key.definition();
        match self.text(definition.name) {
            None => Some(None),
            Some("") if definition.config_type != ConfigType::String => Some(None),
            Some(text) => self.parse(definition, text).map(Some),
        }
    }

    /// Whether `name` is set, without reading it.
    pub fn is_set(&self, name: &str) -> bool {
        self.properties.get(name).is_some()
    }

    /// The raw text under a name that no constant has; it counts as read.
    pub fn text(&mut self, name: &str) -> Option<&'a str> {
        let (key, value) = self.properties.0.get_key_value(name)?;
        self.consumed.insert(key);
        Some(value.trim())
    }

    /// The pairs whose key begins with `prefix`, with the full key; they count as read.
    pub fn prefixed(&mut self, prefix: &str) -> Vec<(&'a str, &'a str)> {
        let pairs: Vec<_> = self
            .properties
            .iter()
            .filter(|(key, _)| key.starts_with(prefix))
            .collect();
        self.consumed.extend(pairs.iter().map(|(key, _)| *key));
        pairs
    }

    /// Parses text by a key's type under another name: an instance of a patterned key.
    pub fn parse_as<T: Setting>(&mut self, key: &Key<T>, name: &str, text: &str) -> Option<T> {
        let definition = key.definition();
        self.parse_named(definition, name, text)
    }

    /// Everything submitted.
    pub fn properties(&self) -> &'a Properties {
        self.properties
    }

    /// Reports an error that concerns more than one key's type.
    pub fn error(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.report.error(key, message);
    }

    /// Reports a warning.
    pub fn warn(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.report.warn(key, message);
    }

    /// The keys nobody read.
    pub fn unread(&self) -> Vec<&'a str> {
        self.properties
            .iter()
            .map(|(key, _)| key)
            .filter(|key| !self.consumed.contains(key))
            .collect()
    }

    /// Ends reading: keys of limited support are checked, whether or not they were read.
    pub fn finish(mut self, definitions: &[&Definition]) -> ConfigReport {
        for definition in definitions {
            let Some(text) = self.properties.get(definition.name).map(str::trim) else {
                continue;
            };
            match definition.support {
                Support::Full => {}
                Support::DefaultOnly(sentence) => {
                    if !is_default(definition, text) {
                        self.report.error(
                            definition.name,
                            format!("{} is not supported with this value: {sentence}", definition.name),
                        );
                    }
                }
                Support::NoEffect(sentence) => {
                    self.report.warn(
                        definition.name,
                        format!("{} is accepted without effect: {sentence}", definition.name),
                    );
                }
            }
        }
        self.report
    }

    fn parse<T: Setting>(&mut self, definition: &Definition, text: &str) -> Option<T> {
        self.parse_named(definition, definition.name, text)
    }

    fn parse_named<T: Setting>(&mut self, definition: &Definition, name: &str, text: &str) -> Option<T> {
        let checked = T::parse(text).and_then(|value| match definition.validator {
            Some(validator) => validator(text).map(|()| value),
            None => Ok(value),
        });
        match checked {
            Ok(value) => Some(value),
            Err(reason) => {
                let shown = if definition.config_type == ConfigType::Password {
                    "[hidden]"
                } else {
                    text
                };
                self.report.error(
                    name,
                    format!("Invalid value {shown} for configuration {name}: {reason}"),
                );
                None
            }
        }
    }
}

fn is_default(definition: &Definition, text: &str) -> bool {
    match definition.presence {
        Presence::Default(default) => text.eq_ignore_ascii_case(default),
        Presence::Optional | Presence::Required => text.is_empty(),
    }
}

/// Connect's sentence for a required key that is absent.
pub fn missing(name: &str) -> String {
    format!("Missing required configuration \"{name}\" which has no default value.")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: Key<String> = Key::required("name", "A name.");
    const SIZE: Key<i32> =
        Key::new("size", "A size.")
            .default("5")
            .validator(|text| match text.parse::<i32>() {
                Ok(1..) => Ok(()),
                _ => Err("Value must be at least 1".into()),
            });
    const MODE: Key<String> = Key::new("mode", "A mode.").default("a").default_only("use size");
    const OLD: Key<String> = Key::new("old", "Old.").no_effect("there is no JVM");

    fn read(pairs: &[(&str, &str)]) -> (Option<String>, Option<i32>, ConfigReport) {
        let properties = Properties::from_iter(pairs.iter().copied());
        let mut reader = Reader::new(&properties);
        let (name, size) = (reader.get(&NAME), reader.get(&SIZE));
        (name, size, reader.finish(&[MODE.definition(), OLD.definition()]))
    }

    /// CN-101, CN-069: all errors together, in Connect's words.
    #[test]
    fn every_error_is_reported_at_once() {
        let (name, size, report) = read(&[("size", "0"), ("mode", "b")]);
        assert_eq!((name, size), (None, None));
        let messages: Vec<_> = report
            .errors()
            .iter()
            .map(|finding| finding.message.as_str())
            .collect();
        assert_eq!(
            messages,
            [
                "Missing required configuration \"name\" which has no default value.",
                "Invalid value 0 for configuration size: Value must be at least 1",
                "mode is not supported with this value: use size",
            ]
        );
    }

    #[test]
    fn a_key_without_effect_is_a_warning_and_its_default_is_silent() {
        let (name, size, report) = read(&[("name", " n "), ("mode", "A"), ("old", "x")]);
        assert_eq!((name.as_deref(), size), (Some("n"), Some(5)));
        assert!(report.is_ok());
        assert_eq!(report.warnings()[0].key, "old");
    }

    #[test]
    fn unread_keys_are_known() {
        let properties = Properties::from_iter([("name", "n"), ("nmae", "x")]);
        let mut reader = Reader::new(&properties);
        reader.get(&NAME);
        assert_eq!(reader.unread(), ["nmae"]);
    }
}
