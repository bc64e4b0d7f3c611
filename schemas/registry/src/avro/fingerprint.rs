//! Sans-I/O: the fingerprint of what a schema means to a reader of its data.

use std::collections::HashSet;

use serde_json::Value;

use super::json::{write_text, write_value};
use super::model::{Kind, NodeId, Schema};

impl Schema {
    /// FNV-1a 128 over the meaning of the schema: types, full names, fields, symbols, sizes and properties (logical
    /// types and `connect.*` among them). Documentation, defaults, aliases and the order of properties do not count,
    /// so that a registry that rearranges schemas answers with the same fingerprint as the one that was registered.
    pub fn fingerprint(&self) -> u128 {
        let mut shape = Shape {
            schema: self,
            out: String::new(),
            written: HashSet::new(),
        };
        shape.node(self.root());
        fnv_1a_128(shape.out.as_bytes())
    }
}

/// FNV-1a over 128 bits.
fn fnv_1a_128(bytes: &[u8]) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(OFFSET, |hash, byte| {
        (hash ^ u128::from(*byte)).wrapping_mul(PRIME)
    })
}

struct Shape<'a> {
    schema: &'a Schema,
    out: String,
    written: HashSet<NodeId>,
}

impl Shape<'_> {
    fn node(&mut self, id: NodeId) {
        let node = self.schema.node(id);
        self.out.push('{');
        self.out.push_str(node.kind.word());
        if let Some(named) = node.kind.named() {
            write_text(&mut self.out, &named.name.to_string());
            if !self.written.insert(id) {
                return self.out.push('}');
            }
        }
        match &node.kind {
            Kind::Primitive(_) => {}
            Kind::Array(inner) | Kind::Map(inner) => self.node(*inner),
            Kind::Union(branches) => branches.iter().for_each(|branch| self.node(*branch)),
            Kind::Record(record) => {
                for field in &record.fields {
                    write_text(&mut self.out, &field.name);
                    self.node(field.node);
                    self.props(&field.props);
                }
            }
            Kind::Enum(symbols) => symbols
                .symbols
                .iter()
                .for_each(|symbol| write_text(&mut self.out, symbol)),
            Kind::Fixed(fixed) => self.out.push_str(&fixed.size.to_string()),
        }
        self.props(&node.props);
        self.out.push('}');
    }

    fn props(&mut self, props: &[(String, Value)]) {
        let mut sorted: Vec<_> = props.iter().filter(|(name, _)| name != "connect.doc").collect();
        sorted.sort_by(|left, right| left.0.cmp(&right.0));
        for (name, value) in sorted {
            self.out.push('@');
            write_text(&mut self.out, name);
            write_value(&mut self.out, &ordered(value));
        }
    }
}

/// The value with the entries of its objects in the order of their names.
fn ordered(value: &Value) -> Value {
    match value {
        Value::Object(entries) => {
            let mut sorted: Vec<_> = entries.iter().collect();
            sorted.sort_by(|left, right| left.0.cmp(right.0));
            Value::Object(
                sorted
                    .into_iter()
                    .map(|(name, entry)| (name.clone(), ordered(entry)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.iter().map(ordered).collect()),
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(text: &str) -> u128 {
        Schema::parse(text, &[]).unwrap().fingerprint()
    }

    #[test]
    fn a_rearranged_schema_keeps_its_fingerprint() {
        let one = r#"{"type":"record","name":"A","namespace":"x","doc":"d","fields":[
            {"name":"f","type":{"type":"bytes","scale":2,"logicalType":"decimal"},"default":"\u0000"}]}"#;
        let other = r#"{"name":"x.A","type":"record","aliases":["B"],"fields":[
            {"type":{"logicalType":"decimal","scale":2,"type":"bytes"},"name":"f","doc":"e"}]}"#;
        assert_eq!(fingerprint(one), fingerprint(other));
    }

    #[test]
    fn another_meaning_is_another_fingerprint() {
        let base = r#"{"type":"long","connect.name":"io.debezium.time.Timestamp"}"#;
        for other in [
            r#"{"type":"long","connect.name":"io.debezium.time.MicroTimestamp"}"#,
            r#"{"type":"int","connect.name":"io.debezium.time.Timestamp"}"#,
            r#""long""#,
            r#"["null","long"]"#,
        ] {
            assert_ne!(fingerprint(base), fingerprint(other), "{other}");
        }
    }

    #[test]
    fn fnv_matches_its_published_vectors() {
        assert_eq!(fnv_1a_128(b""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(fnv_1a_128(b"a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
    }
}
