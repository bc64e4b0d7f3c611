//! Sans-I/O: whether a reader's schema can read what a writer's schema wrote, by the algorithm of Avro's Java library
//! (AV-075). Logical types, documentation and order do not matter to it.

use std::collections::{BTreeSet, HashMap};

use crate::avro::{Enum, Field, Kind, Name, NodeId, Primitive, Record, Schema};

/// Findings beyond this number are left out: a shared type is reported once for each of its uses.
const FINDINGS_MAX: usize = 100;
/// Pairs of types compared before a comparison is given up: two unions of five hundred branches each. Schemas without
/// wide unions need as many pairs as they have types.
const PAIRS_MAX: usize = 250_000;
/// Pairs nested in each other before a comparison is given up. Each costs a few hundred bytes of stack.
const NESTING_MAX: usize = 256;

/// The kinds of incompatibility, under the names of Avro's Java library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// Neither the short names are equal nor does an alias of the reader name the writer's type.
    Name,
    /// Two fixed types of different sizes.
    FixedSize,
    /// The reader lacks symbols of the writer and has no default.
    EnumSymbols,
    /// A field of the reader is not in the writer and has no default.
    ReaderField,
    /// Types between which no promotion exists.
    Type,
    /// A union of the reader has no branch for a type of the writer.
    UnionBranch,
}

impl Mismatch {
    /// The name that clients know.
    pub fn word(self) -> &'static str {
        match self {
            Self::Name => "NAME_MISMATCH",
            Self::FixedSize => "FIXED_SIZE_MISMATCH",
            Self::EnumSymbols => "MISSING_ENUM_SYMBOLS",
            Self::ReaderField => "READER_FIELD_MISSING_DEFAULT_VALUE",
            Self::Type => "TYPE_MISMATCH",
            Self::UnionBranch => "MISSING_UNION_BRANCH",
        }
    }
}

/// One reason why a schema cannot read the data of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its kind.
    pub mismatch: Mismatch,
    /// Where in the reader's schema: a JSON pointer such as `/fields/2/type`.
    pub path: String,
    /// What is at odds there.
    pub detail: String,
}

impl Finding {
    /// The line that verbose answers carry; `reader` and `writer` say which schema is which (`new`, `old`).
    pub fn message(&self, reader: &str, writer: &str) -> String {
        let (path, detail) = (&self.path, &self.detail);
        let description = match self.mismatch {
            Mismatch::Name => {
                format!("at '{path}' the name in the {reader} schema is not that of the {writer} schema")
            }
            Mismatch::FixedSize => {
                format!("at '{path}' the fixed sizes of the {reader} and the {writer} schema differ")
            }
            Mismatch::EnumSymbols => {
                format!("at '{path}' the {reader} schema lacks the symbols '{detail}' of the {writer} schema")
            }
            Mismatch::ReaderField => format!(
                "the field '{detail}' at '{path}' of the {reader} schema has no default value and is missing in the {writer} schema"
            ),
            Mismatch::Type => {
                format!("at '{path}' the type in the {reader} schema cannot read that of the {writer} schema")
            }
            Mismatch::UnionBranch => {
                format!("at '{path}' the union of the {reader} schema lacks a type of the {writer} schema")
            }
        };
        format!(
            "{{errorType:'{}', description:'{description}', additionalInfo:'{detail}'}}",
            self.mismatch.word()
        )
    }
}

/// Why two schemas could not be compared. A schema with this fault is refused as invalid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompareError {
    /// Name and aliases of a reader's field match more than one field of the writer.
    AmbiguousField(String),
    /// The schemas are too large or too deep to compare.
    TooLarge,
}

impl std::fmt::Display for CompareError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AmbiguousField(name) => {
                write!(
                    f,
                    "field {name} matches multiple fields of the other schema by its name and aliases"
                )
            }
            Self::TooLarge => f.write_str("the schemas are too large or nested too deep to compare"),
        }
    }
}

