//! Which of several PostgreSQL clients in an image is started.
//!
//! Debian keeps each major's programs in a folder of their own, and its `pg_dump` on PATH is a wrapper that starts the newest. A dump
//! by a newer `pg_dump` cannot be read by the `pg_restore` of the server's major, and a newer `pg_restore` says
//! `SET transaction_timeout` to servers before 17, which refuse it: so the server's own major is started where it is there.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// What Debian's programs on PATH are links to.
const WRAPPER: &str = "pg_wrapper";
const MAJORS: &str = "/usr/lib/postgresql";

/// The program of the server's own major, in place of Debian's wrapper. `None` where PATH's own is to be started: it is no
/// wrapper, or that major is not installed.
pub fn of_major(name: &str, path: &OsStr, server: u32) -> Option<PathBuf> {
    of_major_in(Path::new(MAJORS), name, path, server)
}

fn of_major_in(majors: &Path, name: &str, path: &OsStr, server: u32) -> Option<PathBuf> {
    let on_path = std::env::split_paths(path).map(|folder| folder.join(name)).find(|path| path.is_file())?;
    let is_wrapper = on_path.canonicalize().is_ok_and(|real| real.file_name() == Some(OsStr::new(WRAPPER)));
    let own = majors.join(server.to_string()).join("bin").join(name);
    (is_wrapper && own.is_file()).then_some(own)
}

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
        let of = |path: &Path, server| of_major_in(folder.path(), "pg_dump", path.as_os_str(), server);
        assert_eq!(of(&bin, 15), Some(own.join("pg_dump")));
        assert_eq!(of(&bin, 16), None, "that major is not there");
        assert_eq!(of(&other, 15), None, "somebody's own pg_dump");
        assert_eq!(of(folder.path(), 15), None, "none on PATH");
    }
}
