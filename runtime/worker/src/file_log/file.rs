//! The file under a log: append, fsync, compaction by rename.
//!
//! **What was confirmed is in the file, whatever is killed when.** An append is confirmed after its line was synced; the
//! next line goes behind it only then, so a crash can harm the last line alone. Compaction writes and syncs a file
//! beside, and renames it: until the folder is synced nothing more is confirmed.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rowtide_api::Error;
use rowtide_engine::ports::LogRecord;

use super::disk::Disk;
use super::format::{Scan, line, scan};
use super::{Kind, version1};

/// Files with less garbage than this are left alone: rewriting them frees nothing worth the work.
const GARBAGE_BYTES_MIN: u64 = 1 << 20;

pub(super) struct LogFile<D> {
    kind: Kind,
    path: PathBuf,
    disk: D,
    file: File,
    /// Where the next line goes: everything before is synced.
    end: u64,
    /// What the newest record of each key takes: what compaction would keep.
    live: HashMap<Vec<u8>, u64>,
    live_bytes: u64,
    doubt: Option<Doubt>,
    garbage_bytes_min: u64,
    /// Held for the life of the log, in a file beside; the log's own changes with compaction.
    _lock: File,
}

/// What has to be made certain before anything more is confirmed or read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Doubt {
    /// Behind the end may lie what was never confirmed.
    Tail,
    /// Which of two files the name stands for after a crash.
    Name,
}

