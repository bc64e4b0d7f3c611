//! The client of a Schema Registry: Confluent's, or one that speaks its contract (AV §9, §10).
//!
//! Two faces: what is in memory is told at once ([`RegistryClient::cached`], [`RegistryClient::peek`]), for converters,
//! which do not wait; what is not is fetched by an `async` call, once for all who ask. A failure says by its [`Class`]
//! what it means: an outage is never a fault of a record (AV-128).

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, RwLock};

use futures_util::FutureExt as _;
use schema_registry_converter::schema_registry_common::SrCall;
use serde_json::{Value, json};
use tokio::time::Instant;

mod attempt;
mod cache;
mod calls;
mod endpoint;
mod error;
mod explain;
mod flight;
mod guard;
mod references;
mod retry;
mod schema;
mod settings;
mod transport;

pub use cache::Registered;
pub use error::{Class, ClientError};
pub use schema::{Latest, Reference, RegisteredSchema, ResolvedReference};
pub use settings::{ClientSettings, Credentials, RegistryUrl, Secret};

use cache::Cache;
use calls::{Inner, Write, fingerprint};
use explain::explained;
use flight::Flights;
use settings::path_step;
use transport::{Patience, Transport};

/// A registry's client. Clones share connections and memory.
///
/// ```no_run
/// use rowtide_registry::client::{ClientError, ClientSettings, RegistryClient, RegistryUrl};
///
/// # async fn example() -> Result<i32, ClientError> {
/// let urls = RegistryUrl::parse_list("http://127.0.0.1:8081")?;
/// let client = RegistryClient::new(&ClientSettings::new(urls))?;
/// client.register("users-value", "\"string\"", &[]).await
/// # }
/// ```
#[derive(Clone)]
pub struct RegistryClient {
    inner: Arc<Inner>,
}

/// What the client knows of an id without asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peek {
    /// Its schema.
    Known(Arc<RegisteredSchema>),
    /// Asked for lately, in vain. [`Class::NotFound`] and [`Class::Invalid`] are faults of the record that names the
    /// id; after [`Class::Retriable`] or [`Class::Fatal`] call [`RegistryClient::by_id`] again.
    Absent(ClientError),
    /// Nothing: call [`RegistryClient::by_id`].
    Unknown,
}

impl fmt::Debug for RegistryClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<_> = self.inner.transport.urls().collect();
        f.debug_struct("RegistryClient")
            .field("urls", &urls)
            .finish_non_exhaustive()
    }
}

