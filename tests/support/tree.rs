//! A process and all its descendants, from /proc.

use std::fs;

/// The process ids, the root first.
pub fn with_descendants(root: u32) -> Vec<u32> {
    let mut all = vec![root];
    let mut at = 0;
    while let Some(pid) = all.get(at) {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let children: Vec<u32> = tasks
            .flat_map(|task| {
                let text = fs::read_to_string(task.path().join("children")).unwrap_or_default();
                text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()
            })
            .collect();
        all.extend(children);
        at += 1;
    }
    all
}

/// A process by pid and start time (proc(5), field 22 of stat): the kernel gives a pid to another process soon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pid: u32,
    started: String,
    command: String,
}

/// None if the process does not exist, or is a zombie.
pub fn identity(pid: u32) -> Option<Identity> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let command = head.split_once('(')?.1.to_owned();
    (fields[0] != "Z").then(|| Identity { pid, started: fields[19].to_owned(), command })
}

/// Those of the processes that still exist.
pub fn alive(processes: &[Identity]) -> Vec<&Identity> {
    processes
        .iter()
        .filter(|process| identity(process.pid).is_some_and(|now| now.started == process.started))
        .collect()
}
