//! A full disk under the state file.

use std::path::{Path, PathBuf};
use std::process::Command;

use rowtide_testkit::stack::Stack;
use rowtide_testkit::worker::eventually;
use serde_json::{Map, Value, json};

use crate::place::{PATIENCE, Place, says};

/// A file system of 256 KiB.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let disk = Self(folder);
        disk.command("mount", &["-t", "tmpfs", "-o", "size=256k", "none"]);
        disk
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let filled = std::fs::write(self.filler(), vec![b'x'; 1 << 20]);
        assert!(filled.is_err(), "the disk is larger than it should be");
    }

    fn free(&self) {
        std::fs::remove_file(self.filler()).expect("the filler can be removed");
    }

    fn command(&self, program: &str, arguments: &[&str]) {
        let status = Command::new(program).args(arguments).arg(self.path()).status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "{program} failed; this test needs the right to mount"
        );
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The worker that writes here may still be ending: the mount goes once it has.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// CN-240, RS-024: nothing is confirmed upstream that could not be stored; what needs the file is refused by its name,
/// everything else goes on, and a disk with room again needs no restart.
#[test]
fn a_full_disk_moves_no_offset_and_harms_no_task() {
    let disk = SmallDisk::new();
    let state = disk.path().join("state");
    let more = format!("offset.storage.file.filename={}", state.display());
    let place = Place::on(Stack::with(&["postgres", "kafka", "cassandra"]), "baddisk", &more);
    place.create("c", &place.source(&[]));
    place.worker.await_running("c");
    place.sql("insert into t values (1, 'x')");
    place.await_written("c", 1);
    // The offset behind that record is stored before the disk is filled.
    let at = place.sql("select pg_current_wal_lsn()");
    let passed = |lsn: &str| {
        place.sql(&format!(
            "select '{}' <= '{}'::pg_lsn",
            lsn.trim(),
            place.confirmed().trim()
        ))
    };
    eventually("the slot", PATIENCE, || {
        (passed(&at).trim().to_owned(), "t".to_owned())
    });

    disk.fill();
    // What is left of the file's last page takes a few offsets more.
    let degraded = || place.worker.metric("rowtide_task_degraded", "connector=\"c\"");
    let mut rows = 1;
    eventually("the degradation", PATIENCE, || {
        rows += 1;
        place.sql(&format!("insert into t values ({rows}, 'while full')"));
        (degraded(), 1)
    });
    let at = place.sql("select pg_current_wal_lsn()");
    let log = place.worker.log();
    says(&log, &[&state.display().to_string(), "free space"]);
    assert_eq!(
        passed(&at).trim(),
        "f",
        "the slot passed an offset that is not stored"
    );
    let config: Map<_, _> = place
        .source(&[("slot.name", "other"), ("a.key.of.nobody", &"x".repeat(50_000))])
        .into_iter()
        .map(|(key, value)| (key, json!(value)))
        .collect();
    let body = json!({ "name": "other", "config": Value::Object(config) });
    let refused = place.worker.ask("POST", "/connectors", Some(&body));
    assert_eq!(refused.status, 500, "{}", refused.body);
    says(&refused.body, &[&state.display().to_string(), "free space"]);
    assert_eq!(place.worker.ask("GET", "/connectors", None).json(), json!(["c"]));
    place.worker.await_running("c");

    disk.free();
    eventually("the slot", PATIENCE, || {
        (passed(&at).trim().to_owned(), "t".to_owned())
    });
    eventually("the recovery", PATIENCE, || (degraded(), 0));
}
