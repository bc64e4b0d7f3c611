//! From a configuration and a stored offset to a server that is ready: what is captured, the publication, the slot, and
//! where to begin (PG-145). Runs at start and after every lost connection.

use std::sync::Arc;
use std::time::Duration;

use rowtide_api::{Error, ResultExt, failpoint};

use super::catalogue::{self, Published, Structures, TableRow};
use super::config::{SnapshotMode, SourceConfig};
use super::offset::{Identity, Position, SnapshotState, lsn_text};
use super::replication::relations::{Compiler, Schemas, snapshot_relation};
use super::slot::{self, Begin, Lifetime, SlotRow, System};
use super::{publication, snapshot, toast};
use crate::connection::copy_both::Stream;
use crate::connection::{Connection, Mode, Purpose, Wire, connect};
use crate::errors;
use crate::identifier::{TableName, literal, quoted};

/// PG-145 step 4: a slot someone else is creating is waited for this often, with this pause between.
const CREATION_ATTEMPTS: u32 = 900;
const CREATION_PAUSE: Duration = Duration::from_secs(2);

/// How often a slot that another session holds is looked at: often enough that a restart on the same machine takes a second
/// at most, and a query that costs the server nothing.
const RELEASE_RECHECK: Duration = Duration::from_millis(200);

/// The oldest server this runs against (PG-011).
const VERSION_MIN: u32 = 120_000;

/// What the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server {
    /// `server_version_num`.
    pub version: u32,
    /// It is in recovery: nothing can be created there.
    pub standby: bool,
}

/// What is captured, and how it looks.
#[derive(Debug)]
pub struct Captured {
    /// The tables, in the order of a snapshot.
    pub tables: Vec<TableRow>,
    /// Their structures.
    pub structures: Structures,
    /// What the publication publishes.
    pub published: Vec<Published>,
    /// It did not until now.
    pub newly_published: bool,
}

