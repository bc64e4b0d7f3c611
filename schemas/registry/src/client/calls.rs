//! The calls behind [`super::RegistryClient`]: ask, check, remember.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use schema_registry_converter::schema_registry_common::{RawRegisteredSchema, RegisteredReference, SrCall};
use tokio::time::Instant;

use super::attempt::{Cause, Failure};
use super::cache::{Cache, Registered};
use super::error::{Class, ClientError};
use super::explain::{explained, is_missing};
use super::flight::Flights;
use super::references::{Unresolved, resolve};
use super::schema::RegisteredSchema;
use super::settings::path_step;
use super::transport::{Patience, Transport};
use crate::avro::Schema;

/// Schemas with a longer text are refused (AV-132).
const SCHEMA_BYTES_MAX: usize = 1024 * 1024;

/// The client that all clones share.
pub(super) struct Inner {
    pub(super) transport: Transport,
    pub(super) cache: RwLock<Cache>,
    pub(super) by_id: Flights<i32, Result<Arc<RegisteredSchema>, ClientError>>,
    pub(super) by_content: Flights<Content, Result<Registered, ClientError>>,
    /// The zero of the cache's times.
    pub(super) started: Instant,
    /// The registry has no `/config` (AV-121).
    pub(super) without_config: AtomicBool,
}

/// What is written: how, the subject, the text.
pub(super) type Content = (Write, Arc<str>, Arc<str>);

/// How a schema is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Write {
    Register,
    LookUp,
}

