//! Checks of the PostgreSQL server: the connection to it, its version and role, and a pooler before it.

mod session;

use std::time::Instant;

pub use self::session::{Postgres, Session};
use super::configuration::Inputs;
use super::finding::Finding;
use super::id::Id;
use crate::config::database::{DatabaseConfig, SslMode};
use crate::deps::postgres::pooler;
use crate::deps::postgres::{PostgresTarget, ProbeLogin, SUPPORTED, ready_check};
use crate::outcome;
use crate::postgres::version::major;

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
        Ok(false) => match postgres.takes_writes(&opened.login, &opened.database).await {
            Ok(()) => Finding::ok(Id::PostgresPrimary, subject, "a writable primary"),
            Err(error) => Finding::unreached(Id::PostgresPrimary, subject, &error),
        },
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
