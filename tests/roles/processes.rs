//! The processes of a pod, and the state that it reports.

use std::collections::BTreeMap;
use std::fs;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::binary::Pod;

/// The `/status` of a pod.
pub fn status(pod: &Pod) -> Value {
    serde_json::from_str(&pod.body("/status")).unwrap_or_default()
}

/// Running children by name.
pub fn children(pod: &Pod) -> BTreeMap<String, i32> {
    let status = status(pod);
    let children = status["children"].as_array().cloned().unwrap_or_default();
    let running = |child: &Value| Some((child["name"].as_str()?.to_owned(), child["pid"].as_i64()?));
    children
        .iter()
        .filter_map(running)
        .map(|(name, pid)| (name, i32::try_from(pid).expect("a pid")))
        .collect()
}

/// The pid of the only running child.
#[track_caller]
pub fn child(pod: &Pod) -> i32 {
    let children = children(pod);
    assert_eq!(children.len(), 1, "{children:?}");
    children.into_values().next().expect("one")
}

pub fn kill(pid: i32, signal: Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("a process to signal");
}

/// True if a process exists and is no zombie.
pub fn lives(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// The number of repetitions: a few, or CAULDRON_DRILL_ROUNDS.
pub fn rounds(few: usize) -> usize {
    std::env::var("CAULDRON_DRILL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(few)
}
