//! Reads a slot in gulps, counts changes, and stops at the first commit at or behind a fixed LSN.

use std::io::{self, Read as _};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::wire::{Address, Wire, refusal};
use crate::process;

/// Room for one gulp.
const BUFFER_BYTES: usize = 4 << 20;
/// Pause between gulps: over TCP the best of what was tried (PF-101).
const PAUSE: Duration = Duration::from_millis(1);
/// Microseconds between 1970-01-01 and 2000-01-01.
const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;

/// What a run read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading {
    /// Inserts, updates and deletes.
    pub changes: u64,
    /// Bytes received.
    pub bytes: u64,
    /// From the start of the stream to the last commit.
    pub elapsed: Duration,
    /// CPU time of this process in that time.
    pub own_cpu: Duration,
    /// CPU time of the walsender, decoding included.
    pub walsender_cpu: Duration,
}

/// A transaction as a reader met it.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// Its commit time, microseconds since the epoch.
    pub commit_us: i64,
    /// From its commit time to the arrival of its last byte, microseconds.
    pub delay_us: i64,
}

/// The stream as it was read: complete frames, in one piece.
#[derive(Debug, Clone, Default)]
pub struct Capture {
    /// The frames.
    pub bytes: Vec<u8>,
    /// Changes among them.
    pub changes: u64,
}

/// What of the stream a loop has seen.
#[derive(Default)]
struct Seen {
    changes: u64,
    commit_us: i64,
    /// End of the last commit.
    committed: u64,
    reply: bool,
}

/// Reads until the first commit at or behind `end`. `options` go to pgoutput.
///
/// # Errors
/// The socket's, and what the server says.
pub fn read(address: &Address, slot: &str, options: &str, end: u64) -> io::Result<Reading> {
    let mut wire = Wire::open(address)?;
    wire.start(slot, options)?;
    let (begun, own) = (Instant::now(), process::own_cpu());
    let mut reading = Reading::default();
    let mut seen = Seen::default();
    gulps(&mut wire, PAUSE, &mut seen, end, |gulp, _| {
        reading.bytes += gulp.len() as u64;
        true
    })?;
    reading.changes = seen.changes;
    reading.elapsed = begun.elapsed();
    reading.own_cpu = process::own_cpu().saturating_sub(own);
    reading.walsender_cpu = process::cpu(wire.pid).unwrap_or_default();
    Ok(reading)
}

/// Keeps what is read.
///
/// # Errors
/// As [`read`].
pub fn capture(address: &Address, slot: &str, options: &str, end: u64) -> io::Result<Capture> {
    let mut wire = Wire::open(address)?;
    wire.start(slot, options)?;
    let mut kept = Capture::default();
    let mut seen = Seen::default();
    gulps(&mut wire, PAUSE, &mut seen, end, |gulp, _| {
        kept.bytes.extend_from_slice(gulp);
        true
    })?;
    kept.changes = seen.changes;
    Ok(kept)
}

/// Reads each message as soon as it is there, for a while, and notes how old each transaction was.
///
/// # Errors
/// As [`read`].
pub fn sent(address: &Address, slot: &str, options: &str, wait: Duration) -> io::Result<Vec<Sent>> {
    let mut wire = Wire::open(address)?;
    wire.socket.set_read_timeout(Some(Duration::from_millis(200)))?;
    wire.start(slot, options)?;
    let until = Instant::now() + wait;
    let mut all = Vec::new();
    let mut seen = Seen::default();
    let mut last = 0;
    gulps(&mut wire, Duration::ZERO, &mut seen, u64::MAX, |_, seen| {
        if seen.committed > last {
            last = seen.committed;
            let commit_us = seen.commit_us + POSTGRES_EPOCH_US;
            let delay_us = now_us() - commit_us;
            all.push(Sent { commit_us, delay_us });
        }
        Instant::now() < until
    })?;
    Ok(all)
}

/// Hands over every gulp, cut to whole frames, until `end` or until the visitor has enough.
fn gulps(
    wire: &mut Wire,
    pause: Duration,
    seen: &mut Seen,
    end: u64,
    mut visit: impl FnMut(&[u8], &Seen) -> bool,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut filled = 0;
    loop {
        let read = match wire.socket.read(&mut buffer[filled..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        filled += read;
        let whole = scan(&buffer[..filled], seen)?;
        let more = visit(&buffer[..whole], seen);
        if seen.committed >= end || !more {
            return Ok(());
        }
        if std::mem::take(&mut seen.reply) {
            wire.answer(seen.committed)?;
        }
        buffer.copy_within(whole..filled, 0);
        filled -= whole;
        if filled == buffer.len() {
            buffer.resize(filled * 2, 0);
        }
        if !pause.is_zero() {
            sleep(pause);
        }
    }
}

/// Looks at complete frames; answers how many bytes they take.
fn scan(bytes: &[u8], seen: &mut Seen) -> io::Result<usize> {
    let mut at = 0;
    while let Some((head, rest)) = bytes.get(at..).and_then(|rest| rest.split_first_chunk::<5>()) {
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let Some(body) = rest.get(..length.saturating_sub(4)) else {
            break;
        };
        at += 1 + length;
        match (head[0], body.first()) {
            (b'd', Some(b'w')) => message(&body[25..], seen),
            (b'd', Some(b'k')) => seen.reply |= body.last() == Some(&1),
            (b'E', _) => return Err(refusal(body)),
            _ => {}
        }
    }
    Ok(at)
}

fn message(message: &[u8], seen: &mut Seen) {
    match message.first() {
        Some(b'I' | b'U' | b'D') => seen.changes += 1,
        Some(b'B') => seen.commit_us = long(message, 9).cast_signed(),
        Some(b'C') => seen.committed = long(message, 10),
        // The end of a transaction that was streamed while it ran: kind, xid, flags, LSN, end, time.
        Some(b'c') => {
            seen.committed = long(message, 14);
            seen.commit_us = long(message, 22).cast_signed();
        }
        _ => {}
    }
}

/// The eight bytes at `at`; a message that ends before them counts as zero and stops nothing.
fn long(message: &[u8], at: usize) -> u64 {
    let bytes = message.get(at..).and_then(|rest| rest.first_chunk());
    bytes.map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
