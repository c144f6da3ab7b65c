//! A session of `doctor`, which only reads.

use super::super::clock::Clock;
use crate::config::database::{DatabaseConfig, Login};
use crate::net::dial::Keepalive;
use crate::net::{ConnectError, Kind};
use crate::postgres::{Connection, Options, Server, maintenance_databases};

const APPLICATION_NAME: &str = "cauldron doctor";
/// Settings that are sent with the login. A server that accepts them enforces that `doctor` only reads, and that
/// it blocks no other session.
const SETTINGS: &str = "-c default_transaction_read_only=on -c statement_timeout=4000 -c lock_timeout=2000";

/// An open session.
pub struct Session {
    pub connection: Connection,
    pub login: Login,
    pub database: String,
    /// The error with which the server refused our settings, if it did.
    pub(super) refusal: Option<ConnectError>,
}

/// The server to check, and the timeout.
pub struct Postgres<'a> {
    pub config: &'a DatabaseConfig,
    pub(super) server: Server,
    pub(super) clock: Clock,
}

impl<'a> Postgres<'a> {
    /// # Errors
    /// A certificate file that cannot be used.
    pub fn new(config: &'a DatabaseConfig, clock: Clock) -> Result<Self, ConnectError> {
        Ok(Self { config, server: Server::new(config)?, clock })
    }

    pub fn target(&self) -> String {
        self.server.target()
    }

    /// Opens a read-only session; without our settings if the server refuses them.
    pub async fn open(&self, login: &Login, database: &str) -> Result<Session, ConnectError> {
        let connect = |settings: Option<&str>| {
            let options = Options {
                timeout: self.clock.remaining(),
                keepalive: Keepalive::SHORT,
                settings: settings.map(str::to_string),
                writable: false,
                only_reads: true,
            };
            async move { self.server.connect(login, database, APPLICATION_NAME, &options).await }
        };
        let (connection, refusal) = match connect(Some(SETTINGS)).await {
            Err(error) if error.kind == Kind::Refused => (connect(None).await?, Some(error)),
            connected => (connected?, None),
        };
        Ok(Session { connection, login: login.clone(), database: database.into(), refusal })
    }

    /// Checks as a role would, in a session without our settings, that a database is not read-only.
    ///
    /// # Errors
    /// That it is; any other failure of this second session is the subject of other checks.
    pub async fn takes_writes(&self, login: &Login, database: &str) -> Result<(), ConnectError> {
        let options =
            Options { timeout: self.clock.remaining(), keepalive: Keepalive::SHORT, ..Options::default() };
        match self.server.connect(login, database, APPLICATION_NAME, &options).await {
            Err(error) if error.kind == Kind::Standby => Err(error),
            _ => Ok(()),
        }
    }

    /// Opens the first maintenance database that admits the login; the site's own database is tried last.
    pub(super) async fn open_administrator(
        &self,
        login: &Login,
        wanted: Option<&str>,
    ) -> Result<Session, ConnectError> {
        let mut candidates = maintenance_databases(self.config, login);
        candidates.extend(wanted.map(str::to_string));
        let mut last = None;
        for database in &candidates {
            match self.open(login, database).await {
                Err(error) if matches!(error.kind, Kind::NoSuchDatabase | Kind::NoRight) => {
                    last = Some(error)
                }
                opened => return opened,
            }
        }
        Err(last.expect("at least one candidate"))
    }
}