impl<D: Disk> LogFile<D> {
    /// Opens the file, or creates it, and takes its lock (a file beside it, named `….lock`).
    ///
    /// # Errors
    /// In use, not ours, damaged, or not accessible: fatal.
    pub(super) fn open(kind: Kind, path: &Path, disk: D) -> Result<Self, Error> {
        let lock = lock(kind, path)?;
        let failed = |doing| move |cause| kind.inaccessible(doing, path, cause);
        // What a compaction left that was killed before its rename.
        match fs::remove_file(beside(path, "compact")) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => {
                return Err(failed("cleaning up beside")(cause));
            }
            _ => {}
        }
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path);
        let file = file.map_err(failed("opening"))?;
        let bytes = fs::read(path).map_err(failed("reading"))?;
        let mut log = Self {
            kind,
            path: path.to_owned(),
            disk,
            file,
            end: 0,
            live: HashMap::new(),
            live_bytes: 0,
            doubt: None,
            garbage_bytes_min: GARBAGE_BYTES_MIN,
            _lock: lock,
        };
        log.take(&bytes)?;
        Ok(log)
    }

    /// Takes what the file holds; a new file, and one of an older version, is written anew.
    fn take(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let (kind, path) = (self.kind, self.path.clone());
        let header = kind.header();
        let older = (kind == Kind::State).then_some(version1::HEADER);
        let begins = |header: &str| header.as_bytes().starts_with(bytes);
        if bytes.starts_with(header.as_bytes()) {
            let Scan { records, whole_bytes } =
                scan(bytes, header.len()).map_err(|line| kind.damaged(&path, line))?;
            self.end = whole_bytes as u64;
            records.iter().for_each(|record| self.count(record));
            if whole_bytes < bytes.len() {
                let torn = bytes.len() - whole_bytes;
                tracing::warn!(file = %path.display(), bytes = torn, "cutting off the torn end of a write that was never confirmed");
                self.doubt = Some(Doubt::Tail);
            }
            // A process that was killed may have left its last line unsynced: from here on it counts as confirmed.
            let settled = self.settle().and_then(|()| self.disk.sync(&self.file));
            return settled.map_err(|cause| kind.inaccessible("recovering", &path, cause));
        }
        let records = if begins(header) || older.is_some_and(begins) {
            // New, or torn while its first line was written.
            Vec::new()
        } else if older.is_some_and(|header| bytes.starts_with(header.as_bytes())) {
            version1::read(bytes).map_err(|line| kind.damaged(&path, line))?
        } else {
            return Err(kind.foreign(&path, bytes));
        };
        self.rewrite(records)
            .map_err(|cause| kind.inaccessible("writing", &path, cause))
    }

    /// All records, oldest first; older ones of a key may be missing.
    ///
    /// # Errors
    /// Retriable, unless the file was changed from outside.
    pub(super) fn read_all(&mut self) -> Result<Vec<LogRecord>, Error> {
        self.settle()
            .map_err(|cause| self.kind.unwritten(&self.path, cause))?;
        let mut bytes = vec![0; usize::try_from(self.end).unwrap_or(usize::MAX)];
        self.file.read_exact_at(&mut bytes, 0).map_err(|cause| {
            let shown = self.kind.shown(&self.path);
            Error::retriable(format!("reading {shown}"))
                .hint("look at its disk")
                .because(cause)
        })?;
        match scan(&bytes, self.kind.header().len()) {
            Ok(scan) if scan.whole_bytes as u64 == self.end => Ok(scan.records),
            Ok(_) => Err(self.kind.damaged(&self.path, 1)),
            Err(line) => Err(self.kind.damaged(&self.path, line)),
        }
    }

    /// Adds records, all or none, and waits for the disk.
    ///
    /// # Errors
    /// Retriable; they are not in the log, or will not be before anything else is.
    pub(super) fn append(&mut self, records: &[LogRecord]) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        let line = line(records);
        let written = self.settle().and_then(|()| {
            self.doubt = Some(Doubt::Tail);
            self.disk.write(&self.file, &line, self.end)?;
            self.kind.appended();
            self.disk.sync(&self.file)
        });
        if let Err(cause) = written {
            if let Err(error) = self.settle() {
                tracing::error!(%error, file = %self.path.display(), "a failed write could not be taken back yet");
            }
            return Err(self.kind.unwritten(&self.path, cause));
        }
        self.kind.synced();
        self.doubt = None;
        self.end += line.len() as u64;
        records.iter().for_each(|record| self.count(record));
        Ok(())
    }

    /// Compacts a file that is mostly garbage. What fails costs space, not records.
    pub(super) fn tidy(&mut self) {
        let garbage = self.end.saturating_sub(self.live_bytes);
        if garbage < self.garbage_bytes_min || garbage < self.end / 2 || self.doubt.is_some() {
            return;
        }
        let compacted = self.read_all().and_then(|records| {
            self.rewrite(records)
                .map_err(|cause| self.kind.unwritten(&self.path, cause))
        });
        if let Err(error) = compacted {
            tracing::warn!(%error, causes = ?error.chain(), file = %self.path.display(), "compaction failed; the file stays as it is");
        }
    }

    /// Takes back what was not confirmed, durably, or finds out what a name stands for.
    fn settle(&mut self) -> io::Result<()> {
        match self.doubt {
            None => return Ok(()),
            Some(Doubt::Tail) => {
                self.disk.cut(&self.file, self.end)?;
                self.disk.sync(&self.file)?;
            }
            Some(Doubt::Name) => self.disk.sync_folder(&self.path)?,
        }
        self.doubt = None;
        Ok(())
    }

    /// Replaces the file by one with the newest record of each key, in the order of those records, a line for each.
    fn rewrite(&mut self, records: Vec<LogRecord>) -> io::Result<()> {
        let newest: HashMap<&[u8], usize> = records
            .iter()
            .enumerate()
            .map(|(index, record)| (record.key.as_slice(), index))
            .collect();
        let keeps_deletions = self.kind.keeps_deletions();
        let kept = |index, record: &LogRecord| {
            newest.get(record.key.as_slice()) == Some(&index) && (keeps_deletions || record.value.is_some())
        };
        let mut bytes = self.kind.header().as_bytes().to_vec();
        for (index, record) in records.iter().enumerate() {
            if kept(index, record) {
                bytes.extend(line([record]));
            }
        }
        let beside = beside(&self.path, "compact");
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&beside)?;
        self.disk.write(&file, &bytes, 0)?;
        self.disk.sync(&file)?;
        let compacts = self.end > 0;
        if compacts {
            self.kind.before_rename();
        }
        self.disk.rename(&beside, &self.path)?;
        if compacts {
            self.kind.renamed();
        }
        self.file = file;
        self.end = bytes.len() as u64;
        (self.live, self.live_bytes) = (HashMap::new(), 0);
        records.iter().for_each(|record| self.count(record));
        // Which of the two files a crash leaves is open: nothing may be confirmed in one that may vanish.
        self.doubt = Some(Doubt::Name);
        self.settle()
    }

    fn count(&mut self, record: &LogRecord) {
        if let Some(old) = self.live.remove(&record.key) {
            self.live_bytes -= old;
        }
        if record.value.is_some() || self.kind.keeps_deletions() {
            let size = (record.key.len() + record.value.as_ref().map_or(0, Vec::len)) as u64;
            self.live_bytes += size;
            self.live.insert(record.key.clone(), size);
        }
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

fn lock(kind: Kind, path: &Path) -> Result<File, Error> {
    let failed = |cause| kind.inaccessible("locking", path, cause);
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(false)
        .open(beside(path, "lock"))
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(kind.in_use(path)),
        Err(TryLockError::Error(cause)) => Err(failed(cause)),
    }
}

#[cfg(test)]
mod tests;
