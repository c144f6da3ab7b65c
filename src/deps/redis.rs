//! Probes a Redis, which has to take writes, and warns of settings that lose jobs.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::redis_url::RedisUrl;
use crate::deps::Met;
use crate::net::{ConnectError, Step};
use crate::redis_client::{Connection, Options, Server};

/// A Redis and its purpose.
#[derive(Clone, Debug)]
pub struct RedisTarget {
    pub url: RedisUrl,
    pub ca: Option<PathBuf>,
    pub variable: &'static str,
    /// True for the queue Redis: its data cannot be restored.
    pub holds_jobs: bool,
}

pub struct Probe {
    server: Server,
    variable: &'static str,
    holds_jobs: bool,
}

impl Probe {
    /// Reads the CA file.
    ///
    /// # Errors
    /// A CA file that cannot be used.
    pub fn new(target: &RedisTarget) -> Result<Self, ConnectError> {
        let server = Server::new(&target.url, target.ca.as_ref(), target.variable)?;
        Ok(Self { server, variable: target.variable, holds_jobs: target.holds_jobs })
    }

    /// Makes one try.
    pub async fn attempt(&self, timeout: Duration) -> Result<Met, ConnectError> {
        let options = Options { timeout, ..Options::default() };
        let mut connection = self.server.connect(&options).await?;
        self.server.takes_writes(&mut connection).await?;
        let warnings = match self.holds_jobs {
            true => warnings(&info(&mut connection).await, self.variable),
            false => Vec::new(),
        };
        Ok(Met { step: Step::Login, warnings })
    }
}

/// The reply of INFO; empty if the ACL forbids it: then there are no warnings.
async fn info(connection: &mut Connection) -> String {
    redis::cmd("INFO").query_async(&mut **connection).await.unwrap_or_default()
}

/// The settings that will lose jobs, read from INFO. CONFIG would show them too, but is often forbidden.
fn warnings(info: &str, variable: &str) -> Vec<String> {
    let field =
        |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    let mut warnings = Vec::new();
    let limited = field("maxmemory").is_some_and(|limit| limit != "0");
    if let Some(policy) = field("maxmemory_policy").filter(|policy| limited && *policy != "noeviction") {
        warnings.push(format!(
            "{variable} evicts ({policy}): a full Redis deletes jobs silently; set `maxmemory-policy noeviction`"
        ));
    }
    if field("role") == Some("slave") {
        warnings.push(format!("{variable} is a replica: it accepts no jobs; set it to the primary"));
    }
    if field("cluster_enabled") == Some("1") {
        warnings.push(format!("{variable} is a cluster: RQ's keys span several slots; use a single Redis"));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warns_only_of_settings_that_lose_jobs() {
        let safe = "role:master\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\ncluster_enabled:0\r\n";
        assert!(warnings(safe, "REDIS_QUEUE").is_empty());
        assert!(warnings("maxmemory:5\r\nmaxmemory_policy:noeviction\r\n", "REDIS_QUEUE").is_empty());
        assert!(warnings("", "REDIS_QUEUE").is_empty());
        for (info, word) in [
            ("maxmemory:5\r\nmaxmemory_policy:allkeys-lru\r\n", "evicts (allkeys-lru)"),
            ("role:slave\r\n", "replica"),
            ("cluster_enabled:1\r\n", "cluster"),
        ] {
            let warnings = warnings(info, "REDIS_QUEUE");
            assert!(warnings.len() == 1 && warnings[0].contains(word), "{warnings:?}");
        }
    }
}
