//! The replication slot: what the server says of it, what that means, and where to begin (PG-030 to PG-036, §7.3).

use std::time::Duration;

use rowtide_api::Error;

use super::config::{MismatchStrategy, SlotSettings};
use super::offset::{Identity, Position, lsn_text, parse_lsn};
use crate::connection::{Connection, Row, Wire};
use crate::errors;
use crate::identifier::{literal, quoted};

/// A row of `pg_replication_slots`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SlotRow {
    /// Output plug-in; absent on a physical slot.
    pub plugin: Option<String>,
    /// Its database.
    pub database: Option<String>,
    /// The session that holds it, its application and its host.
    pub holder: Option<String>,
    /// From here on the server keeps WAL.
    pub restart_lsn: Option<u64>,
    /// Confirmed by its consumer; absent while it is being created.
    pub confirmed_lsn: Option<u64>,
    /// `reserved`, `extended`, `unreserved` or `lost` (PG 13 on).
    pub wal_status: Option<String>,
}

/// Asks for a slot.
pub fn slot_sql(name: &str, version: u32) -> String {
    let wal_status = if version >= 130_000 {
        "s.wal_status"
    } else {
        "NULL"
    };
    format!(
        "SELECT s.plugin, s.database, s.restart_lsn, s.confirmed_flush_lsn, {wal_status},
                CASE WHEN s.active_pid IS NULL THEN NULL ELSE
                  'pid ' || s.active_pid || ', application ' || coalesce(nullif(a.application_name, ''), '(none)') ||
                  ', address ' || coalesce(a.client_addr::text, 'local') END
         FROM pg_catalog.pg_replication_slots s
         LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = s.active_pid
         WHERE s.slot_name = {}",
        literal(name)
    )
}

/// Reads the answer to [`slot_sql`]; `None`: there is no such slot.
pub fn slot_row(rows: &[Row]) -> Option<SlotRow> {
    let row = rows.first()?;
    let text = |index: usize| row.get(index).cloned().flatten();
    let lsn = |index: usize| text(index).as_deref().and_then(parse_lsn);
    Some(SlotRow {
        plugin: text(0),
        database: text(1),
        restart_lsn: lsn(2),
        confirmed_lsn: lsn(3),
        wal_status: text(4),
        holder: text(5),
    })
}

impl SlotRow {
    /// PG-030, PG-036: whether the slot can serve this connector at all.
    ///
    /// # Errors
    /// Fatal for a slot of another plug-in or database, and for one whose WAL is gone.
    pub fn verify(&self, name: &str, database: &str) -> Result<(), Error> {
        if self.plugin.as_deref() != Some("pgoutput") {
            let plugin = self.plugin.as_deref().unwrap_or("none, it is physical");
            return Err(Error::fatal(format!(
                "slot {name} belongs to another plug-in ({plugin}), not to pgoutput"
            ))
            .hint("choose another slot.name, or drop the slot"));
        }
        if self.database.as_deref() != Some(database) {
            let other = self.database.as_deref().unwrap_or("none");
            return Err(Error::fatal(format!(
                "slot {name} belongs to database {other}, not to {database}"
            ))
            .hint("choose another slot.name, or check database.dbname"));
        }
        if self.wal_status.as_deref() == Some("lost")
            || (self.restart_lsn.is_none() && self.confirmed_lsn.is_some())
        {
            return Err(Error::fatal(format!(
                "slot {name} is invalidated: the server has removed WAL it needs"
            ))
            .hint(
                "drop the slot, and create the connector under another name for a new snapshot; raise max_slot_wal_keep_size",
            ));
        }
        Ok(())
    }
}

/// Where streaming begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begin {
    /// The position to go on from.
    pub position: Position,
    /// First move the slot here.
    pub advance_to: Option<u64>,
    /// Worth a warning.
    pub warning: Option<String>,
}

/// §7.3 (PG-189): the table of stored position against slot.
///
/// # Errors
/// Fatal with both LSNs when changes between them would be missing (PG-009, PG-188).
pub fn reconcile(settings: &SlotSettings, stored: &Position, confirmed: u64) -> Result<Begin, Error> {
    let begin = |position: Position| Begin {
        position,
        advance_to: None,
        warning: None,
    };
    let from_slot = || {
        begin(Position {
            lsn: Some(confirmed),
            lsn_proc: Some(confirmed),
            lsn_commit: Some(confirmed),
            identity: stored.identity.clone(),
            // Without a stored position nobody knows which rows were sent, and behind a later one some changes were not.
            gap: true,
            ..Position::default()
        })
    };
    let with_gap = || Position {
        gap: true,
        ..stored.clone()
    };
    let Some(start) = stored.start() else {
        return Ok(from_slot());
    };
    let name = &settings.name;
    let both = format!(
        "slot {name} is confirmed up to {}, the stored offset is at {}",
        lsn_text(confirmed),
        lsn_text(start)
    );
    if confirmed > start {
        if !settings.check_position {
            return Ok(Begin {
                warning: Some(format!(
                    "{both}: changes between them are missing and internal.log.position.check.enable is off"
                )),
                ..begin(with_gap())
            });
        }
        return match settings.mismatch {
            None | Some(MismatchStrategy::TrustOffset) => Err(Error::fatal(format!(
                "{both}: the server no longer sends the changes between them"
            ))
            .hint("create the connector under another name for a new snapshot, or accept the gap with offset.mismatch.strategy=trust_slot")),
            Some(MismatchStrategy::NoValidation) => Ok(Begin {
                warning: Some(format!("{both}: changes between them are missing, as offset.mismatch.strategy=no_validation accepts")),
                ..begin(with_gap())
            }),
            Some(MismatchStrategy::TrustSlot | MismatchStrategy::TrustGreaterLsn) => Ok(Begin {
                warning: Some(format!("{both}: starting from the slot, changes between them are missing")),
                ..from_slot()
            }),
        };
    }
    let advance = matches!(
        settings.mismatch,
        Some(MismatchStrategy::TrustOffset | MismatchStrategy::TrustGreaterLsn)
    );
    Ok(Begin {
        advance_to: stored
            .lsn_commit
            .or(stored.lsn)
            .filter(|to| advance && *to > confirmed),
        ..begin(stored.clone())
    })
}