impl Inner {
    pub(super) fn cache<T>(&self, read: impl FnOnce(&Cache) -> T) -> T {
        read(&self.cache.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn cache_mut<T>(&self, write: impl FnOnce(&mut Cache) -> T) -> T {
        write(&mut self.cache.write().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) async fn ask(
        &self,
        write: Write,
        subject: &str,
        body: &str,
    ) -> Result<Registered, ClientError> {
        let step = path_step(subject);
        let (call, doing) = match write {
            Write::Register => (SrCall::PostNew(&step, body), "registering a schema in subject"),
            Write::LookUp => (
                SrCall::PostForVersion(&step, body),
                "looking a schema up in subject",
            ),
        };
        let doing = format!("{doing} {subject}");
        let raw = match self.transport.call(call, Patience::Full).await {
            Ok(raw) => raw,
            Err(Failure {
                url,
                cause:
                    Cause::Refused {
                        status: 409,
                        error_code,
                        message,
                    },
            }) => {
                let error = self.incompatible(subject, &url, &message).await;
                return Err(error.answered(409, error_code));
            }
            Err(failure) => return Err(explained(&doing, &failure)),
        };
        let id = raw.id.and_then(|id| i32::try_from(id).ok());
        let id = id
            .ok_or_else(|| ClientError::new(Class::Fatal, format!("{doing}: the answer has no usable id")))?;
        let version = raw.version.and_then(|version| i32::try_from(version).ok());
        Ok(Registered { id, version })
    }

    /// Adds to a refusal what the operator needs to act on it, as far as the registry tells (AV-131).
    async fn incompatible(&self, subject: &str, url: &str, message: &str) -> ClientError {
        let mut level = self.level(Some(subject), Patience::OneRound).await.ok().flatten();
        // Apicurio says NONE of a subject without a level of its own, which then was not the one that refused.
        if level.as_deref() == Some("NONE") {
            level = self.level(None, Patience::OneRound).await.ok().flatten();
        }
        let latest = self
            .transport
            .call(SrCall::GetLatest(&path_step(subject)), Patience::OneRound)
            .await;
        let version = latest.ok().and_then(|latest| latest.version);
        let version = version.map_or_else(String::new, |version| {
            format!(", whose latest version is {version}")
        });
        let level = level.map_or_else(String::new, |level| format!(" at compatibility level {level}"));
        let context = format!(
            "registry {url}: schema refused as incompatible for subject {subject}{version}{level}: {message}"
        );
        ClientError::new(Class::Incompatible, context)
            .hint("make the change compatible, or set another compatibility level for the subject")
    }

    pub(super) async fn fetch(&self, id: i32) -> Result<Arc<RegisteredSchema>, ClientError> {
        let doing = format!("reading schema id {id}");
        let number = u32::try_from(id)
            .map_err(|_| ClientError::new(Class::NotFound, format!("{doing}: ids are not negative")))?;
        let (error, may_lag) = match self.transport.call(SrCall::GetById(number), Patience::Full).await {
            Ok(raw) => match self.take(id, raw).await {
                Ok(schema) => return Ok(schema),
                Err((error, may_lag)) => (error.within(doing), may_lag),
            },
            Err(failure) => (explained(&doing, &failure), is_missing(&failure)),
        };
        // An outage is not remembered: the next call asks again. What the registry says of the id is, for a while.
        let of_the_id = may_lag || matches!(error.class(), Class::NotFound | Class::Invalid);
        if !of_the_id {
            return Err(error);
        }
        let now = self.started.elapsed();
        Err(self.cache_mut(|cache| cache.put_absent(id, now, error, may_lag)))
    }

    /// Completes and remembers an answered schema. With the error comes whether it may be a follower's lag.
    pub(super) async fn take(
        &self,
        id: i32,
        raw: RawRegisteredSchema,
    ) -> Result<Arc<RegisteredSchema>, (ClientError, bool)> {
        let text = raw.schema.unwrap_or_default();
        if text.is_empty() {
            return Err((ClientError::new(Class::Fatal, "the answer has no schema"), false));
        }
        if text.len() > SCHEMA_BYTES_MAX {
            let context = format!("the schema is longer than {SCHEMA_BYTES_MAX} bytes");
            return Err((ClientError::new(Class::Invalid, context), false));
        }
        let references: Vec<RegisteredReference> = raw.references.unwrap_or_default();
        let references =
            resolve(&self.transport, references)
                .await
                .map_err(|unresolved| match unresolved {
                    Unresolved::Call(failure) => (
                        explained("reading its references", &failure),
                        is_missing(&failure),
                    ),
                    Unresolved::Limit(limit) => (ClientError::new(Class::Invalid, limit), false),
                })?;
        let schema_type: Arc<str> = raw.schema_type.as_deref().unwrap_or("AVRO").into();
        let schema = Arc::new(RegisteredSchema {
            id,
            schema_type,
            text: text.into(),
            references,
        });
        let print = if schema.is_avro() {
            fingerprint(&schema.text, &schema.reference_texts())
        } else {
            None
        };
        self.check_reuse(id, print).map_err(|error| (error, false))?;
        self.cache_mut(|cache| cache.put_schema(&schema));
        Ok(schema)
    }

    /// Fails when the id stood for another schema before (AV-133): the registry was rebuilt, and what is decoded by
    /// its ids would be wrong without a sign.
    pub(super) fn check_reuse(&self, id: i32, fingerprint: Option<u128>) -> Result<(), ClientError> {
        let Some(fingerprint) = fingerprint else {
            return Ok(());
        };
        if self.cache_mut(|cache| cache.same_as_before(id, fingerprint)) {
            return Ok(());
        }
        let context = format!("schema id {id} now stands for another schema than before");
        Err(ClientError::new(Class::Fatal, context)
            .hint("the registry was rebuilt or replaced: restore its schemas, then restart the worker"))
    }

    pub(super) async fn level(
        &self,
        subject: Option<&str>,
        patience: Patience,
    ) -> Result<Option<String>, ClientError> {
        if self.without_config.load(Ordering::Relaxed) {
            return Ok(None);
        }
        match self
            .transport
            .level(subject.map(path_step).as_deref(), patience)
            .await
        {
            Ok(level) => Ok(level),
            // No level of its own, or no such subject.
            Err(Failure {
                cause:
                    Cause::Refused {
                        status: 404,
                        error_code: Some(40400..=40499),
                        ..
                    },
                ..
            }) => Ok(None),
            Err(Failure {
                url,
                cause:
                    Cause::Refused {
                        status: 404 | 405 | 501,
                        ..
                    },
            }) => {
                if !self.without_config.swap(true, Ordering::Relaxed) {
                    tracing::info!(
                        url,
                        "the registry tells no compatibility levels: going on without"
                    );
                }
                Ok(None)
            }
            Err(failure) => Err(explained("reading the compatibility level", &failure)),
        }
    }
}

/// What an Avro schema means; `None` when we cannot parse it, which the registry that accepted it could.
pub(super) fn fingerprint(text: &str, references: &[&str]) -> Option<u128> {
    Schema::parse(text, references)
        .ok()
        .map(|schema| schema.fingerprint())
}
