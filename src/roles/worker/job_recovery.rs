//! The job that a worker had in hand when it ended without saying so: failed with a reason, not left
//! "started" for a quarter of an hour, and put back only if its method may run twice.

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

/// RQ's own code does it.
const SETTLE: &str =
    concat!(include_str!("../../frappe/executions.py"), include_str!("../../frappe/settle_job.py"));
const PUT_BACK: &str =
    concat!(include_str!("../../frappe/executions.py"), include_str!("../../frappe/put_back.py"));
const DEADLINE: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A worker that is gone.
pub struct Case {
    pub child: String,
    pub pid: i32,
    /// Its record, where it was seen before.
    pub key: Option<String>,
    pub reason: String,
    /// Who may still be at the job: nothing is settled before they have ended.
    pub horses: Vec<i32>,
    /// How long they may take once the pod is to stop. Zero kills them now.
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
    cases: Mutex<JoinSet<()>>,
}

impl JobRecovery {
    pub fn start(around: &RoleContext<'_>, shutdown: &Shutdown) -> Self {
        let spec = Spec {
            env: around.environment("cauldron/settle").into_map(),
            cwd: Some(around.sites()),
            ..Spec::new("settle", around.pod.bench.python())
        };
        let shared = Shared {
            spec,
            overrides: around.current.overrides(),
            requeue: around.pod.config.workers.requeue.clone(),
            link: around.queue_redis(),
            processes: around.pod.processes.clone(),
            shutdown: shutdown.clone(),
            cases: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Takes a case, and returns at once.
    pub fn recover(&self, case: Case) {
        let shared = self.shared.clone();
        let mut cases = self.shared.cases.lock().unwrap_or_else(PoisonError::into_inner);
        cases.spawn(async move { shared.work_on(case).await });
    }

    /// Puts a job back that no worker begins, and returns at once.
    pub fn put_back(&self, stray: Stray) {
        let shared = self.shared.clone();
        let mut cases = self.shared.cases.lock().unwrap_or_else(PoisonError::into_inner);
        cases.spawn(async move { shared.put_stray_back(stray).await });
    }

    /// Ends when every case has been settled, which their own deadlines see to.
    pub async fn finish(&self) {
        let mut cases = {
            let mut cases = self.shared.cases.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *cases)
        };
        while cases.join_next().await.is_some() {}
    }
}

impl Shared {
    async fn work_on(&self, case: Case) {
        let Case { child, pid, key, reason, horses, wait } = case;
        if !wait.is_zero() && self.any_left(&horses) {
            tracing::warn!(child, horses = ?horses, "its work-horse goes on with the job alone");
        }
        let gone = async {
            while self.any_left(&horses) {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        // RQ's own clock ends a job that takes too long; ours begins with a stop.
        let over = async {
            if !wait.is_zero() {
                self.shutdown.stop_requested().await;
                tokio::time::sleep(wait).await;
            }
        };
        tokio::select! {
            biased;
            () = gone => {}
            () = over => {}
            () = self.shutdown.forced() => {}
        }
        self.processes.kill_adopted(&horses);
        let gone = async {
            while self.any_left(&horses) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), gone).await;
        let key = match key {
            Some(key) => Some(key),
            None => self.find(pid).await,
        };
        // Without a record it never had a job.
        let (Some(key), Ok(server)) = (key, self.link.server()) else { return };
        let question =
            json!({"url": server.url().reveal(), "worker": key, "reason": reason, "requeue": self.requeue});
        let done = self.run(SETTLE, question.to_string().into_bytes()).await;
        match done {
            Ok(said) => tracing::warn!(child, reason, done = said, "settled what a worker left"),
            Err(problem) => {
                tracing::error!(child, problem, "RQ may show its job as started for a quarter of an hour");
            }
        }
    }

    async fn put_stray_back(&self, Stray { queue, job }: Stray) {
        let Ok(server) = self.link.server() else { return };
        let question = json!({"url": server.url().reveal(), "queue": queue, "job": job});
        match self.run(PUT_BACK, question.to_string().into_bytes()).await {
            Ok(said) => {
                tracing::warn!(queue, done = said, "looked at a job whose worker was killed before it began")
            }
            Err(problem) => tracing::error!(queue, job, problem, "a job waits outside its queue"),
        }
    }

    fn any_left(&self, horses: &[i32]) -> bool {
        !horses.is_empty() && self.processes.adopted().iter().any(|pid| horses.contains(pid))
    }

    /// Its record by pid and host: it may have ended before anybody looked.
    async fn find(&self, pid: i32) -> Option<String> {
        let mut members = Pipeline::new();
        members.cmd("SMEMBERS").arg(WORKERS);
        let (keys,): (Vec<String>,) = self.link.ask(&members).await.ok()?;
        let mut details = Pipeline::new();
        for key in &keys {
            details.cmd("HMGET").arg(key).arg("pid").arg("hostname");
        }
        let host = nix::unistd::gethostname().ok()?.to_string_lossy().into_owned();
        let answers: Vec<(Option<i32>, Option<String>)> = self.link.ask(&details).await.ok()?;
        let ours = |(p, h): &(Option<i32>, Option<String>)| *p == Some(pid) && h.as_deref() == Some(&host);
        keys.into_iter().zip(answers).find(|(_, answer)| ours(answer)).map(|(key, _)| key)
    }

    /// What it said, or its last word of an error.
    async fn run(&self, program: &str, question: Vec<u8>) -> Result<String, String> {
        let said: Arc<Mutex<[String; 2]>> = Arc::default();
        let heard = said.clone();
        let handler: LineHandler = Arc::new(move |line| {
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            heard[usize::from(line.stream == Stream::Stderr)] =
                String::from_utf8_lossy(line.text).into_owned();
        });
        let mut spec = self.spec.clone();
        spec.args = vec!["-c".into(), program.into()];
        spec.env.extend(self.overrides.borrow().iter().map(|(name, value)| (name.into(), value.into())));
        spec.stdin = Stdin::Bytes(SecretSlice::from(question));
        spec.output = Output::Lines(handler);
        let child = self.processes.spawn(&spec).map_err(|error| error.to_string())?;
        let exit = tokio::time::timeout(DEADLINE, child.exited()).await;
        if exit.is_err() {
            child.stop(Signal::SIGKILL, Duration::ZERO, std::future::pending()).await;
        }
        child.drained(Duration::from_millis(100)).await;
        let [out, err] = said.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match exit {
            Ok(exit) if exit.success() => Ok(out),
            Ok(exit) => Err(format!("it {exit}: {err}")),
            Err(_) => Err(format!("not done within {} s", DEADLINE.as_secs())),
        }
    }
}
