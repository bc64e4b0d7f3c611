//! The session with the cluster: one per connector, shared by its tasks.

use std::sync::Arc;
use std::time::Duration;

use rowtide_api::Error;
use scylla::client::PoolSize;
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::policies::load_balancing::DefaultPolicy;
use scylla::statement::Consistency as CqlConsistency;
use scylla::statement::prepared::PreparedStatement;
use tokio::sync::{OnceCell, Semaphore};

use crate::config::{Compression, Connection, Consistency, Settings};
use crate::shape::Target;

/// What the tasks of a connector share.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) settings: Settings,
    session: OnceCell<Arc<Session>>,
    /// One permit per request in flight, of all tasks (`maxConcurrentRequests`).
    pub(crate) permits: Arc<Semaphore>,
}

impl Cluster {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(
                settings.writing.max_requests.min(Semaphore::MAX_PERMITS),
            )),
            session: OnceCell::new(),
            settings,
        }
    }

    /// The session, opened by whoever asks first.
    ///
    /// # Errors
    /// As [`connect`].
    pub(crate) async fn session(&self) -> Result<Arc<Session>, Error> {
        self.session
            .get_or_try_init(|| async {
                connect(&self.settings)
                    .await
                    .map(Arc::new)
                    .map_err(|(_, error)| error)
            })
            .await
            .cloned()
    }
}

/// How long opening a session may take; an unreachable cluster is then an error, not a hang (CS-003).
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Opens a session. The error comes with the configuration key it concerns.
///
/// # Errors
/// Retriable when the cluster is not reached; fatal for a refused password or an unknown data centre.
pub(crate) async fn connect(settings: &Settings) -> Result<Session, (&'static str, Error)> {
    let connection = &settings.connection;
    let builder = builder(settings);
    let session = match tokio::time::timeout(CONNECT_MAX, builder.build()).await {
        Ok(Ok(session)) => session,
        Ok(Err(error)) => return Err(crate::errors::session(&error, &connection.nodes)),
        Err(_) => {
            let error = Error::retriable(format!(
                "connecting to Cassandra at {}: no answer within {} s",
                connection.nodes.join(", "),
                CONNECT_MAX.as_secs()
            ))
            .hint("check contactPoints and port, and that nothing between drops packets");
            return Err(("contactPoints", error));
        }
    };
    require_local_dc(&session, connection).map_err(|error| ("loadBalancing.localDc", error))?;
    Ok(session)
}

fn builder(settings: &Settings) -> SessionBuilder {
    let connection = &settings.connection;
    let mut policy = DefaultPolicy::builder().token_aware(true);
    if let Some(dc) = &connection.local_dc {
        policy = policy.prefer_datacenter(dc.clone()).permit_dc_failover(false);
    }
    let profile = ExecutionProfile::builder()
        .load_balancing_policy(policy.build())
        .request_timeout(Some(connection.request_timeout))
        .build();
    // Metadata of our keyspaces only; the lower-case names serve the hint on a wrong case.
    let mut keyspaces: Vec<String> = settings
        .tables
        .iter()
        .flat_map(|table| [table.keyspace.to_string(), table.keyspace.to_lowercase()])
        .collect();
    keyspaces.sort_unstable();
    keyspaces.dedup();
    let pool = std::num::NonZeroUsize::new(connection.pool_size).unwrap_or(std::num::NonZeroUsize::MIN);
    let mut builder = SessionBuilder::new()
        .known_nodes(&connection.nodes)
        .default_execution_profile_handle(profile.into_handle())
        .pool_size(PoolSize::PerHost(pool))
        .keyspaces_to_fetch(keyspaces)
        .compression(match connection.compression {
            Compression::None => None,
            Compression::Lz4 => Some(scylla::frame::Compression::Lz4),
            Compression::Snappy => Some(scylla::frame::Compression::Snappy),
        });
    if let Some((user, password)) = &connection.credentials {
        builder = builder.user(user, password.reveal());
    }
    builder
}

fn require_local_dc(session: &Session, connection: &Connection) -> Result<(), Error> {
    let Some(wanted) = &connection.local_dc else {
        return Ok(());
    };
    let state = session.get_cluster_state();
    let mut known: Vec<&str> = state
        .get_nodes_info()
        .iter()
        .filter_map(|node| node.datacenter.as_deref())
        .collect();
    known.sort_unstable();
    known.dedup();
    if known.is_empty() || known.contains(&wanted.as_str()) {
        return Ok(());
    }
    Err(Error::fatal(format!(
        "the cluster has no data centre {wanted}; it has {}",
        known.join(", ")
    ))
    .hint("set loadBalancing.localDc to one of them"))
}

/// The two statements of a table.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) insert: PreparedStatement,
    pub(crate) delete: PreparedStatement,
}

impl Prepared {
    /// Prepares both (CS-057), idempotent, at the table's consistency.
    ///
    /// # Errors
    /// The driver's.
    pub(crate) async fn new(
        session: &Session,
        target: &Target,
    ) -> Result<Self, scylla::errors::PrepareError> {
        let mut insert = session.prepare(target.insert_cql()).await?;
        let mut delete = session.prepare(target.delete_cql()).await?;
        for statement in [&mut insert, &mut delete] {
            // A repeated write carries the same timestamp; without one the last to arrive wins, repeated or not.
            statement.set_is_idempotent(true);
            statement.set_consistency(consistency(target.settings.consistency));
        }
        Ok(Self { insert, delete })
    }

    /// Whether both bind the same types as another pair.
    pub(crate) fn binds_as(&self, other: &Self) -> bool {
        let types = |statement: &PreparedStatement| -> Vec<String> {
            statement
                .get_variable_col_specs()
                .iter()
                .map(|spec| format!("{} {:?}", spec.name(), spec.typ()))
                .collect()
        };
        types(&self.insert) == types(&other.insert) && types(&self.delete) == types(&other.delete)
    }
}

fn consistency(consistency: Consistency) -> CqlConsistency {
    match consistency {
        Consistency::Any => CqlConsistency::Any,
        Consistency::One => CqlConsistency::One,
        Consistency::Two => CqlConsistency::Two,
        Consistency::Three => CqlConsistency::Three,
        Consistency::Quorum => CqlConsistency::Quorum,
        Consistency::All => CqlConsistency::All,
        Consistency::LocalOne => CqlConsistency::LocalOne,
        Consistency::LocalQuorum => CqlConsistency::LocalQuorum,
        Consistency::EachQuorum => CqlConsistency::EachQuorum,
    }
}
