//! Opens a session on a server: DNS, TCP, TLS, login. Each step has its own errors.

use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_postgres::config::{SslMode as ClientSslMode, SslNegotiation};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::{Answer, classify, is_read_only, is_standby};
use super::session::{Connection, PreparedStream, cause_of};
use super::tls::{self, Secured};
use crate::config::database::{DatabaseConfig, Login, SslMode};
use crate::net::dial::{self, Keepalive, within};
use crate::net::wire::Wire;
use crate::net::{ConnectError, Kind, Step, tls as net_tls};

/// The options of one connection.
#[derive(Clone, Debug)]
pub struct Options {
    /// The time from the name lookup to an open session.
    pub timeout: Duration,
    pub keepalive: Keepalive,
    /// Settings of the session, as in PGOPTIONS: `-c lock_timeout=10s`. Many poolers refuse them.
    pub settings: Option<String>,
    /// If true, a standby is an error.
    pub writable: bool,
    /// If false, a login or a database that is read-only by a setting is an error, too.
    pub only_reads: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            keepalive: Keepalive::SHORT,
            settings: None,
            writable: true,
            only_reads: false,
        }
    }
}

/// Opens a session.
///
/// # Errors
/// The step that failed, the cause, the class that says whether waiting helps, and a hint.
pub async fn connect(
    config: &DatabaseConfig,
    login: &Login,
    database: &str,
    application_name: &str,
    options: &Options,
) -> Result<Connection, ConnectError> {
    Server::new(config)?.connect(login, database, application_name, options).await
}

/// The databases to which an administrator's login can connect, in the order to try them.
pub fn maintenance_databases(config: &DatabaseConfig, login: &Login) -> Vec<String> {
    let mut names = match &config.admin_database {
        Some(name) => vec![name.clone()],
        None => vec![login.user.clone(), "postgres".into()],
    };
    names.dedup();
    names
}

/// A server's address and its parsed certificate files, shared by many attempts.
pub struct Server {
    host: String,
    port: u16,
    mode: SslMode,
    connector: Option<MakeRustlsConnect>,
}

impl Server {
    /// Reads the certificate files.
    ///
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

    /// Opens a session, as [`connect`] does.
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
        // We do the TLS handshake ourselves: tokio-postgres gets a stream that is encrypted from the start.
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
            // As libpq's `prefer` does: pg_hba.conf may admit this login only without encryption.
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
        if options.writable && !options.only_reads && session.is_read_only(deadline).await? {
            return Err(is_read_only(&login.user, database));
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
            Secured::RetryUnencrypted(error) => {
                tracing::debug!(
                    event = "postgres.tls_fallback", %error,
                    "TLS failed and is only preferred: connecting without encryption"
                );
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
            let (client, driver) = config
                .connect_raw(wire, PreparedStream)
                .await
                .map_err(|error| self.explain(&error, config))?;
            Ok(Connection::drive(client, driver, encrypted))
        })
        .await
    }

    fn explain(&self, error: &tokio_postgres::Error, config: &tokio_postgres::Config) -> ConnectError {
        let user = config.get_user().unwrap_or_default();
        if let Some(refusal) = net_tls::refusal(error) {
            return net_tls::explain(refusal, &self.host, "DB_SSLROOTCERT", tls::CLIENT_CERTIFICATE_HINT);
        }
        if let Some(answer) = error.as_db_error() {
            let answer = Answer { code: answer.code().code(), message: answer.message() };
            return classify(answer, user, config.get_dbname().unwrap_or_default());
        }
        if config.get_password().is_none() && cause_of(error) == "password missing" {
            let cause = format!("the server requires a password for `{user}`, and none is configured");
            let hint = "set DB_PASSWORD or DB_PASSWORD_FILE";
            return ConnectError::new(Step::Login, Kind::PasswordMissing, cause, hint);
        }
        let cause = format!("the connection ended during the login: {}", cause_of(error));
        ConnectError::new(Step::Login, Kind::Lost, cause, "check the server's log")
    }
}
