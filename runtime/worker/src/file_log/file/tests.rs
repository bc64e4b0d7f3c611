//! The file on a disk that fails, or ends, at every step.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use rowtide_engine::ports::LogRecord;

use super::{Kind, LogFile, beside};
use crate::file_log::disk::{Disk, LocalDisk};
use crate::file_log::tests::patiently;

/// What happens at a step.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// It fails, as do the next ones, this many in all.
    Fails { steps: usize },
    /// The machine goes down.
    Ends,
}

#[derive(Default)]
struct Script {
    /// Steps until the fault.
    steps_left: usize,
    fault: Option<Fault>,
    /// How much of a failing write reaches the file, in 256ths.
    written: usize,
    down: bool,
    /// How long a file, by its inode, was when last synced.
    synced: BTreeMap<u64, u64>,
    /// The file of before a rename whose folder was not synced.
    renamed_over: Option<Vec<u8>>,
    compactions: usize,
}

/// The local disk, with a script of what fails.
#[derive(Clone, Default)]
struct FaultyDisk(Arc<Mutex<Script>>);

impl FaultyDisk {
    fn step(script: &mut Script) -> io::Result<()> {
        let fails = match script.fault {
            _ if script.down => true,
            None => false,
            Some(_) if script.steps_left > 0 => {
                script.steps_left -= 1;
                false
            }
            Some(Fault::Ends) => {
                script.down = true;
                true
            }
            Some(Fault::Fails { steps }) => {
                script.fault = (steps > 1).then(|| Fault::Fails { steps: steps - 1 });
                true
            }
        };
        if fails {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl Disk for FaultyDisk {
    fn write(&mut self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut script = self.0.lock().unwrap();
        let was_down = script.down;
        let stepped = Self::step(&mut script);
        match stepped {
            Ok(()) => LocalDisk.write(file, bytes, at),
            Err(cause) if was_down => Err(cause),
            Err(cause) => {
                LocalDisk.write(file, &bytes[..bytes.len() * script.written / 256], at)?;
                Err(cause)
            }
        }
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        let mut script = self.0.lock().unwrap();
        Self::step(&mut script)?;
        let metadata = file.metadata()?;
        // Noted, not done: what a crash leaves is decided below.
        script.synced.insert(metadata.ino(), metadata.len());
        Ok(())
    }

    fn cut(&mut self, file: &File, length: u64) -> io::Result<()> {
        Self::step(&mut self.0.lock().unwrap())?;
        LocalDisk.cut(file, length)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let mut script = self.0.lock().unwrap();
        Self::step(&mut script)?;
        script.renamed_over = Some(fs::read(to)?);
        script.compactions += 1;
        LocalDisk.rename(from, to)
    }

    fn sync_folder(&mut self, _of: &Path) -> io::Result<()> {
        let mut script = self.0.lock().unwrap();
        Self::step(&mut script)?;
        script.renamed_over = None;
        Ok(())
    }
}

#[derive(Debug, Clone)]
enum Action {
    /// One append: keys and lengths of values; 0 deletes.
    Append(Vec<(u8, usize)>),
    /// From here a fault lies ahead.
    Arm {
        steps: usize,
        fault: Fault,
        written: usize,
    },
    Reopen,
}

/// What a crash of the machine makes of bytes that were written and not synced, and of a rename.
#[derive(Debug, Clone, Copy)]
struct Crash {
    /// Of the unsynced end, in 256ths: what is cut off, or filled with zeros.
    from: usize,
    to: usize,
    cut: bool,
    rename_undone: bool,
}

fn crash(path: &Path, script: &Script, crash: Crash) {
    if let Some(old) = script.renamed_over.as_ref().filter(|_| crash.rename_undone) {
        fs::write(path, old).unwrap();
        return;
    }
    let mut bytes = fs::read(path).unwrap();
    let synced = script.synced[&fs::metadata(path).unwrap().ino()];
    let synced = usize::try_from(synced).unwrap().min(bytes.len());
    let unsynced = bytes.len() - synced;
    let (from, to) = (crash.from.min(crash.to), crash.from.max(crash.to));
    if crash.cut {
        bytes.truncate(synced + unsynced * from / 256);
    } else {
        bytes[synced + unsynced * from / 256..synced + unsynced * to / 256].fill(0);
    }
    fs::write(path, bytes).unwrap();
}

type Newest = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

fn apply(newest: &mut Newest, records: &[LogRecord]) {
    for record in records {
        newest.insert(record.key.clone(), record.value.clone());
    }
}

/// What counts of a file: a deletion may be gone where compaction drops it.
fn counts(kind: Kind, newest: &Newest) -> Newest {
    let mut counts = newest.clone();
    counts.retain(|_, value| value.is_some() || kind.keeps_deletions());
    counts
}

/// A log, and what it must hold.
struct Bench {
    kind: Kind,
    path: PathBuf,
    disk: FaultyDisk,
    log: Option<LogFile<FaultyDisk>>,
    confirmed: Newest,
    /// The append that was under way when the machine went down.
    unclear: Option<Vec<LogRecord>>,
    number: usize,
}

impl Bench {
    fn open(&mut self) {
        self.log = None;
        *self.disk.0.lock().unwrap() = Script::default();
        let mut log = patiently(|| LogFile::open(self.kind, &self.path, self.disk.clone()));
        log.garbage_bytes_min = 100;
        let held = self.read(&mut log);
        let mut with = self.confirmed.clone();
        apply(&mut with, self.unclear.as_deref().unwrap_or_default());
        let allowed = [&self.confirmed, &with].map(|newest| counts(self.kind, newest));
        assert!(allowed.contains(&held), "held {held:?}, allowed {allowed:?}");
        if held == allowed[1] {
            self.confirmed = with;
        }
        self.unclear = None;
        self.log = Some(log);
    }

    fn read(&self, log: &mut LogFile<FaultyDisk>) -> Newest {
        let mut newest = Newest::new();
        apply(&mut newest, &log.read_all().unwrap());
        counts(self.kind, &newest)
    }

    fn append(&mut self, parts: &[(u8, usize)], crashed: Crash) {
        let records: Vec<_> = parts
            .iter()
            .map(|(key, length)| {
                self.number += 1;
                let value = format!("{}{}", self.number, "x".repeat(*length));
                let key = format!("k{key}");
                if *length == 0 {
                    LogRecord::tombstone(key)
                } else {
                    LogRecord::set(key, value)
                }
            })
            .collect();
        let log = self.log.as_mut().unwrap();
        match log.append(&records) {
            Ok(()) => apply(&mut self.confirmed, &records),
            Err(error) => {
                assert!(error.is_retriable(), "{error}");
                assert!(error.to_string().contains("no space left"), "{error}");
                self.unclear = Some(records);
            }
        }
        log.tidy();
        let script = self.disk.0.lock().unwrap();
        if script.down {
            self.log = None;
            crash(&self.path, &script, crashed);
            drop(script);
            self.open();
            return;
        }
        let quiet = script.fault.is_none();
        drop(script);
        if quiet {
            // The fault is over, and with it the doubt: what failed is not there.
            let mut log = self.log.take().unwrap();
            assert_eq!(self.read(&mut log), counts(self.kind, &self.confirmed));
            self.log = Some(log);
            self.unclear = None;
        }
    }
}

fn bench(kind: Kind, actions: &[Action], crashed: Crash) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench {
        kind,
        path: folder.path().join("log"),
        disk: FaultyDisk::default(),
        log: None,
        confirmed: Newest::new(),
        unclear: None,
        number: 0,
    };
    bench.open();
    let mut compactions = 0;
    for action in actions {
        match action {
            Action::Append(parts) => bench.append(parts, crashed),
            Action::Arm {
                steps,
                fault,
                written,
            } => {
                let mut script = bench.disk.0.lock().unwrap();
                (script.steps_left, script.fault, script.written) = (*steps, Some(*fault), *written);
            }
            Action::Reopen => {
                compactions += bench.disk.0.lock().unwrap().compactions;
                bench.open();
            }
        }
    }
    compactions += bench.disk.0.lock().unwrap().compactions;
    bench.open();
    compactions
}

/// Every step an append and a compaction make, failing once, failing for a while, or being the last of the machine.
#[test]
fn what_was_confirmed_is_there_whichever_step_fails_or_is_the_last() {
    let mut compactions = 0;
    for kind in [Kind::State, Kind::Schemas] {
        for steps in 0..8 {
            for fault in [Fault::Fails { steps: 1 }, Fault::Fails { steps: 3 }, Fault::Ends] {
                for (written, cut, rename_undone) in [
                    (0, true, true),
                    (128, true, false),
                    (256, false, true),
                    (255, false, false),
                ] {
                    let mut actions = vec![
                        Action::Append(vec![(1, 50), (2, 50)]),
                        Action::Append(vec![(1, 50)]),
                    ];
                    actions.push(Action::Arm {
                        steps,
                        fault,
                        written,
                    });
                    // The first of these begins a compaction.
                    actions.extend(
                        [(1, 50), (1, 60), (3, 10), (2, 0)].map(|part| Action::Append(vec![part, part])),
                    );
                    actions.push(Action::Reopen);
                    actions.push(Action::Append(vec![(4, 1)]));
                    let crashed = Crash {
                        from: 20,
                        to: 200,
                        cut,
                        rename_undone,
                    };
                    compactions += bench(kind, &actions, crashed);
                }
            }
        }
    }
    assert!(compactions > 100, "{compactions} compactions");
}

fn action() -> impl Strategy<Value = Action> {
    let append = prop::collection::vec((0..6_u8, prop_oneof![Just(0), 1..60_usize]), 1..4);
    let fault = prop_oneof![
        Just(Fault::Ends),
        (1..5_usize).prop_map(|steps| Fault::Fails { steps })
    ];
    prop_oneof![
        6 => append.prop_map(Action::Append),
        1 => (0..12_usize, fault, 0..=256_usize)
            .prop_map(|(steps, fault, written)| Action::Arm { steps, fault, written }),
        1 => Just(Action::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn appends_are_whole_or_absent_and_confirmed_ones_stay(
        actions in prop::collection::vec(action(), 1..40),
        state in any::<bool>(),
        (from, to, cut, rename_undone) in (0..=256_usize, 0..=256_usize, any::<bool>(), any::<bool>()),
    ) {
        let kind = if state { Kind::State } else { Kind::Schemas };
        bench(kind, &actions, Crash { from, to, cut, rename_undone });
    }
}

/// AV-107: in the registry's file a deletion outlives compaction; in the state file it goes.
#[test]
fn compaction_keeps_the_newest_of_each_key_in_order() {
    for kind in [Kind::State, Kind::Schemas] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let large = "x".repeat(64 * 1024);
        let mut log = patiently(|| LogFile::open(kind, &path, LocalDisk));
        log.append(&[LogRecord::set("first", "1")]).unwrap();
        log.append(&[LogRecord::set("gone", large.as_str())]).unwrap();
        log.append(&[LogRecord::tombstone("gone")]).unwrap();
        for round in 0..40 {
            log.append(&[LogRecord::set("many", format!("{round}{large}"))])
                .unwrap();
            log.tidy();
        }
        log.append(&[LogRecord::set("last", "2")]).unwrap();
        let bytes = fs::metadata(&path).unwrap().len();
        assert!(bytes < 2 * super::GARBAGE_BYTES_MIN, "{bytes} bytes");
        let mut expected = vec![
            LogRecord::set("first", "1"),
            LogRecord::tombstone("gone"),
            LogRecord::set("many", format!("39{large}")),
            LogRecord::set("last", "2"),
        ];
        if kind == Kind::State {
            expected.remove(1);
        }
        let newest = |log: &mut LogFile<LocalDisk>| {
            let all = log.read_all().unwrap();
            let newest = |record: &LogRecord| all.iter().rfind(|other| other.key == record.key).cloned();
            expected.iter().map(newest).collect::<Option<Vec<_>>>()
        };
        assert_eq!(newest(&mut log), Some(expected.clone()));
        drop(log);
        let mut log = patiently(|| LogFile::open(kind, &path, LocalDisk));
        assert_eq!(newest(&mut log), Some(expected.clone()));
        assert!(!beside(&path, "compact").exists());
    }
}

#[test]
fn a_file_torn_at_any_byte_of_its_last_append_opens_with_all_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut log = patiently(|| LogFile::open(Kind::State, &path, LocalDisk));
    log.append(&[LogRecord::set("a", "1")]).unwrap();
    let kept = usize::try_from(log.end).unwrap();
    log.append(&[LogRecord::set("b", "2222"), LogRecord::tombstone("a")])
        .unwrap();
    drop(log);
    let whole = fs::read(&path).unwrap();
    for length in (0..Kind::State.header().len()).chain(kept..whole.len()) {
        fs::write(&path, &whole[..length]).unwrap();
        fs::write(beside(&path, "compact"), b"rowtide-st").unwrap();
        let mut log = patiently(|| LogFile::open(Kind::State, &path, LocalDisk));
        let mut expected = Vec::new();
        if length >= kept {
            expected.push(LogRecord::set("a", "1"));
        }
        assert_eq!(log.read_all().unwrap(), expected, "cut at {length}");
        expected.push(LogRecord::set("b", "again"));
        log.append(&expected[expected.len() - 1..]).unwrap();
        drop(log);
        let mut log = patiently(|| LogFile::open(Kind::State, &path, LocalDisk));
        assert_eq!(log.read_all().unwrap(), expected, "cut at {length}");
        assert!(!beside(&path, "compact").exists());
    }
}