/// A server that is ready.
pub struct Attached {
    /// For catalogue queries.
    pub query: Connection,
    /// Which server it is.
    pub system: System,
    /// What comes first.
    pub next: Next,
    /// What a start should know: the key it concerns, and the words.
    pub findings: Vec<(&'static str, String)>,
}

/// What comes first.
pub enum Next {
    /// Existing rows.
    Snapshot(Box<snapshot::Plan>),
    /// Changes.
    Stream(Position),
}

/// Prepares everything. `stored`: the offset to go on from.
///
/// # Errors
/// Fatal with the setting to change; retriable while the server cannot be reached.
pub async fn attach(config: &SourceConfig, stored: Option<&Position>) -> Result<Attached, Error> {
    let query = open_query(config).await?;
    let server = inspect(&query).await?;
    let first_start = stored.is_none();
    let captured = captured(config, &query, server, first_start).await?;
    let mut wire = Wire::open(&config.connection, Purpose::Streaming, Mode::Replication)
        .await
        .map_err(explain_replication)?;
    let system = identify(&mut wire).await?;
    let stored = stored.cloned().unwrap_or_default();
    if let Some(start) = stored.start() {
        let fork = fork(&mut wire, &stored.identity, &system).await?;
        slot::verify_identity(&stored.identity, start, &system, fork)?;
    }
    let existing = existing_slot(config, &query, server).await?;
    let findings = toast::of_captured(config, &captured);
    let needs_rows =
        config.snapshot_mode != SnapshotMode::NoData && (first_start || stored.is_unfinished_snapshot());
    let next = if needs_rows {
        let identity = Identity {
            system_id: Some(system.id.clone()),
            timeline: Some(system.timeline),
            slot_lsn: None,
        };
        let plan = prepare_snapshot(config, &query, wire, server, captured, existing, identity).await?;
        Next::Snapshot(Box::new(plan))
    } else {
        let mut position =
            begin_stream(config, &query, &mut wire, server, &system, existing, &stored).await?;
        position.gap |= leaves_a_gap(config) || captured.newly_published;
        wire.close().await;
        Next::Stream(position)
    };
    Ok(Attached {
        query,
        system,
        next,
        findings,
    })
}

async fn open_query(config: &SourceConfig) -> Result<Connection, Error> {
    let query = connect(&config.connection, Purpose::General).await?;
    let timeout = config.query_timeout.map_or(0, |limit| limit.as_millis());
    query
        .rows(
            &format!("SET statement_timeout = {timeout}"),
            "preparing a query session",
        )
        .await?;
    Ok(query)
}

/// Version, encoding, `wal_level`.
///
/// # Errors
/// Fatal where the server cannot serve a replication source.
pub async fn inspect(query: &Connection) -> Result<Server, Error> {
    let doing = "reading the server's settings";
    let sql = "SELECT current_setting('server_version_num'), current_setting('wal_level'),
                      current_setting('server_encoding'), pg_catalog.pg_is_in_recovery()";
    let rows = query.rows(sql, doing).await?;
    let text = |index: usize| {
        rows.first()
            .and_then(|row| row.get(index))
            .and_then(Option::as_deref)
            .unwrap_or_default()
    };
    let version: u32 = text(0).parse().fatal(doing)?;
    if version < VERSION_MIN {
        return Err(Error::fatal(format!(
            "the server's version is {version}, 12 is the oldest supported one"
        )));
    }
    if text(1) != "logical" {
        return Err(Error::fatal(format!(
            "wal_level of the server is {}, it has to be logical",
            text(1)
        ))
        .hint("set wal_level = logical in postgresql.conf and restart the server"));
    }
    if text(2) != "UTF8" {
        return Err(Error::fatal(format!(
            "the database is encoded in {}, only UTF8 is supported",
            text(2)
        )));
    }
    Ok(Server {
        version,
        standby: text(3) == "t",
    })
}

/// The captured tables, their structures, and the publication that carries them.
async fn captured(
    config: &SourceConfig,
    query: &Connection,
    server: Server,
    first_start: bool,
) -> Result<Captured, Error> {
    let tables = captured_tables(config, query).await?;
    if tables.is_empty() && first_start && config.filter.names_tables() {
        return Err(Error::fatal("no table of the database is captured")
            .hint("check table.include.list and schema.include.list (patterns of schema.table), and that the tables exist"));
    }
    let structures = read_structures(query, &tables, &[]).await?;
    // Types first: what cannot be read is refused before anything is created.
    let (_, published) = publication::look_up(query, &config.publication, server.version).await?;
    check_types(config, &tables, &structures, &published)?;
    let (published, newly_published) = publication::ensure(
        query,
        &config.publication,
        &tables,
        server.version,
        server.standby,
    )
    .await?;
    failpoint::hit("postgres.publication_ready");
    if first_start && !tables.is_empty() && !publication::covers_any(&published, &tables) {
        return Err(Error::fatal(format!(
            "publication {} publishes none of the captured tables",
            config.publication.name
        ))
        .hint(
            "add them with ALTER PUBLICATION … ADD TABLE, or set publication.autocreate.mode=filtered; a partitioned table's \
             changes come under the names of its partitions until ALTER PUBLICATION … SET (publish_via_partition_root = true)",
        ));
    }
    for finding in publication::hidden(&published, &tables) {
        tracing::warn!(publication = %config.publication.name, "{finding}");
    }
    Ok(Captured {
        tables,
        structures,
        published,
        newly_published,
    })
}

/// The tables that pass the filters, in the order a snapshot reads them (PG-147).
///
/// # Errors
/// By SQLSTATE; fatal when a pattern cannot be decided.
pub async fn captured_tables(config: &SourceConfig, query: &Connection) -> Result<Vec<TableRow>, Error> {
    let doing = "listing the tables";
    let rows = query.rows(catalogue::TABLES_SQL, doing).await?;
    let mut ranked = Vec::new();
    for table in catalogue::tables(&rows).fatal(doing)? {
        if config.filter.captures(&table.name)? {
            ranked.push((config.filter.rank(&table.name)?, table));
        }
    }
    ranked.sort_by(|(rank, table), (other_rank, other)| (rank, &table.name).cmp(&(other_rank, &other.name)));
    Ok(ranked.into_iter().map(|(_, table)| table).collect())
}

/// The structures of tables, in one query.
///
/// # Errors
/// By SQLSTATE.
pub async fn read_structures(
    query: &Connection,
    tables: &[TableRow],
    types: &[u32],
) -> Result<Structures, Error> {
    let oids: Vec<_> = tables.iter().map(|table| table.oid).collect();
    structures_of(query, &oids, types).await
}

/// The same by oid, for a table the stream announced.
///
/// # Errors
/// By SQLSTATE.
pub async fn structures_of(query: &Connection, tables: &[u32], types: &[u32]) -> Result<Structures, Error> {
    if tables.is_empty() {
        return Ok(Structures::default());
    }
    let doing = "reading the structure of tables";
    let rows = query
        .rows(&catalogue::structures_sql(tables, types), doing)
        .await?;
    catalogue::structures(&rows).fatal(doing)
}

/// Every captured column has to have a supported type; all that do not are named at once.
///
/// # Errors
/// Fatal with the names.
pub fn check_types(
    config: &SourceConfig,
    tables: &[TableRow],
    structures: &Structures,
    published: &[Published],
) -> Result<(), Error> {
    let compiler = Compiler {
        filter: config.filter.clone(),
        records: config.records.clone(),
        schemas: Schemas::default(),
    };
    let mut problems = Vec::new();
    for table in tables {
        let Some(info) = structures.table(table.oid) else {
            continue;
        };
        let relation = snapshot_relation(
            table.oid,
            &table.name,
            info,
            published_columns(published, &table.name),
        );
        if let Err(error) = compiler.compile(&relation, structures) {
            problems.push(error);
        }
    }
    match problems.len() {
        0 => Ok(()),
        1 => Err(problems.remove(0)),
        _ => {
            let text: Vec<_> = problems.iter().map(Error::context).collect();
            Err(Error::fatal(text.join("; ")).hint("leave them out with column.exclude.list"))
        }
    }
}

/// The published columns of a table, where the server says (PG-043).
pub fn published_columns<'a>(published: &'a [Published], table: &TableName) -> Option<&'a [String]> {
    let of_table = published.iter().find(|published| published.table == *table)?;
    of_table.columns.as_deref()
}