impl std::error::Error for CompareError {}

/// What keeps `reader` from reading the data of `writer`; empty when nothing does.
///
/// # Errors
/// A reader's field matches two of the writer's, or the schemas are too large to compare.
pub fn findings(reader: &Schema, writer: &Schema) -> Result<Vec<Finding>, CompareError> {
    let mut comparison = Comparison {
        reader,
        writer,
        memo: HashMap::new(),
        path: Vec::new(),
    };
    comparison.pair(reader.root(), writer.root())
}

struct Comparison<'a> {
    reader: &'a Schema,
    writer: &'a Schema,
    /// The verdict of each pair; `None` while it is being found: a recursion into it counts as compatible.
    memo: HashMap<(NodeId, NodeId), Option<Vec<Finding>>>,
    path: Vec<String>,
}

type Verdict = Result<Vec<Finding>, CompareError>;

impl Comparison<'_> {
    fn pair(&mut self, reader: NodeId, writer: NodeId) -> Verdict {
        if let Some(known) = self.memo.get(&(reader, writer)) {
            return Ok(known.clone().unwrap_or_default());
        }
        if self.memo.len() >= PAIRS_MAX || self.path.len() >= NESTING_MAX {
            return Err(CompareError::TooLarge);
        }
        self.memo.insert((reader, writer), None);
        let found = self.compare(reader, writer)?;
        self.memo.insert((reader, writer), Some(found.clone()));
        Ok(found)
    }

    fn below(&mut self, step: impl Into<String>, reader: NodeId, writer: NodeId) -> Verdict {
        self.path.push(step.into());
        let found = self.pair(reader, writer);
        self.path.pop();
        found
    }

    fn compare(&mut self, reader: NodeId, writer: NodeId) -> Verdict {
        let (reader_schema, writer_schema) = (self.reader, self.writer);
        match (reader_schema.kind(reader), writer_schema.kind(writer)) {
            (Kind::Union(_), Kind::Union(branches)) => {
                let mut found = Vec::new();
                for (index, branch) in branches.iter().enumerate() {
                    self.path.push(index.to_string());
                    if !self.pair(reader, *branch)?.is_empty() {
                        merge(&mut found, vec![self.lacking(*branch)]);
                    }
                    self.path.pop();
                }
                Ok(found)
            }
            (_, Kind::Union(branches)) => {
                let mut found = Vec::new();
                for branch in branches {
                    merge(&mut found, self.pair(reader, *branch)?);
                }
                Ok(found)
            }
            (Kind::Union(branches), _) => {
                for branch in branches {
                    if self.pair(*branch, writer)?.is_empty() {
                        return Ok(Vec::new());
                    }
                }
                Ok(vec![self.lacking(writer)])
            }
            (Kind::Array(reader), Kind::Array(writer)) => self.below("items", *reader, *writer),
            (Kind::Map(reader), Kind::Map(writer)) => self.below("values", *reader, *writer),
            (Kind::Fixed(reader), Kind::Fixed(writer)) => {
                let mut found = self.names(&reader.named.name, &reader.named.aliases, &writer.named.name);
                if reader.size != writer.size {
                    let detail = format!("expected: {}, found: {}", writer.size, reader.size);
                    merge(
                        &mut found,
                        vec![self.finding(Mismatch::FixedSize, Some("size"), detail)],
                    );
                }
                Ok(found)
            }
            (Kind::Enum(reader), Kind::Enum(writer)) => Ok(self.enums(reader, writer)),
            (Kind::Record(reader), Kind::Record(writer)) => self.records(reader, writer),
            (Kind::Primitive(reader), Kind::Primitive(writer)) if promotes(*reader, *writer) => {
                Ok(Vec::new())
            }
            (reader, writer) => {
                let detail = format!(
                    "reader type: {} not compatible with writer type: {}",
                    shouted(reader),
                    shouted(writer)
                );
                Ok(vec![self.finding(Mismatch::Type, None, detail)])
            }
        }
    }

    fn enums(&self, reader: &Enum, writer: &Enum) -> Vec<Finding> {
        let mut found = self.names(&reader.named.name, &reader.named.aliases, &writer.named.name);
        let known: BTreeSet<&str> = reader.symbols.iter().map(String::as_str).collect();
        let missing: BTreeSet<&str> = writer
            .symbols
            .iter()
            .map(String::as_str)
            .filter(|symbol| !known.contains(symbol))
            .collect();
        if !missing.is_empty() && reader.default.is_none() {
            let detail = format!("[{}]", missing.into_iter().collect::<Vec<_>>().join(", "));
            merge(
                &mut found,
                vec![self.finding(Mismatch::EnumSymbols, Some("symbols"), detail)],
            );
        }
        found
    }

    fn records(&mut self, reader: &Record, writer: &Record) -> Verdict {
        let mut found = self.names(&reader.named.name, &reader.named.aliases, &writer.named.name);
        let written: HashMap<&str, &Field> = writer
            .fields
            .iter()
            .map(|field| (field.name.as_str(), field))
            .collect();
        for (index, field) in reader.fields.iter().enumerate() {
            self.path.push("fields".to_owned());
            self.path.push(index.to_string());
            match writers_field(field, &written)? {
                Some(written) => merge(&mut found, self.below("type", field.node, written.node)?),
                None if field.default.is_some() => {}
                None => merge(
                    &mut found,
                    vec![self.finding(Mismatch::ReaderField, None, field.name.clone())],
                ),
            }
            self.path.truncate(self.path.len() - 2);
        }
        Ok(found)
    }

    fn names(&self, reader: &Name, aliases: &[Name], writer: &Name) -> Vec<Finding> {
        if reader.short == writer.short || aliases.contains(writer) {
            return Vec::new();
        }
        vec![self.finding(Mismatch::Name, Some("name"), format!("expected: {writer}"))]
    }

    fn lacking(&self, writer: NodeId) -> Finding {
        let detail = format!(
            "reader union lacking writer type: {}",
            shouted(self.writer.kind(writer))
        );
        self.finding(Mismatch::UnionBranch, None, detail)
    }

    fn finding(&self, mismatch: Mismatch, last: Option<&str>, detail: String) -> Finding {
        let steps = self.path.iter().map(String::as_str).chain(last);
        let steps: Vec<String> = steps
            .map(|step| step.replace('~', "~0").replace('/', "~1"))
            .collect();
        Finding {
            mismatch,
            path: format!("/{}", steps.join("/")),
            detail,
        }
    }
}

