//! Sans-I/O: what is asked of the catalogue, and how its answers are read. One batched query per question, never one per
//! column or table (PG-047, PG-206).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::connection::Row;
use crate::identifier::{TableName, literal};
use crate::types::mapping::TypeRef;

/// An answer that does not have the expected form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unexpected(pub &'static str);

impl std::fmt::Display for Unexpected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the catalogue's answer about {} has an unexpected form",
            self.0
        )
    }
}

impl std::error::Error for Unexpected {}

/// A table that could be captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRow {
    /// Oid.
    pub oid: u32,
    /// Name.
    pub name: TableName,
    /// `r`: ordinary, `p`: partitioned.
    pub kind: u8,
    /// Oids of the leaves below a partitioned table.
    pub leaves: Vec<u32>,
    /// Oids of the partitioned tables above a partition.
    pub ancestors: Vec<u32>,
    /// Without replica identity: UPDATE and DELETE fail once it is published.
    pub lacks_identity: bool,
    /// The planner's estimate of its rows; negative: unknown.
    pub estimated_rows: i64,
}

/// All ordinary and partitioned tables (PG-147).
pub const TABLES_SQL: &str = "\
SELECT c.oid, n.nspname, c.relname, c.relkind, c.reltuples::bigint,
       (c.relreplident = 'n' OR c.relreplident = 'd' AND NOT EXISTS (
          SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)),
       CASE WHEN c.relkind = 'p' THEN (
          SELECT pg_catalog.string_agg(t.relid::oid::text, ',') FROM pg_catalog.pg_partition_tree(c.oid) t WHERE t.isleaf) END,
       CASE WHEN c.relispartition THEN (
          SELECT pg_catalog.string_agg(a.relid::oid::text, ',') FROM pg_catalog.pg_partition_ancestors(c.oid) a(relid)
          WHERE a.relid <> c.oid) END
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
  AND n.nspname NOT LIKE 'pg\\_temp%' AND n.nspname NOT LIKE 'pg\\_toast%'
ORDER BY n.nspname, c.relname";

/// Reads the answer to [`TABLES_SQL`].
///
/// # Errors
/// An answer of another form.
pub fn tables(rows: &[Row]) -> Result<Vec<TableRow>, Unexpected> {
    const ABOUT: Unexpected = Unexpected("tables");
    rows.iter()
        .map(|row| {
            let text = |index: usize| row.get(index).and_then(Option::as_deref).ok_or(ABOUT);
            Ok(TableRow {
                oid: text(0)?.parse().map_err(|_| ABOUT)?,
                name: TableName::new(text(1)?, text(2)?),
                kind: *text(3)?.as_bytes().first().ok_or(ABOUT)?,
                estimated_rows: text(4)?.parse().map_err(|_| ABOUT)?,
                lacks_identity: text(5)? == "t",
                leaves: oids(row.get(6)).ok_or(ABOUT)?,
                ancestors: oids(row.get(7)).ok_or(ABOUT)?,
            })
        })
        .collect()
}

/// Oids separated by commas; null: none.
fn oids(cell: Option<&Option<String>>) -> Option<Vec<u32>> {
    let list = cell?.as_deref().unwrap_or_default();
    let oids = list.split(',').filter(|oid| !oid.is_empty());
    oids.map(|oid| oid.parse().ok()).collect()
}

/// What the catalogue knows of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnInfo {
    /// Name.
    pub name: Arc<str>,
    /// NOT NULL.
    pub not_null: bool,
    /// Its default expression.
    pub default: Option<String>,
    /// GENERATED … AS IDENTITY.
    pub identity: bool,
    /// GENERATED ALWAYS AS IDENTITY: nobody can change it to a value of their own.
    pub identity_always: bool,
    /// Its values may be stored out of line (TOAST).
    pub out_of_line: bool,
    /// GENERATED ALWAYS AS (…).
    pub generated: bool,
    /// Oid of its type as declared.
    pub type_oid: u32,
    /// Modifier as declared; -1: none.
    pub modifier: i32,
}

/// What the catalogue knows of a table's structure.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableInfo {
    /// Columns in order.
    pub columns: Vec<ColumnInfo>,
    /// Columns of the primary key, else of the first unique index (PG-063); empty: there is none.
    pub key: Vec<Arc<str>>,
    /// Its name now: a relation of the stream has the name of when the change was written.
    pub name: Option<TableName>,
    /// A partitioned table: its rows lie in its partitions.
    pub partitioned: bool,
    /// REPLICA IDENTITY: `d`, `f`, `n` or `i`. A partitioned table's own says nothing about its rows: unless all its
    /// partitions are `f`, it counts as `d`.
    pub replica_identity: u8,
    /// Columns of the index of REPLICA IDENTITY USING INDEX.
    pub identity_index: Vec<Arc<str>>,
}

