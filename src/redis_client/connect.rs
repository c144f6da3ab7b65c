//! DNS, TCP, TLS, login, database: one connection to one Redis, each step failing as itself.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ErrorKind, Pipeline, RedisConnectionInfo, RedisError, Value};
use secrecy::ExposeSecret;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::classify;
use super::login::RedisLogin;
use crate::config::redis_url::RedisUrl;
use crate::net::dial::{self, Keepalive, within};
use crate::net::tls::{self, Files, Verify};
use crate::net::wire::Wire;
use crate::net::{ConnectError, Kind, Step};

const SERVER_LOG_HINT: &str = "look at Redis's own log; a server that speaks TLS only needs rediss://";

/// How one connection is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// For the whole way, from the name to a PONG.
    pub timeout: Duration,
    pub keepalive: Keepalive,
    /// For each later command.
    pub response_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            keepalive: Keepalive::SHORT,
            response_timeout: Duration::from_secs(5),
        }
    }
}

/// A server's address and login with its CA file read: what many attempts share.
pub struct Server {
    url: RedisUrl,
    variable: &'static str,
    /// None for a unix socket.
    address: Option<(String, u16)>,
    login: RedisLogin,
    connector: Option<MakeRustlsConnect>,
}

impl Server {
    /// `variable` is the setting the URL came from, for the hints; `ca` is REDIS_TLS_CA.
    ///
    /// # Errors
    /// A CA file that cannot be used.
    pub fn new(url: &RedisUrl, ca: Option<&PathBuf>, variable: &'static str) -> Result<Self, ConnectError> {
        let login = RedisLogin::of(url);
        let connector = if url.is_tls() {
            let files = Files {
                roots: ca.or(login.ca.as_ref()),
                client: None,
                roots_variable: "REDIS_TLS_CA",
                client_variables: ("", ""),
            };
            let verify = if login.unverified { Verify::Nothing } else { Verify::ChainAndName };
            Some(tls::connector(verify, &files)?)
        } else {
            None
        };
        Ok(Self { url: url.clone(), variable, address: url.address(), login, connector })
    }

    /// Where and as whom, password included.
    pub fn url(&self) -> &RedisUrl {
        &self.url
    }

    /// Host and port, or the socket's path, as an operator writes them.
    pub fn target(&self) -> String {
        match (&self.address, &self.login.socket) {
            (Some((host, port)), _) if host.contains(':') => format!("[{host}]:{port}"),
            (Some((host, port)), _) => format!("{host}:{port}"),
            (None, Some(path)) => path.display().to_string(),
            (None, None) => String::new(),
        }
    }

    /// Opens a connection that has logged in, chosen its database and answered a PING.
    ///
    /// # Errors
    /// The step that failed, why, whether waiting helps, and what to mend.
    pub async fn connect(&self, options: &Options) -> Result<Connection, ConnectError> {
        let deadline = Instant::now() + options.timeout;
        let wire = self.wire(options.keepalive, deadline).await?;
        within(deadline, Step::Login, &self.target(), async {
            // Nothing of the login goes through the client's own greeting, which hides Redis's words.
            let greeting = RedisConnectionInfo::default().set_skip_set_lib_name();
            let config = AsyncConnectionConfig::new().set_response_timeout(Some(options.response_timeout));
            let (connection, driver) = MultiplexedConnection::new_with_config(&greeting, wire, config)
                .await
                .map_err(|error| self.broken(&error))?;
            let mut connection = Connection { connection, driver: tokio::spawn(driver) };
            self.log_in(&mut connection).await?;
            Ok(connection)
        })
        .await
    }

    async fn wire(&self, keepalive: Keepalive, deadline: Instant) -> Result<Wire, ConnectError> {
        let Some((host, port)) = &self.address else {
            let path = self.login.socket.clone().unwrap_or_default();
            return dial::unix(&path, deadline).await.map(Wire::Unix);
        };
        let addresses = dial::resolve(host, *port, deadline).await?;
        let socket = dial::tcp(&addresses, keepalive, deadline).await?;
        let Some(connector) = &self.connector else { return Ok(Wire::Tcp(socket)) };
        within(deadline, Step::Tls, &self.target(), async {
            tls::handshake(connector, host, socket).await.map_err(|error| match tls::refusal(&error) {
                Some(refusal) => self.refused(host, refusal),
                None => {
                    let cause = format!("`{host}` ended the TLS handshake: {}", dial::reason(&error));
                    let hint = "check that this port of Redis speaks TLS (tls-port)";
                    ConnectError::new(Step::Tls, Kind::Lost, cause, hint)
                }
            })
        })
        .await
    }

    fn refused(&self, host: &str, refusal: &rustls::Error) -> ConnectError {
        let wants_client =
            "Redis may want a client certificate, its default: set `tls-auth-clients no` there";
        tls::explain(refusal, host, "REDIS_TLS_CA", wants_client)
    }

    /// AUTH, SELECT and PING in one round trip; the first error is the one that counts.
    async fn log_in(&self, connection: &mut MultiplexedConnection) -> Result<(), ConnectError> {
        let mut commands = Pipeline::new();
        if let Some(password) = &self.login.password {
            let auth = commands.cmd("AUTH");
            if let Some(user) = &self.login.user {
                auth.arg(user);
            }
            auth.arg(password.expose_secret());
        }
        if self.login.database != 0 {
            commands.cmd("SELECT").arg(self.login.database);
        }
        commands.cmd("PING");
        let count = commands.len();
        let replies = connection
            .send_packed_commands(&commands, 0, count)
            .await
            .map_err(|error| self.broken(&error))?;
        let refusal = replies.iter().find_map(|reply| match reply {
            Value::ServerError(error) => Some(error),
            _ => None,
        });
        match refusal {
            Some(error) => Err(classify(error.code(), error.details().unwrap_or_default(), self.variable)),
            None => Ok(()),
        }
    }

    /// An error that is not a reply.
    fn broken(&self, error: &RedisError) -> ConnectError {
        if let Some(refusal) = tls::refusal(error) {
            let host = self.address.as_ref().map_or("", |(host, _)| host);
            return self.refused(host, refusal);
        }
        if let (ErrorKind::Server(_) | ErrorKind::Extension, Some(code)) = (error.kind(), error.code()) {
            return classify(code, error.detail().unwrap_or_default(), self.variable);
        }
        if error.kind() == ErrorKind::Parse {
            let cause = format!("what answers at `{}` is not Redis", self.target());
            let hint = format!("check host and port in {}", self.variable);
            return ConnectError::new(Step::Login, Kind::OtherProtocol, cause, hint);
        }
        let cause = format!("the connection broke off: {}", error.to_string().to_lowercase());
        ConnectError::new(Step::Login, Kind::Lost, cause, SERVER_LOG_HINT)
    }
}

/// A connection, which ends when this is dropped.
pub struct Connection {
    connection: MultiplexedConnection,
    driver: JoinHandle<()>,
}

impl Deref for Connection {
    type Target = MultiplexedConnection;

    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.connection
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
