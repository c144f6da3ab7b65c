//! Recovery of the job that a worker was running when it ended unexpectedly: the job is failed with a reason, not
//! left as "started" for 15 min, and put back only if its method may run twice.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::Signal;
use redis::Pipeline;
use secrecy::SecretSlice;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::strays::Stray;
use crate::frappe::common_config::Overrides;
use crate::frappe::queues::WORKERS;
use crate::redis_client::Link;
use crate::roles::RoleContext;
use crate::supervise::output::{LineHandler, Stream};
use crate::supervise::process::Processes;
use crate::supervise::signals::Shutdown;
use crate::supervise::spawn::{Output, Spec, Stdin};

/// Python programs that change jobs through RQ's own code.
const FAIL_OR_REQUEUE: &str = concat!(
    include_str!("../../frappe/rq1_jobs.py"),
    include_str!("../../frappe/executions.py"),
    include_str!("../../frappe/recover_job.py")
);
const PUT_BACK: &str = concat!(
    include_str!("../../frappe/rq1_jobs.py"),
    include_str!("../../frappe/executions.py"),
    include_str!("../../frappe/put_back.py")
);
const PROGRAM_TIMEOUT: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// A worker process that ended unexpectedly or was killed.
pub struct EndedWorker {
    pub child: String,
    pub pid: i32,
    /// The key of its record, if known.
    pub key: Option<String>,
    pub reason: String,
    /// Work-horses that may still run the job; recovery waits for their end.
    pub horses: Vec<i32>,
    /// Time that they have after the pod's stop request. Zero kills them now.
    pub wait: Duration,
}

/// A handle; cheap to clone.
#[derive(Clone)]
pub struct JobRecovery {
    shared: Arc<Shared>,
}

struct Shared {
    spec: Spec,
    overrides: watch::Receiver<Overrides>,
    requeue: Vec<String>,
    link: Link,
    processes: Processes,
    shutdown: Shutdown,
    tasks: Mutex<JoinSet<()>>,
}

