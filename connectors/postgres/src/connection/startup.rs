//! Our own connection: start-up, authentication, simple queries, and the doors to replication and COPY.

use std::io;

use bytes::{Bytes, BytesMut};
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::frontend;
use rowtide_api::{Error, ResultExt, Secret};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::config::{Host, Purpose, SESSION, Settings};
use super::frame::{HEADER_BYTES, next_frame};
use super::message::{self, AuthRequest};
use super::transport::{Encryption, Transport, attempts};
use crate::errors;

pub use super::message::Row;

/// Room for the first reads; streaming asks for more.
const FIRST_READ_BYTES: usize = 8 << 10;

/// What a session may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Statements.
    Query,
    /// Statements and the commands of logical replication.
    Replication,
}

/// A session of our own. Its calls are not cancel-safe: whoever drops one in the middle drops the connection as well.
pub struct Wire {
    pub(crate) transport: Transport,
    pub(crate) incoming: BytesMut,
    host: Host,
    settings: Settings,
    backend: (i32, i32),
}

impl Wire {
    /// Opens a session on the first host that answers.
    ///
    /// # Errors
    /// Fatal when the server refuses the role, the database or the TLS mode; retriable when no host answers in time.
    pub async fn open(settings: &Settings, purpose: Purpose, mode: Mode) -> Result<Self, Error> {
        let mut last = None;
        for host in &settings.hosts {
            match Self::open_host(settings, host, purpose, mode).await {
                Ok(wire) => return Ok(wire),
                Err(error) if !error.is_retriable() => return Err(error),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| Error::fatal("no host is configured").hint("set database.hostname")))
    }

    async fn open_host(
        settings: &Settings,
        host: &Host,
        purpose: Purpose,
        mode: Mode,
    ) -> Result<Self, Error> {
        let ways = attempts(settings.tls.mode);
        for (index, encryption) in ways.iter().enumerate() {
            let attempt = Self::attempt(settings, host, *encryption, purpose, mode);
            let result = tokio::time::timeout(settings.connect_timeout, attempt)
                .await
                .unwrap_or_else(|_| {
                    let seconds = settings.connect_timeout.as_secs();
                    Err(Error::retriable(format!(
                        "{host} did not answer within {seconds} s"
                    )))
                });
            match result {
                // The server has no rule for this kind of connection; the mode allows the other kind.
                Err(error) if index + 1 < ways.len() && errors::sqlstate(&error) == Some("28000") => {}
                result => return result,
            }
        }
        Err(Error::fatal(format!(
            "{host} accepts neither plain nor TLS connections"
        )))
    }

    async fn attempt(
        settings: &Settings,
        host: &Host,
        encryption: Encryption,
        purpose: Purpose,
        mode: Mode,
    ) -> Result<Self, Error> {
        let mut wire = Self {
            transport: Transport::connect(settings, host, encryption).await?,
            incoming: BytesMut::with_capacity(FIRST_READ_BYTES),
            host: host.clone(),
            settings: settings.clone(),
            backend: (0, 0),
        };
        let mut parameters = vec![
            ("user", settings.user.as_str()),
            ("database", settings.database.as_str()),
            ("application_name", purpose.application_name()),
            ("client_encoding", "UTF8"),
        ];
        parameters.extend(SESSION);
        if mode == Mode::Replication {
            parameters.push(("replication", "database"));
        }
        let opening = format!("opening a session on {} at {host}", settings.database);
        wire.send(|out| frontend::startup_message(parameters, out), &opening)
            .await?;
        wire.authenticate(&opening).await?;
        wire.await_ready(&opening).await?;
        Ok(wire)
    }

    async fn authenticate(&mut self, doing: &str) -> Result<(), Error> {
        loop {
            let (tag, body) = self.message(doing).await?;
            match tag {
                b'R' => match message::auth_request(&body).map_err(|cause| nonsense(doing, cause))? {
                    AuthRequest::Ok => return Ok(()),
                    AuthRequest::Cleartext => {
                        let password = self.password()?;
                        self.send(
                            |out| frontend::password_message(password.reveal().as_bytes(), out),
                            doing,
                        )
                        .await?;
                    }
                    AuthRequest::Md5(salt) => {
                        let password = self.password()?;
                        let user = self.settings.user.as_bytes();
                        let hash = md5_hash(user, password.reveal().as_bytes(), salt);
                        self.send(|out| frontend::password_message(hash.as_bytes(), out), doing)
                            .await?;
                    }
                    AuthRequest::Sasl { scram_sha_256: true } => self.scram(doing).await?,
                    AuthRequest::Sasl { scram_sha_256: false } | AuthRequest::Unsupported => {
                        return Err(Error::fatal(format!(
                            "{doing}: the server asks for an unsupported authentication"
                        ))
                        .hint("use scram-sha-256, md5, password, cert or trust in pg_hba.conf"));
                    }
                },
                b'E' => return Err(message::server_error(&body).into_error(doing)),
                b'N' | b'v' => {}
                _ => return Err(unexpected(doing, tag)),
            }
        }
    }

