//! Sans-I/O: captured tables whose changes can come without values that are stored out of line (TOAST), or without the key;
//! named once, at the start and by validate (RS-131).

use super::attach::Captured;
use super::catalogue::{Structures, TableInfo, TableRow};
use super::config::{OnCreate, SourceConfig};
use super::record::missing::ON_CREATE;
use crate::identifier::TableName;

/// Tables that a message names; of a thousand the first ones tell enough.
const NAMED_MAX: usize = 20;

/// A key of the configuration and what it should know.
pub(super) type Finding = (&'static str, String);

/// A table that is named, with some of its columns.
struct Named<'a> {
    name: &'a TableName,
    partitioned: bool,
    columns: String,
}

/// What a start is told.
pub(super) fn of_captured(config: &SourceConfig, captured: &Captured) -> Vec<Finding> {
    findings(config, &captured.tables, &captured.structures)
}

/// What there is to tell of these tables.
pub(super) fn findings(config: &SourceConfig, tables: &[TableRow], structures: &Structures) -> Vec<Finding> {
    let known: Vec<_> = tables
        .iter()
        .filter_map(|table| Some((&table.name, structures.table(table.oid)?)))
        .filter(|(_, info)| info.replica_identity != b'f' && !info.key.is_empty())
        .collect();
    let these = |columns_of: &dyn Fn(&TableName, &TableInfo) -> Option<String>| -> Vec<_> {
        let found = known.iter().filter_map(|(name, info)| {
            Some(Named {
                name,
                partitioned: info.partitioned,
                columns: columns_of(name, info)?,
            })
        });
        found.collect()
    };
    let large = these(&|name, info| large_columns(config, name, info).filter(|_| key_can_change(info)));
    let keyless = these(&|_, info| key_not_in_identity(info));
    let mut findings = Vec::new();
    if !large.is_empty() {
        findings.push((
            ON_CREATE,
            format!(
                "{} may be stored out of line: when the key of a row changes and they do not, the server does not send them, and {}; \
                 {} avoids it",
                named(&large),
                consequence(config.records.on_create),
                statements(&large)
            ),
        ));
    }
    if !keyless.is_empty() {
        findings.push((
            "table.include.list",
            format!(
                "the replica identity of {} lacks part of the key: a delete fails the task, and a change of the key goes \
                 unnoticed; {} avoids it",
                named(&keyless),
                statements(&keyless)
            ),
        ));
    }
    findings
}

fn consequence(on_create: OnCreate) -> &'static str {
    match on_create {
        OnCreate::Reselect => "they are read again by the new key",
        OnCreate::Fail => "the task fails",
        OnCreate::Placeholder => "the new row begins with unavailable.value.placeholder in their place",
    }
}

/// An identity column GENERATED ALWAYS is never set by an application.
fn key_can_change(info: &TableInfo) -> bool {
    let of_key = info
        .columns
        .iter()
        .filter(|column| info.key.contains(&column.name));
    of_key.into_iter().any(|column| !column.identity_always)
}

