//! Sans-I/O: schema text to [`Schema`], following Avro's Java parser: what it keeps, what it drops, what it refuses.

use std::collections::HashMap;
use std::fmt;

use serde_json::{Map, Value};

use super::DEPTH_MAX;
use super::model::{Enum, Field, Fixed, Kind, Name, Named, Node, NodeId, Order, Primitive, Record, Schema};

/// Why a text is not an Avro schema. The message names the type or field and holds nothing but schema text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError(String);

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParseError {}

fn refused<T>(message: impl Into<String>) -> Result<T, ParseError> {
    Err(ParseError(message.into()))
}

/// Attributes with a meaning of their own; all others are properties. `default` is one of enums only.
const ATTRIBUTES: [&str; 10] = [
    "doc",
    "fields",
    "items",
    "name",
    "namespace",
    "size",
    "symbols",
    "values",
    "type",
    "aliases",
];
const FIELD_ATTRIBUTES: [&str; 6] = ["default", "doc", "name", "order", "type", "aliases"];

impl Schema {
    /// Parses a schema. `references` are the texts of the schemas it refers to, each after those it refers to itself.
    ///
    /// # Errors
    /// A text is not JSON, not an Avro schema, or nested deeper than [`DEPTH_MAX`].
    pub fn parse(text: &str, references: &[&str]) -> Result<Self, ParseError> {
        let mut parser = Parser::default();
        for reference in references {
            parser.text(reference)?;
        }
        let own_from = parser.nodes.len();
        let root = parser.text(text)?;
        Ok(Self {
            nodes: parser.nodes,
            root,
            own_from,
        })
    }
}

#[derive(Default)]
struct Parser {
    nodes: Vec<Node>,
    /// For each node the longest way down to a leaf, itself included; 1 while it is being read.
    heights: Vec<usize>,
    names: HashMap<Name, NodeId>,
    space: Option<String>,
}

