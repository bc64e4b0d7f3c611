//! The HTTP client, and the only file that knows reqwest: one GET, bounded in time and bytes.
//!
//! TLS is rustls with the Mozilla roots; no proxy variable of the environment is read, no redirect followed (RS-220).

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use rowtide_api::{Error, ResultExt};

use crate::config::Http;

/// Ten times the largest page (5000 users are 6 MB): beyond it the server is not the one we mean (RS-184).
pub(crate) const BODY_BYTES_MAX: usize = 64 << 20;

/// Reaching a server takes a few round trips, whatever its answer takes.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(10);

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// The header `Retry-After`.
    pub(crate) retry_after: Option<String>,
    /// The header `Location`.
    pub(crate) location: Option<String>,
    /// The body, whole.
    pub(crate) body: Vec<u8>,
}

/// A connection pool. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Fetcher(reqwest::Client);

impl Fetcher {
    /// Builds the pool; connects to nothing.
    pub(crate) fn new(http: &Http) -> Result<Self, Error> {
        reqwest::Url::parse(&http.url)
            .fatal("http.url is no address")
            .map_err(|error| error.hint("write it as https://host/path/"))?;
        let roots = rustls::RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        let tls =
            rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .fatal("setting up TLS")?
                .with_root_certificates(roots)
                .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("rowtide/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(http.timeout.min(CONNECT_TIMEOUT_MAX))
            .timeout(http.timeout)
            .no_proxy()
            .build()
            .fatal("setting up the HTTP client")?;
        Ok(Self(client))
    }

    /// Sends one GET and reads the whole answer.
    ///
    /// # Errors
    /// Retriable when the server cannot be reached, takes too long or cuts the answer short. Fatal when its certificate
    /// is refused or the answer is larger than [`BODY_BYTES_MAX`].
    pub(crate) async fn get(&self, url: &str) -> Result<Answer, Error> {
        let mut response = self
            .0
            .get(url)
            .header("accept", "application/json")
            .send()
            .await
            .map_err(|cause| failure(url, "sending the request", cause))?;
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            Some(value.to_str().ok()?.to_owned())
        };
        let (retry_after, location) = (header("retry-after"), header("location"));
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|cause| failure(url, "reading the answer", cause))?
        {
            if body.len() + chunk.len() > BODY_BYTES_MAX {
                return Err(
                    Error::fatal(format!("{url} answers more than {BODY_BYTES_MAX} bytes"))
                        .hint("check that http.url is a randomuser API, or lower results"),
                );
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status: response.status().as_u16(),
            retry_after,
            location,
            body,
        })
    }
}

/// Classifies a failure below HTTP.
fn failure(url: &str, doing: &str, cause: reqwest::Error) -> Error {
    let refused_certificate = certificate(&cause);
    // The context names the URL already; the library's own message would repeat it.
    let cause = cause.without_url();
    let context = format!("{doing} for {url}");
    if refused_certificate {
        Error::fatal(context).because(cause).hint(
            "the server's certificate is not accepted; check the host name in http.url and the certificate",
        )
    } else if cause.is_timeout() {
        Error::retriable(context)
            .because(cause)
            .hint("no answer in time; if it stays, raise http.timeout.ms")
    } else {
        Error::retriable(context)
            .because(cause)
            .hint("the server cannot be reached; if it stays, check http.url and the network")
    }
}

/// Whether a refused certificate is among the causes. An `io::Error` skips its own content when asked for its source.
fn certificate(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        let inner: Option<&(dyn StdError + 'static)> = match cause.downcast_ref::<std::io::Error>() {
            Some(io) => io.get_ref().map(|inner| inner as _),
            None => None,
        };
        for candidate in [Some(cause), inner].into_iter().flatten() {
            if let Some(rustls::Error::InvalidCertificate(_)) = candidate.downcast_ref() {
                return true;
            }
        }
        next = inner.map_or_else(|| cause.source(), |inner| inner.source());
    }
    false
}
