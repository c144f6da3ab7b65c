//! A canary in every setting, through the program: it is in no stream, no termination message, no command line of the
//! program or of a child, and in no answer of the health port.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::support::bench::Bench;
use crate::support::binary::{Binary, LONG, Pod};
use crate::support::redis::{self, Redis};
use crate::support::skip::skipped;
use crate::support::stage::Stage;
use crate::support::tree::with_descendants;
use crate::support::wait::eventually;
use crate::{SITE, new_stage};

/// Has a scheme, a login, a blank and a path: no kind of setting can be that, except any text.
const LOGIN: &str = "redis://u:12 canary@h/x";
/// A secret may be any text without control characters.
const SECRET: &str = "canary\tx";
/// Malformed values of settings that may hold a login.
const MALFORMED: [(&str, &str); 15] = [
    ("REDIS_CACHE", "redis://:ab@cd/canary@host:6379/0"),
    ("REDIS_QUEUE", "redis://u:canary"),
    ("CAULDRON_APPS", r#"[{"name":"https://u:canary/x"}]"#),
    ("CAULDRON_APPS", r#"[{"https://u:canary/x":1}]"#),
    ("CUSTOM_APPS", "a:https://u:canary/x.git:main"),
    ("CUSTOM_APPS", "a:https://u:12 canary/x:main"),
    ("CAULDRON_GIT_AUTH", r#"{"h":{"token":"canary"}}"#),
    ("CAULDRON_COMMON_SITE_CONFIG", r#"{"mail_password": "canary", "db_host": "canary"}"#),
    ("CAULDRON_COMMON_SITE_CONFIG", r#"{"mail_password": "canary""#),
    ("CAULDRON_COMMON_SITE_CONFIG", r#"{"https://u:canary@h": 1}"#),
    ("STANDARD_APPS", "a:https://u:canary/x.git:main"),
    ("FRAPPE_REDIS_QUEUE", "redis://:canary@other:6379/0"),
    ("FRAPPE_DB_PORT", "u:canary@h"),
    ("FRAPPE_DB_HOST", "postgres://u:canary@h/x"),
    ("DB_PASSWORD_FILE", "canary"),
];
const COMMANDS: [&str; 4] = ["bootstrap", "web", "wait-deps", "plan"];

/// The settings of docs/configuration.md, each with a value that it refuses. None takes any text.
fn spoilt_settings() -> Vec<(String, String)> {
    let page =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md")).expect("a page");
    let table = page.split("<!-- variables -->\n").nth(1).expect("a table");
    let rows = table.lines().skip(2).map_while(|line| line.strip_prefix("| `"));
    let settings = rows.filter_map(|row| {
        let cells: Vec<&str> = row.split(" | ").collect();
        let takes_all = ["any text", "anything"].contains(&cells[2]);
        let value = if cells.last()?.starts_with("yes") { SECRET } else { LOGIN };
        (!takes_all).then(|| (cells[0].trim_end_matches('`').to_owned(), value.to_owned()))
    });
    settings.chain(MALFORMED.map(|(name, value)| (name.to_owned(), value.to_owned()))).collect()
}

/// The file of the termination message, and the words of a program that mounts it over /dev/termination-log.
struct Termination {
    folder: tempfile::TempDir,
    words: Vec<String>,
}

impl Termination {
    /// None, with a report, where no mount namespace can be made.
    fn new(test: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("message"), "").expect("a file");
        // The pod gets its own /dev, in which the kubelet mounts the file.
        let script = format!(
            "set -e; dev=$(mktemp -d); mount -t tmpfs none $dev; \
             for node in null zero full random urandom; do touch $dev/$node; mount --bind /dev/$node $dev/$node; done; \
             mkdir $dev/shm; touch $dev/termination-log; mount --bind {} $dev/termination-log; mount --move $dev /dev; \
             exec \"$0\" \"$@\"",
            folder.path().join("message").display()
        );
        let words = ["unshare", "-m", "sh", "-c", &script].map(str::to_owned).to_vec();
        let allowed = Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
        if !allowed.is_ok_and(|output| output.status.success()) {
            skipped(test, "no mount namespace can be made here");
            return None;
        }
        Some(Self { folder, words })
    }

    fn mounted(&self, binary: Binary) -> Binary {
        binary.under(&self.words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn clear(&self) {
        fs::write(self.folder.path().join("message"), "").expect("an empty message");
    }

    fn message(&self) -> String {
        let path: PathBuf = self.folder.path().join("message");
        fs::read_to_string(path).expect("the message")
    }
}

/// Adds the command lines of a pod's processes.
fn add_command_lines(pod: &Pod, seen: &mut BTreeSet<String>) {
    let lines = with_descendants(pod.pid()).into_iter().filter_map(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    seen.extend(lines);
}

#[test]
fn a_refused_value_is_shown_nowhere() {
    let test = "a_refused_value_is_shown_nowhere";
    let Some(termination) = Termination::new(test) else { return };
    let bench = Bench::sample();
    let settings = spoilt_settings();
    assert!(settings.len() >= 50, "{settings:?}");
    for ((name, value), command) in settings.iter().zip(COMMANDS.iter().cycle()) {
        termination.clear();
        // No role reads the logins of the repository of backups and of the server on which they are verified.
        let is_of_backups =
            ["CAULDRON_BACKUP_", "CAULDRON_SCRATCH_DB_"].iter().any(|begin| name.starts_with(begin));
        let command = if is_of_backups { &"backup" } else { command };
        let binary = Binary::on(&bench, &[command])
            .set("SITE_NAME", SITE)
            .set("DB_HOST", "pg")
            .set("DB_PORT", "5432")
            .set("DB_NAME", "frappe")
            .set("CAULDRON_WAIT_TIMEOUT", "1s");
        let binary = match name.as_str() {
            "REDIS_CACHE_HOST" | "REDIS_QUEUE_HOST" | "REDIS_PORT" => {
                binary.set("REDIS_CACHE_HOST", "r").set("REDIS_QUEUE_HOST", "r")
            }
            _ => binary.set("REDIS_CACHE", "redis://r/0").set("REDIS_QUEUE", "redis://r/1"),
        };
        let mut pod = termination.mounted(binary.set(name, value)).spawn();
        let mut lines = BTreeSet::new();
        while pod.exit().is_none() {
            add_command_lines(&pod, &mut lines);
        }
        let ended = pod.end();
        assert_eq!(ended.exit, 78, "{name}={value:?}:\n{ended}");
        let shown = format!("{ended}\n{}\n{lines:?}", termination.message());
        assert!(!shown.contains("canary"), "{name}={value:?}:\n{shown}");
        // `plan` only reports, and writes no termination message.
        assert!(*command == "plan" || termination.message().contains("exit code 78"), "{shown}");
        let named = name.strip_suffix("_FILE").unwrap_or(name);
        assert!(ended.stderr.contains(named), "{name} is not named:\n{ended}");
    }
}

/// Servers that refuse or do not answer: the failure is reported everywhere, the login is not.
#[test]
fn a_login_that_does_not_work_is_shown_nowhere() {
    let Some(termination) = Termination::new("a_login_that_does_not_work_is_shown_nowhere") else { return };
    let redis = Redis::start_with(redis::Options::default().password("secret"));
    let stage = Stage { redis, ..new_stage() }.set("CAULDRON_WAIT_TIMEOUT", "1s");
    let port = stage.redis.port();
    for (name, value, code) in [
        ("REDIS_QUEUE", format!("redis://:canary@127.0.0.1:{port}/1"), 77),
        ("REDIS_CACHE", "redis://u:canary@127.0.0.1:1/0".to_owned(), 69),
        ("DB_PASSWORD", "canary".to_owned(), 77),
    ] {
        termination.clear();
        let held = stage.web().set(name, value).set("CAULDRON_ON_FAILURE", "hold");
        let pod = termination.mounted(held.set("CAULDRON_LOG_LEVEL", "trace")).start();
        let status = eventually(LONG, "a held failure", || {
            Some(pod.body("/status")).filter(|status| status.contains("\"held\""))
        });
        let mut lines = BTreeSet::new();
        add_command_lines(&pod, &mut lines);
        let answers = ["/metrics", "/readyz", "/livez"].map(|path| pod.body(path));
        pod.signal(Signal::SIGTERM);
        let ended = pod.end().exits(code);
        let shown = format!("{status}\n{answers:?}\n{lines:?}\n{}\n{ended}", termination.message());
        assert!(!shown.contains("canary"), "{name}:\n{shown}");
        assert!(termination.message().contains(&format!("exit code {code}")), "{shown}");
    }
}
