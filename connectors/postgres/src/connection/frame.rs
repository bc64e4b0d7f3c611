//! Sans-I/O: the frames of the wire protocol and of streaming replication inside them.

use std::fmt;
use std::ops::Range;

/// Tag and length, before the body of every message from the server.
pub const HEADER_BYTES: usize = 5;

/// The largest message Postgres sends is below 1 GiB; a greater length is garbage, not a message.
const MESSAGE_BYTES_MAX: usize = 1 << 30;

/// One message: its tag and where its body lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The tag, such as `d` for CopyData.
    pub tag: u8,
    /// The body, without tag and length.
    pub body: Range<usize>,
}

/// Bytes that are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Malformed {}

/// The message that begins at `at`; `None` when it is not complete yet.
///
/// # Errors
/// A length no message can have.
#[inline]
pub fn next_frame(bytes: &[u8], at: usize) -> Result<Option<Frame>, Malformed> {
    let Some(header) = bytes.get(at..at + HEADER_BYTES) else {
        return Ok(None);
    };
    let body = body_length(header)?;
    let start = at + HEADER_BYTES;
    if bytes.len() - start < body {
        return Ok(None);
    }
    Ok(Some(Frame {
        tag: header[0],
        body: start..start + body,
    }))
}

/// How many bytes the message that begins at `at` takes in all; `None` while its header is incomplete.
///
/// # Errors
/// A length no message can have.
pub fn frame_length(bytes: &[u8], at: usize) -> Result<Option<usize>, Malformed> {
    match bytes.get(at..at + HEADER_BYTES) {
        None => Ok(None),
        Some(header) => Ok(Some(HEADER_BYTES + body_length(header)?)),
    }
}

#[inline]
fn body_length(header: &[u8]) -> Result<usize, Malformed> {
    let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
    match length.checked_sub(4) {
        Some(body) if body < MESSAGE_BYTES_MAX => Ok(body),
        _ => Err(Malformed("a message has an impossible length")),
    }
}

/// What a CopyData frame of a replication stream holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Streamed {
    /// `w`: one message of the output plug-in.
    Data {
        /// LSN of the change.
        lsn: u64,
        /// The server's clock at sending, microseconds since 2000-01-01.
        sent_us: i64,
        /// The message.
        message: Range<usize>,
    },
    /// `k`: where the server is.
    KeepAlive {
        /// Everything that committed before this LSN was sent before this message.
        wal_end: u64,
        /// The server wants a status at once.
        reply: bool,
    },
}

/// `w`, start, end, clock.
const DATA_HEADER_BYTES: usize = 25;
/// `k`, end, clock, reply.
const KEEPALIVE_BYTES: usize = 18;

/// Reads the body of a CopyData frame.
///
/// # Errors
/// A body that is neither.
#[inline]
pub fn streamed(bytes: &[u8], body: Range<usize>) -> Result<Streamed, Malformed> {
    let content = bytes
        .get(body.clone())
        .ok_or(Malformed("a frame lies outside its buffer"))?;
    match content.first() {
        Some(b'w') if content.len() >= DATA_HEADER_BYTES => Ok(Streamed::Data {
            lsn: long(content, 1),
            sent_us: long(content, 17).cast_signed(),
            message: body.start + DATA_HEADER_BYTES..body.end,
        }),
        Some(b'k') if content.len() == KEEPALIVE_BYTES => Ok(Streamed::KeepAlive {
            wal_end: long(content, 1),
            reply: content[KEEPALIVE_BYTES - 1] != 0,
        }),
        _ => Err(Malformed("a replication frame is neither data nor keep-alive")),
    }
}

/// The eight bytes at `at`; callers have checked the length.
#[inline]
fn long(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_be_bytes(word)
}

/// Microseconds between 1970-01-01 and 2000-01-01, where Postgres begins to count.
pub const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;

/// A standby status: what was received, and up to where the server may let WAL go (PG-194).
pub fn status(received: u64, confirmed: u64, now_us: i64, reply: bool) -> [u8; 39] {
    let mut frame = [0; 39];
    frame[0] = b'd';
    frame[1..5].copy_from_slice(&38u32.to_be_bytes());
    frame[5] = b'r';
    frame[6..14].copy_from_slice(&received.to_be_bytes());
    frame[14..22].copy_from_slice(&confirmed.to_be_bytes());
    frame[22..30].copy_from_slice(&confirmed.to_be_bytes());
    frame[30..38].copy_from_slice(&(now_us - POSTGRES_EPOCH_US).to_be_bytes());
    frame[38] = u8::from(reply);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn data(lsn: u64, message: &[u8]) -> Vec<u8> {
        let mut out = vec![b'd'];
        out.extend(((4 + DATA_HEADER_BYTES + message.len()) as u32).to_be_bytes());
        out.push(b'w');
        out.extend(lsn.to_be_bytes());
        out.extend(lsn.to_be_bytes());
        out.extend(7i64.to_be_bytes());
        out.extend(message);
        out
    }

    #[test]
    fn a_data_frame_is_taken_apart() {
        let bytes = data(0x16_0000_0008, b"Bxyz");
        let frame = next_frame(&bytes, 0).unwrap().unwrap();
        assert_eq!((frame.tag, frame.body.end), (b'd', bytes.len()));
        let Streamed::Data {
            lsn,
            sent_us,
            message,
        } = streamed(&bytes, frame.body).unwrap()
        else {
            panic!("data was sent")
        };
        assert_eq!(
            (lsn, sent_us, &bytes[message]),
            (0x16_0000_0008, 7, b"Bxyz".as_slice())
        );
    }

    /// PG-045: a cut anywhere yields nothing rather than a torn frame.
    #[test]
    fn a_cut_frame_is_incomplete() {
        let bytes = data(1, b"message");
        for cut in 0..bytes.len() {
            assert_eq!(next_frame(&bytes[..cut], 0), Ok(None), "{cut}");
        }
    }

    /// PG-194.
    #[test]
    fn a_status_carries_received_and_confirmed() {
        let frame = status(9, 5, POSTGRES_EPOCH_US + 3, true);
        let parsed = next_frame(&frame, 0).unwrap().unwrap();
        assert_eq!(parsed.body, 5..39);
        assert_eq!(
            (frame[5], long(&frame, 6), long(&frame, 14), long(&frame, 22)),
            (b'r', 9, 5, 5)
        );
        assert_eq!((long(&frame, 30), frame[38]), (3, 1));
    }

    proptest! {
        /// PG-045.
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..40) {
            if let Ok(Some(frame)) = next_frame(&bytes, at) {
                let _ = streamed(&bytes, frame.body);
            }
            let _ = frame_length(&bytes, at);
        }
    }
}
