//! Everything that a role needs from the command that runs it.

use std::path::PathBuf;
use std::sync::Arc;

use super::current::Current;
use super::scheduler::stand_in::StandIn;
use crate::bring_up::Bootstrapped;
use crate::config::database::DatabaseConfig;
use crate::frappe::environment::ChildEnvironment;
use crate::frappe::queues::BenchQueues;
use crate::pod::Pod;
use crate::redis_client::Link;
use crate::supervise::relay::relay_for;
use crate::supervise::run_service::ServicePlan;
use crate::supervise::service::Policy;
use crate::supervise::spawn::{Output, Spec};
use crate::telemetry::redaction::Redaction;

/// A site that can be served, and the means to serve it.
pub struct RoleContext<'a> {
    /// Its `shutdown` stops the roles.
    pub pod: &'a Pod,
    pub database: &'a DatabaseConfig,
    pub site: &'a str,
    pub bootstrapped: &'a Bootstrapped,
    pub current: &'a Current,
    /// True if the web role runs in this process too.
    pub has_web: bool,
    pub stand_in: &'a Arc<StandIn>,
    /// Read after the bootstrap: these are the queues of every child.
    pub queues: &'a BenchQueues,
}

impl RoleContext<'_> {
    /// The environment of a Frappe process, without the changeable `Current::overrides`; some roles add to it.
    pub fn environment(&self, application: &str) -> ChildEnvironment {
        let mut environment = ChildEnvironment::inherited().for_frappe(self.database, &self.pod.config.redis);
        environment.use_overlay(&self.bootstrapped.overlay.paths());
        environment.set("PGAPPNAME", application).set("FRAPPE_STREAM_LOGGING", "1");
        environment
    }

    /// The working directory of every Frappe process.
    pub fn sites(&self) -> PathBuf {
        self.bootstrapped.overlay.sites()
    }

    /// Returns the output mode of a child, without the secrets that the configuration and the bench's files hold now.
    pub fn output(&self, role: &'static str, child: &str) -> Output {
        let Pod { config, bench, .. } = self.pod;
        let secrets = || Redaction::for_logs(config.origin.secret_values(&bench.sites()));
        relay_for(role, config.child_logs, child, secrets)
    }

    /// Returns the plan of a Frappe process that is replaced when the overrides change.
    pub fn plan(&self, spec: Spec, policy: Policy) -> ServicePlan {
        ServicePlan { additions: Some(self.current.overrides()), ..ServicePlan::new(spec, policy) }
    }

    pub fn queues(&self) -> BenchQueues {
        self.queues.clone()
    }

    /// Returns a new connection, opened at the first query.
    pub fn queue_redis(&self) -> Link {
        self.current.queue_redis()
    }
}
