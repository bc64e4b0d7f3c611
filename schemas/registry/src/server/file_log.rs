//! The registry's log in a local file: append, fsync, compaction by rename (AV-108).

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rowtide_api::failpoint;
use tokio::sync::Mutex;

use super::file_format::{HEADER, ScanError, line, scan};
use super::log::{LogError, RegistryLog};
use super::record::Record;

/// Files with less garbage than this are left alone: rewriting them frees nothing worth the work.
const GARBAGE_BYTES_MIN: u64 = 1024 * 1024;

/// A log in a local file, owned by one process at a time.
///
/// A torn last line is cut off when the file is opened; an append that fails leaves the file as it was.
#[derive(Debug, Clone)]
pub struct FileLog {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    file: File,
    /// Where the next line goes. The file is never longer, except while or after a write that failed.
    end: u64,
    /// The size of the newest record of each key: what compaction would keep.
    live: HashMap<Vec<u8>, u64>,
    /// A write failed and could not be taken back: what the disk holds is unknown until the file is opened anew.
    unclear: bool,
    /// Held for the life of the log; the file itself changes with compaction.
    _lock: File,
}

impl FileLog {
    /// Opens the file, or creates it, and takes its lock (a file beside it, named `….lock`).
    ///
    /// # Errors
    /// In use, not ours, damaged, or not accessible.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, LogError> {
        let inner = Inner::open(path.into())?;
        Ok(Self {
            inner: Arc::new(Mutex::new(inner)),
        })
    }

    /// Runs blocking work on its own thread. Work that has begun is finished even when the future is dropped; it holds
    /// the lock from before it is handed over, so that whoever comes next finds its outcome.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Inner) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let mut inner = Arc::clone(&self.inner).lock_owned().await;
        let task = tokio::task::spawn_blocking(move || work(&mut inner));
        task.await.unwrap_or_else(|error| {
            Err(LogError::Other(format!(
                "the registry's file writer died: {error}"
            )))
        })
    }
}

impl RegistryLog for FileLog {
    async fn read_all(&self) -> Result<Vec<Record>, LogError> {
        self.blocking(|inner| inner.read_all()).await
    }

    async fn append(&self, records: Vec<Record>) -> Result<(), LogError> {
        self.blocking(move |inner| inner.append(&records)).await
    }
}

