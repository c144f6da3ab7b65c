//! DNS, TCP, TLS, login: one session on one server, each step failing as itself.

use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_postgres::config::{SslMode as ClientSslMode, SslNegotiation};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::{Answer, classify, is_standby};
use super::session::{AsItIs, Connection, cause_of};
use super::tls::{self, Secured};
use crate::config::database::{DatabaseConfig, Login, SslMode};
use crate::net::dial::{self, Keepalive, within};
use crate::net::wire::Wire;
use crate::net::{ConnectError, Kind, Step, tls as net_tls};

/// How one connection is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// For the whole way, from the name to a session.
    pub timeout: Duration,
    pub keepalive: Keepalive,
    /// Settings of the session, as in PGOPTIONS: `-c lock_timeout=10s`. Many poolers refuse them.
    pub settings: Option<String>,
    /// A standby is an error then.
    pub writable: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(10), keepalive: Keepalive::SHORT, settings: None, writable: true }
    }
}

/// Opens a session.
///
/// # Errors
/// The step that failed, why, whether waiting helps, and what to mend.
pub async fn connect(
    config: &DatabaseConfig,
    login: &Login,
    database: &str,
    application_name: &str,
    options: &Options,
) -> Result<Connection, ConnectError> {
    Server::new(config)?.connect(login, database, application_name, options).await
}

/// The databases in which an administrator's login can look around, in the order to try them.
pub fn maintenance_databases(config: &DatabaseConfig, login: &Login) -> Vec<String> {
    let mut names = match &config.admin_database {
        Some(name) => vec![name.clone()],
        None => vec![login.user.clone(), "postgres".into()],
    };
    names.dedup();
    names
}

/// A server's address with its certificate files read: what many attempts share.
pub struct Server {
    host: String,
    port: u16,
    mode: SslMode,
    connector: Option<MakeRustlsConnect>,
}

impl Server {
    /// # Errors
    /// A certificate file that cannot be used.
    pub fn new(config: &DatabaseConfig) -> Result<Self, ConnectError> {
        Ok(Self {
            host: config.host.clone(),
            port: config.port,
            mode: config.tls.mode,
            connector: tls::connector(&config.tls)?,
        })
    }

    /// As [`connect`], for one attempt of many.
    pub async fn connect(
        &self,
        login: &Login,
        database: &str,
        application_name: &str,
        options: &Options,
    ) -> Result<Connection, ConnectError> {
        let deadline = Instant::now() + options.timeout;
        let mut config = tokio_postgres::Config::new();
        config.user(&login.user).dbname(database).application_name(application_name);
        // Encryption is done by then: to tokio-postgres it is a stream that starts encrypted.
        config.ssl_mode(ClientSslMode::Require).ssl_negotiation(SslNegotiation::Direct);
        if let Some(password) = &login.password {
            config.password(password.expose_secret());
        }
        if let Some(settings) = &options.settings {
            config.options(settings);
        }
        let wire = self.wire(options.keepalive, deadline).await?;
        let was_encrypted = matches!(wire, Wire::Tls(_));
        let session = match self.log_in(wire, &config, deadline).await {
            // libpq's `prefer`: pg_hba.conf may admit this login in clear only.
            Err(error)
                if self.mode == SslMode::Prefer && was_encrypted && error.kind == Kind::NotAdmitted =>
            {
                let socket = self.socket(options.keepalive, deadline).await?;
                self.log_in(Wire::Tcp(socket), &config, deadline).await.map_err(|_| error)?
            }
            session => session?,
        };
        if options.writable && session.is_standby(deadline).await? {
            return Err(is_standby(&self.host));
        }
        Ok(session)
    }

    /// A stream to the server on which the protocol can start.
    pub async fn wire(&self, keepalive: Keepalive, deadline: Instant) -> Result<Wire, ConnectError> {
        if self.host.starts_with('/') {
            let path = Path::new(&self.host).join(format!(".s.PGSQL.{}", self.port));
            return dial::unix(&path, deadline).await.map(Wire::Unix);
        }
        let socket = self.socket(keepalive, deadline).await?;
        let Some(connector) = &self.connector else { return Ok(Wire::Tcp(socket)) };
        let secured = tls::secure(socket, &self.host, self.mode, connector);
        match within(deadline, Step::Tls, &self.target(), secured).await? {
            Secured::Wire(wire) => Ok(wire),
            Secured::TryInClear(error) => {
                tracing::debug!(%error, "TLS failed and is only preferred: going on in clear");
                self.socket(keepalive, deadline).await.map(Wire::Tcp)
            }
        }
    }

    async fn socket(&self, keepalive: Keepalive, deadline: Instant) -> Result<TcpStream, ConnectError> {
        let addresses = dial::resolve(&self.host, self.port, deadline).await?;
        dial::tcp(&addresses, keepalive, deadline).await
    }

    /// Host and port as an operator writes them.
    pub fn target(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    async fn log_in(
        &self,
        wire: Wire,
        config: &tokio_postgres::Config,
        deadline: Instant,
    ) -> Result<Connection, ConnectError> {
        let encrypted = matches!(wire, Wire::Tls(_));
        within(deadline, Step::Login, &self.target(), async {
            let (client, driver) =
                config.connect_raw(wire, AsItIs).await.map_err(|error| self.judge(&error, config))?;
            Ok(Connection::drive(client, driver, encrypted))
        })
        .await
    }

    fn judge(&self, error: &tokio_postgres::Error, config: &tokio_postgres::Config) -> ConnectError {
        let user = config.get_user().unwrap_or_default();
        if let Some(refusal) = net_tls::refusal(error) {
            return net_tls::explain(refusal, &self.host, "DB_SSLROOTCERT", tls::WANTS_CLIENT);
        }
        if let Some(answer) = error.as_db_error() {
            let answer = Answer { code: answer.code().code(), message: answer.message() };
            return classify(answer, user, config.get_dbname().unwrap_or_default());
        }
        if config.get_password().is_none() && cause_of(error) == "password missing" {
            let cause = format!("the server wants a password for `{user}`, and none is given");
            let hint = "set DB_PASSWORD or DB_PASSWORD_FILE";
            return ConnectError::new(Step::Login, Kind::PasswordMissing, cause, hint);
        }
        let cause = format!("the login broke off: {}", cause_of(error));
        ConnectError::new(Step::Login, Kind::Lost, cause, "look at the server's own log")
    }
}
