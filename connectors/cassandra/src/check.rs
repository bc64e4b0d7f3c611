//! Live checks, for validate and for the start of a task: keyspaces, tables, columns, keys, statements, foreign writers
//! (CS-003, CS-053, CS-106). All that is wrong comes at once.

use rowtide_api::config::{ConfigReport, Finding};
use scylla::client::session::Session;
use scylla::cluster::metadata::{CollectionType, ColumnType, NativeType, Table};
use scylla::errors::ExecutionError;
use scylla::value::CqlTimestamp;

use crate::clock::is_foreign;
use crate::config::{Settings, TableSettings, TimestampMode};
use crate::identifier::quoted;
use crate::retry::Failure;
use crate::session::{Prepared, connect};
use crate::shape::{Column, TableShape, Target};
use crate::types::{Cql, Scalar};

/// A table that can be written, and what was noticed about it.
pub(crate) struct Checked {
    pub(crate) target: Target,
    pub(crate) prepared: Prepared,
    pub(crate) warnings: Vec<Finding>,
}

/// Why the tables cannot be written.
pub(crate) enum Unfit {
    /// Findings by key: someone has to act.
    Findings(Vec<Finding>),
    /// The cluster did not answer.
    Unreached(String),
}

/// Reaches the cluster and reports everything wrong.
pub(crate) async fn check(settings: &Settings, report: &mut ConfigReport) {
    let session = match connect(settings).await {
        Ok(session) => session,
        Err((key, error)) => return report.error(key, error.to_string()),
    };
    match tables(&session, settings).await {
        Ok(tables) => {
            for warning in tables.into_iter().flat_map(|checked| checked.warnings) {
                report.warn(warning.key, warning.message);
            }
        }
        Err(Unfit::Findings(findings)) => {
            for finding in findings {
                report.error(finding.key, finding.message);
            }
        }
        Err(Unfit::Unreached(reason)) => report.error("contactPoints", reason),
    }
}

/// Checks every table.
///
/// # Errors
/// All findings.
pub(crate) async fn tables(session: &Session, settings: &Settings) -> Result<Vec<Checked>, Unfit> {
    let mut checked = Vec::new();
    let mut findings = Vec::new();
    for table in &settings.tables {
        match self::table(session, table).await {
            Ok(table) => checked.push(table),
            Err(Unfit::Findings(found)) => findings.extend(found),
            Err(unreached) => return Err(unreached),
        }
    }
    if findings.is_empty() {
        Ok(checked)
    } else {
        Err(Unfit::Findings(findings))
    }
}

async fn table(session: &Session, settings: &TableSettings) -> Result<Checked, Unfit> {
    let finding = |setting: &str, message: String| Finding {
        key: settings.key(setting),
        message,
    };
    let shape =
        shape(session, settings).map_err(|message| Unfit::Findings(vec![finding("mapping", message)]))?;
    let target = Target::new(settings.clone(), &shape).map_err(|found| {
        Unfit::Findings(
            found
                .into_iter()
                .map(|found| finding(found.setting, found.message))
                .collect(),
        )
    })?;
    let prepared = Prepared::new(session, &target).await.map_err(|error| {
        let (failure, words) = crate::errors::prepare(&error);
        let message = format!("preparing the statements of {}: {words}", settings.name());
        match failure {
            Failure::Table | Failure::Content => Unfit::Findings(vec![finding("mapping", message)]),
            _ => Unfit::Unreached(message),
        }
    })?;
    if target.settings.mode == TimestampMode::Lsn {
        let foreign = foreign_writer(session, &target).await?;
        let buried = buried_columns(session, &target).await?;
        let losing: Vec<_> = foreign.into_iter().chain(buried).collect();
        if !losing.is_empty() {
            let findings = losing
                .into_iter()
                .map(|message| finding("timestampMode", message));
            return Err(Unfit::Findings(findings.collect()));
        }
    }
    let warnings = target
        .warnings()
        .into_iter()
        .map(|found| finding(found.setting, found.message))
        .collect();
    Ok(Checked {
        target,
        prepared,
        warnings,
    })
}

