//! Which queues are worked on by how many processes, and how much each may use.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::bench_files::BenchFiles;
use super::source::Reader;
use super::value::read_parsed;

/// Processes that take jobs from the same queues, in this order of preference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    pub queues: Vec<String>,
    /// How many there are at least, and at most when the queues are long.
    pub processes: RangeInclusive<u16>,
    /// The longest that a job of these queues may take.
    pub timeout: Duration,
}

impl Pool {
    /// As operators write it, without the number.
    pub fn name(&self) -> String {
        self.queues.join(",")
    }
}

#[derive(Clone, Debug)]
pub struct Workers {
    pub pools: Vec<Pool>,
    /// Every queue of the bench with the longest time of its jobs.
    pub timeouts: BTreeMap<String, Duration>,
    /// A worker past it is started anew between two jobs.
    pub max_memory_bytes: Option<u64>,
    /// After so many jobs, too.
    pub max_jobs: Option<u32>,
    /// Methods whose jobs may run again when they were cut off.
    pub requeue: Vec<String>,
    /// The prefix of every queue's name.
    pub bench_id: Option<String>,
    /// What it is made of where it is not given: FRAPPE_BENCH_ROOT, else the bench's folder.
    pub bench_root: PathBuf,
    /// The scheduler's pause between two ticks; none is Frappe's own.
    pub tick: Option<Duration>,
}

/// Frappe's own (background_jobs.get_queues_timeout, v14 to v16).
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);
const LONG_TIMEOUT: Duration = Duration::from_secs(1500);
const POOL_MEND: &str = "write queues and a number of processes: short,default=2 long=1";
const MOST_PROCESSES: u16 = 128;

pub fn read(reader: &mut Reader<'_>, bench: &BenchFiles, root: &Path) -> Option<Workers> {
    let timeouts = timeouts(bench.common_value("workers"));
    let counts =
        read_parsed(reader, "CAULDRON_AUTOSCALE", parse_range, "write the fewest and the most: 1..4");
    let by_pool = read_parsed(reader, "CAULDRON_POOL", |text| parse_pools(text, &timeouts), POOL_MEND);
    let by_queues = read_parsed(
        reader,
        "WORKER_QUEUES",
        |text| Ok(vec![(parse_queues(text, &timeouts)?, None)]),
        "write queue names with commas: short,default",
    );
    let both =
        reader.seen.iter().filter(|(v, _)| matches!(v.name, "CAULDRON_POOL" | "WORKER_QUEUES")).count();
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
    let number = |text: &str| match text.parse::<u32>() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err(format!("`{text}` is not a number of jobs")),
    };
    let tick_s = bench.common("scheduler_tick_interval").and_then(|given| given.value.parse().ok());
    Some(Workers {
        pools,
        max_memory_bytes: read_parsed(
            reader,
            "CAULDRON_MAX_MEMORY",
            parse_size,
            "write it like 512Mi or 1Gi",
        ),
        max_jobs: read_parsed(reader, "CAULDRON_MAX_JOBS", number, "write a number, or leave it out"),
        requeue: reader.given("CAULDRON_REQUEUE").map(|given| words(&given.value)).unwrap_or_default(),
        bench_id: bench.common("bench_id").map(|given| given.value),
        bench_root: reader.environment("FRAPPE_BENCH_ROOT").map_or_else(
            // As frappe.utils.get_bench_path resolves it.
            || root.canonicalize().unwrap_or_else(|_| root.to_path_buf()),
            PathBuf::from,
        ),
        tick: tick_s.filter(|s| *s > 0).map(Duration::from_secs),
        timeouts,
    })
}

fn words(text: &str) -> Vec<String> {
    text.split(|c: char| c == ',' || c.is_whitespace())
        .filter(|w| !w.is_empty())
        .map(str::to_string)
        .collect()
}

/// The three that every bench has, and those of `workers` in common_site_config.json.
fn timeouts(workers: Option<&Value>) -> BTreeMap<String, Duration> {
    let own = [("short", DEFAULT_TIMEOUT), ("default", DEFAULT_TIMEOUT), ("long", LONG_TIMEOUT)];
    let mut timeouts: BTreeMap<String, Duration> = own.map(|(name, t)| (name.to_string(), t)).into();
    for (name, worker) in workers.and_then(Value::as_object).into_iter().flatten() {
        let seconds = worker.get("timeout").and_then(Value::as_u64);
        timeouts.insert(name.clone(), seconds.map_or(DEFAULT_TIMEOUT, Duration::from_secs));
    }
    timeouts
}

