//! PostgreSQL as a server: the way to it, what it is, and what stands in between.

use std::time::Instant;

use super::clock::Clock;
use super::configuration::Known;
use super::finding::Finding;
use super::id::Id;
use crate::config::database::{DatabaseConfig, Login, SslMode};
use crate::deps::postgres::pooler;
use crate::deps::postgres::{PostgresTarget, ProbeLogin, SUPPORTED, knock};
use crate::net::dial::Keepalive;
use crate::net::{ConnectError, Kind};
use crate::outcome;
use crate::postgres::version::major;
use crate::postgres::{Connection, Options, Server, maintenance_databases};

const APPLICATION_NAME: &str = "cauldron doctor";
/// Where the server takes settings with the login it holds us to what we promise: to read, and not
/// to stand in anybody's way.
const SETTINGS: &str = "-c default_transaction_read_only=on -c statement_timeout=4000 -c lock_timeout=2000";

/// Sessions to look around with.
pub struct Opened {
    pub connection: Connection,
    pub login: Login,
    pub database: String,
    /// Why settings were refused, if they were.
    refusal: Option<ConnectError>,
}

/// A server to be asked, and when to stop.
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

    /// A session that reads; without our settings where they are refused.
    pub async fn open(&self, login: &Login, database: &str) -> Result<Opened, ConnectError> {
        let connect = |settings: Option<&str>| {
            let options = Options {
                timeout: self.clock.left(),
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
        Ok(Opened { connection, login: login.clone(), database: database.into(), refusal })
    }

    /// The first of the maintenance databases that lets the login in, and the site's own at last.
    async fn open_administrator(&self, login: &Login, wanted: Option<&str>) -> Result<Opened, ConnectError> {
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
        Err(last.expect("there is at least one candidate"))
    }
}

/// Looks that need a session.
const SESSION_LOOKS: [Id; 5] = [
    Id::PostgresVersion,
    Id::PostgresEncryption,
    Id::PostgresPrimary,
    Id::PostgresPooler,
    Id::PostgresSettings,
];

/// The configured login's session, if it gets one.
pub async fn look(known: &Known, postgres: &Postgres<'_>) -> (Vec<Finding>, Result<Opened, String>) {
    let target = PostgresTarget::new(postgres.config, known.site_login.clone());
    let subject = postgres.target();
    let begin = Instant::now();
    let opened = match &target.login {
        ProbeLogin::Knock => return knocked(postgres, &subject).await,
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
            findings.extend(SESSION_LOOKS.map(|id| Finding::skipped(id, &subject, &reason)));
            (findings, Err(reason))
        }
    }
}

async fn knocked(postgres: &Postgres<'_>, subject: &str) -> (Vec<Finding>, Result<Opened, String>) {
    let user = postgres.config.name.as_deref().unwrap_or("postgres");
    let answer = knock::knock(&postgres.server, user, postgres.clock.left()).await;
    let reason = match &answer {
        Ok(()) => "no login is configured, and no site_config.json has one".to_string(),
        Err(error) => format!("{} failed", error.step.name()),
    };
    let mut findings = vec![match answer {
        Ok(()) => Finding::ok(Id::PostgresConnection, subject, "it takes logins; none was tried"),
        Err(error) => Finding::unreached(Id::PostgresConnection, subject, &error),
    }];
    findings.extend(SESSION_LOOKS.map(|id| Finding::skipped(id, subject, &reason)));
    (findings, Err(reason))
}

async fn examine(postgres: &Postgres<'_>, subject: &str, opened: &Opened, connected_ms: f64) -> Vec<Finding> {
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
            format!("{detail}; then it broke off: {error}"),
            "look at the server's own log",
        ),
    }];
    findings.push(version(subject, opened.connection.version()));
    findings.push(encryption(postgres.config, subject, opened.connection.is_encrypted()));
    findings.push(match opened.connection.is_standby(postgres.clock.deadline()).await {
        Ok(false) => Finding::ok(Id::PostgresPrimary, subject, "a primary: it can be written to"),
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
            format!("refused ({}): Frappe's sessions go without our timeouts", error.cause),
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
            format!("PostgreSQL {version} is outside {supported}, which Frappe is known to run on"),
            format!("run a server of version {supported}"),
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
            let detail = format!("{}: encrypted; the server's certificate is not asked for", mode.name());
            Finding::ok(Id::PostgresEncryption, subject, detail)
        }
        (false, true) => {
            let detail = format!("{}: in clear, and within this machine", mode.name());
            Finding::ok(Id::PostgresEncryption, subject, detail)
        }
        (false, false) => {
            let detail = format!("{}: in clear over the network; require would insist on TLS", mode.name());
            Finding::info(Id::PostgresEncryption, subject, detail)
        }
    }
}

async fn pooled(postgres: &Postgres<'_>, subject: &str, opened: &Opened) -> Finding {
    match pooler::stands_between(&opened.connection).await {
        Ok(false) => Finding::ok(Id::PostgresPooler, subject, "the server itself"),
        Ok(true) => {
            let second = postgres.open(&opened.login, &opened.database).await.ok();
            let second = second.as_ref().map(|second| &second.connection);
            let told = pooler::warning(&opened.connection, second).await;
            let (detail, hint) = told.split_once("; ").unwrap_or((&told, ""));
            Finding::warning(Id::PostgresPooler, subject, detail, hint)
        }
        Err(error) => Finding::unreached(Id::PostgresPooler, subject, &error),
    }
}

/// Every look at PostgreSQL that cannot be made for one reason.
pub fn skipped(reason: &str) -> Vec<Finding> {
    let all = std::iter::once(Id::PostgresConnection).chain(SESSION_LOOKS);
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
    fn only_what_travels_in_clear_is_remarked() {
        let severity = |host, encrypted| encryption(&config(host, SslMode::Prefer), "s", encrypted).severity;
        assert_eq!(severity("pg", false), Severity::Info);
        for (host, encrypted) in [("pg", true), ("127.0.0.1", false), ("::1", false), ("/run/pg", false)] {
            assert_eq!(severity(host, encrypted), Severity::Ok, "{host}");
        }
    }

    #[test]
    fn a_version_outside_the_range_is_a_warning() {
        for (told, severity) in
            [("15.8 (Debian)", Severity::Ok), ("12.1", Severity::Warning), ("", Severity::Warning)]
        {
            assert_eq!(version("s", told).severity, severity, "{told}");
        }
    }
}
