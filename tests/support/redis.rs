//! A private Redis: real, without persistence by default, always reachable by a unix socket.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ::redis::{Client, Connection, FromRedisValue};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::ca::Ca;
use super::guard::Guard;
use super::port;
use super::wait::eventually;

const READY: Duration = Duration::from_secs(10);

#[derive(Default)]
pub struct Options {
    login: Option<(Option<String>, String)>,
    tls: Option<PathBuf>,
    lines: Vec<String>,
    ca: Option<Ca>,
}

pub struct Redis {
    folder: TempDir,
    port: u16,
    options: Options,
    server: Option<(Child, Guard)>,
}

impl Options {
    /// Sets requirepass.
    pub fn password(mut self, password: &str) -> Self {
        self.login = Some((None, password.to_owned()));
        self.lines.push(format!("requirepass {}", quoted(password)));
        self
    }

    /// Adds a user with all rights, and removes those of the default user.
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.login = Some((Some(name.to_owned()), password.to_owned()));
        self.lines.push(format!("user {name} on ~* &* +@all {}", quoted(&format!(">{password}"))));
        self.lines.push("user default off".to_owned());
        self
    }

    /// Allows only TLS, with a certificate for localhost and 127.0.0.1.
    pub fn tls(mut self, ca: Ca) -> Self {
        self.tls = Some(ca.root());
        self.ca = Some(ca);
        self
    }

    /// Adds a line to redis.conf: `maxmemory-policy allkeys-lru`.
    pub fn setting(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }
}

impl Redis {
    pub fn start() -> Self {
        Self::start_with(Options::default())
    }

    pub fn start_with(options: Options) -> Self {
        let folder = tempfile::Builder::new().prefix("redis-").tempdir().expect("a folder for Redis");
        let mut redis = Self { folder, port: 0, options, server: None };
        eventually(READY, "a port for Redis", || {
            redis.port = port::free();
            redis.write_config();
            redis.try_run()
        });
        redis
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn ca(&self) -> Option<&Path> {
        self.options.tls.as_deref()
    }

    /// The URL of a database, with the scheme and login that the server requires.
    pub fn url(&self, database: u8) -> String {
        let scheme = if self.options.tls.is_some() { "rediss" } else { "redis" };
        let login = match &self.options.login {
            Some((user, password)) => {
                let encode = |text: &str| {
                    url::form_urlencoded::byte_serialize(text.as_bytes())
                        .collect::<String>()
                        .replace('+', "%20")
                };
                format!("{}:{}@", encode(user.as_deref().unwrap_or("")), encode(password))
            }
            None => String::new(),
        };
        format!("{scheme}://{login}127.0.0.1:{}/{database}", self.port)
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// A connection over the unix socket, logged in.
    pub fn connection(&self, database: u8) -> Connection {
        self.try_connection(database).expect("a connection to the test's Redis")
    }

    fn try_connection(&self, database: u8) -> ::redis::RedisResult<Connection> {
        let mut url = url::Url::parse(&format!("redis+unix://{}", self.socket().display())).expect("a URL");
        url.query_pairs_mut().append_pair("db", &database.to_string());
        if let Some((user, password)) = &self.options.login {
            url.query_pairs_mut().append_pair("pass", password);
            if let Some(user) = user {
                url.query_pairs_mut().append_pair("user", user);
            }
        }
        let mut connection = Client::open(url.as_str())?.get_connection()?;
        ::redis::cmd("PING").query::<String>(&mut connection)?;
        Ok(connection)
    }

    /// Runs one command: `redis.ask(1, &["SMEMBERS", "rq:workers"])`.
    #[track_caller]
    pub fn ask<T: FromRedisValue>(&self, database: u8, words: &[&str]) -> T {
        let mut command = ::redis::cmd(words[0]);
        for word in &words[1..] {
            command.arg(word);
        }
        command.query(&mut self.connection(database)).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// Uses a password that a test has set by CONFIG SET.
    pub fn knows_password(&mut self, password: &str) {
        self.options.login = Some((None, password.to_owned()));
    }

    pub fn stop(&mut self) {
        self.end(Signal::SIGTERM);
    }

    pub fn kill_9(&mut self) {
        self.end(Signal::SIGKILL);
    }

    /// Starts it again on the same port; its data is lost unless a setting persists it.
    pub fn start_again(&mut self) {
        assert!(self.server.is_none(), "Redis still runs");
        eventually(READY, "Redis comes back", || self.try_run());
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

    fn write_config(&self) {
        let mut lines = vec!["bind 127.0.0.1".to_owned(), "save \"\"".to_owned(), "daemonize no".to_owned()];
        lines.push(format!("dir {}", self.folder.path().display()));
        lines.push(format!("unixsocket {}", self.socket().display()));
        if let Some(ca) = &self.options.ca {
            let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
            let files = ca.issue(&names, self.folder.path(), None);
            lines.push(format!("port 0\ntls-port {}\ntls-auth-clients no", self.port));
            lines.push(format!("tls-ca-cert-file {}", ca.root().display()));
            lines.push(format!("tls-cert-file {}", files.certificate.display()));
            lines.push(format!("tls-key-file {}", files.key.display()));
        } else {
            lines.push(format!("port {}", self.port));
        }
        lines.extend(self.options.lines.iter().cloned());
        fs::write(self.folder.path().join("redis.conf"), lines.join("\n") + "\n").expect("redis.conf");
    }

    fn try_run(&mut self) -> Option<()> {
        let _ = fs::remove_file(self.socket());
        let log =
            File::options().create(true).append(true).open(self.folder.path().join("log")).expect("a log");
        let mut server = Command::new("redis-server")
            .arg(self.folder.path().join("redis.conf"))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("redis-server is not installed (Debian: apt install redis-server)");
        let guard = Guard::watch(server.id(), self.folder.path());
        let answers = eventually(READY, "Redis answers", || {
            if server.try_wait().expect("a state").is_some() {
                return Some(false);
            }
            self.try_connection(0).is_ok().then_some(true)
        });
        if answers {
            self.server = Some((server, guard));
        }
        answers.then_some(())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.end(Signal::SIGKILL);
    }
}

/// A word of redis.conf in double quotes.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
