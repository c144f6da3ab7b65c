//! Settings that a changed secret file replaces while the roles serve: the Redis login, and with it the
//! environment of the children.

use std::sync::Arc;

use tokio::sync::watch;

use crate::config::redis::RedisConfig;
use crate::frappe::common_config::Overrides;
use crate::redis_client::{CurrentServer, Link, Server};

/// The current values; only the command that runs the roles changes them.
pub struct Current {
    queue: watch::Sender<CurrentServer>,
    overrides: watch::Sender<Overrides>,
}

impl Current {
    pub fn new(redis: &RedisConfig, overrides: &Overrides) -> Self {
        Self { queue: watch::Sender::new(queue(redis)), overrides: watch::Sender::new(overrides.clone()) }
    }

    /// Publishes the new login; children that were started with the old one are replaced.
    pub fn renew(&self, redis: &RedisConfig, overrides: &Overrides) {
        let _before = self.queue.send_replace(queue(redis));
        self.overrides.send_replace(overrides.clone());
    }

    /// Returns a connection to the queue Redis, opened at the first query.
    pub fn queue_redis(&self) -> Link {
        Link::following(self.queue.subscribe())
    }

    /// The variables added to the environment of every child at its start.
    pub fn overrides(&self) -> watch::Receiver<Overrides> {
        self.overrides.subscribe()
    }
}

/// Returns the queue server, or the reason that it cannot be used.
fn queue(redis: &RedisConfig) -> CurrentServer {
    let url = redis.queue.as_ref().ok_or("REDIS_QUEUE is not set")?;
    let server = Server::new(url, redis.tls_ca.as_ref(), "REDIS_QUEUE");
    server.map(Arc::new).map_err(|error| error.to_string())
}
