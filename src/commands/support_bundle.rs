//! `support-bundle`: what somebody who helps needs to see, in one file, without a secret.
//!
//! ```text
//!   configuration ─▶ secrets ─┐
//!   status, metrics, doctor, plan, recent lines, log files ─▶ redaction ─▶ file or stdout
//! ```
//!
//! A section that cannot be had says why; the others are written all the same.

use std::fs::{self, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;

use crate::bench::Bench;
use crate::config::source::ProcessEnvironment;
use crate::config::variable::VARIABLES;
use crate::config::{self, Needs, Reader};
use crate::doctor::Request;
use crate::health_port::probe::{query_status, query_supervisor};
use crate::health_port::recent_lines;
use crate::outcome::{BUG, DONE, Fault, Flow};
use crate::supervise::output::OutputLine;
use crate::supervise::process::Processes;
use crate::supervise::signals::Shutdown;
use crate::supervise::spawn::{Output, Spec};
use crate::sys::cgroup;
use crate::telemetry;
use crate::telemetry::redaction::Redaction;

/// `doctor` and `plan` end within fifteen seconds of their own.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(25);
const STOP_GRACE: Duration = Duration::from_secs(2);
/// The end of each log file that is shown.
const LOG_TAIL_BYTES: u64 = 16 * 1024;

/// Writes the bundle to a new file, or to stdout.
///
/// # Errors
/// 77, 78 and 75 where the file cannot be written; a signal. What is wrong with the installation is content.
pub async fn support_bundle(output: Option<PathBuf>, request: &Request<'_>, shutdown: &Shutdown) -> Flow<u8> {
    let processes = Processes::start()
        .map_err(|error| Fault::new(BUG, format!("no SIGCHLD handler: {error}"), "report this"))?;
    let text = shutdown.guard(async { Ok(collect(request, &processes).await) }).await;
    processes.sweep(STOP_GRACE, shutdown.forced()).await;
    match output {
        None => telemetry::print(&text?),
        Some(path) => write(&path, &text?)?,
    }
    Ok(DONE)
}

/// A file that exists is not overwritten: it may be another bundle, or anything else.
fn write(path: &Path, text: &str) -> crate::outcome::Result<()> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Fault::file(format!("cannot write {}", path.display()), &error))
}

async fn collect(request: &Request<'_>, processes: &Processes) -> String {
    let mut reader = Reader::new(request.settings, &ProcessEnvironment);
    let config = config::load(&mut reader, Needs::SERVERS, request.embedded);
    let bench = Bench::new(bench_folder(&reader));
    let redaction = Redaction::of(config::secret_values::secret_values(&reader, &bench.sites()));
    let mut bundle = Bundle::default();
    bundle.section("about", &about());
    let problems: String = reader.problems.iter().map(|problem| format!("error: {problem}\n")).collect();
    bundle.section("configuration", &(config::render(&reader) + &problems));
    let health = config.as_ref().and_then(|config| config.health_addr);
    let status = query_status(health).await;
    let runtime_dir =
        status.as_ref().ok().and_then(|status| status["runtime_dir"].as_str()).map(PathBuf::from);
    let pretty = status.map(|status| format!("{status:#}"));
    bundle.answer("status", pretty.map_err(|fault| fault.to_string()));
    let metrics = query_supervisor(health, "/metrics").await;
    bundle.answer("metrics", metrics.map(|answer| answer.body).map_err(|fault| fault.to_string()));
    for command in ["doctor", "plan"] {
        bundle.answer(command, run(command, request, processes).await);
    }
    let lines = match &runtime_dir {
        Some(folder) => recent_lines::read(folder).await.map_err(|error| error.to_string()),
        None => Err("no supervisor answers in this container".to_string()),
    };
    bundle.answer("recent log lines of the supervisor and of relayed children", lines);
    for path in log_files(&bench) {
        let title = format!("end of {}", path.display());
        bundle.answer(&title, tail(&path).map_err(|error| error.to_string()));
    }
    redaction.apply(&bundle.0)
}

#[derive(Default)]
struct Bundle(String);

impl Bundle {
    fn section(&mut self, title: &str, text: &str) {
        self.0.push_str(&format!("==== {title}\n{}\n\n", text.trim_end()));
    }

