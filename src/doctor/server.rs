//! The chain of checks through PostgreSQL: the server, rights, the site's own login, the site. Each
//! needs the session of an earlier one.

use super::clock::Clock;
use super::configuration::Inputs;
use super::finding::Finding;
use super::grants::{self, Presence};
use super::id::Id;
use super::migration;
use super::own_database;
use super::postgres::{self, Postgres, Session};
use super::site::{self, Contents, SiteAccess};
use super::switches;
use crate::postgres::version::major;
use crate::site_state::observe::OwnLogin;
use crate::supervise::process::Processes;

const NO_GATE: &str = "its creation is not recorded as finished: the bootstrap migrates it once";

/// Results that other checks need.
pub struct ServerFacts {
    pub server_major: Option<u32>,
    pub contents: Contents,
}

/// Runs every check of the chain.
pub async fn check(inputs: &Inputs, processes: &Processes, clock: Clock) -> (Vec<Finding>, ServerFacts) {
    let database = match inputs.database() {
        Ok(database) => database,
        Err(reason) => return unreachable(inputs, &reason, postgres::skipped(&reason)).await,
    };
    let postgres = match Postgres::new(database, clock) {
        Ok(postgres) => postgres,
        Err(error) => {
            let mut findings = vec![Finding::unreached(Id::PostgresConnection, &database.host, &error)];
            findings.extend(postgres::skipped("a certificate file cannot be used").into_iter().skip(1));
            return unreachable(inputs, "PostgreSQL cannot be reached", findings).await;
        }
    };
    let (mut findings, opened) =
        match clock.run(Id::PostgresConnection, &postgres.target(), postgres::check(inputs, &postgres)).await
        {
            Ok(checked) => checked,
            Err(timed_out) => {
                let skipped = postgres::skipped("the server did not answer in time");
                let findings = std::iter::once(timed_out).chain(skipped.into_iter().skip(1)).collect();
                (findings, Err("the server did not answer in time".to_string()))
            }
        };
    let server_major = opened.as_ref().ok().and_then(|opened| major(opened.connection.version()));
    let target = postgres.target();
    match clock.run(Id::Site, &target, site_checks(inputs, &postgres, opened)).await {
        Ok((more, contents, session)) => {
            findings.extend(more);
            let client = on_complete_site(&session, &contents);
            findings.extend(match (client, contents.always) {
                (Ok(_), None) => migration::skipped(inputs, NO_GATE),
                (client, always) => {
                    migration::check(inputs, client, processes, always.unwrap_or_default(), clock).await
                }
            });
            (findings, ServerFacts { server_major, contents })
        }
        Err(timed_out) => {
            findings.push(timed_out);
            let (findings, facts) = unreachable(inputs, "the server did not answer in time", findings).await;
            (findings, ServerFacts { server_major, ..facts })
        }
    }
}

async fn site_checks(
    inputs: &Inputs,
    postgres: &Postgres<'_>,
    opened: Result<Session, String>,
) -> (Vec<Finding>, Contents, Result<Session, String>) {
    let (mut findings, presence) = grants::check(inputs, &opened).await;
    let (login, own, own_login) = own_database::site_login(inputs, postgres, presence, opened.is_ok()).await;
    findings.push(login);
    let session = session(inputs, postgres, &opened, own, presence).await;
    let borrowed = session.as_ref().map_err(String::as_str);
    findings.push(own_database::schema(inputs, borrowed).await);
    let access = SiteAccess { session: borrowed, presence, own_login };
    let (more, contents) = site::check(inputs, &access).await;
    findings.extend(more);
    findings.extend(switches::check(inputs, on_complete_site(&session, &contents)).await);
    (findings, contents, session)
}

fn on_complete_site<'a>(
    session: &'a Result<Session, String>,
    contents: &Contents,
) -> Result<&'a tokio_postgres::Client, &'a str> {
    match (session, contents.complete) {
        (Ok(opened), true) => Ok(&*opened.connection),
        (Ok(_), false) => Err("the database holds no complete site"),
        (Err(reason), _) => Err(reason),
    }
}

/// The session of the site's own login, else a session of the configured login on the same database.
pub async fn session(
    inputs: &Inputs,
    postgres: &Postgres<'_>,
    opened: &Result<Session, String>,
    own: Option<Session>,
    presence: Presence,
) -> Result<Session, String> {
    if presence == Presence::Absent {
        return Err("the database does not exist".into());
    }
    let name = inputs.database_name().ok_or("DB_NAME is not known")?;
    if let Some(own) = own.filter(|own| own.database == name) {
        return Ok(own);
    }
    let login = &opened.as_ref().map_err(Clone::clone)?.login;
    postgres.open(login, name).await.map_err(|error| format!("no session on the site's database: {error}"))
}

/// Runs the checks that need no server, and reports the others as skipped.
async fn unreachable(
    inputs: &Inputs,
    reason: &str,
    mut findings: Vec<Finding>,
) -> (Vec<Finding>, ServerFacts) {
    findings.extend(grants::skipped(reason));
    let access = SiteAccess { session: Err(reason), presence: Presence::Unknown, own_login: OwnLogin::Fails };
    let (more, contents) = site::check(inputs, &access).await;
    findings.extend(more);
    findings.extend(switches::check(inputs, Err(reason)).await);
    findings.extend(migration::skipped(inputs, reason));
    (findings, ServerFacts { server_major: None, contents })
}
