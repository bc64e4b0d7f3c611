//! The promises of a configuration, kept by source and sink.

use rowtide_postgres::sink::PostgresSink;
use rowtide_postgres::source::PostgresSource;

rowtide_testkit::conformance::config!(
    postgres_source: PostgresSource,
    [
        ("topic.prefix", "p"),
        ("database.hostname", "db"),
        ("database.user", "u"),
        ("database.dbname", "d"),
        ("plugin.name", "pgoutput"),
    ],
    "golden/postgres_source.json"
);

rowtide_testkit::conformance::config!(
    postgres_sink: PostgresSink,
    [("connection.url", "postgresql://db/d"), ("connection.username", "u")],
    "golden/postgres_sink.json"
);