fn writers_field<'w>(
    reader: &Field,
    written: &HashMap<&str, &'w Field>,
) -> Result<Option<&'w Field>, CompareError> {
    let mut matches = std::iter::once(&reader.name)
        .chain(&reader.aliases)
        .filter_map(|name| written.get(name.as_str()));
    match (matches.next(), matches.next()) {
        (found, None) => Ok(found.copied()),
        (_, Some(_)) => Err(CompareError::AmbiguousField(reader.name.clone())),
    }
}

fn promotes(reader: Primitive, writer: Primitive) -> bool {
    use Primitive::{Bytes, Double, Float, Int, Long, String};
    reader == writer
        || matches!(
            (reader, writer),
            (Long, Int)
                | (Float, Int | Long)
                | (Double, Int | Long | Float)
                | (Bytes, String)
                | (String, Bytes)
        )
}

fn shouted(kind: &Kind) -> String {
    // Java prints the constant of the type; an error is a record there.
    if matches!(kind, Kind::Record(_)) {
        "RECORD".to_owned()
    } else {
        kind.word().to_ascii_uppercase()
    }
}

fn merge(found: &mut Vec<Finding>, more: Vec<Finding>) {
    for finding in more {
        if found.len() < FINDINGS_MAX && !found.contains(&finding) {
            found.push(finding);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reader: &str, writer: &str, expected: &[(&str, &str)]) {
        let reader_schema = Schema::parse(reader, &[]).unwrap();
        let writer_schema = Schema::parse(writer, &[]).unwrap();
        let found = findings(&reader_schema, &writer_schema).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|finding| (finding.mismatch.word(), finding.path.as_str()))
            .collect();
        assert_eq!(found, expected, "{reader} reading {writer}");
    }

    fn record(fields: &str) -> String {
        format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)
    }

    #[test]
    fn av_075_promotions_are_those_of_avro_and_no_others() {
        let all = [
            "null", "boolean", "int", "long", "float", "double", "bytes", "string",
        ];
        let allowed = [
            ("long", "int"),
            ("float", "int"),
            ("float", "long"),
            ("double", "int"),
            ("double", "long"),
            ("double", "float"),
            ("bytes", "string"),
            ("string", "bytes"),
        ];
        for reader in all {
            for writer in all {
                let fits = reader == writer || allowed.contains(&(reader, writer));
                let expected: &[(&str, &str)] = if fits { &[] } else { &[("TYPE_MISMATCH", "/")] };
                check(&format!("\"{reader}\""), &format!("\"{writer}\""), expected);
            }
        }
    }

    #[test]
    fn av_075_fields_match_by_name_then_alias_or_have_a_default() {
        let writer = record(r#"{"name":"a","type":"int"},{"name":"b","type":"string"}"#);
        check(&record(r#"{"name":"a","type":"long"}"#), &writer, &[]);
        check(
            &record(r#"{"name":"z","aliases":["b"],"type":"string"}"#),
            &writer,
            &[],
        );
        check(&record(r#"{"name":"c","type":"int","default":0}"#), &writer, &[]);
        check(
            &record(r#"{"name":"a","type":"int"},{"name":"c","type":"int"}"#),
            &writer,
            &[("READER_FIELD_MISSING_DEFAULT_VALUE", "/fields/1")],
        );
        check(
            &record(r#"{"name":"b","type":"int"}"#),
            &writer,
            &[("TYPE_MISMATCH", "/fields/0/type")],
        );
    }

    #[test]
    fn av_075_a_field_that_matches_two_is_an_error() {
        let writer = Schema::parse(
            &record(r#"{"name":"a","type":"int"},{"name":"b","type":"int"}"#),
            &[],
        )
        .unwrap();
        let reader = Schema::parse(&record(r#"{"name":"a","aliases":["b"],"type":"int"}"#), &[]).unwrap();
        assert_eq!(
            findings(&reader, &writer),
            Err(CompareError::AmbiguousField("a".to_owned()))
        );
    }

    #[test]
    fn av_075_names_match_by_short_name_or_alias_of_the_full_name() {
        let fixed = |name: &str, more: &str| format!(r#"{{"type":"fixed","name":"{name}","size":4{more}}}"#);
        check(&fixed("x.F", ""), &fixed("y.F", ""), &[]);
        check(&fixed("x.G", r#","aliases":["y.F"]"#), &fixed("y.F", ""), &[]);
        check(
            &fixed("x.G", r#","aliases":["F"]"#),
            &fixed("y.F", ""),
            &[("NAME_MISMATCH", "/name")],
        );
        check(
            &fixed("x.F", ""),
            r#"{"type":"fixed","name":"F","size":5}"#,
            &[("FIXED_SIZE_MISMATCH", "/size")],
        );
    }

    #[test]
    fn av_075_an_enum_needs_all_symbols_or_a_default() {
        let symbols =
            |all: &str, more: &str| format!(r#"{{"type":"enum","name":"E","symbols":[{all}]{more}}}"#);
        check(&symbols(r#""a","b","c""#, ""), &symbols(r#""b","a""#, ""), &[]);
        check(
            &symbols(r#""a""#, r#","default":"a""#),
            &symbols(r#""a","b""#, ""),
            &[],
        );
        check(
            &symbols(r#""a""#, ""),
            &symbols(r#""c","a","b""#, ""),
            &[("MISSING_ENUM_SYMBOLS", "/symbols")],
        );
    }

    #[test]
    fn av_075_unions_follow_the_writers_branches() {
        check(r#"["null","long"]"#, "\"int\"", &[]);
        check(r#"["null","long"]"#, r#"["int","null"]"#, &[]);
        check("\"long\"", r#"["int","long"]"#, &[]);
        check("\"int\"", r#"["int","long"]"#, &[("TYPE_MISMATCH", "/")]);
        check(
            r#"["null","int"]"#,
            "\"string\"",
            &[("MISSING_UNION_BRANCH", "/")],
        );
        check(
            r#"["null","int"]"#,
            r#"["null","string"]"#,
            &[("MISSING_UNION_BRANCH", "/1")],
        );
        check(
            &record(r#"{"name":"a","type":["null","int"]}"#),
            &record(r#"{"name":"a","type":["null","string"]}"#),
            &[("MISSING_UNION_BRANCH", "/fields/0/type/1")],
        );
    }

    #[test]
    fn recursion_counts_as_compatible_and_ends() {
        let list = |kind: &str| {
            record(&format!(
                r#"{{"name":"v","type":"{kind}"}},{{"name":"next","type":["null","R"]}}"#
            ))
        };
        check(&list("long"), &list("int"), &[]);
        // Like Avro's Java library: the first way into a union's branch decides the path of what is wrong in it.
        check(
            &list("int"),
            &list("string"),
            &[("TYPE_MISMATCH", "/fields/0/type")],
        );
    }

    #[test]
    fn logical_types_do_not_matter() {
        check(
            r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#,
            r#"{"type":"bytes","logicalType":"decimal","precision":4,"scale":1}"#,
            &[],
        );
    }

    #[test]
    fn wide_and_deep_schemas_are_given_up_not_computed_forever() {
        let fields = |count: usize| {
            let all: Vec<_> = (0..count)
                .map(|index| format!(r#"{{"type":"record","name":"T{index}","fields":[]}}"#))
                .collect();
            Schema::parse(&format!("[{}]", all.join(",")), &[]).unwrap()
        };
        assert_eq!(findings(&fields(800), &fields(800)), Err(CompareError::TooLarge));
        // Two cycles of records whose lengths have no common factor: a path through all pairs of them.
        let cycle = |length: usize| {
            let mut text = "\"N\"".to_owned();
            for index in (0..length).rev() {
                let name = if index == 0 {
                    "N".to_owned()
                } else {
                    format!("N{index}")
                };
                text = format!(
                    r#"{{"type":"record","name":"{name}","aliases":["N"],"fields":[{{"name":"f","type":{text}}}]}}"#
                );
            }
            Schema::parse(&text, &[]).unwrap()
        };
        assert_eq!(findings(&cycle(31), &cycle(32)), Err(CompareError::TooLarge));
        assert_eq!(findings(&cycle(8), &cycle(8)), Ok(Vec::new()));
    }

    #[test]
    fn a_mismatch_shared_by_many_fields_does_not_multiply() {
        let tree = |leaf: &str| {
            let mut text =
                format!(r#"{{"type":"record","name":"L0","fields":[{{"name":"a","type":"{leaf}"}}]}}"#);
            for level in 1..20 {
                let below = level - 1;
                text = format!(
                    r#"{{"type":"record","name":"L{level}","fields":[{{"name":"a","type":{text}}},{{"name":"b","type":"L{below}"}}]}}"#
                );
            }
            Schema::parse(&text, &[]).unwrap()
        };
        assert_eq!(findings(&tree("int"), &tree("string")).unwrap().len(), 1);
    }
}
