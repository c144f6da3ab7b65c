//! An open session: its client, the task that drives it, and the server's parameters.

use std::convert::Infallible;
use std::future::{Ready, poll_fn, ready};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_postgres::AsyncMessage;
use tokio_postgres::tls::TlsConnect;

use crate::net::dial::within;
use crate::net::wire::Wire;
use crate::net::{ConnectError, Kind, Step};

/// A connector that returns the stream unchanged: it is already encrypted, or will not be.
pub struct PreparedStream;

impl TlsConnect<Wire> for PreparedStream {
    type Stream = Wire;
    type Error = Infallible;
    type Future = Ready<Result<Wire, Infallible>>;

    fn connect(self, wire: Wire) -> Self::Future {
        ready(Ok(wire))
    }
}

/// A session. It ends when this is dropped.
pub struct Connection {
    client: tokio_postgres::Client,
    driver: JoinHandle<()>,
    closed: watch::Receiver<Option<String>>,
    notified: Arc<Notify>,
    version: String,
    hot_standby: Option<bool>,
    read_only: Option<bool>,
    encrypted: bool,
}

impl Connection {
    /// Drives the session of a successful login in a task.
    pub fn drive(
        client: tokio_postgres::Client,
        mut driver: tokio_postgres::Connection<Wire, Wire>,
        encrypted: bool,
    ) -> Self {
        let parameter = |name: &str| driver.parameter(name).map(str::to_string);
        let (version, hot_standby) = (parameter("server_version"), parameter("in_hot_standby"));
        let read_only = parameter("default_transaction_read_only");
        let (closed_sender, closed) = watch::channel(None);
        let notified = Arc::new(Notify::new());
        let notify = notified.clone();
        let driver = tokio::spawn(async move {
            let reason = loop {
                match poll_fn(|context| driver.poll_message(context)).await {
                    Some(Ok(AsyncMessage::Notification(_))) => notify.notify_one(),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => break cause_of(&error),
                    None => break "closed".to_string(),
                }
            };
            let _ = closed_sender.send(Some(reason));
        });
        Self {
            client,
            driver,
            closed,
            notified,
            version: version.unwrap_or_default(),
            hot_standby: hot_standby.map(|value| value == "on"),
            read_only: read_only.map(|value| value == "on"),
            encrypted,
        }
    }

    /// True if the session is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Waits until the session ends, and returns the reason.
    pub async fn closed(&self) -> String {
        let mut closed = self.closed.clone();
        match closed.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => "the session's driver ended".into(),
        }
    }

    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Waits at most `at_most` for a NOTIFY on a channel that this session listens on.
    pub async fn notified(&self, at_most: Duration) {
        let _ = tokio::time::timeout(at_most, self.notified.notified()).await;
    }

    /// The server's version as reported: `15.8 (Debian 15.8-0+deb12u1)`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The backend PID announced at login, which differs from the real one behind a pooler. The client shows it only
    /// in a cancel request, so one is written to a pipe and parsed.
    pub async fn announced_pid(&self) -> Option<i32> {
        let (pipe, mut end) = UnixStream::pair().ok()?;
        self.client.cancel_token().cancel_query_raw(Wire::Unix(pipe), PreparedStream).await.ok()?;
        // Length and request code come first.
        end.read_u64().await.ok()?;
        end.read_i32().await.ok()
    }

    /// True if the server is a standby.
    pub async fn is_standby(&self, deadline: Instant) -> Result<bool, ConnectError> {
        // PostgreSQL 14 and later report it at login.
        match self.hot_standby {
            Some(standby) => Ok(standby),
            None => self.is_true("SELECT pg_is_in_recovery()", deadline).await,
        }
    }

    /// True if the transactions of this session are read-only unless they say otherwise.
    pub async fn is_read_only(&self, deadline: Instant) -> Result<bool, ConnectError> {
        match self.read_only {
            Some(read_only) => Ok(read_only),
            None => {
                self.is_true("SELECT current_setting('default_transaction_read_only')::bool", deadline).await
            }
        }
    }

    async fn is_true(&self, sql: &str, deadline: Instant) -> Result<bool, ConnectError> {
        within(deadline, Step::Database, "the server", async {
            let rows = self.client.simple_query(sql).await.map_err(|error| {
                let hint = "check the server's log";
                ConnectError::new(Step::Database, Kind::Lost, cause_of(&error), hint)
            })?;
            Ok(rows.iter().any(|message| {
                matches!(message, tokio_postgres::SimpleQueryMessage::Row(row) if row.get(0) == Some("t"))
            }))
        })
        .await
    }
}

impl Deref for Connection {
    type Target = tokio_postgres::Client;

    fn deref(&self) -> &Self::Target {
        &self.client
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.client
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The source of an error, which is more specific than its own message.
pub fn cause_of(error: &tokio_postgres::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}
