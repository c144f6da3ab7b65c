//! The number of gunicorn's workers and threads, from the container's CPU and memory limits.

use crate::sys::cgroup::Limits;

/// Memory of one gthread worker of Frappe with ERPNext loaded, including its threads' work.
const WORKER_BYTES: u64 = 160 << 20;
/// Memory of gunicorn's arbiter and of this process.
const RESERVED_BYTES: u64 = 128 << 20;
/// Beyond this many workers, another pod helps more than another worker.
const MAX_WORKERS: u64 = 16;
/// The value of the official images: enough to cover waits for the database, few enough for the GIL.
const THREADS: u16 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizing {
    pub workers: u16,
    pub threads: u16,
}

/// Returns two workers per CPU, limited by the memory, and at least one.
pub fn size(limits: Limits, processors: usize) -> Sizing {
    let machine = u64::try_from(processors).unwrap_or(1).max(1);
    let cpus = limits.cpus.map_or(machine, |cpus| (cpus.ceil() as u64).clamp(1, machine));
    let by_memory =
        limits.memory_bytes.map_or(u64::MAX, |bytes| bytes.saturating_sub(RESERVED_BYTES) / WORKER_BYTES);
    let workers = (2 * cpus).min(by_memory).clamp(1, MAX_WORKERS);
    Sizing { workers: u16::try_from(workers).unwrap_or(1), threads: THREADS }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workers(cpus: Option<f64>, mebibytes: Option<u64>, processors: usize) -> u16 {
        size(Limits { cpus, memory_bytes: mebibytes.map(|m| m << 20) }, processors).workers
    }

    #[test]
    fn the_tighter_limit_of_cpu_and_memory_decides() {
        assert_eq!(workers(None, None, 2), 4);
        assert_eq!(workers(Some(1.5), None, 64), 4);
        assert_eq!(workers(Some(0.25), None, 64), 2);
        assert_eq!(workers(None, Some(512), 64), 2);
        assert_eq!(workers(None, Some(2048), 64), 12);
        assert_eq!(workers(None, Some(128), 2), 1);
        assert_eq!(workers(None, None, 64), 16);
        assert_eq!(workers(Some(100.0), None, 2), 4);
    }
}
