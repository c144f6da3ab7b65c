//! A server behind a unix socket: relays each connection to it, with the TLS of its settings. A program without a network
//! reaches one role and one database of that server, and nothing else.
//!
//! ```text
//!   program ──unix socket──▶ startup: that role, that database? ──TLS──▶ server
//!                            offer of SCRAM: without channel binding
//!                            everything after it: unchanged
//! ```

mod messages;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use self::messages::{Request, error_response, without_channel_binding};
use super::connect::Server;
use crate::net::dial::Keepalive;
use crate::net::wire::Wire;

/// The port in the name of the socket.
pub const PORT: u16 = 5432;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause after an accept that failed: no descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Longer than any message of a login.
const MAX_MESSAGE_BYTES: u32 = 64 * 1024;
/// The answer to a request to encrypt.
const NOT_ENCRYPTED: &[u8] = b"N";

/// A relay, whose connections end when this is dropped.
pub struct Relay(JoinHandle<()>);

impl Relay {
    /// Listens in `folder`. `name` is the role and the database that are admitted.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn start(server: Server, folder: &Path, name: &str) -> io::Result<Self> {
        let listener = UnixListener::bind(folder.join(format!(".s.PGSQL.{PORT}")))?;
        let shared = Arc::new((server, name.to_string()));
        Ok(Self(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let Ok((client, _)) = listener.accept().await else {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                while connections.try_join_next().is_some() {}
                let shared = shared.clone();
                connections.spawn(async move {
                    if let Err(error) = relay(client, &shared.0, &shared.1).await {
                        tracing::debug!(event = "postgres.relay_ended", %error, "a relayed connection ended");
                    }
                });
            }
        })))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn relay(mut client: UnixStream, server: &Server, name: &str) -> io::Result<()> {
    let first = loop {
        let message = read_first(&mut client).await?;
        match Request::of(&message) {
            Request::Encryption => client.write_all(NOT_ENCRYPTED).await?,
            Request::Cancel => break message,
            Request::Session { user, database } if user == name && database == name => break message,
            Request::Session { .. } | Request::Unknown => {
                let text = "this socket admits one role to one database";
                return client.write_all(&error_response("28000", text)).await;
            }
        }
    };
    let mut wire = match server.wire(Keepalive::SHORT, Instant::now() + CONNECT_TIMEOUT).await {
        Ok(wire) => wire,
        Err(error) => return client.write_all(&error_response("08001", &error.to_string())).await,
    };
    wire.write_all(&first).await?;
    wire.flush().await?;
    relay_offer(&mut wire, &mut client).await?;
    copy_bidirectional(&mut client, &mut wire).await.map(drop)
}

/// Relays the server's messages up to its request to authenticate.
async fn relay_offer(wire: &mut Wire, client: &mut UnixStream) -> io::Result<()> {
    loop {
        let kind = match wire.read_u8().await {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            kind => kind?,
        };
        let mut body = read_body(wire).await?;
        if kind == b'R' {
            body = without_channel_binding(body);
        }
        let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
        client.write_all(&[&[kind][..], &length.to_be_bytes(), &body].concat()).await?;
        if kind == b'R' {
            return Ok(());
        }
    }
}

/// Reads the client's first message, which has no kind, with its length.
async fn read_first(client: &mut UnixStream) -> io::Result<Vec<u8>> {
    let body = read_body(client).await?;
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    Ok([&length.to_be_bytes()[..], &body].concat())
}

async fn read_body(stream: &mut (impl AsyncReadExt + Unpin)) -> io::Result<Vec<u8>> {
    let length = stream.read_u32().await?;
    if !(4..=MAX_MESSAGE_BYTES).contains(&length) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not PostgreSQL's protocol"));
    }
    let mut body = vec![0; length as usize - 4];
    stream.read_exact(&mut body).await?;
    Ok(body)
}
