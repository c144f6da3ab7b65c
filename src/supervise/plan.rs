//! The plan of a service, its status, and its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use nix::sys::signal::Signal;
use tokio::sync::watch;

use super::hooks::{Hooks, NoHooks};
use super::service::{Policy, State};
use super::spawn::{SpawnError, Spec};
use crate::outcome::Fault;
use crate::sys::exit::Exit;

/// A program to supervise, with its policy and hooks.
pub struct ServicePlan {
    pub spec: Spec,
    pub policy: Policy,
    /// The signal that stops the child; None forwards the stop signal that we received.
    pub stop_with: Option<Signal>,
    /// Those of HUP, USR1, USR2, WINCH and CONT that are forwarded. HUP in this list means that the child reloads.
    pub forward: Vec<Signal>,
    pub hooks: Arc<dyn Hooks>,
    /// Variables added to the environment at each start. A change notification means that the child has
    /// outdated values: it reloads if that is enough, else it is replaced.
    pub additions: Option<watch::Receiver<Additions>>,
    pub observer: watch::Sender<ServiceStatus>,
}

pub type Additions = BTreeMap<&'static str, String>;

impl ServicePlan {
    /// A plan that stops the child with TERM and forwards no signal.
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

/// The status of a service, as shown in `/status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceStatus {
    pub name: String,
    pub pid: Option<i32>,
    pub state: State,
    pub restarts: u64,
    /// The number of restarts by reason: crash, oom, or a reason of the role.
    pub restart_reasons: BTreeMap<&'static str, u64>,
    pub last_exit: Option<Exit>,
    /// The start time of the current child.
    pub started_at: Option<SystemTime>,
}

impl ServiceStatus {
    /// The status before the first start.
    pub fn new(name: impl Into<String>) -> Self {
        let (state, name) = (State::Starting, name.into());
        let restart_reasons = BTreeMap::new();
        Self { name, pid: None, state, restarts: 0, restart_reasons, last_exit: None, started_at: None }
    }
}

/// The reason why a service ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// A stop was requested by this signal; no exit if nothing ran at that time.
    StopRequested(Signal, Option<Exit>),
    /// The program ended, and its policy does not restart it.
    Ended(Exit),
    /// The program ended too often.
    CrashLoop(Exit),
    NotStarted(SpawnError),
    /// The program ended too often, for a reason that its role knows.
    Failed(Fault),
}
