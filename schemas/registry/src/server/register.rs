//! Sans-I/O: registering, looking up and testing schemas: what the store answers, and which records it adds.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use crate::avro::Schema;

use super::compatibility;
use super::config::Level;
use super::content::{Content, Reference, SchemaType};
use super::error::ApiError;
use super::record::{Key, Record, SchemaValue};
use super::store::{Found, Store};
use super::subject::{Pick, Shown, subject_name};

/// Schemas with a longer text are refused (AV-080).
pub const SCHEMA_BYTES_MAX: usize = 1024 * 1024;
/// References in references are followed this deep (AV-076).
const REFERENCE_DEPTH_MAX: usize = 64;
/// Schemas that one schema may draw in by references of references.
const REFERENCED_SCHEMAS_MAX: usize = 1_000;

/// A schema as a client sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The language.
    pub schema_type: SchemaType,
    /// The text as it came.
    pub text: String,
    /// What the text refers to.
    pub references: Vec<Reference>,
}

/// The outcome of a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registration {
    /// The subject has this content already.
    Existing {
        /// The id of the content.
        id: i32,
    },
    /// These records, once durable, give the content its id in the subject.
    New {
        /// The id of the content.
        id: i32,
        /// The subject's new version.
        version: i32,
        /// To be appended, then applied.
        records: Vec<Record>,
    },
}

/// The outcome of a compatibility test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the schema may follow.
    pub compatible: bool,
    /// Why not; lines as Confluent's registry gives them.
    pub messages: Vec<String>,
}

impl Store {
    /// Decides on a registration. `incompatible_code` is the body's code of a refusal for incompatibility.
    ///
    /// # Errors
    /// 42201 and other 422xx, 409 or 40901.
    pub fn register(
        &self,
        subject: &str,
        submission: &Submission,
        incompatible_code: u32,
    ) -> Result<Registration, ApiError> {
        let subject = subject_name(subject)?;
        let content = self.content(submission)?;
        if let Some((_, id)) = self.version_with(subject, &content, Shown::Live) {
            return Ok(Registration::Existing { id });
        }
        let mode = self.mode(Some(subject));
        if mode != "READWRITE" {
            return Err(ApiError::not_permitted(format!(
                "Subject {subject} is in {mode} mode"
            )));
        }
        self.admit(subject, &content, incompatible_code)?;
        let exhausted = || ApiError::store("all ids or versions are used up");
        let id = self
            .id_of(&content)
            .or_else(|| self.next_id())
            .ok_or_else(exhausted)?;
        let version = self.next_version(subject).ok_or_else(exhausted)?;
        let key = Key::Schema {
            subject: subject.to_owned(),
            version,
        };
        let key = key.bytes().expect("invariant: a schema's key has bytes");
        let value = SchemaValue {
            id,
            content,
            deleted: false,
        }
        .bytes(subject, version);
        Ok(Registration::New {
            id,
            version,
            records: vec![Record {
                key,
                value: Some(value),
            }],
        })
    }

    /// Refuses a content that the subject's level does not allow after its newest version.
    fn admit(&self, subject: &str, content: &Content, incompatible_code: u32) -> Result<(), ApiError> {
        if self.level(subject)? == Level::None {
            return Ok(());
        }
        if content.schema_type != SchemaType::Avro {
            return Err(ApiError::not_permitted(format!(
                "The compatibility of {} schemas cannot be checked by this registry yet: set the level to NONE",
                content.schema_type.word()
            )));
        }
        let Ok(latest) = self.version(subject, Pick::Latest, Shown::Live) else {
            return Ok(());
        };
        let verdict = self.compare(content, &latest, Level::Backward)?;
        if verdict.compatible {
            return Ok(());
        }
        Err(ApiError::new(
            incompatible_code,
            format!(
                "Schema being registered is incompatible with an earlier schema for subject \"{subject}\", details: [{}]",
                verdict.messages.join(", ")
            ),
        ))
    }

    /// Finds the version of a subject with that content.
    ///
    /// # Errors
    /// 40401, 40403, 422xx.
    pub fn lookup(&self, subject: &str, submission: &Submission, shown: Shown) -> Result<Found, ApiError> {
        let subject = subject_name(subject)?;
        if !self.has(subject, shown) {
            return Err(ApiError::subject_not_found(subject));
        }
        let content = self.content(submission)?;
        let (version, _) = self
            .version_with(subject, &content, shown)
            .ok_or_else(ApiError::schema_not_found)?;
        self.version(subject, Pick::Number(version), shown)
    }

