//! Checks of the PostgreSQL server: the connection to it, its version and role, and a pooler before it.

use std::time::Instant;

use super::clock::Clock;
use super::configuration::Inputs;
use super::finding::Finding;
use super::id::Id;
use crate::config::database::{DatabaseConfig, Login, SslMode};
use crate::deps::postgres::pooler;
use crate::deps::postgres::{PostgresTarget, ProbeLogin, SUPPORTED, ready_check};
use crate::net::dial::Keepalive;
use crate::net::{ConnectError, Kind};
use crate::outcome;
use crate::postgres::version::major;
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
    refusal: Option<ConnectError>,
}

/// The server to check, and the timeout.
pub struct Postgres<'a> {
    pub config: &'a DatabaseConfig,
    server: Server,
    clock: Clock,
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
            };
            async move { self.server.connect(login, database, APPLICATION_NAME, &options).await }
        };
        let (connection, refusal) = match connect(Some(SETTINGS)).await {
            Err(error) if error.kind == Kind::Refused => (connect(None).await?, Some(error)),
            connected => (connected?, None),
        };
        Ok(Session { connection, login: login.clone(), database: database.into(), refusal })
    }

    /// Opens the first maintenance database that admits the login; the site's own database is tried last.
    async fn open_administrator(&self, login: &Login, wanted: Option<&str>) -> Result<Session, ConnectError> {
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

/// Checks that need a session.
const SESSION_CHECKS: [Id; 5] = [
    Id::PostgresVersion,
    Id::PostgresEncryption,
    Id::PostgresPrimary,
    Id::PostgresPooler,
    Id::PostgresSettings,
];

/// Checks the server with the configured login. Returns its session, or why there is none.
pub async fn check(inputs: &Inputs, postgres: &Postgres<'_>) -> (Vec<Finding>, Result<Session, String>) {
    let target = PostgresTarget::new(postgres.config, inputs.site_login.clone());
    let subject = postgres.target();
    let begin = Instant::now();
    let opened = match &target.login {
        ProbeLogin::Absent => return ready_check_only(postgres, &subject).await,
        ProbeLogin::Owner { login, database, .. } => postgres.open(login, database).await,
        ProbeLogin::Administrator { login, wanted } => {
            postgres.open_administrator(login, wanted.as_deref()).await
        }
    };
    match opened {
        Ok(opened) => {
            let connected = begin.elapsed().as_secs_f64() * 1e3;
            let findings = examine(postgres, &subject, &opened, connected).await;
            (findings, Ok(opened))
        }
        Err(error) => {
            let mut findings = vec![Finding::unreached(Id::PostgresConnection, &subject, &error)];
            let reason = format!("{} failed", error.step.name());
            findings.extend(SESSION_CHECKS.map(|id| Finding::skipped(id, &subject, &reason)));
            (findings, Err(reason))
        }
    }
}

async fn ready_check_only(postgres: &Postgres<'_>, subject: &str) -> (Vec<Finding>, Result<Session, String>) {
    let user = postgres.config.name.as_deref().unwrap_or("postgres");
    let answer = ready_check::accepts_logins(&postgres.server, user, postgres.clock.remaining()).await;
    let reason = match &answer {
        Ok(()) => "no login is configured, and no site_config.json has one".to_string(),
        Err(error) => format!("{} failed", error.step.name()),
    };
    let mut findings = vec![match answer {
        Ok(()) => Finding::ok(Id::PostgresConnection, subject, "accepts connections; no login was tried"),
        Err(error) => Finding::unreached(Id::PostgresConnection, subject, &error),
    }];
    findings.extend(SESSION_CHECKS.map(|id| Finding::skipped(id, subject, &reason)));
    (findings, Err(reason))
}

async fn examine(
    postgres: &Postgres<'_>,
    subject: &str,
    opened: &Session,
    connected_ms: f64,
) -> Vec<Finding> {
    let begin = Instant::now();
    let answered = opened.connection.simple_query("SELECT 1").await;
    let answered_ms = begin.elapsed().as_secs_f64() * 1e3;
    let detail = format!(
        "login `{}`, database `{}`: connected in {connected_ms:.1} ms, answers in {answered_ms:.1} ms",
        opened.login.user, opened.database
    );
    let mut findings = vec![match answered {
        Ok(_) => Finding::ok(Id::PostgresConnection, subject, detail),
        Err(error) => Finding::error(
            Id::PostgresConnection,
            outcome::UNAVAILABLE,
            subject,
            format!("{detail}; then the session was lost: {error}"),
            "read the server's log",
        ),
    }];
    findings.push(version(subject, opened.connection.version()));
    findings.push(encryption(postgres.config, subject, opened.connection.is_encrypted()));
    findings.push(match opened.connection.is_standby(postgres.clock.deadline()).await {
        Ok(false) => Finding::ok(Id::PostgresPrimary, subject, "a writable primary"),
        Ok(true) => {
            let error = crate::postgres::error::is_standby(&postgres.config.host);
            Finding::unreached(Id::PostgresPrimary, subject, &error)
        }
        Err(error) => Finding::unreached(Id::PostgresPrimary, subject, &error),
    });
    findings.push(pooled(postgres, subject, opened).await);
    findings.push(match &opened.refusal {
        None => Finding::ok(Id::PostgresSettings, subject, "accepted"),
        Some(error) => Finding::warning(
            Id::PostgresSettings,
            subject,
            format!("refused ({}): Frappe's sessions run without our timeouts", error.cause),
            &error.hint,
        ),
    });
    findings
}

fn version(subject: &str, version: &str) -> Finding {
    let supported = format!("{} to {}", SUPPORTED.start(), SUPPORTED.end());
    match major(version) {
        Some(major) if SUPPORTED.contains(&major) => {
            Finding::ok(Id::PostgresVersion, subject, format!("PostgreSQL {version}"))
        }
        _ => Finding::warning(
            Id::PostgresVersion,
            subject,
            format!("PostgreSQL {version} is outside the supported versions, {supported}"),
            format!("use a server of version {supported}"),
        ),
    }
}

fn encryption(config: &DatabaseConfig, subject: &str, encrypted: bool) -> Finding {
    let mode = config.tls.mode;
    let near = config.host.starts_with('/')
        || config.host == "localhost"
        || config.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match (encrypted, near) {
        (true, _) if matches!(mode, SslMode::VerifyCa | SslMode::VerifyFull) => {
            Finding::ok(Id::PostgresEncryption, subject, format!("{}: encrypted, and verified", mode.name()))
        }
        (true, _) => {
            let detail = format!("{}: encrypted; the server's certificate is not verified", mode.name());
            Finding::ok(Id::PostgresEncryption, subject, detail)
        }
        (false, true) => {
            let detail = format!("{}: not encrypted, within this machine", mode.name());
            Finding::ok(Id::PostgresEncryption, subject, detail)
        }
        (false, false) => {
            let detail =
                format!("{}: not encrypted over the network; `require` would enforce TLS", mode.name());
            Finding::info(Id::PostgresEncryption, subject, detail)
        }
    }
}

async fn pooled(postgres: &Postgres<'_>, subject: &str, opened: &Session) -> Finding {
    match pooler::detect(&opened.connection).await {
        Ok(false) => Finding::ok(Id::PostgresPooler, subject, "none: a direct connection to the server"),
        Ok(true) => {
            let second = postgres.open(&opened.login, &opened.database).await.ok();
            let second = second.as_ref().map(|second| &second.connection);
            let warning = pooler::warning(&opened.connection, second).await;
            let (detail, hint) = warning.split_once("; ").unwrap_or((&warning, ""));
            Finding::warning(Id::PostgresPooler, subject, detail, hint)
        }
        Err(error) => Finding::unreached(Id::PostgresPooler, subject, &error),
    }
}

/// All checks of the server, skipped for one reason.
pub fn skipped(reason: &str) -> Vec<Finding> {
    let all = std::iter::once(Id::PostgresConnection).chain(SESSION_CHECKS);
    all.map(|id| Finding::skipped(id, "DB_HOST", reason)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;
    use crate::config::database::DatabaseTls;

    fn config(host: &str, mode: SslMode) -> DatabaseConfig {
        let tls = DatabaseTls { mode, root_certificate: None, client: None };
        DatabaseConfig {
            host: host.into(),
            port: 5432,
            name: None,
            login: None,
            admin_database: None,
            tls,
            direct: None,
        }
    }

    #[test]
    fn only_unencrypted_network_connections_are_reported() {
        let severity = |host, encrypted| encryption(&config(host, SslMode::Prefer), "s", encrypted).severity;
        assert_eq!(severity("pg", false), Severity::Info);
        for (host, encrypted) in [("pg", true), ("127.0.0.1", false), ("::1", false), ("/run/pg", false)] {
            assert_eq!(severity(host, encrypted), Severity::Ok, "{host}");
        }
    }

    #[test]
    fn a_version_outside_the_range_is_a_warning() {
        for (text, severity) in
            [("15.8 (Debian)", Severity::Ok), ("12.1", Severity::Warning), ("", Severity::Warning)]
        {
            assert_eq!(version("s", text).severity, severity, "{text}");
        }
    }
}
