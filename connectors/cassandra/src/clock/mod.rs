//! Sans-I/O: write timestamps. A timestamp is a pure function of the source event, the same on every delivery, and grows
//! along the changes of one row; that is what makes replays, zombies and late writes harmless (CS-100 to CS-109).

mod partition;

pub(crate) use partition::PartitionClock;

use rowtide_api::{RecordError, Value};

use crate::config::TimestampMode;

/// Where in the source a change comes from.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Origin<'r> {
    /// `source.name`.
    pub(crate) source: Option<&'r str>,
    /// `source.lsn`.
    pub(crate) lsn: Option<i64>,
    /// First element of `source.sequence`: position of the last commit.
    pub(crate) commit: Option<i64>,
    /// `source.ts_us`, else `source.ts_ms` × 1000.
    pub(crate) micros: Option<i64>,
    /// Whether this is a row of a snapshot.
    pub(crate) snapshot: bool,
    /// Header `rowtide.floor`.
    pub(crate) floor: Option<i64>,
    /// First element of the header `rowtide.id`.
    pub(crate) system: Option<&'r str>,
    /// Whether this is the insert of a delete + insert pair that shares a position.
    pub(crate) tick: bool,
}

/// Record starts in the log are aligned to 8 bytes, so that a tick never reaches the next change (CS-104).
const TICK: i64 = 1;

/// Future timestamps beyond this are mistakes of unit: ScyllaDB refuses them, Cassandra would hide every later write
/// (CS-109). 3 days in microseconds.
const FUTURE_MAX_US: i64 = 3 * 86_400 * 1_000_000;

impl Origin<'_> {
    /// The position in the log that orders this change among those of its row, without offset.
    ///
    /// A snapshot row stands just below its floor: the first change streamed from there on may start exactly at the floor,
    /// and must win (CS-105).
    pub(crate) fn position(&self) -> Option<i64> {
        if self.snapshot {
            return Some(self.floor.map_or(1, |floor| (floor - 1).max(1)));
        }
        self.lsn.map(|lsn| lsn.saturating_add(self.tick()))
    }

    fn commit_micros(&self) -> Option<i64> {
        self.micros.map(|micros| micros.saturating_add(self.tick()))
    }

    fn tick(&self) -> i64 {
        if self.tick { TICK } else { 0 }
    }
}

/// What the clock of a table needs besides the origin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClockSettings {
    pub(crate) mode: TimestampMode,
    /// Microseconds.
    pub(crate) offset: i64,
    /// The present, for refusing timestamps far ahead of it; it never becomes a timestamp (CS-103).
    pub(crate) now_us: i64,
}

/// The write timestamp of a change; `field_us` is the mapped `__timestamp`, `record_ms` Kafka's.
///
/// # Errors
/// When the record lacks its table's clock: never a fall back to another (CS-100).
pub(crate) fn stamp(
    settings: ClockSettings,
    origin: &Origin<'_>,
    record_ms: Option<i64>,
    field_us: Option<i64>,
) -> Result<Option<i64>, RecordError> {
    let lacks = |what: &str| {
        RecordError::new(format!(
            "the record has no {what}, which timestampMode={} needs",
            settings.mode.as_str()
        ))
    };
    let raw = match settings.mode {
        TimestampMode::Server => return Ok(None),
        TimestampMode::Lsn => origin.position().ok_or_else(|| lacks("source.lsn"))?,
        TimestampMode::Source | TimestampMode::SourceSeq => {
            origin.commit_micros().ok_or_else(|| lacks("source.ts_ms"))?
        }
        TimestampMode::Record | TimestampMode::Unstated => record_ms
            .and_then(|millis| millis.checked_mul(1000))
            .map(|micros| micros.saturating_add(origin.tick()))
            .ok_or_else(|| lacks("timestamp"))?,
        TimestampMode::Field => field_us.ok_or_else(|| lacks("__timestamp"))?,
    };
    finished(settings, raw).map(Some)
}

/// Adds the offset and checks the range.
pub(crate) fn finished(settings: ClockSettings, raw: i64) -> Result<i64, RecordError> {
    let stamp = raw
        .checked_add(settings.offset)
        .filter(|stamp| *stamp > 0)
        .ok_or_else(|| {
            RecordError::new("the write timestamp with timestampOffset is not above 0; raise timestampOffset")
        })?;
    if settings.mode != TimestampMode::Lsn && stamp > settings.now_us.saturating_add(FUTURE_MAX_US) {
        return Err(RecordError::new(
            "the write timestamp is more than 3 days ahead: its unit is not what timestampTimeUnit says, or \
             timestampOffset is too large",
        ));
    }
    Ok(stamp)
}

