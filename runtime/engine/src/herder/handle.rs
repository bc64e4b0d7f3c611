//! How the rest of the program asks the herder.

use std::sync::Arc;
use std::time::Duration;

use rowtide_api::{Error, Properties};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::start::WorkerParts;
use crate::connector::validation::{Validation, invalid_text};
use crate::status::Board;
use crate::store::config::TargetState;

/// How long a reader waits for the cluster's id right after the start; later it is known, or the brokers are away.
const CLUSTER_ID_WAIT: Duration = Duration::from_secs(1);

/// Why a request was refused.
#[derive(Debug, Clone)]
pub enum HerderError {
    /// There is no such connector or task.
    NotFound(String),
    /// It is there already.
    Conflict(String),
    /// The request is wrong.
    BadRequest(String),
    /// It could not be carried out.
    Internal(Error),
}

/// Which instances a restart starts again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestartPlan {
    /// The connector's own instance.
    pub connector: bool,
    /// These tasks.
    pub tasks: Vec<u32>,
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, HerderError>>;

pub(super) enum Request {
    Put {
        name: String,
        config: Properties,
        only_new: bool,
        target: Option<TargetState>,
        reply: Reply<bool>,
    },
    Delete {
        name: String,
        reply: Reply<()>,
    },
    Target {
        name: String,
        target: TargetState,
        reply: Reply<()>,
    },
    Restart {
        name: String,
        include_tasks: bool,
        only_failed: bool,
        reply: Reply<RestartPlan>,
    },
    RestartTask {
        name: String,
        task: u32,
        reply: Reply<()>,
    },
    Shutdown {
        reply: oneshot::Sender<()>,
    },
}

/// Asks the herder. Cheap to clone; reading goes to the board and never waits.
#[derive(Clone)]
pub struct HerderHandle {
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) parts: Arc<WorkerParts>,
    pub(super) cluster_id: watch::Receiver<Option<String>>,
}

impl HerderHandle {
    /// What readers see.
    pub fn board(&self) -> &Arc<Board> {
        &self.parts.board
    }

    /// What the worker is made of.
    pub fn parts(&self) -> &Arc<WorkerParts> {
        &self.parts
    }

    /// The Kafka cluster's id; `None` while no broker has told it. Readers do not wait for brokers.
    pub async fn cluster_id(&self) -> Option<String> {
        let mut known = self.cluster_id.clone();
        let told = timeout(CLUSTER_ID_WAIT, known.wait_for(Option::is_some)).await;
        told.ok()?.ok()?.clone()
    }

    /// Validates a configuration, live checks included, beside the herder.
    ///
    /// # Errors
    /// A text for a missing or unknown class.
    pub async fn validate(&self, config: &Properties) -> Result<Validation, HerderError> {
        self.parts
            .validator
            .validate_live(config)
            .await
            .map_err(HerderError::BadRequest)
    }

    /// Creates a connector in this state.
    ///
    /// # Errors
    /// Invalid, or it exists.
    pub async fn create(
        &self,
        name: &str,
        config: Properties,
        target: TargetState,
    ) -> Result<(), HerderError> {
        self.check(&config)?;
        let name = name.to_owned();
        let created = |reply| Request::Put {
            name,
            config,
            only_new: true,
            target: Some(target),
            reply,
        };
        self.ask(created).await.map(|_| ())
    }

    /// Creates a connector or replaces its configuration; `true` when it is new.
    ///
    /// # Errors
    /// Invalid.
    pub async fn put(&self, name: &str, config: Properties) -> Result<bool, HerderError> {
        self.check(&config)?;
        let name = name.to_owned();
        self.ask(|reply| Request::Put {
            name,
            config,
            only_new: false,
            target: None,
            reply,
        })
        .await
    }

    /// Deletes a connector; its offsets and topics stay.
    ///
    /// # Errors
    /// Not found.
    pub async fn delete(&self, name: &str) -> Result<(), HerderError> {
        let name = name.to_owned();
        self.ask(|reply| Request::Delete { name, reply }).await
    }

    /// Sets the target state.
    ///
    /// # Errors
    /// Not found.
    pub async fn target(&self, name: &str, target: TargetState) -> Result<(), HerderError> {
        let name = name.to_owned();
        self.ask(|reply| Request::Target { name, target, reply }).await
    }

    /// Restarts a connector, and its tasks when asked. With neither flag it is answered when the connector has opened.
    ///
    /// # Errors
    /// Not found; with neither flag, why the connector did not open at its first attempt.
    pub async fn restart(
        &self,
        name: &str,
        include_tasks: bool,
        only_failed: bool,
    ) -> Result<RestartPlan, HerderError> {
        let name = name.to_owned();
        self.ask(|reply| Request::Restart {
            name,
            include_tasks,
            only_failed,
            reply,
        })
        .await
    }

    /// Restarts one task.
    ///
    /// # Errors
    /// Not found.
    pub async fn restart_task(&self, name: &str, task: u32) -> Result<(), HerderError> {
        let name = name.to_owned();
        self.ask(|reply| Request::RestartTask { name, task, reply }).await
    }

    /// Stops everything and ends the herder.
    pub async fn shutdown(&self) {
        let (reply, done) = oneshot::channel();
        if self.requests.send(Request::Shutdown { reply }).await.is_ok() {
            // A herder that is gone has nothing left to stop.
            let _ = done.await;
        }
    }

    /// The checks without I/O: a create must not depend on a database being up.
    fn check(&self, config: &Properties) -> Result<(), HerderError> {
        let validation = self
            .parts
            .validator
            .validate(config)
            .map_err(HerderError::BadRequest)?;
        for finding in validation.report.warnings() {
            let connector = config.get("name").unwrap_or_default();
            tracing::warn!(connector, key = finding.key, "{}", finding.message);
        }
        if validation.report.is_ok() {
            return Ok(());
        }
        Err(HerderError::BadRequest(invalid_text(&validation.report)))
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, HerderError> {
        let gone = || HerderError::Internal(Error::retriable("the worker is shutting down"));
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}
