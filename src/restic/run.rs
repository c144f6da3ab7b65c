//! Runs restic once: its words, its streams, and its end. A stop request ends it, and so does the drop of its future.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::environment;
use super::reason::{Reason, classify};
use crate::outcome::{Fault, Flow, Result, Stopped};
use crate::pod::Pod;
use crate::supervise::output::{LineHandler, OutputLine, Stream};
use crate::supervise::process::Child;
use crate::supervise::spawn::{Output, Spec, Stdin};
use crate::sys::exit::Exit;
use crate::telemetry::redaction::Redaction;

/// The time from INT to KILL. On INT restic makes no snapshot, and removes its lock from the repository: `restic check` and
/// `forget` refuse a repository with a lock. restic 0.14 knows no other signal: TERM ends it, and the lock stays. It stays,
/// too, if INT comes within the 200 ms in which restic looks for other locks beside its new one: the next backup removes it.
const STOP_GRACE: Duration = Duration::from_secs(15);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// The limit of collected standard output: a list of 100,000 snapshots.
const MAX_STDOUT_BYTES: usize = 64 * 1024 * 1024;
const MAX_ERROR_LINES: usize = 50;

/// In restic's message about a request that it makes again: up to ten times, with growing pauses.
const TRIES_AGAIN: &str = "returned error, retrying after";

/// Called with every line of standard output; it must not block.
pub type OnLine = Arc<dyn Fn(&str) + Send + Sync>;

/// restic with its repository. Cheap to make; nothing runs before it is used.
pub struct Restic<'a> {
    pub(super) pod: &'a Pod,
    environment: BTreeMap<OsString, OsString>,
    redaction: Redaction,
    /// The repository as it may be shown: without a login.
    pub shown: String,
    /// The folder of a repository that is one, as it is: `shown` lacks what looks like a secret.
    pub folder: Option<PathBuf>,
    rate_bytes: u64,
}

/// One command of restic.
#[derive(Default)]
pub struct Words {
    pub arguments: Vec<OsString>,
    pub folder: Option<PathBuf>,
    pub stdin: Option<Arc<OwnedFd>>,
    /// Gets standard output line by line; without it the output is collected.
    pub on_line: Option<OnLine>,
    /// Gets standard output as it is.
    pub stdout: Option<Arc<OwnedFd>>,
}

/// The end of a run.
#[derive(Debug)]
pub struct Ran {
    /// None if the timeout ended it.
    pub exit: Option<Exit>,
    /// Standard output without its line ends: one JSON value, which may be larger than a line may be.
    pub stdout: Vec<u8>,
    /// The last lines of standard error, without secrets.
    pub errors: Vec<String>,
}

