//! Checks of psql and pg_dump. They are started to print their version; no check starts another program.

use std::ffi::OsStr;
use std::path::Path;

use super::bench::on_path;
use super::clock::Clock;
use super::finding::Finding;
use super::id::Id;
use crate::frappe::environment::ChildEnvironment;
use crate::outcome;
use crate::postgres::dump::can_dump;
use crate::postgres::version::major;
use crate::supervise::process::Processes;
use crate::supervise::program_version::program_version;

/// The version of a client program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Client {
    Absent,
    /// It exists, and the reason why its version is unknown.
    Failed(String),
    /// `psql (PostgreSQL) 15.8 (Debian …)`.
    Version(String),
}

/// Reads both versions concurrently.
pub async fn check(processes: &Processes, path: &OsStr, clock: Clock) -> [Client; 2] {
    let (psql, pg_dump) =
        tokio::join!(version(processes, "psql", path, clock), version(processes, "pg_dump", path, clock));
    [psql, pg_dump]
}

async fn version(processes: &Processes, name: &str, path: &OsStr, clock: Clock) -> Client {
    let Some(program) = on_path(name, path) else { return Client::Absent };
    let env = ChildEnvironment::inherited().into_map();
    match program_version(processes, name, program, env, clock.remaining()).await {
        Ok(line) => Client::Version(line),
        Err(reason) => Client::Failed(reason),
    }
}

/// Compares the clients with the server, whose major version is known if it answered. `own` is the `pg_dump` of that
/// major, if the gate uses it instead of the one on PATH; `backs_up` is true if migrations take a backup
/// (CAULDRON_MIGRATE_BACKUPS).
pub fn evaluate(
    [psql, pg_dump]: &[Client; 2],
    server: Option<u32>,
    own: Option<&Path>,
    backs_up: bool,
) -> Vec<Finding> {
    let install = "install PostgreSQL's client programs in the image (Debian: postgresql-client)";
    let absent = |id, name: &str, consequence: &str| {
        Finding::warning(id, name, format!("not on PATH: {consequence}"), install)
    };
    let psql = match psql {
        Client::Absent => absent(Id::ClientPsql, "psql", "no site can be created or restored here"),
        Client::Failed(why) => Finding::warning(Id::ClientPsql, "psql", why, install),
        Client::Version(line) => Finding::ok(Id::ClientPsql, "psql", line),
    };
    if let Some(own) = own {
        let cause = format!("{}, of the server's major version", own.display());
        return vec![psql, Finding::ok(Id::ClientPgDump, "pg_dump", cause)];
    }
    let pg_dump = match (pg_dump, server) {
        (Client::Absent, _) => absent(Id::ClientPgDump, "pg_dump", "no backup can be made here"),
        (Client::Failed(why), _) => Finding::warning(Id::ClientPgDump, "pg_dump", why, install),
        (Client::Version(line), Some(server)) if major(line).is_some_and(|own| !can_dump(own, server)) => {
            too_old(line, server, backs_up)
        }
        (Client::Version(line), Some(_)) => {
            Finding::ok(Id::ClientPgDump, "pg_dump", format!("{line}, not older than the server"))
        }
        (Client::Version(line), None) => {
            Finding::ok(Id::ClientPgDump, "pg_dump", format!("{line}; the server's version is unknown"))
        }
    };
    vec![psql, pg_dump]
}

/// The finding for a pg_dump older than the server. A migration that has to take a backup does not begin then.
fn too_old(line: &str, server: u32, backs_up: bool) -> Finding {
    let install =
        format!("install postgresql-client-{server} in the image (docker/Dockerfile: POSTGRES_CLIENTS)");
    let older = format!("{line}, older than the server, which is {server}");
    if backs_up {
        let cause = format!("{older}: a migration cannot take its backup and ends with exit code 78");
        let hint = format!("{install}, or set CAULDRON_MIGRATE_BACKUPS=0");
        return Finding::error(Id::ClientPgDump, outcome::CONFIGURATION, "pg_dump", cause, hint);
    }
    Finding::warning(Id::ClientPgDump, "pg_dump", format!("{older}: it refuses to dump that server"), install)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn a_pg_dump_older_than_the_server_is_a_problem() {
        let version =
            |version: &str| Client::Version(format!("pg_dump (PostgreSQL) {version} (Debian 99-1)"));
        for (client, server, severity) in [
            (version("15.8"), Some(15), Severity::Ok),
            (version("17.1"), Some(15), Severity::Ok),
            (version("15.8"), Some(16), Severity::Error),
            (version("16.4"), Some(17), Severity::Error),
            (version("9.6.1"), Some(15), Severity::Error),
            (version("15.8"), None, Severity::Ok),
            (Client::Absent, Some(15), Severity::Warning),
            (Client::Failed("it does not end".into()), Some(15), Severity::Warning),
        ] {
            let findings = evaluate(&[client.clone(), client.clone()], server, None, true);
            assert_eq!(findings[1].severity, severity, "{client:?} {server:?}");
        }
        let own = Path::new("/usr/lib/postgresql/16/bin/pg_dump");
        let off = evaluate(&[version("15.8"), version("15.8")], Some(16), None, false);
        assert_eq!(off[1].severity, Severity::Warning, "no migration needs it");
        let findings = evaluate(&[version("18.1"), version("18.1")], Some(16), Some(own), true);
        assert_eq!(findings[1].severity, Severity::Ok);
    }
}