fn explain_replication(error: Error) -> Error {
    match errors::sqlstate(&error) {
        Some("42501") => error
            .within("opening a replication session")
            .hint("grant REPLICATION to the role: ALTER ROLE … REPLICATION"),
        Some("28000") => error
            .within("opening a replication session")
            .hint("allow the role in pg_hba.conf, and grant it REPLICATION and LOGIN"),
        _ => error,
    }
}

async fn identify(wire: &mut Wire) -> Result<System, Error> {
    let doing = "identifying the server";
    let rows = wire.query("IDENTIFY_SYSTEM", doing).await?;
    match rows.first().map(Vec::as_slice) {
        Some([Some(id), Some(timeline), ..]) => Ok(System {
            id: id.clone(),
            timeline: timeline.parse().fatal(doing)?,
        }),
        _ => Err(Error::fatal(format!(
            "{doing}: the answer has an unexpected form"
        ))),
    }
}

/// Where the stored timeline was left, asked only when it is another one (PG-190).
async fn fork(wire: &mut Wire, stored: &Identity, system: &System) -> Result<Option<u64>, Error> {
    let Some(timeline) = stored.timeline.filter(|timeline| *timeline < system.timeline) else {
        return Ok(None);
    };
    let rows = wire
        .query(
            &format!("TIMELINE_HISTORY {}", system.timeline),
            "reading the server's history",
        )
        .await?;
    let history = rows
        .first()
        .and_then(|row| row.get(1))
        .and_then(Option::as_deref)
        .unwrap_or_default();
    Ok(slot::fork_of(history, timeline))
}

