//! The backup before a migration: `pg_dump` of the site's database, without our own tables, stored with our other files
//! of the site. Backups of operators and of Frappe are never touched.

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use tokio_postgres::Client;

use super::context::Context;
use super::lock::Leadership;
use super::own::Own;
use super::pg_dump::{self, PgDump};
use super::step::{Program, run_program};
use crate::bench::atomic_file::sync_folder;
use crate::frappe::command::PasswordFile;
use crate::frappe::environment::ChildEnvironment;
use crate::outcome::{Fault, Flow, Result, Stopped};
use crate::postgres::catalog::foreign_schemas;
use crate::postgres::dump::{self, PROGRAM};
use crate::postgres::sql::sql_fault;
use crate::record::schema;
use crate::status::operation::{Operation, StepName, StepProgress};
use crate::supervise::spawn::Spec;

const EXTENSION: &str = "dump";
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The login for the dump.
pub struct Login<'a> {
    pub own: &'a Own,
    pub password: &'a SecretString,
}

/// Takes a backup, then deletes the oldest beyond `CAULDRON_MIGRATE_BACKUPS`. Returns None if backups are disabled.
///
/// # Errors
/// 75 for a full disk or a `pg_dump` that fails, 78 for one that is absent or too old. An unfinished backup is deleted.
pub async fn take(
    context: &Context<'_>,
    leadership: &Leadership,
    login: &Login<'_>,
) -> Flow<Option<PathBuf>> {
    let keep = context.pod.config.migrate_backups;
    if keep == 0 {
        tracing::warn!(
            event = "migration.backup_disabled",
            "CAULDRON_MIGRATE_BACKUPS is 0: continuing without a backup"
        );
        return Ok(None);
    }
    let program = check(context, leadership).await?.path;
    let folder = context.pod.bench.cauldron_site(context.site).join("backups");
    fs::create_dir_all(&folder)
        .map_err(|error| Fault::file(format!("cannot create {}", folder.display()), &error))?;
    let name = name(leadership.client()).await?;
    let (unfinished, path) =
        (folder.join(format!("{name}.part")), folder.join(format!("{name}.{EXTENSION}")));
    let dumped = dump(context, leadership, login, &program, &unfinished).await;
    let finished = match dumped {
        Ok(()) => finish(&unfinished, &path).map_err(Stopped::from),
        Err(stopped) => Err(stopped),
    };
    if let Err(stopped) = finished {
        let _ = fs::remove_file(&unfinished);
        return Err(stopped);
    }
    prune(&folder, keep);
    let bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
    tracing::info!(event = "migration.backup_taken", path = %path.display(), bytes, "backed up the database");
    Ok(Some(path))
}

async fn dump(
    context: &Context<'_>,
    leadership: &Leadership,
    login: &Login<'_>,
    program: &Path,
    path: &Path,
) -> Flow<()> {
    let password_file = PasswordFile::write(&context.pod.runtime_dir, &login.own.user, login.password)?;
    let mut spec = spec(context, program, &password_file);
    // pg_dump fails on a schema that another role owns; such schemas hold nothing of the site and are excluded.
    let foreign = foreign_schemas(leadership.client()).await.map_err(sql_fault("cannot list the schemas"))?;
    spec.args = dump::arguments(schema::PATTERN, &foreign, path);
    let (direct, own) = (context.direct, login.own);
    let variables = dump::variables(&direct.host, direct.port, &own.user, &own.database, "cauldron/backup");
    spec.env.extend(variables.map(|(name, value)| (name.into(), value.into())));
    let program = Program { secrets: vec![login.password.clone()], ..Program::new(StepName::PgDump, spec) };
    run_program(context, leadership, program, |_| watch(context, path)).await.map_err(|stopped| match stopped
    {
        Stopped::Fault(fault) => {
            let hint = "free some space, or reduce CAULDRON_MIGRATE_BACKUPS (0 disables backups); nothing was changed";
            Fault { hint: hint.into(), ..fault }.into()
        }
        signal @ Stopped::Signal(_) => signal,
    })
}

/// Reports progress while the dump grows.
async fn watch(context: &Context<'_>, path: &Path) -> Infallible {
    let mut seen = 0;
    loop {
        tokio::time::sleep(POLL_INTERVAL).await;
        let bytes = fs::metadata(path).map_or(0, |metadata| metadata.len());
        if bytes > seen {
            seen = bytes;
            context.pod.status.progress();
            let progress = Some(StepProgress::Written { bytes });
            context.pod.status.begin(Operation::RunningStep { name: StepName::PgDump, progress });
        }
    }
}

fn spec(context: &Context<'_>, program: &Path, password_file: &PasswordFile) -> Spec {
    let mut environment = ChildEnvironment::inherited().for_frappe(context.direct, &context.pod.config.redis);
    environment.set("PGPASSFILE", password_file.path());
    Spec { env: environment.into_map(), ..Spec::new(PROGRAM, program) }
}

/// Checks that pg_dump can dump this server, before anything is started.
async fn check(context: &Context<'_>, leadership: &Leadership) -> Flow<PgDump> {
    let version = leadership.client().version();
    let checked = context.pod.shutdown.guard(async { Ok(pg_dump::check(context.pod, version).await?) }).await;
    checked.map_err(|stopped| match stopped {
        Stopped::Fault(fault) => {
            let hint = format!("{}, or set CAULDRON_MIGRATE_BACKUPS=0", fault.hint);
            Fault { hint, ..fault }.into()
        }
        signal @ Stopped::Signal(_) => signal,
    })
}

/// Returns the backup's name, by the server's clock, so that the names of all pods sort by time.
async fn name(client: &Client) -> Result<String> {
    let sql = r#"SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYYMMDD"T"HH24MISS"Z"')"#;
    let row = client.query_one(sql, &[]).await.map_err(sql_fault("cannot read the server's time"))?;
    Ok(row.get(0))
}

fn finish(unfinished: &Path, path: &Path) -> Result<()> {
    let finished = fs::File::open(unfinished)
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::rename(unfinished, path))
        .and_then(|()| path.parent().map_or(Ok(()), sync_folder));
    finished.map_err(|error| Fault::file(format!("cannot finish {}", path.display()), &error))
}

/// Deletes the oldest backups beyond `keep`. Names sort by time.
fn prune(folder: &Path, keep: usize) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let (mut dumps, parts): (Vec<PathBuf>, Vec<PathBuf>) =
        entries.partition(|path| path.extension().is_some_and(|ending| ending == EXTENSION));
    dumps.sort();
    let surplus = dumps.len().saturating_sub(keep);
    // Unfinished files are leftovers of a kill: we have the lock, so no other pod is writing one.
    for path in dumps.drain(..surplus).chain(parts) {
        match fs::remove_file(&path) {
            Ok(()) => tracing::info!(
                event = "migration.old_backup_removed",
                path = %path.display(),
                "removed an old backup"
            ),
            Err(error) => {
                tracing::warn!(
                    event = "migration.old_backup_not_removed",
                    path = %path.display(),
                    %error,
                    "cannot remove an old backup"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_backups_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["1.dump", "3.dump", "2.dump", "4.part"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        prune(folder.path(), 2);
        let mut left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["2.dump", "3.dump"]);
    }
}