/// Take-over check (CS-106): whether a timestamp found in the table was written by a wall clock.
///
/// No log reaches 2^49 bytes (half a pebibyte), and microseconds passed it in 1987: above it, less the offset, a timestamp
/// is no position of a log, and every write of the `lsn` clock would lose against it.
pub(crate) fn is_foreign(found_us: i64, offset: i64) -> bool {
    found_us.saturating_sub(offset) > 1 << 49
}

/// Reads a position: decimal, or `16/B374D848` as Postgres prints it.
pub(crate) fn parse_lsn(text: &str) -> Option<i64> {
    match text.split_once('/') {
        Some((high, low)) => {
            let (high, low) = (
                u32::from_str_radix(high, 16).ok()?,
                u32::from_str_radix(low, 16).ok()?,
            );
            i64::try_from((u64::from(high) << 32) | u64::from(low)).ok()
        }
        None => text.parse().ok(),
    }
}

/// A position out of a header, whatever type its converter gave it.
pub(crate) fn lsn_of(value: &Value) -> Option<i64> {
    value.as_int().or_else(|| parse_lsn(value.as_str()?))
}

/// The first element of `["<last commit>","<event>"]`; `None` for null.
pub(crate) fn last_commit(sequence: &str) -> Option<i64> {
    let first = sequence.trim().strip_prefix('[')?.split([',', ']']).next()?;
    first.trim().trim_matches('"').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(mode: TimestampMode, offset: i64) -> ClockSettings {
        ClockSettings {
            mode,
            offset,
            now_us: 1_700_000_000_000_000,
        }
    }

    /// CS-100, CS-104, CS-105.
    #[test]
    fn the_log_position_is_the_clock() {
        let lsn = settings(TimestampMode::Lsn, 5);
        let at = |origin: Origin<'_>| stamp(lsn, &origin, Some(1), None).unwrap();
        let change = Origin {
            lsn: Some(800),
            ..Origin::default()
        };
        assert_eq!(at(change), Some(805));
        assert_eq!(at(Origin { tick: true, ..change }), Some(806));
        let row = Origin {
            snapshot: true,
            ..change
        };
        assert_eq!(at(row), Some(6));
        let floored = Origin {
            floor: Some(640),
            ..row
        };
        assert_eq!(at(floored), Some(644));
        assert!(stamp(lsn, &Origin::default(), Some(1), None).is_err());
    }

    /// CS-100, CS-109, CS-114.
    #[test]
    fn other_clocks_are_checked_and_never_replaced() {
        let origin = Origin {
            lsn: Some(8),
            micros: Some(9000),
            ..Origin::default()
        };
        let record = settings(TimestampMode::Record, 0);
        assert_eq!(stamp(record, &origin, Some(3), None).unwrap(), Some(3000));
        assert!(stamp(record, &origin, None, None).is_err());
        assert!(stamp(record, &origin, Some(i64::MAX), None).is_err());
        assert_eq!(
            stamp(settings(TimestampMode::Source, 0), &origin, None, None).unwrap(),
            Some(9000)
        );
        let field = settings(TimestampMode::Field, 0);
        assert!(stamp(field, &origin, Some(3), None).is_err());
        assert!(stamp(field, &origin, None, Some(1_700_000_000_000_000_000)).is_err());
        assert!(stamp(settings(TimestampMode::Record, -5000), &origin, Some(3), None).is_err());
        assert_eq!(
            stamp(settings(TimestampMode::Server, 0), &origin, None, None).unwrap(),
            None
        );
    }

    /// CS-106.
    #[test]
    fn a_wall_clock_in_the_table_is_told_from_a_log_position() {
        assert!(is_foreign(1_700_000_000_000_000, 0));
        assert!(!is_foreign(1_700_000_000_000_000, 1_700_000_000_000_000));
        assert!(!is_foreign(26_000_000_000, 0));
    }

    /// CS-062.
    #[test]
    fn positions_are_read_in_every_form() {
        assert_eq!(last_commit(r#"["24023128","24023200"]"#), Some(24_023_128));
        assert_eq!(last_commit(r#"[null,"24023200"]"#), None);
        assert_eq!(parse_lsn("16/B374D848"), Some(0x16_B374_D848));
        assert_eq!(lsn_of(&Value::Int64(7)), Some(7));
        assert_eq!(lsn_of(&Value::from("7")), Some(7));
    }
}
