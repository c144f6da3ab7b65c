//! What a mounted secret may change while the roles serve: the login of Redis, and with it what the
//! children are told by their environment.

use std::sync::Arc;

use tokio::sync::watch;

use crate::config::redis::RedisConfig;
use crate::frappe::common_config::Overrides;
use crate::redis_client::{Link, Now, Server};

/// Held by the pipeline, which alone changes it.
pub struct Current {
    queue: watch::Sender<Now>,
    overrides: watch::Sender<Overrides>,
}

impl Current {
    pub fn new(redis: &RedisConfig, overrides: &Overrides) -> Self {
        Self { queue: watch::Sender::new(queue(redis)), overrides: watch::Sender::new(overrides.clone()) }
    }

    /// Everyone uses the new login from now on; children that had the old one are replaced.
    pub fn renew(&self, redis: &RedisConfig, overrides: &Overrides) {
        let _before = self.queue.send_replace(queue(redis));
        self.overrides.send_replace(overrides.clone());
    }

    /// A connection to the queue Redis, opened at the first question.
    pub fn queue_redis(&self) -> Link {
        Link::following(self.queue.subscribe())
    }

    /// What is added to the environment of every child at its start.
    pub fn overrides(&self) -> watch::Receiver<Overrides> {
        self.overrides.subscribe()
    }
}

/// The server, or why there can be none.
fn queue(redis: &RedisConfig) -> Now {
    let url = redis.queue.as_ref().ok_or("REDIS_QUEUE is not set")?;
    let server = Server::new(url, redis.tls_ca.as_ref(), "REDIS_QUEUE");
    server.map(Arc::new).map_err(|error| error.to_string())
}
