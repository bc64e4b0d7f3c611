//! The settings of the transform (PG-210) and the references to fields of the envelope (PG-211).

use std::sync::Arc;

use rowtide_api::config::{Config, Definition, Importance, Key, Reader};

rowtide_api::setting_enum! {
    /// What becomes of deletes and of the tombstones after them.
    pub(super) enum Deletes {
        Drop = "drop",
        Tombstone = "tombstone",
        Rewrite = "rewrite",
        RewriteWithTombstone = "rewrite-with-tombstone",
        DeleteToTombstone = "delete-to-tombstone",
    }
}

const DELETES: Key<Deletes> = Key::new(
    "delete.tombstone.handling.mode",
    "What becomes of deletes, and of the tombstones after them: drop both, keep a tombstone, or rewrite the delete as the old \
     row with __deleted=true.",
)
.default("tombstone")
.importance(Importance::High);
const ROUTE: Key<String> = Key::new(
    "route.by.field",
    "A field of the row whose value is the record's topic; a record without a value there stays in its own.",
)
.default("");
const FIELDS: Key<Vec<String>> = Key::new(
    "add.fields",
    "Fields of the envelope to add to the row: field or struct.field, each with :newname if another name is wanted. A field \
     that an envelope does not have is left out.",
)
.default("");
const FIELDS_PREFIX: Key<String> = Key::new(
    "add.fields.prefix",
    "What stands before the names of added fields.",
)
.default("__");
const HEADERS: Key<Vec<String>> = Key::new(
    "add.headers",
    "Fields of the envelope to add as headers, in the form of add.fields.",
)
.default("");
const HEADERS_PREFIX: Key<String> = Key::new(
    "add.headers.prefix",
    "What stands before the names of added headers.",
)
.default("__");
const NULL_IS_DEFAULT: Key<bool> = Key::new(
    "replace.null.with.default",
    "Whether a null in an optional field that has a default becomes the default, where the mode rewrites deletes, and where \
     fields are left out of the row.",
)
.default("true");
const DROP_HEADER: Key<String> = Key::new(
    "drop.fields.header.name",
    "A header that lists fields to leave out of the row.",
)
.importance(Importance::Low);
const DROP_FROM_KEY: Key<bool> = Key::new(
    "drop.fields.from.key",
    "Whether those fields are left out of the key too.",
)
.default("false")
.importance(Importance::Low);
const DROP_COMPATIBLE: Key<bool> = Key::new(
    "drop.fields.keep.schema.compatible",
    "Whether only optional fields are left out, so that the schema stays compatible.",
)
.default("true")
.importance(Importance::Low);

/// Settings of [`super::ExtractNewRecordState`].
#[derive(Debug)]
pub struct ExtractSettings {
    pub(super) deletes: Deletes,
    pub(super) route_by_field: Option<String>,
    pub(super) add_fields: Vec<Reference>,
    pub(super) add_headers: Vec<Reference>,
    pub(super) null_is_default: bool,
    pub(super) drop_fields_header: Option<String>,
    pub(super) drop_from_key: bool,
    pub(super) drop_only_optional: bool,
}

