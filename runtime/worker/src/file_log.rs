//! The engine's logs in one local file: append, fsync, compaction by rename.
//!
//! A line per record: `["<section>","<key>",<value or null>]`, key and value as JSON strings of their text. The first line
//! says what the file is. A crash leaves a prefix of the lines, the last perhaps torn; a torn one is cut off at the next
//! start, and was never confirmed.

mod format;
mod writer;

use std::path::Path;
use std::sync::Arc;

use rowtide_api::Error;
use rowtide_api::erased::BoxFuture;
use rowtide_engine::ports::{Log, LogRecord};
use tokio::sync::oneshot;

pub(crate) use format::Section;
use writer::{Request, Writer};

/// The file.
#[derive(Clone)]
pub(crate) struct FileLog {
    requests: std::sync::mpsc::SyncSender<Request>,
}

impl FileLog {
    /// Opens the file, or creates it, and takes its lock.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        Ok(Self {
            requests: Writer::start(path)?,
        })
    }

    /// One of its logs.
    pub(crate) fn section(&self, section: Section) -> FileSection {
        FileSection {
            section,
            file: Arc::new(self.clone()),
        }
    }

    async fn ask<T: Send>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Request,
    ) -> Result<T, Error> {
        let gone = || Error::retriable("the state file's writer has ended");
        let (reply, answer) = oneshot::channel();
        // The writer takes requests as fast as it syncs; a full queue means many are being answered by one sync.
        self.requests
            .try_send(request(reply))
            .map_err(|_| Error::retriable("the state file does not keep up"))?;
        answer.await.map_err(|_| gone())?
    }
}

/// One log of the file.
pub(crate) struct FileSection {
    section: Section,
    file: Arc<FileLog>,
}

impl Log for FileSection {
    fn read_all(&self) -> BoxFuture<'_, Result<Vec<LogRecord>, Error>> {
        Box::pin(self.file.ask(|reply| Request::Read(self.section, reply)))
    }

    fn append(&self, records: Vec<LogRecord>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(
            self.file
                .ask(|reply| Request::Append(self.section, records, reply)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(key: &str, value: &str) -> LogRecord {
        LogRecord::set(key, value)
    }

    /// The thread of a log that was dropped lets go of the lock a moment later.
    async fn reopen(path: &Path) -> FileLog {
        for _ in 0..500 {
            match FileLog::open(path) {
                Ok(log) => return log,
                Err(error) if error.to_string().contains("another worker") => {
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
        panic!("the lock was not let go");
    }

    async fn read(path: &Path, section: Section) -> Vec<LogRecord> {
        reopen(path).await.section(section).read_all().await.unwrap()
    }

    /// CN-136.
    #[tokio::test]
    async fn records_survive_and_sections_are_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        {
            let log = FileLog::open(&path).unwrap();
            log.section(Section::Config)
                .append(vec![set("k", "a\n\"ü"), LogRecord::tombstone("x")])
                .await
                .unwrap();
            log.section(Section::Offset)
                .append(vec![set("k", "2")])
                .await
                .unwrap();
        }
        assert_eq!(read(&path, Section::Config).await, [set("k", "a\n\"ü")]);
        assert_eq!(read(&path, Section::Offset).await, [set("k", "2")]);
    }

    #[tokio::test]
    async fn a_torn_last_line_is_cut_off_at_every_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        {
            let log = FileLog::open(&path).unwrap().section(Section::Config);
            log.append(vec![set("one", "1")]).await.unwrap();
            log.append(vec![set("two", "2")]).await.unwrap();
        }
        let whole = std::fs::read(&path).unwrap();
        let last = whole[..whole.len() - 1]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .unwrap()
            + 1;
        for end in last..whole.len() {
            std::fs::write(&path, &whole[..end]).unwrap();
            assert_eq!(
                read(&path, Section::Config).await,
                [set("one", "1")],
                "cut at {end}"
            );
        }
    }

    /// CN-135: a file of the JVM, or of anybody else, is never overwritten.
    #[test]
    fn a_foreign_file_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("connect.offsets");
        for bytes in [&b"\xac\xed\x00\x05sr"[..], b"hello\n"] {
            std::fs::write(&path, bytes).unwrap();
            let refusal = FileLog::open(&path).err().unwrap().to_string();
            assert!(refusal.contains("connect.offsets"), "{refusal}");
            assert_eq!(std::fs::read(&path).unwrap(), bytes);
        }
    }

    #[tokio::test]
    async fn two_workers_cannot_share_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let _first = FileLog::open(&path).unwrap();
        assert!(
            FileLog::open(&path)
                .err()
                .unwrap()
                .to_string()
                .contains("another")
        );
    }

    #[tokio::test]
    async fn compaction_keeps_the_newest_of_each_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let big = "x".repeat(100_000);
        {
            let log = FileLog::open(&path).unwrap().section(Section::Offset);
            for n in 0..60 {
                log.append(vec![
                    set("k", &format!("{n}{big}")),
                    set(&format!("gone{n}"), "1"),
                ])
                .await
                .unwrap();
                log.append(vec![LogRecord::tombstone(format!("gone{n}"))])
                    .await
                    .unwrap();
            }
        }
        assert!(std::fs::metadata(&path).unwrap().len() < 5_000_000);
        assert_eq!(
            read(&path, Section::Offset).await,
            [set("k", &format!("59{big}"))]
        );
    }
}