impl Parser {
    fn text(&mut self, text: &str) -> Result<NodeId, ParseError> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| ParseError(format!("not a JSON text: {error}")))?;
        self.space = None;
        self.schema(&value, 1)
    }

    fn schema(&mut self, value: &Value, depth: usize) -> Result<NodeId, ParseError> {
        if depth > DEPTH_MAX {
            return refused(format!("types are nested deeper than {DEPTH_MAX}"));
        }
        match value {
            Value::String(name) => match Primitive::of(name) {
                Some(primitive) => self.push(Kind::Primitive(primitive), 0),
                None => match self.named(name) {
                    Some(id) if depth + self.height(id) > DEPTH_MAX + 1 => {
                        refused(format!("types are nested deeper than {DEPTH_MAX}"))
                    }
                    Some(id) => Ok(id),
                    None => refused(format!("Undefined name: \"{name}\"")),
                },
            },
            Value::Array(branches) => self.union(branches, depth),
            Value::Object(object) => self.object(object, depth),
            _ => refused(format!("a schema is a name, an object or a list, not {value}")),
        }
    }

    fn object(&mut self, object: &Map<String, Value>, depth: usize) -> Result<NodeId, ParseError> {
        let Some(Value::String(word)) = object.get("type") else {
            return refused(format!("No type: {}", shown(object)));
        };
        let id = match word.as_str() {
            "record" | "error" => self.record(object, word == "error", depth)?,
            "enum" => self.symbols(object)?,
            "fixed" => self.fixed(object)?,
            "array" | "map" => {
                let part = if word == "array" { "items" } else { "values" };
                let Some(inner) = object.get(part) else {
                    return refused(format!("{word} has no {part} type: {}", shown(object)));
                };
                let inner = self.schema(inner, depth + 1)?;
                let kind = if word == "array" {
                    Kind::Array(inner)
                } else {
                    Kind::Map(inner)
                };
                let height = self.height(inner);
                self.push(kind, height)?
            }
            _ => match Primitive::of(word) {
                Some(primitive) => self.push(Kind::Primitive(primitive), 0)?,
                // A use of a named type in the long form: its attributes mean nothing.
                None => match self.named(word) {
                    Some(id) => return Ok(id),
                    None => return refused(format!("Type not supported: {word}")),
                },
            },
        };
        self.nodes[id.0 as usize].props = props(object, |name| {
            ATTRIBUTES.contains(&name) || (word == "enum" && name == "default")
        });
        Ok(id)
    }

    fn union(&mut self, branches: &[Value], depth: usize) -> Result<NodeId, ParseError> {
        let mut ids = Vec::with_capacity(branches.len());
        let mut seen = std::collections::HashSet::new();
        let mut height = 0;
        for branch in branches {
            let id = self.schema(branch, depth + 1)?;
            let kind = &self.nodes[id.0 as usize].kind;
            if matches!(kind, Kind::Union(_)) {
                return refused("a union directly inside a union");
            }
            let name = kind
                .named()
                .map_or_else(|| kind.word().to_owned(), |named| named.name.to_string());
            if !seen.insert(name.clone()) {
                return refused(format!("Duplicate in union: {name}"));
            }
            height = height.max(self.height(id));
            ids.push(id);
        }
        self.push(Kind::Union(ids), height)
    }

    fn record(
        &mut self,
        object: &Map<String, Value>,
        is_error: bool,
        depth: usize,
    ) -> Result<NodeId, ParseError> {
        let named = self.names_of(object)?;
        let outer = std::mem::replace(&mut self.space, named.name.space.clone());
        let full = named.name.to_string();
        // Defined before its fields are read: they may use it.
        let id = self.define(Kind::Record(Record {
            named,
            fields: Vec::new(),
            is_error,
        }))?;
        let Some(Value::Array(entries)) = object.get("fields") else {
            return refused(format!("Record has no fields: {full}"));
        };
        let mut fields: Vec<Field> = Vec::with_capacity(entries.len());
        let mut seen = std::collections::HashSet::with_capacity(entries.len());
        let mut height = 0;
        for entry in entries {
            let Value::Object(entry) = entry else {
                return refused(format!("a field of {full} is not an object"));
            };
            let field = self.field(entry, &full, depth)?;
            if !seen.insert(field.name.clone()) {
                return refused(format!("Duplicate field {} in record {full}", field.name));
            }
            height = height.max(self.height(field.node));
            fields.push(field);
        }
        self.set_height(id, height)?;
        if let Kind::Record(record) = &mut self.nodes[id.0 as usize].kind {
            record.fields = fields;
        }
        self.space = outer;
        Ok(id)
    }

    fn field(&mut self, entry: &Map<String, Value>, record: &str, depth: usize) -> Result<Field, ParseError> {
        let Some(Value::String(name)) = entry.get("name") else {
            return refused(format!("a field of {record} has no name"));
        };
        let Some(kind) = entry.get("type") else {
            return refused(format!("No field type: field {name} of {record}"));
        };
        let node = self.schema(kind, depth + 1)?;
        let order = match entry.get("order") {
            None => Order::Ascending,
            Some(Value::String(word)) if word.eq_ignore_ascii_case("ascending") => Order::Ascending,
            Some(Value::String(word)) if word.eq_ignore_ascii_case("descending") => Order::Descending,
            Some(Value::String(word)) if word.eq_ignore_ascii_case("ignore") => Order::Ignore,
            Some(other) => return refused(format!("field {name} of {record}: unknown order {other}")),
        };
        let mut default = entry.get("default").cloned();
        if let Kind::Primitive(Primitive::Float | Primitive::Double) = self.nodes[node.0 as usize].kind
            && let Some(Value::String(text)) = &default
        {
            // Java turns the text of a floating-point default into the number; what is no number stays as it is.
            default = text
                .parse()
                .ok()
                .and_then(serde_json::Number::from_f64)
                .map(Value::Number)
                .or(default);
        }
        Ok(Field {
            name: name.clone(),
            node,
            doc: text_of(entry, "doc"),
            default,
            order,
            aliases: aliases_of(entry)?.into_iter().map(str::to_owned).collect(),
            props: props(entry, |name| FIELD_ATTRIBUTES.contains(&name)),
        })
    }

    fn symbols(&mut self, object: &Map<String, Value>) -> Result<NodeId, ParseError> {
        let named = self.names_of(object)?;
        let full = named.name.to_string();
        let Some(Value::Array(entries)) = object.get("symbols") else {
            return refused(format!("Enum has no symbols: {full}"));
        };
        let mut symbols: Vec<String> = Vec::with_capacity(entries.len());
        let mut seen = std::collections::HashSet::with_capacity(entries.len());
        for entry in entries {
            let Value::String(symbol) = entry else {
                return refused(format!("a symbol of enum {full} is not a text"));
            };
            if !seen.insert(symbol.as_str()) {
                return refused(format!("Duplicate enum symbol: {symbol} in {full}"));
            }
            symbols.push(symbol.clone());
        }
        let default = text_of(object, "default");
        if let Some(default) = &default
            && !seen.contains(default.as_str())
        {
            return refused(format!(
                "The default {default} of enum {full} is not one of its symbols"
            ));
        }
        self.define(Kind::Enum(Enum {
            named,
            symbols,
            default,
        }))
    }

    fn fixed(&mut self, object: &Map<String, Value>) -> Result<NodeId, ParseError> {
        let named = self.names_of(object)?;
        let size = object
            .get("size")
            .and_then(Value::as_u64)
            .and_then(|size| u32::try_from(size).ok());
        let Some(size) = size.filter(|size| i32::try_from(*size).is_ok()) else {
            return refused(format!("Invalid or no size: fixed {}", named.name));
        };
        self.define(Kind::Fixed(Fixed { named, size }))
    }

    fn names_of(&self, object: &Map<String, Value>) -> Result<Named, ParseError> {
        let Some(Value::String(name)) = object.get("name") else {
            return refused(format!("No name in schema: {}", shown(object)));
        };
        let space = text_of(object, "namespace").or_else(|| self.space.clone());
        let name = Name::read(name, space.as_deref());
        if name.short.is_empty() {
            return refused(format!("Empty name: {}", shown(object)));
        }
        if name.space.is_none() && Primitive::of(&name.short).is_some() {
            return refused(format!("Schemas may not be named after primitive types: {name}"));
        }
        let mut aliases: Vec<Name> = Vec::new();
        for alias in aliases_of(object)? {
            let alias = Name::read(alias, name.space.as_deref());
            if !aliases.contains(&alias) {
                aliases.push(alias);
            }
        }
        Ok(Named {
            name,
            doc: text_of(object, "doc"),
            aliases,
        })
    }

    fn named(&self, name: &str) -> Option<NodeId> {
        let read = Name::read(name, self.space.as_deref());
        let outside = Name {
            space: None,
            short: read.short.clone(),
        };
        self.names
            .get(&read)
            .or_else(|| self.names.get(&outside))
            .copied()
    }

    fn define(&mut self, kind: Kind) -> Result<NodeId, ParseError> {
        let name = kind.named().map(|named| named.name.clone());
        let id = self.push(kind, 0)?;
        if let Some(name) = name {
            let full = name.to_string();
            if self.names.insert(name, id).is_some() {
                return refused(format!("Can't redefine: {full}"));
            }
        }
        Ok(id)
    }

    fn push(&mut self, kind: Kind, below: usize) -> Result<NodeId, ParseError> {
        let Ok(index) = u32::try_from(self.nodes.len()) else {
            return refused("the schema has too many types");
        };
        self.nodes.push(Node {
            kind,
            props: Vec::new(),
        });
        self.heights.push(1);
        let id = NodeId(index);
        self.set_height(id, below)?;
        Ok(id)
    }

    fn height(&self, id: NodeId) -> usize {
        self.heights[id.0 as usize]
    }

    fn set_height(&mut self, id: NodeId, below: usize) -> Result<(), ParseError> {
        if below >= DEPTH_MAX {
            return refused(format!("types are nested deeper than {DEPTH_MAX}"));
        }
        self.heights[id.0 as usize] = below + 1;
        Ok(())
    }
}

