//! A dump of a database by `pg_dump`: which of several in an image is started, and how.
//!
//! Debian keeps each major's programs in a folder of their own, and its `pg_dump` on PATH is a wrapper that starts the newest. A dump
//! by a newer `pg_dump` cannot be read by the `pg_restore` of the server's major, and a newer `pg_restore` says
//! `SET transaction_timeout` to servers before 17, which refuse it: so the server's own major is started where it is there.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::sql::identifier;

pub const PROGRAM: &str = "pg_dump";

/// What Debian's programs on PATH are links to.
const WRAPPER: &str = "pg_wrapper";
const MAJORS: &str = "/usr/lib/postgresql";

/// The program of the server's own major, in place of Debian's wrapper. `None` where PATH's own is to be started: it is no
/// wrapper, or that major is not installed.
pub fn of_major(path: &OsStr, server: u32) -> Option<PathBuf> {
    of_major_in(Path::new(MAJORS), path, server)
}

fn of_major_in(majors: &Path, path: &OsStr, server: u32) -> Option<PathBuf> {
    let mut on_path = std::env::split_paths(path).map(|folder| folder.join(PROGRAM));
    let on_path = on_path.find(|path| path.is_file())?;
    let is_wrapper = on_path.canonicalize().is_ok_and(|real| real.file_name() == Some(OsStr::new(WRAPPER)));
    let own = majors.join(server.to_string()).join("bin").join(PROGRAM);
    (is_wrapper && own.is_file()).then_some(own)
}

/// It dumps no server that is newer than itself, and says so only after it has connected.
pub fn can_dump(client_major: u32, server_major: u32) -> bool {
    client_major >= server_major
}

/// A dump into a file, without the tables of the pattern `except` and without the schemas named.
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

/// How it finds its database, besides PGPASSFILE.
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
    fn the_servers_major_stands_in_for_debians_wrapper_alone() {
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
        let of = |path: &Path, server| of_major_in(folder.path(), path.as_os_str(), server);
        assert_eq!(of(&bin, 15), Some(own.join("pg_dump")));
        assert_eq!(of(&bin, 16), None, "that major is not there");
        assert_eq!(of(&other, 15), None, "somebody's own pg_dump");
        assert_eq!(of(folder.path(), 15), None, "none on PATH");
    }
}
