//! The one list that names the connectors.

use rowtide_api::erased::{SinkPlugin, SourcePlugin};
use rowtide_engine::plugins::Plugins;

/// Every plugin of this binary.
pub(crate) fn plugins() -> Plugins {
    Plugins {
        sources: vec![
            SourcePlugin::of::<rowtide_postgres::source::PostgresSource>(),
            SourcePlugin::of::<rowtide_http::HttpSource>(),
        ],
        sinks: vec![
            SinkPlugin::of::<rowtide_cassandra::CassandraSink>(),
            SinkPlugin::of::<rowtide_postgres::sink::PostgresSink>(),
        ],
        converters: rowtide_converters::rows(),
        transforms: rowtide_transforms::rows(),
        predicates: Vec::new(),
    }
}
