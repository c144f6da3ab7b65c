//! psql and pg_dump, which are asked for their version: the only programs that a look starts.

use std::ffi::OsStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::bench::on_path;
use super::clock::Clock;
use super::finding::Finding;
use super::id::Id;
use crate::deps::postgres::major;
use crate::frappe::environment::ChildEnvironment;
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

/// Against the server, whose version is known where it answered.
pub fn judge([psql, pg_dump]: &[Client; 2], server: Option<u32>) -> Vec<Finding> {
    let install = "install PostgreSQL's client programs in the image (Debian: postgresql-client)";
    let absent = |id, name: &str, use_of_it: &str| {
        Finding::warning(id, name, format!("not on PATH: {use_of_it}"), install)
    };
    let psql = match psql {
        Client::Absent => absent(Id::ClientPsql, "psql", "no site can be created or restored here"),
        Client::Silent(why) => Finding::warning(Id::ClientPsql, "psql", why, install),
        Client::Says(line) => Finding::ok(Id::ClientPsql, "psql", line),
    };
    let pg_dump = match (pg_dump, server) {
        (Client::Absent, _) => absent(Id::ClientPgDump, "pg_dump", "no backup can be made here"),
        (Client::Silent(why), _) => Finding::warning(Id::ClientPgDump, "pg_dump", why, install),
        (Client::Says(line), Some(server)) if client_major(line).is_some_and(|own| own < server) => {
            Finding::warning(
                Id::ClientPgDump,
                "pg_dump",
                format!("{line}, older than the server, which is {server}: it refuses to dump it"),
                format!("install postgresql-client-{server} in the image"),
            )
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

/// `pg_dump (PostgreSQL) 15.8 (Debian 15.8-0+deb12u1)` → 15.
fn client_major(line: &str) -> Option<u32> {
    line.split_whitespace().find_map(major)
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
            (says("15.8"), Some(16), Severity::Warning),
            (says("15.8"), None, Severity::Ok),
            (Client::Absent, Some(15), Severity::Warning),
            (Client::Silent("it does not end".into()), Some(15), Severity::Warning),
        ] {
            let findings = judge(&[client.clone(), client.clone()], server);
            assert_eq!(findings[1].severity, severity, "{client:?} {server:?}");
        }
    }
}
