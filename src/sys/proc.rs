//! What /proc tells of our children.

use std::fs;

/// Resident memory of a process and all its descendants. Shared pages count once for each of them.
pub fn resident_bytes_of_tree(pid: i32) -> u64 {
    let mut pending = vec![pid];
    let mut pages = 0;
    // A tree that grows while it is walked must not keep us here.
    for _ in 0..4096 {
        let Some(pid) = pending.pop() else { break };
        let statm = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
        pages += statm.split_whitespace().nth(1).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { continue };
        for task in tasks.flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            pending.extend(children.split_whitespace().filter_map(|child| child.parse::<i32>().ok()));
        }
    }
    pages * page_size()
}

fn page_size() -> u64 {
    nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)
        .ok()
        .flatten()
        .and_then(|size| u64::try_from(size).ok())
        .unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_process_has_memory_and_a_gone_one_has_none() {
        assert!(super::resident_bytes_of_tree(i32::try_from(std::process::id()).unwrap()) > 100_000);
        assert_eq!(super::resident_bytes_of_tree(i32::MAX), 0);
    }
}
