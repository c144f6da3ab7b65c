//! Worker pools: queues, number of processes, and limits.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::bench_files::BenchFiles;
use super::frappe_keys;
use super::queue_timeouts::{self, DEFAULT_TIMEOUT};
use super::reader::Reader;
use super::value::{read_count, read_parsed, read_size};

/// Processes that take jobs from the same queues, in this order of priority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    pub queues: Vec<String>,
    /// Minimum number of processes, and maximum number when the queues are long.
    pub processes: RangeInclusive<u16>,
    /// Longest time limit of a job of these queues.
    pub timeout: Duration,
}

impl Pool {
    /// Returns the queues as operators write them, without the number.
    pub fn name(&self) -> String {
        self.queues.join(",")
    }
}

#[derive(Clone, Debug)]
pub struct Workers {
    pub pools: Vec<Pool>,
    /// Every queue of the bench with the time limit of its jobs.
    pub timeouts: BTreeMap<String, Duration>,
    /// A worker above this limit is restarted between two jobs.
    pub max_memory_bytes: Option<u64>,
    /// A worker is restarted after this number of jobs.
    pub max_jobs: Option<u32>,
    /// Methods whose jobs may run again after they were interrupted.
    pub requeue: Vec<String>,
    /// `bench_id` of common_site_config.json when this process started; the bootstrap may write another one
    /// (`BenchQueues::of` reads it again).
    pub bench_id: Option<String>,
    /// Source of the bench id if it is not set: FRAPPE_BENCH_ROOT, else the bench's folder.
    pub bench_root: PathBuf,
    /// Interval of the scheduler's ticks. None for Frappe's default.
    pub tick: Option<Duration>,
}

const POOL_HINT: &str = "write queues and a number of processes: short,default=2 long=1";
const MAX_PROCESSES: u16 = 128;

pub fn read(reader: &mut Reader<'_>, bench: &BenchFiles, root: &Path) -> Option<Workers> {
    let timeouts = queue_timeouts::read(reader, bench.common_value("workers"));
    let counts = read_parsed(reader, "CAULDRON_AUTOSCALE", parse_range, "write minimum and maximum: 1..4");
    let by_pool = read_parsed(reader, "CAULDRON_POOL", |text| parse_pools(text, &timeouts), POOL_HINT);
    let by_queues = read_parsed(
        reader,
        "WORKER_QUEUES",
        |text| Ok(vec![(parse_queues(text, &timeouts)?, None)]),
        "write queue names separated by commas: short,default",
    );
    let both =
        reader.values.iter().filter(|(v, _)| matches!(v.name, "CAULDRON_POOL" | "WORKER_QUEUES")).count();
    if both == 2 {
        reader.problem("WORKER_QUEUES", None, "set together with CAULDRON_POOL", "unset one of them");
    }
    let wanted = by_pool.or(by_queues).unwrap_or_else(|| default_pools(&timeouts));
    let pools = wanted.into_iter().map(|(queues, count)| {
        let timeout = queues.iter().filter_map(|queue| timeouts.get(queue)).max();
        let processes = match (count, &counts) {
            (Some(count), _) => count..=count,
            (None, Some(range)) => range.clone(),
            (None, None) => 1..=1,
        };
        Pool { timeout: timeout.copied().unwrap_or(DEFAULT_TIMEOUT), queues, processes }
    });
    let pools = pools.collect();
    let tick_s = bench.common_value("scheduler_tick_interval").map(frappe_keys::cint);
    Some(Workers {
        pools,
        max_memory_bytes: read_size(reader, "CAULDRON_MAX_MEMORY", None),
        max_jobs: read_count(reader, "CAULDRON_MAX_JOBS", None),
        requeue: read_parsed(
            reader,
            "CAULDRON_REQUEUE",
            parse_methods,
            "write the dotted names of methods: erp.tasks.sync",
        )
        .unwrap_or_default(),
        bench_id: bench.common("bench_id").map(|given| given.value),
        bench_root: reader.environment("FRAPPE_BENCH_ROOT").map_or_else(
            // As frappe.utils.get_bench_path resolves it.
            || root.canonicalize().unwrap_or_else(|_| root.to_path_buf()),
            PathBuf::from,
        ),
        tick: tick_s.and_then(|s| u64::try_from(s).ok()).filter(|s| *s > 0).map(Duration::from_secs),
        timeouts,
    })
}

fn words(text: &str) -> Vec<String> {
    text.split(|c: char| c == ',' || c.is_whitespace())
        .filter(|w| !w.is_empty())
        .map(str::to_string)
        .collect()
}

/// The queues of a pool, and its number of processes if it is set.
type PoolSpec = (Vec<String>, Option<u16>);

