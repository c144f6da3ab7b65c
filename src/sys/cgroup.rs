//! The container's CPU and memory limits, from cgroup v2 or v1.

use std::fs;
use std::path::{Path, PathBuf};

/// The narrowest limits of this process's cgroup and its visible ancestors.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// The CPU limit in processors; None if unlimited.
    pub cpus: Option<f64>,
    pub memory_bytes: Option<u64>,
}

/// Reads the limits; a limit that cannot be read counts as unlimited.
pub fn limits() -> Limits {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    read(Path::new("/sys/fs/cgroup"), &own)
}

/// The number of processes of this container that the kernel's OOM killer has ended; 0 if unknown.
/// `memory.events` includes descendant cgroups, v1's `memory.oom_control` does not.
pub fn oom_kills() -> u64 {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    read_oom_kills(Path::new("/sys/fs/cgroup"), &own)
}

fn read_oom_kills(mount: &Path, own: &str) -> u64 {
    let kills = own.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let (root, file) = match controllers {
            "" => (mount.to_path_buf(), "memory.events"),
            "memory" => (mount.join(controllers), "memory.oom_control"),
            _ => return None,
        };
        let text = ancestors(&root, path).iter().find_map(|f| fs::read_to_string(f.join(file)).ok())?;
        text.lines().find_map(|line| number(line.strip_prefix("oom_kill ")?))
    });
    kills.unwrap_or(0)
}

fn read(mount: &Path, own: &str) -> Limits {
    let mut limits = Limits::default();
    for line in own.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let names: Vec<&str> = controllers.split(',').collect();
        let root = match controllers {
            "" => mount.to_path_buf(),
            _ => mount.join(controllers),
        };
        for folder in ancestors(&root, path) {
            let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
            if controllers.is_empty() {
                limits.narrow(v2_cpus(&text("cpu.max")), number(&text("memory.max")));
            }
            if names.contains(&"cpu") {
                limits.narrow(v1_cpus(&text("cpu.cfs_quota_us"), &text("cpu.cfs_period_us")), None);
            }
            if names.contains(&"memory") {
                limits.narrow(None, number(&text("memory.limit_in_bytes")).filter(|bytes| *bytes < 1 << 60));
            }
        }
    }
    limits
}

impl Limits {
    fn narrow(&mut self, cpus: Option<f64>, memory_bytes: Option<u64>) {
        if let Some(cpus) = cpus {
            self.cpus = Some(self.cpus.map_or(cpus, |now| now.min(cpus)));
        }
        if let Some(bytes) = memory_bytes {
            self.memory_bytes = Some(self.memory_bytes.map_or(bytes, |now| now.min(bytes)));
        }
    }
}

/// The cgroup's folder and its ancestors, up to the mount. In a container the path may name folders that only the
/// host sees; then the mount itself is the container's cgroup.
fn ancestors(root: &Path, path: &str) -> Vec<PathBuf> {
    let mut folder = root.join(path.trim_start_matches('/'));
    let mut folders = Vec::new();
    while folder.starts_with(root) {
        folders.push(folder.clone());
        if !folder.pop() {
            break;
        }
    }
    folders
}

/// Parses `max 100000` or `150000 100000`.
fn v2_cpus(text: &str) -> Option<f64> {
    let mut fields = text.split_whitespace();
    let quota: f64 = fields.next()?.parse().ok()?;
    let period: f64 = fields.next()?.parse().ok()?;
    (period > 0.0).then_some(quota / period)
}

fn v1_cpus(quota: &str, period: &str) -> Option<f64> {
    let quota: f64 = quota.trim().parse().ok()?;
    let period: f64 = period.trim().parse().ok()?;
    (quota > 0.0 && period > 0.0).then_some(quota / period)
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount_with(files: &[(&str, &str)]) -> tempfile::TempDir {
        let mount = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = mount.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        mount
    }

    #[test]
    fn v2_takes_the_narrowest_limit_of_all_ancestors() {
        let mount = mount_with(&[
            ("cpu.max", "max 100000\n"),
            ("pod/cpu.max", "150000 100000\n"),
            ("pod/memory.max", "536870912\n"),
            ("pod/own/cpu.max", "max 100000\n"),
            ("pod/own/memory.max", "max\n"),
        ]);
        let limits = read(mount.path(), "0::/pod/own\n");
        assert_eq!(limits, Limits { cpus: Some(1.5), memory_bytes: Some(512 << 20) });
    }

    #[test]
    fn in_a_container_the_mount_is_the_cgroup() {
        let mount = mount_with(&[("cpu.max", "200000 100000"), ("memory.max", "1073741824")]);
        let limits = read(mount.path(), "0::/kubepods/pod1/abc\n");
        assert_eq!(limits, Limits { cpus: Some(2.0), memory_bytes: Some(1 << 30) });
    }

    #[test]
    fn oom_kills_are_read_from_v2_and_v1() {
        let v2 = mount_with(&[("pod/memory.events", "low 0\noom 4\noom_kill 3\noom_group_kill 0\n")]);
        assert_eq!(read_oom_kills(v2.path(), "0::/pod\n"), 3);
        let v1 = mount_with(&[("memory/d/memory.oom_control", "under_oom 0\noom_kill 2\n")]);
        assert_eq!(read_oom_kills(v1.path(), "3:cpu:/d\n4:memory:/d\n"), 2);
        assert_eq!(read_oom_kills(v1.path(), "0::/\n"), 0);
    }

    #[test]
    fn v1_means_unlimited_by_minus_one_and_by_a_huge_number() {
        let mount = mount_with(&[
            ("cpu,cpuacct/d/cpu.cfs_quota_us", "50000"),
            ("cpu,cpuacct/d/cpu.cfs_period_us", "100000"),
            ("cpu,cpuacct/cpu.cfs_quota_us", "-1"),
            ("cpu,cpuacct/cpu.cfs_period_us", "100000"),
            ("memory/d/memory.limit_in_bytes", "9223372036854771712"),
        ]);
        let limits = read(mount.path(), "4:memory:/d\n3:cpu,cpuacct:/d\n");
        assert_eq!(limits, Limits { cpus: Some(0.5), memory_bytes: None });
    }
}
