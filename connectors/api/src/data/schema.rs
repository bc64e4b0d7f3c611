//! Sans-I/O: schemas, their builder and their fingerprint.

use std::sync::{Arc, LazyLock};

use super::Value;

/// A schema: Connect's attributes and a fingerprint of them.
///
/// Equal schemas, wherever built, have equal fingerprints and share one compiled plan; a cache hit by fingerprint compares
/// the schema as well. Build with [`Schema::of`] or one of the shorthands; the fingerprint is computed there.
#[derive(Debug)]
pub struct Schema {
    /// The type.
    pub kind: Kind,
    /// Whether null is allowed.
    pub optional: bool,
    /// The name; it carries the logical meaning of a primitive.
    pub name: Option<Arc<str>>,
    /// The version that belongs to the name.
    pub version: Option<i32>,
    /// Documentation.
    pub doc: Option<Arc<str>>,
    /// Parameters in the order they were added.
    pub parameters: Box<[(Arc<str>, Arc<str>)]>,
    /// The default; it also stands for an absent value.
    pub default: Option<Value>,
    /// FNV-1a, 128 bits, over all of the above.
    pub fingerprint: u128,
}

/// The type of a schema.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind {
    /// BOOLEAN.
    Bool,
    /// INT8.
    Int8,
    /// INT16.
    Int16,
    /// INT32.
    Int32,
    /// INT64.
    Int64,
    /// FLOAT32.
    Float32,
    /// FLOAT64.
    Float64,
    /// STRING.
    Text,
    /// BYTES.
    Bytes,
    /// ARRAY of the element schema.
    Array(Arc<Schema>),
    /// MAP of key and value schemas.
    Map(Arc<Schema>, Arc<Schema>),
    /// STRUCT of its fields.
    Struct(Box<[Field]>),
    /// The struct of that name around this place: recursion without a cycle of pointers.
    Enclosing(Arc<str>),
}

/// A field of a struct.
#[derive(Debug, PartialEq, Eq, Clone)]
pub struct Field {
    /// The name.
    pub name: Arc<str>,
    /// The schema of its values.
    pub schema: Arc<Schema>,
}

impl Schema {
    /// Starts a schema of this kind.
    pub fn of(kind: Kind) -> SchemaBuilder {
        SchemaBuilder {
            kind,
            optional: false,
            name: None,
            version: None,
            doc: None,
            parameters: Vec::new(),
            default: None,
        }
    }

    /// Starts a struct of these fields.
    pub fn structure<N: Into<Arc<str>>>(fields: impl IntoIterator<Item = (N, Arc<Schema>)>) -> SchemaBuilder {
        Self::of(Kind::Struct(
            fields
                .into_iter()
                .map(|(name, schema)| Field {
                    name: name.into(),
                    schema,
                })
                .collect(),
        ))
    }

    /// Required STRING, one instance for all.
    pub fn text() -> Arc<Self> {
        static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| Schema::of(Kind::Text).build());
        SCHEMA.clone()
    }

    /// Optional STRING, one instance for all.
    pub fn optional_text() -> Arc<Self> {
        static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| Schema::of(Kind::Text).optional().build());
        SCHEMA.clone()
    }

    /// The fields of a struct; none for any other kind.
    pub fn fields(&self) -> &[Field] {
        match &self.kind {
            Kind::Struct(fields) => fields,
            _ => &[],
        }
    }

    /// The position of the field called `name`.
    pub fn field_index(&self, name: &str) -> Option<usize> {
        self.fields().iter().position(|field| &*field.name == name)
    }

    /// The parameter called `name`.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(known, _)| &**known == name)
            .map(|(_, value)| &**value)
    }

    /// The same schema as a builder, to change it.
    pub fn rebuild(&self) -> SchemaBuilder {
        SchemaBuilder {
            kind: self.kind.duplicate(),
            optional: self.optional,
            name: self.name.clone(),
            version: self.version,
            doc: self.doc.clone(),
            parameters: self.parameters.to_vec(),
            default: self.default.clone(),
        }
    }
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
            || (self.fingerprint == other.fingerprint
                && self.kind == other.kind
                && self.optional == other.optional
                && self.name == other.name
                && self.version == other.version
                && self.doc == other.doc
                && self.parameters == other.parameters
                && self.default == other.default)
    }
}

