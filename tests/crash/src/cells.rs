//! Sans-I/O: compares two tables cell by cell, as both databases print them: a row a line, tabs between the cells, `null` for
//! null and nothing for the empty value.

use std::collections::BTreeMap;

/// How many differences are named.
const NAMED_MAX: usize = 20;

/// One table.
type Rows<'t> = BTreeMap<Vec<&'t str>, Vec<&'t str>>;

/// What a comparison came to.
#[derive(Debug, PartialEq, Eq)]
pub struct Compared {
    /// Rows in Postgres.
    pub rows: usize,
    /// Values among them of more than a page's share, in Postgres.
    pub large: usize,
    /// The first of what differs.
    pub different: Vec<String>,
}

/// Compares. `columns` are those of both texts, of which the first `key` are the key.
pub fn compare(columns: &[&str], key: usize, postgres: &str, cassandra: &str) -> Compared {
    let mut different = Vec::new();
    let mut read = |side: &str, text| rows(columns, key, side, text, &mut different);
    let (ours, theirs) = (read("Postgres", postgres), read("Cassandra", cassandra));
    for (id, row) in &ours {
        let Some(other) = theirs.get(id) else {
            different.push(format!("only in Postgres: {}", id.join("/")));
            continue;
        };
        for ((column, here), there) in columns[key..].iter().zip(row).zip(other) {
            if here != there {
                different.push(format!(
                    "{}, {column}: only in Postgres: {}; only in Cassandra: {}",
                    id.join("/"),
                    brief(here),
                    brief(there)
                ));
            }
        }
    }
    let invented = theirs.keys().filter(|id| !ours.contains_key(*id));
    different.extend(invented.map(|id| format!("only in Cassandra: {}", id.join("/"))));
    let more = different.len().saturating_sub(NAMED_MAX);
    different.truncate(NAMED_MAX);
    if more > 0 {
        different.push(format!("and {more} more"));
    }
    let large = ours.values().flatten().filter(|cell| cell.len() > 2000).count();
    Compared {
        rows: ours.len(),
        large,
        different,
    }
}

fn rows<'t>(
    columns: &[&str],
    key: usize,
    side: &str,
    text: &'t str,
    different: &mut Vec<String>,
) -> Rows<'t> {
    let mut rows = Rows::new();
    for line in text.lines() {
        let mut id: Vec<_> = line.split('\t').collect();
        if id.len() != columns.len() {
            different.push(format!("in {side}: a row of {} cells: {}", id.len(), brief(line)));
            continue;
        }
        let cells = id.split_off(key);
        if let Some(twice) = rows.insert(id, cells) {
            different.push(format!(
                "in {side}: twice a row with {}",
                brief(&twice.join("\t"))
            ));
        }
    }
    rows
}

/// A cell as one can look at it.
fn brief(cell: &str) -> String {
    match cell {
        "null" => "null".to_owned(),
        cell => format!(
            "{:?} ({} bytes)",
            cell.chars().take(24).collect::<String>(),
            cell.len()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [&str; 4] = ["a", "b", "note", "big"];
    const TABLE: &str = "1\t1\tx\tbig\n1\t2\t\tnull\n2\t1\tnull\tnull\n";

    fn different(cassandra: &str) -> Vec<String> {
        compare(&COLUMNS, 2, TABLE, cassandra).different
    }

    #[test]
    fn equal_tables_are_equal_in_any_order() {
        let turned: Vec<_> = TABLE.lines().rev().collect();
        let compared = compare(&COLUMNS, 2, TABLE, &turned.join("\n"));
        assert_eq!((compared.rows, compared.different.len()), (3, 0));
    }

    #[test]
    fn every_way_to_spoil_a_table_is_found() {
        for (from, to, found) in [
            (
                "x\tbig",
                "x\tnull",
                r#"1/1, big: only in Postgres: "big" (3 bytes); only in Cassandra: null"#,
            ),
            (
                "x\tbig",
                "x\tbag",
                r#"1/1, big: only in Postgres: "big" (3 bytes); only in Cassandra: "bag" (3 bytes)"#,
            ),
            (
                "\t\tnull",
                "\tnull\tnull",
                r#"1/2, note: only in Postgres: "" (0 bytes); only in Cassandra: null"#,
            ),
            (
                "\tnull\tnull",
                "\tnull\t",
                r#"2/1, big: only in Postgres: null; only in Cassandra: "" (0 bytes)"#,
            ),
            ("2\t1\tnull\tnull\n", "", "only in Postgres: 2/1"),
            (
                "2\t1\tnull\tnull\n",
                "2\t1\tnull\tnull\n3\t1\tnull\tnull\n",
                "only in Cassandra: 3/1",
            ),
            (
                "2\t1\tnull\tnull\n",
                "2\t1\tnull\n",
                "in Cassandra: a row of 3 cells: \"2\\t1\\tnull\" (8 bytes)",
            ),
        ] {
            let spoilt = TABLE.replacen(from, to, 1);
            assert_ne!(spoilt, TABLE);
            assert!(
                different(&spoilt).iter().any(|line| line == found),
                "{:?}",
                different(&spoilt)
            );
        }
        let doubled = format!("{TABLE}1\t1\tx\tbig\n");
        assert_eq!(different(&doubled).len(), 1);
    }

    #[test]
    fn many_differences_are_counted() {
        let many: String = (0..50).map(|id| format!("9\t{id}\tnull\tnull\n")).collect();
        let different = different(&many);
        assert_eq!(different.len(), NAMED_MAX + 1);
        assert_eq!(different.last().map(String::as_str), Some("and 33 more"));
    }
}
