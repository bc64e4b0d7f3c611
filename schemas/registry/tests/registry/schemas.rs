//! Random schemas: printing, fingerprints and compatibility.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use rowtide_registry::avro::{Field, Kind, NodeId, Primitive, Schema};
use rowtide_registry::server::compatibility::findings;
use serde_json::{Value, json};

const PRIMITIVES: [&str; 8] = [
    "null", "boolean", "int", "long", "float", "double", "bytes", "string",
];

/// A recipe for a schema; names are numbers, so that two recipes often name the same types.
#[derive(Debug, Clone)]
enum Recipe {
    Primitive(usize),
    Decimal(u8),
    Array(Box<Recipe>),
    Map(Box<Recipe>),
    Union(Vec<Recipe>),
    Enum(u8, u8, bool),
    Fixed(u8, u8),
    Record(u8, Vec<(u8, Recipe, bool)>),
    /// A use of a type that was defined before, or an int where there is none.
    Use(u8),
}

fn recipes(unions: bool) -> impl Strategy<Value = Recipe> {
    let leaf = prop_oneof![
        4 => (0..PRIMITIVES.len()).prop_map(Recipe::Primitive),
        1 => (0..9_u8).prop_map(Recipe::Decimal),
        2 => (0..4_u8, 1..4_u8, any::<bool>()).prop_map(|(name, count, default)| Recipe::Enum(name, count, default)),
        1 => (0..4_u8, 1..3_u8).prop_map(|(name, size)| Recipe::Fixed(name, size)),
        4 => (0..4_u8).prop_map(Recipe::Use),
    ];
    leaf.prop_recursive(5, 40, 4, move |inner| {
        let field = (0..4_u8, inner.clone(), any::<bool>());
        let record = (0..4_u8, prop::collection::vec(field, 0..4))
            .prop_map(|(name, fields)| Recipe::Record(name, fields));
        let branches = if unions { 1..4_usize } else { 0..1 };
        prop_oneof![
            6 => record,
            1 => inner.clone().prop_map(|inner| Recipe::Array(Box::new(inner))),
            1 => inner.clone().prop_map(|inner| Recipe::Map(Box::new(inner))),
            if unions { 3 } else { 1 } => prop::collection::vec(inner, branches).prop_map(move |branches| {
                if unions { Recipe::Union(branches) } else { Recipe::Primitive(2) }
            }),
        ]
    })
}

/// Turns a recipe into a schema text that Avro accepts.
#[derive(Default)]
struct Kitchen {
    defined: HashSet<String>,
}

impl Kitchen {
    fn cook(&mut self, recipe: &Recipe) -> Value {
        match recipe {
            Recipe::Primitive(index) => json!(PRIMITIVES[*index]),
            Recipe::Decimal(scale) => {
                json!({"type": "bytes", "scale": scale, "precision": 20, "connect.name": "D", "logicalType": "decimal"})
            }
            Recipe::Array(inner) => json!({"type": "array", "items": self.cook(inner)}),
            Recipe::Map(inner) => json!({"type": "map", "values": self.cook(inner), "connect.doc": "é\n"}),
            Recipe::Union(branches) => {
                let mut kinds = HashSet::new();
                let mut cooked = Vec::new();
                for branch in branches {
                    if matches!(branch, Recipe::Union(_)) {
                        continue;
                    }
                    let before = self.defined.clone();
                    let value = self.cook(branch);
                    let object = value
                        .get("name")
                        .or_else(|| value.get("type"))
                        .unwrap_or(&value)
                        .to_string();
                    if kinds.insert(object) {
                        cooked.push(value);
                    } else {
                        self.defined = before;
                    }
                }
                Value::Array(cooked)
            }
            Recipe::Enum(name, count, default) => self.define(&format!("x.E{name}"), |_, name| {
                let symbols: Vec<String> = (0..*count).map(|index| format!("S{index}")).collect();
                let mut schema = json!({"type": "enum", "name": name, "symbols": symbols});
                if *default {
                    schema["default"] = json!("S0");
                }
                schema
            }),
            Recipe::Fixed(name, size) => self.define(
                &format!("x.F{name}"),
                |_, name| json!({"type": "fixed", "name": name, "size": size}),
            ),
            Recipe::Record(name, fields) => self.define(&format!("x.R{name}"), |kitchen, name| {
                let mut seen = HashSet::new();
                let mut cooked = Vec::new();
                for (field, recipe, default) in fields {
                    if seen.insert(field) {
                        let mut entry = json!({"name": format!("f{field}"), "type": kitchen.cook(recipe)});
                        if *default {
                            entry["default"] = Value::Null;
                        }
                        cooked.push(entry);
                    }
                }
                json!({"type": "record", "name": name, "doc": "a \"doc\"", "fields": cooked})
            }),
            Recipe::Use(name) => {
                let name = format!("x.R{name}");
                if self.defined.contains(&name) {
                    json!(name)
                } else {
                    json!("int")
                }
            }
        }
    }

