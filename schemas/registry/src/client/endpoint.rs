//! One address of a registry: its HTTP client, credentials and health.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use schema_registry_converter::async_impl::schema_registry::SrSettings;
use tokio::time::Instant;

use super::attempt::innermost;
use super::error::{Class, ClientError};
use super::guard::guard;
use super::settings::{ClientSettings, Credentials, RegistryUrl, Secret};

/// One address.
pub(super) struct Endpoint {
    pub(super) url: RegistryUrl,
    pub(super) credentials: Credentials,
    pub(super) calls: SrSettings,
    /// Until when it asked to be left alone.
    rest_until: Mutex<Option<Instant>>,
}

impl Endpoint {
    pub(super) fn new(url: &RegistryUrl, settings: &ClientSettings) -> Result<Self, ClientError> {
        let mut calls = SrSettings::new_builder(url.base().to_owned());
        let endpoint = |calls| Self {
            url: url.clone(),
            credentials: settings.credentials.clone(),
            calls,
            rest_until: Mutex::new(None),
        };
        match (basic(url, &settings.credentials), &settings.credentials) {
            (Some((user, password)), _) => calls.set_basic_authorization(user, Some(password.reveal())),
            (None, Credentials::Token(token)) => calls.set_token_authorization(token.reveal()),
            (None, _) => &mut calls,
        };
        calls.set_timeout(whole_call(settings)).with_middleware(guard);
        Ok(endpoint(
            calls
                .build_with(builder(settings)?)
                .map_err(|error| unusable(&error))?,
        ))
    }

    /// User and password, where this address takes them.
    pub(super) fn basic(&self) -> Option<(&str, &Secret)> {
        basic(&self.url, &self.credentials)
    }

    /// How long it still asks to be left alone.
    pub(super) fn rest(&self) -> Duration {
        let until = *self.rest_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.map_or(Duration::ZERO, |until| {
            until.saturating_duration_since(Instant::now())
        })
    }

    /// Notes when the last attempt asked to be repeated, if it did.
    pub(super) fn rest_for(&self, after: Option<Duration>) {
        *self.rest_until.lock().unwrap_or_else(PoisonError::into_inner) =
            after.map(|after| Instant::now() + after);
    }
}

fn basic<'a>(url: &'a RegistryUrl, credentials: &'a Credentials) -> Option<(&'a str, &'a Secret)> {
    match credentials {
        Credentials::Url => url.user_info().map(|(user, password)| (user.as_str(), password)),
        Credentials::Basic { user, password } => Some((user.as_str(), password)),
        Credentials::Token(_) => None,
    }
}

/// What one call may take, its answer's body included.
pub(super) fn whole_call(settings: &ClientSettings) -> Duration {
    settings.connect_timeout.saturating_add(settings.read_timeout)
}

/// A client that cannot be built.
pub(super) fn unusable(error: &dyn std::error::Error) -> ClientError {
    ClientError::new(
        Class::Fatal,
        format!("the registry's client cannot be built: {}", innermost(error)),
    )
    .hint("check the system's CA certificates and the schema.registry settings")
}

/// A client's settings, its own but for the whole call's time.
pub(super) fn builder(settings: &ClientSettings) -> Result<reqwest::ClientBuilder, ClientError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &settings.headers {
        let refused = |_| {
            ClientError::new(
                Class::Fatal,
                format!("request.header.{name} is not a valid HTTP header"),
            )
        };
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused(()))?;
        let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| refused(()))?;
        value.set_sensitive(true);
        headers.append(key, value);
    }
    let builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(settings.connect_timeout)
        .read_timeout(settings.read_timeout)
        .default_headers(headers);
    let builder = match &settings.proxy {
        // The environment names no proxy for us: only the worker reads it.
        None => builder.no_proxy(),
        Some(url) => {
            let proxy = reqwest::Proxy::all(url.base()).map_err(|error| unusable(&error))?;
            builder.proxy(match url.user_info() {
                Some((user, password)) => proxy.basic_auth(user, password.reveal()),
                None => proxy,
            })
        }
    };
    if settings
        .urls
        .iter()
        .chain(&settings.proxy)
        .any(RegistryUrl::is_tls)
    {
        // reqwest comes without a provider of cryptography; it takes the process's. Someone else's is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        return Ok(builder);
    }
    // Without TLS no certificates are needed, and a machine without any must not be refused.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Ok(builder.tls_backend_preconfigured(tls))
}
