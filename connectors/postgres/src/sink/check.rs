//! Live checks for validate.

use std::time::Duration;

use rowtide_api::config::ConfigReport;

use super::config::{SchemaEvolution, SinkConfig};
use super::table;
use crate::connection::{Connection, Purpose, connect};

/// An answer later than this is none.
const CHECK_WAIT: Duration = Duration::from_secs(10);

/// Reaches the server and looks for the tables.
pub(super) async fn check(config: &SinkConfig, report: &mut ConfigReport) {
    match tokio::time::timeout(CHECK_WAIT, connect(&config.connection, Purpose::Sink)).await {
        Ok(Ok(connection)) => tables(&connection, config, report).await,
        Ok(Err(error)) => {
            let causes = error.chain().join(": ");
            report.error("connection.url", format!("{error}: {causes}"));
        }
        Err(_) => report.error(
            "connection.url",
            format!("{} did not answer within 10 s", config.connection.describe()),
        ),
    }
}

async fn tables(connection: &Connection, config: &SinkConfig, report: &mut ConfigReport) {
    if config.evolution == SchemaEvolution::Basic {
        return;
    }
    for topic in &config.topics {
        let target = match config.collection.of(topic) {
            Ok(target) => target,
            Err(error) => {
                report.error("collection.name.format", error.to_string());
                continue;
            }
        };
        match table::read(connection, &target).await {
            Ok(Some(_)) => {}
            Ok(None) => report.error(
                "collection.name.format",
                format!("the table {target} for the topic {topic} does not exist: create it, or set schema.evolution=basic"),
            ),
            Err(error) => report.error("connection.url", error.to_string()),
        }
    }
}
