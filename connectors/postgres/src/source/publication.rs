//! The publication: created or adjusted as its mode says, and checked for what it hides (PG-038 to PG-043).

use std::collections::BTreeSet;

use rowtide_api::Error;

use super::catalogue::{self, Existing, Published, TableRow};
use super::config::{PublicationMode, PublicationSettings};
use crate::connection::Connection;
use crate::errors;
use crate::identifier::{TableName, literal, quoted};

/// What has to be run on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// A statement that creates or alters it.
    Run(String),
}

/// §2.2: what to do about the publication. `published`: tables it has now.
///
/// # Errors
/// Fatal where its mode forbids what would have to be done.
pub fn decide(
    settings: &PublicationSettings,
    existing: Option<&Existing>,
    published: &[Published],
    captured: &[TableName],
) -> Result<Change, Error> {
    let name = &settings.name;
    match (settings.mode, existing) {
        (Some(PublicationMode::Disabled), None) => {
            Err(Error::fatal(format!("publication {name} does not exist"))
                .hint("create it, or set publication.autocreate.mode=filtered"))
        }
        (Some(PublicationMode::AllTables), None) => Ok(Change::Run(create(settings, " FOR ALL TABLES"))),
        (Some(PublicationMode::NoTables), None) => Ok(Change::Run(create(settings, ""))),
        (Some(PublicationMode::Filtered) | None, None) => {
            if captured.is_empty() {
                return Err(no_table());
            }
            Ok(Change::Run(create(
                settings,
                &format!(" FOR TABLE {}", table_list(captured)),
            )))
        }
        (Some(PublicationMode::Filtered), Some(existing)) => {
            if existing.all_tables {
                return Err(Error::fatal(format!(
                    "publication {name} is FOR ALL TABLES and cannot be filtered"
                ))
                .hint("set publication.autocreate.mode=all_tables, or choose another publication.name"));
            }
            // What it is made of or what comes of that: in place of a partitioned table the server shows its partitions.
            let shown: BTreeSet<_> = published.iter().map(|published| &published.table).collect();
            let wants: BTreeSet<_> = captured.iter().collect();
            let is_made_of = |members: &BTreeSet<TableName>| members.iter().eq(wants.iter().copied());
            if shown == wants || existing.members.as_ref().is_some_and(is_made_of) {
                return Ok(Change::None);
            }
            if captured.is_empty() {
                return Err(no_table());
            }
            let tables = table_list(captured);
            Ok(Change::Run(format!(
                "ALTER PUBLICATION {} SET TABLE {tables}",
                quoted(name)
            )))
        }
        (_, Some(_)) => Ok(Change::None),
    }
}

fn no_table() -> Error {
    Error::fatal("no table is captured, so there is nothing to publish")
        .hint("check table.include.list and schema.include.list, and that the tables exist")
}

fn create(settings: &PublicationSettings, tables: &str) -> String {
    let mut options = Vec::new();
    if settings.via_root {
        options.push("publish_via_partition_root = true".to_owned());
    }
    if let Some(publish) = &settings.publish {
        options.push(format!("publish = {}", literal(publish)));
    }
    let with = if options.is_empty() {
        String::new()
    } else {
        format!(" WITH ({})", options.join(", "))
    };
    format!("CREATE PUBLICATION {}{tables}{with}", quoted(&settings.name))
}

/// ONLY: the children of an inheritance parent are tables of their own. Of a partitioned table it leaves nothing out.
fn table_list(captured: &[TableName]) -> String {
    let sorted: BTreeSet<_> = captured.iter().collect();
    sorted
        .iter()
        .map(|table| format!("ONLY {}", table.quoted()))
        .collect::<Vec<_>>()
        .join(", ")
}

/// PG-040, PG-157: what the publication hides of the captured tables, in words.
pub fn hidden(published: &[Published], captured: &[TableRow]) -> Vec<String> {
    captured
        .iter()
        .filter_map(|table| hidden_of(table, published, captured))
        .collect()
}

fn hidden_of(table: &TableRow, published: &[Published], captured: &[TableRow]) -> Option<String> {
    let name = &table.name;
    if let Some(published) = published.iter().find(|published| published.table == *name) {
        let filtered = published.filtered;
        return filtered.then(|| format!("{name} has a row filter: rows it hides give no events"));
    }
    // A partition's changes come under its own name, or under that of a table above it, as the publication says.
    let related = |published: &&Published| {
        table.leaves.contains(&published.oid) || table.ancestors.contains(&published.oid)
    };
    let carriers: Vec<_> = published.iter().filter(related).collect();
    if carriers.is_empty() {
        // Without a partition it has no rows, and a partition to come is published with it.
        let has_rows = table.kind != b'p' || !table.leaves.is_empty();
        return has_rows.then(|| format!("{name} is captured but not published"));
    }
    let names = |carriers: &[&Published]| {
        let names: Vec<_> = carriers.iter().map(|of| of.table.to_string()).collect();
        names.join(", ")
    };
    let mut finding = format!(
        "{name} is captured, but its changes are published as those of {}",
        names(&carriers)
    );
    let is_lost = |of: &&Published| captured.iter().all(|table| table.name != of.table);
    let lost: Vec<_> = carriers.into_iter().filter(is_lost).collect();
    if !lost.is_empty() {
        finding.push_str(&format!(
            ": those of {} give no events, because that is not captured",
            names(&lost)
        ));
    }
    finding.push_str(
        " (set publish_via_partition_root of the publication, or table.include.list, so that they name the same level)",
    );
    Some(finding)
}

