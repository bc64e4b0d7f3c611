//! A `tokio_postgres` client over our transport, with the task that drives it.

use std::ops::Deref;

use rowtide_api::Error;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};
use tracing::Instrument as _;

use super::config::{Host, Purpose, SESSION, Settings};
use super::message::Row;
use super::transport::{Encryption, Transport, attempts};
use crate::errors;

/// A client for statements; dropping it ends the session and the task that drives it.
pub struct Connection {
    client: Client,
    driver: JoinHandle<()>,
    sent_away: watch::Receiver<bool>,
}

impl Deref for Connection {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    /// Runs statements of the simple protocol and returns the rows of all of them, as text. Cancel-safe: a dropped call
    /// leaves the session usable.
    ///
    /// # Errors
    /// Classified by SQLSTATE.
    pub async fn rows(&self, sql: &str, doing: &str) -> Result<Vec<Row>, Error> {
        let messages = self
            .client
            .simple_query(sql)
            .await
            .map_err(|error| errors::of_client(error, doing))?;
        let rows = messages.into_iter().filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(
                (0..row.len())
                    .map(|index| row.get(index).map(str::to_owned))
                    .collect(),
            ),
            _ => None,
        });
        Ok(rows.collect())
    }

    /// Ends when the server has ended this session by an operator's command, as it does with every session first of all when
    /// it shuts down. Never ends when the session ends otherwise.
    pub fn sent_away(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut sent_away = self.sent_away.clone();
        async move {
            if sent_away.wait_for(|sent_away| *sent_away).await.is_err() {
                std::future::pending().await
            }
        }
    }
}

/// Opens a client on the first host that answers, TLS as the settings ask.
///
/// # Errors
/// Fatal when the server refuses the role, the database or the TLS mode; retriable when no host answers in time.
pub async fn connect(settings: &Settings, purpose: Purpose) -> Result<Connection, Error> {
    let mut last = None;
    for host in &settings.hosts {
        let ways = attempts(settings.tls.mode);
        for (index, encryption) in ways.iter().enumerate() {
            let attempt = attempt(settings, host, *encryption, purpose);
            match tokio::time::timeout(settings.connect_timeout, attempt).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) if index + 1 < ways.len() && errors::sqlstate(&error) == Some("28000") => {}
                Ok(Err(error)) if !error.is_retriable() => return Err(error),
                Ok(Err(error)) => {
                    last = Some(error);
                    break;
                }
                Err(_) => {
                    let seconds = settings.connect_timeout.as_secs();
                    last = Some(Error::retriable(format!(
                        "{host} did not answer within {seconds} s"
                    )));
                    break;
                }
            }
        }
    }
    Err(last.unwrap_or_else(|| Error::fatal("no host is configured").hint("set the host of the database")))
}

async fn attempt(
    settings: &Settings,
    host: &Host,
    encryption: Encryption,
    purpose: Purpose,
) -> Result<Connection, Error> {
    let transport = Transport::connect(settings, host, encryption).await?;
    let mut config = Config::new();
    config
        .user(&settings.user)
        .dbname(&settings.database)
        .application_name(purpose.application_name())
        .options(session_options())
        // The transport has dealt with TLS already.
        .ssl_mode(tokio_postgres::config::SslMode::Disable);
    if let Some(password) = &settings.password {
        config.password(password.reveal());
    }
    let doing = format!("opening a session on {} at {host}", settings.database);
    let (client, connection) = config.connect_raw(transport, NoTls).await.map_err(|error| {
        if error.as_db_error().is_none() && settings.password.is_none() && !error.is_closed() {
            Error::fatal(doing.as_str())
                .hint(format!(
                    "the server may ask for a password: set {}",
                    settings.keys.password
                ))
                .because(error)
        } else {
            settings.refused(errors::of_client(error, doing.as_str()))
        }
    })?;
    let (tell, sent_away) = watch::channel(false);
    let driving = async move {
        // The client's own calls report the same failure to whoever made them.
        if let Err(error) = connection.await {
            tell.send_replace(error.code() == Some(&SqlState::ADMIN_SHUTDOWN));
            tracing::debug!(error = %error, "a query session ended");
        }
    };
    let driver = tokio::spawn(driving.in_current_span());
    Ok(Connection {
        client,
        driver,
        sent_away,
    })
}

fn session_options() -> String {
    SESSION
        .map(|(name, value)| format!("-c {name}={value}"))
        .join(" ")
}