/// Structures of tables, and the types they use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Structures {
    tables: HashMap<u32, TableInfo>,
    types: HashMap<u32, TypeRef>,
}

impl Structures {
    /// The structure of a table; `None`: it does not exist any more.
    pub fn table(&self, oid: u32) -> Option<&TableInfo> {
        self.tables.get(&oid)
    }

    /// A type, domains resolved to what they stand for; the column's own modifier wins (PG-114).
    pub fn type_ref(&self, oid: u32, modifier: i32) -> TypeRef {
        match self.types.get(&oid) {
            Some(found) if modifier < 0 => found.clone(),
            Some(found) => TypeRef {
                modifier,
                ..found.clone()
            },
            None => TypeRef::builtin(oid, modifier),
        }
    }

    /// A copy with more tables.
    pub fn extend(&mut self, other: Self) {
        self.tables.extend(other.tables);
        self.types.extend(other.types);
    }
}

/// Asks for the structures of tables, and for types besides those their columns have now.
pub fn structures_sql(tables: &[u32], types: &[u32]) -> String {
    let list = |oids: &[u32]| {
        let oids: Vec<_> = oids.iter().map(u32::to_string).collect();
        format!("'{{{}}}'::oid[]", oids.join(","))
    };
    let (tables, types) = (list(tables), list(types));
    format!(
        "\
SELECT 'c', a.attrelid, a.attname, a.attnotnull, pg_catalog.pg_get_expr(d.adbin, d.adrelid),
       a.attidentity, a.attgenerated <> '', a.atttypid, a.atttypmod, a.attstorage <> 'p'
FROM pg_catalog.pg_attribute a
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = ANY ({tables}) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum;
SELECT 'n', c.oid, n.nspname, c.relname, c.relkind, CASE WHEN c.relkind = 'p' AND NOT COALESCE((
          SELECT bool_and(l.relreplident = 'f') FROM pg_catalog.pg_partition_tree(c.oid) t
          JOIN pg_catalog.pg_class l ON l.oid = t.relid WHERE t.isleaf), false) THEN 'd' ELSE c.relreplident END
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = ANY ({tables});
SELECT 'k', i.indrelid, i.indexrelid, a.attname, i.indisreplident
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_am m ON m.oid = c.relam
CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, place)
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indrelid = ANY ({tables}) AND i.indisunique AND i.indexprs IS NULL AND k.place <= i.indnkeyatts
ORDER BY i.indrelid, i.indisprimary DESC,
         CASE WHEN i.indisclustered THEN 1 WHEN m.amname = 'hash' THEN 2 ELSE 3 END, c.relname, k.place;
WITH RECURSIVE base(id, oid, typname, typtype, typbasetype, typtypmod, modifier) AS (
  SELECT t.oid, t.oid, t.typname, t.typtype, t.typbasetype, t.typtypmod, -1
  FROM pg_catalog.pg_type t
  WHERE t.oid = ANY ({types}) OR t.oid IN (
    SELECT a.atttypid FROM pg_catalog.pg_attribute a WHERE a.attrelid = ANY ({tables}) AND a.attnum > 0)
  UNION ALL
  SELECT b.id, t.oid, t.typname, t.typtype, t.typbasetype, t.typtypmod,
         CASE WHEN b.modifier >= 0 THEN b.modifier ELSE b.typtypmod END
  FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.typbasetype
  WHERE b.typtype = 'd')
SELECT 't', id, oid, typname, modifier FROM base WHERE typtype <> 'd'"
    )
}

