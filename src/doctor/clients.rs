//! psql and pg_dump, which are asked for their version: the only programs that a look starts.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::bench::on_path;
use super::clock::Clock;
use super::finding::Finding;
use super::id::Id;
use crate::frappe::environment::ChildEnvironment;
use crate::outcome;
use crate::postgres::dump::can_dump;
use crate::postgres::version::major;
use crate::supervise::process::Processes;
use crate::supervise::spawn::{Output, Spec};

/// What a program says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Client {
    Absent,
    /// It is there, and why it does not say more.
    Silent(String),
    /// `psql (PostgreSQL) 15.8 (Debian …)`.
    Says(String),
}

/// Both, side by side.
pub async fn look(processes: &Processes, path: &OsStr, clock: Clock) -> [Client; 2] {
    let (psql, pg_dump) =
        tokio::join!(version(processes, "psql", path, clock), version(processes, "pg_dump", path, clock));
    [psql, pg_dump]
}

async fn version(processes: &Processes, name: &str, path: &OsStr, clock: Clock) -> Client {
    let Some(program) = on_path(name, path) else { return Client::Absent };
    let first_line = Arc::new(Mutex::new(None));
    let heard = first_line.clone();
    let spec = Spec {
        args: vec!["--version".into()],
        env: ChildEnvironment::inherited().into_map(),
        output: Output::Lines(Arc::new(move |line| {
            let text = String::from_utf8_lossy(line.text).trim().to_string();
            heard.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text);
        })),
        ..Spec::new(name, program)
    };
    let child = match processes.spawn(&spec) {
        Ok(child) => child,
        Err(error) => return Client::Silent(error.to_string()),
    };
    let ended = async {
        let exit = child.exited().await;
        child.drained(Duration::from_secs(1)).await;
        exit
    };
    // One that hangs is ended with everything else at the end.
    let Ok(exit) = tokio::time::timeout(clock.left(), ended).await else {
        return Client::Silent("it does not end".into());
    };
    let said = first_line.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match said {
        Some(line) if exit.success() => Client::Says(line),
        _ => Client::Silent(format!("it {exit}")),
    }
}

/// Against the server, whose major version is known where it answered. `own` is the `pg_dump` of that major, where the gate starts it
/// in place of PATH's; `backs_up` says whether migrations take a backup (CAULDRON_BACKUP).
pub fn judge(
    [psql, pg_dump]: &[Client; 2],
    server: Option<u32>,
    own: Option<&Path>,
    backs_up: bool,
) -> Vec<Finding> {
    let install = "install PostgreSQL's client programs in the image (Debian: postgresql-client)";
    let absent = |id, name: &str, use_of_it: &str| {
        Finding::warning(id, name, format!("not on PATH: {use_of_it}"), install)
    };
    let psql = match psql {
        Client::Absent => absent(Id::ClientPsql, "psql", "no site can be created or restored here"),
        Client::Silent(why) => Finding::warning(Id::ClientPsql, "psql", why, install),
        Client::Says(line) => Finding::ok(Id::ClientPsql, "psql", line),
    };
    if let Some(own) = own {
        let cause = format!("{}, of the server's major", own.display());
        return vec![psql, Finding::ok(Id::ClientPgDump, "pg_dump", cause)];
    }
    let pg_dump = match (pg_dump, server) {
        (Client::Absent, _) => absent(Id::ClientPgDump, "pg_dump", "no backup can be made here"),
        (Client::Silent(why), _) => Finding::warning(Id::ClientPgDump, "pg_dump", why, install),
        (Client::Says(line), Some(server)) if major(line).is_some_and(|own| !can_dump(own, server)) => {
            too_old(line, server, backs_up)
        }
        (Client::Says(line), Some(_)) => {
            Finding::ok(Id::ClientPgDump, "pg_dump", format!("{line}, not older than the server"))
        }
        (Client::Says(line), None) => {
            Finding::ok(Id::ClientPgDump, "pg_dump", format!("{line}; the server's is not known"))
        }
    };
    vec![psql, pg_dump]
}

/// A migration that is to take a backup does not begin then.
fn too_old(line: &str, server: u32, backs_up: bool) -> Finding {
    let install =
        format!("install postgresql-client-{server} in the image (docker/Dockerfile: POSTGRES_CLIENTS)");
    let older = format!("{line}, older than the server, which is {server}");
    if backs_up {
        let cause = format!("{older}: a migration cannot take its backup, and ends with 78");
        let hint = format!("{install}, or set CAULDRON_BACKUP=0");
        return Finding::error(Id::ClientPgDump, outcome::CONFIGURATION, "pg_dump", cause, hint);
    }
    Finding::warning(Id::ClientPgDump, "pg_dump", format!("{older}: it refuses to dump it"), install)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn an_older_pg_dump_is_useless_and_a_newer_one_is_not() {
        let says = |version: &str| Client::Says(format!("pg_dump (PostgreSQL) {version} (Debian 99-1)"));
        for (client, server, severity) in [
            (says("15.8"), Some(15), Severity::Ok),
            (says("17.1"), Some(15), Severity::Ok),
            (says("15.8"), Some(16), Severity::Error),
            (says("16.4"), Some(17), Severity::Error),
            (says("9.6.1"), Some(15), Severity::Error),
            (says("15.8"), None, Severity::Ok),
            (Client::Absent, Some(15), Severity::Warning),
            (Client::Silent("it does not end".into()), Some(15), Severity::Warning),
        ] {
            let findings = judge(&[client.clone(), client.clone()], server, None, true);
            assert_eq!(findings[1].severity, severity, "{client:?} {server:?}");
        }
        let own = Path::new("/usr/lib/postgresql/16/bin/pg_dump");
        let off = judge(&[says("15.8"), says("15.8")], Some(16), None, false);
        assert_eq!(off[1].severity, Severity::Warning, "no migration needs it");
        let findings = judge(&[says("18.1"), says("18.1")], Some(16), Some(own), true);
        assert_eq!(findings[1].severity, Severity::Ok);
    }
}