impl Eq for Schema {}

impl Kind {
    fn duplicate(&self) -> Self {
        match self {
            Self::Bool => Self::Bool,
            Self::Int8 => Self::Int8,
            Self::Int16 => Self::Int16,
            Self::Int32 => Self::Int32,
            Self::Int64 => Self::Int64,
            Self::Float32 => Self::Float32,
            Self::Float64 => Self::Float64,
            Self::Text => Self::Text,
            Self::Bytes => Self::Bytes,
            Self::Array(element) => Self::Array(element.clone()),
            Self::Map(key, value) => Self::Map(key.clone(), value.clone()),
            Self::Struct(fields) => Self::Struct(fields.clone()),
            Self::Enclosing(name) => Self::Enclosing(name.clone()),
        }
    }

    /// The name JSON schemas use, such as `int32` or `string`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Bool => "boolean",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Float32 => "float",
            Self::Float64 => "double",
            Self::Text => "string",
            Self::Bytes => "bytes",
            Self::Array(_) => "array",
            Self::Map(..) => "map",
            Self::Struct(_) | Self::Enclosing(_) => "struct",
        }
    }
}

/// Collects the attributes of a schema.
#[derive(Debug)]
pub struct SchemaBuilder {
    kind: Kind,
    optional: bool,
    name: Option<Arc<str>>,
    version: Option<i32>,
    doc: Option<Arc<str>>,
    parameters: Vec<(Arc<str>, Arc<str>)>,
    default: Option<Value>,
}

impl SchemaBuilder {
    /// Allows null.
    #[must_use]
    pub fn optional(self) -> Self {
        self.nullable(true)
    }

    /// Allows null, or forbids it.
    #[must_use]
    pub fn nullable(mut self, optional: bool) -> Self {
        self.optional = optional;
        self
    }

    /// Names the schema.
    #[must_use]
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the version.
    #[must_use]
    pub fn version(mut self, version: i32) -> Self {
        self.version = Some(version);
        self
    }

    /// Sets the documentation.
    #[must_use]
    pub fn doc(mut self, doc: impl Into<Arc<str>>) -> Self {
        self.doc = Some(doc.into());
        self
    }

    /// Adds a parameter; the order is kept.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<Arc<str>>, value: impl Into<Arc<str>>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// Sets the default.
    #[must_use]
    pub fn default(mut self, value: Value) -> Self {
        self.default = Some(value);
        self
    }

    /// Removes the default.
    #[must_use]
    pub fn without_default(mut self) -> Self {
        self.default = None;
        self
    }

    /// Computes the fingerprint and finishes.
    pub fn build(self) -> Arc<Schema> {
        let mut schema = Schema {
            kind: self.kind,
            optional: self.optional,
            name: self.name,
            version: self.version,
            doc: self.doc,
            parameters: self.parameters.into(),
            default: self.default,
            fingerprint: 0,
        };
        schema.fingerprint = fingerprint(&schema);
        Arc::new(schema)
    }
}

/// FNV-1a over a canonical byte form: each attribute behind a tag, each text behind its length, nested schemas by their
/// fingerprints.
struct Fnv(u128);