/// Reads the answer to [`structures_sql`].
///
/// # Errors
/// An answer of another form.
pub fn structures(rows: &[Row]) -> Result<Structures, Unexpected> {
    const ABOUT: Unexpected = Unexpected("columns");
    let mut found = Structures::default();
    let mut key_of: HashMap<u32, u32> = HashMap::new();
    for row in rows {
        let text = |index: usize| row.get(index).and_then(Option::as_deref).ok_or(ABOUT);
        let number = |index: usize| -> Result<u32, Unexpected> { text(index)?.parse().map_err(|_| ABOUT) };
        let modifier = |index: usize| -> Result<i32, Unexpected> { text(index)?.parse().map_err(|_| ABOUT) };
        let id = number(1)?;
        match text(0)? {
            "c" => {
                let column = ColumnInfo {
                    name: text(2)?.into(),
                    not_null: text(3)? == "t",
                    default: row.get(4).cloned().flatten(),
                    identity: !text(5)?.is_empty(),
                    identity_always: text(5)? == "a",
                    generated: text(6)? == "t",
                    type_oid: number(7)?,
                    modifier: modifier(8)?,
                    out_of_line: text(9)? == "t",
                };
                found.tables.entry(id).or_default().columns.push(column);
            }
            "k" => {
                // The first index of each table is its key; the others follow it in the answer.
                let index = number(2)?;
                let table = found.tables.entry(id).or_default();
                if *key_of.entry(id).or_insert(index) == index {
                    table.key.push(text(3)?.into());
                }
                if text(4)? == "t" {
                    table.identity_index.push(text(3)?.into());
                }
            }
            "n" => {
                let table = found.tables.entry(id).or_default();
                table.name = Some(TableName::new(text(2)?, text(3)?));
                table.partitioned = text(4)? == "p";
                table.replica_identity = *text(5)?.as_bytes().first().ok_or(ABOUT)?;
            }
            "t" => {
                let resolved = TypeRef {
                    oid: number(2)?,
                    name: text(3)?.into(),
                    modifier: modifier(4)?,
                };
                found.types.insert(id, resolved);
            }
            _ => return Err(ABOUT),
        }
    }
    Ok(found)
}

/// What a publication is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    /// FOR ALL TABLES.
    pub all_tables: bool,
    /// It is FOR TABLE of exactly these. `None`: it publishes whole schemas.
    pub members: Option<BTreeSet<TableName>>,
}

/// Asks for a publication and the tables it is made of: a row for each, or one row without a table.
pub fn members_sql(publication: &str, version: u32) -> String {
    let schemas = match version {
        150_000.. => "EXISTS (SELECT FROM pg_catalog.pg_publication_namespace s WHERE s.pnpubid = p.oid)",
        _ => "false",
    };
    format!(
        "SELECT p.puballtables, {schemas}, n.nspname, c.relname
         FROM pg_catalog.pg_publication p
         LEFT JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid
         LEFT JOIN pg_catalog.pg_class c ON c.oid = r.prrelid
         LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE p.pubname = {}",
        literal(publication)
    )
}

/// Reads the answer to [`members_sql`]; `None`: there is no such publication.
///
/// # Errors
/// An answer of another form.
pub fn members(rows: &[Row]) -> Result<Option<Existing>, Unexpected> {
    let Some(first) = rows.first() else {
        return Ok(None);
    };
    let [all_tables, schemas, ..] = first.as_slice() else {
        return Err(Unexpected("publications"));
    };
    let names = rows.iter().filter_map(|row| match row.as_slice() {
        [_, _, Some(schema), Some(table)] => Some(TableName::new(schema.as_str(), table.as_str())),
        _ => None,
    });
    let is = |cell: &Option<String>| cell.as_deref() == Some("t");
    Ok(Some(Existing {
        all_tables: is(all_tables),
        members: (!is(schemas)).then(|| names.collect()),
    }))
}

/// What a publication publishes of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The table under whose name its changes come.
    pub table: TableName,
    /// Its oid.
    pub oid: u32,
    /// Published columns, where the server says (PG 15 on).
    pub columns: Option<Vec<String>>,
    /// A row filter hides rows.
    pub filtered: bool,
}

/// Asks what a publication publishes.
pub fn published_sql(publication: &str, version: u32) -> String {
    let oid = "pg_catalog.format('%I.%I', schemaname, tablename)::pg_catalog.regclass::oid";
    let more = match version {
        180_000.. => "pg_catalog.array_to_json(attnames), rowfilter IS NOT NULL".to_owned(),
        // Up to 17 generated columns stand in the list and are not published (PG-115).
        150_000.. => format!(
            "(SELECT pg_catalog.json_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
              WHERE a.attrelid = {oid} AND a.attname = ANY (attnames) AND a.attgenerated = ''), rowfilter IS NOT NULL"
        ),
        _ => "NULL, false".to_owned(),
    };
    format!(
        "SELECT schemaname, tablename, {more}, {oid} FROM pg_catalog.pg_publication_tables WHERE pubname = {}",
        literal(publication)
    )
}

