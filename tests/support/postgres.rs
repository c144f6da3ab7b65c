//! A private PostgreSQL cluster: real, on 127.0.0.1 and a unix socket, with scram passwords by default.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User};
use tempfile::TempDir;

use super::ca::{Ca, ServerFiles};
use super::guard::Guard;
use super::postgres_template::{copy_template, program, template};
use super::session::Session;
use super::wait::{eventually, within};
use super::{identity, port};

const READY: Duration = Duration::from_secs(30);
pub const SUPERUSER: &str = "postgres";
pub const PASSWORD: &str = "root-Secret_1";

#[derive(Default)]
pub struct Options {
    tls: Option<(PathBuf, ServerFiles)>,
    hba: Vec<String>,
    settings: Vec<String>,
}

pub struct Postgres {
    folder: TempDir,
    user: Option<User>,
    port: u16,
    server: Option<(Child, Guard)>,
    ca: Option<PathBuf>,
}

impl Postgres {
    pub fn start() -> Self {
        Self::start_with(|_| Options::default())
    }

    /// `choose` gets the folder and user for which to issue certificates, and returns [`Options`].
    pub fn start_with(choose: impl FnOnce(&Home) -> Options) -> Self {
        let user = identity::server_user();
        let folder = tempfile::Builder::new().prefix("pg-").tempdir().expect("a folder for PostgreSQL");
        identity::give(folder.path(), user.as_ref());
        copy_template(&template(user.as_ref()), &folder.path().join("data"));
        let home = Home { folder: folder.path().to_owned(), user: user.clone() };
        let options = choose(&home);
        options.write(&folder.path().join("data"));
        let ca = options.tls.map(|(root, _)| root);
        let mut postgres = Self { folder, user, port: 0, server: None, ca };
        eventually(READY, "a port for PostgreSQL", || {
            postgres.port = port::free();
            postgres.try_run()
        });
        postgres
    }

    pub fn host(&self) -> &'static str {
        "127.0.0.1"
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn data_folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The CA file, if started with TLS.
    pub fn ca(&self) -> Option<&Path> {
        self.ca.as_deref()
    }

