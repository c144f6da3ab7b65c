//! Runs the binary under test and reads what it says.

use std::ffi::OsStr;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::postgres::Postgres;
use crate::support::running::{Exit, Running};
use crate::support::wait::eventually;

/// Longer than anything here takes on a loaded machine; the program's own deadline is shorter.
const PATIENCE: Duration = Duration::from_secs(60);

/// A `wait-deps` about to be started, with an environment of nothing but what is given.
pub struct WaitDeps {
    command: Command,
}

impl WaitDeps {
    pub fn new() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cauldron-frappe"));
        command.args(["wait-deps", "--format", "json"]).env_clear();
        command.env("CAULDRON_WAIT_TIMEOUT", "30s").env("CAULDRON_BENCH", "/no/bench");
        Self { command }
    }

    /// Without `--format json`, as people run it.
    pub fn in_text(self) -> Self {
        let mut command = Command::new(self.command.get_program());
        command.arg("wait-deps").env_clear();
        command.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Self { command }
    }

    pub fn set(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn timeout(self, text: &str) -> Self {
        self.set("CAULDRON_WAIT_TIMEOUT", text)
    }

    /// Where that server is, and a login.
    pub fn postgres(self, server: &Postgres, user: &str, password: &str) -> Self {
        self.server(server).set("DB_USER", user).set("DB_PASSWORD", password)
    }

    pub fn server(self, server: &Postgres) -> Self {
        self.set("DB_HOST", server.host()).set("DB_PORT", server.port().to_string())
    }

    pub fn start(mut self) -> Waiting {
        Waiting { running: Running::spawn(&mut self.command), started: Instant::now() }
    }

    /// To its end.
    pub fn run(self) -> Ended {
        self.start().end()
    }

    pub fn command(self) -> Command {
        self.command
    }
}

pub struct Waiting {
    running: Running,
    started: Instant,
}

impl Waiting {
    /// Waits until the log tells of this dependency's step.
    #[track_caller]
    pub fn until_it_waits_for(&self, dependency: &str, step: &str) {
        eventually(PATIENCE, &format!("{dependency} waits at {step}: {}", self.running.log()), || {
            self.events("dependency not ready yet")
                .iter()
                .any(|event| event["dependency"] == dependency && event["step"] == step)
                .then_some(())
        });
    }

    /// The log's events with that message.
    pub fn events(&self, message: &str) -> Vec<Value> {
        events(&self.running.log(), message)
    }

    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    pub fn signal(&self, signal: Signal) {
        self.running.signal(signal);
    }

    #[track_caller]
    pub fn end(self) -> Ended {
        self.end_within(PATIENCE)
    }

    #[track_caller]
    pub fn end_within(mut self, deadline: Duration) -> Ended {
        let exit = self.running.exit_within(deadline);
        let log = self.running.log();
        let Some(code) = exit else { panic!("it still runs after {deadline:?}: {log}") };
        Ended { code, log, took: self.started.elapsed() }
    }
}

pub struct Ended {
    pub code: Exit,
    /// stdout and stderr.
    pub log: String,
    pub took: Duration,
}

impl Ended {
    #[track_caller]
    pub fn expect(self, code: Exit) -> Self {
        assert_eq!(self.code, code, "{}", self.log);
        self
    }

    #[track_caller]
    pub fn report(&self) -> Value {
        self.log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .find(|value| value.get("dependencies").is_some())
            .unwrap_or_else(|| panic!("no report: {}", self.log))
    }

    #[track_caller]
    pub fn dependency(&self, name: &str) -> Value {
        let report = self.report();
        let all = report["dependencies"].as_array().expect("a list");
        all.iter().find(|d| d["name"] == name).unwrap_or_else(|| panic!("no {name}: {report}")).clone()
    }

    /// State, step, and a word of the hint, of one dependency that is not ready.
    #[track_caller]
    pub fn tells(self, name: &str, state: &str, step: &str, hint: &str) -> Self {
        let dependency = self.dependency(name);
        assert_eq!(
            (&dependency["state"], &dependency["step"]),
            (&state.into(), &step.into()),
            "{dependency}"
        );
        let told = dependency["hint"].as_str().unwrap_or_default();
        assert!(told.contains(hint), "`{hint}` is not in `{told}`");
        self
    }

    /// Warnings of one dependency.
    pub fn warnings(&self, name: &str) -> String {
        self.dependency(name)["warnings"].to_string()
    }

    pub fn events(&self, message: &str) -> Vec<Value> {
        events(&self.log, message)
    }
}

fn events(log: &str, message: &str) -> Vec<Value> {
    log.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|value| value["message"] == message)
        .collect()
}
