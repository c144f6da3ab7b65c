//! A dump of a database by `pg_dump`: which of several installed programs runs, and its arguments.
//!
//! Debian has a folder per major version, and its `pg_dump` on PATH is a wrapper that starts the newest. A dump by a
//! newer `pg_dump` cannot be read by the `pg_restore` of the server's major, and a newer `pg_restore` sends
//! `SET transaction_timeout` to servers before 17, which refuse it. So the server's major is used if it is installed.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::sql::identifier;

pub const PROGRAM: &str = "pg_dump";

/// The target of Debian's links on PATH.
const WRAPPER: &str = "pg_wrapper";
const MAJORS: &str = "/usr/lib/postgresql";

/// The `pg_dump` for a server: that of its major where PATH has Debian's wrapper, else the one on PATH.
pub fn program(server: Option<u32>) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    server.and_then(|server| program_for_major(&path, server)).unwrap_or_else(|| PROGRAM.into())
}

/// The program of the server's major, which replaces Debian's wrapper. None if the program on PATH is to be used: it is
/// no wrapper, or that major is not installed.
pub fn program_for_major(path: &OsStr, server: u32) -> Option<PathBuf> {
    program_for_major_in(Path::new(MAJORS), path, server)
}

fn program_for_major_in(majors: &Path, path: &OsStr, server: u32) -> Option<PathBuf> {
    let mut on_path = std::env::split_paths(path).map(|folder| folder.join(PROGRAM));
    let on_path = on_path.find(|path| path.is_file())?;
    let is_wrapper = on_path.canonicalize().is_ok_and(|real| real.file_name() == Some(OsStr::new(WRAPPER)));
    let own = majors.join(server.to_string()).join("bin").join(PROGRAM);
    (is_wrapper && own.is_file()).then_some(own)
}

/// True unless the server is newer than `pg_dump`, which reports that only after it has connected.
pub fn can_dump(client_major: u32, server_major: u32) -> bool {
    client_major >= server_major
}

/// The arguments for a dump into a file, without the tables of the pattern `except` and without the given schemas.
pub fn arguments(except: &str, without_schemas: &[String], file: &Path) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec![
        "--format=custom".into(),
        format!("--exclude-table={except}").into(),
        "--lock-wait-timeout=60s".into(),
    ];
    let without = |schema: &String| format!("--exclude-schema={}", identifier(schema)).into();
    arguments.extend(without_schemas.iter().map(without));
    arguments.extend(["--file".into(), file.into()]);
    arguments
}

/// The arguments for a plain script on standard output, which any role can read into any database, without the tables of
/// the pattern `except` and without the given schemas.
pub fn script_arguments(except: &str, without_schemas: &[String]) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec![
        "--format=plain".into(),
        "--no-owner".into(),
        "--no-privileges".into(),
        format!("--exclude-table={except}").into(),
        "--lock-wait-timeout=60s".into(),
    ];
    arguments.extend(
        without_schemas.iter().map(|schema| format!("--exclude-schema={}", identifier(schema)).into()),
    );
    arguments
}

/// The last line of a complete script.
pub const COMPLETE: &str = "-- PostgreSQL database dump complete";

/// The environment that names the database; PGPASSFILE is separate.
pub fn variables(host: &str, port: u16, user: &str, database: &str, application: &str) -> Variables {
    [
        ("PGHOST", host.to_string()),
        ("PGPORT", port.to_string()),
        ("PGUSER", user.to_string()),
        ("PGDATABASE", database.to_string()),
        ("PGAPPNAME", application.to_string()),
    ]
}

type Variables = [(&'static str, String); 5];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_servers_major_replaces_only_debians_wrapper() {
        let folder = tempfile::tempdir().unwrap();
        let (bin, other) = (folder.path().join("bin"), folder.path().join("other"));
        let own = folder.path().join("15/bin");
        for folder in [&bin, &other, &own] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(folder.path().join(WRAPPER), "").unwrap();
        symlink(folder.path().join(WRAPPER), bin.join("pg_dump")).unwrap();
        fs::write(other.join("pg_dump"), "").unwrap();
        fs::write(own.join("pg_dump"), "").unwrap();
        let of = |path: &Path, server| program_for_major_in(folder.path(), path.as_os_str(), server);
        assert_eq!(of(&bin, 15), Some(own.join("pg_dump")));
        assert_eq!(of(&bin, 16), None, "that major is not installed");
        assert_eq!(of(&other, 15), None, "a pg_dump that is no wrapper");
        assert_eq!(of(folder.path(), 15), None, "none on PATH");
    }
}
