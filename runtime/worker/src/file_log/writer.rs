//! The thread that owns the file: it writes what has gathered, syncs once, and answers everybody.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rowtide_api::{Error, ResultExt};
use rowtide_engine::ports::LogRecord;
use tokio::sync::oneshot;

use super::Kind;
use super::disk::Disk;
use super::file::LogFile;

/// Requests that may wait for a sync; every task stores at most once a second.
const REQUESTS_WAITING_MAX: usize = 4096;
/// Requests answered by one sync.
const SYNC_REQUESTS_MAX: usize = 256;

type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// What the thread is asked; it answers in the order of asking.
pub(super) enum Request {
    Read(Reply<Vec<LogRecord>>),
    Append(Vec<LogRecord>, Reply<()>),
}

pub(super) struct Writer<D> {
    file: LogFile<D>,
    /// Of the appends that the next sync makes durable.
    records: Vec<LogRecord>,
    replies: Vec<Reply<()>>,
}

impl<D: Disk> Writer<D> {
    /// Starts the thread; it ends when nobody can ask any more.
    pub(super) fn start(kind: Kind, file: LogFile<D>) -> Result<SyncSender<Request>, Error> {
        let (requests, waiting) = sync_channel(REQUESTS_WAITING_MAX);
        let mut writer = Self {
            file,
            records: Vec::new(),
            replies: Vec::new(),
        };
        let name = kind.thread();
        std::thread::Builder::new()
            .name(name.into())
            .spawn(move || writer.work(&waiting))
            .fatal(format!("starting the thread {name}"))?;
        Ok(requests)
    }

    fn work(&mut self, waiting: &Receiver<Request>) {
        while let Ok(first) = waiting.recv() {
            self.take(first);
            for request in waiting.try_iter().take(SYNC_REQUESTS_MAX - 1) {
                self.take(request);
            }
            self.sync();
            self.file.tidy();
        }
    }

    fn take(&mut self, request: Request) {
        match request {
            Request::Append(records, reply) => {
                self.records.extend(records);
                self.replies.push(reply);
            }
            Request::Read(reply) => {
                // It also shows the outcome of an append that was asked for before, awaited by anyone or not.
                self.sync();
                let _ = reply.send(self.file.read_all());
            }
        }
    }

    fn sync(&mut self) {
        let written = self.file.append(&self.records);
        self.records.clear();
        for reply in self.replies.drain(..) {
            // Whoever asked may have stopped waiting.
            let _ = reply.send(written.clone());
        }
    }
}