impl Fnv {
    const OFFSET_BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(Self::PRIME);
        }
    }

    fn text(&mut self, text: &str) {
        self.bytes(&(text.len() as u64).to_be_bytes());
        self.bytes(text.as_bytes());
    }

    fn optional_text(&mut self, tag: u8, text: Option<&str>) {
        if let Some(text) = text {
            self.bytes(&[tag]);
            self.text(text);
        }
    }

    fn kind(&mut self, kind: &Kind) {
        match kind {
            Kind::Array(element) => {
                self.bytes(b"a");
                self.bytes(&element.fingerprint.to_be_bytes());
            }
            Kind::Map(key, value) => {
                self.bytes(b"m");
                self.bytes(&key.fingerprint.to_be_bytes());
                self.bytes(&value.fingerprint.to_be_bytes());
            }
            Kind::Struct(fields) => {
                self.bytes(b"s");
                self.bytes(&(fields.len() as u64).to_be_bytes());
                for field in fields {
                    self.text(&field.name);
                    self.bytes(&field.schema.fingerprint.to_be_bytes());
                }
            }
            Kind::Enclosing(name) => {
                self.bytes(b"e");
                self.text(name);
            }
            primitive => {
                self.bytes(b"p");
                self.text(primitive.name());
            }
        }
    }

    fn value(&mut self, value: &Value) {
        self.text(value.type_name());
        match value {
            Value::Absent | Value::Null => {}
            Value::Bool(value) => self.bytes(&[u8::from(*value)]),
            Value::Int8(_) | Value::Int16(_) | Value::Int32(_) | Value::Int64(_) => {
                self.bytes(&value.as_int().unwrap_or_default().to_be_bytes());
            }
            Value::Float32(value) => self.bytes(&value.to_bits().to_be_bytes()),
            Value::Float64(value) => self.bytes(&value.to_bits().to_be_bytes()),
            Value::Text(text) => self.text(text),
            Value::Bytes(blob) => {
                self.bytes(&(blob.len() as u64).to_be_bytes());
                self.bytes(blob);
            }
            Value::Array(items) => {
                self.bytes(&(items.len() as u64).to_be_bytes());
                items.iter().for_each(|item| self.value(item));
            }
            Value::Map(pairs) => {
                self.bytes(&(pairs.len() as u64).to_be_bytes());
                for (key, value) in pairs {
                    self.value(key);
                    self.value(value);
                }
            }
            Value::Struct(value) => {
                self.bytes(&value.schema.fingerprint.to_be_bytes());
                value.fields.iter().for_each(|field| self.value(field));
            }
        }
    }
}

fn fingerprint(schema: &Schema) -> u128 {
    let mut fnv = Fnv(Fnv::OFFSET_BASIS);
    fnv.kind(&schema.kind);
    fnv.bytes(&[b'o', u8::from(schema.optional)]);
    fnv.optional_text(b'n', schema.name.as_deref());
    if let Some(version) = schema.version {
        fnv.bytes(b"v");
        fnv.bytes(&version.to_be_bytes());
    }
    fnv.optional_text(b'd', schema.doc.as_deref());
    for (name, value) in &schema.parameters {
        fnv.bytes(b"=");
        fnv.text(name);
        fnv.text(value);
    }
    if let Some(default) = &schema.default {
        fnv.bytes(b"!");
        fnv.value(default);
    }
    fnv.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(doc: &str) -> Arc<Schema> {
        Schema::structure([
            ("id", Schema::text()),
            ("age", Schema::of(Kind::Int32).optional().build()),
        ])
        .name("person")
        .doc(doc)
        .parameter("a", "b")
        .build()
    }

    #[test]
    fn equal_schemas_built_apart_have_one_fingerprint() {
        assert_eq!(person("x").fingerprint, person("x").fingerprint);
        assert_eq!(person("x"), person("x"));
        assert_eq!(person("x").rebuild().build(), person("x"));
    }

    #[test]
    fn every_attribute_moves_the_fingerprint() {
        let base = || Schema::of(Kind::Int32);
        let variants = [
            base().build(),
            base().optional().build(),
            base().name("n").build(),
            base().version(1).build(),
            base().doc("n").build(),
            base().parameter("n", "").build(),
            base().parameter("", "n").build(),
            base().default(Value::Int32(0)).build(),
            base().default(Value::Null).build(),
            Schema::of(Kind::Int64).build(),
            Schema::of(Kind::Array(base().build())).build(),
            Schema::of(Kind::Map(base().build(), base().build())).build(),
            Schema::of(Kind::Enclosing("n".into())).build(),
        ];
        for (i, one) in variants.iter().enumerate() {
            for (j, two) in variants.iter().enumerate() {
                assert_eq!(i == j, one.fingerprint == two.fingerprint, "{i} and {j}");
                assert_eq!(i == j, one == two, "{i} and {j}");
            }
        }
    }

    /// Published vectors of FNV-1a with 128 bits.
    #[test]
    fn the_hash_is_fnv_1a() {
        let hash = |text: &str| {
            let mut fnv = Fnv(Fnv::OFFSET_BASIS);
            fnv.bytes(text.as_bytes());
            fnv.0
        };
        assert_eq!(hash(""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(hash("a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
    }
}
