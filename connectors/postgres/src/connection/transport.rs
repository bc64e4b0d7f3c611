//! The socket under a session: plain or inside TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use rowtide_api::{Error, ResultExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::client::TlsStream;

use super::config::{Host, Settings, SslMode};
use super::socket::Socket;
use super::tls;

/// A connected socket.
pub(crate) enum Transport {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

/// Whether an attempt uses TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encryption {
    /// Never.
    None,
    /// If the server has it.
    Offered,
    /// Or not at all.
    Required,
}

/// The attempts a mode makes, in order; a later one is made when the server refuses the earlier one by its host rules.
pub(crate) fn attempts(mode: SslMode) -> &'static [Encryption] {
    match mode {
        SslMode::Disable => &[Encryption::None],
        SslMode::Allow => &[Encryption::None, Encryption::Required],
        SslMode::Prefer => &[Encryption::Offered, Encryption::None],
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => &[Encryption::Required],
    }
}

impl Transport {
    /// Connects to one host.
    pub(crate) async fn connect(
        settings: &Settings,
        host: &Host,
        encryption: Encryption,
    ) -> Result<Self, Error> {
        let socket = Socket::Watched(tcp(settings, host).await?);
        if encryption == Encryption::None {
            return Ok(Self::Plain(socket));
        }
        secure(settings, host, socket, encryption).await
    }

    /// Takes the socket off the runtime's watch until its next use.
    pub(crate) fn rest(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.rest(),
            Self::Tls(stream) => stream.get_mut().0.rest(),
        }
    }
}

async fn tcp(settings: &Settings, host: &Host) -> Result<TcpStream, Error> {
    let connecting = || format!("connecting to {host}");
    let addresses = tokio::net::lookup_host((host.name.as_str(), host.port))
        .await
        .map_err(|cause| {
            Error::retriable(format!("looking up {}", host.name))
                .hint("check the host name")
                .because(cause)
        })?;
    let mut failure = None;
    for address in addresses {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }
        .retriable(connecting())?;
        // The receive buffer is left to the kernel: its own tuning goes beyond what `net.core.rmem_max` lets us ask for.
        socket
            .set_keepalive(settings.tcp_keepalive)
            .retriable(connecting())?;
        match socket.connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true).retriable(connecting())?;
                return Ok(stream);
            }
            Err(cause) => failure = Some(cause),
        }
    }
    let error = Error::retriable(connecting()).hint("check host and port, and that the server runs");
    Err(match failure {
        Some(cause) => error.because(cause),
        None => error,
    })
}

async fn secure(
    settings: &Settings,
    host: &Host,
    mut socket: Socket,
    encryption: Encryption,
) -> Result<Transport, Error> {
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    let asking = || format!("asking {host} for TLS");
    socket.write_all(&request).await.retriable(asking())?;
    match socket.read_u8().await.retriable(asking())? {
        b'S' => {
            let connector = tls::connector(&settings.tls).await?;
            let name = tls::server_name(host)?;
            let stream = connector
                .connect(name, socket)
                .await
                .map_err(|cause| tls::failure(host, cause))?;
            Ok(Transport::Tls(Box::new(stream)))
        }
        b'N' if encryption == Encryption::Offered => Ok(Transport::Plain(socket)),
        b'N' => Err(Error::fatal(format!("{host} does not offer TLS"))
            .hint("turn on ssl in the server, or set database.sslmode=prefer or disable")),
        _ => Err(
            Error::fatal(format!("{host} does not answer as a Postgres server")).hint("check host and port"),
        ),
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}
