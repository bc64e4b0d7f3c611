//! Settings of the client: addresses, credentials, times and bounds.

use std::fmt;
use std::time::Duration;

use super::error::{Class, ClientError};

/// How a client reaches its registry. Every default is Confluent's.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// `schema.registry.url`: tried in this order, the one that last worked first.
    pub urls: Vec<RegistryUrl>,
    /// `schema.registry.url.randomize`: start at any of them, so that many clients spread over them.
    pub randomize: bool,
    /// `basic.auth.*` and `bearer.auth.*`.
    pub credentials: Credentials,
    /// `http.connect.timeout.ms`
    pub connect_timeout: Duration,
    /// `http.read.timeout.ms`: between two reads; a whole call takes no longer than this and `connect_timeout` together.
    pub read_timeout: Duration,
    /// `max.retries`: rounds over all addresses after the first.
    pub max_retries: u32,
    /// `retries.wait.ms`: before the second round; doubles from round to round.
    pub retry_wait: Duration,
    /// `retries.max.wait.ms`: no wait between rounds is longer.
    pub retry_wait_max: Duration,
    /// `request.header.<name>`: added to each request.
    pub headers: Vec<(String, Secret)>,
    /// `proxy.host` and `proxy.port`, as an address.
    pub proxy: Option<RegistryUrl>,
    /// `max.schemas.per.subject`: ids remembered for each subject, the oldest forgotten first.
    pub schemas_per_subject_max: usize,
}

impl ClientSettings {
    /// The settings for these addresses, all else at its default.
    pub fn new(urls: Vec<RegistryUrl>) -> Self {
        Self {
            urls,
            randomize: false,
            credentials: Credentials::Url,
            connect_timeout: Duration::from_secs(60),
            read_timeout: Duration::from_secs(60),
            max_retries: 3,
            retry_wait: Duration::from_secs(1),
            retry_wait_max: Duration::from_secs(20),
            headers: Vec::new(),
            proxy: None,
            schemas_per_subject_max: 1000,
        }
    }
}

/// Where the credentials of a request come from.
#[derive(Debug, Clone, Default)]
pub enum Credentials {
    /// `basic.auth.credentials.source=URL`: what each address carries, if anything.
    #[default]
    Url,
    /// `basic.auth.credentials.source=USER_INFO`
    Basic {
        /// The part of `basic.auth.user.info` before the first colon.
        user: String,
        /// The part after it.
        password: Secret,
    },
    /// `bearer.auth.credentials.source=STATIC_TOKEN`
    Token(Secret),
}

impl Credentials {
    /// Reads `basic.auth.user.info`, `user:password`.
    ///
    /// # Errors
    /// No colon; the message does not repeat the value.
    pub fn user_info(text: &str) -> Result<Self, ClientError> {
        let (user, password) = text.split_once(':').ok_or_else(|| {
            ClientError::new(
                Class::Fatal,
                "basic.auth.user.info is not of the form user:password",
            )
        })?;
        Ok(Self::Basic {
            user: user.to_owned(),
            password: Secret::new(password),
        })
    }
}

/// A text that no message, log or `Debug` shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// The address of a registry, credentials apart: shown without them (AV-017).
#[derive(Clone, PartialEq, Eq)]
pub struct RegistryUrl {
    /// Scheme, host, port and path; no slash at the end.
    base: String,
    user_info: Option<(String, Secret)>,
}

