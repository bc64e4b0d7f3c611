//! The streaming half of a session: large reads, complete frames out, standby status in.

use std::io;

use bytes::{Bytes, BytesMut};
use postgres_protocol::message::frontend;
use rowtide_api::{Error, ResultExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::frame::{Malformed, frame_length, next_frame, status};
use super::message;
use super::startup::Wire;
use crate::errors::ServerError;

/// Room for a read of what nobody wants any more.
const DRAIN_BYTES: usize = 64 << 10;

/// A session in CopyBoth or CopyOut mode. It cuts what arrives into runs of complete frames; a frame that is not complete
/// stays behind in the buffer.
pub struct Stream {
    wire: Wire,
    /// How far `incoming` is known to hold complete frames.
    complete: usize,
}

impl Wire {
    /// START_REPLICATION, or another command that answers CopyBoth.
    ///
    /// # Errors
    /// Classified by SQLSTATE.
    pub async fn copy_both(mut self, command: &str, doing: &str) -> Result<Stream, Error> {
        self.start_stream(command, b'W', doing).await?;
        Ok(Stream {
            wire: self,
            complete: 0,
        })
    }

    /// COPY … TO STDOUT.
    ///
    /// # Errors
    /// Classified by SQLSTATE.
    pub async fn copy_out(mut self, statement: &str, doing: &str) -> Result<Stream, Error> {
        self.start_stream(statement, b'H', doing).await?;
        Ok(Stream {
            wire: self,
            complete: 0,
        })
    }
}

impl Stream {
    /// Reads once; the buffer has room for at least `room` bytes, or for the rest of a frame that has begun. Cancel-safe.
    /// Zero: the server closed the connection.
    ///
    /// # Errors
    /// The socket's.
    pub async fn read(&mut self, room: usize) -> io::Result<usize> {
        let buffer = &mut self.wire.incoming;
        let begun = match frame_length(buffer, self.complete) {
            Ok(Some(length)) => length.saturating_sub(buffer.len() - self.complete),
            _ => 0,
        };
        // A quarter of the room is enough to read on: reserving copies the part of a frame that stays behind.
        if buffer.capacity() - buffer.len() < begun.max(room / 4) {
            buffer.reserve(begun.max(room));
        }
        self.wire.transport.read_buf(buffer).await
    }

    /// Until the next read, nothing that arrives wakes the runtime.
    ///
    /// # Errors
    /// The socket's.
    pub fn rest(&mut self) -> io::Result<()> {
        self.wire.transport.rest()
    }

    /// Visits the frames completed since the last call: tag and body.
    ///
    /// # Errors
    /// Bytes that are no frame.
    pub fn scan(&mut self, mut visit: impl FnMut(u8, &[u8])) -> Result<(), Malformed> {
        while let Some(frame) = next_frame(&self.wire.incoming, self.complete)? {
            self.complete = frame.body.end;
            visit(frame.tag, &self.wire.incoming[frame.body]);
        }
        Ok(())
    }

    /// Takes the scanned frames out, as one run of bytes.
    pub fn take(&mut self) -> Bytes {
        let complete = std::mem::take(&mut self.complete);
        self.wire.incoming.split_to(complete).freeze()
    }

    /// Sends a standby status (PG-194). Not cancel-safe.
    ///
    /// # Errors
    /// The socket's.
    pub async fn send_status(
        &mut self,
        received: u64,
        confirmed: u64,
        now_us: i64,
        reply: bool,
    ) -> io::Result<()> {
        let frame = status(received, confirmed, now_us, reply);
        self.wire.transport.write_all(&frame).await?;
        self.wire.transport.flush().await
    }

    /// Ends a replication stream from our side and waits until the server has let go of it, so that the slot is free. The
    /// caller bounds the wait.
    ///
    /// # Errors
    /// The socket's, as retriable.
    pub async fn close(mut self) -> Result<(), Error> {
        let doing = "ending the replication stream";
        let mut out = BytesMut::new();
        frontend::copy_done(&mut out);
        frontend::terminate(&mut out);
        self.wire.transport.write_all(&out).await.retriable(doing)?;
        self.wire.transport.flush().await.retriable(doing)?;
        // What still comes was not handed on; the next start reads it again.
        while self
            .wire
            .transport
            .read_buf(&mut self.wire.incoming)
            .await
            .retriable(doing)?
            > 0
        {
            self.wire.incoming.clear();
            self.wire.incoming.reserve(DRAIN_BYTES);
        }
        Ok(())
    }

    /// After ReadyForQuery was seen: the session, for the next statement.
    pub fn into_wire(self) -> Wire {
        self.wire
    }
}

/// What an ErrorResponse inside a stream says.
pub fn error_in_stream(body: &[u8]) -> ServerError {
    message::server_error(body)
}
