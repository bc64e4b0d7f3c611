//! Sans-I/O: where a server is and how to get in.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use rowtide_api::{Error, Secret, setting_enum};

use crate::errors;

setting_enum! {
    /// How much TLS protects a connection, in the words of libpq.
    pub enum SslMode {
        Disable = "disable",
        Allow = "allow",
        Prefer = "prefer",
        Require = "require",
        VerifyCa = "verify-ca",
        VerifyFull = "verify-full",
    }
}

/// A server among those to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Name or address; an IPv6 address without its brackets.
    pub name: String,
    /// TCP port.
    pub port: u16,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]:{}", self.name, self.port)
        } else {
            write!(f, "{}:{}", self.name, self.port)
        }
    }
}

impl Host {
    /// Reads `host[:port],…`; an IPv6 address with a port stands in brackets.
    ///
    /// # Errors
    /// The reason, for the message of the key.
    pub fn parse_list(list: &str, default_port: u16) -> Result<Vec<Self>, String> {
        list.split(',')
            .map(|item| Self::parse(item.trim(), default_port))
            .collect()
    }

    fn parse(item: &str, default_port: u16) -> Result<Self, String> {
        let (name, port) = if let Some(rest) = item.strip_prefix('[') {
            let (name, rest) = rest
                .split_once(']')
                .ok_or_else(|| format!("{item} opens a bracket and does not close it"))?;
            match rest.strip_prefix(':') {
                Some(port) => (name, Some(port)),
                None if rest.is_empty() => (name, None),
                None => return Err(format!("{item} has text after the bracket")),
            }
        } else if item.matches(':').count() > 1 {
            (item, None)
        } else {
            match item.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (item, None),
            }
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '%');
        if name.is_empty() || !name.chars().all(legal) {
            return Err("Host may hold letters, digits, '-', '_' and '.' (an IPv6 address also ':')".into());
        }
        let port = match port {
            None => default_port,
            Some(port) => port.parse().map_err(|_| format!("{item} has no valid port"))?,
        };
        Ok(Self {
            name: name.to_owned(),
            port,
        })
    }
}

/// TLS settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// How much of it.
    pub mode: SslMode,
    /// PEM file of the authorities to trust; absent: the usual public ones.
    pub root_certificates: Option<PathBuf>,
    /// PEM file of the client's certificate chain.
    pub certificate: Option<PathBuf>,
    /// The client's key: PEM, or PKCS#8 in DER.
    pub key: Option<PathBuf>,
}

impl Tls {
    /// The given mode, without files.
    pub fn of(mode: SslMode) -> Self {
        Self {
            mode,
            root_certificates: None,
            certificate: None,
            key: None,
        }
    }
}

/// What the connector calls its keys, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyNames {
    /// The role.
    pub user: &'static str,
    /// Its password.
    pub password: &'static str,
    /// The database.
    pub database: &'static str,
}

/// Everything needed to open a session.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Tried in order until one answers.
    pub hosts: Vec<Host>,
    /// The role.
    pub user: String,
    /// Its password, where the server asks for one.
    pub password: Option<Secret>,
    /// The database.
    pub database: String,
    /// TLS.
    pub tls: Tls,
    /// TCP keep-alive.
    pub tcp_keepalive: bool,
    /// Limit for reaching one host, TLS and authentication included.
    pub connect_timeout: Duration,
    /// The keys these come from.
    pub keys: KeyNames,
}

impl Settings {
    /// Longer than any healthy server takes, shorter than an operator's patience.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

    /// The refusal of a log-in, with the keys to look at.
    #[must_use]
    pub fn refused(&self, error: Error) -> Error {
        let KeyNames {
            user,
            password,
            database,
        } = self.keys;
        match errors::sqlstate(&error) {
            Some("28P01") => error.hint(format!("check {user} and {password}")),
            Some("28000") => error.hint(format!(
                "check {user}, {password}, the TLS mode and pg_hba.conf of the server"
            )),
            Some("3D000") => error.hint(format!("the database does not exist: check {database}")),
            _ => error,
        }
    }

    /// `database dbname at host:port,…` for messages.
    pub fn describe(&self) -> String {
        let hosts: Vec<_> = self.hosts.iter().map(Host::to_string).collect();
        format!("database {} at {}", self.database, hosts.join(","))
    }
}

/// What a session is for: its `application_name` in `pg_stat_activity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Catalogue queries and slot polling of the source.
    General,
    /// The replication stream.
    Streaming,
    /// Snapshot reads.
    Snapshot,
    /// Values of the stream that are read again.
    Reselect,
    /// Writes of the sink.
    Sink,
    /// Live checks of validate.
    Validation,
}

impl Purpose {
    /// The name a session shows.
    pub fn application_name(self) -> &'static str {
        match self {
            Self::General => "Rowtide General",
            Self::Streaming => "Rowtide Streaming",
            Self::Snapshot => "Rowtide Snapshot",
            Self::Reselect => "Rowtide Reselect",
            Self::Sink => "Rowtide Sink",
            Self::Validation => "Rowtide Validation",
        }
    }
}

/// PG-018: what every session sets, so that text means the same on every server.
pub(crate) const SESSION: [(&str, &str); 5] = [
    ("DateStyle", "ISO"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "3"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// PG-017: a list of hosts and IPv6 literals.
    #[test]
    fn hosts_are_names_addresses_and_lists() {
        let shown = |list: &str| {
            Host::parse_list(list, 5432)
                .map(|hosts| hosts.iter().map(Host::to_string).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(shown("db.local").as_deref(), Ok("db.local:5432"));
        assert_eq!(shown("a:1, b").as_deref(), Ok("a:1 b:5432"));
        assert_eq!(shown("::1").as_deref(), Ok("[::1]:5432"));
        assert_eq!(shown("[fe80::1]:6000").as_deref(), Ok("[fe80::1]:6000"));
        for wrong in ["", "a b", "a:x", "a:70000", "[::1", "[::1]x", "a,,b", "h/../x"] {
            assert!(shown(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn debug_output_hides_the_password() {
        let settings = Settings {
            hosts: Vec::new(),
            user: "u".into(),
            password: Some(Secret::new("hunter2")),
            database: "d".into(),
            tls: Tls::of(SslMode::Prefer),
            tcp_keepalive: true,
            connect_timeout: Settings::CONNECT_TIMEOUT,
            keys: KeyNames {
                user: "database.user",
                password: "database.password",
                database: "database.dbname",
            },
        };
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
