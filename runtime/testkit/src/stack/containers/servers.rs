//! What each server's container has besides its description in `compose.yaml`: addresses for clients on this machine.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

use super::Service;

/// How a server is reached.
pub(super) struct Place {
    /// Its port inside of the container.
    pub(super) port: u16,
    /// Files (path, text) it gets before it starts.
    pub(super) files: Vec<(String, String)>,
    /// Keys of the env file of `compose/stack`, and their values.
    pub(super) addresses: Vec<(String, String)>,
}

/// Sets Apicurio's level, by its own curl.
pub(super) const REGISTRY_LEVEL: [&str; 11] = [
    "curl",
    "-fsS",
    "-o",
    "/dev/null",
    "-X",
    "PUT",
    "-H",
    "Content-Type: application/json",
    "-d",
    "{\"compatibility\":\"BACKWARD\"}",
    "http://localhost:8080/apis/ccompat/v7/config",
];

/// The superuser comes in without a password, everybody else by SCRAM, as in `compose/stack`. Every client comes from the
/// engine's gateway here; the port is published on this machine's loopback address alone.
const ACCESS: &str = "local all all trust
host all postgres all trust
host replication postgres all trust
host all all all scram-sha-256
host replication all all scram-sha-256
";
const ACCESS_FILE: &str = "/etc/rowtide-pg_hba.conf";

/// Cassandra acknowledges a write once its commit log is on disk, as in `compose/stack`: with the image's `periodic` a SIGKILL
/// loses acknowledged writes, and a test could not tell that from a defect of the sink.
const DURABLE: &str = "-Dcassandra.config.allow_system_properties=true -Dcassandra.settings.commitlog_sync=batch \
    -Dcassandra.settings.commitlog_sync_period=0ms";

/// Adapts a description to a port of this machine, and Postgres to these settings.
///
/// # Panics
/// For a service that has no container.
pub(super) fn place(name: &str, port: u16, postgres: Option<&str>, service: &mut Service) -> Place {
    let text = |pairs: &[(&str, &str)]| {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    };
    let host_port = port.to_string();
    let mut files = Vec::new();
    let (port, addresses) = match name {
        "postgres" => {
            files.push((ACCESS_FILE.to_owned(), ACCESS.to_owned()));
            let settings = postgres.into_iter().flat_map(|settings| settings.split(';'));
            let settings = settings.map(str::trim).filter(|setting| !setting.is_empty());
            let file = format!("hba_file={ACCESS_FILE}");
            for setting in ["timezone=UTC", &file].into_iter().chain(settings) {
                service.command.extend(["-c".to_owned(), setting.to_owned()]);
            }
            let addresses = [
                ("PG_HOST", "127.0.0.1"),
                ("PG_PORT", &host_port),
                ("PG_USER", "postgres"),
                ("PG_DATABASE", "rowtide"),
            ];
            (5432, text(&addresses))
        }
        "kafka" => {
            let own = format!("PLAINTEXT://localhost:9092,HOST://127.0.0.1:{port}");
            set(service, "KAFKA_ADVERTISED_LISTENERS", &own);
            // As in `compose/stack`: small, and short session timeouts for tests that kill consumers.
            set(service, "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS", "1");
            set(service, "KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS", "1");
            set(service, "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_NUM_PARTITIONS", "1");
            set(service, "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS", "1000");
            (29092, text(&[("KAFKA_BOOTSTRAP", &format!("127.0.0.1:{port}"))]))
        }
        "cassandra" => {
            set(service, "JVM_EXTRA_OPTS", DURABLE);
            let addresses = [
                ("CASSANDRA_HOST", "127.0.0.1"),
                ("CASSANDRA_PORT", &host_port),
                ("CASSANDRA_DC", "datacenter1"),
            ];
            (9042, text(&addresses))
        }
        "registry" => {
            let url = format!("http://127.0.0.1:{port}/apis/ccompat/v7");
            (8080, text(&[("REGISTRY_URL", &url)]))
        }
        other => panic!("{other} has no container; ROWTIDE_TEST_STACK=processes has it"),
    };
    Place {
        port,
        files,
        addresses,
    }
}

fn set(service: &mut Service, key: &str, value: &str) {
    service.environment.retain(|(name, _)| name != key);
    service.environment.push((key.to_owned(), value.to_owned()));
}

/// A port nobody listens on, kept for the life of the stack so that clients of a restarted server reconnect: above those of
/// `compose/stack`, and below those the system takes for outgoing connections.
///
/// # Panics
/// When all are taken.
pub(super) fn free_port() -> u16 {
    const FIRST: u16 = 30_000;
    const COUNT: u16 = 2_700;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // A beginning of each process's own, so that test binaries seldom meet.
    let begin = u16::try_from(std::process::id() * 16 % u32::from(COUNT)).expect("it is below COUNT");
    (0..COUNT)
        .map(|_| FIRST + (begin + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("one of the ports from 30000 to 32699 is free")
}