    /// Tests a schema against one version of a subject, under the subject's level.
    ///
    /// # Errors
    /// 40402, 422xx.
    pub fn test(&self, subject: &str, pick: Pick, submission: &Submission) -> Result<Verdict, ApiError> {
        let subject = subject_name(subject)?;
        let content = self.content(submission)?;
        let level = self.level(subject)?;
        match (self.version(subject, pick, Shown::Live), pick) {
            (Ok(old), _) if level == Level::Backward => self.compare(&content, &old, level),
            (Err(_), Pick::Number(number)) => Err(ApiError::version_not_found(number)),
            (Ok(_), _) | (Err(_), Pick::Latest) => Ok(Verdict {
                compatible: true,
                messages: Vec::new(),
            }),
        }
    }

    fn compare(&self, new: &Content, old: &Found, level: Level) -> Result<Verdict, ApiError> {
        let mut messages = if new.schema_type == old.content.schema_type {
            let (reader, writer) = (self.parse(new)?, self.parse(&old.content)?);
            let found = compatibility::findings(&reader, &writer).map_err(ApiError::invalid_schema)?;
            found
                .iter()
                .map(|finding| finding.message("new", "old"))
                .collect()
        } else {
            let (new, old) = (new.schema_type.word(), old.content.schema_type.word());
            vec![format!(
                "{{errorType:'TYPE_MISMATCH', description:'the new schema is {new}, the old one {old}'}}"
            )]
        };
        let compatible = messages.is_empty();
        if !compatible {
            messages.push(format!("{{oldSchemaVersion: {}}}", old.version));
            messages.push(format!("{{oldSchema: '{}'}}", old.content.text));
            messages.push(format!("{{compatibility: '{}'}}", level.word()));
        }
        Ok(Verdict { compatible, messages })
    }

    /// The content of what a client sent: its printed text, its references checked.
    fn content(&self, submission: &Submission) -> Result<Content, ApiError> {
        if submission.text.len() > SCHEMA_BYTES_MAX {
            return Err(ApiError::too_large(SCHEMA_BYTES_MAX));
        }
        if submission.text.trim().is_empty() {
            return Err(ApiError::invalid_schema("the text is empty"));
        }
        let mut content = Content {
            schema_type: submission.schema_type,
            text: submission.text.as_str().into(),
            references: submission.references.clone(),
        };
        // Also for the languages that are not parsed: every reference must exist.
        let referenced = self.referenced(&content)?;
        content.text = match content.schema_type {
            SchemaType::Avro => avro(&content, &referenced)?.text().into(),
            SchemaType::Json => {
                let parsed: Value = serde_json::from_str(&content.text).map_err(ApiError::invalid_schema)?;
                parsed.to_string().into()
            }
            SchemaType::Protobuf => content.text,
        };
        if content.text.len() > SCHEMA_BYTES_MAX {
            return Err(ApiError::too_large(SCHEMA_BYTES_MAX));
        }
        Ok(content)
    }

    fn parse(&self, content: &Content) -> Result<Schema, ApiError> {
        avro(content, &self.referenced(content)?)
    }

    /// The contents that this one refers to, directly and further on, each after those it refers to itself.
    fn referenced(&self, content: &Content) -> Result<Vec<Arc<Content>>, ApiError> {
        let mut ordered = Vec::new();
        self.follow(content, 1, &mut HashSet::new(), &mut ordered)?;
        Ok(ordered)
    }

    fn follow(
        &self,
        content: &Content,
        depth: usize,
        seen: &mut HashSet<i32>,
        ordered: &mut Vec<Arc<Content>>,
    ) -> Result<(), ApiError> {
        if depth > REFERENCE_DEPTH_MAX && !content.references.is_empty() {
            return Err(ApiError::invalid_schema(format!(
                "references are nested deeper than {REFERENCE_DEPTH_MAX}"
            )));
        }
        for Reference {
            name,
            subject,
            version,
        } in &content.references
        {
            let found = self
                .version(subject, Pick::Number(*version), Shown::WithDeleted)
                .map_err(|_| {
                    ApiError::invalid_schema(format!(
                        "no schema for the reference {name}: subject {subject}, version {version}"
                    ))
                })?;
            // Versions never change and refer to what was there before them: no cycle can arise, only a shared part.
            if seen.insert(found.id) {
                if seen.len() > REFERENCED_SCHEMAS_MAX {
                    return Err(ApiError::invalid_schema(format!(
                        "more than {REFERENCED_SCHEMAS_MAX} referenced schemas"
                    )));
                }
                self.follow(&found.content, depth + 1, seen, ordered)?;
                ordered.push(found.content);
            }
        }
        Ok(())
    }
}