    fn define(&mut self, name: &str, cook: impl FnOnce(&mut Self, &str) -> Value) -> Value {
        if self.defined.insert(name.to_owned()) {
            cook(self, name)
        } else {
            json!(name)
        }
    }
}

/// A recipe and one that differs from it in a few places: both verdicts of compatibility are then likely.
fn pairs(unions: bool) -> impl Strategy<Value = (Recipe, Recipe)> {
    (recipes(unions), prop::collection::vec(0..8_usize, 0..4)).prop_map(|(recipe, places)| {
        let mut other = recipe.clone();
        change(&mut other, &places, &mut 0);
        (recipe, other)
    })
}

fn change(recipe: &mut Recipe, places: &[usize], place: &mut usize) {
    let here = places.contains(place);
    *place += 1;
    match recipe {
        Recipe::Primitive(index) if here => *index = (*index + 1) % PRIMITIVES.len(),
        Recipe::Use(name) | Recipe::Enum(name, ..) | Recipe::Fixed(name, _) if here => {
            *name = (*name + 1) % 4
        }
        Recipe::Primitive(_) | Recipe::Use(_) | Recipe::Decimal(_) | Recipe::Enum(..) | Recipe::Fixed(..) => {
        }
        Recipe::Array(inner) | Recipe::Map(inner) => change(inner, places, place),
        Recipe::Union(branches) => branches
            .iter_mut()
            .for_each(|branch| change(branch, places, place)),
        Recipe::Record(_, fields) => {
            for (name, inner, default) in fields {
                if places.contains(place) {
                    (*name, *default) = ((*name + 1) % 4, !*default);
                }
                change(inner, places, place);
            }
        }
    }
}

fn parsed(recipe: &Recipe) -> (Value, Schema) {
    let value = Kitchen::default().cook(recipe);
    let schema = Schema::parse(&value.to_string(), &[]);
    (
        value.clone(),
        schema.unwrap_or_else(|error| panic!("{error}: {value}")),
    )
}

/// What compatibility means: the greatest set of pairs of types in which every pair is supported by others in it.
fn readable(reader: &Schema, writer: &Schema) -> bool {
    let mut pairs: HashMap<(NodeId, NodeId), bool> = HashMap::new();
    let mut open = vec![(reader.root(), writer.root())];
    while let Some(pair) = open.pop() {
        if pairs.insert(pair, true).is_none() {
            holds(reader, writer, pair, &mut |next| {
                open.push(next);
                true
            });
        }
    }
    loop {
        let all: Vec<_> = pairs
            .iter()
            .filter(|(_, holds)| **holds)
            .map(|(pair, _)| *pair)
            .collect();
        let fallen: Vec<_> = all
            .into_iter()
            .filter(|pair| {
                !holds(reader, writer, *pair, &mut |next| {
                    pairs.get(&next) != Some(&false)
                })
            })
            .collect();
        if fallen.is_empty() {
            return pairs[&(reader.root(), writer.root())];
        }
        pairs.extend(fallen.into_iter().map(|pair| (pair, false)));
    }
}

