//! The session: one task that owns the replication socket, answers keep-alives by itself, and hands on what it read in
//! byte-bounded chunks.
//!
//! While its consumer is full it stops reading and goes on sending status (PG-056, PG-202). While a backlog exists it reads
//! in large gulps (PG-021, PG-204): each read of a few messages costs the server's walsender a wake-up as well as us.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rowtide_api::data::Buffer;
use rowtide_api::{Error, failpoint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::Instrument as _;

use super::transaction::Chunk;
use crate::connection::copy_both::{Stream, error_in_stream};
use crate::connection::frame::{Malformed, Streamed, streamed};
use crate::errors::{self, ServerError};
use crate::source::config::{StreamSettings, TimeoutAction};
use crate::source::record::malformed;

/// Room for a read while caught up: a few hundred changes, and no more memory than that on an idle connector.
const CAUGHT_UP_READ_BYTES: usize = 64 << 10;
/// Room for a read with a backlog: what the fastest server sends in about ten milliseconds.
const GULP_BYTES: usize = 1 << 20;
/// A read below this, with a backlog, came too early: the next one waits.
const GULP_BYTES_MIN: usize = 64 << 10;
/// How long it waits, at most: about 100 kB of a fast stream.
const GULP_WAIT: Duration = Duration::from_millis(1);
/// The server sends a change this long after its commit: there is a backlog. Well above the time a commit takes to reach us,
/// well below what anyone calls lag.
const BACKLOG_US: i64 = 5_000;
/// Chunks in the channel. Bytes are bounded by the semaphore; this bounds what many tiny chunks cost.
const CHUNKS_MAX: usize = 256;
/// With nothing received for this long the server is asked where it is, so that an idle database releases WAL (PG-006) and
/// a silent peer is noticed.
const PROBE: Duration = Duration::from_secs(1);
/// How long the server may take to let go of a stream once it shuts down, before its socket is simply closed.
const LEAVE_MAX: Duration = Duration::from_secs(1);
/// PG-201: silent for this long although asked: the connection is dead.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// A chunk and the room it takes until it is decoded.
pub struct Received {
    /// What was read.
    pub chunk: Chunk,
    _room: OwnedSemaphorePermit,
}

/// The consumer's end of a session. Dropping it ends the session.
pub struct Handle {
    /// Chunks, in order; the last item is the error that ended the session.
    pub chunks: mpsc::Receiver<Result<Received, Error>>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Handle {
    /// Ends the session in order, so that the slot is free at once; bounded by `limit`.
    pub async fn stop(mut self, limit: Duration) {
        // Sent or already gone: either way the task ends.
        self.stop.take().map(|stop| stop.send(()));
        if timeout(limit, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Session {
    stream: Stream,
    settings: StreamSettings,
    /// What may be released: the only source of confirmed positions.
    confirmed: watch::Receiver<u64>,
    received: u64,
    out: mpsc::Sender<Result<Received, Error>>,
    room: Arc<Semaphore>,
    room_bytes: usize,
    /// Commit time of the newest transaction on the wire, and when its newest message was sent.
    commit_us: i64,
    sent_us: i64,
    backlog: bool,
    last_read: Instant,
    next_status: Instant,
    next_probe: Instant,
}

/// What a scan of new frames found.
#[derive(Default)]
struct Scan {
    reply: bool,
    end: Option<End>,
    malformed: Option<Malformed>,
}

enum End {
    Failed(ServerError),
    Done,
}

/// Starts the task over an attached stream. `confirmed`: up to where the stored offsets let WAL go. `sent_away` ends when
/// the server shuts down.
pub fn start(
    stream: Stream,
    settings: StreamSettings,
    confirmed: watch::Receiver<u64>,
    sent_away: impl Future<Output = ()> + Send + 'static,
) -> Handle {
    let (out, chunks) = mpsc::channel(CHUNKS_MAX);
    let (stop, stopped) = tokio::sync::oneshot::channel();
    // A semaphore counts in 32 bits; a larger bound would only be a larger pile.
    let room_bytes = settings.queue_bytes_max.clamp(GULP_BYTES, 1 << 30);
    let now = Instant::now();
    let session = Session {
        stream,
        confirmed,
        received: 0,
        out,
        room: Arc::new(Semaphore::new(room_bytes)),
        room_bytes,
        commit_us: 0,
        sent_us: 0,
        backlog: false,
        last_read: now,
        next_status: now,
        next_probe: now + PROBE,
        settings,
    };
    let task = tokio::spawn(session.run(stopped, sent_away).in_current_span());
    Handle {
        chunks,
        stop: Some(stop),
        task,
    }
}

impl Session {
    async fn run(
        mut self,
        stopped: tokio::sync::oneshot::Receiver<()>,
        sent_away: impl Future<Output = ()> + Send,
    ) {
        let failure = tokio::select! {
            biased;
            // 1. Ordered end: the consumer asked for it, or is gone.
            _ = stopped => return drop(self.leave().await),
            // 2. The server shuts down. It waits, without limit, until each logical stream has confirmed all WAL or is gone,
            // and what is not durable downstream cannot be confirmed: so go.
            () = sent_away => None,
            // 3. The stream itself; it only returns with an error.
            result = self.stream_on() => result.err(),
        };
        let out = self.out.clone();
        let error = match failure {
            Some(error) => {
                drop(self);
                error
            }
            None => {
                // Too late, the socket is closed all the same: the future owns it.
                let _ = timeout(LEAVE_MAX, self.leave()).await;
                Error::retriable("the server is shutting down")
            }
        };
        // Only now, when the server is rid of us: a consumer that is full takes its time.
        let _ = out.send(Err(error)).await;
    }

    /// Ends the stream in order.
    async fn leave(mut self) -> Result<(), Error> {
        // The last confirmed position still counts: without it the next start would repeat nothing, but the server would
        // keep WAL for longer.
        self.status(false).await?;
        self.stream.close().await
    }

    async fn stream_on(&mut self) -> Result<(), Error> {
        self.status(false).await?;
        // The first messages can arrive together with the answer to START_REPLICATION.
        self.received(GULP_BYTES_MIN).await?;
        loop {
            let room = if self.backlog {
                GULP_BYTES
            } else {
                CAUGHT_UP_READ_BYTES
            };
            let due = self.next_status.min(self.next_probe);
            let read = tokio::select! {
                biased;
                // 1. A newly stored offset lets WAL go.
                changed = self.confirmed.changed() => {
                    if changed.is_err() {
                        return Err(Error::fatal("the task that owns this session is gone"));
                    }
                    self.status(false).await?;
                    continue;
                }
                // 2. Status and probes on time, however much there is to read.
                () = sleep_until(due) => {
                    self.tick().await?;
                    continue;
                }
                // 3. The stream.
                read = self.stream.read(room) => read.map_err(broken)?,
            };
            if read == 0 {
                return Err(Error::retriable("the server closed the replication connection"));
            }
            self.last_read = Instant::now();
            self.next_probe = self.last_read + PROBE;
            self.received(read).await?;
        }
    }

    /// Hands on what a read completed, answers keep-alives, and waits when reading again would be too early.
    async fn received(&mut self, read: usize) -> Result<(), Error> {
        let scan = self.scan();
        if let Some(cause) = scan.malformed {
            return Err(malformed(cause));
        }
        if scan.reply {
            self.status(false).await?;
        }
        let bytes = self.stream.take();
        if !bytes.is_empty() {
            self.hand_on(bytes).await?;
            // The server's silence counts from when we listen again.
            self.last_read = Instant::now();
        }
        match scan.end {
            Some(End::Failed(error)) => {
                let error = error.into_error("streaming from the replication slot");
                return Err(errors::of_slot(error));
            }
            Some(End::Done) => return Err(Error::retriable("the server ended the replication stream")),
            None => {}
        }
        if self.backlog && read < GULP_BYTES_MIN {
            self.stream.rest().map_err(broken)?;
            sleep(GULP_WAIT).await;
        }
        Ok(())
    }

    fn scan(&mut self) -> Scan {
        let mut found = Scan::default();
        let (mut received, mut commit_us, mut sent_us) = (self.received, self.commit_us, self.sent_us);
        let mut caught_up = false;
        let result = self.stream.scan(|tag, body| match tag {
            b'd' => match streamed(body, 0..body.len()) {
                Ok(Streamed::Data {
                    lsn,
                    sent_us: sent,
                    message,
                }) => {
                    received = received.max(lsn);
                    sent_us = sent;
                    caught_up = false;
                    if let Some(time) = begin_time(&body[message]) {
                        commit_us = time;
                    }
                }
                Ok(Streamed::KeepAlive { wal_end, reply }) => {
                    received = received.max(wal_end);
                    found.reply |= reply;
                    // The server has nothing more to send at this moment.
                    caught_up = true;
                }
                Err(cause) => found.malformed = Some(cause),
            },
            b'E' => found.end = Some(End::Failed(error_in_stream(body))),
            b'c' => found.end = found.end.take().or(Some(End::Done)),
            _ => {}
        });
        if let Err(cause) = result {
            found.malformed = Some(cause);
        }
        (self.received, self.commit_us, self.sent_us) = (received, commit_us, sent_us);
        self.backlog = !caught_up && commit_us != 0 && sent_us - commit_us > BACKLOG_US;
        found
    }

    /// Waits for room; meanwhile nothing is read, but status goes on (PG-056).
    async fn hand_on(&mut self, bytes: bytes::Bytes) -> Result<(), Error> {
        // PG-205: what is larger than all the room is admitted alone.
        let size = bytes.len().min(self.room_bytes) as u32;
        let room = self.room.clone().acquire_many_owned(size);
        tokio::pin!(room);
        let room = loop {
            let due = self.next_status;
            tokio::select! {
                biased;
                // 1. Room.
                room = &mut room => break room,
                // 2. A newly stored offset lets WAL go.
                changed = self.confirmed.changed() => {
                    if changed.is_err() {
                        return Err(Error::fatal("the task that owns this session is gone"));
                    }
                    self.status(false).await?;
                }
                // 3. Status on time.
                () = sleep_until(due) => self.status(false).await?,
            }
        };
        let room = room.map_err(|_| Error::fatal("the session's room is closed"))?;
        let received = Received {
            chunk: Chunk::new(Buffer::new(bytes)),
            _room: room,
        };
        self.deliver(received).await
    }

    async fn deliver(&mut self, received: Received) -> Result<(), Error> {
        let out = self.out.clone();
        let slot = out.reserve();
        tokio::pin!(slot);
        loop {
            let due = self.next_status;
            tokio::select! {
                biased;
                // 1. A place in the channel.
                slot = &mut slot => {
                    let gone = |_| Error::fatal("the task that owns this session is gone");
                    slot.map_err(gone)?.send(Ok(received));
                    return Ok(());
                }
                // 2. Status on time.
                () = sleep_until(due) => self.status(false).await?,
            }
        }
    }

    async fn tick(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        if now.duration_since(self.last_read) > SILENCE_MAX {
            let seconds = SILENCE_MAX.as_secs();
            return Err(Error::retriable(format!(
                "the server has been silent for {seconds} s although it was asked"
            )));
        }
        let probe = now >= self.next_probe;
        if probe {
            self.next_probe = now + PROBE;
        }
        self.status(probe).await
    }

    /// Sends a standby status: received as written, confirmed as flushed and applied (PG-194).
    async fn status(&mut self, reply: bool) -> Result<(), Error> {
        // Invariant (PG-005, PG-198): `confirmed` holds the `lsn_commit` of an offset the store has confirmed, set by
        // `committed` alone. This is the one line that lets the server recycle WAL.
        let confirmed = *self.confirmed.borrow_and_update();
        let received = self.received.max(confirmed);
        let write = self.stream.send_status(received, confirmed, now_us(), reply);
        match timeout(self.settings.flush_timeout, write).await {
            Ok(written) => written.map_err(broken)?,
            Err(_) => self.too_slow()?,
        }
        failpoint::hit("postgres.status_sent");
        self.next_status = Instant::now() + self.settings.status_interval;
        Ok(())
    }

    /// PG-197. A write given up halfway would tear the next one, so going on means a new connection.
    fn too_slow(&self) -> Result<(), Error> {
        let text = "a status write took longer than lsn.flush.timeout.ms";
        match self.settings.flush_timeout_action {
            TimeoutAction::Fail => {
                Err(Error::fatal(text).hint("raise lsn.flush.timeout.ms, or check the network"))
            }
            TimeoutAction::Warn => {
                tracing::warn!("{text}; the replication connection is opened again");
                Err(Error::retriable(text))
            }
            TimeoutAction::Ignore => Err(Error::retriable(text)),
        }
    }
}

/// Commit time of a BEGIN message: kind, final LSN, time.
#[inline]
fn begin_time(message: &[u8]) -> Option<i64> {
    match message.split_first_chunk::<17>() {
        Some((head, _)) if head[0] == b'B' => head.last_chunk::<8>().map(|time| i64::from_be_bytes(*time)),
        _ => None,
    }
}

fn broken(cause: io::Error) -> Error {
    Error::retriable("the replication connection broke").because(cause)
}

/// Microseconds since the epoch; a clock before 1970 counts as 1970.
fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
