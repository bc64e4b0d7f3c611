//! The little of the wire protocol that a bare reader needs: no TLS, no password, blocking.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

/// Where a server is that trusts the role.
#[derive(Debug, Clone)]
pub struct Address {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The role.
    pub user: String,
    /// The database.
    pub database: String,
}

/// A replication session.
#[derive(Debug)]
pub struct Wire {
    pub(super) socket: TcpStream,
    /// The process that serves it.
    pub pid: u32,
}

impl Wire {
    /// Opens a session in replication mode.
    ///
    /// # Errors
    /// The socket's, and what the server says.
    pub fn open(address: &Address) -> io::Result<Self> {
        let mut socket = TcpStream::connect((address.host.as_str(), address.port))?;
        socket.set_nodelay(true)?;
        let mut body = 196_608u32.to_be_bytes().to_vec();
        for (key, value) in [
            ("user", address.user.as_str()),
            ("database", &address.database),
            ("replication", "database"),
            ("application_name", "rowtide-bench"),
        ] {
            body.extend_from_slice(key.as_bytes());
            body.push(0);
            body.extend_from_slice(value.as_bytes());
            body.push(0);
        }
        body.push(0);
        socket.write_all(&(body.len() as u32 + 4).to_be_bytes())?;
        socket.write_all(&body)?;
        let mut wire = Self { socket, pid: 0 };
        loop {
            match wire.message()? {
                (b'K', body) => wire.pid = number(&body),
                (b'R', body) if number(&body) != 0 => {
                    return Err(io::Error::other(
                        "the server asks for a password: the bench expects the trust of compose/stack",
                    ));
                }
                (b'Z', _) => return Ok(wire),
                _ => {}
            }
        }
    }

    /// Begins streaming; what follows are CopyData messages.
    ///
    /// # Errors
    /// The socket's, and what the server says.
    pub fn start(&mut self, slot: &str, options: &str) -> io::Result<()> {
        let command = format!("START_REPLICATION SLOT {slot} LOGICAL 0/0 ({options})\0");
        self.socket.write_all(b"Q")?;
        self.socket.write_all(&(command.len() as u32 + 4).to_be_bytes())?;
        self.socket.write_all(command.as_bytes())?;
        while self.message()?.0 != b'W' {}
        Ok(())
    }

    /// One message: tag and body.
    fn message(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 5];
        self.socket.read_exact(&mut head)?;
        let length = number(&head[1..]) as usize;
        let mut body = vec![0; length.saturating_sub(4)];
        self.socket.read_exact(&mut body)?;
        match head[0] {
            b'E' => Err(refusal(&body)),
            tag => Ok((tag, body)),
        }
    }

    /// Answers a keep-alive: everything up to `lsn` was received; nothing is released, the slot is dropped afterwards.
    pub(super) fn answer(&mut self, lsn: u64) -> io::Result<()> {
        let mut frame = vec![b'd', 0, 0, 0, 38, b'r'];
        frame.extend_from_slice(&lsn.to_be_bytes());
        frame.extend_from_slice(&[0; 25]);
        self.socket.write_all(&frame)
    }
}

/// What an ErrorResponse says.
pub(super) fn refusal(body: &[u8]) -> io::Error {
    let fields = body.split(|byte| *byte == 0);
    let text = fields
        .filter_map(|field| field.strip_prefix(b"M"))
        .map(String::from_utf8_lossy)
        .next();
    io::Error::new(
        ErrorKind::ConnectionRefused,
        text.unwrap_or_default().into_owned(),
    )
}

fn number(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |chunk| u32::from_be_bytes(*chunk))
}
