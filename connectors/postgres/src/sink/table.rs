//! Reads a table's columns and unique keys, and creates it when asked.

use std::collections::{BTreeMap, BTreeSet};

use rowtide_api::Error;

use super::config::{SchemaEvolution, Target};
use super::plan::Shape;
use super::statement::{Table, create};
use crate::connection::Connection;
use crate::identifier::literal;

/// The table, for records of this shape.
///
/// # Errors
/// Fatal: it is missing and may not be created, or does not fit the shape.
pub(super) async fn ready(
    connection: &Connection,
    target: &Target,
    shape: &Shape,
    evolution: SchemaEvolution,
) -> Result<Table, Error> {
    let table = match read(connection, target).await? {
        Some(table) => table,
        None if evolution == SchemaEvolution::Basic => {
            let statement = create(target, shape);
            tracing::info!(table = %target, statement, "creating a table");
            let created = connection
                .rows(&statement, &format!("creating the table {target}"))
                .await;
            // IF NOT EXISTS does not keep two tasks that create it at once from each other: the table counts, not the answer.
            match (read(connection, target).await?, created) {
                (Some(table), _) => table,
                (None, Err(error)) => return Err(error),
                (None, Ok(_)) => return Err(missing(target)),
            }
        }
        None => return Err(missing(target)),
    };
    table.expect(shape)?;
    Ok(table)
}

/// The table, unless there is none.
///
/// # Errors
/// Classified by SQLSTATE.
pub(super) async fn read(connection: &Connection, target: &Target) -> Result<Option<Table>, Error> {
    let name = literal(&target.quoted());
    let columns = format!(
        "SELECT a.attname, quote_ident(n.nspname) || '.' || quote_ident(t.typname) \
         FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace n ON n.oid = t.typnamespace \
         WHERE a.attrelid = to_regclass({name}) AND a.attnum > 0 AND NOT a.attisdropped"
    );
    let doing = format!("reading the columns of {target}");
    let columns: BTreeMap<String, String> = connection
        .rows(&columns, &doing)
        .await?
        .into_iter()
        .filter_map(pair)
        .collect();
    if columns.is_empty() {
        return Ok(None);
    }
    let keys = format!(
        "SELECT i.indexrelid, a.attname FROM pg_index i \
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1]) \
         WHERE i.indrelid = to_regclass({name}) AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL \
         AND i.indexprs IS NULL"
    );
    let mut unique: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (index, column) in connection.rows(&keys, &doing).await?.into_iter().filter_map(pair) {
        unique.entry(index).or_default().insert(column);
    }
    Ok(Some(Table {
        target: target.clone(),
        columns,
        unique: unique.into_values().collect(),
    }))
}

fn missing(target: &Target) -> Error {
    Error::fatal(format!("the table {target} does not exist"))
        .hint("create it, set collection.name.format to the right one, or set schema.evolution=basic to have it created")
}

fn pair(row: Vec<Option<String>>) -> Option<(String, String)> {
    let mut cells = row.into_iter();
    Some((cells.next()??, cells.next()??))
}
