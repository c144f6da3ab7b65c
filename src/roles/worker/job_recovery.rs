//! Recovery of the job that a worker was running when it ended unexpectedly: the job is failed with a reason, not
//! left as "started" for 15 min, and put back only if its method may run twice.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::Pipeline;
use serde_json::json;
use tokio::task::JoinSet;

use super::job_programs::{FAIL_OR_REQUEUE, PUT_BACK, Programs, RENEW_LEASES};
use super::strays::Stray;
use crate::frappe::queues::WORKERS;
use crate::redis_client::Link;
use crate::roles::RoleContext;
use crate::supervise::process::Processes;
use crate::supervise::signals::Shutdown;

/// RQ's interval; the leases last three of them (docs/frappe-jobs.md#heartbeat).
const LEASE_INTERVAL: Duration = Duration::from_secs(30);
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
    programs: Programs,
    requeue: Vec<String>,
    link: Link,
    processes: Processes,
    shutdown: Shutdown,
    tasks: Mutex<JoinSet<()>>,
}

impl JobRecovery {
    pub fn start(context: &RoleContext<'_>, shutdown: &Shutdown) -> Self {
        let shared = Shared {
            programs: Programs::new(context),
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
        let over = async {
            tokio::select! {
                biased;
                () = all_ended => {}
                () = time_is_up => {}
                () = self.shutdown.forced() => {}
            }
        };
        self.renew_leases_until(over, key.as_deref()).await;
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
        let done = self.programs.run(FAIL_OR_REQUEUE, &input).await;
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

    /// Renews the leases of the job that the work-horse of an ended worker continues.
    async fn renew_leases_until(&self, over: impl Future<Output = ()>, worker: Option<&str>) {
        tokio::pin!(over);
        let mut delay = Duration::ZERO;
        loop {
            tokio::select! {
                biased;
                () = &mut over => return,
                () = tokio::time::sleep(delay) => delay = LEASE_INTERVAL,
            }
            let (Some(worker), Ok(server)) = (worker, self.link.server()) else { continue };
            let input = json!({"url": server.url().reveal(), "worker": worker});
            if let Err(problem) = self.programs.run(RENEW_LEASES, &input).await {
                tracing::warn!(
                    event = "job.lease_not_renewed",
                    worker,
                    problem,
                    "cannot renew the lease of a job whose worker has ended; RQ may fail the running job"
                );
            }
        }
    }

    async fn put_stray_back(&self, Stray { queue, job }: Stray) {
        let Ok(server) = self.link.server() else { return };
        let input = json!({"url": server.url().reveal(), "queue": queue, "job": job});
        match self.programs.run(PUT_BACK, &input).await {
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
}
