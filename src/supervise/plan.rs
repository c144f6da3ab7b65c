//! What a service is, how it stands, and how it came to its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use nix::sys::signal::Signal;
use tokio::sync::watch;

use super::hooks::{Hooks, NoHooks};
use super::service::{Policy, State};
use super::spawn::{SpawnError, Spec};
use crate::sys::exit::Exit;

/// What to run, and how.
pub struct ServicePlan {
    pub spec: Spec,
    pub policy: Policy,
    /// What the child is told when we are to stop; None passes on what we were told.
    pub stop_with: Option<Signal>,
    /// Which of HUP, USR1, USR2, WINCH and CONT the child gets. HUP here means: it reloads.
    pub forward: Vec<Signal>,
    pub hooks: Arc<dyn Hooks>,
    /// What is added to the environment at each start. News of it means that the child's knowledge is out
    /// of date: it is told to reload where that is enough, else another takes its place.
    pub additions: Option<watch::Receiver<Additions>>,
    pub observer: watch::Sender<ServiceStatus>,
}

pub type Additions = BTreeMap<&'static str, String>;

impl ServicePlan {
    /// Stopped by TERM, told nothing else.
    pub fn new(spec: Spec, policy: Policy) -> Self {
        let observer = watch::Sender::new(ServiceStatus::new(&spec.name));
        Self {
            spec,
            policy,
            stop_with: Some(Signal::SIGTERM),
            forward: Vec::new(),
            hooks: Arc::new(NoHooks),
            additions: None,
            observer,
        }
    }
}

/// A service as the health server tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceStatus {
    pub name: String,
    pub pid: Option<i32>,
    pub state: State,
    pub restarts: u64,
    /// How many of them for which reason: crash, oom, or the role's own.
    pub restart_reasons: BTreeMap<&'static str, u64>,
    pub last_exit: Option<Exit>,
    /// When the present child was started.
    pub started_at: Option<SystemTime>,
}

impl ServiceStatus {
    /// Before its first start.
    pub fn new(name: impl Into<String>) -> Self {
        let (state, name) = (State::Starting, name.into());
        let restart_reasons = BTreeMap::new();
        Self { name, pid: None, state, restarts: 0, restart_reasons, last_exit: None, started_at: None }
    }
}

/// How a service came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// A stop was asked for by this signal; no exit where nothing ran at that time.
    Asked(Signal, Option<Exit>),
    /// It ended, and was not to be restarted.
    Ended(Exit),
    /// It ended too often.
    CrashLoop(Exit),
    NotStarted(SpawnError),
}