impl Inner {
    fn open(path: PathBuf) -> Result<Self, LogError> {
        let lock = lock(&path)?;
        // What a compaction left that was killed before its rename.
        match fs::remove_file(beside(&path, "compact")) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                return Err(failed(&path, "cleaning up beside")(cause));
            }
            _ => {}
        }
        let existed = path.exists();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed(&path, "opening"))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed(&path, "reading"))?;
        let scan = scan(&bytes).map_err(|error| match error {
            ScanError::Foreign => LogError::Foreign(path.clone()),
            ScanError::Damaged(line) => LogError::Damaged {
                path: path.clone(),
                line,
            },
        })?;
        if scan.whole_bytes < bytes.len() {
            tracing::warn!(
                path = %path.display(),
                bytes = bytes.len() - scan.whole_bytes,
                "registry file: cutting off the torn end of an append that was never answered"
            );
        }
        let end = scan.whole_bytes as u64;
        let mut inner = Self {
            path,
            file,
            end,
            live: HashMap::new(),
            unclear: false,
            _lock: lock,
        };
        inner
            .rewind()
            .map_err(failed(&inner.path, "cutting the end off"))?;
        if inner.end == 0 {
            inner.write(HEADER)?;
        }
        if !existed {
            sync_folder(&inner.path).map_err(failed(&inner.path, "creating"))?;
        }
        inner.live = live(&scan.records);
        Ok(inner)
    }

    fn read_all(&mut self) -> Result<Vec<Record>, LogError> {
        if self.unclear {
            return Err(LogError::Unclear(self.path.clone()));
        }
        let mut bytes = Vec::new();
        self.file
            .seek(SeekFrom::Start(0))
            .map_err(failed(&self.path, "reading"))?;
        (&mut self.file)
            .take(self.end)
            .read_to_end(&mut bytes)
            .map_err(failed(&self.path, "reading"))?;
        match scan(&bytes) {
            Ok(scan) if scan.whole_bytes as u64 == self.end => Ok(scan.records),
            Ok(_) => Err(LogError::Unclear(self.path.clone())),
            Err(ScanError::Foreign) => Err(LogError::Foreign(self.path.clone())),
            Err(ScanError::Damaged(line)) => Err(LogError::Damaged {
                path: self.path.clone(),
                line,
            }),
        }
    }

    fn append(&mut self, records: &[Record]) -> Result<(), LogError> {
        if self.unclear {
            return Err(LogError::Unclear(self.path.clone()));
        }
        self.write(&line(records).map_err(LogError::Unfit)?)?;
        failpoint::hit("registry.synced");
        for record in records {
            count(&mut self.live, record);
        }
        let live: u64 = self.live.values().sum();
        let garbage = self.end.saturating_sub(live);
        if garbage > GARBAGE_BYTES_MIN && garbage > self.end / 2 {
            // The append is durable already: what goes wrong here costs space, not records.
            if let Err(error) = self.compact() {
                tracing::warn!(path = %self.path.display(), %error, "registry file: compaction failed; the file stays as it is");
            }
        }
        Ok(())
    }

    /// Writes at the end and waits for the disk, or leaves the file as it was.
    fn write(&mut self, bytes: &[u8]) -> Result<(), LogError> {
        let written = self.file.write_all(bytes);
        failpoint::hit("registry.appended");
        let outcome = written.and_then(|()| self.file.sync_data());
        let Err(cause) = outcome else {
            self.end += bytes.len() as u64;
            return Ok(());
        };
        if let Err(worse) = self.rewind() {
            tracing::error!(path = %self.path.display(), error = %worse, "registry file: a failed write could not be taken back");
            self.unclear = true;
        }
        Err(match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                LogError::Full(self.path.clone())
            }
            _ => failed(&self.path, "writing")(cause),
        })
    }

    /// Cuts off what lies behind the end, durably, and goes there.
    fn rewind(&mut self) -> io::Result<()> {
        if self.file.metadata()?.len() > self.end {
            self.file.set_len(self.end)?;
            self.file.sync_data()?;
        }
        self.file.seek(SeekFrom::Start(self.end))?;
        Ok(())
    }

    /// Replaces the file by one with the newest record of each key, in the order of those records.
    fn compact(&mut self) -> Result<(), LogError> {
        let records = self.read_all()?;
        let newest: HashMap<&[u8], usize> = records
            .iter()
            .enumerate()
            .map(|(index, record)| (record.key.as_slice(), index))
            .collect();
        let mut bytes = HEADER.to_vec();
        for (index, record) in records.iter().enumerate() {
            // A deletion stays too: it says that its version was used (AV-107).
            if newest.get(record.key.as_slice()) == Some(&index) {
                bytes.extend(line(std::slice::from_ref(record)).map_err(LogError::Unfit)?);
            }
        }
        let scratch = beside(&self.path, "compact");
        let replace = || -> io::Result<File> {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .open(&scratch)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&scratch, &self.path)?;
            Ok(file)
        };
        let replaced = replace().map_err(failed(&self.path, "compacting"));
        match replaced {
            Ok(file) => self.file = file,
            Err(error) => {
                // The old file was read from its beginning: go back to its end.
                self.rewind().map_err(failed(&self.path, "compacting"))?;
                return Err(error);
            }
        }
        self.end = bytes.len() as u64;
        self.live = live(&records);
        sync_folder(&self.path).map_err(|cause| {
            // Which of the two files a crash leaves is unknown: the next append must not go into one that may vanish.
            self.unclear = true;
            failed(&self.path, "compacting")(cause)
        })
    }
}

/// The sizes that compaction would keep.
fn live(records: &[Record]) -> HashMap<Vec<u8>, u64> {
    let mut live = HashMap::new();
    for record in records {
        count(&mut live, record);
    }
    live
}

fn count(live: &mut HashMap<Vec<u8>, u64>, record: &Record) {
    let value = record.value.as_ref().map_or(0, Vec::len);
    live.insert(record.key.clone(), (record.key.len() + value) as u64);
}