    /// The superuser's settings for `database`, over the unix socket.
    pub fn config(&self, database: &str) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        config.host_path(self.folder.path()).port(self.port).dbname(database);
        config.user(SUPERUSER).password(PASSWORD).connect_timeout(Duration::from_secs(5));
        config
    }

    #[track_caller]
    pub fn session(&self, database: &str) -> Session {
        Session::open(&self.config(database)).unwrap_or_else(|error| panic!("{database}: {error:?}"))
    }

    /// Runs one statement as superuser.
    #[track_caller]
    pub fn run(&self, database: &str, sql: &str) -> Vec<super::session::Row> {
        self.session(database).run(sql)
    }

    pub fn database_exists(&self, name: &str) -> bool {
        self.session("postgres").is(&format!("exists (select from pg_database where datname = '{name}')"))
    }

    /// True if a session of a database stays idle in transaction, and so blocks every ALTER TABLE. A session whose
    /// client has just disconnected is visible for some milliseconds more, on a busy machine for seconds.
    pub fn stays_idle_in_transaction(&self, database: &str) -> bool {
        let session = self.session("postgres");
        let idle = format!(
            "exists (select from pg_stat_activity where datname = '{database}' and state = 'idle in transaction')"
        );
        within(Duration::from_secs(10), || (!session.is(&idle)).then_some(())).is_none()
    }

    /// The public tables of a database, sorted.
    pub fn tables(&self, database: &str) -> Vec<String> {
        let rows = self.run(
            database,
            "select table_name from information_schema.tables where table_schema = 'public' order by 1",
        );
        rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect()
    }

    /// Does a fast shutdown, as `pg_ctl stop` does; clients are disconnected.
    pub fn stop(&mut self) {
        self.end(Signal::SIGINT);
    }

    /// Kills the postmaster and all backends, as a crash.
    pub fn kill_9(&mut self) {
        if let Some((server, _)) = &self.server {
            let children = format!("/proc/{0}/task/{0}/children", server.id());
            for pid in fs::read_to_string(children).unwrap_or_default().split_whitespace() {
                let _ = kill(Pid::from_raw(pid.parse().expect("a pid")), Signal::SIGKILL);
            }
        }
        self.end(Signal::SIGKILL);
    }

    /// Starts it again, with the same port and data.
    pub fn start_again(&mut self) {
        assert!(self.server.is_none(), "PostgreSQL still runs");
        eventually(READY, "PostgreSQL comes back", || self.try_run());
    }

    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    fn end(&mut self, signal: Signal) {
        if let Some((mut server, _guard)) = self.server.take() {
            let _ = kill(Pid::from_raw(server.id() as i32), signal);
            let _ = server.wait();
        }
    }

    /// Runs the server and waits until it accepts a login; None if it ended instead (the port was taken).
    fn try_run(&mut self) -> Option<()> {
        let log =
            File::options().create(true).append(true).open(self.folder.path().join("log")).expect("a log");
        let mut command = Command::new(program("postgres"));
        command.arg("-D").arg(self.data_folder()).args(["-p", &self.port.to_string(), "-k"]);
        command.arg(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.process_group(0);
        let mut server = identity::run_as(&mut command, self.user.as_ref()).spawn().expect("postgres runs");
        let guard = Guard::watch(server.id(), self.folder.path());
        let took_login = eventually(READY, "PostgreSQL takes a login", || {
            if server.try_wait().expect("a state").is_some() {
                return Some(false);
            }
            Session::open(&self.config("postgres")).is_ok().then_some(true)
        });
        if took_login {
            self.server = Some((server, guard));
        }
        took_login.then_some(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.end(Signal::SIGQUIT);
    }
}

/// The folder and user of a cluster that is being set up.
pub struct Home {
    folder: PathBuf,
    user: Option<User>,
}

impl Options {
    /// Enables TLS with a certificate for localhost and 127.0.0.1.
    pub fn tls(self, ca: &Ca, home: &Home) -> Self {
        self.tls_for(ca, home, &["localhost", "127.0.0.1"])
    }

    /// Enables TLS with a certificate for these names (another name fails verify-full).
    pub fn tls_for(mut self, ca: &Ca, home: &Home, names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        self.tls = Some((ca.root(), ca.issue(&names, &home.folder, home.user.as_ref())));
        self
    }

    /// Adds a line to pg_hba.conf, before the usual ones.
    pub fn hba(mut self, line: &str) -> Self {
        self.hba.push(line.to_owned());
        self
    }

    /// Adds a line to postgresql.conf: `max_connections = 10`.
    pub fn setting(mut self, line: &str) -> Self {
        self.settings.push(line.to_owned());
        self
    }

    fn write(&self, data: &Path) {
        let mut conf = self.settings.clone();
        if let Some((_, files)) = &self.tls {
            conf.push("ssl = on".to_owned());
            conf.push(format!("ssl_cert_file = '{}'", files.certificate.display()));
            conf.push(format!("ssl_key_file = '{}'", files.key.display()));
        }
        let mut text = fs::read_to_string(data.join("postgresql.conf")).expect("postgresql.conf");
        text.push_str(&conf.join("\n"));
        fs::write(data.join("postgresql.conf"), text + "\n").expect("postgresql.conf");
        // The superuser's local logins come first: the tests' own sessions must not depend on the tested settings.
        let mut hba = vec![format!("local all {SUPERUSER} scram-sha-256")];
        hba.extend(self.hba.iter().cloned());
        hba.push("local all all scram-sha-256".to_owned());
        hba.push("host all all 127.0.0.1/32 scram-sha-256".to_owned());
        fs::write(data.join("pg_hba.conf"), hba.join("\n") + "\n").expect("pg_hba.conf");
    }
}