/// Captured columns outside of the replica identity whose values may be stored out of line, separated by commas.
fn large_columns(config: &SourceConfig, table: &TableName, info: &TableInfo) -> Option<String> {
    let identity = match info.replica_identity {
        b'i' => &info.identity_index,
        _ => &info.key,
    };
    let large = info
        .columns
        .iter()
        .filter(|column| column.out_of_line && !column.generated && !identity.contains(&column.name));
    // A pattern that cannot decide is told where tables are captured.
    let captured = large.filter(|column| config.filter.captures_column(table, &column.name).unwrap_or(true));
    let names: Vec<_> = captured.map(|column| &*column.name).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// Columns of the key that an old tuple does not hold.
fn key_not_in_identity(info: &TableInfo) -> Option<String> {
    if info.replica_identity != b'i' {
        return None;
    }
    let lacking = info
        .key
        .iter()
        .filter(|column| !info.identity_index.contains(column));
    let names: Vec<_> = lacking.map(|column| &**column).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

fn named(tables: &[Named<'_>]) -> String {
    let shown = tables.iter().take(NAMED_MAX);
    let mut shown: Vec<_> = shown
        .map(|table| format!("{} ({})", table.name, table.columns))
        .collect();
    if tables.len() > NAMED_MAX {
        shown.push(format!("{} more tables", tables.len() - NAMED_MAX));
    }
    shown.join(", ")
}

fn statements(tables: &[Named<'_>]) -> String {
    let partitioned = match tables.iter().any(|table| table.partitioned) {
        true => " (of a partitioned table on each of its partitions too)",
        false => "",
    };
    match tables {
        [one] => format!(
            "ALTER TABLE {} REPLICA IDENTITY FULL{partitioned}",
            one.name.quoted()
        ),
        _ => format!("ALTER TABLE … REPLICA IDENTITY FULL on each{partitioned}"),
    }
}

#[cfg(test)]
mod tests {
    use rowtide_api::config::{ConfigReport, Properties};

    use super::*;
    use crate::source::catalogue::structures;

    fn config(more: &[(&str, &str)]) -> SourceConfig {
        let mut properties = Properties::from_iter([
            ("topic.prefix", "p"),
            ("database.hostname", "localhost"),
            ("database.user", "u"),
            ("database.dbname", "d"),
            ("plugin.name", "pgoutput"),
        ]);
        for (key, value) in more {
            properties.set(*key, *value);
        }
        let (config, report) = ConfigReport::read::<SourceConfig>(&properties);
        config.unwrap_or_else(|| panic!("{report:?}"))
    }

    /// One table with a key, a small and a large column. `identity`: of the table, and its index's column.
    fn told(config: &SourceConfig, attidentity: &str, identity: &str, index: &str) -> Vec<String> {
        let row = |cells: &[&str]| cells.iter().map(|cell| Some((*cell).to_owned())).collect();
        let is = |column: &str| if index == column { "t" } else { "f" };
        let found = structures(&[
            row(&["c", "7", "id", "t", "", attidentity, "f", "23", "-1", "f"]),
            row(&["c", "7", "n", "t", "", "", "f", "23", "-1", "f"]),
            row(&["c", "7", "big", "f", "", "", "f", "25", "-1", "t"]),
            row(&["n", "7", "public", "t", "r", identity]),
            row(&["k", "7", "1", "id", is("id")]),
            row(&["k", "7", "2", "n", is("n")]),
        ])
        .unwrap();
        let table = TableRow {
            oid: 7,
            name: TableName::new("public", "t"),
            kind: b'r',
            leaves: Vec::new(),
            ancestors: Vec::new(),
            lacks_identity: false,
            estimated_rows: 0,
        };
        let findings = findings(config, &[table], &found);
        findings
            .into_iter()
            .map(|(key, text)| format!("{key}: {text}"))
            .collect()
    }

    /// RS-131.
    #[test]
    fn a_table_is_named_that_can_lose_a_value_with_its_key() {
        let ours = config(&[]);
        let found = told(&ours, "d", "d", "");
        assert_eq!(
            found,
            [
                "rowtide.unavailable.on.create: public.t (big) may be stored out of line: when the key of a row changes and they \
              do not, the server does not send them, and they are read again by the new key; ALTER TABLE \"public\".\"t\" \
              REPLICA IDENTITY FULL avoids it"
            ]
        );
        assert!(
            told(&config(&[("rowtide.unavailable.on.create", "fail")]), "", "d", "")[0]
                .contains("the task fails")
        );
        for (attidentity, identity, index) in [("a", "d", ""), ("d", "f", ""), ("a", "i", "id")] {
            assert_eq!(
                told(&ours, attidentity, identity, index),
                [""; 0],
                "{attidentity} {identity} {index}"
            );
        }
        let without = config(&[("column.exclude.list", "public.t.big")]);
        assert_eq!(told(&without, "d", "d", ""), [""; 0]);
    }

    /// The decision on replica identities without the key.
    #[test]
    fn a_replica_identity_without_the_key_is_named() {
        let found = told(&config(&[]), "a", "i", "n");
        assert_eq!(found.len(), 1);
        assert!(
            found[0].contains("public.t (id) lacks part of the key"),
            "{found:?}"
        );
    }
}