fn lock(path: &Path) -> Result<File, LogError> {
    let beside = beside(path, "lock");
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&beside);
    let lock = lock.map_err(failed(path, "locking"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(LogError::InUse(path.to_owned())),
        Err(TryLockError::Error(cause)) => Err(failed(path, "locking")(cause)),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes a new or renamed entry of the file's folder durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn failed(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> LogError + use<> {
    let path = path.to_owned();
    move |cause| LogError::Io { path, doing, cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, value: &str) -> Record {
        Record {
            key: key.as_bytes().to_vec(),
            value: Some(value.as_bytes().to_vec()),
        }
    }

    fn reopened(path: &Path) -> Vec<Record> {
        Inner::open(path.to_owned()).unwrap().read_all().unwrap()
    }

    #[test]
    fn records_survive_reopening_and_a_second_process_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("schemas.log");
        let mut log = Inner::open(path.clone()).unwrap();
        log.append(&[record("a", "1")]).unwrap();
        log.append(&[record("b", "2"), record("c", "3")]).unwrap();
        assert!(matches!(Inner::open(path.clone()), Err(LogError::InUse(_))));
        drop(log);
        assert_eq!(
            reopened(&path),
            [record("a", "1"), record("b", "2"), record("c", "3")]
        );
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_append_that_nobody_awaits_any_more_is_seen_by_the_next_reader() {
        use futures_util::FutureExt as _;
        let folder = tempfile::tempdir().unwrap();
        let log = FileLog::open(folder.path().join("schemas.log")).unwrap();
        for round in 1..=50 {
            let mut append = Box::pin(log.append(vec![record("a", "1")]));
            let _ = append.as_mut().now_or_never();
            drop(append);
            assert_eq!(RegistryLog::read_all(&log).await.unwrap().len(), round);
        }
    }

    #[test]
    fn a_file_cut_anywhere_in_its_last_append_opens_with_all_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("schemas.log");
        let mut log = Inner::open(path.clone()).unwrap();
        log.append(&[record("a", "1")]).unwrap();
        let kept = usize::try_from(log.end).unwrap();
        log.append(&[record("b", "2222")]).unwrap();
        drop(log);
        let whole = fs::read(&path).unwrap();
        for length in kept..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let mut log = Inner::open(path.clone()).unwrap();
            assert_eq!(log.read_all().unwrap(), [record("a", "1")], "cut at {length}");
            log.append(&[record("b", "again")]).unwrap();
            drop(log);
            assert_eq!(
                reopened(&path),
                [record("a", "1"), record("b", "again")],
                "cut at {length}"
            );
        }
    }

    #[test]
    fn foreign_and_damaged_files_are_refused_and_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("schemas.log");
        fs::write(&path, b"\xac\xed\x00\x05sr\x00\x11java.util.HashMap").unwrap();
        assert!(matches!(Inner::open(path.clone()), Err(LogError::Foreign(_))));
        assert!(fs::read(&path).unwrap().starts_with(b"\xac\xed"));
        fs::remove_file(&path).unwrap();
        let mut log = Inner::open(path.clone()).unwrap();
        log.append(&[record("a", "1")]).unwrap();
        log.append(&[record("b", "2")]).unwrap();
        drop(log);
        let mut bytes = fs::read(&path).unwrap();
        bytes[HEADER.len() + 3] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(
            Inner::open(path.clone()),
            Err(LogError::Damaged { line: 2, .. })
        ));
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }

    #[test]
    fn garbage_is_compacted_away_and_the_newest_records_stay_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("schemas.log");
        let mut log = Inner::open(path.clone()).unwrap();
        let large = "x".repeat(64 * 1024);
        log.append(&[record("first", "1")]).unwrap();
        log.append(&[record("gone", &large)]).unwrap();
        log.append(&[Record {
            key: b"gone".to_vec(),
            value: None,
        }])
        .unwrap();
        for round in 0..40 {
            log.append(&[record("many", &format!("{round}{large}"))]).unwrap();
        }
        log.append(&[record("last", "2")]).unwrap();
        assert!(log.end < 2 * GARBAGE_BYTES_MIN, "{} bytes", log.end);
        let many = format!("39{large}");
        let gone = Record {
            key: b"gone".to_vec(),
            value: None,
        };
        let expected = [
            record("first", "1"),
            gone,
            record("many", &many),
            record("last", "2"),
        ];
        for all in [log.read_all().unwrap(), {
            drop(log);
            reopened(&path)
        }] {
            let newest = expected
                .each_ref()
                .map(|wanted| all.iter().rfind(|record| record.key == wanted.key).cloned());
            assert_eq!(newest, expected.each_ref().map(|wanted| Some(wanted.clone())));
        }
        assert!(!beside(&path, "compact").exists());
    }

    #[test]
    fn a_compaction_killed_before_its_rename_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("schemas.log");
        let mut log = Inner::open(path.clone()).unwrap();
        log.append(&[record("a", "1")]).unwrap();
        drop(log);
        fs::write(beside(&path, "compact"), b"rowtide-regi").unwrap();
        assert_eq!(reopened(&path), [record("a", "1")]);
        assert!(!beside(&path, "compact").exists());
    }
}