/// The table as the cluster describes it, or what to say about its absence.
fn shape(session: &Session, settings: &TableSettings) -> Result<TableShape, String> {
    let state = session.get_cluster_state();
    let (keyspace, table) = (&*settings.keyspace, &*settings.table);
    let Some(found) = state.get_keyspace(keyspace) else {
        let lower = keyspace.to_lowercase();
        return Err(if state.get_keyspace(&lower).is_some() {
            format!(
                "there is no keyspace {keyspace}, but {lower} exists: write it so, in {}",
                settings.prefix
            )
        } else {
            format!(
                "there is no keyspace {keyspace}; create it: CREATE KEYSPACE {} WITH replication = …",
                quoted(keyspace)
            )
        });
    };
    let Some(table) = found.tables.get(table) else {
        let lower = table.to_lowercase();
        return Err(if found.tables.contains_key(&lower) {
            format!(
                "there is no table {keyspace}.{table}, but {lower} exists: write it so, in {}",
                settings.prefix
            )
        } else if let Some(near) =
            rowtide_api::config::nearest(table, found.tables.keys().map(String::as_str))
        {
            format!("there is no table {keyspace}.{table}; did you mean {near}?")
        } else {
            format!(
                "there is no table {keyspace}.{table}; create it: CREATE TABLE {}.{} (…)",
                quoted(keyspace),
                quoted(table)
            )
        });
    };
    if table
        .columns
        .values()
        .any(|column| column.typ == ColumnType::Native(NativeType::Counter))
    {
        return Err(format!(
            "{} is a counter table, which is not supported: a redelivery would count twice",
            settings.name()
        ));
    }
    Ok(described(table))
}

fn described(table: &Table) -> TableShape {
    let key: Vec<&String> = table.partition_key.iter().chain(&table.clustering_key).collect();
    let mut others: Vec<&String> = table.columns.keys().filter(|name| !key.contains(name)).collect();
    others.sort_unstable();
    let column = |name: &&String| {
        let found = table.columns.get(*name)?;
        Some(Column {
            name: name.as_str().into(),
            cql: cql(&found.typ),
        })
    };
    TableShape {
        partition: table.partition_key.len(),
        key: key.len(),
        columns: key.iter().chain(&others).filter_map(column).collect(),
    }
}

/// The type of a column; `Err` with its name in CQL when it is not supported.
fn cql(typ: &ColumnType<'_>) -> Result<Cql, String> {
    let unsupported = || name(typ);
    match typ {
        ColumnType::Native(native) => scalar(native).map(Cql::Scalar).ok_or_else(unsupported),
        ColumnType::Collection { typ: collection, .. } => match collection {
            CollectionType::List(element) => element_type(element).map(Cql::List).ok_or_else(unsupported),
            CollectionType::Set(element) => element_type(element).map(Cql::Set).ok_or_else(unsupported),
            _ => Err(unsupported()),
        },
        _ => Err(unsupported()),
    }
}

fn element_type(typ: &ColumnType<'_>) -> Option<Scalar> {
    match typ {
        ColumnType::Native(native) => scalar(native),
        _ => None,
    }
}

fn scalar(native: &NativeType) -> Option<Scalar> {
    Some(match native {
        NativeType::Ascii => Scalar::Ascii,
        NativeType::BigInt => Scalar::BigInt,
        NativeType::Blob => Scalar::Blob,
        NativeType::Boolean => Scalar::Boolean,
        NativeType::Date => Scalar::Date,
        NativeType::Decimal => Scalar::Decimal,
        NativeType::Double => Scalar::Double,
        NativeType::Duration => Scalar::Duration,
        NativeType::Float => Scalar::Float,
        NativeType::Inet => Scalar::Inet,
        NativeType::Int => Scalar::Int,
        NativeType::SmallInt => Scalar::SmallInt,
        NativeType::Text => Scalar::Text,
        NativeType::Time => Scalar::Time,
        NativeType::Timestamp => Scalar::Timestamp,
        NativeType::Timeuuid => Scalar::TimeUuid,
        NativeType::TinyInt => Scalar::TinyInt,
        NativeType::Uuid => Scalar::Uuid,
        NativeType::Varint => Scalar::VarInt,
        _ => return None,
    })
}

/// A type's name in CQL, for messages.
fn name(typ: &ColumnType<'_>) -> String {
    match typ {
        ColumnType::Native(native) => match scalar(native) {
            Some(scalar) => scalar.name().to_owned(),
            None => format!("{native:?}").to_lowercase(),
        },
        ColumnType::Collection { typ, .. } => match typ {
            CollectionType::List(element) => format!("list<{}>", name(element)),
            CollectionType::Set(element) => format!("set<{}>", name(element)),
            CollectionType::Map(key, value) => format!("map<{}, {}>", name(key), name(value)),
            _ => "collection".to_owned(),
        },
        ColumnType::Tuple(elements) => {
            let names: Vec<_> = elements.iter().map(name).collect();
            format!("tuple<{}>", names.join(", "))
        }
        ColumnType::Vector { typ, dimensions } => format!("vector<{}, {dimensions}>", name(typ)),
        ColumnType::UserDefinedType { definition, .. } => definition.name.to_string(),
        _ => "a type this driver does not know".to_owned(),
    }
}