fn text_of(object: &Map<String, Value>, name: &str) -> Option<String> {
    object.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn aliases_of(object: &Map<String, Value>) -> Result<Vec<&str>, ParseError> {
    let Some(aliases) = object.get("aliases") else {
        return Ok(Vec::new());
    };
    let texts = aliases
        .as_array()
        .and_then(|all| all.iter().map(Value::as_str).collect());
    texts.ok_or_else(|| ParseError(format!("aliases are not a list of texts: {}", shown(object))))
}

fn props(object: &Map<String, Value>, reserved: impl Fn(&str) -> bool) -> Vec<(String, Value)> {
    object
        .iter()
        .filter(|(name, _)| !reserved(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The beginning of an object, for messages: a schema may be a megabyte.
fn shown(object: &Map<String, Value>) -> String {
    const SHOWN_CHARS_MAX: usize = 200;
    let text = Value::Object(object.clone()).to_string();
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_refused(input: &str, part: &str) {
        let error = Schema::parse(input, &[]).expect_err(input).to_string();
        assert!(error.contains(part), "{input}: {error}");
    }

    #[test]
    fn what_avro_refuses_is_refused() {
        check_refused("string", "not a JSON text");
        check_refused("12", "a schema is");
        check_refused(r#""Unknown""#, "Undefined name");
        check_refused(r#"{"name":"A"}"#, "No type");
        check_refused(r#"{"type":"Unknown"}"#, "Type not supported");
        check_refused(r#"{"type":"record","fields":[]}"#, "No name");
        check_refused(r#"{"type":"record","name":"A"}"#, "no fields");
        check_refused(r#"{"type":"record","name":"int","fields":[]}"#, "primitive");
        check_refused(
            r#"{"type":"record","name":"A","fields":[{"type":"int"}]}"#,
            "no name",
        );
        check_refused(
            r#"{"type":"record","name":"A","fields":[{"name":"a"}]}"#,
            "No field type",
        );
        check_refused(
            r#"{"type":"record","name":"A","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}"#,
            "Duplicate field a",
        );
        check_refused(r#"["null",["int"]]"#, "union");
        check_refused(r#"["int","int"]"#, "Duplicate in union: int");
        check_refused(
            r#"[{"type":"array","items":"int"},{"type":"array","items":"long"}]"#,
            "Duplicate in union",
        );
        check_refused(
            r#"{"type":"enum","name":"E","symbols":["A","A"]}"#,
            "Duplicate enum symbol",
        );
        check_refused(
            r#"{"type":"enum","name":"E","symbols":["A"],"default":"B"}"#,
            "default",
        );
        check_refused(r#"{"type":"fixed","name":"F","size":-1}"#, "size");
        check_refused(r#"{"type":"array"}"#, "items");
        check_refused(
            r#"[{"type":"fixed","name":"F","size":1},{"type":"record","name":"R","fields":[
                {"name":"f","type":{"type":"fixed","name":"F","size":1}}]}]"#,
            "Can't redefine: F",
        );
    }

    #[test]
    fn av_080_depth_is_bounded_in_the_text_and_through_names() {
        let deep = |levels: usize| {
            let open = r#"{"type":"array","items":"#.repeat(levels);
            format!("{open}\"int\"{}", "}".repeat(levels))
        };
        assert!(Schema::parse(&deep(63), &[]).is_ok());
        check_refused(&deep(64), "nested deeper");
        // Each record uses the one before: shallow to look at, deep to read.
        let chain = |length: usize| {
            let records: Vec<String> = (0..length)
                .map(|index| {
                    let field = match index {
                        0 => String::new(),
                        _ => format!(r#"{{"name":"f","type":"R{}"}}"#, index - 1),
                    };
                    format!(r#"{{"type":"record","name":"R{index}","fields":[{field}]}}"#)
                })
                .collect();
            format!("[{}]", records.join(","))
        };
        assert!(Schema::parse(&chain(60), &[]).is_ok());
        check_refused(&chain(80), "nested deeper");
    }

    #[test]
    fn names_resolve_in_their_namespace_then_outside_of_any() {
        let schema = r#"[{"type":"fixed","name":"F","size":1},{"type":"record","name":"a.R","fields":[
            {"name":"f","type":"F"},{"name":"r","type":["null","R"]}]}]"#;
        assert!(Schema::parse(schema, &[]).is_ok());
        check_refused(
            r#"[{"type":"fixed","name":"b.F","size":1},{"type":"record","name":"a.R","fields":[
            {"name":"f","type":"F"}]}]"#,
            "Undefined name",
        );
    }

    #[test]
    fn refusals_of_large_schemas_stay_short() {
        let long = "x".repeat(100_000);
        let error = Schema::parse(&format!(r#"{{"a":"{long}"}}"#), &[]).unwrap_err();
        assert!(error.to_string().len() < 300);
    }
}
