//! The promises of a configuration, kept by the sink.

use rowtide_cassandra::CassandraSink;

rowtide_testkit::conformance::config!(
    cassandra_sink: CassandraSink,
    [
        ("topics", "users"),
        ("contactPoints", "db"),
        ("loadBalancing.localDc", "dc1"),
        ("topic.users.ks.t.mapping", "id=key.id, name=value.name"),
    ],
    "golden/cassandra_sink.json"
);