    async fn scram(&mut self, doing: &str) -> Result<(), Error> {
        let password = self.password()?;
        let mut scram = ScramSha256::new(password.reveal().as_bytes(), ChannelBinding::unsupported());
        self.send(
            |out| frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), out),
            doing,
        )
        .await?;
        let first = self.sasl_step(11, doing).await?;
        scram.update(&first).fatal(doing)?;
        self.send(|out| frontend::sasl_response(scram.message(), out), doing)
            .await?;
        let last = self.sasl_step(12, doing).await?;
        scram.finish(&last).map_err(|cause| {
            Error::fatal(doing)
                .hint("the server does not know the password itself: check database.hostname")
                .because(cause)
        })
    }

    async fn sasl_step(&mut self, step: i32, doing: &str) -> Result<Bytes, Error> {
        let (tag, body) = self.message(doing).await?;
        match tag {
            b'R' if message::sasl_code(&body) == Some(step) => Ok(body.slice(4..)),
            b'E' => Err(message::server_error(&body).into_error(doing)),
            _ => Err(unexpected(doing, tag)),
        }
    }

    fn password(&self) -> Result<Secret, Error> {
        self.settings.password.clone().ok_or_else(|| {
            Error::fatal(format!(
                "{} asks for a password of {}",
                self.host, self.settings.user
            ))
            .hint("set the password")
        })
    }

    async fn await_ready(&mut self, doing: &str) -> Result<(), Error> {
        loop {
            let (tag, body) = self.message(doing).await?;
            match tag {
                b'K' => self.backend = message::backend_key(&body).unwrap_or_default(),
                b'S' | b'N' => {}
                b'Z' => return Ok(()),
                b'E' => return Err(message::server_error(&body).into_error(doing)),
                _ => return Err(unexpected(doing, tag)),
            }
        }
    }

    /// Runs statements and returns the rows of all of them, as text.
    ///
    /// # Errors
    /// Classified by SQLSTATE; the session is usable afterwards.
    pub async fn query(&mut self, sql: &str, doing: &str) -> Result<Vec<Row>, Error> {
        self.send(|out| frontend::query(sql, out), doing).await?;
        let (mut rows, mut failure) = (Vec::new(), None);
        loop {
            let (tag, body) = self.message(doing).await?;
            match tag {
                b'D' => rows.push(message::row(&body).map_err(|cause| nonsense(doing, cause))?),
                b'E' => failure = Some(message::server_error(&body).into_error(doing)),
                b'Z' => return failure.map_or(Ok(rows), Err),
                b'T' | b'C' | b'I' | b'N' | b'S' => {}
                _ => return Err(unexpected(doing, tag)),
            }
        }
    }

    /// Starts a statement that answers with a stream: `W` after START_REPLICATION, `H` after COPY TO STDOUT.
    pub(crate) async fn start_stream(&mut self, sql: &str, answer: u8, doing: &str) -> Result<(), Error> {
        self.send(|out| frontend::query(sql, out), doing).await?;
        loop {
            let (tag, body) = self.message(doing).await?;
            match tag {
                b'E' => return Err(message::server_error(&body).into_error(doing)),
                b'N' | b'S' => {}
                _ if tag == answer => return Ok(()),
                _ => return Err(unexpected(doing, tag)),
            }
        }
    }

    /// Asks the server, over a second socket, to end the statement this session runs.
    ///
    /// # Errors
    /// When the request could not be delivered.
    pub async fn cancel(&self) -> Result<(), Error> {
        let encryption = match self.transport {
            Transport::Plain(_) => Encryption::None,
            Transport::Tls(_) => Encryption::Required,
        };
        let doing = format!("cancelling a statement on {}", self.host);
        let request = async {
            let mut transport = Transport::connect(&self.settings, &self.host, encryption).await?;
            let mut out = BytesMut::new();
            frontend::cancel_request(self.backend.0, self.backend.1, &mut out);
            transport.write_all(&out).await.retriable(doing.as_str())?;
            transport.shutdown().await.retriable(doing.as_str())
        };
        tokio::time::timeout(self.settings.connect_timeout, request)
            .await
            .unwrap_or_else(|_| Err(Error::retriable(doing.as_str())))
    }

    /// Says good-bye, so that the server frees the session at once.
    pub async fn close(mut self) {
        let mut out = BytesMut::new();
        frontend::terminate(&mut out);
        // The server also notices a closed socket; this only makes it sooner.
        let _ = self.transport.write_all(&out).await;
        let _ = self.transport.shutdown().await;
    }

    async fn send(
        &mut self,
        build: impl FnOnce(&mut BytesMut) -> io::Result<()>,
        doing: &str,
    ) -> Result<(), Error> {
        let mut out = BytesMut::new();
        build(&mut out).fatal(doing)?;
        self.transport.write_all(&out).await.retriable(doing)?;
        self.transport.flush().await.retriable(doing)
    }

    async fn message(&mut self, doing: &str) -> Result<(u8, Bytes), Error> {
        loop {
            let next = next_frame(&self.incoming, 0).map_err(|cause| {
                Error::fatal(doing)
                    .hint("the peer is no Postgres server: check host and port")
                    .because(cause)
            })?;
            if let Some(frame) = next {
                let message = self.incoming.split_to(frame.body.end).freeze();
                return Ok((frame.tag, message.slice(HEADER_BYTES..)));
            }
            self.incoming.reserve(FIRST_READ_BYTES);
            if self
                .transport
                .read_buf(&mut self.incoming)
                .await
                .retriable(doing)?
                == 0
            {
                return Err(Error::retriable(doing).hint("the server closed the connection"));
            }
        }
    }
}

fn nonsense(doing: &str, cause: super::frame::Malformed) -> Error {
    Error::fatal(doing)
        .hint("the answer breaks the protocol")
        .because(cause)
}

fn unexpected(doing: &str, tag: u8) -> Error {
    Error::fatal(format!(
        "{doing}: unexpected message '{}'",
        char::from(tag).escape_default()
    ))
    .hint("the answer breaks the protocol")
}
