//! Sans-I/O: a Connect schema in the making: what a type says of itself, then what its properties add.

use std::sync::Arc;

use rowtide_api::data::Kind;
use rowtide_api::{RecordError, Schema};
use serde_json::Value as Json;

use super::Options;
use super::plan::Read;

/// Marks a default that came from Avro's field, not from `connect.default`.
pub(super) const FIELD_DEFAULT: &str = "io.confluent.connect.avro.field.default";
/// The precision that needs no parameter.
const PRECISION_DEFAULT: i64 = 64;

/// What of a type goes into its Connect schema.
pub(super) struct Draft {
    pub(super) kind: Kind,
    pub(super) name: Option<String>,
    pub(super) version: Option<i32>,
    pub(super) optional: bool,
    pub(super) parameters: Vec<(String, String)>,
    pub(super) read: Read,
}

/// A finished schema.
pub(super) struct Finished {
    pub(super) schema: Arc<Schema>,
    pub(super) read: Read,
    /// Its default was not of its type.
    pub(super) dropped_default: bool,
}

impl Draft {
    pub(super) fn of(kind: Kind, read: Read) -> Self {
        Self {
            kind,
            name: None,
            version: None,
            optional: false,
            parameters: Vec::new(),
            read,
        }
    }

    /// A type whose logical name Connect knows.
    pub(super) fn logical(kind: Kind, read: Read, name: &str) -> Self {
        Self {
            name: Some(name.to_owned()),
            version: Some(1),
            ..Self::of(kind, read)
        }
    }

    /// Bytes or a fixed: a decimal, if the properties say so.
    pub(super) fn bytes(props: &[(String, Json)], read: Read) -> Self {
        if text(props, "logicalType") != Some("decimal") {
            return Self::of(Kind::Bytes, read);
        }
        let number = |name| prop(props, name).and_then(Json::as_i64);
        let mut draft = Self::logical(Kind::Bytes, read, "org.apache.kafka.connect.data.Decimal");
        draft.parameter("scale", &number("scale").unwrap_or(0).to_string());
        if let Some(precision) = number("precision").filter(|precision| *precision != PRECISION_DEFAULT) {
            draft.parameter("connect.decimal.precision", &precision.to_string());
        }
        draft
    }

    /// Sets a parameter; one already there keeps its place.
    pub(super) fn parameter(&mut self, name: &str, value: &str) {
        match self.parameters.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => value.clone_into(known),
            None => self.parameters.push((name.to_owned(), value.to_owned())),
        }
    }

    /// Adds what the properties and the field around it say, in the order of the Java converter.
    pub(super) fn finish(
        mut self,
        props: &[(String, Json)],
        options: &Options,
        optional: bool,
        default: Option<&Json>,
    ) -> Result<Finished, RecordError> {
        self.take_version(props)?;
        self.take_parameters(props, options)?;
        let connect_default = prop(props, "connect.default");
        if default.is_some() && connect_default.is_none() {
            self.parameter(FIELD_DEFAULT, "true");
        }
        self.take_name(props)?;
        let mut builder = Schema::of(self.kind).nullable(optional || self.optional);
        if let Some(name) = self.name {
            builder = builder.name(name);
        }
        if let Some(version) = self.version {
            builder = builder.version(version);
        }
        if let Some(doc) = text(props, "connect.doc").filter(|_| options.connect_meta_data) {
            builder = builder.doc(doc);
        }
        for (name, value) in self.parameters {
            builder = builder.parameter(name, value);
        }
        let mut schema = builder.build();
        let mut dropped_default = false;
        if let Some(json) = default.or(connect_default).filter(|json| !json.is_null()) {
            match super::default::value(&schema, json) {
                Some(value) => schema = schema.rebuild().default(value).build(),
                None => dropped_default = true,
            }
        }
        Ok(Finished {
            schema,
            read: self.read,
            dropped_default,
        })
    }

    fn take_version(&mut self, props: &[(String, Json)]) -> Result<(), RecordError> {
        let Some(version) = prop(props, "connect.version") else {
            return Ok(());
        };
        let version = version.as_i64().and_then(|version| i32::try_from(version).ok());
        let version = version.ok_or_else(|| RecordError::new("connect.version is not a number"))?;
        if self.version.is_some_and(|own| own != version) {
            return Err(RecordError::new(format!(
                "connect.version {version} differs from that of the logical type"
            )));
        }
        self.version = Some(version);
        Ok(())
    }

    fn take_parameters(&mut self, props: &[(String, Json)], options: &Options) -> Result<(), RecordError> {
        if let Some(parameters) = prop(props, "connect.parameters").filter(|_| options.connect_meta_data) {
            let entries = parameters
                .as_object()
                .ok_or_else(|| RecordError::new("connect.parameters is not a JSON object"))?;
            for (name, value) in entries {
                let value = value.as_str().ok_or_else(|| {
                    RecordError::new(format!(
                        "the schema parameter {name} in connect.parameters is not a text"
                    ))
                })?;
                self.parameter(name, value);
            }
        }
        for (name, value) in props.iter().filter(|(name, _)| name.starts_with("avro")) {
            match value.as_str() {
                Some(text) => self.parameter(name, text),
                None => self.parameter(name, &value.to_string()),
            }
        }
        Ok(())
    }

    fn take_name(&mut self, props: &[(String, Json)]) -> Result<(), RecordError> {
        let Some(name) = prop(props, "connect.name") else {
            return Ok(());
        };
        let name = name
            .as_str()
            .ok_or_else(|| RecordError::new("connect.name is not a text"))?;
        // The Avro name of a record, enum or fixed gives way; that of a logical type does not.
        let gives_way = matches!(
            self.read,
            Read::Record { .. } | Read::Enum(_) | Read::Fixed(_) | Read::Union(_)
        );
        if let Some(own) = self.name.as_ref().filter(|_| !gives_way)
            && own != name
        {
            return Err(RecordError::new(format!(
                "connect.name {name} differs from the name {own} of the logical type"
            )));
        }
        self.name = Some(name.to_owned());
        Ok(())
    }
}

/// What to call a schema in a warning.
pub(super) fn title(schema: &Schema) -> String {
    schema.name.as_deref().unwrap_or(schema.kind.name()).to_owned()
}

pub(super) fn prop<'p>(props: &'p [(String, Json)], name: &str) -> Option<&'p Json> {
    props
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value)
}

pub(super) fn text<'p>(props: &'p [(String, Json)], name: &str) -> Option<&'p str> {
    prop(props, name).and_then(Json::as_str)
}