/// The slot as it is, once it is not being created any more.
async fn existing_slot(
    config: &SourceConfig,
    query: &Connection,
    server: Server,
) -> Result<Option<SlotRow>, Error> {
    let sql = slot::slot_sql(&config.slot.name, server.version);
    for _ in 0..CREATION_ATTEMPTS {
        let rows = query.rows(&sql, "reading the replication slot").await?;
        let Some(row) = slot::slot_row(&rows) else {
            return Ok(None);
        };
        row.verify(&config.slot.name, &config.connection.database)?;
        if row.confirmed_lsn.is_some() {
            return Ok(Some(row));
        }
        tokio::time::sleep(CREATION_PAUSE).await;
    }
    Err(Error::retriable(format!(
        "slot {} is still being created by another session",
        config.slot.name
    )))
}

/// PG-031, PG-153, PG-163. A missing slot is created and its own snapshot is read. An existing one may stem from an attempt
/// that died, so its first LSN is kept and a temporary slot exports a fresh snapshot: streaming then begins at the existing
/// slot's position. What committed between the two is sent again after the rows (repeats are allowed); dropping it instead
/// would lose the deletes of rows that only the earlier attempt has read and sent.
async fn prepare_snapshot(
    config: &SourceConfig,
    query: &Connection,
    mut wire: Wire,
    server: Server,
    captured: Captured,
    existing: Option<SlotRow>,
    mut identity: Identity,
) -> Result<snapshot::Plan, Error> {
    let streams = config.snapshot_mode != SnapshotMode::InitialOnly;
    let (name, lifetime) = if streams && existing.is_none() {
        (config.slot.name.clone(), Lifetime::Permanent)
    } else {
        (temporary_name(&config.slot.name), Lifetime::Temporary)
    };
    let created = slot::create(&mut wire, &name, lifetime, config.slot.create_timeout).await?;
    failpoint::hit("postgres.slot_created");
    let rows = query
        .rows(
            &slot::slot_sql(&name, server.version),
            "reading the new replication slot",
        )
        .await?;
    // The floor (CS-105) has to lie below every change that will be streamed. A slot's `restart_lsn` at creation does: it is
    // taken first, then the server logs which transactions run, and the slot becomes consistent only when none of those runs
    // any more. So whatever is still open at the consistent point began after `restart_lsn`, and so did all its changes.
    let floor = slot::slot_row(&rows)
        .and_then(|row| row.restart_lsn)
        .unwrap_or(created.consistent_lsn);
    let stream_from = existing
        .and_then(|row| row.confirmed_lsn)
        .unwrap_or(created.consistent_lsn);
    identity.slot_lsn = Some(stream_from);
    tracing::info!(
        slot = name,
        consistent = lsn_text(created.consistent_lsn),
        stream_from = lsn_text(stream_from),
        "snapshot begins"
    );
    Ok(snapshot::Plan {
        wire,
        snapshot: created.snapshot,
        lsn: created.consistent_lsn,
        floor,
        stream_from,
        tx_id: transaction_id(query, server).await?,
        identity,
        captured: Arc::new(captured),
    })
}

/// A name beside the slot's own; temporary slots vanish with their session.
fn temporary_name(slot: &str) -> String {
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.subsec_nanos());
    // 63 characters at most: 45 of the slot, and at most 17 more.
    let head: String = slot.chars().take(45).collect();
    format!("{head}_snap_{nanos:x}")
}

/// PG-149. Taken outside of the snapshot's own transaction, which would otherwise hold an id, and with it every slot that is
/// being created, until its last row is read.
async fn transaction_id(query: &Connection, server: Server) -> Result<Option<i64>, Error> {
    if server.standby {
        return Ok(None);
    }
    let rows = query
        .rows(
            "SELECT pg_catalog.txid_current()",
            "reading the current transaction id",
        )
        .await?;
    Ok(rows
        .first()
        .and_then(|row| row.first())
        .and_then(Option::as_deref)
        .and_then(|id| id.parse().ok()))
}

