//! Sans-I/O: the stored offset, Debezium's JSON keys and ours (PG-180), and where it says to go on (PG-181, PG-188).

use rowtide_api::{SourceOffset, SourcePartition};

/// Microseconds since 1970-01-01 of a commit.
pub type Micros = i64;

/// What was at `lsn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// A row inserted.
    Insert,
    /// A row changed.
    Update,
    /// A row removed.
    Delete,
    /// Tables emptied.
    Truncate,
    /// A transaction complete, or the stream idle there.
    Commit,
}

impl Entry {
    fn name(self) -> &'static str {
        match self {
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Truncate => "TRUNCATE",
            Self::Commit => "COMMIT",
        }
    }
}

/// How far an initial snapshot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotState {
    /// Its last row is in.
    pub completed: bool,
}

/// Which server and which slot an offset belongs to (PG-190).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// System identifier; absent in an offset Debezium wrote.
    pub system_id: Option<String>,
    /// Timeline.
    pub timeline: Option<i64>,
    /// Consistent point of the slot at creation or first attach.
    pub slot_lsn: Option<u64>,
}

/// A position in the stream, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Position {
    /// LSN of the last event.
    pub lsn: Option<u64>,
    /// Last LSN of which everything was processed.
    pub lsn_proc: Option<u64>,
    /// End of the last processed commit: the one field that lets WAL go (PG-005).
    pub lsn_commit: Option<u64>,
    /// What was at `lsn`; unknown names and BEGIN count as absent.
    pub entry: Option<Entry>,
    /// Transaction of the last event.
    pub tx_id: Option<i64>,
    /// Commit time of the last event.
    pub ts_us: Option<Micros>,
    /// How many entries at `lsn` were sent.
    pub events_at_lsn: Option<u64>,
    /// Commit LSN of the last event's transaction.
    pub tx_lsn: Option<u64>,
    /// Ordinal of the last event in it.
    pub tx_seq: Option<u64>,
    /// Present while, and once more at the end of, a snapshot.
    pub snapshot: Option<SnapshotState>,
    /// Server and slot.
    pub identity: Identity,
    /// Changes before this position were not all sent, nor were all rows: what is sent of a row may be its first.
    pub gap: bool,
}

/// `{"server":"<topic.prefix>"}`.
pub fn partition(prefix: &str) -> SourcePartition {
    SourcePartition::new().with("server", prefix)
}

impl Position {
    /// Reads a stored offset, Debezium's or ours. Numbers may be missing; unknown keys are ignored.
    pub fn from_offset(offset: &SourceOffset) -> Self {
        let lsn = |key| offset.int(key).map(i64::cast_unsigned);
        let snapshot = offset.text("snapshot").is_some() || offset.bool("snapshot") == Some(true);
        Self {
            lsn: lsn("lsn"),
            lsn_proc: lsn("lsn_proc"),
            lsn_commit: lsn("lsn_commit"),
            entry: offset.text("messageType").and_then(|name| match name {
                "INSERT" => Some(Entry::Insert),
                "UPDATE" => Some(Entry::Update),
                "DELETE" => Some(Entry::Delete),
                "TRUNCATE" => Some(Entry::Truncate),
                "COMMIT" => Some(Entry::Commit),
                _ => None,
            }),
            tx_id: offset.int("txId"),
            ts_us: offset.int("ts_usec"),
            events_at_lsn: lsn("lsn_events_processed"),
            tx_lsn: lsn("rowtide_tx_lsn"),
            tx_seq: lsn("rowtide_tx_seq"),
            snapshot: snapshot.then(|| SnapshotState {
                completed: offset.bool("snapshot_completed").unwrap_or(false),
            }),
            identity: Identity {
                system_id: offset.text("rowtide_sysid").map(str::to_owned),
                timeline: offset.int("rowtide_timeline"),
                slot_lsn: lsn("rowtide_slot_lsn"),
            },
            gap: offset.bool("rowtide_gap").unwrap_or(false),
        }
    }

    /// The offset to store.
    pub fn to_offset(&self) -> SourceOffset {
        let mut offset = SourceOffset::new();
        if let Some(snapshot) = self.snapshot {
            offset.set("last_snapshot_record", snapshot.completed);
        }
        let number = |offset: &mut SourceOffset, key: &'static str, value: Option<i64>| {
            if let Some(value) = value {
                offset.set(key, value);
            }
        };
        let lsn = |value: Option<u64>| value.map(u64::cast_signed);
        number(&mut offset, "lsn_proc", lsn(self.lsn_proc));
        if let Some(entry) = self.entry {
            offset.set("messageType", entry.name());
        }
        number(&mut offset, "lsn_commit", lsn(self.lsn_commit));
        number(&mut offset, "lsn", lsn(self.lsn));
        number(&mut offset, "txId", self.tx_id);
        number(&mut offset, "ts_usec", self.ts_us);
        if let Some(snapshot) = self.snapshot {
            offset.set("snapshot", "INITIAL");
            offset.set("snapshot_completed", snapshot.completed);
        }
        number(&mut offset, "lsn_events_processed", lsn(self.events_at_lsn));
        number(&mut offset, "rowtide_tx_lsn", lsn(self.tx_lsn));
        number(&mut offset, "rowtide_tx_seq", lsn(self.tx_seq));
        if let Some(system_id) = &self.identity.system_id {
            offset.set("rowtide_sysid", system_id.as_str());
        }
        number(&mut offset, "rowtide_timeline", self.identity.timeline);
        number(&mut offset, "rowtide_slot_lsn", lsn(self.identity.slot_lsn));
        if self.gap {
            offset.set("rowtide_gap", true);
        }
        offset
    }

    /// Whether an initial snapshot began and did not end (PG-162).
    pub fn is_unfinished_snapshot(&self) -> bool {
        self.snapshot.is_some_and(|snapshot| !snapshot.completed)
    }

    /// PG-181: where the server has to begin, "the position of the offset" of PG-188.
    pub fn start(&self) -> Option<u64> {
        self.lsn_commit.or(self.lsn_proc).or(self.lsn)
    }
}

