//! A TCP socket that can rest: for a while no arriving segment wakes anyone.
//!
//! The runtime watches sockets edge-triggered, so each segment that arrives costs a wake-up even while nobody reads. With a
//! backlog that is most of what receiving costs; a reader that waits for more on purpose takes its socket off the watch.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The socket.
#[derive(Debug)]
pub(crate) enum Socket {
    /// Watched by the runtime.
    Watched(TcpStream),
    /// Not watched; the next use puts it back.
    Resting(std::net::TcpStream),
    /// Taking it off or putting it back failed.
    Lost,
}

impl Socket {
    /// Takes the socket off the watch until its next use.
    pub(crate) fn rest(&mut self) -> io::Result<()> {
        match std::mem::replace(self, Self::Lost) {
            Self::Watched(stream) => *self = Self::Resting(stream.into_std()?),
            other => *self = other,
        }
        Ok(())
    }

    fn watched(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        if let Self::Resting(_) = self
            && let Self::Resting(stream) = std::mem::replace(self, Self::Lost)
        {
            *self = Self::Watched(TcpStream::from_std(stream)?);
        }
        match self {
            Self::Watched(stream) => Ok(Pin::new(stream)),
            _ => Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "the socket could not be watched",
            )),
        }
    }
}

impl AsyncRead for Socket {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_mut().watched()?.poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().watched()?.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().watched()?.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().watched()?.poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn what_arrives_during_a_rest_is_read_after_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut peer, _) = listener.accept().await.unwrap();
        let mut socket = Socket::Watched(stream);
        let mut buffer = [0; 8];
        for round in 0..3 {
            socket.rest().unwrap();
            peer.write_all(&[round; 4]).await.unwrap();
            assert_eq!(socket.read(&mut buffer).await.unwrap(), 4);
            assert_eq!(buffer[..4], [round; 4]);
            socket.rest().unwrap();
            socket.rest().unwrap();
            socket.write_all(b"ok").await.unwrap();
            assert_eq!(peer.read_u16().await.unwrap(), u16::from_be_bytes(*b"ok"));
        }
    }
}