impl Config for ExtractSettings {
    fn definitions() -> Vec<&'static Definition> {
        vec![
            DELETES.definition(),
            ROUTE.definition(),
            FIELDS.definition(),
            FIELDS_PREFIX.definition(),
            HEADERS.definition(),
            HEADERS_PREFIX.definition(),
            NULL_IS_DEFAULT.definition(),
            DROP_HEADER.definition(),
            DROP_FROM_KEY.definition(),
            DROP_COMPATIBLE.definition(),
        ]
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        for gone in ["drop.tombstones", "delete.handling.mode"] {
            if reader.text(gone).is_some() {
                reader.error(
                    gone,
                    format!("{gone} no longer exists: set delete.tombstone.handling.mode instead"),
                );
            }
        }
        let (deletes, route) = (reader.get(&DELETES), reader.get(&ROUTE));
        let (fields, fields_prefix) = (reader.get(&FIELDS), reader.get(&FIELDS_PREFIX));
        let (headers, headers_prefix) = (reader.get(&HEADERS), reader.get(&HEADERS_PREFIX));
        let fields = references(reader, FIELDS.name(), fields, fields_prefix);
        let headers = references(reader, HEADERS.name(), headers, headers_prefix);
        let (null_is_default, drop_header) = (reader.get(&NULL_IS_DEFAULT), reader.find(&DROP_HEADER));
        let (from_key, compatible) = (reader.get(&DROP_FROM_KEY), reader.get(&DROP_COMPATIBLE));
        Some(Self {
            deletes: deletes?,
            route_by_field: Some(route?).filter(|field| !field.is_empty()),
            add_fields: fields?,
            add_headers: headers?,
            null_is_default: null_is_default?,
            drop_fields_header: drop_header?.filter(|name| !name.is_empty()),
            drop_from_key: from_key?,
            drop_only_optional: compatible?,
        })
    }
}

fn references(
    reader: &mut Reader<'_>,
    key: &str,
    texts: Option<Vec<String>>,
    prefix: Option<String>,
) -> Option<Vec<Reference>> {
    let (texts, prefix) = (texts?, prefix?);
    let read: Option<Vec<Reference>> = texts.iter().map(|text| Reference::parse(text, &prefix)).collect();
    if read.is_none() {
        reader.error(
            key,
            format!("{key} is a list of field or struct.field, each optionally with :newname"),
        );
    }
    read
}

/// A field of the envelope and the name it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    /// The struct around it; none for the envelope's own fields.
    pub(super) parent: Option<String>,
    pub(super) field: String,
    pub(super) name: Arc<str>,
}

impl Reference {
    fn parse(text: &str, prefix: &str) -> Option<Self> {
        let (path, renamed) = match text.split_once(':') {
            Some((path, name)) => (path, Some(name)),
            None => (text, None),
        };
        let (parent, field) = match path.split_once('.') {
            Some((parent, field)) => (Some(parent), field),
            None => (None, path),
        };
        let broken = |part: &str| part.is_empty() || part.contains([':', '.']);
        if broken(field) || parent.is_some_and(broken) || renamed.is_some_and(str::is_empty) {
            return None;
        }
        let name = match (renamed, parent) {
            (Some(name), _) => format!("{prefix}{name}"),
            (None, Some(parent)) => format!("{prefix}{parent}_{field}"),
            (None, None) => format!("{prefix}{field}"),
        };
        let parent = parent.or(match field {
            "op" | "ts_ms" | "ts_us" | "ts_ns" => None,
            "id" | "total_order" | "data_collection_order" => Some("transaction"),
            _ => Some("source"),
        });
        Some(Self {
            parent: parent.map(str::to_owned),
            field: field.to_owned(),
            name: name.into(),
        })
    }

    /// Whether it is the change's operation.
    pub(super) fn is_operation(&self) -> bool {
        self.parent.is_none() && self.field == "op"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PG-211.
    #[test]
    fn a_reference_finds_its_struct_and_its_name() {
        for (text, parent, field, name) in [
            ("op", None, "op", "__op"),
            ("ts_ns", None, "ts_ns", "__ts_ns"),
            ("lsn", Some("source"), "lsn", "__lsn"),
            ("source.lsn", Some("source"), "lsn", "__source_lsn"),
            ("source.ts_ms:at", Some("source"), "ts_ms", "__at"),
            ("id", Some("transaction"), "id", "__id"),
            ("total_order:n", Some("transaction"), "total_order", "__n"),
        ] {
            let read = Reference::parse(text, "__").unwrap();
            assert_eq!(
                (read.parent.as_deref(), read.field.as_str(), &*read.name),
                (parent, field, name),
                "{text}"
            );
        }
        for text in ["", "a:", ":b", "a.", ".b", "a.b.c"] {
            assert_eq!(Reference::parse(text, "__"), None, "{text}");
        }
    }
}