impl Words {
    pub fn new<T: Into<OsString>>(words: impl IntoIterator<Item = T>) -> Self {
        Self { arguments: words.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    #[must_use]
    pub fn and<T: Into<OsString>>(mut self, words: impl IntoIterator<Item = T>) -> Self {
        self.arguments.extend(words.into_iter().map(Into::into));
        self
    }

    #[must_use]
    pub fn in_folder(self, folder: &Path) -> Self {
        Self { folder: Some(folder.to_path_buf()), ..self }
    }
}

impl Ran {
    pub fn success(&self) -> bool {
        self.exit == Some(Exit::Exited(0))
    }

    /// Why it failed.
    pub fn reason(&self) -> Reason {
        classify(self)
    }
}

impl<'a> Restic<'a> {
    /// # Errors
    /// 78 if the repository or its password is not configured.
    pub fn of(pod: &'a Pod) -> Result<Self> {
        let config = &pod.config.backup;
        let (environment, secrets) = environment::of(config)?;
        let redaction = Redaction::of(secrets);
        let to = config.to.as_ref().map(secrecy::ExposeSecret::expose_secret).unwrap_or_default();
        let folder = to.strip_prefix("local:").unwrap_or(to);
        let folder = folder.starts_with('/').then(|| PathBuf::from(folder));
        let (shown, rate_bytes) = (redaction.apply(to), config.rate_bytes);
        Ok(Self { pod, environment, shown, folder, redaction, rate_bytes })
    }

    /// The specification of a command, for a caller that runs it itself: `backup exec`.
    pub fn spec(&self, arguments: Vec<OsString>) -> Spec {
        let env = self.environment.clone();
        Spec { args: arguments, env, ..Spec::new("restic", "restic") }
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// The stop signal; the reason why restic cannot be started.
    pub async fn run(&self, words: Words) -> Flow<Ran> {
        self.run_within(words, None).await
    }

    /// Runs a command that must succeed.
    ///
    /// # Errors
    /// As [`run`](Self::run); the fault of the failure, which begins with `doing`.
    pub async fn succeed(&self, doing: &str, words: Words) -> Flow<Ran> {
        let ran = self.run(words).await?;
        if ran.success() { Ok(ran) } else { Err(self.fault(doing, &ran).into()) }
    }

    /// Runs a command to its end or to the timeout.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_within(&self, words: Words, limit: Option<Duration>) -> Flow<Ran> {
        let running = self.start(words)?;
        let timeout = async {
            match limit {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ran = running.end() => Ok(ran),
            signal = self.pod.shutdown.stop_requested() => {
                running.stop(self.pod.shutdown.forced()).await;
                Err(Stopped::Signal(signal))
            }
            () = timeout => {
                running.stop(self.pod.shutdown.forced()).await;
                Ok(Ran { exit: None, ..running.output() })
            }
        }
    }

    /// Starts a command. It is killed when the result is dropped.
    ///
    /// # Errors
    /// The reason why restic cannot be started.
    pub fn start(&self, words: Words) -> Result<Running> {
        let collected = Arc::new(Mutex::new(Collected::default()));
        let handler = self.handler(collected.clone(), words.on_line);
        let mut arguments = Vec::new();
        if self.rate_bytes > 0 {
            arguments.push(format!("--limit-upload={}", (self.rate_bytes / 1024).max(1)).into());
        }
        arguments.extend(words.arguments);
        let spec = Spec {
            cwd: Some(words.folder.unwrap_or_else(|| "/".into())),
            stdin: words.stdin.map_or(Stdin::Null, Stdin::Pipe),
            output: match words.stdout {
                Some(pipe) => Output::Pipe(pipe, handler),
                None => Output::Lines(handler),
            },
            parent_death_signal: Some(Signal::SIGKILL),
            nice: true,
            ..self.spec(arguments)
        };
        self.pod.status.progress();
        let child = self.pod.processes.spawn(&spec).map_err(|error| error.fault())?;
        Ok(Running { child, collected })
    }

    fn handler(&self, collected: Arc<Mutex<Collected>>, on_line: Option<OnLine>) -> LineHandler {
        let (status, redaction) = (self.pod.status.clone(), self.redaction.clone());
        Arc::new(move |line: OutputLine<'_>| {
            status.progress();
            let text = String::from_utf8_lossy(line.text);
            let mut collected = collected.lock().unwrap_or_else(PoisonError::into_inner);
            match (line.stream, &on_line) {
                (Stream::Stdout, Some(on_line)) => on_line(&text),
                (Stream::Stdout, None) => collected.stdout(line.text),
                (Stream::Stderr, _) => {
                    let text = redaction.apply(text.trim_end());
                    if text.contains(TRIES_AGAIN) {
                        tracing::warn!(
                            event = "restic.tries_again",
                            reason = text,
                            "the storage server does not answer or refuses a request: restic tries again"
                        );
                    }
                    collected.error(text);
                }
            }
        })
    }

    /// The fault of a failure.
    pub fn fault(&self, doing: &str, ran: &Ran) -> Fault {
        ran.reason().fault(&format!("{doing} {}", self.shown))
    }
}

/// A command that runs.
pub struct Running {
    child: Child,
    collected: Arc<Mutex<Collected>>,
}

impl Running {
    /// Waits for its end.
    pub async fn end(&self) -> Ran {
        let exit = self.child.exited().await;
        self.child.drained(DRAIN_TIMEOUT).await;
        Ran { exit: Some(exit), ..self.output() }
    }

    /// Ends it, so that it removes its lock; kills it after 15 s, or when `force` completes. While it saves a stream that is
    /// not complete, the caller keeps the other end open: restic makes a snapshot at the end of its input.
    pub async fn stop(&self, force: impl Future<Output = ()>) {
        self.child.stop(Signal::SIGINT, STOP_GRACE, force).await;
    }

    fn output(&self) -> Ran {
        let collected = self.collected.lock().unwrap_or_else(PoisonError::into_inner);
        Ran {
            exit: None,
            stdout: collected.stdout.clone(),
            errors: collected.errors.iter().cloned().collect(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.signal_group(Signal::SIGKILL);
    }
}

#[derive(Default)]
struct Collected {
    stdout: Vec<u8>,
    errors: VecDeque<String>,
}

impl Collected {
    fn stdout(&mut self, text: &[u8]) {
        if self.stdout.len() + text.len() < MAX_STDOUT_BYTES {
            self.stdout.extend(text);
        }
    }

    fn error(&mut self, text: String) {
        if text.is_empty() {
            return;
        }
        if self.errors.len() == MAX_ERROR_LINES {
            self.errors.pop_front();
        }
        self.errors.push_back(text);
    }
}
