//! Names and Redis servers: whether they answer, and whether the queue's keeps what it is given.

use std::net::IpAddr;
use std::time::Instant;

use super::clock::Clock;
use super::configuration::Known;
use super::finding::Finding;
use super::id::Id;
use crate::config::redis_url::RedisUrl;
use crate::net::{ConnectError, dial};
use crate::outcome;
use crate::redis_client::{Options, Server};

/// Every host once; an address or a socket needs no name server.
pub async fn dns(known: &Known, clock: Clock) -> Vec<Finding> {
    let mut hosts: Vec<(String, u16)> = Vec::new();
    let database = known.database().ok().map(|database| (database.host.clone(), database.port));
    let redis = redis_servers(known).into_iter().filter(|(variable, _)| known.redis(variable).is_ok());
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
    let mut looks = tokio::task::JoinSet::new();
    for (index, (host, port)) in hosts.into_iter().enumerate() {
        looks.spawn(async move { (index, resolve(&host, port, clock).await) });
    }
    let mut found = looks.join_all().await;
    found.sort_by_key(|(index, _)| *index);
    findings.extend(found.into_iter().map(|(_, finding)| finding));
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

fn redis_servers(known: &Known) -> [(&'static str, Option<&RedisUrl>); 3] {
    let redis = &known.config.redis;
    [
        ("REDIS_CACHE", redis.cache.as_ref()),
        ("REDIS_QUEUE", redis.queue.as_ref()),
        ("REDIS_SOCKETIO", redis.socketio.as_ref()),
    ]
}

/// All of them side by side.
pub async fn redis(known: &Known, clock: Clock) -> Vec<Finding> {
    let [cache, queue, socketio] =
        redis_servers(known).map(|(variable, url)| one(known, clock, variable, url));
    let (cache, queue, socketio) = tokio::join!(cache, queue, socketio);
    let mut findings = [cache, queue, socketio].concat();
    findings.push(databases(known));
    findings
}

async fn one(known: &Known, clock: Clock, variable: &'static str, url: Option<&RedisUrl>) -> Vec<Finding> {
    let is_queue = variable == "REDIS_QUEUE";
    let skipped = |reason: &str| {
        let mut findings = vec![Finding::skipped(Id::RedisConnection, variable, reason)];
        findings.extend(queue_skipped(is_queue, reason));
        findings
    };
    if let Err(reason) = known.redis(variable) {
        return skipped(&reason);
    }
    // Only Frappe v14 has a third one.
    let Some(url) = url else {
        return if variable == "REDIS_SOCKETIO" { Vec::new() } else { skipped("it is not set") };
    };
    let subject = format!("{variable} {url}");
    let asked = clock.ask(Id::RedisConnection, &subject, ask(known, clock, variable, url)).await;
    match asked {
        Err(silent) => {
            let mut findings = vec![silent];
            findings.extend(queue_skipped(is_queue, "the server did not answer"));
            findings
        }
        Ok(Err(error)) => {
            let mut findings = vec![Finding::unreached(Id::RedisConnection, subject, &error)];
            findings.extend(queue_skipped(is_queue, "the server cannot be used"));
            findings
        }
        Ok(Ok((told, answer))) => {
            let info = Info(&told);
            let version = info.field("redis_version").unwrap_or("of unknown version");
            let mut findings =
                vec![Finding::ok(Id::RedisConnection, subject, format!("Redis {version}, {answer}"))];
            if is_queue {
                findings.extend(info.queue(variable));
            }
            findings
        }
    }
}

/// INFO, empty where the ACL keeps it from us, and how fast the server is.
async fn ask(
    known: &Known,
    clock: Clock,
    variable: &'static str,
    url: &RedisUrl,
) -> Result<(String, String), ConnectError> {
    let server = Server::new(url, known.config.redis.tls_ca.as_ref(), variable)?;
    let begin = Instant::now();
    let options = Options { timeout: clock.left(), ..Options::default() };
    let mut connection = server.connect(&options).await?;
    let connected = begin.elapsed();
    let begin = Instant::now();
    let info = redis::cmd("INFO").query_async(&mut *connection).await.unwrap_or_default();
    let (connected, answered) = (connected.as_secs_f64() * 1e3, begin.elapsed().as_secs_f64() * 1e3);
    Ok((info, format!("connected in {connected:.1} ms, answers in {answered:.1} ms")))
}

const QUEUE_LOOKS: [Id; 3] = [Id::RedisQueueEviction, Id::RedisQueueRole, Id::RedisQueuePersistence];

fn queue_skipped(is_queue: bool, reason: &str) -> Vec<Finding> {
    let looks: &[Id] = if is_queue { &QUEUE_LOOKS } else { &[] };
    looks.iter().map(|id| Finding::skipped(*id, "REDIS_QUEUE", reason)).collect()
}

/// A cache that is flushed must not take the jobs with it.
fn databases(known: &Known) -> Finding {
    let redis = &known.config.redis;
    match (&redis.cache, &redis.queue) {
        (Some(cache), Some(queue)) if cache == queue => Finding::warning(
            Id::RedisDatabases,
            queue.to_string(),
            "REDIS_CACHE and REDIS_QUEUE are one database: clearing or evicting the cache loses jobs",
            "give the queue a server, or at least a database number, of its own",
        ),
        (Some(_), Some(_)) => Finding::ok(Id::RedisDatabases, "REDIS_CACHE, REDIS_QUEUE", "two databases"),
        _ => Finding::skipped(Id::RedisDatabases, "REDIS_CACHE, REDIS_QUEUE", "one of them is not known"),
    }
}

/// What Redis says of itself.
struct Info<'a>(&'a str);

impl Info<'_> {
    fn field(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }

    fn queue(&self, subject: &str) -> Vec<Finding> {
        if self.0.is_empty() {
            return queue_skipped(true, "this login may not ask for INFO");
        }
        vec![self.eviction(subject), self.role(subject), self.persistence(subject)]
    }

    fn eviction(&self, subject: &str) -> Finding {
        let policy = self.field("maxmemory_policy").unwrap_or("noeviction");
        let limit = self.field("maxmemory").unwrap_or("0");
        if policy == "noeviction" || limit == "0" {
            let bound =
                if limit == "0" { "no memory limit".into() } else { format!("{limit} bytes at most") };
            return Finding::ok(Id::RedisQueueEviction, subject, format!("{policy}, {bound}"));
        }
        Finding::warning(
            Id::RedisQueueEviction,
            subject,
            format!("it evicts ({policy}): when it is full, jobs are dropped in silence"),
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
            return error("it is a replica: it takes no jobs", "point REDIS_QUEUE at the primary");
        }
        Finding::ok(Id::RedisQueueRole, subject, "a writable single server")
    }

    fn persistence(&self, subject: &str) -> Finding {
        if self.field("aof_enabled") == Some("1") {
            return Finding::ok(Id::RedisQueuePersistence, subject, "appendonly is on");
        }
        // INFO does not tell the `save` points; a snapshot that was ever taken shows that there are some.
        let saved = self.field("rdb_saves").is_some_and(|saves| saves != "0");
        let hint = "set `appendonly yes` and give it a volume";
        if saved {
            let detail = "snapshots only: jobs since the last one are lost with a restart";
            return Finding::warning(Id::RedisQueuePersistence, subject, detail, hint);
        }
        let detail = "appendonly is off: a restart may lose the jobs that wait";
        Finding::warning(Id::RedisQueuePersistence, subject, detail, hint)
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn what_loses_jobs_is_told_and_nothing_else() {
        let fine = "role:master\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\naof_enabled:1\r\n";
        assert!(Info(fine).queue("q").iter().all(|f| f.severity == Severity::Ok));
        for (info, id, severity) in [
            ("maxmemory:5\r\nmaxmemory_policy:allkeys-lru\r\n", Id::RedisQueueEviction, Severity::Warning),
            ("role:slave\r\n", Id::RedisQueueRole, Severity::Error),
            ("cluster_enabled:1\r\n", Id::RedisQueueRole, Severity::Error),
            ("aof_enabled:0\r\nrdb_saves:3\r\n", Id::RedisQueuePersistence, Severity::Warning),
        ] {
            let told = Info(info).queue("q");
            assert!(told.iter().any(|f| f.id == id && f.severity == severity), "{info}: {told:?}");
        }
        assert!(Info("").queue("q").iter().all(|f| f.detail.starts_with("skipped")));
    }
}