/// Rows looked at by the take-over check: enough to meet a wall-clock writer that filled the table.
const SAMPLE_ROWS: u32 = 200;
/// Columns looked at.
const SAMPLE_COLUMNS: usize = 4;

/// CS-106: what to say when a wall clock wrote this table, against which every write of the `lsn` clock would lose.
async fn foreign_writer(session: &Session, target: &Target) -> Result<Option<String>, Unfit> {
    let columns: Vec<String> = target.columns[target.key..]
        .iter()
        .filter(|column| matches!(column.cql, Cql::Scalar(_)))
        .take(SAMPLE_COLUMNS)
        .map(|column| format!("WRITETIME({})", quoted(&column.name)))
        .collect();
    if columns.is_empty() {
        return Ok(None);
    }
    let sample = format!(
        "SELECT {} FROM {} LIMIT {SAMPLE_ROWS}",
        columns.join(", "),
        target.cql_name()
    );
    let highest = match sampled(session, &sample).await {
        Ok(highest) => highest,
        Err(error) => {
            let (failure, words) = crate::errors::execution(&error);
            let message = format!("sampling the write times of {}: {words}", target.settings.name());
            return Err(match failure {
                Failure::Table => Unfit::Findings(vec![Finding {
                    key: target.settings.key("timestampMode"),
                    message: format!("{message}; the lsn clock needs the right to SELECT from the table"),
                }]),
                _ => Unfit::Unreached(message),
            });
        }
    };
    Ok(highest
        .filter(|found| is_foreign(*found, target.settings.offset))
        .map(|found| {
            format!(
                "{} holds cells with write time {found}, which a wall clock gave them; every change of the lsn clock \
                 would lose against them. Either set timestampMode to another clock, or set timestampOffset to {found} or \
                 more, so that changes win over all that is there",
                target.settings.name()
            )
        }))
}

/// CS-106, CS-175: the columns that were dropped and added again. Cassandra shows nothing of such a column that is older, by
/// its write time, than the wall clock's time of the drop, so that every write of the `lsn` clock would be hidden.
async fn buried_columns(session: &Session, target: &Target) -> Result<Vec<String>, Unfit> {
    let settings = &target.settings;
    let unreached = |words: String| {
        Unfit::Unreached(format!(
            "asking for the dropped columns of {}: {words}",
            settings.name()
        ))
    };
    let query = "SELECT column_name, dropped_time FROM system_schema.dropped_columns \
                 WHERE keyspace_name = ? AND table_name = ?";
    let rows = session
        .query_unpaged(query, (&*settings.keyspace, &*settings.table))
        .await
        .map_err(|error| unreached(crate::errors::execution(&error).1))?
        .into_rows_result()
        .map_err(|error| unreached(error.to_string()))?;
    let dropped = rows
        .rows::<(String, CqlTimestamp)>()
        .map_err(|error| unreached(error.to_string()))?;
    let mut messages = Vec::new();
    for (column, CqlTimestamp(dropped_ms)) in dropped.flatten() {
        let dropped_us = dropped_ms.saturating_mul(1000);
        let is_mapped = target.columns.iter().any(|mapped| *mapped.name == *column);
        if is_mapped && is_foreign(dropped_us, settings.offset) {
            messages.push(format!(
                "the column {column} of {} was dropped and added again: Cassandra hides what is written to it with a time \
                 before the drop, and the lsn clock's are all before it. Either map it to a column of another name, or set \
                 timestampMode to another clock, or set timestampOffset to {dropped_us} or more",
                settings.name()
            ));
        }
    }
    Ok(messages)
}

async fn sampled(session: &Session, query: &str) -> Result<Option<i64>, ExecutionError> {
    let rows = session.query_unpaged(query, ()).await?;
    let Ok(rows) = rows.into_rows_result() else {
        return Ok(None);
    };
    let mut highest = None;
    if let Ok(rows) = rows.rows::<scylla::value::Row>() {
        for row in rows.flatten() {
            for value in row.columns.into_iter().flatten() {
                highest = highest.max(value.as_bigint());
            }
        }
    }
    Ok(highest)
}
