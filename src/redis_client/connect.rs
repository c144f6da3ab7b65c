//! Opens a connection to a Redis: DNS, TCP, TLS, login, database. Each step has its own errors.

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

/// The codes with which a server refuses every write: it is a replica, its memory is full, it cannot save its data, or it
/// has too few replicas.
const REFUSES_WRITES: [&str; 4] = ["READONLY", "OOM", "MISCONF", "NOREPLICAS"];
const SERVER_LOG_HINT: &str = "check Redis's log; use rediss:// for a server that accepts only TLS";

/// The options of one connection.
#[derive(Clone, Debug)]
pub struct Options {
    /// The time from the name lookup to a PONG.
    pub timeout: Duration,
    pub keepalive: Keepalive,
    /// The time for each later command.
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

/// A server's address, its login and its parsed CA file, shared by many attempts.
pub struct Server {
    url: RedisUrl,
    variable: &'static str,
    /// None for a unix socket.
    address: Option<(String, u16)>,
    login: RedisLogin,
    connector: Option<MakeRustlsConnect>,
}

impl Server {
    /// Reads the CA file. `variable` is the setting that the URL came from, for the hints; `ca` is REDIS_TLS_CA.
    ///
    /// # Errors
    /// A CA file that cannot be used.
    pub fn new(url: &RedisUrl, ca: Option<&PathBuf>, variable: &'static str) -> Result<Self, ConnectError> {
        let login = RedisLogin::of(url);
        let connector = if url.is_tls() {
            let files = Files {
                roots: ca.or(login.ca.as_ref()),
                client: None,
                roots_variable: if ca.is_none() && login.ca.is_some() {
                    "ssl_ca_certs"
                } else {
                    "REDIS_TLS_CA"
                },
                client_variables: ("", ""),
            };
            Some(tls::connector(Verify::ChainAndName, &files)?)
        } else {
            None
        };
        Ok(Self { url: url.clone(), variable, address: url.address(), login, connector })
    }

    /// The URL with its login, password included.
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
    /// The step that failed, the cause, the class that says whether waiting helps, and a hint.
    pub async fn connect(&self, options: &Options) -> Result<Connection, ConnectError> {
        let deadline = Instant::now() + options.timeout;
        let wire = self.wire(options.keepalive, deadline).await?;
        within(deadline, Step::Login, &self.target(), async {
            // We log in ourselves: the client's own greeting hides Redis's error texts.
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
                    let hint = "check that this port of Redis accepts TLS (tls-port)";
                    ConnectError::new(Step::Tls, Kind::Lost, cause, hint)
                }
            })
        })
        .await
    }

    fn refused(&self, host: &str, refusal: &rustls::Error) -> ConnectError {
        let certificate_hint = "set `tls-auth-clients no` in Redis: by default it requires a client certificate, which is not supported";
        tls::explain(refusal, host, "REDIS_TLS_CA", certificate_hint)
    }

    /// Sends AUTH, SELECT and PING in one round trip, and reports the first error.
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

    /// Checks that the server takes writes, with a command that changes nothing and that a full, read-only or failing
    /// server refuses all the same.
    ///
    /// # Errors
    /// The server's reason to take none. What this login may write is not examined.
    pub async fn takes_writes(&self, connection: &mut Connection) -> Result<(), ConnectError> {
        let mut probe = redis::cmd("LPUSHX");
        probe.arg("cauldron:absent").arg("");
        match probe.query_async::<Value>(&mut **connection).await {
            Err(error) if error.code().is_some_and(|code| REFUSES_WRITES.contains(&code)) => {
                Err(self.broken(&error))
            }
            _ => Ok(()),
        }
    }

    /// Classifies an error of the connection.
    fn broken(&self, error: &RedisError) -> ConnectError {
        if let Some(refusal) = tls::refusal(error) {
            let host = self.address.as_ref().map_or("", |(host, _)| host);
            return self.refused(host, refusal);
        }
        if let (ErrorKind::Server(_) | ErrorKind::Extension, Some(code)) = (error.kind(), error.code()) {
            return classify(code, error.detail().unwrap_or_default(), self.variable);
        }
        if error.kind() == ErrorKind::Parse {
            let cause = format!("the server at `{}` is not Redis", self.target());
            let hint = format!("check host and port in {}", self.variable);
            return ConnectError::new(Step::Login, Kind::OtherProtocol, cause, hint);
        }
        let cause = format!("the connection ended: {}", error.to_string().to_lowercase());
        ConnectError::new(Step::Login, Kind::Lost, cause, SERVER_LOG_HINT)
    }
}

/// A connection. It ends when this is dropped.
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
