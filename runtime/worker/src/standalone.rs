//! Standalone mode: every part wired, once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rowtide_api::context::Limits;
use rowtide_api::{Error, ResultExt};
use rowtide_engine::herder::{Herder, HerderError, HerderHandle, WorkerParts};
use rowtide_engine::ports::{Clock, SystemClock};
use rowtide_engine::status::Board;
use rowtide_engine::store::config::ConfigStore;
use rowtide_engine::store::offset::OffsetStore;
use rowtide_engine::store::run::RunStore;
use rowtide_engine::store::status::StatusStore;
use rowtide_kafka::Cluster;
use rowtide_rest::submitted::CreateRequest;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::connector_file;
use crate::file_log::{FileLog, Kind, Section};
use crate::settings::{Settings, registry_default};
use crate::{registry, shutdown};

/// What dropping tasks, the last statuses and leaving groups may take beyond the tasks' own deadline.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// How long requests under way may take once everything else has stopped: a client that never ends its own is no reason
/// to stay.
const REQUESTS_WAIT: Duration = Duration::from_secs(5);

/// Why the worker ended.
pub(crate) enum Failure {
    /// It did not start.
    Worker(Error),
    /// A connector file is wrong.
    Connector(Error),
}

/// Runs until a signal.
pub(crate) fn run(worker: &Path, connectors: &[PathBuf], accept_remote: bool) -> Result<(), Failure> {
    let settings = Settings::load(worker).map_err(Failure::Worker)?;
    let files = connector_file::load_all(connectors, &settings.validator()).map_err(Failure::Connector)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.fatal("starting the runtime").map_err(Failure::Worker)?;
    let ended = runtime.block_on(serve(settings, files, accept_remote));
    // Blocking calls of clients that are being closed may still run; they hold nothing that has to be saved.
    runtime.shutdown_background();
    ended
}

async fn serve(
    mut settings: Settings,
    files: Vec<CreateRequest>,
    accept_remote: bool,
) -> Result<(), Failure> {
    // Signals first: one that arrives while starting ends the worker in order.
    let asked = tokio::spawn(shutdown::asked());
    let stop = CancellationToken::new();
    let listener = listen(&settings, accept_remote).await.map_err(Failure::Worker)?;
    let address = listener
        .local_addr()
        .fatal("asking for the REST API's address")
        .map_err(Failure::Worker)?;
    let log = FileLog::open(Kind::State, &settings.state_file).map_err(Failure::Worker)?;
    let embedded = start_registry(&mut settings, accept_remote, &stop)
        .await
        .map_err(Failure::Worker)?;
    let worker_id = settings.advertised.of(address);
    let (herder, herding) = start_herder(&settings, &log, &worker_id)
        .await
        .map_err(Failure::Worker)?;
    let rest_stop = stop.clone();
    let server = rowtide_rest::Server {
        herder: herder.clone(),
        worker_id,
        version: env!("CARGO_PKG_VERSION"),
    };
    let rest = tokio::spawn(rowtide_rest::serve(listener, server, async move {
        rest_stop.cancelled().await
    }));
    tracing::info!(%address, "REST API");
    let mut outcome = create_all(&herder, files).await.map_err(Failure::Connector);
    if outcome.is_ok() {
        outcome = match asked.await {
            Ok(signalled) => signalled.map_err(Failure::Worker),
            Err(_) => Err(Failure::Worker(Error::fatal(
                "waiting for signals was interrupted",
            ))),
        };
    }
    // Tasks stop inside their own deadline, and past it are dropped; this one is for what blocks even so.
    let deadline = settings.shutdown_timeout + STOP_GRACE;
    match timeout(deadline, herder.shutdown()).await {
        Ok(()) if herding.await.is_err() => tracing::error!("the herder panicked"),
        Ok(()) => {}
        Err(_) => tracing::error!("connectors block the stop; leaving them where they stand"),
    }
    stop.cancel();
    let servers = async {
        if !matches!(rest.await, Ok(Ok(()))) {
            tracing::error!("the REST API ended with an error");
        }
        if let Some(embedded) = embedded {
            embedded.ended().await;
        }
    };
    if timeout(REQUESTS_WAIT, servers).await.is_err() {
        tracing::warn!("requests under way do not end; leaving them");
    }
    tracing::info!("stopped");
    outcome
}

/// Takes the REST API's port, before anything is started that others could see.
async fn listen(settings: &Settings, accept_remote: bool) -> Result<TcpListener, Error> {
    let address = settings.rest.address(accept_remote).await?;
    TcpListener::bind(address).await.map_err(|cause| {
        Error::fatal(format!("listening on {address} for the REST API"))
            .hint("free the port, or set listeners to another one")
            .because(cause)
    })
}

/// Starts the embedded registry unless it is off; converters that name no registry get its address.
async fn start_registry(
    settings: &mut Settings,
    accept_remote: bool,
    stop: &CancellationToken,
) -> Result<Option<registry::EmbeddedRegistry>, Error> {
    let Some(listener) = &settings.registry else {
        return Ok(None);
    };
    let address = listener.address(accept_remote).await?;
    let file = registry::path_beside(&settings.state_file);
    let started = registry::start(address, file, stop.clone()).await?;
    settings.converters.defaults = registry_default(&started.url);
    Ok(Some(started))
}

async fn start_herder(
    settings: &Settings,
    log: &FileLog,
    worker_id: &str,
) -> Result<(HerderHandle, tokio::task::JoinHandle<()>), Error> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let configs = ConfigStore::open(Arc::new(log.section(Section::Config))).await?;
    let offsets = Arc::new(OffsetStore::open(Arc::new(log.section(Section::Offset))).await?);
    let runs = RunStore::open(Arc::new(log.section(Section::Run))).await?;
    let statuses = StatusStore::new(Arc::new(log.section(Section::Status)), worker_id);
    let topics = statuses.topics().await?;
    let (board, _writer) = Board::new(statuses, clock.clone());
    let parts = WorkerParts {
        validator: settings.validator(),
        kafka: Arc::new(Cluster::new(settings.kafka.clone())),
        clock,
        offsets,
        runs: Arc::new(Mutex::new(runs)),
        board,
        producer: settings.producer.clone(),
        consumer: settings.consumer.clone(),
        flush_interval: settings.flush_interval,
        flush_timeout: settings.flush_timeout,
        shutdown_timeout: settings.shutdown_timeout,
        limits: Limits::default(),
        state_folder: None,
    };
    Ok(Herder::start(parts, configs, topics))
}

/// The connectors of the command line; one of the same name in the file is replaced.
async fn create_all(herder: &HerderHandle, files: Vec<CreateRequest>) -> Result<(), Error> {
    for file in files {
        let name = file.name;
        let put = async {
            match herder.create(&name, file.config.clone(), file.target).await {
                // One that is stored keeps its target state.
                Err(HerderError::Conflict(_)) => herder.put(&name, file.config).await.map(|_| ()),
                created => created,
            }
        };
        put.await.map_err(|error| match error {
            HerderError::NotFound(why) | HerderError::Conflict(why) | HerderError::BadRequest(why) => {
                Error::fatal(format!("the connector {name} of the command line: {why}"))
            }
            HerderError::Internal(error) => error.within(format!("creating the connector {name}")),
        })?;
        tracing::info!(connector = name, "created from the command line");
    }
    Ok(())
}
