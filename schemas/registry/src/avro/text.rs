//! Sans-I/O: [`Schema`] to text, byte for byte as Avro's Java library prints it (AV §4, text form).

use std::collections::HashSet;

use serde_json::Value;

use super::json::{write_text, write_value};
use super::model::{Field, Kind, Name, Named, NodeId, Order, Record, Schema};

impl Schema {
    /// The text form: fixed order of attributes, no white space, a namespace only where it changes, each named type
    /// in full at its first place and by name afterwards. Referenced types are shown by name only.
    pub fn text(&self) -> String {
        let mut printer = Printer {
            schema: self,
            out: String::new(),
            space: None,
            written: HashSet::new(),
        };
        printer.node(self.root());
        printer.out
    }
}

struct Printer<'a> {
    schema: &'a Schema,
    out: String,
    space: Option<&'a str>,
    written: HashSet<NodeId>,
}

impl<'a> Printer<'a> {
    fn node(&mut self, id: NodeId) {
        let node = self.schema.node(id);
        if let Some(named) = node.kind.named()
            && ((id.0 as usize) < self.schema.own_from || !self.written.insert(id))
        {
            let name = named.name.within(self.space);
            return write_text(&mut self.out, &name);
        }
        match &node.kind {
            Kind::Union(branches) => {
                self.out.push('[');
                for (index, branch) in branches.iter().enumerate() {
                    if index > 0 {
                        self.out.push(',');
                    }
                    self.node(*branch);
                }
                self.out.push(']');
            }
            Kind::Primitive(primitive) if node.props.is_empty() => {
                write_text(&mut self.out, primitive.word())
            }
            kind => {
                self.out.push_str("{\"type\":");
                write_text(&mut self.out, kind.word());
                self.parts(kind, &node.props);
                self.out.push('}');
            }
        }
    }

    /// All attributes after `type`.
    fn parts(&mut self, kind: &'a Kind, props: &'a [(String, Value)]) {
        match kind {
            Kind::Primitive(_) | Kind::Union(_) => {}
            Kind::Array(inner) => {
                self.out.push_str(",\"items\":");
                self.node(*inner);
            }
            Kind::Map(inner) => {
                self.out.push_str(",\"values\":");
                self.node(*inner);
            }
            Kind::Record(record) => self.record(record),
            Kind::Enum(symbols) => {
                self.head(&symbols.named);
                self.out.push_str(",\"symbols\":");
                self.texts(symbols.symbols.iter().map(String::as_str));
                if let Some(default) = &symbols.default {
                    self.out.push_str(",\"default\":");
                    write_text(&mut self.out, default);
                }
            }
            Kind::Fixed(fixed) => {
                self.head(&fixed.named);
                self.out.push_str(",\"size\":");
                self.out.push_str(&fixed.size.to_string());
            }
        }
        self.props(props);
        if let Some(named) = kind.named()
            && !named.aliases.is_empty()
        {
            let space = named.name.space.as_deref();
            let aliases: Vec<String> = named
                .aliases
                .iter()
                .map(|alias: &Name| alias.within(space))
                .collect();
            self.out.push_str(",\"aliases\":");
            self.texts(aliases.iter().map(String::as_str));
        }
    }

    /// Name, namespace and documentation.
    fn head(&mut self, named: &Named) {
        self.out.push_str(",\"name\":");
        write_text(&mut self.out, &named.name.short);
        if named.name.space.as_deref() != self.space {
            self.out.push_str(",\"namespace\":");
            write_text(&mut self.out, named.name.space.as_deref().unwrap_or_default());
        }
        if let Some(doc) = &named.doc {
            self.out.push_str(",\"doc\":");
            write_text(&mut self.out, doc);
        }
    }

