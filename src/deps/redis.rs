//! Whether a Redis works for what Frappe keeps in it.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::redis_url::RedisUrl;
use crate::deps::Met;
use crate::net::{ConnectError, Step};
use crate::redis_client::{Connection, Options, Server};

/// A Redis and what it is for.
#[derive(Clone, Debug)]
pub struct RedisTarget {
    pub url: RedisUrl,
    pub ca: Option<PathBuf>,
    pub variable: &'static str,
    /// Jobs are in it: what it loses is lost.
    pub holds_jobs: bool,
}

pub struct Probe {
    server: Server,
    variable: &'static str,
    holds_jobs: bool,
}

impl Probe {
    /// # Errors
    /// A CA file that cannot be used.
    pub fn new(target: &RedisTarget) -> Result<Self, ConnectError> {
        let server = Server::new(&target.url, target.ca.as_ref(), target.variable)?;
        Ok(Self { server, variable: target.variable, holds_jobs: target.holds_jobs })
    }

    /// One try.
    pub async fn attempt(&self, timeout: Duration) -> Result<Met, ConnectError> {
        let options = Options { timeout, ..Options::default() };
        let mut connection = self.server.connect(&options).await?;
        let warnings = match self.holds_jobs {
            true => warnings(&info(&mut connection).await, self.variable),
            false => Vec::new(),
        };
        Ok(Met { step: Step::Login, warnings })
    }
}

/// Empty where the ACL keeps INFO from us: nothing is known then, and nothing is warned of.
async fn info(connection: &mut Connection) -> String {
    redis::cmd("INFO").query_async(&mut **connection).await.unwrap_or_default()
}

/// What INFO says that will lose jobs later. CONFIG would say it too, and is often closed.
fn warnings(info: &str, variable: &str) -> Vec<String> {
    let field =
        |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    let mut warnings = Vec::new();
    let limited = field("maxmemory").is_some_and(|limit| limit != "0");
    if let Some(policy) = field("maxmemory_policy").filter(|policy| limited && *policy != "noeviction") {
        warnings.push(format!(
            "{variable} evicts ({policy}): a full Redis drops jobs in silence; set `maxmemory-policy noeviction`"
        ));
    }
    if field("role") == Some("slave") {
        warnings.push(format!("{variable} is a replica: it takes no jobs; point it at the primary"));
    }
    if field("cluster_enabled") == Some("1") {
        warnings.push(format!("{variable} is a cluster: RQ's keys span its slots; use a single Redis"));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warns_of_what_loses_jobs_and_of_nothing_else() {
        let quiet = "role:master\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\ncluster_enabled:0\r\n";
        assert!(warnings(quiet, "REDIS_QUEUE").is_empty());
        assert!(warnings("maxmemory:5\r\nmaxmemory_policy:noeviction\r\n", "REDIS_QUEUE").is_empty());
        assert!(warnings("", "REDIS_QUEUE").is_empty());
        for (info, word) in [
            ("maxmemory:5\r\nmaxmemory_policy:allkeys-lru\r\n", "evicts (allkeys-lru)"),
            ("role:slave\r\n", "replica"),
            ("cluster_enabled:1\r\n", "cluster"),
        ] {
            let told = warnings(info, "REDIS_QUEUE");
            assert!(told.len() == 1 && told[0].contains(word), "{told:?}");
        }
    }
}
