//! The chain of looks through PostgreSQL: the server, rights, the site's own login, the site. Each
//! needs the session of an earlier one.

use super::clock::Clock;
use super::configuration::Known;
use super::finding::Finding;
use super::grants::{self, Presence};
use super::id::Id;
use super::migration;
use super::own_database;
use super::postgres::{self, Opened, Postgres};
use super::site::{self, Contents, SiteAccess};
use super::switches;
use crate::postgres::version::major;
use crate::site_state::observe::OwnLogin;
use crate::supervise::process::Processes;

const NO_GATE: &str = "its creation is not recorded as finished: the bootstrap migrates it once";

/// What looks elsewhere need.
pub struct Seen {
    pub server_major: Option<u32>,
    pub contents: Contents,
}

/// All of them.
pub async fn look(known: &Known, processes: &Processes, clock: Clock) -> (Vec<Finding>, Seen) {
    let database = match known.database() {
        Ok(database) => database,
        Err(reason) => return unreachable(known, &reason, postgres::skipped(&reason)).await,
    };
    let postgres = match Postgres::new(database, clock) {
        Ok(postgres) => postgres,
        Err(error) => {
            let mut findings = vec![Finding::unreached(Id::PostgresConnection, &database.host, &error)];
            findings.extend(postgres::skipped("a certificate file cannot be used").into_iter().skip(1));
            return unreachable(known, "PostgreSQL cannot be asked", findings).await;
        }
    };
    let (mut findings, opened) =
        match clock.ask(Id::PostgresConnection, &postgres.target(), postgres::look(known, &postgres)).await {
            Ok(looked) => looked,
            Err(silent) => {
                let skipped = postgres::skipped("the server did not answer in time");
                let findings = std::iter::once(silent).chain(skipped.into_iter().skip(1)).collect();
                (findings, Err("the server did not answer in time".to_string()))
            }
        };
    let server_major = opened.as_ref().ok().and_then(|opened| major(opened.connection.version()));
    let target = postgres.target();
    match clock.ask(Id::Site, &target, site_looks(known, &postgres, opened)).await {
        Ok((more, contents, session)) => {
            findings.extend(more);
            let client = on_complete_site(&session, &contents);
            findings.extend(match (client, contents.always) {
                (Ok(_), None) => migration::skipped(known, NO_GATE),
                (client, always) => {
                    migration::look(known, client, processes, always.unwrap_or_default(), clock).await
                }
            });
            (findings, Seen { server_major, contents })
        }
        Err(silent) => {
            findings.push(silent);
            let (findings, seen) = unreachable(known, "the server did not answer in time", findings).await;
            (findings, Seen { server_major, ..seen })
        }
    }
}

async fn site_looks(
    known: &Known,
    postgres: &Postgres<'_>,
    opened: Result<Opened, String>,
) -> (Vec<Finding>, Contents, Result<Opened, String>) {
    let (mut findings, presence) = grants::look(known, &opened).await;
    let (login, own, own_login) = own_database::site_login(known, postgres, presence, opened.is_ok()).await;
    findings.push(login);
    let session = session(known, postgres, &opened, own, presence).await;
    let borrowed = session.as_ref().map_err(String::as_str);
    findings.push(own_database::schema(known, borrowed).await);
    let access = SiteAccess { session: borrowed, presence, own_login };
    let (more, contents) = site::look(known, &access).await;
    findings.extend(more);
    findings.extend(switches::look(known, on_complete_site(&session, &contents)).await);
    (findings, contents, session)
}

fn on_complete_site<'a>(
    session: &'a Result<Opened, String>,
    contents: &Contents,
) -> Result<&'a tokio_postgres::Client, &'a str> {
    match (session, contents.complete) {
        (Ok(opened), true) => Ok(&*opened.connection),
        (Ok(_), false) => Err("the database holds no complete site"),
        (Err(reason), _) => Err(reason),
    }
}

/// The site's own session, else the configured login's on the same database.
pub async fn session(
    known: &Known,
    postgres: &Postgres<'_>,
    opened: &Result<Opened, String>,
    own: Option<Opened>,
    presence: Presence,
) -> Result<Opened, String> {
    if presence == Presence::Absent {
        return Err("the database is not there".into());
    }
    let name = known.database_name().ok_or("DB_NAME is not known")?;
    if let Some(own) = own.filter(|own| own.database == name) {
        return Ok(own);
    }
    let login = &opened.as_ref().map_err(Clone::clone)?.login;
    postgres.open(login, name).await.map_err(|error| format!("no session on the site's database: {error}"))
}

/// What is left to tell without a server.
async fn unreachable(known: &Known, reason: &str, mut findings: Vec<Finding>) -> (Vec<Finding>, Seen) {
    findings.extend(grants::skipped(reason));
    let access = SiteAccess { session: Err(reason), presence: Presence::Unknown, own_login: OwnLogin::Fails };
    let (more, contents) = site::look(known, &access).await;
    findings.extend(more);
    findings.extend(switches::look(known, Err(reason)).await);
    findings.extend(migration::skipped(known, reason));
    (findings, Seen { server_major: None, contents })
}
