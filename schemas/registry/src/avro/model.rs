//! Sans-I/O: an Avro schema as an arena of nodes, so that recursive types need no cycles of pointers.

use std::fmt;

use serde_json::Value;

/// A parsed schema. Each place in the text is a node of its own; further uses of a named type share its node.
#[derive(Debug, Clone)]
pub struct Schema {
    pub(super) nodes: Vec<Node>,
    pub(super) root: NodeId,
    /// Nodes below this index came from referenced schemas: they are printed by name only.
    pub(super) own_from: usize,
}

/// A node's place in its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(super) u32);

/// A type, with the attributes that Avro gives no meaning to.
#[derive(Debug, Clone)]
pub struct Node {
    /// The type.
    pub kind: Kind,
    /// Further attributes in the order of the text, `logicalType` and the like among them.
    pub props: Vec<(String, Value)>,
}

/// Avro's types.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A type without parts.
    Primitive(Primitive),
    /// A list of the node.
    Array(NodeId),
    /// A map from text to the node.
    Map(NodeId),
    /// One of the nodes.
    Union(Vec<NodeId>),
    /// A record (or error).
    Record(Record),
    /// An enumeration.
    Enum(Enum),
    /// Bytes of one length.
    Fixed(Fixed),
}

/// Types without parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are Avro's")]
pub enum Primitive {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
}

/// The name of a record, enum or fixed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name {
    /// The namespace; never empty.
    pub space: Option<String>,
    /// The part after the last dot.
    pub short: String,
}

/// What all named types have.
#[derive(Debug, Clone)]
pub struct Named {
    /// The name.
    pub name: Name,
    /// The documentation.
    pub doc: Option<String>,
    /// Other names by which a reader knows this type.
    pub aliases: Vec<Name>,
}

/// A record's description.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its names.
    pub named: Named,
    /// Its fields, in order.
    pub fields: Vec<Field>,
    /// Declared as `error` instead of `record`.
    pub is_error: bool,
}

/// A record's field.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    pub node: NodeId,
    /// Its documentation.
    pub doc: Option<String>,
    /// What a reader takes when the writer has no such field; not validated against the type.
    pub default: Option<Value>,
    /// Its part in sorting.
    pub order: Order,
    /// Other names by which a reader knows this field.
    pub aliases: Vec<String>,
    /// Further attributes in the order of the text.
    pub props: Vec<(String, Value)>,
}

/// A field's part in sorting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are Avro's")]
pub enum Order {
    Ascending,
    Descending,
    Ignore,
}

/// An enumeration's description.
#[derive(Debug, Clone)]
pub struct Enum {
    /// Its names.
    pub named: Named,
    /// Its symbols, in order.
    pub symbols: Vec<String>,
    /// What a reader takes for a symbol it does not know; one of `symbols`.
    pub default: Option<String>,
}

/// A fixed's description.
#[derive(Debug, Clone)]
pub struct Fixed {
    /// Its names.
    pub named: Named,
    /// Its length in bytes.
    pub size: u32,
}

impl Schema {
    /// The node of the whole schema.
    pub fn root(&self) -> NodeId {
        self.root
    }

    /// The node in that place.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// The type in that place.
    pub fn kind(&self, id: NodeId) -> &Kind {
        &self.node(id).kind
    }
}

impl Kind {
    /// The names, if the type has any.
    pub fn named(&self) -> Option<&Named> {
        match self {
            Self::Record(record) => Some(&record.named),
            Self::Enum(symbols) => Some(&symbols.named),
            Self::Fixed(fixed) => Some(&fixed.named),
            Self::Primitive(_) | Self::Array(_) | Self::Map(_) | Self::Union(_) => None,
        }
    }

    /// The word for the type in schema texts; `union` for unions.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Primitive(primitive) => primitive.word(),
            Self::Array(_) => "array",
            Self::Map(_) => "map",
            Self::Union(_) => "union",
            Self::Record(record) if record.is_error => "error",
            Self::Record(_) => "record",
            Self::Enum(_) => "enum",
            Self::Fixed(_) => "fixed",
        }
    }
}

impl Primitive {
    /// The type of that name.
    pub fn of(word: &str) -> Option<Self> {
        Some(match word {
            "null" => Self::Null,
            "boolean" => Self::Boolean,
            "int" => Self::Int,
            "long" => Self::Long,
            "float" => Self::Float,
            "double" => Self::Double,
            "bytes" => Self::Bytes,
            "string" => Self::String,
            _ => return None,
        })
    }

    /// Its name in schema texts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Bytes => "bytes",
            Self::String => "string",
        }
    }
}

impl Name {
    /// Reads a name: its own dots win over the enclosing namespace.
    pub(super) fn read(name: &str, enclosing: Option<&str>) -> Self {
        let (space, short) = match name.rsplit_once('.') {
            Some((space, short)) => (Some(space), short),
            None => (enclosing, name),
        };
        Self {
            space: space.filter(|space| !space.is_empty()).map(str::to_owned),
            short: short.to_owned(),
        }
    }

    /// The name as a use of the type is written inside `enclosing`: short where that reads back as this name.
    pub(super) fn within(&self, enclosing: Option<&str>) -> String {
        let reads_back = self.space.as_deref() == enclosing && !is_type_word(&self.short);
        if reads_back {
            self.short.clone()
        } else {
            self.to_string()
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.space {
            Some(space) => write!(f, "{space}.{}", self.short),
            None => f.write_str(&self.short),
        }
    }
}

fn is_type_word(word: &str) -> bool {
    Primitive::of(word).is_some() || matches!(word, "record" | "enum" | "array" | "map" | "union" | "fixed")
}