/// What IDENTIFY_SYSTEM says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct System {
    /// System identifier.
    pub id: String,
    /// Current timeline.
    pub timeline: i64,
}

/// PG-190: whether the stored offset belongs to this server and to a branch of its history. `fork`: where the stored timeline
/// was left, when the server knows.
///
/// # Errors
/// Fatal: the offset describes another history.
pub fn verify_identity(
    stored: &Identity,
    start: u64,
    system: &System,
    fork: Option<u64>,
) -> Result<(), Error> {
    let remedy = "create the connector under another name for a new snapshot";
    if let Some(id) = &stored.system_id
        && *id != system.id
    {
        let now = &system.id;
        return Err(Error::fatal(format!(
            "the offset was stored for the server with system identifier {id}, this one has {now}"
        ))
        .hint(remedy));
    }
    let Some(timeline) = stored.timeline.filter(|timeline| *timeline != system.timeline) else {
        return Ok(());
    };
    match fork {
        Some(fork) if fork >= start => Ok(()),
        _ => Err(Error::fatal(format!(
            "the server is on timeline {}, the offset at {} was stored on timeline {timeline}, which left before it",
            system.timeline,
            lsn_text(start)
        ))
        .hint(remedy)),
    }
}

/// Where `timeline` was left, from the text of TIMELINE_HISTORY: lines of timeline, LSN and reason.
pub fn fork_of(history: &str, timeline: i64) -> Option<u64> {
    history.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let parent: i64 = words.next()?.parse().ok()?;
        (parent == timeline)
            .then(|| words.next().and_then(parse_lsn))
            .flatten()
    })
}

/// A new slot and the snapshot that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// Everything that committed before is in the snapshot, everything else will be streamed.
    pub consistent_lsn: u64,
    /// Name of the exported snapshot; valid until the session's next command.
    pub snapshot: String,
}

/// Whether a created slot outlives its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// Until it is dropped.
    Permanent,
    /// As long as the session.
    Temporary,
}

/// Creates a slot and exports its snapshot. On a time-out the statement is cancelled on the server, so that nothing waits
/// there on our behalf.
///
/// # Errors
/// Retriable after the time-out and when no slot is free; by SQLSTATE otherwise.
pub async fn create(
    wire: &mut Wire,
    name: &str,
    lifetime: Lifetime,
    limit: Option<Duration>,
) -> Result<Created, Error> {
    let temporary = if lifetime == Lifetime::Temporary {
        " TEMPORARY"
    } else {
        ""
    };
    let command = format!(
        "CREATE_REPLICATION_SLOT {}{temporary} LOGICAL pgoutput EXPORT_SNAPSHOT",
        quoted(name)
    );
    let doing = format!("creating replication slot {name}");
    let limit = limit.unwrap_or(Duration::MAX);
    let answer = match tokio::time::timeout(limit, wire.query(&command, &doing)).await {
        Ok(answer) => answer,
        Err(_) => {
            wire.cancel().await?;
            return Err(Error::retriable(format!("{doing} took longer than {} s", limit.as_secs()))
                .hint("it waits for transactions that were open before it: see pg_stat_activity for old xact_start"));
        }
    };
    let rows = answer.map_err(|error| match errors::sqlstate(&error) {
        Some("42501") => error
            .within(doing.as_str())
            .hint("grant REPLICATION to the role: ALTER ROLE … REPLICATION"),
        _ => error,
    })?;
    let row = rows.first().map(Vec::as_slice).unwrap_or_default();
    match row {
        [_, Some(lsn), Some(snapshot), ..] => Ok(Created {
            consistent_lsn: parse_lsn(lsn)
                .ok_or_else(|| Error::fatal(format!("{doing}: the answer has no LSN")))?,
            snapshot: snapshot.clone(),
        }),
        _ => Err(Error::fatal(format!(
            "{doing}: the answer has an unexpected form"
        ))),
    }
}

