//! Checks of host names and Redis servers: do they answer, and does the queue Redis keep its jobs?

use std::net::IpAddr;
use std::time::Instant;

use super::clock::Clock;
use super::configuration::Inputs;
use super::finding::Finding;
use super::id::Id;
use crate::config::redis_url::RedisUrl;
use crate::net::{ConnectError, Kind, dial};
use crate::outcome;
use crate::redis_client::{Options, Server};

/// Resolves each host once; an address or a socket needs no name server.
pub async fn dns(inputs: &Inputs, clock: Clock) -> Vec<Finding> {
    let mut hosts: Vec<(String, u16)> = Vec::new();
    let database = inputs.database().ok().map(|database| (database.host.clone(), database.port));
    let redis = redis_servers(inputs).into_iter().filter(|(variable, _)| inputs.redis(variable).is_ok());
    let redis = redis.filter_map(|(_, url)| url?.address());
    for (host, port) in database.into_iter().chain(redis) {
        if !hosts.iter().any(|(seen, _)| *seen == host) {
            hosts.push((host, port));
        }
    }
    let mut findings = Vec::new();
    if hosts.is_empty() {
        findings.push(Finding::skipped(Id::Dns, "hosts", "no host is known"));
    }
    let mut checks = tokio::task::JoinSet::new();
    for (index, (host, port)) in hosts.into_iter().enumerate() {
        checks.spawn(async move { (index, resolve(&host, port, clock).await) });
    }
    let mut results = checks.join_all().await;
    results.sort_by_key(|(index, _)| *index);
    findings.extend(results.into_iter().map(|(_, finding)| finding));
    findings
}

async fn resolve(host: &str, port: u16, clock: Clock) -> Finding {
    if host.starts_with('/') || host.parse::<IpAddr>().is_ok() {
        return Finding::ok(Id::Dns, host, "needs no name server");
    }
    let begin = Instant::now();
    match dial::resolve(host, port, clock.deadline()).await {
        Ok(addresses) => {
            let shown: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
            let detail = format!("{} in {} ms", shown.join(", "), begin.elapsed().as_millis());
            Finding::ok(Id::Dns, host, detail)
        }
        Err(error) => Finding::unreached(Id::Dns, host, &error),
    }
}

fn redis_servers(inputs: &Inputs) -> [(&'static str, Option<&RedisUrl>); 2] {
    let redis = &inputs.config.redis;
    [("REDIS_CACHE", redis.cache.as_ref()), ("REDIS_QUEUE", redis.queue.as_ref())]
}

/// Checks all Redis servers concurrently.
pub async fn redis(inputs: &Inputs, clock: Clock) -> Vec<Finding> {
    let [cache, queue] = redis_servers(inputs).map(|(variable, url)| one(inputs, clock, variable, url));
    let (cache, queue) = tokio::join!(cache, queue);
    let mut findings = [cache, queue].concat();
    findings.push(databases(inputs));
    findings
}

async fn one(inputs: &Inputs, clock: Clock, variable: &'static str, url: Option<&RedisUrl>) -> Vec<Finding> {
    let is_queue = variable == "REDIS_QUEUE";
    let skipped = |reason: &str| {
        let mut findings = vec![Finding::skipped(Id::RedisConnection, variable, reason)];
        findings.extend(queue_skipped(is_queue, reason));
        findings
    };
    if let Err(reason) = inputs.redis(variable) {
        return skipped(&reason);
    }
    let Some(url) = url else { return skipped("not set") };
    let subject = format!("{variable} {url}");
    let answer = clock.run(Id::RedisConnection, &subject, examine(inputs, clock, variable, url)).await;
    match answer {
        Err(timed_out) => {
            let mut findings = vec![timed_out];
            findings.extend(queue_skipped(is_queue, "the server did not answer"));
            findings
        }
        Ok(Err(error)) => {
            let mut findings = vec![Finding::unreached(Id::RedisConnection, subject, &error)];
            findings.extend(queue_skipped(is_queue, "the server cannot be used"));
            findings
        }
        Ok(Ok(Answer { info, timing, refusal })) => {
            let info = Info(&info);
            let version = info.field("redis_version").unwrap_or("of unknown version");
            let mut findings = vec![match refusal {
                // A replica as queue has a finding of its own.
                Some(error) if !is_queue || error.kind != Kind::Standby || info.0.is_empty() => {
                    Finding::unreached(Id::RedisConnection, subject, &error)
                }
                _ => Finding::ok(Id::RedisConnection, subject, format!("Redis {version}, {timing}")),
            }];
            if is_queue {
                findings.extend(info.queue(variable));
            }
            findings
        }
    }
}

/// What a server answered.
struct Answer {
    /// The reply to INFO, empty if the ACL forbids it.
    info: String,
    /// The response times, in words.
    timing: String,
    /// Why it takes no writes.
    refusal: Option<ConnectError>,
}

async fn examine(
    inputs: &Inputs,
    clock: Clock,
    variable: &'static str,
    url: &RedisUrl,
) -> Result<Answer, ConnectError> {
    let server = Server::new(url, inputs.config.redis.tls_ca.as_ref(), variable)?;
    let begin = Instant::now();
    let options = Options { timeout: clock.remaining(), ..Options::default() };
    let mut connection = server.connect(&options).await?;
    let connected = begin.elapsed();
    let begin = Instant::now();
    let info = redis::cmd("INFO").query_async(&mut *connection).await.unwrap_or_default();
    let (connected, answered) = (connected.as_secs_f64() * 1e3, begin.elapsed().as_secs_f64() * 1e3);
    let refusal = server.takes_writes(&mut connection).await.err();
    Ok(Answer {
        info,
        timing: format!("connected in {connected:.1} ms, answers in {answered:.1} ms"),
        refusal,
    })
}

const QUEUE_CHECKS: [Id; 3] = [Id::RedisQueueEviction, Id::RedisQueueRole, Id::RedisQueuePersistence];

fn queue_skipped(is_queue: bool, reason: &str) -> Vec<Finding> {
    let checks: &[Id] = if is_queue { &QUEUE_CHECKS } else { &[] };
    checks.iter().map(|id| Finding::skipped(*id, "REDIS_QUEUE", reason)).collect()
}

/// Checks that flushing the cache does not delete jobs.
fn databases(inputs: &Inputs) -> Finding {
    let redis = &inputs.config.redis;
    match (&redis.cache, &redis.queue) {
        (Some(cache), Some(queue)) if cache == queue => Finding::warning(
            Id::RedisDatabases,
            queue.to_string(),
            "REDIS_CACHE and REDIS_QUEUE are the same database: clearing or evicting the cache loses jobs",
            "use another server, or at least another database number, for the queue",
        ),
        (Some(_), Some(_)) => Finding::ok(Id::RedisDatabases, "REDIS_CACHE, REDIS_QUEUE", "two databases"),
        _ => Finding::skipped(Id::RedisDatabases, "REDIS_CACHE, REDIS_QUEUE", "one of them is not set"),
    }
}

/// The answer of Redis to INFO.
struct Info<'a>(&'a str);

