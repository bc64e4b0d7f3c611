//! The thread that owns the file: it writes what has gathered, syncs once, and answers everybody.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rowtide_api::{Error, ResultExt, failpoint};
use rowtide_engine::ports::LogRecord;
use tokio::sync::oneshot;

use super::format::{HEADER, Section, line, parse};

/// Requests that may wait for a sync; every task stores at most once a second.
const REQUESTS_WAITING_MAX: usize = 4096;
/// Requests answered by one sync.
const SYNC_REQUESTS_MAX: usize = 256;
/// Files below this are not worth compacting.
const COMPACT_BYTES_MIN: u64 = 1 << 20;

type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// What the thread is asked.
pub(super) enum Request {
    Read(Section, Reply<Vec<LogRecord>>),
    Append(Section, Vec<LogRecord>, Reply<()>),
}

pub(super) struct Writer {
    path: PathBuf,
    file: File,
    /// Where the next line goes: everything before is synced.
    end: u64,
    /// The newest value of each key.
    live: BTreeMap<(Section, Vec<u8>), Vec<u8>>,
    live_bytes: u64,
    _lock: File,
}

impl Writer {
    /// Opens the file and starts the thread; it ends when nobody can ask any more.
    pub(super) fn start(path: &Path) -> Result<SyncSender<Request>, Error> {
        let mut writer = Self::open(path)?;
        let (requests, waiting) = sync_channel(REQUESTS_WAITING_MAX);
        std::thread::Builder::new()
            .name("state-file".into())
            .spawn(move || writer.work(&waiting))
            .fatal("starting the state file's thread")?;
        Ok(requests)
    }

    fn open(path: &Path) -> Result<Self, Error> {
        let shown = path.display();
        let lock = lock(path)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .fatal(format!(
                "opening the state file {shown} (offset.storage.file.filename)"
            ))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .fatal(format!("reading the state file {shown}"))?;
        let mut writer = Self {
            path: path.to_owned(),
            file,
            end: 0,
            live: BTreeMap::new(),
            live_bytes: 0,
            _lock: lock,
        };
        if HEADER.as_bytes().starts_with(&bytes) {
            // New, or torn while its first line was written.
            writer.end = 0;
            writer.write(HEADER.as_bytes())?;
            return Ok(writer);
        }
        if rowtide_java::serialization::is_java_stream(&bytes) {
            return Err(Error::fatal(format!(
                "{shown} is an offset file of Java's Kafka Connect and stays as it is"
            ))
            .hint("set offset.storage.file.filename to a new file; importing its offsets is not built yet"));
        }
        if !bytes.starts_with(HEADER.as_bytes()) {
            return Err(
                Error::fatal(format!("{shown} is no state file of Rowtide and stays as it is"))
                    .hint("set offset.storage.file.filename to another file"),
            );
        }
        writer.replay(&bytes)?;
        Ok(writer)
    }

    fn replay(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let shown = self.path.display().to_string();
        let mut at = HEADER.len();
        while let Some(length) = bytes[at..].iter().position(|byte| *byte == b'\n') {
            let text = std::str::from_utf8(&bytes[at..at + length]).ok();
            let Some((section, record)) = text.and_then(parse) else {
                return Err(
                    Error::fatal(format!("the state file {shown} is damaged at byte {at}"))
                        .hint("restore it from a copy, or remove that line; what it held is lost then"),
                );
            };
            self.apply(section, record);
            at += length + 1;
        }
        if at < bytes.len() {
            tracing::warn!(
                file = shown,
                at,
                "the last line was torn and never confirmed; it is cut off"
            );
        }
        self.end = at as u64;
        self.file
            .set_len(self.end)
            .fatal(format!("cutting a torn line off the state file {shown}"))
    }

    fn work(&mut self, waiting: &Receiver<Request>) {
        while let Ok(first) = waiting.recv() {
            let mut requests = vec![first];
            requests.extend(waiting.try_iter().take(SYNC_REQUESTS_MAX - 1));
            self.answer(requests);
            if self.end > COMPACT_BYTES_MIN && self.end / 2 > self.live_bytes {
                self.compact();
            }
        }
    }

