//! The values that common_site_config.json has to have, from the configuration.

use std::path::Path;

use serde_json::{Map, Value};

use super::super::bench_id::{self, Rule};
use super::super::sites;
use crate::bench::Bench;
use crate::config::Config;
use crate::config::common_keys::GivenKeys;
use crate::config::redis_url::RedisUrl;

/// The keys that we manage, with their intended values.
pub type Managed = Vec<(&'static str, Value)>;

/// The values that [`merge`](super::merge) writes.
#[derive(Default)]
pub struct Wanted {
    pub managed: Managed,
    /// Written only if the file lacks them.
    pub only_if_absent: Managed,
    /// None leaves the bench id as it is.
    pub bench_id: Option<Rule>,
    /// Keys of CAULDRON_COMMON_SITE_CONFIG. None writes and removes none.
    pub given: Option<GivenKeys>,
}

/// What a merge changes.
pub struct Change {
    pub next: Map<String, Value>,
    /// The names of the keys that differ, without records of ours.
    pub keys: Vec<String>,
}

impl Wanted {
    /// What a pod that does not write the file compares it with.
    pub fn of_reader(config: &Config) -> Self {
        Self { managed: managed(config), given: config.common_keys.clone(), ..Self::default() }
    }

    /// The differences that have to reach Frappe, in the file or otherwise.
    pub fn required(&self, current: &Map<String, Value>) -> Managed {
        differences(current, &self.managed, &self.only_if_absent)
    }

    /// The differences of the given keys, which no variable of Frappe can replace.
    pub fn required_of_given(&self, current: &Map<String, Value>) -> Vec<String> {
        self.given.as_ref().map(|given| given.changes(current)).unwrap_or_default()
    }

    /// The file with all differences. Those of the bench id are not written where the file cannot be. None if there is
    /// nothing to write.
    pub fn change(&self, current: &Map<String, Value>, bench: &Bench) -> Option<Change> {
        let additions = self.bench_id.iter().flat_map(|rule| rule.additions(current, !sites::has_any(bench)));
        let ours: Managed = self.required(current).into_iter().chain(additions).collect();
        let mut keys = self.required_of_given(current);
        keys.extend(ours.iter().map(|(key, _)| (*key).to_string()));
        let mut next = match &self.given {
            Some(given) => given.apply(current),
            None => current.clone(),
        };
        next.extend(ours.into_iter().map(|(key, value)| (key.to_string(), value)));
        (&next != current).then_some(Change { next, keys })
    }
}

/// The keys and values from the configuration. `webserver_port` is not among them: Frappe appends it to
/// every link that it writes (docs/frappe-contract.md#port-in-links).
pub fn managed(config: &Config) -> Managed {
    let mut keys: Managed = vec![("db_type", "postgres".into())];
    if let Some(database) = &config.database {
        keys.push(("db_host", database.host.clone().into()));
        keys.push(("db_port", database.port.into()));
    }
    let redis = &config.redis;
    for (key, url) in [("redis_cache", &redis.cache), ("redis_queue", &redis.queue)] {
        if let Some(url) = url {
            keys.push((key, frappe_url(url, redis.tls_ca.as_deref()).into()));
        }
    }
    if let Some(port) = config.socketio_port {
        keys.push(("socketio_port", port.into()));
    }
    if let Some(url) = &config.site_url {
        keys.push(("host_name", url.clone().into()));
    }
    if let Some(id) = &config.bench_id.always {
        keys.push((bench_id::KEY, id.clone().into()));
    }
    keys
}

/// The URL for Frappe. Python reads the CA from the URL, node from its environment; one URL works for both
/// (docs/frappe-contract.md#redis-over-tls).
fn frappe_url(url: &RedisUrl, ca: Option<&Path>) -> String {
    match ca {
        Some(ca) => url.clone().with_ca(ca).reveal().to_string(),
        None => url.reveal().to_string(),
    }
}

pub fn differences(current: &Map<String, Value>, managed: &Managed, only_if_absent: &Managed) -> Managed {
    let changed = managed.iter().filter(|(key, value)| current.get(*key) != Some(value));
    let absent = only_if_absent.iter().filter(|(key, _)| !current.contains_key(*key));
    changed.chain(absent).cloned().collect()
}