/// Reads the answer to [`published_sql`].
///
/// # Errors
/// An answer of another form.
pub fn published(rows: &[Row]) -> Result<Vec<Published>, Unexpected> {
    const ABOUT: Unexpected = Unexpected("publications");
    rows.iter()
        .map(|row| {
            let text = |index: usize| row.get(index).and_then(Option::as_deref).ok_or(ABOUT);
            Ok(Published {
                table: TableName::new(text(0)?, text(1)?),
                columns: match row.get(2).and_then(Option::as_deref) {
                    Some(json) => Some(json_strings(json).ok_or(ABOUT)?),
                    None => None,
                },
                filtered: text(3)? == "t",
                oid: text(4)?.parse().map_err(|_| ABOUT)?,
            })
        })
        .collect()
}

/// Reads a JSON array of strings as Postgres prints one.
fn json_strings(json: &str) -> Option<Vec<String>> {
    let mut items = Vec::new();
    let mut rest = json.trim().strip_prefix('[')?.trim_start();
    while let Some(begun) = rest.strip_prefix('"') {
        let mut item = String::new();
        let mut chars = begun.char_indices();
        let end = loop {
            let (at, c) = chars.next()?;
            match c {
                '"' => break at,
                '\\' => match chars.next()?.1 {
                    'n' => item.push('\n'),
                    't' => item.push('\t'),
                    'r' => item.push('\r'),
                    'b' => item.push('\u{8}'),
                    'f' => item.push('\u{c}'),
                    'u' => {
                        let digits: String = (0..4).filter_map(|_| chars.next().map(|(_, c)| c)).collect();
                        item.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                    }
                    other => item.push(other),
                },
                other => item.push(other),
            }
        };
        items.push(item);
        rest = begun.get(end + 1..)?.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    (rest == "]").then_some(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Row {
        cells
            .iter()
            .map(|cell| (*cell != "\0").then(|| (*cell).to_owned()))
            .collect()
    }

    /// PG-063: the primary key, else the first unique index of the answer.
    #[test]
    fn the_first_index_of_a_table_is_its_key() {
        let found = structures(&[
            row(&["c", "7", "id", "t", "\0", "a", "f", "23", "-1", "f"]),
            row(&["c", "7", "mail", "f", "'x'::text", "", "f", "25", "-1", "t"]),
            row(&["n", "7", "public", "users", "p", "i"]),
            row(&["k", "7", "70", "id", "f"]),
            row(&["k", "7", "71", "mail", "t"]),
            row(&["k", "8", "80", "a", "f"]),
            row(&["k", "8", "80", "b", "f"]),
            row(&["t", "16500", "1700", "numeric", "655366"]),
        ])
        .unwrap();
        let table = found.table(7).unwrap();
        assert_eq!(table.key, ["id".into()]);
        assert_eq!(table.columns[1].default.as_deref(), Some("'x'::text"));
        let large: Vec<_> = table.columns.iter().map(|column| column.out_of_line).collect();
        assert_eq!(
            (large, table.columns[0].identity_always),
            (vec![false, true], true)
        );
        assert_eq!(table.name, Some(TableName::new("public", "users")));
        assert_eq!((table.partitioned, table.replica_identity), (true, b'i'));
        assert_eq!(table.identity_index, ["mail".into()]);
        assert_eq!(found.table(8).unwrap().key, ["a".into(), "b".into()]);
        assert_eq!(found.type_ref(16_500, -1).modifier, 655_366);
        assert_eq!(found.type_ref(16_500, -1).oid, 1700);
        assert_eq!(found.type_ref(23, -1), TypeRef::builtin(23, -1));
        assert!(structures(&[row(&["x", "1"])]).is_err());
    }

    #[test]
    fn published_columns_are_read() {
        let rows = [
            row(&["public", "t", "[\"id\",\"a \\\"b\\\"\"]", "f", "7"]),
            row(&["public", "u", "\0", "t", "8"]),
        ];
        let published = published(&rows).unwrap();
        assert_eq!(
            published[0].columns,
            Some(vec!["id".to_owned(), "a \"b\"".to_owned()])
        );
        assert_eq!(
            (published[1].columns.is_none(), published[1].filtered),
            (true, true)
        );
        assert_eq!(json_strings("[]"), Some(vec![]));
        assert_eq!(json_strings("[\"a"), None);
    }
}