async fn begin_stream(
    config: &SourceConfig,
    query: &Connection,
    wire: &mut Wire,
    server: Server,
    system: &System,
    existing: Option<SlotRow>,
    stored: &Position,
) -> Result<Position, Error> {
    let name = &config.slot.name;
    let confirmed = match existing.as_ref().and_then(|row| row.confirmed_lsn) {
        Some(confirmed) => confirmed,
        // PG-032: recreating it here would silently skip what was written meanwhile.
        None if stored.start().is_some() => {
            return Err(Error::fatal(format!(
                "slot {name} does not exist, and an offset at {} is stored: changes since then are gone",
                stored.start().map(lsn_text).unwrap_or_default()
            ))
            .hint(
                "create the connector under another name for a new snapshot, or choose the slot.name it was made with",
            ));
        }
        None => {
            let created = slot::create(wire, name, Lifetime::Permanent, config.slot.create_timeout).await?;
            created.consistent_lsn
        }
    };
    let Begin {
        mut position,
        advance_to,
        warning,
    } = slot::reconcile(&config.slot, stored, confirmed)?;
    if let Some(warning) = warning {
        tracing::warn!(slot = %name, "{warning}");
    }
    if let Some(to) = advance_to {
        slot::advance(query, name, to).await?;
    }
    debug_assert!(server.version >= VERSION_MIN, "older servers were refused");
    position.identity = Identity {
        system_id: Some(system.id.clone()),
        timeline: Some(system.timeline),
        slot_lsn: stored.identity.slot_lsn.or(Some(confirmed)),
    };
    // A snapshot that is complete has done its part; the position says so no longer once streaming moves it.
    position.snapshot = stored
        .snapshot
        .filter(|snapshot: &SnapshotState| snapshot.completed);
    Ok(position)
}

/// Whether rows may be there that are never sent as new ones.
fn leaves_a_gap(config: &SourceConfig) -> bool {
    config.snapshot_mode == SnapshotMode::NoData || config.records.skipped.inserts
}

/// Opens the stream at a position (PG-181). PG-033: a slot that another session holds is waited for.
///
/// # Errors
/// Fatal naming the holder when it does not let go; by SQLSTATE otherwise.
pub async fn open_stream(
    config: &SourceConfig,
    query: &Connection,
    position: &Position,
) -> Result<Stream, Error> {
    let name = &config.slot.name;
    let start = position.start().unwrap_or(0);
    let command = format!(
        "START_REPLICATION SLOT {} LOGICAL {} (\"proto_version\" '1', \"publication_names\" {})",
        quoted(name),
        lsn_text(start),
        literal(&quoted(&config.publication.name)),
    );
    let doing = format!("streaming from slot {name} at {}", lsn_text(start));
    let mut left = config.slot.retries;
    loop {
        let wire = Wire::open(&config.connection, Purpose::Streaming, Mode::Replication)
            .await
            .map_err(explain_replication)?;
        let error = match wire.copy_both(&command, &doing).await {
            Ok(stream) => return Ok(stream),
            Err(error) => error,
        };
        if errors::sqlstate(&error) != Some("55006") {
            return Err(errors::of_slot(error));
        }
        let holder = holder(query, name).await?.unwrap_or_else(|| "gone by now".into());
        if left == 0 {
            return Err(
                Error::fatal(format!("slot {name} is held by another session ({holder})"))
                    .hint("stop the other consumer, or choose another slot.name")
                    .because(error),
            );
        }
        left -= 1;
        tracing::warn!(slot = %name, holder, "the slot is held by another session; trying again");
        released(query, name, config.slot.retry_delay).await?;
    }
}

/// Waits until nobody holds the slot, at most `limit`. The server lets go of it a moment after its consumer died: a worker
/// that is started again at once meets its own former session.
async fn released(query: &Connection, name: &str, limit: Duration) -> Result<(), Error> {
    let deadline = tokio::time::Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        tokio::time::sleep(RELEASE_RECHECK.min(left)).await;
        if left <= RELEASE_RECHECK || holder(query, name).await?.is_none() {
            return Ok(());
        }
    }
}

/// Who holds the slot.
async fn holder(query: &Connection, name: &str) -> Result<Option<String>, Error> {
    // The oldest form of the query is enough here.
    let rows = query
        .rows(&slot::slot_sql(name, VERSION_MIN), "reading the replication slot")
        .await?;
    Ok(slot::slot_row(&rows).and_then(|row| row.holder))
}
