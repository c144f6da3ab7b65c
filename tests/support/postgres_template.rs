//! PostgreSQL's programs, and a template cluster that is made once and copied.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::fcntl::{Flock, FlockArg};
use nix::unistd::User;

use super::identity;
use super::postgres::{PASSWORD, SUPERUSER};

/// A program from PATH, or else from the newest of Debian's folders, which are not on PATH.
pub fn program(name: &str) -> PathBuf {
    let on_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let mut debian: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    debian.sort();
    debian.reverse();
    on_path
        .chain(debian)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{name} is not installed (Debian: apt install postgresql)"))
}

/// The template, made once per target folder and user: `initdb` takes half a second, and a copy of its result 50 ms.
pub fn template(user: Option<&User>) -> PathBuf {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(tmp).expect("target/tmp");
    let owner = user.map_or_else(|| nix::unistd::Uid::effective().as_raw(), |user| user.uid.as_raw());
    let template = tmp.join(format!("postgres-{}-{owner}", version()));
    let lock = File::create(tmp.join("postgres.lock")).expect("a lock file");
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).expect("the template's lock");
    if !template.exists() {
        let made = tempfile::Builder::new().prefix("initdb-").tempdir().expect("a folder for initdb");
        identity::give(made.path(), user);
        initdb(made.path(), user);
        let partial = template.with_extension("partial");
        let _ = fs::remove_dir_all(&partial);
        copy_template(&made.path().join("data"), &partial);
        fs::rename(&partial, &template).expect("the template is whole");
    }
    template
}

fn version() -> String {
    let output = Command::new(program("postgres")).arg("--version").output().expect("postgres --version");
    String::from_utf8_lossy(&output.stdout).trim().replace([' ', '(', ')', '/'], "-")
}

fn initdb(folder: &Path, user: Option<&User>) {
    let password = folder.join("password");
    fs::write(&password, PASSWORD).expect("a password file");
    identity::give(&password, user);
    let mut command = Command::new(program("initdb"));
    command.arg("-D").arg(folder.join("data")).arg("--pwfile").arg(&password).current_dir(folder);
    command.args(["-U", SUPERUSER, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"]);
    command.arg("--wal-segsize=1");
    let output = identity::run_as(&mut command, user).output().expect("initdb runs");
    assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
    let conf = folder.join("data/postgresql.conf");
    let mut text = fs::read_to_string(&conf).expect("postgresql.conf");
    text.push_str(
        "\nlisten_addresses = '127.0.0.1'\nfsync = off\nsynchronous_commit = off\nfull_page_writes = off\n",
    );
    text.push_str("shared_buffers = '32MB'\nautovacuum = off\nmax_connections = 60\n");
    fs::write(&conf, text).expect("postgresql.conf");
}

pub fn copy_template(from: &Path, to: &Path) {
    let output =
        Command::new("cp").args(["-a", "--reflink=auto"]).arg(from).arg(to).output().expect("cp runs");
    assert!(output.status.success(), "cp: {}", String::from_utf8_lossy(&output.stderr));
}
