//! Live checks for validate: what can be known before start is said there, on the key that has to change.

use std::time::Duration;

use rowtide_api::Error;
use rowtide_api::config::ConfigReport;

use super::config::{SchemaEvolution, SinkConfig, Target};
use super::table;
use crate::connection::{Connection, Purpose, connect};
use crate::errors::{self, full};
use crate::identifier::literal;

/// An answer later than this is none.
const CHECK_WAIT: Duration = Duration::from_secs(10);

/// Reaches the server, looks for the tables, and for the rights on them.
pub(super) async fn check(config: &SinkConfig, report: &mut ConfigReport) {
    if tokio::time::timeout(CHECK_WAIT, run(config, report))
        .await
        .is_err()
    {
        report.error(
            "connection.url",
            format!("{} did not answer within 10 s", config.connection.describe()),
        );
    }
}

async fn run(config: &SinkConfig, report: &mut ConfigReport) {
    let connection = match connect(&config.connection, Purpose::Sink).await {
        Ok(connection) => connection,
        Err(error) => return report.error(key_of(&error), full(&error)),
    };
    for topic in &config.topics {
        match config.collection.of(topic) {
            Ok(target) => {
                if let Err(error) = table(&connection, config, topic, &target, report).await {
                    report.error(key_of(&error), full(&error));
                }
            }
            Err(error) => report.error("collection.name.format", full(&error)),
        }
    }
}

/// The key that a failure is about.
fn key_of(error: &Error) -> &'static str {
    let asks_for_password = error
        .next_step()
        .is_some_and(|step| step.contains("ask for a password"));
    match errors::sqlstate(error) {
        Some("28P01") => "connection.password",
        None if asks_for_password => "connection.password",
        Some("42501") => "connection.username",
        Some(code) if code.starts_with("28") => "connection.username",
        Some("3F000") => "collection.name.format",
        _ => "connection.url",
    }
}

async fn table(
    connection: &Connection,
    config: &SinkConfig,
    topic: &str,
    target: &Target,
    report: &mut ConfigReport,
) -> Result<(), Error> {
    let missing = match table::read(connection, target).await? {
        Some(_) => missing_rights(connection, config, target).await?,
        None if config.evolution == SchemaEvolution::Basic => {
            missing_right_to_create(connection, target).await?
        }
        None => {
            report.error(
                "collection.name.format",
                format!(
                    "the table {target} for the topic {topic} does not exist: create it, or set schema.evolution=basic"
                ),
            );
            return Ok(());
        }
    };
    if let Some(missing) = missing {
        let user = &config.connection.user;
        report.error(
            "connection.username",
            format!("the role {user} lacks {missing}: grant it, or use a role that has it"),
        );
    }
    Ok(())
}

/// An upsert reads the columns of the key and the row it meets.
async fn missing_rights(
    connection: &Connection,
    config: &SinkConfig,
    target: &Target,
) -> Result<Option<String>, Error> {
    let deletes = config.delete_enabled.then_some("DELETE");
    let name = literal(&target.quoted());
    let mut missing = Vec::new();
    for right in ["SELECT", "INSERT", "UPDATE"].into_iter().chain(deletes) {
        let sql = format!("SELECT has_table_privilege(to_regclass({name}), '{right}')");
        if !holds(connection, &sql, target).await? {
            missing.push(right);
        }
    }
    Ok((!missing.is_empty()).then(|| format!("{} on the table {target}", missing.join(", "))))
}

async fn missing_right_to_create(connection: &Connection, target: &Target) -> Result<Option<String>, Error> {
    let schema = target
        .schema()
        .map_or_else(|| "current_schema()".to_owned(), literal);
    let sql = format!("SELECT has_schema_privilege({schema}, 'CREATE')");
    let may = holds(connection, &sql, target).await?;
    Ok((!may).then(|| format!("CREATE on the schema of {target}")))
}

async fn holds(connection: &Connection, sql: &str, target: &Target) -> Result<bool, Error> {
    let rows = connection
        .rows(sql, &format!("reading the rights on {target}"))
        .await?;
    Ok(rows.first().and_then(|row| row.first()?.as_deref()) == Some("t"))
}
