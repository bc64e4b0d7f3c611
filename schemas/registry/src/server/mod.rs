//! The registry that the worker embeds: Confluent's REST contract over a log of its own (AV §7, §8).

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use rowtide_api::Error;
use serde_json::{Map, Value};
use tokio::sync::Mutex;

pub mod compatibility;
mod config;
mod content;
mod error;
mod log;
mod record;
mod register;
mod routes;
mod store;
mod subject;

pub use config::Level;
pub use content::{Content, Reference, SchemaType};
pub use error::ApiError;
pub use log::{MemoryLog, RegistryLog};
pub use record::Record;
pub use register::{Registration, SCHEMA_BYTES_MAX, Submission, Verdict};
pub use routes::{router, serve};
pub use store::{Found, Skipped, Store};
pub use subject::{Pick, Shown};

use log::AnyLog;

/// How the server behaves where the contract leaves a choice.
#[derive(Debug, Clone, Copy)]
pub struct ServerSettings {
    /// The level of an untouched registry (`schema.compatibility.level`).
    pub level: Level,
    /// The body's code for an incompatible schema: 409 as older servers, or 40901 as newer ones (AV-071).
    pub incompatible_code: u32,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            level: Level::Backward,
            incompatible_code: 409,
        }
    }
}

/// The registry: one log, its state in memory, one writer at a time.
///
/// ```no_run
/// use rowtide_registry::server::{MemoryLog, Server, ServerSettings, router};
///
/// # async fn example() -> Result<axum::Router, rowtide_api::Error> {
/// let server = Server::new(MemoryLog::default(), ServerSettings::default());
/// server.load().await?;
/// Ok(router(server)) // for axum::serve, on a loopback listener
/// # }
/// ```
pub struct Server {
    log: Box<dyn AnyLog>,
    settings: ServerSettings,
    /// `None` until the log was read: every request is answered 503 (AV-103).
    store: RwLock<Option<Store>>,
    writer: Mutex<Writer>,
}

#[derive(Debug, Default)]
struct Writer {
    /// An append failed, or the request it belonged to was dropped: whether it is in the log must be read from it.
    in_doubt: bool,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// A registry over this log, which it has for itself. [`Server::load`] comes before its first useful answer.
    pub fn new(log: impl RegistryLog, settings: ServerSettings) -> Arc<Self> {
        Arc::new(Self {
            log: Box::new(log),
            settings,
            store: RwLock::new(None),
            writer: Mutex::new(Writer::default()),
        })
    }

    /// Reads the log. Until then requests are answered 503.
    ///
    /// # Errors
    /// The log cannot be read; what was loaded before stays.
    pub async fn load(&self) -> Result<(), Error> {
        let mut writer = self.writer.lock().await;
        self.reload().await?;
        writer.in_doubt = false;
        Ok(())
    }

    /// Only with the writer held: nothing may be appended between reading and taking what was read.
    async fn reload(&self) -> Result<(), Error> {
        let records = self.log.read_all().await?;
        let (store, skipped) = Store::replay(self.settings.level, &records);
        for Skipped { index, reason } in skipped {
            tracing::warn!(index, %reason, "registry log: a record was passed over");
        }
        tracing::info!(
            records = records.len(),
            highest_id = store.highest_id(),
            "registry log read"
        );
        *self.store.write().unwrap_or_else(PoisonError::into_inner) = Some(store);
        Ok(())
    }

    /// Reads from the state.
    ///
    /// # Errors
    /// 503 until the log was read, or what `read` answers.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Store) -> Result<T, ApiError>) -> Result<T, ApiError> {
        read(self.guard().as_ref().ok_or_else(ApiError::loading)?)
    }

    fn guard(&self) -> RwLockReadGuard<'_, Option<Store>> {
        self.store.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a schema and returns its id (AV-073: one content, one id, however many ask at once).
    ///
    /// # Errors
    /// The contract's codes; 50001 when the log fails: the same request may then be repeated.
    pub async fn register(&self, subject: &str, submission: &Submission) -> Result<i32, ApiError> {
        let code = self.settings.incompatible_code;
        // Most registrations repeat what is there: they need no writer.
        if let Registration::Existing { id } = self.read(|store| store.register(subject, submission, code))? {
            return Ok(id);
        }
        self.write(|store| match store.register(subject, submission, code)? {
            Registration::Existing { id } => Ok((id, Vec::new())),
            Registration::New { id, version, records } => {
                tracing::info!(subject, version, id, "registering a schema");
                Ok((id, records))
            }
        })
        .await
    }

    /// Sets the global compatibility level.
    ///
    /// # Errors
    /// 42203, 50001.
    pub(crate) async fn set_global_level(&self, request: &Map<String, Value>) -> Result<Level, ApiError> {
        self.write(|store| store.set_global_level(request)).await
    }

    /// Decides with the writer held, makes the decision durable, then shows it. In this order an answer never tells of
    /// what a crash can take back.
    async fn write<T>(
        &self,
        decide: impl FnOnce(&Store) -> Result<(T, Vec<Record>), ApiError>,
    ) -> Result<T, ApiError> {
        let mut writer = self.writer.lock().await;
        if writer.in_doubt {
            self.reload().await.map_err(ApiError::store)?;
            writer.in_doubt = false;
        }
        let (answer, records) = self.read(decide)?;
        if records.is_empty() {
            return Ok(answer);
        }
        // Stays set if this future is dropped at the await below, as when a client hangs up.
        writer.in_doubt = true;
        self.log.append(records.clone()).await.map_err(|error| {
            tracing::error!(%error, "registry log: append failed");
            ApiError::store(error)
        })?;
        if let Some(store) = self
            .store
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .as_mut()
        {
            for record in &records {
                store
                    .apply(record)
                    .expect("invariant: a store takes the records it decided on");
            }
        }
        writer.in_doubt = false;
        Ok(answer)
    }
}