/// `16/B374D848` as the server writes it.
pub fn lsn_text(lsn: u64) -> String {
    format!("{:X}/{:X}", lsn >> 32, lsn & 0xffff_ffff)
}

/// Reads `16/B374D848`.
pub fn parse_lsn(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    let half = |digits: &str| u32::from_str_radix(digits, 16).ok().map(u64::from);
    Some(half(high)? << 32 | half(low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(offset: &SourceOffset) -> String {
        use rowtide_api::offset::Scalar;
        let pairs: Vec<_> = offset
            .iter()
            .map(|(key, value)| {
                let value = match value {
                    Scalar::Int(number) => number.to_string(),
                    Scalar::Bool(flag) => flag.to_string(),
                    Scalar::Text(text) => format!("\"{text}\""),
                    other => format!("{other:?}"),
                };
                format!("\"{key}\":{value}")
            })
            .collect();
        format!("{{{}}}", pairs.join(","))
    }

    /// PG-180: the streaming sample of the contract, with our keys behind it.
    #[test]
    fn a_streaming_offset_is_debeziums_with_our_keys_behind() {
        let position = Position {
            lsn: Some(24_023_128),
            lsn_proc: Some(24_023_128),
            lsn_commit: Some(24_023_000),
            entry: Some(Entry::Insert),
            tx_id: Some(555),
            ts_us: Some(1_700_000_000_123_456),
            tx_lsn: Some(24_023_200),
            tx_seq: Some(2),
            identity: Identity {
                system_id: Some("7".into()),
                timeline: Some(1),
                slot_lsn: Some(100),
            },
            ..Position::default()
        };
        assert_eq!(
            json(&position.to_offset()),
            "{\"lsn_proc\":24023128,\"messageType\":\"INSERT\",\"lsn_commit\":24023000,\"lsn\":24023128,\"txId\":555,\
             \"ts_usec\":1700000000123456,\"rowtide_tx_lsn\":24023200,\"rowtide_tx_seq\":2,\"rowtide_sysid\":\"7\",\
             \"rowtide_timeline\":1,\"rowtide_slot_lsn\":100}"
        );
        assert_eq!(Position::from_offset(&position.to_offset()), position);
    }

    /// PG-180: the mid-snapshot sample.
    #[test]
    fn a_snapshot_offset_says_so() {
        let position = Position {
            lsn: Some(24_023_000),
            tx_id: Some(551),
            ts_us: Some(1),
            snapshot: Some(SnapshotState { completed: false }),
            ..Position::default()
        };
        assert_eq!(
            json(&position.to_offset()),
            "{\"last_snapshot_record\":false,\"lsn\":24023000,\"txId\":551,\"ts_usec\":1,\"snapshot\":\"INITIAL\",\
             \"snapshot_completed\":false}"
        );
        assert!(position.is_unfinished_snapshot());
        assert_eq!(Position::from_offset(&position.to_offset()), position);
    }

    /// PG-180: legacy boolean, unknown keys and types; PG-181: the fall-backs of the start.
    #[test]
    fn what_others_wrote_is_read() {
        let legacy = SourceOffset::new()
            .with("lsn", 5)
            .with("snapshot", true)
            .with("transaction_id", "x")
            .with("messageType", "BEGIN");
        let position = Position::from_offset(&legacy);
        assert!(position.is_unfinished_snapshot());
        assert_eq!((position.entry, position.start()), (None, Some(5)));
        let with_proc = legacy.with("lsn_proc", 4);
        assert_eq!(Position::from_offset(&with_proc).start(), Some(4));
        assert_eq!(
            Position::from_offset(&with_proc.with("lsn_commit", 3)).start(),
            Some(3)
        );
        assert_eq!(Position::from_offset(&SourceOffset::new()).start(), None);
    }

    #[test]
    fn an_lsn_reads_back() {
        for lsn in [0, 24_023_128, 0x16_b374_d848, u64::MAX] {
            assert_eq!(parse_lsn(&lsn_text(lsn)), Some(lsn));
        }
        assert_eq!(lsn_text(0x16_b374_d848), "16/B374D848");
        assert_eq!(parse_lsn("x"), None);
    }
}