impl RegistryUrl {
    /// Reads the comma-separated addresses of `schema.registry.url`.
    ///
    /// # Errors
    /// No address, or one that is none; the message does not repeat credentials.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, ClientError> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let urls: Vec<Self> = parts.map(Self::parse).collect::<Result<_, _>>()?;
        if urls.is_empty() {
            return Err(ClientError::new(
                Class::Fatal,
                "schema.registry.url names no address",
            ));
        }
        Ok(urls)
    }

    /// Reads one address, `http[s]://[user:password@]host[:port][/path]`.
    ///
    /// # Errors
    /// Not such an address; the message does not repeat it, as it may hold credentials.
    pub fn parse(text: &str) -> Result<Self, ClientError> {
        let refused =
            |what: &str| ClientError::new(Class::Fatal, format!("schema.registry.url: an address {what}"));
        let mut url =
            reqwest::Url::parse(text).map_err(|error| refused(&format!("cannot be read: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(refused(
                "is not of the form http://host:port or https://host:port",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refused("has a query or fragment"));
        }
        let user_info = if url.username().is_empty() && url.password().is_none() {
            None
        } else {
            let decoded = |text: &str| {
                percent_decoded(text).ok_or_else(|| refused("has credentials that are not UTF-8"))
            };
            Some((
                decoded(url.username())?,
                Secret::new(decoded(url.password().unwrap_or_default())?),
            ))
        };
        let stripped = url.set_username("").and_then(|()| url.set_password(None));
        stripped.map_err(|()| refused("has credentials without a host"))?;
        Ok(Self {
            base: url.as_str().trim_end_matches('/').to_owned(),
            user_info,
        })
    }

    /// The address without credentials and without a slash at the end.
    pub fn base(&self) -> &str {
        &self.base
    }

    pub(super) fn user_info(&self) -> Option<&(String, Secret)> {
        self.user_info.as_ref()
    }

    pub(super) fn is_tls(&self) -> bool {
        self.base.starts_with("https:")
    }
}

impl fmt::Debug for RegistryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

impl fmt::Display for RegistryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let escaped = (*byte == b'%').then(|| after.get(..2)).flatten();
        let escaped =
            escaped.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        if escaped.is_some() {
            rest = &after[2..];
        }
        bytes.push(escaped.unwrap_or(*byte));
    }
    String::from_utf8(bytes).ok()
}

/// A subject as one step of a path (AV-011): all but letters, digits and `-._~` is escaped, `/` and `:` too.
pub(super) fn path_step(subject: &str) -> String {
    use std::fmt::Write as _;
    let mut step = String::with_capacity(subject.len());
    for byte in subject.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            step.push(char::from(byte));
        } else {
            write!(step, "%{byte:02X}").expect("invariant: a String takes any text");
        }
    }
    step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn av_017_credentials_leave_the_address_and_every_form_of_it() {
        let url = RegistryUrl::parse("https://us%65r:p%40ss@registry:8443/apis/ccompat/v7/").unwrap();
        assert_eq!(url.base(), "https://registry:8443/apis/ccompat/v7");
        let (user, password) = url.user_info().unwrap();
        assert_eq!((user.as_str(), password.reveal()), ("user", "p@ss"));
        let mut settings = ClientSettings::new(vec![url]);
        settings.credentials = Credentials::user_info("me:hush").unwrap();
        settings.headers = vec![("x-token".to_owned(), Secret::new("hush"))];
        let shown = format!("{settings:?}");
        assert!(
            !shown.contains("p@ss") && !shown.contains("p%40ss") && !shown.contains("hush"),
            "{shown}"
        );
    }

    #[test]
    fn bad_addresses_are_refused_without_repeating_them() {
        for bad in [
            "",
            " , ",
            "registry:8081",
            "ftp://u:hush@h",
            "http://u:hush@",
            "http://u:hush@h/?a=b",
            "http://h,x",
        ] {
            let error = RegistryUrl::parse_list(bad).unwrap_err();
            assert!(error.context().contains("schema.registry.url"), "{bad}: {error}");
            assert!(!error.to_string().contains("hush"), "{bad}: {error}");
        }
        assert_eq!(
            RegistryUrl::parse_list("http://a:1, http://b:2/").unwrap()[1].base(),
            "http://b:2"
        );
        assert!(
            !Credentials::user_info("hush")
                .unwrap_err()
                .to_string()
                .contains("hush")
        );
    }

    #[test]
    fn av_011_subjects_are_escaped_slash_and_colon_included() {
        assert_eq!(path_step("t-value"), "t-value");
        assert_eq!(path_step(":.c:a/b ü%"), "%3A.c%3Aa%2Fb%20%C3%BC%25");
    }
}