impl JobRecovery {
    pub fn start(context: &RoleContext<'_>, shutdown: &Shutdown) -> Self {
        let spec = Spec {
            env: context.environment("cauldron/settle").into_map(),
            cwd: Some(context.sites()),
            ..Spec::new("settle", context.pod.bench.python())
        };
        let shared = Shared {
            spec,
            overrides: context.current.overrides(),
            requeue: context.pod.config.workers.requeue.clone(),
            link: context.queue_redis(),
            processes: context.pod.processes.clone(),
            shutdown: shutdown.clone(),
            tasks: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Recovers the job of an ended worker in the background.
    pub fn recover(&self, worker: EndedWorker) {
        let shared = self.shared.clone();
        let mut tasks = self.shared.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.spawn(async move { shared.recover(worker).await });
    }

    /// Puts a job back that no worker begins, in the background.
    pub fn put_back(&self, stray: Stray) {
        let shared = self.shared.clone();
        let mut tasks = self.shared.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.spawn(async move { shared.put_stray_back(stray).await });
    }

    /// Waits until all recoveries are done; each has its own timeout.
    pub async fn finish(&self) {
        let mut tasks = {
            let mut tasks = self.shared.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *tasks)
        };
        while tasks.join_next().await.is_some() {}
    }
}

impl Shared {
    async fn recover(&self, worker: EndedWorker) {
        let EndedWorker { child, pid, key, reason, horses, wait } = worker;
        if !wait.is_zero() && self.any_left(&horses) {
            tracing::warn!(
                event = "worker.lost",
                child,
                horses = ?horses,
                "a worker has ended; its work-horse continues the job"
            );
        }
        let all_ended = async {
            while self.any_left(&horses) {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        // RQ's own timeout ends a job that takes too long; ours starts with a stop request.
        let time_is_up = async {
            if !wait.is_zero() {
                self.shutdown.stop_requested().await;
                tokio::time::sleep(wait).await;
            }
        };
        tokio::select! {
            biased;
            () = all_ended => {}
            () = time_is_up => {}
            () = self.shutdown.forced() => {}
        }
        self.processes.kill_adopted(&horses);
        let all_ended = async {
            while self.any_left(&horses) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), all_ended).await;
        let key = match key {
            Some(key) => Some(key),
            None => self.find_record(pid).await,
        };
        // A worker without a record never had a job.
        let (Some(key), Ok(server)) = (key, self.link.server()) else { return };
        let input =
            json!({"url": server.url().reveal(), "worker": key, "reason": reason, "requeue": self.requeue});
        let done = self.run(FAIL_OR_REQUEUE, input.to_string().into_bytes()).await;
        match done {
            Ok(done) => {
                tracing::warn!(
                    event = "job.recovered",
                    child,
                    reason,
                    done,
                    "recovered the job of an ended worker"
                );
            }
            Err(problem) => {
                tracing::error!(
                    event = "job.recovery_failed",
                    child,
                    problem,
                    "cannot recover the job of an ended worker; RQ may show it as started for 15 min"
                );
            }
        }
    }

    async fn put_stray_back(&self, Stray { queue, job }: Stray) {
        let Ok(server) = self.link.server() else { return };
        let input = json!({"url": server.url().reveal(), "queue": queue, "job": job});
        match self.run(PUT_BACK, input.to_string().into_bytes()).await {
            Ok(done) => tracing::warn!(
                event = "job.stray_handled",
                queue,
                done,
                "handled a job whose worker was killed before it began"
            ),
            Err(problem) => tracing::error!(
                event = "job.stray_failed",
                queue,
                job,
                problem,
                "cannot put a job back that waits outside its queue"
            ),
        }
    }

    fn any_left(&self, horses: &[i32]) -> bool {
        !horses.is_empty() && self.processes.adopted().iter().any(|pid| horses.contains(pid))
    }

    /// Finds a worker's record by pid and host, for a worker that ended before the first poll.
    async fn find_record(&self, pid: i32) -> Option<String> {
        let mut members = Pipeline::new();
        members.cmd("SMEMBERS").arg(WORKERS);
        let (keys,): (Vec<String>,) = self.link.query(&members).await.ok()?;
        let mut details = Pipeline::new();
        for key in &keys {
            details.cmd("HMGET").arg(key).arg("pid").arg("hostname");
        }
        let host = nix::unistd::gethostname().ok()?.to_string_lossy().into_owned();
        let answers: Vec<(Option<i32>, Option<String>)> = self.link.query(&details).await.ok()?;
        let ours = |(p, h): &(Option<i32>, Option<String>)| *p == Some(pid) && h.as_deref() == Some(&host);
        keys.into_iter().zip(answers).find(|(_, answer)| ours(answer)).map(|(key, _)| key)
    }

    /// Runs a program, and returns its last line on standard output, or the reason that it failed.
    async fn run(&self, program: &str, input: Vec<u8>) -> Result<String, String> {
        let last_lines: Arc<Mutex<[String; 2]>> = Arc::default();
        let shared_lines = last_lines.clone();
        let handler: LineHandler = Arc::new(move |line| {
            let mut lines = shared_lines.lock().unwrap_or_else(PoisonError::into_inner);
            lines[usize::from(line.stream == Stream::Stderr)] =
                String::from_utf8_lossy(line.text).into_owned();
        });
        let mut spec = self.spec.clone();
        spec.args = vec!["-c".into(), program.into()];
        spec.env.extend(self.overrides.borrow().iter().map(|(name, value)| (name.into(), value.into())));
        spec.stdin = Stdin::Bytes(SecretSlice::from(input));
        spec.output = Output::Lines(handler);
        let child = self.processes.spawn(&spec).map_err(|error| error.to_string())?;
        let exit = tokio::time::timeout(PROGRAM_TIMEOUT, child.exited()).await;
        if exit.is_err() {
            child.stop(Signal::SIGKILL, Duration::ZERO, std::future::pending()).await;
        }
        child.drained(Duration::from_millis(100)).await;
        let [out, err] = last_lines.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match exit {
            Ok(exit) if exit.success() => Ok(out),
            Ok(exit) => Err(format!("python {exit}: {err}")),
            Err(_) => Err(format!("python did not finish within {} s", PROGRAM_TIMEOUT.as_secs())),
        }
    }
}