/// Whether a pair of types is readable if the pairs below it are as `below` says.
fn holds(
    reader: &Schema,
    writer: &Schema,
    pair: (NodeId, NodeId),
    below: &mut dyn FnMut((NodeId, NodeId)) -> bool,
) -> bool {
    // Every pair below is asked for, so that none stays unknown.
    let mut every =
        |pairs: Vec<(NodeId, NodeId)>| pairs.into_iter().filter(|pair| !below(*pair)).count() == 0;
    match (reader.kind(pair.0), writer.kind(pair.1)) {
        (_, Kind::Union(branches)) => every(branches.iter().map(|branch| (pair.0, *branch)).collect()),
        (Kind::Union(branches), _) => branches.iter().filter(|branch| below((**branch, pair.1))).count() > 0,
        (Kind::Array(one), Kind::Array(other)) | (Kind::Map(one), Kind::Map(other)) => {
            every(vec![(*one, *other)])
        }
        (Kind::Fixed(one), Kind::Fixed(other)) => {
            one.size == other.size && one.named.name.short == other.named.name.short
        }
        (Kind::Enum(one), Kind::Enum(other)) => {
            one.named.name.short == other.named.name.short
                && (one.default.is_some() || other.symbols.iter().all(|symbol| one.symbols.contains(symbol)))
        }
        (Kind::Record(one), Kind::Record(other)) => {
            let written = |field: &Field| other.fields.iter().find(|known| known.name == field.name);
            let pairs = one
                .fields
                .iter()
                .filter_map(|field| Some((field.node, written(field)?.node)))
                .collect();
            every(pairs)
                && one.named.name.short == other.named.name.short
                && one
                    .fields
                    .iter()
                    .all(|field| field.default.is_some() || written(field).is_some())
        }
        (Kind::Primitive(one), Kind::Primitive(other)) => {
            use Primitive::{Bytes, Double, Float, Int, Long, String};
            one == other
                || [
                    (Long, Int),
                    (Float, Int),
                    (Float, Long),
                    (Double, Int),
                    (Double, Long),
                    (Double, Float),
                ]
                .contains(&(*one, *other))
                || [(Bytes, String), (String, Bytes)].contains(&(*one, *other))
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn printing_is_stable_and_another_parser_reads_it(recipe in recipes(true)) {
        let (value, schema) = parsed(&recipe);
        let text = schema.text();
        let again = Schema::parse(&text, &[]).unwrap();
        prop_assert_eq!(&again.text(), &text, "{}", value);
        prop_assert_eq!(again.fingerprint(), schema.fingerprint());
        // AV-142: apache-avro, given a schema without defaults that it would refuse, agrees on what was said.
        let plain = without_defaults(&value).to_string();
        let theirs = apache_avro::Schema::parse_str(&plain).unwrap().independent_canonical_form(&[]).unwrap();
        let ours = Schema::parse(&plain, &[]).unwrap().text();
        let ours = apache_avro::Schema::parse_str(&ours).unwrap().independent_canonical_form(&[]).unwrap();
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn every_schema_reads_its_own_data(recipe in recipes(true)) {
        let (value, schema) = parsed(&recipe);
        prop_assert_eq!(findings(&schema, &schema).unwrap(), vec![], "{}", value);
    }

    /// Java's memo counts a recursion as compatible. With unions that try a branch and drop it, that can only err
    /// towards compatible; what it finds incompatible always is.
    #[test]
    fn av_075_what_is_found_incompatible_is((one, other) in pairs(true)) {
        let ((one_text, one), (other_text, other)) = (parsed(&one), parsed(&other));
        if readable(&one, &other) {
            prop_assert_eq!(findings(&one, &other).unwrap(), vec![], "{} reading {}", one_text, other_text);
        }
    }

    /// Without such unions the memo is exact, however the types recurse.
    #[test]
    fn av_075_without_unions_the_verdict_is_exact((one, other) in pairs(false)) {
        let ((one_text, one), (other_text, other)) = (parsed(&one), parsed(&other));
        let compatible = findings(&one, &other).unwrap().is_empty();
        prop_assert_eq!(compatible, readable(&one, &other), "{} reading {}", one_text, other_text);
    }

    #[test]
    fn av_165_no_text_makes_the_parser_panic(text in "[\\[\\]{}\":,a-z0-9 ]{0,60}") {
        if let Ok(schema) = Schema::parse(&text, &[]) {
            prop_assert!(findings(&schema, &schema).is_ok());
        }
    }
}

fn without_defaults(value: &Value) -> Value {
    match value {
        Value::Object(entries) => {
            let kept = entries.iter().filter(|(name, _)| *name != "default");
            Value::Object(
                kept.map(|(name, entry)| (name.clone(), without_defaults(entry)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.iter().map(without_defaults).collect()),
        plain => plain.clone(),
    }
}
