//! Sans-I/O: values, structs, and a value with its schema.

use std::sync::Arc;

use super::{Blob, Schema, Text};

/// A value in its physical form. Floats compare by their bits, so that equality is total.
#[derive(Clone, Debug)]
pub enum Value {
    /// Never set: it reads as the schema's default.
    Absent,
    /// A null.
    Null,
    /// BOOLEAN.
    Bool(bool),
    /// INT8.
    Int8(i8),
    /// INT16.
    Int16(i16),
    /// INT32.
    Int32(i32),
    /// INT64.
    Int64(i64),
    /// FLOAT32.
    Float32(f32),
    /// FLOAT64.
    Float64(f64),
    /// STRING.
    Text(Text),
    /// BYTES.
    Bytes(Blob),
    /// ARRAY.
    Array(Box<[Value]>),
    /// MAP, in the order it was built in.
    Map(Box<[(Value, Value)]>),
    /// STRUCT.
    Struct(Struct),
}

// A record's fields lie side by side in memory; a wider value would cost every row.
const _: () = assert!(size_of::<Value>() == 32);

impl Value {
    /// Whether there is no value: null or never set.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null | Self::Absent)
    }

    /// The text, when this is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The struct, when this is one.
    pub fn as_struct(&self) -> Option<&Struct> {
        match self {
            Self::Struct(value) => Some(value),
            _ => None,
        }
    }

    /// The whole number, when this is one of any width.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int8(value) => Some((*value).into()),
            Self::Int16(value) => Some((*value).into()),
            Self::Int32(value) => Some((*value).into()),
            Self::Int64(value) => Some(*value),
            _ => None,
        }
    }

    /// The name of the physical type, for messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Int8(_) => "int8",
            Self::Int16(_) => "int16",
            Self::Int32(_) => "int32",
            Self::Int64(_) => "int64",
            Self::Float32(_) => "float32",
            Self::Float64(_) => "float64",
            Self::Text(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Array(_) => "array",
            Self::Map(_) => "map",
            Self::Struct(_) => "struct",
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Absent, Self::Absent) | (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int8(a), Self::Int8(b)) => a == b,
            (Self::Int16(a), Self::Int16(b)) => a == b,
            (Self::Int32(a), Self::Int32(b)) => a == b,
            (Self::Int64(a), Self::Int64(b)) => a == b,
            (Self::Float32(a), Self::Float32(b)) => a.to_bits() == b.to_bits(),
            (Self::Float64(a), Self::Float64(b)) => a.to_bits() == b.to_bits(),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            (Self::Struct(a), Self::Struct(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

/// The fields of a STRUCT, in the order of its schema.
#[derive(Clone, Debug)]
pub struct Struct {
    /// A schema of kind struct.
    pub schema: Arc<Schema>,
    /// One value per field of the schema.
    pub fields: Box<[Value]>,
}

impl Struct {
    /// A struct of these fields.
    ///
    /// # Panics
    /// When the number of values is not the number of fields: whoever builds a struct has its schema in hand.
    pub fn new(schema: Arc<Schema>, fields: impl Into<Box<[Value]>>) -> Self {
        let fields = fields.into();
        assert_eq!(
            schema.fields().len(),
            fields.len(),
            "a struct has one value per field of its schema"
        );
        Self { schema, fields }
    }

    /// The value of the field called `name`; `None` when the schema has no such field.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields.get(self.schema.field_index(name)?)
    }
}

impl PartialEq for Struct {
    fn eq(&self, other: &Self) -> bool {
        (Arc::ptr_eq(&self.schema, &other.schema) || self.schema == other.schema)
            && self.fields == other.fields
    }
}

impl Eq for Struct {}

/// A value with its schema; without one it is schemaless, as JSON is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datum {
    /// The schema, unless the value is schemaless.
    pub schema: Option<Arc<Schema>>,
    /// The value.
    pub value: Value,
}

impl Datum {
    /// Null without a schema: the value of a tombstone, the key of a keyless record.
    pub const NULL: Self = Self {
        schema: None,
        value: Value::Null,
    };

    /// A value with its schema.
    pub fn new(schema: Arc<Schema>, value: Value) -> Self {
        Self {
            schema: Some(schema),
            value,
        }
    }

    /// A schemaless value.
    pub fn schemaless(value: Value) -> Self {
        Self { schema: None, value }
    }

    /// A struct under its own schema.
    pub fn of(value: Struct) -> Self {
        Self {
            schema: Some(value.schema.clone()),
            value: Value::Struct(value),
        }
    }

    /// Required text, as headers carry it.
    pub fn text(text: impl Into<Text>) -> Self {
        Self {
            schema: Some(Schema::text()),
            value: Value::Text(text.into()),
        }
    }

    /// Whether the value is null or absent.
    pub fn is_null(&self) -> bool {
        self.value.is_null()
    }
}