fn avro(content: &Content, referenced: &[Arc<Content>]) -> Result<Schema, ApiError> {
    let texts: Vec<&str> = referenced.iter().map(|content| &*content.text).collect();
    Schema::parse(&content.text, &texts).map_err(ApiError::invalid_schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn avro(text: &str) -> Submission {
        Submission {
            schema_type: SchemaType::Avro,
            text: text.to_owned(),
            references: Vec::new(),
        }
    }

    fn record(fields: &str) -> Submission {
        avro(&format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#))
    }

    /// Registers and applies, as the server does once the records are durable.
    fn register(store: &mut Store, subject: &str, submission: &Submission) -> Result<i32, ApiError> {
        match store.register(subject, submission, 409)? {
            Registration::Existing { id } => Ok(id),
            Registration::New { id, records, .. } => {
                records.iter().for_each(|record| store.apply(record).unwrap());
                Ok(id)
            }
        }
    }

    #[test]
    fn ids_ascend_from_one_and_equal_contents_share_them() {
        let mut store = Store::new(Level::Backward);
        assert_eq!(register(&mut store, "a", &avro("\"string\"")), Ok(1));
        assert_eq!(register(&mut store, "b", &avro("\"int\"")), Ok(2));
        assert_eq!(
            register(&mut store, "c", &avro(" { \"type\" : \"string\" } ")),
            Ok(1)
        );
        assert_eq!(register(&mut store, "a", &avro("\"string\"")), Ok(1));
        assert_eq!(store.versions("a", Shown::Live), Ok(vec![1]));
        assert_eq!(store.uses(1, Shown::Live), Ok(vec![("a", 1), ("c", 1)]));
    }

    #[test]
    fn backward_compares_with_the_newest_version() {
        let mut store = Store::new(Level::Backward);
        register(&mut store, "s", &record(r#"{"name":"a","type":"int"}"#)).unwrap();
        register(&mut store, "s", &record("")).unwrap();
        let error = register(&mut store, "s", &record(r#"{"name":"b","type":"int"}"#)).unwrap_err();
        assert_eq!((error.code, error.status()), (409, 409));
        for part in [
            "READER_FIELD_MISSING_DEFAULT_VALUE",
            "/fields/0",
            "{oldSchemaVersion: 2}",
            "'BACKWARD'",
        ] {
            assert!(error.message.contains(part), "{part}: {}", error.message);
        }
        assert_eq!(
            register(
                &mut store,
                "s",
                &record(r#"{"name":"b","type":"int","default":0}"#)
            ),
            Ok(3)
        );
        let newer = store.register("s", &avro("\"int\""), 40901).unwrap_err();
        assert_eq!((newer.code, newer.status()), (40901, 409));
    }

    #[test]
    fn none_admits_anything_and_other_levels_are_refused_by_name() {
        let mut store = Store::new(Level::None);
        register(&mut store, "s", &avro("\"string\"")).unwrap();
        assert_eq!(register(&mut store, "s", &avro("\"int\"")), Ok(2));
        let key = Key::Config {
            subject: Some("s".to_owned()),
        }
        .bytes()
        .unwrap();
        let value = Some(br#"{"compatibilityLevel":"FULL","alias":"kept"}"#.to_vec());
        store.apply(&Record { key, value }).unwrap();
        let error = register(&mut store, "s", &avro("\"long\"")).unwrap_err();
        assert_eq!(error.code, 42203);
        assert!(error.message.contains("FULL"), "{error}");
        assert_eq!(register(&mut store, "t", &avro("\"long\"")), Ok(3));
    }

    #[test]
    fn av_100_a_foreign_log_keeps_its_ids_versions_and_deletions() {
        let lines = [
            (r#"{"keytype":"NOOP","magic":0}"#, None),
            (
                r#"{"subject":"s","version":1,"magic":1,"keytype":"SCHEMA"}"#,
                Some(
                    r#"{"subject":"s","version":1,"id":10,"md5":"x","schema":"\"string\"","deleted":false}"#,
                ),
            ),
            (
                r#"{"keytype":"SCHEMA","subject":"s","version":2,"magic":1}"#,
                Some(r#"{"subject":"s","version":2,"id":11,"schema":"\"bytes\"","deleted":true}"#),
            ),
            ("not a key", Some("{}")),
            (
                r#"{"keytype":"SCHEMA","subject":"t","version":4,"magic":1}"#,
                None,
            ),
            (
                r#"{"keytype":"NOOP","subject":"u","magic":0}"#,
                Some(r#"{"nextVersion":3}"#),
            ),
            (
                r#"{"keytype":"CLEAR_SUBJECT","subject":"s","magic":0}"#,
                Some(r#"{"subject":"s"}"#),
            ),
            (
                r#"{"keytype":"SCHEMA","subject":"v","version":1,"magic":1}"#,
                Some(r#"{"subject":"v","version":1,"id":12,"schema":"\"long\"","deleted":false}"#),
            ),
            (
                r#"{"keytype":"DELETE_SUBJECT","subject":"v","magic":0}"#,
                Some(r#"{"subject":"v","version":1}"#),
            ),
        ];
        let bytes = |text: &str| text.as_bytes().to_vec();
        let records: Vec<Record> = lines
            .iter()
            .map(|(key, value)| Record {
                key: bytes(key),
                value: value.map(bytes),
            })
            .collect();
        let (mut store, skipped) = Store::replay(Level::Backward, &records);
        assert_eq!(
            skipped.iter().map(|skipped| skipped.index).collect::<Vec<_>>(),
            [3]
        );
        assert_eq!(store.versions("s", Shown::Live), Ok(vec![1]));
        assert_eq!(store.versions("s", Shown::OnlyDeleted), Ok(vec![2]));
        assert_eq!(store.subjects("", Shown::Live), ["s"]);
        assert_eq!(store.subjects("", Shown::OnlyDeleted), ["v"]);
        // AV-107: neither ids nor versions come again.
        for (subject, text, id, version) in [
            ("s", "\"bytes\"", 11, 3),
            ("t", "\"int\"", 13, 5),
            ("u", "\"int\"", 13, 3),
            ("v", "\"long\"", 12, 2),
        ] {
            assert_eq!(register(&mut store, subject, &avro(text)), Ok(id), "{subject}");
            assert_eq!(
                store.version(subject, Pick::Latest, Shown::Live).unwrap().version,
                version,
                "{subject}"
            );
        }
    }

    #[test]
    fn a_permanently_deleted_schema_is_gone_once_nothing_uses_it() {
        let mut store = Store::new(Level::Backward);
        for subject in ["a", "b"] {
            register(&mut store, subject, &avro("\"string\"")).unwrap();
        }
        let delete = |subject: &str| {
            let key = Key::Schema {
                subject: subject.to_owned(),
                version: 1,
            }
            .bytes()
            .unwrap();
            Record { key, value: None }
        };
        store.apply(&delete("a")).unwrap();
        assert!(store.by_id(1).is_ok());
        store.apply(&delete("b")).unwrap();
        assert_eq!(store.by_id(1).unwrap_err().message, "Schema 1 not found");
        assert_eq!(register(&mut store, "a", &avro("\"string\"")), Ok(2));
    }

    #[test]
    fn av_076_references_are_resolved_and_must_exist() {
        let mut store = Store::new(Level::Backward);
        let address = avro(r#"{"type":"record","name":"x.A","fields":[{"name":"city","type":"string"}]}"#);
        register(&mut store, "address", &address).unwrap();
        let user = |fields: &str, version: i32| Submission {
            references: vec![Reference {
                name: "x.A".to_owned(),
                subject: "address".to_owned(),
                version,
            }],
            ..avro(&format!(
                r#"{{"type":"record","name":"x.U","fields":[{fields}]}}"#
            ))
        };
        let one = user(r#"{"name":"home","type":"x.A"}"#, 1);
        assert_eq!(register(&mut store, "user", &one), Ok(2));
        assert_eq!(store.lookup("user", &one, Shown::Live).unwrap().id, 2);
        let two = user(r#"{"name":"home","type":"x.A"},{"name":"work","type":"x.A"}"#, 1);
        assert_eq!(register(&mut store, "user", &two).unwrap_err().code, 409);
        assert_eq!(
            register(&mut store, "user", &user("", 7)).unwrap_err().code,
            42201
        );
        let missing = avro(r#"{"type":"record","name":"x.U","fields":[{"name":"home","type":"x.A"}]}"#);
        assert_eq!(register(&mut store, "user", &missing).unwrap_err().code, 42201);
    }

    #[test]
    fn av_079_other_languages_are_stored_only_where_nothing_is_to_be_checked() {
        let json = Submission {
            schema_type: SchemaType::Json,
            text: "{ \"a\" : 1 }".to_owned(),
            references: vec![],
        };
        let mut store = Store::new(Level::Backward);
        assert_eq!(register(&mut store, "s", &json).unwrap_err().code, 42205);
        let mut store = Store::new(Level::None);
        assert_eq!(register(&mut store, "s", &json), Ok(1));
        assert_eq!(&*store.by_id(1).unwrap().text, "{\"a\":1}");
        assert_eq!(
            register(
                &mut store,
                "s",
                &Submission {
                    text: "{".to_owned(),
                    ..json
                }
            )
            .unwrap_err()
            .code,
            42201
        );
    }

    #[test]
    fn a_stored_mode_is_honoured() {
        let mut store = Store::new(Level::Backward);
        let key = Key::Mode { subject: None }.bytes().unwrap();
        store
            .apply(&Record {
                key,
                value: Some(br#"{"mode":"READONLY"}"#.to_vec()),
            })
            .unwrap();
        assert_eq!(
            register(&mut store, "s", &avro("\"int\"")).unwrap_err().code,
            42205
        );
    }

    #[test]
    fn tests_against_a_version_follow_the_level() {
        let mut store = Store::new(Level::Backward);
        assert!(
            store
                .test("s", Pick::Latest, &avro("\"int\""))
                .unwrap()
                .compatible
        );
        assert_eq!(
            store
                .test("s", Pick::Number(1), &avro("\"int\""))
                .unwrap_err()
                .code,
            40402
        );
        register(&mut store, "s", &avro("\"int\"")).unwrap();
        assert!(
            store
                .test("s", Pick::Number(1), &avro("\"long\""))
                .unwrap()
                .compatible
        );
        let verdict = store.test("s", Pick::Latest, &avro("\"string\"")).unwrap();
        assert!(
            !verdict.compatible && verdict.messages[0].contains("TYPE_MISMATCH"),
            "{verdict:?}"
        );
        assert!(
            store
                .set_global_level(&serde_json::from_str(r#"{"compatibility":"none"}"#).unwrap())
                .is_ok()
        );
    }

    #[test]
    fn av_101_setting_the_level_keeps_what_another_server_stored_beside_it() {
        let mut store = Store::new(Level::Backward);
        let key = Key::Config { subject: None }.bytes().unwrap();
        let value = Some(br#"{"compatibilityLevel":"BACKWARD","validateFields":false}"#.to_vec());
        store
            .apply(&Record {
                key: key.clone(),
                value,
            })
            .unwrap();
        let request = serde_json::from_str(r#"{"compatibility":"NONE","unknown":1}"#).unwrap();
        let (level, records) = store.set_global_level(&request).unwrap();
        let value = Some(br#"{"compatibilityLevel":"NONE","validateFields":false}"#.to_vec());
        assert_eq!((level, records), (Level::None, vec![Record { key, value }]));
        for (body, code) in [
            (r#"{"compatibility":"FULL"}"#, 42203),
            (r#"{"compatibility":7}"#, 42203),
            ("{}", 42203),
            (r#"{"compatibility":"NONE","normalize":true}"#, 50101),
        ] {
            let error = store
                .set_global_level(&serde_json::from_str(body).unwrap())
                .unwrap_err();
            assert_eq!(error.code, code, "{body}");
        }
    }

    #[test]
    fn large_and_empty_texts_are_refused() {
        let store = Store::new(Level::Backward);
        let code = |text: String| store.register("s", &avro(&text), 409).unwrap_err().code;
        assert_eq!(code(format!("\"{}\"", "x".repeat(SCHEMA_BYTES_MAX))), 42209);
        assert_eq!(code(" ".to_owned()), 42201);
        assert_eq!(
            store.register(":.ctx:s", &avro("\"int\""), 409).unwrap_err().code,
            42208
        );
    }
}