/// Whether at least one captured table is published (PG-040).
pub fn covers_any(published: &[Published], captured: &[TableRow]) -> bool {
    let is_published = |table: &TableRow| {
        let by_name = published.iter().any(|published| published.table == table.name);
        by_name || table.kind == b'p' && table.leaves.is_empty()
    };
    captured.iter().any(is_published)
}

/// Brings the publication into the state its mode asks for; answers what it publishes, and whether it had to be altered:
/// then changes of some tables were not published until now.
///
/// # Errors
/// Fatal where the mode forbids it or the role lacks the right.
pub async fn ensure(
    query: &Connection,
    settings: &PublicationSettings,
    captured: &[TableRow],
    version: u32,
    standby: bool,
) -> Result<(Vec<Published>, bool), Error> {
    let names: Vec<_> = captured.iter().map(|table| table.name.clone()).collect();
    let (existing, published) = look_up(query, settings, version).await?;
    match decide(settings, existing.as_ref(), &published, &names)? {
        Change::None => Ok((published, false)),
        Change::Run(_) if standby => Err(Error::fatal(format!(
            "publication {} has to be changed, and a standby cannot do it",
            settings.name
        ))
        .hint("create or alter it on the primary")),
        Change::Run(statement) => {
            if statement.contains(" FOR ALL TABLES") {
                warn_about_identities(captured);
            }
            tracing::info!(publication = %settings.name, statement, "changing the publication");
            query.rows(&statement, &format!("running {statement}")).await.map_err(|error| {
                match errors::sqlstate(&error) {
                    Some("42501") => error.within(format!("changing publication {}", settings.name)).hint(
                        "grant CREATE on the database and ownership of the tables (FOR ALL TABLES needs a superuser), or \
                         create the publication by hand and set publication.autocreate.mode=disabled",
                    ),
                    _ => error,
                }
            })?;
            Ok((look_up(query, settings, version).await?.1, true))
        }
    }
}

/// Reads the publication and what it publishes.
///
/// # Errors
/// By SQLSTATE.
pub async fn look_up(
    query: &Connection,
    settings: &PublicationSettings,
    version: u32,
) -> Result<(Option<Existing>, Vec<Published>), Error> {
    let doing = format!("reading publication {}", settings.name);
    let unexpected = |cause| Error::fatal(doing.as_str()).because(cause);
    let rows = query
        .rows(&catalogue::members_sql(&settings.name, version), &doing)
        .await?;
    let existing = catalogue::members(&rows).map_err(unexpected)?;
    let rows = query
        .rows(&catalogue::published_sql(&settings.name, version), &doing)
        .await?;
    let published = catalogue::published(&rows).map_err(unexpected)?;
    Ok((existing, published))
}

