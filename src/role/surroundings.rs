//! What every role needs of the pipeline.

use std::path::PathBuf;

use crate::bootstrap::Bootstrapped;
use crate::config::Config;
use crate::config::database::DatabaseConfig;
use crate::frappe::bench::Bench;
use crate::frappe::environment::ChildEnvironment;
use crate::frappe::queues::BenchQueues;
use crate::health::account::Board;
use crate::redis_client::{Link, Server};
use crate::supervise::process::Processes;

/// A site that is there, and what serves it.
pub struct Surroundings<'a> {
    pub config: &'a Config,
    pub database: &'a DatabaseConfig,
    pub bench: &'a Bench,
    pub site: &'a str,
    pub bootstrapped: &'a Bootstrapped,
    pub processes: &'a Processes,
    pub runtime_dir: &'a std::path::Path,
    pub board: &'a Board,
}

impl Surroundings<'_> {
    /// Of every Frappe process but gunicorn, which has more.
    pub fn environment(&self, application: &str) -> ChildEnvironment {
        let mut environment = ChildEnvironment::inherited().for_frappe(self.database, &self.config.redis);
        environment.joining(&self.bootstrapped.view.joined());
        environment.set("PGAPPNAME", application).set("FRAPPE_STREAM_LOGGING", "1");
        for (name, value) in &self.bootstrapped.overrides {
            environment.set(name, value);
        }
        environment
    }

    /// Where every Frappe process runs.
    pub fn sites(&self) -> PathBuf {
        self.bootstrapped.view.sites()
    }

    pub fn queues(&self) -> BenchQueues {
        BenchQueues::of(self.config)
    }

    /// Its own connection, opened at the first question.
    ///
    /// # Errors
    /// Why there can be none.
    pub fn queue_redis(&self) -> Result<Link, String> {
        let redis = &self.config.redis;
        let url = redis.queue.as_ref().ok_or("REDIS_QUEUE is not set")?;
        let server =
            Server::new(url, redis.tls_ca.as_ref(), "REDIS_QUEUE").map_err(|error| error.to_string())?;
        Ok(Link::new(server))
    }
}
