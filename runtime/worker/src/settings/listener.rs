//! A listener's address, and whether it is safe to open.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use rowtide_api::Error;
use rowtide_api::config::{ConfigType, Setting};

/// What others should call the REST listener, as far as it differs from its address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Advertised {
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
}

impl Advertised {
    /// `host:port` of a listener on this address.
    pub(crate) fn of(&self, address: SocketAddr) -> String {
        let port = self.port.unwrap_or(address.port());
        match &self.host {
            Some(host) => format!("{host}:{port}"),
            None => SocketAddr::new(address.ip(), port).to_string(),
        }
    }
}

/// `http://host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listener {
    /// The host; empty means every interface.
    host: String,
    port: u16,
}

impl Default for Listener {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".into(),
            port: 8083,
        }
    }
}

impl Setting for Listener {
    const TYPE: ConfigType = ConfigType::List;

    fn parse(text: &str) -> Result<Self, String> {
        if text.contains(',') {
            return Err("only one listener is supported so far; give one".into());
        }
        // As in a URL the scheme has any case; Kafka's own sample says `HTTP://:8083`.
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => {
                return Err(
                    "https is not supported yet: listen on loopback with http, behind a proxy that adds TLS"
                        .into(),
                );
            }
            _ => return Err("Expected http://host:port".into()),
        };
        let (host, port) = rest
            .trim_end_matches('/')
            .rsplit_once(':')
            .ok_or("Expected http://host:port")?;
        let port = port.parse().map_err(|_| format!("{port} is no port"))?;
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
        })
    }
}

impl Listener {
    /// The address to bind. Off loopback it needs the switch: there is neither TLS nor authentication.
    pub(crate) async fn address(&self, accept_remote: bool) -> Result<SocketAddr, Error> {
        let address = match self.host.as_str() {
            "" | "0.0.0.0" => SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), self.port),
            host => match tokio::net::lookup_host((host, self.port)).await {
                Ok(mut found) => found
                    .next()
                    .ok_or_else(|| Error::fatal(format!("the listener's host {host} has no address")))?,
                Err(cause) => {
                    return Err(Error::fatal(format!("looking up the listener's host {host}")).because(cause));
                }
            },
        };
        if address.ip().is_loopback() || accept_remote {
            return Ok(address);
        }
        Err(Error::fatal(format!("listening on {address} would let anybody on the network control this worker")).hint(
            "listen on http://127.0.0.1, or accept it with --i-accept-insecure-remote or ROWTIDE_INSECURE_REMOTE=accept",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_http_addresses() {
        assert_eq!(
            Listener::parse("http://:8083"),
            Ok(Listener {
                host: String::new(),
                port: 8083
            })
        );
        assert_eq!(
            Listener::parse("http://[::1]:80/"),
            Ok(Listener {
                host: "::1".into(),
                port: 80
            })
        );
        // The sample of Kafka's `connect-distributed.properties`.
        assert_eq!(Listener::parse("HTTP://:8083"), Listener::parse("http://:8083"));
        for bad in [
            "https://a:1",
            "HTTPS://a:1",
            "PLAINTEXT://a:1",
            "a:1",
            "http://a",
            "http://a:1,http://b:2",
            "http://a:x",
        ] {
            assert!(Listener::parse(bad).is_err(), "{bad}");
        }
    }

    /// CN-039, CN-049: each part alone is honoured.
    #[test]
    fn what_is_advertised_replaces_host_or_port_or_both() {
        let address = "127.0.0.1:8083".parse().unwrap();
        let of = |host: Option<&str>, port| {
            let host = host.map(str::to_owned);
            Advertised { host, port }.of(address)
        };
        assert_eq!(of(None, None), "127.0.0.1:8083");
        assert_eq!(of(Some("worker"), None), "worker:8083");
        assert_eq!(of(None, Some(80)), "127.0.0.1:80");
        assert_eq!(of(Some("worker"), Some(80)), "worker:80");
    }

    /// RS-201.
    #[tokio::test]
    async fn off_loopback_needs_the_switch_and_the_refusal_names_it() {
        let everywhere = Listener::parse("http://:8083").unwrap();
        let refusal = everywhere.address(false).await.unwrap_err();
        assert!(refusal.to_string().contains("--i-accept-insecure-remote"));
        assert!(everywhere.address(true).await.is_ok());
        assert!(
            Listener::parse("http://localhost:1")
                .unwrap()
                .address(false)
                .await
                .is_ok()
        );
    }
}