impl RegistryClient {
    /// A client with these settings. Does not connect yet.
    ///
    /// # Errors
    /// Fatal: a setting cannot be used.
    pub fn new(settings: &ClientSettings) -> Result<Self, ClientError> {
        let inner = Inner {
            transport: Transport::new(settings)?,
            cache: RwLock::new(Cache::new(settings.schemas_per_subject_max)),
            by_id: Flights::new(),
            by_content: Flights::new(),
            started: Instant::now(),
            without_config: AtomicBool::new(false),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The registration of a schema without references in a subject, if it is in memory.
    pub fn cached(&self, subject: &str, text: &str) -> Option<Registered> {
        self.inner.cache(|cache| cache.registered(subject, text))
    }

    /// The id of a schema without references in a subject, if it is in memory.
    pub fn cached_id(&self, subject: &str, text: &str) -> Option<i32> {
        self.cached(subject, text).map(|registered| registered.id)
    }

    /// The schema of an id, if it is in memory.
    pub fn cached_schema(&self, id: i32) -> Option<Arc<RegisteredSchema>> {
        self.inner.cache(|cache| cache.schema(id).cloned())
    }

    /// All that is in memory of an id.
    pub fn peek(&self, id: i32) -> Peek {
        let now = self.inner.started.elapsed();
        self.inner
            .cache(|cache| match (cache.schema(id), cache.absence(id, now)) {
                (Some(schema), _) => Peek::Known(Arc::clone(schema)),
                (None, Some(error)) => Peek::Absent(error.clone()),
                (None, None) => Peek::Unknown,
            })
    }

    /// Registers an Avro schema in a subject, or finds it there: `POST /subjects/{subject}/versions`.
    ///
    /// # Errors
    /// Incompatible, invalid, an outage, access refused, an id reused.
    pub async fn register(
        &self,
        subject: &str,
        text: &str,
        references: &[Reference],
    ) -> Result<i32, ClientError> {
        Ok(self.write(Write::Register, subject, text, references).await?.id)
    }

    /// Finds an Avro schema in a subject: `POST /subjects/{subject}`. Never registers (AV-016).
    ///
    /// # Errors
    /// Not found, invalid, an outage, access refused, an id reused.
    pub async fn lookup(
        &self,
        subject: &str,
        text: &str,
        references: &[Reference],
    ) -> Result<Registered, ClientError> {
        self.write(Write::LookUp, subject, text, references).await
    }

    async fn write(
        &self,
        write: Write,
        subject: &str,
        text: &str,
        references: &[Reference],
    ) -> Result<Registered, ClientError> {
        let body = body(text, references);
        // With references the text alone does not tell schemas apart.
        let key: Arc<str> = if references.is_empty() {
            text.into()
        } else {
            body.as_str().into()
        };
        let known = self.inner.cache(|cache| cache.registered(subject, &key));
        // A registration does not tell the version: a look-up asks once more.
        if let Some(known) = known.filter(|known| write == Write::Register || known.version.is_some()) {
            return Ok(known);
        }
        let subject: Arc<str> = subject.into();
        let (inner, own) = (Arc::clone(&self.inner), (Arc::clone(&subject), Arc::clone(&key)));
        let plain: Option<Arc<str>> = references.is_empty().then(|| Arc::clone(&key));
        let start = move || {
            async move {
                let (subject, key) = own;
                let registered = inner.ask(write, &subject, &body).await?;
                inner.check_reuse(
                    registered.id,
                    plain.as_deref().and_then(|text| fingerprint(text, &[])),
                )?;
                inner.cache_mut(|cache| cache.put_registered(&subject, &key, registered));
                Ok(registered)
            }
            .boxed()
        };
        self.inner.by_content.join((write, subject, key), start).await
    }

    /// The schema of an id, with its references: `GET /schemas/ids/{id}`.
    ///
    /// # Errors
    /// Not found or invalid: a fault of the record that names the id. Retriable while the id may not have arrived
    /// everywhere; an outage, access refused, an id reused.
    pub async fn by_id(&self, id: i32) -> Result<Arc<RegisteredSchema>, ClientError> {
        match self.peek(id) {
            Peek::Known(schema) => return Ok(schema),
            Peek::Absent(error) => return Err(error),
            Peek::Unknown => {}
        }
        let inner = Arc::clone(&self.inner);
        self.inner
            .by_id
            .join(id, move || async move { inner.fetch(id).await }.boxed())
            .await
    }

    /// The newest version of a subject: `GET /subjects/{subject}/versions/latest`. Always asks.
    ///
    /// # Errors
    /// Not found, an outage, access refused.
    pub async fn latest(&self, subject: &str) -> Result<Latest, ClientError> {
        let doing = || format!("reading the latest version of subject {subject}");
        let raw = self
            .inner
            .transport
            .call(SrCall::GetLatest(&path_step(subject)), Patience::Full)
            .await;
        let raw = raw.map_err(|failure| explained(&doing(), &failure))?;
        let broken =
            |what: &str| ClientError::new(Class::Fatal, format!("{}: the answer has no {what}", doing()));
        let version = raw
            .version
            .and_then(|version| i32::try_from(version).ok())
            .ok_or_else(|| broken("version"))?;
        let id = raw
            .id
            .and_then(|id| i32::try_from(id).ok())
            .ok_or_else(|| broken("id"))?;
        let schema = self
            .inner
            .take(id, raw)
            .await
            .map_err(|(error, _)| error.within(doing()))?;
        Ok(Latest { version, schema })
    }

    /// The compatibility level that counts for a subject, or for all: `GET /config`. `None` where the registry does
    /// not tell.
    ///
    /// # Errors
    /// An outage, access refused.
    pub async fn config_get(&self, subject: Option<&str>) -> Result<Option<String>, ClientError> {
        self.inner.level(subject, Patience::Full).await
    }
}

/// The body of a registration or look-up.
fn body(text: &str, references: &[Reference]) -> String {
    let mut body = json!({"schema": text});
    if !references.is_empty() {
        let list = references.iter().map(|reference| {
            json!({"name": reference.name, "subject": reference.subject, "version": reference.version})
        });
        body["references"] = Value::Array(list.collect());
    }
    body.to_string()
}