/// Returns two pools: long jobs get a process of their own, so that short jobs do not wait for them.
fn default_pools(timeouts: &BTreeMap<String, Duration>) -> Vec<PoolSpec> {
    let own = |name: &&String| !matches!(name.as_str(), "short" | "default" | "long");
    let mut slow = vec!["long".to_string()];
    slow.extend(timeouts.keys().filter(own).cloned());
    vec![(vec!["short".into(), "default".into()], None), (slow, None)]
}

/// Reads queue names. An unknown queue is refused here: Frappe would refuse it at each start of a worker.
fn parse_queues(text: &str, timeouts: &BTreeMap<String, Duration>) -> Result<Vec<String>, String> {
    let queues = words(text);
    if queues.is_empty() {
        return Err(format!("`{text}` names no queue"));
    }
    match queues.iter().find(|queue| !timeouts.contains_key(*queue)) {
        None => Ok(queues),
        Some(unknown) => {
            let known: Vec<&str> = timeouts.keys().map(String::as_str).collect();
            Err(format!(
                "`{unknown}` is not a queue of this bench ({}; `workers` in common_site_config.json adds queues)",
                known.join(", ")
            ))
        }
    }
}

/// Reads `short,default=2 long=1`. A pool without a number has one process, or the range of CAULDRON_AUTOSCALE.
fn parse_pools(text: &str, timeouts: &BTreeMap<String, Duration>) -> Result<Vec<PoolSpec>, String> {
    let one = |word: &str| {
        let (queues, count) =
            word.split_once('=').map_or((word, None), |(queues, count)| (queues, Some(count)));
        let count = count.map(|count| match count.parse::<u16>() {
            Ok(n) if (1..=MAX_PROCESSES).contains(&n) => Ok(n),
            _ => Err(format!("`{count}` is not a number of processes from 1 to {MAX_PROCESSES}")),
        });
        Ok((parse_queues(queues, timeouts)?, count.transpose()?))
    };
    let pools = text.split(|c: char| c == ';' || c.is_whitespace()).filter(|word| !word.is_empty());
    let pools: Vec<PoolSpec> = pools.map(one).collect::<Result<_, String>>()?;
    if pools.is_empty() { Err(format!("`{text}` names no pool")) } else { Ok(pools) }
}

/// Reads the dotted names of Python functions. Any other text would be the method of no job.
fn parse_methods(text: &str) -> Result<Vec<String>, String> {
    let is_method = |word: &String| word.chars().all(|c| c.is_alphanumeric() || "._".contains(c));
    match words(text) {
        methods if methods.iter().all(is_method) => Ok(methods),
        _ => Err("it contains a word that is not the name of a method".into()),
    }
}

fn parse_range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let bounds = text.split_once("..").and_then(|(min, max)| {
        let (min, max) = (min.parse::<u16>().ok()?, max.trim_start_matches('=').parse::<u16>().ok()?);
        (1 <= min && min <= max && max <= MAX_PROCESSES).then_some(min..=max)
    });
    bounds.ok_or_else(|| format!("`{text}` is not a range"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bench() -> BTreeMap<String, Duration> {
        ["default", "long", "mails", "reports", "short"].map(|queue| (queue.into(), DEFAULT_TIMEOUT)).into()
    }

    #[test]
    fn pools_are_read_in_every_spelling() {
        let short = vec!["short".to_string(), "default".into()];
        let long = vec!["long".to_string()];
        for text in ["short,default=2 long", "short,default=2;long", " short,default=2 \n long "] {
            let expected = vec![(short.clone(), Some(2)), (long.clone(), None)];
            assert_eq!(parse_pools(text, &bench()), Ok(expected), "{text}");
        }
        for bad in ["short=0", "short=x", "nosuch=1", "=2", "short=1000"] {
            assert!(parse_pools(bad, &bench()).is_err(), "{bad} was read");
        }
        for empty in [";", " ; \n;"] {
            assert!(parse_pools(empty, &bench()).unwrap_err().contains("names no pool"), "{empty}");
        }
        assert!(parse_queues("nosuch", &bench()).unwrap_err().contains("reports"));
    }

    #[test]
    fn the_benchs_own_queues_have_a_pool() {
        let [_, (slow, _)] = &default_pools(&bench())[..] else { panic!("not two pools") };
        assert_eq!(*slow, ["long", "mails", "reports"]);
    }

    #[test]
    fn a_range_has_a_minimum_and_a_maximum() {
        assert_eq!(parse_range("1..4"), Ok(1..=4));
        assert!(["4..1", "0..2", "3", "a..b"].iter().all(|bad| parse_range(bad).is_err()));
    }
}
