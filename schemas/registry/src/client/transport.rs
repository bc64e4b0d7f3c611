//! Requests to a registry of several addresses: which is asked next, and how often.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest_middleware::{ClientBuilder as GuardedBuilder, ClientWithMiddleware};
use schema_registry_converter::async_impl::schema_registry::perform_sr_call;
use schema_registry_converter::schema_registry_common::{RawRegisteredSchema, SrCall};
use serde::Deserialize;

use super::attempt::{Attempt, Cause, Failure, attempt, guarded, not_a_registry};
use super::endpoint::{Endpoint, builder, unusable, whole_call};
use super::error::{Class, ClientError};
use super::guard::guard;
use super::retry;
use super::settings::{ClientSettings, Credentials, RegistryUrl};

/// All addresses of one registry.
pub(super) struct Transport {
    endpoints: Vec<Endpoint>,
    /// For the calls that schema_registry_converter does not have.
    plain: ClientWithMiddleware,
    /// The address that last answered: the next call begins there.
    first: AtomicUsize,
    max_retries: u32,
    retry_wait: Duration,
    retry_wait_max: Duration,
}

/// How patient a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// As the settings say.
    Full,
    /// Each address once: for what is nice to know.
    OneRound,
}

/// What is asked.
#[derive(Clone, Copy)]
enum Ask<'a> {
    Schema(SrCall<'a>),
    Level(Option<&'a str>),
}

enum Answer {
    Schema(Box<RawRegisteredSchema>),
    Level(Option<String>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConfigBody {
    compatibility_level: Option<String>,
    compatibility: Option<String>,
}

impl Transport {
    pub(super) fn new(settings: &ClientSettings) -> Result<Self, ClientError> {
        if settings.urls.is_empty() {
            return Err(ClientError::new(
                Class::Fatal,
                "schema.registry.url names no address",
            ));
        }
        let endpoints: Vec<Endpoint> = settings
            .urls
            .iter()
            .map(|url| Endpoint::new(url, settings))
            .collect::<Result<_, _>>()?;
        let plain = builder(settings)?
            .timeout(whole_call(settings))
            .build()
            .map_err(|error| unusable(&error))?;
        let first = if settings.randomize {
            retry::one_of(endpoints.len())
        } else {
            0
        };
        Ok(Self {
            first: AtomicUsize::new(first),
            endpoints,
            plain: GuardedBuilder::new(plain).with(guard).build(),
            max_retries: settings.max_retries,
            retry_wait: settings.retry_wait,
            retry_wait_max: settings.retry_wait_max,
        })
    }

    pub(super) fn urls(&self) -> impl Iterator<Item = &RegistryUrl> {
        self.endpoints.iter().map(|endpoint| &endpoint.url)
    }

    /// A call that schema_registry_converter makes: it knows paths, media types and the shape of answers. It replaces
    /// only `/` in subjects, so they come escaped.
    pub(super) async fn call(
        &self,
        call: SrCall<'_>,
        patience: Patience,
    ) -> Result<RawRegisteredSchema, Failure> {
        match self.rounds(Ask::Schema(call), patience).await? {
            Answer::Schema(schema) => Ok(*schema),
            Answer::Level(_) => unreachable!("invariant: a call for a schema is answered with one"),
        }
    }

    /// The compatibility level of a subject (escaped) or of all: `GET /config…`.
    pub(super) async fn level(
        &self,
        subject: Option<&str>,
        patience: Patience,
    ) -> Result<Option<String>, Failure> {
        match self.rounds(Ask::Level(subject), patience).await? {
            Answer::Level(level) => Ok(level),
            Answer::Schema(_) => unreachable!("invariant: a call for a level is answered with one"),
        }
    }

    async fn attempt(&self, endpoint: &Endpoint, ask: Ask<'_>) -> Result<Answer, Attempt> {
        let subject = match ask {
            Ask::Schema(call) => {
                let answer = perform_sr_call(&endpoint.calls, call).await;
                return answer
                    .map(|schema| Answer::Schema(Box::new(schema)))
                    .map_err(|error| attempt(&error));
            }
            Ask::Level(subject) => subject,
        };
        // schema_registry_converter does not have this one.
        let url = match subject {
            None => format!("{}/config", endpoint.url),
            Some(subject) => format!("{}/config/{subject}?defaultToGlobal=true", endpoint.url),
        };
        let request = self.plain.get(url);
        let request = match (endpoint.basic(), &endpoint.credentials) {
            (Some((user, password)), _) => request.basic_auth(user, Some(password.reveal())),
            (None, Credentials::Token(token)) => request.bearer_auth(token.reveal()),
            (None, _) => request,
        };
        let response = request.send().await.map_err(|error| guarded(&error))?;
        let body: ConfigBody = response
            .json()
            .await
            .map_err(|_| Attempt::Final(not_a_registry()))?;
        Ok(Answer::Level(body.compatibility_level.or(body.compatibility)))
    }

    /// Tries each address, then waits and tries again (AV-127).
    async fn rounds(&self, ask: Ask<'_>, patience: Patience) -> Result<Answer, Failure> {
        let mut last = None;
        let mut round = 0;
        loop {
            let first = self.first.load(Ordering::Relaxed);
            for step in 0..self.endpoints.len() {
                let index = (first + step) % self.endpoints.len();
                let endpoint = &self.endpoints[index];
                if !endpoint.rest().is_zero() {
                    continue;
                }
                let cause = match self.attempt(endpoint, ask).await {
                    Ok(answer) => {
                        self.first.store(index, Ordering::Relaxed);
                        return Ok(answer);
                    }
                    Err(Attempt::Retry { detail, after }) => {
                        endpoint.rest_for(after);
                        tracing::debug!(url = %endpoint.url, round, %detail, "registry: an attempt failed");
                        last = Some(Failure {
                            url: endpoint.url.to_string(),
                            cause: Cause::Outage(detail),
                        });
                        continue;
                    }
                    Err(Attempt::Final(cause)) => cause,
                };
                return Err(Failure {
                    url: endpoint.url.to_string(),
                    cause,
                });
            }
            let resting = self
                .endpoints
                .iter()
                .map(Endpoint::rest)
                .min()
                .unwrap_or_default();
            let given_up =
                patience == Patience::OneRound || round >= self.max_retries || resting > self.retry_wait_max;
            if given_up {
                return Err(last.unwrap_or_else(|| Failure {
                    url: self.endpoints[first].url.to_string(),
                    cause: Cause::Outage(format!("asked to be left alone for {} s", resting.as_secs())),
                }));
            }
            let pause = retry::wait(round, self.retry_wait, self.retry_wait_max, retry::jitter());
            tokio::time::sleep(pause.max(resting)).await;
            round += 1;
        }
    }
}
