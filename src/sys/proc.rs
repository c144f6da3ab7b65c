//! What /proc tells of our children.

use std::fs;

/// Resident memory of a process group in bytes. Every child leads a group of its own, so this is the
/// child with all that it forked. Shared pages count once for each of them.
pub fn resident_bytes_of_group(group: i32) -> u64 {
    let Ok(processes) = fs::read_dir("/proc") else { return 0 };
    let pages: u64 = processes
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
        .filter_map(|stat| resident_pages(&stat, group))
        .sum();
    pages * page_size()
}

/// Fields 5 (pgrp) and 24 (rss) of /proc/PID/stat; the second may hold spaces and brackets (proc(5)).
fn resident_pages(stat: &str, group: i32) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    if fields.get(2)?.parse::<i32>().ok()? != group {
        return None;
    }
    fields.get(21)?.parse().ok()
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
    use super::*;

    #[test]
    fn our_own_group_has_memory_and_one_that_is_not_there_has_none() {
        assert!(resident_bytes_of_group(nix::unistd::getpgrp().as_raw()) > 100_000);
        assert_eq!(resident_bytes_of_group(i32::MAX), 0);
    }

    #[test]
    fn a_name_may_hold_brackets() {
        let stat = "7 (a) b) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 100 4096 17 0";
        assert_eq!(resident_pages(stat, 42), Some(17));
        assert_eq!(resident_pages(stat, 7), None);
    }
}