    fn record(&mut self, record: &'a Record) {
        self.head(&record.named);
        let outer = std::mem::replace(&mut self.space, record.named.name.space.as_deref());
        self.out.push_str(",\"fields\":[");
        for (index, field) in record.fields.iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            self.field(field);
        }
        self.out.push(']');
        self.space = outer;
    }

    fn field(&mut self, field: &'a Field) {
        self.out.push_str("{\"name\":");
        write_text(&mut self.out, &field.name);
        self.out.push_str(",\"type\":");
        self.node(field.node);
        if let Some(doc) = &field.doc {
            self.out.push_str(",\"doc\":");
            write_text(&mut self.out, doc);
        }
        if let Some(default) = &field.default {
            self.out.push_str(",\"default\":");
            write_value(&mut self.out, default);
        }
        match field.order {
            Order::Ascending => {}
            Order::Descending => self.out.push_str(",\"order\":\"descending\""),
            Order::Ignore => self.out.push_str(",\"order\":\"ignore\""),
        }
        if !field.aliases.is_empty() {
            self.out.push_str(",\"aliases\":");
            self.texts(field.aliases.iter().map(String::as_str));
        }
        self.props(&field.props);
        self.out.push('}');
    }

    fn props(&mut self, props: &[(String, Value)]) {
        for (name, value) in props {
            self.out.push(',');
            write_text(&mut self.out, name);
            self.out.push(':');
            write_value(&mut self.out, value);
        }
    }

    fn texts<'t>(&mut self, texts: impl Iterator<Item = &'t str>) {
        self.out.push('[');
        for (index, text) in texts.enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            write_text(&mut self.out, text);
        }
        self.out.push(']');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &str) {
        let printed = Schema::parse(input, &[]).unwrap().text();
        assert_eq!(printed, expected, "{input}");
        assert_eq!(
            Schema::parse(&printed, &[]).unwrap().text(),
            printed,
            "printing is stable"
        );
    }

    #[test]
    fn white_space_and_the_order_of_attributes_vanish() {
        check(
            r#" { "fields" : [ { "default" : null , "type" : [ "null" , "long" ] , "name" : "a" , "doc" : "d" } ],
                 "doc" : "text" , "aliases" : ["Old", "b.Other"], "name" : "R" , "x" : {"z":1, "y":[2.50]},
                 "namespace" : "a" , "type" : "record" }"#,
            concat!(
                r#"{"type":"record","name":"R","namespace":"a","doc":"text","fields":[{"name":"a","#,
                r#""type":["null","long"],"doc":"d","default":null}],"x":{"z":1,"y":[2.5]},"aliases":["Old","b.Other"]}"#
            ),
        );
    }

    #[test]
    fn primitives_print_as_names_unless_they_have_properties() {
        check(r#""string""#, r#""string""#);
        check(r#"{"type":"string"}"#, r#""string""#);
        // Attributes with a meaning elsewhere are no properties: Java drops them.
        check(r#"{"type":"string","doc":"gone","name":"gone"}"#, r#""string""#);
        check(
            r#"{"logicalType":"decimal","type":"bytes","precision":64,"scale":2}"#,
            r#"{"type":"bytes","logicalType":"decimal","precision":64,"scale":2}"#,
        );
    }

    #[test]
    fn a_named_type_is_written_once_and_then_named_as_short_as_reads_back() {
        check(
            r#"{"type":"record","name":"x.R","fields":[
                {"name":"a","type":{"type":"fixed","name":"F","size":4}},
                {"name":"b","type":"x.F"},
                {"name":"c","type":{"type":"record","name":"y.S","fields":[
                    {"name":"f","type":"x.F"},{"name":"s","type":["null","S"]}]}},
                {"name":"d","type":"y.S"}]}"#,
            concat!(
                r#"{"type":"record","name":"R","namespace":"x","fields":["#,
                r#"{"name":"a","type":{"type":"fixed","name":"F","size":4}},{"name":"b","type":"F"},"#,
                r#"{"name":"c","type":{"type":"record","name":"S","namespace":"y","fields":["#,
                r#"{"name":"f","type":"x.F"},{"name":"s","type":["null","S"]}]}},{"name":"d","type":"y.S"}]}"#
            ),
        );
    }

    #[test]
    fn a_type_outside_of_the_enclosing_namespace_says_so() {
        check(
            r#"{"type":"record","name":"x.R","fields":[
                {"name":"a","type":{"type":"enum","name":"E","namespace":"","symbols":["A"]}}]}"#,
            concat!(
                r#"{"type":"record","name":"R","namespace":"x","fields":["#,
                r#"{"name":"a","type":{"type":"enum","name":"E","namespace":"","symbols":["A"]}}]}"#
            ),
        );
    }

    #[test]
    fn a_type_named_like_a_kind_of_type_is_always_named_in_full() {
        check(
            r#"{"type":"record","name":"x.record","fields":[{"name":"next","type":["null","x.record"]}]}"#,
            concat!(
                r#"{"type":"record","name":"record","namespace":"x","fields":["#,
                r#"{"name":"next","type":["null","x.record"]}]}"#
            ),
        );
    }

    #[test]
    fn enums_fixed_arrays_and_maps_keep_their_order_of_attributes() {
        check(
            r#"{"aliases":["f"],"p":1,"default":"B","symbols":["A","B"],"doc":"d","name":"E","type":"enum"}"#,
            r#"{"type":"enum","name":"E","doc":"d","symbols":["A","B"],"default":"B","p":1,"aliases":["f"]}"#,
        );
        check(
            r#"{"aliases":["f"],"p":1,"size":16,"doc":"d","name":"F","type":"fixed"}"#,
            r#"{"type":"fixed","name":"F","doc":"d","size":16,"p":1,"aliases":["f"]}"#,
        );
        check(
            r#"{"connect.name":"n","items":{"p":true,"values":"int","type":"map"},"type":"array"}"#,
            r#"{"type":"array","items":{"type":"map","values":"int","p":true},"connect.name":"n"}"#,
        );
    }

    #[test]
    fn fields_print_order_only_where_it_is_not_ascending() {
        check(
            concat!(
                r#"{"type":"error","name":"R","fields":[{"order":"Descending","name":"a","type":"int","p":0},"#,
                r#"{"order":"ascending","name":"b","type":"int","aliases":["c"]},{"order":"ignore","name":"d","type":"int"}]}"#
            ),
            concat!(
                r#"{"type":"error","name":"R","fields":[{"name":"a","type":"int","order":"descending","p":0},"#,
                r#"{"name":"b","type":"int","aliases":["c"]},{"name":"d","type":"int","order":"ignore"}]}"#
            ),
        );
    }

    #[test]
    fn av_049_defaults_are_kept_as_they_are_and_texts_of_doubles_become_numbers() {
        check(
            concat!(
                r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":"not a number"},"#,
                r#"{"name":"b","type":"double","default":"1"},{"name":"c","type":"float","default":"no"},"#,
                r#"{"name":"d-e","type":"bytes","default":"\u00ff\u0001"}]}"#
            ),
            concat!(
                r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":"not a number"},"#,
                r#"{"name":"b","type":"double","default":1.0},{"name":"c","type":"float","default":"no"},"#,
                "{\"name\":\"d-e\",\"type\":\"bytes\",\"default\":\"ÿ\\u0001\"}]}"
            ),
        );
    }

    #[test]
    fn the_debezium_shape_comes_out_as_the_java_converter_registers_it() {
        let registered = concat!(
            r#"{"type":"record","name":"Envelope","namespace":"demo.public.users","fields":["#,
            r#"{"name":"before","type":["null",{"type":"record","name":"Value","fields":["#,
            r#"{"name":"id","type":{"type":"string","connect.version":1,"connect.name":"io.debezium.data.Uuid"}},"#,
            r#"{"name":"at","type":["null",{"type":"long","connect.version":1,"connect.name":"io.debezium.time.MicroTimestamp"}],"default":null}],"#,
            r#""connect.name":"demo.public.users.Value"}],"default":null},"#,
            r#"{"name":"after","type":["null","Value"],"default":null},{"name":"op","type":"string"}],"#,
            r#""connect.version":2,"connect.name":"demo.public.users.Envelope"}"#
        );
        check(registered, registered);
    }

    #[test]
    fn references_are_shown_by_name_only() {
        let address = r#"{"type":"record","name":"x.Address","fields":[{"name":"city","type":"string"}]}"#;
        let user = r#"{"type":"record","name":"x.User","fields":[{"name":"home","type":"x.Address"}]}"#;
        let printed = Schema::parse(user, &[address]).unwrap().text();
        let expected =
            r#"{"type":"record","name":"User","namespace":"x","fields":[{"name":"home","type":"Address"}]}"#;
        assert_eq!(printed, expected);
        assert_eq!(
            Schema::parse("\"x.Address\"", &[address]).unwrap().text(),
            "\"x.Address\""
        );
    }
}
