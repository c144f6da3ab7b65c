//! The program under test: started with a cleared environment, watched from outside, with a deadline on every wait.

use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::bench::Bench;
use super::http;
use super::port;
use super::postgres::Postgres;
use super::previous_release;
use super::redis::Redis;
use super::wait::{eventually, within};

/// Longer than anything takes here that ends without a test's help.
pub const LONG: Duration = Duration::from_secs(90);

pub fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_cauldron-frappe"))
}

/// A command line with its environment. Cloned, it is another pod of the same manifest.
#[derive(Clone)]
pub struct Binary {
    program: PathBuf,
    before: Vec<String>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Binary {
    pub fn new(arguments: &[&str]) -> Self {
        let path = std::env::var("PATH").expect("PATH");
        Self {
            program: program(),
            before: Vec::new(),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            environment: vec![
                ("PATH".to_owned(), path),
                ("CAULDRON_HEALTH_ADDR".to_owned(), "off".to_owned()),
            ],
        }
    }

    /// A command line on a bench, with the bench's own environment.
    pub fn on(bench: &Bench, arguments: &[&str]) -> Self {
        let mut binary = Self::new(arguments).set("CAULDRON_BENCH", bench.path().display());
        binary.environment.extend(bench.environment().iter().cloned());
        binary
    }

    /// Sets the addresses of the servers by the variables that the chart uses, without a login.
    pub fn servers(self, postgres: &Postgres, redis: &Redis) -> Self {
        self.set("DB_HOST", postgres.host())
            .set("DB_PORT", postgres.port())
            .set("REDIS_CACHE", redis.url(0))
            .set("REDIS_QUEUE", redis.url(1))
    }

    pub fn set(mut self, name: &str, value: impl ToString) -> Self {
        self.environment.retain(|(given, _)| given != name);
        self.environment.push((name.to_owned(), value.to_string()));
        self
    }

    pub fn unset(mut self, name: &str) -> Self {
        self.environment.retain(|(given, _)| given != name);
        self
    }

    pub fn value(&self, name: &str) -> Option<&str> {
        self.environment.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Another command with the same environment.
    pub fn with_command(mut self, command: &str) -> Self {
        self.arguments = vec![command.to_owned()];
        self
    }

    /// The previous release's binary with the same environment.
    pub fn of_the_previous_release(mut self) -> Self {
        self.program = previous_release::program();
        self
    }

    /// Runs the program under another one: `unshare -m`, `setpriv --reuid …`.
    pub fn under(mut self, words: &[&str]) -> Self {
        self.before = words.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Starts it with a health port.
    pub fn start(self) -> Pod {
        let health = port::free();
        let mut pod = self.set("CAULDRON_HEALTH_ADDR", format!("127.0.0.1:{health}")).spawn();
        pod.health = Some(health);
        pod
    }

    pub fn spawn(self) -> Pod {
        let folder = tempfile::Builder::new().prefix("pod-").tempdir().expect("a folder for a pod");
        let runtime = folder.path().join("run");
        fs::create_dir(&runtime).expect("a runtime folder");
        for path in [folder.path(), &runtime] {
            // Another uid may use it.
            let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
            fs::set_permissions(path, open).expect("an open folder");
        }
        let mut words = self.before.clone();
        words.push(self.program.display().to_string());
        words.extend(self.arguments.clone());
        let file = |name: &str| File::create(folder.path().join(name)).expect("a file for output");
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        if !self.environment.iter().any(|(name, _)| name == "CAULDRON_RUNTIME_DIR") {
            command.env("CAULDRON_RUNTIME_DIR", &runtime);
        }
        command.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr")).process_group(0);
        let child = command.spawn().unwrap_or_else(|error| panic!("{words:?}: {error}"));
        Pod { child, folder, health: None }
    }

    /// Runs it, and waits for its end.
    #[track_caller]
    pub fn run(self) -> Ended {
        self.spawn().end()
    }
}

/// A running instance; dropping it kills it and its children.
pub struct Pod {
    child: Child,
    folder: TempDir,
    health: Option<u16>,
}

/// The result of an instance that ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; a signal is minus its number.
    pub exit: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Asserts the exit code; a failure shows the log.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.exit, code, "{self}");
        self
    }

    #[track_caller]
    pub fn prints(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "`{text}` is not in:\n{self}");
        self
    }

    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "`{text}` is not in:\n{self}");
        self
    }

    /// Asserts that the JSON log has an event of this name.
    #[track_caller]
    pub fn event(self, name: &str) -> Self {
        self.says(&event(name))
    }

    /// Asserts that it ended with the refusal of this name.
    #[track_caller]
    pub fn refuses(self, name: &str) -> Self {
        self.says(&format!("  refusal: {name}\n"))
    }
}

/// An event's name as in the JSON log.
pub fn event(name: &str) -> String {
    format!("\"event\":\"{name}\"")
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {}\n{}{}", self.exit, self.stdout, self.stderr)
    }
}

impl Pod {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn text(&self, name: &str) -> String {
        let bytes = fs::read(self.folder.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The present contents of both streams.
    pub fn log(&self) -> String {
        self.text("stdout") + &self.text("stderr")
    }

    #[track_caller]
    pub fn says(&self, text: &str) {
        eventually(LONG, text, || self.log().contains(text).then_some(()));
    }

    /// Waits for an event of this name in the JSON log.
    #[track_caller]
    pub fn event(&self, name: &str) {
        self.says(&event(name));
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid() as i32), signal).expect("a pod to signal");
    }

    pub fn exit(&mut self) -> Option<i32> {
        let status = self.child.try_wait().expect("a state")?;
        Some(status.code().unwrap_or_else(|| -status.signal().unwrap_or_default()))
    }

    #[track_caller]
    pub fn end(self) -> Ended {
        self.end_within(LONG)
    }

    #[track_caller]
    pub fn end_within(mut self, deadline: Duration) -> Ended {
        let Some(exit) = within(deadline, || self.exit()) else {
            panic!("not ended within {deadline:?}:\n{}", self.log())
        };
        Ended { exit, stdout: self.text("stdout"), stderr: self.text("stderr") }
    }

    pub fn health_port(&self) -> u16 {
        self.health.expect("a pod with a health port")
    }

    /// The status of a probe; 0 without an answer.
    pub fn probe(&self, path: &str) -> u16 {
        http::status(self.health_port(), "localhost", path)
    }

    pub fn body(&self, path: &str) -> String {
        http::get(self.health_port(), "localhost", path).map(|answer| answer.body).unwrap_or_default()
    }

    /// Waits until a probe answers with this status.
    #[track_caller]
    pub fn answers(&mut self, path: &str, status: u16) {
        let what = format!("{path} answers {status}");
        let ended = eventually(LONG, &what, || {
            if self.probe(path) == status {
                return Some(false);
            }
            self.exit().is_some().then_some(true)
        });
        assert!(!ended, "ended before {what}:\n{}", self.log());
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        // Its children have their own process groups.
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        for pid in fs::read_to_string(children).unwrap_or_default().split_whitespace() {
            let _ = killpg(Pid::from_raw(pid.parse().expect("a pid")), Signal::SIGKILL);
        }
        let _ = killpg(Pid::from_raw(self.child.id() as i32), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}
