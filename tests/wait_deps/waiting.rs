//! Runs the binary under test and reads its log and report.

use std::ffi::OsStr;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::postgres::Postgres;
use crate::support::running::{Exit, Running};
use crate::support::wait::eventually;

/// Longer than any test here takes on a loaded machine. The program's own deadline is shorter.
const TEST_TIMEOUT: Duration = Duration::from_secs(60);

/// A `wait-deps` that is not started yet, with an environment of only the given variables.
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

    /// Without `--format json`, as operators run it.
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

    /// Sets the address of that server and a login.
    pub fn postgres(self, server: &Postgres, user: &str, password: &str) -> Self {
        self.server(server).set("DB_USER", user).set("DB_PASSWORD", password)
    }

    pub fn server(self, server: &Postgres) -> Self {
        self.set("DB_HOST", server.host()).set("DB_PORT", server.port().to_string())
    }

    pub fn start(mut self) -> Waiting {
        Waiting { running: Running::spawn(&mut self.command), started: Instant::now() }
    }

    /// Runs the program until it ends.
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
    /// Waits until the log reports this dependency as not ready at this step.
    #[track_caller]
    pub fn until_it_waits_for(&self, dependency: &str, step: &str) {
        eventually(TEST_TIMEOUT, &format!("{dependency} waits at {step}: {}", self.running.log()), || {
            self.events("deps.not_ready")
                .iter()
                .any(|event| event["dependency"] == dependency && event["step"] == step)
                .then_some(())
        });
    }

    /// Returns the log's events with that name.
    pub fn events(&self, name: &str) -> Vec<Value> {
        events(&self.running.log(), name)
    }

    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    pub fn signal(&self, signal: Signal) {
        self.running.signal(signal);
    }

    #[track_caller]
    pub fn end(self) -> Ended {
        self.end_within(TEST_TIMEOUT)
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
    /// Output on stdout and stderr.
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

    /// Checks state, step and a word of the hint of one dependency that is not ready.
    #[track_caller]
    pub fn reports(self, name: &str, state: &str, step: &str, hint: &str) -> Self {
        let dependency = self.dependency(name);
        assert_eq!(
            (&dependency["state"], &dependency["step"]),
            (&state.into(), &step.into()),
            "{dependency}"
        );
        let shown = dependency["hint"].as_str().unwrap_or_default();
        assert!(shown.contains(hint), "`{hint}` is not in `{shown}`");
        self
    }

    /// Returns the warnings of one dependency.
    pub fn warnings(&self, name: &str) -> String {
        self.dependency(name)["warnings"].to_string()
    }

    pub fn events(&self, name: &str) -> Vec<Value> {
        events(&self.log, name)
    }
}

fn events(log: &str, name: &str) -> Vec<Value> {
    log.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|value| value["event"] == name)
        .collect()
}
