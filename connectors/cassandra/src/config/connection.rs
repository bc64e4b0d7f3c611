//! Sans-I/O: how the cluster is reached, in the connector's own keys and in the Java driver's (CS-010).

use std::time::Duration;

use rowtide_api::config::{Reader, Secret, Setting};
use rowtide_api::setting_enum;

use super::keys;

setting_enum! {
    /// Compression of frames.
    pub enum Compression { None = "None", Lz4 = "LZ4", Snappy = "SNAPPY" }
}

/// How the cluster is reached.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    /// `host:port`, at least one.
    pub(crate) nodes: Vec<String>,
    pub(crate) local_dc: Option<String>,
    pub(crate) credentials: Option<(String, Secret)>,
    pub(crate) compression: Compression,
    /// Bounds one attempt of a request.
    pub(crate) request_timeout: Duration,
    /// Connections per node.
    pub(crate) pool_size: usize,
}

const DRIVER: &str = "datastax-java-driver.";

impl Connection {
    /// Reads all of it; what is wrong goes to the reader.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let driver = DriverKeys::read(reader);
        let hosts = reader.get(&keys::CONTACT_POINTS);
        let port = reader.get(&keys::PORT);
        let local_dc = reader.get(&keys::LOCAL_DC);
        let timeout = reader.get(&keys::REQUEST_TIMEOUT);
        let pool = reader.get(&keys::POOL_SIZE);
        let compression = reader.get(&keys::COMPRESSION);
        let credentials = credentials(reader);

        let own_hosts: Vec<String> = hosts?.into_iter().filter(|host| !host.is_empty()).collect();
        let local_dc = Some(local_dc?).filter(|dc| !dc.is_empty()).or(driver.local_dc);
        if !own_hosts.is_empty() && local_dc.is_none() {
            reader.error(
                "loadBalancing.localDc",
                "loadBalancing.localDc is required as soon as contactPoints is given; nodetool status shows the name",
            );
        }
        let port = port?;
        let nodes = match (own_hosts.is_empty(), driver.contact_points) {
            (false, _) => own_hosts.iter().map(|host| with_port(host, port)).collect(),
            (true, Some(points)) => points,
            (true, None) => vec![with_port("127.0.0.1", port)],
        };
        let own = |key: &str, reader: &Reader<'_>| reader.is_set(key);
        Some(Self {
            nodes,
            local_dc,
            credentials: credentials?,
            compression: match driver.compression {
                Some(found) if !own("compression", reader) => found,
                _ => compression?,
            },
            request_timeout: match driver.request_timeout {
                Some(found) if !own("queryExecutionTimeout", reader) => found,
                _ => Duration::from_secs(u64::try_from(timeout?).unwrap_or(1)),
            },
            pool_size: match driver.pool_size {
                Some(found) if !own("connectionPoolLocalSize", reader) => found,
                _ => usize::try_from(pool?).unwrap_or(1),
            },
        })
    }
}

fn with_port(host: &str, port: i32) -> String {
    if host.contains(':') && !host.starts_with('[') {
        return format!("[{host}]:{port}");
    }
    format!("{host}:{port}")
}

fn credentials(reader: &mut Reader<'_>) -> Option<Option<(String, Secret)>> {
    let provider = reader.get(&keys::AUTH_PROVIDER);
    let user = reader.get(&keys::AUTH_USERNAME);
    let password = reader.get(&keys::AUTH_PASSWORD);
    let (provider, user, password) = (provider?, user?, password?);
    match (user.is_empty(), password.reveal().is_empty()) {
        (true, true) if provider == "None" => Some(None),
        (true, _) => {
            reader.error(
                "auth.username",
                "auth.username is required with auth.provider=PLAIN or auth.password",
            );
            None
        }
        (false, true) => {
            reader.error("auth.password", "auth.password is required with auth.username");
            None
        }
        (false, false) => Some(Some((user, password))),
    }
}

/// The keys of the Java driver that have a meaning here; the connector's own win over them.
#[derive(Debug, Default)]
struct DriverKeys {
    contact_points: Option<Vec<String>>,
    local_dc: Option<String>,
    compression: Option<Compression>,
    request_timeout: Option<Duration>,
    pool_size: Option<usize>,
}

impl DriverKeys {
    fn read(reader: &mut Reader<'_>) -> Self {
        let mut keys = Self::default();
        for (key, text) in reader.prefixed(DRIVER) {
            let name = key.strip_prefix(DRIVER).unwrap_or(key);
            if let Err(reason) = keys.take(name, text.trim(), reader) {
                reader.error(
                    key,
                    format!("Invalid value {text} for configuration {key}: {reason}"),
                );
            }
        }
        keys
    }

    fn take(&mut self, name: &str, text: &str, reader: &mut Reader<'_>) -> Result<(), String> {
        match name {
            "basic.contact-points" => {
                self.contact_points = Some(text.split(',').map(|point| point.trim().to_owned()).collect());
            }
            "basic.load-balancing-policy.local-datacenter" => self.local_dc = Some(text.to_owned()),
            "basic.request.timeout" => self.request_timeout = Some(duration(text)?),
            "advanced.protocol.compression" => self.compression = Some(Compression::parse(text)?),
            "advanced.connection.pool.local.size" => {
                self.pool_size = Some(
                    text.parse()
                        .ok()
                        .filter(|size| *size > 0)
                        .ok_or("not a number above 0")?,
                );
            }
            _ if name.starts_with("advanced.auth-provider") => {
                return Err("it is not read here; use auth.username and auth.password".into());
            }
            _ if name.starts_with("advanced.ssl-engine-factory") => {
                return Err("TLS to Cassandra is not built yet; leave it out".into());
            }
            _ => reader.warn(
                format!("{DRIVER}{name}"),
                format!("{DRIVER}{name} is accepted, ignored: it concerns the Java driver"),
            ),
        }
        Ok(())
    }
}

/// `500 milliseconds`, `2s`; a bare number counts milliseconds, as in the Java driver's files.
fn duration(text: &str) -> Result<Duration, String> {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let value: u64 = text[..at]
        .parse()
        .map_err(|_| "not a duration such as 2 seconds")?;
    let millis = match text[at..].trim() {
        "" | "ms" | "millis" | "milli" | "millisecond" | "milliseconds" => value,
        "s" | "second" | "seconds" => value.saturating_mul(1000),
        "m" | "minute" | "minutes" => value.saturating_mul(60_000),
        _ => return Err("not a duration such as 2 seconds".into()),
    };
    Ok(Duration::from_millis(millis.max(1)))
}
