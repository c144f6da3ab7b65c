//! A small cluster of podman's pods: it keeps as many pods of each Deployment as are wanted, rolls them, starts what ended
//! again, and runs each Job to its end. Not as in a cluster: nothing waits between two attempts but a Deployment's restart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::installation::Installation;
use crate::pod::{Pod, has, name, pod_of};
use crate::podman::output;

const PAUSE: Duration = Duration::from_secs(5);

/// What there is, and what shall be.
pub struct State {
    pub installation: Installation,
    /// The words of each revision for Helm.
    pub revisions: Vec<Vec<String>>,
    pub objects: Vec<Value>,
    /// Objects that somebody created, which no release removes.
    pub by_hand: Vec<Value>,
    /// Replicas of Deployments that somebody scaled.
    pub scaled: BTreeMap<String, u64>,
    /// How often a Deployment was restarted.
    pub restarted: BTreeMap<String, u32>,
    /// Jobs that were deleted, and the last exit code of those that ended.
    pub deleted: BTreeSet<String>,
    pub ended: BTreeMap<String, i32>,
    pub pods: Vec<Pod>,
    count: u32,
}

impl State {
    /// Another revision: a Job that was deleted or not there is made.
    pub fn release(&mut self, words: Vec<String>) {
        let before = std::mem::replace(&mut self.objects, self.installation.upgraded(&words));
        self.revisions.push(words);
        let deleted = std::mem::take(&mut self.deleted);
        let was_there = |job: &str| !deleted.contains(job) && before.iter().any(|object| name(object) == job);
        let by_hand = &self.by_hand;
        self.ended.retain(|job, _| was_there(job) || by_hand.iter().any(|other| name(other) == job));
    }

    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.objects.iter().chain(&self.by_hand).filter(move |object| object["kind"] == kind)
    }

    /// The pods that have these labels, `name=value` with commas between.
    pub fn selected(&self, labels: &str) -> impl Iterator<Item = &Pod> {
        self.pods.iter().filter(move |pod| has(&pod.labels, labels))
    }

    /// Whether all pods of a Deployment are of its template, and ready.
    pub fn rolled_out(&self, owner: &str) -> bool {
        let Some(deployment) = self.of_kind("Deployment").find(|object| name(object) == owner) else {
            return false;
        };
        let template = self.template(deployment).to_string();
        let mut pods = self.pods.iter().filter(|pod| pod.owner == owner).peekable();
        pods.peek().is_some() && pods.all(|pod| pod.template == template && pod.is_ready())
    }

    fn template(&self, deployment: &Value) -> Value {
        let mut pod = pod_of(deployment);
        if let Some(count) = self.restarted.get(name(deployment)) {
            pod["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] = count.to_string().into();
        }
        pod
    }

    /// Starts a pod. One that fails at its start is tried again at the next step.
    pub fn start(&mut self, owner: &str, pod: &Value) -> bool {
        self.count += 1;
        let name = match owner {
            "" => pod["metadata"]["name"].as_str().expect("a name").to_owned(),
            owner => format!("{owner}-{}", self.count),
        };
        let image = pod["spec"]["containers"][0]["image"].as_str().expect("an image");
        // The first pod of a role is its Service.
        let service = self.installation.services().into_iter().find(|(_, service)| service == owner);
        let taken = self.pods.iter().any(|pod| pod.owner == owner);
        let address = service.filter(|_| !taken).map(|(address, _)| format!("--ip={address}"));
        let played = self.installation.try_pod(pod.clone(), name.clone(), image, address.as_deref());
        let played = match played {
            Ok(played) => played,
            Err(reason) => {
                eprintln!("{owner}: {reason}");
                output(&["pod", "rm", "--force", "--time=0", &name]);
                return false;
            }
        };
        self.pods.push(Pod {
            owner: owner.to_owned(),
            labels: pod["metadata"]["labels"].clone(),
            played,
            template: pod.to_string(),
            grace_s: pod["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap_or(30),
            started: Instant::now(),
            restarts: 0,
        });
        true
    }

    /// Stops and removes every pod that is `unwanted`, all at once.
    pub fn end(&mut self, unwanted: impl Fn(&Pod) -> bool) {
        let (gone, kept): (Vec<Pod>, Vec<Pod>) = self.pods.drain(..).partition(unwanted);
        self.pods = kept;
        let ends: Vec<JoinHandle<()>> = gone
            .into_iter()
            .map(|pod| {
                spawn(move || {
                    output(&["stop", &format!("--time={}", pod.grace_s), &pod.played.container]);
                    output(&["pod", "rm", "--force", "--time=0", &pod.played.pod]);
                })
            })
            .collect();
        ends.into_iter().for_each(|end| end.join().expect("a pod's end"));
    }

    /// One step towards what shall be.
    fn reconcile(&mut self) {
        let wanted: Vec<Value> = self.of_kind("Deployment").cloned().collect();
        for deployment in &wanted {
            self.reconcile_deployment(deployment);
        }
        let jobs: Vec<Value> = self.of_kind("Job").cloned().collect();
        let names: BTreeSet<&str> = jobs.iter().chain(&wanted).map(name).collect();
        self.end(|pod| !pod.owner.is_empty() && !names.contains(&*pod.owner));
        for job in &jobs {
            self.reconcile_job(job);
        }
    }

    fn reconcile_deployment(&mut self, deployment: &Value) {
        let owner = name(deployment);
        let replicas = deployment["spec"]["replicas"].as_u64().expect("replicas");
        let wanted = usize::try_from(*self.scaled.get(owner).unwrap_or(&replicas)).expect("replicas");
        let pod = self.template(deployment);
        let template = pod.to_string();
        if wanted == 0 {
            return self.end(|pod| pod.owner == owner);
        }
        let is_new = |pod: &Pod| pod.owner == owner && pod.template == template;
        let new = self.pods.iter().filter(|pod| is_new(pod)).count();
        if new < wanted {
            self.start(owner, &pod);
        } else if new > wanted {
            let excess = self.pods.iter().filter(|pod| is_new(pod)).skip(wanted);
            let excess: Vec<String> = excess.map(|pod| pod.played.pod.clone()).collect();
            self.end(|pod| excess.contains(&pod.played.pod));
        } else if self.pods.iter().any(|pod| pod.owner == owner && pod.template != template)
            && self.pods.iter().filter(|pod| is_new(pod)).all(Pod::is_ready)
        {
            self.end(|pod| pod.owner == owner && pod.template != template);
        }
        for pod in self.pods.iter_mut().filter(|pod| pod.owner == owner) {
            if !pod.runs() && pod.started.elapsed() > PAUSE {
                pod.started = Instant::now();
                pod.restarts += 1;
                output(&["pod", "start", &pod.played.pod]);
            }
        }
    }

    fn reconcile_job(&mut self, job: &Value) {
        let owner = name(job);
        if self.deleted.contains(owner) {
            return self.end(|pod| pod.owner == owner);
        }
        if self.ended.contains_key(owner) {
            return;
        }
        let Some(pod) = self.pods.iter().rfind(|pod| pod.owner == owner) else {
            self.start(owner, &pod_of(job));
            return;
        };
        match pod.exit() {
            Some(code @ (0 | 65 | 77 | 78)) => {
                self.ended.insert(owner.to_owned(), code);
            }
            Some(_) => {
                self.start(owner, &pod_of(job));
            }
            None => {}
        }
    }
}

/// A release in its cluster, until dropped.
pub struct Cluster {
    state: Arc<Mutex<State>>,
    /// Closed, it ends the reconciliation.
    stop: Option<Sender<()>>,
    reconciles: Option<JoinHandle<()>>,
}

impl Cluster {
    /// An empty one: nothing is installed.
    pub fn new(installation: Installation) -> Self {
        let state = Arc::new(Mutex::new(State {
            installation,
            revisions: Vec::new(),
            objects: Vec::new(),
            by_hand: Vec::new(),
            scaled: BTreeMap::new(),
            restarted: BTreeMap::new(),
            deleted: BTreeSet::new(),
            ended: BTreeMap::new(),
            pods: Vec::new(),
            count: 0,
        }));
        let (stop, stopped) = channel::<()>();
        let shared = Arc::clone(&state);
        let reconciles = spawn(move || {
            // A controller's resync: this is its period, no sleep.
            while stopped.recv_timeout(Duration::from_millis(500)) == Err(RecvTimeoutError::Timeout) {
                shared.lock().expect("the state").reconcile();
            }
        });
        Self { state, stop: Some(stop), reconciles: Some(reconciles) }
    }

    #[track_caller]
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the state")
    }

    pub fn shared(&self) -> Arc<Mutex<State>> {
        Arc::clone(&self.state)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.reconciles.take().map(JoinHandle::join);
    }
}