    fn answer(&mut self, title: &str, answer: Result<String, String>) {
        match answer {
            Ok(text) if text.trim().is_empty() => self.section(title, "(empty)"),
            Ok(text) => self.section(title, &text),
            Err(reason) => self.section(title, &format!("(not available: {reason})")),
        }
    }
}

fn about() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_string();
    let limits = cgroup::limits();
    let or_none = |value: Option<String>| value.unwrap_or_else(|| "no limit".into());
    let rows = [
        ("version", env!("CARGO_PKG_VERSION").to_string()),
        ("time", httpdate::fmt_http_date(SystemTime::now())),
        ("host", read("/proc/sys/kernel/hostname")),
        ("kernel", read("/proc/sys/kernel/osrelease")),
        ("user", format!("uid {} gid {}", nix::unistd::getuid(), nix::unistd::getgid())),
        ("CPUs", or_none(limits.cpus.map(|cpus| cpus.to_string()))),
        ("memory", or_none(limits.memory_bytes.map(|bytes| format!("{bytes} bytes")))),
        ("OOM kills", cgroup::oom_kills().to_string()),
    ];
    rows.iter().map(|(name, value)| format!("{name:10} {value}\n")).collect()
}

/// The folder that was read, also where another setting is wrong.
fn bench_folder(reader: &Reader<'_>) -> PathBuf {
    let given = reader.values.iter().find(|(variable, _)| variable.name == "CAULDRON_BENCH");
    given.map(|(_, given)| PathBuf::from(given.value.trim())).unwrap_or_default()
}

/// The report of another command of this program, in a process of its own: each of them forgets the secrets of its
/// environment when it has read them.
async fn run(command: &str, request: &Request<'_>, processes: &Processes) -> Result<String, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let lines = Arc::new(Mutex::new(String::new()));
    let collected = lines.clone();
    let handler = move |line: OutputLine<'_>| {
        let mut lines = collected.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_str(&String::from_utf8_lossy(line.text));
        lines.push('\n');
    };
    let mut spec = Spec::new(command, program);
    spec.args = vec![command.into()];
    if request.embedded {
        spec.args.push("--embedded".into());
    }
    spec.env = std::env::vars_os().collect();
    spec.env.extend(settings(request));
    spec.output = Output::Lines(Arc::new(handler));
    spec.parent_death_signal = Some(Signal::SIGKILL);
    let child = processes.spawn(&spec).map_err(|error| error.to_string())?;
    let exit = tokio::time::timeout(COMMAND_TIMEOUT, child.exited()).await;
    child.signal_group(Signal::SIGKILL);
    let exit = exit
        .map_or_else(|_| format!("no end within {} s", COMMAND_TIMEOUT.as_secs()), |exit| exit.to_string());
    let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(format!("{lines}({exit})"))
}

/// Settings that were flags, as variables: every user of the machine can read a command line.
fn settings(request: &Request<'_>) -> Vec<(std::ffi::OsString, std::ffi::OsString)> {
    let name_of = |flag: &str| {
        VARIABLES.iter().find_map(|variable| match flag.strip_prefix(&variable.flag()) {
            Some("") => Some(variable.name.to_string()),
            Some("-file") => Some(format!("{}_FILE", variable.name)),
            _ => None,
        })
    };
    let settings = request.settings.iter();
    settings.filter_map(|(flag, value)| Some((name_of(flag)?.into(), value.into()))).collect()
}

/// Frappe's own log files: those of the bench, then those of each site.
fn log_files(bench: &Bench) -> Vec<PathBuf> {
    let logs_in = |folder: PathBuf| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
    };
    let sites = fs::read_dir(bench.sites()).into_iter().flatten().flatten();
    let of_sites = sites.flat_map(|site| logs_in(site.path().join("logs")));
    let mut files: Vec<PathBuf> = logs_in(bench.logs()).chain(of_sites).collect();
    files.sort();
    files
}

fn tail(path: &Path) -> std::io::Result<String> {
    let mut file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(LOG_TAIL_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    // The first line is a part of one, unless the file is short.
    let whole =
        if length > LOG_TAIL_BYTES { text.split_once('\n').map_or("", |(_, rest)| rest) } else { &text };
    Ok(whole.to_string())
}