/// Moves a slot forward (§7.3).
///
/// # Errors
/// By SQLSTATE; a missing right is only a warning (PG-189).
pub async fn advance(query: &Connection, name: &str, to: u64) -> Result<(), Error> {
    let doing = format!("advancing slot {name} to {}", lsn_text(to));
    let sql = format!(
        "SELECT pg_catalog.pg_replication_slot_advance({}, {})",
        literal(name),
        literal(&lsn_text(to))
    );
    match query.rows(&sql, &doing).await {
        Ok(_) => Ok(()),
        Err(error) if errors::sqlstate(&error) == Some("42501") => {
            tracing::warn!(error = %error, "the slot could not be advanced; streaming starts from the offset all the same");
            Ok(())
        }
        Err(error) => Err(errors::of_slot(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(mismatch: Option<MismatchStrategy>) -> SlotSettings {
        SlotSettings {
            name: "s".into(),
            retries: 6,
            retry_delay: Duration::ZERO,
            create_timeout: None,
            mismatch,
            check_position: true,
        }
    }

    fn stored() -> Position {
        Position {
            lsn: Some(90),
            lsn_commit: Some(100),
            tx_lsn: Some(95),
            tx_seq: Some(3),
            ..Position::default()
        }
    }

    /// PG-188, PG-189: the whole table. Where it starts, whether it advances the slot, whether it warns.
    #[test]
    fn the_table_of_offset_and_slot_is_exact() {
        use MismatchStrategy::{NoValidation, TrustGreaterLsn, TrustOffset, TrustSlot};
        let check = |mismatch, confirmed| {
            reconcile(&settings(mismatch), &stored(), confirmed)
                .map(|begin| (begin.position.start(), begin.advance_to, begin.warning.is_some()))
                .map_err(|error| error.to_string())
        };
        for strategy in [None, Some(TrustOffset)] {
            let refused = check(strategy, 200).unwrap_err();
            assert!(refused.contains("0/C8") && refused.contains("0/64"), "{refused}");
        }
        assert_eq!(check(Some(NoValidation), 200), Ok((Some(100), None, true)));
        assert_eq!(check(Some(TrustSlot), 200), Ok((Some(200), None, true)));
        assert_eq!(check(Some(TrustGreaterLsn), 200), Ok((Some(200), None, true)));
        for strategy in [None, Some(NoValidation), Some(TrustSlot)] {
            assert_eq!(check(strategy, 50), Ok((Some(100), None, false)));
        }
        for strategy in [Some(TrustOffset), Some(TrustGreaterLsn)] {
            assert_eq!(check(strategy, 50), Ok((Some(100), Some(100), false)));
            assert_eq!(check(strategy, 100), Ok((Some(100), None, false)));
        }
    }

    #[test]
    fn starting_from_the_slot_forgets_the_ordinal() {
        let begin = reconcile(&settings(Some(MismatchStrategy::TrustSlot)), &stored(), 200).unwrap();
        assert_eq!((begin.position.tx_lsn, begin.position.tx_seq), (None, None));
    }

    /// PG-190.
    #[test]
    fn another_server_or_a_branch_left_behind_is_a_gap() {
        let system = System {
            id: "7".into(),
            timeline: 3,
        };
        let identity = |id: &str, timeline| Identity {
            system_id: Some(id.into()),
            timeline: Some(timeline),
            slot_lsn: None,
        };
        assert!(verify_identity(&Identity::default(), 100, &system, None).is_ok());
        assert!(verify_identity(&identity("7", 3), 100, &system, None).is_ok());
        assert!(verify_identity(&identity("8", 3), 100, &system, None).is_err());
        assert!(verify_identity(&identity("7", 2), 100, &system, Some(120)).is_ok());
        assert!(verify_identity(&identity("7", 2), 100, &system, Some(80)).is_err());
        assert!(verify_identity(&identity("7", 4), 100, &system, None).is_err());
        let history = "1\t0/1000\tno recovery target specified\n2\t0/50\tx\n";
        assert_eq!((fork_of(history, 2), fork_of(history, 5)), (Some(0x50), None));
    }

    /// PG-030, PG-036.
    #[test]
    fn a_slot_of_someone_else_or_without_its_wal_is_refused() {
        let good = SlotRow {
            plugin: Some("pgoutput".into()),
            database: Some("app".into()),
            restart_lsn: Some(1),
            confirmed_lsn: Some(1),
            wal_status: Some("reserved".into()),
            holder: None,
        };
        assert!(good.verify("s", "app").is_ok());
        let refused = |change: fn(&mut SlotRow)| {
            let mut row = good.clone();
            change(&mut row);
            row.verify("s", "app").unwrap_err().to_string()
        };
        assert!(refused(|row| row.plugin = Some("wal2json".into())).contains("wal2json"));
        assert!(refused(|row| row.database = Some("other".into())).contains("other"));
        assert!(refused(|row| row.wal_status = Some("lost".into())).contains("invalidated"));
        assert!(refused(|row| row.restart_lsn = None).contains("invalidated"));
    }
}