type Wanted = (Vec<String>, Option<u16>);

/// A long job must not keep the short ones waiting, so it has a process of its own.
fn default_pools(timeouts: &BTreeMap<String, Duration>) -> Vec<Wanted> {
    let own = |name: &&String| !matches!(name.as_str(), "short" | "default" | "long");
    let mut slow = vec!["long".to_string()];
    slow.extend(timeouts.keys().filter(own).cloned());
    vec![(vec!["short".into(), "default".into()], None), (slow, None)]
}

/// Frappe refuses a queue that it does not know, at each start of a worker; here it is told before.
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
                "`{unknown}` is no queue of this bench ({}; `workers` in common_site_config.json adds some)",
                known.join(", ")
            ))
        }
    }
}

/// `short,default=2 long=1`; without a number it is one, or as many as CAULDRON_AUTOSCALE says.
fn parse_pools(text: &str, timeouts: &BTreeMap<String, Duration>) -> Result<Vec<Wanted>, String> {
    let one = |word: &str| {
        let (queues, count) =
            word.split_once('=').map_or((word, None), |(queues, count)| (queues, Some(count)));
        let count = count.map(|count| match count.parse::<u16>() {
            Ok(n) if (1..=MOST_PROCESSES).contains(&n) => Ok(n),
            _ => Err(format!("`{count}` is not a number of processes from 1 to {MOST_PROCESSES}")),
        });
        Ok((parse_queues(queues, timeouts)?, count.transpose()?))
    };
    let pools = text.split(|c: char| c == ';' || c.is_whitespace()).filter(|word| !word.is_empty());
    pools.map(one).collect()
}

fn parse_range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let bounds = text.split_once("..").and_then(|(least, most)| {
        let (least, most) = (least.parse::<u16>().ok()?, most.trim_start_matches('=').parse::<u16>().ok()?);
        (1 <= least && least <= most && most <= MOST_PROCESSES).then_some(least..=most)
    });
    bounds.ok_or_else(|| format!("`{text}` is not a range"))
}

/// `512Mi`, `1Gi`, `300M`.
fn parse_size(text: &str) -> Result<u64, String> {
    let units: [(&str, u64); 6] = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
    ];
    let parsed = units
        .iter()
        .find_map(|(unit, factor)| text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(*factor));
    parsed.filter(|bytes| *bytes > 0).ok_or_else(|| format!("`{text}` is not a size"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn bench() -> BTreeMap<String, Duration> {
        timeouts(Some(&json!({"reports": {"timeout": 5000}, "mails": {}})))
    }

    #[test]
    fn pools_as_people_write_them() {
        let short = vec!["short".to_string(), "default".into()];
        let long = vec!["long".to_string()];
        for text in ["short,default=2 long", "short,default=2;long", " short,default=2 \n long "] {
            let expected = vec![(short.clone(), Some(2)), (long.clone(), None)];
            assert_eq!(parse_pools(text, &bench()), Ok(expected), "{text}");
        }
        for bad in ["short=0", "short=x", "nosuch=1", "=2", "short=1000"] {
            assert!(parse_pools(bad, &bench()).is_err(), "{bad} was read");
        }
        assert!(parse_queues("nosuch", &bench()).unwrap_err().contains("reports"));
    }

    #[test]
    fn the_benchs_own_queues_have_their_own_times_and_somebody_works_on_them() {
        assert_eq!(bench()["reports"], Duration::from_secs(5000));
        assert_eq!((bench()["mails"], bench()["long"]), (DEFAULT_TIMEOUT, LONG_TIMEOUT));
        let [_, (slow, _)] = &default_pools(&bench())[..] else { panic!("not two pools") };
        assert_eq!(*slow, ["long", "mails", "reports"]);
    }

    #[test]
    fn ranges_and_sizes() {
        assert_eq!(parse_range("1..4"), Ok(1..=4));
        assert!(["4..1", "0..2", "3", "a..b"].iter().all(|bad| parse_range(bad).is_err()));
        assert_eq!((parse_size("512Mi"), parse_size("1G")), (Ok(512 << 20), Ok(1_000_000_000)));
        assert!(["512", "Mi", "-1Mi", "0Mi"].iter().all(|bad| parse_size(bad).is_err()));
    }
}