    fn answer(&mut self, requests: Vec<Request>) {
        let mut lines = String::new();
        let mut appended = Vec::new();
        for request in requests {
            match request {
                Request::Read(section, reply) => {
                    // A read sees what was confirmed before it.
                    let _ = reply.send(Ok(self.records(section)));
                }
                Request::Append(section, records, reply) => {
                    match records
                        .iter()
                        .map(|record| line(section, record))
                        .collect::<Option<String>>()
                    {
                        Some(text) => {
                            lines.push_str(&text);
                            appended.push((section, records, reply));
                        }
                        None => {
                            let _ = reply.send(Err(Error::fatal("a record for the state file is no UTF-8")));
                        }
                    }
                }
            }
        }
        if appended.is_empty() {
            return;
        }
        let written = self.write(lines.as_bytes());
        failpoint::hit("state.synced");
        for (section, records, reply) in appended {
            if written.is_ok() {
                records.into_iter().for_each(|record| self.apply(section, record));
            }
            // Whoever asked may have stopped waiting.
            let _ = reply.send(written.clone());
        }
    }

    /// Appends and syncs. On failure the file is cut back to what was confirmed, so that a full disk loses nothing.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let written = self
            .file
            .seek(SeekFrom::Start(self.end))
            .and_then(|_| self.file.write_all(bytes))
            .inspect(|()| failpoint::hit("state.appended"))
            .and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => {
                self.end += bytes.len() as u64;
                Ok(())
            }
            Err(cause) => {
                if let Err(error) = self.file.set_len(self.end) {
                    tracing::error!(%error, file = %self.path.display(), "cutting a failed write off the state file");
                }
                Err(
                    Error::retriable(format!("writing the state file {}", self.path.display()))
                        .hint("free space on its disk, or make it writable")
                        .because(cause),
                )
            }
        }
    }

    fn apply(&mut self, section: Section, record: LogRecord) {
        let key = (section, record.key);
        let size = |key: &(Section, Vec<u8>), value: &Vec<u8>| (key.1.len() + value.len()) as u64;
        if let Some(old) = self.live.remove(&key) {
            self.live_bytes -= size(&key, &old);
        }
        if let Some(value) = record.value {
            self.live_bytes += size(&key, &value);
            self.live.insert(key, value);
        }
    }

    fn records(&self, section: Section) -> Vec<LogRecord> {
        let own = self.live.iter().filter(|((owner, _), _)| *owner == section);
        own.map(|((_, key), value)| LogRecord::set(key.clone(), value.clone()))
            .collect()
    }

    /// Writes what is live to a new file and renames it over the old one. A failure leaves the old one in use.
    fn compact(&mut self) {
        if let Err(error) = self.try_compact() {
            tracing::warn!(%error, causes = ?error.chain(), "compacting the state file failed; it goes on as it is");
        }
    }

    fn try_compact(&mut self) -> Result<(), Error> {
        let mut name = self.path.clone().into_os_string();
        name.push(".new");
        let new = PathBuf::from(name);
        let doing = format!("compacting the state file {}", self.path.display());
        let mut text = HEADER.to_owned();
        for ((section, key), value) in &self.live {
            text.extend(line(*section, &LogRecord::set(key.clone(), value.clone())));
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&new)
            .retriable(doing.clone())?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .retriable(doing.clone())?;
        failpoint::hit("state.before_rename");
        std::fs::rename(&new, &self.path).retriable(doing.clone())?;
        failpoint::hit("state.renamed");
        sync_folder(&self.path).retriable(doing)?;
        (self.file, self.end) = (file, text.len() as u64);
        Ok(())
    }
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => File::open(parent)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}

/// A lock file beside the state file, whose own inode changes with compaction.
fn lock(path: &Path) -> Result<File, Error> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let shown = path.display();
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&name)
        .map_err(|cause| {
            Error::fatal(format!(
                "opening the lock of the state file {shown} (offset.storage.file.filename)"
            ))
            .hint("create its folder, and make it writable")
            .because(cause)
        })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::fatal(format!(
            "the state file {shown} is in use by another worker"
        ))
        .hint("stop that one, or set offset.storage.file.filename to another file")),
        Err(TryLockError::Error(cause)) => {
            Err(Error::fatal(format!("locking the state file {shown}")).because(cause))
        }
    }
}
