//! What every role needs of the pipeline.

use std::path::PathBuf;

use super::current::Current;
use crate::bring_up::Bootstrapped;
use crate::config::database::DatabaseConfig;
use crate::frappe::environment::ChildEnvironment;
use crate::frappe::queues::BenchQueues;
use crate::pod::Pod;
use crate::redis_client::Link;
use crate::supervise::run_service::ServicePlan;
use crate::supervise::service::Policy;
use crate::supervise::spawn::Spec;

/// A site that is there, and what serves it.
pub struct RoleContext<'a> {
    /// Its `shutdown` ends the roles.
    pub pod: &'a Pod,
    pub database: &'a DatabaseConfig,
    pub site: &'a str,
    pub bootstrapped: &'a Bootstrapped,
    pub current: &'a Current,
    /// Whether the web role runs in this process too.
    pub has_web: bool,
}

impl RoleContext<'_> {
    /// Of every Frappe process, but for what may change (`Current::overrides`); some have more.
    pub fn environment(&self, application: &str) -> ChildEnvironment {
        let mut environment = ChildEnvironment::inherited().for_frappe(self.database, &self.pod.config.redis);
        environment.joining(&self.bootstrapped.overlay.joined());
        environment.set("PGAPPNAME", application).set("FRAPPE_STREAM_LOGGING", "1");
        environment
    }

    /// Where every Frappe process runs.
    pub fn sites(&self) -> PathBuf {
        self.bootstrapped.overlay.sites()
    }

    /// A Frappe process that is replaced when what it was told has changed.
    pub fn plan(&self, spec: Spec, policy: Policy) -> ServicePlan {
        ServicePlan { additions: Some(self.current.overrides()), ..ServicePlan::new(spec, policy) }
    }

    pub fn queues(&self) -> BenchQueues {
        BenchQueues::of(&self.pod.config)
    }

    /// Its own connection, opened at the first question.
    pub fn queue_redis(&self) -> Link {
        self.current.queue_redis()
    }
}
