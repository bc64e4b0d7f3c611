//! Live checks of validate: what can be known before start is said there, on the key that has to change (PG-016).

use rowtide_api::Error;
use rowtide_api::config::ConfigReport;

use super::attach;
use super::catalogue::TableRow;
use super::config::{PublicationMode, SourceConfig};
use super::{publication, slot, toast};
use crate::connection::{Connection, Purpose, connect};
use crate::errors::{self, full};

/// Runs the checks within `connection.validation.timeout.ms`.
pub async fn check(config: &SourceConfig, report: &mut ConfigReport) {
    let limit = config.validation_timeout;
    if tokio::time::timeout(limit, run(config, report)).await.is_err() {
        report.error(
            "database.hostname",
            format!(
                "{} did not answer within {} ms",
                config.connection.describe(),
                limit.as_millis()
            ),
        );
    }
}

async fn run(config: &SourceConfig, report: &mut ConfigReport) {
    let query = match connect(&config.connection, Purpose::Validation).await {
        Ok(query) => query,
        Err(error) => {
            let key = key_of(&error);
            report.error(key, full(&error));
            return;
        }
    };
    if let Err(error) = server(config, &query, report).await {
        report.error("database.hostname", full(&error));
    }
}

/// The key that an error at log-in is about.
fn key_of(error: &Error) -> &'static str {
    match errors::sqlstate(error) {
        Some("3D000") => "database.dbname",
        Some("28P01") => "database.password",
        Some(code) if code.starts_with("28") => "database.user",
        None if error.context().contains("TLS") => "database.sslmode",
        _ => "database.hostname",
    }
}

async fn server(config: &SourceConfig, query: &Connection, report: &mut ConfigReport) -> Result<(), Error> {
    let server = match attach::inspect(query).await {
        Ok(server) => server,
        Err(error) => {
            report.error("database.hostname", full(&error));
            return Ok(());
        }
    };
    rights(query, report).await?;
    let rows = query
        .rows(
            &slot::slot_sql(&config.slot.name, server.version),
            "reading the replication slot",
        )
        .await?;
    if let Some(row) = slot::slot_row(&rows)
        && let Err(error) = row.verify(&config.slot.name, &config.connection.database)
    {
        report.error("slot.name", full(&error));
    }
    let tables = attach::captured_tables(config, query).await?;
    if tables.is_empty() {
        let message = "no table of the database is captured: check the patterns (of schema.table), and that the tables exist";
        match config.filter.names_tables() {
            true => report.error("table.include.list", message),
            false => report.warn("table.include.list", message),
        }
    }
    readable(query, &tables, report).await?;
    let (existing, published) = publication::look_up(query, &config.publication, server.version).await?;
    let names: Vec<_> = tables.iter().map(|table| table.name.clone()).collect();
    if let Err(error) = publication::decide(&config.publication, existing.as_ref(), &published, &names)
        && !tables.is_empty()
    {
        let key = match config.publication.mode {
            Some(PublicationMode::Disabled) => "publication.name",
            _ => "publication.autocreate.mode",
        };
        report.error(key, full(&error));
    }
    if existing.is_some() && config.publication.mode != Some(PublicationMode::Filtered) {
        for finding in publication::hidden(&published, &tables) {
            report.warn("publication.name", finding);
        }
    }
    let structures = attach::read_structures(query, &tables, &[]).await?;
    if let Err(error) = attach::check_types(config, &tables, &structures, &published) {
        report.error("column.exclude.list", full(&error));
    }
    for (key, finding) in toast::findings(config, &tables, &structures) {
        report.warn(key, finding);
    }
    Ok(())
}

/// LOGIN is proven; REPLICATION, or a provider's role that implies it, and SELECT on what is captured.
async fn rights(query: &Connection, report: &mut ConfigReport) -> Result<(), Error> {
    let sql = "SELECT r.rolreplication OR r.rolsuper, EXISTS (
                 SELECT FROM pg_catalog.pg_roles p
                 WHERE p.rolname IN ('rds_replication', 'rds_superuser', 'azure_pg_admin', 'cloudsqlsuperuser')
                   AND pg_catalog.pg_has_role(r.oid, p.oid, 'member')),
                 quote_ident(current_user)
               FROM pg_catalog.pg_roles r WHERE r.rolname = current_user";
    let rows = query.rows(sql, "reading the rights of the role").await?;
    let flag = |index: usize| {
        let cell = rows
            .first()
            .and_then(|row| row.get(index))
            .and_then(Option::as_deref);
        cell == Some("t")
    };
    if !flag(0) && !flag(1) {
        let role = rows
            .first()
            .and_then(|row| row.get(2).cloned().flatten())
            .unwrap_or_else(|| "…".into());
        report.error(
            "database.user",
            format!(
                "the role {role} may not replicate: run ALTER ROLE {role} REPLICATION, or set another database.user"
            ),
        );
    }
    Ok(())
}

/// The snapshot needs SELECT on each captured table.
async fn readable(query: &Connection, tables: &[TableRow], report: &mut ConfigReport) -> Result<(), Error> {
    let oids: Vec<_> = tables.iter().map(|table| table.oid.to_string()).collect();
    let sql = format!(
        "SELECT t.oid::regclass FROM unnest('{{{}}}'::oid[]) AS t(oid)
         WHERE NOT pg_catalog.has_table_privilege(t.oid, 'SELECT')",
        oids.join(",")
    );
    let rows = query
        .rows(&sql, "reading the rights on the captured tables")
        .await?;
    let names: Vec<_> = rows
        .iter()
        .filter_map(|row| row.first().cloned().flatten())
        .collect();
    if !names.is_empty() {
        let message = format!(
            "the role may not read {}: run GRANT SELECT ON … TO the role",
            names.join(", ")
        );
        report.error("database.user", message);
    }
    Ok(())
}