impl Info<'_> {
    fn field(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }

    fn queue(&self, subject: &str) -> Vec<Finding> {
        if self.0.is_empty() {
            return queue_skipped(true, "this login may not run INFO");
        }
        vec![self.eviction(subject), self.role(subject), self.persistence(subject)]
    }

    fn eviction(&self, subject: &str) -> Finding {
        let policy = self.field("maxmemory_policy").unwrap_or("noeviction");
        let limit = self.field("maxmemory").unwrap_or("0");
        if policy == "noeviction" || limit == "0" {
            let bound =
                if limit == "0" { "no memory limit".into() } else { format!("at most {limit} bytes") };
            return Finding::ok(Id::RedisQueueEviction, subject, format!("{policy}, {bound}"));
        }
        Finding::warning(
            Id::RedisQueueEviction,
            subject,
            format!("it evicts keys ({policy}): when it is full, it drops jobs without an error"),
            "set `maxmemory-policy noeviction`",
        )
    }

    fn role(&self, subject: &str) -> Finding {
        let error =
            |detail, hint| Finding::error(Id::RedisQueueRole, outcome::CONFIGURATION, subject, detail, hint);
        if self.field("cluster_enabled") == Some("1") {
            return error("it is a cluster: RQ's keys span its slots", "use a single Redis for the queue");
        }
        if self.field("role") == Some("slave") {
            return error("it is a replica: it accepts no jobs", "set REDIS_QUEUE to the primary");
        }
        Finding::ok(Id::RedisQueueRole, subject, "a writable single server")
    }

    fn persistence(&self, subject: &str) -> Finding {
        if self.field("aof_enabled") == Some("1") {
            return Finding::ok(Id::RedisQueuePersistence, subject, "appendonly is on");
        }
        // INFO does not contain the `save` points; any snapshot taken so far shows that some are set.
        let saved = self.field("rdb_saves").is_some_and(|saves| saves != "0");
        let hint = "set `appendonly yes` and mount a volume for its data";
        if saved {
            let detail = "snapshots only: a restart loses the jobs since the last one";
            return Finding::warning(Id::RedisQueuePersistence, subject, detail, hint);
        }
        let detail = "appendonly is off: a restart may lose waiting jobs";
        Finding::warning(Id::RedisQueuePersistence, subject, detail, hint)
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn only_settings_that_lose_jobs_are_reported() {
        let fine = "role:master\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\naof_enabled:1\r\n";
        assert!(Info(fine).queue("q").iter().all(|f| f.severity == Severity::Ok));
        for (info, id, severity) in [
            ("maxmemory:5\r\nmaxmemory_policy:allkeys-lru\r\n", Id::RedisQueueEviction, Severity::Warning),
            ("role:slave\r\n", Id::RedisQueueRole, Severity::Error),
            ("cluster_enabled:1\r\n", Id::RedisQueueRole, Severity::Error),
            ("aof_enabled:0\r\nrdb_saves:3\r\n", Id::RedisQueuePersistence, Severity::Warning),
        ] {
            let findings = Info(info).queue("q");
            assert!(findings.iter().any(|f| f.id == id && f.severity == severity), "{info}: {findings:?}");
        }
        assert!(Info("").queue("q").iter().all(|f| f.detail.starts_with("skipped")));
    }
}
