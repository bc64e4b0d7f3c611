//! Sans-I/O: names of Avro types and fields: splitting, scrubbing, what Avro accepts.

use rowtide_api::RecordError;

/// The namespace of the names that the converter makes up.
pub(crate) const OWN_SPACE: &str = "io.confluent.connect.avro";
/// The struct that stands for a union.
pub(crate) const UNION: &str = "io.confluent.connect.avro.Union";
/// The record of a map's entries, where keys are not plain text.
pub(crate) const MAP_ENTRY: &str = "MapEntry";
/// The record of an unnamed struct; the second is `ConnectDefault2`.
pub(crate) const UNNAMED: &str = "ConnectDefault";
/// The record of a value without a schema.
pub(crate) const ANYTHING: &str = "io.confluent.connect.avro.Anything";

/// A record's or fixed's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    /// Never empty.
    pub(crate) space: Option<String>,
    pub(crate) short: String,
}

impl Name {
    /// What stands before the last dot is the namespace.
    pub(crate) fn split(full: &str) -> Self {
        match full.rsplit_once('.') {
            Some((space, short)) => Self {
                space: Some(space.to_owned()).filter(|space| !space.is_empty()),
                short: short.to_owned(),
            },
            None => Self {
                space: None,
                short: full.to_owned(),
            },
        }
    }

    /// A name in the converter's own namespace.
    pub(crate) fn own(short: impl Into<String>) -> Self {
        Self {
            space: Some(OWN_SPACE.to_owned()),
            short: short.into(),
        }
    }

    /// With the namespace.
    pub(crate) fn full(&self) -> String {
        match &self.space {
            Some(space) => format!("{space}.{}", self.short),
            None => self.short.clone(),
        }
    }

    /// How a second use is written inside `enclosing`.
    pub(crate) fn within(&self, enclosing: Option<&str>) -> String {
        const TYPE_WORDS: [&str; 14] = [
            "null", "boolean", "int", "long", "float", "double", "bytes", "string", "record", "enum",
            "array", "map", "union", "fixed",
        ];
        if self.space.is_some() && self.space.as_deref() == enclosing && !TYPE_WORDS.contains(&&*self.short) {
            self.short.clone()
        } else {
            self.full()
        }
    }
}

/// Whether Avro takes it as the name of a type or field.
fn is_valid(name: &str) -> bool {
    let mut letters = name.chars();
    letters
        .next()
        .is_some_and(|first| first.is_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_alphanumeric() || letter == '_')
}

/// Checks a name.
///
/// # Errors
/// The remedy: adjust names in the source, or scrub them here.
pub(crate) fn checked(name: &str) -> Result<(), RecordError> {
    if is_valid(name) {
        return Ok(());
    }
    Err(RecordError::new(format!(
        "\"{name}\" is not a name that Avro accepts: set schema.name.adjustment.mode=avro and \
         field.name.adjustment.mode=avro in the source, or scrub.invalid.names=true in the converter"
    )))
}

/// Makes each dotted part a name that Avro accepts: `a-b` becomes `a_b`, `ä` becomes `_C3_A4`, `1a` becomes `x1a`.
pub(crate) fn scrubbed(name: &str) -> String {
    let parts: Vec<String> = name.split('.').map(scrubbed_part).collect();
    parts.join(".")
}

fn scrubbed_part(part: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if part.is_empty() || (part.bytes().all(plain) && !part.as_bytes()[0].is_ascii_digit()) {
        return part.to_owned();
    }
    let mut out = String::with_capacity(part.len() + 8);
    if part.as_bytes()[0].is_ascii_digit() {
        out.push('x');
    }
    for byte in part.bytes() {
        if plain(byte) {
            out.push(byte.into());
        } else if matches!(byte, b'-' | b'.' | b'*' | b' ') {
            // What URL encoding leaves alone, and the plus it makes of a blank.
            out.push('_');
        } else {
            out.push_str(&format!("_{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AV §4, `scrub.invalid.names`.
    #[test]
    fn scrubbing_encodes_as_urls_do_and_then_replaces_what_is_left() {
        for (name, expected) in [
            ("a-b", "a_b"),
            ("ä", "_C3_A4"),
            ("1a", "x1a"),
            ("a b", "a_b"),
            ("my-app.public.t", "my_app.public.t"),
            ("a$", "a_24"),
            ("fine_1", "fine_1"),
        ] {
            assert_eq!(scrubbed(name), expected);
        }
    }

    #[test]
    fn a_second_use_is_short_only_where_it_reads_back() {
        let name = Name::split("a.b.C");
        assert_eq!(name.within(Some("a.b")), "C");
        assert_eq!(name.within(Some("a")), "a.b.C");
        assert_eq!(Name::split("a.string").within(Some("a")), "a.string");
        assert_eq!(Name::split("C").within(None), "C");
    }

    #[test]
    fn names_that_avro_refuses_come_with_the_remedy() {
        assert!(checked("größe_1").is_ok());
        for name in ["", "1a", "a-b", "a.b"] {
            assert!(
                checked(name).unwrap_err().reason.contains("scrub.invalid.names"),
                "{name}"
            );
        }
    }
}
