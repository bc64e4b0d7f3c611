//! The named points, at each of which one of the tests ends the worker.

/// Points on the way from Postgres to Cassandra that are passed before the first change is streamed.
pub const BEFORE_STREAMING: [&str; 8] = [
    "postgres.publication_ready",
    "postgres.slot_created",
    "postgres.snapshot_begun",
    "registry.appended",
    "registry.synced",
    "postgres.snapshot_batch",
    "postgres.snapshot_complete",
    "postgres.stream_opened",
];

/// Points that are passed again and again while changes flow.
pub const STREAMING: [&str; 13] = [
    "source.sent",
    "source.acknowledged",
    "source.before_offset",
    "state.appended",
    "state.synced",
    "source.offset_stored",
    "source.committed",
    "postgres.status_sent",
    "sink.put",
    "cassandra.written",
    "sink.settled",
    "sink.before_commit",
    "sink.committed",
];

/// Points of a state file that is compacted.
pub const COMPACTION: [&str; 2] = ["state.before_rename", "state.renamed"];

/// Points on a partition's way from one member of a sink's group to another, in the order of losing and gaining it.
pub const REBALANCE: [&str; 4] = ["sink.revoking", "sink.let_go", "sink.released", "sink.assigned"];

/// Points on the way from a scheduled source to Postgres.
pub const INGESTION: [&str; 6] = [
    "run.started",
    "run.ended",
    "run.recorded",
    "run.offset_removed",
    "postgres_sink.before_commit",
    "postgres_sink.committed",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// Every `failpoint::hit("…")` below a folder.
    fn points(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                points(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let calls = text.split("failpoint::hit(\"").skip(1);
                found.extend(calls.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
            }
        }
    }

    /// RS-101: a point nobody dies at proves nothing, and one that no longer exists is a test that waits in vain.
    #[test]
    fn the_points_of_the_sources_are_those_of_the_tests() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let mut found = BTreeSet::new();
        for folder in ["connectors", "runtime", "schemas"] {
            points(&root.join(folder), &mut found);
        }
        let listed = [
            &BEFORE_STREAMING[..],
            &STREAMING,
            &COMPACTION,
            &REBALANCE,
            &INGESTION,
        ]
        .concat();
        assert_eq!(found, listed.iter().map(|point| (*point).to_owned()).collect());
    }
}