/// PG-041.
fn warn_about_identities(tables: &[TableRow]) {
    let without: Vec<_> = tables
        .iter()
        .filter(|table| table.lacks_identity)
        .map(|table| table.name.to_string())
        .collect();
    if !without.is_empty() {
        tracing::warn!(
            tables = without.join(", "),
            "these tables have no replica identity: once published FOR ALL TABLES, UPDATE and DELETE on them fail"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(mode: Option<PublicationMode>) -> PublicationSettings {
        PublicationSettings {
            name: "my \"pub\"".into(),
            mode,
            via_root: false,
            publish: None,
        }
    }

    /// Its first letter.
    fn oid(table: &str) -> u32 {
        u32::from(table.as_bytes()[0])
    }

    fn published(table: &str) -> Published {
        Published {
            table: TableName::new("public", table),
            oid: oid(table),
            columns: None,
            filtered: false,
        }
    }

    /// §2.2 and the decision on an absent mode: the whole table.
    #[test]
    fn the_table_of_modes_is_exact() {
        use PublicationMode::{AllTables, Disabled, Filtered, NoTables};
        let captured = [TableName::new("public", "b"), TableName::new("public", "a")];
        let made_of = |members: Option<&[&str]>| {
            let names = |of: &[&str]| of.iter().map(|name| TableName::new("public", *name)).collect();
            Some(Existing {
                all_tables: false,
                members: members.map(names),
            })
        };
        let some = &made_of(None);
        let all = &Some(Existing {
            all_tables: true,
            members: Some(BTreeSet::new()),
        });
        let check = |mode, existing: &Option<Existing>, has: &[Published]| {
            decide(&settings(mode), existing.as_ref(), has, &captured)
                .map(|change| match change {
                    Change::None => String::new(),
                    Change::Run(sql) => sql,
                })
                .map_err(|error| error.context().to_owned())
        };
        let tables = "ONLY \"public\".\"a\", ONLY \"public\".\"b\"";
        let created = Ok(format!(
            "CREATE PUBLICATION \"my \"\"pub\"\"\" FOR TABLE {tables}"
        ));
        assert_eq!(check(None, &None, &[]), created);
        assert_eq!(check(Some(Filtered), &None, &[]), created);
        assert_eq!(
            check(Some(AllTables), &None, &[]),
            Ok("CREATE PUBLICATION \"my \"\"pub\"\"\" FOR ALL TABLES".into())
        );
        assert_eq!(
            check(Some(NoTables), &None, &[]),
            Ok("CREATE PUBLICATION \"my \"\"pub\"\"\"".into())
        );
        assert!(check(Some(Disabled), &None, &[]).is_err());
        for mode in [None, Some(AllTables), Some(NoTables), Some(Disabled)] {
            assert_eq!(check(mode, some, &[]), Ok(String::new()), "{mode:?}");
            assert_eq!(check(mode, all, &[]), Ok(String::new()), "{mode:?}");
        }
        assert!(check(Some(Filtered), all, &[]).is_err());
        assert_eq!(
            check(Some(Filtered), some, &[published("a"), published("b")]),
            Ok(String::new())
        );
        assert_eq!(
            check(Some(Filtered), some, &[published("a")]),
            Ok(format!("ALTER PUBLICATION \"my \"\"pub\"\"\" SET TABLE {tables}"))
        );
        // `b` is partitioned: its partition is shown in its place.
        let shown = [published("a"), published("leaf")];
        let right = made_of(Some(&["a", "b"]));
        assert_eq!(check(Some(Filtered), &right, &shown), Ok(String::new()));
        for other in [
            made_of(Some(&["a"])),
            made_of(Some(&["a", "b", "c"])),
            made_of(None),
        ] {
            assert_ne!(
                check(Some(Filtered), &other, &shown),
                Ok(String::new()),
                "{other:?}"
            );
        }
    }

    /// PG-038.
    #[test]
    fn options_are_set_at_creation_only() {
        let settings = PublicationSettings {
            via_root: true,
            publish: Some("insert, update".into()),
            ..settings(Some(PublicationMode::NoTables))
        };
        assert!(
            create(&settings, "")
                .ends_with(" WITH (publish_via_partition_root = true, publish = 'insert, update')")
        );
    }

    fn row(name: &str) -> TableRow {
        TableRow {
            oid: 1,
            name: TableName::new("public", name),
            kind: b'r',
            leaves: Vec::new(),
            ancestors: Vec::new(),
            lacks_identity: false,
            estimated_rows: -1,
        }
    }

    /// PG-040.
    #[test]
    fn what_a_publication_hides_is_named() {
        let filtered = Published {
            filtered: true,
            ..published("b")
        };
        let findings = hidden(&[published("a"), filtered], &[row("a"), row("b"), row("c")]);
        assert_eq!(findings.len(), 2);
        assert!(findings[0].contains("public.b") && findings[1].contains("public.c"));
        assert!(covers_any(&[published("a")], &[row("a"), row("c")]));
        assert!(!covers_any(&[published("a")], &[row("c")]));
    }

    /// PG-157: what is captured at one level and published at another.
    #[test]
    fn partitions_published_under_another_name_are_told() {
        let root = |leaves: &[&str]| TableRow {
            kind: b'p',
            leaves: leaves.iter().map(|leaf| oid(leaf)).collect(),
            ..row("root")
        };
        let leaf = TableRow {
            ancestors: vec![oid("root")],
            ..row("leaf")
        };
        let told = hidden(
            &[published("leaf"), published("mine")],
            &[root(&["leaf", "mine"]), row("mine")],
        );
        assert_eq!(told.len(), 1);
        assert!(
            told[0].contains("those of public.leaf, public.mine")
                && told[0].contains("those of public.leaf give no events"),
            "{told:?}"
        );
        assert!(!covers_any(&[published("leaf")], &[root(&["leaf"])]));
        let told = hidden(&[published("root")], std::slice::from_ref(&leaf));
        assert!(
            told[0].contains("those of public.root give no events"),
            "{told:?}"
        );
        assert_eq!(
            hidden(&[], &[leaf]),
            ["public.leaf is captured but not published"]
        );
        // Nothing is lost of a table that has no partitions yet.
        assert!(hidden(&[], &[root(&[])]).is_empty() && covers_any(&[], &[root(&[])]));
        assert_eq!(
            hidden(&[], &[root(&["leaf"])]),
            ["public.root is captured but not published"]
        );
    }
}
